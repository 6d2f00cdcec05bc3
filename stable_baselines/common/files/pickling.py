"""
Write pickles that other versions can read, and read those of others.

Saved models outlive the versions of Python, NumPy, gym, TensorFlow and cloudpickle they were saved with. What can be
rebuilt is rebuilt: spaces become those of the environment library at hand, constant schedules become constants. A
function whose byte code this Python does not understand becomes a ``LostFunction``, which complains when it is called,
not when it is loaded: a model can predict without its learning rate schedule.
"""
import importlib
import importlib.util
import io
import operator
import pickle
import re
import sys
import types
from typing import Any, Callable, Dict, Optional, Tuple

import cloudpickle
import numpy as np

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.schedules import constfn


class LostObjectError(ValueError, RuntimeError):
    """A stored object cannot be rebuilt. A RuntimeError too, as in Stable Baselines 2.10."""


class LostFunction:
    """
    Stand in for a pickled function that cannot be rebuilt.

    :param name: name of the function
    """

    def __init__(self, name: str):
        self.name = name
        self.constant: Optional[Callable] = None  # what it computes, where it is known to be a constant schedule

    def __call__(self, *args, **kwargs) -> Any:
        if self.constant is not None:
            return self.constant(*args, **kwargs)
        raise LostObjectError(f"the stored function {self.name!r} was pickled by another version of Python and cannot "
                              "be called: pass a new one as a keyword argument or in custom_objects to load()")


class _Lost:
    """Stand in for what is not available, like a class whose module is gone; takes any arguments and any state."""

    def __init__(self, *args, **kwargs):
        self.arguments = args

    def __setstate__(self, state: Any) -> None:
        pass


def is_lost(value: Any) -> bool:
    """
    Tell whether an object, or a class, only stands in for what could not be unpickled.

    :param value: what a lenient ``loads`` returned
    :return: False for functions: they complain when they are called
    """
    return isinstance(value, _Lost) or (isinstance(value, type) and issubclass(value, _Lost))


def dumps(value: Any) -> bytes:
    """Pickle an object, functions included, in a form that Python 3.7 to 3.13 read."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=4).dump(value)  # the highest that Python 3.7 reads
    return buffer.getvalue()


class _Pickler(cloudpickle.CloudPickler):
    """
    A pickler that tells readers what they have to know.

    It stores functions of TensorFlow by their public name, because by value they cannot be stored, and byte code with
    its version: another Python may take it without complaint and crash when it runs it.
    """

    def reducer_override(self, obj: Any) -> Any:  # called from Python 3.8 on, where TensorFlow 2 needs it
        if isinstance(obj, types.CodeType):
            return _code_of_version, (importlib.util.MAGIC_NUMBER,) + self.dispatch_table[types.CodeType](obj)[1]
        if isinstance(obj, types.FunctionType) and (obj.__module__ or '').startswith('tensorflow.'):
            by_reference = getattr(sys.modules[obj.__module__], obj.__name__, None) is obj
            public_name = None if by_reference else _public_name(obj)
            if public_name is not None:
                return operator.attrgetter(public_name), (_TensorFlow(),)
        return super().reducer_override(obj)


def _public_name(func: Callable) -> Optional[str]:
    """Return the name of a function within tensorflow.compat.v1, None if it has none there."""
    tensorflow = importlib.import_module('tensorflow.compat.v1')
    homes = {'': tensorflow, 'nn.': tensorflow.nn, 'math.': tensorflow.math}
    name = func.__name__
    return next((prefix + name for prefix, home in homes.items() if getattr(home, name, None) is func), None)


class _TensorFlow:
    """Pickles as the module ``tensorflow.compat.v1``."""

    def __reduce__(self):
        return importlib.import_module, ('tensorflow.compat.v1',)


def loads(content: bytes, lenient: bool = False) -> Any:
    """
    Unpickle bytes of any origin.

    :param content: the pickle
    :param lenient: whether what cannot be imported becomes a placeholder, see ``is_lost``, rather than an error
    :return: the object
    """
    return Unpickler(io.BytesIO(content), lenient).load()


class Unpickler(pickle.Unpickler):
    """
    An unpickler that knows where other versions keep, or kept, what is needed.

    :param file: the pickle
    :param lenient: whether what cannot be imported becomes a placeholder
    """

    def __init__(self, file: Any, lenient: bool = False):
        super().__init__(file)
        self._lenient = lenient

    def find_class(self, module: str, name: str) -> Any:
        """Find what a pickle names by its module and its name there, or what replaces it here."""
        if re.match(r'(gym|gymnasium)\.spaces\b', module):
            return _space_class(name)
        if module.startswith('numpy.random.'):
            return _or_lost(super().find_class, module, name)
        if module.startswith('cloudpickle.') and name in _REBUILD:
            return _REBUILD[name]
        if module.startswith('numpy._core') and np.lib.NumpyVersion(np.__version__) < '1.26.0':
            module = module.replace('numpy._core', 'numpy.core')  # the name that NumPy 2 gave it
        try:
            found = super().find_class(module, name)
            return _TensorFlowModule if name == 'TFModuleWrapper' and not hasattr(found, '__setstate__') else found
        except (ImportError, AttributeError):
            if not self._lenient:
                raise
            return type(name, (_Lost,), {'__module__': module})


class _TensorFlowModule:
    """TensorFlow 1.15's ``tf``, or a part of it, as functions that were stored by value hold it."""

    def __setstate__(self, state: Any) -> None:
        name = state['__name__'] if isinstance(state, dict) else state
        self._path = [part for part in name.split('.')[1:] if part not in ('_api', 'v1', 'compat')]

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        return operator.attrgetter('.'.join(self._path + [name]))(importlib.import_module('tensorflow.compat.v1'))


