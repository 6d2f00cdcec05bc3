"""Trust Region Policy Optimization, https://arxiv.org/abs/1502.05477"""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import old_names, tf_util
from stable_baselines.common.cg import conjugate_gradient
from stable_baselines.common.losses import check_finite, refuse_losses, value_function_loss
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.training import check_counts, check_numbers
from stable_baselines.common.models.trajectories import Samples, TrajectoryRLModel
from stable_baselines.common.mpi_adam import MpiAdam
from stable_baselines.common.policies import BasePolicy

FISHER_STRIDE = 5  # as Stable Baselines 2.10: every fifth row is enough for the Fisher matrix
N_STEP_SIZES = 10  # the line search tries the whole step, half of it, a quarter of it, ...
VALUE_BATCH_SIZE = 128


class Batch(NamedTuple):
    """Inputs of a policy step, as placeholders or arrays, one row per sample."""

    obs: Any  # for the policy and for the old policy
    actions: Any
    advantages: Any
    returns: Any  # only for TensorBoard


class ValueBatch(NamedTuple):
    """Inputs of a value function step, as placeholders or arrays, one row per sample."""

    obs: Any
    returns: Any
    learning_rate: Any


class Losses(NamedTuple):
    """Scalars, under their names in Stable Baselines 2.10."""

    optimgain: Any  # what is maximised: the surrogate gain and the entropy bonus
    meankl: Any  # divergence of the policy from the old one
    entloss: Any  # the entropy bonus
    surrgain: Any
    entropy: Any


def surrogate_gain(neglogp: tf.Tensor, old_neglogp: tf.Tensor, advantages: tf.Tensor) -> tf.Tensor:
    r"""
    Compute the expected advantage of the policy over the old one, equation 14 of the paper.

    .. math:: E[r A], \quad r = \pi(a|s) / \pi_{old}(a|s)
    """
    return tf.reduce_mean(tf.exp(old_neglogp - neglogp) * advantages)


def fisher_vector_product(mean_kl: tf.Tensor, params: Sequence[tf.Variable], vector: tf.Tensor) -> tf.Tensor:
    r"""
    Multiply a vector by the Hessian of the divergence, which is the Fisher matrix where both policies are equal.

    .. math:: F v = \nabla (v \cdot \nabla E[KL(\pi_{old} \| \pi)])

    (appendix C.1 of the paper)
    """
    return tf_util.flatgrad(tf.reduce_sum(vector * tf_util.flatgrad(mean_kl, params)), params)


Model = TypeVar('Model', bound='TRPO')


