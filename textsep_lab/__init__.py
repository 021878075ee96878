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

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textsep_lab.detection import detect
    from textsep_lab.separation import Separation, Separator, load_separator

__all__ = ["Separation", "Separator", "detect", "load_separator"]


def __getattr__(name: str):
    # Looking up the version is slow next to the rest of this file, and torch takes seconds to
    # import: `textsep --help` and the sound bank need wait for neither.
    if name == "__version__":
        from importlib.metadata import version

        return version("textsep-lab")
    if name in __all__:
        from textsep_lab import detection, separation

        return getattr(detection if name == "detect" else separation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
