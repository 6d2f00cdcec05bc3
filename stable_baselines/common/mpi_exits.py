"""
Learn of the ``SystemExit`` that ends this process, which Python shows to no hook.

A process of an MPI job that ends with an error while others wait for it has to end them as well, and a program may end
by ``sys.exit(1)``, ``exit(1)`` or ``raise SystemExit(1)``. Plainer ways miss some of these, or find the code too late:

- ``sys.excepthook`` and ``sys.last_value`` are for other exceptions, and functions of ``atexit`` are told no code;
- C's ``on_exit`` is told the code, but after mpi4py waited for the other processes, and Python is gone by then;
- a wrapper of ``sys.exit`` knows neither of a plain ``raise`` nor whether the program catches what it raises;
- a subclass in the place of ``SystemExit`` is not what C raises, which a program's ``except`` would no longer catch;
- a message to the others (*I am through*) reaches none that waits within MPI.

So the attribute ``code`` tells who reads it: only the interpreter does so when no function runs any more.
"""
import ctypes
import gc
import sys
from typing import Any, List


def watch_exits() -> List[Any]:
    """
    Watch out for the ``SystemExit`` that ends this process, from now on.

    The class refuses to be changed, but not the dict in which it keeps its attributes.

    :return: an empty list, which will hold the exit code once the process ends
    """
    code_of, last_codes = vars(SystemExit)['code'], []

    def read(error: SystemExit) -> Any:
        code = code_of.__get__(error)
        try:
            sys._getframe(1)
        except ValueError:  # nobody called this
            last_codes.append(code)
        return code

    def leave(status: Any = None) -> None:
        """Raise SystemExit(status), where Python before 3.12 makes no exception that has a code."""
        raise SystemExit(status)

    gc.get_referents(vars(SystemExit))[0]['code'] = property(read, code_of.__set__, code_of.__delete__)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(SystemExit))  # forget what was looked up
    sys.exit = leave  # type: ignore[assignment]
    return last_codes
