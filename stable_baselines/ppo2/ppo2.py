"""Proximal Policy Optimization, https://arxiv.org/abs/1707.06347"""
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import old_names, tf_util
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.models import reports
from stable_baselines.common.models.actor_critic import ActorCriticRLModel
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import Training, check_counts
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.returns import standardise
from stable_baselines.common.runners import GAERunner, Rollout, swap_and_flatten  # noqa: F401  (a name of the reference)
from stable_baselines.common.schedules import ScheduleFn, get_schedule_fn
from stable_baselines.common.vec_env import VecEnv

Runner = GAERunner  # its name in the reference


class Batch(NamedTuple):
    """What one gradient step is fed: placeholders or arrays, one row a sample."""

    obs: Any
    actions: Any
    advantages: Any
    returns: Any
    old_neglogp: Any
    old_values: Any
    learning_rate: Any
    clip_range: Any
    clip_range_vf: Any
    episode_starts: Any  # None without a memory
    states: Any  # before the first step, one row an environment; None without a memory


class Losses(NamedTuple):
    """Scalars."""

    policy_loss: tf.Tensor
    value_loss: tf.Tensor
    policy_entropy: tf.Tensor
    approxkl: tf.Tensor
    clipfrac: tf.Tensor


def policy_loss(neglogp: tf.Tensor, old_neglogp: tf.Tensor, advantages: tf.Tensor,
                clip_range: tf.Tensor) -> tf.Tensor:
    r"""
    The clipped surrogate objective, equation 7 of the paper, as a loss.

    .. math:: -E[\min(r A, clip(r, 1 - \epsilon, 1 + \epsilon) A)], \quad r = \pi(a|s) / \pi_{old}(a|s)
    """
    ratio = tf.exp(old_neglogp - neglogp)
    clipped_ratio = tf.clip_by_value(ratio, 1.0 - clip_range, 1.0 + clip_range)
    return -tf.reduce_mean(tf.minimum(ratio * advantages, clipped_ratio * advantages))


def value_loss(values: tf.Tensor, old_values: tf.Tensor, returns: tf.Tensor,
               clip_range_vf: Optional[tf.Tensor]) -> tf.Tensor:
    r"""
    Half the mean squared error of the values, at least that of values clipped around the old ones.

    Unlike the paper: the clipping, which OpenAI's implementation added; ``clip_range_vf=None`` is the paper's.

    .. math:: \frac{1}{2} E[\max((V - R)^2, (V_{old} + clip(V - V_{old}, -\epsilon, \epsilon) - R)^2)]
    """
    squared_error = tf.square(values - returns)
    if clip_range_vf is not None:
        clipped_values = old_values + tf.clip_by_value(values - old_values, -clip_range_vf, clip_range_vf)
        squared_error = tf.maximum(squared_error, tf.square(clipped_values - returns))
    return .5 * tf.reduce_mean(squared_error)


def policy_loss_gradient(neglogp: tf.Tensor, old_neglogp: tf.Tensor, advantages: tf.Tensor,
                         clip_range: tf.Tensor) -> tf.Tensor:
    """
    Return the gradient of ``policy_loss`` by neglogp: nothing where the ratio is clipped.

    ``tf.gradients`` gives the same, and so for ``value_loss``, with a hundred operations more, most of them about
    shapes: in a small network they take as long as the matrix products.
    """
    gain = tf.exp(old_neglogp - neglogp) * advantages
    clipped_gain = tf.clip_by_value(tf.exp(old_neglogp - neglogp), 1.0 - clip_range, 1.0 + clip_range) * advantages
    return tf.where(gain <= clipped_gain, gain, tf.zeros_like(gain)) / tf.cast(tf.size(gain), tf.float32)


def value_loss_gradient(values: tf.Tensor, old_values: tf.Tensor, returns: tf.Tensor,
                        clip_range_vf: Optional[tf.Tensor]) -> tf.Tensor:
    """Return the gradient of ``value_loss`` by the values: nothing where it is clipped and that error is greater."""
    error = values - returns
    if clip_range_vf is not None:
        change = values - old_values
        clipped_error = old_values + tf.clip_by_value(change, -clip_range_vf, clip_range_vf) - returns
        is_clipped = tf.logical_and(tf.square(error) < tf.square(clipped_error), tf.abs(change) > clip_range_vf)
        error = tf.where(is_clipped, tf.zeros_like(error), error)
    return error / tf.cast(tf.size(error), tf.float32)


