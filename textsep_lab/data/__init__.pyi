from . import fsd50k as fsd50k
from . import fuss as fuss
from .mixtures import Clips as Clips
from .mixtures import Mixture as Mixture
from .mixtures import Recipe as Recipe
from .mixtures import render as render
from .sampling import RecipeSampler as RecipeSampler
from .sampling import evaluation_recipes as evaluation_recipes
