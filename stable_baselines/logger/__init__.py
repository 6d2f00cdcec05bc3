"""
Log messages and tables of numbers to the terminal, text, JSON, CSV and TensorBoard.

``logkv`` collects values, ``dumpkvs`` writes them as one row to every output of the current logger and forgets them.
Environment variables for ``configure()``: ``OPENAI_LOGDIR`` is the folder, ``OPENAI_LOG_FORMAT`` the outputs, separated
by commas; ``OPENAI_LOG_FORMAT_MPI`` takes its place in MPI processes of a rank above 0.
"""
import contextlib
import datetime
import os
import sys
import tempfile
import time
from collections import defaultdict
from typing import Any, Dict, Iterator, List, Optional

from stable_baselines.common.mpi_util import mpi_rank_or_zero
from stable_baselines.logger.outputs import (
    CSVOutputFormat,
    HumanOutputFormat,
    JSONOutputFormat,
    KVWriter,
    SeqWriter,
    TensorBoardOutputFormat,
    make_output_format,
    summary_val,
    valid_float_value,
)
from stable_baselines.logger.reading import read_csv, read_json, read_tb

__all__ = ['CSVOutputFormat', 'DEBUG', 'DISABLED', 'ERROR', 'HumanOutputFormat', 'INFO', 'JSONOutputFormat',
           'KVWriter', 'Logger', 'ProfileKV', 'ScopedConfigure', 'SeqWriter', 'TensorBoardOutputFormat', 'WARN',
           'configure', 'debug', 'dump_tabular', 'dumpkvs', 'error', 'get_dir', 'get_level', 'getkvs', 'info', 'log',
           'logkv', 'logkv_mean', 'logkvs', 'make_output_format', 'profile', 'read_csv', 'read_json', 'read_tb',
           'record_tabular', 'reset', 'set_level', 'summary_val', 'valid_float_value', 'warn']

# Files and processes refer to these by their public path.
for _public in (CSVOutputFormat, HumanOutputFormat, JSONOutputFormat, KVWriter, SeqWriter, TensorBoardOutputFormat,
                make_output_format, summary_val, valid_float_value, read_csv, read_json, read_tb):
    _public.__module__ = __name__

DEBUG = 10
INFO = 20
WARN = 30
ERROR = 40
DISABLED = 50


class Logger:
    """
    Collect values, and write them and messages to outputs.

    The functions of this module act on ``Logger.CURRENT``; ``Logger.DEFAULT`` writes to the terminal.

    :param folder: where the outputs' files are, None if there are none
    :param output_formats: the outputs
    """
    DEFAULT: "Logger"
    CURRENT: "Logger"

    def __init__(self, folder: Optional[str], output_formats: List[Any]):
        self.name2val: Dict[str, Any] = defaultdict(float)
        self.name2cnt: Dict[str, int] = defaultdict(int)
        self.level = INFO
        self.dir = folder
        self.output_formats = output_formats

    def logkv(self, key: str, val: Any) -> None:
        """Set a value of the next row."""
        self.name2val[key] = val

    def logkv_mean(self, key: str, val: Optional[float]) -> None:
        """
        Add to the mean that the next row shows.

        :param val: one more value for the mean; None makes the entry None
        """
        if val is None:
            self.name2val[key] = None
            return
        count = self.name2cnt[key]
        mean = self.name2val[key] or 0.0
        self.name2val[key] = mean * count / (count + 1) + val / (count + 1)
        self.name2cnt[key] = count + 1

    def dumpkvs(self) -> None:
        """Write the row to all outputs and start a new one; at level DISABLED, do nothing."""
        if self.level == DISABLED:
            return
        for output_format in self.output_formats:
            if isinstance(output_format, KVWriter):
                output_format.writekvs(self.name2val)
        self.name2val.clear()
        self.name2cnt.clear()

    def log(self, *args: Any, level: int = INFO) -> None:
        """
        Write a message, the arguments separated by spaces.

        :param level: its importance; messages below the logger's level are dropped
        """
        if self.level <= level:
            for output_format in self.output_formats:
                if isinstance(output_format, SeqWriter):
                    output_format.writeseq(map(str, args))

    def set_level(self, level: int) -> None:
        """Set the least importance that is written."""
        self.level = level

    def get_dir(self) -> Optional[str]:
        """Return the folder of the outputs, None if there is none."""
        return self.dir

    def close(self) -> None:
        """Close the outputs."""
        for output_format in self.output_formats:
            output_format.close()


Logger.DEFAULT = Logger.CURRENT = Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout)])


def logkv(key: str, val: Any) -> None:
    """Set a value of the next row; of several with the same key the last one counts."""
    Logger.CURRENT.logkv(key, val)


def logkv_mean(key: str, val: Optional[float]) -> None:
    """Add a value to a mean that the next row shows; None makes the entry None."""
    Logger.CURRENT.logkv_mean(key, val)


