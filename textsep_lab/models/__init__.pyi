from .config import ClapConfig as ClapConfig
from .config import UNetConfig as UNetConfig
from .masking import Mask as Mask
from .masking import apply_mask as apply_mask
from .masking import estimate_mask as estimate_mask
from .registry import NETWORKS as NETWORKS
from .registry import build as build
from .registry import parameter_count as parameter_count
