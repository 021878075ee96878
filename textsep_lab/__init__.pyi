from .detection import Detector as Detector
from .detection import detect as detect
from .detection import load_detector as load_detector
from .separation import Separation as Separation
from .separation import Separator as Separator
from .separation import load_separator as load_separator
from .version import __version__ as __version__
