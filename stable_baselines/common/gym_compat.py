"""
The one door for environments: gym 0.17 to 0.26 and gymnasium, turned once into the classic API.

Inside the library every environment has ``obs = reset(**kwargs)``, ``obs, reward, done, info = step(action)``,
``seed(seed)`` and ``render(mode='human')``. Spaces and base classes come from here and nowhere else.
"""
import copy
import importlib
import inspect
import re
import sys
from collections import OrderedDict
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

__all__ = [
    'ActionWrapper',
    'Env',
    'GoalEnv',
    'ObservationWrapper',
    'RewardWrapper',
    'Wrapper',
    'convert_env',
    'convert_space',
    'is_env',
    'make',
    'same_space',
    'spaces',
    'without_generator',
]

Step = Tuple[Any, float, bool, Dict[str, Any]]


def _import_gym() -> Any:
    import gym
    return gym


def _import_gymnasium() -> Any:
    import gymnasium
    return gymnasium


def _import_library() -> Any:
    """
    Import the primary environment library: gym on Python 3.7, gymnasium from 3.8 on, the other one where it is absent.

    :return: gym or gymnasium
    :raises ImportError: if neither is installed
    """
    importers = [('gymnasium', _import_gymnasium), ('gym', _import_gym)]
    for name, importer in importers if sys.version_info >= (3, 8) else reversed(importers):
        try:
            return importer()
        except ImportError as error:
            if error.name != name:  # it is installed, but something that it needs is missing
                raise
    raise ImportError("Stable Baselines needs an environment library: pip install gymnasium (Python >= 3.8) or gym")


def _is_classic_library(library: Any) -> bool:
    """Tell whether a library's own environments have the classic API (gym up to 0.21)."""
    if library is None or library.__name__ != 'gym':
        return False
    major, minor = (int(part) for part in library.__version__.split('.')[:2])
    return (major, minor) < (0, 22)


_library = _import_library()
spaces = importlib.import_module(_library.__name__ + '.spaces')


class _ClassicEnv:
    """
    The classic environment API, for libraries whose own ``Env`` has another one.

    A subclass sets ``observation_space`` and ``action_space`` and implements ``reset`` and ``step``.
    """
    metadata: Dict[str, Any] = {'render.modes': []}
    reward_range = (-float('inf'), float('inf'))
    spec: Any = None
    action_space: Any = None
    observation_space: Any = None

    def reset(self, **kwargs) -> Any:
        """
        Start an episode.

        :return: the first observation
        """
        raise NotImplementedError

    def step(self, action: Any) -> Step:
        """
        Take one step.

        :param action: an element of the action space
        :return: observation, reward, done, info
        """
        raise NotImplementedError

    def render(self, mode: str = 'human') -> Any:
        """
        Show the environment.

        :param mode: one of ``metadata['render.modes']``; 'rgb_array' returns an image of shape (height, width, 3)
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release what the environment holds."""

    def seed(self, seed: Optional[int] = None) -> Optional[List[Optional[int]]]:
        """
        Seed the environment's random generators; one that has none returns None.

        :param seed: the seed, None for an arbitrary one
        :return: the seeds in use
        """
        return None

    @property
    def unwrapped(self) -> Any:
        """The environment below all wrappers."""
        return self

    def __enter__(self) -> '_ClassicEnv':
        return self

    def __exit__(self, *args) -> bool:
        self.close()
        return False


# gym up to 0.21 has the classic API itself: there our classes are also its classes, for users' isinstance checks
_classic = _is_classic_library(_library)
Env = _library.Env if _classic else _ClassicEnv


class _ClassicGoalEnv(_ClassicEnv):
    """
    An environment with goals, for libraries that have none.

    Its observations are dicts with the keys 'observation', 'achieved_goal' and 'desired_goal'.
    """

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> float:
        """
        Compute the reward of a step from what was achieved and what was desired, which another goal may replace.

        :param achieved_goal: the goal that was achieved
        :param desired_goal: the goal that was desired
        :param info: the info of the step
        :return: the reward
        """
        raise NotImplementedError


GoalEnv = _library.GoalEnv if _classic else _ClassicGoalEnv


def _bases(name: str) -> Tuple[type, ...]:
    """Return the classic library's own class of that name, in a tuple; nothing where the library is not classic."""
    return (getattr(_library, name),) if _classic else ()


