"""Soft Actor-Critic, https://arxiv.org/abs/1812.05905 (with the value function of https://arxiv.org/abs/1801.01290)"""
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names, tf_util
from stable_baselines.common.gym_compat.spaces import scale_action
from stable_baselines.common.losses import q_target
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.off_policy import OffPolicyRLModel
from stable_baselines.common.models.training import Training, check_counts
from stable_baselines.common.vec_env import VecEnv
from stable_baselines.sac.policies import SACPolicy

# what rounds to a bound of the actions counts as the nearest number of single precision within
LARGEST_INSIDE = 1. - np.finfo(np.float32).epsneg


class Batch(NamedTuple):
    """What one gradient step is fed: placeholders or arrays, one row a transition."""

    obs: Any
    actions: Any  # within [-1, 1], (n_batch, n_actions)
    rewards: Any  # (n_batch, 1)
    next_obs: Any
    dones: Any  # (n_batch, 1)
    noise: Any  # standard normal, (n_batch, n_actions); None with a policy that draws it itself
    learning_rate: Any


Targets = List[Tuple[tf.Tensor, tf.Tensor]]  # the values of each critic, and what it learns


class Losses(NamedTuple):
    """Scalars, before the step."""

    policy_loss: tf.Tensor
    qf1_loss: tf.Tensor
    qf2_loss: tf.Tensor
    value_loss: tf.Tensor
    entropy: tf.Tensor


class LossesAuto(NamedTuple):
    """Scalars, before the step, where the temperature is learned."""

    policy_loss: tf.Tensor
    qf1_loss: tf.Tensor
    qf2_loss: tf.Tensor
    value_loss: tf.Tensor
    entropy: tf.Tensor
    ent_coef_loss: tf.Tensor
    ent_coef: tf.Tensor


def value_target(qf1_pi: tf.Tensor, qf2_pi: tf.Tensor, logp_pi: tf.Tensor, ent_coef: Any) -> tf.Tensor:
    r"""
    What the value function learns, equation 3 of https://arxiv.org/abs/1801.01290, from an action of the policy.

    .. math:: \min(Q_1(s_i, a_i), Q_2(s_i, a_i)) - \alpha \log \pi(a_j | s_j)

    :param qf1_pi: values of the actions, (n_batch, 1), like qf2_pi
    :param logp_pi: their log-likelihoods, (n_batch,)
    :return: (n_batch, n_batch), for i and j
    """
    # as Stable Baselines 2.10: with the likelihoods of all rows, whose mean counts, where the paper takes that of row i
    return tf.stop_gradient(tf.minimum(qf1_pi, qf2_pi) - ent_coef * logp_pi[None])


