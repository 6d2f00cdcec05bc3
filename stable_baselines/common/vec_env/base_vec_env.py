"""The interface of vectorised environments and of wrappers around them."""
import warnings
from abc import ABC, abstractmethod
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple, Union

import cloudpickle
import numpy as np

from stable_baselines.common.gym_compat import is_env
from stable_baselines.common.tile_images import tile_images

Indices = Union[None, int, Iterable[int]]
# obs, rewards, dones, infos; obs is an (n_envs, ...) array, or a dict or tuple of such arrays
VecStep = Tuple[Any, np.ndarray, np.ndarray, Union[List[dict], Tuple[dict, ...]]]


class AlreadySteppingError(Exception):
    """Raised by ``step_async()`` when a step is already pending."""

    def __init__(self):
        super().__init__('already running an async step')


class NotSteppingError(Exception):
    """Raised by ``step_wait()`` when no step is pending."""

    def __init__(self):
        super().__init__('not running an async step')


class VecEnv(ABC):
    """
    An abstract vectorised environment: several environments stepped as one, each reset when its episode ends.

    :param num_envs: the number of environments
    :param observation_space: the observation space of one environment
    :param action_space: the action space of one environment
    """
    metadata = {'render.modes': ['human', 'rgb_array']}

    def __init__(self, num_envs: int, observation_space: Any, action_space: Any):
        self.num_envs = num_envs
        self.observation_space = observation_space
        self.action_space = action_space

    def step(self, actions: Any) -> VecStep:
        """
        Step all environments: ``step_async()`` and ``step_wait()`` in one.

        :param actions: one action for each environment
        :return: obs, rewards, dones, infos, see ``step_wait()``
        """
        self.step_async(actions)
        return self.step_wait()

    @abstractmethod
    def reset(self) -> Any:
        """
        Reset all environments and drop a pending step.

        :return: the first observations, shape (n_envs, ...)
        """

    @abstractmethod
    def step_async(self, actions: Any) -> None:
        """
        Start a step of all environments; ``step_wait()`` returns its results.

        :param actions: one action for each environment
        :raises AlreadySteppingError: if a step is pending, where steps run in the background
        """

    @abstractmethod
    def step_wait(self) -> VecStep:
        """
        Wait for the step started by ``step_async()``.

        Where an episode ended, the observation is the first one of the next episode, and the last one is in
        ``info['terminal_observation']``.

        :return: obs of shape (n_envs, ...), rewards (n_envs,) float32, dones (n_envs,) bool, list of n_envs info dicts
        :raises NotSteppingError: if no step is pending, where steps run in the background
        """

    @abstractmethod
    def close(self) -> None:
        """Release the environments' resources."""

    @abstractmethod
    def get_attr(self, attr_name: str, indices: Indices = None) -> List[Any]:
        """
        Read an attribute of the environments.

        :param indices: which environments, None for all
        :return: its value in each of them
        """

    @abstractmethod
    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """
        Set an attribute of the environments, all to the same value.

        :param indices: which environments, None for all
        """

    @abstractmethod
    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None,
                   **method_kwargs: Any) -> List[Any]:
        """
        Call a method of the environments, with the same arguments in all of them.

        :param indices: which environments, None for all
        :return: its result in each of them
        """

    @abstractmethod
    def seed(self, seed: Optional[int] = None) -> List[Any]:
        """
        Seed the environments: the i-th one with ``seed + i``.

        :param seed: the seed, None for arbitrary ones
        :return: what ``seed`` returned in each environment
        """

    def get_images(self) -> Sequence[np.ndarray]:
        """
        Render every environment as an image.

        :return: images of shape (height, width, 3)
        """
        raise NotImplementedError

    def render(self, mode: str = 'human') -> Optional[np.ndarray]:
        """
        Render all environments as one tiled picture.

        :param mode: 'human' shows it in a window, 'rgb_array' returns it
        :return: the picture, shape (height, width, 3), for 'rgb_array'
        :raises ValueError: for another mode
        """
        try:
            picture = tile_images(self.get_images())
        except NotImplementedError:
            warnings.warn(f"Render not defined for {self}", stacklevel=2)
            return None
        if mode == 'rgb_array':
            return picture
        if mode != 'human':
            raise ValueError(f"mode={mode!r}: accepted are 'human' and 'rgb_array'")
        import cv2  # needed by nothing else here, and slow to import
        cv2.imshow('vecenv', picture[:, :, ::-1])
        cv2.waitKey(1)
        return None

    @property
    def unwrapped(self) -> 'VecEnv':
        """The vectorised environment below all wrappers."""
        return self

    def getattr_depth_check(self, name: str, already_found: bool) -> Optional[str]:
        """
        Check whether reading an attribute through wrappers would hide another attribute of that name.

        :param already_found: whether a wrapper further out has it
        :return: the class whose attribute would be hidden, None if there is none
        """
        if already_found and self._has_attribute(name):
            return f'{type(self).__module__}.{type(self).__name__}'
        return None

    def _has_attribute(self, name: str) -> bool:
        """Tell whether this object itself, rather than one that it wraps, has an attribute."""
        return name in vars(self) or hasattr(type(self), name)

    def _get_indices(self, indices: Indices) -> Iterable[int]:
        """Turn the argument ``indices`` into indices."""
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, (int, np.integer)) else indices


