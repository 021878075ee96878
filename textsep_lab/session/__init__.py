"""An open recording and what is done with it: several sounds, windows, history, exports.

This is the page's logic, without widgets; taught in notebook 06.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
