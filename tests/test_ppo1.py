"""PPO1: trajectories, minibatches, schedules, what it refuses, its report, its command modules, ``Dataset``."""
import sys

import numpy as np
import pytest

from helpers import (
    RecordingModel,
    assert_same_parameters,
    changed_since,
    make_cartpoles,
    make_env,
    read_scalars,
    record_calls,
)
from stable_baselines import PPO1, logger
from stable_baselines.bench import Monitor
from stable_baselines.common import cmd_util
from stable_baselines.common.dataset import Dataset, iterbatches
from stable_baselines.common.gym_compat import Env, Wrapper, convert_env, make, spaces
from stable_baselines.common.runners import traj_segment_generator
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines.ppo1 import run_atari, run_humanoid, run_mujoco, run_robotics

SMALL = dict(timesteps_per_actorbatch=16, optim_batchsize=8, optim_epochs=2, seed=0, n_cpu_tf_sess=1)


def build(**kwargs):
    """Return a small model."""
    return PPO1("MlpPolicy", make_cartpoles(1), **dict(SMALL, **kwargs))


# ---------------------------------------------------------------- what it refuses

@pytest.mark.parametrize("kwargs, reason", [
    (dict(timesteps_per_actorbatch=0), "timesteps_per_actorbatch=0: accepted is a positive integer"),
    (dict(optim_epochs=1.5), "optim_epochs=1.5: accepted is a positive integer"),
    (dict(optim_batchsize=0), "optim_batchsize=0: accepted is a positive integer"),
    (dict(clip_param=-.1), "clip_param=-0.1: accepted is a number from 0 on"),
    (dict(optim_stepsize="fast"), "optim_stepsize='fast': accepted is a number from 0 on"),
    (dict(gamma=2), r"gamma=2: accepted is a number from 0 to 1"),
    (dict(lam=-1), r"lam=-1: accepted is a number from 0 to 1"),
    (dict(entcoeff=None), "entcoeff=None: accepted is a number"),
    (dict(schedule="cosine"), "schedule='cosine': accepted is one of constant, .*linear"),
    (dict(policy="MlpLstmPolicy"), "policy=MlpLstmPolicy: accepted by PPO1 are policies without a memory"),
    (dict(env=make_cartpoles(2)), "num_envs=2: accepted by PPO1 is a single environment; `mpirun"),
])
def test_refusals(kwargs, reason):
    with pytest.raises(ValueError, match=reason):
        PPO1(**dict(dict(policy="MlpPolicy", env=make_cartpoles(1)), **kwargs))


def test_arguments_of_stable_baselines3_are_explained():
    with pytest.raises(TypeError, match="here it is timesteps_per_actorbatch"):
        build(n_steps=8)


# ---------------------------------------------------------------- trajectories

class Counting(Env):
    """Episodes of three steps; the k-th reward overall is k."""

    observation_space = spaces.Box(low=0, high=99, shape=(1,), dtype=np.float32)
    action_space = spaces.Discrete(2)
    total = 0

    def reset(self):
        self.n_steps = 0
        return np.zeros(1, np.float32)

    def step(self, action):
        self.n_steps, self.total = self.n_steps + 1, self.total + 1
        return np.full(1, self.n_steps, np.float32), float(self.total), self.n_steps == 3, {}


def test_a_trajectory_begins_and_ends_within_episodes():
    model = PPO1("MlpPolicy", Monitor(Counting(), None), **dict(SMALL, timesteps_per_actorbatch=4))
    first, second = model.runner.run(), model.runner.run()
    np.testing.assert_array_equal(first.episode_starts, [True, False, False, True])
    np.testing.assert_array_equal(second.episode_starts, [False, False, True, False])
    np.testing.assert_array_equal(second.dones, [False, True, False, False])
    np.testing.assert_array_equal(second.obs[:, 0], [1, 2, 0, 1])
    np.testing.assert_array_equal(second.rewards, [5, 6, 7, 8])
    assert (first.ep_returns, first.ep_lens, second.ep_returns, second.ep_lens) == ([6], [3], [4 + 5 + 6], [3])
    np.testing.assert_allclose(second.values, model.value(second.obs), atol=1e-6)
    assert second.next_value == pytest.approx(float(model.value(np.full((1, 1), 2.))[0]), abs=1e-6)
    third = model.runner.run()  # steps 9 to 12: it ends with an episode
    assert third.dones[-1] and third.next_value == 0 and third.ep_lens == [3, 3]
    # without the rewards after the end: the last advantage is r - V
    samples = model._samples(third)
    np.testing.assert_allclose(samples.returns[-1], 12, atol=1e-5)


