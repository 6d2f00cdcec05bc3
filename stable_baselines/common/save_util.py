"""
Read and write model files; nothing else does.

A model file is a zip archive with three members: ``data`` (JSON: how the model was constructed), ``parameters``
(the bytes of ``numpy.savez``) and ``parameter_list`` (JSON: the order of the parameters). The older form is one pickle
of the tuple (data, parameters).
"""
import base64
import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from typing import AbstractSet, Any, BinaryIO, Callable, Dict, List, Optional, Tuple, Union

import numpy as np

from stable_baselines.common.files import pickling
from stable_baselines.common.files.atomic import write_whole

Parameters = Union['OrderedDict[str, np.ndarray]', List[np.ndarray]]
PathOrFile = Union[str, BinaryIO]

_TYPE_KEY = ":type:"
_SERIALIZED_KEY = ":serialized:"

# constructor arguments that files of an algorithm, and no others, have held together since Stable Baselines 2.0;
# HER's files also hold what the wrapped algorithm's do
TELLTALES = {
    'HER': {'n_sampled_goal', 'goal_selection_strategy'},
    'A2C': {'alpha', 'epsilon', 'lr_schedule'},
    'ACER': {'rprop_alpha', 'rprop_epsilon', 'replay_ratio'},
    'ACKTR': {'kfac_clip', 'vf_fisher_coef'},
    'DDPG': {'critic_l2_reg', 'nb_rollout_steps'},
    'DQN': {'prioritized_replay', 'target_network_update_freq'},
    'PPO1': {'timesteps_per_actorbatch', 'optim_stepsize'},
    'PPO2': {'nminibatches', 'noptepochs'},
    'SAC': {'target_entropy', 'learning_starts'},
    'TD3': {'policy_delay', 'target_policy_noise'},
    'TRPO': {'max_kl', 'cg_iters'},
    'GAIL': {'max_kl', 'cg_iters'},  # the original's TRPO held GAIL's attributes too
}


def algorithm_of(names: AbstractSet[str]) -> Optional[str]:
    """Tell from the names of the attributes in a file which algorithm wrote it; None where that is not certain."""
    return next((algorithm for algorithm, telltales in TELLTALES.items() if telltales <= names), None)


def is_json_serializable(item: Any) -> bool:
    """Tell whether ``json.dumps`` takes an object."""
    try:
        json.dumps(item)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def data_to_json(data: Dict[str, Any]) -> str:
    """
    Turn the attributes of a model into readable JSON.

    What JSON cannot hold is pickled and stored in base64, along with a description that people can read.
    """
    serializable = {key: value if is_json_serializable(value) else _describe(value) for key, value in data.items()}
    return json.dumps(serializable, indent=4)


def _describe(value: Any) -> Dict[str, Any]:
    """Pickle a value and add its type and its attributes (or items) in readable form."""
    description = {_TYPE_KEY: str(type(value)), _SERIALIZED_KEY: base64.b64encode(pickling.dumps(value)).decode()}
    attributes = value if isinstance(value, dict) else getattr(value, '__dict__', {})
    for name, attribute in attributes.items():
        attribute = attribute.item() if isinstance(attribute, np.generic) else attribute
        # the names of functions and objects carry addresses, which only make two equal files differ
        description[str(name)] = attribute if is_json_serializable(attribute) else str(attribute).split(' at 0x')[0]
    return description


