"""The preprocessing of Atari games, on a made-up game whose frames tell the time.

The expected sequences of calls and pixels were recorded from the original.
"""
import pickle
import sys

import numpy as np
import pytest

from stable_baselines.common.atari_wrappers import (
    ClipRewardEnv,
    EpisodicLifeEnv,
    FireResetEnv,
    FrameStack,
    LazyFrames,
    MaxAndSkipEnv,
    NoopResetEnv,
    ScaledFloatFrame,
    WarpFrame,
    make_atari,
    wrap_deepmind,
)
from stable_baselines.common.gym_compat import Env, spaces

RESET_PIXEL = 100


class Game(Env):
    """A game of three lives; frame t is full of the number 3 t, and its reward is t.

    :param dones: steps at which the game is over
    :param lives: lives left from a step on
    """

    def __init__(self, meanings=("NOOP", "FIRE", "UP"), dones=(), lives=()):
        self.observation_space = spaces.Box(0, 255, (210, 160, 3), np.uint8)
        self.action_space = spaces.Discrete(len(meanings))
        self.np_random = np.random.RandomState(0)
        self.meanings, self.dones, self.lives_from = list(meanings), set(dones), dict(lives)
        self.ale, self.n_lives, self.time, self.calls = self, 3, 0, []

    def get_action_meanings(self):
        return self.meanings

    def lives(self):
        return self.n_lives

    def reset(self, **kwargs):
        self.calls.append(("reset", kwargs) if kwargs else "reset")
        return np.full((210, 160, 3), RESET_PIXEL, np.uint8)

    def step(self, action):
        self.time += 1
        self.calls.append(action)
        self.n_lives = self.lives_from.get(self.time, self.n_lives)
        frame = np.full((210, 160, 3), 3 * self.time, np.uint8)
        return frame, float(self.time), self.time in self.dones, {"time": self.time}


def pixel(obs):
    """Return the one number in an observation."""
    values = np.unique(np.asarray(obs))
    assert len(values) == 1
    return values[0]


def wrappers(env):
    """Name an environment's layers, the outermost first."""
    names = []
    while env is not None:
        names.append(type(env).__name__)
        env = vars(env).get("env")
    return names


class TestNoopReset:
    @pytest.mark.parametrize("generator", [np.random.RandomState, getattr(np.random, "default_rng", None)])
    def test_number_of_noops_is_drawn_from_1_to_noop_max(self, generator):
        if generator is None:
            pytest.skip("needs NumPy 1.17 for its Generator")
        env, numbers = NoopResetEnv(Game(), noop_max=3), set()
        env.unwrapped.np_random = generator(0)
        for _ in range(40):
            del env.calls[:]
            env.reset()
            assert env.calls == ["reset"] + [0] * (len(env.calls) - 1)
            numbers.add(len(env.calls) - 1)
        assert numbers == {1, 2, 3}

    def test_same_seed_same_number_as_the_original(self):
        env = NoopResetEnv(Game())
        env.reset()
        assert len(env.calls) - 1 == np.random.RandomState(0).randint(1, 31)

    def test_override(self):
        env = NoopResetEnv(Game())
        env.override_num_noops = 2
        assert pixel(env.reset()) == 6
        assert env.calls == ["reset", 0, 0]

    def test_a_game_that_ends_meanwhile_starts_again(self):
        env = NoopResetEnv(Game(dones=[2]))
        env.override_num_noops = 3
        assert pixel(env.reset(x=1)) == 9
        assert env.calls == [("reset", {"x": 1}), 0, 0, ("reset", {"x": 1}), 0]

    def test_bad_arguments(self):
        with pytest.raises(ValueError, match=r"\['FIRE', 'UP'\]: action 0 must be NOOP"):
            NoopResetEnv(Game(meanings=("FIRE", "UP")))
        with pytest.raises(ValueError, match="noop_max=0: accepted is a positive integer"):
            NoopResetEnv(Game(), noop_max=0)


class TestFireReset:
    @pytest.mark.parametrize("dones, calls, expected", [
        ([], ["reset", 1, 2], 6),
        ([1], ["reset", 1, "reset", 2], 6),
        ([2], ["reset", 1, 2, "reset"], RESET_PIXEL),  # the original showed the frame of the game that was over
    ])
    def test_actions_1_and_2(self, dones, calls, expected):
        env = FireResetEnv(Game(dones=dones))
        assert pixel(env.reset()) == expected
        assert env.calls == calls

    @pytest.mark.parametrize("meanings", [("NOOP", "UP", "FIRE"), ("NOOP", "FIRE")])
    def test_other_games_are_refused(self, meanings):
        with pytest.raises(ValueError, match="action 1 must be FIRE"):
            FireResetEnv(Game(meanings=meanings))


