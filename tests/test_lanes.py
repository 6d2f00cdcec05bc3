"""
The same numbers on TensorFlow 1.15 and 2.x.

Each lane (a Python with its TensorFlow) leaves its numbers and a saved model under build/lanes and compares itself with
what the other lanes left there for the same source code. The first lane to run has nothing to compare with; ``.ci/run``
runs two. Every test writes its own files, each at once, so that tests can run side by side.
"""
import hashlib
import os
import platform
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import BrightSide, make_env
from stable_baselines import PPO2
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv

ROOT = Path(__file__).resolve().parent.parent
OBSERVATIONS = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
BOX = spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32)
# largest difference of any parameter after a short training: rounding differs between the two TensorFlows
TRAINED_ATOL = 1e-4


class Drift(Env):
    """A deterministic control task in plain NumPy: push the point back to the middle."""

    observation_space = OBSERVATIONS
    action_space = BOX

    def reset(self):
        self._state, self._steps = np.array([.5, -.5, .2, .1]), 0
        return self._state.astype(np.float32)

    def step(self, action):
        self._steps += 1
        self._state = .95 * self._state + .05 * np.tile(action, 2)
        return self._state.astype(np.float32), -float(np.square(self._state).sum()), self._steps >= 25, {}


def source_digest():
    """Return a short name for the present source code."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "stable_baselines").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


ARGUMENTS = dict(seed=3, n_cpu_tf_sess=1, n_steps=4, nminibatches=1)
# one of every kind of random operation and layer
MODELS = {
    "discrete": lambda: PPO2("MlpPolicy", make_env(OBSERVATIONS, spaces.Discrete(5)), **ARGUMENTS),
    "multidiscrete": lambda: PPO2("MlpPolicy", make_env(OBSERVATIONS, spaces.MultiDiscrete([3, 4])), **ARGUMENTS),
    "multibinary": lambda: PPO2("MlpPolicy", make_env(OBSERVATIONS, spaces.MultiBinary(3)), **ARGUMENTS),
    "box": lambda: PPO2("MlpPolicy", make_env(OBSERVATIONS, BOX), **ARGUMENTS),
    "lstm": lambda: PPO2("MlpLnLstmPolicy", make_env(OBSERVATIONS, spaces.Discrete(5)), policy_kwargs=dict(n_lstm=8),
                         **ARGUMENTS),
    "cnn": lambda: PPO2("CnnPolicy", DummyVecEnv([BrightSide]), **ARGUMENTS),
}


def measure(model):
    """Return initial weights and a stream of sampled actions."""
    rng = np.random.RandomState(0)
    space, state, actions = model.observation_space, None, []
    for _ in range(20):
        obs = (rng.rand(8, *space.shape) * (space.high - space.low) + space.low).astype(space.dtype)
        action, state = model.predict(obs, state=state)
        actions.append(action)
    return dict(model.get_parameters(), **{"sampled actions": np.array(actions)})


@pytest.fixture
def own():
    """Return this lane's folder."""
    name = f"python{platform.python_version()}-tensorflow{tf.__version__}"
    folder = ROOT / "build" / "lanes" / source_digest() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def files_of_others(own, name):
    """Return the files of a name that other lanes have left."""
    return [path / name for path in own.parent.iterdir() if path != own and (path / name).is_file()]


def write(path, arrays):
    """Write arrays so that another lane sees the whole file or none."""
    temporary = path.with_name(f"{os.getpid()}.npz")
    np.savez(str(temporary), **arrays)
    os.replace(str(temporary), str(path))


def load(path):
    """Load all arrays of a file."""
    with np.load(str(path)) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("kind", list(MODELS))
def test_weights_and_actions_are_the_same_to_the_last_bit(own, kind):
    ours = measure(MODELS[kind]())
    write(own / f"{kind}.npz", ours)
    assert ours["sampled actions"].std() > 0
    others = files_of_others(own, f"{kind}.npz")
    for other in others:
        theirs = load(other)
        assert list(theirs) == list(ours)
        for name, value in ours.items():
            if name == "sampled actions" and value.dtype.kind == "f":
                # the noise is the same; the means are sums, whose rounding differs
                np.testing.assert_allclose(value, theirs[name], atol=1e-6, err_msg=f"{other} {name}")
            else:
                np.testing.assert_array_equal(value, theirs[name], err_msg=f"{other} {name}")
    if not others:
        pytest.skip("no other lane has run this source here yet: there was nothing to compare with")


def test_models_travel_between_lanes(own):
    trained = PPO2("MlpPolicy", DummyVecEnv([Drift] * 2), n_steps=50, seed=3, n_cpu_tf_sess=1).learn(500)
    ours = trained.get_parameters()
    trained.save(str(own / "trained"))
    write(own / "predictions.npz", dict(zip(("mean", "std"), trained.action_probability(np.eye(4)))))
    for predictions in files_of_others(own, "predictions.npz") + [own / "predictions.npz"]:
        model = PPO2.load(str(predictions.with_name("trained")), env=DummyVecEnv([Drift] * 2))
        for predicted, expected in zip(model.action_probability(np.eye(4)), load(predictions).values()):
            np.testing.assert_allclose(predicted, expected, atol=1e-6, err_msg=str(predictions))
        for name, value in model.get_parameters().items():
            np.testing.assert_allclose(value, ours[name], atol=TRAINED_ATOL, err_msg=f"{predictions} {name}")
        model.learn(200)
