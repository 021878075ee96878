from .paths import atomic_write as atomic_write
from .paths import checkpoints_dir as checkpoints_dir
from .paths import make_folder as make_folder
from .registry import Choices as Choices
from .registry import Registry as Registry
