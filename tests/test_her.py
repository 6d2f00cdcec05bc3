"""HER: observations as vectors, goals in hindsight, and a model around a model."""
import copy
import json
import pickle
import zipfile
from functools import partial

import numpy as np
import pytest

from helpers import assert_same_parameters, changed_since
from stable_baselines import DDPG, DQN, HER, PPO2, SAC, TD3
from stable_baselines.common.bit_flipping_env import BitFlippingEnv
from stable_baselines.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.gym_compat import GoalEnv, make, spaces
from stable_baselines.common.noise import NormalActionNoise
from stable_baselines.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize
from stable_baselines.common.vec_env.base_vec_env import _UnvecWrapper
from stable_baselines.her import GoalSelectionStrategy, HERGoalEnvWrapper, HindsightExperienceReplayWrapper
from stable_baselines.her.replay_buffer import KEY_TO_GOAL_STRATEGY
from stable_baselines.her.utils import KEY_ORDER, GoalVecEnv

SMALL = dict(buffer_size=1000, batch_size=8, policy_kwargs=dict(layers=[8]), seed=0, n_cpu_tf_sess=1)
KWARGS = {
    DQN: dict(SMALL, learning_starts=10, target_network_update_freq=20),
    SAC: dict(SMALL, learning_starts=10),
    TD3: dict(SMALL, learning_starts=10, train_freq=10, gradient_steps=5),
    DDPG: dict(SMALL, nb_rollout_steps=10, nb_train_steps=5),
}


class Walk(GoalEnv):
    """Walk on a line, two positions at a time in an observation: x and the negative of it. The goal is a position."""

    n_steps = 4

    def __init__(self, **boxes):
        shapes = dict(dict(observation=(2,), achieved_goal=(1,), desired_goal=(1,)), **boxes)
        self.observation_space = spaces.Dict({
            key: spaces.Box(-9, 9, shape, np.float32) if isinstance(shape, tuple) else shape
            for key, shape in shapes.items()})
        self.action_space = spaces.Discrete(3)
        self.calls = []

    def observe(self):
        parts = dict(observation=[self.x, -self.x], achieved_goal=[self.x], desired_goal=[9])
        return {key: np.float32(part) for key, part in parts.items()}

    def reset(self):
        self.x = 0
        return self.observe()

    def step(self, action):
        self.x += action
        done = self.x >= self.n_steps
        return self.observe(), self.compute_reward([self.x], [9], {}), done, {"x": self.x}

    def compute_reward(self, achieved_goal, desired_goal, info):
        self.calls.append(np.shape(achieved_goal))
        reward = np.equal(achieved_goal, desired_goal).all(axis=-1) - 1.
        return reward if np.ndim(reward) else float(reward)


def bits(n_bits=4, **kwargs):
    return BitFlippingEnv(n_bits, **kwargs)


def parts_of(*numbers):
    return dict(zip(KEY_ORDER, numbers))


