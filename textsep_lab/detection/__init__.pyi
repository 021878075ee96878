from .detector import Detector as Detector
from .detector import detect as detect
from .detector import load_detector as load_detector
from .similarity import Similarities as Similarities
from .similarity import compare as compare
