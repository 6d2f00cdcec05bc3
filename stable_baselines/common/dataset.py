"""Minibatches of arrays that have one row a sample."""
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import numpy as np


class Dataset:
    """
    Arrays by name, which are read in minibatches.

    :param data_map: arrays with equally many rows
    :param shuffle: whether each pass has the rows in another order, drawn from NumPy's global generator
    :raises ValueError: if the numbers of rows differ
    """

    def __init__(self, data_map: Dict[str, np.ndarray], shuffle: bool = True):
        self.data_map = data_map
        self.shuffle = shuffle
        self.n_samples = _n_rows(list(data_map.values()))
        self._next_id = 0
        self.shuffle_dataset()

    def shuffle_dataset(self) -> None:
        """Begin a pass, with ``shuffle`` in a new order."""
        self._next_id = 0
        if self.shuffle:
            order = np.random.permutation(self.n_samples)
            self.data_map = {name: rows[order] for name, rows in self.data_map.items()}

    def next_batch(self, batch_size: int) -> Dict[str, np.ndarray]:
        """
        Take the next rows; the last minibatch of a pass may have fewer than ``batch_size``.

        :return: arrays by name
        """
        if self._next_id >= self.n_samples:
            self.shuffle_dataset()
        rows = slice(self._next_id, min(self._next_id + batch_size, self.n_samples))
        self._next_id = rows.stop
        return {name: values[rows] for name, values in self.data_map.items()}

    def iterate_once(self, batch_size: int) -> Iterator[Dict[str, np.ndarray]]:
        """Make one pass of whole minibatches; rows that do not fill one are left out."""
        self.shuffle_dataset()
        for _ in range(self.n_samples // batch_size):
            yield self.next_batch(batch_size)
        self._next_id = 0

    def subset(self, num_elements: int, shuffle: bool = True) -> 'Dataset':
        """Return a dataset of the first rows, in the present order."""
        return Dataset({name: rows[:num_elements] for name, rows in self.data_map.items()}, shuffle)


def iterbatches(arrays: Sequence[np.ndarray], *, num_batches: Optional[int] = None, batch_size: Optional[int] = None,
                shuffle: bool = True, include_final_partial_batch: bool = True) -> Iterator[Tuple[np.ndarray, ...]]:
    """
    Make one pass over arrays with equally many rows.

    :param num_batches: number of minibatches, as equal as can be; or give
    :param batch_size: number of rows of each
    :param shuffle: whether to take the rows in an order drawn from NumPy's global generator
    :param include_final_partial_batch: whether the rows left over by ``batch_size`` make a minibatch of their own
    :return: yields tuples of arrays
    :raises ValueError: if the numbers of rows differ, or both or neither of ``num_batches`` and ``batch_size`` is given
    """
    if (num_batches is None) == (batch_size is None):
        raise ValueError(f"num_batches={num_batches!r}, batch_size={batch_size!r}: accepted is one of the two")
    order = np.arange(_n_rows(arrays))
    if shuffle:
        np.random.shuffle(order)
    cuts: Any = num_batches if batch_size is None else np.arange(batch_size, len(order), batch_size)
    for rows in np.array_split(order, cuts):
        if include_final_partial_batch or batch_size is None or len(rows) == batch_size:
            yield tuple(array[rows] for array in arrays)


def _n_rows(arrays: Sequence[np.ndarray]) -> int:
    """Return the number of rows, which all arrays have."""
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) != 1:
        raise ValueError(f"arrays with {lengths} rows: accepted are arrays with equally many")
    return lengths[0]
