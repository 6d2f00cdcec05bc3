"""Running normalisation of observations and rewards."""
import math
import os
import pickle
import warnings
from typing import Any, Dict, Optional

import numpy as np

from stable_baselines.common.files import pickling
from stable_baselines.common.files.atomic import write_whole
from stable_baselines.common.running_mean_std import RunningMeanStd
from stable_baselines.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper, VecStep, map_obs


class VecNormalize(VecEnvWrapper):
    """
    Normalise observations by their running mean and deviation, and rewards by the deviation of the discounted return.

    It can be pickled, without the environment, which is set again by ``set_venv``. At test time switch off
    ``training``, and ``norm_reward`` to see true rewards. ``terminal_observation`` in an info is not normalised.

    :param venv: what to wrap
    :param training: whether to update the statistics
    :param norm_obs: whether to normalise observations
    :param norm_reward: whether to normalise rewards
    :param clip_obs: the largest absolute value of a normalised observation
    :param clip_reward: the largest absolute value of a normalised reward
    :param gamma: the discount factor of the return whose deviation scales the rewards
    :param epsilon: added to variances, avoids division by zero
    :raises ValueError: if observations with parts (a Dict or Tuple space) are to be normalised
    """

    def __init__(self, venv: VecEnv, training: bool = True, norm_obs: bool = True, norm_reward: bool = True,
                 clip_obs: float = 10., clip_reward: float = 10., gamma: float = 0.99, epsilon: float = 1e-8):
        super().__init__(venv)
        shape = self.observation_space.shape
        if norm_obs and shape is None:
            raise ValueError(f"norm_obs=True: accepted is False, because the observation space {self.observation_space}"
                             " has parts, which can not be normalised")
        self.training, self.norm_obs, self.norm_reward = training, norm_obs, norm_reward
        self.clip_obs, self.clip_reward = clip_obs, clip_reward
        self.gamma, self.epsilon = gamma, epsilon
        self.obs_rms, self.ret_rms = RunningMeanStd(shape=shape or ()), RunningMeanStd()
        self.ret = np.zeros(self.num_envs)  # the discounted return of each episode under way
        self.old_obs: Any = None
        self.old_rews: Optional[np.ndarray] = None

    def __getstate__(self) -> Dict[str, Any]:
        # all but the environment, and what belongs to the episodes under way in it
        return {name: value for name, value in vars(self).items() if name not in ('venv', 'ret')}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state, venv=None)

    def set_venv(self, venv: VecEnv) -> None:
        """
        Wrap an environment, after unpickling.

        :param venv: what to wrap
        :raises ValueError: if there is one already, or if its observations have another shape than the statistics
        """
        if self.venv is not None:
            raise ValueError("venv: this VecNormalize already wraps an environment")
        # not the shape of our own space, which a pickle of the other environment library lacks
        shape, expected = venv.observation_space.shape or (), np.shape(self.obs_rms.mean)
        if shape != expected:
            raise ValueError(f"venv: its observations have the shape {shape}: accepted is that of the statistics, "
                             f"{expected}")
        VecEnvWrapper.__init__(self, venv)
        self.ret = np.zeros(self.num_envs)

    def step_wait(self) -> VecStep:
        self.old_obs, self.old_rews, dones, infos = self.venv.step_wait()
        # as Stable Baselines 2.10: statistics are kept even of what is not normalised, so that it can be switched on
        if self.training:
            if self.observation_space.shape is not None:
                self.obs_rms.update(self.old_obs)
            self.ret = self.ret * self.gamma + self.old_rews
            self.ret_rms.update(self.ret)
        self.ret[dones] = 0
        return self.normalize_obs(self.old_obs), self.normalize_reward(self.old_rews), dones, infos

    def reset(self) -> np.ndarray:
        self.ret = np.zeros(self.num_envs)
        self.old_obs = self.venv.reset()
        if self.training:  # as Stable Baselines 2.10: these zeros count as returns, but these observations do not count
            self.ret_rms.update(self.ret)
        return self.normalize_obs(self.old_obs)

    def normalize_obs(self, obs: np.ndarray) -> np.ndarray:
        """
        Normalise observations by the present statistics.

        :param obs: observations, shape ``(..., *obs_shape)``
        :return: ``clip((obs - mean) / sqrt(var + epsilon), -clip_obs, clip_obs)``, float64; the observations
            themselves if ``norm_obs`` is off
        """
        if not self.norm_obs:
            return obs
        normalized = obs - self.obs_rms.mean
        normalized /= np.sqrt(self.obs_rms.var + self.epsilon)
        return _clip(normalized, self.clip_obs)

    def normalize_reward(self, reward: np.ndarray) -> np.ndarray:
        """
        Normalise rewards by the present statistics.

        :param reward: rewards, shape (n_envs,)
        :return: ``clip(reward / sqrt(var + epsilon), -clip_reward, clip_reward)``, of the rewards' dtype; the
            rewards themselves if ``norm_reward`` is off
        """
        if not self.norm_reward:
            return reward
        # a Python float, which leaves float32 rewards float32 in every version of NumPy
        return _clip(reward / math.sqrt(self.ret_rms.var + self.epsilon), self.clip_reward)

    def get_original_obs(self) -> np.ndarray:
        """Return a copy of the last observations, not normalised; raise a ValueError before the first reset."""
        if self.old_obs is None:
            raise ValueError("there is no original observation: reset() the environment first")
        return map_obs(np.copy, self.old_obs)

    def get_original_reward(self) -> np.ndarray:
        """Return a copy of the last rewards, not normalised; raise a ValueError before the first step."""
        if self.old_rews is None:
            raise ValueError("there is no original reward: step() the environment first")
        return np.copy(self.old_rews)

    def save(self, save_path: str) -> None:
        """Save statistics and settings, without the environment, to a file."""
        _pickle(self, save_path)

    @staticmethod
    def load(load_path: str, venv: VecEnv) -> 'VecNormalize':
        """
        Load what ``save`` wrote, here or in Stable Baselines 2.

        The file is a pickle: load only files that you trust.

        :param load_path: the file
        :param venv: the environment to wrap
        :return: the wrapper
        """
        vec_normalize = _unpickle(load_path)
        vec_normalize.set_venv(venv)
        return vec_normalize

    def save_running_average(self, path: str) -> None:
        """Save the statistics only, into a folder. Deprecated: use ``save``."""
        warnings.warn("save_running_average is deprecated: use save, or pickle", DeprecationWarning, stacklevel=2)
        for name in ('obs_rms', 'ret_rms'):
            _pickle(getattr(self, name), os.path.join(path, name + '.pkl'))

    def load_running_average(self, path: str) -> None:
        """Load what ``save_running_average`` wrote into a folder. Deprecated: use ``load``."""
        warnings.warn("load_running_average is deprecated: use load, or pickle", DeprecationWarning, stacklevel=2)
        self.obs_rms, self.ret_rms = (_unpickle(os.path.join(path, name + '.pkl')) for name in ('obs_rms', 'ret_rms'))


def _clip(values: Any, limit: float) -> Any:
    """Clip to [-limit, limit], an array in place; np.clip is several times slower on small arrays."""
    place = values if isinstance(values, np.ndarray) else None
    return np.maximum(np.minimum(values, limit, out=place), -limit, out=place)


def _pickle(value: Any, path: str) -> None:
    """Write a pickle that the original and older Pythons can read."""
    write_whole(path, pickle.dumps(value, protocol=3))


def _unpickle(path: str) -> Any:
    """Read a pickle that either environment library wrote."""
    with open(path, 'rb') as file_handler:
        return pickling.loads(file_handler.read())