class VecEnvWrapper(VecEnv):
    """
    Base class of wrappers around a vectorised environment: implement ``reset`` and ``step_wait``.

    Everything else is forwarded, unknown attributes included.

    :param venv: what to wrap
    :param observation_space: the observation space, None for that of ``venv``
    :param action_space: the action space, None for that of ``venv``
    """

    def __init__(self, venv: VecEnv, observation_space: Any = None, action_space: Any = None):
        self.venv = venv
        super().__init__(num_envs=venv.num_envs,
                         observation_space=venv.observation_space if observation_space is None else observation_space,
                         action_space=venv.action_space if action_space is None else action_space)

    def step_async(self, actions: Any) -> None:
        self.venv.step_async(actions)

    def seed(self, seed: Optional[int] = None) -> List[Any]:
        return self.venv.seed(seed)

    def close(self) -> None:
        return self.venv.close()

    def render(self, mode: str = 'human') -> Optional[np.ndarray]:
        return self.venv.render(mode=mode)

    def get_images(self) -> Sequence[np.ndarray]:
        return self.venv.get_images()

    def get_attr(self, attr_name: str, indices: Indices = None) -> List[Any]:
        return self.venv.get_attr(attr_name, indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        return self.venv.set_attr(attr_name, value, indices)

    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None,
                   **method_kwargs: Any) -> List[Any]:
        return self.venv.env_method(method_name, *method_args, indices=indices, **method_kwargs)

    @property
    def unwrapped(self) -> VecEnv:
        """The vectorised environment below all wrappers."""
        return self.venv.unwrapped

    def __getattr__(self, name: str) -> Any:
        # ``venv`` is absent while a wrapper is being unpickled
        if name == 'venv' or name.startswith('__'):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        hidden = self.getattr_depth_check(name, already_found=False)
        if hidden is not None:
            raise AttributeError(f"attribute '{name}' of {type(self).__name__} is ambiguous: "
                                 f"it would hide the one of {hidden}")
        return self.getattr_recursive(name)

    def getattr_recursive(self, name: str) -> Any:
        """
        Read an attribute of this wrapper or of what it wraps; the outermost one counts.

        :return: its value
        :raises AttributeError: if none has it
        """
        if self._has_attribute(name):
            return getattr(self, name)
        if isinstance(self.venv, VecEnvWrapper):
            return self.venv.getattr_recursive(name)
        return getattr(self.venv, name)

    def getattr_depth_check(self, name: str, already_found: bool) -> Optional[str]:
        return (super().getattr_depth_check(name, already_found)
                or self.venv.getattr_depth_check(name, already_found or self._has_attribute(name)))


class _UnvecWrapper(VecEnvWrapper):
    """
    Show a vectorised environment of one environment as a plain environment: nothing has the leading axis.

    Attributes that no wrapper has are those of the environment.

    :param venv: what to wrap
    :raises ValueError: if it has more than one environment
    """

    def __init__(self, venv: VecEnv):
        super().__init__(venv)
        if venv.num_envs != 1:
            raise ValueError(f"venv: it has num_envs={venv.num_envs!r}: accepted is a single environment")

    def reset(self) -> Any:
        return self.unvec_obs(self.venv.reset())

    def step_async(self, actions: Any) -> None:
        self.venv.step_async([actions])

    def step_wait(self) -> Any:
        obs, rewards, dones, infos = self.venv.step_wait()
        return self.unvec_obs(obs), float(rewards[0]), bool(dones[0]), infos[0]

    @staticmethod
    def unvec_obs(obs: Any) -> Any:
        """Take the leading axis off an observation, or off each part of a dict or tuple."""
        return map_obs(lambda part: part[0], obs)

    def seed(self, seed: Optional[int] = None) -> Any:
        return self.venv.seed(seed)[0]

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> float:
        """Ask an environment with goals for the reward of a step, see ``GoalEnv``."""
        return self.env_method('compute_reward', achieved_goal, desired_goal, info)[0]

    def getattr_recursive(self, name: str) -> Any:
        try:
            return super().getattr_recursive(name)
        except AttributeError:
            return self.get_attr(name)[0]


class CloudpickleWrapper:
    """Let a value travel between processes by cloudpickle, which knows lambdas and local functions."""

    def __init__(self, var: Any):
        self.var = var

    def __getstate__(self) -> bytes:
        return cloudpickle.dumps(self.var)

    def __setstate__(self, obs: bytes) -> None:
        self.var = cloudpickle.loads(obs)


def map_obs(function: Callable[[Any], Any], obs: Any) -> Any:
    """Apply a function to an array, or to every array in a dict or tuple."""
    if isinstance(obs, dict):
        return type(obs)((key, function(value)) for key, value in obs.items())
    if isinstance(obs, tuple):
        return tuple(function(value) for value in obs)
    return function(obs)


def check_env_fns(env_fns: Iterable[Callable[[], Any]]) -> List[Callable[[], Any]]:
    """Refuse whatever is not functions; return them as a list."""
    env_fns = list(env_fns)
    if not env_fns:
        raise ValueError("env_fns=[]: accepted is a list of at least one function that makes an environment")
    for index, env_fn in enumerate(env_fns):
        if not callable(env_fn):
            hint = ", as in [lambda: env]" if is_env(env_fn) else ""
            raise TypeError(f"env_fns[{index}]={env_fn!r}: accepted is a function that makes an environment{hint}")
    return env_fns
