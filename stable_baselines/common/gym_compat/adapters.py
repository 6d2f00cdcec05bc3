"""Environments, wrappers, and the adapter that gives any environment the classic API."""
import inspect
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Set, Tuple

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.libraries import CLASSIC, LIBRARY, is_classic, loaded_libraries

Step = Tuple[Any, float, bool, Dict[str, Any]]

_MISSING = object()  # in place of an attribute that a layer does not have


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
        """Start an episode; return its first observation."""
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
        Seed the environment's random generators.

        :param seed: None for an arbitrary one
        :return: the seeds in use, None if the environment has no generator or does not say
        """

    @property
    def unwrapped(self) -> Any:
        """The environment below all wrappers."""
        return self

    def __enter__(self) -> '_ClassicEnv':
        return self

    def __exit__(self, *args) -> None:
        self.close()


# gym up to 0.21 has the classic API itself: there our classes are also its classes, for users' isinstance checks
if TYPE_CHECKING:
    Env = Any  # of either library, or merely with the methods of one
    GoalEnv = Any
else:
    Env = LIBRARY.Env if CLASSIC else _ClassicEnv


class _ClassicGoalEnv(_ClassicEnv):
    """
    An environment with goals, for libraries that have none.

    Its observations are dicts with the keys 'observation', 'achieved_goal' and 'desired_goal'.
    """

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> float:
        """
        Compute the reward of a step from what was achieved and what was desired, which another goal may replace.

        :param info: the info of the step
        """
        raise NotImplementedError


if not TYPE_CHECKING:
    GoalEnv = LIBRARY.GoalEnv if CLASSIC else _ClassicGoalEnv


# A classic library's own classes are bases too.
_Wrapper: Any = LIBRARY.Wrapper if CLASSIC else Env
_ObservationWrapper: Any = LIBRARY.ObservationWrapper if CLASSIC else object
_RewardWrapper: Any = LIBRARY.RewardWrapper if CLASSIC else object
_ActionWrapper: Any = LIBRARY.ActionWrapper if CLASSIC else object


class Wrapper(_Wrapper):
    """
    Base class of wrappers: forwards everything, unknown public attributes included.

    :param env: what to wrap; converted to the classic API
    """

    def __init__(self, env: Any):
        self.env = convert_env(env)
        self.action_space = self.env.action_space
        self.observation_space = self.env.observation_space
        self.reward_range = self.env.reward_range
        self.metadata = self.env.metadata

    def __getattr__(self, name: str) -> Any:
        # ``env`` is absent while an object is being unpickled; private names stay private
        if name.startswith('_') or name == 'env':
            raise AttributeError(f"attempted to get missing attribute '{name}' of {type(self).__name__}")
        return getattr(self.env, name)

    @property
    def spec(self) -> Any:
        """What the environment was made from, None if it was not made by id."""
        return self.env.spec

    @property
    def unwrapped(self) -> Any:
        return self.env.unwrapped

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the wrapper's class."""
        return cls.__name__

    def reset(self, **kwargs) -> Any:
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> Step:
        return self.env.step(action)

    def render(self, mode: str = 'human', **kwargs) -> Any:
        return self.env.render(mode, **kwargs)

    def close(self) -> None:
        return self.env.close()

    def seed(self, seed: Optional[int] = None) -> Optional[List[Optional[int]]]:
        return self.env.seed(seed)

    def __str__(self) -> str:
        return f'<{type(self).__name__}{self.env}>'

    __repr__ = __str__


class ObservationWrapper(Wrapper, _ObservationWrapper):
    """Base class of wrappers that change the observation: implement ``observation``."""

    def reset(self, **kwargs) -> Any:
        return self.observation(self.env.reset(**kwargs))

    def step(self, action: Any) -> Step:
        obs, reward, done, info = self.env.step(action)
        return self.observation(obs), reward, done, info

    def observation(self, observation: Any) -> Any:
        """Return what to show in place of the wrapped environment's observation."""
        raise NotImplementedError


class RewardWrapper(Wrapper, _RewardWrapper):
    """Base class of wrappers that change the reward: implement ``reward``."""

    def step(self, action: Any) -> Step:
        obs, reward, done, info = self.env.step(action)
        return obs, self.reward(reward), done, info

    def reward(self, reward: float) -> float:
        """Return what to give in place of the wrapped environment's reward."""
        raise NotImplementedError


