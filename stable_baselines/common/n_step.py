"""What A2C and ACKTR share: each rollout of n_steps makes one update and is then forgotten."""
import time
from abc import abstractmethod
from typing import Any, List, NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.actor_critic import ActorCriticRLModel
from stable_baselines.common.base_model import Callback, SetVerbosity, TensorboardWriter, check_counts
from stable_baselines.common.losses import policy_gradient_loss, value_function_loss
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.runners import NStepRunner, OnPolicyRunner, Rollout
from stable_baselines.common.schedules import Scheduler

Losses = NamedTuple('Losses', [(name, tf.Tensor) for name in ('policy_loss', 'value_loss', 'policy_entropy')])


class NStepRLModel(ActorCriticRLModel):
    """
    The base of A2C and ACKTR; parameters as for ``ActorCriticRLModel``.

    A subclass's constructor sets ``gamma``, ``n_steps``, ``ent_coef``, ``vf_coef``, ``learning_rate``, ``lr_schedule``,
    ``tensorboard_log`` and ``full_tensorboard_log``; its ``_build_train_op`` minimises ``loss``.
    """

    _logged_losses = ()  # which losses are reported, in their order
    _more_locals = {}  # what callbacks see besides the variables of ``learn``

    def setup_model(self) -> None:
        check_counts(n_steps=self.n_steps)
        Scheduler(self.learning_rate, 1, self.lr_schedule)  # refuses an unknown schedule before anything is built
        super().setup_model()

    def _build_graph(self) -> None:
        self._build_policies()
        train_model = self.train_model

        with tf.variable_scope("loss", reuse=False):
            self.action_ph = train_model.pdtype.sample_placeholder([None], name="action_ph")
            self.advs_ph = tf.placeholder(tf.float32, [None], name="advs_ph")
            self.rewards_ph = tf.placeholder(tf.float32, [None], name="rewards_ph")
            self.learning_rate_ph = tf.placeholder(tf.float32, [], name="learning_rate_ph")

            self.neglogp = train_model.proba_distribution.neglogp(self.action_ph)
            self.losses = Losses(
                policy_loss=policy_gradient_loss(self.neglogp, self.advs_ph),
                value_loss=value_function_loss(train_model.value_flat, self.rewards_ph),
                policy_entropy=tf.reduce_mean(train_model.proba_distribution.entropy()))
            self.loss = self.losses.policy_loss - self.losses.policy_entropy * self.ent_coef \
                + self.losses.value_loss * self.vf_coef

        train_op = self._build_train_op()

        self._train_inputs = [train_model.obs_ph, self.action_ph, self.advs_ph, self.rewards_ph,
                              self.learning_rate_ph]
        if self.policy.recurrent:
            self._train_inputs += [train_model.dones_ph, train_model.states_ph]
        self._train_function = tf_util.function(self._train_inputs, self.losses, updates=[train_op],
                                                session=self.sess)
        self._build_summaries(
            losses={'entropy_loss': self.losses.policy_entropy,
                    'policy_gradient_loss': self.losses.policy_loss,
                    'value_function_loss': self.losses.value_loss,
                    'loss': self.loss},
            inputs={'discounted_rewards': self.rewards_ph,
                    'learning_rate': self.learning_rate_ph,
                    'advantage': self.advs_ph})

    @abstractmethod
    def _build_train_op(self) -> tf.Operation:
        """Build the operation that updates the parameters."""
        raise NotImplementedError

    def _make_runner(self) -> OnPolicyRunner:
        return NStepRunner(self.env, self, n_steps=self.n_steps, gamma=self.gamma)

    def learn(self, total_timesteps: int, callback: Callback = None, log_interval: int = 100,
              tb_log_name: str = "run", reset_num_timesteps: bool = True) -> 'NStepRLModel':
        callback, new_tb_log = self._init_learn(callback, log_interval, reset_num_timesteps)
        schedule = Scheduler(self.learning_rate, total_timesteps, self.lr_schedule)

        with SetVerbosity(self.verbose), \
                TensorboardWriter(self.graph, self.tensorboard_log, tb_log_name, new_tb_log) as writer:
            t_start = time.time()
            callback.on_training_start(dict(locals(), **self._more_locals), globals())
            for update in range(1, int(total_timesteps) // self.n_batch + 1):
                callback.on_rollout_start()
                rollout = self.runner.run(callback)
                if not self.runner.continue_training:
                    callback.on_rollout_end()
                    break
                returns, masks, true_reward = rollout.returns, rollout.masks, rollout.true_reward
                callback.update_locals(locals())
                callback.on_rollout_end()
                self.ep_info_buf.extend(rollout.ep_infos)

                # as Stable Baselines 2.10: the schedule goes on by one with every sample, and the last value is used
                learning_rate = schedule.value_steps(update * self.n_batch - 1)
                policy_loss, value_loss, policy_entropy = losses = self._train(rollout, learning_rate, writer)

                if writer is not None:
                    self._write_episode_rewards(writer, true_reward, masks)
                n_seconds = time.time() - t_start
                fps = int(update * self.n_batch / n_seconds)
                if self.verbose >= 1 and (update % log_interval == 0 or update == 1):
                    self._log(update, rollout, losses, fps)
                callback.update_locals(locals())
            callback.on_training_end()
        return self

    def _train(self, rollout: Rollout, learning_rate: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Losses:
        """Update the parameters with one rollout; return the losses before the step."""
        feeds = self._feeds(rollout, learning_rate)
        if writer is not None:
            self._write_summary(writer, feeds)
        return self._train_function(*feeds)

    def _feeds(self, rollout: Rollout, learning_rate: float) -> List[Any]:
        """Return a rollout in the order of the training function's inputs."""
        feeds = [rollout.obs, rollout.actions, self._advantages(rollout), rollout.returns, learning_rate]
        return feeds + [rollout.masks, rollout.states] if self.policy.recurrent else feeds

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
        self._log_episodes()
        logger.dumpkvs()
