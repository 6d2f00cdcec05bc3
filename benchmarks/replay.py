"""
Speed of the replay memory beside Stable Baselines 2.10.2, in calls per second.

    PYTHONPATH=. python benchmarks/replay.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2``. Each measurement is a process of its own, ours and theirs by
turns; what counts is the median ratio. Without a peer only our own speed is measured. Transitions are those of Pendulum
(three numbers), or 84x84x4 frames. Buffers are full, but prioritised ones hold 50,000 transitions, because more take
the original minutes.

``add`` alone is slower than the original's, which keeps references instead of copies: by a microsecond a step, and
by ten with frames. A sample, of which a training takes about one per step, more than makes up for the former.
"""
import time

import numpy as np
import tensorflow.compat.v1  # noqa: F401  # as in a training: it changes how long large arrays take to allocate
from peer import main

from stable_baselines.common.buffers import PrioritizedReplayBuffer, ReplayBuffer

BATCH_SIZE = 32


def _transitions(count, frames):
    rng = np.random.RandomState(0)
    obs = rng.randint(256, size=(count + 1, 84, 84, 4)).astype(np.uint8) if frames else \
        rng.randn(count + 1, 3).astype(np.float32)
    return [(obs[i], rng.randn(1).astype(np.float32), float(i), obs[i + 1], i % 200 == 199) for i in range(count)]


def _filled(buffer, transitions, count):
    for _ in range(count // len(transitions)):
        for transition in transitions:  # one by one, as a training does, so that frames are shared
            buffer.add(*transition)
    return buffer


def _add(buffer, transitions):
    def calls():
        for transition in transitions:
            buffer.add(*transition)
        return len(transitions)
    return calls


def _sample(buffer, _):
    def calls():
        for _ in range(100):
            buffer.sample(BATCH_SIZE)
        return 100
    return calls


def _sample_and_update(buffer, _):
    priorities = np.random.RandomState(0).rand(50, BATCH_SIZE) + 1e-6

    def calls():
        for row in priorities:
            idxes = buffer.sample(BATCH_SIZE, beta=0.4)[-1]
            buffer.update_priorities(idxes, row)
        return len(priorities)
    return calls


def _uniform(size):
    return ReplayBuffer(size)


def _prioritized(size):
    return PrioritizedReplayBuffer(size, 0.6)


# name: what makes the buffer, its size, whether it holds frames, what is measured, the ratio to be reached
CASES = {
    'add-50000': (_uniform, 50000, False, _add, 0.2),
    'add-1000000': (_uniform, 1000000, False, _add, 0.2),
    'sample-50000': (_uniform, 50000, False, _sample, 2.0),
    'sample-1000000': (_uniform, 1000000, False, _sample, 2.0),
    'prio-add-50000': (_prioritized, 50000, False, _add, 4.0),
    'prio-add-1000000': (_prioritized, 1000000, False, _add, 4.0),
    'prio-sample-50000': (_prioritized, 50000, False, _sample_and_update, 2.0),
    'prio-sample-1000000': (_prioritized, 1000000, False, _sample_and_update, 2.0),
    'frames-add-5000': (_uniform, 5000, True, _add, 0.02),
    'frames-sample-5000': (_uniform, 5000, True, _sample, 1.0),
}


def calls_per_second(case, seconds):
    """
    Measure one case with the ``stable_baselines`` that this Python imports.

    :param case: a key of ``CASES``
    :param seconds: how long to measure
    :return: calls per second; one of ``prio-sample`` is a sample and the update of its priorities
    """
    make, size, frames, prepare, _ = CASES[case]
    transitions = _transitions(size if frames else 1000, frames)
    calls = prepare(_filled(make(size), transitions, min(size, 50000) if make is _prioritized else size), transitions)
    calls()  # warm up
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += calls()
    return count / (time.perf_counter() - start)


if __name__ == '__main__':
    main(__file__, __doc__, {case: values[-1] for case, values in CASES.items()}, calls_per_second, seconds=2.0)
