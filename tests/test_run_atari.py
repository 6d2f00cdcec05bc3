"""``python -m stable_baselines.{a2c,acer}.run_atari``: its arguments, and what it trains."""
import sys

import numpy as np
import pytest

from helpers import SpacesEnv
from stable_baselines import logger
from stable_baselines.a2c import run_atari as run_a2c
from stable_baselines.acer import run_atari as run_acer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import DummyVecEnv, VecFrameStack

FRAMES = spaces.Box(low=0, high=255, shape=(84, 84, 1), dtype=np.uint8)


class RecordingModel:
    """Stands in for an algorithm: keeps what it is given."""

    made = None

    def __init__(self, policy, env, **kwargs):
        RecordingModel.made = self
        self.policy, self.env, self.kwargs, self.learned = policy, env, kwargs, None

    def learn(self, total_timesteps):
        self.learned = total_timesteps
        return self


@pytest.fixture(params=[(run_a2c, "A2C", "num_env"), (run_acer, "ACER", "num_cpu")], ids=["a2c", "acer"])
def program(request, monkeypatch):
    """Give a program whose games and model are fakes, and the name of its argument for the number of games."""
    module, algorithm, argument = request.param
    module.asked = None

    def make_env(env_id, num_env, seed):
        module.asked = (env_id, num_env, seed)
        return DummyVecEnv([lambda: SpacesEnv(FRAMES, spaces.Discrete(4))] * num_env)

    monkeypatch.setattr(module, algorithm, RecordingModel)
    monkeypatch.setattr(module, "make_atari_env", make_env)
    return module, argument


def test_train(program):
    module, argument = program
    model = module.train("Game-v0", 1000, 3, "lstm", "linear", **{argument: 5})
    assert module.asked == ("Game-v0", 5, 3)
    assert isinstance(model.env, VecFrameStack) and model.env.n_stack == 4
    assert model.kwargs == dict(lr_schedule="linear", verbose=1, seed=3)
    assert (model.policy, model.learned) == (module.CnnLstmPolicy, 1000)
    with pytest.raises(ValueError, match="policy='resnet': accepted is one of cnn, lstm, lnlstm"):
        module.train("Game-v0", 1000, 3, "resnet", "linear", **{argument: 5})


@pytest.mark.parametrize("argv, policy, schedule, steps", [
    ([], "CnnPolicy", "constant", 10000000),
    (["--policy", "lnlstm", "--lr_schedule", "linear", "--num-timesteps", "77"], "CnnLnLstmPolicy", "linear", 77)])
def test_command_line(program, argv, policy, schedule, steps, monkeypatch, tmp_path):
    module, _ = program
    monkeypatch.setenv("OPENAI_LOGDIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run_atari"] + argv)
    module.main()
    logger.reset()
    made = RecordingModel.made
    assert (made.policy.__name__, made.kwargs["lr_schedule"], made.learned) == (policy, schedule, steps)
    assert module.asked == ("BreakoutNoFrameskip-v4", 16, 0)


def test_the_log_of_acer_goes_where_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(run_acer, "train", lambda *args, **kwargs: None)
    monkeypatch.setattr(sys, "argv", ["run_atari", "--logdir", str(tmp_path / "here")])
    run_acer.main()
    assert logger.get_dir() == str(tmp_path / "here")
    logger.reset()
    assert (tmp_path / "here" / "progress.csv").is_file()
