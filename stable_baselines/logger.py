"""
Log messages and tables of numbers to the terminal, text, JSON, CSV and TensorBoard.

``logkv`` collects values, ``dumpkvs`` writes them as one row to every output of the current logger and forgets them.
Environment variables for ``configure()``: ``OPENAI_LOGDIR`` is the folder, ``OPENAI_LOG_FORMAT`` the outputs, separated
by commas; ``OPENAI_LOG_FORMAT_MPI`` takes its place in MPI processes of a rank above 0.
"""
import csv
import datetime
import functools
import glob
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from typing import IO, Any, Callable, Dict, Iterable, List, Optional, Union

from stable_baselines.common.mpi_util import mpi_rank_or_zero

DEBUG = 10
INFO = 20
WARN = 30
ERROR = 40
DISABLED = 50

MAX_CELL_LENGTH = 23  # longer keys and values are cut, with dots, in the table for humans


class KVWriter:
    """Output that takes rows of keys and values."""

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        """
        Write one row.

        :param kvs: the values by key
        """
        raise NotImplementedError


class SeqWriter:
    """Output that takes messages."""

    def writeseq(self, seq: Iterable[str]) -> None:
        """
        Write one message.

        :param seq: its parts
        """
        raise NotImplementedError


class HumanOutputFormat(KVWriter, SeqWriter):
    """
    Write messages and tables for the eye.

    :param filename_or_file: path of a file to write, or an open text file
    :raises TypeError: if it is neither
    """

    def __init__(self, filename_or_file: Union[str, IO[str]]):
        self.own_file = isinstance(filename_or_file, (str, os.PathLike))
        if self.own_file:
            self._file = open(filename_or_file, 'w')
        elif hasattr(filename_or_file, 'write'):
            # None stands for "the standard output of the moment": programs, notebooks and tests replace it
            self._file = None if filename_or_file is sys.stdout else filename_or_file
        else:
            raise TypeError(f"filename_or_file must be a path or an open file, got {filename_or_file!r}")

    @property
    def file(self) -> IO[str]:
        """The file that is written to."""
        return sys.stdout if self._file is None else self._file

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        """
        Write one row as a table, sorted by key.

        :param kvs: the values by key
        """
        if not kvs:
            warnings.warn('Tried to write empty key-value dict', stacklevel=2)
            return
        rows = [(_truncate(str(key)), _truncate(_format_value(kvs[key]))) for key in sorted(kvs, key=str)]
        key_width = max(len(key) for key, _ in rows)
        value_width = max(len(value) for _, value in rows)
        dashes = '-' * (key_width + value_width + 7)
        lines = ['| {:<{}} | {:<{}} |'.format(key, key_width, value, value_width) for key, value in rows]
        self.file.write('\n'.join([dashes] + lines + [dashes]) + '\n')
        self.file.flush()

    def writeseq(self, seq: Iterable[str]) -> None:
        """
        Write one message, its parts separated by spaces.

        :param seq: its parts
        """
        self.file.write(' '.join(seq) + '\n')
        self.file.flush()

    def close(self) -> None:
        """Close the file, if this object opened it."""
        if self.own_file:
            self._file.close()


