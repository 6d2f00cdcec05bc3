"""Plot learning curves from the files that ``Monitor`` writes."""
import argparse
import os
from typing import TYPE_CHECKING, Callable, List, Optional, Sequence, Tuple

import numpy as np

from stable_baselines.bench.monitor import load_results

if TYPE_CHECKING:
    import pandas

X_TIMESTEPS = 'timesteps'
X_EPISODES = 'episodes'
X_WALLTIME = 'walltime_hrs'
POSSIBLE_X_AXES = [X_TIMESTEPS, X_EPISODES, X_WALLTIME]
EPISODES_WINDOW = 100
COLORS = ['blue', 'green', 'red', 'cyan', 'magenta', 'yellow', 'black', 'purple', 'pink',
          'brown', 'orange', 'teal', 'coral', 'lightblue', 'lime', 'lavender', 'turquoise',
          'darkgreen', 'tan', 'salmon', 'gold', 'lightpurple', 'darkred', 'darkblue']


def rolling_window(array: np.ndarray, window: int) -> np.ndarray:
    """
    Return all windows of consecutive elements along the last axis.

    :param array: the values, shape (..., n)
    :param window: the length of a window, positive
    :return: a read-only view of shape (..., n - window + 1, window), without rows if ``n < window``
    """
    if window < 1:
        raise ValueError(f"window={window!r}: accepted is a positive integer")
    n_windows = max(array.shape[-1] - window + 1, 0)
    return np.lib.stride_tricks.as_strided(array, shape=array.shape[:-1] + (n_windows, window),
                                           strides=array.strides + (array.strides[-1],), writeable=False)


def window_func(var_1: np.ndarray, var_2: np.ndarray, window: int, func: Callable) -> Tuple[np.ndarray, np.ndarray]:
    """
    Apply a function to the rolling window of the second of two arrays.

    :param var_1: x, shape (n,)
    :param var_2: y, shape (n,)
    :param window: the length of the window
    :param func: the function, such as ``np.mean``; takes ``axis``
    :return: x at the end of each window and the function of its y, shapes (n - window + 1,)
    """
    return var_1[window - 1:], func(rolling_window(var_2, window), axis=-1)


def ts2xy(timesteps: 'pandas.DataFrame', xaxis: str) -> Tuple[np.ndarray, np.ndarray]:
    """
    Turn the episodes that a monitor recorded into the points of a curve.

    :param timesteps: the episodes, as ``load_results`` returns them
    :param xaxis: 'timesteps', 'episodes' or 'walltime_hrs'
    :return: x and the episode rewards, shapes (n_episodes,)
    """
    x_of_axis = {X_TIMESTEPS: lambda: np.cumsum(timesteps.l.values), X_EPISODES: lambda: np.arange(len(timesteps)),
                 X_WALLTIME: lambda: timesteps.t.values / 3600.}
    if xaxis not in x_of_axis:
        raise ValueError(f"xaxis={xaxis!r}: accepted are {', '.join(POSSIBLE_X_AXES)}")
    return x_of_axis[xaxis](), timesteps.r.values


def plot_curves(xy_list: Sequence[Tuple[np.ndarray, np.ndarray]], xaxis: str, title: str) -> None:
    """
    Plot curves as points and, where they have 100 or more, their rolling mean, in a new figure.

    :param xy_list: x and y of each curve
    :param xaxis: the label of the x axis
    """
    # here, so that the caller may still choose a backend (a machine without a display needs another one)
    import matplotlib.pyplot as plt
    plt.figure(figsize=(8, 2))
    x_max = max([x_var.max() for x_var, _ in xy_list if len(x_var) > 0], default=0)
    for i, (x_var, y_var) in enumerate(xy_list):
        # as Stable Baselines 2.10: lightpurple is in the list, but matplotlib has no such color
        color = COLORS[i % len(COLORS)].replace('lightpurple', 'mediumpurple')
        plt.scatter(x_var, y_var, s=2, color=color)
        if len(x_var) >= EPISODES_WINDOW:
            plt.plot(*window_func(x_var, y_var, EPISODES_WINDOW, np.mean), color=color)
    if x_max > 0:
        plt.xlim(0, x_max)
    plt.gca().set(title=title, xlabel=xaxis, ylabel="Episode Rewards")
    plt.tight_layout()


def plot_results(dirs: List[str], num_timesteps: Optional[int], xaxis: str, task_name: str) -> None:
    """
    Plot the learning curves of monitored trainings in a new figure.

    :param dirs: folders with monitor files, one curve each
    :param num_timesteps: leave out the episodes that end later than this, None to plot all
    :param xaxis: 'timesteps', 'episodes' or 'walltime_hrs'
    :param task_name: the title of the plot
    """
    if isinstance(dirs, (str, os.PathLike)):
        raise TypeError(f"dirs={dirs!r}: accepted is a list of folders")
    curves = []
    for folder in dirs:
        episodes = load_results(folder)
        if num_timesteps is not None:
            episodes = episodes[episodes.l.cumsum() <= num_timesteps]
        curves.append(ts2xy(episodes, xaxis))
    plot_curves(curves, xaxis, task_name)


def main() -> None:
    """Plot the monitor files of the folders given on the command line, and show the figure."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--dirs', help='List of log directories', nargs='*', default=['./log'])
    parser.add_argument('--num_timesteps', type=int, default=int(10e6))
    parser.add_argument('--xaxis', help='Variable on X-axis', default=X_TIMESTEPS)
    parser.add_argument('--task_name', help='Title of plot', default='Breakout')
    args = parser.parse_args()
    plot_results([os.path.abspath(folder) for folder in args.dirs], args.num_timesteps, args.xaxis, args.task_name)
    import matplotlib.pyplot as plt
    plt.show()


if __name__ == '__main__':
    main()