class ActionWrapper(Wrapper, _ActionWrapper):
    """Base class of wrappers that change the action: implement ``action``."""

    def step(self, action: Any) -> Step:
        return self.env.step(self.action(action))

    def action(self, action: Any) -> Any:
        """Turn an element of the wrapper's action space into one of the wrapped environment's."""
        raise NotImplementedError


def _layers(env: Any) -> Iterator[Any]:
    """Walk from an environment down through its wrappers."""
    seen: Set[int] = set()
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


class ClassicAdapter(Env):
    """
    Show an environment of another API (or of the other library) in the classic API.

    The API of the environment is recognised by what it returns, because users' classes of one library often keep
    the API of another. Attributes are read from, and written to, the environment itself.

    :param env: what to convert
    """
    _own = frozenset(['env', 'observation_space', 'action_space', 'reward_range', 'metadata', 'spec',
                      '_next_seed', '_seeds_at_reset', '_renders_with_mode'])

    def __init__(self, env: Any):
        self.env = env
        self.observation_space = spaces.convert_space(env.observation_space)
        self.action_space = spaces.convert_space(env.action_space)
        self.reward_range = self._lookup('reward_range', _ClassicEnv.reward_range)
        metadata = self._lookup('metadata') or {}
        modes = metadata.get('render.modes', metadata.get('render_modes', []))
        self.metadata = dict(metadata, **{'render.modes': modes})
        self.spec = self._lookup('spec')
        self._next_seed: Optional[int] = None
        self._seeds_at_reset = all(_takes_argument(layer.reset, 'seed') for layer in _layers(env))
        self._renders_with_mode = all(_takes_argument(layer.render, 'mode') for layer in _layers(env)
                                      if hasattr(layer, 'render'))

    def _lookup(self, name: str, default: Any = None) -> Any:
        """Find an attribute in the first layer that has it (gymnasium's wrappers do not pass attributes through)."""
        values = (getattr(layer, name, _MISSING) for layer in _layers(self.env))
        return next((value for value in values if value is not _MISSING), default)

    def __getattr__(self, name: str) -> Any:
        if name in self._own or name.startswith('__'):  # absent only while being unpickled
            raise AttributeError(name)
        value = self._lookup(name, _MISSING)
        if value is _MISSING:
            raise AttributeError(f"'{type(self.unwrapped).__name__}' has no attribute '{name}'")
        return value

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
        """Start an episode, with the seed given since the last reset, if any; return its first observation."""
        if self._next_seed is not None:
            kwargs.setdefault('seed', self._next_seed)
            self._next_seed = None
        result = self.env.reset(**kwargs)
        is_modern = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)
        # a Tuple observation of the old API can look the same: then the space decides
        if is_modern and isinstance(self.observation_space, spaces.Tuple):
            is_modern = not self.observation_space.contains(result)
        return result[0] if is_modern else result

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
            info = {**info, 'TimeLimit.truncated': not terminated}
        return obs, reward, bool(terminated or truncated), info

    def seed(self, seed: Optional[int] = None) -> Optional[List[Optional[int]]]:
        """
        Seed the environment: at once if it has its own ``seed`` method, at its next reset if that takes a seed.

        :param seed: None for an arbitrary one
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
        :raises ValueError: if the environment cannot render in this mode
        """
        if self._renders_with_mode:
            return self.env.render(mode=mode, **kwargs)
        current = self._lookup('render_mode')
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
        self.env.close()

    __str__ = __repr__ = Wrapper.__str__


def is_env(obj: Any) -> bool:
    """Tell whether an object is one environment of a supported library; vectorised environments are not."""
    classes = (Env,) + tuple(library.Env for library in loaded_libraries())
    # the libraries' own VectorEnv were subclasses of Env for a long time
    return isinstance(obj, classes) and not any(cls.__name__ == 'VectorEnv' for cls in type(obj).__mro__)


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
    :raises ValueError: if one of its spaces cannot be used
    """
    if isinstance(env, (Env,) + tuple(library.Env for library in loaded_libraries() if is_classic(library))):
        for name in ('observation_space', 'action_space'):
            space = getattr(env, name, None)
            converted = None if space is None else spaces.convert_space(space)
            if converted is not space:  # a space of the other library
                setattr(env, name, converted)
        return env
    if not is_env(env) and not _is_env_like(env):
        given = 'a class: create an instance of it' if isinstance(env, type) else type(env).__name__
        raise TypeError(f"env={env!r}: accepted is a single environment of gym or gymnasium, not {given}")
    return ClassicAdapter(env)
