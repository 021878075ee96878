"""Recordings with labels, real (ESC-50) and synthetic, and the mixtures made of them.

A recipe always renders to the same samples, and captions paraphrase each label; taught in
notebook 01.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
