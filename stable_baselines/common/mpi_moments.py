"""Mean and standard deviation over the samples of all processes of an MPI job."""
from typing import Any, Optional, Tuple

import numpy as np

from stable_baselines.common import mpi_util


def mpi_mean(arr: Any, axis: int = 0, comm: Optional[Any] = None,
             keepdims: bool = False) -> Tuple[np.ndarray, int]:
    """
    Average an axis, over the processes too.

    :param arr: the samples of this process; only the length of the axis may differ between processes
    :param axis: the axis of the samples
    :param comm: the communicator; None means that of all processes
    :param keepdims: whether the axis stays, with length 1
    :return: the mean, and the number of samples
    """
    arr = np.asarray(arr)
    sums: Any = arr.sum(axis=axis, dtype=np.float64, keepdims=keepdims)
    local = np.append(sums, arr.shape[axis])
    total = np.zeros_like(local)
    (mpi_util.world() if comm is None else comm).Allreduce(local, total)
    mean = np.reshape(total[:-1] / total[-1], np.shape(sums))
    return mean.astype(np.result_type(arr, np.float32) if arr.dtype.kind == 'f' else np.float64), int(total[-1])


def mpi_moments(arr: Any, axis: int = 0, comm: Optional[Any] = None,
                keepdims: bool = False) -> Tuple[np.ndarray, np.ndarray, int]:
    """
    Compute mean and standard deviation of an axis, over the processes too; parameters as for ``mpi_mean``.

    :return: the mean, the standard deviation, and the number of samples
    """
    arr = np.asarray(arr)
    mean, count = mpi_mean(arr, axis, comm, keepdims=True)
    variance, _ = mpi_mean(np.square(arr - mean), axis, comm, keepdims=True)
    moments = mean, np.sqrt(variance)
    mean, std = moments if keepdims else [np.squeeze(moment, axis) for moment in moments]
    return mean, std, count
