"""Behaviour cloning: its losses by hand, and what pretrain makes of the parameters against the original's numbers."""
import tracemalloc

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, assert_same_parameters, build_model, changed_since, group, load_arrays
from stable_baselines import A2C, ACER, ACKTR, DDPG, DQN, HER, PPO1, PPO2, SAC, TD3, TRPO
from stable_baselines.common import gym_compat
from stable_baselines.common.bit_flipping_env import BitFlippingEnv
from stable_baselines.common.models import cloning
from stable_baselines.gail import ExpertDataset

MODELS = {model.__name__.lower(): model for model in (A2C, ACER, ACKTR, DDPG, DQN, PPO1, PPO2, SAC, TD3, TRPO)}


class OneBatch:
    """Gives the same batch over and over."""

    train_loader = val_loader = [None]

    def __init__(self, batch):
        self.batch = batch
        self.observations, self.actions = batch["obs"], batch["actions"]

    def restart(self, np_random):
        """Keep the order."""

    def get_next_batch(self, split):
        return self.batch["obs"], self.batch["actions"]


def expert(n_steps=40, n_actions=2, obs_size=4, box=False):
    """Return an expert who does one of two things, depending on the sign of the first number."""
    random = np.random.RandomState(0)
    obs = random.randn(n_steps, obs_size).astype(np.float32)
    actions = np.where(obs[:, :1] > 0, 1, -1).astype(np.float32) if box else (obs[:, :1] > 0).astype(int)
    return dict(obs=obs, actions=actions, rewards=np.ones(n_steps), episode_starts=np.arange(n_steps) % 10 == 0,
                episode_returns=np.full(n_steps // 10, 10.))


def dataset(**kwargs):
    return ExpertDataset(traj_data=expert(**kwargs), batch_size=8, verbose=0)


def test_losses_by_hand():
    with tf.Graph().as_default(), tf.Session() as sess:
        logits = tf.constant(np.log([[.5, .3, .2], [.1, .1, .8]]), tf.float32)
        cross_entropy = cloning.cross_entropy(logits, tf.constant([1, 2]))
        error = cloning.squared_error(tf.constant([[1., 2.], [0., 0.]]), tf.constant([[0., 4.], [0., 1.]]))
        assert sess.run(cross_entropy) == pytest.approx(-(np.log(.3) + np.log(.8)) / 2, rel=1e-6)
        assert sess.run(error) == pytest.approx((1 + 4 + 0 + 1) / 4)


@pytest.mark.parametrize("name", sorted(name for name in CASES if name.startswith("pretrain_")))
def test_case(name):
    case, arrays = CASES[name], load_arrays(name)
    atol = case["recommended_atol"]
    data, arguments = OneBatch(group(arrays, "batch/")), (case["learning_rate"], case["adam_epsilon"])
    model = build_model(MODELS[name.split("_")[1]], case)
    for n_epochs in (1, 2, 10):
        model.load_parameters(group(arrays, "param/"))
        model.pretrain(data, n_epochs, *arguments)  # each call with a new Adam
        assert_parameters(model, group(arrays, f"after{n_epochs}/"), atol[f"after{n_epochs}"], atol["rtol"], case)

    model.load_parameters(group(arrays, "param/"))
    model._cloner.sess.run(model._cloner._init_op)
    batch = cloning.CloningBatch(data.batch["obs"], data.batch["actions"].reshape(
        (16,) + model.action_space.shape), *arguments)
    losses = [model._cloner._train(batch) for _ in range(10)]
    np.testing.assert_allclose(losses, arrays["loss10/loss"], atol=atol["losses_and_derived"], rtol=atol["rtol"])


@pytest.mark.parametrize("model_class", [A2C, ACER, ACKTR, DQN, PPO1, PPO2, TRPO])
def test_discrete_expert_is_learned(model_class):
    model, data = model_class("MlpPolicy", "CartPole-v1", seed=0, n_cpu_tf_sess=1), dataset()
    assert model.pretrain(data, n_epochs=60, learning_rate=1e-2) is model
    assert (model.predict(data.observations, deterministic=True)[0] == data.actions[:, 0]).mean() >= .9


@pytest.mark.parametrize("model_class", [A2C, ACKTR, DDPG, PPO1, PPO2, SAC, TD3, TRPO])
def test_continuous_expert_is_learned(model_class):
    pendulum = "Pendulum-v0" if gym_compat.libraries.LIBRARY.__name__ == "gym" else "Pendulum-v1"
    model, data = model_class("MlpPolicy", pendulum, seed=0, n_cpu_tf_sess=1), dataset(obs_size=3, box=True)
    model.pretrain(data, n_epochs=60, learning_rate=1e-2)
    assert np.square(model.predict(data.observations, deterministic=True)[0] - data.actions).mean() <= .25  # from 1


def test_her_hands_it_to_its_model():
    model = HER("MlpPolicy", BitFlippingEnv(2, continuous=False), DQN, seed=0)
    data = expert(obs_size=6)
    data["obs"] = data["obs"] > 0  # bits
    data = ExpertDataset(traj_data=data, batch_size=8, verbose=0)
    assert model.pretrain(data, n_epochs=60, learning_rate=1e-2) is model
    assert (model.predict(data.observations)[0] == data.actions[:, 0]).mean() >= .9


def test_only_what_actions_depend_on_changes():
    model = PPO2("MlpPolicy", "CartPole-v1", seed=0, n_cpu_tf_sess=1)
    before = model.get_parameters()
    state = model.training_state()
    model.pretrain(dataset(), n_epochs=1)
    assert changed_since(before, model) == {f"model/{layer}/{part}:0" for layer in ("pi_fc0", "pi_fc1", "pi")
                                            for part in "wb"}
    after = model.training_state()["variables"]
    assert set(after) == set(state["variables"])  # its own Adam is not a part of a training
    for name, value in state["variables"].items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_a_second_call_goes_on_and_so_does_learning():
    model, data, losses = PPO2("MlpPolicy", "CartPole-v1", n_steps=32, seed=0, n_cpu_tf_sess=1), dataset(), []
    for _ in range(3):
        batch = cloning.CloningBatch(data.observations, data.actions[:, 0], 0, 1)
        model.pretrain(data, n_epochs=2, learning_rate=1e-3)
        losses.append(model._cloner._evaluate(batch))
    assert losses[0] > losses[1] > losses[2]
    n_operations = len(model.graph.get_operations())
    model.pretrain(data, n_epochs=1)
    assert len(model.graph.get_operations()) == n_operations  # the graph does not grow
    model.learn(64)
    state = model.training_state()
    other = PPO2("MlpPolicy", "CartPole-v1", n_steps=32, seed=0, n_cpu_tf_sess=1)
    other.set_training_state(state)
    model.setup_model()
    model.pretrain(data, n_epochs=1)


def test_same_seed_same_parameters():
    data, models = dataset(), []
    for _ in range(2):
        models.append(PPO2("MlpPolicy", "CartPole-v1", seed=3, n_cpu_tf_sess=1))
        models[-1].pretrain(data, n_epochs=2)
    assert_same_parameters(*models)


def test_report(capsys):
    model = PPO2("MlpPolicy", "CartPole-v1", verbose=1)
    capsys.readouterr()
    model.pretrain(dataset(), n_epochs=20)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert [int(line[3]) for line in lines] == list(range(2, 21, 2))
    model.pretrain(dataset(), n_epochs=5, val_interval=5)
    assert capsys.readouterr().out.count("val_loss") == 1
    model.verbose = 0
    model.pretrain(dataset(), n_epochs=5)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kwargs", [dict(n_epochs=0), dict(val_interval=0), dict(learning_rate=-1),
                                    dict(adam_epsilon="x")])
