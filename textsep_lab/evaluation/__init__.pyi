from .mixture_list import EvaluationMixture as EvaluationMixture
from .mixture_list import MixtureList as MixtureList
from .mixture_list import load_mixture_list as load_mixture_list
from .scores import measure as measure
from .scores import score as score
from .scores import summary as summary
