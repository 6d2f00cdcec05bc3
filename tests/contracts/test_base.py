"""Algorithms of every family can be built on the base alone: the smallest ones of the shapes that are to come."""
import copy
import os
from collections import deque

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_cartpoles, make_env
from stable_baselines import A2C, ACER, PPO2
from stable_baselines.common import gym_compat, policies, tf_util
from stable_baselines.common.base_class import ActorCriticRLModel, BaseRLModel
from stable_baselines.common.callbacks import BaseCallback, CallbackList
from stable_baselines.common.models.training import Training
from stable_baselines.common.policies import ActorCriticPolicy, BasePolicy, register_policy
from stable_baselines.common.runners import true_next_obs
from stable_baselines.common.tf_layers import linear
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize


class TinyPolicy(BasePolicy):
    """Linear action values."""

    def __init__(self, sess, ob_space, ac_space, n_env=1, n_steps=1, n_batch=None, reuse=False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse)
        with tf.variable_scope("model", reuse=reuse):
            self.q_values = linear(self.processed_obs, "q", int(ac_space.n))
        self._values = tf_util.function([self.obs_ph], self.q_values, session=sess)

    def step(self, obs, state=None, mask=None, deterministic=True):
        values = self._values(obs)
        return values.argmax(axis=1), values, state, None

    def proba_step(self, obs, state=None, mask=None):
        values = self._values(obs)
        return np.eye(values.shape[1])[values.argmax(axis=1)]


class TinyReplay(deque):
    """A replay memory that knows how to give its content away."""

    def get_state(self):
        return list(self)

    def set_state(self, state):
        self.clear()
        self.extend(state)


class TinyOffPolicy(BaseRLModel):
    """Q-learning with a linear function: the shape of DQN. It steps a VecEnv and shows the user a plain environment."""

    policy_base = TinyPolicy
    _carried = (*BaseRLModel._carried, "memory")

    def __init__(self, policy, env, gamma=.9, learning_rate=.1, train_every=4, verbose=0, tensorboard_log=None,
                 _init_setup_model=True, policy_kwargs=None, full_tensorboard_log=False, seed=None, n_cpu_tf_sess=1):
        self.gamma = gamma
        self.learning_rate = learning_rate
        self.train_every = train_every
        self.memory = TinyReplay(maxlen=1000)
        super().__init__(policy, env, verbose, policy_kwargs=policy_kwargs, seed=seed, n_cpu_tf_sess=n_cpu_tf_sess,
                         tensorboard_log=tensorboard_log, full_tensorboard_log=full_tensorboard_log,
                         _init_setup_model=_init_setup_model)

    def _build_graph(self):
        self.step_model = self.policy(self.sess, self.observation_space, self.action_space)
        self.params = tf_util.get_trainable_vars("model")
        self.action_ph = tf.placeholder(tf.int32, [None])
        self.target_ph = tf.placeholder(tf.float32, [None])
        chosen = tf.reduce_sum(self.step_model.q_values * tf.one_hot(self.action_ph, int(self.action_space.n)), axis=1)
        self.loss = tf.reduce_mean(tf.square(chosen - self.target_ph))
        train_op = tf_util.minimize(tf.train.AdamOptimizer(self.learning_rate), self.loss, self.params)
        self._train_function = tf_util.function([self.step_model.obs_ph, self.action_ph, self.target_ph], self.loss,
                                                updates=[train_op], session=self.sess)
        self._build_summaries(dict(loss=self.loss), dict(target=self.target_ph), self.step_model.obs_ph)

    def get_parameter_list(self):
        return self.params

    def learn(self, total_timesteps, callback=None, log_interval=4, tb_log_name="tiny", reset_num_timesteps=True):
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            training.start()
            obs = self.vec_env.reset()
            while self.num_timesteps < training.total_timesteps:
                actions = self.np_random.randint(self.action_space.n, size=self.n_envs)
                new_obs, rewards, dones, infos = self.vec_env.step(actions)
                self.num_timesteps += self.n_envs
                training.callback.offer(obs=obs, new_obs=new_obs, rewards=rewards, dones=dones, infos=infos)
                if not training.callback.on_step():
                    break
                self.memory.extend(zip(obs, actions, rewards, true_next_obs(new_obs, dones, infos), dones))
                obs = new_obs
                if self.num_timesteps % self.train_every == 0:
                    self._train()
        return self

    def _train(self):
        rows = self.np_random.randint(len(self.memory), size=8)
        obs, actions, rewards, next_obs, dones = map(np.array, zip(*[self.memory[row] for row in rows]))
        values = self.step_model.step(next_obs)[1].max(axis=1)
        self._train_function(obs, actions, rewards + self.gamma * (1 - dones) * values)

    def predict(self, observation, state=None, mask=None, deterministic=True):
        (obs, state, mask), batched = self._policy_inputs(observation, state, mask)
        actions = self.step_model.step(obs)[0]
        return (actions if batched else actions[0]), None

    def action_probability(self, observation, state=None, mask=None, actions=None, logp=False):
        return self.step_model.proba_step(self._policy_inputs(observation)[0][0])