class TestHERGoalEnvWrapper:
    @pytest.mark.parametrize("env, sizes, space", [
        (bits(3), (3, 3), spaces.MultiBinary(9)),
        (bits(3, discrete_obs_space=True), (1, 1), spaces.MultiDiscrete([8, 8, 8])),
        (Walk(), (2, 1), spaces.Box(-9, 9, (4,), np.float32)),
    ], ids=["MultiBinary", "Discrete", "Box"])
    def test_spaces(self, env, sizes, space):
        wrapped = HERGoalEnvWrapper(env)
        assert (wrapped.obs_dim, wrapped.goal_dim) == sizes and wrapped.observation_space == space
        assert wrapped.spaces == [env.observation_space.spaces[key] for key in KEY_ORDER]
        assert wrapped.env is env and wrapped.action_space is env.action_space and wrapped.metadata is env.metadata
        obs = wrapped.reset()
        assert wrapped.observation_space.contains(obs.astype(wrapped.observation_space.dtype))

    def test_different_bounds(self):
        env = Walk(achieved_goal=spaces.Box(-1, 2, (1,), np.float32))
        space = HERGoalEnvWrapper(env).observation_space
        assert list(space.low) == [-9, -9, -1, -9] and list(space.high) == [9, 9, 2, 9]

    def test_there_and_back(self):
        wrapped = HERGoalEnvWrapper(Walk())
        parts = parts_of(np.float32([1, 2]), np.float32([3]), np.float32([4]))
        obs = wrapped.convert_dict_to_obs(parts)
        assert obs.dtype == np.float32 and obs.tolist() == [1, 2, 3, 4]
        back = wrapped.convert_obs_to_dict(obs)
        assert list(back) == KEY_ORDER
        for key in KEY_ORDER:
            np.testing.assert_array_equal(back[key], parts[key])

    def test_batches_are_views(self):
        wrapped = HERGoalEnvWrapper(Walk())
        batch = np.arange(12.).reshape(3, 4)
        parts = wrapped.convert_obs_to_dict(batch)
        assert [parts[key].tolist() for key in KEY_ORDER] == [
            [[0, 1], [4, 5], [8, 9]], [[2], [6], [10]], [[3], [7], [11]]]
        assert all(np.shares_memory(part, batch) for part in parts.values())
        np.testing.assert_array_equal(wrapped.convert_dict_to_obs(parts), batch)

    def test_numbers(self):
        """A Discrete part is one entry, whether it comes as a number, an array, or one for each of several rows."""
        wrapped = HERGoalEnvWrapper(bits(2, discrete_obs_space=True))
        for one in (1, np.int64(1), np.array(1), np.array([1])):
            assert wrapped.convert_dict_to_obs(parts_of(one, one, one)).tolist() == [1, 1, 1]
        rows = wrapped.convert_dict_to_obs(parts_of(np.array([0, 1]), np.array([0, 1]), np.array([3, 3])))
        assert rows.tolist() == [[0, 0, 3], [1, 1, 3]]
        parts = wrapped.convert_obs_to_dict(rows)
        assert parts["achieved_goal"].tolist() == [[0], [1]]
        np.testing.assert_array_equal(wrapped.convert_dict_to_obs(parts), rows)

    def test_steps(self):
        wrapped = HERGoalEnvWrapper(Walk())
        assert wrapped.reset().tolist() == [0, 0, 0, 9]
        obs, reward, done, info = wrapped.step(2)
        assert (obs.tolist(), reward, done, info) == ([2, -2, 2, 9], -1., False, {"x": 2})
        assert wrapped.compute_reward(np.array([3]), np.array([3]), {}) == 0.
        assert wrapped.n_steps == 4 and wrapped.unwrapped is wrapped.env

    def test_seed_and_render(self, capsys):
        wrapped = HERGoalEnvWrapper(bits(3))
        first, second = [(wrapped.seed(5), wrapped.reset())[1] for _ in range(2)]
        np.testing.assert_array_equal(first, second)
        wrapped.render()
        assert str(wrapped.env.state) in capsys.readouterr().out
        wrapped.close()

    def test_around_a_vectorised_environment(self):
        """At its end an episode shows its last observation, not the first one of the next episode."""
        for venv in (_UnvecWrapper(DummyVecEnv([Walk])), DummyVecEnv([Walk])):
            wrapped = HERGoalEnvWrapper(venv)
            wrapped.reset()
            steps = [wrapped.step(2) for _ in range(2)]
            assert [step[0].tolist() for step in steps] == [[2, -2, 2, 9], [4, -4, 4, 9]] and steps[1][2] is True
            assert wrapped.compute_reward(np.array([3]), np.array([3]), {}) == 0.
        with pytest.raises(ValueError, match="a single environment"):
            HERGoalEnvWrapper(DummyVecEnv([Walk, Walk]))

    @pytest.mark.parametrize("env, words", [
        (make("CartPole-v1"), "accepted is a Dict with the parts"),
        (Walk(observation=spaces.MultiBinary(2)), "all Box, all MultiBinary or all Discrete"),
        (Walk(observation=(2, 3)), "accepted are vectors"),
        (Walk(achieved_goal=(2,)), "goals of the same shape"),
        (Walk(**{key: spaces.MultiDiscrete([2, 2]) for key in KEY_ORDER}), "all Box"),
    ], ids=["no dict", "mixed", "matrix", "goals", "MultiDiscrete"])
    def test_refusals(self, env, words):
        with pytest.raises(ValueError, match=f"space.*{words}"):
            HERGoalEnvWrapper(env)


class TestGoalVecEnv:
    def test_steps(self):
        venv = GoalVecEnv(DummyVecEnv([Walk, Walk]))
        assert venv.reset().tolist() == [[0, 0, 0, 9]] * 2
        venv.step([2, 1])
        obs, _, dones, infos = venv.step([2, 1])
        assert obs.tolist() == [[0, 0, 0, 9], [2, -2, 2, 9]] and obs.dtype == np.float32 and dones.tolist() == [1, 0]
        assert infos[0]["terminal_observation"].tolist() == [4, -4, 4, 9]

    @pytest.mark.parametrize("n_envs", [1, 3])
    def test_numbers(self, n_envs):
        venv = GoalVecEnv(DummyVecEnv([partial(bits, 3, discrete_obs_space=True)] * n_envs))
        assert venv.observation_space == spaces.MultiDiscrete([8, 8, 8])
        assert venv.reset().shape == venv.step([0] * n_envs)[0].shape == (n_envs, 3)

    def test_a_wrapper_that_changes_the_vectors_is_refused(self):
        with pytest.raises(ValueError, match="no wrapper may change it"):
            GoalVecEnv(VecFrameStack(DummyVecEnv([lambda: HERGoalEnvWrapper(Walk())]), 2))


def remember(strategy, n_goals, episodes, env=None, memory=None):
    """Add episodes, lists of actions of a Walk; return the memory and rows (x, action, reward, next x, goal, done)."""
    env = env or HERGoalEnvWrapper(Walk())
    memory = ReplayBuffer(1000, np.random.RandomState(0)) if memory is None else memory
    memory = HindsightExperienceReplayWrapper(memory, n_goals, strategy, env)
    for actions in episodes:
        obs = env.reset()
        for action in actions:
            next_obs, reward, done, info = env.step(action)
            memory.add(obs, action, reward, next_obs, done, info)
            obs = next_obs
    return memory, rows_of(memory)


def rows_of(memory):
    rows = []
    for obs, action, reward, next_obs, done in memory.storage:
        assert obs[3] == next_obs[3] and obs[0] == -obs[1] == obs[2] and next_obs[0] == -next_obs[1] == next_obs[2]
        rows.append((obs[0], action, reward, next_obs[0], obs[3], done))
    return rows


