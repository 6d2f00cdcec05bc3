"""Environments ready for training, the command lines, and ``run_mujoco``."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import RecordingModel
from stable_baselines import logger
from stable_baselines.bench import Monitor, load_results
from stable_baselines.common import cmd_util, make_vec_env
from stable_baselines.common.cmd_util import (
    arg_parser,
    atari_arg_parser,
    make_atari_env,
    make_mujoco_env,
    make_robotics_env,
    mujoco_arg_parser,
    robotics_arg_parser,
)
from stable_baselines.common.gym_compat import Env, ObservationWrapper, Wrapper, spaces
from stable_baselines.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize
from stable_baselines.ppo2 import run_mujoco

ROOT = Path(__file__).resolve().parent.parent


class SeededEnv(Env):
    """An environment that shows its seed and its argument, in episodes of two steps."""

    def __init__(self, offset=0):
        self.observation_space = spaces.Box(-1e6, 1e6, (2,), np.float32)
        self.action_space = spaces.Discrete(1000)
        self.offset, self.seeded, self.steps = offset, -1, 0

    def seed(self, seed=None):
        self.seeded = seed
        return [seed]

    def reset(self):
        self.steps = 0
        return np.array([self.seeded, self.offset], np.float32)

    def step(self, action):
        self.steps += 1
        obs = np.array([self.seeded, self.offset], np.float32)
        return obs, float(np.sum(action)), self.steps >= 2, {"is_success": True}


class GoalLikeEnv(SeededEnv):
    """The same with a goal."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict({
            key: spaces.Box(-bound, bound, (2,), np.float32)
            for key, bound in (("observation", 1), ("desired_goal", 2), ("achieved_goal", 3))})

    def reset(self):
        return {"observation": np.array([.1, .2]), "desired_goal": np.array([1., 2.]),
                "achieved_goal": np.array([0., 0.])}


@pytest.fixture(name="made_as")
def made_as_fixture(monkeypatch):
    """Let ``make`` of a module build a given class, whatever the id."""
    def replace(module, env_class):
        monkeypatch.setattr(module, "make", lambda env_id: env_class())
    return replace


@pytest.fixture(name="log_dir")
def log_dir_fixture(tmp_path):
    """A folder that the logger writes into."""
    logger.configure(str(tmp_path / "log"), ["csv"])
    yield tmp_path / "log"
    logger.reset()


def monitor_files(folder):
    return sorted(path.name for path in folder.glob("*.monitor.csv"))


