"""The frame of a training: verbosity, TensorBoard, time, and the events that callbacks hear of."""
import contextlib
import glob
import os
import sys
import time
import warnings
from typing import Any, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import gym_compat


def check_counts(**counts) -> None:
    """
    Check that numbers of things are positive integers.

    :param counts: the numbers, by the names of the arguments
    :raises ValueError: for the first that is not
    """
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name}={count!r}: accepted is a positive integer")


def check_numbers(low: float, high: float = np.inf, **numbers) -> None:
    """
    Check that numbers lie in a range.

    :param low: the smallest number accepted
    :param high: the largest number accepted
    :param numbers: the numbers, by the names of the arguments
    :raises ValueError: for the first that is not a number, or does not lie there
    """
    for name, number in numbers.items():
        is_number = isinstance(number, (int, float, np.integer, np.floating)) and not isinstance(number, bool)
        if not is_number or not low <= number <= high:
            raise ValueError(f"{name}={number!r}: accepted is a number from {low} " + (
                "on" if high == np.inf else f"to {high}"))


def check_schedules(**schedules) -> None:
    """
    Check that arguments are numbers or functions of the progress remaining.

    :param schedules: the values, by the names of the arguments
    :raises TypeError: for the first that is not
    """
    for name, schedule in schedules.items():
        if not callable(schedule) and (isinstance(schedule, bool) or not isinstance(
                schedule, (int, float, np.integer, np.floating))):
            raise TypeError(f"{name}={schedule!r}: accepted is a number or a function of the progress remaining")


def as_count(number: Any) -> Any:
    """Turn a whole float, such as 1e6, into an integer; leave all else as it is."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _whole_number(total_timesteps: float) -> int:
    """Check a number of steps; a float such as 1e5 is one."""
    is_number = isinstance(total_timesteps, (int, float, np.integer, np.floating))
    if isinstance(total_timesteps, bool) or not is_number or total_timesteps < 0 or total_timesteps % 1 != 0:
        raise ValueError(f"total_timesteps={total_timesteps!r}: accepted is a whole number of steps, 0 or more")
    return int(total_timesteps)


def _users_level() -> int:
    """Return the ``stacklevel`` at which a warning of our caller points to the user's own line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get('__name__', '').startswith('stable_baselines.'):
        frame, level = frame.f_back, level + 1
    return level


class Training:
    """
    The frame of one call of ``learn``, a context manager::

        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            training.start(n_updates=n_updates)
            for update in range(1, n_updates + 1):
                rollout = training.collect()
                if rollout is None:  # the callback stopped the training
                    break
                ...

    Parameters are those of ``BaseRLModel.learn``. The training ends with the block, unless an exception leaves it.

    ``callback`` is the user's callback as an object, ``writer`` TensorBoard's (None without a log folder).

    :raises ValueError: if the model cannot be trained; nothing has changed then
    """

    def __init__(self, model: Any, total_timesteps: float, callback: Any = None, log_interval: Optional[int] = 100,
                 tb_log_name: str = "run", reset_num_timesteps: bool = True):
        if log_interval is not None:
            check_counts(log_interval=log_interval)
        self.total_timesteps = _whole_number(total_timesteps)
        model._setup_learn()
        self.model = model
        self.log_interval = log_interval
        self.callback = model._init_callback(callback)
        new_tb_log = model._init_num_timesteps(reset_num_timesteps)
        self.writer: Optional[tf.summary.FileWriter] = None
        self._verbosity = SetVerbosity(model.verbose)
        # of processes that work together one writes: several would mix their curves
        tensorboard_log = model.tensorboard_log if model._comm.Get_rank() == 0 else None
        self._tensorboard = TensorboardWriter(model.graph, tensorboard_log, tb_log_name, new_tb_log)
        self._offered = dict(self=model, total_timesteps=total_timesteps, callback=callback, log_interval=log_interval,
                             tb_log_name=tb_log_name, reset_num_timesteps=reset_num_timesteps, new_tb_log=new_tb_log)

    def __enter__(self) -> 'Training':
        with contextlib.ExitStack() as contexts:
            contexts.enter_context(self._verbosity)
            self.writer = contexts.enter_context(self._tensorboard)
            self._contexts = contexts.pop_all()
        self.start_time = time.time()
        return self

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        with self._contexts:
            if exc_type is None:
                self.callback.on_training_end()

    def start(self, **offered) -> None:
        """
        Tell the callback that the training starts.

        :param offered: variables that it sees in ``locals`` from the start, besides the arguments of ``learn``
        """
        self.callback.on_training_start(dict(self._offered, writer=self.writer, **offered),
                                        type(self.model).learn.__globals__)

    def n_updates(self, n_batch: int) -> int:
        """Return the number of updates with batches of a size; warn if there is none."""
        if self.total_timesteps < n_batch:
            warnings.warn(f"total_timesteps={self.total_timesteps} is less than one batch of n_steps * n_envs = "
                          f"{n_batch} samples: nothing will be learned", stacklevel=_users_level())
        return self.total_timesteps // n_batch

    def collect(self) -> Any:
        """
        Collect a rollout with the model's runner, between its start and end events.

        :return: what the runner collects; None if the callback stopped the training
        """
        self.callback.on_rollout_start()
        rollout = self.model.runner.run(self.callback)
        if rollout is not None and self.callback.listens:
            self.callback.offer(**self.model._offered_rollout(rollout))
        self.callback.on_rollout_end()
        return rollout

    def reports(self, count: int, since: int = 0, first: bool = True) -> bool:
        """Tell whether to report an update or episode: every ``log_interval``-th from ``since``, and the ``first``."""
        if self.model.verbose < 1 or self.log_interval is None:
            return False
        return (first and count == 1) or (count - since) % self.log_interval == 0

    def seconds(self) -> float:
        """Return the time since the training began."""
        return time.time() - self.start_time