EPISODE = [1, 2, 1]  # positions 0, 1, 3, 4


class TestReplay:
    """Episodes by hand. The position before a step, its action, its reward, the position after it, the goal, done."""

    def test_no_goals(self):
        assert remember("future", 0, [EPISODE])[1] == [
            (0, 1, -1, 1, 9, False), (1, 2, -1, 3, 9, False), (3, 1, -1, 4, 9, True)]

    def test_final(self):
        assert remember("final", 2, [EPISODE])[1] == [
            (0, 1, -1, 1, 9, False), *[(0, 1, -1, 1, 4, False)] * 2,
            (1, 2, -1, 3, 9, False), *[(1, 2, -1, 3, 4, False)] * 2,
            (3, 1, -1, 4, 9, True), *[(3, 1, 0, 4, 4, False)] * 2]

    def test_future(self):
        rows = remember("future", 20, [EPISODE])[1]
        assert len(rows) == 2 * 21 + 1  # nothing comes after the last transition
        first, second, last = rows[:21], rows[21:42], rows[42]
        assert (first[0], second[0], last) == ((0, 1, -1, 1, 9, False), (1, 2, -1, 3, 9, False), (3, 1, -1, 4, 9, True))
        assert set(first[1:]) == {(0, 1, 0, 1, 1, False), (0, 1, -1, 1, 3, False)}
        assert set(second[1:]) == {(1, 2, 0, 3, 3, False)}

    def test_episode(self):
        rows = remember("episode", 20, [EPISODE])[1]
        assert [rows[index] for index in (0, 21, 42)] == remember("future", 0, [EPISODE])[1]
        assert set(rows[1:21]) == {(0, 1, -1, 1, 0, False), (0, 1, 0, 1, 1, False), (0, 1, -1, 1, 3, False)}
        assert {row[4] for row in rows[43:]} == {0, 1, 3} and {row[2] for row in rows[43:]} == {-1}

    def test_random(self):
        rows = remember("random", 20, [EPISODE, [2, 2]])[1]
        assert {row[4] for row in rows[1:21]} == {0}  # nothing else is remembered at the first transition
        assert {row[4] for row in rows[22:42]} == {0, 1}
        assert {row[4] for row in rows[64:84]} == {0, 1, 3}
        assert {row[4] for row in rows[85:]} == {0, 1, 2, 3}
        # those of a full memory are drawn before the episode takes their place
        rows = remember("random", 3, [[1, 1, 1, 1], [2, 2]], memory=ReplayBuffer(8, np.random.RandomState(0)))[1]
        assert [row[:2] for row in rows] == [(0, 2)] * 4 + [(2, 2)] * 4
        assert {row[4] for row in rows} <= {0, 1, 2, 3, 9} and len(rows) == 8

    def test_an_episode_of_one_step(self):
        for strategy, goals in (("future", [9]), ("final", [9, 4]), ("episode", [9, 0]), ("random", [9, 0])):
            assert [row[4] for row in remember(strategy, 1, [[4]])[1]] == goals

    def test_only_what_has_ended_can_be_sampled(self):
        env = HERGoalEnvWrapper(Walk())
        memory = HindsightExperienceReplayWrapper(ReplayBuffer(100), 1, GoalSelectionStrategy.FINAL, env)
        obs = np.zeros(4, np.float32)
        for step in range(3):
            memory.add(obs, 0, -1., obs, step == 2, {})
            obs += 1  # an environment may use its array again
            assert len(memory) == (6 if step == 2 else 0) and memory.can_sample(6) == (step == 2)
        assert not memory.can_sample(7) and memory.sample(5).obs.shape == (5, 4)
        assert [row[0][0] for row in memory.storage] == [0, 0, 1, 1, 2, 2]

    def test_several_environments_have_episodes_of_their_own(self):
        env = HERGoalEnvWrapper(Walk())
        memory = HindsightExperienceReplayWrapper(ReplayBuffer(100), 1, "final", env)
        walks = [remember("final", 1, [actions])[1] for actions in (EPISODE, [2, 2])]
        singles = [row for rows in walks for row in rows]
        envs = [HERGoalEnvWrapper(Walk()) for _ in range(2)]
        obs = [env.reset() for env in envs]
        for actions in zip(EPISODE, [2, 2, 1]):
            steps = [env.step(action) for env, action in zip(envs, actions)]
            next_obs, rewards, dones, infos = zip(*steps)
            memory.extend(obs, actions, rewards, next_obs, dones, infos)
            obs = next_obs if not dones[1] else (next_obs[0], envs[1].reset())
        assert len(singles) == 10 and sorted(rows_of(memory)) == sorted(singles)
        assert list(memory.episode_transitions) == [1]  # whose second episode goes on

    def test_the_dtypes_are_those_of_the_original_transitions(self):
        env = HERGoalEnvWrapper(bits(3))
        memory = HindsightExperienceReplayWrapper(ReplayBuffer(100), 2, "final", env)
        obs = np.zeros(9, np.int8)
        memory.add(obs, np.int64(1), np.float32(-1), obs, np.bool_(True), {})
        batch = memory.sample(3)
        assert [values.dtype for values in batch] == [np.int8, np.int64, np.float32, np.int8, np.bool_]
        memory = HindsightExperienceReplayWrapper(ReplayBuffer(100), 2, "final", HERGoalEnvWrapper(Halves()))
        memory.add(np.zeros(4), 0, -1, np.zeros(4), True, {})  # a reward that is an int
        assert [row[2] for row in memory.storage] == [-1, -.5, -.5]

    def test_priorities(self):
        memory, _ = remember("final", 2, [EPISODE], memory=PrioritizedReplayBuffer(100, 1.))
        batch = memory.sample(4, beta=.5)
        memory.update_priorities(np.arange(9), np.array([1e-9] * 8 + [1.]))
        assert batch.weights.tolist() == [1] * 4 and set(memory.sample(50, beta=1.).idxes) == {8}

    def test_wrapping_twice_wraps_once(self):
        inner = ReplayBuffer(100)
        memory, _ = remember("final", 1, [EPISODE, [1]], memory=inner)
        assert memory.episode_transitions
        again = HindsightExperienceReplayWrapper(memory, 2, "future", memory.env)
        # an episode under way was broken off: a training resets the environment
        assert again.replay_buffer is inner and len(again) == 6 and not again.episode_transitions

    def test_state(self):
        memory, rows = remember("future", 2, [EPISODE, [1]])
        other, _ = remember("future", 2, [])
        other.set_state(memory.get_state())
        assert rows_of(other) == rows
        for one in (memory, other):
            one.np_random = np.random.RandomState(3)
            one.add(np.ones(4), 3, -1., np.full(4, 4), True, {})
        for ours, theirs in zip(memory.storage, other.storage):
            assert all(map(np.array_equal, ours, theirs))
        assert len(memory) == len(rows) + 4

    def test_state_is_independent(self):
        memory, _ = remember("future", 2, [EPISODE, [1]])
        other, _ = remember("future", 2, [])
        state = memory.get_state()
        other.set_state(state)
        state["episodes"][0][0].obs[:] = 7
        state["episodes"][0][0].info["x"] = 7
        state["episodes"][0].clear()
        for one in (memory, other):
            (step,) = one.episode_transitions[0]
            assert step.obs.tolist() == [0, 0, 0, 9] and step.info == {"x": 1}

    @pytest.mark.parametrize("np_random", [np.random, np.random.RandomState(0)])
    def test_copies_and_pickles(self, np_random):
        """With its environment, as in Stable Baselines 2.10."""
        memory, rows = remember("future", 2, [EPISODE, [1]], memory=ReplayBuffer(1000, np_random))
        for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
            assert rows_of(other) == rows and len(other.episode_transitions[0]) == 1
            other.add(np.ones(4), 3, -1., np.full(4, 4), True, {})
            assert len(other) == len(rows) + 4

    def test_large_observations_are_shared(self):
        """All copies of an episode have the same goal, and so the next observations are those of the next copies."""
        memory, _ = remember("final", 4, [], HERGoalEnvWrapper(Walk(observation=(2000,))))
        frames = np.random.RandomState(0).rand(51, 2002).astype(np.float32)
        frames[:, -1] = 9
        for _ in range(3):
            for number in range(50):
                memory.add(frames[number], 0, -1., frames[number + 1], number == 49, {})
        n_bytes = frames[0].nbytes
        assert len(memory._own_next_obs) == 3 * 5 and memory.nbytes < n_bytes * (1000 + 3 * 5 + 10)
        for now, _, _, after, _ in memory.storage:
            number = np.flatnonzero(frames[:, 0] == now[0])[0]
            np.testing.assert_array_equal(after[:-1], frames[number + 1, :-1])
            assert now[-1] == after[-1]

    def test_refusals(self):
        for wrong in (-1, 1.5, True, "4"):
            with pytest.raises(ValueError, match="n_sampled_goal=.*accepted is"):
                HindsightExperienceReplayWrapper(ReplayBuffer(9), wrong, "final", None)
        for wrong in ("Final", 1, None, ["final"]):
            with pytest.raises(ValueError, match="goal_selection_strategy=.*accepted are 'future', 'final'"):
                HindsightExperienceReplayWrapper(ReplayBuffer(9), 4, wrong, None)
        assert KEY_TO_GOAL_STRATEGY["final"] is GoalSelectionStrategy.FINAL


