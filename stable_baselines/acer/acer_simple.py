"""Actor Critic with Experience Replay, https://arxiv.org/abs/1611.01224"""
import warnings
from collections import OrderedDict, deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.acer.buffer import Buffer, ReplaySegment
from stable_baselines.common import old_names, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.math_util import safe_mean
from stable_baselines.common.models import reports
from stable_baselines.common.models.actor_critic import ActorCriticRLModel
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import Training, check_counts
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.runners import SegmentRunner
from stable_baselines.common.schedules import Scheduler
from stable_baselines.common.vec_env import VecEnv

EPSILON = 1e-6  # keeps divisions and logarithms finite


class TrustRegion(NamedTuple):
    """A gradient restricted to a trust region, and its ingredients."""

    gradient: tf.Tensor  # what is left of the gradient, (n_batch, n_actions)
    k: tf.Tensor  # the gradient of the divergence from the average policy, (n_batch, n_actions)
    k_dot_g: tf.Tensor  # how fast the divergence would grow along the full gradient, (n_batch,)
    adjustment: tf.Tensor  # how much of k was taken off, (n_batch,)


class Batch(NamedTuple):
    """What one update is fed: placeholders or arrays, all rows of one environment after the other."""

    obs: Any  # n_steps + 1 rows an environment
    actions: Any
    rewards: Any
    dones: Any
    mus: Any
    learning_rate: Any
    episode_starts: Any  # n_steps + 1 rows an environment; None without a memory
    states: Any  # before the first step, one row an environment; None without a memory


# ================================================================
# Shapes: batches hold all rows of one environment after the other
# ================================================================

def strip(var: tf.Tensor, n_envs: Optional[int], n_steps: int, flat: bool = False) -> tf.Tensor:
    """
    Remove the last row of every environment, that of the observation after the last step.

    :param var: shape (n_envs * (n_steps + 1), n), or (n_envs * (n_steps + 1),) if flat
    :param n_envs: number of environments; None leaves it open
    :param n_steps: number of steps
    :param flat: whether the tensor has one value per row
    :return: shape (n_envs * n_steps, n), or (n_envs * n_steps,) if flat
    """
    shape = [] if flat else var.shape.as_list()[1:]
    by_env = tf.reshape(var, [n_envs or -1, n_steps + 1] + shape)
    return tf.reshape(by_env[:, :-1], [-1] + shape)


def get_by_index(input_tensor: tf.Tensor, idx: tf.Tensor) -> tf.Tensor:
    """
    Pick one column of each row.

    :param input_tensor: shape (n_batch, n)
    :param idx: the columns, int, shape (n_batch,)
    :return: shape (n_batch,)
    """
    return tf.reduce_sum(input_tensor * tf.one_hot(idx, int(input_tensor.shape[-1])), axis=-1)


# ================================================================
# Targets, losses and gradients
# ================================================================

def q_retrace(rewards: tf.Tensor, dones: tf.Tensor, q_i: tf.Tensor, values: tf.Tensor, rho_i: tf.Tensor,
              n_envs: Optional[int], n_steps: int, gamma: float) -> tf.Tensor:
    r"""
    Compute the Retrace targets of Q, equation 5 of the paper.

    .. math:: Q^{ret}_t = r_t + \gamma (\bar\rho_{t+1} (Q^{ret}_{t+1} - Q_{t+1}) + V_{t+1}), \quad
        \bar\rho = \min(1, \rho)

    and :math:`Q^{ret} = r_t` where the step ended its episode; after the last step V alone counts.

    :param rewards: rewards, shape (n_envs * n_steps,)
    :param dones: 1. where the step ended its episode, same shape
    :param q_i: Q of the actions taken, same shape
    :param values: values, with those after the last step, shape (n_envs * (n_steps + 1),)
    :param rho_i: importance weights of the actions taken, shape (n_envs * n_steps,)
    :param n_envs: number of environments; None leaves it open
    :param n_steps: number of steps
    :param gamma: discount factor
    :return: targets, shape (n_envs * n_steps,)
    """
    rewards, discounts, q_i, rho_bar = [tf.reshape(flat, [n_envs or -1, n_steps]) for flat in (
        rewards, gamma * (1. - dones), q_i, tf.minimum(1., rho_i))]
    values = tf.unstack(tf.reshape(values, [n_envs or -1, n_steps + 1]), axis=1)
    steps = list(zip(*[tf.unstack(by_env, axis=1) for by_env in (rewards, discounts, q_i, rho_bar)]))
    following, targets = values[-1], []
    for (reward, discount, q_taken, weight), value in zip(reversed(steps), reversed(values[:-1])):
        target = reward + discount * following
        following = weight * (target - q_taken) + value
        targets.append(target)
    return tf.reshape(tf.stack(targets[::-1], axis=1), [-1])


