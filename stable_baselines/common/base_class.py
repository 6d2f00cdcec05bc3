"""The public names of the base classes, at their address in Stable Baselines 2.10."""
# ruff: noqa: F401
from stable_baselines.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines.common.misc_util import set_global_seeds
from stable_baselines.common.models.actor_critic import ActorCriticRLModel
from stable_baselines.common.models.base import BaseRLModel
from stable_baselines.common.models.off_policy import OffPolicyRLModel
from stable_baselines.common.models.training import SetVerbosity, TensorboardWriter
from stable_baselines.common.policies import ActorCriticPolicy, get_policy_from_name
from stable_baselines.common.runners import AbstractEnvRunner
from stable_baselines.common.save_util import bytes_to_params, data_to_json, json_to_data, params_to_bytes
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecNormalize, unwrap_vec_normalize
from stable_baselines.common.vec_env.base_vec_env import _UnvecWrapper

__all__ = ['ActorCriticRLModel', 'BaseRLModel', 'OffPolicyRLModel', 'SetVerbosity', 'TensorboardWriter']

# pickles name classes by their module and open in Stable Baselines too, so that must be this one
for _offered in list(globals().values()):
    if (getattr(_offered, '__module__', None) or '').startswith('stable_baselines.common.models.'):
        _offered.__module__ = __name__
