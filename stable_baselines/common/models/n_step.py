"""What A2C and ACKTR share: each rollout of n_steps makes one update and is then forgotten."""
from typing import Any, Dict, NamedTuple, Optional, Tuple, TypeVar

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.losses import policy_gradient_loss, value_function_loss
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.models import reports
from stable_baselines.common.models.actor_critic import ActorCriticRLModel
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import Training, check_counts
from stable_baselines.common.runners import NStepRunner, OnPolicyRunner, Rollout
from stable_baselines.common.schedules import Scheduler


class Losses(NamedTuple):
    """Scalars."""

    policy_loss: tf.Tensor
    value_loss: tf.Tensor
    policy_entropy: tf.Tensor


class Batch(NamedTuple):
    """What one update is fed: placeholders or arrays, one row a sample."""

    obs: Any
    actions: Any
    advantages: Any
    returns: Any
    learning_rate: Any
    episode_starts: Any  # None without a memory
    states: Any  # before the first step, one row an environment; None without a memory


Model = TypeVar('Model', bound='NStepRLModel')


class NStepRLModel(ActorCriticRLModel):
    """
    The base of A2C and ACKTR; parameters as for ``ActorCriticRLModel``.

    A subclass's constructor sets ``gamma``, ``n_steps``, ``ent_coef``, ``vf_coef``, ``learning_rate`` and
    ``lr_schedule``; its ``_build_train_op`` minimises ``loss``.
    """

    requires_vec_env = True
    gamma: float
    ent_coef: float
    vf_coef: float
    learning_rate: float
    lr_schedule: str

    _logged_losses: Tuple[str, ...] = ()  # which losses are reported and offered to callbacks, in their order
    _offered_returns = 'returns'  # what callbacks call the returns of a rollout
    _offered_at_start: Dict[str, Any] = {}  # what callbacks see from the start of ``learn``, besides the usual
    _old_names = dict(
        actions_ph='batch_ph.actions', action_ph='batch_ph.actions', advs_ph='batch_ph.advantages',
        rewards_ph='batch_ph.returns', learning_rate_ph='batch_ph.learning_rate', pg_loss='losses.policy_loss',
        vf_loss='losses.value_loss', entropy='losses.policy_entropy')

    learning_rate_schedule: Optional[Scheduler] = None

    def setup_model(self) -> None:
        check_counts(n_steps=self.n_steps)
        Scheduler(self.learning_rate, 1, self.lr_schedule)  # refuses an unknown schedule before anything is built
        super().setup_model()

    def _build_graph(self) -> None:
        self._build_policies(self.n_steps)
        train_model = self.train_model

        with tf.variable_scope("loss", reuse=False):
            self.batch_ph = batch_ph = Batch(
                obs=train_model.obs_ph,
                actions=train_model.pdtype.sample_placeholder([None], name="action_ph"),
                advantages=tf.placeholder(tf.float32, [None], name="advs_ph"),
                returns=tf.placeholder(tf.float32, [None], name="rewards_ph"),
                learning_rate=tf.placeholder(tf.float32, [], name="learning_rate_ph"),
                **self._memory_ph(train_model))

            self.neglogp = train_model.proba_distribution.neglogp(batch_ph.actions)
            self.losses = Losses(
                policy_loss=policy_gradient_loss(self.neglogp, batch_ph.advantages),
                value_loss=value_function_loss(train_model.value_flat, batch_ph.returns),
                policy_entropy=tf.reduce_mean(train_model.proba_distribution.entropy()))
            self.loss = self.losses.policy_loss - self.losses.policy_entropy * self.ent_coef \
                + self.losses.value_loss * self.vf_coef

        train_op = self._build_train_op()
        self._train_function = tf_util.batch_function(batch_ph, self.losses, updates=[train_op], session=self.sess)
        self._build_summaries(
            losses=self._summarised_losses(),
            inputs={'discounted_rewards': batch_ph.returns,
                    'learning_rate': batch_ph.learning_rate,
                    'advantage': batch_ph.advantages},
            obs_ph=batch_ph.obs)

    def _build_train_op(self) -> tf.Operation:
        """Build the operation that updates the parameters."""
        raise NotImplementedError

    def _summarised_losses(self) -> Dict[str, tf.Tensor]:
        """Name the losses that TensorBoard shows."""
        return {'entropy_loss': self.losses.policy_entropy, 'policy_gradient_loss': self.losses.policy_loss,
                'value_function_loss': self.losses.value_loss, 'loss': self.loss}

    def _make_runner(self) -> OnPolicyRunner:
        return NStepRunner(self.vec_env, self, n_steps=self.n_steps, gamma=self.gamma)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "run", reset_num_timesteps: bool = True) -> Model:
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            schedule = Scheduler(self.learning_rate, training.total_timesteps, self.lr_schedule)
            self.learning_rate_schedule = schedule
            training.start(t_start=training.start_time, **self._offered_at_start)
            for update in range(1, training.n_updates(self.n_batch) + 1):
                rollout = training.collect()
                if rollout is None:
                    break
                self.ep_info_buf.extend(rollout.ep_infos)

                # as Stable Baselines 2.10: the schedule goes on by one with every sample, and the last value is used
                learning_rate = schedule.value_steps(update * self.n_batch - 1)
                losses = self._train(rollout, learning_rate, training.writer)

                if training.writer is not None:
                    reports.write_episode_rewards(self, training.writer, rollout.rewards, rollout.episode_starts)
                n_seconds = training.seconds()
                fps = int(update * self.n_batch / n_seconds)
                if training.reports(update):
                    self._log(update, rollout, losses, fps)
                if training.callback.listens:
                    training.callback.offer(update=update, n_seconds=n_seconds, fps=fps, **{
                        name: getattr(losses, name) for name in self._logged_losses})
        return self

    def _offered_rollout(self, rollout: Rollout) -> Dict[str, Any]:
        offered = dict(obs=rollout.obs, states=rollout.states, masks=rollout.episode_starts, actions=rollout.actions,
                       values=rollout.values, ep_infos=rollout.ep_infos, true_reward=rollout.rewards)
        as_tuple = (rollout.obs, rollout.states, rollout.returns, rollout.episode_starts, rollout.actions,
                    rollout.values, rollout.ep_infos, rollout.rewards)
        return {**offered, self._offered_returns: rollout.returns, 'rollout': as_tuple}

    def _train(self, rollout: Rollout, learning_rate: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Losses:
        """Update the parameters with one rollout; return the losses before the step."""
        batch = self._batch(rollout, learning_rate)
        if writer is not None:
            reports.write_summary(self, writer, self._train_function, batch)
        return self._train_function(batch)

    def _batch(self, rollout: Rollout, learning_rate: float) -> Batch:
        """Return what the update with a rollout is fed."""
        return Batch(obs=rollout.obs, actions=rollout.actions, advantages=self._advantages(rollout),
                     returns=rollout.returns, learning_rate=learning_rate, episode_starts=rollout.episode_starts,
                     states=rollout.states)

    def _advantages(self, rollout: Rollout) -> np.ndarray:
        """Return how much better each action was than the value of its observation."""
        return rollout.returns - rollout.values

    def _log(self, update: int, rollout: Rollout, losses: Losses, fps: int) -> None:
        """Report one update."""
        logger.logkv("nupdates", update)
        logger.logkv("total_timesteps", self.num_timesteps)
        logger.logkv("fps", fps)
        for name in self._logged_losses:
            logger.logkv(name, float(getattr(losses, name)))
        logger.logkv("explained_variance", float(explained_variance(rollout.values, rollout.returns)))
        reports.log_episodes(self.ep_info_buf)
        logger.dumpkvs()
