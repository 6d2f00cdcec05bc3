"""Flip bits until all are 1: the task that shows what hindsight is for, https://arxiv.org/abs/1707.01495"""
from collections import OrderedDict
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np

from stable_baselines.common.gym_compat import GoalEnv, spaces

Goal = Union[np.ndarray, int]
_KEYS = ('observation', 'achieved_goal', 'desired_goal')


class BitFlippingEnv(GoalEnv):
    """
    Flip bits, one in each step, until all are 1. The reward is 0 when they are, and -1 before.

    :param n_bits: how many bits
    :param continuous: whether an action is one number for each bit, and all whose number is positive are
        flipped, instead of the index of one bit
    :param max_steps: the number of steps after which an episode ends, None for n_bits
    :param discrete_obs_space: whether the bits are shown as one number, the first bit as the lowest
    """

    def __init__(self, n_bits: int = 10, continuous: bool = False, max_steps: Optional[int] = None,
                 discrete_obs_space: bool = False):
        self.continuous, self.discrete_obs_space = continuous, discrete_obs_space
        self.max_steps = n_bits if max_steps is None else max_steps
        self.desired_goal = np.ones(n_bits)
        self.obs_space = spaces.MultiBinary(n_bits)
        shown_space = spaces.Discrete(2 ** n_bits) if discrete_obs_space else self.obs_space
        self.observation_space = spaces.Dict({key: shown_space for key in _KEYS})
        self.action_space = spaces.Box(-1, 1, (n_bits,), np.float32) if continuous else spaces.Discrete(n_bits)
        self.reset()

    def reset(self) -> Dict[str, Goal]:
        self.current_step = 0
        self.state = self.obs_space.sample()
        return self._get_obs()

    def step(self, action: Union[np.ndarray, int]) -> Tuple[Dict[str, Goal], float, bool, Dict[str, Any]]:
        flipped = np.asarray(action) > 0 if self.continuous else action
        self.state[flipped] ^= 1
        self.current_step += 1
        obs = self._get_obs()
        reward = self.compute_reward(obs['achieved_goal'], obs['desired_goal'], None)
        success = reward == 0
        return obs, reward, success or self.current_step >= self.max_steps, {'is_success': success}

    def compute_reward(self, achieved_goal: Goal, desired_goal: Goal, _info: Any) -> Any:
        """
        Return 0 if what was achieved is what was desired, else -1.

        :param achieved_goal: as the observations show it, or several, one row each
        :param desired_goal: likewise
        :return: a number, or one for each row, shape (n,)
        """
        equal = np.equal(achieved_goal, desired_goal)
        if equal.ndim < 2:
            return 0.0 if equal.all() else -1.0
        return equal.all(axis=-1) - 1.0

    def convert_if_needed(self, state: np.ndarray) -> Goal:
        """Turn bits, shape (n_bits,), into one number if that is how this environment shows them."""
        if not self.discrete_obs_space:
            return state
        return sum(int(bit) << index for index, bit in enumerate(state))

    def _get_obs(self) -> Dict[str, Goal]:
        """Show the bits; what is handed out does not change with the next step."""
        shown = zip(_KEYS, (self.state, self.state, self.desired_goal))
        return OrderedDict((key, self.convert_if_needed(bits.copy())) for key, bits in shown)

    def seed(self, seed: Optional[int] = None) -> List[Optional[int]]:
        self.obs_space.seed(seed)
        return [seed]

    def render(self, mode: str = 'human') -> None:
        """Print the bits."""
        print(self.state)
