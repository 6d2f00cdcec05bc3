"""Proximal Policy Optimization, https://arxiv.org/abs/1707.06347"""
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.actor_critic import ActorCriticRLModel
from stable_baselines.common.base_model import Callback, SetVerbosity, TensorboardWriter, check_counts
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines.common.returns import standardise, swap_and_flatten  # noqa: F401  (a name of the reference)
from stable_baselines.common.runners import GAERunner, Rollout
from stable_baselines.common.schedules import ScheduleFn, get_schedule_fn
from stable_baselines.common.vec_env import VecEnv

Losses = NamedTuple('Losses', [(name, tf.Tensor) for name in (
    'policy_loss', 'value_loss', 'policy_entropy', 'approxkl', 'clipfrac')])

Runner = GAERunner  # its name in the reference


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


def approximate_kl(neglogp: tf.Tensor, old_neglogp: tf.Tensor) -> tf.Tensor:
    """Half the mean squared log-ratio, which for small steps is the divergence of the new from the old policy."""
    return .5 * tf.reduce_mean(tf.square(neglogp - old_neglogp))


def clip_fraction(neglogp: tf.Tensor, old_neglogp: tf.Tensor, clip_range: tf.Tensor) -> tf.Tensor:
    """The fraction of the samples whose probability ratio lies outside of the clip range."""
    outside = tf.abs(tf.exp(old_neglogp - neglogp) - 1.0) > clip_range
    return tf.reduce_mean(tf.cast(outside, tf.float32))


