"""DDPG: exploration, statistics, evaluations, reports, MPI, old files, the command."""
import pickle
import sys

import numpy as np
import pytest

from contracts import algorithms  # noqa: F401  (registers ShortPendulum-v0)
from helpers import Pendulum, assert_same_parameters, changed_since, record_calls, record_locals
from stable_baselines import DDPG, logger
from stable_baselines.bench import Monitor
from stable_baselines.common import gym_compat, mpi_util, save_util
from stable_baselines.common.buffers import ReplayBuffer
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.files import pickling
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines.ddpg import main
from stable_baselines.ddpg.epochs import Epochs
from stable_baselines.ddpg.policies import FeedForwardPolicy
from test_mpi_blocks import Job

SMALL = dict(nb_rollout_steps=10, nb_train_steps=4, nb_eval_steps=7, batch_size=8, buffer_size=1000, seed=0,
             n_cpu_tf_sess=1, policy_kwargs=dict(layers=[8]))
EVERYTHING = dict(normalize_observations=True, normalize_returns=True, enable_popart=True, critic_l2_reg=.01,
                  clip_norm=.5, random_exploration=.1, param_noise_adaption_interval=2)


class Counter(gym_compat.Env):
    """Observes how many steps there were; each gives a reward of 1; episodes take ten of them and succeed."""

    observation_space = spaces.Box(low=0, high=1000, shape=(1,), dtype=np.float32)
    action_space = spaces.Box(low=-2, high=2, shape=(2,), dtype=np.float32)

    def __init__(self):
        self.n_steps, self.actions, self.n_renders, self.n_seeds = 0, [], 0, 0

    def seed(self, seed=None):
        self.n_seeds += 1
        return [seed]

    def reset(self):
        return np.float32([self.n_steps])

    def step(self, action):
        self.n_steps += 1
        self.actions.append(action)
        return np.float32([self.n_steps]), 1., self.n_steps % 10 == 0, {"is_success": True}

    def render(self, mode="human"):
        self.n_renders += 1


def make(env=None, policy="MlpPolicy", **kwargs):
    """Build a small model."""
    return DDPG(policy, env or Counter(), **dict(SMALL, **kwargs))


@pytest.mark.parametrize("name, value", [
    ("nb_rollout_steps", 0), ("nb_train_steps", 0), ("nb_eval_steps", 0), ("param_noise_adaption_interval", 0),
    ("param_noise", .2), ("gamma", "high"), ("reward_scale", None), ("memory_limit", 0), ("tau", 1.5),
    ("clip_norm", -1), ("critic_l2_reg", -.1), ("observation_range", (1, -1)),
    ("return_range", 5), ("enable_popart", True), ("actor_lr", "fast"), ("critic_lr", None)])
@pytest.mark.filterwarnings("ignore:memory_limit is deprecated")
def test_wrong_arguments_are_refused(name, value):
    model = make(_init_setup_model=False, **{name: value})
    with pytest.raises((ValueError, TypeError), match=f"{name}={value!r}".replace("(1, -1)", ".*")):
        model.setup_model()
    assert model.graph is None


def test_ranges_are_tuples_after_loading(tmp_path):
    model, path = make(observation_range=(-3., 3.), return_range=(-np.inf, 9.)), str(tmp_path / "model.zip")
    model.save(path)
    assert save_util.load_from_file(path)[0]["observation_range"] == [-3., 3.]  # as in the files of 2.10
    loaded = DDPG.load(path)
    assert (loaded.observation_range, loaded.return_range) == ((-3., 3.), (-np.inf, 9.))


def test_the_deprecated_names_of_the_memory():
    class Own(ReplayBuffer):
        """A memory of the user's own."""

    with pytest.warns(DeprecationWarning, match="memory_limit is deprecated, use buffer_size"):
        model = make(memory_limit=20)
    assert model.replay_buffer.buffer_size == 20 and (model.memory_limit, model.buffer_size) == (20, 1000)
    with pytest.warns(DeprecationWarning, match="memory_policy is deprecated"):
        model = make(memory_policy=Own)
    assert type(model.replay_buffer) is Own and model.replay_buffer.buffer_size == 1000
    assert model.replay_buffer.np_random is model.np_random


