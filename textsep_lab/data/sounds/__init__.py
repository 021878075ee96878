"""Synthetic sounds: labelled clips from physical and signal models. Taught in notebook 01.

Every clip is computed from a label and a seed, so the kit trains and tests without a download.
"""

from textsep_lab.data.sounds.dataset import write_dataset
from textsep_lab.data.sounds.synthesis import labels, synthesize

__all__ = ["labels", "synthesize", "write_dataset"]
