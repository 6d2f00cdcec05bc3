"""
Reading pickles that another Python, NumPy, gym or cloudpickle wrote.

Saved models outlive the versions they were saved with. What can be rebuilt is rebuilt: spaces become those of the
environment library at hand, constant schedules become constants. A function whose byte code this Python does not
understand becomes a `LostFunction`, which complains when it is called, not when it is loaded: a model can predict
without its learning rate schedule.
"""
import importlib
import io
import pickle
import re
import types
from typing import Any, Callable, Dict, Tuple

import numpy as np

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.schedules import constfn


class LostFunction(object):
    """
    Stands for a pickled function that cannot be rebuilt.

    :param name: (str) name of the function
    """

    def __init__(self, name: str):
        self.name = name
        self.constant = None

    def __call__(self, *args, **kwargs) -> Any:
        if self.constant is not None:
            return self.constant(*args, **kwargs)
        raise ValueError("the stored function {!r} was pickled by another version of Python and cannot be called: "
                         "pass a new one as a keyword argument or in custom_objects to load()".format(self.name))


class _Lost(object):
    """Stands for what nobody will miss, like the state of a random generator; takes any arguments and any state."""

    def __init__(self, *args, **kwargs):
        self.arguments = args

    def __setstate__(self, state: Any) -> None:
        pass


def loads(content: bytes) -> Any:
    """
    Unpickle bytes of any origin.

    :param content: (bytes) the pickle
    :return: (Any) the object
    """
    return Unpickler(io.BytesIO(content)).load()


class Unpickler(pickle.Unpickler):
    """An unpickler that knows where other versions keep, or kept, what is needed."""

    def find_class(self, module: str, name: str) -> Any:
        """
        Find what a pickle names.

        :param module: (str) the module's name in the pickle
        :param name: (str) the name in the module
        :return: (type or callable) it, or what takes its place here
        """
        if re.match(r'(gym|gymnasium)\.spaces\b', module):
            return _space_class(name)
        if module.startswith('numpy.random.'):
            return _or_lost(super(Unpickler, self).find_class, module, name)
        if module.startswith('cloudpickle.') and name in _REBUILD:
            return _REBUILD[name]
        if module.startswith('numpy._core') and np.lib.NumpyVersion(np.__version__) < '1.26.0':
            module = module.replace('numpy._core', 'numpy.core')  # the name that NumPy 2 gave it
        return super(Unpickler, self).find_class(module, name)


# ================================================================
# Spaces and random generators
# ================================================================

_SPACE_ARGUMENTS = {
    'Box': lambda state: dict(low=state['low'], high=state['high'],
                              dtype=np.dtype(state.get('dtype') or state['low'].dtype).type),
    'Discrete': lambda state: dict(n=int(state['n'])),
    'MultiDiscrete': lambda state: dict(nvec=state['nvec']),
    'MultiBinary': lambda state: dict(n=state['n']),
    'Dict': lambda state: dict(spaces=state['spaces']),
    'Tuple': lambda state: dict(spaces=state['spaces']),
}  # type: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]]


def _space_class(name: str) -> type:
    """Return a class whose instances, given the state of any library's space, become spaces of the library at hand."""
    own_class = getattr(spaces, name)

    def _setstate(self, state):
        self.__class__ = own_class
        own_class.__init__(self, **_SPACE_ARGUMENTS[name](state))
    return type(name, (own_class,), {'__setstate__': _setstate})


def _or_lost(find_class: Callable, module: str, name: str) -> Any:
    """Return a constructor of random generators that gives a `_Lost` where this NumPy cannot read another's."""
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


# ================================================================
# Functions that cloudpickle stored by value
# ================================================================

def _builtin_type(name: str) -> Any:
    """Take the place of cloudpickle's function of this name, which gives the types below."""
    if name == 'CodeType':
        return _code
    if name in ('LambdaType', 'FunctionType'):
        return _function
    return getattr(types, name)


def _code(*args) -> Any:
    """Make a code object; what another Python's byte code makes is only a name."""
    try:
        return types.CodeType(*args)
    except (TypeError, ValueError):
        return _Lost(*args)


def _function(code: Any, *args) -> Any:
    """Make a function, or what stands for a lost one."""
    if isinstance(code, _Lost):
        names = [argument for argument in code.arguments if isinstance(argument, str)]
        return LostFunction(names[1] if len(names) > 1 else 'unknown')  # the file's name comes first
    return types.FunctionType(code, *args)


def _function_setstate(function: Any, state: Tuple[Dict[str, Any], Dict[str, Any]]) -> None:
    """Complete a function: by cloudpickle, or, if it is a lost constant schedule, by its value."""
    if not isinstance(function, LostFunction):
        importlib.import_module('cloudpickle.cloudpickle_fast')._function_setstate(function, state)
        return
    if state[1].get('__qualname__') == 'constfn.<locals>.func':
        function.constant = constfn(state[1]['__closure__'][0].cell_contents)


def _make_function(code: Any, *args) -> Any:
    """Take the place of the function of this name in newer cloudpickles."""
    if isinstance(code, _Lost):
        return _function(code)
    return importlib.import_module('cloudpickle.cloudpickle')._make_function(code, *args)


_REBUILD = {'_builtin_type': _builtin_type, '_function_setstate': _function_setstate, '_make_function': _make_function}