def test_returns_of_episodes_are_those_before_normalisation():
    env = VecNormalize(DummyVecEnv([lambda: Monitor(Counting(), None)]))
    model = PPO1("MlpPolicy", env, **dict(SMALL, timesteps_per_actorbatch=4))
    trajectory = model.runner.run()
    assert trajectory.ep_returns == trajectory.ep_true_returns == [6] and trajectory.rewards[0] != 1


def test_callbacks_see_zeros_in_the_rows_to_come():
    seen = []
    model = PPO1("MlpPolicy", Counting(), **dict(SMALL, timesteps_per_actorbatch=4))
    model.learn(8, callback=lambda local, _: seen.append((local["i"], local["rewards"].tolist())))
    assert len(seen) == 8
    for step, rewards in seen:
        assert 0 not in rewards[:step + 1] and rewards[step + 1:] == [0.] * (3 - step)


class Giver:
    """Rewards ten times the action."""

    def get_reward(self, obs, action):
        assert obs.shape == (1,) and np.shape(action) == ()
        return np.full((1, 1), 10. * action, np.float32)


def test_a_reward_giver_replaces_the_rewards():
    model = PPO1("MlpPolicy", Counting(), **SMALL)
    segment = next(traj_segment_generator(model.act_model, Counting(), 7, reward_giver=Giver(), gail=True))
    np.testing.assert_array_equal(segment["rewards"], 10 * segment["actions"])
    np.testing.assert_array_equal(segment["true_rewards"], np.arange(1, 8))
    assert segment["ep_rets"] == [segment["rewards"][:3].sum(), segment["rewards"][3:6].sum()]
    assert segment["ep_true_rets"] == [6, 15]
    with pytest.raises(ValueError, match="reward_giver=None: accepted with gail is a reward giver"):
        next(traj_segment_generator(model.act_model, Counting(), 7, gail=True))


# ---------------------------------------------------------------- training

def test_step_size_and_clip_range_fall_together():
    model = build()
    calls = record_calls(model, "_train_function")
    model.learn(64)
    assert [batch.lrmult for (batch,), _ in calls] == [lrmult for lrmult in (1., .75, .5, .25) for _ in range(2 * 2)]
    constant = build(schedule="constant")
    calls = record_calls(constant, "_train_function")
    constant.learn(64)
    assert {batch.lrmult for (batch,), _ in calls} == {1.}


def test_an_update_starts_at_the_old_policy():
    model = build()
    calls = record_calls(model, "_train_function")
    model.learn(48)
    for update in range(3):
        (batch,), losses = calls[4 * update]
        assert losses.kl == pytest.approx(0, abs=1e-7)
        np.testing.assert_allclose(losses.pol_surr, -batch.advantages.mean(), atol=1e-6)
        assert calls[4 * update + 3][1].kl > 0
    for params in zip(*model.sess.run([model.params, model.old_params])):
        assert params[0].shape == params[1].shape


@pytest.mark.parametrize("batch_size, sizes", [(8, [8, 8]), (6, [6, 6]), (16, [16]), (100, [16])])
def test_minibatches(batch_size, sizes):
    model = build(optim_batchsize=batch_size, optim_epochs=1)
    calls = record_calls(model, "_train_function")
    model.learn(16)
    assert [len(batch.obs) for (batch,), _ in calls] == sizes
    rows = np.concatenate([batch.returns for (batch,), _ in calls])
    assert len(np.unique(rows)) == sum(sizes)  # no row twice
    assert not np.array_equal(rows, np.sort(rows)[::-1])  # shuffled: returns fall within an episode


def test_the_last_trajectory_goes_beyond_the_number_of_steps():
    assert build().learn(17).num_timesteps == 32


class Dull(Counting):
    """Nothing ever differs."""

    def reset(self):
        super().reset()
        return np.zeros(1, np.float32)

    def step(self, action):
        return np.zeros(1, np.float32), 0., True, {}


def test_equal_advantages_are_no_reason_to_fail():
    """Stable Baselines 2.10 divides by their standard deviation, which is zero."""
    model = PPO1("MlpPolicy", Dull(), **SMALL)
    model.learn(32)
    assert all(np.isfinite(values).all() for values in model.get_parameters().values())


