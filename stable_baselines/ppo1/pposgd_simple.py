"""Proximal Policy Optimization, https://arxiv.org/abs/1707.06347, on the processes of an MPI job."""
from typing import Any, Dict, Iterator, NamedTuple, Optional, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names, tf_util
from stable_baselines.common.losses import check_finite, refuse_losses, value_function_loss
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import check_counts, check_numbers
from stable_baselines.common.models.trajectories import Samples, TrajectoryRLModel
from stable_baselines.common.mpi_adam import MpiAdam
from stable_baselines.common.mpi_moments import mpi_mean
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.schedules import SCHEDULES


class Batch(NamedTuple):
    """Inputs of one gradient step, as placeholders or arrays, one row per sample."""

    obs: Any  # for the policy and for the old policy
    actions: Any
    advantages: Any
    returns: Any
    lrmult: Any  # factor of the step size and of the clip range


class Losses(NamedTuple):
    """Scalars, under their names in Stable Baselines 2.10."""

    pol_surr: Any  # the clipped surrogate
    pol_entpen: Any  # the entropy, weighted, as a loss
    vf_loss: Any
    kl: Any  # divergence of the policy from the old one
    ent: Any


def policy_loss(neglogp: tf.Tensor, old_neglogp: tf.Tensor, advantages: tf.Tensor, clip_range: tf.Tensor) -> tf.Tensor:
    r"""
    Compute the clipped surrogate loss, equation 7 of the paper.

    .. math:: -E[\min(r A, clip(r, 1 - \epsilon, 1 + \epsilon) A)], \quad r = \pi(a|s) / \pi_{old}(a|s)
    """
    ratio = tf.exp(old_neglogp - neglogp)
    gain, clipped_gain = ratio * advantages, tf.clip_by_value(ratio, 1. - clip_range, 1. + clip_range) * advantages
    return -tf.reduce_mean(tf.minimum(gain, clipped_gain))


Model = TypeVar('Model', bound='PPO1')


