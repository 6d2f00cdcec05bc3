"""GAIL: its discriminator by hand and against the original's numbers, and what it adds to TRPO."""
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import (
    CASES,
    BrightSide,
    assert_parameters,
    assert_same_parameters,
    build_model,
    changed_since,
    group,
    load_arrays,
    make_cartpoles,
    make_env,
    mean_reward,
    record_calls,
)
from stable_baselines import DDPG, DQN, GAIL, PPO2, SAC, TD3, TRPO, logger
from stable_baselines.common import gym_compat, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import DummyVecEnv
from stable_baselines.gail import ExpertDataset, adversary, generate_expert_traj
from stable_baselines.gail.dataset.dataset import write_image

GOLDEN = Path(__file__).resolve().parent.parent.parent / "shared" / "golden"
GAIL_CASES = sorted(name for name in CASES if name.startswith("gail_"))
STATISTICS = [f"adversary/obfilter/{name}:0" for name in ("runningsum", "runningsumsq", "count")]


def expert_data(n_steps=60, obs=None, actions=None):
    """Return episodes of ten steps of random CartPole transitions."""
    random = np.random.RandomState(0)
    return dict(obs=random.randn(n_steps, 4).astype(np.float32) if obs is None else obs,
                actions=random.randint(2, size=(n_steps, 1)) if actions is None else actions,
                rewards=np.ones(n_steps), episode_starts=np.arange(n_steps) % 10 == 0,
                episode_returns=np.full(n_steps // 10, 10.))


def build(dataset=None, **kwargs):
    """Build a small model with a seed."""
    arguments = dict(timesteps_per_batch=32, hidden_size_adversary=8, seed=0, n_cpu_tf_sess=1,
                     policy_kwargs=dict(net_arch=[8]))
    return GAIL("MlpPolicy", "CartPole-v1", dataset or ExpertDataset(traj_data=expert_data(), verbose=0),
                **dict(arguments, **kwargs))


def cartpole_expert(obs):
    """Balance the pole, with hardly a miss."""
    return int(obs[2] + .3 * obs[3] + .03 * obs[0] + .1 * obs[1] > 0)


def evaluate(*tensors):
    with tf.Session() as sess:
        return sess.run(tensors)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


class TestByHand:
    def test_entropy_and_logsigmoid(self, graph):
        logits = np.float32([-3, 0, 1])
        probability = 1 / (1 + np.exp(-logits))
        entropy, log = evaluate(adversary.logit_bernoulli_entropy(tf.constant(logits)),
                                adversary.logsigmoid(tf.constant(logits)))
        np.testing.assert_allclose(log, np.log(probability), rtol=1e-5)
        np.testing.assert_allclose(entropy, -probability * np.log(probability)
                                   - (1 - probability) * np.log(1 - probability), rtol=1e-5)
        extreme = evaluate(adversary.logit_bernoulli_entropy(tf.constant([-100., 100.])),
                           adversary.logsigmoid(tf.constant([-100., 100.])))
        np.testing.assert_allclose(extreme, [[0, 0], [-100, 0]], atol=1e-6)

    def test_losses(self, graph):
        logits, expert_logits = tf.constant([[0.], [-2.]]), tf.constant([[1.], [3.], [-1.]])
        losses, entropy = evaluate(adversary.discriminator_losses(logits, expert_logits, .1),
                                   adversary.logit_bernoulli_entropy(tf.constant([0., -2, 1, 3, -1])))
        softplus = lambda x: np.log1p(np.exp(x))  # noqa: E731
        assert losses.generator_loss == pytest.approx((softplus(0) + softplus(-2)) / 2, rel=1e-5)
        assert losses.expert_loss == pytest.approx((softplus(-1) + softplus(-3) + softplus(1)) / 3, rel=1e-5)
        assert losses.entropy == pytest.approx(entropy.mean())
        assert losses.entropy_loss == pytest.approx(-.1 * losses.entropy)
        assert (losses.generator_acc, losses.expert_acc) == (.5, pytest.approx(2 / 3))

    def test_reward(self, graph):
        reward, = evaluate(adversary.imitation_reward(tf.constant([-2., 0., 2., 100.])))
        np.testing.assert_allclose(reward, [np.log1p(np.exp(-2.)), np.log(2), np.log1p(np.exp(2.)), 18.42], rtol=1e-3)


@pytest.mark.parametrize("name", GAIL_CASES)
class TestCases:
    def load(self, name):
        case, arrays = CASES[name], load_arrays(name)
        model = build_model(GAIL, case)
        batch = {key: value for key, value in group(arrays, "batch/").items()}
        params = {**model.get_parameters(), **group(arrays, "param/")}
        model.load_parameters(params)
        before = group(arrays, "stats_before/")
        np.testing.assert_allclose(model.adversary_statistics[0], before[STATISTICS[0]])
        model._set_statistics(*[before[key] for key in STATISTICS])
        return model, case, arrays, adversary.Batch(**batch, learning_rate=case["learning_rate"])

    def assert_statistics(self, model, expected):
        for value, key in zip(model.adversary_statistics, STATISTICS):
            np.testing.assert_allclose(value, expected[key], rtol=1e-9)

    def test_rewards(self, name):
        model, case, arrays, batch = self.load(name)
        giver, atol = model.reward_giver, case["recommended_atol"]
        giver.obs_rms.update(np.concatenate([batch.obs, batch.expert_obs]))
        self.assert_statistics(model, group(arrays, "stats_after1/"))
        for key, obs, actions in (("reward", batch.obs, batch.actions),
                                  ("reward_expert", batch.expert_obs, batch.expert_actions),
                                  ("reward_single", batch.obs[0], batch.actions[0])):
            reward, expected = giver.get_reward(obs, actions), arrays["derived/" + key]
            assert reward.shape == expected.shape and reward.dtype == expected.dtype
            np.testing.assert_allclose(reward, expected, atol=atol["losses_and_derived"], rtol=atol["rtol"])
        with model.graph.as_default():
            moments = tf_util.function([], giver.obs_rms.moments(), session=model.sess)()
        for value, key in zip(moments, ("obs_mean", "obs_std")):
            np.testing.assert_allclose(value, arrays["derived/" + key], rtol=1e-5)

    def test_updates(self, name):
        model, case, arrays, batch = self.load(name)
        atol, others = case["recommended_atol"], model.get_parameters()
        losses = []
        for n_updates in range(1, 11):
            losses.append(model._train_discriminator(batch))
            if n_updates in (1, 2, 10):
                expected = dict(others, **group(arrays, f"after{n_updates}/"))  # the policies stay as they are
                assert_parameters(model, expected, atol[f"after{n_updates}"], atol["rtol"], case)
            if n_updates in (1, 10):
                self.assert_statistics(model, group(arrays, f"stats_after{n_updates}/"))
        for key, value in losses[0]._asdict().items():
            np.testing.assert_allclose(value, arrays["loss/" + key], atol=atol["losses_and_derived"], err_msg=key)
        np.testing.assert_allclose(losses, arrays["loss10/all"], atol=atol["losses_and_derived"], rtol=atol["rtol"])
        np.testing.assert_allclose(model.reward_giver.get_reward(batch.obs, batch.actions),
                                   arrays["derived/reward_after10"], atol=1e-5, rtol=1e-5)

    def test_gradient(self, name):
        model, case, arrays, batch = self.load(name)
        giver = model.reward_giver
        with model.graph.as_default():
            gradient = tf_util.batch_function(
                giver.batch_ph, tf_util.flatgrad(giver.total_loss, giver.get_trainable_variables()),
                session=model.sess)(batch)
        np.testing.assert_allclose(gradient, arrays["grad/flat"], atol=1e-5, rtol=1e-5)


class TestClassifier:
    def classifier(self, observation_space, action_space, **kwargs):
        giver = adversary.TransitionClassifier(observation_space, action_space, 8, sess=tf.Session(), **kwargs)
        with giver.sess.as_default():
            tf_util.initialize()
        return giver

    def test_other_scope_without_normalisation(self, graph):
        giver = self.classifier(spaces.Discrete(3), spaces.Discrete(2), scope="other", normalize=False)
        assert [variable.name for variable in tf.global_variables()] == [
            f"other/fully_connected{index}/{kind}:0" for index in ("", "_1", "_2") for kind in ("weights", "biases")]
        assert giver.get_reward(2, 1).shape == (1, 1)
        assert giver.get_reward(np.array([0, 1, 2]), np.array([1, 1, 0])).shape == (3, 1)
        np.testing.assert_allclose(giver.get_reward(np.array([2]), np.array([1])), giver.get_reward(2, 1))

    @pytest.mark.parametrize("space, n_samples", [(spaces.MultiBinary(3), 4), (spaces.MultiDiscrete([2, 3]), 4)])
    def test_observations_of_other_kinds(self, graph, space, n_samples):
        giver = self.classifier(space, spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32))
        obs = np.array([space.sample() for _ in range(n_samples)])
        assert giver.get_reward(obs, np.zeros((n_samples, 2))).shape == (n_samples, 1)

    def test_other_actions_are_refused(self, graph):
        with pytest.raises(ValueError, match="action_space=.*: accepted by GAIL is Box or Discrete"):
            adversary.TransitionClassifier(spaces.Discrete(2), spaces.MultiBinary(2), 8)

    def test_images_go_through_convolutions(self, graph):
        giver = self.classifier(BrightSide().observation_space, spaces.Discrete(2))
        assert giver.obs_rms is None
        assert [variable.name for variable in giver.get_trainable_variables()][0] == "adversary/c1/w:0"
        assert giver.get_reward(BrightSide().reset(), 1).shape == (1, 1)


def test_arguments_are_kept_and_rewards_come_from_the_discriminator():
    model = build()
    calls = record_calls(model.reward_giver, "get_reward")
    seen = []
    model.learn(32, callback=lambda locals_, _: seen.append((locals_["reward"], locals_["true_reward"])))
    assert len(calls) == 32 + 1  # for each step that a callback sees, and for all of them, which are learned from
    shown, (_, learned) = [float(reward[0, 0]) for _, reward in calls[:32]], calls[32]
    assert [float(np.squeeze(reward)) for reward, _ in seen] == pytest.approx(shown)
    np.testing.assert_allclose(learned[:, 0], shown, rtol=1e-5)
    assert {true_reward for _, true_reward in seen} == {1.}
    assert isinstance(model, TRPO) and model.using_gail and model.g_step == 3


def test_rewards_take_one_call_per_trajectory_and_callbacks_change_nothing():
    quiet, watched = [GAIL("MlpPolicy", make_cartpoles(1), ExpertDataset(traj_data=expert_data(), verbose=0), seed=0,
                           g_step=1, timesteps_per_batch=64, n_cpu_tf_sess=1) for _ in range(2)]
    calls, rollouts = record_calls(quiet.reward_giver, "get_reward"), record_calls(quiet, "_samples")
    seen = []
    quiet.learn(256)
    watched.learn(256, callback=lambda locals_, _: seen.append([
        locals_[name] for name in ("reward", "done", "cur_ep_ret")]))
    assert [len(obs) for (obs, _), _ in calls] == [64] * 4
    assert_same_parameters(quiet, watched)

    # episodes go on from one trajectory to the next
    rewards, dones, running = np.transpose(seen)
    given = np.concatenate([trajectory.rewards for (trajectory,), _ in rollouts])
    np.testing.assert_allclose(given, rewards, rtol=1e-5)
    ends = np.flatnonzero(dones)
    returns = [sum(part) for part in np.split(given.astype(float), ends + 1)[:-1]]
    assert len(ends) > 3
    np.testing.assert_allclose(np.concatenate([trajectory.ep_returns for (trajectory,), _ in rollouts]), returns)
    np.testing.assert_allclose((running + rewards)[ends], returns, rtol=1e-5)


def test_a_discriminator_that_diverges_is_refused():
    model = build(g_step=1)
    rollouts = record_calls(model, "_samples")
    model.learn(32)
    last = "adversary/fully_connected_2/weights:0"
    model.load_parameters({last: np.full((8, 1), 1e38)}, exact_match=False)
    before, state = model.get_parameters(), model.training_state()["variables"]
    with pytest.raises(ValueError, match=r"losses that are not finite.*\[(inf|nan)\].*those after the policy's update"):
        model._after_rollout(rollouts[0][1])
    assert changed_since(before, model) == set()
    changed = {name for name, values in model.training_state()["variables"].items() if (values != state[name]).any()}
    assert changed <= {f"adversary/obfilter/{name}:0" for name in ("runningsum", "runningsumsq", "count")}


@pytest.mark.parametrize("g_step, d_step, sizes", [(1, 1, [32] * 6), (3, 1, [32] * 2), (2, 2, [16] * 6),
                                                   (3, 3, [11, 11, 10] * 2)])
def test_steps_of_policy_and_discriminator(g_step, d_step, sizes):
    model = build(g_step=g_step, d_step=d_step)
    batches = record_calls(model, "_train_discriminator")
    model.learn(32 * 6)
    assert [len(batch.obs) for (batch,), _ in batches] == sizes
    assert {len(batch.expert_obs) for (batch,), _ in batches} <= {32 // d_step, 60 % (32 // d_step)}
    if d_step > 1:  # every row once
        whole = np.concatenate([batch.obs for (batch,), _ in batches[:d_step]])
        assert len(np.unique(whole, axis=0)) == 32


def test_actions_beyond_the_bounds_are_clipped_for_the_discriminator():
    box, actions = (spaces.Box(low=-bound, high=bound, shape=(size,), dtype=np.float32) for bound, size in
                    ((1, 4), (.1, 2)))
    dataset = ExpertDataset(traj_data=expert_data(actions=np.zeros((60, 2), np.float32)), verbose=0)
    model = GAIL("MlpPolicy", make_env(box, actions), dataset, timesteps_per_batch=16, g_step=1, seed=0)
    batches = record_calls(model, "_train_discriminator")
    model.learn(16)
    assert np.abs(batches[0][0][0].actions).max() == np.float32(.1)


def test_discriminator_and_both_policies_learn():
    model = build(g_step=1)
    before = model.get_parameters()
    model.learn(64)
    changed = changed_since(before, model)
    assert {name.split("/")[0] for name in changed} == {"model", "oldpi", "adversary"}
    assert sum(name.startswith("adversary/") for name in changed) == 6
    assert model.adversary_statistics[2] == pytest.approx(2 * 32 + 32 + 28 + .01)  # the expert has 60 rows


def test_same_seed_same_parameters():
    models = [build(g_step=1).learn(96) for _ in range(2)]
    assert_same_parameters(*models)
    dataset = models[0].expert_dataset  # which has been used
    assert_same_parameters(models[0], build(dataset, g_step=1).learn(96))


def test_file_holds_the_statistics(tmp_path):
    model = build(g_step=1).learn(64)
    for name, as_pickle in (("model.zip", False), ("model.pkl", True)):
        model.save(str(tmp_path / name), cloudpickle=as_pickle)
        loaded = GAIL.load(str(tmp_path / name))
        assert loaded.adversary_statistics == model.adversary_statistics
        obs, actions = model.expert_dataset.observations[:5], model.expert_dataset.actions[:5]
        np.testing.assert_array_equal(loaded.reward_giver.get_reward(obs, actions),
                                      model.reward_giver.get_reward(obs, actions))
        assert loaded.get_parameters().keys() == model.get_parameters().keys()
        np.testing.assert_array_equal(loaded.expert_dataset.observations, model.expert_dataset.observations)
        loaded.set_env(make_cartpoles(1))
        loaded.learn(32)
    loaded.setup_model()  # from the start again
    assert loaded.adversary_statistics[2] == .01


def test_file_holds_all_arguments(tmp_path):
    changed = dict(hidden_size_adversary=7, adversary_entcoeff=.01, g_step=2, d_step=2, d_stepsize=1e-3, gamma=.9,
                   timesteps_per_batch=16, max_kl=.02, cg_iters=5, lam=.8, entcoeff=.02, cg_damping=.1,
                   vf_stepsize=1e-3, vf_iters=2, verbose=1, seed=7, n_cpu_tf_sess=2, full_tensorboard_log=True,
                   policy_kwargs=dict(net_arch=[4]))
    model = build(**changed)
    assert set(changed) == set(model._constructor_arguments()) - {
        "self", "policy", "env", "expert_dataset", "_init_setup_model", "tensorboard_log"}
    model.save(str(tmp_path / "model"))
    loaded = GAIL.load(str(tmp_path / "model"), expert_dataset=None)
    assert loaded.expert_dataset is None
    for name, value in changed.items():
        assert getattr(model, name) == getattr(loaded, name) == value


def test_training_state_holds_what_is_gails_own():
    model, other = build(g_step=3).learn(32 * 4), build(g_step=3, seed=5)
    other.set_training_state(model.training_state())
    assert other.adversary_statistics == model.adversary_statistics
    batches = record_calls(other, "_train_discriminator")
    other.learn(32, reset_num_timesteps=False)
    assert len(batches) == 0
    other.learn(32, reset_num_timesteps=False)
    assert len(batches) == 1  # after the sixth update


@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"needs the original's models in {GOLDEN}")
@pytest.mark.parametrize("name", ["gail_mlp_cartpole", "gail_mlp_pendulum"])
def test_file_of_the_original(name, tmp_path):
    model = GAIL.load(str(GOLDEN / f"{name}.zip"))
    with zipfile.ZipFile(str(GOLDEN / f"{name}.zip")) as archive:
        names = json.loads(archive.read("parameter_list").decode())
        data = json.loads(archive.read("data").decode())
    assert list(model.get_parameters()) == names
    assert model.adversary_statistics[2] == .01  # which it does not hold
    assert model.g_step == data["g_step"] and model.timesteps_per_batch == 128
    assert model.expert_dataset.num_transition == len(model.expert_dataset.observations) > 200
    model.save(str(tmp_path / "ours"))
    with zipfile.ZipFile(str(tmp_path / "ours.zip")) as archive:
        assert json.loads(archive.read("parameter_list").decode()) == names
        assert set(data) <= set(json.loads(archive.read("data").decode()))
    model.set_env(gym_compat.make("CartPole-v1") if "cartpole" in name else make_env(
        model.observation_space, model.action_space))
    model.learn(128)


@pytest.mark.parametrize("kwargs", [dict(g_step=0), dict(d_step=0), dict(hidden_size_adversary=0),
                                    dict(d_stepsize=-1), dict(adversary_entcoeff="x"), dict(d_step=33)])
def test_arguments_that_cannot_be_are_refused(kwargs):
    with pytest.raises(ValueError, match=f"{list(kwargs)[0]}=.*: accepted is"):
        build(**kwargs)


def test_an_expert_of_another_task_is_refused():
    with pytest.raises(ValueError, match=r"its observations have shape \(3,\): accepted is \(4,\)"):
        build(ExpertDataset(traj_data=expert_data(obs=np.zeros((60, 3))), verbose=0))
    with pytest.raises(ValueError, match=r"its actions have shape \(2,\): accepted is \(\)"):
        build(ExpertDataset(traj_data=expert_data(actions=np.zeros((60, 2))), verbose=0))


@pytest.mark.parametrize("change, words", [
    (dict(actions=np.full((60, 1), 2)), r"its actions hold 2: accepted are elements of .*Discrete\(2\)"),
    (dict(actions=np.full((60, 1), -1)), "its actions hold -1:"),
    (dict(actions=np.full((60, 1), .5)), "its actions hold 0.5:"),
    (dict(obs=np.full((60, 4), np.nan)), "its observations hold nan:"),
    (dict(obs=np.zeros((60, 2, 2))), r"its observations have shape \(2, 2\): accepted is \(4,\)")])
def test_an_expert_beyond_the_spaces_is_refused(change, words):
    dataset = ExpertDataset(traj_data=expert_data(**change), verbose=0)
    with pytest.raises(ValueError, match=words):
        build(dataset)
    model = build()
    model.expert_dataset = dataset
    for train in (lambda: model.learn(32), lambda: TRPO("MlpPolicy", "CartPole-v1").pretrain(dataset)):
        with pytest.raises(ValueError, match=words):
            train()
    assert dataset.dataloader is None


def test_a_file_with_a_bad_expert_still_predicts(tmp_path):
    model, obs = build(), np.zeros(4, np.float32)
    model.expert_dataset = ExpertDataset(traj_data=expert_data(obs=np.full((60, 4), np.nan)), verbose=0)
    model.save(str(tmp_path / "model"))
    loaded = GAIL.load(str(tmp_path / "model"), env=make_cartpoles(1))
    assert loaded.predict(obs, deterministic=True)[0] == model.predict(obs, deterministic=True)[0]
    with pytest.raises(ValueError, match="its observations hold nan"):
        loaded.learn(32)


def test_flat_rows_are_those_of_arrays(tmp_path):
    """As Stable Baselines 2.10 stores them."""
    env = make_env(spaces.Box(low=-9, high=9, shape=(2, 2), dtype=np.float32), spaces.Discrete(2))
    models = []
    for shape in ((60, 4), (60, 2, 2)):
        data = expert_data(obs=np.random.RandomState(1).randn(*shape).astype(np.float32))
        model = GAIL("MlpPolicy", env, ExpertDataset(traj_data=data, verbose=0), timesteps_per_batch=32, g_step=1,
                     hidden_size_adversary=8, seed=0, n_cpu_tf_sess=1)
        models.append(model.pretrain(model.expert_dataset, n_epochs=1).learn(32))
    assert_same_parameters(*models)
    model.save(str(tmp_path / "model"))
    GAIL.load(str(tmp_path / "model"))


@pytest.mark.parametrize("shape", [(48, 36, 3), (40, 40, 3)])
def test_images_of_another_shape_are_refused(tmp_path, shape):
    for index in range(60):
        write_image(str(tmp_path / f"{index}.png"), np.zeros(shape, np.uint8))
    paths = np.array([str(tmp_path / f"{index}.png") for index in range(60)])
    dataset, bright = ExpertDataset(traj_data=expert_data(obs=paths), verbose=0), BrightSide()
    space = spaces.Box(low=0, high=255, shape=(36, 48, 3), dtype=np.uint8)
    env, words = make_env(space, bright.action_space), "images, such as .*0.png, have shape " + re.escape(str(shape))
    with pytest.raises(ValueError, match=words + r": accepted is \(36, 48, 3\)"):
        GAIL("CnnPolicy", env, dataset)
    model = TRPO("CnnPolicy", env, timesteps_per_batch=16)
    with pytest.raises(ValueError, match=words):
        model.pretrain(dataset)
    # only the first is read before
    write_image(paths[0], np.zeros(space.shape, np.uint8))
    dataset = ExpertDataset(traj_data=expert_data(obs=paths), batch_size=1, randomize=False, verbose=0)
    with pytest.raises(ValueError, match=r"(an image of|observations have) shape"):
        model.pretrain(dataset)


def test_a_training_that_is_refused_leaves_the_dataset_alone():
    model, dataset = build(), ExpertDataset(traj_data=expert_data(), verbose=0)
    model.expert_dataset = dataset
    for kwargs in (dict(log_interval=0), dict(total_timesteps=-1), dict(callback=17)):
        with pytest.raises((ValueError, TypeError)):
            model.learn(**dict(dict(total_timesteps=32), **kwargs))
        assert dataset.dataloader is None and dataset.train_loader.np_random is np.random


def test_training_without_an_expert_is_refused():
    model = GAIL("MlpPolicy", "CartPole-v1")
    with pytest.raises(ValueError, match="expert_dataset=None: accepted for training is an ExpertDataset"):
        model.learn(1024)
    with pytest.raises(ValueError, match="without a memory"):
        GAIL("MlpLstmPolicy", "CartPole-v1")


def test_images(tmp_path):
    counter = np.random.RandomState(0)
    generate_expert_traj(lambda _: counter.randint(2), str(tmp_path / "expert"), BrightSide(), n_episodes=2)
    dataset = ExpertDataset(str(tmp_path / "expert.npz"), verbose=0)
    model = GAIL("CnnPolicy", BrightSide(), dataset, timesteps_per_batch=16, g_step=1, hidden_size_adversary=8, seed=0)
    before = model.get_parameters()
    model.learn(32)
    assert {"adversary/c1/w:0", "model/c1/w:0"} <= changed_since(before, model)


def test_log(tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["json", "log"]):
        build(verbose=1, g_step=2).learn(32 * 4)
    rows = [json.loads(line) for line in (tmp_path / "progress.json").read_text().splitlines()]
    assert {"EpTrueRewMean", "EpRewMean", "meankl", "explained_variance_tdlam_before"} <= set(rows[-1])
    assert (tmp_path / "log.txt").read_text().count("generator_l") == 2


@pytest.mark.slow
class TestLearning:
    @pytest.fixture(scope="class")
    def dataset(self):
        env = make_cartpoles(1)
        env.seed(0)
        data = generate_expert_traj(lambda obs: [cartpole_expert(obs[0])], env=env, n_episodes=10)
        assert data["episode_returns"].mean() >= 490
        return ExpertDataset(traj_data=data, batch_size=64, verbose=0)

    def test_gail_becomes_the_expert(self, dataset):
        model = GAIL("MlpPolicy", "CartPole-v1", dataset, seed=0, n_cpu_tf_sess=1)
        model.learn(200000)
        assert mean_reward(model, make_cartpoles(1)) >= 450

    @pytest.mark.parametrize("model_class", [TRPO, PPO2, DQN])
    def test_cloning_becomes_the_expert(self, dataset, model_class):
        model = model_class("MlpPolicy", "CartPole-v1", seed=0, n_cpu_tf_sess=1)
        model.pretrain(dataset, n_epochs=20, learning_rate=1e-3)
        assert mean_reward(model, make_cartpoles(1)) >= .9 * dataset.avg_ret

    @pytest.mark.parametrize("model_class", [SAC, TD3, DDPG])
    def test_cloning_of_continuous_actions_becomes_the_expert(self, model_class):
        env = DummyVecEnv([lambda: gym_compat.make("MountainCarContinuous-v0")])
        env.seed(0)
        data = generate_expert_traj(lambda obs: np.where(obs[:, 1:] >= 0, 1., -1.), env=env, n_episodes=10)
        dataset = ExpertDataset(traj_data=data, batch_size=64, verbose=0)
        assert dataset.avg_ret >= 85  # pushing the way it goes
        model = model_class("MlpPolicy", env, seed=0, n_cpu_tf_sess=1)
        assert mean_reward(model, env) < 0
        model.pretrain(dataset, n_epochs=100, learning_rate=1e-3)
        assert mean_reward(model, env) >= .9 * dataset.avg_ret