class Wrapper(*(_bases('Wrapper') or (Env,))):
    """
    Base class of wrappers: forwards everything, unknown public attributes included.

    :param env: what to wrap; converted to the classic API
    """

    def __init__(self, env: Any):
        self.env = convert_env(env)
        self.action_space = self.env.action_space
        self.observation_space = self.env.observation_space
        self.reward_range = getattr(self.env, 'reward_range', _ClassicEnv.reward_range)
        self.metadata = self.env.metadata

    def __getattr__(self, name: str) -> Any:
        # ``env`` is absent while an object is being unpickled; private names stay private
        if name.startswith('_') or name == 'env':
            raise AttributeError(f"attempted to get missing attribute '{name}' of {type(self).__name__}")
        return getattr(self.env, name)

    @property
    def spec(self) -> Any:
        """What the environment was made from, None if it was not made by id."""
        return getattr(self.env, 'spec', None)

    @property
    def unwrapped(self) -> Any:
        """The environment below all wrappers."""
        return self.env.unwrapped

    @classmethod
    def class_name(cls) -> str:
        """The name of the wrapper's class."""
        return cls.__name__

    def reset(self, **kwargs) -> Any:
        """
        Start an episode.

        :return: the first observation
        """
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> Step:
        """
        Take one step.

        :param action: an element of the action space
        :return: observation, reward, done, info
        """
        return self.env.step(action)

    def render(self, mode: str = 'human', **kwargs) -> Any:
        """
        Show the environment.

        :param mode: 'human', or 'rgb_array' for an image of shape (height, width, 3)
        """
        return self.env.render(mode, **kwargs)

    def close(self) -> None:
        """Release what the environment holds."""
        return self.env.close()

    def seed(self, seed: Optional[int] = None) -> Optional[List[Optional[int]]]:
        """
        Seed the environment.

        :param seed: the seed, None for an arbitrary one
        :return: the seeds in use
        """
        return self.env.seed(seed)

    def __str__(self) -> str:
        return f'<{type(self).__name__}{self.env}>'

    __repr__ = __str__


class ObservationWrapper(Wrapper, *_bases('ObservationWrapper')):
    """Base class of wrappers that change the observation: implement ``observation``."""

    def reset(self, **kwargs) -> Any:
        """
        Start an episode.

        :return: the first observation, changed
        """
        return self.observation(self.env.reset(**kwargs))

    def step(self, action: Any) -> Step:
        """
        Take one step.

        :param action: an element of the action space
        :return: changed observation, reward, done, info
        """
        obs, reward, done, info = self.env.step(action)
        return self.observation(obs), reward, done, info

    def observation(self, observation: Any) -> Any:
        """
        Change an observation.

        :param observation: what the wrapped environment returned
        :return: the changed observation
        """
        raise NotImplementedError


class RewardWrapper(Wrapper, *_bases('RewardWrapper')):
    """Base class of wrappers that change the reward: implement ``reward``."""

    def step(self, action: Any) -> Step:
        """
        Take one step.

        :param action: an element of the action space
        :return: observation, changed reward, done, info
        """
        obs, reward, done, info = self.env.step(action)
        return obs, self.reward(reward), done, info

    def reward(self, reward: float) -> float:
        """
        Change a reward.

        :param reward: what the wrapped environment returned
        :return: the changed reward
        """
        raise NotImplementedError


class ActionWrapper(Wrapper, *_bases('ActionWrapper')):
    """Base class of wrappers that change the action: implement ``action``."""

    def step(self, action: Any) -> Step:
        """
        Take one step with the changed action.

        :param action: an element of the wrapper's action space
        :return: observation, reward, done, info
        """
        return self.env.step(self.action(action))

    def action(self, action: Any) -> Any:
        """
        Change an action.

        :param action: an element of the wrapper's action space
        :return: an element of the wrapped environment's action space
        """
        raise NotImplementedError


def _layers(env: Any) -> Iterator[Any]:
    """Walk from an environment down through its wrappers."""
    seen = set()
    # an environment's own attribute ``env`` may be anything: a simulator, a name, itself
    while not seen or (id(env) not in seen and (is_env(env) or _is_env_like(env))):
        yield env
        seen.add(id(env))
        env = vars(env).get('env') if hasattr(env, '__dict__') else None