def truncated_policy_loss(proba_i: tf.Tensor, rho_i: tf.Tensor, advantages: tf.Tensor,
                          correction_term: float) -> tf.Tensor:
    r"""
    The policy gradient with truncated importance weights, the first part of equation 7, as a loss.

    .. math:: -E[\min(c, \rho_i) A \log \pi(a_i|s)]

    :param proba_i: probabilities of the actions taken, shape (n_batch,)
    :param rho_i: their importance weights, same shape
    :param advantages: their advantages, Q^ret - V, same shape
    :param correction_term: where the weights are truncated, c
    :return: scalar
    """
    weights = tf.stop_gradient(advantages * tf.minimum(rho_i, correction_term))
    return -tf.reduce_mean(tf.log(proba_i + EPSILON) * weights)


def bias_correction_loss(proba: tf.Tensor, rho: tf.Tensor, advantages: tf.Tensor,
                         correction_term: float) -> tf.Tensor:
    r"""
    Make up for the truncation, with Q for all actions, the second part of equation 7, as a loss.

    .. math:: -E[\sum_a \max(0, 1 - c / \rho(a)) \pi(a|s) (Q(s, a) - V(s)) \log \pi(a|s)]

    :param proba: probabilities of all actions, shape (n_batch, n_actions)
    :param rho: their importance weights, same shape
    :param advantages: their advantages, Q - V, same shape
    :param correction_term: where the weights are truncated, c
    :return: scalar
    """
    truncated = tf.nn.relu(1. - correction_term / (rho + EPSILON))
    weights = tf.stop_gradient(truncated * proba * advantages)
    return -tf.reduce_mean(tf.reduce_sum(tf.log(proba + EPSILON) * weights, axis=1))


def q_loss(q_i: tf.Tensor, q_ret: tf.Tensor) -> tf.Tensor:
    """
    Half the mean squared error of Q.

    :param q_i: Q of the actions taken, shape (n_batch,)
    :param q_ret: their Retrace targets, taken as constants, same shape
    :return: scalar
    """
    return .5 * tf.reduce_mean(tf.square(tf.stop_gradient(q_ret) - q_i))


def restrict_to_trust_region(gradient: tf.Tensor, average_proba: tf.Tensor, proba: tf.Tensor,
                             delta: float) -> TrustRegion:
    r"""
    Take off a gradient what leads away from the average policy faster than allowed, equation 12 of the paper.

    .. math:: z = g - \max(0, \frac{k^T g - \delta}{|k|^2}) k, \qquad
        k = \nabla_\pi D_{KL}(\pi_{avg} || \pi) = - \pi_{avg} / \pi

    :param gradient: direction of ascent g for the probabilities, shape (n_batch, n_actions)
    :param average_proba: probabilities under the average policy, same shape
    :param proba: probabilities, same shape
    :param delta: how fast the divergence may grow; smaller values keep closer to the average policy
    :return: the restricted gradient and its ingredients
    """
    k = -average_proba / (proba + EPSILON)
    k_dot_g = tf.reduce_sum(k * gradient, axis=-1)
    adjustment = tf.maximum(0., (k_dot_g - delta) / (tf.reduce_sum(tf.square(k), axis=-1) + EPSILON))
    return TrustRegion(gradient - adjustment[:, None] * k, k, k_dot_g, adjustment)


