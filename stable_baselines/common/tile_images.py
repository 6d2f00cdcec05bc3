"""One large image made of many small ones."""
from typing import Sequence

import numpy as np


def tile_images(img_nhwc: Sequence[np.ndarray]) -> np.ndarray:
    """
    Tile images of one size into a nearly square grid, filled row by row.

    :param img_nhwc: images, shape (n_images, height, width, n_channels)
    :return: the grid, shape (n_rows * height, n_columns * width, n_channels); unused cells are black
    """
    images = np.asarray(img_nhwc)
    n_images, height, width, n_channels = images.shape
    n_rows = int(np.ceil(np.sqrt(n_images)))
    n_columns = int(np.ceil(float(n_images) / n_rows))
    grid = np.pad(images, [(0, n_rows * n_columns - n_images), (0, 0), (0, 0), (0, 0)], 'constant')
    grid = grid.reshape((n_rows, n_columns, height, width, n_channels))
    return grid.transpose((0, 2, 1, 3, 4)).reshape((n_rows * height, n_columns * width, n_channels))