class TinyOnPolicy(ActorCriticRLModel):
    """REINFORCE with batches of its own size, no ``n_steps``: the shape of PPO1 and TRPO."""

    def __init__(self, policy, env, steps_per_batch=16, learning_rate=.01, verbose=0, tensorboard_log=None,
                 _init_setup_model=True, policy_kwargs=None, full_tensorboard_log=False, seed=None, n_cpu_tf_sess=1):
        self.steps_per_batch = steps_per_batch
        self.learning_rate = learning_rate
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def _build_graph(self):
        self._build_policies(n_train_steps=1)
        self.action_ph = self.train_model.pdtype.sample_placeholder([None])
        self.return_ph = tf.placeholder(tf.float32, [None])
        loss = tf.reduce_mean(self.return_ph * self.train_model.proba_distribution.neglogp(self.action_ph))
        train_op = tf_util.minimize(tf.train.AdamOptimizer(self.learning_rate), loss, self.params)
        self._train_function = tf_util.function([self.train_model.obs_ph, self.action_ph, self.return_ph], loss,
                                                updates=[train_op], session=self.sess)

    def learn(self, total_timesteps, callback=None, log_interval=100, tb_log_name="tiny", reset_num_timesteps=True):
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            training.start()
            obs = self.vec_env.reset()
            while self.num_timesteps < training.total_timesteps:
                batch, reward_sum = [], 0.
                for _ in range(self.steps_per_batch):
                    actions = self.step(obs)[0]
                    batch.append((obs[0], actions[0]))
                    obs, rewards, _, _ = self.vec_env.step(actions)
                    reward_sum += rewards[0]
                    self.num_timesteps += 1
                    training.callback.offer(rewards=rewards)
                    if not training.callback.on_step():
                        return self
                self._train_function(*zip(*batch), [reward_sum] * len(batch))
        return self


class Wrapping(BaseRLModel):
    """A model around another one: the shape of HER. Its file says which class it wraps."""

    def __init__(self, policy, env, model_class, *args, **kwargs):
        self.model_class = model_class
        build = kwargs.pop("_init_setup_model", True)
        super().__init__(policy, env, kwargs.get("verbose", 0))
        self.model = model_class(policy, self.vec_env, *args, _init_setup_model=build, **kwargs)

    num_timesteps = property(lambda self: self.model.num_timesteps, lambda self, value: None)

    def setup_model(self):
        self.model.setup_model()

    def _keep_env(self, env, vec_env):
        super()._keep_env(env, vec_env)
        if hasattr(self, "model"):
            self.model.set_env(vec_env)

    def get_parameter_list(self):
        return self.model.get_parameter_list()

    def get_parameters(self):
        return self.model.get_parameters()

    def load_parameters(self, load_path_or_dict, exact_match=True):
        self.model.load_parameters(load_path_or_dict, exact_match)

    def training_state(self):
        return self.model.training_state()

    def set_training_state(self, state):
        self.model.set_training_state(state)

    def learn(self, *args, **kwargs):
        self.model.learn(*args, **kwargs)
        return self

    def predict(self, *args, **kwargs):
        return self.model.predict(*args, **kwargs)

    def action_probability(self, *args, **kwargs):
        return self.model.action_probability(*args, **kwargs)

    def _check_built(self):
        self.model._check_built()

    def _saved_data(self):
        return dict(self.model._saved_data(), model_class=self.model_class)

    def _known_names(self):
        return super()._known_names() | {"gamma", "learning_rate", "train_every"}

    @classmethod
    def _new_for_loading(cls, data):
        model = cls(data.pop("policy"), None, data.pop("model_class"), _init_setup_model=False)
        vars(model.model).update(data)
        return model


