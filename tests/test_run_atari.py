"""``python -m stable_baselines.<algorithm>.run_atari``: its arguments, and what it trains."""
import sys

import numpy as np
import pytest

from helpers import RecordingModel, make_env
from stable_baselines import logger
from stable_baselines.a2c import run_atari as run_a2c
from stable_baselines.acer import run_atari as run_acer
from stable_baselines.acktr import run_atari as run_acktr
from stable_baselines.common import cmd_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import VecFrameStack
from stable_baselines.ppo2 import run_atari as run_ppo2

FRAMES = spaces.Box(low=0, high=255, shape=(84, 84, 1), dtype=np.uint8)


@pytest.fixture(name="asked", autouse=True)
def asked_fixture(monkeypatch):
    """Replace games and models by fakes, and list the games that were asked for."""
    asked = []

    def make_atari_env(env_id, num_env, seed):
        asked.append((env_id, num_env, seed))
        return make_env(FRAMES, spaces.Discrete(4), num_env)

    monkeypatch.setattr(cmd_util, "make_atari_env", make_atari_env)
    for module, name in ((run_a2c, "A2C"), (run_acer, "ACER"), (run_acktr, "ACKTR"), (run_ppo2, "PPO2")):
        monkeypatch.setattr(module, name, RecordingModel)
    return asked


@pytest.mark.parametrize("train, arguments, kwargs", [
    (run_a2c.train, dict(policy="lstm", lr_schedule="linear", num_env=5), dict(lr_schedule="linear")),
    (run_acer.train, dict(policy="lstm", lr_schedule="linear", num_cpu=5), dict(lr_schedule="linear")),
    (run_acktr.train, dict(num_cpu=5), dict(n_cpu_tf_sess=None)),
    (run_ppo2.train, dict(policy="mlp", n_envs=5, nminibatches=1, n_steps=6),
     dict(n_steps=6, nminibatches=1, lam=0.95, gamma=0.99, noptepochs=4, ent_coef=0.01)),
], ids=["a2c", "acer", "acktr", "ppo2"])
def test_train(train, arguments, kwargs, asked):
    model = train("Game-v0", 1000, 3, **arguments)
    assert asked == [("Game-v0", 5, 3)]
    assert isinstance(model.env, VecFrameStack) and model.env.n_stack == 4
    given = {name: value for name, value in model.kwargs.items() if name not in ("learning_rate", "cliprange")}
    assert given == dict(kwargs, verbose=1, seed=3)
    policy = {"lstm": "CnnLstmPolicy", "mlp": "MlpPolicy", "cnn": "CnnPolicy"}[arguments.get("policy", "cnn")]
    assert (model.policy, model.learned) == (policy, 1000)


def test_hyperparameters_of_ppo2_are_those_of_the_original(asked):
    kwargs = run_ppo2.train("Game-v0", 1000, 3, "cnn").kwargs
    assert asked == [("Game-v0", 8, 3)]
    assert (kwargs["n_steps"], kwargs["nminibatches"]) == (128, 4)
    assert [kwargs["learning_rate"](progress) for progress in (1.0, .5, .0)] == [2.5e-4, 1.25e-4, 0.0]
    assert [kwargs["cliprange"](progress) for progress in (1.0, .5, .0)] == [.1, .05, .0]


@pytest.mark.parametrize("train, accepted", [
    (lambda policy: run_a2c.train("Game-v0", 9, 3, policy, "linear", 5), "cnn, lstm, lnlstm$"),
    (lambda policy: run_acer.train("Game-v0", 9, 3, policy, "linear", 5), "cnn, lstm, lnlstm$"),
    (lambda policy: run_ppo2.train("Game-v0", 9, 3, policy), "cnn, lstm, lnlstm, mlp$")], ids=["a2c", "acer", "ppo2"])
def test_unknown_policies_are_refused(train, accepted):
    with pytest.raises(ValueError, match=f"policy='resnet': accepted is one of {accepted}"):
        train("resnet")


def test_environments_are_closed_when_training_fails(monkeypatch):
    def learn(model, total_timesteps):
        raise KeyboardInterrupt

    closed = []
    monkeypatch.setattr(RecordingModel, "learn", learn)
    monkeypatch.setattr(VecFrameStack, "close", lambda env: closed.append(env))
    with pytest.raises(KeyboardInterrupt):
        run_acktr.train("Game-v0", 9, 3, 2)
    assert closed == [RecordingModel.made.env]


@pytest.mark.parametrize("module, argv, policy, schedule, steps, n_envs", [
    (run_a2c, [], "CnnPolicy", "constant", 10000000, 16),
    (run_a2c, ["--policy", "lnlstm", "--lr_schedule", "linear", "--num-timesteps", "77"], "CnnLnLstmPolicy", "linear",
     77, 16),
    (run_acer, [], "CnnPolicy", "constant", 10000000, 16),
    (run_acer, ["--policy", "lnlstm", "--lr_schedule", "linear"], "CnnLnLstmPolicy", "linear", 10000000, 16),
    (run_acktr, ["--num-timesteps", "77"], "CnnPolicy", None, 77, 32),
    (run_ppo2, [], "CnnPolicy", None, 10000000, 8),
    (run_ppo2, ["--policy", "lstm", "--num-timesteps", "77"], "CnnLstmPolicy", None, 77, 8),
    (run_ppo2, ["--policy", "lnlstm"], "CnnLnLstmPolicy", None, 10000000, 8)])
def test_command_line(module, argv, policy, schedule, steps, n_envs, asked, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_LOGDIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run_atari"] + argv)
    module.main()
    logger.reset()
    made = RecordingModel.made
    assert (made.policy, made.kwargs.get("lr_schedule"), made.learned) == (policy, schedule, steps)
    assert asked == [("BreakoutNoFrameskip-v4", n_envs, 0)]


def test_the_log_of_acer_goes_where_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(run_acer, "train", lambda *args, **kwargs: None)
    monkeypatch.setattr(sys, "argv", ["run_atari", "--logdir", str(tmp_path / "here")])
    run_acer.main()
    assert logger.get_dir() == str(tmp_path / "here")
    logger.reset()
    assert (tmp_path / "here" / "progress.csv").is_file()
