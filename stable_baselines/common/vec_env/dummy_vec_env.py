"""Several environments in this process, stepped one after the other."""
import copy
import warnings
from collections import OrderedDict
from typing import Any, Callable, List, Optional, Sequence

import numpy as np

from stable_baselines.common.gym_compat import convert_env
from stable_baselines.common.vec_env.base_vec_env import Indices, NotSteppingError, VecEnv, VecStep, check_env_fns
from stable_baselines.common.vec_env.util import copy_obs_dict, dict_to_obs, obs_space_info

__all__ = ['DummyVecEnv', 'VecEnv', 'copy_obs_dict', 'dict_to_obs', 'obs_space_info']


class DummyVecEnv(VecEnv):
    """
    Step several environments one after the other in this process.

    For environments as cheap as CartPole this is faster than processes. It also makes a vectorised environment of a
    single one.

    :param env_fns: functions that make one environment each, of gym or gymnasium
    :raises TypeError: if one of them is not callable or does not make an environment
    :raises ValueError: if there are none, or if the environments' spaces can not be used
    """

    def __init__(self, env_fns: Sequence[Callable[[], Any]]):
        envs = [env_fn() for env_fn in check_env_fns(env_fns)]
        if len({id(env) for env in envs}) < len(envs):
            warnings.warn("env_fns: several of the functions return the same environment object, whose episodes then "
                          "get mixed up; make a new environment in each call", stacklevel=2)
        self.envs = [convert_env(env) for env in envs]
        super().__init__(len(envs), self.envs[0].observation_space, self.envs[0].action_space)
        self.keys, self._shapes, self._dtypes = obs_space_info(self.observation_space)
        self._has_parts = self.keys != [None]
        self.actions: Any = None
        self.metadata = self.envs[0].metadata

    def step_async(self, actions: Any) -> None:
        if len(actions) != self.num_envs:
            raise ValueError(f"actions={actions!r}: accepted is one for each of the {self.num_envs} environments")
        self.actions = actions

    def step_wait(self) -> VecStep:
        if self.actions is None:
            raise NotSteppingError()
        # the arrays and dicts are the caller's: the next step leaves them alone
        rewards = np.empty(self.num_envs, np.float32)
        dones = np.empty(self.num_envs, np.bool_)
        all_obs, infos = [], []
        for index, env in enumerate(self.envs):
            obs, rewards[index], done, info = env.step(self.actions[index])
            dones[index] = done
            info = info.copy()  # some environments hand out the same dict each time
            if done:
                # a copy, because some environments reset the very array that they handed out
                info['terminal_observation'] = copy.deepcopy(obs)
                obs = env.reset()
            all_obs.append(obs)
            infos.append(info)
        self.actions = None
        return self._stack(all_obs), rewards, dones, infos

    def reset(self) -> Any:
        self.actions = None
        return self._stack([env.reset() for env in self.envs])

    def _stack(self, all_obs: List[Any]) -> Any:
        """Put the environments' observations into new arrays (n_envs, ...) of the space's dtype."""
        if self._has_parts:
            return dict_to_obs(self.observation_space, OrderedDict(
                (key, self._stack_part(key, [obs[key] for obs in all_obs])) for key in self.keys))
        return self._stack_part(None, all_obs)

    def _stack_part(self, key: Any, values: List[Any]) -> np.ndarray:
        """Put the environments' values of one part of the space (None: the whole of it) into a new array."""
        # filling an array is several times faster than np.stack or np.array, which look at every element first
        batch = np.empty((self.num_envs,) + self._shapes[key], self._dtypes[key])
        for index, value in enumerate(values):
            batch[index] = value
        return batch

    def seed(self, seed: Optional[int] = None) -> List[Any]:
        return [env.seed(None if seed is None else seed + index) for index, env in enumerate(self.envs)]

    def close(self) -> None:
        for env in self.envs:
            env.close()

    def get_images(self) -> Sequence[np.ndarray]:
        return self.env_method('render', mode='rgb_array')

    def render(self, mode: str = 'human') -> Optional[np.ndarray]:
        """
        Render the environments: a single one by its own means, several as one tiled picture.

        :param mode: 'human' or 'rgb_array'; a single environment may know others
        :return: the picture, shape (height, width, 3), for 'rgb_array'
        """
        if self.num_envs == 1:
            return self.envs[0].render(mode=mode)
        return super().render(mode=mode)

    def get_attr(self, attr_name: str, indices: Indices = None) -> List[Any]:
        return [getattr(env, attr_name) for env in self._get_target_envs(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        for env in self._get_target_envs(indices):
            setattr(env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None,
                   **method_kwargs: Any) -> List[Any]:
        return [getattr(env, method_name)(*method_args, **method_kwargs) for env in self._get_target_envs(indices)]

    def _get_target_envs(self, indices: Indices) -> List[Any]:
        """Pick the environments that the argument ``indices`` means."""
        return [self.envs[index] for index in self._get_indices(indices)]
