"""TRPO: the step within the trust region, the value function, what it refuses, its hooks and command modules."""
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import RecordingModel, changed_since, make_cartpoles, make_env, read_scalars, record_calls
from stable_baselines import TRPO, logger
from stable_baselines.common import cmd_util, tf_util
from stable_baselines.common.cg import conjugate_gradient
from stable_baselines.common.gym_compat import spaces
from stable_baselines.trpo_mpi import run_atari, run_mujoco
from stable_baselines.trpo_mpi.trpo_mpi import Batch, Losses


def build(**kwargs):
    """Return a small model."""
    return TRPO("MlpPolicy", make_cartpoles(1), **dict(
        dict(timesteps_per_batch=100, seed=0, n_cpu_tf_sess=1, policy_kwargs=dict(net_arch=[16])), **kwargs))


def make_batch(n_rows, seed=0):
    """Return random rows whose actions were good or bad."""
    rng = np.random.RandomState(seed)
    return Batch(obs=rng.randn(n_rows, 4), actions=rng.randint(2, size=n_rows), advantages=rng.randn(n_rows),
                 returns=rng.randn(n_rows))


# ---------------------------------------------------------------- conjugate gradient

MATRIX = np.array([[4., 1., 0.], [1., 3., 1.], [0., 1., 2.]])


def test_conjugate_gradient_is_exact_after_as_many_iterations_as_there_are_unknowns():
    solution = np.array([1., -2., .5])
    right = MATRIX @ solution
    np.testing.assert_allclose(conjugate_gradient(MATRIX.dot, right, 3), solution, atol=1e-12)
    assert np.abs(conjugate_gradient(MATRIX.dot, right, 2) - solution).max() > 1e-3
    np.testing.assert_array_equal(right, MATRIX @ solution)  # the argument is not changed


def test_conjugate_gradient_stops_at_the_tolerance():
    products, seen = [], []

    def product(vector):
        products.append(vector)
        return 2 * vector

    right = np.float32([1., 2., 3.])
    solution = conjugate_gradient(product, right, 10, callback=seen.append)
    np.testing.assert_allclose(solution, right / 2)
    assert len(products) == 1 and solution.dtype == np.float32
    np.testing.assert_array_equal(seen, [np.zeros(3), right / 2])
    assert len(products) == 1 and not conjugate_gradient(product, np.zeros(3)).any()
    assert len(products) == 1  # there is nothing to solve
    # the squared norm of this residual is 5
    np.testing.assert_array_equal(conjugate_gradient(product, np.array([1., 2.]), residual_tol=5.1), [0, 0])


def test_conjugate_gradient_prints_a_table(capsys):
    conjugate_gradient(MATRIX.dot, np.array([3., 4., 0.]), 2, verbose=True)
    header, first, *_, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["iteration", "residual", "solution"]
    assert first.split() == ["0", "5", "0"] and last.split()[0] == "2"


# ---------------------------------------------------------------- the policy

def test_a_step_stays_within_the_trust_region_and_gains():
    for seed in range(5):
        model, batch = build(max_kl=.02, seed=seed), make_batch(200, seed)
        model._update_old_policy()
        before = Losses(*model._losses_function(batch))
        losses = model._train_policy(batch)
        assert losses == Losses(*model._losses_function(batch))
        assert 0 < losses.meankl <= 1.5 * .02 and losses.optimgain > before.optimgain


def test_the_damping_shortens_what_the_policy_moves_in_flat_directions():
    directions = []
    for cg_damping in (.01, 100.):
        model, batch = build(cg_damping=cg_damping), make_batch(200)
        model._update_old_policy()
        gradient = model._gradient_function(batch)[0]
        searches = record_calls(model, "_search_along")
        model._train_policy(batch)
        step = searches[0][0][0]
        directions.append(step.dot(gradient) / np.linalg.norm(step) / np.linalg.norm(gradient))
    assert directions[0] < .9 and directions[1] > .999  # the gradient itself, if all directions count alike


def test_a_step_that_is_never_good_is_taken_back(tmp_path):
    model, batch = build(), make_batch(100)
    model._update_old_policy()
    losses_of, sizes, start = model._losses_function, [], model._get_flat()
    full_step = np.linspace(-1, 1, start.size).astype(np.float32)

    def far_off(batch):
        sizes.append((model._get_flat() - start)[0] / full_step[0])
        return [1., .0151, 0., 1., 0.]  # the gain is great, but the divergence is just too large

    model._losses_function = far_off
    before = model.get_parameters()
    with logger.ScopedConfigure(str(tmp_path), ["log"]):
        reported = model._search_along(full_step, batch, Losses(*losses_of(batch)))
    assert "no step is good" in (tmp_path / "log.txt").read_text()
    np.testing.assert_allclose(sizes, .5 ** np.arange(10), rtol=1e-5)
    assert changed_since(before, model) == set()
    assert reported == Losses(*losses_of(batch))  # those of the parameters that stay, not of the last try