def _space_class(name: str) -> type:
    """Return a class whose instances, given the state of any library's space, become spaces of the library at hand."""
    own_class = getattr(spaces, name)

    def _setstate(self, state):
        # early versions of gym keep the type of a Box's numbers in its bounds only
        state = {'dtype': getattr(state.get('low'), 'dtype', None), **state}
        self.__class__ = own_class
        vars(self).update(vars(spaces.BUILDERS[name](types.SimpleNamespace(**state))))
    return type(name, (own_class,), {'__setstate__': _setstate})


def _or_lost(find_class: Callable, module: str, name: str) -> Any:
    """Return a constructor of random generators that gives a ``_Lost`` where this NumPy cannot read another's."""
    try:
        constructor = find_class(module, name)
    except (ImportError, AttributeError):
        return _Lost
    if isinstance(constructor, type):
        return constructor

    def _construct(*args):
        try:
            return constructor(*args)
        except (TypeError, ValueError):
            return _Lost()
    return _construct


# What follows replaces cloudpickle's functions, by which it rebuilds functions that it stored by value.

def _builtin_type(name: str) -> Any:
    """Replace cloudpickle's function of this name: it returns a type, for code and functions one of those below."""
    return {'CodeType': _code, 'LambdaType': _function, 'FunctionType': _function}.get(name) or getattr(types, name)


def _code_of_version(version: bytes, *args) -> Any:
    """Make a code object, unless it is another Python's (files refer to this function by its path)."""
    return types.CodeType(*args) if version == importlib.util.MAGIC_NUMBER else _Lost(*args)


def _code(*args) -> Any:
    """Make a code object of unknown version: the original wrote such, with Python 3.7 at the latest."""
    if sys.version_info >= (3, 8):
        return _Lost(*args)
    try:
        return types.CodeType(*args)
    except (TypeError, ValueError):  # newer ones have more parts
        return _Lost(*args)


def _function(code: Any, *args) -> Any:
    """Make a function, or what stands in for a lost one."""
    if isinstance(code, _Lost):
        names = [argument for argument in code.arguments if isinstance(argument, str)]
        return LostFunction(names[1] if len(names) > 1 else 'unknown')  # the file's name comes first
    return types.FunctionType(code, *args)


def _function_setstate(function: Any, state: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
    """Complete a function: by cloudpickle, or, if it is a lost constant schedule, by its value."""
    if not isinstance(function, LostFunction):
        importlib.import_module('cloudpickle.cloudpickle_fast')._function_setstate(function, state)
    elif state[1].get('__qualname__') == 'constfn.<locals>.func':
        function.constant = constfn(state[1]['__closure__'][0].cell_contents)


def _make_function(code: Any, *args) -> Any:
    """Replace the function of this name in newer cloudpickles."""
    if isinstance(code, _Lost):
        return _function(code)
    return importlib.import_module('cloudpickle.cloudpickle')._make_function(code, *args)


def _subimport(name: str) -> Any:
    """Import a module that a function uses; TensorFlow's may have another name here, others may be gone."""
    if name.startswith('tensorflow.') and name.endswith('compat.v1'):
        name = 'tensorflow.compat.v1'
    try:
        return importlib.import_module(name)
    except ImportError:
        return _Lost(name)


# the functions of cloudpickle that ours replace
_REBUILD = {'_builtin_type': _builtin_type, '_function_setstate': _function_setstate,
            '_make_function': _make_function, 'subimport': _subimport}