class Halves(Walk):
    """Rewards that are no whole numbers."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        return -.5 * np.ones(np.shape(achieved_goal)[:-1])


class One(Walk):
    """Computes the reward of one step only, the way most people write it."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        self.calls.append(np.shape(achieved_goal))
        if np.ndim(achieved_goal) > 1:
            raise IndexError("one by one, please")
        return 0. if achieved_goal[0] == desired_goal[0] else -1.


class OneForAll(Walk):
    """Gives one reward, whatever it is given."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        self.calls.append(np.shape(achieved_goal))
        return 0. if np.array_equal(achieved_goal, desired_goal) else -1.


class ByInfo(Walk):
    """Looks at the info of the step."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        return float(info.get("x", 0))


class ManyInfos(Walk):
    """Looks at the infos of the steps."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        self.calls.append(np.shape(achieved_goal))
        rewards = np.array([one.get("x", 0) for one in (info if isinstance(info, list) else [info])], float)
        return rewards if isinstance(info, list) else float(rewards[0])


class FirstIsLast(Walk):
    """Takes arrays, and gets them wrong."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        rewards = Walk.compute_reward(self, achieved_goal, desired_goal, info)
        return rewards[::-1] if np.ndim(rewards) else rewards


class Distance(Walk):
    """Computes the distance with the axis of the goal, for a single step or for many."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        self.calls.append(np.shape(achieved_goal))
        return -np.abs(np.subtract(achieved_goal, desired_goal))


class DistanceOfOne(Distance):
    """The same, of a single step only."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        assert np.ndim(achieved_goal) == 1
        return Distance.compute_reward(self, achieved_goal, desired_goal, info)