MODELS = {
    "off-policy": lambda env, **kwargs: TinyOffPolicy(TinyPolicy, env, seed=0, **kwargs),
    "on-policy": lambda env, **kwargs: TinyOnPolicy("MlpPolicy", env, seed=0, **kwargs),
    "wrapping": lambda env, **kwargs: Wrapping(TinyPolicy, env, TinyOffPolicy, seed=0, **kwargs),
}


@pytest.fixture(params=list(MODELS))
def build(request):
    """Give a function that builds each model."""
    return MODELS[request.param]


def plain_cartpole():
    return gym_compat.make("CartPole-v1")


def assert_same(params, others):
    assert list(params) == list(others)
    for name, value in params.items():
        np.testing.assert_array_equal(value, others[name], err_msg=name)


@pytest.mark.parametrize("make", [plain_cartpole, lambda: "CartPole-v1", lambda: make_cartpoles(1)],
                         ids=["environment", "id", "VecEnv"])
def test_learns_saves_and_loads_whatever_the_user_gave(build, make, tmp_path):
    model = build(make())
    before = model.get_parameters()
    assert model.learn(64) is model and model.num_timesteps == 64
    assert any(not np.array_equal(before[name], value) for name, value in model.get_parameters().items())
    model.save(str(tmp_path / "model"))
    loaded = type(model).load(str(tmp_path / "model"), env=make())
    assert_same(model.get_parameters(), loaded.get_parameters())
    obs = np.zeros(4)
    assert loaded.predict(obs, deterministic=True)[0] == model.predict(obs, deterministic=True)[0]
    assert loaded.learn(64) is loaded
    assert type(model).load(str(tmp_path / "model"), env=model.get_env()).learn(16)  # what get_env shows, fits


def test_the_user_sees_what_the_algorithm_is_for(build):
    """Inside there is always a VecEnv; these algorithms show their users a plain environment."""
    env = plain_cartpole()
    model = build(env)
    assert isinstance(model.vec_env, DummyVecEnv) and model.n_envs == 1
    assert np.shape(model.get_env().reset()) == (4,)
    venv = VecNormalize(make_cartpoles(1))
    model.set_env(venv)
    assert model.vec_env is venv and model.get_vec_normalize_env() is venv
    assert getattr(model, "model", model).vec_env is venv
    assert np.shape(model.get_env().reset()) == (4,)
    obs, reward, done, info = model.get_env().step(model.action_space.sample())
    assert obs.shape == (4,) and np.ndim(reward) == 0 and not done and isinstance(info, dict)


class StopAtTen(BaseCallback):
    """Notes the events and stops in the tenth step."""

    def __init__(self):
        super().__init__()
        self.events, self.names = [], set()

    def _on_training_start(self):
        self.events.append("start")
        self.names = set(self.locals)
        assert self.training_env is self.model.get_env()

    def _on_step(self):
        self.events.append(self.num_timesteps)
        assert np.shape(self.locals["rewards"]) == (1,)
        return self.n_calls < 10

    def _on_training_end(self):
        self.events.append("end")


def test_obeys_callbacks(build):
    model, callback = build(plain_cartpole()), StopAtTen()
    model.learn(100, callback=callback)
    assert callback.events == ["start", *range(1, 11), "end"]
    assert callback.names >= {"self", "total_timesteps", "callback", "log_interval", "tb_log_name", "new_tb_log",
                              "reset_num_timesteps", "writer"}


def test_no_reports(build):
    model = build(plain_cartpole())
    model.learn(20, log_interval=None)
    with pytest.raises(ValueError, match="log_interval"):
        model.learn(20, log_interval=0)


def test_several_environments(tmp_path):
    model = TinyOffPolicy(TinyPolicy, make_cartpoles(3), seed=0)
    assert model.get_env().num_envs == 3  # which cannot look like a plain one
    model.learn(60)
    assert model.num_timesteps == 60 and len(model.memory) == 60


def test_the_true_next_observation():
    shown = np.array([[1.], [0.], [0.]])
    infos = [{}, {"terminal_observation": np.array([7.])}, {"terminal_observation": np.array([9.])}]
    assert true_next_obs(shown, np.array([False, False, False]), infos) is shown
    np.testing.assert_array_equal(true_next_obs(shown, np.array([False, True, True]), infos), [[1.], [7.], [9.]])
    np.testing.assert_array_equal(shown, [[1.], [0.], [0.]])