class TestMakeVecEnv:
    def test_defaults(self):
        env = make_vec_env(SeededEnv)
        assert type(env) is DummyVecEnv
        assert (env.num_envs, type(env.envs[0]), env.envs[0].file_handler) == (1, Monitor, None)
        np.testing.assert_array_equal(env.reset(), [[-1, 0]])  # not seeded

    def test_seeds_and_arguments(self):
        env = make_vec_env(SeededEnv, n_envs=2, seed=5, start_index=3, env_kwargs={"offset": 7})
        np.testing.assert_array_equal(env.reset(), [[8, 7], [9, 7]])

    def test_action_spaces_are_seeded(self):
        draws = [[env.action_space.sample() for env in make_vec_env(SeededEnv, n_envs=2, seed=5).envs]
                 for _ in range(2)]
        assert draws[0] == draws[1]
        assert draws[0][0] != draws[0][1]

    def test_by_id_same_seed_same_start(self):
        first, second = [make_vec_env("CartPole-v1", n_envs=2, seed=4).reset() for _ in range(2)]
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first[0], first[1])

    def test_any_function_that_makes_an_environment(self):
        assert make_vec_env(lambda offset: SeededEnv(offset), env_kwargs={"offset": 3}).reset()[0, 1] == 3

    def test_monitor_files_have_the_numbers_of_the_environments(self, tmp_path):
        env = make_vec_env(SeededEnv, n_envs=2, start_index=2, monitor_dir=str(tmp_path / "new" / "folder"))
        env.reset()
        for reward in ([1, 10], [2, 20]):
            _, _, _, infos = env.step(np.array(reward))
        assert [info["episode"]["r"] for info in infos] == [3.0, 30.0]
        env.close()
        assert monitor_files(tmp_path / "new" / "folder") == ["2.monitor.csv", "3.monitor.csv"]
        assert sorted(load_results(str(tmp_path / "new" / "folder")).r) == [3.0, 30.0]

    def test_wrapper_is_outside_of_the_monitor(self):
        class Double(ObservationWrapper):
            def observation(self, observation):
                return 2 * observation

        env = make_vec_env(SeededEnv, seed=3, wrapper_class=Double)
        assert isinstance(env.envs[0], Double) and isinstance(env.envs[0].env, Monitor)
        assert env.reset()[0, 0] == 6

    def test_class_of_the_vectorised_environment(self):
        class Named(DummyVecEnv):
            def __init__(self, env_fns, name):
                super().__init__(env_fns)
                self.name = name

        assert make_vec_env(SeededEnv, vec_env_cls=Named, vec_env_kwargs={"name": "x"}).name == "x"

    def test_in_processes(self, tmp_path):
        env = make_vec_env("CartPole-v1", n_envs=2, seed=4, monitor_dir=str(tmp_path), vec_env_cls=SubprocVecEnv,
                           vec_env_kwargs={"start_method": "spawn"})
        try:
            np.testing.assert_array_equal(env.reset(), make_vec_env("CartPole-v1", n_envs=2, seed=4).reset())
        finally:
            env.close()
        assert monitor_files(tmp_path) == ["0.monitor.csv", "1.monitor.csv"]

    def test_several_in_a_process(self):
        env = make_vec_env("CartPole-v1", n_envs=3, seed=4, vec_env_cls=SubprocVecEnv,
                           vec_env_kwargs={"start_method": "fork", "envs_per_process": 2})
        try:
            assert len(env.processes) == 2
            np.testing.assert_array_equal(env.reset(), make_vec_env("CartPole-v1", n_envs=3, seed=4).reset())
        finally:
            env.close()

    @pytest.mark.parametrize("n_envs", [0, -1])
    def test_at_least_one_environment(self, n_envs):
        with pytest.raises(ValueError, match=f"n_envs={n_envs}: accepted is an int of at least 1"):
            make_vec_env("CartPole-v1", n_envs=n_envs)

    @pytest.mark.parametrize("env_id", [SeededEnv(), DummyVecEnv([SeededEnv]), 3, None])
    def test_what_cannot_make_an_environment_is_refused(self, env_id):
        with pytest.raises(TypeError, match="env_id=.*a class or function that makes the environment"):
            make_vec_env(env_id)

    def test_unknown_id(self):
        with pytest.raises(ValueError, match="env_id='Nothing-v1'"):
            make_vec_env("Nothing-v1")


