"""The interface of vectorised environments and of wrappers around them."""
import warnings
from abc import ABC, abstractmethod
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Union

import cloudpickle
import numpy as np

from stable_baselines.common.tile_images import tile_images

Indices = Union[None, int, Iterable[int]]
# observations are (n_envs, ...) arrays, or a dict or tuple of such arrays
VecStep = Tuple[Any, np.ndarray, np.ndarray, List[dict]]


class AlreadySteppingError(Exception):
    """Raised by ``step_async()`` when a step is pending already."""

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

    @abstractmethod
    def reset(self) -> Any:
        """
        Reset all environments; a pending step is dropped.

        :return: the observations, shape (n_envs, ...)
        """

    @abstractmethod
    def step_async(self, actions: Sequence[Any]) -> None:
        """
        Ask all environments for a step; ``step_wait()`` has the results.

        :param actions: one action for each environment
        :raises AlreadySteppingError: if a step is pending, where steps run in the background
        """

    @abstractmethod
    def step_wait(self) -> VecStep:
        """
        Wait for the step asked for with ``step_async()``.

        Where an episode ended, the observation is the first one of the next episode and the last one is in
        ``info['terminal_observation']``.

        :return: observations of shape (n_envs, ...), rewards (n_envs,) float32, dones (n_envs,) bool, list of
            n_envs info dicts
        :raises NotSteppingError: if no step is pending, where steps run in the background
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the environments hold."""

    @abstractmethod
    def get_attr(self, attr_name: str, indices: Indices = None) -> List[Any]:
        """
        Read an attribute of the environments.

        :param attr_name: the attribute's name
        :param indices: which environments, None for all
        :return: one value for each of them
        """

    @abstractmethod
    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """
        Set an attribute of the environments, all to the same value.

        :param attr_name: the attribute's name
        :param value: the value
        :param indices: which environments, None for all
        """

    @abstractmethod
    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None,
                   **method_kwargs: Any) -> List[Any]:
        """
        Call a method of the environments.

        :param method_name: the method's name
        :param method_args: positional arguments of the call
        :param indices: which environments, None for all
        :param method_kwargs: keyword arguments of the call
        :return: one result for each of them
        """

    @abstractmethod
    def seed(self, seed: Optional[int] = None) -> List[Any]:
        """
        Seed the environments: the i-th one with ``seed + i``.

        :param seed: the seed, None for arbitrary ones
        :return: for each environment what its ``seed`` returned
        """

    def step(self, actions: Sequence[Any]) -> VecStep:
        """
        Step all environments.

        :param actions: one action for each environment
        :return: observations, rewards, dones, infos, see ``step_wait()``
        """
        self.step_async(actions)
        return self.step_wait()

    def get_images(self) -> Sequence[np.ndarray]:
        """
        Render every environment as an image.

        :return: images of shape (height, width, 3)
        """
        raise NotImplementedError

    def render(self, mode: str = 'human') -> Optional[np.ndarray]:
        """
        Render all environments as one picture, tiled.

        :param mode: 'human' for a window, 'rgb_array' to get the picture
        :return: the picture, shape (height, width, 3), for 'rgb_array'
        :raises ValueError: if the mode is neither
        """
        try:
            picture = tile_images(self.get_images())
        except NotImplementedError:
            warnings.warn(f'Render not defined for {self}', stacklevel=2)
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
        Check whether reading an attribute through a wrapper would hide another one of that name.

        :param name: the attribute's name
        :param already_found: whether a wrapper further out has it already
        :return: the class whose attribute would be hidden, None if there is none
        """
        if already_found and self._has_attribute(name):
            return f'{type(self).__module__}.{type(self).__name__}'
        return None

    def _has_attribute(self, name: str) -> bool:
        """Tell whether this object itself, not one that it wraps, has an attribute."""
        return name in vars(self) or hasattr(type(self), name)

    def _get_indices(self, indices: Indices) -> Iterable[int]:
        """
        Turn the ``indices`` argument into indices.

        :param indices: which environments, None for all
        :return: the indices
        """
        if indices is None:
            return range(self.num_envs)
        if isinstance(indices, (int, np.integer)):
            return [indices]
        return indices


class VecEnvWrapper(VecEnv):
    """
    Base class of wrappers around a vectorised environment: forwards everything, unknown attributes included.

    :param venv: what to wrap
    :param observation_space: the observation space, None for the one of ``venv``
    :param action_space: the action space, None for the one of ``venv``
    """

    def __init__(self, venv: VecEnv, observation_space: Any = None, action_space: Any = None):
        self.venv = venv
        super().__init__(num_envs=venv.num_envs,
                         observation_space=venv.observation_space if observation_space is None else observation_space,
                         action_space=venv.action_space if action_space is None else action_space)

    @abstractmethod
    def reset(self) -> Any:
        """
        Reset all environments.

        :return: the observations, shape (n_envs, ...)
        """

    @abstractmethod
    def step_wait(self) -> VecStep:
        """
        Wait for the step asked for with ``step_async()``.

        :return: observations, rewards, dones, infos, see ``VecEnv.step_wait()``
        """

    def step_async(self, actions: Sequence[Any]) -> None:
        """
        Ask all environments for a step.

        :param actions: one action for each environment
        """
        self.venv.step_async(actions)

    def seed(self, seed: Optional[int] = None) -> List[Any]:
        """
        Seed the environments: the i-th one with ``seed + i``.

        :param seed: the seed, None for arbitrary ones
        :return: for each environment what its ``seed`` returned
        """
        return self.venv.seed(seed)

    def close(self) -> None:
        """Release what the environments hold."""
        return self.venv.close()

    def render(self, mode: str = 'human') -> Optional[np.ndarray]:
        """
        Render all environments.

        :param mode: 'human' for a window, 'rgb_array' to get the picture
        :return: the picture, shape (height, width, 3), for 'rgb_array'
        """
        return self.venv.render(mode=mode)

    def get_images(self) -> Sequence[np.ndarray]:
        """
        Render every environment as an image.

        :return: images of shape (height, width, 3)
        """
        return self.venv.get_images()

    def get_attr(self, attr_name: str, indices: Indices = None) -> List[Any]:
        """
        Read an attribute of the environments.

        :param attr_name: the attribute's name
        :param indices: which environments, None for all
        :return: one value for each of them
        """
        return self.venv.get_attr(attr_name, indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """
        Set an attribute of the environments, all to the same value.

        :param attr_name: the attribute's name
        :param value: the value
        :param indices: which environments, None for all
        """
        return self.venv.set_attr(attr_name, value, indices)

    def env_method(self, method_name: str, *method_args: Any, indices: Indices = None,
                   **method_kwargs: Any) -> List[Any]:
        """
        Call a method of the environments.

        :param method_name: the method's name
        :param method_args: positional arguments of the call
        :param indices: which environments, None for all
        :param method_kwargs: keyword arguments of the call
        :return: one result for each of them
        """
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
        Read an attribute of this wrapper or of what it wraps, the outermost first.

        :param name: the attribute's name
        :return: its value
        :raises AttributeError: if none has it
        """
        if self._has_attribute(name):
            return getattr(self, name)
        if isinstance(self.venv, VecEnvWrapper):
            return self.venv.getattr_recursive(name)
        return getattr(self.venv, name)

    def getattr_depth_check(self, name: str, already_found: bool) -> Optional[str]:
        """
        Check whether reading an attribute through a wrapper would hide another one of that name.

        :param name: the attribute's name
        :param already_found: whether a wrapper further out has it already
        :return: the class whose attribute would be hidden, None if there is none
        """
        hidden = super().getattr_depth_check(name, already_found)
        if hidden is not None:
            return hidden
        return self.venv.getattr_depth_check(name, already_found or self._has_attribute(name))


class CloudpickleWrapper:
    """
    Let a value travel between processes by cloudpickle, which knows lambdas and local functions.

    :param var: the value
    """

    def __init__(self, var: Any):
        self.var = var

    def __getstate__(self) -> bytes:
        return cloudpickle.dumps(self.var)

    def __setstate__(self, obs: bytes) -> None:
        self.var = cloudpickle.loads(obs)
