"""Waveforms in and out of files, the STFT and its bands, time windows, ideal masks, metrics.

Pure functions of arrays, no network and no data set; taught in notebook 01.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
