from .registry import METHODS as METHODS
from .result import Separation as Separation
from .separator import Separator as Separator
from .separator import load_separator as load_separator