class JSONOutputFormat(KVWriter):
    """
    Write each row as one line of JSON.

    :param filename: path of the file to write
    """

    def __init__(self, filename: str):
        self.file = open(filename, 'w')

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        """
        Write one row as a line.

        :param kvs: the values by key
        """
        self.file.write(json.dumps(kvs, default=_numpy_to_plain) + '\n')
        self.file.flush()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class CSVOutputFormat(KVWriter):
    """
    Write rows as CSV; a row with new keys adds columns, empty in the rows before it.

    :param filename: path of the file to write
    """

    def __init__(self, filename: str):
        self.file = open(filename, 'w+', newline='')
        self.keys: List[str] = []
        self._writer = csv.writer(self.file, lineterminator='\n')

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        """
        Write one row, after adding columns for its new keys.

        :param kvs: the values by key
        """
        new_keys = [key for key in kvs if key not in self.keys]
        if new_keys:
            self._add_columns(new_keys)
        self._writer.writerow([kvs.get(key) for key in self.keys])
        self.file.flush()

    def _add_columns(self, new_keys: List[str]) -> None:
        """Write the file anew, with more columns."""
        self.file.seek(0)
        old_rows = list(csv.reader(self.file))[1:]
        self.keys.extend(new_keys)
        self.file.seek(0)
        self.file.truncate()
        self._writer.writerow(self.keys)
        self._writer.writerows(row + [''] * (len(self.keys) - len(row)) for row in old_rows)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class TensorBoardOutputFormat(KVWriter):
    """
    Write the numbers of each row as scalars for TensorBoard; the step counts the rows, from 1.

    :param folder: the folder for the event file
    """

    def __init__(self, folder: str):
        import tensorflow.compat.v1 as tf
        os.makedirs(folder, exist_ok=True)
        self.dir = folder
        self.step = 1
        self._graph = tf.Graph()
        with self._graph.as_default():  # TF 2 is eager outside of a graph, and has no file writer there
            self.writer = tf.summary.FileWriter(folder)

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        """
        Write the numbers of one row as scalars of one step.

        :param kvs: the values by key
        """
        if self.writer is None:
            raise ValueError("Attempt to write after close().")
        import tensorflow.compat.v1 as tf
        summary = tf.Summary(value=[summary_val(key, value) for key, value in kvs.items() if valid_float_value(value)])
        with self._graph.as_default():
            self.writer.add_summary(summary, self.step)
            self.writer.flush()
        self.step += 1

    def close(self) -> None:
        """Close the event file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def _truncate(text: str) -> str:
    """Cut a text that is too long for a table."""
    return text if len(text) <= MAX_CELL_LENGTH else text[:MAX_CELL_LENGTH - 3] + '...'


def _format_value(value: Any) -> str:
    """Format a value for a table: three significant digits, in a column of eight, for a float."""
    # as Stable Baselines 2.10: only Python's float and its subclass np.float64; others show all their digits
    return f'{value:<8.3g}' if isinstance(value, float) else str(value)


def _numpy_to_plain(value: Any) -> Any:
    """Turn an array or a NumPy scalar, which JSON does not know, into plain Python."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    raise TypeError(f"can not write a value of type {type(value).__name__} as JSON: {value!r}")


def summary_val(key: str, value: float) -> Any:
    """
    Make a scalar for TensorBoard.

    :param key: its tag
    :param value: its value
    :return: the scalar
    """
    import tensorflow.compat.v1 as tf
    return tf.Summary.Value(tag=key, simple_value=float(value))


def valid_float_value(value: Any) -> bool:
    """
    Tell whether a value can be turned into a float.

    :param value: the value
    :return: False for None, text that is no number, and arrays of several elements
    """
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


# name -> (class, file name with room for the suffix)
_FILE_FORMATS = {
    'log': (HumanOutputFormat, 'log{}.txt'),
    'json': (JSONOutputFormat, 'progress{}.json'),
    'csv': (CSVOutputFormat, 'progress{}.csv'),
    'tensorboard': (TensorBoardOutputFormat, 'tb{}'),
}
_FORMATS = ('stdout',) + tuple(_FILE_FORMATS)


def make_output_format(_format: str, ev_dir: str, log_suffix: str = '') -> KVWriter:
    """
    Make an output.

    :param _format: 'stdout', 'log', 'json', 'csv' or 'tensorboard'
    :param ev_dir: the folder for its file, made if needed
    :param log_suffix: added to the file's name
    :return: the output
    :raises ValueError: for another format
    """
    if _format not in _FORMATS:
        raise ValueError("Unknown format specified: {!r}; accepted are {}".format(_format, ', '.join(_FORMATS)))
    os.makedirs(ev_dir, exist_ok=True)
    if _format == 'stdout':
        return HumanOutputFormat(sys.stdout)
    output_class, filename = _FILE_FORMATS[_format]
    return output_class(os.path.join(ev_dir, filename.format(log_suffix)))


class Logger:
    """
    Collect values, and write them and messages to outputs.

    The functions of this module act on ``Logger.CURRENT``; ``Logger.DEFAULT`` is the one that writes to the terminal.

    :param folder: where the outputs' files are, None if there are none
    :param output_formats: the outputs
    """
    DEFAULT: "Logger" = None
    CURRENT: "Logger" = None

    def __init__(self, folder: Optional[str], output_formats: List[KVWriter]):
        self.name2val: Dict[str, Any] = defaultdict(float)
        self.name2cnt: Dict[str, int] = defaultdict(int)
        self.level = INFO
        self.dir = folder
        self.output_formats = output_formats

    def logkv(self, key: str, val: Any) -> None:
        """
        Set a value of the next row.

        :param key: its key
        :param val: the value
        """
        self.name2val[key] = val

    def logkv_mean(self, key: str, val: Optional[float]) -> None:
        """
        Add to the mean that the next row shows.

        :param key: its key
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

        :param args: its parts
        :param level: its importance; messages below the logger's level are dropped
        """
        if self.level <= level:
            for output_format in self.output_formats:
                if isinstance(output_format, SeqWriter):
                    output_format.writeseq(map(str, args))

    def set_level(self, level: int) -> None:
        """
        Set the least importance that is written.

        :param level: DEBUG=10, INFO=20, WARN=30, ERROR=40 or DISABLED=50
        """
        self.level = level

    def get_dir(self) -> Optional[str]:
        """
        Return the folder of the outputs.

        :return: None if there is none
        """
        return self.dir

    def close(self) -> None:
        """Close the outputs."""
        for output_format in self.output_formats:
            output_format.close()


