"""
The one door for environments: gym 0.17 to 0.26 and gymnasium, converted once to the classic API.

Inside the library every environment has ``obs = reset(**kwargs)``, ``obs, reward, done, info = step(action)``,
``seed(seed)`` and ``render(mode='human')``. Spaces and base classes come from here and nowhere else.
"""
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.adapters import (
    ActionWrapper,
    Env,
    GoalEnv,
    ObservationWrapper,
    RewardWrapper,
    Wrapper,
    convert_env,
    is_env,
)
from stable_baselines.common.gym_compat.libraries import get_log_level, set_log_level
from stable_baselines.common.gym_compat.making import make
from stable_baselines.common.gym_compat.spaces import convert_space, same_space, without_generator

__all__ = ['ActionWrapper', 'Env', 'GoalEnv', 'ObservationWrapper', 'RewardWrapper', 'Wrapper', 'convert_env',
           'convert_space', 'get_log_level', 'is_env', 'make', 'same_space', 'set_log_level', 'spaces',
           'without_generator']
