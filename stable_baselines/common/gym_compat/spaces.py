"""The primary library's spaces, conversion to them, and arithmetic on them."""
import copy
import typing
from collections import OrderedDict

import numpy as np

from stable_baselines.common.gym_compat.libraries import LIBRARY

if typing.TYPE_CHECKING:
    from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
else:
    Space = LIBRARY.spaces.Space
    Box = LIBRARY.spaces.Box
    Discrete = LIBRARY.spaces.Discrete
    MultiDiscrete = LIBRARY.spaces.MultiDiscrete
    MultiBinary = LIBRARY.spaces.MultiBinary
    Dict = LIBRARY.spaces.Dict
    Tuple = LIBRARY.spaces.Tuple

# How to build a space of the primary library from one of another library, by the name of its class.
BUILDERS = {
    'Box': lambda space: Box(low=space.low, high=space.high, dtype=np.dtype(space.dtype).type),
    'Discrete': lambda space: Discrete(int(space.n)),
    'MultiDiscrete': lambda space: MultiDiscrete(space.nvec),
    'MultiBinary': lambda space: MultiBinary(space.n),
    'Dict': lambda space: Dict(OrderedDict((key, convert_space(part)) for key, part in space.spaces.items())),
    'Tuple': lambda space: Tuple(tuple(convert_space(part) for part in space.spaces)),
}


def _parts(space: typing.Any) -> 'OrderedDict[typing.Any, typing.Any]':
    """Give the parts of a space by their keys, or by their indices; most spaces have none."""
    parts = getattr(space, 'spaces', ())
    return OrderedDict(parts if hasattr(parts, 'keys') else enumerate(parts))


def convert_space(space: typing.Any) -> Space:
    """
    Convert a space to the primary library's class.

    :param space: of gym or gymnasium
    :return: the same object if it is of the primary library already
    :raises ValueError: if it cannot be used, with the reason
    """
    if np.any(getattr(space, 'start', 0)):
        raise ValueError(f"space={space}: a {type(space).__name__} that does not start at 0 is not supported; "
                         "shift it in a wrapper")
    kind = next((cls.__name__ for cls in type(space).__mro__ if cls.__name__ in BUILDERS), None)
    if kind is None:
        raise ValueError(f"space={space}: {type(space).__name__} is not supported; accepted are Box, Discrete, "
                         "MultiDiscrete, MultiBinary, Dict and Tuple")
    if not isinstance(space, Space):
        return BUILDERS[kind](space)
    for part in _parts(space).values():
        convert_space(part)  # for what it refuses
    return space


def same_space(space: Space, other: Space) -> bool:
    """
    Tell whether two spaces have the same elements.

    For a Box the largest number of its type counts as no bound, because gym writes the one and gymnasium the other.
    """
    if not (isinstance(space, Box) and isinstance(other, Box)):
        return space == other
    return (space.shape, space.dtype) == (other.shape, other.dtype) and all(
        np.array_equal(np.nan_to_num(ours), np.nan_to_num(theirs))
        for ours, theirs in ((space.low, other.low), (space.high, other.high)))


def without_generator(space: typing.Any) -> typing.Any:
    """
    Copy a space without the state of its random generator, which is large and says nothing about the space.

    :param space: of gym or gymnasium
    :return: an equal space, which seeds itself anew when it samples
    """
    space = copy.copy(space)
    if hasattr(space, '_np_random'):
        space._np_random = None
    return space


def event_shape(space: Space) -> typing.Tuple[int, ...]:
    """Return the shape of one element of a space without parts."""
    return tuple(space.shape)


def clip_actions(actions: np.ndarray, action_space: Space) -> np.ndarray:
    """
    Clip actions to the bounds of a Box, which a normal distribution does not keep to.

    :param actions: shape (n_envs,) + action shape
    :param action_space: actions of another space than a Box are returned as they are
    :return: actions within the bounds, same shape
    """
    if not isinstance(action_space, Box):
        return actions
    # of a few actions, several times faster than np.clip
    return np.minimum(np.maximum(actions, action_space.low), action_space.high)


def scale_action(action_space, action: np.ndarray) -> np.ndarray:
    """
    Rescale an action from the bounds of its space to [-1, 1].

    :param action_space: a Box with finite bounds
    :param action: within [low, high]
    :return: action within [-1, 1], same shape
    """
    low, high = action_space.low, action_space.high
    return 2.0 * ((action - low) / (high - low)) - 1.0


def unscale_action(action_space, scaled_action: np.ndarray) -> np.ndarray:
    """
    Rescale an action from [-1, 1] to the bounds of its space.

    :param action_space: a Box with finite bounds
    :param scaled_action: within [-1, 1]
    :return: action within [low, high], same shape
    """
    low, high = action_space.low, action_space.high
    return low + (0.5 * (scaled_action + 1.0) * (high - low))


def obs_space_info(obs_space: Space) -> typing.Tuple[list, dict, dict]:
    """
    List the parts of an observation space.

    :param obs_space: a space whose parts, if any, have no parts themselves
    :return: the keys (those of a Dict space, the indices of a Tuple space, None for a space without parts) and,
        by key, the shapes and the dtypes
    :raises ValueError: if a part has parts itself
    """
    parts = _parts(obs_space) if isinstance(obs_space, (Dict, Tuple)) else OrderedDict([(None, obs_space)])
    for key, part in parts.items():
        if isinstance(part, (Dict, Tuple)):
            raise ValueError(f"obs_space={obs_space}: its part {key!r} has parts itself, which is not supported; "
                             "flatten it in a wrapper")
    shapes = {key: part.shape for key, part in parts.items()}
    dtypes = {key: np.dtype(part.dtype) for key, part in parts.items()}
    return list(parts), shapes, dtypes


# Two of these have a public path elsewhere, by which files and processes refer to them.
scale_action.__module__ = unscale_action.__module__ = 'stable_baselines.common.math_util'
obs_space_info.__module__ = 'stable_baselines.common.vec_env.util'