Logger.DEFAULT = Logger.CURRENT = Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout)])


def logkv(key: str, val: Any) -> None:
    """
    Set a value of the next row of the current logger.

    :param key: its key
    :param val: the value; of several with the same key the last one counts
    """
    Logger.CURRENT.logkv(key, val)


def logkv_mean(key: str, val: Optional[float]) -> None:
    """
    Add to a mean in the next row of the current logger.

    :param key: its key
    :param val: one more value for the mean
    """
    Logger.CURRENT.logkv_mean(key, val)


def logkvs(key_values: Dict[str, Any]) -> None:
    """
    Set several values of the next row of the current logger.

    :param key_values: the values by key
    """
    for key, value in key_values.items():
        logkv(key, value)


def dumpkvs() -> None:
    """Write the row of the current logger to its outputs, and start a new one."""
    Logger.CURRENT.dumpkvs()


def getkvs() -> Dict[str, Any]:
    """
    Return the values logged since the last row was written.

    :return: the values by key
    """
    return Logger.CURRENT.name2val


def log(*args: Any, level: int = INFO) -> None:
    """
    Write a message, the arguments separated by spaces, to the current logger.

    :param args: its parts
    :param level: its importance: DEBUG=10, INFO=20, WARN=30 or ERROR=40; below the logger's level it is dropped
    """
    Logger.CURRENT.log(*args, level=level)


def debug(*args: Any) -> None:
    """
    Write a message of level DEBUG.

    :param args: its parts
    """
    log(*args, level=DEBUG)


def info(*args: Any) -> None:
    """
    Write a message of level INFO.

    :param args: its parts
    """
    log(*args, level=INFO)


def warn(*args: Any) -> None:
    """
    Write a message of level WARN.

    :param args: its parts
    """
    log(*args, level=WARN)


def error(*args: Any) -> None:
    """
    Write a message of level ERROR.

    :param args: its parts
    """
    log(*args, level=ERROR)


def set_level(level: int) -> None:
    """
    Set the least importance that the current logger writes.

    :param level: DEBUG=10, INFO=20, WARN=30, ERROR=40 or DISABLED=50
    """
    Logger.CURRENT.set_level(level)


def get_level() -> int:
    """
    Return the least importance that the current logger writes.

    :return: the level
    """
    return Logger.CURRENT.level


def get_dir() -> Optional[str]:
    """
    Return the folder of the current logger.

    :return: None if ``configure`` was not called
    """
    return Logger.CURRENT.get_dir()


record_tabular = logkv
dump_tabular = dumpkvs


class ProfileKV:
    """
    Log the time spent in a ``with`` block, summed over its runs, under the key ``wait_<name>``.

    :param name: name of the block
    """

    def __init__(self, name: str):
        self.name = 'wait_' + name

    def __enter__(self) -> 'ProfileKV':
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_args) -> None:
        Logger.CURRENT.name2val[self.name] += time.perf_counter() - self._start


def profile(name: str) -> Callable[[Callable], Callable]:
    """
    Make a decorator that logs the time spent in a function under the key ``wait_<name>``.

    :param name: name of the function
    :return: the decorator
    """
    def decorator(func: Callable) -> Callable:
        @functools.wraps(func)
        def timed(*args, **kwargs) -> Any:
            with ProfileKV(name):
                return func(*args, **kwargs)
        return timed
    return decorator


def configure(folder: Optional[str] = None, format_strs: Optional[List[str]] = None) -> None:
    """
    Make a new current logger.

    :param folder: where its files go; None for ``$OPENAI_LOGDIR``, or a new folder among the temporary files
    :param format_strs: its outputs, of 'stdout', 'log', 'json', 'csv', 'tensorboard'; None for
        ``$OPENAI_LOG_FORMAT``, or 'stdout,log,csv'; in MPI processes of a rank above 0 for ``$OPENAI_LOG_FORMAT_MPI``,
        or 'log'
    :raises TypeError: if the folder is no path, or the outputs are no list
    :raises ValueError: for an unknown output
    """
    rank = mpi_rank_or_zero()
    folder = _default_folder() if folder is None else folder
    format_strs = _default_formats(rank) if format_strs is None else format_strs
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder must be a path or None, got {folder!r}")
    if isinstance(format_strs, str):
        raise TypeError(f"format_strs must be a list of str or None, got the str {format_strs!r}")
    os.makedirs(folder, exist_ok=True)
    suffix = f'-rank{rank:03d}' if rank > 0 else ''
    outputs = [make_output_format(format_str, folder, suffix) for format_str in format_strs]
    Logger.CURRENT = Logger(folder=folder, output_formats=outputs)
    log(f'Logging to {folder}')