# ================================================================
# The algorithm
# ================================================================

Model = TypeVar('Model', bound='ACER')


class ACER(ActorCriticRLModel):
    """
    Actor Critic with Experience Replay, https://arxiv.org/abs/1611.01224

    Arguments that all algorithms share are explained at ``BaseRLModel``. Actions must be Discrete.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param n_steps: number of steps of each environment per update; the batch has n_steps * n_envs samples
    :param num_procs: deprecated: use n_cpu_tf_sess, which it replaces if given
    :param q_coef: weight of the loss of Q
    :param ent_coef: weight of the entropy; larger values explore longer. As in Stable Baselines 2.10 it has
        no effect with a trust region
    :param max_grad_norm: gradients are clipped to this global norm; None does not clip
    :param learning_rate: step size at the start
    :param lr_schedule: how the learning rate changes over a training: 'constant', 'linear',
        'double_linear_con', 'middle_drop' or 'double_middle_drop'. The last update of a 'linear' one has step size 0
    :param rprop_alpha: RMSProp's decay of the mean square of the gradient
    :param rprop_epsilon: RMSProp's epsilon, added to the mean square before the root
    :param buffer_size: number of steps of each environment that are kept for replay, at least n_steps
    :param replay_ratio: mean number of updates with replayed segments for each one with a new segment;
        larger values get more out of each step and take longer, typical 1 to 8. 0 turns replay off
    :param replay_start: number of steps of each environment in the buffer before the first replay, rounded down
        to whole segments
    :param correction_term: where importance weights are truncated; smaller values are less noisy and rely
        more on Q
    :param trust_region: whether to keep the policy close to the average one
    :param alpha: decay of the average of the parameters; closer to 1 is slower
    :param delta: how fast the divergence from the average policy may grow
    """

    requires_vec_env = True
    _carried = (*ActorCriticRLModel._carried, 'episode_stats')
    _carried_if_made = (*ActorCriticRLModel._carried_if_made, 'buffer')
    _old_names = dict(action_ph='batch_ph.actions', reward_ph='batch_ph.rewards', done_ph='batch_ph.dones',
                      mu_ph='batch_ph.mus', learning_rate_ph='batch_ph.learning_rate', polyak_model='average_model',
                      n_act='action_space.n')

    episode_stats: Any = None
    learning_rate_schedule: Optional[Scheduler] = None
    _buffer: Optional[Buffer] = None

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 n_steps: int = 20, num_procs: Optional[int] = None, q_coef: float = 0.5, ent_coef: float = 0.01,
                 max_grad_norm: Optional[float] = 10, learning_rate: float = 7e-4, lr_schedule: str = 'linear',
                 rprop_alpha: float = 0.99, rprop_epsilon: float = 1e-5, buffer_size: int = 5000,
                 replay_ratio: float = 4, replay_start: int = 1000, correction_term: float = 10.0,
                 trust_region: bool = True, alpha: float = 0.99, delta: float = 1, verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = 1):
        if num_procs is not None:
            warnings.warn("num_procs is deprecated, use n_cpu_tf_sess", DeprecationWarning, stacklevel=2)
            n_cpu_tf_sess = num_procs
        self.gamma = gamma
        self.n_steps = n_steps
        self.num_procs = num_procs
        self.q_coef = q_coef
        self.ent_coef = ent_coef
        self.max_grad_norm = max_grad_norm
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.rprop_alpha = rprop_alpha
        self.rprop_epsilon = rprop_epsilon
        self.buffer_size = buffer_size
        self.replay_ratio = replay_ratio
        self.replay_start = replay_start
        self.correction_term = correction_term
        self.trust_region = trust_region
        self.alpha = alpha
        self.delta = delta
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def setup_model(self) -> None:
        check_counts(n_steps=self.n_steps)
        Scheduler(self.learning_rate, 1, self.lr_schedule)  # refuses an unknown schedule before anything is built
        self._check_replay()
        if self.action_space is not None and not isinstance(self.action_space, spaces.Discrete):
            raise ValueError(f"action_space={self.action_space}: accepted by ACER is Discrete")
        super().setup_model()
        self._reset_averages()

    def _check_replay(self) -> None:
        """Refuse an impossible replay memory; warn of one that would never be used."""
        if not self.replay_ratio >= 0:
            raise ValueError(f"replay_ratio={self.replay_ratio!r}: accepted is a number, 0 or more")
        if self.replay_ratio == 0:
            return
        check_counts(buffer_size=self.buffer_size)
        if self.replay_start // self.n_steps > self.buffer_size // self.n_steps:
            warnings.warn(f"nothing will be replayed: replay_start={self.replay_start} steps are more than "
                          f"buffer_size={self.buffer_size} holds", stacklevel=4)

    def load_parameters(self, load_path_or_dict: Any, exact_match: bool = True) -> None:
        super().load_parameters(load_path_or_dict, exact_match)
        self._reset_averages()

    def _keep_env(self, env: Any, vec_env: VecEnv) -> None:
        super()._keep_env(env, vec_env)
        self._buffer = None
        if self.episode_stats is not None:
            self.episode_stats = EpisodeStats(self.n_steps, self.n_envs)

    @property
    def buffer(self) -> Optional[Buffer]:
        """Buffer: the replay memory, created at its first use; None with ``replay_ratio=0``."""
        if self._buffer is None and self.replay_ratio > 0:
            self._buffer = Buffer(self.vec_env, self.n_steps, self.buffer_size)
        if self._buffer is not None:
            self._buffer.np_random = self.np_random  # which another seed replaces
        return self._buffer

    def _build_graph(self) -> None:
        self._build_policies(self.n_steps + 1)
        self.value = None  # that head is not trained: the value is the mean of Q over the policy
        self._build_average_policy()
        if self.train_model.q_value is None:
            raise ValueError(f"ACER needs a policy that has q_value, which {self.policy.__name__} does not set")

        with tf.variable_scope("loss", reuse=False):
            self.batch_ph = batch_ph = self._build_batch()
            grads, self.reported = self._build_losses(batch_ph)

        optimizer = tf.train.RMSPropOptimizer(learning_rate=batch_ph.learning_rate, decay=self.rprop_alpha,
                                              epsilon=self.rprop_epsilon)
        train_op = tf_util.apply_gradients(optimizer, grads, self.params, after=list(self.reported.values()))
        with tf.control_dependencies([train_op]):
            average_op = tf.group(*[
                tf.assign_sub(average, (1. - self.alpha) * (average.read_value() - param.read_value()))
                for param, average in zip(self.params, self.averages)])
        self._train_function = tf_util.batch_function(batch_ph, self.reported, updates=[average_op],
                                                      session=self.sess)
        self._build_summaries(
            losses={'entropy_loss': self.reported['entropy'],
                    'policy_gradient_loss': self.reported['loss_policy'],
                    'value_function_loss': self.reported['loss_q'],
                    'loss': self.reported['loss']},
            inputs={'rewards': batch_ph.rewards,
                    'learning_rate': batch_ph.learning_rate,
                    'advantage': self.advantage,
                    'action_probability': batch_ph.mus},
            obs_ph=self.train_model.obs_ph)

    def _build_batch(self) -> Batch:
        """Build the placeholders of a segment; the trained and the average policy are fed alike."""
        policies = (self.train_model, self.average_model)
        return Batch(
            obs=tuple(policy.obs_ph for policy in policies),
            actions=self.train_model.pdtype.sample_placeholder([None], name="action_ph"),
            rewards=tf.placeholder(tf.float32, [None], name="reward_ph"),
            dones=tf.placeholder(tf.float32, [None], name="done_ph"),
            mus=tf.placeholder(tf.float32, [None, int(self.action_space.n)], name="mu_ph"),
            learning_rate=tf.placeholder(tf.float32, [], name="learning_rate_ph"),
            **self._memory_ph(*policies))

    def _build_average_policy(self) -> None:
        """Build the average of the parameters, and the policy that it makes."""
        self.averages = [tf.get_variable(f"moving_average/{param.op.name}/ExponentialMovingAverage",
                                         shape=param.shape, initializer=tf.zeros_initializer(), trainable=False)
                         for param in self.params]
        average_of = {param.name: average for param, average in zip(self.params, self.averages)}

        def average_getter(getter, name, *args, **kwargs):
            variable = getter(name.replace("average_model/", "", 1), *args, **kwargs)
            return average_of.get(variable.name, variable)

        with tf.variable_scope("average_model", reuse=True, custom_getter=average_getter):
            self.average_model: Any = self._build_policy(self.n_steps + 1, reuse=True)
        self._reset_averages = tf_util.function([], [], session=self.sess, updates=[
            tf.assign(average, param.read_value()) for param, average in zip(self.params, self.averages)])

    def _build_losses(self, batch_ph: Batch) -> Tuple[List[Optional[tf.Tensor]], 'OrderedDict[str, tf.Tensor]']:
        """Build losses and gradients; return the clipped gradients, and what is reported, by name."""
        train_model = self.train_model
        values = tf.reduce_sum(train_model.policy_proba * train_model.q_value, axis=-1)
        proba, average_proba, q_value = [strip(rows, None, self.n_steps) for rows in (
            train_model.policy_proba, self.average_model.policy_proba, train_model.q_value)]
        value = strip(values, None, self.n_steps, flat=True)
        rho = proba / (batch_ph.mus + EPSILON)
        proba_i, q_i, rho_i = [get_by_index(rows, batch_ph.actions) for rows in (proba, q_value, rho)]
        q_ret = q_retrace(batch_ph.rewards, batch_ph.dones, q_i, values, rho_i, None, self.n_steps, self.gamma)
        self.advantage = q_ret - value

        loss_f = truncated_policy_loss(proba_i, rho_i, self.advantage, self.correction_term)
        loss_bc = bias_correction_loss(proba, rho, q_value - value[:, None], self.correction_term)
        loss_policy = loss_f + loss_bc
        loss_q = q_loss(q_i, q_ret)
        entropy = tf.reduce_sum(train_model.proba_distribution.entropy())
        by_env = [-1, self.n_steps]
        reported = OrderedDict([
            ('loss', loss_policy + self.q_coef * loss_q - self.ent_coef * entropy), ('loss_q', loss_q),
            ('entropy', entropy), ('loss_policy', loss_policy), ('loss_f', loss_f), ('loss_bc', loss_bc),
            ('explained_variance', tf_util.q_explained_variance(tf.reshape(q_i, by_env), tf.reshape(q_ret, by_env)))])

        grads_policy, norms = self._build_policy_gradients(loss_policy, entropy, proba, average_proba)
        grads_q = tf.gradients(self.q_coef * loss_q, self.params)
        grads, norm = tf_util.clip_gradients([
            tf_util.gradient_add(grad_policy, grad_q, param)
            for grad_policy, grad_q, param in zip(grads_policy, grads_q, self.params)], self.max_grad_norm)
        reported.update([('norm_grads', norm), ('norm_grads_q', tf.global_norm(grads_q)),
                         ('norm_grads_policy', tf.global_norm(grads_policy))] + norms)
        return grads, reported

    def _build_policy_gradients(self, loss_policy: tf.Tensor, entropy: tf.Tensor, proba: tf.Tensor,
                                average_proba: tf.Tensor) -> Tuple[List[Optional[tf.Tensor]], List[Tuple]]:
        """Build the gradients of the policy, within the trust region if there is one; and name what is reported."""
        if not self.trust_region:
            return tf.gradients(loss_policy - self.ent_coef * entropy, self.params), []
        # as Stable Baselines 2.10: the gradient by the probabilities is that of the policy loss without entropy
        n_rows = tf.cast(tf.shape(proba)[0], tf.float32)
        gradient = -n_rows * tf.gradients(loss_policy, proba)[0]
        region = restrict_to_trust_region(gradient, average_proba, proba, self.delta)
        return tf.gradients(proba, self.params, -region.gradient / n_rows), [
            ('avg_norm_grads_f', tf_util.avg_norm(region.gradient)),
            ('avg_norm_k', tf_util.avg_norm(region.k)),
            ('avg_norm_g', tf_util.avg_norm(gradient)),
            ('avg_norm_k_dot_g', tf.reduce_mean(tf.abs(region.k_dot_g))),
            ('avg_norm_adj', tf.reduce_mean(tf.abs(region.adjustment)))]

    def step_with_proba(self, obs: np.ndarray, states: Any, dones: np.ndarray) -> Tuple[np.ndarray, Any, np.ndarray]:
        """Choose actions; return them, the states, and the probabilities of all actions."""
        if self._acts_by_own('step', 'proba_step'):
            return self.act_model.step_with_proba(obs, states, dones)
        proba = self.proba_step(obs, states, dones)
        actions, _, states, _ = self.step(obs, states, dones)
        return actions, states, proba

    def _make_runner(self) -> 'Runner':
        return Runner(env=self.vec_env, model=self, n_steps=self.n_steps)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "ACER", reset_num_timesteps: bool = True) -> Model:
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            schedule = Scheduler(self.learning_rate, training.total_timesteps, self.lr_schedule)
            self.learning_rate_schedule = schedule
            if reset_num_timesteps or self.episode_stats is None:  # otherwise what was collected serves on
                self._buffer, self.episode_stats = None, EpisodeStats(self.n_steps, self.n_envs)
            training.start(t_start=training.start_time, buffer=self.buffer, episode_stats=self.episode_stats)
            # the steps taken after each rollout; the last rollout is a whole one too
            for steps in range(self.n_batch, training.total_timesteps + self.n_batch, self.n_batch):
                segment = training.collect()
                if segment is None:
                    break
                self.episode_stats.feed(segment.rewards, segment.dones)

                # as Stable Baselines 2.10: what the schedule says of the rollout's end, with 'linear' 0 at the last one
                learning_rate = schedule.value_steps(min(steps, training.total_timesteps))
                reported = self._train(segment, learning_rate, training.writer)
                if training.writer is not None:
                    reports.write_episode_rewards(self, training.writer, segment.rewards,
                                                  segment.episode_starts[:, :-1])
                # as Stable Baselines 2.10: the first update is reported, and then every log_interval-th from there
                if training.reports(steps // self.n_batch, since=1):
                    self._log(reported, fps=int(steps / training.seconds()))
                n_replayed = self._replay(segment, learning_rate)
                if training.callback.listens:
                    training.callback.offer(steps=steps, names_ops=list(reported), values_ops=list(reported.values()),
                                            samples_number=n_replayed)
        return self

    def _offered_rollout(self, segment: ReplaySegment) -> Dict[str, Any]:
        return dict(obs=segment.obs, enc_obs=segment.obs, actions=segment.actions, rewards=segment.rewards,
                    mus=segment.mus, dones=segment.dones, masks=segment.episode_starts, states=segment.states)

    def _train(self, segment: ReplaySegment, learning_rate: float,
               writer: Optional[tf.summary.FileWriter] = None) -> 'OrderedDict[str, np.ndarray]':
        """Update parameters and averages with one segment; return losses and norms before the step, by name."""
        batch = self._batch(segment, learning_rate)
        if writer is not None:
            reports.write_summary(self, writer, self._train_function, batch)
        return self._train_function(batch)

    @staticmethod
    def _batch(segment: ReplaySegment, learning_rate: float) -> Batch:
        """Return what the update with a segment is fed: its rows, flat."""
        rows = {name: getattr(segment, name).reshape((-1,) + getattr(segment, name).shape[2:])
                for name in ('obs', 'actions', 'rewards', 'mus', 'dones', 'episode_starts')}
        return Batch(learning_rate=learning_rate, states=segment.states, **rows)

    def _replay(self, segment: ReplaySegment, learning_rate: float) -> int:
        """Remember a segment, then learn from some that were remembered; return how many."""
        if self.buffer is None:
            return 0
        self.buffer.put(self.buffer.encode(segment.obs), *segment[1:])
        if not self.buffer.has_atleast(self.replay_start):
            return 0
        n_samples = self.np_random.poisson(self.replay_ratio)
        for _ in range(n_samples):
            self._train(self.buffer.sample(), learning_rate)
        return n_samples

    def _log(self, reported: Dict[str, np.ndarray], fps: int) -> None:
        """Report one update."""
        logger.logkv("total_timesteps", self.num_timesteps)
        logger.logkv("fps", fps)
        # the averages over the last episodes, whether or not a Monitor has seen them
        logger.logkv("mean_episode_length", self.episode_stats.mean_length())
        logger.logkv("mean_episode_reward", self.episode_stats.mean_reward())
        for name, value in reported.items():
            logger.logkv(name, float(value))
        logger.dumpkvs()


class Runner(SegmentRunner):
    """Collects segments with the probabilities of all actions; parameters as for ``SegmentRunner``."""

    _offered_with_last_row = ('obs', 'episode_starts')

    def _act(self) -> Dict[str, np.ndarray]:
        actions, self.states, mus = self.model.step_with_proba(self.obs, self.states, self.dones)
        return dict(actions=actions, mus=mus)

    def _offer_step(self, step: int, kept: Dict[str, np.ndarray], **offered) -> None:
        super()._offer_step(step, kept, enc_obs=self._arrays['obs'][:step + 1], **offered)

    def _run(self) -> Optional[ReplaySegment]:
        collected = self._collect()
        if collected is None:
            return None
        by_env = {name: collected[name].swapaxes(0, 1) for name in ('actions', 'rewards', 'mus')}
        obs = np.concatenate([collected['obs'], self.obs[None]]).swapaxes(0, 1)
        episode_starts = np.concatenate([collected['episode_starts'], self.dones[None]]).swapaxes(0, 1)
        return ReplaySegment(obs=obs, dones=episode_starts[:, 1:], episode_starts=episode_starts,
                             states=collected['states'], **by_env)


class EpisodeStats:
    """
    Means over the last forty episodes.

    :param n_steps: number of steps of each environment at a time
    :param n_envs: number of environments
    """

    def __init__(self, n_steps: int, n_envs: int):
        self.n_steps = n_steps
        self.n_envs = n_envs
        self.lengths: Deque[int] = deque(maxlen=40)
        self.rewards: Deque[float] = deque(maxlen=40)
        self._running_lengths = np.zeros(n_envs, int)
        self._running_rewards = np.zeros(n_envs)

    def feed(self, rewards: np.ndarray, masks: np.ndarray) -> None:
        """
        Take in the next n_steps of every environment.

        :param rewards: rewards, shape (n_envs, n_steps) or flat
        :param masks: whether the step ended its episode, same shape
        """
        rewards, dones = [np.reshape(array, (self.n_envs, self.n_steps)) for array in (rewards, masks)]
        for step_rewards, ended in zip(rewards.T, dones.T.astype(bool)):
            self._running_rewards += step_rewards
            self._running_lengths += 1
            if ended.any():
                self.rewards.extend(self._running_rewards[ended])
                self.lengths.extend(self._running_lengths[ended])
                self._running_rewards[ended] = self._running_lengths[ended] = 0

    def mean_length(self) -> float:
        """
        Return the mean length of the episodes.

        :return: number of steps, 0 if none has ended
        """
        return safe_mean(self.lengths) if self.lengths else 0

    def mean_reward(self) -> float:
        """
        Return the mean reward of the episodes.

        :return: sum of the rewards of an episode, 0 if none has ended
        """
        return safe_mean(self.rewards) if self.rewards else 0


old_names.offer(__name__)
