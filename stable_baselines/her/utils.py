"""Environments with goals, whose observations are dicts, shown as environments with one vector per observation."""
from collections import OrderedDict
from typing import Any, Dict, List, Mapping, Union

import numpy as np

from stable_baselines.common.gym_compat import Wrapper, convert_env, same_space, spaces
from stable_baselines.common.gym_compat.adapters import Step
from stable_baselines.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper, VecStep, _UnvecWrapper

# the order of the parts in the vector
KEY_ORDER = ['observation', 'achieved_goal', 'desired_goal']


class GoalLayout:
    """
    Where the three parts of an observation lie in one vector.

    :param space: the Dict space of the observations, whose parts are all vectors (Box), all MultiBinary, or all
        Discrete, which takes one entry of the vector each
    :raises ValueError: if it is another space
    """

    def __init__(self, space: Any):
        parts: Any = getattr(space, 'spaces', {})
        if not isinstance(space, spaces.Dict) or not set(KEY_ORDER) <= set(parts):
            raise ValueError(f"observation_space={space}: accepted is a Dict with the parts {KEY_ORDER}, which a "
                             "GoalEnv has")
        self.space = space
        self.spaces = [parts[key] for key in KEY_ORDER]
        self.is_discrete = self._are(spaces.Discrete)
        sizes = [1 if self.is_discrete else self._size(part) for part in self.spaces]
        self.obs_dim, self.goal_dim = sizes[:2]
        if sizes[2] != self.goal_dim:
            raise ValueError(f"observation_space={space}: accepted are goals of the same shape")
        self.flat_space = self._join_spaces()
        ends = np.cumsum([0, *sizes]).tolist()
        self._slices = [slice(*pair) for pair in zip(ends, ends[1:])]

    def _are(self, kind: type) -> bool:
        return all(isinstance(part, kind) for part in self.spaces)

    @staticmethod
    def _size(part: Any) -> int:
        """Return the length of a part, which must be a vector."""
        if len(part.shape) != 1:
            raise ValueError(f"observation_space with the part {part}: accepted are vectors; flatten it in a wrapper")
        return part.shape[0]

    def _join_spaces(self) -> Any:
        """Make the space of the vectors."""
        if self._are(spaces.Box):
            low, high = (np.concatenate([getattr(part, end) for part in self.spaces]) for end in ('low', 'high'))
            return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        if self._are(spaces.MultiBinary):
            return spaces.MultiBinary(sum(int(part.n) for part in self.spaces))
        if self.is_discrete:
            return spaces.MultiDiscrete([int(part.n) for part in self.spaces])
        raise ValueError(f"observation_space={self.space}: accepted are parts that are all Box, all MultiBinary or all "
                         "Discrete")

    def fits(self, other: 'GoalLayout') -> bool:
        """Tell whether vectors of another layout mean the same."""
        return all(map(same_space, self.spaces, other.spaces))

    def join(self, parts: Mapping[str, Any]) -> np.ndarray:
        """
        Put the parts of one or of several observations together.

        :param parts: by key, each of shape (size,) or (n, size); Discrete ones also numbers or of shape (n,)
        :return: shape (obs_dim + 2 * goal_dim,) or (n, obs_dim + 2 * goal_dim)
        """
        arrays = [np.asarray(parts[key]) for key in KEY_ORDER]
        if self.is_discrete:
            arrays = [array.reshape((-1, 1) if array.size > 1 else array.shape or (1,)) for array in arrays]
        return np.concatenate(arrays, axis=-1)

    def split(self, observations: np.ndarray) -> Dict[str, np.ndarray]:
        """
        Take one or several vectors apart: the inverse of ``join``.

        :param observations: shape (obs_dim + 2 * goal_dim,) or (n, obs_dim + 2 * goal_dim)
        :return: the parts by key, views of the vectors, each of shape (size,) or (n, size)
        """
        observations = np.asarray(observations)
        return OrderedDict((key, observations[..., part]) for key, part in zip(KEY_ORDER, self._slices))