def _default_folder() -> str:
    """Return the folder that the environment asks for, or a new temporary one."""
    name = datetime.datetime.now().strftime('openai-%Y-%m-%d-%H-%M-%S-%f')
    return os.environ.get('OPENAI_LOGDIR') or os.path.join(tempfile.gettempdir(), name)


def _default_formats(rank: int) -> List[str]:
    """Return the outputs that the environment asks for; other ranks than 0 stay off the terminal by default."""
    if rank == 0:
        formats = os.environ.get('OPENAI_LOG_FORMAT', 'stdout,log,csv')
    else:
        formats = os.environ.get('OPENAI_LOG_FORMAT_MPI', 'log')
    return [name.strip() for name in formats.split(',') if name.strip()]


def reset() -> None:
    """Close the current logger and go back to the default one, which writes to the terminal."""
    if Logger.CURRENT is not Logger.DEFAULT:
        Logger.CURRENT.close()
        Logger.CURRENT = Logger.DEFAULT
        log('Reset logger')


class ScopedConfigure:
    """
    Use another logger in a ``with`` block.

    :param folder: as for ``configure``
    :param format_strs: as for ``configure``
    """

    def __init__(self, folder: Optional[str] = None, format_strs: Optional[List[str]] = None):
        self.dir = folder
        self.format_strs = format_strs
        self.prevlogger: Optional[Logger] = None

    def __enter__(self) -> 'ScopedConfigure':
        previous = Logger.CURRENT
        configure(folder=self.dir, format_strs=self.format_strs)
        self.prevlogger = previous
        return self

    def __exit__(self, *_args) -> None:
        if Logger.CURRENT is not Logger.DEFAULT:  # the block may have called ``reset``
            Logger.CURRENT.close()
        Logger.CURRENT = self.prevlogger


def read_json(fname: str) -> Any:
    """
    Read what the 'json' output wrote.

    :param fname: path of the file
    :return: one row per dump
    """
    import pandas
    with open(fname) as file:
        return pandas.DataFrame([json.loads(line) for line in file])


def read_csv(fname: str) -> Any:
    """
    Read what the 'csv' output wrote.

    :param fname: path of the file; lines before the header that start with # are skipped
    :return: one row per dump
    """
    import pandas
    with open(fname, newline='') as file:
        position = file.tell()
        while file.readline().startswith('#'):
            position = file.tell()
        file.seek(position)
        return pandas.read_csv(file)


def read_tb(path: str) -> Any:
    """
    Read the scalars of TensorBoard's event files.

    :param path: an event file, or a folder with event files
    :return: one column per tag, sorted; row ``i`` holds step ``i + 1`` (step ``i`` if there is a step 0)
    :raises FileNotFoundError: if there is no such file or folder
    """
    import pandas
    import tensorflow.compat.v1 as tf
    if not os.path.exists(path):
        raise FileNotFoundError(f"Expected tensorboard file or directory containing them. Got {path}")
    paths = sorted(glob.glob(os.path.join(path, 'events.*'))) if os.path.isdir(path) else [path]
    columns: Dict[str, Dict[int, float]] = defaultdict(dict)
    for event_path in paths:
        for event in tf.train.summary_iterator(event_path):
            for value in event.summary.value:
                columns[value.tag][event.step] = value.simple_value
    steps = [step for column in columns.values() for step in column]
    first_step, last_step = min(steps + [1]), max(steps + [0])
    frame = pandas.DataFrame({tag: pandas.Series(columns[tag], dtype=float) for tag in sorted(columns)})
    return frame.reindex(range(first_step, last_step + 1)).reset_index(drop=True)


def _demo() -> None:
    """Show what the logger does."""
    info('hi')
    debug("shouldn't appear")
    set_level(DEBUG)
    debug('should appear')
    folder = os.path.join(tempfile.gettempdir(), 'testlogging')
    shutil.rmtree(folder, ignore_errors=True)
    configure(folder=folder)
    logkv('a', 3)
    logkv('b', 2.5)
    dumpkvs()
    logkvs({'a': 5.5, 'b': -2.5})
    dumpkvs()
    info('^^^ should see a = 5.5')
    logkv_mean('b', -22.5)
    logkv_mean('b', -44.4)
    logkv('a', 5.5)
    dumpkvs()
    with ScopedConfigure():
        info('^^^ should see b = 33.3')
    reset()
    logkv('a', 'longasslongasslongasslongasslongasslongassvalue')
    dumpkvs()
    warn('hey')
    error('oh')


if __name__ == '__main__':
    _demo()
