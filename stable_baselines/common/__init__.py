"""What the algorithms share. The names that Stable Baselines 2.10 offers here are imported when they are asked for."""
from typing import TYPE_CHECKING

from stable_baselines.common import lazy

if TYPE_CHECKING:
    from stable_baselines.common.base_class import (
        ActorCriticRLModel,
        BaseRLModel,
        OffPolicyRLModel,
        SetVerbosity,
        TensorboardWriter,
    )
    from stable_baselines.common.cmd_util import make_vec_env
    from stable_baselines.common.console_util import colorize, fmt_item, fmt_row
    from stable_baselines.common.dataset import Dataset
    from stable_baselines.common.math_util import (
        discount,
        discount_with_boundaries,
        explained_variance,
        explained_variance_2d,
        flatten_arrays,
        unflatten_vector,
    )
    from stable_baselines.common.misc_util import boolean_flag, set_global_seeds, zipsame

__all__ = ['ActorCriticRLModel', 'BaseRLModel', 'Dataset', 'OffPolicyRLModel', 'SetVerbosity', 'TensorboardWriter',
           'boolean_flag', 'colorize', 'discount', 'discount_with_boundaries', 'explained_variance',
           'explained_variance_2d', 'flatten_arrays', 'fmt_item', 'fmt_row', 'make_vec_env', 'set_global_seeds',
           'unflatten_vector', 'zipsame']

_HOMES = dict(
    dict.fromkeys(__all__, 'math_util'), ActorCriticRLModel='base_class', BaseRLModel='base_class',
    OffPolicyRLModel='base_class', SetVerbosity='base_class', TensorboardWriter='base_class', make_vec_env='cmd_util',
    Dataset='dataset', colorize='console_util', fmt_item='console_util', fmt_row='console_util',
    boolean_flag='misc_util', set_global_seeds='misc_util', zipsame='misc_util')

lazy.offer(__name__, _HOMES, {})