class TestRewards:
    @pytest.mark.parametrize("model_class, in_batches", [(Distance, True), (DistanceOfOne, False)])
    def test_an_array_with_one_number_is_a_reward(self, model_class, in_batches):
        memory, rows = remember("final", 2, [EPISODE] * 3, HERGoalEnvWrapper(model_class()))
        assert [row[2] for row in rows] == [-8, -3, -3, -6, -1, -1, -5, 0, 0] * 3
        assert memory._rewards_batches is in_batches and memory.sample(2).rewards.shape == (2,)

    @pytest.mark.parametrize("model_class, in_batches", [
        (Walk, True), (One, False), (OneForAll, False), (FirstIsLast, False)])
    def test_all_at_once_if_that_gives_the_same(self, model_class, in_batches):
        env = HERGoalEnvWrapper(model_class())
        memory, rows = remember("final", 2, [EPISODE], env)
        assert [row[2] for row in rows] == [-1] * 7 + [0, 0]
        env.unwrapped.calls.clear()
        memory.add(np.zeros(4), 4, -1., np.full(4, 4), False, {})
        memory.add(np.full(4, 4), 1, -1., np.full(4, 5), True, {})
        assert [row[2] for row in memory.storage[9:]] == [-1, -1, -1, -1, 0, 0]
        assert env.unwrapped.calls == ([(4, 1)] if in_batches else [(1,)] * 4)

    def test_equal_rewards_prove_nothing(self):
        """With the rewards of the first episode all equal, a wrong function may look right: the next one tells."""
        memory, rows = remember("future", 3, [[2, 2], [2, 2], EPISODE, EPISODE], HERGoalEnvWrapper(FirstIsLast()))
        assert memory._rewards_batches is False
        for _, _, reward, next_position, goal, _ in rows:
            assert reward == (0 if next_position == goal else -1)

    def test_infos(self):
        for model_class, in_batches in ((ByInfo, False), (ManyInfos, True)):
            memory, rows = remember("final", 2, [EPISODE] * 2, HERGoalEnvWrapper(model_class()))
            assert memory._rewards_batches is in_batches
            assert [row[2] for row in rows if row[4] == 4] == [1, 1, 3, 3, 4, 4] * 2

    @pytest.mark.parametrize("goals", [1, 4])
    def test_bits_all_at_once_or_one_by_one(self, goals):
        """The same memory, to the last bit."""
        class Singly(BitFlippingEnv):
            def compute_reward(self, achieved_goal, desired_goal, _info):
                return 0. if np.array_equal(achieved_goal, desired_goal) else -1.

        memories = []
        for make_bits in (BitFlippingEnv, Singly):
            env, rng = HERGoalEnvWrapper(make_bits(3)), np.random.RandomState(0)
            env.seed(0)
            memories.append(HindsightExperienceReplayWrapper(ReplayBuffer(1000, rng), goals, "future", env))
            for _ in range(20):
                obs, done = env.reset(), False
                while not done:
                    action = rng.randint(3)
                    next_obs, reward, done, info = env.step(action)
                    memories[-1].add(obs, action, reward, next_obs, done, info)
                    obs = next_obs
        assert [memory._rewards_batches for memory in memories] == [True, False]
        for ours, theirs in zip(memories[0].storage, memories[1].storage):
            assert all(map(np.array_equal, ours, theirs))


# ------------------------------------------------------------------------------------------------- the model


def build(model_class=DQN, env=None, **kwargs):
    """Build a small model."""
    env = bits(continuous=model_class is not DQN) if env is None else env
    return HER("MlpPolicy", env, model_class, **dict(KWARGS[model_class], **kwargs))


def dict_observations(n_rows=5):
    rng = np.random.RandomState(0)
    return {key: rng.randint(2, size=(n_rows, 4)).astype(np.int8) for key in KEY_ORDER}


@pytest.mark.parametrize("model_class", KWARGS, ids=lambda model_class: model_class.__name__)
def test_trains_saves_and_loads(model_class, tmp_path):
    model = build(model_class)
    before = model.get_parameters()
    assert model.learn(60) is model and model.num_timesteps == 60
    assert changed_since(before, model)
    assert isinstance(model.model, model_class) and isinstance(model.model.replay_buffer,
                                                               HindsightExperienceReplayWrapper)
    n_stored = len(model.model.replay_buffer)
    model.learn(60, reset_num_timesteps=False)  # the original's second learn fails for all but DQN
    assert model.num_timesteps == model.model.num_timesteps == 120 and len(model.model.replay_buffer) > n_stored
    assert isinstance(model.model.replay_buffer.replay_buffer, ReplayBuffer)
    obs = dict_observations()
    for form in (False, True):
        path = str(tmp_path / f"model{form}")
        model.save(path, cloudpickle=form)
        loaded = HER.load(path)
        assert_same_parameters(model, loaded)
        np.testing.assert_array_equal(loaded.predict(obs)[0], model.predict(obs)[0])
        loaded.set_env(bits(continuous=model_class is not DQN))
        loaded.learn(40)