def test_old_files_name_a_memory_that_is_gone(tmp_path):
    for path in (b"ddpg.memory\nMemory", b"deepq.replay_buffer\nReplayBuffer"):
        assert pickling.loads(b"cstable_baselines." + path + b"\n.") is ReplayBuffer  # how protocol 0 names a class
    model, path = make(), str(tmp_path / "model.pkl")
    model.save(path, cloudpickle=True)
    data, params = save_util.load_from_file(path)
    del data["buffer_size"], data["random_exploration"]
    data.update(memory_policy=ReplayBuffer, memory_limit=30)
    with open(path, "wb") as file:
        pickle.dump((data, list(params.values())), file)
    loaded = DDPG.load(path, env=Counter())
    assert_same_parameters(model, loaded)
    assert loaded.replay_buffer.buffer_size == 30
    loaded.learn(20)


def test_observations_are_clipped():
    model = make(observation_range=(-5., 5.))
    at_5, above, within = model.predict(np.float32([[5.], [500.], [4.]]))[0]
    np.testing.assert_array_equal(at_5, above)
    assert not np.array_equal(at_5, within)


def test_values_are_clipped_on_the_critics_own_scale():
    model = make(normalize_returns=True, return_range=(-.5, .25))
    model.load_parameters({"model/qf/qf_output/bias:0": np.float32([9.]), "input/ret_rms/count:0": np.array(1.),
                           "input/ret_rms/runningsum:0": np.array(2.), "input/ret_rms/runningsumsq:0": np.array(8.)},
                          exact_match=False)  # mean 2, standard deviation 2
    assert model._choose(np.float32([[1.]]))[1].tolist() == [[2.5]]


def test_statistics_are_those_of_what_was_seen():
    env = Counter()
    model = make(env, normalize_observations=True)
    model.learn(50)
    # the last observation is yet to be acted on
    total, squares, count = [model.get_parameters()[f"input/obs_rms/{name}:0"]
                             for name in ("runningsum", "runningsumsq", "count")]
    seen = np.arange(50)
    np.testing.assert_allclose([total[0], squares[0], count], [seen.sum(), .01 + (seen ** 2).sum(), 50.01])


def test_step_sizes_are_schedules_of_their_own():
    model = make(actor_lr=lambda progress: 0., critic_lr=lambda progress: 1e-3 * progress)
    calls, before = record_calls(model, "_train_function"), model.get_parameters()
    model.learn(40)
    changed = changed_since(before, model)
    assert not any(name.startswith("model/pi") for name in changed) and "model/qf/fc0/kernel:0" in changed
    rates = [args[0].critic_lr for args, _ in calls]
    assert rates == sorted(rates, reverse=True) and 1e-3 > rates[0] > rates[-1] > 0


# ---------------------------------------------------------------- exploration


class Recording(AdaptiveParamNoiseSpec):
    """Notes the distances."""

    def __init__(self, *args):
        super().__init__(*args)
        self.distances = []

    def adapt(self, distance):
        self.distances.append(distance)
        super().adapt(distance)


def test_noise_on_parameters_spares_layer_normalisation():
    model = make(policy="LnMlpPolicy", param_noise=AdaptiveParamNoiseSpec(.5), policy_kwargs=dict(layers=[200, 200]))
    model._perturb(.5)
    params = model.get_parameters()
    noises = {name: params[name.replace("model", "noise", 1)] - value for name, value in params.items()
              if name.startswith("model/pi/")}
    assert len(noises) == 10
    for name, noise in noises.items():
        if "LayerNorm" in name:
            assert not noise.any()
        else:
            assert noise.any()
    noise = noises["model/pi/fc1/kernel:0"]
    assert abs(noise.std() - .5) < .01 and abs(noise.mean()) < .01  # of 40,000 numbers
    assert changed_since(params, model) == set()
    model._perturb(.5)
    assert changed_since(params, model) == {name.replace("model", "noise", 1) for name, noise in noises.items()
                                            if noise.any()}


def test_noise_on_parameters_changes_with_the_episode():
    model, seen = make(param_noise=AdaptiveParamNoiseSpec()), []

    def callback(locals_, _):
        seen.append(model.get_parameters()["noise/pi/fc0/kernel:0"])

    model.learn(30, callback=callback)
    for step in range(1, 30):
        assert np.array_equal(seen[step], seen[step - 1]) == (step % 10 != 0)


