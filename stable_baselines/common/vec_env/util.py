"""Observations of vectorised environments whose space has parts (Dict, Tuple)."""
from collections import OrderedDict
from typing import Any, Dict, List, Tuple

import numpy as np

from stable_baselines.common.gym_compat import spaces


def copy_obs_dict(obs: Dict[Any, np.ndarray]) -> 'OrderedDict[Any, np.ndarray]':
    """
    Copy a dict of arrays, with the arrays.

    :param obs: arrays by key
    :return: copies of them, in the same order
    :raises TypeError: if it is not an OrderedDict
    """
    if not isinstance(obs, OrderedDict):
        raise TypeError(f"obs={obs!r}: accepted is an OrderedDict, not {type(obs).__name__}")
    return OrderedDict((key, np.copy(value)) for key, value in obs.items())


def dict_to_obs(space: Any, obs_dict: Dict[Any, Any]) -> Any:
    """
    Give observations that are kept by key the form of their space.

    :param space: the observation space
    :param obs_dict: observations by key, by index for a Tuple space, under None for a space without parts
    :return: the observations
    :raises ValueError: if the keys do not fit the space
    """
    if isinstance(space, spaces.Dict):
        return obs_dict
    if isinstance(space, spaces.Tuple):
        if len(obs_dict) != len(space.spaces):
            raise ValueError(f"obs_dict has {len(obs_dict)} parts, space={space} has {len(space.spaces)}")
        return tuple(obs_dict[index] for index in range(len(space.spaces)))
    if set(obs_dict) != {None}:
        raise ValueError(f"obs_dict has the keys {list(obs_dict)}; space={space} has no parts: accepted is the one key "
                         "None")
    return obs_dict[None]


def obs_space_info(obs_space: Any) -> Tuple[List[Any], Dict[Any, Tuple[int, ...]], Dict[Any, np.dtype]]:
    """
    List the parts of an observation space.

    :param obs_space: the observation space
    :return: the keys (those of a Dict space, the indices of a Tuple space, None for a space without parts) and,
        by key, the shapes and the dtypes
    :raises ValueError: if a part has parts itself
    """
    if isinstance(obs_space, spaces.Dict):
        parts = OrderedDict(obs_space.spaces)
    elif isinstance(obs_space, spaces.Tuple):
        parts = OrderedDict(enumerate(obs_space.spaces))
    else:
        parts = OrderedDict([(None, obs_space)])
    for key, part in parts.items():
        if isinstance(part, (spaces.Dict, spaces.Tuple)):
            raise ValueError(f"obs_space={obs_space}: its part {key!r} has parts itself, which is not supported; "
                             "flatten it in a wrapper")
    shapes = {key: part.shape for key, part in parts.items()}
    dtypes = {key: np.dtype(part.dtype) for key, part in parts.items()}
    return list(parts), shapes, dtypes
