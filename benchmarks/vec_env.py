"""
Speed of the vectorised environments beside Stable Baselines 2.10.2, in environment steps per second.

    PYTHONPATH=. python benchmarks/vec_env.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2`` (and both have gym 0.17). Each measurement is a process of its
own, ours and theirs by turns; what counts is the median ratio. Without a peer only our own speed is measured.
"""
import time

import gym
import numpy as np
from peer import main

from stable_baselines.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize


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

    :param case: a key of ``CASES``
    :param seconds: how long to measure
    :return: steps of single environments per second
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


if __name__ == '__main__':
    main(__file__, __doc__, {case: target for case, (_, target) in CASES.items()}, steps_per_second, seconds=2.0)
