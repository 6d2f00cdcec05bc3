"""Twin Delayed Deep Deterministic policy gradient, https://arxiv.org/abs/1802.09477"""
from typing import Any, Callable, Dict, NamedTuple, Optional, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names, tf_util
from stable_baselines.common.losses import actor_value_loss, q_target, value_function_loss
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.off_policy import OffPolicyRLModel
from stable_baselines.common.models.training import Training, check_counts, check_numbers
from stable_baselines.common.vec_env import VecEnv
from stable_baselines.td3.policies import TD3Policy


class Batch(NamedTuple):
    """What one gradient step is fed: placeholders or arrays, one row a transition."""

    obs: Any
    actions: Any  # within [-1, 1], (n_batch, n_actions)
    rewards: Any  # (n_batch, 1)
    next_obs: Any
    dones: Any  # (n_batch, 1)
    noise: Any  # standard normal, (n_batch, n_actions)
    learning_rate: Any


class Losses(NamedTuple):
    """Scalars, before the step."""

    qf1_loss: tf.Tensor
    qf2_loss: tf.Tensor


def smoothed_action(target_action: tf.Tensor, noise: tf.Tensor, stddev: float, clip: float) -> tf.Tensor:
    r"""
    Target policy smoothing, equation 14 of the paper: similar actions should have similar values.

    .. math:: \tilde{a} = clip(\pi'(s') + clip(\sigma \epsilon, -c, c), -1, 1), \quad \epsilon \sim N(0, 1)
    """
    return tf.clip_by_value(target_action + tf.clip_by_value(stddev * noise, -clip, clip), -1., 1.)


def double_q_target(rewards: tf.Tensor, dones: tf.Tensor, next_qf1: tf.Tensor, next_qf2: tf.Tensor,
                    gamma: float) -> tf.Tensor:
    r"""
    What both critics learn, clipped double Q-learning, equation 10 of the paper.

    .. math:: y = r + \gamma (1 - d) \min(Q'_1(s', \tilde{a}), Q'_2(s', \tilde{a}))
    """
    return q_target(rewards, dones, tf.minimum(next_qf1, next_qf2), gamma)


Model = TypeVar('Model', bound='TD3')


