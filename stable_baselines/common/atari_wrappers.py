"""The usual preprocessing of Atari games: Mnih et al. 2015, https://www.nature.com/articles/nature14236"""
import re
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from stable_baselines.common.gym_compat import ObservationWrapper, RewardWrapper, Wrapper, make, spaces

__all__ = ['ClipRewardEnv', 'EpisodicLifeEnv', 'FireResetEnv', 'FrameStack', 'LazyFrames', 'MaxAndSkipEnv',
           'NoopResetEnv', 'ScaledFloatFrame', 'WarpFrame', 'make_atari', 'wrap_deepmind']

Step = Tuple[Any, float, bool, Dict[str, Any]]

NOOP, FIRE = 0, 1  # where these two stand among the actions of a game that has them


class NoopResetEnv(Wrapper):
    """
    Start each episode with a random number of steps that do nothing.

    ``override_num_noops`` fixes their number, unless it is None.

    :param env: an Atari game
    :param noop_max: the largest number of these steps, the smallest is 1
    :raises ValueError: if action 0 of the game is not NOOP, or noop_max is less than 1
    """

    def __init__(self, env: Any, noop_max: int = 30):
        super().__init__(env)
        if noop_max < 1:
            raise ValueError(f"noop_max={noop_max!r}: accepted is a positive integer")
        meanings = self.unwrapped.get_action_meanings()
        if meanings[NOOP] != 'NOOP':
            raise ValueError(f"env={self.env}: its actions are {meanings}: action 0 must be NOOP")
        self.noop_max = noop_max
        self.override_num_noops: Optional[int] = None
        self.noop_action = NOOP

    def reset(self, **kwargs) -> np.ndarray:
        obs = self.env.reset(**kwargs)
        for _ in range(self._n_noops()):
            obs, _, done, _ = self.env.step(self.noop_action)
            if done:
                obs = self.env.reset(**kwargs)
        return obs

    def _n_noops(self) -> int:
        """Return how many steps to do nothing for."""
        if self.override_num_noops is not None:
            return self.override_num_noops
        generator = self.unwrapped.np_random
        # the RandomState of the old gym has one name for it, the Generator of the newer libraries the other
        integers = generator.integers if hasattr(generator, 'integers') else generator.randint
        return int(integers(1, self.noop_max + 1))


class FireResetEnv(Wrapper):
    """
    Start each episode with actions 1 (FIRE) and 2, for games that stand still until then.

    :param env: an Atari game
    :raises ValueError: if action 1 of the game is not FIRE, or it has fewer than three actions
    """

    def __init__(self, env: Any):
        super().__init__(env)
        meanings = self.unwrapped.get_action_meanings()
        if len(meanings) < 3 or meanings[FIRE] != 'FIRE':
            raise ValueError(f"env={self.env}: its actions are {meanings}: they must be at least three, and action 1 "
                             "must be FIRE")

    def reset(self, **kwargs) -> np.ndarray:
        self.env.reset(**kwargs)
        for action in (FIRE, 2):
            obs, _, done, _ = self.env.step(action)
            if done:
                obs = self.env.reset(**kwargs)
        return obs


class EpisodicLifeEnv(Wrapper):
    """
    End the episode with each life lost, but reset the game itself only when it is over; else do nothing for a step.

    Then the value of a state knows what a life is worth, and the agent still meets the whole game.

    :param env: an Atari game
    """

    def __init__(self, env: Any):
        super().__init__(env)
        self.lives = 0
        self.was_real_done = True

    def step(self, action: int) -> Step:
        obs, reward, done, info = self.env.step(action)
        self.was_real_done = done
        lives = self.unwrapped.ale.lives()
        # not at 0 lives: some games (Qbert) stay there for some frames before they are over
        if 0 < lives < self.lives:
            done = True
        self.lives = lives
        return obs, reward, done, info

    def reset(self, **kwargs) -> np.ndarray:
        if not self.was_real_done:
            obs, _, self.was_real_done, _ = self.env.step(NOOP)
        if self.was_real_done:
            obs = self.env.reset(**kwargs)
        self.lives = self.unwrapped.ale.lives()
        return obs


class MaxAndSkipEnv(Wrapper):
    """
    Repeat each action, sum the rewards, and show the brighter of the last two frames in each pixel: sprites flicker.

    :param env: an Atari game
    :param skip: how many steps of the game one step is
    :raises ValueError: if skip is less than 1
    """

    def __init__(self, env: Any, skip: int = 4):
        super().__init__(env)
        if skip < 1:
            raise ValueError(f"skip={skip!r}: accepted is a positive integer")
        self._obs_buffer = np.zeros((2,) + self.observation_space.shape, dtype=self.observation_space.dtype)
        self._skip = skip

    def step(self, action: int) -> Step:
        total_reward = 0.0
        for index in range(self._skip):
            obs, reward, done, info = self.env.step(action)
            # as Stable Baselines 2.10: only these two steps are shown, so an episode that ends before them ends with
            # what an earlier step left here
            if index >= self._skip - 2:
                self._obs_buffer[index - self._skip] = obs
            total_reward += reward
            if done:
                break
        return np.maximum(*self._obs_buffer), total_reward, done, info


