"""Observations of vectorised environments whose space has parts (Dict, Tuple)."""
from collections import OrderedDict
from typing import Any, Dict

import numpy as np

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import obs_space_info  # noqa: F401


def copy_obs_dict(obs: Dict[Any, np.ndarray]) -> 'OrderedDict[Any, np.ndarray]':
    """Copy an OrderedDict of arrays, with the arrays; raise a TypeError for any other dict."""
    if not isinstance(obs, OrderedDict):
        raise TypeError(f"obs={obs!r}: accepted is an OrderedDict, not {type(obs).__name__}")
    return OrderedDict((key, np.copy(value)) for key, value in obs.items())


def dict_to_obs(space: Any, obs_dict: Dict[Any, Any]) -> Any:
    """
    Turn observations that are kept by key into the form of their space.

    :param space: the observation space
    :param obs_dict: observations by key, by index for a Tuple space, under None for a space without parts
    :raises ValueError: if the keys do not fit the space
    """
    if isinstance(space, spaces.Dict):
        return obs_dict
    if isinstance(space, spaces.Tuple):
        if len(obs_dict) != len(space.spaces):
            raise ValueError(f"obs_dict has {len(obs_dict)} parts: accepted are as many as space={space} has")
        return tuple(obs_dict[index] for index in range(len(space.spaces)))
    if set(obs_dict) != {None}:
        raise ValueError(f"obs_dict has the keys {list(obs_dict)}: accepted is None, as space={space} has no parts")
    return obs_dict[None]
