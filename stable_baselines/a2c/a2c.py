"""Advantage Actor Critic, the synchronous form of A3C, https://arxiv.org/abs/1602.01783"""
import time
from typing import Any, Dict, List, NamedTuple, Optional, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.actor_critic import ActorCriticRLModel
from stable_baselines.common.base_model import Callback, SetVerbosity, TensorboardWriter
from stable_baselines.common.losses import policy_gradient_loss, value_function_loss
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines.common.returns import discount_with_dones  # noqa: F401  (a name of the reference)
from stable_baselines.common.runners import NStepRunner, Rollout
from stable_baselines.common.schedules import Scheduler
from stable_baselines.common.vec_env import VecEnv

Losses = NamedTuple('Losses', [(name, tf.Tensor) for name in ('policy_loss', 'value_loss', 'policy_entropy')])

A2CRunner = NStepRunner  # its name in the reference


class A2C(ActorCriticRLModel):
    """
    Advantage Actor Critic, https://arxiv.org/abs/1602.01783

    :param policy: (Type[ActorCriticPolicy] or str) the policy (MlpPolicy, CnnPolicy, CnnLstmPolicy, ...)
    :param env: (gym.Env, VecEnv or str) the environment, or the id of a registered one
    :param gamma: (float) discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param n_steps: (int) number of steps of each environment per update; the batch has n_steps * n_envs samples
    :param vf_coef: (float) weight of the value loss
    :param ent_coef: (float) weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param max_grad_norm: (float) gradients are clipped to this global norm; None does not clip
    :param learning_rate: (float) step size at the start
    :param alpha: (float) RMSProp's decay of the mean square of the gradient; closer to 1 averages over more updates
    :param momentum: (float) RMSProp's momentum; 0 has none
    :param epsilon: (float) RMSProp's epsilon, added to the mean square before the root; larger values make smaller and
        steadier steps
    :param lr_schedule: (str) how the learning rate changes over a training: 'constant', 'linear',
        'double_linear_con', 'middle_drop' or 'double_middle_drop'
    :param verbose: (int) 0 prints nothing, 1 training information, 2 TensorFlow's messages too
    :param tensorboard_log: (str) folder for TensorBoard; None writes nothing
    :param _init_setup_model: (bool) whether to build the network at once
    :param policy_kwargs: (dict) extra arguments of the policy
    :param full_tensorboard_log: (bool) whether TensorBoard gets histograms too, which takes a lot of space
    :param seed: (int) seed of all generators; runs repeat exactly with n_cpu_tf_sess=1. None leaves them random
    :param n_cpu_tf_sess: (int) number of threads of TensorFlow; None means the number of CPUs
    """

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 n_steps: int = 5, vf_coef: float = 0.25, ent_coef: float = 0.01,
                 max_grad_norm: Optional[float] = 0.5, learning_rate: float = 7e-4, alpha: float = 0.99,
                 momentum: float = 0.0, epsilon: float = 1e-5, lr_schedule: str = 'constant', verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None):
        self.gamma = gamma
        self.n_steps = n_steps
        self.vf_coef = vf_coef
        self.ent_coef = ent_coef
        self.max_grad_norm = max_grad_norm
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.momentum = momentum
        self.epsilon = epsilon
        self.lr_schedule = lr_schedule
        self.tensorboard_log = tensorboard_log
        self.full_tensorboard_log = full_tensorboard_log
        super(A2C, self).__init__(policy, env, verbose=verbose, requires_vec_env=True, policy_base=ActorCriticPolicy,
                                  policy_kwargs=policy_kwargs, seed=seed, n_cpu_tf_sess=n_cpu_tf_sess,
                                  _init_setup_model=_init_setup_model)
        if _init_setup_model:
            self.setup_model()

    def setup_model(self) -> None:
        Scheduler(self.learning_rate, 1, self.lr_schedule)  # refuses an unknown schedule before anything is built
        super(A2C, self).setup_model()

    def _build_graph(self) -> None:
        self._build_policies()
        train_model = self.train_model

        with tf.variable_scope("loss", reuse=False):
            self.action_ph = train_model.pdtype.sample_placeholder([None], name="action_ph")
            self.advs_ph = tf.placeholder(tf.float32, [None], name="advs_ph")
            self.rewards_ph = tf.placeholder(tf.float32, [None], name="rewards_ph")
            self.learning_rate_ph = tf.placeholder(tf.float32, [], name="learning_rate_ph")

            neglogp = train_model.proba_distribution.neglogp(self.action_ph)
            self.losses = Losses(
                policy_loss=policy_gradient_loss(neglogp, self.advs_ph),
                value_loss=value_function_loss(train_model.value_flat, self.rewards_ph),
                policy_entropy=tf.reduce_mean(train_model.proba_distribution.entropy()))
            self.loss = self.losses.policy_loss - self.losses.policy_entropy * self.ent_coef \
                + self.losses.value_loss * self.vf_coef

        optimizer = tf.train.RMSPropOptimizer(learning_rate=self.learning_rate_ph, decay=self.alpha,
                                              momentum=self.momentum, epsilon=self.epsilon)
        train_op = tf_util.minimize(optimizer, self.loss, self.params, self.max_grad_norm)

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

    def _make_runner(self) -> NStepRunner:
        return NStepRunner(self.env, self, n_steps=self.n_steps, gamma=self.gamma)

    def learn(self, total_timesteps: int, callback: Callback = None, log_interval: int = 100,
              tb_log_name: str = "A2C", reset_num_timesteps: bool = True) -> 'A2C':
        callback, new_tb_log = self._init_learn(callback, reset_num_timesteps)
        schedule = Scheduler(self.learning_rate, total_timesteps, self.lr_schedule)

        with SetVerbosity(self.verbose), \
                TensorboardWriter(self.graph, self.tensorboard_log, tb_log_name, new_tb_log) as writer:
            t_start = time.time()
            callback.on_training_start(locals(), globals())
            for update in range(1, total_timesteps // self.n_batch + 1):
                callback.on_rollout_start()
                rollout = self.runner.run(callback)
                if not self.runner.continue_training:
                    break
                callback.update_locals(dict(locals(), masks=rollout.masks, true_reward=rollout.true_reward))
                callback.on_rollout_end()
                self.ep_info_buf.extend(rollout.ep_infos)

                # as Stable Baselines 2.10: the schedule goes on by one with every sample, and the last value is used
                learning_rate = schedule.value_steps(update * self.n_batch - 1)
                policy_loss, value_loss, policy_entropy = self._train(rollout, learning_rate, writer)

                if writer is not None:
                    self._write_episode_rewards(writer, rollout.true_reward, rollout.masks)
                n_seconds = time.time() - t_start
                fps = int(update * self.n_batch / n_seconds)
                if self.verbose >= 1 and (update % log_interval == 0 or update == 1):
                    self._log(update, rollout, fps, policy_entropy, value_loss)
                callback.update_locals(locals())
            callback.on_training_end()
        return self

    def _train(self, rollout: Rollout, learning_rate: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Losses:
        """Update the parameters with one rollout; return the losses before the step."""
        feeds = self._feeds(rollout, learning_rate)
        losses = self._train_function(*feeds)
        if writer is not None:
            self._write_summary(writer, feeds)
        return losses

    def _feeds(self, rollout: Rollout, learning_rate: float) -> List[Any]:
        """Return a rollout in the order of the training function's inputs."""
        feeds = [rollout.obs, rollout.actions, rollout.returns - rollout.values, rollout.returns, learning_rate]
        return feeds + [rollout.masks, rollout.states] if self.policy.recurrent else feeds

    def _log(self, update: int, rollout: Rollout, fps: int, policy_entropy: np.ndarray,
             value_loss: np.ndarray) -> None:
        """Report one update."""
        logger.logkv("nupdates", update)
        logger.logkv("total_timesteps", self.num_timesteps)
        logger.logkv("fps", fps)
        logger.logkv("policy_entropy", float(policy_entropy))
        logger.logkv("value_loss", float(value_loss))
        logger.logkv("explained_variance", float(explained_variance(rollout.values, rollout.returns)))
        self._log_episodes()
        logger.dumpkvs()
