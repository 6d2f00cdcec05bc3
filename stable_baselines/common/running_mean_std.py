"""Running mean and variance of a stream of batches."""
from typing import Any, Tuple, Union

import numpy as np

Moment = Union[float, np.ndarray]


class RunningMeanStd:
    """
    Keep the mean and the variance of all samples so far.

    :param epsilon: weight, in samples, of the initial values (mean 0, variance 1); avoids dividing by zero
    :param shape: shape of one sample
    """

    def __init__(self, epsilon: float = 1e-4, shape: Tuple[int, ...] = ()):
        self.mean = np.zeros(shape, np.float64)
        self.var = np.ones(shape, np.float64)
        self.count = epsilon

    def update(self, arr: np.ndarray) -> None:
        """Add a batch of samples, shape (n_samples,) + shape."""
        arr = np.asarray(arr)
        if arr.dtype.char not in 'fd':
            arr = arr.astype(np.float64)
        # np.mean and np.var without their overhead, which is most of their time on batches as small as these
        add: Any = np.add.reduce  # NumPy's own types are wrong here
        n_samples = arr.shape[0]
        batch_mean = add(arr, 0) / n_samples
        centred = arr - batch_mean
        self.update_from_moments(batch_mean, add(centred * centred, 0) / n_samples, n_samples)

    def update_from_moments(self, batch_mean: Moment, batch_var: Moment, batch_count: float) -> None:
        """
        Add a batch by its moments.

        With ``w = batch_count / (count + batch_count)`` and ``delta = batch_mean - mean``:
        ``mean = mean + w * delta``, ``var = (1 - w) * var + w * batch_var + w * (1 - w) * delta^2``
        (Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances", 1979).

        :param batch_var: variance of the batch, not the unbiased estimate
        :param batch_count: number of samples in the batch
        """
        total = self.count + batch_count
        weight = batch_count / total
        delta = batch_mean - self.mean
        self.mean = self.mean + weight * delta
        # as Stable Baselines 2.10: float32 batches round batch_var * batch_count to float32
        squares = self.var * self.count + batch_var * batch_count + delta * delta * (self.count * weight)
        self.var = squares / total
        self.count = total
