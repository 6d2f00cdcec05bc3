"""What check_env accepts, what it warns about and what it refuses. The cases were run with the original first."""
import re
import warnings

import numpy as np
import pytest

from stable_baselines.common.bit_flipping_env import BitFlippingEnv
from stable_baselines.common.env_checker import InvalidEnvError, check_env
from stable_baselines.common.gym_compat import Env, GoalEnv, make, spaces
from stable_baselines.common.identity_env import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)
from stable_baselines.common.vec_env import DummyVecEnv

CLASSIC = Env.__module__.startswith("gym.")  # the library at hand is gym 0.17 to 0.21


def box(low=-1, high=1, shape=(2,), dtype=np.float32):
    return spaces.Box(low, high, shape, dtype)


def image(low=0, high=255, shape=(64, 64, 3), dtype=np.uint8):
    return spaces.Box(low, high, shape, dtype)


class AnyEnv(Env):
    """An environment with given spaces that returns given things."""

    def __init__(self, obs_space=None, action_space=None, reset=None, step=None):
        self.observation_space = box() if obs_space is None else obs_space
        self.action_space = spaces.Discrete(2) if action_space is None else action_space
        self.returns, self.calls = {"reset": reset, "step": step}, []

    def reset(self):
        self.calls.append("reset")
        return self.observation_space.sample() if self.returns["reset"] is None else self.returns["reset"][0]

    def step(self, action):
        self.calls.append("step")
        return (self.observation_space.sample(), 1.0, False, {}) if self.returns["step"] is None \
            else self.returns["step"][0]

    def render(self, mode="human"):
        self.calls.append("render " + mode)

    def close(self):
        self.calls.append("close")


