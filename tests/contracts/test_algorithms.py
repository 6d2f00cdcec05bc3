"""What every algorithm must do, whatever it learns."""
import gc
import inspect
import io
import os
import weakref
import zipfile

import numpy as np
import pytest

from contracts.algorithms import ALGORITHMS, build, each, make_vec
from helpers import assert_same_parameters, changed_since, make_env, passing_module
from stable_baselines.common import gym_compat, save_util
from stable_baselines.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize

NOT_SAVED = {"policy", "env", "eval_env", "tensorboard_log", "_init_setup_model"}


@pytest.mark.parametrize("algorithm, policy", each("policies", "MlpPolicy", "MlpLstmPolicy"))
def test_same_seed_same_parameters(algorithm, policy):
    first, second = build(algorithm, policy), build(algorithm, policy)
    before = first.get_parameters()
    for model in (first, second):
        model.learn(4 * algorithm.steps)
    assert changed_since(before, first)
    assert_same_parameters(first, second)


def test_a_model_says_what_it_is(algorithm):
    name = algorithm.model_class.__name__
    model = build(algorithm)
    envs = f"DummyVecEnv of {algorithm.n_envs} {algorithm.env_id}"
    assert repr(model) == f"{name}(MlpPolicy, env={envs}, num_timesteps=0)"
    assert str(model.learn(algorithm.steps)).endswith(f", num_timesteps={model.num_timesteps})")
    n_envs = 1 if algorithm.n_envs == 1 else 3
    model.set_env(VecNormalize(DummyVecEnv([lambda: Unregistered(model)] * n_envs)))
    assert f"(MlpPolicy, env=VecNormalize of {n_envs} Unregistered, num_timesteps={model.num_timesteps})" in repr(model)
    assert repr(algorithm.model_class.__new__(algorithm.model_class)) == f"{name}(None, env=None, num_timesteps=0)"


class Unregistered(gym_compat.Env):
    """An environment without an id, with the spaces of a model."""

    def __init__(self, model):
        self.observation_space, self.action_space = model.observation_space, model.action_space

    def reset(self):
        return np.zeros(self.observation_space.shape, self.observation_space.dtype)


def test_no_seed_means_different_runs(algorithm):
    policies = [build(algorithm, seed=None) for _ in range(2)]
    obs = np.random.RandomState(0).randn(50, *policies[0].observation_space.shape)
    actions = [model.predict(obs)[0] for model in policies]
    assert not np.array_equal(*actions)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_every_constructor_argument_is_saved(algorithm, tmp_path):
    defaults = {}
    for owner in algorithm.model_class.__mro__:
        parameters = inspect.signature(owner.__init__).parameters
        defaults.update({name: param.default for name, param in parameters.items() if name not in defaults})
        if "kwargs" not in parameters:  # which a subclass passes on
            break
    assert set(algorithm.changed) == set(defaults) - {"self", "kwargs"} - NOT_SAVED, (
        "contracts/algorithms.py must name a changed value for each argument")
    for name, value in algorithm.changed.items():
        assert value != defaults[name]
    model = algorithm.model_class("MlpPolicy", make_vec(algorithm), **algorithm.changed)
    for form in (False, True):
        path = str(tmp_path / f"model{form}")
        model.save(path, cloudpickle=form)
        loaded = algorithm.model_class.load(path)
        for name, value in algorithm.changed.items():
            assert repr(getattr(loaded, name)) == repr(value), name  # objects such as action noise are equal to nothing
        assert_same_parameters(model, loaded)