class TestMakeAtariEnv:
    """With a fake game; the real ones are in test_simulators.py."""

    @pytest.fixture(autouse=True)
    def game(self, monkeypatch):
        class Game(SeededEnv):
            def __init__(self):
                super().__init__()
                self.observation_space = spaces.Box(0, 255, (100, 80, 3), np.uint8)
                self.ale = self

            def get_action_meanings(self):
                return ["NOOP", "UP"]

            def lives(self):
                return 0

            def reset(self):
                self.steps = 0
                return np.full((100, 80, 3), max(self.seeded, 0), np.uint8)

            def step(self, action):
                self.steps += 1
                return self.reset(), 5.0, False, {}

        monkeypatch.setattr(cmd_util, "make_atari", lambda env_id: Wrapper(Game()))

    def test_seeds_and_preprocessing(self):
        env = make_atari_env("Game-v0", 2, 5, start_index=1)
        assert type(env) is DummyVecEnv
        assert env.reset()[:, 0, 0, 0].tolist() == [6, 7]
        assert env.step([0, 0])[1].tolist() == [1.0, 1.0]

    def test_wrapper_kwargs(self):
        env = make_atari_env("Game-v0", 1, 5, wrapper_kwargs={"clip_rewards": False, "frame_stack": True})
        assert env.reset().shape == (1, 84, 84, 4)
        assert env.step([0])[1].tolist() == [5.0]

    def test_monitor_is_below_the_preprocessing(self, log_dir):
        env = make_atari_env("Game-v0", 1, 5, start_index=4, allow_early_resets=False)
        assert monitor_files(log_dir) == ["4.monitor.csv"]
        monitor = env.envs[0]
        while not isinstance(monitor, Monitor):
            monitor = monitor.env
        assert monitor.observation_space.shape == (100, 80, 3)
        assert not monitor.allow_early_resets
        env.close()

    def test_global_generators_are_seeded(self):
        make_atari_env("Game-v0", 1, 5)
        assert np.random.rand() == np.random.RandomState(5).rand()

    def test_no_seed(self):
        assert make_atari_env("Game-v0", 2, None).reset().shape == (2, 84, 84, 1)

    @pytest.mark.parametrize("num_env, kind", [(1, DummyVecEnv), (2, SubprocVecEnv)])
    def test_processes_only_for_several(self, num_env, kind, monkeypatch, log_dir):
        # a recorder instead of processes, which could not see the fake game
        class Recorder:
            def __init__(self, env_fns, start_method):
                self.env_fns, self.start_method = env_fns, start_method

        monkeypatch.setattr(cmd_util, "SubprocVecEnv", Recorder)
        env = make_atari_env("Game-v0", num_env, 5, use_subprocess=True, start_method="spawn")
        if kind is DummyVecEnv:
            assert type(env) is DummyVecEnv
        else:
            assert (len(env.env_fns), env.start_method) == (2, "spawn")
            logger.reset()  # the logger of another process would not know the folder: the functions do
            env.env_fns[1]().close()
            assert monitor_files(log_dir) == ["1.monitor.csv"]

    def test_at_least_one_environment(self):
        with pytest.raises(ValueError, match="num_env=0"):
            make_atari_env("Game-v0", 0, 5)


class TestMakeMujocoEnv:
    @pytest.mark.parametrize("rank, seed", [(0, 4), (2, 20004)])
    def test_each_process_has_its_seed_and_file(self, rank, seed, made_as, log_dir, monkeypatch):
        made_as(cmd_util, SeededEnv)
        monkeypatch.setattr(cmd_util, "mpi_rank_or_zero", lambda: rank)
        env = make_mujoco_env("Any-v0", 4)
        assert isinstance(env, Monitor)
        assert env.reset()[0] == seed
        assert np.random.rand() == np.random.RandomState(seed).rand()
        assert monitor_files(log_dir) == [f"{rank}.monitor.csv"]
        env.close()

    def test_without_a_folder(self, made_as):
        logger.reset()
        made_as(cmd_util, SeededEnv)
        assert make_mujoco_env("Any-v0", 4).file_handler is None

    def test_early_resets(self, made_as):
        made_as(cmd_util, SeededEnv)
        env = make_mujoco_env("Any-v0", 4, allow_early_resets=False)
        env.reset()
        with pytest.raises(RuntimeError, match="the episode is not over"):
            env.reset()


def test_robotics_env_shows_goal_and_observation_as_one_vector(made_as, log_dir):
    made_as(cmd_util, GoalLikeEnv)
    env = make_robotics_env("Any-v0", 4, rank=3)
    obs = env.reset()
    np.testing.assert_array_equal(obs, np.array([1, 2, .1, .2], np.float32))
    assert obs.dtype == np.float32
    np.testing.assert_array_equal(env.observation_space.high, [2, 2, 1, 1])
    np.testing.assert_array_equal(env.observation_space.low, [-2, -2, -1, -1])
    assert env.unwrapped.seeded == 4
    assert (env.info_keywords, monitor_files(log_dir)) == (("is_success",), ["3.monitor.csv"])
    env.close()