def test_report(tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        model = build(verbose=1, tensorboard_log=str(tmp_path / "board"))
        evaluated = record_calls(model, "_losses_function")
        model.learn(64)
    table = logger.read_csv(str(tmp_path / "progress.csv"))
    assert list(table["TimestepsSoFar"]) == [16, 32, 48, 64]
    np.testing.assert_allclose(table["loss_vf_loss"], [losses.vf_loss for _, losses in evaluated], rtol=1e-5)
    assert [len(batch.obs) for (batch,), _ in evaluated] == [16] * 4  # after the update, of all samples
    assert list(table["EpisodesSoFar"]) == list(np.cumsum(table["EpThisIter"]))
    assert len(read_scalars(tmp_path / "board", "episode_reward")) == table["EpisodesSoFar"].iloc[-1]
    assert len(read_scalars(tmp_path / "board", "loss/loss")) == 4


# ---------------------------------------------------------------- command modules

@pytest.fixture(name="rank", params=[0, 2])
def rank_fixture(request, monkeypatch):
    """Be a process of an MPI job with this rank, as far as seeds and reports go."""
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(request.param))
    for module in (run_atari, run_humanoid, run_mujoco, run_robotics):
        monkeypatch.setattr(module, "PPO1", RecordingModel)
    return request.param


def test_run_atari(rank, monkeypatch):
    asked = []
    frames = spaces.Box(low=0, high=255, shape=(84, 84, 1), dtype=np.uint8)
    monkeypatch.setattr(cmd_util, "make_atari_env",
                        lambda *args: asked.append(args) or make_env(frames, spaces.Discrete(4)))
    model = run_atari.train("Game-v0", 1000, 3)
    assert asked == [("Game-v0", 1, 3 + 10000 * rank)] and (model.policy, model.learned) == ("CnnPolicy", 1000)
    assert model.kwargs == dict(timesteps_per_actorbatch=256, clip_param=.2, entcoeff=.01, optim_epochs=4,
                                optim_stepsize=1e-3, optim_batchsize=64, gamma=.99, lam=.95, schedule="linear",
                                verbose=1, seed=3 + 10000 * rank)


def test_run_mujoco_and_humanoid(rank, monkeypatch, tmp_path):
    monkeypatch.setattr(cmd_util, "make", lambda env_id: Counting())
    model = run_mujoco.train("Task-v0", 1000, 3)
    assert (model.policy, model.learned, model.kwargs["timesteps_per_actorbatch"]) == ("MlpPolicy", 1000, 2048)
    assert (model.kwargs["seed"], model.kwargs["schedule"]) == (3 + 10000 * rank, "linear")
    saved = []
    monkeypatch.setattr(RecordingModel, "save", lambda self, path: saved.append(path), raising=False)
    model = run_humanoid.train(1000, 3, "here", "Task-v0")
    model.env.reset()
    assert model.env.step(0)[1] == pytest.approx(.1)  # a tenth
    assert (saved, model.kwargs["schedule"], model.kwargs["seed"]) == (["here"] * (rank == 0), "constant",
                                                                       3 + 10000 * rank)


def test_run_robotics(rank, monkeypatch):
    asked = []
    monkeypatch.setattr(run_robotics, "make_robotics_env", lambda *args, **kwargs: asked.append(
        (args, kwargs)) or Counting())
    model = run_robotics.train("Reach-v0", 1000, 3)
    assert asked == [(("Reach-v0", 3 + 10000 * rank), dict(rank=rank))] and model.learned == 1000


@pytest.mark.parametrize("module, arguments, expected", [
    (run_atari, [], ("BreakoutNoFrameskip-v4", 10 ** 7, 0)),
    (run_mujoco, ["--seed", "5"], (cmd_util.MUJOCO_ENV, 10 ** 6, 5)),
    (run_robotics, ["--num-timesteps", "9"], ("FetchReach-v0", 9, 0)),
    (run_humanoid, ["--model-path", "x"], (2 * 10 ** 7, 0, "x", run_humanoid.HUMANOID)),
], ids=lambda value: value.__name__.rpartition(".")[2] if hasattr(value, "__name__") else None)
def test_command_lines(module, arguments, expected, monkeypatch):
    trained = []
    monkeypatch.setattr(sys, "argv", ["run", *arguments])
    monkeypatch.setattr(logger, "configure", lambda: None)
    monkeypatch.setattr(module, "train", lambda *args: trained.append(args))
    module.main()
    assert trained == [expected]


# ---------------------------------------------------------------- Dataset

def arrays_of(n_rows):
    return dict(a=np.arange(n_rows), b=np.arange(n_rows) * 2)


