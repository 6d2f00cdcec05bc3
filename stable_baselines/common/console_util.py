"""Text for the terminal: coloured strings and rows of fixed width."""
from typing import Any, Sequence

import numpy as np

COLOR_TO_NUM = dict(gray=30, red=31, green=32, yellow=33, blue=34, magenta=35, cyan=36, white=37, crimson=38)


def fmt_item(item: Any, min_width: int) -> str:
    """
    Format a value, right-aligned.

    Floats get five decimals, or three digits in scientific notation where decimals would hide them: below 1e-4 and
    above 1e4.

    :param item: the value; a NumPy array must be without dimensions
    :param min_width: width to pad to; longer texts stay whole
    :raises ValueError: for an array with dimensions
    """
    if isinstance(item, np.ndarray):
        if item.ndim != 0:
            raise ValueError(f"item of shape {item.shape}: accepted is a scalar or an array without dimensions")
        item = item.item()
    if isinstance(item, (float, np.floating)):
        scientific = item != 0 and not 1e-4 <= abs(item) <= 1e4
        text = f'{item:.2e}' if scientific else f'{item:.5f}'
    else:
        text = str(item)
    return text.rjust(min_width)


def fmt_row(width: int, row: Sequence[Any], header: bool = False) -> str:
    """
    Format a row of a table.

    :param width: width of each column
    :param header: whether to underline the row
    """
    text = ' | '.join(fmt_item(item, width) for item in row)
    return text + '\n' + '-' * len(text) if header else text


def colorize(string: str, color: str, bold: bool = False, highlight: bool = False) -> str:
    """
    Wrap a text in the terminal's codes for a colour.

    :param color: one of ``COLOR_TO_NUM``
    :param highlight: whether to colour the background instead of the letters
    :raises ValueError: for an unknown colour
    """
    if color not in COLOR_TO_NUM:
        raise ValueError(f"color={color!r}: accepted are {', '.join(COLOR_TO_NUM)}")
    code = COLOR_TO_NUM[color] + (10 if highlight else 0)
    return f"\x1b[{code}{';1' if bold else ''}m{string}\x1b[0m"