class TestParsers:
    def test_without_arguments(self):
        assert vars(arg_parser().parse_args([])) == {}

    @pytest.mark.parametrize("parser, expected", [
        (atari_arg_parser, {"env": "BreakoutNoFrameskip-v4", "seed": 0, "num_timesteps": 10000000}),
        (mujoco_arg_parser, {"env": cmd_util.MUJOCO_ENV, "seed": 0, "num_timesteps": 1000000, "play": False}),
        (robotics_arg_parser, {"env": "FetchReach-v0", "seed": 0, "num_timesteps": 1000000}),
    ])
    def test_defaults(self, parser, expected):
        assert vars(parser().parse_args([])) == expected

    def test_values(self):
        args = mujoco_arg_parser().parse_args(["--env", "X-v0", "--seed", "3", "--num-timesteps", "77", "--play"])
        assert vars(args) == {"env": "X-v0", "seed": 3, "num_timesteps": 77, "play": True}

    def test_help_shows_defaults(self):
        text = " ".join(atari_arg_parser().format_help().split())
        assert "--env ENV environment ID (default: BreakoutNoFrameskip-v4)" in text
        assert "--seed SEED RNG seed (default: 0)" in text

    def test_numbers_are_checked(self, capsys):
        with pytest.raises(SystemExit):
            atari_arg_parser().parse_args(["--num-timesteps", "1e6"])
        assert "--num-timesteps: invalid int value: '1e6'" in capsys.readouterr().err


class TestRunMujoco:
    def test_hyperparameters_are_those_of_the_original(self, made_as, monkeypatch):
        made_as(run_mujoco, SeededEnv)
        monkeypatch.setattr(run_mujoco, "PPO2", RecordingModel)
        model, env = run_mujoco.train("Any-v0", 1000, 3)
        assert isinstance(env, VecNormalize) and model.env is env
        assert model.kwargs == dict(n_steps=2048, nminibatches=32, lam=0.95, gamma=0.99, noptepochs=10, ent_coef=0.0,
                                    learning_rate=3e-4, cliprange=0.2, verbose=1, seed=3)
        assert (model.policy, model.learned) == (run_mujoco.MlpPolicy, 1000)

    def test_trains_and_plays(self, made_as, monkeypatch, tmp_path, capsys):
        class Ball(SeededEnv):
            """A ball to push, which counts how often it is shown."""
            renders = 0

            def __init__(self):
                super().__init__()
                self.action_space = spaces.Box(-1, 1, (1,), np.float32)

            def render(self, mode="human"):
                Ball.renders += 1
                if Ball.renders == 3:
                    raise KeyboardInterrupt

        made_as(run_mujoco, Ball)
        monkeypatch.setenv("OPENAI_LOGDIR", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["run_mujoco", "--num-timesteps", "2048", "--seed", "5", "--play"])
        with pytest.raises(KeyboardInterrupt):
            run_mujoco.main()
        logger.reset()
        assert Ball.renders == 3
        assert "Running trained model" in capsys.readouterr().out
        assert len(load_results(str(tmp_path))) == (2048 + 3) // 2  # three steps of playing

    @pytest.mark.skipif(sys.version_info >= (3, 8), reason="MuJoCo can be installed here")
    def test_python_37_says_what_to_install(self):
        pytest.importorskip("gym")
        with pytest.raises(Exception, match=r"Reacher-v2.*MuJoCo's environments need Python 3.8 or later.*"
                                            r"pip install pybullet"):
            run_mujoco.train("Reacher-v2", 2048, 0)

    @pytest.mark.skipif(sys.version_info < (3, 8), reason="MuJoCo cannot be installed here")
    @pytest.mark.filterwarnings("ignore:.*out of date")
    def test_errors_about_old_ids_name_the_new_ones(self):
        with pytest.raises(ImportError, match=r"Reacher-v2.*pip install 'gymnasium\[mujoco\].*such as 'Reacher-v5'"):
            run_mujoco.train("Reacher-v2", 2048, 0)


def test_making_environments_needs_no_tensorflow():
    code = "import sys; from stable_baselines.common import make_vec_env; " \
           "make_vec_env('CartPole-v1').reset(); print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], cwd=str(ROOT)).split()[-1] == b"False"