def logkvs(key_values: Dict[str, Any]) -> None:
    """Set several values of the next row."""
    for key, value in key_values.items():
        logkv(key, value)


def dumpkvs() -> None:
    """Write the row to all outputs and start a new one; at level DISABLED, do nothing."""
    Logger.CURRENT.dumpkvs()


def getkvs() -> Dict[str, Any]:
    """Return the values of the next row by key."""
    return Logger.CURRENT.name2val


def log(*args: Any, level: int = INFO) -> None:
    """
    Write a message, the arguments separated by spaces.

    :param level: its importance: DEBUG=10, INFO=20, WARN=30 or ERROR=40; below the logger's level it is dropped
    """
    Logger.CURRENT.log(*args, level=level)


def debug(*args: Any) -> None:
    """Write a message of level DEBUG."""
    log(*args, level=DEBUG)


def info(*args: Any) -> None:
    """Write a message of level INFO."""
    log(*args, level=INFO)


def warn(*args: Any) -> None:
    """Write a message of level WARN."""
    log(*args, level=WARN)


def error(*args: Any) -> None:
    """Write a message of level ERROR."""
    log(*args, level=ERROR)


def set_level(level: int) -> None:
    """
    Set the least importance that the current logger writes.

    :param level: DEBUG=10, INFO=20, WARN=30, ERROR=40 or DISABLED=50
    """
    Logger.CURRENT.set_level(level)


def get_level() -> int:
    """Return the least importance that the current logger writes."""
    return Logger.CURRENT.level


def get_dir() -> Optional[str]:
    """Return the folder of the current logger, None if ``configure`` was not called."""
    return Logger.CURRENT.get_dir()


record_tabular = logkv
dump_tabular = dumpkvs


class ProfileKV:
    """
    Log the time spent in a ``with`` block, summed over its runs, under the key ``wait_<name>``.

    :param name: name of the block
    """

    def __init__(self, name: str):
        self.name = f'wait_{name}'

    def __enter__(self) -> 'ProfileKV':
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_args) -> None:
        Logger.CURRENT.name2val[self.name] += time.perf_counter() - self._start


@contextlib.contextmanager
def profile(name: str) -> Iterator[None]:
    """Make a decorator that logs the time spent in a function under the key ``wait_<name>``."""
    with ProfileKV(name):
        yield


def configure(folder: Optional[str] = None, format_strs: Optional[List[str]] = None) -> None:
    """
    Make a new current logger.

    :param folder: where its files go; None for ``$OPENAI_LOGDIR``, or a new folder among the temporary files
    :param format_strs: its outputs, of 'stdout', 'log', 'json', 'csv', 'tensorboard'; None for
        ``$OPENAI_LOG_FORMAT``, or 'stdout,log,csv'; in MPI processes of a rank above 0 for ``$OPENAI_LOG_FORMAT_MPI``,
        or 'log'
    :raises TypeError: if the folder is not a path, or the outputs are not a list
    :raises ValueError: for an unknown output
    """
    rank = mpi_rank_or_zero()
    if folder is None:
        name = datetime.datetime.now().strftime('openai-%Y-%m-%d-%H-%M-%S-%f')
        folder = os.environ.get('OPENAI_LOGDIR') or os.path.join(tempfile.gettempdir(), name)
    if format_strs is None:  # by default, ranks above 0 stay off the terminal
        variable, default = ('OPENAI_LOG_FORMAT', 'stdout,log,csv') if rank == 0 else ('OPENAI_LOG_FORMAT_MPI', 'log')
        format_strs = [name.strip() for name in os.environ.get(variable, default).split(',') if name.strip()]
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder={folder!r}: accepted is a path or None")
    if isinstance(format_strs, str):
        raise TypeError(f"format_strs={format_strs!r}: accepted is a list of str or None")
    os.makedirs(folder, exist_ok=True)
    suffix = f'-rank{rank:03d}' if rank > 0 else ''
    outputs = [make_output_format(format_str, folder, suffix) for format_str in format_strs]
    Logger.CURRENT = Logger(folder=folder, output_formats=outputs)
    log(f"Logging to {folder}")


def reset() -> None:
    """Close the current logger and go back to the default one, which writes to the terminal."""
    if Logger.CURRENT is not Logger.DEFAULT:
        Logger.CURRENT.close()
        Logger.CURRENT = Logger.DEFAULT
        log("Reset logger")


class ScopedConfigure:
    """Use another logger in a ``with`` block; the arguments are those of ``configure``."""

    def __init__(self, folder: Optional[str] = None, format_strs: Optional[List[str]] = None):
        self.dir = folder
        self.format_strs = format_strs

    def __enter__(self) -> 'ScopedConfigure':
        self.prevlogger = Logger.CURRENT
        configure(folder=self.dir, format_strs=self.format_strs)
        return self

    def __exit__(self, *_args) -> None:
        if Logger.CURRENT is not Logger.DEFAULT:  # the block may have called ``reset``
            Logger.CURRENT.close()
        Logger.CURRENT = self.prevlogger
