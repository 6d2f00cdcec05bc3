"""Training on the real simulators and libraries; tests of what is not installed are skipped, and say how to install it.

``scripts/check_environments.py`` does the same for longer, and shows the rewards.
"""
import importlib
import importlib.util
import sys

import numpy as np
import pytest

from stable_baselines import PPO2
from stable_baselines.common import make_vec_env
from stable_baselines.common.cmd_util import MUJOCO_ENV, make_atari_env, make_mujoco_env
from stable_baselines.common.env_checker import check_env
from stable_baselines.common.extras import pip_install
from stable_baselines.common.gym_compat import Env, make, spaces
from stable_baselines.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecNormalize,
    sync_envs_normalization,
)

CLASSIC = Env.__module__.startswith("gym.")  # the library at hand is gym 0.17 to 0.21
BREAKOUT = "BreakoutNoFrameskip-v4"


def need(packages, extra, condition=True, where="", python=sys.version_info):
    """Skip the test unless one of the packages is installed (and the condition holds)."""
    found = condition and any(importlib.util.find_spec(package) for package in packages)
    return pytest.mark.skipif(not found, reason=f"needs {pip_install(extra, python)} {where}")


needs_atari = need(["atari_py" if CLASSIC else "ale_py"], "atari")
needs_box2d = need(["Box2D"], "box2d")
needs_bullet = need(["pybullet_envs"], "bullet", CLASSIC, "with gym 0.17, on Python 3.7", (3, 7))
needs_mujoco = need(["mujoco"], "mujoco", not CLASSIC, "with gymnasium, on Python 3.8 or later", (3, 8))
needs_gymnasium = pytest.mark.skipif(not importlib.util.find_spec("gymnasium"), reason="needs gymnasium")


def assert_trains(env, policy="MlpPolicy", updates=2, **hyperparameters):
    """Train PPO2 for some updates and check that each parameter moved and is finite; return the model."""
    options = dict(n_steps=32, nminibatches=1, noptepochs=2, learning_rate=1e-3, seed=0)
    model = PPO2(policy, env, **dict(options, **hyperparameters))
    before = model.get_parameters()
    model.learn(updates * model.n_batch)
    assert model.num_timesteps == updates * model.n_batch
    for name, value in model.get_parameters().items():
        assert np.isfinite(value).all(), name
        # PPO2's loss does not depend on the head of action values
        assert name.startswith("model/q/") or not np.array_equal(value, before[name]), name
    return model


@needs_atari
class TestAtari:
    def test_four_processes_with_stacked_frames(self):
        env = VecFrameStack(make_atari_env(BREAKOUT, 4, seed=0, use_subprocess=True), 4)
        try:
            assert isinstance(env.venv, SubprocVecEnv)
            assert (env.num_envs, env.observation_space.shape, env.observation_space.dtype) == (
                4, (84, 84, 4), np.uint8)
            obs = env.reset()
            assert (obs[..., :3] == 0).all() and (obs[..., 3].max(axis=(1, 2)) > 0).all()
            obs, rewards, _, _ = env.step([0] * 4)
            assert (obs[..., 2].max(axis=(1, 2)) > 0).all() and set(rewards) <= {-1, 0, 1}
            assert_trains(env, "CnnPolicy", n_steps=8, noptepochs=1)
        finally:
            env.close()

    def test_processes_and_no_processes_give_the_same_frames(self):
        single, several = [make_atari_env(BREAKOUT, 2, seed=3, use_subprocess=use) for use in (False, True)]
        try:
            np.testing.assert_array_equal(single.reset(), several.reset())
            for action in range(4):
                results = [env.step([action, 3 - action]) for env in (single, several)]
                for one, other in zip(results[0][:3], results[1][:3]):
                    np.testing.assert_array_equal(one, other)
        finally:
            single.close()
            several.close()

    @pytest.mark.skipif(not CLASSIC, reason="the numbers are those of atari-py 0.2.5; pip install it on Python 3.7")
    def test_games_are_those_of_the_original(self):
        env = make_atari_env(BREAKOUT, 2, seed=7)
        rng, games, total, n_dones = np.random.RandomState(1), [], 0., 0
        env.reset()
        env.reset()
        for _ in range(400):
            _, rewards, dones, infos = env.step(rng.randint(env.action_space.n, size=2))
            total, n_dones = total + rewards.sum(), n_dones + dones.sum()
            games += [(info["episode"]["r"], info["episode"]["l"]) for info in infos if "episode" in info]
        env.close()
        # recorded from the original, with the same actions
        assert (total, n_dones) == (4.0, 27)
        assert games == [(0.0, 129), (1.0, 157), (0.0, 129), (1.0, 178), (0.0, 129)]

    def test_games_without_fire(self):
        env = make_atari_env("FreewayNoFrameskip-v4", 1, seed=0)
        assert "FIRE" not in env.envs[0].unwrapped.get_action_meanings()
        assert env.reset().shape == (1, 84, 84, 1)
        env.close()

    def test_unknown_game(self):
        with pytest.raises(ValueError, match="env_id='BrakeoutNoFrameskip-v4'"):
            make_atari_env("BrakeoutNoFrameskip-v4", 1, seed=0)


