"""
Model files, opened and written here and nowhere else.

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
from typing import Any, BinaryIO, Dict, List, Optional, Tuple, Union

import numpy as np

from stable_baselines.common import pickling

Parameters = Union['OrderedDict[str, np.ndarray]', List[np.ndarray]]
PathOrFile = Union[str, BinaryIO]

_TYPE_KEY = ":type:"
_SERIALIZED_KEY = ":serialized:"


# ================================================================
# The parts of the archive
# ================================================================

def is_json_serializable(item: Any) -> bool:
    """
    Tell whether JSON gives an object back as it was.

    :param item: the object
    :return: whether ``json.dumps`` takes it
    """
    try:
        json.dumps(item)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def data_to_json(data: Dict[str, Any]) -> str:
    """
    Turn the attributes of a model into readable JSON.

    What JSON cannot hold is pickled and stored in base64, beside a description that people can read.

    :param data: attributes
    :return: JSON text
    """
    serializable = {key: value if is_json_serializable(value) else _describe(value) for key, value in data.items()}
    return json.dumps(serializable, indent=4)


def _describe(value: Any) -> Dict[str, Any]:
    """Pickle a value and add its type and its attributes (or items) in readable form."""
    description = {_TYPE_KEY: str(type(value)),
                   _SERIALIZED_KEY: base64.b64encode(pickling.dumps(value)).decode()}
    attributes = value if isinstance(value, dict) else getattr(value, '__dict__', {})
    for name, attribute in attributes.items():
        attribute = attribute.item() if isinstance(attribute, np.generic) else attribute
        # the names of functions and objects carry addresses, which only make two equal files differ
        readable = attribute if is_json_serializable(attribute) else str(attribute).split(' at 0x')[0]
        description[str(name)] = readable
    return description


def json_to_data(json_string: str, custom_objects: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """
    Turn the JSON of a model file back into attributes.

    :param json_string: JSON text
    :param custom_objects: objects to use instead of the stored ones, which are then not unpickled
    :return: attributes
    :raises ValueError: if it is no JSON object, or an object cannot be unpickled
    """
    if custom_objects is not None and not isinstance(custom_objects, dict):
        raise TypeError(f"custom_objects must be a dict or None, got {custom_objects!r}")
    custom_objects = custom_objects or {}
    stored = json.loads(json_string)
    if not isinstance(stored, dict):
        raise ValueError(f"the data of a model must be a JSON object, got {type(stored).__name__}")
    data = {}
    for key, item in stored.items():
        if key in custom_objects:
            data[key] = custom_objects[key]
        elif isinstance(item, dict) and _SERIALIZED_KEY in item:
            data[key] = _unpickle(key, base64.b64decode(item[_SERIALIZED_KEY]))
        else:
            data[key] = item
    return data


def _unpickle(key: str, serialized: bytes) -> Any:
    try:
        return pickling.loads(serialized)
    except Exception as error:
        raise ValueError(f"could not unpickle {key!r} of the model file ({type(error).__name__}: {error}). Pass {key}=... or "
                         f"custom_objects={{{key!r}: ...}} to load() to use one of your own") from error


def params_to_bytes(params: 'OrderedDict[str, np.ndarray]') -> bytes:
    """
    Turn parameters into the bytes of ``numpy.savez``.

    :param params: parameter name -> array
    :return: their serialized form
    """
    buffer = io.BytesIO()
    np.savez(buffer, **params)
    return buffer.getvalue()


def bytes_to_params(serialized_params: bytes, param_list: List[str]) -> 'OrderedDict[str, np.ndarray]':
    """
    Turn the bytes of ``numpy.savez`` back into parameters.

    :param serialized_params: their serialized form
    :param param_list: names of the parameters, in order
    :return: parameter name -> array
    """
    archive = np.load(io.BytesIO(serialized_params))
    return OrderedDict((name, archive[name]) for name in param_list)


# ================================================================
# Whole files
# ================================================================

def save_to_file(save_path: PathOrFile, data: Dict[str, Any], params: Parameters, as_pickle: bool = False) -> None:
    """
    Write a model file. The file appears complete or not at all.

    :param save_path: where to; ``.zip`` (or ``.pkl``) is added to a path without extension
    :param data: attributes of the model
    :param params: parameter name -> array
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
    temporary = f'{path}.{os.getpid()}.tmp'
    try:
        with open(temporary, 'wb') as file_handler:
            file_handler.write(content)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _to_archive(data: Dict[str, Any], params: 'OrderedDict[str, np.ndarray]') -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('data', data_to_json(data))
        archive.writestr('parameters', params_to_bytes(params))
        archive.writestr('parameter_list', json.dumps(list(params), indent=4))
    return buffer.getvalue()


