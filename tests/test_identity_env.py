"""The tasks that come with the library: IdentityEnv and its variants, and BitFlippingEnv."""
import numpy as np
import pytest

from stable_baselines.common.bit_flipping_env import BitFlippingEnv
from stable_baselines.common.gym_compat import Env, GoalEnv, is_env, spaces
from stable_baselines.common.identity_env import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)

IDENTITY_ENVS = [lambda: IdentityEnv(3, ep_length=3), lambda: IdentityEnvBox(ep_length=3),
                 lambda: IdentityEnvMultiDiscrete(3, ep_length=3), lambda: IdentityEnvMultiBinary(3, ep_length=3)]


class TestIdentityEnv:
    @pytest.mark.parametrize("env, space", [
        (IdentityEnv(), spaces.Discrete(1)),
        (IdentityEnv(3), spaces.Discrete(3)),
        (IdentityEnv(space=spaces.MultiDiscrete([2, 5])), spaces.MultiDiscrete([2, 5])),
        (IdentityEnvBox(low=0, high=5), spaces.Box(0, 5, (1,), np.float32)),
        (IdentityEnvMultiDiscrete(3), spaces.MultiDiscrete([3, 3])),
        (IdentityEnvMultiBinary(3), spaces.MultiBinary(3)),
    ], ids=lambda value: type(value).__name__)
    def test_spaces(self, env, space):
        assert env.observation_space == env.action_space == space
        assert isinstance(env, Env)
        assert env.ep_length == 100

    @pytest.mark.parametrize("make_env", IDENTITY_ENVS)
    def test_the_observation_is_the_right_answer(self, make_env):
        env = make_env()
        obs, rewards, dones = env.reset(), [], []
        for _ in range(3):
            obs, reward, done, info = env.step(obs)
            assert env.observation_space.contains(obs) and info == {}
            rewards.append(reward)
            dones.append(done)
        assert (rewards, dones) == ([1, 1, 1], [False, False, True])
        assert env.current_step == 3
        env.reset()
        assert env.current_step == 0

    @pytest.mark.parametrize("make_env", IDENTITY_ENVS)
    def test_anything_else_is_wrong(self, make_env):
        env = make_env()
        for _ in range(20):
            obs = env.reset()
            wrong = np.array(obs) + 1
            if isinstance(env.action_space, spaces.MultiBinary):
                wrong = np.append(obs[:-1], 1 - obs[-1])  # one wrong bit is enough
            assert env.step(wrong)[1] == 0

    @pytest.mark.parametrize("off, reward", [(0.0, 1), (0.05, 1), (0.09, 1), (0.11, 0)])
    def test_tolerance_of_the_box(self, off, reward):
        env = IdentityEnvBox(eps=0.1)
        for sign in (1, -1):
            assert env.step(env.reset() + sign * off)[1] == reward

    @pytest.mark.parametrize("make_env", IDENTITY_ENVS)
    def test_seed(self, make_env):
        runs = []
        for _ in range(2):
            env = make_env()
            assert env.seed(3) == [3]
            runs.append(np.array([env.reset() for _ in range(20)]))
        np.testing.assert_array_equal(*runs)
        assert len(np.unique(runs[0], axis=0)) > 1

    def test_resets_are_counted(self):
        env = IdentityEnv(2)
        assert env.num_resets == 0
        env.reset()
        env.reset()
        assert env.num_resets == 2

    def test_either_dim_or_space(self):
        with pytest.raises(ValueError, match="dim=2, space=Discrete.*accepted is one of the two"):
            IdentityEnv(2, spaces.Discrete(3))


class TestBitFlippingEnv:
    @pytest.mark.parametrize("options, shown, actions", [
        ({}, spaces.MultiBinary(10), spaces.Discrete(10)),
        ({"n_bits": 3, "continuous": True}, spaces.MultiBinary(3), spaces.Box(-1, 1, (3,), np.float32)),
        ({"n_bits": 3, "discrete_obs_space": True}, spaces.Discrete(8), spaces.Discrete(3)),
    ])
    def test_spaces(self, options, shown, actions):
        env = BitFlippingEnv(**options)
        assert env.action_space == actions
        assert dict(env.observation_space.spaces) == {
            "observation": shown, "achieved_goal": shown, "desired_goal": shown}
        assert isinstance(env, GoalEnv) and is_env(env)

    def test_flipping_one_bit_at_a_time(self):
        env = BitFlippingEnv(3, max_steps=5)
        env.reset()
        env.state = np.array([0, 0, 1], np.int8)
        obs, reward, done, info = env.step(0)
        assert list(obs) == ["observation", "achieved_goal", "desired_goal"]
        assert obs["observation"].tolist() == obs["achieved_goal"].tolist() == [1, 0, 1]
        assert obs["desired_goal"].tolist() == [1, 1, 1]
        assert (reward, done, info) == (-1.0, False, {"is_success": False})
        later, reward, done, info = env.step(1)
        assert later["observation"].tolist() == [1, 1, 1]
        assert (reward, done, info) == (0.0, True, {"is_success": True})
        assert obs["observation"].tolist() == [1, 0, 1]  # what was handed out stays as it was

    def test_flipping_bits_back(self):
        env = BitFlippingEnv(3)
        env.state = np.array([1, 0, 0], np.int8)
        env.step(0)
        assert env.state.tolist() == [0, 0, 0]

    def test_continuous_flips_where_the_action_is_positive(self):
        env = BitFlippingEnv(4, continuous=True)
        env.state = np.array([0, 1, 0, 1], np.int8)
        env.step(np.array([.1, 1., 0., -1.]))
        assert env.state.tolist() == [1, 0, 0, 1]

    @pytest.mark.parametrize("max_steps, steps", [(None, 4), (2, 2)])
    def test_length_of_an_episode(self, max_steps, steps):
        env = BitFlippingEnv(4, max_steps=max_steps)
        env.reset()
        env.state = np.zeros(4, np.int8)
        dones = [env.step(0)[2] for _ in range(steps)]
        assert dones == [False] * (steps - 1) + [True]

    def test_bits_as_a_number(self):
        env = BitFlippingEnv(3, discrete_obs_space=True)
        numbers = [env.convert_if_needed(np.array(bits)) for bits in ([0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1])]
        assert numbers == [0, 1, 4, 7]
        env.state = np.array([1, 0, 1], np.int8)
        obs, reward, done, _ = env.step(1)
        # the original's space ended at 6
        assert env.observation_space.contains(obs)
        assert (obs["observation"], obs["desired_goal"], reward, done) == (7, 7, 0.0, True)

    @pytest.mark.parametrize("achieved, desired, reward", [
        (np.ones(3), np.ones(3), 0.0), (np.ones(3), np.array([1, 0, 1]), -1.0), (3, 3, 0.0), (3, 2, -1.0)])
    def test_compute_reward(self, achieved, desired, reward):
        assert BitFlippingEnv(3).compute_reward(achieved, desired, None) == reward

    def test_seed(self):
        starts = []
        for _ in range(2):
            env = BitFlippingEnv(10)
            env.seed(3)
            starts.append([env.reset()["observation"].tolist() for _ in range(5)])
        assert starts[0] == starts[1]
        assert len(set(map(tuple, starts[0]))) > 1

    def test_render_prints_the_bits(self, capsys):
        env = BitFlippingEnv(3)
        env.state = np.array([1, 0, 1], np.int8)
        assert env.render() is None
        assert capsys.readouterr().out == "[1 0 1]\n"