@needs_box2d
class TestBox2D:
    LUNAR_LANDER = "LunarLander-v2" if CLASSIC else "LunarLander-v3"

    def test_lunar_lander(self):
        env = make_vec_env(self.LUNAR_LANDER, n_envs=2, seed=0)
        assert (env.observation_space.shape, env.action_space) == ((8,), spaces.Discrete(4))
        model = assert_trains(env, updates=8)
        assert 0 < sum(info["l"] for info in model.ep_info_buf) <= model.num_timesteps
        check_env(env.envs[0], warn=False)
        env.close()

    def test_continuous(self):
        env_id = self.LUNAR_LANDER.replace("-v2", "Continuous-v2")
        env = make_vec_env(env_id, env_kwargs={} if CLASSIC else {"continuous": True})
        assert env.action_space == spaces.Box(-1, 1, (2,), np.float32)
        assert_trains(env)
        env.close()


@pytest.mark.parametrize("env_id", [
    pytest.param("HalfCheetahBulletEnv-v0", marks=needs_bullet, id="PyBullet"),
    pytest.param("HalfCheetah-v5", marks=needs_mujoco, id="MuJoCo")])
def test_normalised_physics_saved_and_restored(env_id, tmp_path):
    env = VecNormalize(make_vec_env(env_id, n_envs=2, seed=0))
    model = assert_trains(env, updates=4, n_steps=64)
    model.save(str(tmp_path / "model"))
    env.save(str(tmp_path / "vecnormalize.pkl"))
    assert env.obs_rms.count > 2 * 4 * 64

    def replay(model, env):
        env.seed(5)
        obs, rows = env.reset(), []
        for _ in range(50):
            obs, rewards, _, _ = env.step(model.predict(obs, deterministic=True)[0])
            rows.append(np.append(obs.ravel(), rewards))
        env.close()
        return np.array(rows)

    # both on new environments: PyBullet's carry traces of earlier episodes
    same_env = VecNormalize(make_vec_env(env_id, n_envs=2), training=False)
    sync_envs_normalization(env, same_env)
    restored_env = VecNormalize.load(str(tmp_path / "vecnormalize.pkl"), make_vec_env(env_id, n_envs=2))
    restored_env.training = False
    np.testing.assert_array_equal(restored_env.obs_rms.mean, env.obs_rms.mean)
    np.testing.assert_array_equal(restored_env.ret_rms.var, env.ret_rms.var)
    np.testing.assert_array_equal(replay(model, same_env),
                                  replay(PPO2.load(str(tmp_path / "model")), restored_env))
    env.close()


def make_from(library, env_id, **kwargs):
    """Make an environment as the library itself makes it, or skip."""
    module = pytest.importorskip(library, reason=f"pip install {library}")
    if library == "gym" and int(module.__version__.split(".")[1]) < 26:
        pytest.skip(f"gym {module.__version__} is the library of the other tests; this needs gym==0.26.2")
    return module.make(env_id, disable_env_checker=True, **kwargs)


@pytest.mark.parametrize("library", ["gymnasium", "gym"])
class TestModernLibraries:
    def test_an_environment_as_the_library_makes_it(self, library):
        model = assert_trains(make_from(library, "CartPole-v1"))
        obs = model.get_env().reset()
        assert obs.shape == (1, 4) and type(model.observation_space) is spaces.Box

    def test_continuous_actions_and_the_end_of_the_time(self, library):
        env = DummyVecEnv([lambda: make_from(library, "Pendulum-v1")])
        assert_trains(env)
        env.seed(1)
        first = env.reset()
        env.seed(1)
        np.testing.assert_array_equal(env.reset(), first)
        for _ in range(200):
            _, _, dones, infos = env.step([[0.]])
        assert dones[0] and infos[0]["TimeLimit.truncated"] is True
        assert infos[0]["terminal_observation"].shape == (3,)

    def test_in_processes(self, library):
        make_from(library, "CartPole-v1")

        def make_env():
            return importlib.import_module(library).make("CartPole-v1", disable_env_checker=True)

        env = SubprocVecEnv([make_env] * 2)
        try:
            assert_trains(env)
        finally:
            env.close()


@needs_mujoco
def test_mujoco_by_command_line_default():
    env = make_mujoco_env(MUJOCO_ENV, 3)
    start = env.reset()
    assert start.shape == env.observation_space.shape == (10,)
    other = make_mujoco_env(MUJOCO_ENV, 3)
    np.testing.assert_array_equal(other.reset(), start)
    env.close()
    other.close()


@needs_bullet
def test_bullet_ids_are_found_without_an_import():
    env = make("HalfCheetahBulletEnv-v0")
    assert env.observation_space.shape == (26,)
    env.close()


@needs_gymnasium
@needs_atari
@pytest.mark.skipif(CLASSIC, reason="ale-py's own ids need gymnasium")
def test_gymnasium_atari_id_directly():
    env = make_vec_env("ALE/Breakout-v5")
    assert env.observation_space.shape == (210, 160, 3)
    env.close()
