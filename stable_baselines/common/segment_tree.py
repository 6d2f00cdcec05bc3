"""Trees over an array of numbers, which reduce a range of it and find a position by its prefix sum fast.

A node has ``WIDTH`` children instead of two, and the uppermost level up to ``TOP`` nodes: NumPy works on a row of 32
numbers as fast as on two, and so few levels remain (three for a million numbers) that a batch needs few calls.
"""
from typing import Any, Callable, List, Optional, Union

import numpy as np

WIDTH = 32
TOP = 2048

Indices = Union[int, np.ndarray]


def unique(sorted_array: np.ndarray) -> np.ndarray:
    """Return the values of a sorted array, shape (n,), each once."""
    return sorted_array[np.append(True, sorted_array[1:] != sorted_array[:-1])[:len(sorted_array)]]


class SegmentTree:
    """
    An array whose ranges are reduced in logarithmic time.

    Entries are read and written by index, ``tree[3] = 1.``, or many at once, ``tree[np.array([3, 5])] = 1., 2.``.

    :param capacity: length of the array; unlike Stable Baselines 2.10 it need not be a power of two
    :param operation: the associative operation that reduces, on two numbers: a ufunc such as ``np.add``, or, much
        slower, any function
    :param neutral_element: its neutral element, which fills the array at first
    """

    def __init__(self, capacity: int, operation: Callable[[Any, Any], Any], neutral_element: float):
        if capacity < 1:
            raise ValueError(f"capacity={capacity!r}: accepted is a positive integer")
        self._capacity = capacity
        self._operation = operation if isinstance(operation, np.ufunc) else np.frompyfunc(operation, 2, 1)
        self._neutral_element = neutral_element
        # the array, then each level reduces blocks of the one before; filled up to whole blocks
        self._levels: List[np.ndarray] = []
        length = capacity
        while length > TOP:
            n_blocks = -(-length // WIDTH)
            self._levels.append(np.full(n_blocks * WIDTH, neutral_element, np.float64))
            length = n_blocks
        self._levels.append(np.full(length, neutral_element, np.float64))

    @property
    def nbytes(self) -> int:
        """The memory of the array and the levels above it, in bytes."""
        return sum(level.nbytes for level in self._levels)

    def __setitem__(self, idx: Indices, val: Union[float, np.ndarray]) -> None:
        self.set_unchecked(self._checked(idx), val)

    def set_unchecked(self, idx: Indices, val: Union[float, np.ndarray]) -> None:
        """Write entries at indices that are known to be within the array."""
        self._levels[0][idx] = val
        for level, above in zip(self._levels, self._levels[1:]):
            idx = idx // WIDTH
            above[idx] = self._operation.reduce(level.reshape(-1, WIDTH).take(idx, axis=0), axis=-1)

    def __getitem__(self, idx: Indices) -> Any:
        return self.get_unchecked(self._checked(idx))

    def get_unchecked(self, idx: Indices) -> Any:
        """Read entries at indices that are known to be within the array."""
        return self._levels[0][idx]

    def _checked(self, idx: Indices) -> Indices:
        """Pass indices on; raise an IndexError if they are outside of the array, negative ones included."""
        idx = idx if isinstance(idx, int) else np.asarray(idx)
        lowest, highest = (idx, idx) if isinstance(idx, int) else (idx.min(), idx.max()) if idx.size else (0, 0)
        if not 0 <= lowest <= highest < self._capacity:
            raise IndexError(f"idx={idx}: accepted is from 0 to {self._capacity - 1}")
        return idx

    def reduce(self, start: int = 0, end: Optional[int] = None) -> Any:
        """
        Reduce a range of the array.

        :param start: index of the first entry
        :param end: index after the last entry, from the end of the array if negative; None means the whole rest
        :return: ``operation(array[start], operation(array[start + 1], ...))``; the neutral element for an empty range
        :raises ValueError: if the range leaves the array
        """
        if start == 0 and end is None:  # the common case
            return self._operation.reduce(self._levels[-1], initial=self._neutral_element)
        stop = self._capacity if end is None else end + self._capacity if end < 0 else end
        if not 0 <= start <= stop <= self._capacity:
            raise ValueError(f"start={start}, end={end}: accepted is a range within 0 to {self._capacity}")
        left: List[np.ndarray] = []
        right: List[np.ndarray] = []
        # what does not fill whole blocks is taken from this level, and those blocks from the level above
        for level, above in zip(self._levels, self._levels[1:] + [None]):
            first, last = -(-start // WIDTH), stop // WIDTH
            if above is None or first >= last:
                break
            left.append(level[start:first * WIDTH])
            right.insert(0, level[last * WIDTH:stop])
            start, stop = first, last
        return self._operation.reduce(np.concatenate(left + [level[start:stop]] + right),
                                      initial=self._neutral_element)


class SumSegmentTree(SegmentTree):
    """An array of numbers that are not negative, with fast sums; see ``SegmentTree``."""

    def __init__(self, capacity: int):
        super().__init__(capacity, np.add, 0.0)

    def sum(self, start: int = 0, end: Optional[int] = None) -> float:
        """Return the sum of a range of the array, see ``reduce``."""
        return self.reduce(start, end)

    def find_prefixsum_idx(self, prefixsum: Union[float, np.ndarray]) -> np.ndarray:
        """
        Find where the running sum of the array passes given values: all of them at once, level by level.

        :param prefixsum: the values, from 0 to the sum of the array, shape (n,)
        :return: for each the highest index ``i`` with ``sum(array[:i]) <= prefixsum``, shape (n,)
        :raises ValueError: if a value is negative or above the sum
        """
        mass: Any = np.atleast_1d(np.asarray(prefixsum, np.float64))
        if mass.size and not 0 <= mass.min() <= mass.max() <= self.sum() * (1 + 1e-9) + 1e-5:
            raise ValueError(f"prefixsum={prefixsum}: accepted is from 0 to the sum, {self.sum()}")
        return self.find_unchecked(mass)

    def find_unchecked(self, mass: np.ndarray) -> np.ndarray:
        """Do what ``find_prefixsum_idx`` does, for an array of values that are known to be from 0 to the sum."""
        before = np.zeros(len(self._levels[-1]) + 1)
        self._levels[-1].cumsum(out=before[1:])
        # Rounding may carry a value past the last entry of a level or of a block, to which it belongs then.
        idx = np.minimum(before[1:].searchsorted(mass, side='right'), len(before) - 2)
        passed = before[idx]
        rows, before = np.arange(len(mass)), np.zeros((len(mass), WIDTH + 1))
        for level in self._levels[-2::-1]:
            mass = mass - passed
            blocks = level.reshape(-1, WIDTH)
            idx = np.minimum(idx, len(blocks) - 1)
            blocks.take(idx, axis=0).cumsum(axis=1, out=before[:, 1:])
            before[:, -1] = np.inf
            child = (before[:, 1:] > mass[:, None]).argmax(axis=1)
            passed = before[rows, child]
            idx = idx * WIDTH + child
        return np.minimum(idx, self._capacity - 1)


class MinSegmentTree(SegmentTree):
    """An array with fast minima; see ``SegmentTree``."""

    def __init__(self, capacity: int):
        super().__init__(capacity, np.minimum, np.inf)

    def min(self, start: int = 0, end: Optional[int] = None) -> float:
        """Return the minimum of a range of the array, see ``reduce``; infinity for an empty one."""
        return self.reduce(start, end)