def test_subclasses_are_saved_whole(algorithm, tmp_path):
    class PassesOn(algorithm.model_class):
        """Takes anything."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    class AddsOne(algorithm.model_class):
        """Has an argument of its own, and one that it does not keep."""

        def __init__(self, policy, env, my_coef=3, unkept=None, **kwargs):
            self.my_coef = my_coef
            super().__init__(policy, env, **kwargs)

    for number, (model_class, extra) in enumerate([(PassesOn, {}), (AddsOne, dict(my_coef=5))]):
        model = model_class("MlpPolicy", make_vec(algorithm), seed=0, gamma=.5, **dict(algorithm.kwargs, **extra))
        path = str(tmp_path / f"model{number}")
        model.save(path)
        loaded = model_class.load(path)
        assert loaded.gamma == .5 and getattr(loaded, "my_coef", 5) == 5
        assert_same_parameters(model, loaded)


def test_a_model_that_is_not_built_says_so(algorithm, tmp_path):
    model = algorithm.model_class("MlpPolicy", make_vec(algorithm), _init_setup_model=False)
    for use in (lambda: model.predict(np.zeros(4)), model.get_parameters, lambda: model.learn(10),
                lambda: model.save(str(tmp_path / "model"))):
        with pytest.raises(ValueError, match="setup_model"):
            use()
    assert not os.listdir(str(tmp_path))


def test_a_policy_whose_module_is_gone(algorithm, tmp_path):
    model = build(algorithm)
    model.policy = type("Gone", (model.policy,), {"__module__": "module_that_is_gone"})
    with passing_module(Gone=model.policy):
        for form in (False, True):
            model.save(str(tmp_path / f"model{form}"), cloudpickle=form)
    for form in (False, True):
        path = str(tmp_path / f"model{form}")
        with pytest.raises(ValueError, match="could not unpickle 'policy'.*policy=..."):
            algorithm.model_class.load(path)
        assert_same_parameters(model, algorithm.model_class.load(path, policy="MlpPolicy"))


def test_training_goes_on_after_load_with_another_number_of_environments(algorithm, model, tmp_path):
    model.learn(algorithm.steps)
    model.save(str(tmp_path / "model"))
    for n_envs in (1, 4):
        if algorithm.n_envs == 1 < n_envs:
            with pytest.raises(ValueError, match="num_envs=4: accepted by .* is a single environment"):
                algorithm.model_class.load(str(tmp_path / "model"), env=make_vec(algorithm, n_envs))
            continue
        loaded = algorithm.model_class.load(str(tmp_path / "model"), env=make_vec(algorithm, n_envs))
        assert_same_parameters(model, loaded)
        loaded.learn(2 * algorithm.steps)
        assert loaded.num_timesteps > 0
        assert changed_since(model.get_parameters(), loaded)


def test_file_objects(algorithm, model):
    before = model.get_parameters()
    for form in (False, True):
        buffer = io.BytesIO()
        model.save(buffer, cloudpickle=form)
        buffer.seek(0)
        assert_same_parameters(model, algorithm.model_class.load(buffer))
        model.load_parameters({name: value + 1 for name, value in before.items()})
        buffer.seek(0)
        model.load_parameters(buffer)
        assert changed_since(before, model) == set()


def test_equal_models_give_equal_files(algorithm):
    files = []
    for _ in range(2):
        model, file = build(algorithm), io.BytesIO()
        model.action_space.seed(len(files))
        model.action_space.sample()
        model.save(file)
        files.append(file)
    with zipfile.ZipFile(files[0]) as first, zipfile.ZipFile(files[1]) as second:
        for member in ("data", "parameters", "parameter_list"):
            assert first.read(member) == second.read(member), member


def test_get_and_load_parameters(algorithm, model):
    other = build(algorithm, seed=1)
    params = other.get_parameters()
    model.load_parameters(params)
    assert_same_parameters(model, other)
    name = next(iter(params))
    params[name][...] += 1  # the model must not live in the caller's arrays
    assert_same_parameters(model, other)
    model.load_parameters({name: params[name]}, exact_match=False)
    np.testing.assert_array_equal(model.get_parameters()[name], params[name])


@pytest.mark.parametrize("spoil", ["missing", "unknown", "shape"])
def test_wrong_parameters_are_refused_whole(model, spoil):
    before = model.get_parameters()
    params = {name: value + 1 for name, value in before.items()}
    name = list(params)[-1]
    if spoil == "missing":
        del params[name]
    elif spoil == "unknown":
        params["model/foreign:0"] = np.zeros(3)
    else:
        params[name] = np.zeros((3, 5, 7))
    with pytest.raises(ValueError, match="do not fit.*(missing|unknown|shape)"):
        model.load_parameters(params)
    with pytest.raises(RuntimeError):  # what the reference documents
        model.load_parameters(params)
    assert changed_since(before, model) == set()


def test_predict(algorithm, model):
    obs = model.vec_env.reset()
    actions, state = model.predict(obs, deterministic=True)
    assert actions.shape[0] == algorithm.n_envs and state is None
    single, _ = model.predict(obs[0], deterministic=True)
    np.testing.assert_allclose(single, actions[0], atol=1e-6)
    as_list, _ = model.predict(obs[0].tolist(), deterministic=True)
    assert np.array_equal(as_list, single)
    assert model.action_space.contains(model.action_space.dtype.type(single) if single.shape == () else single)
    for wrong in (np.zeros(17), np.zeros((3, 17)), np.zeros((2, 2) + obs.shape[1:])):
        with pytest.raises(ValueError, match="unexpected observation shape.*please use"):
            model.predict(wrong)


class RecordingCallback(BaseCallback):
    """Records the order of events, and whose training it is."""

    def __init__(self):
        super().__init__()
        self.models, self.events = set(), []

    def _on_training_start(self):
        self.events.append("training_start")

    def _on_rollout_start(self):
        self.events.append("rollout_start")

    def _on_step(self):
        self.models.add(self.locals["self"])
        if "mb_rewards" in self.locals:
            rewards, dones = self.locals["mb_rewards"], self.locals["mb_dones"]
            assert len(dones) == len(rewards) + 1  # what there is so far, no empty rows
            assert np.array_equal(rewards, np.ones_like(rewards))
        self.events.append(self.num_timesteps)
        return True

    def _on_rollout_end(self):
        self.events.append("rollout_end")

    def _on_training_end(self):
        self.events.append("training_end")


def test_callback(algorithm, model):
    callback = RecordingCallback()
    model.learn(2 * algorithm.steps, callback=callback)
    assert callback.models == {model}
    assert callback.events[:2] == ["training_start", "rollout_start"]
    assert callback.events[-1] == "training_end" and "rollout_end" in callback.events[-3:]
    steps = [event for event in callback.events if isinstance(event, int)]
    assert steps == list(range(algorithm.n_envs, model.num_timesteps + 1, algorithm.n_envs))


def test_arguments_of_learn(algorithm, model):
    for wrong in (0, -1, 2.5, "1"):
        with pytest.raises(ValueError, match="log_interval=.*accepted is a positive integer"):
            model.learn(algorithm.steps, log_interval=wrong)
    model.learn(float(algorithm.steps))  # as people write it: 1e5
    assert model.num_timesteps == algorithm.steps


def test_callback_stops_the_training(algorithm, model):
    seen = []

    def stop_at_third(locals_, globals_):
        seen.append(locals_["self"])
        return len(seen) < 3

    before = model.get_parameters()
    model.learn(10 * algorithm.steps, callback=stop_at_third)
    assert seen == [model] * 3
    assert model.num_timesteps == 3 * algorithm.n_envs
    assert changed_since(before, model) == algorithm.changed_by_acting  # a rollout that was cut short teaches nothing


def test_checkpoints_and_evaluation(algorithm, model, tmp_path):
    callbacks = [CheckpointCallback(save_freq=algorithm.steps // algorithm.n_envs, save_path=str(tmp_path)),
                 EvalCallback(make_vec(algorithm, 1), eval_freq=algorithm.steps // algorithm.n_envs, verbose=0,
                              n_eval_episodes=1, log_path=str(tmp_path), best_model_save_path=str(tmp_path))]
    model.learn(2 * algorithm.steps, callback=callbacks)
    loaded = algorithm.model_class.load(str(tmp_path / f"rl_model_{2 * algorithm.steps}_steps.zip"))
    assert loaded.get_parameters().keys() == model.get_parameters().keys()
    assert (tmp_path / "best_model.zip").is_file()
    with np.load(str(tmp_path / "evaluations.npz")) as evaluations:
        assert list(evaluations["timesteps"]) == [algorithm.steps, 2 * algorithm.steps]


def test_num_timesteps(algorithm, model):
    model.learn(algorithm.steps)
    assert model.num_timesteps == algorithm.steps
    model.learn(algorithm.steps, reset_num_timesteps=False)
    assert model.num_timesteps == 2 * algorithm.steps
    model.learn(algorithm.steps)
    assert model.num_timesteps == algorithm.steps


def test_environments_that_do_not_fit(algorithm, model):
    env = model.get_env()
    other_obs = spaces.Box(low=-1, high=1, shape=(17,), dtype=np.float32)
    for wrong in (make_env(other_obs, model.action_space),
                  make_env(model.observation_space, spaces.Discrete(17))):
        with pytest.raises(ValueError, match="does not fit the model: given.*the model has"):
            model.set_env(wrong)
        assert model.get_env() is env
        wrong.close()
    with pytest.raises(ValueError, match="None"):
        model.set_env(None)
    with pytest.raises(TypeError, match="env=17: accepted is"):
        model.set_env(17)


def test_learning_needs_an_environment(algorithm, model, tmp_path):
    model.save(str(tmp_path / "model"))
    model = algorithm.model_class.load(str(tmp_path / "model"))
    assert model.get_env() is None and model.get_vec_normalize_env() is None
    with pytest.raises(ValueError, match="set_env"):
        model.learn(10)
    model.set_env(gym_compat.make(algorithm.env_id))
    model.learn(algorithm.steps)
    with pytest.raises(ValueError, match="needs an environment"):
        algorithm.model_class("MlpPolicy", None)


def test_bad_policies(algorithm):
    with pytest.raises(ValueError, match="unknown policy 'NoSuchPolicy', the registered ones are:.*MlpPolicy"):
        algorithm.model_class("NoSuchPolicy", algorithm.env_id)
    for wrong in (17, dict, None):
        with pytest.raises(ValueError, match="policy=.*: accepted is"):
            algorithm.model_class(wrong, algorithm.env_id)


def test_bad_files(algorithm, model, tmp_path):
    model.save(str(tmp_path / "model.zip"))
    content = (tmp_path / "model.zip").read_bytes()
    (tmp_path / "truncated.zip").write_bytes(content[:len(content) // 2])
    (tmp_path / "foreign.zip").write_bytes(b"not a model at all")
    (tmp_path / "empty.zip").write_bytes(b"")
    for name in ("truncated.zip", "foreign.zip", "empty.zip"):
        with pytest.raises(ValueError, match="no model file"):
            algorithm.model_class.load(str(tmp_path / name))
        with pytest.raises(ValueError, match="no model file"):
            model.load_parameters(str(tmp_path / name))
    with pytest.raises(ValueError, match="nowhere"):
        algorithm.model_class.load(str(tmp_path / "nowhere"))
    # arguments that run the class, methods, and state are not what a file holds
    for unknown in ("no_such_argument", "predict", "num_timesteps", "_init_setup_model"):
        with pytest.raises(TypeError, match=f"unknown arguments \\['{unknown}'\\].*gamma"):
            algorithm.model_class.load(str(tmp_path / "model.zip"), **{unknown: 1})
    with pytest.raises(ValueError, match="policy_kwargs"):
        algorithm.model_class.load(str(tmp_path / "model.zip"), policy_kwargs=dict(net_arch=[3]))


def test_files_of_other_algorithms_are_refused_by_name(algorithm, model, tmp_path):
    class Own(algorithm.model_class):
        """A class of the user's."""

    twins = ("TRPO", "GAIL")  # whose files differ in the parameters alone
    name = algorithm.model_class.__name__
    for form in (False, True):
        path = str(tmp_path / f"model{form}")
        model.save(path, cloudpickle=form)
        assert_same_parameters(model, Own.load(path))
        for other in [other.model_class for other in ALGORITHMS if other is not algorithm]:
            words = (f"accepted is a model of {other.__name__}, this file holds one of "
                     + (" or ".join(twins) if name in twins else name))
            if {name, other.__name__} == set(twins):
                words = "the parameters do not fit the model: adversary/"
            with pytest.raises(ValueError, match=words):
                other.load(path, policy="MlpPolicy")


