"""Small helpers without a better home: seeding, sequences, command-line switches."""
import random
import sys
from argparse import ArgumentParser
from typing import Any, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from stable_baselines.common.mpi_util import mpi_rank_or_zero

__all__ = ['boolean_flag', 'flatten_lists', 'mpi_rank_or_zero', 'set_global_seeds', 'zipsame']

mpi_rank_or_zero.__module__ = __name__  # its public path, which pickles name


def zipsame(*seqs: Sequence[Any]) -> Iterator[Tuple[Any, ...]]:
    """
    Zip sequences that must have the same length.

    :raises ValueError: if the lengths differ
    """
    lengths = [len(seq) for seq in seqs]
    if len(set(lengths)) > 1:
        raise ValueError(f"seqs of lengths {lengths}: accepted are sequences of the same length")
    return zip(*seqs)


def flatten_lists(listoflists: Iterable[Iterable[Any]]) -> List[Any]:
    """Join lists into one."""
    return [element for elements in listoflists for element in elements]


def set_global_seeds(seed: Optional[int]) -> None:
    """
    Seed the global generators of ``random``, NumPy and, if it is loaded, TensorFlow's current default graph.

    :param seed: between 0 and 2**32 - 1; None seeds from the system's entropy
    :raises TypeError: if it is not an integer
    :raises ValueError: if it is out of range
    """
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seed={seed!r}: accepted is an integer or None")
        seed = int(seed)
        if not 0 <= seed < 2 ** 32:
            raise ValueError(f"seed={seed}: accepted is an integer between 0 and 2**32 - 1")
    # not imported here: a program that never touched TensorFlow should not pay for loading it
    tensorflow = sys.modules.get('tensorflow')
    if tensorflow is not None:
        tensorflow.compat.v1.set_random_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def boolean_flag(parser: ArgumentParser, name: str, default: bool = False, help_msg: Optional[str] = None) -> None:
    """
    Add a switch ``--name`` and its opposite ``--no-name`` to a parser.

    :param name: name of the switch; the attribute has underscores in place of dashes
    :param default: value when neither is given
    :param help_msg: help for ``--name``
    """
    dest = name.replace('-', '_')
    parser.add_argument('--' + name, action='store_true', default=default, dest=dest, help=help_msg)
    parser.add_argument('--no-' + name, action='store_false', dest=dest)