@pytest.mark.parametrize("model_class", KWARGS, ids=lambda model_class: model_class.__name__)
def test_same_seed_same_parameters(model_class):
    models = [build(model_class).learn(150) for _ in range(2)]
    assert_same_parameters(*models)


@pytest.mark.parametrize("name", ["dqn", "sac", "td3", "ddpg"])
@pytest.mark.parametrize("form", ["zip", "pkl"])
def test_models_of_the_original(name, form, shared_dir):
    path = shared_dir / "golden" / f"her_{name}_bits"
    case = json.loads((shared_dir / "golden" / "models.json").read_text())[path.name]
    model = HER.load(f"{path}.{form}")
    assert [[key, list(value.shape)] for key, value in model.get_parameters().items()] == case["parameters"]
    assert (model.n_sampled_goal, model.goal_selection_strategy) == (4, GoalSelectionStrategy.FUTURE)
    assert model.model_class.__name__ == name.upper() == type(model.model).__name__
    with np.load(f"{path}.npz") as recorded:
        by_key = {key: recorded[f"dictobs_{key}"] for key in KEY_ORDER}
        for obs in (recorded["obs"], by_key):
            np.testing.assert_allclose(model.predict(obs, deterministic=True)[0], recorded["actions"], atol=1e-6)
    if form == "zip":
        model.set_env(bits(5, continuous=name != "dqn"))
        model.learn(100)


def test_our_files_have_the_layout_of_the_original(shared_dir, tmp_path):
    path = shared_dir / "golden" / "her_dqn_bits.zip"
    HER.load(str(path)).save(str(tmp_path / "ours.zip"))
    data = []
    for file in (path, tmp_path / "ours.zip"):
        with zipfile.ZipFile(str(file)) as archive:
            data.append(json.loads(archive.read("data").decode()))
            assert archive.namelist() == ["data", "parameters", "parameter_list"]
    assert set(data[0]) <= set(data[1])
    assert data[1]["n_sampled_goal"] == 4 and "GoalSelectionStrategy" in data[1]["goal_selection_strategy"][":type:"]


def test_arguments_are_kept(tmp_path):
    changed = dict(n_sampled_goal=2, goal_selection_strategy="episode", gamma=.9, verbose=1, seed=7, buffer_size=500,
                   n_cpu_tf_sess=1, policy_kwargs=dict(layers=[8]), prioritized_replay=True, learning_starts=3)
    model = HER("MlpPolicy", bits(), DQN, **changed)
    changed["goal_selection_strategy"] = GoalSelectionStrategy.EPISODE
    model.save(str(tmp_path / "model"))
    for one in (model, HER.load(str(tmp_path / "model"))):
        assert {name: getattr(one, name) for name in changed} == changed and one.model_class is DQN
        assert {name: getattr(one.model, name) for name in changed if "goal" not in name} == {
            name: value for name, value in changed.items() if "goal" not in name}
    positional = HER("MlpPolicy", bits(), DQN, 3, "final", .8, 1e-3)
    assert (positional.gamma, positional.learning_rate, positional.n_sampled_goal) == (.8, 1e-3, 3)
    assert not hasattr(model, "no_such_attribute")


def test_arguments_can_be_changed_by_load(tmp_path):
    build().save(str(tmp_path / "model"))
    loaded = HER.load(str(tmp_path / "model"), env=bits(), n_sampled_goal=1, goal_selection_strategy="final", gamma=.5)
    assert loaded.learn(40).model.gamma == .5
    memory = loaded.model.replay_buffer
    assert (memory.n_sampled_goal, memory.goal_selection_strategy) == (1, GoalSelectionStrategy.FINAL)
    with pytest.raises(TypeError, match="unknown arguments.*no_such_argument"):
        HER.load(str(tmp_path / "model"), no_such_argument=1)
    for argument in (dict(n_sampled_goal=-1), dict(goal_selection_strategy="none")):
        with pytest.raises(ValueError, match=f"{list(argument)[0]}=.*accepted"):
            HER.load(str(tmp_path / "model"), **argument)


def test_a_subclass_with_arguments_of_its_own(tmp_path):
    class OwnHER(HER):
        def __init__(self, policy, env, model_class=DQN, bonus=3, **kwargs):
            self.bonus = bonus
            super().__init__(policy, env, model_class, **kwargs)

    OwnHER("MlpPolicy", bits(), bonus=5, n_sampled_goal=1).save(str(tmp_path / "model"))
    loaded = OwnHER.load(str(tmp_path / "model"))
    assert (loaded.bonus, loaded.n_sampled_goal) == (5, 1)


def test_predictions_take_dicts_and_vectors():
    model, batch = build(), dict_observations()
    wrapped = HERGoalEnvWrapper(bits())
    vectors = wrapped.convert_dict_to_obs(batch)
    for use in (lambda obs: model.predict(obs)[0], model.action_probability):
        np.testing.assert_array_equal(use(batch), use(vectors))
        one = {key: rows[0] for key, rows in batch.items()}
        np.testing.assert_allclose(use(one), use(vectors)[0], rtol=1e-6)
        np.testing.assert_array_equal(use(one), use(vectors[0]))
    assert model.predict(one)[1] is None and model.action_probability(batch, actions=[0] * 5).shape == (5, 1)
    with pytest.raises(ValueError, match="not the tuple"):
        model.predict((one, {}))
    with pytest.raises(ValueError, match="unexpected observation shape"):
        model.predict(np.zeros(5))


