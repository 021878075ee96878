"""How well, how fast and how sure: tables and figures, from the mixture itself to oracle masks.

Every number of the reports is made here; taught in notebook 05.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
