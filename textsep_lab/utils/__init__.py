"""Where files lie, how they are written whole, and tables of names for what can be added.

Nothing here knows about sound; every room may import it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