def test_a_memory_never_holds_the_first_observation_of_the_next_episode():
    model = TinyOffPolicy(TinyPolicy, plain_cartpole(), seed=0)
    model.learn(200)
    ends = [next_obs for *_, next_obs, done in model.memory if done]
    assert ends and all(np.abs(obs).max() > .2 for obs in ends)  # an episode begins within 0.05 and ends beyond 0.2


def test_a_class_written_for_2_10_builds_itself():
    """There the constructor comes first, and setup_model is the subclass's own."""
    class Old(ActorCriticRLModel):
        def __init__(self, policy, env, gain=2, _init_setup_model=True, **kwargs):
            super().__init__(policy=policy, env=env, requires_vec_env=True, policy_base=ActorCriticPolicy,
                             _init_setup_model=_init_setup_model, **kwargs)
            self.gain = gain
            if _init_setup_model:
                self.setup_model()

        def setup_model(self):
            self.built_with = self.gain

        def learn(self, *args, **kwargs):
            raise NotImplementedError

    model = Old("MlpPolicy", "CartPole-v1", gain=3)
    assert model.built_with == 3 and isinstance(model.env, DummyVecEnv)


def test_policies_of_a_new_family_are_registered():
    policies._policy_registry.setdefault(TinyPolicy, {})
    register_policy("TinyPolicy", TinyPolicy)
    assert TinyOffPolicy("TinyPolicy", "CartPole-v1").policy is TinyPolicy


class Replayed(gym_compat.Env):
    """An environment without chance: what happens depends on the actions alone, and on nothing before its reset."""

    def __init__(self):
        cartpole = plain_cartpole()
        self.observation_space, self.action_space = cartpole.observation_space, cartpole.action_space
        self._position = 0.

    def reset(self):
        self._position = 0.
        return self._observe()

    def _observe(self):
        return np.float32([self._position, 1, np.sin(self._position), 0])

    def step(self, action):
        self._position += .1 if action else -.2
        return self._observe(), float(action) - self._position, False, {}


def build_carrier(name):
    """Build a model that draws nothing from TensorFlow's generators, and nothing from the environment's."""
    if name == "wrapping":
        return MODELS[name](DummyVecEnv([Replayed]))
    if name == "off-policy":
        return MODELS[name](DummyVecEnv([Replayed, Replayed]))
    if name == "on-policy":
        model = MODELS[name](DummyVecEnv([Replayed]))
        act = model.step
        model.step = lambda obs: act(obs, deterministic=True)
        return model
    kwargs = dict(PPO2=dict(n_steps=8), A2C=dict(n_steps=4), ACER=dict(n_steps=4, replay_start=4, replay_ratio=2))
    env = DummyVecEnv([Replayed, Replayed])
    model = dict(PPO2=PPO2, A2C=A2C, ACER=ACER)[name]("MlpPolicy", env, seed=0, n_cpu_tf_sess=1, **kwargs[name])
    act = model.step
    # the likelihood is that of an action that is drawn
    model.step = lambda obs, state, dones: (*act(obs, state, dones, deterministic=True)[:3], np.full(len(obs), .7))
    return model


def plain(state):
    """Write a state without addresses."""
    return repr({name: vars(value) if hasattr(value, "__dict__") else value for name, value in state.items()})


@pytest.mark.parametrize("name", [*MODELS, "PPO2", "A2C", "ACER"])
def test_a_training_can_be_carried_over(name):
    """With parameters, ``training_state`` and the environment the same, another model goes on exactly as the first."""
    first, second = build_carrier(name), build_carrier(name)
    first.learn(64)
    state, params = first.training_state(), first.get_parameters()
    assert any("Adam" in key or "RMSProp" in key for key in state["variables"])
    positions = first.vec_env.get_attr("_position")
    kept = copy.deepcopy(state)
    first.learn(64, reset_num_timesteps=False)

    second.load_parameters(params)
    second.set_training_state(state)
    for env, position in zip(second.vec_env.envs, positions):
        env._position = position
    assert second.num_timesteps == 64
    second.learn(64, reset_num_timesteps=False)
    assert_same(first.get_parameters(), second.get_parameters())
    assert_same(first.training_state()["variables"], second.training_state()["variables"])
    assert plain(kept) == plain(state)  # which neither of the two lives in