class ClipRewardEnv(RewardWrapper):
    """Reduce each reward to its sign, so that the same learning rate fits all games."""

    def reward(self, reward: float) -> float:
        return np.sign(reward)


class WarpFrame(ObservationWrapper):
    """Turn frames of shape (height, width, 3), RGB, uint8, into shades of gray of shape (84, 84, 1), uint8."""

    def __init__(self, env: Any):
        super().__init__(env)
        self.width = self.height = 84
        self.observation_space = spaces.Box(low=0, high=255, shape=(self.height, self.width, 1), dtype=np.uint8)

    def observation(self, frame: np.ndarray) -> np.ndarray:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        return cv2.resize(gray, (self.width, self.height), interpolation=cv2.INTER_AREA)[:, :, None]


class ScaledFloatFrame(ObservationWrapper):
    """Scale images from 0 ... 255 to 0 ... 1, float32; the policies do that themselves."""

    def __init__(self, env: Any):
        super().__init__(env)
        self.observation_space = spaces.Box(low=0, high=1.0, shape=self.observation_space.shape, dtype=np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        return np.asarray(observation).astype(np.float32) / 255.0


class FrameStack(Wrapper):
    """
    Show the last frames as one, stacked along their last axis, the newest last.

    The observations are ``LazyFrames``; an episode starts with its first frame ``n_frames`` times.

    :param env: an environment with images as observations
    :param n_frames: how many frames
    :raises ValueError: if n_frames is less than 1
    """

    def __init__(self, env: Any, n_frames: int):
        super().__init__(env)
        if n_frames < 1:
            raise ValueError(f"n_frames={n_frames!r}: accepted is a positive integer")
        self.n_frames = n_frames
        self.frames: Deque[np.ndarray] = deque(maxlen=n_frames)
        space = self.observation_space
        low, high = (np.concatenate([bound] * n_frames, axis=-1) for bound in (space.low, space.high))
        self.observation_space = spaces.Box(low=low, high=high, dtype=space.dtype)

    def reset(self, **kwargs) -> 'LazyFrames':
        self.frames.extend([self.env.reset(**kwargs)] * self.n_frames)
        return LazyFrames(list(self.frames))

    def step(self, action: int) -> Step:
        obs, reward, done, info = self.env.step(action)
        self.frames.append(obs)
        return LazyFrames(list(self.frames)), reward, done, info


class LazyFrames:
    """
    Stack frames only when an array is needed: until then stacks share the frames that they have in common.

    A replay buffer that keeps these takes a fraction of the memory.

    :param frames: the frames, oldest first, stacked along their last axis
    """

    def __init__(self, frames: Sequence[np.ndarray]):
        self._parts = list(frames)

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> np.ndarray:
        if len(self._parts) > 1:  # the first use stacks them for good
            self._parts = [np.concatenate(self._parts, axis=-1)]
        stacked = self._parts[0]
        return np.array(stacked, dtype=dtype) if copy else stacked.astype(dtype or stacked.dtype, copy=False)

    def __len__(self) -> int:
        return len(np.asarray(self))

    def __getitem__(self, i: Any) -> np.ndarray:
        return np.asarray(self)[i]


def make_atari(env_id: str) -> Wrapper:
    """
    Make an Atari game, with 1 to 30 steps of nothing at the start and each action repeated 4 times.

    :param env_id: the id of the game's variant that shows every frame, such as 'BreakoutNoFrameskip-v4'
    :return: the game; its frames are those of the screen, see ``wrap_deepmind``
    :raises ValueError: if it is another variant (which would skip frames twice), or unknown
    """
    if 'NoFrameskip' not in env_id:
        game = re.match(r'(?:ALE/)?(\w+?)(?:Deterministic)?-v\d+$', env_id)
        example = game.group(1) if game else 'Breakout'
        raise ValueError(f"env_id={env_id!r}: accepted is the variant of a game that shows every frame, "
                         f"such as '{example}NoFrameskip-v4'")
    return MaxAndSkipEnv(NoopResetEnv(make(env_id), noop_max=30), skip=4)


def wrap_deepmind(env: Any, episode_life: bool = True, clip_rewards: bool = True, frame_stack: bool = False,
                  scale: bool = False) -> Wrapper:
    """
    Wrap an Atari game for learning: small gray frames, and FIRE at the start of games that wait for it.

    :param env: the game, from ``make_atari``
    :param episode_life: whether an episode ends with each life, see ``EpisodicLifeEnv``
    :param clip_rewards: whether rewards are reduced to their sign
    :param frame_stack: whether the last four frames are stacked; for many environments ``VecFrameStack`` is faster
    :param scale: whether observations are scaled to 0 ... 1, which the policies do themselves
    :return: the wrapped game
    """
    has_fire = 'FIRE' in env.unwrapped.get_action_meanings()
    layers: List[Tuple[bool, Callable]] = [
        (episode_life, EpisodicLifeEnv), (has_fire, FireResetEnv), (True, WarpFrame),
              (scale, ScaledFloatFrame), (clip_rewards, ClipRewardEnv), (frame_stack, partial(FrameStack, n_frames=4))]
    for is_wanted, wrap in layers:
        if is_wanted:
            env = wrap(env)
    return env