def test_noise_on_parameters_explores_only_if_asked_to():
    model = make(param_noise=AdaptiveParamNoiseSpec())
    obs = np.float32([[1.], [2.]])
    actor, noisy = (model.sess.run(tensor, {model.batch_ph.obs: obs})
                    for tensor in (model.actor_tf, model.perturbed_actor_tf))
    np.testing.assert_allclose(model.predict(obs)[0], 2 * actor, atol=1e-6)
    np.testing.assert_allclose(model.predict(obs, deterministic=False)[0], 2 * noisy, atol=1e-6)
    assert not np.allclose(actor, noisy)


def test_noise_on_parameters_is_adapted_to_its_effect():
    noise = Recording(.2, .1, 1.05)
    model = make(param_noise=noise, param_noise_adaption_interval=3)
    calls = record_calls(model, "_distance")
    model.learn(50)
    # gradient steps 0 and 3 of five times four
    assert len(noise.distances) == 10 and noise.distances == [pytest.approx(result) for _, result in calls]
    stddev = .2
    for distance in noise.distances:
        stddev *= 1.05 if distance <= .1 else 1 / 1.05
    assert noise.current_stddev == pytest.approx(stddev)
    model._perturb_adaptive(.3)
    obs, params = np.float32([[1.], [2.]]), model.get_parameters()
    actions = []
    for scope in ("model", "noise_adapt"):
        weights = [params[f"{scope}/pi/{name}:0"] for name in ("fc0/kernel", "fc0/bias", "pi/kernel", "pi/bias")]
        actions.append(np.tanh(np.maximum(obs @ weights[0] + weights[1], 0) @ weights[2] + weights[3]))
    assert model._distance(obs) == pytest.approx(np.sqrt(np.mean((actions[0] - actions[1]) ** 2)), rel=1e-4)


def test_a_training_carries_its_noise():
    model, other = make(param_noise=AdaptiveParamNoiseSpec()), make(param_noise=AdaptiveParamNoiseSpec())
    model.learn(50)
    other.set_training_state(model.training_state())
    assert other.param_noise.current_stddev == model.param_noise.current_stddev != .1
    assert other.param_noise is not model.param_noise


@pytest.mark.parametrize("n_envs", [1, 3])
def test_random_actions_have_no_value(n_envs):
    env = Counter() if n_envs == 1 else algorithms.DummyVecEnv([Counter] * n_envs)
    seen = record_locals(make(env, random_exploration=.5), 60, "q_value", "epoch_qs")
    values = [step["q_value"] for step in seen]
    assert {None if value is None else value.shape for value in values} == {None, (n_envs, 1)}


# ---------------------------------------------------------------- evaluation and reports


def test_evaluations_are_without_noise_and_change_nothing():
    models, eval_env = [], Counter()
    for env in (None, eval_env):
        models.append(make(eval_env=env, action_noise=NormalActionNoise(np.zeros(2), 5 * np.ones(2)),
                           nb_eval_steps=25))
        models[-1].learn(40)
    assert_same_parameters(*models)
    assert eval_env.n_steps == 4 * 25 and eval_env.n_seeds == 1
    assert np.abs(eval_env.actions).max() < 1 < np.abs(models[1].env.actions).max()


@pytest.mark.parametrize("kind", ["id", "VecEnv"])
def test_other_evaluation_environments(kind):
    eval_env = "ShortPendulum-v0" if kind == "id" else algorithms.DummyVecEnv(
        [lambda: gym_compat.make("ShortPendulum-v0")] * 3)
    model = DDPG("MlpPolicy", "ShortPendulum-v0", eval_env=eval_env, **SMALL)
    model.learn(30)
    n_envs = 1 if kind == "id" else 3
    assert len(model._epochs.eval_returns) == 21 // 10 * n_envs


def test_rendering():
    env, eval_env = Counter(), Counter()
    make(env, eval_env=eval_env, render=True, render_eval=True).learn(30)
    assert (env.n_renders, eval_env.n_renders) == (30, 3 * 7)
    env = Counter()
    make(env, eval_env=eval_env).learn(30)
    assert (env.n_renders, eval_env.n_renders) == (0, 3 * 7)


def read_report(tmp_path, model, steps, **kwargs):
    """Train and return the table of what was reported."""
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        model.learn(steps, **kwargs)
    return logger.read_csv(str(tmp_path / "progress.csv"))


