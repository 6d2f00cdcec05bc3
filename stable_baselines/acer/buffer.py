"""ACER's replay memory: whole segments, so that returns and recurrent states can be computed anew."""
import copy
from typing import Any, Dict, NamedTuple, Optional

import numpy as np

from stable_baselines.common.vec_env import VecEnv, VecFrameStack


class ReplaySegment(NamedTuple):
    """What ``n_steps`` steps of every environment gave, one row an environment."""

    obs: np.ndarray  # with the one after the last step, (n_envs, n_steps + 1) + observation shape
    actions: np.ndarray  # (n_envs, n_steps)
    rewards: np.ndarray  # (n_envs, n_steps)
    mus: np.ndarray  # probabilities of all actions under the policy that acted, (n_envs, n_steps, n_actions)
    dones: np.ndarray  # whether the step ended its episode, (n_envs, n_steps)
    episode_starts: np.ndarray  # whether the observation begins an episode, (n_envs, n_steps + 1)
    states: Optional[np.ndarray]  # of a recurrent policy before the first step, (n_envs,) + state shape


class Buffer:
    """
    A ring of segments, each of n_steps steps of every environment.

    Of stacked frames (where the environment is a ``VecFrameStack``) each is stored once.

    :param env: the environments
    :param n_steps: length of a segment
    :param size: number of steps of each environment to keep
    :param np_random: where the samples are drawn from
    """

    def __init__(self, env: VecEnv, n_steps: int, size: int = 50000, np_random: Any = np.random):
        if size < n_steps:
            raise ValueError(f"size={size} steps: accepted is at least one segment of {n_steps} steps")
        self.n_env = env.num_envs
        self.n_steps = n_steps
        self.size = size // n_steps
        # not a subclass, which may begin an episode with other frames than empty ones
        self.n_stack = env.n_stack if type(env) is VecFrameStack else 1
        self.np_random = np_random
        self.next_idx = 0
        self.num_in_buffer = 0
        self._arrays: Dict[str, np.ndarray] = {}

    def has_atleast(self, frames: int) -> bool:
        """
        Tell whether the buffer holds enough segments.

        :param frames: number of steps of each environment, rounded down to whole segments
        :return: whether that many are stored
        """
        return self.num_in_buffer >= frames // self.n_steps

    def can_sample(self) -> bool:
        """
        Tell whether there is anything to sample.

        :return: whether at least one segment is stored
        """
        return self.num_in_buffer > 0

    def encode(self, obs: np.ndarray) -> np.ndarray:
        """
        Drop the frames that occur more than once.

        :param obs: observations, shape (n_envs, n_steps + 1, ..., n_stack * n_channels)
        :return: frames, (n_envs, n_stack + n_steps, ..., n_channels); without stacking the observations
        """
        if self.n_stack == 1:
            return obs
        oldest = np.stack(np.split(obs[:, 0], self.n_stack, axis=-1), axis=1)
        return np.concatenate([oldest, obs[:, 1:, ..., -oldest.shape[-1]:]], axis=1)

    def decode(self, enc_obs: np.ndarray, masks: Optional[np.ndarray] = None) -> np.ndarray:
        """
        Stack frames again, the inverse of ``encode``.

        :param enc_obs: frames, as ``encode`` returns them
        :param masks: whether an observation begins an episode, which what came before must not reach,
            shape (n_envs, n_steps + 1); None means that none of them does
        :return: observations, shape (n_envs, n_steps + 1, ..., n_stack * n_channels)
        """
        if self.n_stack == 1:
            return enc_obs
        n_obs = enc_obs.shape[1] - self.n_stack + 1
        # of each observation the frames by age, the oldest first
        obs = np.stack([enc_obs[:, first:first + n_obs] for first in range(self.n_stack)], axis=-2)
        if masks is not None:
            for env, start in zip(*np.nonzero(masks)):
                for later in range(min(self.n_stack - 1, n_obs - start)):
                    obs[env, start + later, ..., :self.n_stack - 1 - later, :] = 0
        return obs.reshape(obs.shape[:-2] + (-1,))

    def put(self, enc_obs: np.ndarray, actions: np.ndarray, rewards: np.ndarray, mus: np.ndarray, dones: np.ndarray,
            masks: np.ndarray, states: Optional[np.ndarray] = None) -> None:
        """
        Store a segment, in the place of the oldest one if the buffer is full; see ``ReplaySegment`` for the shapes.

        :param enc_obs: observations, as ``encode`` returns them
        :param actions: actions
        :param rewards: rewards
        :param mus: probabilities of all actions under the policy that acted
        :param dones: whether the step ended its episode
        :param masks: whether the observation begins an episode
        :param states: states of a recurrent policy before the first step
        """
        segment = dict(enc_obs=enc_obs, actions=actions, rewards=rewards, mus=mus, dones=dones, episode_starts=masks)
        if states is not None:
            segment['states'] = states
        if not self._arrays:
            self._arrays = {name: np.empty((self.size,) + values.shape, values.dtype)
                            for name, values in segment.items()}
        for name, values in segment.items():
            self._arrays[name][self.next_idx] = values
        self.next_idx = (self.next_idx + 1) % self.size
        self.num_in_buffer = min(self.size, self.num_in_buffer + 1)

    def take(self, arr: np.ndarray, idx: np.ndarray, envx: np.ndarray) -> np.ndarray:
        """
        Pick, for each environment, its part of one of the segments.

        :param arr: stored segments, shape (size, n_envs, ...)
        :param idx: index of a segment for each environment, shape (n_envs,)
        :param envx: indices of the environments, shape (n_envs,)
        :return: shape (n_envs, ...)
        """
        return arr[idx, envx]

    def sample(self) -> ReplaySegment:
        """
        Draw a segment: for each environment, independently, one of its stored ones.

        :return: the segment
        :raises ValueError: if nothing is stored
        """
        if not self.can_sample():
            raise ValueError("the buffer is empty")
        idx, envx = self.np_random.randint(0, self.num_in_buffer, self.n_env), np.arange(self.n_env)
        taken: Dict[str, Any] = {name: self.take(arr, idx, envx) for name, arr in self._arrays.items()}
        obs = self.decode(taken.pop('enc_obs'), taken['episode_starts'])
        return ReplaySegment(**dict(dict(states=None), obs=obs, **taken))

    def get(self):
        """
        Draw a segment, see ``sample``.

        :return: its obs, actions, rewards, mus, dones and episode starts
        """
        return tuple(self.sample()[:6])

    def get_state(self) -> Dict[str, Any]:
        """Return a copy of what is stored."""
        return copy.deepcopy(dict(_arrays=self._arrays, next_idx=self.next_idx, num_in_buffer=self.num_in_buffer))

    def set_state(self, state: Dict[str, Any]) -> None:
        """Store a copy of what ``get_state`` returned."""
        vars(self).update(copy.deepcopy(state))