def critic_loss(values: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Half the mean squared error, equations 5 and 7 of https://arxiv.org/abs/1801.01290"""
    return .5 * tf.reduce_mean(tf.square(values - targets))


def critic_loss_gradient(values: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """
    Return the gradient of ``critic_loss`` by the values, shape (n_batch, 1): the errors beside the mean of the targets.

    ``tf.gradients`` gives the same from all pairs of rows, where targets have a column for each row.
    """
    if targets.shape.ndims != 2:  # a policy whose likelihoods have a shape of their own
        return tf.gradients(critic_loss(values, targets), values)[0]
    return (values - tf.reduce_mean(targets, axis=1, keepdims=True)) / tf.cast(tf.size(values), tf.float32)


def policy_loss(logp_pi: tf.Tensor, qf1_pi: tf.Tensor, ent_coef: Any) -> tf.Tensor:
    r"""
    The policy's loss, equation 9 of the paper; unlike there with the first Q function, not the smaller of both.

    .. math:: E[\alpha \log \pi(a | s) - Q_1(s, a)]
    """
    return tf.reduce_mean(ent_coef * logp_pi) - tf.reduce_mean(qf1_pi)


def temperature_loss(log_ent_coef: tf.Tensor, logp_pi: tf.Tensor, target_entropy: float) -> tf.Tensor:
    r"""
    The loss of the temperature, equation 18 of the paper; unlike there linear in its logarithm.

    .. math:: -\log \alpha \, E[\log \pi(a | s) + \bar{H}]
    """
    return -log_ent_coef * tf.stop_gradient(tf.reduce_mean(logp_pi) + target_entropy)


def read_ent_coef(ent_coef: Union[str, float]) -> Tuple[float, bool]:
    """
    Read the forms of ``ent_coef``.

    :return: its value, at the start, and whether it is learned
    :raises ValueError: if it is none of them
    """
    if ent_coef == 'auto':
        return 1., True
    text = str(ent_coef)
    is_learned = text.startswith('auto_')
    try:
        value = float(text[len('auto_'):] if is_learned else text)
    except ValueError:
        value = np.nan
    if not 0 <= value < np.inf or is_learned and value == 0:
        raise ValueError(f"ent_coef={ent_coef!r}: accepted is a number from 0 on, 'auto', or 'auto_' and a number "
                         "above 0 to start with, such as 'auto_0.1'")
    return value, is_learned


def read_target_entropy(target_entropy: Union[str, float], n_actions: int) -> float:
    """
    Read the forms of ``target_entropy``.

    :raises ValueError: if it is neither 'auto' nor a number
    """
    try:
        value = -float(n_actions) if target_entropy == 'auto' else float(target_entropy)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(f"target_entropy={target_entropy!r}: accepted is 'auto' or a number")
    return value


Model = TypeVar('Model', bound='SAC')


class SAC(OffPolicyRLModel):
    """
    Soft Actor-Critic, https://arxiv.org/abs/1812.05905

    Arguments that all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.95 to 0.999
    :param learning_rate: step size of all networks, or a function of the progress remaining (1 to 0)
    :param buffer_size: number of transitions to keep
    :param learning_starts: number of steps with random actions, before anything is learned
    :param train_freq: number of steps between two rounds of gradient steps
    :param batch_size: number of transitions for a gradient step
    :param tau: how far the target follows at each update; smaller values are slower and steadier, typical 0.005 to 0.02
    :param ent_coef: temperature, the weight of the entropy against the reward: larger values explore longer; 'auto'
        learns it, starting at 1, 'auto_0.1' starting at 0.1
    :param target_update_interval: number of gradient steps between two updates of the target
    :param gradient_steps: number of gradient steps in a round
    :param target_entropy: the entropy that an 'auto' ent_coef keeps up; 'auto' means minus the number of actions
    :param action_noise: noise added to actions within [-1, 1], see ``common.noise``; None, as usual here, adds none
    :param random_exploration: probability of a random action
    """

    policy_tf: Any  # acts and learns
    target_policy: Any  # its value function follows that of the former
    policy_base = SACPolicy
    _actor_name = 'deterministic_action'
    samples_actions = True
    _old_names = dict(
        observations_ph='batch_ph.obs', next_observations_ph='batch_ph.next_obs', actions_ph='batch_ph.actions',
        rewards_ph='batch_ph.rewards', terminals_ph='batch_ph.dones', learning_rate_ph='batch_ph.learning_rate',
        processed_obs_ph='policy_tf.processed_obs', processed_next_obs_ph='target_policy.processed_obs',
        entropy='losses.entropy')
    _names_of_sb3 = dict(
        OffPolicyRLModel._names_of_sb3, use_sde="here it does not exist", sde_sample_freq="here it does not exist",
        use_sde_at_warmup="here it does not exist")

    def __init__(self, policy: Union[str, Type[SACPolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 learning_rate: Union[float, Callable] = 3e-4, buffer_size: int = 50000, learning_starts: int = 100,
                 train_freq: int = 1, batch_size: int = 64, tau: float = 0.005, ent_coef: Union[str, float] = 'auto',
                 target_update_interval: int = 1, gradient_steps: int = 1, target_entropy: Union[str, float] = 'auto',
                 action_noise: Any = None, random_exploration: float = 0.0, verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None):
        self.gamma = gamma
        self.learning_rate = learning_rate
        self.buffer_size = buffer_size
        self.learning_starts = learning_starts
        self.train_freq = train_freq
        self.batch_size = batch_size
        self.tau = tau
        self.ent_coef = ent_coef
        self.target_update_interval = target_update_interval
        self.gradient_steps = gradient_steps
        self.target_entropy = target_entropy
        self.action_noise = action_noise
        self.random_exploration = random_exploration
        super().__init__(policy, env, None, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def setup_model(self) -> None:
        check_counts(target_update_interval=self.target_update_interval)
        read_ent_coef(self.ent_coef)
        read_target_entropy(self.target_entropy, n_actions=1)  # refuses it before anything is built
        super().setup_model()

    def _build_graph(self) -> None:
        with tf.variable_scope("input", reuse=False):
            self.policy_tf, self.target_policy = (
                self.policy(self.sess, self.observation_space, self.action_space, **self.policy_kwargs)
                for _ in range(2))
        obs = self.policy_tf.processed_obs
        with tf.variable_scope("model", reuse=False):
            self.deterministic_action, self.policy_out, self.logp_pi = self.policy_tf.make_actor(obs)
            actor_params = tf_util.get_trainable_vars("model/")
        self.proba_step = self.policy_tf.proba_step
        self.batch_ph = batch_ph = self._build_batch()

        with tf.variable_scope("model", reuse=False):
            qf1, qf2, self.value_fn = self.policy_tf.make_critics(obs, batch_ph.actions)
            critic_params = tf_util.get_trainable_vars("model/")[len(actor_params):]
            qf1_pi, qf2_pi, _ = self.policy_tf.make_critics(obs, self.policy_out, create_vf=False, reuse=True)
            ent_coef = self._build_ent_coef()
        with tf.variable_scope("target", reuse=False):
            _, _, self.value_target = self.target_policy.make_critics(self.target_policy.processed_obs, create_qf=False)

        with tf.variable_scope("loss", reuse=False):
            q_targets = q_target(batch_ph.rewards, batch_ph.dones, self.value_target, self.gamma)
            targets = [(qf1, q_targets), (qf2, q_targets),
                       (self.value_fn, value_target(qf1_pi, qf2_pi, self.logp_pi, ent_coef))]
            self.losses = self._build_losses(targets, qf1_pi, ent_coef)
            self.infos_names = list(self.losses._fields)
        self._build_training(targets, actor_params, critic_params)
        self._build_summaries(losses=dict(self.losses._asdict(), learning_rate=batch_ph.learning_rate),
                              inputs=dict(rewards=batch_ph.rewards), obs_ph=batch_ph.obs)
        # where it can, the model draws the noise itself, from the generator that a training carries
        draws_noise = batch_ph.noise is not None and type(self.policy_tf).step is SACPolicy.step
        self._sample_actions = tf_util.function(
            [batch_ph.obs, batch_ph.noise], self.policy_out, session=self.sess) if draws_noise else None

    def _build_batch(self) -> Batch:
        """Build the placeholders of a batch."""
        with tf.variable_scope("input", reuse=False):
            return Batch(
                obs=self.policy_tf.obs_ph, next_obs=self.target_policy.obs_ph, noise=self.policy_tf.noise_ph,
                actions=tf.placeholder(tf.float32, (None,) + self.action_space.shape, name="actions"),
                rewards=tf.placeholder(tf.float32, (None, 1), name="rewards"),
                dones=tf.placeholder(tf.float32, (None, 1), name="terminals"),
                learning_rate=tf.placeholder(tf.float32, (), name="learning_rate_ph"))

    def _build_ent_coef(self) -> Any:
        """Build the temperature, a tensor if it is learned."""
        value, is_learned = read_ent_coef(self.ent_coef)
        self.log_ent_coef = tf.get_variable(
            "log_ent_coef", initializer=np.float32(np.log(value))) if is_learned else None
        return value if self.log_ent_coef is None else tf.exp(self.log_ent_coef)

    def _build_losses(self, targets: Targets, qf1_pi: tf.Tensor, ent_coef: Any) -> Any:
        """Build the losses from the values of the batch's actions and of the policy's."""
        qf1_loss, qf2_loss, value_loss = (critic_loss(*pair) for pair in targets)
        losses = Losses(
            policy_loss=policy_loss(self.logp_pi, qf1_pi, ent_coef), qf1_loss=qf1_loss, qf2_loss=qf2_loss,
            value_loss=value_loss, entropy=tf.reduce_mean(self.policy_tf.entropy))
        if self.log_ent_coef is None:
            return losses
        target_entropy = read_target_entropy(self.target_entropy, self.action_space.shape[0])
        return LossesAuto(*losses, ent_coef=ent_coef,
                          ent_coef_loss=temperature_loss(self.log_ent_coef, self.logp_pi, target_entropy))

    def _build_training(self, targets: Targets, actor_params: List[tf.Variable],
                        critic_params: List[tf.Variable]) -> None:
        """Build two functions of a batch: one steps all that is trained, the other then the target too."""
        self.params = tf_util.get_trainable_vars("model/")
        self.target_params = tf_util.get_trainable_vars("target/")
        losses = self.losses
        grads = tf.gradients(losses.policy_loss, actor_params)
        grads += tf.gradients([values for values, _ in targets], critic_params,
                              grad_ys=[critic_loss_gradient(*pair) for pair in targets])
        if self.log_ent_coef is not None:
            grads += tf.gradients(losses.ent_coef_loss, [self.log_ent_coef])
        # one Adam does what one for each network with the same learning rate would do
        optimizer = tf_util.Adam(self.batch_ph.learning_rate)
        train_op = tf_util.apply_gradients(optimizer, grads, self.params, after=list(losses))
        param_of = {param.op.name: param for param in self.params}
        followed = [param_of[target.op.name.replace("target/", "model/", 1)] for target in self.target_params]
        with tf.control_dependencies([train_op]):
            target_op = tf_util.soft_update(followed, self.target_params, self.tau)
        self._train_networks, self._train_all = (
            tf_util.batch_function(self.batch_ph, losses, updates=[op], session=self.sess)
            for op in (train_op, target_op))
        self._target_init_op = tf_util.soft_update(followed, self.target_params, tau=1)

    def get_parameter_list(self):
        return self.params + self.target_params

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 4,
              tb_log_name: str = "SAC", reset_num_timesteps: bool = True,
              replay_wrapper: Optional[Callable] = None) -> Model:
        return self._learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper)

    def _train_once(self, learning_rate: float, training: Training,
                    writer: Optional[tf.summary.FileWriter]) -> Tuple:
        obs, actions, rewards, next_obs, dones = self.replay_buffer.sample(self.batch_size, env=self._normalizer)[:5]
        batch = Batch(obs=obs, actions=actions, rewards=rewards[:, None], next_obs=next_obs, dones=dones[:, None],
                      noise=self.np_random.standard_normal(actions.shape), learning_rate=learning_rate)
        keeps_target = (self.n_updates + 1) % self.target_update_interval != 0
        train = self._train_networks if keeps_target else self._train_all
        if writer is not None:
            reports.write_summary(self, writer, train, batch)
        return train(batch)

    # ---------------------------------------------------------------- use

    def _policy_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        if deterministic or self._sample_actions is None:
            return self.policy_tf.step(obs, deterministic=deterministic)
        return self._sample_actions(obs, self.np_random.standard_normal((len(obs),) + self.action_space.shape))

    def _log_likelihood(self, parameters: Any, actions: np.ndarray) -> np.ndarray:
        """Return the log of the density of actions: of the Gaussian, corrected for the squashing and the rescaling."""
        scaled = scale_action(self.action_space, actions.astype(np.float64))
        inside = np.clip(scaled, -LARGEST_INSIDE, LARGEST_INSIDE)
        slopes = (1. - np.square(inside)) * (self.action_space.high - self.action_space.low) / 2.
        logp = super()._log_likelihood(parameters, np.arctanh(inside)) - np.log(slopes).sum(axis=1)
        return np.where((np.abs(scaled) < 1. + 1e-6).all(axis=1), logp, -np.inf)


old_names.offer(__name__)