class TD3(OffPolicyRLModel):
    """
    Twin Delayed Deep Deterministic policy gradient, https://arxiv.org/abs/1802.09477

    Arguments that all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.95 to 0.999
    :param learning_rate: step size of actor and critics, or a function of the progress remaining (1 to 0)
    :param buffer_size: number of transitions to keep
    :param learning_starts: number of steps with random actions, before anything is learned
    :param train_freq: number of steps between two rounds of gradient steps
    :param gradient_steps: number of gradient steps in a round; as many as train_freq is typical
    :param batch_size: number of transitions for a gradient step
    :param tau: how far the targets follow at each update; smaller values are slower and steadier, typical 0.001 to 0.02
    :param policy_delay: the actor and the targets are updated at every policy_delay-th gradient step
    :param action_noise: exploration: noise added to actions within [-1, 1], see ``common.noise``; None adds none
    :param target_policy_noise: standard deviation of the noise on the target actions, which smooths the values
    :param target_noise_clip: limit of that noise
    :param random_exploration: probability of a random action, in addition to the noise
    """

    policy_base = TD3Policy
    _actor_name = 'policy_out'
    policy_tf: Any  # acts and learns
    target_policy_tf: Any  # follows it
    infos_names = list(Losses._fields)
    _old_names = dict(
        observations_ph='batch_ph.obs', next_observations_ph='batch_ph.next_obs', actions_ph='batch_ph.actions',
        rewards_ph='batch_ph.rewards', terminals_ph='batch_ph.dones', learning_rate_ph='batch_ph.learning_rate',
        processed_obs_ph='policy_tf.processed_obs', processed_next_obs_ph='target_policy_tf.processed_obs')

    def __init__(self, policy: Union[str, Type[TD3Policy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 learning_rate: Union[float, Callable] = 3e-4, buffer_size: int = 50000, learning_starts: int = 100,
                 train_freq: int = 100, gradient_steps: int = 100, batch_size: int = 128, tau: float = 0.005,
                 policy_delay: int = 2, action_noise: Any = None, target_policy_noise: float = 0.2,
                 target_noise_clip: float = 0.5, random_exploration: float = 0.0, verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None):
        self.gamma = gamma
        self.learning_rate = learning_rate
        self.buffer_size = buffer_size
        self.learning_starts = learning_starts
        self.train_freq = train_freq
        self.gradient_steps = gradient_steps
        self.batch_size = batch_size
        self.tau = tau
        self.policy_delay = policy_delay
        self.action_noise = action_noise
        self.target_policy_noise = target_policy_noise
        self.target_noise_clip = target_noise_clip
        self.random_exploration = random_exploration
        super().__init__(policy, env, None, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def setup_model(self) -> None:
        check_counts(policy_delay=self.policy_delay)
        check_numbers(0, target_policy_noise=self.target_policy_noise, target_noise_clip=self.target_noise_clip)
        super().setup_model()

    def _build_graph(self) -> None:
        with tf.variable_scope("input", reuse=False):
            self.policy_tf, self.target_policy_tf = (
                self.policy(self.sess, self.observation_space, self.action_space, **self.policy_kwargs)
                for _ in range(2))
            self.batch_ph = batch_ph = self._build_batch()

        with tf.variable_scope("model", reuse=False):
            self.policy_out = self.policy_tf.make_actor()
            self._actor_params = tf_util.get_trainable_vars("model/")
            self.q_values = self.policy_tf.make_critics(action=batch_ph.actions)
            self.params = tf_util.get_trainable_vars("model/")
        with tf.variable_scope("target", reuse=False):
            next_action = smoothed_action(self.target_policy_tf.make_actor(), batch_ph.noise,
                                          self.target_policy_noise, self.target_noise_clip)
            next_qf1, next_qf2 = self.target_policy_tf.make_critics(action=next_action)
            self.target_params = tf_util.get_trainable_vars("target/")

        with tf.variable_scope("loss", reuse=False):
            targets = double_q_target(batch_ph.rewards, batch_ph.dones, next_qf1, next_qf2, self.gamma)
            self.losses = Losses(*[value_function_loss(values, targets) for values in self.q_values])
        self._build_training()
        self._target_init_op = tf_util.soft_update(self.params, self.target_params, tau=1)
        self._build_summaries(losses=dict(self.losses._asdict(), policy_loss=self.policy_loss,
                                          learning_rate=batch_ph.learning_rate),
                              inputs=dict(rewards=batch_ph.rewards, actions=batch_ph.actions), obs_ph=batch_ph.obs)

    def _build_batch(self) -> Batch:
        """Build the placeholders of a batch."""
        actions_shape = (None,) + self.action_space.shape
        return Batch(
            obs=self.policy_tf.obs_ph, next_obs=self.target_policy_tf.obs_ph,
            actions=tf.placeholder(tf.float32, actions_shape, name="actions"),
            rewards=tf.placeholder(tf.float32, (None, 1), name="rewards"),
            dones=tf.placeholder(tf.float32, (None, 1), name="terminals"),
            noise=tf.placeholder(tf.float32, actions_shape, name="noise"),
            learning_rate=tf.placeholder(tf.float32, (), name="learning_rate_ph"))

    def _build_training(self) -> None:
        """Build two functions of a batch: one steps the critics, the other then the actor and then the targets too."""
        actor, critics = (tf_util.Adam(self.batch_ph.learning_rate) for _ in range(2))
        critic_op = tf_util.minimize(critics, self.losses.qf1_loss + self.losses.qf2_loss,
                                     self.params[len(self._actor_params):])
        # each step is taken with the result of the one before: its variables are read after that
        with tf.control_dependencies([critic_op]):
            actor_op = tf_util.minimize(actor, self._build_policy_loss(), self._actor_params)
        with tf.control_dependencies([actor_op]):
            target_op = tf_util.soft_update(self.params, self.target_params, self.tau)
        self._train_critics, self._train_all = (
            tf_util.batch_function(self.batch_ph, self.losses, updates=[op], session=self.sess)
            for op in (critic_op, target_op))
        # for reports, before any step; built last, because the policy keeps the last values that it builds
        self.policy_loss = self._build_policy_loss()

    def _build_policy_loss(self) -> tf.Tensor:
        """Build the actor's loss."""
        with tf.variable_scope("model", reuse=True):
            qf1, _ = self.policy_tf.make_critics(action=self.policy_out, reuse=True)
        return actor_value_loss(qf1)

    def get_parameter_list(self):
        return self.params + self.target_params

    def _policy_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        return self.policy_tf.step(obs)

    def _train_once(self, learning_rate: float, training: Training,
                    writer: Optional[tf.summary.FileWriter]) -> Losses:
        obs, actions, rewards, next_obs, dones = self.replay_buffer.sample(self.batch_size, env=self._normalizer)[:5]
        batch = Batch(obs=obs, actions=actions, rewards=rewards[:, None], next_obs=next_obs, dones=dones[:, None],
                      noise=self.np_random.standard_normal(actions.shape), learning_rate=learning_rate)
        is_delayed = (self.n_updates + 1) % self.policy_delay != 0
        train = self._train_critics if is_delayed else self._train_all
        if writer is not None:
            reports.write_summary(self, writer, train, batch)
        return train(batch)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 4,
              tb_log_name: str = "TD3", reset_num_timesteps: bool = True,
              replay_wrapper: Optional[Callable] = None) -> Model:
        return self._learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper)


old_names.offer(__name__)