def _takes_argument(method: Any, name: str) -> bool:
    """Tell whether a method can be called with this keyword."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature: the modern API is the better guess
        return True
    return any(parameter.name == name or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


class _ClassicAdapter(Env):
    """
    Show an environment of another API (or of the other library) in the classic API.

    What the environment speaks is recognised by what comes back, because users' classes of one library often keep
    the API of another. Attributes are read from, and written to, the environment itself.

    :param env: what to convert
    """
    _own = frozenset(['env', 'observation_space', 'action_space', 'reward_range', 'metadata', 'spec',
                      '_next_seed', '_seeds_at_reset', '_renders_with_mode'])

    def __init__(self, env: Any):
        self.env = env
        self.observation_space = convert_space(env.observation_space)
        self.action_space = convert_space(env.action_space)
        self.reward_range = self._lookup('reward_range', _ClassicEnv.reward_range)
        metadata = self._lookup('metadata', None) or {}
        modes = metadata.get('render.modes', metadata.get('render_modes', []))
        self.metadata = dict(metadata, **{'render.modes': modes})
        self.spec = self._lookup('spec', None)
        self._next_seed = None
        self._seeds_at_reset = all(_takes_argument(layer.reset, 'seed') for layer in _layers(env))
        self._renders_with_mode = all(_takes_argument(layer.render, 'mode') for layer in _layers(env)
                                      if hasattr(layer, 'render'))

    def _lookup(self, name: str, *default: Any) -> Any:
        """Find an attribute in the first layer that has it (gymnasium's wrappers do not pass attributes through)."""
        for layer in _layers(self.env):
            try:
                return getattr(layer, name)
            except AttributeError:
                continue
        if default:
            return default[0]
        raise AttributeError(f"'{type(self.unwrapped).__name__}' has no attribute '{name}'")

    def __getattr__(self, name: str) -> Any:
        if name == 'env' or name in self._own or name.startswith('__'):  # absent only while being unpickled
            raise AttributeError(name)
        return self._lookup(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._own:
            object.__setattr__(self, name, value)
            return
        owners = (layer for layer in _layers(self.env) if name in vars(layer) or hasattr(type(layer), name))
        setattr(next(owners, self.env), name, value)

    @property
    def unwrapped(self) -> Any:
        """The user's environment, below this adapter and all wrappers, in its own API."""
        return getattr(self.env, 'unwrapped', self.env)

    def reset(self, **kwargs) -> Any:
        """
        Start an episode, with the seed given since the last reset, if any.

        :return: the first observation
        """
        if self._next_seed is not None:
            kwargs.setdefault('seed', self._next_seed)
            self._next_seed = None
        result = self.env.reset(**kwargs)
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
            # a Tuple observation of the old API can look the same: then the space decides
            if not (isinstance(self.observation_space, spaces.Tuple) and self.observation_space.contains(result)):
                return result[0]
        return result

    def step(self, action: Any) -> Step:
        """
        Take one step.

        :param action: an element of the action space
        :return: observation, reward, done, info; an episode that ran out of time has
            ``info['TimeLimit.truncated']``: False when its last step was also a true end
        """
        result = self.env.step(action)
        if len(result) == 4:
            return result
        obs, reward, terminated, truncated, info = result
        if truncated:
            # a copy: an environment that hands out the same dict each time must not carry the flag along
            info = dict(info)
            info['TimeLimit.truncated'] = not terminated
        return obs, reward, bool(terminated or truncated), info

    def seed(self, seed: Optional[int] = None) -> Optional[List[Optional[int]]]:
        """
        Seed the environment: at once if it has its own ``seed`` method, at its next reset if that takes a seed.

        :param seed: the seed, None for an arbitrary one
        :return: the seeds in use, None if the environment does not say
        """
        seeds = [seed] if self._seeds_at_reset else None
        if self._seeds_at_reset and seed is not None:
            self._next_seed = int(seed)
        own_seed = getattr(self.unwrapped, 'seed', None)
        # gym 0.22 to 0.25 still have the method in their base class, where it only warns
        if callable(own_seed) and getattr(own_seed, '__module__', None) != 'gym.core':
            seeds = own_seed(seed)
        return seeds

    def render(self, mode: str = 'human', **kwargs) -> Any:
        """
        Show the environment in any of its modes, whatever mode it was made with.

        :param mode: one of ``metadata['render.modes']``
        :raises ValueError: if the environment can not render in this mode
        """
        if self._renders_with_mode:
            return self.env.render(mode=mode, **kwargs)
        current = self._lookup('render_mode', None)
        if current == mode:
            return self.env.render(**kwargs)
        base = self.unwrapped
        try:
            base.render_mode = mode
        except AttributeError as error:
            raise ValueError(f"mode={mode!r}: the environment was made with render_mode={current!r} and does not let "
                             f"it change; make it with render_mode={mode!r}") from error
        try:
            return self.env.render(**kwargs)
        finally:
            base.render_mode = current

    def close(self) -> None:
        """Release what the environment holds."""
        self.env.close()

    def __str__(self) -> str:
        return '<{}{}>'.format(type(self).__name__.lstrip('_'), self.env)

    __repr__ = __str__


def _loaded_libraries() -> List[Any]:
    """List the environment libraries of this process; an environment of a library not imported can not exist."""
    return [sys.modules[name] for name in ('gymnasium', 'gym') if hasattr(sys.modules.get(name), 'Env')]


def is_env(obj: Any) -> bool:
    """
    Tell whether an object is a single environment of any of the supported libraries.

    :param obj: anything
    :return: False for vectorised environments, of any kind, and for everything else
    """
    classes = (Env,) + tuple(library.Env for library in _loaded_libraries())
    # the libraries' own VectorEnv were subclasses of Env for a long time
    return isinstance(obj, classes) and not any(cls.__name__ == 'VectorEnv' for cls in type(obj).__mro__)


def _speaks_classic(env: Any) -> bool:
    """Tell whether an environment's class guarantees the classic API."""
    return isinstance(env, Env) or any(_is_classic_library(library) and isinstance(env, library.Env)
                                       for library in _loaded_libraries())


def _is_env_like(obj: Any) -> bool:
    """Tell whether an object that no library knows can be used as an environment all the same."""
    needed = ('reset', 'step', 'observation_space', 'action_space')
    return not isinstance(obj, type) and not hasattr(obj, 'num_envs') and all(hasattr(obj, name) for name in needed)


def convert_env(env: Any) -> Any:
    """
    Convert an environment to the classic API.

    :param env: of gym 0.17 to 0.26, of gymnasium, or an object with ``reset``, ``step`` and both spaces
    :return: the same object if it is classic already, else an adapter around it
    :raises TypeError: if it is not an environment
    :raises ValueError: if one of its spaces can not be used
    """
    if _speaks_classic(env):
        for name in ('observation_space', 'action_space'):
            space = getattr(env, name, None)
            converted = None if space is None else convert_space(space)
            if converted is not space:  # a space of the other library
                setattr(env, name, converted)
        return env
    if not is_env(env) and not _is_env_like(env):
        raise TypeError("env={!r}: accepted is a single environment of gym or gymnasium, not {}".format(
            env, 'a class: create an instance of it' if isinstance(env, type) else type(env).__name__))
    return _ClassicAdapter(env)


def _refuse_shifted(space: Any) -> None:
    """Raise a ValueError if a space, or a part of it, counts from another number than 0."""
    if np.any(getattr(space, 'start', 0)):
        raise ValueError(f"space={space}: a {type(space).__name__} that does not start at 0 is not supported; "
                         "shift it in a wrapper")
    parts = getattr(space, 'spaces', ())
    for part in parts.values() if hasattr(parts, 'values') else parts:
        _refuse_shifted(part)


def convert_space(space: Any) -> Any:
    """
    Convert a space to the primary library's class.

    :param space: of gym or gymnasium
    :return: the same object if it is of the primary library already
    :raises ValueError: if it can not be used, with the reason
    """
    _refuse_shifted(space)
    kinds = {cls.__name__ for cls in type(space).__mro__}
    own = isinstance(space, _library.Space)
    if 'Box' in kinds:
        return space if own else spaces.Box(low=space.low, high=space.high, dtype=np.dtype(space.dtype).type)
    if 'Discrete' in kinds:
        return space if own else spaces.Discrete(int(space.n))
    if 'MultiDiscrete' in kinds:
        return space if own else spaces.MultiDiscrete(space.nvec)
    if 'MultiBinary' in kinds:
        return space if own else spaces.MultiBinary(space.n)
    if 'Dict' in kinds:
        parts = OrderedDict((key, convert_space(part)) for key, part in space.spaces.items())
        return space if own else spaces.Dict(parts)
    if 'Tuple' in kinds:
        parts = tuple(convert_space(part) for part in space.spaces)
        return space if own else spaces.Tuple(parts)
    raise ValueError(f"space={space}: {type(space).__name__} is not supported; accepted are Box, Discrete, "
                     "MultiDiscrete, MultiBinary, Dict and Tuple")


def same_space(space: Any, other: Any) -> bool:
    """
    Tell whether two spaces have the same elements.

    :param space: of the primary library
    :param other: of the primary library
    :return: True if they are equal; for a Box the largest number of its type is as good as no bound, because
        gym writes the one and gymnasium the other
    """
    if not (isinstance(space, spaces.Box) and isinstance(other, spaces.Box)):
        return space == other
    if (space.shape, space.dtype) != (other.shape, other.dtype):
        return False
    return all(np.array_equal(np.nan_to_num(ours), np.nan_to_num(theirs))
               for ours, theirs in ((space.low, other.low), (space.high, other.high)))


def without_generator(space: Any) -> Any:
    """
    Copy a space without the state of its random generator, which is large and no part of what the space is.

    :param space: of gym or gymnasium
    :return: an equal space, which seeds itself anew when it samples
    """
    space = copy.copy(space)
    if hasattr(space, '_np_random'):
        space._np_random = None
    return space


def _registered_ids(library: Any) -> List[str]:
    """List the ids that a library can make."""
    registry = importlib.import_module(library.__name__ + '.envs.registration').registry
    return list(registry if hasattr(registry, 'keys') else registry.env_specs)  # old gym: an object around a dict


def _is_atari(env_id: str) -> bool:
    """Tell whether an id has the form of an Atari game's id."""
    return bool(re.match(r'ALE/|.*(NoFrameskip|Deterministic)-v\d+$|\w+-ram(-|NoF|Det)', env_id))


def _import_package_of(env_id: str) -> None:
    """Import the package that registers an id, where the id tells which one that is."""
    # the old gym registers the Atari games itself
    package = 'ale_py' if _is_atari(env_id) and not _classic else 'pybullet_envs' if 'BulletEnv' in env_id else None
    if package is not None:
        try:
            importlib.import_module(package)
        except (ImportError, AttributeError):  # the latter from PyBullet's beside a newer gym
            pass  # then the id is not known, and the hint says why


def _what_to_install(problem: str) -> str:
    """Say what helps against an error about a missing package."""
    if 'mujoco' not in problem:
        return "The extras atari, box2d, bullet and mujoco bring the simulators: pip install 'stable_baselines[box2d]'."
    if sys.version_info >= (3, 8):
        return "Install MuJoCo with pip install 'stable_baselines[mujoco]', and take the newest version of the id, " \
               "such as 'Reacher-v5'."
    return "MuJoCo's environments need Python 3.8 or later. On Python 3.7 take those of PyBullet: " \
           "pip install 'stable_baselines[bullet]', with ids such as 'ReacherBulletEnv-v0'."


def _hint(env_id: str) -> str:
    """Say what may be meant by an id that no library knows."""
    name = re.sub(r'-v\d+$', '', env_id)
    known = sorted({known for library in _loaded_libraries() for known in _registered_ids(library)
                    if re.sub(r'-v\d+$', '', known) == name})
    if known:
        return "Registered here: {}.".format(', '.join(known))
    if _is_atari(env_id):
        return "Atari games are registered by ale-py (gymnasium) or atari-py (gym 0.17): " \
               "pip install 'stable_baselines[atari]'."
    if 'BulletEnv' in env_id:
        return "PyBullet's environments need the old gym, so Python 3.7: pip install 'stable_baselines[bullet]'."
    return "If another package registers it, import that package first; ids and their versions differ between " \
           "gym and gymnasium."


def make(env_id: str, **kwargs) -> Any:
    """
    Make a registered environment.

    :param env_id: the environment's id; looked for in the primary library, then in the other one if a package
        (PyBullet's, for one) has imported it
    :param kwargs: passed on to the library's ``make``
    :return: the environment in the classic API
    :raises ValueError: if no library knows the id, with those that come near
    :raises ImportError: if the simulator is missing, with what to install
    """
    if not isinstance(env_id, str):
        raise TypeError(f"env_id={env_id!r}: accepted is the id of a registered environment, a str")
    _import_package_of(env_id)
    errors = []
    for library in [_library] + [other for other in _loaded_libraries() if other is not _library]:
        # the checker of the newer ones costs time in every step, and gym 0.26's fails with NumPy 2
        has_checker = 'disable_env_checker' in inspect.signature(library.make).parameters
        options = dict(kwargs, disable_env_checker=True) if has_checker else kwargs
        try:
            return convert_env(library.make(env_id, **options))
        except (library.error.DependencyNotInstalled, ImportError) as error:
            raise ImportError(f"env_id={env_id!r}: {error} {_what_to_install(str(error))}") from error
        except library.error.Error as error:
            errors.append(error)
    raise ValueError("env_id={!r}: {}. {}".format(env_id, str(errors[0]).rstrip('.'), _hint(env_id))) from errors[0]
