"""What the workers of all libraries share: the command line, the clock, and the line of JSON that they print."""
import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
import warnings
from typing import Any, Callable, Dict, List

BEGIN = time.perf_counter()

import numpy as np  # noqa: E402
from tasks import TASKS, Clock, Over  # noqa: E402
from workloads import TOTAL_STEPS, WORKLOADS, Workload  # noqa: E402


def make_env(workload: Workload, clock: Any = None) -> Any:
    """Make one environment; it drives the clock, if it gets one."""
    env = TASKS[workload.task]()
    env.clock = clock
    return env


def make_vec_env(workload: Workload, clock: Clock, classes: Dict[str, Any]) -> Any:
    """
    Make the vectorised environment of a workload; its first environment drives the clock.

    :param classes: the library's vectorised environments, by name
    """
    in_process = workload.vec_env == "DummyVecEnv"
    makers = [lambda: make_env(workload, clock if in_process else None)]
    makers += [lambda: make_env(workload)] * (workload.n_envs - 1)
    venv = classes[workload.vec_env](makers)
    if not in_process:  # the clock stays here
        send = venv.step_async

        def step_async(actions):
            clock.tick()
            send(actions)

        venv.step_async = step_async
    return venv


def main(prepare: Callable, build: Callable, load: Callable) -> None:
    """
    Measure a workload as the command line asks, and print a line of JSON.

    :param prepare: (name of the library, threads) -> versions, after importing what the library needs
    :param build: (name of the library, workload, clock, threads) -> environment, and a function that makes the model
    :param load: (path, model) -> the model that was saved there
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    workload = WORKLOADS[args.workload]
    clock = Clock(workload.warm_up, workload.cycle, args.seconds)
    versions = prepare(args.library, args.threads)
    env, make = build(args.library, workload, clock, args.threads)
    start = time.perf_counter()
    model = make()
    build_s = time.perf_counter() - start
    result = MEASURES[workload.measures](workload, model, clock, args.seconds, load)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    env.close()
    print(json.dumps(dict(
        result, peak_mib=round(peak_mib, 1), build_s=round(build_s, 3),
        versions=dict(versions, python=platform.python_version(), numpy=np.__version__))))
    sys.stdout.flush()
    os._exit(0)  # threads that a library has left behind shall not delay the next measurement


def _learn(workload: Workload, model: Any, clock: Clock, seconds: float, load: Callable) -> Dict[str, Any]:
    start = time.perf_counter()
    try:
        model.learn(TOTAL_STEPS)
    except Over:
        pass
    return dict(value=clock.steps_per_second * workload.n_envs, warm_up_s=round(clock.begin - start, 3))


def _predict(workload: Workload, model: Any, clock: Clock, seconds: float, load: Callable) -> Dict[str, Any]:
    batch = np.random.RandomState(0).uniform(-0.05, 0.05, (256, 4)).astype(np.float32)
    obs = batch[0] if workload.n_obs == 1 else batch[:workload.n_obs]
    return dict(value=1 / _seconds_per_call(lambda: model.predict(obs), seconds))


def _start(workload: Workload, model: Any, clock: Clock, seconds: float, load: Callable) -> Dict[str, Any]:
    model.predict(np.zeros(4, np.float32))
    return dict(value=time.perf_counter() - BEGIN)


def _save(workload: Workload, model: Any, clock: Clock, seconds: float, load: Callable) -> Dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return dict(value=1000 * _seconds_per_call(lambda: model.save(os.path.join(folder, "model")), seconds))


def _load(workload: Workload, model: Any, clock: Clock, seconds: float, load: Callable) -> Dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.zip")
        model.save(path)
        return dict(value=1000 * _seconds_per_call(lambda: load(path, model), seconds))


def _seconds_per_call(call: Callable, seconds: float) -> float:
    """Return the median duration of a call, after two calls to warm up."""
    call(), call()
    durations: List[float] = []
    over = time.perf_counter() + seconds
    while time.perf_counter() < over or len(durations) < 3:
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


MEASURES = {"learn": _learn, "predict": _predict, "start": _start, "save": _save, "load": _load}
