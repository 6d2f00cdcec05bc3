"""The simplest task: answer each observation with itself. A quick check that an algorithm learns at all."""
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from stable_baselines.common.gym_compat import Env, convert_space, spaces

Step = Tuple[Any, float, bool, Dict[str, Any]]


class IdentityEnv(Env):
    """
    Reward an action that equals the observation with 1, any other with 0.

    :param dim: the number of different observations and actions, None for 1
    :param space: the space of both, instead of the Discrete one of size dim
    :param ep_length: the number of steps in an episode
    :raises ValueError: if both dim and space are given
    """

    def __init__(self, dim: Optional[int] = None, space: Optional[spaces.Space] = None, ep_length: int = 100):
        if dim is not None and space is not None:
            raise ValueError(f"dim={dim!r}, space={space!r}: accepted is one of the two")
        if space is None:
            space = spaces.Discrete(1 if dim is None else dim)
        # one object: what seeds the actions seeds the observations
        self.action_space = self.observation_space = convert_space(space)
        self.ep_length = ep_length
        self.num_resets = -1  # becomes 0 now
        self.reset()

    def reset(self) -> Any:
        self.current_step = 0
        self.num_resets += 1
        self.state = self.action_space.sample()
        return self.state

    def step(self, action: Any) -> Step:
        reward = self._get_reward(action)
        self.state = self.action_space.sample()
        self.current_step += 1
        return self.state, reward, self.current_step >= self.ep_length, {}

    def _get_reward(self, action: Any) -> float:
        """Return 1 if the action equals the observation, else 0."""
        return int(np.all(self.state == action))

    def seed(self, seed: Optional[int] = None) -> List[Optional[int]]:
        self.action_space.seed(seed)
        return [seed]

    def render(self, mode: str = 'human') -> None:
        """Show nothing."""


class IdentityEnvBox(IdentityEnv):
    """
    The task with a number as observation and action.

    :param low: the smallest number
    :param high: the largest number
    :param eps: how far off an action may be
    :param ep_length: the number of steps in an episode
    """

    def __init__(self, low: float = -1, high: float = 1, eps: float = 0.05, ep_length: int = 100):
        self.eps = eps
        super().__init__(space=spaces.Box(low=low, high=high, shape=(1,), dtype=np.float32), ep_length=ep_length)

    def _get_reward(self, action: np.ndarray) -> float:
        return int(np.all((self.state - self.eps <= action) & (action <= self.state + self.eps)))


class IdentityEnvMultiDiscrete(IdentityEnv):
    """The task with two numbers as observation and action, each of ``dim`` values."""

    def __init__(self, dim: int = 1, ep_length: int = 100):
        super().__init__(space=spaces.MultiDiscrete([dim, dim]), ep_length=ep_length)


class IdentityEnvMultiBinary(IdentityEnv):
    """The task with ``dim`` bits as observation and action."""

    def __init__(self, dim: int = 1, ep_length: int = 100):
        super().__init__(space=spaces.MultiBinary(dim), ep_length=ep_length)
