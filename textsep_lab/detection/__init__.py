"""What is in a recording, how probably, and when.

Similarities of a joint encoder become calibrated probabilities and spans; taught in notebook 07.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