def test_a_state_that_does_not_fit_is_refused_whole():
    model = PPO2("MlpPolicy", DummyVecEnv([Replayed] * 3), n_steps=8, nminibatches=1, seed=0, n_cpu_tf_sess=1)
    state, variables = build_carrier("PPO2").training_state(), model.training_state()["variables"]
    with pytest.raises(ValueError, match="2 environments .* accepted is one of this model, with 3"):
        model.set_training_state(state)
    with pytest.raises(ValueError, match="variables"):
        build_carrier("PPO2").set_training_state(dict(state, variables={}))
    assert_same(variables, model.training_state()["variables"])


def test_a_state_is_read_without_side_effects():
    model = PPO2("MlpPolicy", DummyVecEnv([Replayed]), n_steps=8, nminibatches=1)
    assert model._runner is None
    state, n_operations = model.training_state(), len(model.graph.get_operations())
    assert model._runner is None and state["runner"] is None
    assert state["np_random"] is None  # without a seed the generator is that of the process
    model.set_training_state(model.training_state())
    assert len(model.graph.get_operations()) == n_operations


class Broken(Replayed):
    """An environment that fails in its reset."""

    def reset(self):
        return self.no_such_attribute


def test_an_error_of_the_environment_comes_through():
    model = A2C("MlpPolicy", DummyVecEnv([Broken]))
    with pytest.raises(AttributeError, match="no_such_attribute"):
        model.learn(10)


def test_the_first_reset_comes_after_the_events():
    events = []

    class Watched(Replayed):
        def reset(self):
            events.append("reset")
            return super().reset()

    class Order(StopAtTen):
        def _on_rollout_start(self):
            events.append("rollout")

    A2C("MlpPolicy", DummyVecEnv([Watched])).learn(5, callback=Order())
    assert events == ["rollout", "reset"]


class OwnList(CallbackList):
    """A list that does something itself."""

    def _on_step(self):
        self.n_own = getattr(self, "n_own", 0) + 1
        return True


def test_a_subclass_of_callback_list_is_heard():
    callback = OwnList([])
    A2C("MlpPolicy", DummyVecEnv([Replayed])).learn(10, callback=callback)
    assert callback.n_own == 10


def test_a_failing_start_leaves_everything_as_it_was(tmp_path):
    model = A2C("MlpPolicy", DummyVecEnv([Replayed]))
    model.learn(10)
    with pytest.raises(TypeError, match="callback"):
        model.learn(10, callback=17)
    assert model.num_timesteps == 10
    level = tf.logging.get_verbosity()
    (tmp_path / "file").write_text("")
    model.tensorboard_log = str(tmp_path / "file")  # where no folder can be made
    with pytest.raises(Exception, match="file"):
        model.learn(10)
    assert tf.logging.get_verbosity() == level


def test_a_second_learn_goes_on_with_what_was_remembered():
    model = build_carrier("ACER")
    model.learn(64)
    n_segments = model.buffer.num_in_buffer
    model.learn(64, reset_num_timesteps=False)
    assert n_segments > 0 and model.buffer.num_in_buffer == 2 * n_segments
    model.learn(64)
    assert model.buffer.num_in_buffer == n_segments  # a training that counts from zero begins with an empty memory


@pytest.mark.parametrize("n_cpu_tf_sess, variable, shape, n_threads", [
    (None, None, (4,), 1), (None, None, (36, 36, 3), 5), (3, None, (4,), 3), (1, None, (36, 36, 3), 1),
    (None, "2", (4,), 2), (None, "2", (36, 36, 3), 2)])
def test_one_thread_unless_there_are_images(n_cpu_tf_sess, variable, shape, n_threads, monkeypatch):
    monkeypatch.delenv("RCALL_NUM_CPU", raising=False)
    if variable is not None:
        monkeypatch.setenv("RCALL_NUM_CPU", variable)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    space = gym_compat.spaces.Box(0, 255, shape, np.uint8)
    policy = "CnnPolicy" if len(shape) == 3 else "MlpPolicy"
    model = A2C(policy, make_env(space, gym_compat.spaces.Discrete(2)), n_cpu_tf_sess=n_cpu_tf_sess)
    assert model.sess._config.intra_op_parallelism_threads == n_threads
    assert model.n_cpu_tf_sess == n_cpu_tf_sess