class HERGoalEnvWrapper(Wrapper):
    """
    Show an environment with goals as one whose observations are vectors.

    :param env: an environment, or a vectorised one of a single environment, whose observations are dicts with the keys
        'observation', 'achieved_goal' and 'desired_goal'
    :raises ValueError: if the parts cannot be put into one vector, see ``GoalLayout``, or if the environment lacks
        ``compute_reward``
    """

    def __init__(self, env: Any):
        if isinstance(env, VecEnv):
            self.env = env if isinstance(env, _UnvecWrapper) else _UnvecWrapper(env)
        else:
            self.env = convert_env(env)
        self.layout = GoalLayout(self.env.observation_space)
        if not hasattr(self.env, 'compute_reward'):
            raise ValueError(f"env={env!r}: accepted is an environment with the method compute_reward(achieved_goal, "
                             "desired_goal, info)")
        self.metadata = self.env.metadata
        self.action_space = self.env.action_space
        self.observation_space = self.layout.flat_space
        self.spaces: List[Any] = self.layout.spaces
        self.obs_dim, self.goal_dim = self.layout.obs_dim, self.layout.goal_dim

    def convert_dict_to_obs(self, obs_dict: Mapping[str, Any]) -> np.ndarray:
        """
        Put the parts of an observation into one vector.

        :param obs_dict: the parts by key
        :return: the vector, or vectors with a batch axis if the parts have one
        """
        return self.layout.join(obs_dict)

    def convert_obs_to_dict(self, observations: np.ndarray) -> Dict[str, np.ndarray]:
        """
        Take a vector apart: the inverse of ``convert_dict_to_obs``.

        :param observations: one vector, or several, one row each
        :return: views of the parts by key
        """
        return self.layout.split(observations)

    def reset(self, **kwargs) -> np.ndarray:
        return self.layout.join(self.env.reset(**kwargs))

    def step(self, action: Any) -> Step:
        obs, reward, done, info = self.env.step(action)
        if done and isinstance(self.env, VecEnv):  # which shows the first observation of the next episode
            obs = info['terminal_observation']
        return self.layout.join(obs), reward, done, info

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Union[float, np.ndarray]:
        """
        Ask the environment for the reward of a step.

        :param achieved_goal: what was achieved after the step
        :param desired_goal: what was desired
        :param info: the info of the step
        """
        return self.env.compute_reward(achieved_goal, desired_goal, info)


class GoalVecEnv(VecEnvWrapper):
    """
    Show vectorised environments with goals as ones whose observations are vectors.

    :param venv: vectorised environments with dicts as observations; around environments that show vectors already
        (each in an ``HERGoalEnvWrapper``) it changes nothing, and only knows their layout
    :raises ValueError: if they have no goals, or if what wraps them changes their observations
    """

    def __init__(self, venv: VecEnv):
        shows_dicts = isinstance(venv.observation_space, spaces.Dict)
        self.layout = GoalLayout(venv.observation_space) if shows_dicts else _layout_inside(venv)
        super().__init__(venv, self.layout.flat_space)

    convert_dict_to_obs = HERGoalEnvWrapper.convert_dict_to_obs
    convert_obs_to_dict = HERGoalEnvWrapper.convert_obs_to_dict

    def reset(self) -> np.ndarray:
        return self._join_all(self.venv.reset())

    def step_wait(self) -> VecStep:
        obs, rewards, dones, infos = self.venv.step_wait()
        for index in np.flatnonzero(dones):
            last_obs = infos[index].get('terminal_observation')
            if isinstance(last_obs, dict):
                infos[index]['terminal_observation'] = self.layout.join(last_obs)
        return self._join_all(obs), rewards, dones, infos

    def _join_all(self, obs: Any) -> np.ndarray:
        """Make vectors (n_envs, ...) of the observations of all environments."""
        if not isinstance(obs, dict):
            return obs
        return self.layout.join(obs).reshape(self.num_envs, -1).astype(self.observation_space.dtype, copy=False)

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Union[float, np.ndarray]:
        """Ask the first environment for the reward of a step, see ``HERGoalEnvWrapper``."""
        return self.env_method('compute_reward', achieved_goal, desired_goal, info, indices=0)[0]


def _layout_inside(venv: VecEnv) -> GoalLayout:
    """Find the layout of environments that show vectors."""
    try:
        layout = getattr(venv, 'layout', None) or venv.get_attr('layout', indices=0)[0]
    except AttributeError:
        raise ValueError(f"observation_space={venv.observation_space}: accepted are environments with goals, whose "
                         f"observations are dicts with the keys {KEY_ORDER}") from None
    if not same_space(layout.flat_space, venv.observation_space):
        raise ValueError(f"observation_space={venv.observation_space}: accepted is that of the environments with goals "
                         f"inside, {layout.flat_space}: no wrapper may change it")
    return layout