class TestEpisodicLife:
    def test_an_episode_ends_with_a_life_and_the_game_goes_on(self):
        env = EpisodicLifeEnv(Game(lives={2: 2}))
        env.reset()
        assert [env.step(2)[2] for _ in range(2)] == [False, True]
        assert not env.was_real_done
        assert pixel(env.reset()) == 9
        assert env.calls == ["reset", 2, 2, 0]
        assert env.step(2)[2] is False

    def test_no_lives_left_is_not_the_end_of_the_game(self):
        env = EpisodicLifeEnv(Game(lives={1: 0}, dones=[3]))
        env.reset()
        assert [env.step(2)[2] for _ in range(3)] == [False, False, True]
        assert env.was_real_done
        assert pixel(env.reset(x=1)) == RESET_PIXEL
        assert env.calls == ["reset", 2, 2, 2, ("reset", {"x": 1})]

    def test_a_life_won_is_not_the_end(self):
        env = EpisodicLifeEnv(Game(lives={1: 4, 2: 3}))
        env.reset()
        assert [env.step(2)[2] for _ in range(2)] == [False, True]

    def test_two_resets_in_a_row_both_reset_the_game(self):
        env = EpisodicLifeEnv(Game())
        env.reset()
        env.reset()
        assert env.calls == ["reset", "reset"]

    def test_a_game_that_ends_in_the_step_between_lives_starts_again(self):
        env = EpisodicLifeEnv(Game(lives={1: 2}, dones=[2]))
        env.reset()
        assert env.step(2)[2] is True
        assert pixel(env.reset()) == RESET_PIXEL
        assert env.calls == ["reset", 2, 0, "reset"]


class TestMaxAndSkip:
    def test_maximum_of_the_last_two_frames_and_sum_of_the_rewards(self):
        env = MaxAndSkipEnv(Game(), skip=4)
        env.reset()
        obs, reward, done, info = env.step(1)
        assert (pixel(obs), reward, done, info) == (12, 10.0, False, {"time": 4})
        assert env.calls == ["reset", 1, 1, 1, 1]

    def test_pixels_are_compared_one_by_one(self):
        env = MaxAndSkipEnv(Game(), skip=2)
        frames = np.random.RandomState(0).randint(0, 256, (2, 210, 160, 3)).astype(np.uint8)
        steps = iter([(frame, 0.0, False, {}) for frame in frames])
        env.env.step = lambda action: next(steps)
        np.testing.assert_array_equal(env.step(0)[0], frames.max(axis=0))

    @pytest.mark.parametrize("end, reward, shown", [(3, 6.0, 9), (1, 1.0, 0)])
    def test_the_end_of_an_episode_stops_it(self, end, reward, shown):
        env = MaxAndSkipEnv(Game(dones=[end]), skip=4)
        env.reset()
        result = env.step(1)
        assert (pixel(result[0]), result[1:]) == (shown, (reward, True, {"time": end}))

    @pytest.mark.parametrize("skip, shown, reward", [(1, 3, 1.0), (2, 6, 3.0)])
    def test_short_skips(self, skip, shown, reward):
        env = MaxAndSkipEnv(Game(), skip=skip)
        env.reset()
        obs, total, _, _ = env.step(1)
        assert (pixel(obs), total) == (shown, reward)

    def test_an_observation_does_not_change_afterwards(self):
        env = MaxAndSkipEnv(Game())
        env.reset()
        obs = env.step(1)[0]
        env.step(1)
        assert pixel(obs) == 12

    def test_bad_skip(self):
        with pytest.raises(ValueError, match="skip=0"):
            MaxAndSkipEnv(Game(), skip=0)


@pytest.mark.parametrize("reward, clipped", [(-3.0, -1), (0.0, 0), (0.2, 1), (7, 1)])
def test_clip_reward_gives_the_sign(reward, clipped):
    assert ClipRewardEnv(Game()).reward(reward) == clipped


class TestFrames:
    def test_warp_gives_the_pixels_of_the_original(self):
        env = WarpFrame(Game())
        frame = np.random.RandomState(0).randint(0, 256, (210, 160, 3)).astype(np.uint8)
        obs = env.observation(frame)
        assert (obs.shape, obs.dtype) == ((84, 84, 1), np.uint8)
        # one shade of gray for the rounding of another OpenCV
        np.testing.assert_allclose(obs[::20, ::20, 0].astype(int), [
            [106, 151, 133, 112, 108], [92, 174, 170, 166, 158], [127, 132, 136, 130, 100],
            [78, 82, 98, 116, 135], [138, 143, 105, 136, 140]], atol=1)
        assert env.observation_space.contains(obs)
        assert pixel(env.reset()) == RESET_PIXEL
        assert pixel(env.step(0)[0]) == 3

    def test_scaled_to_one(self):
        env = ScaledFloatFrame(WarpFrame(Game()))
        obs = env.reset()
        assert (obs.shape, obs.dtype) == ((84, 84, 1), np.float32)
        assert pixel(obs) == np.float32(RESET_PIXEL) / np.float32(255)
        assert (env.observation_space.low.max(), env.observation_space.high.min()) == (0.0, 1.0)
        assert env.observation_space.contains(obs)

    def test_stack_has_the_newest_frame_last(self):
        env = FrameStack(WarpFrame(Game()), 4)
        assert env.observation_space.shape == (84, 84, 4)
        assert env.observation_space.dtype == np.uint8
        first = env.reset(x=1)
        assert env.calls == [("reset", {"x": 1})]
        second, third = env.step(1)[0], env.step(1)[0]
        assert np.asarray(third)[0, 0].tolist() == [100, 100, 3, 6]
        assert np.asarray(second)[0, 0].tolist() == [100, 100, 100, 3]
        assert np.asarray(first)[0, 0].tolist() == [100, 100, 100, 100]
        env.reset()
        assert np.asarray(env.step(1)[0])[0, 0].tolist() == [100, 100, 100, 9]

    def test_stack_of_colours(self):
        assert FrameStack(Game(), 2).observation_space.shape == (210, 160, 6)

    def test_stack_after_scaling_keeps_the_range(self):
        env = FrameStack(ScaledFloatFrame(WarpFrame(Game())), 4)
        assert env.observation_space.high.max() == 1.0
        assert env.observation_space.contains(np.asarray(env.reset()))

    def test_bad_stack(self):
        with pytest.raises(ValueError, match="n_frames=0"):
            FrameStack(Game(), 0)