def test_numbers_for_observations():
    model = build(env=bits(3, discrete_obs_space=True)).learn(60)
    obs = model.get_env().env.reset()
    assert model.predict(obs)[0] == model.predict(HERGoalEnvWrapper(model.get_env().env).convert_dict_to_obs(obs))[0]


def test_parameters():
    model, other = build(), build(seed=1)
    params = model.get_parameters()  # which raises in the original, as load_parameters does
    assert list(params) == [variable.name for variable in model.get_parameter_list()]
    other.load_parameters(params)
    assert_same_parameters(model, other)
    assert_same_parameters(model, other.model)


def test_environments():
    env = bits()
    model = build(env=env)
    assert isinstance(model.get_env(), HERGoalEnvWrapper) and model.env is model.model.env and model.env.env is env
    assert model.vec_env is model.model.vec_env and model.n_envs == 1 and model.get_vec_normalize_env() is None
    assert model.observation_space == env.observation_space and model.action_space == env.action_space
    assert model.model.observation_space == spaces.MultiBinary(12)
    model.set_env(model.get_env())
    assert model.env.env is env  # wrapped once
    other = bits()
    model.set_env(other)
    assert model.env.env is other and model.model.replay_buffer.env is model.env
    for wrong in (bits(5), Walk(), bits(continuous=True)):
        with pytest.raises(ValueError, match="does not fit the model: given.*the model has"):
            model.set_env(wrong)
    with pytest.raises(ValueError, match="None"):
        model.set_env(None)
    assert model.env.env is other and model.model.env is model.env
    assert repr(model) == "HER(MlpPolicy, env=DummyVecEnv of 1 BitFlippingEnv, num_timesteps=0)"
    assert repr(HER.__new__(HER)) == "HER(None, env=None, num_timesteps=0)"


def test_parts_of_another_size_do_not_fit():
    """Though the vectors have the same length."""
    model = build(env=Walk(observation=(4,)))
    with pytest.raises(ValueError, match="observation_space of the environment does not fit"):
        model.set_env(Walk(achieved_goal=(2,), desired_goal=(2,)))


def make_bits():
    return bits()


def make_wrapped_bits():
    return HERGoalEnvWrapper(bits())


@pytest.mark.parametrize("make_env", [
    lambda: DummyVecEnv([make_bits]), lambda: DummyVecEnv([make_bits] * 3),
    lambda: HERGoalEnvWrapper(_UnvecWrapper(DummyVecEnv([make_bits]))),  # as the reference's zoo does
    lambda: DummyVecEnv([make_wrapped_bits] * 2), lambda: SubprocVecEnv([make_bits] * 2),
    lambda: VecNormalize(DummyVecEnv([make_wrapped_bits] * 2)),
], ids=["one", "three", "zoo", "wrapped", "processes", "normalised"])
def test_vectorised_environments(make_env):
    env = make_env()
    model = build(env=env)
    before = model.get_parameters()
    model.learn(120)
    model.learn(60, reset_num_timesteps=False)
    assert model.num_timesteps == 180 and changed_since(before, model)
    batch = model.model.replay_buffer.sample(100)
    goals, achieved = batch.next_obs[:, 8:], batch.next_obs[:, 4:8]
    np.testing.assert_array_equal(batch.rewards, (goals == achieved).all(axis=1) - 1.)  # also where they are normalised
    np.testing.assert_array_equal(batch.obs[:, :4], batch.obs[:, 4:8])
    assert set(np.unique(batch.obs)) == {0, 1} and np.any(goals != 1)
    model.set_env(model.get_env())
    model.learn(20)
    env.close()


@pytest.mark.parametrize("make_env, error", [
    (lambda: "CartPole-v1", "accepted is a Dict"), (lambda: make("CartPole-v1"), "accepted is a Dict"),
    (lambda: DummyVecEnv([lambda: make("CartPole-v1")]), "accepted are environments with goals"),
    (lambda: SubprocVecEnv([lambda: make("CartPole-v1")]), "accepted are environments with goals"),
    (lambda: VecNormalize(DummyVecEnv([make_bits]), norm_obs=False), "VecNormalize is accepted as the outermost"),
    (lambda: None, "needs an environment")])
def test_environments_without_goals(make_env, error):
    env = make_env()
    with pytest.raises(ValueError, match=error):
        HER("MlpPolicy", env, DQN)
    if hasattr(env, "close"):
        env.close()


def test_bad_arguments():
    for wrong in (PPO2, "DQN", None, dict):
        with pytest.raises(ValueError, match="model_class=.*accepted is an off-policy algorithm: DQN, SAC, TD3 or"):
            HER("MlpPolicy", bits(), wrong)
    with pytest.raises(ValueError, match="n_sampled_goal=0.5"):
        HER("MlpPolicy", bits(), DQN, .5)
    with pytest.raises(ValueError, match="goal_selection_strategy='best'"):
        HER("MlpPolicy", bits(), DQN, 4, "best")
    with pytest.raises(TypeError, match="env=17"):
        HER("MlpPolicy", 17, DQN)
    with pytest.raises(ValueError, match="action_space=.*: accepted by SAC is Box"):
        HER("MlpPolicy", bits(), SAC)