def test_an_epoch_is_reported_on_its_own(tmp_path):
    model = make(eval_env=Counter(), verbose=1, nb_rollout_steps=15)
    table = read_report(tmp_path, model, 150, log_interval=2)
    expected = {"total/epochs": [1, 2, 3, 4, 5], "total/steps": [30, 60, 90, 120, 150],
                "total/episodes": [3, 6, 9, 12, 15], "rollout/episodes": [3] * 5, "rollout/return": [10] * 5,
                "rollout/return_history": [10] * 5, "rollout/episode_steps": [10] * 5, "success rate": [1] * 5,
                "eval/episodes": [1, 1, 2, 1, 2], "eval/return": [10] * 5}  # 14 steps an epoch
    for name, values in expected.items():
        assert list(table[name]) == values, name
    assert (model._epochs.n_epochs, model._epochs.n_episodes) == (5, 15)


def test_means_of_an_epoch_are_those_of_its_steps(tmp_path):
    model = make(verbose=1, action_noise=NormalActionNoise(np.zeros(2), .3 * np.ones(2)))
    calls, seen = record_calls(model, "_train_function"), []

    def callback(locals_, _):
        seen.append((locals_["action"].copy(), locals_["q_value"].copy()))

    table = read_report(tmp_path, model, 60, log_interval=3, callback=callback)
    losses = [result for _, result in calls]
    assert len(losses) == 5 * 4 + 4 and len(seen) == 60
    actions, q_values = map(np.array, zip(*seen))
    for row, steps, updates in ((0, slice(0, 30), slice(0, 12)), (1, slice(30, 60), slice(12, 24))):
        for name, values in (("rollout/actions_mean", actions[steps].mean()),
                             ("rollout/Q_mean", q_values[steps].mean()),
                             ("rollout/actions_std", actions[steps].std()),
                             ("train/loss_actor", np.mean([loss.actor_loss for loss in losses[updates]])),
                             ("train/loss_critic", np.mean([loss.critic_loss for loss in losses[updates]]))):
            np.testing.assert_allclose(table[name][row], values, rtol=1e-5, err_msg=name)


def test_predictions_of_a_callback_do_not_show_in_reports(tmp_path):
    def predict(locals_, _):
        value = locals_["q_value"].copy()
        locals_["self"].predict(np.float32([[500.], [600.]]))
        locals_["self"].predict(np.float32([[500.]]), deterministic=False)
        values.append((value, locals_["q_value"]))

    values, model = [], make(verbose=1)
    table = read_report(tmp_path, model, 20, log_interval=2, callback=predict)
    before, after = np.array(values).swapaxes(0, 1)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(table["rollout/Q_mean"], before.mean(), rtol=1e-5)


def test_callbacks_and_what_they_see_change_no_report(tmp_path):
    tables = []
    for callback in (None, lambda locals_, _: None):
        model = make(verbose=1, eval_env=Counter(), param_noise=AdaptiveParamNoiseSpec())
        tables.append(read_report(tmp_path / str(callback is None), model, 60, log_interval=3, callback=callback))
    ours, theirs = (table.drop(columns=["total/duration", "total/steps_per_second"]) for table in tables)
    assert ours.equals(theirs) and "eval/Q" in ours and "train/param_noise_distance" in ours


def test_a_long_epoch_takes_no_memory_where_nobody_looks():
    model = make(eval_env=Counter())
    model.learn(1000, log_interval=10 ** 6)
    assert len(pickle.dumps(model._epochs)) < 5000


def test_what_callbacks_see_of_an_epoch(monkeypatch):
    calls, seen = [], []
    offered = Epochs.offered

    def count_calls(epochs):
        calls.append(epochs)
        return offered(epochs)

    class Watch(BaseCallback):
        """Notes what there is at each step and at the end."""

        def _on_step(self):
            seen.append([self.locals[name] for name in ("episodes", "epoch", "epoch_episodes", "episode_step",
                                                        "episode_reward", "total_steps")]
                        + [len(self.locals[name]) for name in ("epoch_actions", "epoch_qs", "epoch_actor_losses",
                                                               "epoch_adaptive_distances", "epoch_episode_steps")])

        _on_training_end = _on_step

    monkeypatch.setattr(Epochs, "offered", count_calls)
    make(nb_rollout_steps=15).learn(45, log_interval=2, callback=Watch())
    assert len(calls) == 1 + 45  # at the start and at every step
    assert seen[0] == [0, 0, 0, 0, 0, 1] + [0, 0, 0, 0, 0]
    assert seen[25] == [2, 0, 2, 5, 5, 26] + [25, 25, 4, 1, 2]
    assert seen[32] == [3, 1, 0, 2, 2, 33] + [2, 2, 0, 0, 0]  # an epoch ended
    assert seen[-1] == [4, 1, 1, 5, 5, 45] + [15, 15, 4, 1, 1]