class TRPO(TrajectoryRLModel):
    """
    Trust Region Policy Optimization, https://arxiv.org/abs/1502.05477

    Under MPI each process collects with an environment of its own, and all of them take the same steps. Arguments that
    all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param timesteps_per_batch: number of steps per update, in each process
    :param max_kl: how far a step may move the policy, as its mean divergence from the old one; larger values learn
        faster and less steadily, typical 0.001 to 0.02
    :param cg_iters: number of iterations of the conjugate gradient, which finds the direction of the step
    :param lam: GAE's trade-off: smaller values are less noisy and more biased, typical 0.9 to 1
    :param entcoeff: weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param cg_damping: added to the diagonal of the Fisher matrix; larger values bring the direction closer to that of
        the gradient, typical 0.001 to 0.1
    :param vf_stepsize: Adam's step size for the value function
    :param vf_iters: number of epochs of the value function over each batch
    """

    loss_names = list(Losses._fields)
    _n_averaged = 40  # as Stable Baselines 2.10
    _explained_variance_name = 'explained_variance_tdlam_before'
    _old_names = dict(get_flat='_get_flat', set_from_flat='_set_from_flat', vfadam='_value_adam')
    _names_of_sb3 = dict(
        TrajectoryRLModel._names_of_sb3, learning_rate="here it is vf_stepsize, and max_kl limits the policy's step",
        n_steps="here it is timesteps_per_batch", target_kl="here it is max_kl", gae_lambda="here it is lam",
        cg_max_steps="here it is cg_iters", n_critic_updates="here it is vf_iters",
        batch_size="here the value function has minibatches of 128 samples")

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, gamma: float = 0.99,
                 timesteps_per_batch: int = 1024, max_kl: float = 0.01, cg_iters: int = 10, lam: float = 0.98,
                 entcoeff: float = 0.0, cg_damping: float = 1e-2, vf_stepsize: float = 3e-4, vf_iters: int = 3,
                 verbose: int = 0, tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = 1):
        self.gamma = gamma
        self.timesteps_per_batch = timesteps_per_batch
        self.max_kl = max_kl
        self.cg_iters = cg_iters
        self.lam = lam
        self.entcoeff = entcoeff
        self.cg_damping = cg_damping
        self.vf_stepsize = vf_stepsize
        self.vf_iters = vf_iters
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def setup_model(self) -> None:
        check_counts(timesteps_per_batch=self.timesteps_per_batch, cg_iters=self.cg_iters)
        is_whole = isinstance(self.vf_iters, (int, np.integer)) and not isinstance(self.vf_iters, bool)
        if not is_whole or self.vf_iters < 0:
            raise ValueError(f"vf_iters={self.vf_iters!r}: accepted is a whole number, 0 or more")
        check_numbers(0, max_kl=self.max_kl, cg_damping=self.cg_damping, vf_stepsize=self.vf_stepsize)
        check_numbers(0, 1, gamma=self.gamma, lam=self.lam)
        check_numbers(-np.inf, entcoeff=self.entcoeff)
        super().setup_model()

    @property
    def _horizon(self) -> int:
        return self.timesteps_per_batch

    # ---------------------------------------------------------------- graph

    def _build_graph(self) -> None:
        self._build_act_and_old_policy()
        with tf.variable_scope("loss", reuse=False):
            self.batch_ph = Batch(**self._build_samples())
            self.losses = self._build_losses(self.batch_ph)
        self._build_policy_functions()
        self._build_value_function_step()
        self._reward_params = self._build_reward()
        self._build_summaries(
            losses={'entropy_loss': self.losses.entropy,
                    'policy_gradient_loss': self.losses.optimgain,
                    'value_function_loss': self._value_loss,
                    'approximate_kullback-leibler': self.losses.meankl,
                    'loss': tf.add_n(list(self.losses))},
            inputs={'discounted_rewards': self.batch_ph.returns,
                    'learning_rate': tf.constant(self.vf_stepsize),
                    'advantage': self.batch_ph.advantages,
                    'kl_clip_range': tf.constant(self.max_kl)},
            obs_ph=self.act_model.obs_ph)

    def get_parameter_list(self) -> List[tf.Variable]:
        return self.params + self.old_params + self._reward_params

    def _build_reward(self) -> List[tf.Variable]:
        """
        Build ``reward_giver``, which replaces the environment's rewards; TRPO itself has none.

        :return: its variables, which are saved after those of the policies
        """
        return []

    def _build_losses(self, batch_ph: Batch) -> Losses:
        """Build what a policy step is judged by."""
        new, old = self.act_model.proba_distribution, self.old_policy.proba_distribution
        entropy = tf.reduce_mean(new.entropy())
        surrgain = surrogate_gain(new.neglogp(batch_ph.actions), old.neglogp(batch_ph.actions), batch_ph.advantages)
        return Losses(optimgain=surrgain + self.entcoeff * entropy, meankl=tf.reduce_mean(old.kl(new)),
                      entloss=self.entcoeff * entropy, surrgain=surrgain, entropy=entropy)

    def _build_policy_functions(self) -> None:
        """Build what a policy step needs: losses, gradient and Fisher products, averaged over all processes."""
        params = _that_matter(self.losses.optimgain, self.params)
        self._get_flat = tf_util.GetFlat(params, sess=self.sess)
        self._set_from_flat = tf_util.SetFromFlat(params, sess=self.sess)
        losses = self._mean_over_processes(self.losses)
        self._losses_function = tf_util.batch_function(self.batch_ph, losses, session=self.sess)
        gradient = tf_util.flatgrad(self.losses.optimgain, params)
        averaged = self._mean_over_processes([gradient, *self.losses])
        self._gradient_function = tf_util.batch_function(self.batch_ph, averaged, session=self.sess)
        vector_ph = tf.placeholder(tf.float32, gradient.shape, name="vector_ph")
        product = fisher_vector_product(self.losses.meankl, params, vector_ph)
        self._fisher_function = tf_util.function([*self.batch_ph.obs, vector_ph], self._mean_over_processes([product]),
                                                 session=self.sess)

    def _mean_over_processes(self, tensors: Sequence[tf.Tensor]) -> List[tf.Tensor]:
        """Build the means of tensors over the processes of an MPI job."""
        return [total / self._comm.Get_size() for total in tf_util.sum_over_processes(tensors, self._comm)]

    def _build_value_function_step(self) -> None:
        """Build a gradient step of the value function."""
        batch_ph = ValueBatch(obs=self.act_model.obs_ph, returns=self.batch_ph.returns,
                              learning_rate=tf.placeholder(tf.float32, [], name="learning_rate_ph"))
        self._value_loss = value_function_loss(self.act_model.value_flat, batch_ph.returns)
        params = _that_matter(self._value_loss, self.params)
        self._value_adam = MpiAdam(params, comm=self._comm, sess=self.sess)
        grads = tf.gradients(self._value_loss, params)
        check_op = check_finite(value_loss=self._value_loss)
        with tf.control_dependencies([check_op]):
            step_op = self._value_adam.build_step(grads, batch_ph.learning_rate)
        self._value_step, self._check_values = (
            tf_util.batch_function(batch_ph, [], updates=[op], session=self.sess) for op in (step_op, check_op))

    # ---------------------------------------------------------------- training

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "TRPO", reset_num_timesteps: bool = True) -> Model:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps)

    def _train(self, samples: Samples, progress_remaining: float,
               writer: Optional[tf.summary.FileWriter] = None) -> Dict[str, float]:
        batch = Batch(obs=samples.obs, actions=samples.actions, advantages=samples.advantages, returns=samples.returns)
        self._update_old_policy()
        if writer is not None:
            reports.write_summary(self, writer, self._gradient_function, batch)
        losses = self._train_policy(batch)
        with refuse_losses("those of before the update", self._take_back_update):
            self._train_value_function(batch)
        return losses._asdict()

    def _train_policy(self, batch: Batch) -> Losses:
        """Take one step along the natural gradient, to the edge of the trust region; return the losses after it."""
        gradient, *losses = self._gradient_function(batch)
        direction, divergence = self._natural_gradient(gradient, batch.obs[::FISHER_STRIDE])
        if not np.isfinite(divergence):
            raise ValueError(f"a natural gradient that is not finite (its divergence is {divergence}): an observation, "
                             "an advantage or a parameter is NaN or infinite")
        if not divergence > 0:
            logger.log("zero gradient: the policy stays as it is")
            return Losses(*losses)
        full_step = direction * np.float32(np.sqrt(self.max_kl / divergence))
        return self._search_along(full_step, batch, Losses(*losses))

    def _natural_gradient(self, gradient: np.ndarray, obs: np.ndarray) -> Tuple[np.ndarray, float]:
        """
        Return the natural gradient, and the divergence that a step along the whole of it would lead to.

        The last bits of a sum may differ between processors. What depends on them must not decide how often the
        processes of an MPI job meet: each makes the same number of products, and the numbers of the first one count.
        """
        n_products = 0

        def damped_fisher_product(vector: np.ndarray) -> np.ndarray:
            nonlocal n_products
            n_products += 1
            return self._fisher_function(obs, obs, vector)[0] + self.cg_damping * vector

        direction = conjugate_gradient(damped_fisher_product, gradient, self.cg_iters)
        if self._comm.Get_size() > 1:
            while n_products < self.cg_iters:  # it stopped early, maybe not everywhere
                damped_fisher_product(direction)
            self._comm.Bcast(direction, root=0)
        divergence = np.array([.5 * direction.dot(damped_fisher_product(direction))])
        self._comm.Bcast(divergence, root=0)
        return direction, divergence[0]

    def _search_along(self, full_step: np.ndarray, batch: Batch, before: Losses) -> Losses:
        """Halve a step until the policy is better and still close to the old one; if no step is good, undo it."""
        start = self._get_flat()
        for halvings in range(N_STEP_SIZES):
            self._set_from_flat(start + full_step * np.float32(.5 ** halvings))
            losses = Losses(*self._losses_function(batch))
            # as Stable Baselines 2.10: up to one and a half times max_kl is close
            is_close = losses.meankl <= 1.5 * self.max_kl
            if is_close and losses.optimgain >= before.optimgain and np.isfinite(losses).all():
                return losses
        logger.log("no step is good: the policy stays as it is")
        self._set_from_flat(start)
        return before

    def _train_value_function(self, batch: Batch) -> None:
        """Fit the value function to the returns."""
        for _ in range(self.vf_iters):
            order = self.np_random.permutation(len(batch.returns))
            for start in range(0, len(order), VALUE_BATCH_SIZE):  # unlike Stable Baselines 2.10: with the rest
                rows = order[start:start + VALUE_BATCH_SIZE]
                minibatch = ValueBatch(obs=batch.obs[rows], returns=batch.returns[rows],
                                       learning_rate=self.vf_stepsize)
                self._value_step(minibatch)
        if self.vf_iters > 0:
            self._check_values(minibatch)  # no step follows the last one that would notice


def _that_matter(tensor: tf.Tensor, params: Sequence[tf.Variable]) -> List[tf.Variable]:
    """Return the variables that a tensor depends on."""
    return [param for param, gradient in zip(params, tf.gradients(tensor, params)) if gradient is not None]


old_names.offer(__name__)