@pytest.mark.parametrize("losses, accepted", [
    ([.5, .0149, 0., .5, 0.], True), ([.4, 0., 0., .4, 0.], True),  # the gain is that of before
    ([.39, 0., 0., .5, 0.], False), ([np.inf, 0., 0., .5, 0.], False), ([.5, np.nan, 0., .5, 0.], False)])
def test_what_makes_a_step_good(losses, accepted):
    model = build(max_kl=.01)
    start, before = model._get_flat(), Losses(.4, 0., 0., .4, 0.)
    model._losses_function = lambda batch: losses
    model._search_along(np.ones_like(start), None, before)
    np.testing.assert_allclose(model._get_flat(), start + accepted, atol=1e-6)


@pytest.mark.parametrize("scale", [0., 1e-7])
def test_without_a_gradient_the_policy_stays_as_it_is(scale, tmp_path):
    model, batch = build(), make_batch(100)
    model._update_old_policy()
    before = model.get_parameters()
    with logger.ScopedConfigure(str(tmp_path), ["log"]):
        losses = model._train_policy(batch._replace(advantages=scale * batch.advantages))
    assert "zero gradient" in (tmp_path / "log.txt").read_text()
    assert losses.meankl == pytest.approx(0, abs=1e-6) and changed_since(before, model) == set()


class TwoRanks:
    """Stands in for the communicator of two processes; keeps what the other one sends."""

    def __init__(self, *received):
        self.received = list(received)

    def Get_size(self):  # noqa: N802
        return 2

    def Bcast(self, values, root):  # noqa: N802
        values[...] = self.received.pop(0)


@pytest.mark.parametrize("scale, n_products", [(1., 10), (1e-7, 0)])
def test_every_process_makes_as_many_products(scale, n_products):
    """Where the last bits differ, one process may think that the residual is small enough, and another may not."""
    model, batch = build(), make_batch(100)
    model._update_old_policy()
    gradient = scale * model._gradient_function(batch)[0]
    products = record_calls(model, "_fisher_function")
    direction, divergence = model._natural_gradient(gradient, batch.obs)
    assert len(products) == n_products + 1
    del products[:]
    model._comm = TwoRanks(direction + 1, 7.)
    received, its_divergence = model._natural_gradient(gradient, batch.obs)
    assert len(products) == 10 + 1 and its_divergence == 7
    np.testing.assert_array_equal(received, direction + 1)
    np.testing.assert_array_equal(products[-1][0][2], received)


def test_a_step_of_the_policy_leaves_the_value_function_alone():
    model, batch = build(policy_kwargs=dict(net_arch=[dict(pi=[8], vf=[8])])), make_batch(100)
    before = model.get_parameters()
    model._train_policy(batch)
    policy = {name for name in before if name.startswith("model/pi")}
    assert changed_since(before, model) == policy
    before = model.get_parameters()
    model._train_value_function(batch)
    assert changed_since(before, model) == {name for name in before if name.startswith("model/vf")}


def test_both_train_layers_that_they_share():
    model, batch = build(), make_batch(100)
    for train in (model._train_policy, model._train_value_function):
        before = model.get_parameters()
        train(batch)
        assert "model/shared_fc0/w:0" in changed_since(before, model)


def test_the_entropy_counts_as_much_as_its_coefficient():
    model, batch = build(entcoeff=.5), make_batch(100)
    losses = Losses(*model._losses_function(batch))
    assert losses.entloss == pytest.approx(.5 * losses.entropy)
    assert losses.optimgain == pytest.approx(losses.surrgain + losses.entloss)


# ---------------------------------------------------------------- the value function

@pytest.mark.parametrize("n_rows, sizes", [(100, [100]), (128, [128]), (300, [128, 128, 44])])
def test_every_row_trains_the_value_function_once_in_an_epoch(n_rows, sizes):
    """Stable Baselines 2.10 drops what is left over: with 100 rows its value function learns nothing."""
    model, batch = build(vf_iters=2, vf_stepsize=.05), make_batch(n_rows)
    calls = record_calls(model, "_value_step")
    model._train_value_function(batch)
    fed = [arguments[0] for arguments, _ in calls]
    assert [len(minibatch.obs) for minibatch in fed] == sizes * 2
    assert {minibatch.learning_rate for minibatch in fed} == {.05}
    for epoch in (fed[:len(sizes)], fed[len(sizes):]):
        obs, returns = np.concatenate([part.obs for part in epoch]), np.concatenate([part.returns for part in epoch])
        ours, theirs = np.argsort(obs[:, 0]), np.argsort(batch.obs[:, 0])
        np.testing.assert_array_equal(obs[ours], batch.obs[theirs])
        np.testing.assert_array_equal(returns[ours], batch.returns[theirs])
    assert not np.array_equal(fed[0].obs, fed[len(sizes)].obs)  # each epoch has an order of its own


