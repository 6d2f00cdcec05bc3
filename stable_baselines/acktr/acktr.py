"""Actor Critic using Kronecker-Factored Trust Region, https://arxiv.org/abs/1708.05144"""
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Dict, List, NamedTuple, Optional, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.acktr.kfac import KfacOptimizer
from stable_baselines.common import tf_util
from stable_baselines.common.actor_critic import ActorCriticRLModel
from stable_baselines.common.base_model import Callback, SetVerbosity, TensorboardWriter
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.losses import policy_gradient_loss, value_function_loss
from stable_baselines.common.math_util import explained_variance
from stable_baselines.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines.common.returns import standardise
from stable_baselines.common.runners import GAERunner, NStepRunner, OnPolicyRunner, Rollout
from stable_baselines.common.schedules import Scheduler
from stable_baselines.common.vec_env import VecEnv

Losses = NamedTuple('Losses', [(name, tf.Tensor) for name in ('policy_loss', 'value_loss', 'policy_entropy')])

# As Stable Baselines 2.10: what learn() needs there to initialise variables and to run queues, by the names that
# callbacks see. Here the variables are ready before it begins, and there are no queues.
_START_OF_LEARN = dict(tf_vars=[], is_uninitialized=[], old_uninitialized_vars=[], new_uninitialized_vars=[],
                       coord=None, enqueue_threads=[])


def fisher_loss(neglogp: tf.Tensor, values: tf.Tensor, noise: tf.Tensor, vf_fisher_coef: float) -> tf.Tensor:
    r"""
    The loss whose derivatives, for outputs drawn from the model, make the Fisher matrix (section 3.1 of the paper).

    The value function counts as a normal distribution around its output, so that a draw is the value plus noise.

    .. math:: E[-\log \pi(a|s)] + c E[(V(s) - v)^2], \qquad v = V(s) + \xi

    where v is a constant to the derivative. Unlike the paper: the actions are those taken, not drawn anew.
    """
    value_draws = tf.stop_gradient(values + noise)
    return tf.reduce_mean(neglogp) + vf_fisher_coef * tf.reduce_mean(tf.square(values - value_draws))


