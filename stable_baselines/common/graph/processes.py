"""Exchange of tensors and of the values of variables between the processes of an MPI job."""
import zlib
from typing import Any, Dict, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import mpi_util
from stable_baselines.common.graph.gradients import GetFlat, SetFromFlat
from stable_baselines.common.graph.tensors import numel, var_shape


def sum_over_processes(tensors: Sequence[tf.Tensor], comm: Any = None) -> List[tf.Tensor]:
    """
    Sum tensors over the processes of an MPI job, in one exchange that happens while the graph runs.

    Every process has to make its exchanges in the same order: where a graph has several, control dependencies must say
    which.

    :param tensors: of one type, with completely known shapes
    :param comm: the communicator; None means that of all processes
    :return: the sums, same shapes; of a single process the tensors themselves, at no cost
    """
    comm = mpi_util.world() if comm is None else comm
    if comm.Get_size() == 1:
        return list(tensors)

    def _allreduce(local: np.ndarray) -> np.ndarray:
        total = np.empty_like(local)
        comm.Allreduce(local, total)
        return total

    flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
    summed = tf.reshape(tf.numpy_function(_allreduce, [flat], flat.dtype), flat.shape)
    pieces = tf.split(summed, [numel(tensor) for tensor in tensors])
    return [tf.reshape(piece, var_shape(tensor)) for piece, tensor in zip(pieces, tensors)]


class SharedVariables:
    """
    Variables that have the same values in all processes of an MPI job.

    :param variables: in every process the same, in the same order
    :param session: the session in which they live
    :param comm: the communicator; None means that of all processes
    """

    def __init__(self, variables: Sequence[tf.Variable], session: tf.Session, comm: Any = None):
        self._comm = mpi_util.world() if comm is None else comm
        self._access = []  # what gets and sets the variables of a type as one vector
        by_type: Dict[tf.DType, List[tf.Variable]] = {}
        for variable in variables if self._comm.Get_size() > 1 else ():
            by_type.setdefault(variable.dtype.base_dtype, []).append(variable)
        with session.graph.as_default():
            for dtype, of_type in by_type.items():
                self._access.append((GetFlat(of_type, session), SetFromFlat(of_type, dtype, session)))

    def share(self) -> None:
        """Give them the values that they have in the first process, in one exchange for each type."""
        for get_flat, set_from_flat in self._access:
            values = get_flat()
            self._comm.Bcast(values, root=0)
            set_from_flat(values)

    def check(self) -> None:
        """
        Compare the values by their checksums.

        :raises RuntimeError: in all processes, naming those that differ from the first
        """
        checksums = self._comm.allgather([zlib.crc32(get_flat()) for get_flat, _ in self._access])
        differing = [str(rank) for rank, checksum in enumerate(checksums) if checksum != checksums[0]]
        if differing:
            raise RuntimeError(
                f"rank {', '.join(differing)} of {len(checksums)} no longer has the parameters of rank 0: accepted are "
                "changes, such as those of a callback, that are the same in all ranks")
