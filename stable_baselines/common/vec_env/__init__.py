"""Vectorised environments and wrappers around them."""
import copy
from typing import Any, Iterator, Optional

from stable_baselines.common.vec_env.base_vec_env import (
    AlreadySteppingError,
    CloudpickleWrapper,
    NotSteppingError,
    VecEnv,
    VecEnvWrapper,
    _UnvecWrapper,  # noqa: F401  for the algorithms, not for users
)
from stable_baselines.common.vec_env.dummy_vec_env import DummyVecEnv
from stable_baselines.common.vec_env.subproc_vec_env import SubprocVecEnv
from stable_baselines.common.vec_env.vec_check_nan import VecCheckNan
from stable_baselines.common.vec_env.vec_frame_stack import VecFrameStack
from stable_baselines.common.vec_env.vec_normalize import VecNormalize
from stable_baselines.common.vec_env.vec_video_recorder import VecVideoRecorder

__all__ = ['AlreadySteppingError', 'CloudpickleWrapper', 'DummyVecEnv', 'NotSteppingError', 'SubprocVecEnv',
           'VecCheckNan', 'VecEnv', 'VecEnvWrapper', 'VecFrameStack', 'VecNormalize', 'VecVideoRecorder',
           'sync_envs_normalization', 'unwrap_vec_normalize']


def _vec_normalize_wrappers(env: Any) -> Iterator[VecNormalize]:
    """Yield the VecNormalize wrappers of an environment, the outermost first."""
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            yield env
        env = env.venv


def unwrap_vec_normalize(env: Any) -> Optional[VecNormalize]:
    """Find the outermost VecNormalize wrapper of an environment; return None if it has none."""
    return next(_vec_normalize_wrappers(env), None)


def sync_envs_normalization(env: Any, eval_env: Any) -> None:
    """
    Copy the statistics of an environment's VecNormalize wrappers to those of another environment.

    :param env: the source; without VecNormalize wrappers nothing is done
    :param eval_env: the target
    :raises ValueError: if the two have different numbers of VecNormalize wrappers
    """
    sources, targets = list(_vec_normalize_wrappers(env)), list(_vec_normalize_wrappers(eval_env))
    if sources and len(sources) != len(targets):
        raise ValueError(f"eval_env: it has {len(targets)} VecNormalize wrappers: accepted are as many as env has, "
                         f"{len(sources)}")
    for source, target in zip(sources, targets):
        target.obs_rms = copy.deepcopy(source.obs_rms)
        target.ret_rms = copy.deepcopy(source.ret_rms)