def test_everything_is_reported(tmp_path):
    model = DDPG("LnMlpPolicy", Monitor(Pendulum(), None), eval_env=Pendulum(), param_noise=AdaptiveParamNoiseSpec(),
                 verbose=1, **dict(SMALL, **EVERYTHING))
    columns = set(read_report(tmp_path, model, 400, log_interval=20).columns)
    assert {"eval/Q", "obs_rms_mean", "obs_rms_std", "ret_rms_mean", "ret_rms_std", "param_noise_stddev",
            "reference_perturbed_action_mean", "reference_perturbed_action_std"} <= columns


@pytest.mark.parametrize("kwargs", [dict(verbose=0), dict(verbose=1, log_interval=None)])
def test_the_lists_of_an_epoch_end_without_reports_too(kwargs, tmp_path):
    log_interval = kwargs.get("log_interval", 2)
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        model = make(verbose=kwargs["verbose"])
        lengths = []
        model.learn(100, log_interval=log_interval,
                    callback=lambda locals_, _: lengths.append(len(locals_["epoch_actions"])))
    assert max(lengths) == 10 * (log_interval or 1) - 1
    assert not (tmp_path / "progress.csv").read_text()


# ---------------------------------------------------------------- repeatability


@pytest.mark.parametrize("n_envs", [1, 2])
def test_everything_at_once_repeats_under_a_seed(n_envs, tmp_path):
    models = []
    for watched in (False, True):
        noises = dict(param_noise=AdaptiveParamNoiseSpec(), action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(1), .3))
        watching = dict(verbose=1, tensorboard_log=str(tmp_path), full_tensorboard_log=True, eval_env=Pendulum())
        models.append(DDPG("LnMlpPolicy", algorithms.DummyVecEnv([Pendulum] * n_envs), **noises,
                           **dict(SMALL, **EVERYTHING, **(watching if watched else {}))))
        before = models[-1].get_parameters()
        with logger.ScopedConfigure(str(tmp_path), ["csv"]):
            models[-1].learn(300 * n_envs, log_interval=2)
        assert changed_since(before, models[-1]) == set(before)
    assert_same_parameters(*models)  # reports change nothing


# ---------------------------------------------------------------- MPI


def test_processes_that_see_the_same_learn_what_one_learns(monkeypatch, tmp_path):
    models, jobs = [], [mpi_util.OneProcess(), Job(2)]
    for job in jobs:
        monkeypatch.setattr(mpi_util, "world", lambda job=job: job)
        models.append(make(param_noise=AdaptiveParamNoiseSpec(), clip_norm=.5, verbose=1))
        table = read_report(tmp_path / type(job).__name__, models[-1], 60, log_interval=3)
        assert list(table["total/steps"]) == [30, 60] and list(table["rollout/return"]) == [10, 10]
    assert_same_parameters(*models)
    n_updates, n_adaptations = 6 * 4, 6
    assert jobs[1].n_exchanges == 2 * n_updates + n_adaptations


def test_statistics_are_those_of_all_processes(monkeypatch):
    monkeypatch.setattr(mpi_util, "world", lambda: Job(2))
    model = make(**EVERYTHING)
    model.learn(30)
    params = model.get_parameters()
    assert params["input/obs_rms/count:0"] == pytest.approx(.01 + 2 * 30)
    assert params["input/obs_rms/runningsum:0"] == pytest.approx(2 * sum(range(30)))
    assert params["input/ret_rms/count:0"] == pytest.approx(.01 + 2 * 8 * model.n_updates)


class Leader(Job):
    """A job whose first process has other parameters."""

    def Bcast(self, buf, root=0):  # noqa: N802
        buf[...] = buf + 1


def test_processes_begin_with_the_parameters_of_the_first(monkeypatch):
    monkeypatch.setattr(mpi_util, "world", lambda: Leader(2))
    model = make(normalize_observations=True, param_noise=AdaptiveParamNoiseSpec())
    before = model.get_parameters()
    model.learn(0)
    for name, value in model.get_parameters().items():
        if not name.startswith("noise/"):  # drawn anew
            np.testing.assert_array_equal(value, before[name] + 1)