def test_values_that_are_not_finite_are_refused_and_the_update_is_taken_back():
    model = build()
    rollouts = record_calls(model, "_samples")
    model.learn(100)
    samples, before = rollouts[0][1], model.get_parameters()
    returns = np.array(samples.returns)
    returns[7] = 1e30  # its square is infinite
    calls = record_calls(model, "_value_step")
    steps = record_calls(model, "_train_policy")
    with pytest.raises(ValueError, match=r"losses that are not finite.*value_loss\] \[inf\].*those of before the up"):
        model._train(samples._replace(returns=returns), 1.)
    assert len(steps) == 1 and calls == []  # the policy had taken its step
    assert not any(name.startswith("model/") for name in changed_since(before, model))
    model.learn(200)
    assert all(np.isfinite(values).all() for values in model.get_parameters().values())


def test_a_last_step_of_the_values_that_explodes_is_taken_back():
    model = build(vf_iters=1, vf_stepsize=1e38)  # one minibatch an update
    before = model.get_parameters()
    with pytest.raises(ValueError, match=r"losses that are not finite.*value_loss\] \[(inf|-?nan)\].*those of before"):
        model.learn(100)
    assert not any(name.startswith("model/") for name in changed_since(before, model))
    assert build(vf_iters=0).learn(100).num_timesteps == 100  # there is no step to check


def test_a_short_trajectory_trains_the_value_function():
    model = build(timesteps_per_batch=60, vf_iters=50, vf_stepsize=.01)
    rollouts = record_calls(model, "_samples")
    model.learn(60)
    samples = rollouts[0][1]
    errors = [np.square(values - samples.returns).mean() for values in (samples.values, model.value(samples.obs))]
    assert errors[1] < .8 * errors[0]


# ---------------------------------------------------------------- training

def test_steps_are_counted_and_the_last_trajectory_is_whole():
    model = build()
    trained = record_calls(model, "_train_policy")
    model.learn(250)
    assert model.num_timesteps == 300 and len(trained) == 3


def test_tensorboard_shows_the_losses_before_each_step(tmp_path):
    model = build(tensorboard_log=str(tmp_path), entcoeff=.1, vf_stepsize=1e-3)
    trained = record_calls(model, "_train")
    model.learn(300)
    expected = [np.square(samples.values - samples.returns).mean() for (samples, *_), _ in trained]
    np.testing.assert_allclose(read_scalars(tmp_path, "loss/value_function_loss"), expected, rtol=1e-4)
    np.testing.assert_allclose(read_scalars(tmp_path, "loss/approximate_kullback-leibler"), 0, atol=1e-6)
    np.testing.assert_allclose(read_scalars(tmp_path, "input_info/kl_clip_range"), .01, rtol=1e-6)
    np.testing.assert_allclose(read_scalars(tmp_path, "input_info/learning_rate"), 1e-3, rtol=1e-6)


class Rising(TRPO):
    """The reward is a variable of its own, which grows after every trajectory: the hooks that GAIL uses."""

    def _build_reward(self):
        own = tf.get_variable("reward/own", initializer=3.)
        self._read = tf_util.function([], own, session=self.sess)
        self._grow = tf_util.function([], [], updates=[tf.assign_add(own, 1.)], session=self.sess)
        self.reward_giver = self
        return [own]

    def get_reward(self, obs, action):
        return self._read()

    def _after_rollout(self, samples):
        assert len(samples.obs) == len(samples.actions) == 100
        self._grow()


def test_hooks(tmp_path):
    model = Rising("MlpPolicy", make_cartpoles(1), timesteps_per_batch=100, seed=0)
    samples = record_calls(model, "_samples")
    model.learn(300)
    for reward, ((trajectory,), _) in zip((3, 4, 5), samples):
        np.testing.assert_array_equal(trajectory.rewards, np.full(100, reward))
        np.testing.assert_array_equal(trajectory.true_rewards, np.ones(100))
    model.save(str(tmp_path / "model"))
    parameters = Rising.load(str(tmp_path / "model")).get_parameters()
    assert list(parameters)[-1] == "reward/own:0" and parameters["reward/own:0"] == 6


# ---------------------------------------------------------------- arguments and names

