"""Reading back, as pandas tables, what the outputs of a logger wrote."""
import glob
import json
import os
from collections import defaultdict
from typing import Any, Dict


def read_json(fname: str) -> Any:
    """
    Read what the 'json' output wrote.

    :param fname: path of the file
    :return: a DataFrame with one row per dump
    """
    import pandas
    with open(fname) as file:
        return pandas.DataFrame([json.loads(line) for line in file])


def read_csv(fname: str) -> Any:
    """
    Read what the 'csv' output wrote.

    :param fname: path of the file; lines before the header that start with # are skipped
    :return: a DataFrame with one row per dump
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
    :return: a DataFrame with one column per tag, sorted; row ``i`` holds step ``i + 1`` (step ``i`` if there is a
        step 0)
    :raises FileNotFoundError: if there is no such file or folder
    """
    import pandas
    import tensorflow.compat.v1 as tf
    if not os.path.exists(path):
        raise FileNotFoundError(f"path={path!r}: accepted is an event file or a folder with event files")
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