def approximate_kl(neglogp: tf.Tensor, old_neglogp: tf.Tensor) -> tf.Tensor:
    """Half the mean squared log-ratio, which for small steps is the divergence of the new from the old policy."""
    return .5 * tf.reduce_mean(tf.square(neglogp - old_neglogp))


def clip_fraction(neglogp: tf.Tensor, old_neglogp: tf.Tensor, clip_range: tf.Tensor) -> tf.Tensor:
    """The fraction of the samples whose probability ratio lies outside of the clip range."""
    outside = tf.abs(tf.exp(old_neglogp - neglogp) - 1.0) > clip_range
    return tf.reduce_mean(tf.cast(outside, tf.float32))


Model = TypeVar('Model', bound='PPO2')


class PPO2(ActorCriticRLModel):
    """
    Proximal Policy Optimization, https://arxiv.org/abs/1707.06347

    Arguments that all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param n_steps: number of steps of each environment per update; the batch has n_steps * n_envs samples
    :param ent_coef: weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param learning_rate: step size, or a function of the progress remaining (1 to 0)
    :param vf_coef: weight of the value loss
    :param max_grad_norm: gradients are clipped to this global norm; None does not clip
    :param lam: GAE's trade-off: smaller values are less noisy and more biased, typical 0.9 to 1
    :param nminibatches: number of minibatches per epoch; must divide n_steps * n_envs, for recurrent policies
        the number of environments
    :param noptepochs: number of epochs over each batch; more learn faster from it and drift further off it
    :param cliprange: how far the probability ratio may be off 1, typical 0.1 to 0.3; a number or a function of the
        progress remaining
    :param cliprange_vf: how far the values may go from the old ones, on the scale of the rewards; None means as
        cliprange, a negative number does not clip (as in the paper)
    """

    requires_vec_env = True
    loss_names = list(Losses._fields)
    _old_names = dict(
        action_ph='batch_ph.actions', advs_ph='batch_ph.advantages', rewards_ph='batch_ph.returns',
        old_neglog_pac_ph='batch_ph.old_neglogp', old_vpred_ph='batch_ph.old_values',
        learning_rate_ph='batch_ph.learning_rate', clip_range_ph='batch_ph.clip_range',
        clip_range_vf_ph='batch_ph.clip_range_vf', pg_loss='losses.policy_loss', vf_loss='losses.value_loss',
        entropy='losses.policy_entropy', approxkl='losses.approxkl', clipfrac='losses.clipfrac')
    _names_of_sb3 = dict(
        ActorCriticRLModel._names_of_sb3, gae_lambda="here it is lam", n_epochs="here it is noptepochs",
        clip_range="here it is cliprange",
        batch_size="here nminibatches says into how many minibatches n_steps * n_envs samples are divided",
        clip_range_vf="here it is cliprange_vf, and None means as cliprange: -1 does not clip",
        target_kl="here an update always runs all its epochs")

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 n_steps: int = 128, ent_coef: float = 0.01, learning_rate: Union[float, Callable] = 2.5e-4,
                 vf_coef: float = 0.5, max_grad_norm: Optional[float] = 0.5, lam: float = 0.95,
                 nminibatches: int = 4, noptepochs: int = 4, cliprange: Union[float, Callable] = 0.2,
                 cliprange_vf: Union[None, float, Callable] = None, verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None):
        self.gamma = gamma
        self.n_steps = n_steps
        self.ent_coef = ent_coef
        self.learning_rate = learning_rate
        self.vf_coef = vf_coef
        self.max_grad_norm = max_grad_norm
        self.lam = lam
        self.nminibatches = nminibatches
        self.noptepochs = noptepochs
        self.cliprange = cliprange
        self.cliprange_vf = cliprange_vf
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def setup_model(self) -> None:
        check_counts(n_steps=self.n_steps, nminibatches=self.nminibatches, noptepochs=self.noptepochs)
        for schedule in (self.learning_rate, self.cliprange, self._cliprange_vf_schedule() or 0.):
            get_schedule_fn(schedule)  # refuses what is not a schedule before anything is built
        super().setup_model()

    def _check_construction(self) -> None:
        if self.env is not None:
            check_counts(n_steps=self.n_steps, nminibatches=self.nminibatches)
            self._check_minibatches()

    def _setup_learn(self) -> None:
        super()._setup_learn()
        self._check_minibatches()

    def _check_minibatches(self) -> None:
        """Refuse to learn with a number of minibatches that would leave samples out."""
        if self.policy.recurrent and self.n_envs % self.nminibatches != 0:
            raise ValueError(f"nminibatches={self.nminibatches}: accepted with a recurrent policy is a divisor of the "
                             f"number of environments, {self.n_envs}")
        if self.n_batch % self.nminibatches != 0:
            raise ValueError(f"nminibatches={self.nminibatches}: accepted is a divisor of the number of samples per "
                             f"update, n_steps * n_envs = {self.n_batch}")

    def _cliprange_vf_schedule(self) -> Optional[ScheduleFn]:
        """Return the schedule of the value function's clip range, None if it is not clipped."""
        if self.cliprange_vf is None:
            return get_schedule_fn(self.cliprange)
        schedule = get_schedule_fn(self.cliprange_vf)
        return None if not callable(self.cliprange_vf) and self.cliprange_vf < 0 else schedule

    def _build_graph(self) -> None:
        self._build_policies(self.n_steps, max(1, self.n_envs // self.nminibatches) if self.policy.recurrent else None)

        with tf.variable_scope("loss", reuse=False):
            self.batch_ph = batch_ph = self._build_batch()
            self.losses = self._build_losses(batch_ph)
            self.loss = self.losses.policy_loss - self.losses.policy_entropy * self.ent_coef \
                + self.losses.value_loss * self.vf_coef

        optimizer = tf_util.Adam(learning_rate=batch_ph.learning_rate, epsilon=1e-5)
        grads, _ = tf_util.clip_gradients(self._build_gradients(batch_ph), self.max_grad_norm)
        train_op = tf_util.apply_gradients(optimizer, grads, self.params)
        self._train_function = tf_util.batch_function(batch_ph, list(self.losses), updates=[train_op],
                                                      session=self.sess)
        self._build_summaries(
            losses={'entropy_loss': self.losses.policy_entropy,
                    'policy_gradient_loss': self.losses.policy_loss,
                    'value_function_loss': self.losses.value_loss,
                    'approximate_kullback-leibler': self.losses.approxkl,
                    'clip_factor': self.losses.clipfrac,
                    'loss': self.loss},
            inputs={'discounted_rewards': batch_ph.returns,
                    'learning_rate': batch_ph.learning_rate,
                    'advantage': batch_ph.advantages,
                    'clip_range': batch_ph.clip_range,
                    'clip_range_vf': batch_ph.clip_range_vf,
                    'old_neglog_action_probability': batch_ph.old_neglogp,
                    'old_value_pred': batch_ph.old_values},
            obs_ph=batch_ph.obs)

    def _build_batch(self) -> Batch:
        """Build the placeholders of a minibatch."""
        actions = self.train_model.pdtype.sample_placeholder([None], name="action_ph")
        # the names in the graph are those of Stable Baselines 2.10
        rows = {field: tf.placeholder(tf.float32, [None], name=name) for field, name in dict(
            advantages="advs_ph", returns="rewards_ph", old_neglogp="old_neglog_pac_ph",
            old_values="old_vpred_ph").items()}
        numbers = {field: tf.placeholder(tf.float32, [], name=field + "_ph")
                   for field in ('learning_rate', 'clip_range', 'clip_range_vf')}
        return Batch(obs=self.train_model.obs_ph, actions=actions, **rows, **numbers,
                     **self._memory_ph(self.train_model))

    def _build_losses(self, batch_ph: Batch) -> Losses:
        """Build the losses of a minibatch."""
        distribution = self.train_model.proba_distribution
        neglogp = distribution.neglogp(batch_ph.actions)
        clip_range_vf = None if self._cliprange_vf_schedule() is None else batch_ph.clip_range_vf
        return Losses(
            policy_loss=policy_loss(neglogp, batch_ph.old_neglogp, batch_ph.advantages, batch_ph.clip_range),
            value_loss=value_loss(self.train_model.value_flat, batch_ph.old_values, batch_ph.returns, clip_range_vf),
            policy_entropy=tf.reduce_mean(distribution.entropy()),
            approxkl=approximate_kl(neglogp, batch_ph.old_neglogp),
            clipfrac=clip_fraction(neglogp, batch_ph.old_neglogp, batch_ph.clip_range))

    def _build_gradients(self, batch_ph: Batch) -> List[Optional[tf.Tensor]]:
        """Build the gradients of the loss by the parameters."""
        distribution, values = self.train_model.proba_distribution, self.train_model.value_flat
        neglogp, entropy = distribution.neglogp(batch_ph.actions), distribution.entropy()
        clip_range_vf = None if self._cliprange_vf_schedule() is None else batch_ph.clip_range_vf
        by_neglogp = policy_loss_gradient(neglogp, batch_ph.old_neglogp, batch_ph.advantages, batch_ph.clip_range)
        by_value = value_loss_gradient(values, batch_ph.old_values, batch_ph.returns, clip_range_vf)
        by_entropy = tf.fill(tf.shape(entropy), -self.ent_coef / tf.cast(tf.size(entropy), tf.float32))
        return tf.gradients([neglogp, values, entropy], self.params, [by_neglogp, self.vf_coef * by_value, by_entropy])

    def _make_runner(self) -> GAERunner:
        return GAERunner(env=self.vec_env, model=self, n_steps=self.n_steps, gamma=self.gamma, lam=self.lam)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 1,
              tb_log_name: str = "PPO2", reset_num_timesteps: bool = True) -> Model:
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            n_updates = training.n_updates(self.n_batch)
            training.start(t_first_start=training.start_time, n_updates=n_updates,
                           cliprange_vf=self._cliprange_vf_schedule())
            for update in range(1, n_updates + 1):
                time_elapsed = training.seconds()
                rollout = training.collect()
                if rollout is None:
                    break
                self.ep_info_buf.extend(rollout.ep_infos)

                losses = self._train(rollout, 1.0 - (update - 1.0) / n_updates, training.writer)

                if training.writer is not None:
                    reports.write_episode_rewards(self, training.writer, rollout.rewards, rollout.episode_starts)
                if training.reports(update):
                    fps = int(self.n_batch / (training.seconds() - time_elapsed))
                    self._log(update, rollout, losses, fps, time_elapsed)
        return self

    def _train(self, rollout: Rollout, progress_remaining: float,
               writer: Optional[tf.summary.FileWriter] = None) -> np.ndarray:
        """Run all epochs over one rollout and return the mean losses."""
        rates = dict(
            learning_rate=get_schedule_fn(self.learning_rate)(progress_remaining),
            clip_range=get_schedule_fn(self.cliprange)(progress_remaining),
            clip_range_vf=(self._cliprange_vf_schedule() or get_schedule_fn(0.))(progress_remaining))
        losses: list = []
        for _ in range(self.noptepochs):
            for rows, states in self._minibatches(rollout):
                batch = self._minibatch(rollout, rows, states, rates)
                if writer is not None and len(losses) == self.noptepochs * self.nminibatches - 1:  # the last one
                    reports.write_summary(self, writer, self._train_function, batch)
                losses.append(self._train_function(batch))
        return np.mean(losses, axis=0)

    def _minibatches(self, rollout: Rollout) -> Iterator[Tuple[np.ndarray, Optional[np.ndarray]]]:
        """Yield rows (and initial states) in random order: by whole environment when the policy is recurrent."""
        n_units = self.n_envs if self.policy.recurrent else self.n_batch
        units = np.arange(self.n_batch).reshape(n_units, -1)
        order = self.np_random.permutation(n_units)
        for chosen in np.split(order, self.nminibatches):
            yield units[chosen].ravel(), None if rollout.states is None else rollout.states[chosen]

    @staticmethod
    def _minibatch(rollout: Rollout, rows: np.ndarray, states: Optional[np.ndarray], rates: Dict[str, float]) -> Batch:
        """Take rows of a rollout; their advantages are standardised here."""
        returns, values = rollout.returns[rows], rollout.values[rows]
        return Batch(obs=rollout.obs[rows], actions=rollout.actions[rows], advantages=standardise(returns - values),
                     returns=returns, old_neglogp=rollout.neglogp[rows], old_values=values,
                     episode_starts=rollout.episode_starts[rows], states=states, **rates)

    def _log(self, update: int, rollout: Rollout, losses: np.ndarray, fps: int, time_elapsed: float) -> None:
        """Report one update."""
        logger.logkv("serial_timesteps", update * self.n_steps)
        logger.logkv("n_updates", update)
        logger.logkv("total_timesteps", self.num_timesteps)
        logger.logkv("fps", fps)
        logger.logkv("explained_variance", float(explained_variance(rollout.values, rollout.returns)))
        reports.log_episodes(self.ep_info_buf)
        logger.logkv('time_elapsed', time_elapsed)
        for name, loss in zip(self.loss_names, losses):
            logger.logkv(name, loss)
        logger.dumpkvs()


old_names.offer(__name__)