def collect_warnings(env, **options):
    """Run the check and return the texts of our warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, **options)
    return [str(warning.message) for warning in caught if warning.category is UserWarning]


OBS = np.zeros(2, np.float32)


class TestAccepted:
    @pytest.mark.parametrize("env", [
        IdentityEnv(2), IdentityEnvBox(), IdentityEnvMultiBinary(2), IdentityEnvMultiDiscrete(2), BitFlippingEnv(),
        BitFlippingEnv(3, discrete_obs_space=True), BitFlippingEnv(continuous=True), AnyEnv(), AnyEnv(image()),
        AnyEnv(image(shape=(36, 36, 3))), AnyEnv(action_space=box()),
        AnyEnv(action_space=box(shape=(2, 3))), AnyEnv(action_space=box(-.5, .5)),
        AnyEnv(action_space=spaces.MultiDiscrete([2, 3])), AnyEnv(action_space=spaces.MultiBinary(3)),
        AnyEnv(spaces.MultiDiscrete([2, 3])),
    ], ids=lambda env: type(env).__name__)
    def test_without_a_warning(self, env):
        assert collect_warnings(env) == []

    @pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0",
                                        f"FrozenLake-v{0 if CLASSIC else 1}"])
    def test_registered_environments(self, env_id):
        assert collect_warnings(make(env_id)) == []

    def test_reset_and_steps_are_all_that_it_does(self):
        env = AnyEnv()
        assert collect_warnings(env) == []
        assert env.calls == ["reset", "step", "reset"] + ["step"] * 10

    @pytest.mark.parametrize("reset", [np.zeros(2), np.ones(2, int)])
    def test_other_dtypes(self, reset):
        assert collect_warnings(AnyEnv(reset=[reset])) == []

    @pytest.mark.parametrize("step", [
        [OBS, 1.0, False, {}], (OBS, 1, True, {}), (OBS, np.float64(1), False, {}),
        # unlike the original's: NumPy's scalars, which many environments return
        (OBS, np.float32(1), np.bool_(False), {})])
    def test_results_of_steps(self, step):
        assert collect_warnings(AnyEnv(step=[step])) == []

    def test_numpy_integer_as_discrete_observation(self):
        assert collect_warnings(AnyEnv(spaces.Discrete(3), reset=[np.int64(2)])) == []


class TestWarnings:
    @pytest.mark.parametrize("obs_space, expected", [
        (image(dtype=np.float32), ["is an image but the `dtype` of its space is float32"]),
        (image(high=1), [r"the upper and lower bounds are not in \[0, 255\]"]),
        (image(low=10), [r"the upper and lower bounds are not in \[0, 255\]"]),
        (image(shape=(36, 35, 3)), [r"minimal resolution for an image is 36x36.*\(36, 35, 3\)"]),
        (image(shape=(3, 64, 64)), [r"minimal resolution for an image is 36x36"]),
        (image(low=-1, high=1, shape=(20, 20, 3), dtype=np.float32), ["`dtype`", "bounds are not", "minimal resol"]),
        (image(shape=(64, 64)), ["unconventional shape"]),
        (image(shape=(2, 64, 64, 3)), ["unconventional shape"]),
        (spaces.Dict({"a": box()}), ["a Dict but the environment is not a gym.GoalEnv"]),
        (spaces.Tuple((box(),)), ["The observation space is a Tuple"]),
    ], ids=str)
    def test_observation_spaces(self, obs_space, expected):
        found = collect_warnings(AnyEnv(obs_space))
        assert len(found) == len(expected)
        for text, pattern in zip(found, expected):
            assert re.search(pattern, text)
        assert collect_warnings(AnyEnv(obs_space), warn=False) == []

    @pytest.mark.parametrize("low, high", [(-2, 1), (0, 1), (-2, 2), (-1000, 1000), (-np.inf, np.inf),
                                           (np.array([-1, -2]), np.array([1, 2]))])
    def test_action_spaces(self, low, high):
        shape = np.shape(low) or (2,)
        found = collect_warnings(AnyEnv(action_space=box(low, high, shape)))
        assert [text[:47] for text in found] == ["We recommend you to use a symmetric and normali"]

    @pytest.mark.parametrize("reward, kind", [(np.nan, "nan"), (np.inf, "inf")])
    def test_nan_and_infinity_in_rewards(self, reward, kind):
        found = collect_warnings(AnyEnv(step=[(OBS, reward, False, {})]))
        assert len(found) == 1 and found[0].startswith(f"found {kind} in rewards")

    def test_infinity_in_observations(self):
        step = (np.array([np.inf, 0], np.float32), 1.0, False, {})
        found = collect_warnings(AnyEnv(box(-np.inf, np.inf), step=[step]))
        assert len(found) == 1 and found[0].startswith("found inf in observations")

    def test_they_point_at_the_caller(self):
        with pytest.warns(UserWarning) as caught:
            check_env(AnyEnv(action_space=box(-2, 2)))
        assert [warning.filename for warning in caught if "symmetric" in str(warning.message)] == [__file__]


class TestRefused:
    @pytest.mark.parametrize("env", [3, None, AnyEnv, DummyVecEnv([AnyEnv])])
    def test_something_that_is_not_an_environment(self, env):
        with pytest.raises(InvalidEnvError, match="must inherit from the gym.Env class"):
            check_env(env)

    @pytest.mark.parametrize("kind", ["observation", "action"])
    def test_spaces(self, kind):
        env = AnyEnv()
        setattr(env, kind + "_space", [1])
        with pytest.raises(InvalidEnvError, match=f"The {kind} space must inherit from gym.spaces"):
            check_env(env)
        delattr(env, kind + "_space")
        with pytest.raises(InvalidEnvError, match=f"The {kind} space must inherit from gym.spaces"):
            check_env(env)

    @pytest.mark.parametrize("obs_space, obs, message", [
        (None, None, "must be a numpy array, it is a NoneType"),
        (None, [0., 0.], "must be a numpy array, it is a list"),
        (None, 1.0, "must be a numpy array"),
        (None, (OBS, {}), "should be a single value, not a tuple"),
        (None, (OBS, False), "should be a single value, not a tuple"),
        (None, np.zeros(3, np.float32), r"does not match the given observation space: its shape is \(3,\), not \(2,\)"),
        (None, np.array([0, 5]), r"the value 5 at \(1,\) is not between -1.0 and 1.0"),
        (None, np.array([0, np.nan]), "it has NaN in it"),
        (spaces.Discrete(3), np.array([1]), "must be an int, it is a ndarray"),
        (spaces.Discrete(3), 1.0, "must be an int"),
        (spaces.Discrete(3), 3, r"does not match the given observation space: 3 is not in Discrete\(3\)"),
        (spaces.MultiBinary(3), [0, 1, 0], "must be a numpy array"),
        (spaces.MultiBinary(3), np.array([0, 2, 0]), "does not match"),
        (spaces.Dict({"a": box()}), {"b": OBS}, r"is not a dict with the keys \['a'\]"),
        (spaces.Dict({"a": box()}), {"a": 5 + OBS}, r"in 'a', the value 5.0 at \(0,\)"),
    ], ids=str)
    def test_observations(self, obs_space, obs, message):
        with pytest.raises(InvalidEnvError, match=r"(?s)`reset\(\)`.*" + message):
            check_env(AnyEnv(obs_space, reset=[obs]), warn=False)
        with pytest.raises(InvalidEnvError, match=r"(?s)`step\(\)`.*" + message):
            check_env(AnyEnv(obs_space, step=[(obs, 1.0, False, {})]), warn=False)

    @pytest.mark.parametrize("step, message", [
        ((OBS, 1.0, False), "must return four values: obs, reward, done, info$"),
        ((OBS, 1.0, False, False, {}), "must return four values: obs, reward, done, info$"),
        (None, "must return four values"),
        ((OBS, np.array([1.0]), False, {}), "The reward returned by `step\\(\\)` must be a float, it is a ndarray"),
        ((OBS, "1", False, {}), "must be a float, it is a str"),
        ((OBS, None, False, {}), "must be a float"),
        ((OBS, 1.0, 0, {}), "The `done` signal must be a boolean, it is 0"),
        ((OBS, 1.0, "no", {}), "The `done` signal must be a boolean"),
        ((OBS, 1.0, False, None), "The `info` returned by `step\\(\\)` must be a python dictionary"),
        ((OBS, 1.0, False, []), "must be a python dictionary, it is a list"),
    ], ids=str)
    def test_steps(self, step, message):
        with pytest.raises(InvalidEnvError, match=message):
            check_env(AnyEnv(step=[step]))

    def test_reward_that_compute_reward_does_not_give(self):
        class Generous(BitFlippingEnv):
            def step(self, action):
                obs, _, done, info = super().step(action)
                return obs, 5.0, done, info

        assert issubclass(Generous, GoalEnv)
        with pytest.raises(InvalidEnvError, match=r"compute_reward\(\) must return the reward of the step"):
            check_env(Generous())

    def test_the_error_is_also_what_the_original_raised(self):
        with pytest.raises(AssertionError):
            check_env(AnyEnv(reset=[None]))
        with pytest.raises(ValueError):
            check_env(AnyEnv(reset=[None]))

    def test_errors_of_the_environment_pass_through(self):
        class Broken(AnyEnv):
            def reset(self):
                raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            check_env(Broken())


class TestRender:
    class Shown(AnyEnv):
        metadata = {"render.modes": ["human", "rgb_array"]}

    def test_each_mode_after_the_steps(self):
        env = self.Shown()
        assert collect_warnings(env, skip_render_check=False) == []
        assert env.calls[-4:] == ["reset", "render human", "render rgb_array", "close"]

    def test_not_unless_asked_for(self):
        env = self.Shown()
        check_env(env)
        assert set(env.calls) == {"reset", "step"}

    @pytest.mark.parametrize("metadata", [{}, {"render.modes": []}, {"render.modes": None}])
    def test_no_modes(self, metadata):
        env = AnyEnv()
        env.metadata = metadata
        assert [text[:27] for text in collect_warnings(env, skip_render_check=False)] == ["No render modes was declare"]
        assert collect_warnings(env, skip_render_check=False, warn=False) == []
        assert collect_warnings(env) == []


class ModernBase:
    """An environment of the API with two results of reset and five of step."""
    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(self, reset=None, step=None, render_mode=None):
        self.observation_space, self.action_space = self.space_box, self.space_discrete
        self.returns, self.render_mode, self.rendered = (reset, step), render_mode, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return (OBS, {}) if self.returns[0] is None else self.returns[0]

    def step(self, action):
        return (OBS, 1.0, False, False, {}) if self.returns[1] is None else self.returns[1]

    def render(self):
        self.rendered += 1
        return np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize("library", ["gymnasium", "gym"])
class TestModernLibraries:
    @pytest.fixture(name="modern_env")
    def modern_env_fixture(self, library):
        module = pytest.importorskip(library, reason=f"pip install {library}")
        if library == "gym" and int(module.__version__.split(".")[1]) < 26:
            pytest.skip(f"gym {module.__version__} has the classic API; this needs pip install gym==0.26.2")
        return type("ModernEnv", (ModernBase, module.Env), {
            "space_box": module.spaces.Box(-1, 1, (2,), np.float32), "space_discrete": module.spaces.Discrete(2)})

    def test_good_one(self, modern_env):
        env = modern_env()
        assert collect_warnings(env, skip_render_check=False) == []
        assert env.rendered == 1

    @pytest.mark.parametrize("reset, step, message", [
        ((5 + OBS, {}), None, r"`reset\(\)` method does not match the given observation space: the value 5.0"),
        ((OBS, 3), None, r"`reset\(\)` method should be a single value, not a tuple"),
        (None, (OBS, 1.0, False), "four values: obs, reward, done, info .or five: obs, reward, terminated, truncated"),
        (None, (OBS, 1.0, False, 1, {}), "must be a boolean, it is 1"),
        (None, (OBS, 1.0, 1, False, {}), "must be a boolean, it is 1"),
        (None, (OBS, 1.0, False, False, None), "must be a python dictionary"),
    ], ids=str)
    def test_bad_ones(self, modern_env, reset, step, message):
        with pytest.raises(InvalidEnvError, match=message):
            check_env(modern_env(reset, step))

    def test_registered(self, modern_env, library):
        module = pytest.importorskip(library)
        assert collect_warnings(module.make("CartPole-v1", disable_env_checker=True)) == []

    def test_discrete_that_does_not_start_at_0(self, modern_env, library):
        env = modern_env()
        env.action_space = pytest.importorskip(library).spaces.Discrete(2, start=1)
        with pytest.raises(InvalidEnvError, match="The action space.*does not start at 0"):
            check_env(env)
