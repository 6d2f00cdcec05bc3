"""Running normalisation of observations and rewards."""
import math
import os
import pickle
import warnings
from typing import Any, Dict, Optional

import numpy as np

from stable_baselines.common import pickling
from stable_baselines.common.running_mean_std import RunningMeanStd
from stable_baselines.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper, VecStep

# what a pickle leaves out: the environment, and what belongs to the episodes under way in it
_NOT_PICKLED = ('venv', 'class_attributes', 'ret')


class VecNormalize(VecEnvWrapper):
    """
    Normalise observations by their running mean and deviation, and rewards by the deviation of the discounted return.

    It can be pickled, without the environment, which is set again with ``set_venv``. At test time switch off
    ``training``, and ``norm_reward`` to see true rewards.

    :param venv: what to wrap
    :param training: whether to update the statistics
    :param norm_obs: whether to normalise observations
    :param norm_reward: whether to normalise rewards
    :param clip_obs: the largest absolute value of a normalised observation
    :param clip_reward: the largest absolute value of a normalised reward
    :param gamma: the discount factor of the return whose deviation scales the rewards
    :param epsilon: added to variances, avoids dividing by zero
    :raises ValueError: if observations with parts (a Dict or Tuple space) are to be normalised
    """

    def __init__(self, venv: VecEnv, training: bool = True, norm_obs: bool = True, norm_reward: bool = True,
                 clip_obs: float = 10., clip_reward: float = 10., gamma: float = 0.99, epsilon: float = 1e-8):
        super().__init__(venv)
        if norm_obs and self.observation_space.shape is None:
            raise ValueError(f"norm_obs=True: the observation space {self.observation_space} has parts, which can not "
                             "be normalised; accepted is norm_obs=False")
        self.obs_rms = RunningMeanStd(shape=self.observation_space.shape or ())
        self.ret_rms = RunningMeanStd(shape=())
        self.clip_obs = clip_obs
        self.clip_reward = clip_reward
        self.ret = np.zeros(self.num_envs)
        self.gamma = gamma
        self.epsilon = epsilon
        self.training = training
        self.norm_obs = norm_obs
        self.norm_reward = norm_reward
        self.old_obs: Any = None
        self.old_rews: Optional[np.ndarray] = None

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_PICKLED}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        self.venv = None

    def set_venv(self, venv: VecEnv) -> None:
        """
        Wrap an environment, after pickling.

        :param venv: what to wrap
        :raises ValueError: if there is one already, or if its observations have another shape than the statistics
        """
        if self.venv is not None:
            raise ValueError("venv: this VecNormalize wraps an environment already")
        # not the shape of the space, which comes without one from a pickle of the other environment library
        shape, expected = venv.observation_space.shape or (), np.shape(self.obs_rms.mean)
        if shape != expected:
            raise ValueError(f"venv: its observations have the shape {shape}, the statistics {expected}")
        VecEnvWrapper.__init__(self, venv)
        self.ret = np.zeros(self.num_envs)

    def step_wait(self) -> VecStep:
        """
        Wait for the step asked for with ``step_async()``, and normalise what comes.

        :return: normalised observations (n_envs, ...) float64, normalised rewards (n_envs,), dones, infos;
            ``terminal_observation`` in an info is not normalised
        """
        obs, rewards, dones, infos = self.venv.step_wait()
        self.old_obs = obs
        self.old_rews = rewards
        # as Stable Baselines 2.10: statistics are kept also of what is not normalised, so that it can be switched on
        if self.training:
            if self.observation_space.shape is not None:
                self.obs_rms.update(obs)
            self._update_reward(rewards)
        obs, rewards = self.normalize_obs(obs), self.normalize_reward(rewards)
        self.ret[dones] = 0
        return obs, rewards, dones, infos

    def reset(self) -> np.ndarray:
        """
        Reset all environments.

        :return: the observations, normalised, shape (n_envs, ...)
        """
        obs = self.venv.reset()
        self.old_obs = obs
        self.ret = np.zeros(self.num_envs)
        if self.training:
            # as Stable Baselines 2.10: these zeros count as returns, these observations do not count
            self._update_reward(self.ret)
        return self.normalize_obs(obs)

    def _update_reward(self, reward: np.ndarray) -> None:
        """Discount the returns, add the rewards (n_envs,), and take the returns into their statistics."""
        self.ret = self.ret * self.gamma + reward
        self.ret_rms.update(self.ret)

    def normalize_obs(self, obs: np.ndarray) -> np.ndarray:
        """
        Normalise observations by the statistics as they are.

        :param obs: observations, shape (..., *obs_shape)
        :return: ``clip((obs - mean) / sqrt(var + epsilon), -clip_obs, clip_obs)``, float64; the
            observations themselves if ``norm_obs`` is off
        """
        if not self.norm_obs:
            return obs
        normalized = obs - self.obs_rms.mean
        normalized /= np.sqrt(self.obs_rms.var + self.epsilon)
        return _clip(normalized, self.clip_obs)

    def normalize_reward(self, reward: np.ndarray) -> np.ndarray:
        """
        Normalise rewards by the statistics as they are.

        :param reward: rewards, shape (n_envs,)
        :return: ``clip(reward / sqrt(var + epsilon), -clip_reward, clip_reward)``, of the rewards' dtype;
            the rewards themselves if ``norm_reward`` is off
        """
        if not self.norm_reward:
            return reward
        # a Python float, which leaves float32 rewards float32 in every version of NumPy
        return _clip(reward / math.sqrt(self.ret_rms.var + self.epsilon), self.clip_reward)

    def get_original_obs(self) -> np.ndarray:
        """
        Return the observations of the last step or reset, not normalised.

        :return: a copy of them, shape (n_envs, ...)
        :raises ValueError: before the first reset
        """
        return _copy_of(self.old_obs, 'observation: reset() the environment first')

    def get_original_reward(self) -> np.ndarray:
        """
        Return the rewards of the last step, not normalised.

        :return: a copy of them, shape (n_envs,)
        :raises ValueError: before the first step
        """
        return _copy_of(self.old_rews, 'reward: step() the environment first')

    def save(self, save_path: str) -> None:
        """
        Save statistics and settings, without the environment.

        :param save_path: the file
        """
        with open(save_path, 'wb') as file_handler:
            # protocol 3: the original reads it, and older Pythons do
            pickle.dump(self, file_handler, protocol=3)

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
        """
        Save the statistics only. Deprecated: use ``save``.

        :param path: a folder; ``obs_rms.pkl`` and ``ret_rms.pkl`` are written there
        """
        warnings.warn("save_running_average is deprecated: use save, or pickle", DeprecationWarning, stacklevel=2)
        for name in ('obs_rms', 'ret_rms'):
            with open(os.path.join(path, name + '.pkl'), 'wb') as file_handler:
                pickle.dump(getattr(self, name), file_handler, protocol=3)

    def load_running_average(self, path: str) -> None:
        """
        Load what ``save_running_average`` wrote. Deprecated: use ``load``.

        :param path: the folder
        """
        warnings.warn("load_running_average is deprecated: use load, or pickle", DeprecationWarning, stacklevel=2)
        self.obs_rms, self.ret_rms = (_unpickle(os.path.join(path, name + '.pkl')) for name in ('obs_rms', 'ret_rms'))


def _clip(values: Any, limit: float) -> Any:
    """Clip to [-limit, limit], an array in place; np.clip is several times slower on small arrays."""
    place = values if isinstance(values, np.ndarray) else None
    return np.maximum(np.minimum(values, limit, out=place), -limit, out=place)


def _copy_of(values: Any, missing: str) -> Any:
    """Copy an array, or a dict or tuple of arrays; what is missing is named in the error."""
    if values is None:
        raise ValueError("there is no original " + missing)
    if isinstance(values, dict):
        return type(values)((key, np.copy(value)) for key, value in values.items())
    if isinstance(values, tuple):
        return tuple(np.copy(value) for value in values)
    return values.copy()


def _unpickle(path: str) -> Any:
    """Read a pickle that either environment library wrote."""
    with open(path, 'rb') as file_handler:
        return pickling.loads(file_handler.read())
