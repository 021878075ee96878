"""From words, and with a joint encoder from recordings, to points on a sphere.

The query classifier says which of the taught labels some words mean; taught in notebooks 02, 05
and 07.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
