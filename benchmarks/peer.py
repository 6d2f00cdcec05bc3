"""
Compare our speed with that of the original, each in a process and a Python environment of its own.

What the benchmarks of parts need (``mpi.py``, ``replay.py``, ``vec_env.py``): their command line, measurements by
turns, the table. Whole algorithms, beside other libraries too, are what ``bench.py`` measures.
"""
import argparse
import os
import statistics
import subprocess
import sys
from typing import Callable, Dict, List, Optional, Sequence, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
Launcher = Callable[[str, str], List[str]]


def measure(command: Sequence[str], python_path: Optional[str] = None) -> float:
    """
    Run a command that prints a measurement.

    :param command: the command; the last line of its output is a number
    :param python_path: its PYTHONPATH, which decides what ``import stable_baselines`` finds; None for an
        environment in which it is installed
    :return: that number
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

    :param ours: the command that measures us
    :param theirs: the command that measures the original
    :param rounds: how often each is run
    :param python_path: the PYTHONPATH of our command, see ``measure``
    :return: our measurement and theirs, for each round
    """
    return [(measure(ours, python_path), measure(theirs)) for _ in range(rounds)]


def compare(script: str, targets: Dict[str, float], cases: Sequence[str], peer_python: Optional[str], rounds: int,
            seconds: float, launcher: Launcher) -> None:
    """
    Print a table of our speed, the original's, and the median ratio with the lowest and the highest one.

    :param script: path of the benchmark
    :param targets: name of a case -> the ratio to be reached
    :param cases: the cases to measure
    :param peer_python: the Python of the original; None to measure only ours
    :param rounds: measurements of each side
    :param seconds: length of a measurement
    :param launcher: see ``main``
    """
    def command(python: str) -> List[str]:
        return [*launcher(case, python), python, '-W', 'ignore', os.path.abspath(script), '--measure', case,
                '--seconds', str(seconds)]

    print(f'{"steps/s":20} {"ours":>10} {"original":>10} {"ratio":>7} {"lowest":>7} {"highest":>7} {"target":>7}')
    for case in cases:
        if peer_python is None:
            speeds = [measure(command(sys.executable), ROOT) for _ in range(rounds)]
            print(f'{case:20} {statistics.median(speeds):10.0f}', flush=True)
            continue
        pairs = alternate(command(sys.executable), command(peer_python), rounds, ROOT)
        ratios = [ours / theirs for ours, theirs in pairs]
        ours_median, theirs_median = (statistics.median(side) for side in zip(*pairs))
        print(f'{case:20} {ours_median:10.0f} {theirs_median:10.0f} {statistics.median(ratios):7.2f} '
              f'{min(ratios):7.2f} {max(ratios):7.2f} {targets[case]:7.1f}', flush=True)


def main(script: str, description: str, targets: Dict[str, float], steps_per_second: Callable[[str, float], float],
         seconds: float = 5.0, launcher: Launcher = lambda case, python: []) -> None:
    """
    Run a benchmark as its command line asks.

    :param script: path of the benchmark
    :param description: what it measures
    :param targets: name of a case -> the ratio to be reached
    :param steps_per_second: measures a case, given its name and about how many seconds to take
    :param seconds: length of a measurement unless the command line says otherwise
    :param launcher: (case, path of a Python) -> what stands before this Python in the command that measures the case
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--peer-python', help='the Python of an environment with stable-baselines==2.10.2')
    parser.add_argument('--cases', nargs='+', choices=sorted(targets), default=list(targets), help='default: all')
    parser.add_argument('--rounds', type=int, default=5, help='measurements of each side (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=seconds, help='length of a measurement (default: %(default)s)')
    parser.add_argument('--measure', choices=sorted(targets), help='measure this case here, and print the number alone')
    args = parser.parse_args()
    if args.measure is not None:
        print(steps_per_second(args.measure, args.seconds))
    else:
        compare(script, targets, args.cases, args.peer_python, args.rounds, args.seconds, launcher)