def load_from_file(load_path: PathOrFile, load_data: bool = True,
                   custom_objects: Optional[Dict[str, Any]] = None) -> Tuple[Optional[Dict[str, Any]], Parameters]:
    """
    Read a model file of either form.

    :param load_path: the file; ``.zip`` and ``.pkl`` are tried for a path that does not exist
    :param load_data: whether to read the attributes; the parameters alone need no unpickling from an archive
    :param custom_objects: attributes to use instead of the stored ones, which are then not unpickled
    :return: attributes and parameters
    :raises ValueError: if the file does not exist or is no (complete) model file
    """
    if hasattr(load_path, 'read'):
        name, content = getattr(load_path, 'name', repr(load_path)), load_path.read()
    else:
        name = _find_file(_as_path(load_path))
        with open(name, 'rb') as file_handler:
            content = file_handler.read()
    if zipfile.is_zipfile(io.BytesIO(content)):
        return _from_archive(name, content, load_data, custom_objects)
    return _from_pickle(name, content, load_data, custom_objects)


def _as_path(path: Any) -> str:
    if isinstance(path, (str, os.PathLike)):
        return os.fspath(path)
    raise TypeError(f"a model file must be given as a path or a file object, got {path!r}")


def _find_file(path: str) -> str:
    """Return the path itself or with an extension added, whichever exists."""
    for candidate in (path, path + '.zip', path + '.pkl'):
        if os.path.isfile(candidate):
            return candidate
    raise ValueError(f"no model file {path!r} (nor {path}.zip, nor {path}.pkl)")


def _from_archive(name: str, content: bytes, load_data: bool,
                  custom_objects: Optional[Dict[str, Any]]) -> Tuple[Optional[Dict[str, Any]], Parameters]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        missing = {'data', 'parameters', 'parameter_list'} - set(archive.namelist())
        if missing:
            raise ValueError(f"{name} is a zip archive but no model file: it lacks {sorted(missing)}")
        try:
            param_list = json.loads(archive.read('parameter_list').decode())
            params = bytes_to_params(archive.read('parameters'), param_list)
            json_string = archive.read('data').decode()
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            raise ValueError(f"the model file {name} is damaged: {error}") from error
    return json_to_data(json_string, custom_objects) if load_data else None, params


def _from_pickle(name: str, content: bytes, load_data: bool,
                 custom_objects: Optional[Dict[str, Any]]) -> Tuple[Optional[Dict[str, Any]], Parameters]:
    try:
        data, params = pickling.loads(content, lenient=True)
        data = dict(data, **(custom_objects or {}))
    except (pickle.UnpicklingError, EOFError, TypeError, ValueError, KeyError, IndexError, AttributeError,
            ImportError) as error:
        raise ValueError(f"{name} is no model file, or a truncated one: it is neither a zip archive nor a pickle of "
                         f"(data, parameters) ({type(error).__name__}: {error})") from error
    if not load_data:
        return None, params
    for key, value in data.items():
        if pickling.is_lost(value):
            raise ValueError(f"could not unpickle {key!r} of {name}: {value} cannot be imported. Pass {key}=... or "
                             f"custom_objects={{{key!r}: ...}} to load() to use one of your own")
    return data, params
