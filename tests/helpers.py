"""What several test files share: fake environments and the cases recorded from the original."""
import contextlib
import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import gym_compat
from stable_baselines.common.buffers import Transitions
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.gym_compat import Env, ObservationWrapper, spaces
from stable_baselines.common.runners import Rollout
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize

ROOT = Path(__file__).resolve().parent.parent
UPDATES = ROOT / "tests" / "data" / "updates"
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


OUR_NAMES = dict(masks="episode_starts", neglogpacs="neglogp", true_reward="rewards")


def our_names(arrays):
    """Rename the arrays of a case from the original's vocabulary to ours."""
    return {OUR_NAMES.get(name, name): value for name, value in arrays.items()}


class FixedBatch:
    """A memory that always returns the batch of a case."""

    def __init__(self, batch):
        self.batch = Transitions(**{name: batch[name] for name in Transitions._fields})

    def sample(self, batch_size, env=None):
        return self.batch


class FixedNoise:
    """A generator that always draws the noise of a case."""

    def __init__(self, noise):
        self.noise = noise

    def standard_normal(self, shape):
        assert shape == self.noise.shape
        return self.noise


def rollout_of(batch):
    """Return the batch of a case as a rollout; without a memory no observation begins an episode."""
    fields = dict(dict.fromkeys(Rollout._fields), episode_starts=np.zeros(len(batch["obs"]), bool))
    return Rollout(**{name: our_names(batch).get(name, default) for name, default in fields.items()})


def parse_argument(text):
    """Return the value of an argument from the text that a case gives of it: words have no quotes there."""
    try:
        return eval(text, {})
    except (NameError, SyntaxError):
        return text


