"""Packages whose names are imported when they are asked for: the processes of a SubprocVecEnv never need TensorFlow."""
import importlib
import pkgutil
import sys
from typing import Any, List, Mapping


def offer(package: str, homes: Mapping[str, str], absent: Mapping[str, str]) -> None:
    """
    Let a package offer names and its submodules without importing them.

    This sets ``__getattr__`` and ``__dir__`` where a type checker does not see them: to it, a module that has a
    ``__getattr__`` has every name, however misspelt.

    :param package: name of the package, which calls this while it is imported
    :param homes: public name -> the submodule that has it
    :param absent: name that users look for -> what to tell them
    """
    module = sys.modules[package]

    def module_getattr(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(f'{package}.{homes[name]}'), name)
        if name in absent:  # of an AttributeError, `from package import name` would drop the words
            raise ImportError(f"cannot import name {name!r} from {package!r}: {absent[name]}")
        if not name.startswith('_'):
            try:
                return importlib.import_module(f'{package}.{name}')
            except ModuleNotFoundError as error:
                if error.name != f'{package}.{name}':
                    raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def module_dir() -> List[str]:
        own = [name for name in vars(module) if name.startswith('__')]
        return sorted({*own, *homes, *(info.name for info in pkgutil.iter_modules(module.__path__))})

    vars(module).update(__getattr__=module_getattr, __dir__=module_dir)