def test_unknown_attributes_of_a_file_are_ignored(algorithm, model, tmp_path):
    class Extended(algorithm.model_class):
        """Keeps, and saves, more than its constructor's arguments."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.counter = 0

    for form in (False, True):
        path = str(tmp_path / f"model{form}")
        data = dict(model._saved_data(), predict=1, num_timesteps=5, env=2, counter=3)
        save_util.save_to_file(path, data, model.get_parameters(), as_pickle=form)
        with pytest.warns(UserWarning, match=r"\['env', 'num_timesteps', 'predict'\] are not .*ignored") as warned:
            loaded = Extended.load(path)
        assert len([warning for warning in warned if warning.category is UserWarning]) == 1
        assert loaded.counter == 3 and loaded.num_timesteps == 0 and loaded.get_env() is None
        loaded.predict(np.zeros(model.observation_space.shape))


def test_files_without_newer_attributes_are_loaded(algorithm, model, tmp_path):
    """Those of the first releases held neither the seed nor the arguments of the policy."""
    data = model._saved_data()
    for name in ("seed", "n_cpu_tf_sess", "policy_kwargs", "full_tensorboard_log"):
        del data[name]
    save_util.save_to_file(str(tmp_path / "model"), data, model.get_parameters())
    assert_same_parameters(model, algorithm.model_class.load(str(tmp_path / "model")))


def test_a_missing_folder_is_named_as_given(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for form, name in ((False, "nowhere/model.zip"), (True, "nowhere/model.pkl")):
        with pytest.raises(FileNotFoundError, match=f"directory: '{name}'$"):
            model.save("nowhere/model", cloudpickle=form)


def test_a_failed_save_leaves_the_old_file(algorithm, tmp_path, monkeypatch):
    model, path = build(algorithm), tmp_path / "model.zip"
    model.save(str(path))
    content = path.read_bytes()
    model.unpicklable = model.policy_kwargs = {"generator": (number for number in range(3))}
    with pytest.raises(TypeError):
        model.save(str(path))
    assert path.read_bytes() == content
    assert os.listdir(str(tmp_path)) == ["model.zip"]


def test_whole_numbers_may_be_ints(algorithm):
    defaults = {name: parameter.default for name, parameter in
                inspect.signature(algorithm.model_class.__init__).parameters.items()}
    floats = {name: value for name, value in defaults.items() if isinstance(value, float) and value.is_integer()}
    floats.update({name: value for name, value in dict(gamma=1., ent_coef=0.).items() if name in defaults})
    with_floats, with_ints = [build(algorithm, **{name: kind(value) for name, value in floats.items()}).learn(
        algorithm.steps) for kind in (float, int)]
    assert_same_parameters(with_floats, with_ints)


def test_custom_objects_and_changed_arguments(algorithm, model, tmp_path):
    model.save(str(tmp_path / "model"))
    assert algorithm.model_class.load(str(tmp_path / "model"), gamma=0.5).gamma == 0.5
    assert algorithm.model_class.load(str(tmp_path / "model"), custom_objects=dict(gamma=0.25)).gamma == 0.25


def test_tensorboard(algorithm, tmp_path):
    import tensorflow.compat.v1 as tf
    for full in (False, True):
        log = tmp_path / str(full)
        model = build(algorithm, tensorboard_log=str(log), full_tensorboard_log=full)
        model.learn(4 * algorithm.steps, tb_log_name="run")
        model.learn(2 * algorithm.steps, tb_log_name="run", reset_num_timesteps=False)
        model.learn(algorithm.steps, tb_log_name="run")
        assert sorted(os.listdir(str(log))) == ["run_1", "run_2"]
        steps, tags = [], set()
        for events in sorted((log / "run_1").glob("events*")):
            for event in tf.train.summary_iterator(str(events)):
                for value in event.summary.value:
                    tags.add(value.tag)
                    steps += [event.step] if value.tag.endswith(("/learning_rate", "/actor_lr")) else []
        assert "episode_reward" in tags and any(tag.startswith("loss/") for tag in tags)
        assert steps == sorted(steps) and steps[-1] == 6 * algorithm.steps


def test_evaluate_policy(algorithm, model):
    rewards, lengths = evaluate_policy(model, make_vec(algorithm, 1), n_eval_episodes=3, return_episode_rewards=True)
    assert len(rewards) == len(lengths) == 3
    if algorithm.env_id.startswith("CartPole"):
        assert rewards == lengths  # one per step


def test_models_leave_nothing_behind(algorithm):
    model = build(algorithm)
    model.learn(algorithm.steps)
    model.predict(model.get_env().reset())
    remains = [weakref.ref(model), weakref.ref(model.graph), weakref.ref(model.sess)]
    del model
    gc.collect()
    assert [remain() for remain in remains] == [None] * 3
