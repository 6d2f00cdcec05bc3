"""Compare our speed with that of the original, each in a process and a Python environment of its own."""
import os
import subprocess
from typing import List, Optional, Sequence, Tuple


def measure(command: Sequence[str], python_path: Optional[str] = None) -> float:
    """
    Run a command that prints a measurement.

    :param command: ([str]) the command; the last line of its output is a number
    :param python_path: (str) its PYTHONPATH, which decides what ``import stable_baselines`` finds; None for an
        environment in which it is installed
    :return: (float) that number
    :raises RuntimeError: if the command fails; with what it printed
    """
    environ = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    if python_path is not None:
        environ['PYTHONPATH'] = python_path
    environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return float(done.stdout.strip().splitlines()[-1])


def alternate(ours: Sequence[str], theirs: Sequence[str], rounds: int,
              python_path: Optional[str] = None) -> List[Tuple[float, float]]:
    """
    Measure two commands by turns (A B A B ...), so that a machine that speeds up or slows down does so for both.

    :param ours: ([str]) the command that measures us
    :param theirs: ([str]) the command that measures the original
    :param rounds: (int) how often each is run
    :param python_path: (str) the PYTHONPATH of our command, see ``measure``
    :return: ([(float, float)]) our measurement and theirs, for each round
    """
    return [(measure(ours, python_path), measure(theirs)) for _ in range(rounds)]
