"""Networks: how they are built by name, run on waveforms, stored and read.

A network sees magnitudes in bands and an embedded query, and gives a mask in [0, 1]; taught in
notebook 02.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
