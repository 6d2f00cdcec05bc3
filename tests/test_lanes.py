"""
The same numbers on TensorFlow 1.15 and 2.x.

Each lane (a Python with its TensorFlow) leaves its numbers and a saved model under build/lanes and compares itself with
what the other lanes left there for the same source code. The first lane to run has nothing to compare with; ``.ci/run``
runs two.
"""
import hashlib
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


def build_models():
    """Return models of every kind of random operation and layer."""
    arguments = dict(seed=3, n_cpu_tf_sess=1, n_steps=4, nminibatches=1)
    return {
        "discrete": PPO2("MlpPolicy", make_env(OBSERVATIONS, spaces.Discrete(5)), **arguments),
        "multidiscrete": PPO2("MlpPolicy", make_env(OBSERVATIONS, spaces.MultiDiscrete([3, 4])), **arguments),
        "multibinary": PPO2("MlpPolicy", make_env(OBSERVATIONS, spaces.MultiBinary(3)), **arguments),
        "box": PPO2("MlpPolicy", make_env(OBSERVATIONS, BOX), **arguments),
        "lstm": PPO2("MlpLnLstmPolicy", make_env(OBSERVATIONS, spaces.Discrete(5)),
                     policy_kwargs=dict(n_lstm=8), **arguments),
        "cnn": PPO2("CnnPolicy", DummyVecEnv([BrightSide]), **arguments),
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


@pytest.fixture(scope="module")
def folders():
    """Give this lane's folder, with its numbers and its model in it, and those of the other lanes."""
    name = f"python{platform.python_version()}-tensorflow{tf.__version__}"
    own = ROOT / "build" / "lanes" / source_digest() / name
    own.mkdir(parents=True, exist_ok=True)
    for kind, model in build_models().items():
        np.savez(str(own / kind), **measure(model))
    trained = PPO2("MlpPolicy", DummyVecEnv([Drift] * 2), n_steps=50, seed=3, n_cpu_tf_sess=1)
    trained.learn(500)
    trained.save(str(own / "trained"))
    np.savez(str(own / "predictions"), *trained.action_probability(np.eye(4)))
    others = [path for path in own.parent.iterdir() if path != own and (path / "predictions.npz").is_file()]
    return own, others


def load(path):
    """Load all arrays of a file."""
    with np.load(str(path)) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("kind", ["discrete", "multidiscrete", "multibinary", "box", "lstm", "cnn"])
def test_weights_and_actions_are_the_same_to_the_last_bit(folders, kind):
    own, others = folders
    ours = load(own / (kind + ".npz"))
    assert ours["sampled actions"].std() > 0
    for other in others:
        theirs = load(other / (kind + ".npz"))
        assert list(theirs) == list(ours)
        for name, value in ours.items():
            if name == "sampled actions" and value.dtype.kind == "f":
                # the noise is the same; the means are sums, whose rounding differs
                np.testing.assert_allclose(value, theirs[name], atol=1e-6, err_msg=f"{other} {name}")
            else:
                np.testing.assert_array_equal(value, theirs[name], err_msg=f"{other} {name}")
    if not others:
        pytest.skip("no other lane has run this source here yet: there was nothing to compare with")


def test_models_travel_between_lanes(folders):
    own, others = folders
    ours = PPO2.load(str(own / "trained")).get_parameters()
    for other in others + [own]:
        model = PPO2.load(str(other / "trained"), env=DummyVecEnv([Drift] * 2))
        for predicted, expected in zip(model.action_probability(np.eye(4)), load(other / "predictions.npz").values()):
            np.testing.assert_allclose(predicted, expected, atol=1e-6, err_msg=str(other))
        for name, value in model.get_parameters().items():
            np.testing.assert_allclose(value, ours[name], atol=TRAINED_ATOL, err_msg=f"{other} {name}")
        model.learn(200)
