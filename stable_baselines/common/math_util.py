"""Small numerical helpers on NumPy arrays."""
from typing import List, Sequence, Tuple

import numpy as np

from stable_baselines.common.gym_compat.spaces import scale_action, unscale_action  # noqa: F401
from stable_baselines.common.returns import discount_with_dones


def safe_mean(arr: Sequence[float]) -> float:
    """Return the mean of a sequence, NaN (without a warning) when it is empty."""
    return np.nan if len(arr) == 0 else np.mean(arr)


def discount(vector: np.ndarray, gamma: float) -> np.ndarray:
    r"""
    Compute the discounted sum of what follows: :math:`y_t = \sum_{k \ge 0} \gamma^k x_{t+k}`.

    :param vector: values, time along the first axis
    :param gamma: discount factor, in [0, 1]
    :return: discounted sums, same shape
    """
    vector = np.asarray(vector)
    if vector.ndim < 1:
        raise ValueError(f"vector={vector!r}: accepted is an array of at least one dimension, not a scalar")
    from scipy.signal import lfilter  # takes 0.3 s and 24 MiB to import, and few need it
    return lfilter([1], [1, -gamma], vector[::-1], axis=0)[::-1]


def discount_with_boundaries(rewards: np.ndarray, episode_starts: np.ndarray, gamma: float) -> np.ndarray:
    """
    Compute the discounted sum of the rewards that follow within the same episode.

    :param rewards: rewards, shape (n_steps,)
    :param episode_starts: True where a new episode begins, shape (n_steps,)
    :param gamma: discount factor, in [0, 1]
    :return: discounted sums, shape (n_steps,)
    """
    dones = np.append(episode_starts[1:], False)
    return discount_with_dones(rewards, dones, gamma).astype(np.asarray(rewards).dtype)


def explained_variance(y_pred: np.ndarray, y_true: np.ndarray) -> float:
    """
    Compute which fraction of the variance of the targets the predictions explain: 1 - Var[y - ypred] / Var[y].

    1 is a perfect prediction, 0 as good as predicting a constant, negative worse than that.

    :param y_pred: predictions, shape (n,)
    :param y_true: targets, shape (n,)
    :return: the explained fraction, NaN when the targets do not vary
    """
    var_y, var_error = _variances(y_pred, y_true, 1, "vectors")
    return np.nan if var_y == 0 else 1 - var_error / var_y


def explained_variance_2d(y_pred: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """
    Compute the explained variance of every column.

    :param y_pred: predictions, shape (n, k)
    :param y_true: targets, same shape
    :return: explained fractions, shape (k,); 0 where the targets hardly vary
    """
    var_y, var_error = _variances(y_pred, y_true, 2, "matrices")
    explained = 1 - var_error / (var_y + 1e-8)
    explained[var_y < 1e-10] = 0
    return explained


def _variances(y_pred: np.ndarray, y_true: np.ndarray, ndim: int, accepted: str) -> Tuple[np.ndarray, np.ndarray]:
    """Compute the variances of the targets and of the errors, along the first axis."""
    y_pred, y_true = np.asarray(y_pred), np.asarray(y_true)
    if y_true.ndim != ndim or y_pred.ndim != ndim:
        raise ValueError(f"y_pred and y_true of shapes {y_pred.shape} and {y_true.shape}: accepted are two {accepted}")
    return np.var(y_true, axis=0), np.var(y_true - y_pred, axis=0)


def flatten_arrays(arrs: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate the elements of arrays of any shapes into one vector."""
    return np.concatenate([np.ravel(arr) for arr in arrs])


def unflatten_vector(vec: np.ndarray, shapes: Sequence[Tuple[int, ...]]) -> List[np.ndarray]:
    """Split a vector into arrays of the given shapes, the inverse of ``flatten_arrays``."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    if len(vec) != sum(sizes):
        raise ValueError(f"vec of {len(vec)} elements: accepted are {sum(sizes)}, as shapes={list(shapes)} say")
    pieces = np.split(vec, np.cumsum(sizes)[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes)]
