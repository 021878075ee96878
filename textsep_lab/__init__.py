"""Text-queried, time-selective audio separation.

Example:
    >>> import numpy as np
    >>> from textsep_lab import load_separator
    >>> noise = np.random.default_rng(0).standard_normal((1, 32000)).astype(np.float32) / 10
    >>> separator = load_separator()
    >>> result = separator.separate(noise, "rain", windows=[(0.5, 1.0)], sample_rate=16000)
    >>> result.output.shape
    (1, 32000)
"""

import lazy_loader

# torch takes seconds to import: `textsep --help` and the synthetic sounds need not wait for it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
