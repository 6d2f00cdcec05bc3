"""What several test files share: fake environments and the cases recorded from the original."""
import json
from pathlib import Path

import numpy as np

from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv

UPDATES = Path(__file__).resolve().parent / "data" / "updates"
CASES = json.loads((UPDATES / "cases.json").read_text())


class SpacesEnv(Env):
    """Random observations and rewards of the given spaces, in episodes of ten steps."""

    def __init__(self, observation_space, action_space):
        self.observation_space = observation_space
        self.action_space = action_space
        self._steps = 0

    def reset(self):
        self._steps = 0
        return self.observation_space.sample()

    def step(self, action):
        self._steps += 1
        return self.observation_space.sample(), 1.0, self._steps >= 10, {}

    def seed(self, seed=None):
        self.observation_space.seed(seed)
        return [seed]


def make_env(observation_space, action_space, n_envs=1):
    """Return a DummyVecEnv of environments that only have the given spaces."""
    return DummyVecEnv([lambda: SpacesEnv(observation_space, action_space)] * n_envs)


def parse_space(text):
    """Build a space from the text that a case gives of it."""
    return eval(text, {"Box": lambda **kwargs: spaces.Box(**kwargs), "Discrete": spaces.Discrete,
                       "MultiDiscrete": spaces.MultiDiscrete, "MultiBinary": spaces.MultiBinary,
                       "inf": np.inf, "float32": np.float32, "uint8": np.uint8})


def load_arrays(name):
    """Load the arrays of a case."""
    with np.load(str(UPDATES / (name + ".npz")), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def group(arrays, prefix):
    """Return the arrays whose names begin with a prefix, without it."""
    return {key[len(prefix):]: value for key, value in arrays.items() if key.startswith(prefix)}


def build_model(model_class, case):
    """Build the model of a case from its constructor arguments and spaces."""
    constructor = {name: eval(text) for name, text in case["constructor"].items()}
    env = make_env(parse_space(case["observation_space"]), parse_space(case["action_space"]), case["n_envs"])
    return model_class(case["policy"], env, **constructor)


def assert_parameters(model, expected, atol, rtol, case):
    """Compare a model's parameters with a snapshot, which may hold every 53rd element of large variables only."""
    parameters = model.get_parameters()
    assert set(parameters) == set(expected)
    for name, value in parameters.items():
        if value.size > 2000 and "sampled_snapshots" in case:
            value = value.ravel()[::53]
        np.testing.assert_allclose(value, expected[name], atol=atol, rtol=rtol, err_msg=name)