class PPO2(ActorCriticRLModel):
    """
    Proximal Policy Optimization, https://arxiv.org/abs/1707.06347

    :param policy: the policy (MlpPolicy, CnnPolicy, CnnLstmPolicy, ...)
    :param env: the environment, or the id of a registered one
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
    :param cliprange: how far the probability ratio may be off 1, typical 0.1 to 0.3
    :param cliprange_vf: how far the values may go from the old ones, on the scale of the rewards;
        None means as cliprange, a negative number does not clip (as in the paper)
    :param verbose: 0 prints nothing, 1 training information, 2 TensorFlow's messages too
    :param tensorboard_log: folder for TensorBoard; None writes nothing
    :param _init_setup_model: whether to build the network at once
    :param policy_kwargs: extra arguments of the policy
    :param full_tensorboard_log: whether TensorBoard gets histograms too, which takes a lot of space
    :param seed: seed of all generators; runs repeat exactly with n_cpu_tf_sess=1. None leaves them random
    :param n_cpu_tf_sess: number of threads of TensorFlow; None means the number of CPUs
    """

    loss_names = list(Losses._fields)

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
        self.tensorboard_log = tensorboard_log
        self.full_tensorboard_log = full_tensorboard_log
        super().__init__(policy, env, verbose=verbose, requires_vec_env=True,
                                   policy_base=ActorCriticPolicy, policy_kwargs=policy_kwargs, seed=seed,
                                   n_cpu_tf_sess=n_cpu_tf_sess, _init_setup_model=_init_setup_model)
        if _init_setup_model:
            self.setup_model()

    def setup_model(self) -> None:
        check_counts(n_steps=self.n_steps, nminibatches=self.nminibatches, noptepochs=self.noptepochs)
        for schedule in (self.learning_rate, self.cliprange, self._cliprange_vf_schedule() or 0.):
            get_schedule_fn(schedule)  # refuses what is no schedule before anything is built
        super().setup_model()

    def _check_minibatches(self) -> None:
        """Refuse to learn with a number of minibatches that would leave samples out."""
        if self.policy.recurrent and self.n_envs % self.nminibatches != 0:
            raise ValueError(f"with a recurrent policy the number of environments ({self.n_envs}) must be a multiple of "
                             f"nminibatches ({self.nminibatches})")
        if self.n_batch % self.nminibatches != 0:
            raise ValueError(f"nminibatches ({self.nminibatches}) must divide the number of samples per update, n_steps * n_envs = {self.n_batch}"
                             )

    def _cliprange_vf_schedule(self) -> Optional[ScheduleFn]:
        """Return the schedule of the value function's clip range, None if it is not clipped."""
        if self.cliprange_vf is None:
            return get_schedule_fn(self.cliprange)
        schedule = get_schedule_fn(self.cliprange_vf)
        return None if not callable(self.cliprange_vf) and self.cliprange_vf < 0 else schedule

    def _build_graph(self) -> None:
        self._build_policies(n_train_envs=max(1, self.n_envs // self.nminibatches) if self.policy.recurrent else None)
        train_model = self.train_model

        with tf.variable_scope("loss", reuse=False):
            self.action_ph = train_model.pdtype.sample_placeholder([None], name="action_ph")
            self.advs_ph, self.rewards_ph, self.old_neglog_pac_ph, self.old_vpred_ph = [
                tf.placeholder(tf.float32, [None], name=name)
                for name in ("advs_ph", "rewards_ph", "old_neglog_pac_ph", "old_vpred_ph")]
            self.learning_rate_ph, self.clip_range_ph, self.clip_range_vf_ph = [
                tf.placeholder(tf.float32, [], name=name)
                for name in ("learning_rate_ph", "clip_range_ph", "clip_range_vf_ph")]

            neglogp = train_model.proba_distribution.neglogp(self.action_ph)
            clip_range_vf = None if self._cliprange_vf_schedule() is None else self.clip_range_vf_ph
            self.losses = Losses(
                policy_loss=policy_loss(neglogp, self.old_neglog_pac_ph, self.advs_ph, self.clip_range_ph),
                value_loss=value_loss(train_model.value_flat, self.old_vpred_ph, self.rewards_ph, clip_range_vf),
                policy_entropy=tf.reduce_mean(train_model.proba_distribution.entropy()),
                approxkl=approximate_kl(neglogp, self.old_neglog_pac_ph),
                clipfrac=clip_fraction(neglogp, self.old_neglog_pac_ph, self.clip_range_ph))
            self.loss = self.losses.policy_loss - self.losses.policy_entropy * self.ent_coef \
                + self.losses.value_loss * self.vf_coef

        optimizer = tf.train.AdamOptimizer(learning_rate=self.learning_rate_ph, epsilon=1e-5)
        train_op = tf_util.minimize(optimizer, self.loss, self.params, self.max_grad_norm)

        self._train_inputs = [train_model.obs_ph, self.rewards_ph, self.action_ph, self.old_vpred_ph,
                              self.old_neglog_pac_ph, self.advs_ph, self.learning_rate_ph, self.clip_range_ph,
                              self.clip_range_vf_ph]
        if self.policy.recurrent:
            self._train_inputs += [train_model.dones_ph, train_model.states_ph]
        self._train_function = tf_util.function(self._train_inputs, list(self.losses), updates=[train_op],
                                                session=self.sess)
        self._build_summaries(
            losses={'entropy_loss': self.losses.policy_entropy,
                    'policy_gradient_loss': self.losses.policy_loss,
                    'value_function_loss': self.losses.value_loss,
                    'approximate_kullback-leibler': self.losses.approxkl,
                    'clip_factor': self.losses.clipfrac,
                    'loss': self.loss},
            inputs={'discounted_rewards': self.rewards_ph,
                    'learning_rate': self.learning_rate_ph,
                    'advantage': self.advs_ph,
                    'clip_range': self.clip_range_ph,
                    'clip_range_vf': self.clip_range_vf_ph,
                    'old_neglog_action_probability': self.old_neglog_pac_ph,
                    'old_value_pred': self.old_vpred_ph})

    def _make_runner(self) -> GAERunner:
        return GAERunner(env=self.env, model=self, n_steps=self.n_steps, gamma=self.gamma, lam=self.lam)

    def learn(self, total_timesteps: int, callback: Callback = None, log_interval: int = 1,
              tb_log_name: str = "PPO2", reset_num_timesteps: bool = True) -> 'PPO2':
        callback, new_tb_log = self._init_learn(callback, log_interval, reset_num_timesteps)
        self._check_minibatches()
        cliprange_vf = self._cliprange_vf_schedule()
        n_updates = int(total_timesteps) // self.n_batch

        with SetVerbosity(self.verbose), \
                TensorboardWriter(self.graph, self.tensorboard_log, tb_log_name, new_tb_log) as writer:
            t_first_start = time.time()
            callback.on_training_start(locals(), globals())
            for update in range(1, n_updates + 1):
                t_start = time.time()
                callback.on_rollout_start()
                rollout = self.runner.run(callback)
                callback.on_rollout_end()
                if not self.runner.continue_training:
                    break
                self.ep_info_buf.extend(rollout.ep_infos)

                losses = self._train(rollout, progress_remaining=1.0 - (update - 1.0) / n_updates, writer=writer)

                if writer is not None:
                    self._write_episode_rewards(writer, rollout.true_reward, rollout.masks)
                if self.verbose >= 1 and (update % log_interval == 0 or update == 1):
                    self._log(update, rollout, losses, fps=int(self.n_batch / (time.time() - t_start)),
                              time_elapsed=t_start - t_first_start)
            callback.on_training_end()
        return self

    def _train(self, rollout: Rollout, progress_remaining: float,
               writer: Optional[tf.summary.FileWriter] = None) -> np.ndarray:
        """Run all epochs over one rollout and return the mean losses."""
        learning_rate = get_schedule_fn(self.learning_rate)(progress_remaining)
        clip_range = get_schedule_fn(self.cliprange)(progress_remaining)
        clip_range_vf = (self._cliprange_vf_schedule() or get_schedule_fn(0.))(progress_remaining)
        losses = []
        for _ in range(self.noptepochs):
            for rows, states in self._minibatches(rollout):
                feeds = self._feeds(learning_rate, clip_range, clip_range_vf, rollout.obs[rows], rollout.returns[rows],
                                    rollout.masks[rows], rollout.actions[rows], rollout.values[rows],
                                    rollout.neglogpacs[rows], states)
                if writer is not None and len(losses) == self.noptepochs * self.nminibatches - 1:  # the last one
                    self._write_summary(writer, feeds)
                losses.append(self._train_function(*feeds))
        return np.mean(losses, axis=0)

    def _minibatches(self, rollout: Rollout) -> Iterator[Tuple[np.ndarray, Optional[np.ndarray]]]:
        """Yield rows (and initial states) in random order: by whole environment when the policy is recurrent."""
        n_units = self.n_envs if self.policy.recurrent else self.n_batch
        units = np.arange(self.n_batch).reshape(n_units, -1)
        order = self.np_random.permutation(n_units)
        for chosen in np.split(order, self.nminibatches):
            yield units[chosen].ravel(), None if rollout.states is None else rollout.states[chosen]

    def _feeds(self, learning_rate: float, clip_range: float, clip_range_vf: float, obs: np.ndarray,
               returns: np.ndarray, masks: np.ndarray, actions: np.ndarray, values: np.ndarray,
               neglogpacs: np.ndarray, states: Optional[np.ndarray] = None) -> List[Any]:
        """Return one minibatch in the order of the training function's inputs; advantages are standardised here."""
        feeds = [obs, returns, actions, values, neglogpacs, standardise(returns - values), learning_rate, clip_range,
                 clip_range_vf]
        return feeds + [masks, states] if self.policy.recurrent else feeds

    def _train_step(self, learning_rate: float, clip_range: float, clip_range_vf: float, *minibatch) -> Losses:
        """Update the parameters with one minibatch (in the order of ``_feeds``); return the losses before the step."""
        return Losses(*self._train_function(*self._feeds(learning_rate, clip_range, clip_range_vf, *minibatch)))

    def _log(self, update: int, rollout: Rollout, losses: np.ndarray, fps: int, time_elapsed: float) -> None:
        """Report one update."""
        logger.logkv("serial_timesteps", update * self.n_steps)
        logger.logkv("n_updates", update)
        logger.logkv("total_timesteps", self.num_timesteps)
        logger.logkv("fps", fps)
        logger.logkv("explained_variance", float(explained_variance(rollout.values, rollout.returns)))
        self._log_episodes()
        logger.logkv('time_elapsed', time_elapsed)
        for name, loss in zip(self.loss_names, losses):
            logger.logkv(name, loss)
        logger.dumpkvs()
