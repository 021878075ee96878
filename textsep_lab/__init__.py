"""Text-queried, time-selective audio separation.

Example:
    >>> import textsep_lab
    >>> separator = textsep_lab.load_separator()  # doctest: +SKIP
    >>> result = separator.separate("street.wav", "dog barking", windows=[(1.0, 3.5)])
    ... # doctest: +SKIP
"""

from importlib.metadata import version

__version__ = version("textsep-lab")
