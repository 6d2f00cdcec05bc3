"""The outputs of a logger: tables for people, JSON, CSV and TensorBoard."""
import contextlib
import csv
import json
import os
import sys
import warnings
from typing import IO, Any, ContextManager, Dict, Iterable, List, Optional, Union

MAX_CELL_LENGTH = 23  # longer keys and values are cut, with dots, in the table for people


class KVWriter:
    """An output that takes rows of keys and values."""

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        """Write one row, given as values by key."""
        raise NotImplementedError


class SeqWriter:
    """An output that takes messages."""

    def writeseq(self, seq: Iterable[str]) -> None:
        """Write one message, given in parts."""
        raise NotImplementedError


class HumanOutputFormat(KVWriter, SeqWriter):
    """
    Write messages, and rows as tables sorted by key.

    :param filename_or_file: path of a file to write, or an open text file, which stays open
    :raises TypeError: if it is neither
    """

    def __init__(self, filename_or_file: Union[str, IO[str]]):
        self.own_file = isinstance(filename_or_file, (str, os.PathLike))
        # None stands for "the standard output of the moment": programs, notebooks and tests replace it
        self._file: Optional[IO[str]] = None
        if isinstance(filename_or_file, (str, os.PathLike)):
            self._file = open(filename_or_file, 'w')
        elif not hasattr(filename_or_file, 'write'):
            raise TypeError(f"filename_or_file={filename_or_file!r}: accepted is a path or an open text file")
        elif filename_or_file is not sys.stdout:
            self._file = filename_or_file

    @property
    def file(self) -> IO[str]:
        """The file that is written to."""
        return sys.stdout if self._file is None else self._file

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        if not kvs:
            warnings.warn("Tried to write empty key-value dict", stacklevel=2)
            return
        rows = [(_format_cell(str(key)), _format_cell(kvs[key])) for key in sorted(kvs, key=str)]
        key_width = max(len(key) for key, _ in rows)
        value_width = max(len(value) for _, value in rows)
        dashes = '-' * (key_width + value_width + 7)
        self._write(dashes, *(f'| {key:<{key_width}} | {value:<{value_width}} |' for key, value in rows), dashes)

    def writeseq(self, seq: Iterable[str]) -> None:
        self._write(' '.join(seq))

    def _write(self, *lines: str) -> None:
        """Write lines at once."""
        with beside_progress_bars(self.file):
            self.file.write('\n'.join(lines) + '\n')
            self.file.flush()

    def close(self) -> None:
        """Close the file if this object opened it."""
        if self.own_file:
            self.file.close()


def beside_progress_bars(file: IO[str]) -> ContextManager:
    """Return a context for writing to a file in which tqdm's bars leave its terminal, to come back behind the text."""
    tqdm = sys.modules.get('tqdm')  # who has not imported it has no bars
    return contextlib.nullcontext() if tqdm is None else tqdm.tqdm.external_write_mode(file)


def _format_cell(value: Any) -> str:
    """Format a value for a table: three significant digits, in a column of eight, for a float; cut a long text."""
    # as Stable Baselines 2.10: only Python's float and its subclass np.float64; others show all their digits
    text = f'{value:<8.3g}' if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_CELL_LENGTH else f'{text[:MAX_CELL_LENGTH - 3]}...'


class JSONOutputFormat(KVWriter):
    """
    Write each row as one line of JSON.

    :param filename: path of the file to write
    """

    def __init__(self, filename: str):
        self.file = open(filename, 'w')

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        self.file.write(json.dumps(kvs, default=_numpy_to_plain) + '\n')
        self.file.flush()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _numpy_to_plain(value: Any) -> Any:
    """Turn an array or a NumPy scalar, which JSON does not know, into plain Python."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    raise TypeError(f"value={value!r}: accepted is what JSON can hold, not {type(value).__name__}")


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
        new_keys = [key for key in kvs if key not in self.keys]
        if new_keys:  # then the file is written anew, with more columns
            self.file.seek(0)
            old_rows = list(csv.reader(self.file))[1:]
            self.keys.extend(new_keys)
            self.file.seek(0)
            self.file.truncate()
            self._writer.writerow(self.keys)
            self._writer.writerows(row + [''] * len(new_keys) for row in old_rows)
        self._writer.writerow([kvs.get(key) for key in self.keys])
        self.file.flush()

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
        self.dir = folder
        self.step = 1
        with tf.Graph().as_default():  # TF 2 is eager outside of a graph, and makes no file writer there
            self.writer = tf.summary.FileWriter(folder)

    def writekvs(self, kvs: Dict[str, Any]) -> None:
        if self.writer is None:
            raise ValueError("cannot write after close()")
        import tensorflow.compat.v1 as tf
        summary = tf.Summary(value=[summary_val(key, value) for key, value in kvs.items() if valid_float_value(value)])
        self.writer.add_summary(summary, self.step)
        self.writer.flush()
        self.step += 1

    def close(self) -> None:
        """Close the event file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def summary_val(key: str, value: float) -> Any:
    """Make a scalar of TensorBoard, with a key as its tag."""
    import tensorflow.compat.v1 as tf
    return tf.Summary.Value(tag=key, simple_value=float(value))


def valid_float_value(value: Any) -> bool:
    """Tell whether a value can be turned into a float; None, most text and most arrays cannot."""
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


def make_output_format(_format: str, ev_dir: str, log_suffix: str = '') -> KVWriter:
    """
    Make an output.

    :param _format: 'stdout', 'log', 'json', 'csv' or 'tensorboard'
    :param ev_dir: the folder for its file, made if needed
    :param log_suffix: added to the file's name
    :raises ValueError: for another format
    """
    formats = ['stdout', *_FILE_FORMATS]
    if _format not in formats:
        raise ValueError(f"_format={_format!r}: accepted is one of {', '.join(formats)}")
    os.makedirs(ev_dir, exist_ok=True)
    if _format == 'stdout':
        return HumanOutputFormat(sys.stdout)
    output_class, filename = _FILE_FORMATS[_format]
    return output_class(os.path.join(ev_dir, filename.format(log_suffix)))
