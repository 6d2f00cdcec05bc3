"""
Measure this library beside the original, Stable-Baselines3 and SBX on the same work: what ``make bench`` runs.

The libraries take turns, each measurement is a process of its own, and the results are written after every one.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import report
from libraries import LIBRARIES, PEERS, ROOT, find_pythons, worker_environment
from workloads import WORKLOADS, choose

START_UP = 10.0  # seconds besides the measured ones that a measurement takes, as long as none has been timed
TIMEOUT = 900


class Task(NamedTuple):
    """A measurement to make."""

    round: int
    workload: str
    library: str


class Results:
    """Everything that was measured, in a file that is written after each measurement."""

    def __init__(self, path: Path, settings: Dict[str, Any], resume: bool):
        self.path = path
        self.runs: List[Dict[str, Any]] = []
        self.settings = settings
        self.earlier: Dict[str, Any] = dict(settings=settings, runs=[])
        if path.exists():
            self.earlier = json.loads(path.read_text())
        if resume:
            if self.earlier["settings"] != settings:
                raise ValueError(f"{path} holds a run with {self.earlier['settings']}: it cannot go on with {settings}")
            self.runs = [run for run in self.earlier["runs"] if "error" not in run]
        elif path.exists():
            os.replace(str(path), str(path.with_suffix(".old.json")))

    def add(self, task: Task, result: Dict[str, Any]) -> None:
        """Keep a measurement, on the disk too."""
        self.runs.append(dict(task._asdict(), **result))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(json.dumps(dict(settings=self.settings, machine=report.describe_machine(),
                                              runs=self.runs), indent=1))
        os.replace(str(unfinished), str(self.path))

    def has(self, task: Task) -> bool:
        """Return whether a measurement was made."""
        return any(task == Task(*(run[field] for field in Task._fields)) for run in self.runs)

    def expected_seconds(self, tasks: List[Task]) -> float:
        """Return about how long measurements will take: besides the measured seconds, as long as they took before."""
        measured = self.earlier["settings"]["seconds"]
        start_ups = {(run["workload"], run["library"]): run["wall_s"] - measured for run in self.earlier["runs"]}
        return sum(start_ups.get((task.workload, task.library), START_UP) + self.settings["seconds"] for task in tasks)


def plan(workloads: List[str], libraries: List[str], named: List[str], rounds: int) -> List[Task]:
    """
    Return the measurements in their order: each round takes all workloads, each workload all libraries in turn.

    :param named: the libraries that the command line names: our TF 2 lane then does everything, not frames alone
    """
    def has(library: str, workload: str) -> bool:
        return library == "ours" or library in WORKLOADS[workload].peers.split() or library == "tf2" in named

    return [Task(index, workload, library) for index in range(rounds) for workload in workloads
            for library in libraries if has(library, workload)]


def measure(task: Task, python: str, seconds: float, threads: Optional[int]) -> Dict[str, Any]:
    """Run a worker; return what it prints, or the error under "error"."""
    program = Path(__file__).resolve().parent / LIBRARIES[task.library].worker
    command = [python, "-W", "ignore", str(program), task.library, task.workload, "--seconds", str(seconds)]
    if threads is not None:
        command += ["--threads", str(threads)]
    start = time.time()
    try:
        done = subprocess.run(command, env=worker_environment(task.library, python, threads), timeout=TIMEOUT,
                              capture_output=True, text=True)
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        result = dict(error=f"not done after {TIMEOUT} s")
    except (IndexError, ValueError):
        result = dict(error=(done.stderr or done.stdout).strip()[-2000:] or f"exit code {done.returncode}")
    return dict(result, wall_s=round(time.time() - start, 1))


def show_progress(tasks: List[Task]) -> Iterator[Tuple[Task, Any]]:
    """Yield the tasks, each with what writes a line, beside a bar on a terminal and without one elsewhere."""
    bar = None
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
            bar = tqdm(total=len(tasks), unit="measurement", smoothing=0)
        except ImportError:
            pass
    for index, task in enumerate(tasks, 1):
        place = f"{index}/{len(tasks)} " if bar is None else ""
        yield task, lambda line, place=place: print(place + line, flush=True) if bar is None else bar.write(line)
        if bar is not None:
            bar.update()
    if bar is not None:
        bar.close()


def run(tasks: List[Task], results: Results, pythons: Dict[str, str], seconds: float, threads: Optional[int]) -> None:
    """Make the measurements."""
    for task, say in show_progress(tasks):
        result = measure(task, pythons[task.library], seconds, threads)
        results.add(task, result)
        workload = WORKLOADS[task.workload]
        outcome = f"FAILED: {result['error'].splitlines()[-1]}" if "error" in result else \
            f"{report.number(result['value'])} {workload.unit}, {result['peak_mib']:.0f} MiB"
        say(f"{task.workload:16} {task.library:9} {outcome}")


def measure_limits(python: str, workloads: List[str]) -> Dict[str, Dict[str, float]]:
    """Return what the environments and the products of matrices alone take, by workload."""
    program = Path(__file__).resolve().parent / "limits.py"
    done = subprocess.run([python, str(program), *workloads], env=worker_environment("ours", python, 1), check=True,
                          stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", default=[], metavar="NAME",
                        help=f"families such as ppo2, or {', '.join(WORKLOADS)} (default: all)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, help="libraries beside ours; tf2 is our own TensorFlow 2 "
                        "lane, which measures frames alone unless it is named here (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one at least (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="threads of each library; 0 leaves them their defaults "
                        "(default: %(default)s)")
    parser.add_argument("--python", nargs="+", default=[], type=_pair, metavar="LIBRARY=PATH",
                        help="Pythons of environments that exist, instead of those that this command makes")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the results")
    parser.add_argument("--resume", action="store_true", help="go on with the run that the folder holds")
    parser.add_argument("--limits", action="store_true", help="measure instead what the environments and the products "
                        "of matrices alone take, and hold it against the results in the folder")
    return parser.parse_args(arguments)


def _pair(text: str) -> Tuple[str, str]:
    """Read LIBRARY=PATH."""
    name, _, path = text.partition("=")
    if name not in LIBRARIES or not path:
        raise argparse.ArgumentTypeError(f"{text!r}: accepted is LIBRARY=PATH, with a library of {[*LIBRARIES]}")
    return name, path


def main() -> None:
    """Do what the command line asks."""
    args = parse()
    workloads, path = choose(args.workloads), args.output / "bench.json"
    peers = PEERS if args.peers is None else args.peers
    pythons = find_pythons(["ours", *([] if args.limits else peers)], dict(args.python))
    if "ours" not in pythons:
        raise ValueError("there is no environment for this library on Python 3.7: --python ours=PATH takes another one")
    if args.limits:
        print(report.write_limits(measure_limits(pythons["ours"], workloads), path, args.output))
        return
    threads = args.threads or None
    results = Results(path, dict(seconds=args.seconds, threads=args.threads), args.resume)
    tasks = [task for task in plan(workloads, list(pythons), args.peers or [], args.rounds) if not results.has(task)]
    print(f"{len(tasks)} measurements, about {math.ceil(results.expected_seconds(tasks) / 60)} minutes; leave the "
          "machine alone meanwhile. If it is interrupted, the same command with --resume goes on.", flush=True)
    try:
        run(tasks, results, pythons, args.seconds, threads)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    if results.runs:
        print(report.write(path, args.output))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
