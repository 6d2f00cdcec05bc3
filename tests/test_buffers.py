"""Replay memory: by hand, against a plain list, and against the original's numbers."""
import copy
import pickle
import tracemalloc
from collections import deque

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import load_arrays, make_env
from stable_baselines import DQN
from stable_baselines.common import buffers
from stable_baselines.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import VecNormalize


def obs(value, length=2):
    return np.full(length, value, np.float32)


def transition(number, length=2):
    """A transition of an episode without end, in which everything has the number of the step."""
    return obs(number, length), number, float(number), obs(number + 1, length), False


def numbered(buffer, first, last):
    for number in range(first, last):
        buffer.add(*transition(number))
    return buffer


def draw_all(buffer, **kwargs):
    """Sample so often that everything that can be drawn is."""
    buffer.np_random = np.random.RandomState(0)
    return buffer.sample(1000, **kwargs)


@pytest.fixture(params=[4096, 0], ids=["both", "shared"])
def sharing(request, monkeypatch):
    """Store next observations of any size in either of the two ways."""
    monkeypatch.setattr(buffers, "SHARED_FROM", request.param)


class TestRing:
    def test_wraps_around(self, sharing):
        buffer = ReplayBuffer(3)
        assert (len(buffer), buffer.buffer_size, buffer.is_full(), buffer.storage) == (0, 3, False, [])
        assert buffer.can_sample(0) and not buffer.can_sample(1)
        numbered(buffer, 0, 2)
        assert (len(buffer), buffer.is_full(), buffer.can_sample(2), buffer.can_sample(3)) == (2, False, True, False)
        assert set(draw_all(buffer).actions) == {0, 1}
        numbered(buffer, 2, 4)
        assert (len(buffer), buffer.is_full()) == (3, True)
        # the fourth took the place of the first
        assert [row[1] for row in buffer.storage] == [3, 1, 2]
        batch = draw_all(buffer)
        assert set(batch.actions) == {1, 2, 3}
        np.testing.assert_array_equal(batch.obs, np.stack([batch.actions] * 2, axis=1))
        np.testing.assert_array_equal(batch.next_obs, batch.obs + 1)
        np.testing.assert_array_equal(batch.rewards, batch.actions)

    def test_rows_of_the_storage_are_tuples(self, sharing):
        buffer = numbered(ReplayBuffer(3), 0, 1)
        (row,) = buffer.storage
        assert isinstance(row, tuple) and row[0].tolist() == [0., 0.] and row[3].tolist() == [1., 1.]
        assert row[1:3] == (0, 0.) and not row[4]

    def test_batch_is_a_copy(self, sharing):
        buffer = numbered(ReplayBuffer(3), 0, 3)
        for values in buffer.sample(5):
            values[...] = 0
        assert buffer.storage[2][3].tolist() == [3., 3.] and buffer.storage[2][1] == 2

    def test_step_of_several_environments(self, sharing):
        buffer = ReplayBuffer(5)
        buffer.extend([obs(0), obs(10)], [0, 10], [0., 10.], [obs(1), obs(11)], [False, True])
        buffer.extend([obs(1), obs(20)], [1, 20], [1., 20.], [obs(2), obs(21)], [False, False])
        assert [row[1] for row in buffer.storage] == [0, 10, 1, 20]
        buffer.extend([obs(2), obs(21)], [2, 21], [2., 21.], [obs(3), obs(22)], [True, False])
        assert [row[1] for row in buffer.storage] == [21, 10, 1, 20, 2]
        # the next observation is the terminal one where an episode ended, not the first of the next episode
        assert [row[3][0] for row in buffer.storage] == [22, 11, 2, 21, 3]
        assert [bool(row[4]) for row in buffer.storage] == [False, True, False, False, True]

    def test_more_at_once_than_fit_leaves_the_last(self, sharing):
        buffer = ReplayBuffer(3)
        values = np.arange(5)
        buffer.extend(np.stack([values] * 2, axis=1), values, values, np.stack([values + 1] * 2, axis=1), values < 0)
        assert sorted(row[1] for row in buffer.storage) == [2, 3, 4] and buffer.is_full()
        buffer.extend([], [], [], [], [])
        assert len(buffer) == 3

    @pytest.mark.parametrize("reward, dtype", [(1.5, np.float64), (np.float32(1.5), np.float32), (1, np.float64),
                                               ([1.5], np.float64)])
    def test_dtypes_are_those_of_the_first_transition(self, reward, dtype):
        buffer = ReplayBuffer(3)
        buffer.add(np.zeros(2, np.uint8), np.float32([.5]), reward, np.ones(2, np.uint8), False)
        buffer.add(np.zeros(2, np.uint8), np.float32([.5]), np.add(reward, .25), np.ones(2, np.uint8), True)
        batch = buffer.sample(4)
        assert [values.dtype for values in batch] == [np.uint8, np.float32, dtype, np.uint8, bool]
        assert [values.shape for values in batch] == [(4, 2), (4, 1), (4,) + np.shape(reward), (4, 2), (4,)]
        assert buffer.storage[1][2] == np.add(reward, .25)

    def test_numbers_that_an_array_cannot_hold_widen_it(self, sharing):
        buffer = ReplayBuffer(3)
        buffer.add(np.array([1, 0]), np.array([0]), 0, [2, 0], False)
        buffer.add(np.array([1, 0]), np.array([0]), 0, [.5, 0], False)
        buffer.add([.5, 0], np.array([.25]), .125, np.float32([1.5, 2.5]), np.float32(1))
        batch = buffer._take(np.arange(3))
        assert batch.obs.tolist() == [[1, 0], [1, 0], [.5, 0]] and batch.actions.tolist() == [[0], [0], [.25]]
        assert batch.next_obs.tolist() == [[2, 0], [.5, 0], [1.5, 2.5]] and batch.rewards.tolist() == [0, 0, .125]
        assert batch.dones.tolist() == [0, 0, 1] and batch.actions.dtype == float
        arrays = dict(buffer._arrays)
        buffer.add(np.zeros(2, int), np.array([0]), 0, [2, 0], False)
        assert all(arrays[name] is array for name, array in buffer._arrays.items())  # which hold that already

    def test_numbers_that_an_array_cannot_hold_widen_it_at_once(self, sharing):
        buffer = ReplayBuffer(4)
        buffer.extend([[1, 2]] * 2, [0, 1], [0, 1], [[3, 4]] * 2, [False] * 2)
        buffer.extend([[1.5, 2]] * 3, [0, .5, 1], [0, 1, 2], [[3.5, 4]] * 3, [False] * 3)
        assert [row[1] for row in buffer.storage] == [1, 1, 0, .5]
        assert [row[0][0] for row in buffer.storage] == [1.5, 1, 1.5, 1.5]
        assert [row[3][0] for row in buffer.storage] == [3.5, 3, 3.5, 3.5]

    def test_lesser_numbers_leave_the_dtype(self):
        buffer = numbered(ReplayBuffer(3), 0, 1)
        buffer.add(np.ones(2), np.int32(1), 1, np.ones(2, int), np.bool_(True))
        assert [values.dtype for values in buffer.sample(1)] == [np.float32, int, float, np.float32, bool]

    @pytest.mark.parametrize("position, wrong, words", [
        (0, np.zeros(1), r"obs_t of the shape \(1,\): accepted is that of obs so far, \(2,\)"),
        (0, 0., r"obs_t of the shape \(\)"), (1, [0], r"action of the shape \(1,\): .* actions so far, \(\)"),
        (2, np.zeros(1), r"reward of the shape \(1,\)"), (3, np.zeros(3), r"obs_tp1 of the shape \(3,\)"),
        (4, [True], r"done of the shape \(1,\)")])
    def test_other_shapes_are_refused(self, sharing, position, wrong, words):
        buffer = ReplayBuffer(3)
        row = list(transition(0))
        row[position] = wrong
        if position == 3:  # those of the first transition must be alike
            with pytest.raises(ValueError, match=words):
                buffer.add(*row)
            assert not buffer._arrays
        numbered(buffer, 0, 2)
        with pytest.raises(ValueError, match=words):
            buffer.add(*row)
        with pytest.raises(ValueError, match=words):
            buffer.extend(*([values] for values in row))
        assert [row[1] for row in buffer.storage] == [0, 1]

    def test_discrete_observations(self):
        buffer = ReplayBuffer(2)
        buffer.add(3, 1, 0., 4, False)
        assert buffer.sample(2).next_obs.tolist() == [4, 4]

    def test_draws_come_from_the_given_generator(self):
        buffer = numbered(ReplayBuffer(100, np_random=np.random.RandomState(5)), 0, 100)
        expected = np.random.RandomState(5).randint(0, 100, 32)
        np.testing.assert_array_equal(buffer.sample(32).actions, expected)
        buffer = numbered(ReplayBuffer(100), 0, 100)
        np.random.seed(5)
        np.testing.assert_array_equal(buffer.sample(32).actions, expected)

    def test_other_arguments_of_sample_are_ignored(self):
        # so that every kind of buffer can be called alike
        assert numbered(ReplayBuffer(3), 0, 1).sample(2, beta=.4).actions.tolist() == [0, 0]

    def test_refusals(self):
        for size in (0, -1):
            with pytest.raises(ValueError, match=f"size={size}: accepted is a positive integer"):
                ReplayBuffer(size)
        with pytest.raises(ValueError, match="batch_size=1 of 0 transitions"):
            ReplayBuffer(3).sample(1)
        with pytest.raises(ValueError, match="batch_size=0 of 1 transitions"):
            numbered(ReplayBuffer(3), 0, 1).sample(0)
        with pytest.raises(ValueError, match=r"\[2, 2, 1, 2, 2\] rows: accepted are equally many"):
            ReplayBuffer(3).extend([[0], [1]], [0, 1], [0.], [[1], [2]], [False, False])


