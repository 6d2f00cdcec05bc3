"""TensorFlow in graph mode, the public address of ``common.graph``: sessions, fast calls, gradients, tensors."""
# ruff: noqa: F403
from stable_baselines.common.graph.functions import *
from stable_baselines.common.graph.gradients import *
from stable_baselines.common.graph.processes import *
from stable_baselines.common.graph.sessions import *
from stable_baselines.common.graph.summaries import *
from stable_baselines.common.graph.tensors import *

# kept for code that empties it: `initialize` asks the session instead
ALREADY_INITIALIZED: set = set()

# pickles name functions and classes by their module and open in Stable Baselines too, so that must be this one
for _offered in list(globals().values()):
    if (getattr(_offered, '__module__', None) or '').startswith('stable_baselines.common.graph.'):
        _offered.__module__ = __name__