def test_dataset_in_order():
    dataset = Dataset(arrays_of(10), shuffle=False)
    assert [list(batch["a"]) for batch in dataset.iterate_once(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [list(dataset.next_batch(4)["b"]) for _ in range(4)] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18],
                                                                    [0, 2, 4, 6]]
    assert list(dataset.iterate_once(11)) == []
    assert list(dataset.subset(4, shuffle=False).data_map["a"]) == [0, 1, 2, 3]


def test_dataset_in_random_order():
    dataset = Dataset(arrays_of(50))
    passes = [list(dataset.iterate_once(10)) for _ in range(2)]
    orders = [np.concatenate([batch["a"] for batch in batches]) for batches in passes]
    assert all(sorted(order) == list(range(50)) for order in orders) and list(orders[0]) != list(orders[1])
    assert all(np.array_equal(batch["b"], 2 * batch["a"]) for batch in passes[0])
    rows = np.concatenate([dataset.next_batch(7)["a"] for _ in range(8)])  # 7 * 7 + 1: whole passes
    assert sorted(rows) == list(range(50))
    assert sorted(dataset.subset(20).data_map["a"]) == sorted(dataset.data_map["a"][:20])
    with pytest.raises(ValueError, match=r"\[3, 4\] rows: accepted are arrays with equally many"):
        Dataset(dict(a=np.zeros(3), b=np.zeros(4)))


@pytest.mark.parametrize("kwargs, sizes", [
    (dict(batch_size=4), [4, 4, 2]), (dict(batch_size=4, include_final_partial_batch=False), [4, 4]),
    (dict(batch_size=5), [5, 5]), (dict(batch_size=20), [10]), (dict(num_batches=3), [4, 3, 3]),
    (dict(batch_size=20, include_final_partial_batch=False), []),
])
def test_iterbatches(kwargs, sizes):
    arrays = tuple(arrays_of(10).values())
    batches = list(iterbatches(arrays, shuffle=False, **kwargs))
    assert [len(first) for first, _ in batches] == sizes
    assert [row for first, _ in batches for row in first] == list(range(sum(sizes)))
    shuffled = list(iterbatches(arrays, **kwargs))
    assert all(np.array_equal(second, 2 * first) for first, second in shuffled)
    assert len({row for first, _ in shuffled for row in first}) == sum(sizes)


@pytest.mark.parametrize("kwargs", [dict(), dict(num_batches=2, batch_size=3)])
def test_iterbatches_takes_a_number_or_a_size(kwargs):
    with pytest.raises(ValueError, match="num_batches=.*, batch_size=.*: accepted is one of the two"):
        next(iterbatches([np.arange(10)], **kwargs))


def test_without_a_size_the_minibatch_is_the_whole_trajectory():
    models = [build(optim_batchsize=size, optim_epochs=1).learn(32) for size in (None, 16)]
    assert_same_parameters(*models)


def test_losses_that_are_not_finite_are_refused_and_the_update_is_taken_back():
    model = build(optim_batchsize=2)
    rollouts = record_calls(model, "_samples")
    model.learn(16)
    samples, before = rollouts[0][1], model.get_parameters()
    returns = np.array(samples.returns)
    returns[3] = 1e30  # its square is infinite
    steps = record_calls(model, "_train_function")
    with pytest.raises(ValueError, match=r"losses that are not finite.*\[pol_surr\] \[-?\d.*\[vf_loss\] \[inf\].*"
                                         "the parameters are those of before the update"):
        model._train(samples._replace(returns=returns), 1.)
    assert 1 <= len(steps) < 8  # some minibatches had been learned from
    assert not any(name.startswith("model/") for name in changed_since(before, model))
    model.learn(32)  # the optimiser is whole
    assert all(np.isfinite(values).all() for values in model.get_parameters().values())


def test_what_is_not_finite_is_refused_before_it_is_learned_from():
    class Poisoned(Wrapper):
        """Its rewards are not numbers."""

        def step(self, action):
            obs, _, done, info = self.env.step(action)
            return obs, np.nan, done, info

    model = PPO1("MlpPolicy", Poisoned(convert_env(make("CartPole-v1"))), **SMALL)
    before = model.get_parameters()
    with pytest.raises(ValueError, match="not finite.*VecCheckNan"):
        model.learn(32)
    assert not changed_since(before, model)


def test_a_last_step_that_explodes_is_taken_back():
    model = build(optim_epochs=1, optim_batchsize=16, optim_stepsize=1e38)  # one step an update
    before = model.get_parameters()
    with pytest.raises(ValueError, match=r"losses that are not finite.*the parameters are those of before the update"):
        model.learn(16)
    assert not any(name.startswith("model/") for name in changed_since(before, model))