def play(rng, n_envs, length):
    """Yield steps of environments whose episodes end at random and begin anywhere."""
    now = rng.randn(n_envs, length).astype(np.float32)
    while True:
        after, done = rng.randn(n_envs, length).astype(np.float32), rng.rand(n_envs) < .3
        yield now, rng.randint(4, size=n_envs), rng.randn(n_envs), after, done
        now = np.where(done[:, None], rng.randn(n_envs, length).astype(np.float32), after)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10 ** 6), size=st.integers(1, 20), n_envs=st.integers(1, 8), shared=st.booleans())
@example(seed=0, size=5, n_envs=4, shared=True)
@example(seed=0, size=3, n_envs=8, shared=True)
def test_buffer_is_a_list_of_the_last_transitions(seed, size, n_envs, shared):
    rng = np.random.RandomState(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "SHARED_FROM", 0 if shared else 4096)
        buffer, expected = ReplayBuffer(size), deque(maxlen=size)
        for step, _ in zip(play(rng, n_envs, 3), range(25)):
            if rng.rand() < .8:
                buffer.extend(*step)
            else:  # one by one, and not all of them
                step = tuple(values[:1] for values in step)
                buffer.add(*(values[0] for values in step))
            expected.extend(zip(*step))
        assert len(buffer) == len(expected)

        def keys(rows):
            return sorted(tuple(np.concatenate([np.ravel(part) for part in row])) for row in rows)
        assert keys(buffer.storage) == keys(expected)