class TestLazyFrames:
    FRAMES = [np.full((2, 2, 1), value, np.uint8) for value in (1, 2, 3)]

    def test_is_an_array_where_one_is_needed(self):
        lazy = LazyFrames(self.FRAMES)
        array = np.array(lazy)
        assert (array.shape, array.dtype, array[0, 0].tolist()) == ((2, 2, 3), np.uint8, [1, 2, 3])
        assert np.array(lazy, dtype=np.float32).dtype == np.float32
        assert len(lazy) == 2
        assert lazy[1].tolist() == [[1, 2, 3], [1, 2, 3]]

    def test_batch_of_stacks(self):
        batch = np.array([LazyFrames(self.FRAMES), LazyFrames(self.FRAMES[::-1])])
        assert batch.shape == (2, 2, 2, 3)
        assert batch[:, 0, 0].tolist() == [[1, 2, 3], [3, 2, 1]]

    def test_a_copy_is_a_copy(self):
        lazy = LazyFrames(self.FRAMES)
        np.array(lazy)[:] = 0
        assert np.array(lazy)[0, 0].tolist() == [1, 2, 3]

    def test_stacks_share_their_frames_until_they_are_looked_at(self):
        env = FrameStack(WarpFrame(Game()), 4)
        env.reset()
        stacks = [env.step(1)[0] for _ in range(5)]
        frames = {id(frame) for stack in stacks for frame in stack._parts}
        assert len(frames) == 6  # one of the reset, five of the steps
        # its refcount tells that nothing else holds a frame once the stack has become an array
        frame = stacks[-1]._parts[-1]
        env.frames.clear()
        np.asarray(stacks[-1])
        assert sys.getrefcount(frame) == 2

    def test_pickle(self):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(LazyFrames(self.FRAMES))), LazyFrames(self.FRAMES))


class TestWrapDeepmind:
    @pytest.mark.parametrize("meanings, options, expected", [
        (("NOOP", "FIRE", "UP"), {}, ["ClipRewardEnv", "WarpFrame", "FireResetEnv", "EpisodicLifeEnv", "Game"]),
        (("NOOP", "FIRE", "UP"), {"frame_stack": True, "scale": True},
         ["FrameStack", "ClipRewardEnv", "ScaledFloatFrame", "WarpFrame", "FireResetEnv", "EpisodicLifeEnv", "Game"]),
        (("NOOP", "UP", "DOWN"), {"episode_life": False, "clip_rewards": False}, ["WarpFrame", "Game"]),
    ])
    def test_order_of_the_wrappers(self, meanings, options, expected):
        assert wrappers(wrap_deepmind(Game(meanings=meanings), **options)) == expected

    def test_all_of_them_together(self):
        env = wrap_deepmind(MaxAndSkipEnv(NoopResetEnv(Game(lives={70: 2}))), frame_stack=True)
        env.env.env.env.env.env.env.override_num_noops = 2
        assert np.asarray(env.reset())[0, 0].tolist() == [30, 30, 30, 30]  # 2 noops, FIRE and UP of 4 steps each
        obs, reward, done, info = env.step(0)
        assert np.asarray(obs)[0, 0].tolist() == [30, 30, 30, 42]
        assert (reward, done, info) == (1.0, False, {"time": 14})


@pytest.mark.parametrize("env_id, advice", [
    ("Breakout-v4", "BreakoutNoFrameskip-v4"), ("ALE/Pong-v5", "PongNoFrameskip-v4"),
    ("QbertDeterministic-v4", "QbertNoFrameskip-v4")])
def test_variants_that_skip_frames_are_refused(env_id, advice):
    with pytest.raises(ValueError, match=f"env_id='{env_id}'.*'{advice}'"):
        make_atari(env_id)
