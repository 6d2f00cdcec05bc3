"""Light environments, the same for every library, and the clock that their steps drive."""
import math
import time
from typing import Any, Optional

import numpy as np

try:
    import gymnasium as gym
except ImportError:  # Python 3.7
    import gym  # type: ignore[no-redef]

spaces = gym.spaces
IS_NEW_API = gym.__name__ == "gymnasium"


class Over(BaseException):
    """The time is over. Not an Exception, so that no library takes it for a failure of the environment."""


class Clock:
    """
    Time whole cycles of steps, from the end of a warm-up to the first end of a cycle after some seconds.

    It is asked at the start of each step, so whatever a library does between two steps falls into the time.

    :param warm_up: steps that are left out, whole cycles
    :param cycle: steps after which the work repeats, such as a rollout with its update
    :param seconds: how long to measure at least
    """

    def __init__(self, warm_up: int, cycle: int, seconds: float):
        self.warm_up, self.cycle, self.seconds = warm_up, cycle, seconds
        self.steps, self.next_look = -1, warm_up  # steps that have ended, but -1 before the first one
        self.begin = self.elapsed = 0.0

    def tick(self) -> None:
        """Count a step; raise Over when the time is over."""
        self.steps += 1
        if self.steps == self.next_look:
            self._look(time.perf_counter())

    def _look(self, now: float) -> None:
        self.next_look += self.cycle
        if self.steps == self.warm_up:
            self.begin = now
        elif now - self.begin >= self.seconds:
            self.elapsed = now - self.begin
            raise Over

    @property
    def steps_per_second(self) -> float:
        return (self.steps - self.warm_up) / self.elapsed


class Task(gym.Env):
    """An environment for the gym or gymnasium at hand: a subclass has ``_start`` and ``_move``."""

    clock: Optional[Clock] = None
    max_steps = 200

    def __init__(self) -> None:
        self.rng = np.random.RandomState(0)

    def reset(self, seed=None, options=None) -> Any:
        self.time = 0
        obs = self._start()
        return (obs, {}) if IS_NEW_API else obs

    def step(self, action: Any) -> Any:
        if self.clock is not None:
            self.clock.tick()
        self.time += 1
        obs, reward, done = self._move(action)
        done = done or self.time == self.max_steps
        return (obs, reward, done, False, {}) if IS_NEW_API else (obs, reward, done, {})


class CartPole(Task):
    """Balance a pole on a cart, with the equations of Barto, Sutton and Anderson (1983)."""

    observation_space: Any = spaces.Box(-10, 10, (4,), np.float32)
    action_space: Any = spaces.Discrete(2)
    max_steps = 500

    def _start(self):
        self.state = self.rng.uniform(-0.05, 0.05, 4).tolist()
        return np.array(self.state, np.float32)

    def _move(self, action):
        x, speed, angle, turning = self.state
        sine, cosine = math.sin(angle), math.cos(angle)
        push = ((10.0 if action == 1 else -10.0) + 0.05 * turning ** 2 * sine) / 1.1
        turning_rate = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine ** 2 / 1.1))
        acceleration = push - 0.05 * turning_rate * cosine / 1.1
        self.state = [x + 0.02 * speed, speed + 0.02 * acceleration, angle + 0.02 * turning,
                      turning + 0.02 * turning_rate]
        return np.array(self.state, np.float32), 1.0, abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095


class Pendulum(Task):
    """Swing a pendulum up and hold it there."""

    observation_space: Any = spaces.Box(-8, 8, (3,), np.float32)
    action_space: Any = spaces.Box(-2, 2, (1,), np.float32)

    def _start(self):
        self.angle, self.turning = float(self.rng.uniform(-math.pi, math.pi)), float(self.rng.uniform(-1, 1))
        return self._see()

    def _move(self, action):
        torque = min(max(float(action[0]), -2.0), 2.0)
        off = (self.angle + math.pi) % (2 * math.pi) - math.pi
        cost = off ** 2 + 0.1 * self.turning ** 2 + 0.001 * torque ** 2
        self.turning = min(max(self.turning + 0.05 * (15 * math.sin(self.angle) + 3 * torque), -8.0), 8.0)
        self.angle += 0.05 * self.turning
        return self._see(), -cost, False

    def _see(self):
        return np.array([math.cos(self.angle), math.sin(self.angle), self.turning], np.float32)


class Frames(Task):
    """Show random images."""

    observation_space: Any = spaces.Box(0, 255, (84, 84, 4), np.uint8)
    action_space: Any = spaces.Discrete(4)
    max_steps = 100
    images = np.zeros((0, 84, 84, 4), np.uint8)

    def __init__(self) -> None:
        super().__init__()
        if not len(Frames.images):
            Frames.images = self.rng.randint(256, size=(101, 84, 84, 4)).astype(np.uint8)

    def _start(self):
        return self.images[0].copy()

    def _move(self, action):
        return self.images[self.time].copy(), 1.0, False  # a new array, as a game would hand out


class ContinuousFrames(Frames):
    """Show random images to an algorithm that wants continuous actions."""

    action_space = spaces.Box(-1, 1, (2,), np.float32)


class Bits(Task):
    """Flip one of ten bits in each step until all are 1."""

    observation_space: Any = spaces.Dict({key: spaces.MultiBinary(10) for key in
                                          ("observation", "achieved_goal", "desired_goal")})
    action_space: Any = spaces.Discrete(10)
    max_steps = 10

    def _start(self):
        self.bits = self.rng.randint(2, size=10).astype(np.int8)
        return self._see()

    def _move(self, action):
        self.bits[self._flipped(action)] ^= 1
        reward = float(self.compute_reward(self.bits, 1, None))
        return self._see(), reward, reward == 0

    def _flipped(self, action):
        return action

    def _see(self):
        return dict(observation=self.bits.copy(), achieved_goal=self.bits.copy(), desired_goal=np.ones(10, np.int8))

    def compute_reward(self, achieved_goal, desired_goal, _info):
        """Return 0 where all bits are as desired, else -1; for one goal or for a row each."""
        return np.equal(achieved_goal, desired_goal).all(axis=-1) - 1.0


class ContinuousBits(Bits):
    """Flip the bits whose number is positive."""

    action_space = spaces.Box(-1, 1, (10,), np.float32)

    def _flipped(self, action):
        return np.asarray(action) > 0


TASKS = {task.__name__: task for task in (CartPole, Pendulum, Frames, ContinuousFrames, Bits, ContinuousBits)}