class TestSharing:
    """Of large observations there is one per transition, and one per end of an episode."""

    @staticmethod
    def frames(number):
        return np.full((84, 84, 4), number % 256, np.uint8)

    def own(self, buffer):
        return len(buffer._own_next_obs)

    def test_only_ends_of_episodes_and_the_newest_are_extra(self):
        buffer = ReplayBuffer(50)
        for number in range(40):
            # episodes of ten steps: terminal observations 110, 120, ..., first ones 10, 20, ...
            done = number % 10 == 9
            buffer.add(self.frames(number), 0, 0., self.frames(number + 1 + 100 * done), done)
        assert self.own(buffer) == 4  # the newest is at the end of an episode
        assert [row[3][0, 0, 0] for row in buffer.storage[8:11]] == [9, 110, 11]
        for number in range(40, 140):
            buffer.add(self.frames(number), 0, 0., self.frames(number + 1), False)
        assert self.own(buffer) == 1

    def test_steps_of_several_environments(self):
        buffer = ReplayBuffer(10)  # no multiple of the number of environments
        for number in range(9):
            now = np.stack([self.frames(number), self.frames(100 + number), self.frames(200 + number)])
            buffer.extend(now, [0] * 3, [0.] * 3, now + 1, [False] * 3)
            assert self.own(buffer) == 3
        assert {int(row[3][0, 0, 0]) - int(row[0][0, 0, 0]) for row in buffer.storage} == {1}

    @pytest.mark.parametrize("n_envs", [1, 4])
    def test_memory(self, n_envs):
        """An observation and the next one take one frame; all memory counts, which NumPy tells to tracemalloc."""
        size, length = 1000, 200
        frames = np.random.RandomState(0).randint(256, size=(length + 1, n_envs, 84, 84), dtype=np.uint8)
        frame, zeros = 84 * 84, np.zeros(n_envs)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        buffer = ReplayBuffer(size)
        for number in range(3 * size // n_envs):
            now = number % length
            done = now == length - 1
            if n_envs == 1:
                buffer.add(frames[now, 0], 0, 0., frames[now + 1, 0], done)
            else:
                buffer.extend(frames[now], zeros, zeros, frames[now + 1], zeros + done)
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        n_extra = size // length + n_envs  # ends of episodes, and the newest
        assert size * frame <= buffer.nbytes <= used <= (size + n_extra) * frame * 1.01 < 1.03 * size * frame
        assert abs(used - buffer.nbytes) < .01 * used
        assert buffer.nbytes >= (size + self.own(buffer)) * frame

    @pytest.mark.parametrize("n_copies", [0, 4])
    @pytest.mark.parametrize("size", [100, 2000])
    def test_episodes(self, n_copies, size):
        """Of whole episodes, each step of which may be followed by copies, as HER stores them."""
        buffer = ReplayBuffer(size)
        n_ends = min(size // (1 + n_copies) // 50 + 1, 20) * (1 + n_copies)
        for episode in range(20):
            steps = 51 * episode + np.repeat(np.arange(50), 1 + n_copies)
            rows = np.zeros((2, len(steps), 7056), np.uint8)
            rows[0, :, 0], rows[1, :, 0] = steps // 256, steps % 256
            rows[:, :, 1] = np.tile(np.arange(1 + n_copies), 50)
            after = rows.copy()
            after[0, :, 0], after[1, :, 0] = (steps + 1) // 256, (steps + 1) % 256
            buffer.extend(np.concatenate(list(rows), axis=1), steps, steps, np.concatenate(list(after), axis=1),
                          steps % 51 == 49)
            assert self.own(buffer) <= n_ends
        for now, action, _, after, _ in buffer.storage:
            assert [int(frame[0]) * 256 + int(frame[7056]) for frame in (now, after)] == [action, action + 1]
            assert now[1] == after[1]

    def test_unrelated_rows_are_not_compared(self, monkeypatch):
        compared = []
        equal = np.array_equal
        monkeypatch.setattr(np, "array_equal", lambda left, right: compared.append(1) or equal(left, right))
        buffer = ReplayBuffer(1000)
        steps = np.arange(50)
        for episode in range(4):  # equally long
            rows = np.zeros((51, 7056), np.uint8)
            rows[:, 0], rows[:, 1] = np.arange(51), episode
            buffer.extend(rows[:-1], steps, steps, rows[1:], steps == 49)
        assert self.own(buffer) == 4 and len(compared) == 4 * 50  # each with the next one, and the first to find it
        compared.clear()
        for number in range(20):
            now = np.stack([self.frames(number + 30 * env).ravel()[:7056] for env in range(8)])
            buffer.extend(now, [0] * 8, [0.] * 8, now + 1, [False] * 8)
        assert len(compared) == 7 + 19 * 8  # only the first step of environments looks for an episode

    def test_order_of_other_kinds_costs_memory_and_loses_nothing(self):
        buffer = ReplayBuffer(10)
        for number in (5, 3, 8):
            buffer.add(self.frames(number), 0, 0., self.frames(number + 1), False)
        assert self.own(buffer) == 3
        assert [row[3][0, 0, 0] for row in buffer.storage] == [6, 4, 9]


def test_a_million_transitions_of_pendulum_fit_in_80_mb():
    for buffer, megabytes in ((ReplayBuffer(10 ** 6), 38), (PrioritizedReplayBuffer(10 ** 6, .6), 55)):
        buffer.add(np.zeros(3, np.float32), np.zeros(1, np.float32), -1., np.zeros(3, np.float32), False)
        assert buffer.nbytes <= megabytes * 1e6 <= 80e6


@pytest.mark.parametrize("make", [ReplayBuffer, lambda size: PrioritizedReplayBuffer(size, .6)])
def test_normalized_by_the_environment(make):
    env = VecNormalize(make_env(spaces.Box(-9, 9, (2,), np.float32), spaces.Discrete(2)), clip_obs=2.)
    env.obs_rms.mean, env.obs_rms.var, env.ret_rms.var = np.array([1., 3.]), np.array([4., 1.]), 16.
    buffer = make(3)
    buffer.add(obs(2), 1, 8., obs(9), False)
    kwargs = dict(beta=.4, env=env)
    batch = buffer.sample(2, **kwargs)
    np.testing.assert_allclose(batch.obs, [[.5, -1.]] * 2, atol=1e-6)
    np.testing.assert_allclose(batch.next_obs, [[2., 2.]] * 2)  # clipped
    np.testing.assert_allclose(batch.rewards, [2., 2.], atol=1e-6)
    np.testing.assert_array_equal(buffer.sample(1, beta=.4).obs, [[2., 2.]])  # what is stored is not


class TestState:
    @pytest.mark.parametrize("make", [ReplayBuffer, lambda size: PrioritizedReplayBuffer(size, .6)])
    @pytest.mark.parametrize("np_random", [None, np.random, np.random.RandomState(0)])
    def test_copies_and_pickles(self, make, np_random):
        buffer = self.fill(make(9))
        buffer.np_random = np_random
        assert buffer.np_random is (None if np_random is np.random else np_random)
        for other in (copy.deepcopy(buffer), pickle.loads(pickle.dumps(buffer))):
            draws = []
            for one in (buffer, other):
                np.random.seed(0)
                if one.np_random is not None:
                    one.np_random.seed(0)
                draws.append(one.sample(20, beta=.4))
            for left, right in zip(*draws):
                np.testing.assert_array_equal(left, right)

    @pytest.mark.parametrize("make", [ReplayBuffer, lambda size: PrioritizedReplayBuffer(size, .6)])
    def test_is_independent(self, sharing, make):
        buffer, other = self.fill(make(20)), make(20)
        expected = copy.deepcopy(buffer.storage)
        state = buffer.get_state()
        other.set_state(state)
        for array in (*state["_arrays"].values(), *state["_own_next_obs"].values()):
            array[...] = 0
        state["_own_next_obs"].clear(), state["_newest"].clear()
        for one in (buffer, other):
            for ours, theirs in zip(one.storage, expected):
                assert all(map(np.array_equal, ours, theirs))

    def test_of_a_model_is_copied_once(self):
        env = make_env(spaces.Box(0, 255, (3000,), np.uint8), spaces.Discrete(2))
        models = [DQN("MlpPolicy", env, policy_kwargs=dict(layers=[1])) for _ in range(2)]
        for model in models:
            model.replay_buffer = ReplayBuffer(2000)
        rows = np.zeros((2000, 3000), np.uint8)
        models[0].replay_buffer.extend(rows, rows[:, 0], rows[:, 0], rows, rows[:, 0])
        n_bytes = models[0].replay_buffer.nbytes
        tracemalloc.start()
        state = models[0].training_state()
        assert tracemalloc.get_traced_memory()[1] < 1.1 * n_bytes
        models[1].set_training_state(state)
        assert tracemalloc.get_traced_memory()[1] < 2.1 * n_bytes
        tracemalloc.stop()
        assert len(models[1].replay_buffer) == 2000

    def fill(self, buffer):
        for step, _ in zip(play(np.random.RandomState(0), 2, 3), range(6)):
            buffer.extend(*step)
        return buffer

    @pytest.mark.parametrize("size", [9, 50])
    @pytest.mark.parametrize("make", [ReplayBuffer, lambda size: PrioritizedReplayBuffer(size, .6)])
    def test_goes_on_from_it(self, sharing, make, size):
        buffer = self.fill(make(size))
        if isinstance(buffer, PrioritizedReplayBuffer):
            buffer.update_priorities([1, 3, 5], [.5, 7., 2.])
        state = copy.deepcopy(buffer.get_state())
        other = make(size)
        other.set_state(state)
        for both in (buffer, other):  # what comes later, and draws, are the same
            self.fill(both)
        expected, actual = draw_all(buffer, beta=.4), draw_all(other, beta=.4)
        for left, right in zip(expected, actual):
            np.testing.assert_array_equal(left, right)
        third = make(size)
        third.set_state(state)  # which nothing of this changed
        assert len(third) == min(size, 12)

    def test_leaves_out_what_is_unused(self):
        assert self.fill(ReplayBuffer(10 ** 5)).get_state()["_arrays"]["obs"].shape == (12, 3)

    def test_of_an_empty_buffer(self):
        for make in (ReplayBuffer, lambda size: PrioritizedReplayBuffer(size, .6)):
            buffer = self.fill(make(20))
            buffer.set_state(make(20).get_state())
            assert len(buffer) == 0 and buffer.storage == []
            assert len(self.fill(buffer)) == 12

    def test_of_another_size_is_refused(self):
        with pytest.raises(ValueError, match="state of a buffer of size 20: accepted is one of size 30"):
            ReplayBuffer(30).set_state(self.fill(ReplayBuffer(20)).get_state())

    def test_pickle(self, sharing):
        buffer = self.fill(PrioritizedReplayBuffer(9, .6))
        other = pickle.loads(pickle.dumps(buffer))
        self.fill(buffer), self.fill(other)
        for left, right in zip(draw_all(buffer, beta=1.), draw_all(other, beta=1.)):
            np.testing.assert_array_equal(left, right)


class TestPriorities:
    def test_probabilities_and_weights_by_hand(self):
        # alpha = 1/2: weights 1, 2, 3, so that they are drawn with probabilities 1/6, 1/3, 1/2
        buffer = numbered(PrioritizedReplayBuffer(4, .5), 0, 3)
        buffer.update_priorities(np.array([0, 1, 2]), np.array([1., 4., 9.]))
        buffer.np_random = np.random.RandomState(0)
        batch = buffer.sample(60000, beta=1.)
        np.testing.assert_allclose(np.bincount(batch.idxes) / 60000, [1 / 6, 1 / 3, 1 / 2], atol=.01)
        np.testing.assert_array_equal(batch.actions, batch.idxes)
        # (3 * probability) ** -beta, divided by that of the first, the largest
        np.testing.assert_allclose(batch.weights, np.array([1., 1 / 2, 1 / 3])[batch.idxes])
        batch = draw_all(buffer, beta=.5)
        np.testing.assert_allclose(batch.weights, np.array([1., 2 ** -.5, 3 ** -.5])[batch.idxes])

    def test_new_transitions_have_the_highest_priority_so_far(self):
        buffer = numbered(PrioritizedReplayBuffer(3, 1.), 0, 1)
        buffer.update_priorities([0], [5.])
        numbered(buffer, 1, 2)
        buffer.update_priorities([0, 1], [1., 1.])
        numbered(buffer, 2, 3)
        assert set(draw_all(buffer, beta=1.).weights) == {1., 1 / 5}
        # what takes another's place does not inherit its priority, in steps of several environments either
        buffer.extend([obs(3), obs(4)], [3, 4], [3., 4.], [obs(4), obs(5)], [False, False])
        assert set(draw_all(buffer, beta=1.).weights) == {1.}

    @pytest.mark.parametrize("count", [1, 8, 16])
    def test_the_newest_is_drawn(self, count):
        # in the original the last slot is not: draw_counts_8_equal_priorities ends with 0
        buffer = numbered(PrioritizedReplayBuffer(16, .6), 0, count)
        buffer.np_random = np.random.RandomState(0)
        counts = np.bincount(buffer.sample(20000, beta=.4).idxes, minlength=count)
        np.testing.assert_allclose(counts, np.full(count, 20000 / count), rtol=.1)

    def test_numbers_of_the_original(self):
        # all but which indices are drawn, where the original leaves out the last slot
        arrays = load_arrays("prioritized_replay")
        first_obs = arrays["batch/first_obs"]
        buffer = PrioritizedReplayBuffer(10, .6)

        def add(numbers):
            for number in numbers:
                buffer.add(first_obs[number], number, float(number), first_obs[number] + 1, number % 3 == 0)

        def assert_batch(prefix, idxes, beta):
            for name, values in buffer._take(idxes)._asdict().items():
                np.testing.assert_array_equal(values, arrays[f"out/{prefix}_{name}"])
                assert values.dtype == arrays[f"out/{prefix}_{name}"].dtype
            weights = dict(zip(*draw_all(buffer, beta=beta)[:-3:-1]))
            np.testing.assert_allclose([weights[idx] for idx in idxes], arrays[f"out/{prefix}_weights"], atol=1e-9)

        add(range(7))
        buffer.update_priorities(arrays["batch/idx_a"], arrays["batch/priorities_a"])
        assert_batch("a", arrays["out/a_idxes"], .4)
        add(range(7, 13))
        buffer.update_priorities(arrays["batch/idx_b"], arrays["batch/priorities_b"])
        assert_batch("b", arrays["out/b_idxes"], .7)
        np.testing.assert_allclose(buffer.get_state()["weights"], arrays["out/leaf_priorities"], atol=1e-9)
        for beta in (.4, 1.):
            weights = dict(zip(*draw_all(buffer, beta=beta)[:-3:-1]))
            np.testing.assert_allclose([weights[idx] for idx in range(10)],
                                       arrays[f"out/weights_all_indices_beta{beta}"], atol=1e-9)

    def test_one_uniform_number_decides_each_draw(self):
        buffer = numbered(PrioritizedReplayBuffer(10, 1., np.random.RandomState(3)), 0, 4)
        buffer.update_priorities([0, 1, 2, 3], [1., 2., 3., 4.])
        expected = np.searchsorted([1., 3., 6., 10.], np.random.RandomState(3).random_sample(50) * 10, side="right")
        np.testing.assert_array_equal(buffer.sample(50, beta=.4).idxes, expected)

    def test_alpha_of_zero_draws_all_alike(self):
        buffer = numbered(PrioritizedReplayBuffer(2, 0), 0, 2)
        buffer.update_priorities([0], [1000.])
        assert set(draw_all(buffer, beta=1.).weights) == {1.} and set(draw_all(buffer, beta=1.).idxes) == {0, 1}

    def test_refusals(self):
        with pytest.raises(ValueError, match="alpha=-1: accepted is a number from 0 on"):
            PrioritizedReplayBuffer(3, -1)
        buffer = numbered(PrioritizedReplayBuffer(5, .6), 0, 3)
        for beta in (0, -1., np.nan):
            with pytest.raises(ValueError, match=f"beta={beta}: accepted is a number above 0"):
                buffer.sample(1, beta=beta)
        with pytest.raises(ValueError, match="of 0 transitions"):
            PrioritizedReplayBuffer(5, .6).sample(1, beta=.4)
        for idxes in ([3], [-1], [0, 9]):
            with pytest.raises(ValueError, match="accepted is from 0 to 2"):
                buffer.update_priorities(idxes, np.ones(len(idxes)))
        for priority in (0., -1., np.nan, np.inf):
            with pytest.raises(ValueError, match="accepted are finite numbers above 0"):
                buffer.update_priorities([0, 1], [1., priority])
        with pytest.raises(ValueError, match=r"of the shape \(1,\): accepted is that of idxes, \(2,\)"):
            buffer.update_priorities([0, 1], [1.])
        buffer.update_priorities([], [])
        assert set(draw_all(buffer, beta=1.).weights) == {1.}  # nothing has changed
