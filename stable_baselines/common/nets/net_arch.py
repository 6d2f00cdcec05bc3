"""The ``net_arch`` of a policy: sizes of layers, as users write them."""
import itertools
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

NetArch = Sequence[Union[int, str, Dict[str, Sequence[int]]]]


def split_arch(net_arch: NetArch, recurrent: bool = False) -> Tuple[List, List[int], List[int]]:
    """Check a net_arch and return its shared layers, its policy layers and its value layers."""
    def require(condition: bool, fault: str) -> None:
        if not condition:
            example = "[64, 'lstm', dict(pi=[32], vf=[32])]" if recurrent else "[64, dict(pi=[32], vf=[32])]"
            raise ValueError(f"net_arch={net_arch!r}: accepted is a list of layer sizes, as in {example}; {fault}")

    require(isinstance(net_arch, (list, tuple)), "this is not a list")
    given: List[Any] = list(net_arch)
    *shared, separate = given if given and isinstance(given[-1], dict) else [*given, {}]
    require(set(separate) <= {'pi', 'vf'}, "the only branches are 'pi' and 'vf'")
    require(all(isinstance(layers, (list, tuple)) for layers in separate.values()), "a branch must be a list")
    sizes = [layer for layer in shared if not (recurrent and layer == 'lstm')]
    for size in itertools.chain(sizes, *separate.values()):
        is_integer = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        require(is_integer and size > 0, f"{size!r} is not a layer size")
    require(not recurrent or len(shared) - len(sizes) == 1, "'lstm' must occur once among the shared layers")
    return shared, list(separate.get('pi', [])), list(separate.get('vf', []))
