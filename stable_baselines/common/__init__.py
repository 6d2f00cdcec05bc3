"""What the algorithms share. The names that Stable Baselines 2.10 offers here are imported when they are asked for."""
import importlib

# name -> module that has it
_PUBLIC = {name: 'stable_baselines.common.' + module for module, names in {
    'base_class': ('ActorCriticRLModel', 'BaseRLModel', 'SetVerbosity', 'TensorboardWriter'),
    'cmd_util': ('make_vec_env',),
    'console_util': ('colorize', 'fmt_item', 'fmt_row'),
    'math_util': ('discount', 'discount_with_boundaries', 'explained_variance', 'explained_variance_2d',
                  'flatten_arrays', 'unflatten_vector'),
    'misc_util': ('boolean_flag', 'set_global_seeds', 'zipsame'),
}.items() for name in names}

__all__ = sorted(_PUBLIC)


def __getattr__(name):
    """Import a name when it is asked for: the processes of a SubprocVecEnv never need TensorFlow."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'stable_baselines.common' has no attribute {name!r}")


def __dir__():
    return sorted(list(globals()) + __all__)