# ---------------------------------------------------------------- policies


class Wide(FeedForwardPolicy):
    """A policy of the user's own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, layers=[5, 6, 7], layer_norm=True, feature_extraction="mlp")


def test_a_policy_of_ones_own():
    shapes = {name: value.shape for name, value in make(policy=Wide, policy_kwargs=None).get_parameters().items()}
    assert shapes["model/pi/fc2/kernel:0"] == (6, 7) and shapes["model/qf/fc1/kernel:0"] == (5 + 2, 6)
    assert shapes["model/qf/fc2/kernel:0"] == (6, 7) and shapes["target/qf/LayerNorm_2/gamma:0"] == (7,)


def test_what_a_policy_computes():
    model, obs = make(), np.float32([[1.], [2.]])
    actions = model.policy_tf.step(obs)
    np.testing.assert_allclose(2 * actions, model.predict(obs)[0], atol=1e-6)
    np.testing.assert_array_equal(actions, model.policy_tf.proba_step(obs))
    np.testing.assert_allclose(model.policy_tf.value(obs, actions), model._choose(obs)[1], atol=1e-6)


def test_popart_needs_a_last_layer_of_that_name():
    class Other(Wide):
        """Its critic ends with a layer of another name."""

        @staticmethod
        def _output(latent, size, name, activation=None):
            return FeedForwardPolicy._output(latent, size, name.replace("qf_output", "last"), activation)

    with pytest.raises(ValueError, match="enable_popart=True: accepted is .*'qf_output', which Other lacks"):
        make(policy=Other, policy_kwargs=None, normalize_returns=True, enable_popart=True)


# ---------------------------------------------------------------- the command


def test_options_of_the_command(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py"])
    assert main.parse_args() == dict(
        env_id="HalfCheetah-v1", render_eval=False, layer_norm=True, render=False, normalize_returns=False,
        normalize_observations=True, seed=0, critic_l2_reg=.01, batch_size=64, actor_lr=1e-4, critic_lr=1e-3,
        enable_popart=False, gamma=.99, reward_scale=1., clip_norm=None, nb_train_steps=50, nb_eval_steps=100,
        nb_rollout_steps=100, noise_type="adaptive-param_0.2", num_timesteps=1000000, evaluation=False)


@pytest.mark.parametrize("noise_type, expected", [
    ("none", {}), ("normal_0.3", dict(action_noise="NormalActionNoise(mu=[0. 0.], sigma=[0.3 0.3])")),
    ("adaptive-param_0.2, ou_0.1", dict(
        action_noise="OrnsteinUhlenbeckActionNoise(mu=[0. 0.], sigma=[0.1 0.1])", param_noise=repr(
            AdaptiveParamNoiseSpec(.2, .2))))])
def test_noise_of_the_command(noise_type, expected):
    noises = main.make_noise(noise_type, Counter.action_space)
    assert {name: repr(noise) for name, noise in noises.items()} == expected


@pytest.mark.parametrize("noise_type", ["loud_0.1", "normal", "ou_many", ""])
def test_unknown_noise_is_refused(noise_type):
    with pytest.raises(ValueError, match=f"noise_type={noise_type!r}: accepted is 'none', or one or two of"):
        main.make_noise(noise_type, Counter.action_space)


def test_the_command_trains(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", [
        "main.py", "--env-id", "ShortPendulum-v0", "--num-timesteps", "60", "--nb-rollout-steps", "20", "--batch-size",
        "8", "--nb-train-steps", "2", "--nb-eval-steps", "11", "--evaluation", "--no-layer-norm", "--enable-popart",
        "--normalize-returns", "--noise-type", "adaptive-param_0.2,ou_0.1", "--actor-lr", "0.002", "--clip-norm", "1"])
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        model = main.run(**main.parse_args())
    assert (model.num_timesteps, model.n_updates, model.actor_lr, model.clip_norm) == (60, 6, .002, 1.)
    assert model.policy.__name__ == "MlpPolicy" and model.normalize_observations
    assert len((tmp_path / "0.monitor.csv").read_text().splitlines()) == 2 + 6
    assert len((tmp_path / "gym_eval.monitor.csv").read_text().splitlines()) == 2 + 3
