"""Which environment libraries there are: one of gym and gymnasium is the primary one, whose spaces we use."""
import importlib.util
import sys
from typing import Any, List


def _import_primary() -> Any:
    """Import gym on Python 3.7 and gymnasium from 3.8 on, or the other one where that is absent."""
    names = ['gymnasium', 'gym'] if sys.version_info >= (3, 8) else ['gym', 'gymnasium']
    name = next(filter(importlib.util.find_spec, names), None)
    if name is None:
        raise ImportError("Stable Baselines needs an environment library: pip install gymnasium (Python >= 3.8) or gym")
    return importlib.import_module(name)


def is_classic(library: Any) -> bool:
    """Tell whether a library's own environments have the classic API (gym up to 0.21)."""
    return library.__name__ == 'gym' and [int(part) for part in library.__version__.split('.')[:2]] < [0, 22]


def loaded_libraries() -> List[Any]:
    """List the libraries that this process has imported; no environment of another one can exist in it."""
    return [sys.modules[name] for name in ('gymnasium', 'gym') if hasattr(sys.modules.get(name), 'Env')]


def get_log_level() -> int:
    """Return from which level on the primary library's logger prints."""
    return getattr(LIBRARY.logger, _LOG_LEVEL)


def set_log_level(level: int) -> None:
    """Set from which level on the primary library's logger prints."""
    setattr(LIBRARY.logger, _LOG_LEVEL, level)


LIBRARY = _import_primary()
_LOG_LEVEL = 'MIN_LEVEL' if hasattr(LIBRARY.logger, 'MIN_LEVEL') else 'min_level'
CLASSIC = is_classic(LIBRARY)
