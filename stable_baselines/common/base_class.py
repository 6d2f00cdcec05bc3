"""The public names of the base classes, under their old address."""
from stable_baselines.common.actor_critic import ActorCriticRLModel  # noqa: F401
from stable_baselines.common.base_model import BaseRLModel, SetVerbosity, TensorboardWriter  # noqa: F401
from stable_baselines.common.callbacks import BaseCallback, CallbackList, ConvertCallback  # noqa: F401
from stable_baselines.common.misc_util import set_global_seeds  # noqa: F401
from stable_baselines.common.policies import ActorCriticPolicy, get_policy_from_name  # noqa: F401
from stable_baselines.common.runners import AbstractEnvRunner  # noqa: F401
from stable_baselines.common.save_util import bytes_to_params, data_to_json, json_to_data, params_to_bytes  # noqa: F401
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecNormalize, unwrap_vec_normalize  # noqa: F401
