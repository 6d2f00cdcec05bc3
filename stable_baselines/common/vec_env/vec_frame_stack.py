"""The last few observations as one."""
from typing import Any

import numpy as np

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper, VecStep


class VecFrameStack(VecEnvWrapper):
    """
    Stack the last observations along their last axis, the newest last; before an episode's start there are zeros.

    ``terminal_observation`` in an info is stacked too.

    :param venv: what to wrap; its observation space must be a Box
    :param n_stack: how many observations to stack
    :raises ValueError: if the observation space is not a Box with at least one axis, or n_stack is less than 1
    """

    def __init__(self, venv: VecEnv, n_stack: int):
        space = venv.observation_space
        if not isinstance(space, spaces.Box) or not space.shape:
            raise ValueError(f"venv: its observation space is {space}: accepted is a Box with at least one axis")
        if n_stack < 1:
            raise ValueError(f"n_stack={n_stack!r}: accepted is a positive integer")
        self.n_stack = n_stack
        self._n_new = space.shape[-1]
        low, high = (np.repeat(bound, n_stack, axis=-1) for bound in (space.low, space.high))
        self.stackedobs = np.zeros((venv.num_envs,) + low.shape, low.dtype)
        super().__init__(venv, observation_space=spaces.Box(low=low, high=high, dtype=space.dtype))

    def step_wait(self) -> VecStep:
        obs, rewards, dones, infos = self.venv.step_wait()
        # One move of the whole memory, much faster than a move within each pixel: what crosses the border between two
        # pixels ends in the place of the newest observation, which is overwritten.
        flat = self.stackedobs.reshape(-1)
        flat[:-self._n_new] = flat[self._n_new:]
        for index in np.flatnonzero(dones):
            if 'terminal_observation' in infos[index]:
                self._append(infos[index]['terminal_observation'], index)
                infos[index]['terminal_observation'] = self.stackedobs[index].copy()
            self.stackedobs[index] = 0
        self._append(obs)
        return self.stackedobs.copy(), rewards, dones, infos

    def reset(self) -> np.ndarray:
        obs = self.venv.reset()
        self.stackedobs[...] = 0
        self._append(obs)
        return self.stackedobs.copy()

    def _append(self, obs: Any, index: Any = slice(None)) -> None:
        """Put observations into the newest place, of all environments or of one."""
        self.stackedobs[index, ..., -self._n_new:] = obs
