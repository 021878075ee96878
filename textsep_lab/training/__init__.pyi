from .config import ClapSettings as ClapSettings
from .config import SeparatorSettings as SeparatorSettings
from .registry import LOSSES as LOSSES