def test_a_model_that_is_not_built_says_so(tmp_path):
    model = build(_init_setup_model=False)
    for use in (lambda: model.predict(np.zeros(12)), model.get_parameters, lambda: model.learn(10),
                lambda: model.save(str(tmp_path / "model"))):
        with pytest.raises(ValueError, match="setup_model"):
            use()
    model.setup_model()
    assert model.learn(40).num_timesteps == 40


class Bounded(Walk):
    """Episodes of six steps."""

    def reset(self):
        self.n_left = 6
        return super().reset()

    def step(self, action):
        self.n_left -= 1
        obs, reward, _, info = super().step(action)
        return obs, reward, self.n_left == 0, info


class Watching(BaseCallback):
    """Notes whose training it is, and how many transitions there are."""

    def __init__(self):
        super().__init__()
        self.models, self.replay_wrappers = set(), set()

    def _on_step(self):
        self.models |= {self.model, self.locals["self"]}
        self.replay_wrappers.add(type(self.locals["replay_wrapper"]))
        assert self.training_env is self.model.get_env()
        return self.num_timesteps < 30


def test_callbacks_see_the_inner_model():
    model, callback = build(), Watching()
    model.learn(100, callback=callback)
    assert callback.models == {model.model} and callback.replay_wrappers == {partial} and model.num_timesteps == 30


def test_a_training_can_be_carried_over():
    """The memory and its episodes under way travel along; the environments do not."""
    # without random actions, whose stream in TensorFlow does not travel along either
    models = [build(env=Bounded(), exploration_initial_eps=0., exploration_final_eps=0.) for _ in range(2)]
    models[0].learn(63)
    models[1].load_parameters(models[0].get_parameters())
    models[1].set_training_state(models[0].training_state())
    assert models[1].num_timesteps == 63
    memories = [model.model.replay_buffer for model in models]
    assert memories[1].relabels_goals and len(memories[1].episode_transitions[0]) == 3
    rows = rows_of(memories[1])
    assert rows == rows_of(memories[0])
    for model in models:
        model.learn(40, reset_num_timesteps=False)
    assert len(rows) < len(memories[1]) and rows_of(memories[0]) == rows_of(memories[1])
    assert_same_parameters(*models)


def test_the_seed_is_the_inner_models():
    model = build(seed=None)
    model.set_random_seed(3)
    assert model.np_random is model.model.np_random is model.model.replay_buffer.np_random
    model.num_timesteps = 17
    model.verbose = 1
    assert (model.model.num_timesteps, model.model.verbose) == (17, 1)


def test_tensorboard(tmp_path):
    build(tensorboard_log=str(tmp_path)).learn(40)
    assert [path.name for path in tmp_path.iterdir()] == ["HER_1"]


def test_evaluation():
    model = build()
    rewards, lengths = evaluate_policy(model, bits(), n_eval_episodes=3, return_episode_rewards=True)
    assert all(reward in (-length, 1 - length) for reward, length in zip(rewards, lengths))


# ------------------------------------------------------------------------------------------------- learning


def success_rate(model, env, n_episodes=100):
    """Play with the most likely actions; return the share of the episodes that reached their goal."""
    env.seed(1)
    successes = []
    for _ in range(n_episodes):
        obs, done = env.reset(), False
        while not done:
            obs, _, done, info = env.step(model.predict(obs, deterministic=True)[0])
        successes.append(info["is_success"])
    return np.mean(successes)


FIFTEEN_BITS = dict(learning_rate=1e-3, buffer_size=1000000, exploration_fraction=.5, gamma=.98, batch_size=128,
                    train_freq=2, policy_kwargs=dict(layers=[256]), n_cpu_tf_sess=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_fifteen_bits(seed):
    """Chance finds the one goal among 32768 states hardly ever."""
    model = HER("MlpPolicy", bits(15), DQN, seed=seed, **FIFTEEN_BITS).learn(60000)
    assert success_rate(model, bits(15)) >= .95


@pytest.mark.slow
def test_fifteen_bits_without_hindsight():
    model = DQN("MlpPolicy", HERGoalEnvWrapper(bits(15)), seed=0, **FIFTEEN_BITS).learn(60000)
    assert success_rate(model, HERGoalEnvWrapper(bits(15))) < .05


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("model_class, steps, kwargs", [
    (SAC, 30000, dict(learning_rate=1e-3, tau=.01, train_freq=4, learning_starts=500, random_exploration=.1)),
    (TD3, 20000, dict(learning_rate=1e-3, train_freq=100, gradient_steps=50, learning_starts=500,
                      random_exploration=.1)),
    (DDPG, 20000, dict(actor_lr=1e-3, tau=.01, random_exploration=.3)),
], ids=["SAC", "TD3", "DDPG"])
def test_eight_bits_by_continuous_actions(model_class, steps, kwargs, seed):
    """Of the 256 combinations of bits that a step can flip, one leads to the goal."""
    noise = {} if model_class is SAC else dict(action_noise=NormalActionNoise(np.zeros(8), np.full(8, .3)))
    model = HER("MlpPolicy", bits(8, continuous=True), model_class, seed=seed, n_cpu_tf_sess=1, gamma=.9,
                buffer_size=1000000, batch_size=128, **dict(kwargs, **noise)).learn(steps)
    assert success_rate(model, bits(8, continuous=True)) >= .95
