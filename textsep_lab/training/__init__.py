"""Training runs that can be killed and resumed, of separators and of CLAP models.

Settings decide a run and the loop is one; what it learns, and from what, is each kind's own.
Taught in notebooks 03 and 07.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
