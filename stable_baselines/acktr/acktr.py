"""Actor Critic using Kronecker-Factored Trust Region, https://arxiv.org/abs/1708.05144"""
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Dict, NamedTuple, Optional, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.acktr.kfac import KfacOptimizer
from stable_baselines.common import old_names, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.n_step import Losses, NStepRLModel
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.returns import standardise
from stable_baselines.common.runners import GAERunner, OnPolicyRunner, Rollout
from stable_baselines.common.vec_env import VecEnv


class FisherLosses(NamedTuple):
    """Scalars whose derivatives make the Fisher matrix."""

    policy: tf.Tensor
    values: tf.Tensor


def fisher_losses(neglogp: tf.Tensor, values: tf.Tensor, noise: tf.Tensor, vf_fisher_coef: float) -> FisherLosses:
    r"""
    The losses whose derivatives, for outputs drawn from the model, make the Fisher matrix (section 3.1 of the paper).

    The value function counts as a normal distribution around its output, so that a draw is the value plus noise.

    .. math:: E[-\log \pi(a|s)], \qquad c E[(V(s) - v)^2], \qquad v = V(s) + \xi

    where v is a constant to the derivative. Unlike the paper: the actions are those taken, not drawn again.
    """
    value_draws = tf.stop_gradient(values + noise)
    return FisherLosses(tf.reduce_mean(neglogp), vf_fisher_coef * tf.reduce_mean(tf.square(values - value_draws)))


Model = TypeVar('Model', bound='ACKTR')


class ACKTR(NStepRLModel):
    """
    Actor Critic using Kronecker-Factored Trust Region, https://arxiv.org/abs/1708.05144

    Arguments that all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param nprocs: deprecated: number of threads of TensorFlow, use n_cpu_tf_sess
    :param n_steps: number of steps of each environment per update; the batch has n_steps * n_envs samples
    :param ent_coef: weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param vf_coef: weight of the value loss
    :param vf_fisher_coef: weight of the value function in the Fisher matrix; larger values slow it down
    :param learning_rate: step size at the start
    :param max_grad_norm: until the first decomposition, for nine updates or more, gradients are clipped to
        this global norm; None does not clip
    :param kfac_clip: how far a step may change the policy and the values, measured by the Fisher matrix
    :param lr_schedule: how the learning rate changes over a training: 'constant', 'linear',
        'double_linear_con', 'middle_drop' or 'double_middle_drop'
    :param async_eigen_decomp: whether to decompose the Fisher matrix while the environments are stepped, for
        the next update
    :param kfac_update: number of updates between two decompositions of the Fisher matrix; the first one comes
        with the first multiple of it from update 10 on
    :param gae_lambda: GAE's trade-off: smaller values are less noisy and more biased; None means returns of
        n_steps, without GAE
    """

    _old_names = dict(optim='optimizer')
    _logged_losses = ('policy_entropy', 'policy_loss', 'value_loss')
    # as Stable Baselines 2.10: what learn() needs there to initialise variables and to run queues, by the names that
    # callbacks see; here the variables are ready before it begins, and there are no queues
    _offered_at_start = dict(tf_vars=[], is_uninitialized=[], old_uninitialized_vars=[], new_uninitialized_vars=[],
                             coord=None, enqueue_threads=[])

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
        self.async_eigen_decomp = async_eigen_decomp
        self.kfac_update = kfac_update
        self.gae_lambda = gae_lambda
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def _build_train_op(self) -> tf.Operation:
        # as Stable Baselines 2.10: the policy loss that is reported contains the entropy
        self.losses = self.losses._replace(
            policy_loss=self.losses.policy_loss - self.ent_coef * self.losses.policy_entropy)
        values = self.train_model.value_fn
        self.vf_fisher_noise = tf.random_normal(tf.shape(values), seed=tf_util.next_op_seed())
        self.fisher_losses = fisher_losses(self.neglogp, values, self.vf_fisher_noise, self.vf_fisher_coef)

        with tf.variable_scope("kfac", reuse=False):
            self.optimizer = KfacOptimizer(
                learning_rate=self.batch_ph.learning_rate, momentum=0.9, clip_kl=self.kfac_clip,
                kfac_update=self.kfac_update, cold_iter=10, async_eigen_decomp=self.async_eigen_decomp, epsilon=0.01,
                stats_decay=0.99, max_grad_norm=self.max_grad_norm, verbose=self.verbose)
            sampled_loss = self.fisher_losses.policy + self.fisher_losses.values
            train_op, decompose_op = self.optimizer.minimize(self.loss, sampled_loss, self.params)

        self._decomposition: Optional[Future] = None  # a Future, once one was begun in the background
        if decompose_op is not None:
            self._decompose = tf_util.function([], [], updates=[decompose_op], session=self.sess)
            self._background = ThreadPoolExecutor(max_workers=1)
        return train_op

    def _summarised_losses(self) -> Dict[str, tf.Tensor]:
        # as Stable Baselines 2.10: with the sign of a likelihood
        return dict(super()._summarised_losses(), policy_gradient_fisher_loss=-self.fisher_losses.policy,
                    value_function_fisher_loss=-self.fisher_losses.values)

    def _make_runner(self) -> OnPolicyRunner:
        if self.gae_lambda is None:
            return super()._make_runner()
        return GAERunner(env=self.vec_env, model=self, n_steps=self.n_steps, gamma=self.gamma, lam=self.gae_lambda)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "ACKTR", reset_num_timesteps: bool = True) -> Model:
        super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps)
        self._finish_decomposition()
        return self

    def _train(self, rollout: Rollout, learning_rate: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Losses:
        self._finish_decomposition()  # so that an update is a function of its inputs, whatever the timing
        losses = super()._train(rollout, learning_rate, writer)
        if self.async_eigen_decomp:
            self._decomposition = self._background.submit(self._decompose)
        return losses

    def _finish_decomposition(self) -> None:
        """Wait for the decomposition in the background, if there is one."""
        if self._decomposition is not None:
            self._decomposition.result()

    def _advantages(self, rollout: Rollout) -> np.ndarray:
        advantages = super()._advantages(rollout)
        # as Stable Baselines 2.10: advantages are standardised for continuous actions only
        return standardise(advantages) if isinstance(self.action_space, spaces.Box) else advantages


old_names.offer(__name__)