class ACKTR(ActorCriticRLModel):
    """
    Actor Critic using Kronecker-Factored Trust Region, https://arxiv.org/abs/1708.05144

    :param policy: (Type[ActorCriticPolicy] or str) the policy (MlpPolicy, CnnPolicy, CnnLstmPolicy, ...)
    :param env: (gym.Env, VecEnv or str) the environment, or the id of a registered one
    :param gamma: (float) discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param nprocs: (int) deprecated: number of threads of TensorFlow, use n_cpu_tf_sess
    :param n_steps: (int) number of steps of each environment per update; the batch has n_steps * n_envs samples
    :param ent_coef: (float) weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param vf_coef: (float) weight of the value loss
    :param vf_fisher_coef: (float) weight of the value function in the Fisher matrix; larger values slow it down
    :param learning_rate: (float) step size at the start
    :param max_grad_norm: (float) for the first ten updates gradients are clipped to this global norm; None does not clip
    :param kfac_clip: (float) how far a step may change the policy and the values, measured by the Fisher matrix
    :param lr_schedule: (str) how the learning rate changes over a training: 'constant', 'linear',
        'double_linear_con', 'middle_drop' or 'double_middle_drop'
    :param verbose: (int) 0 prints nothing, 1 training information, 2 TensorFlow's messages too
    :param tensorboard_log: (str) folder for TensorBoard; None writes nothing
    :param _init_setup_model: (bool) whether to build the network at once
    :param async_eigen_decomp: (bool) whether to decompose the Fisher matrix while the environments are stepped, for
        the update after the next one
    :param kfac_update: (int) number of updates between two decompositions of the Fisher matrix
    :param gae_lambda: (float) GAE's trade-off: smaller values are less noisy and more biased; None means returns of
        n_steps, without GAE
    :param policy_kwargs: (dict) extra arguments of the policy
    :param full_tensorboard_log: (bool) whether TensorBoard gets histograms too, which takes a lot of space
    :param seed: (int) seed of all generators; runs repeat exactly with n_cpu_tf_sess=1. None leaves them random
    :param n_cpu_tf_sess: (int) number of threads of TensorFlow; None means the number of CPUs
    """

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 nprocs: Optional[int] = None, n_steps: int = 20, ent_coef: float = 0.01, vf_coef: float = 0.25,
                 vf_fisher_coef: float = 1.0, learning_rate: float = 0.25, max_grad_norm: Optional[float] = 0.5,
                 kfac_clip: float = 0.001, lr_schedule: str = 'linear', verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 async_eigen_decomp: bool = False, kfac_update: int = 1, gae_lambda: Optional[float] = None,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = 1):
        if nprocs is not None:
            warnings.warn("nprocs is deprecated: use n_cpu_tf_sess", DeprecationWarning, stacklevel=2)
            n_cpu_tf_sess = nprocs
        self.gamma = gamma
        self.nprocs = nprocs
        self.n_steps = n_steps
        self.ent_coef = ent_coef
        self.vf_coef = vf_coef
        self.vf_fisher_coef = vf_fisher_coef
        self.learning_rate = learning_rate
        self.max_grad_norm = max_grad_norm
        self.kfac_clip = kfac_clip
        self.lr_schedule = lr_schedule
        self.tensorboard_log = tensorboard_log
        self.async_eigen_decomp = async_eigen_decomp
        self.kfac_update = kfac_update
        self.gae_lambda = gae_lambda
        self.full_tensorboard_log = full_tensorboard_log
        super(ACKTR, self).__init__(policy, env, verbose=verbose, requires_vec_env=True,
                                    policy_base=ActorCriticPolicy, policy_kwargs=policy_kwargs, seed=seed,
                                    n_cpu_tf_sess=n_cpu_tf_sess, _init_setup_model=_init_setup_model)
        if _init_setup_model:
            self.setup_model()

    def setup_model(self) -> None:
        Scheduler(self.learning_rate, 1, self.lr_schedule)  # refuses an unknown schedule before anything is built
        super(ACKTR, self).setup_model()

    def _build_graph(self) -> None:
        self._build_policies()
        train_model = self.train_model

        with tf.variable_scope("loss", reuse=False):
            self.action_ph = train_model.pdtype.sample_placeholder([None], name="action_ph")
            self.advs_ph = tf.placeholder(tf.float32, [None], name="advs_ph")
            self.rewards_ph = tf.placeholder(tf.float32, [None], name="rewards_ph")
            self.learning_rate_ph = tf.placeholder(tf.float32, [], name="learning_rate_ph")

            neglogp = train_model.proba_distribution.neglogp(self.action_ph)
            policy_entropy = tf.reduce_mean(train_model.proba_distribution.entropy())
            self.losses = Losses(
                policy_loss=policy_gradient_loss(neglogp, self.advs_ph) - self.ent_coef * policy_entropy,
                value_loss=value_function_loss(train_model.value_flat, self.rewards_ph),
                policy_entropy=policy_entropy)
            self.loss = self.losses.policy_loss + self.vf_coef * self.losses.value_loss
            self.vf_fisher_noise = tf.random_normal(tf.shape(train_model.value_fn), seed=tf_util.next_op_seed())
            sampled_loss = fisher_loss(neglogp, train_model.value_fn, self.vf_fisher_noise, self.vf_fisher_coef)

        with tf.variable_scope("kfac", reuse=False):
            self.optimizer = KfacOptimizer(
                learning_rate=self.learning_rate_ph, clip_kl=self.kfac_clip, momentum=0.9,
                kfac_update=self.kfac_update, epsilon=0.01, stats_decay=0.99, cold_iter=10,
                async_eigen_decomp=self.async_eigen_decomp, max_grad_norm=self.max_grad_norm, verbose=self.verbose)
            train_op, decompose_op = self.optimizer.minimize(self.loss, sampled_loss, self.params)

        self._train_inputs = [train_model.obs_ph, self.action_ph, self.advs_ph, self.rewards_ph,
                              self.learning_rate_ph]
        if self.policy.recurrent:
            self._train_inputs += [train_model.dones_ph, train_model.states_ph]
        self._train_function = tf_util.function(self._train_inputs, self.losses, updates=[train_op],
                                                session=self.sess)
        self._decomposition = None  # type: Optional[Future]
        if self.async_eigen_decomp:
            self._decompose = tf_util.function([], [], updates=[decompose_op], session=self.sess)
            self._background = ThreadPoolExecutor(max_workers=1)
        self._build_summaries(
            losses={'entropy_loss': self.losses.policy_entropy,
                    'policy_gradient_loss': self.losses.policy_loss,
                    'value_function_loss': self.losses.value_loss,
                    'loss': self.loss},
            inputs={'rewards': self.rewards_ph,
                    'learning_rate': self.learning_rate_ph,
                    'advantage': self.advs_ph})

    def _make_runner(self) -> OnPolicyRunner:
        if self.gae_lambda is None:
            return NStepRunner(self.env, self, n_steps=self.n_steps, gamma=self.gamma)
        return GAERunner(env=self.env, model=self, n_steps=self.n_steps, gamma=self.gamma, lam=self.gae_lambda)

    def learn(self, total_timesteps: int, callback: Callback = None, log_interval: int = 100,
              tb_log_name: str = "ACKTR", reset_num_timesteps: bool = True) -> 'ACKTR':
        callback, new_tb_log = self._init_learn(callback, reset_num_timesteps)
        schedule = Scheduler(self.learning_rate, total_timesteps, self.lr_schedule)

        with SetVerbosity(self.verbose), \
                TensorboardWriter(self.graph, self.tensorboard_log, tb_log_name, new_tb_log) as writer:
            t_start = time.time()
            callback.on_training_start(dict(_START_OF_LEARN, **locals()), globals())
            for update in range(1, total_timesteps // self.n_batch + 1):
                callback.on_rollout_start()
                rollout = self.runner.run(callback)
                if not self.runner.continue_training:
                    break
                callback.update_locals(dict(locals(), returns=rollout.returns, masks=rollout.masks,
                                            true_reward=rollout.true_reward))
                callback.on_rollout_end()
                self.ep_info_buf.extend(rollout.ep_infos)

                # as Stable Baselines 2.10: the schedule goes on by one with every sample, and the last value is used
                learning_rate = schedule.value_steps(update * self.n_batch - 1)
                policy_loss, value_loss, policy_entropy = self._train(rollout, learning_rate, writer)

                if writer is not None:
                    self._write_episode_rewards(writer, rollout)
                n_seconds = time.time() - t_start
                fps = int(update * self.n_batch / n_seconds)
                if self.verbose >= 1 and (update % log_interval == 0 or update == 1):
                    self._log(update, rollout, fps, policy_loss, policy_entropy, value_loss)
                callback.update_locals(locals())
            callback.on_training_end()
        return self

    def _train(self, rollout: Rollout, learning_rate: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Losses:
        """Update the parameters with one rollout; return the losses before the step."""
        feeds = self._feeds(rollout, learning_rate)
        if self._decomposition is not None:
            self._decomposition.result()  # so that an update is a function of its inputs, whatever the timing
        losses = self._train_function(*feeds)
        if self.async_eigen_decomp:
            self._decomposition = self._background.submit(self._decompose)
        if writer is not None:
            self._write_summary(writer, feeds)
        return losses

    def _feeds(self, rollout: Rollout, learning_rate: float) -> List[Any]:
        """Return a rollout in the order of the training function's inputs."""
        advantages = rollout.returns - rollout.values
        if isinstance(self.action_space, spaces.Box):
            advantages = standardise(advantages)
        feeds = [rollout.obs, rollout.actions, advantages, rollout.returns, learning_rate]
        return feeds + [rollout.masks, rollout.states] if self.policy.recurrent else feeds

    def _log(self, update: int, rollout: Rollout, fps: int, policy_loss: np.ndarray, policy_entropy: np.ndarray,
             value_loss: np.ndarray) -> None:
        """Report one update."""
        logger.logkv("nupdates", update)
        logger.logkv("total_timesteps", self.num_timesteps)
        logger.logkv("fps", fps)
        logger.logkv("policy_entropy", float(policy_entropy))
        logger.logkv("policy_loss", float(policy_loss))
        logger.logkv("value_loss", float(value_loss))
        logger.logkv("explained_variance", float(explained_variance(rollout.values, rollout.returns)))
        self._log_episodes()
        logger.dumpkvs()