def test_arguments_that_cannot_be_are_refused(kwargs):
    model = A2C("MlpPolicy", "CartPole-v1")
    with pytest.raises(ValueError, match=f"{list(kwargs)[0]}=.*: accepted is"):
        model.pretrain(dataset(), **kwargs)


@pytest.mark.parametrize("obs, words", [
    (np.full((40, 4), np.inf), "its observations hold inf"), (np.zeros((40, 3)), "its observations have shape"),
    (np.full(40, "gone.png"), "gone.png: accepted is an image")])
def test_a_refusal_changes_nothing(obs, words):
    model, data = A2C("MlpPolicy", "CartPole-v1"), dataset()
    data.observations = obs
    n_operations = len(model.graph.get_operations())
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        model.pretrain(data)
    assert len(model.graph.get_operations()) == n_operations and data.train_loader.np_random is np.random


def test_checking_takes_little_memory():
    """Marks of the wrong elements take a quarter of float32 numbers; whole numbers are not looked at for infinities."""
    box = gym_compat.spaces.Box(low=-9, high=9, shape=(100,), dtype=np.float32)
    discrete, n_steps = gym_compat.spaces.Discrete(2), 50000
    for dtype in (np.float32, np.int32):
        obs, actions = np.zeros((n_steps, 100), dtype), np.zeros((n_steps, 1), int)
        data = OneBatch(dict(obs=obs, actions=actions))
        tracemalloc.start()
        cloning.check_expert(data, box, discrete)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < obs.size / 4
    obs = np.zeros((n_steps, 100))
    obs[-1, -1] = np.nan
    with pytest.raises(ValueError, match="its observations hold nan"):
        cloning.check_expert(OneBatch(dict(obs=obs, actions=actions)), box, discrete)
    actions[-1] = 2
    with pytest.raises(ValueError, match="its actions hold 2"):
        cloning.check_expert(OneBatch(dict(obs=obs[:-1], actions=actions)), box, discrete)
    with pytest.raises(ValueError, match="its actions are of type object: accepted are numbers"):
        cloning.check_expert(OneBatch(dict(obs=obs[:-1], actions=actions.astype(object))), box, discrete)


def test_models_that_cannot_learn_this_way_are_refused():
    from helpers import make_env
    box = gym_compat.spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
    with pytest.raises(ValueError, match="action_space=.*: accepted by pretrain is Box or Discrete"):
        A2C("MlpPolicy", make_env(box, gym_compat.spaces.MultiDiscrete([2, 2]))).pretrain(dataset())
    with pytest.raises(ValueError, match="policy=MlpLstmPolicy: accepted by pretrain are policies without a memory"):
        A2C("MlpLstmPolicy", "CartPole-v1").pretrain(dataset())
    with pytest.raises(ValueError, match="not built yet"):
        A2C("MlpPolicy", "CartPole-v1", _init_setup_model=False).pretrain(dataset())
