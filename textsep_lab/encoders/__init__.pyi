from .base import JointEncoder as JointEncoder
from .base import TextEncoder as TextEncoder
from .queries import clean_query as clean_query
from .query_classifier import QueryClassifier as QueryClassifier
from .registry import JOINT_ENCODERS as JOINT_ENCODERS
from .registry import TEXT_ENCODERS as TEXT_ENCODERS
from .registry import load_encoder as load_encoder
from .registry import load_joint_encoder as load_joint_encoder
