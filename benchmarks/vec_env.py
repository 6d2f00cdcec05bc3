"""
Speed of the vectorised environments beside Stable Baselines 2.10.2, in environment steps per second.

    PYTHONPATH=. python benchmarks/vec_env.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2`` (and both have gym 0.17). Each measurement is a process of its
own, ours and theirs by turns; what counts is the median ratio. Without a peer only our own speed is measured.
"""
import argparse
import os
import statistics
import sys
import time

import gym
import numpy as np
from peer import alternate, measure

from stable_baselines.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TrivialEnv(gym.Env):
    """An environment that computes nothing, so that what is around it is measured."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, shape, dtype):
        """Make an environment with observations of this shape and dtype."""
        self.observation_space = gym.spaces.Box(0, 255, shape, dtype)
        self._obs = self.observation_space.sample()
        self._step = 0

    def reset(self):
        """Return the one observation."""
        self._step = 0
        return self._obs

    def step(self, action):
        """Return the one observation; an episode has 200 steps."""
        self._step += 1
        return self._obs, 1.0, self._step == 200, {}


def _frames():
    return TrivialEnv((84, 84, 4), np.uint8)


def _frame():
    return TrivialEnv((84, 84, 1), np.uint8)


def _vector():
    return TrivialEnv((8,), np.float32)


def _cartpole():
    return gym.make('CartPole-v1')


def _subproc(env_fn, n_envs):
    # the start method makes no difference once the processes are there, and a fork is there soonest
    return SubprocVecEnv([env_fn] * n_envs, start_method='fork')


# name: what makes the vectorised environment, the ratio to be reached
CASES = {
    'subproc-frames-4': (lambda: _subproc(_frames, 4), 2.0),
    'subproc-frames-8': (lambda: _subproc(_frames, 8), 2.0),
    'subproc-cartpole-4': (lambda: _subproc(_cartpole, 4), 1.2),
    'subproc-cartpole-8': (lambda: _subproc(_cartpole, 8), 1.2),
    'dummy-cartpole-8': (lambda: DummyVecEnv([_cartpole] * 8), 1.2),
    'normalize-8': (lambda: VecNormalize(DummyVecEnv([_vector] * 8)), 1.2),
    'framestack-8': (lambda: VecFrameStack(DummyVecEnv([_frame] * 8), 4), 1.2),
}


def steps_per_second(case, seconds):
    """
    Measure one case with the ``stable_baselines`` that this Python imports.

    :param case: (str) a key of ``CASES``
    :param seconds: (float) how long to measure
    :return: (float) steps of single environments per second
    """
    venv = CASES[case][0]()
    actions = np.random.RandomState(0).randint(2, size=(64, venv.num_envs))
    venv.reset()
    for action in actions:  # warm up
        venv.step(action)
    n_rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for action in actions:
            venv.step(action)
        n_rounds += 1
    elapsed = time.perf_counter() - start
    n_steps = n_rounds * actions.size
    venv.close()
    return n_steps / elapsed


def _command(python, case, seconds):
    return [python, '-W', 'ignore', os.path.abspath(__file__), '--measure', case, '--seconds', str(seconds)]


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--peer-python', help='the Python of an environment with stable-baselines==2.10.2')
    parser.add_argument('--cases', nargs='+', choices=sorted(CASES), default=list(CASES), help='default: all')
    parser.add_argument('--rounds', type=int, default=5, help='measurements of each side (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=2.0, help='length of a measurement (default: %(default)s)')
    parser.add_argument('--measure', choices=sorted(CASES), help='measure this case in this process and print steps/s')
    args = parser.parse_args()

    if args.measure:
        print(steps_per_second(args.measure, args.seconds))
        return
    for case in args.cases:
        ours = _command(sys.executable, case, args.seconds)
        if args.peer_python is None:
            print(f'{case:20s} {measure(ours, ROOT):9.0f} steps/s')
            continue
        pairs = alternate(ours, _command(args.peer_python, case, args.seconds), args.rounds, ROOT)
        ratios = [ours / theirs for ours, theirs in pairs]
        ours_median, theirs_median = (statistics.median(side) for side in zip(*pairs))
        print(f'{case:20s} ours {ours_median:9.0f}  theirs {theirs_median:9.0f} steps/s  '
              f'ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}; '
              f'target {CASES[case][1]})', flush=True)


if __name__ == '__main__':
    main()