def json_to_data(json_string: str, custom_objects: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """
    Turn the JSON of a model file back into attributes.

    :param custom_objects: objects to use instead of the stored ones, which are then not unpickled
    :raises ValueError: if the JSON is not an object
    :raises LostObjectError: if a stored object cannot be unpickled
    """
    if not isinstance(custom_objects, (dict, type(None))):
        raise TypeError(f"custom_objects={custom_objects!r}: accepted is a dict or None")
    stored = json.loads(json_string)
    if not isinstance(stored, dict):
        raise ValueError(f"json_string: accepted is a JSON object, not a {type(stored).__name__}")
    data = {}
    for key, item in stored.items():
        if custom_objects is not None and key in custom_objects:
            data[key] = custom_objects[key]
        elif isinstance(item, dict) and _SERIALIZED_KEY in item:
            try:
                data[key] = pickling.loads(base64.b64decode(item[_SERIALIZED_KEY]))
            except Exception as error:
                raise _not_unpickled(key, f"{type(error).__name__}: {error}") from error
        else:
            data[key] = item
    return data


def _not_unpickled(key: str, reason: str) -> pickling.LostObjectError:
    """Make the error about an attribute that cannot be unpickled, with what to do about it."""
    return pickling.LostObjectError(f"could not unpickle {key!r} of the model file ({reason}). Pass {key}=... or "
                                    f"custom_objects={{{key!r}: ...}} to load() to use one of your own")


def params_to_bytes(params: 'OrderedDict[str, Any]') -> bytes:
    """Turn parameters, arrays by name, into the bytes of ``numpy.savez``."""
    buffer = io.BytesIO()
    np.savez(buffer, **params)
    return buffer.getvalue()


def bytes_to_params(serialized_params: bytes, param_list: List[str]) -> 'OrderedDict[str, np.ndarray]':
    """Turn the bytes of ``numpy.savez`` back into parameters, arrays by name in the order of ``param_list``."""
    archive = np.load(io.BytesIO(serialized_params))
    return OrderedDict((name, archive[name]) for name in param_list)


def save_to_file(save_path: PathOrFile, data: Dict[str, Any], params: Parameters, as_pickle: bool = False) -> None:
    """
    Write a model file. The file appears complete or not at all.

    :param save_path: a path, or an open binary file; ``.zip`` (or ``.pkl``) is added to a path without extension
    :param data: attributes of the model
    :param params: arrays by name
    :param as_pickle: write the older form, one pickle, instead of the zip archive
    :raises TypeError: if it is neither a path nor a file
    """
    content = pickling.dumps((data, params)) if as_pickle else _to_archive(data, params)
    if hasattr(save_path, 'write'):
        save_path.write(content)
        return
    path = _as_path(save_path)
    if not os.path.splitext(path)[1]:
        path += '.pkl' if as_pickle else '.zip'
    write_whole(path, content)


def _to_archive(data: Dict[str, Any], params: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('data', data_to_json(data))
        archive.writestr('parameters', params_to_bytes(params))
        archive.writestr('parameter_list', json.dumps(list(params), indent=4))
    return buffer.getvalue()


def load_from_file(load_path: PathOrFile, load_data: bool = True,
                   custom_objects: Optional[Dict[str, Any]] = None,
                   check_names: Callable[[AbstractSet[str]], None] = lambda names: None
                   ) -> Tuple[Any, Parameters]:
    """
    Read a model file of either form.

    :param load_path: a path, or an open binary file; ``.zip`` and ``.pkl`` are tried for a path that does not exist
    :param load_data: whether to read the attributes; the parameters alone need no unpickling from an archive
    :param custom_objects: attributes to use instead of the stored ones, which are then not unpickled
    :param check_names: called with the names of the attributes before an unfit one is refused
    :return: attributes (None without ``load_data``) and parameters
    :raises ValueError: if the file does not exist or is not a (complete) model file
    :raises LostObjectError: (a ValueError and RuntimeError) if an attribute cannot be unpickled
    """
    if hasattr(load_path, 'read'):
        name, content = getattr(load_path, 'name', repr(load_path)), load_path.read()
    else:
        name = _find_file(_as_path(load_path))
        with open(name, 'rb') as file_handler:
            content = file_handler.read()
    if zipfile.is_zipfile(io.BytesIO(content)):
        json_string, names, params = _from_archive(name, content)
        if not load_data:
            return None, params
        check_names(names)
        return json_to_data(json_string, custom_objects), params
    data, params = _from_pickle(name, content, custom_objects)
    if not load_data:
        return None, params
    check_names(data.keys())
    for key, value in data.items():
        if pickling.is_lost(value):
            raise _not_unpickled(key, f"{value} cannot be imported")
    return data, params


def _as_path(path: Any) -> str:
    if isinstance(path, (str, os.PathLike)):
        return os.fspath(path)
    raise TypeError(f"{path!r}: accepted is a path or a file object")


def _find_file(path: str) -> str:
    """Return the path itself or with an extension added, whichever exists."""
    for candidate in (path, f'{path}.zip', f'{path}.pkl'):
        if os.path.isfile(candidate):
            return candidate
    raise ValueError(f"load_path={path!r}: no model file there, nor at {path}.zip or {path}.pkl")


def _from_archive(name: str, content: bytes) -> Tuple[str, AbstractSet[str], Parameters]:
    """Return the JSON of the attributes, their names, and the parameters."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        missing = {'data', 'parameters', 'parameter_list'} - set(archive.namelist())
        if missing:
            raise ValueError(f"load_path={name!r}: accepted is a model file; this zip archive lacks {sorted(missing)}")
        try:
            param_list = json.loads(archive.read('parameter_list').decode())
            params = bytes_to_params(archive.read('parameters'), param_list)
            json_string = archive.read('data').decode()
            return json_string, json.loads(json_string).keys(), params
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError) as error:
            raise ValueError(f"load_path={name!r}: the model file is damaged: {error}") from error


def _from_pickle(name: str, content: bytes,
                 custom_objects: Optional[Dict[str, Any]]) -> Tuple[Dict[str, Any], Parameters]:
    """Return the attributes, with placeholders for what is lost, and the parameters."""
    try:
        data, params = pickling.loads(content, lenient=True)
        return {key: (custom_objects or {}).get(key, value) for key, value in data.items()}, params
    except (pickle.UnpicklingError, EOFError, TypeError, ValueError, KeyError, IndexError, AttributeError,
            ImportError) as error:
        raise ValueError(f"load_path={name!r}: no model file, or a truncated one; accepted is a zip archive, or a "
                         f"pickle of (data, parameters) ({type(error).__name__}: {error})") from error