class SetVerbosity:
    """
    Limit messages within a ``with`` block.

    :param verbose: 0 silences the logger and gym, and leaves TensorFlow its errors; 1 adds TensorFlow's warnings, 2 all
    """

    def __init__(self, verbose: int = 0):
        self.verbose = verbose

    def __enter__(self) -> None:
        level = max(0, 2 - self.verbose)
        self._cpp_level = os.environ.get('TF_CPP_MIN_LOG_LEVEL')
        self._tf_level = tf.logging.get_verbosity()
        os.environ['TF_CPP_MIN_LOG_LEVEL'] = str(level)
        tf.logging.set_verbosity([tf.logging.INFO, tf.logging.WARN, tf.logging.ERROR][level])
        self._logger = logger.Logger.CURRENT  # a callback may configure another
        self._levels = self._logger.level, gym_compat.get_log_level()
        if self.verbose <= 0:
            self._logger.set_level(logger.DISABLED)
            gym_compat.set_log_level(logger.DISABLED)

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        self._logger.set_level(self._levels[0])
        gym_compat.set_log_level(self._levels[1])
        tf.logging.set_verbosity(self._tf_level)
        if self._cpp_level is None:
            os.environ.pop('TF_CPP_MIN_LOG_LEVEL', None)
        else:
            os.environ['TF_CPP_MIN_LOG_LEVEL'] = self._cpp_level


class TensorboardWriter:
    """
    Open a TensorBoard writer within a ``with`` block.

    :param graph: the graph to show
    :param tensorboard_log_path: folder of all runs; with None the block gets None instead of a writer
    :param tb_log_name: name of the run; its folder is NAME_1, NAME_2, ...
    :param new_tb_log: whether to begin a new folder rather than to continue the latest
    """

    def __init__(self, graph: tf.Graph, tensorboard_log_path: Optional[str], tb_log_name: str,
                 new_tb_log: bool = True):
        self.graph = graph
        self.tensorboard_log_path = tensorboard_log_path
        self.tb_log_name = tb_log_name
        self.new_tb_log = new_tb_log
        self.writer: Optional[tf.summary.FileWriter] = None

    def __enter__(self) -> Optional[tf.summary.FileWriter]:
        if self.tensorboard_log_path is not None:
            run_id = self._latest_run_id() + (1 if self.new_tb_log else 0)
            folder = os.path.join(self.tensorboard_log_path, f"{self.tb_log_name}_{run_id}")
            # a second file of the same second would replace the first: their names hold the time in seconds
            n_files = len(glob.glob(os.path.join(glob.escape(folder), "events*")))
            with self.graph.as_default():
                self.writer = tf.summary.FileWriter(folder, graph=self.graph, filename_suffix=f".{n_files}")
        return self.writer

    def _latest_run_id(self) -> int:
        """Return the highest number of a run of this name, 0 if there is none."""
        assert self.tensorboard_log_path is not None
        prefix = os.path.join(glob.escape(self.tensorboard_log_path), glob.escape(self.tb_log_name) + "_")
        endings = [path.rsplit('_', 1)[-1] for path in glob.glob(prefix + "[0-9]*")]
        return max([int(ending) for ending in endings if ending.isdigit()], default=0)

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        if self.writer is not None:
            self.writer.close()