class PPO1(TrajectoryRLModel):
    """
    Proximal Policy Optimization, https://arxiv.org/abs/1707.06347, on the processes of an MPI job

    Every process collects with an environment of its own; gradients are averaged over all of them. Arguments that all
    algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param timesteps_per_actorbatch: number of steps of each process per update
    :param clip_param: how far the probability ratio may deviate from 1, typical 0.1 to 0.3
    :param entcoeff: weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param optim_epochs: number of epochs over each batch; more of them learn more from it, and move the policy further
        away from the one that collected it
    :param optim_stepsize: Adam's step size
    :param optim_batchsize: number of samples of each process in a minibatch; None means all. Samples that do not fill
        a minibatch are left out of that epoch
    :param lam: GAE's trade-off: smaller values are less noisy and more biased, typical 0.9 to 1
    :param adam_epsilon: Adam's epsilon, which avoids division by zero
    :param schedule: how step size and clip range change over the training: 'linear' (to zero), 'constant', or another
        of ``common.schedules.SCHEDULES``
    """

    loss_names = list(Losses._fields)
    _old_names = dict(adam='_adam')
    _names_of_sb3 = dict(
        TrajectoryRLModel._names_of_sb3, learning_rate="here it is optim_stepsize", gae_lambda="here it is lam",
        n_steps="here it is timesteps_per_actorbatch", n_epochs="here it is optim_epochs",
        batch_size="here it is optim_batchsize", clip_range="here it is clip_param", ent_coef="here it is entcoeff",
        clip_range_vf="here the values are not clipped", vf_coef="here it is always 1",
        max_grad_norm="here gradients are not clipped", target_kl="here an update always runs all its epochs")

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, gamma: float = 0.99,
                 timesteps_per_actorbatch: int = 256, clip_param: float = 0.2, entcoeff: float = 0.01,
                 optim_epochs: int = 4, optim_stepsize: float = 1e-3, optim_batchsize: Optional[int] = 64,
                 lam: float = 0.95, adam_epsilon: float = 1e-5, schedule: str = 'linear', verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = 1):
        self.gamma = gamma
        self.timesteps_per_actorbatch = timesteps_per_actorbatch
        self.clip_param = clip_param
        self.entcoeff = entcoeff
        self.optim_epochs = optim_epochs
        self.optim_stepsize = optim_stepsize
        self.optim_batchsize = optim_batchsize
        self.lam = lam
        self.adam_epsilon = adam_epsilon
        self.schedule = schedule
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    @property
    def _horizon(self) -> int:
        return self.timesteps_per_actorbatch

    def setup_model(self) -> None:
        check_counts(timesteps_per_actorbatch=self.timesteps_per_actorbatch, optim_epochs=self.optim_epochs)
        if self.optim_batchsize is not None:
            check_counts(optim_batchsize=self.optim_batchsize)
        check_numbers(0, clip_param=self.clip_param, optim_stepsize=self.optim_stepsize, adam_epsilon=self.adam_epsilon)
        check_numbers(0, 1, gamma=self.gamma, lam=self.lam)
        check_numbers(-np.inf, entcoeff=self.entcoeff)
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r}: accepted is one of {', '.join(sorted(SCHEDULES))}")
        super().setup_model()

    def _build_graph(self) -> None:
        self._build_act_and_old_policy()
        with tf.variable_scope("loss", reuse=False):
            self.batch_ph = batch_ph = Batch(**self._build_samples(),
                                             lrmult=tf.placeholder(tf.float32, [], name="lrmult_ph"))
            self.losses = self._build_losses(batch_ph)
            self.loss = self.losses.pol_surr + self.losses.pol_entpen + self.losses.vf_loss
        learning_rate = self.optim_stepsize * batch_ph.lrmult

        grads = tf.gradients(self.loss, self.params)
        trained = [param for param, grad in zip(self.params, grads) if grad is not None]
        self._adam = MpiAdam(trained, epsilon=self.adam_epsilon, comm=self._comm, sess=self.sess)
        check_op = check_finite(**self.losses._asdict())
        with tf.control_dependencies([check_op]):
            step_op = self._adam.build_step([grad for grad in grads if grad is not None], learning_rate)
        self._train_function = tf_util.batch_function(batch_ph, self.losses, updates=[step_op], session=self.sess)
        self._losses_function = tf_util.batch_function(batch_ph, self.losses, session=self.sess)
        self._check_function = tf_util.batch_function(batch_ph, [], updates=[check_op], session=self.sess)
        self._build_summaries(
            losses={'entropy_loss': self.losses.pol_entpen,
                    'policy_gradient_loss': self.losses.pol_surr,
                    'value_function_loss': self.losses.vf_loss,
                    'approximate_kullback-leibler': self.losses.kl,
                    'clip_factor': self.clip_param * batch_ph.lrmult,
                    'loss': self.loss},
            inputs={'discounted_rewards': batch_ph.returns,
                    'learning_rate': learning_rate,
                    'advantage': batch_ph.advantages,
                    'clip_range': self.clip_param * batch_ph.lrmult},
            obs_ph=self.act_model.obs_ph)

    def _build_losses(self, batch_ph: Batch) -> Losses:
        """Build the losses of a minibatch."""
        new, old = self.act_model.proba_distribution, self.old_policy.proba_distribution
        entropy = tf.reduce_mean(new.entropy())
        return Losses(
            pol_surr=policy_loss(new.neglogp(batch_ph.actions), old.neglogp(batch_ph.actions), batch_ph.advantages,
                                 self.clip_param * batch_ph.lrmult),
            pol_entpen=-self.entcoeff * entropy,
            vf_loss=value_function_loss(self.act_model.value_flat, batch_ph.returns),
            kl=tf.reduce_mean(old.kl(new)),
            ent=entropy)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "PPO1", reset_num_timesteps: bool = True) -> Model:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps)

    def _train(self, samples: Samples, progress_remaining: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Dict[str, float]:
        """Run all epochs over the samples; return the losses after them, averaged over the processes."""
        everything = Batch(obs=samples.obs, actions=samples.actions, advantages=samples.advantages,
                           returns=samples.returns, lrmult=SCHEDULES[self.schedule](1. - progress_remaining))
        self._update_old_policy()
        with refuse_losses("those of before the update", self._take_back_update):
            for _ in range(self.optim_epochs):
                for batch in self._minibatches(everything):
                    self._train_function(batch)
            self._check_function(batch)  # no step follows the last one that would notice
        if writer is not None:
            reports.write_summary(self, writer, self._train_function, batch)
        # verbose may differ between processes, but all of them must take part in an exchange
        if self.verbose < 1 and self._comm.Get_size() == 1:
            return {}
        losses, _ = mpi_mean([self._losses_function(everything)], comm=self._comm)
        return {'loss_' + name: loss for name, loss in zip(self.loss_names, losses)}

    def _minibatches(self, everything: Batch) -> Iterator[Batch]:
        """Yield the minibatches of one epoch in random order; samples that do not fill one are left out."""
        n_samples = len(everything.obs)
        batch_size = min(self.optim_batchsize or n_samples, n_samples)
        order = self.np_random.permutation(n_samples)
        for start in range(0, n_samples - batch_size + 1, batch_size):
            rows = order[start:start + batch_size]
            yield everything._replace(**{name: getattr(everything, name)[rows]
                                         for name in ('obs', 'actions', 'advantages', 'returns')})


old_names.offer(__name__)