@pytest.mark.parametrize("kwargs, reason", [
    (dict(timesteps_per_batch=0), "timesteps_per_batch=0: accepted is a positive integer"),
    (dict(cg_iters=2.5), "cg_iters=2.5: accepted is a positive integer"),
    (dict(vf_iters=None), "vf_iters=None: accepted is a whole number, 0 or more"),
    (dict(vf_iters=1.5), "vf_iters=1.5: accepted is a whole number, 0 or more"),
    (dict(vf_iters=-1), "vf_iters=-1: accepted is a whole number, 0 or more"),
    (dict(gamma=2), "gamma=2: accepted is a number from 0 to 1"),
    (dict(lam=-1), "lam=-1: accepted is a number from 0 to 1"),
    (dict(entcoeff=None), "entcoeff=None: accepted is a number"),
    (dict(max_kl=-.1), "max_kl=-0.1: accepted is a number from 0 on"),
    (dict(cg_damping="little"), "cg_damping='little': accepted is a number from 0 on"),
    (dict(vf_stepsize=None), "vf_stepsize=None: accepted is a number from 0 on"),
    (dict(policy="MlpLstmPolicy"), "policy=MlpLstmPolicy: accepted by TRPO are policies without a memory"),
    (dict(env=make_cartpoles(2)), "num_envs=2: accepted by TRPO is a single environment; `mpirun")])
def test_refusals(kwargs, reason):
    with pytest.raises(ValueError, match=reason):
        TRPO(**dict(dict(policy="MlpPolicy", env=make_cartpoles(1)), **kwargs))


def test_arguments_of_stable_baselines3_are_explained():
    for name, reason in (("n_steps", "timesteps_per_batch"), ("target_kl", "max_kl"), ("gae_lambda", "lam")):
        with pytest.raises(TypeError, match=f"{name}.*here it is {reason}"):
            build(**{name: 1})


def test_old_names():
    model = TRPO("MlpPolicy", make_cartpoles(1), _init_setup_model=False)
    assert model.policy_pi is None and model.vfadam is None
    model.setup_model()
    assert model.policy_pi is model.act_model and model.loss_names == list(Losses._fields)
    theta = model.get_flat()
    model.set_from_flat(theta + 1)
    np.testing.assert_array_equal(model.get_flat(), theta + 1)


# ---------------------------------------------------------------- command modules

@pytest.fixture(name="rank", params=[0, 2])
def rank_fixture(request, monkeypatch):
    """Pretend to be a process of an MPI job."""
    for module in (cmd_util, run_atari):
        monkeypatch.setattr(module, "mpi_rank_or_zero", lambda: request.param)
    for module in (run_atari, run_mujoco):
        monkeypatch.setattr(module, "TRPO", RecordingModel)
    return request.param


def test_run_atari(rank, monkeypatch):
    frames, asked = spaces.Box(low=0, high=255, shape=(84, 84, 1), dtype=np.uint8), []
    monkeypatch.setattr(cmd_util, "make_atari_env", lambda *args: asked.append(args) or make_env(
        frames, spaces.Discrete(4)))
    model, seed = run_atari.train("Game-v0", 1000, 3), 3 + 10000 * rank
    assert asked == [("Game-v0", 1, seed)] and (model.policy, model.learned) == ("CnnPolicy", 1000)
    assert model.kwargs == dict(timesteps_per_batch=512, max_kl=.001, cg_iters=10, cg_damping=1e-3, entcoeff=0.,
                                gamma=.98, lam=1, vf_iters=3, vf_stepsize=1e-4, verbose=1, seed=seed)


def test_run_mujoco(rank, monkeypatch):
    asked = []
    monkeypatch.setattr(cmd_util, "make_mujoco_env", lambda *args: asked.append(args) or make_cartpoles(1))
    model = run_mujoco.train("Task-v0", 1000, 3)
    assert asked == [("Task-v0", 3)] and (model.policy, model.learned) == ("MlpPolicy", 1000)
    assert model.kwargs == dict(timesteps_per_batch=1024, max_kl=.01, cg_iters=10, cg_damping=.1, entcoeff=0.,
                                gamma=.99, lam=.98, vf_iters=5, vf_stepsize=1e-3, verbose=1, seed=3 + 10000 * rank)


@pytest.mark.parametrize("module, arguments, expected", [
    (run_atari, ["--num-timesteps", "9"], ("BreakoutNoFrameskip-v4", 9, 0)),
    (run_mujoco, ["--env", "X-v0", "--seed", "5", "--play"], ("X-v0", 10 ** 6, 5))])
def test_command_lines(module, arguments, expected, rank, monkeypatch):
    calls = []
    monkeypatch.setattr(sys, "argv", ["run", *arguments])
    monkeypatch.setattr(logger, "configure", lambda: calls.append("configure"))
    monkeypatch.setattr(module, "train", lambda *args: calls.append(args))
    monkeypatch.setattr(cmd_util, "make_mujoco_env", lambda *args: args)
    monkeypatch.setattr(cmd_util, "play", lambda model, env: calls.append(env))
    module.main()
    played = [("X-v0", 5)] if "--play" in arguments else []
    assert calls == (["configure", expected, *played] if rank == 0 else [expected])