def build_model(model_class, case):
    """Build the model of a case from its constructor arguments and spaces."""
    constructor = {name: parse_argument(text) for name, text in case["constructor"].items()}
    env = make_env(parse_space(case["observation_space"]), parse_space(case["action_space"]), case.get("n_envs", 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*layers=", DeprecationWarning)  # which some cases give
        return model_class(case["policy"], env, **constructor)


def assert_parameters(model, expected, atol, rtol, case):
    """Compare a model's parameters with a snapshot, which may hold every 53rd element of large variables only."""
    parameters = model.get_parameters()
    assert set(parameters) == set(expected)
    for name, value in parameters.items():
        if value.size > 2000 and "sampled_snapshots" in case:
            value = value.ravel()[::53]
        np.testing.assert_allclose(value, expected[name], atol=atol, rtol=rtol, err_msg=name)


def assert_same_parameters(model, other):
    """Compare two models to the last bit."""
    ours, theirs = model.get_parameters(), other.get_parameters()
    assert list(ours) == list(theirs)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def changed_since(before, model):
    """Return the names of the parameters that differ from what ``get_parameters`` returned before."""
    return {name for name, value in model.get_parameters().items() if not np.array_equal(before[name], value)}


def copy_of(value):
    """Copy an array or a named tuple of arrays; all else stays."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copy_of, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def record_calls(target, name):
    """
    Let a method (or function) of an object go on as it is, and return a list that receives its calls.

    :return: for each call (tuple of the positional arguments, result), arrays copied
    """
    calls, method = [], getattr(target, name)

    def recorder(*args, **kwargs):
        copies = tuple(map(copy_of, args))
        calls.append((copies, method(*args, **kwargs)))
        return calls[-1][1]

    setattr(target, name, recorder)
    return calls


def record_locals(model, total_timesteps, *names):
    """
    Train and return what callbacks were offered at every step.

    :param names: local variables; arrays are copied
    :return: for each step a dict with those of the names that there were
    """
    seen = []

    def callback(locals_, _):
        seen.append({name: copy_of(locals_[name]) for name in names if name in locals_})

    model.learn(total_timesteps, callback=callback)
    return seen


def read_scalars(directory, tag):
    """Return the values of a tag in TensorBoard's files below a directory, in their order."""
    return [value.simple_value for events in sorted(Path(str(directory)).rglob("events*"))
            for event in tf.train.summary_iterator(str(events)) for value in event.summary.value if value.tag == tag]


class ScriptedEnv:
    """Plays back recorded observations, rewards and dones."""

    def __init__(self, batch):
        self.batch, self.step_count = batch, 0
        self.num_envs = batch["rewards"].shape[1]
        self.observation_space = self.action_space = type("Space", (), {"shape": batch["obs"].shape[2:]})

    def reset(self):
        return self.batch["obs"][0]

    def step(self, actions):
        index, self.step_count = self.step_count, self.step_count + 1
        assert np.array_equal(actions, self.batch["actions"][index])
        infos = [{} for _ in range(self.num_envs)]
        return self.batch["obs"][index + 1], self.batch["rewards"][index], self.batch["dones"][index], infos


class ScriptedModel:
    """Plays back recorded actions and values."""

    initial_state = None
    num_timesteps = 0

    def __init__(self, batch):
        self.batch, self.step_count = batch, 0

    def step(self, obs, states, dones):
        index, self.step_count = self.step_count, self.step_count + 1
        return self.batch["actions"][index], self.batch["values"][index], None, self.batch["neglogpacs"][index]

    def value(self, obs, states, dones):
        return self.batch["last_values"]


def assert_runner_returns(name, make_runner):
    """Let a runner collect what is recorded in a case, and compare its rollout with the original's."""
    arrays = load_arrays(name)
    batch, expected = group(arrays, "batch/"), our_names(group(arrays, "out/"))
    runner = make_runner(env=ScriptedEnv(batch), model=ScriptedModel(batch), n_steps=7, gamma=0.97)
    rollout = runner.run()
    for field, value in expected.items():
        np.testing.assert_allclose(getattr(rollout, field), value, atol=2e-5, rtol=1e-5, err_msg=field)
        assert getattr(rollout, field).dtype.kind == value.dtype.kind
    assert runner.model.num_timesteps == 21


def assert_no_clipping_is_inactive_clipping(model_class, name, train):
    """
    Compare three updates with ``max_grad_norm=None`` to three with a limit that is never reached.

    The original races without clipping: a layer is changed while gradients are computed from it.

    :param train: function of (model, case, batch) that makes one update
    """
    case, arrays = CASES[name], load_arrays(name)
    models = []
    for max_grad_norm in ("None", "1e9"):
        models.append(build_model(model_class, dict(case, constructor=dict(case["constructor"],
                                                                           max_grad_norm=max_grad_norm))))
        models[-1].load_parameters(group(arrays, "param/"))
        for _ in range(3):
            train(models[-1], case, group(arrays, "batch/"))
    assert_same_parameters(*models)


class HiddenVelocities(ObservationWrapper):
    """CartPole without its velocities: only a memory can balance it."""

    def __init__(self, env):
        super().__init__(env)
        space = env.observation_space
        self.observation_space = spaces.Box(low=space.low[::2], high=space.high[::2], dtype=np.float32)

    def observation(self, observation):
        return observation[::2]


class BrightSide(Env):
    """An image task: say on which side of the image the square is."""

    def __init__(self):
        self.observation_space = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8)
        self.action_space = spaces.Discrete(2)
        self._random = np.random.RandomState(0)

    def seed(self, seed=None):
        self._random = np.random.RandomState(seed)
        return [seed]

    def reset(self):
        self._steps = 0
        return self._draw()

    def _draw(self):
        self._side = self._random.randint(2)
        row, column = self._random.randint(28), self._random.randint(10) + 18 * self._side
        image = np.zeros((36, 36, 1), np.uint8)
        image[row:row + 8, column:column + 8] = 255
        return image

    def step(self, action):
        reward, self._steps = float(action == self._side), self._steps + 1
        return self._draw(), reward, self._steps >= 20, {}


class Pendulum(Env):
    """The classic swing-up: torque on a rod that has to stand upright; observed are its direction and its velocity."""

    observation_space = spaces.Box(low=-8, high=8, shape=(3,), dtype=np.float32)
    action_space = spaces.Box(low=-2, high=2, shape=(1,), dtype=np.float32)

    def __init__(self):
        self._random = np.random.RandomState(0)

    def seed(self, seed=None):
        self._random = np.random.RandomState(seed)
        return [seed]

    def reset(self):
        self._angle, self._velocity = self._random.uniform([-np.pi, -1], [np.pi, 1])
        self._steps = 0
        return self._observe()

    def _observe(self):
        return np.float32([np.cos(self._angle), np.sin(self._angle), self._velocity])

    def step(self, action):
        torque = float(np.clip(action[0], -2, 2))
        distance = (self._angle + np.pi) % (2 * np.pi) - np.pi
        reward = -(distance ** 2 + .1 * self._velocity ** 2 + .001 * torque ** 2)
        self._velocity = np.clip(self._velocity + .05 * (15 * np.sin(self._angle) + 3 * torque), -8, 8)
        self._angle += .05 * self._velocity
        self._steps += 1
        return self._observe(), reward, self._steps >= 200, {}


def normalised_like(env, trained_in):
    """Normalise observations with the statistics of a training, rewards not at all."""
    env = VecNormalize(env, training=False, norm_reward=False)
    env.obs_rms = trained_in.obs_rms
    return env


def make_cartpoles(n_envs, wrap=lambda env: env):
    """Return a DummyVecEnv of CartPoles."""
    return DummyVecEnv([lambda: wrap(gym_compat.make("CartPole-v1"))] * n_envs)


def mean_reward(model, env, seed=100):
    """Evaluate the deterministic policy over 20 episodes."""
    env.seed(seed)
    return evaluate_policy(model, env, n_eval_episodes=20)[0]


@contextlib.contextmanager
def passing_module(**contents):
    """Let a module exist for a while, with the given contents, and be gone after it."""
    module = sys.modules["module_that_is_gone"] = types.ModuleType("module_that_is_gone")
    vars(module).update(contents)
    yield
    del sys.modules["module_that_is_gone"]


class RecordingModel:
    """Stand in for an algorithm: keep what it is given."""

    made = None

    def __init__(self, policy, env, **kwargs):
        RecordingModel.made = self
        self.policy, self.env, self.kwargs, self.learned = policy, env, kwargs, None

    def learn(self, total_timesteps):
        self.learned = total_timesteps
        return self
