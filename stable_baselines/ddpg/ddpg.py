"""
Deep Deterministic Policy Gradient, https://arxiv.org/abs/1509.02971

With noise on parameters, https://arxiv.org/abs/1706.01905, and Pop-Art, https://arxiv.org/abs/1602.07714
"""
import warnings
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import mpi_util, old_names, tf_util
from stable_baselines.common.buffers import ReplayBuffer
from stable_baselines.common.gym_compat.spaces import unscale_action
from stable_baselines.common.losses import actor_value_loss, q_target, value_function_loss
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.off_policy import Episodes, OffPolicyRLModel
from stable_baselines.common.models.training import Training, as_count, check_counts, check_numbers, check_schedules
from stable_baselines.common.mpi_adam import MpiAdam
from stable_baselines.common.mpi_moments import mpi_mean
from stable_baselines.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines.common.noise import AdaptiveParamNoiseSpec
from stable_baselines.common.schedules import get_schedule_fn
from stable_baselines.common.vec_env import VecEnv
from stable_baselines.ddpg.epochs import Epochs
from stable_baselines.ddpg.policies import DDPGPolicy


class Batch(NamedTuple):
    """What one gradient step is fed: placeholders or arrays, one row a transition."""

    obs: Any
    actions: Any  # within [-1, 1], (n_batch, n_actions)
    rewards: Any  # (n_batch, 1)
    next_obs: Any
    dones: Any  # (n_batch, 1)
    actor_lr: Any
    critic_lr: Any


class Losses(NamedTuple):
    """Scalars, before the step."""

    actor_loss: tf.Tensor
    critic_loss: tf.Tensor


class LearningRates(NamedTuple):
    """Step sizes."""

    actor: float
    critic: float


def l2_penalty(params: Sequence[tf.Variable], coef: float) -> tf.Tensor:
    """Half the sum of the squares of a critic's weights, times a coefficient."""
    # as Stable Baselines 2.10: all but the last layer, and what has a "b" in its name (biases, the offsets of layer
    # normalisation; so that its gains are weights)
    weights = [param for param in params if 'qf_output' not in param.name and 'b' not in param.name]
    return coef * tf.add_n([tf.nn.l2_loss(weight) for weight in weights])


def popart_layer(kernel: tf.Tensor, bias: tf.Tensor, old: Tuple[tf.Tensor, tf.Tensor],
                 new: Tuple[tf.Tensor, tf.Tensor]) -> Tuple[tf.Tensor, tf.Tensor]:
    r"""
    Rescale a last layer so that its denormalised outputs stay what they are, equation 9 of the Pop-Art paper.

    .. math:: W' = \frac{\sigma}{\sigma'} W, \quad b' = \frac{\sigma b + \mu - \mu'}{\sigma'}

    :param old: mean and standard deviation of the returns before
    :param new: mean and standard deviation of the returns from now on
    :return: the new kernel and bias
    """
    (old_mean, old_std), (new_mean, new_std) = old, new
    return kernel * (old_std / new_std), (bias * old_std + old_mean - new_mean) / new_std


def normalize(tensor: tf.Tensor, stats: Optional[RunningMeanStd]) -> tf.Tensor:
    """Subtract a mean and divide by a standard deviation, ``stats.mean`` and ``stats.std``; None changes nothing."""
    return tensor if stats is None else (tensor - stats.mean) / stats.std


def denormalize(tensor: tf.Tensor, stats: Optional[RunningMeanStd]) -> tf.Tensor:
    """Undo ``normalize``."""
    return tensor if stats is None else tensor * stats.std + stats.mean


def reduce_var(tensor: tf.Tensor, axis: Any = None, keepdims: bool = False) -> tf.Tensor:
    """Compute the variance over axes; parameters as for ``tf.reduce_mean``."""
    deviations = tensor - tf.reduce_mean(tensor, axis=axis, keepdims=True)
    return tf.reduce_mean(tf.square(deviations), axis=axis, keepdims=keepdims)


def reduce_std(tensor: tf.Tensor, axis: Any = None, keepdims: bool = False) -> tf.Tensor:
    """Compute the standard deviation over axes; parameters as for ``tf.reduce_mean``."""
    return tf.sqrt(reduce_var(tensor, axis=axis, keepdims=keepdims))


def get_target_updates(_vars: Sequence[tf.Variable], target_vars: Sequence[tf.Variable], tau: float,
                       verbose: int = 0) -> Tuple[tf.Operation, tf.Operation]:
    """
    Build what updates target variables, see ``tf_util.soft_update``.

    :param verbose: from 2 on, the pairs of variables are logged
    :return: the copy at the start, and the step towards the variables
    """
    if verbose >= 2:
        logger.info(''.join(f"\n  {target.name} <- {param.name}" for param, target in zip(_vars, target_vars)))
    return tf_util.soft_update(_vars, target_vars, tau=1), tf_util.soft_update(_vars, target_vars, tau)


def get_perturbable_vars(scope: str) -> List[tf.Variable]:
    """Return the trainable variables of a scope without those of layer normalisation, which get no noise."""
    return [param for param in tf_util.get_trainable_vars(scope) if 'LayerNorm' not in param.name]


def get_perturbed_actor_updates(actor: str, perturbed_actor: str, param_noise_stddev: Union[float, tf.Tensor],
                                verbose: int = 0) -> tf.Operation:
    """
    Build the copy of an actor to another one with normal noise on its parameters.

    :param actor: scope of the actor
    :param perturbed_actor: scope of the other one
    :param param_noise_stddev: standard deviation of the noise
    :param verbose: from 2 on, the pairs of variables are logged
    """
    params, perturbed = tf_util.get_globals_vars(actor), tf_util.get_globals_vars(perturbed_actor)
    if len(params) != len(perturbed) or not params:
        raise ValueError(f"{len(params)} variables in {actor!r}, {len(perturbed)} in {perturbed_actor!r}: accepted are "
                         "equally many")
    with_noise = {param.name for param in get_perturbable_vars(actor)}
    updates = []
    for param, copy in zip(params, perturbed):
        noise = 0.
        if param.name in with_noise:
            noise = tf.random_normal(param.shape, stddev=param_noise_stddev, seed=tf_util.next_op_seed())
        if verbose >= 2:
            logger.info(f"  {copy.name} <- {param.name}{' + noise' if param.name in with_noise else ''}")
        updates.append(tf.assign(copy, param + noise))
    return tf.group(*updates)


def _warn_of_deprecated(memory_policy: Any, memory_limit: Optional[int]) -> None:
    """Warn of arguments, at the line that calls the constructor."""
    for name, given, use in (("memory_policy", memory_policy, "learn's replay_wrapper"),
                             ("memory_limit", memory_limit, "buffer_size")):
        if given is not None:
            warnings.warn(f"{name} is deprecated, use {use}", DeprecationWarning, stacklevel=3)


Model = TypeVar('Model', bound='DDPG')


class DDPG(OffPolicyRLModel):
    """
    Deep Deterministic Policy Gradient, https://arxiv.org/abs/1509.02971

    Arguments that all algorithms share are explained at ``BaseRLModel``. In an MPI job every process collects its own
    transitions; gradients and statistics are those of all.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.95 to 0.999
    :param memory_policy: deprecated: class of the replay memory, which is made with its size; None means ReplayBuffer
    :param eval_env: environment for evaluations, without noise; None means no evaluations
    :param nb_train_steps: number of gradient steps after a rollout
    :param nb_rollout_steps: number of steps of a rollout
    :param nb_eval_steps: number of steps of an evaluation, which follows the gradient steps
    :param param_noise: exploration: noise on the parameters of the actor, an ``AdaptiveParamNoiseSpec``; None adds none
    :param action_noise: exploration: noise added to actions within [-1, 1], see ``common.noise``; None adds none
    :param normalize_observations: whether to normalise observations with their running mean and standard deviation
    :param tau: how far the targets follow at each gradient step; smaller values are slower and steadier
    :param batch_size: number of transitions for a gradient step
    :param param_noise_adaption_interval: number of gradient steps after which the noise on the parameters is adapted
    :param normalize_returns: whether the critic learns returns normalised by statistics, which are only kept with
        enable_popart
    :param enable_popart: whether to adapt these statistics to the returns, and the critic's last layer to them,
        https://arxiv.org/abs/1602.07714
    :param observation_range: observations are clipped to this range, normalised or not
    :param critic_l2_reg: weight of the penalty on the critic's weights; larger values keep them smaller
    :param return_range: range to which the critic's values are clipped, on its own scale
    :param actor_lr: step size of the actor, or a function of the progress remaining (1 to 0)
    :param critic_lr: step size of the critic, likewise
    :param clip_norm: the gradient of each variable is clipped to this norm; None does not clip
    :param reward_scale: factor on the rewards that the critic learns
    :param render: whether to show the environment
    :param render_eval: whether to show the evaluation environment
    :param memory_limit: deprecated: use buffer_size, which it replaces if given
    :param buffer_size: number of transitions to keep
    :param random_exploration: probability of a random action, in addition to the noise
    """

    policy_base = DDPGPolicy
    _actor_name = 'actor_tf'
    _not_saved = (*OffPolicyRLModel._not_saved, 'eval_env')
    _carried = (*OffPolicyRLModel._carried, 'param_noise')
    _old_names = dict(
        obs_train='batch_ph.obs', actions='batch_ph.actions', rewards='batch_ph.rewards',
        obs_target='batch_ph.next_obs', terminals_ph='batch_ph.dones', actor_loss='losses.actor_loss',
        critic_loss='losses.critic_loss')
    _names_of_sb3 = dict(
        OffPolicyRLModel._names_of_sb3, learning_rate="here there are actor_lr and critic_lr",
        train_freq="here it is nb_rollout_steps",
        gradient_steps="here it is nb_train_steps", learning_starts="here training starts with batch_size transitions",
        replay_buffer_class="here it is memory_policy")

    # what the base calls them
    train_freq: Any = property(lambda self: self.nb_rollout_steps)
    gradient_steps: Any = property(lambda self: self.nb_train_steps)

    obs_rms: Optional[RunningMeanStd] = None
    ret_rms: Optional[RunningMeanStd] = None
    _eval_vec_env: Optional[VecEnv] = None
    _q_values: Optional[np.ndarray] = None  # of the last actions before noise, (n_envs, 1); None for random ones

    def __init__(self, policy: Union[str, Type[DDPGPolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 memory_policy: Optional[Type[ReplayBuffer]] = None, eval_env: Any = None, nb_train_steps: int = 50,
                 nb_rollout_steps: int = 100, nb_eval_steps: int = 100, param_noise: Any = None,
                 action_noise: Any = None, normalize_observations: bool = False, tau: float = 0.001,
                 batch_size: int = 128, param_noise_adaption_interval: int = 50, normalize_returns: bool = False,
                 enable_popart: bool = False, observation_range: Tuple[float, float] = (-5.0, 5.0),
                 critic_l2_reg: float = 0.0, return_range: Tuple[float, float] = (-np.inf, np.inf),
                 actor_lr: Union[float, Callable] = 1e-4, critic_lr: Union[float, Callable] = 1e-3,
                 clip_norm: Optional[float] = None, reward_scale: float = 1.0, render: bool = False,
                 render_eval: bool = False, memory_limit: Optional[int] = None, buffer_size: int = 50000,
                 random_exploration: float = 0.0, verbose: int = 0, tensorboard_log: Optional[str] = None,
                 _init_setup_model: bool = True, policy_kwargs: Optional[Dict[str, Any]] = None,
                 full_tensorboard_log: bool = False, seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = 1):
        _warn_of_deprecated(memory_policy, memory_limit)
        self.gamma = gamma
        self.memory_policy = memory_policy
        self.eval_env = eval_env
        self.nb_train_steps = nb_train_steps
        self.nb_rollout_steps = nb_rollout_steps
        self.nb_eval_steps = nb_eval_steps
        self.param_noise = param_noise
        self.action_noise = action_noise
        self.normalize_observations = normalize_observations
        self.tau = tau
        self.batch_size = batch_size
        self.param_noise_adaption_interval = param_noise_adaption_interval
        self.normalize_returns = normalize_returns
        self.enable_popart = enable_popart
        self.observation_range = observation_range
        self.critic_l2_reg = critic_l2_reg
        self.return_range = return_range
        self.actor_lr, self.critic_lr = actor_lr, critic_lr
        self.clip_norm = clip_norm
        self.reward_scale = reward_scale
        self.render, self.render_eval = render, render_eval
        self.memory_limit, self.buffer_size = memory_limit, buffer_size
        self.random_exploration = random_exploration
        super().__init__(policy, env, None, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    @property
    def learning_rate(self) -> Callable[[float], LearningRates]:  # type: ignore[override]
        """Both step sizes, as a function of the progress remaining."""
        actor_lr, critic_lr = get_schedule_fn(self.actor_lr), get_schedule_fn(self.critic_lr)
        return lambda progress: LearningRates(actor_lr(progress), critic_lr(progress))

    def setup_model(self) -> None:
        check_counts(nb_train_steps=self.nb_train_steps, nb_rollout_steps=self.nb_rollout_steps,
                     nb_eval_steps=self.nb_eval_steps, param_noise_adaption_interval=self.param_noise_adaption_interval,
                     **({} if self.memory_limit is None else dict(memory_limit=as_count(self.memory_limit))))
        check_numbers(0, critic_l2_reg=self.critic_l2_reg, clip_norm=np.inf if self.clip_norm is None else
                      self.clip_norm)
        check_numbers(-np.inf, reward_scale=self.reward_scale)
        if not (self.param_noise is None or isinstance(self.param_noise, AdaptiveParamNoiseSpec)):
            raise ValueError(f"param_noise={self.param_noise!r}: accepted is an AdaptiveParamNoiseSpec or None")
        for name in ('observation_range', 'return_range'):
            if not (np.shape(getattr(self, name)) == (2,) and np.less(*getattr(self, name))):
                raise ValueError(f"{name}={getattr(self, name)!r}: accepted is a pair of numbers (low, high)")
        check_schedules(actor_lr=self.actor_lr, critic_lr=self.critic_lr)
        if self.enable_popart and not self.normalize_returns:
            raise ValueError("enable_popart=True, normalize_returns=False: accepted is Pop-Art with normalize_returns")
        super().setup_model()

    def _take_over(self, data: Dict[str, Any]) -> Set[str]:
        # the JSON of a file has no tuples
        ranges = {name: tuple(data[name]) for name in ('observation_range', 'return_range')
                  if isinstance(data.get(name), list)}
        return super()._take_over(dict(data, **ranges))

    def _make_replay_buffer(self) -> ReplayBuffer:
        size = as_count(self.buffer_size if self.memory_limit is None else self.memory_limit)
        if self.memory_policy is None:
            return ReplayBuffer(size, self.np_random)
        replay_buffer = self.memory_policy(size)
        replay_buffer.np_random = self.np_random
        return replay_buffer

    # ---------------------------------------------------------------- graph

    def _build_graph(self) -> None:
        self._comm = mpi_util.world()
        with tf.variable_scope("input", reuse=False):
            self.policy_tf, self.target_policy = self._make_policy(), self._make_policy()
            self.batch_ph = self._build_batch()
            obs = self._build_obs_statistics()
            next_obs = self._prepared(self.target_policy.processed_obs)

        with tf.variable_scope("model", reuse=False):
            self.actor_tf = self.policy_tf.make_actor(obs)
            values_of_actor = self.policy_tf.make_critic(obs, self.actor_tf)
            self.normalized_critic_tf = self.policy_tf.make_critic(obs, reuse=True)
            self.critic_with_actor_tf = self._denormalised(values_of_actor)
            self.critic_tf = self._denormalised(self.normalized_critic_tf)
        with tf.variable_scope("target", reuse=False):
            next_values = self.target_policy.make_critic(next_obs, self.target_policy.make_actor(next_obs))
        self._build_exploration(obs)
        self._list_params()

        with tf.variable_scope("loss", reuse=False):
            self.target_q = q_target(self.reward_scale * self.batch_ph.rewards, self.batch_ph.dones,
                                     denormalize(next_values, self.ret_rms), self.gamma)
            self.losses = self._build_losses()
        self._build_training()
        self._build_reference()
        self._build_summaries(
            losses=self.losses._asdict(),
            inputs=dict(rewards=self.batch_ph.rewards, critic_target=self.target_q, actor_lr=self.batch_ph.actor_lr,
                        critic_lr=self.batch_ph.critic_lr), obs_ph=self.batch_ph.obs)
        variables = tf.global_variables()
        self._variables = tf_util.SharedVariables(variables, self.sess, self._comm)
        # each process draws the noise of its actors
        self._variables_in_step = tf_util.SharedVariables(
            [variable for variable in variables if not variable.name.startswith("noise")], self.sess, self._comm)

    def _make_policy(self) -> Any:
        return self.policy(self.sess, self.observation_space, self.action_space, 1, 1, None, **self.policy_kwargs)

    def _build_batch(self) -> Batch:
        """Build the placeholders of a batch."""
        columns = {name: tf.placeholder(tf.float32, (None, 1), name=name) for name in ('rewards', 'dones')}
        rates = {name: tf.placeholder(tf.float32, (), name=name) for name in ('actor_lr', 'critic_lr')}
        return Batch(obs=self.policy_tf.obs_ph, actions=self.policy_tf.action_ph, next_obs=self.target_policy.obs_ph,
                     **columns, **rates)

    def _build_obs_statistics(self) -> tf.Tensor:
        """Build the statistics of observations and returns; return what the networks see of the observations."""
        obs = self.policy_tf.processed_obs
        if self.normalize_observations:
            with tf.variable_scope('obs_rms'):
                self.obs_rms = RunningMeanStd(shape=tuple(obs.shape.as_list()[1:]), sess=self.sess, comm=self._comm)
            self._update_obs_rms = tf_util.function([self.policy_tf.obs_ph], [], session=self.sess,
                                                    updates=[self.obs_rms.build_update(obs)])
        if self.normalize_returns:
            with tf.variable_scope('ret_rms'):
                self.ret_rms = RunningMeanStd(sess=self.sess, comm=self._comm)
        return self._prepared(obs)

    def _prepared(self, obs: tf.Tensor) -> tf.Tensor:
        """Normalise (if asked for) and clip observations."""
        return tf.clip_by_value(normalize(obs, self.obs_rms), *self.observation_range)

    def _denormalised(self, values: tf.Tensor) -> tf.Tensor:
        """Clip a critic's values and return them on the scale of the returns."""
        return denormalize(tf.clip_by_value(values, *self.return_range), self.ret_rms)

    def _build_exploration(self, obs: tf.Tensor) -> None:
        """Build the functions that choose actions: the policy, and, if there is noise on parameters, its noisy copy."""
        obs_ph = self.batch_ph.obs
        self._choose = self._explore = tf_util.function([obs_ph], [self.actor_tf, self.critic_with_actor_tf],
                                                        session=self.sess)
        if self.param_noise is None:
            return
        self.param_noise_stddev = tf.placeholder(tf.float32, (), name="param_noise_stddev")
        noisy_policy, actors, perturbations = self._make_policy(), [], []
        for scope in ("noise", "noise_adapt"):
            with tf.variable_scope(scope, reuse=False):
                actors.append(noisy_policy.make_actor(obs))
            perturbations.append(tf_util.function([self.param_noise_stddev], [], session=self.sess, updates=[
                get_perturbed_actor_updates("model/pi/", scope + "/pi/", self.param_noise_stddev, self.verbose)]))
        (self.perturbed_actor_tf, adaptive_actor), (self._perturb, self._perturb_adaptive) = actors, perturbations
        self._explore = tf_util.function([obs_ph], [self.perturbed_actor_tf, self.critic_with_actor_tf],
                                         session=self.sess)
        self._distance = tf_util.function([obs_ph], tf.sqrt(tf.reduce_mean(tf.square(
            self.actor_tf - adaptive_actor))), session=self.sess)

    def _list_params(self) -> None:
        """List the variables, in the order of the file format."""
        self.params, self.target_params = [
            [param for scope in scopes for param in tf_util.get_trainable_vars(scope)]
            for scopes in (("model/", "noise/", "noise_adapt/"), ("target/",))]
        self.obs_rms_params, self.ret_rms_params = [
            tf_util.get_globals_vars(f"input/{name}/") for name in ("obs_rms", "ret_rms")]

    def get_parameter_list(self) -> List[tf.Variable]:
        return self.params + self.target_params + self.obs_rms_params + self.ret_rms_params

    def _build_losses(self) -> Losses:
        """Build the losses of a batch."""
        targets = tf.clip_by_value(normalize(self.target_q, self.ret_rms), *self.return_range)
        loss = value_function_loss(self.normalized_critic_tf, targets)
        if self.critic_l2_reg > 0.:
            loss += l2_penalty(tf_util.get_trainable_vars("model/qf/"), self.critic_l2_reg)
        return Losses(actor_loss=actor_value_loss(self.critic_with_actor_tf), critic_loss=loss)

    def _build_training(self) -> None:
        """Build the gradient step: all gradients, the actor's step, the critic's step, the targets."""
        params = [tf_util.get_trainable_vars(scope) for scope in ("model/pi/", "model/qf/")]
        grads = [self._build_gradients(loss, variables) for loss, variables in zip(self.losses, params)]
        self.actor_optimizer, self.critic_optimizer = [MpiAdam(variables, comm=self._comm, sess=self.sess)
                                                       for variables in params]
        with tf.control_dependencies(grads[0] + grads[1]):
            actor_op = self.actor_optimizer.build_step(grads[0], self.batch_ph.actor_lr)
        with tf.control_dependencies([actor_op]):  # the processes of an MPI job exchange their gradients in this order
            critic_op = self.critic_optimizer.build_step(grads[1], self.batch_ph.critic_lr)
        online = params[0] + params[1]
        with tf.control_dependencies([critic_op]):
            target_op = tf_util.soft_update(online, self.target_params, self.tau)
        self._target_init_op = tf_util.soft_update(online, self.target_params, tau=1)
        self._train_function = tf_util.batch_function(self.batch_ph, self.losses, updates=[target_op],
                                                      session=self.sess)
        if self.enable_popart:
            self._popart_function = tf_util.batch_function(self.batch_ph, [], updates=[self._build_popart()],
                                                           session=self.sess)

    def _build_gradients(self, loss: tf.Tensor, params: Sequence[tf.Variable]) -> List[tf.Tensor]:
        """Build the gradients by variables, each clipped on its own."""
        grads = tf.gradients(loss, params, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return grads if self.clip_norm is None else [tf.clip_by_norm(grad, self.clip_norm) for grad in grads]

    def _build_popart(self) -> tf.Operation:
        """Build the update of the statistics of the returns with the targets of a batch, and of the last layers."""
        layers = [[param for param in tf_util.get_trainable_vars(scope + "/qf/") if 'qf_output' in param.name]
                  for scope in ("model", "target")]
        if any(len(layer) != 2 for layer in layers):
            raise ValueError(f"enable_popart=True: accepted is a policy whose critic ends with a layer 'qf_output', "
                             f"which {self.policy.__name__} lacks")
        assert self.ret_rms is not None
        old = self.ret_rms.moments()
        with tf.control_dependencies(old):
            update_op = self.ret_rms.build_update(tf.reshape(self.target_q, [-1]))
        with tf.control_dependencies([update_op]):
            new = self.ret_rms.moments()
            rescaled = [popart_layer(kernel, bias, old, new) for kernel, bias in layers]
        return tf.group(*[tf.assign(param, value) for layer, values in zip(layers, rescaled)
                          for param, value in zip(layer, values)])

    def _build_reference(self) -> None:
        """Build what is reported of the first batch: it shows how the networks change."""
        tensors = dict(reference_Q=self.critic_tf, reference_actor_Q=self.critic_with_actor_tf,
                       reference_action=self.actor_tf)
        if self.param_noise is not None:
            tensors['reference_perturbed_action'] = self.perturbed_actor_tf
        reported = {f"{name}_{word}": reduce(tensor) for name, tensor in tensors.items()
                    for word, reduce in (('mean', tf.reduce_mean), ('std', reduce_std))}
        for name, stats in (('ret_rms', self.ret_rms), ('obs_rms', self.obs_rms)):
            if stats is not None:
                reported.update({name + '_mean': tf.reduce_mean(stats.mean), name + '_std': tf.reduce_mean(stats.std)})
        self._reference_function = tf_util.function([self.batch_ph.obs, self.batch_ph.actions], reported,
                                                    session=self.sess)

    # ---------------------------------------------------------------- acting

    def _act(self, obs: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        self._q_values = None
        chosen = super()._act(obs)
        if self.obs_rms is not None:
            self._update_obs_rms(obs)
        return chosen

    def _actions_to_explore(self, obs: np.ndarray) -> np.ndarray:
        actions, self._q_values = self._explore(obs)
        return actions

    def _policy_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        actions, _ = (self._choose if deterministic else self._explore)(obs)
        return actions

    def _start_episodes(self, indices: Iterable[int]) -> None:
        super()._start_episodes(indices)
        if self.param_noise is not None:
            self._perturb(self.param_noise.current_stddev)

    def _adapt_param_noise(self) -> float:
        """Adapt the noise on the parameters to the distance of actions that it makes; return this distance."""
        if self.param_noise is None:
            return 0.
        self._perturb_adaptive(self.param_noise.current_stddev)
        distance = float(mpi_mean([self._distance(self._sample()[0])], comm=self._comm)[0])
        self.param_noise.adapt(distance)
        return distance

    # ---------------------------------------------------------------- training

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "DDPG", reset_num_timesteps: bool = True,
              replay_wrapper: Optional[Callable] = None) -> Model:
        """
        Train the model; the environments are reset first. Parameters as for ``BaseRLModel.learn`` and

        :param log_interval: number of rollouts between two reports; None reports nothing
        :param replay_wrapper: wraps the memory, see ``HER``; None leaves it as it is
        """
        return self._learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper)

    def _start(self, training: Training, replay_wrapper: Optional[Callable], obs: np.ndarray) -> None:
        self._sync()
        # an exchange at every step, which is spared where no process has a callback
        self._agrees_on_end = self._comm.Get_size() > 1 and any(self._comm.allgather(training.callback.listens))
        self._epochs = Epochs(self.n_envs, keeps_lists=training.callback.listens)
        self._n_rollouts = 0
        self._reference: Optional[Batch] = None  # the first batch
        self._eval_obs: Optional[np.ndarray] = None
        if self.eval_env is not None:
            _, self._eval_vec_env = self._wrap_env(self.eval_env)
            if self.seed is not None:
                self._eval_vec_env.seed(self.seed)
            self._eval_obs = self._eval_vec_env.reset()
            self._eval_episodes = Episodes(self._eval_vec_env.num_envs)
        super()._start(training, replay_wrapper, obs)

    def _sync(self) -> None:
        """Let all processes of an MPI job begin with the variables and the scale of the noise of the first one."""
        self._variables.share()
        if self.param_noise is not None:
            self.param_noise.current_stddev = self._comm.allgather(self.param_noise.current_stddev)[0]

    def _can_train(self) -> bool:
        """Let all processes of an MPI job begin at once: memories of HER fill at the ends of episodes."""
        return all(self._comm.allgather(super()._can_train()))

    def _ends(self, stopped: bool) -> bool:
        """Let a callback that stops one process of an MPI job stop all: the others would wait for it."""
        return any(self._comm.allgather(stopped)) if self._agrees_on_end else stopped

    def _offered_at_start(self, training: Training) -> Dict[str, Any]:
        return dict(self._epochs.offered(), episode_reward=0., step=0, total_steps=self.num_timesteps,
                    eval_obs=self._eval_obs, rank=self._comm.Get_rank())

    def _offered_at_step(self) -> Dict[str, Any]:
        # callbacks see two axes, of a single environment too
        q_values = self._q_values if self.n_envs > 1 else [self._q_values]
        return dict(q_value=q_values, total_steps=self.num_timesteps)

    def _remember(self, obs: np.ndarray, actions: np.ndarray, *transition: Any) -> None:
        super()._remember(obs, actions, *transition)
        self._epochs.note(epoch_actions=actions)
        if self._q_values is not None:
            self._epochs.note(epoch_qs=[self._q_values])

    def _train(self, training: Training, progress_remaining: float) -> None:
        super()._train(training, progress_remaining)
        actor_losses, critic_losses = zip(*self._losses)
        self._epochs.note(epoch_actor_losses=actor_losses, epoch_critic_losses=critic_losses)
        if training.callback.listens:
            training.callback.offer(t_train=len(self._losses) - 1, **self._losses[-1]._asdict(),
                                    distance=self._epochs.lists['epoch_adaptive_distances'][-1])

    def _train_once(self, learning_rate: Any, training: Training,
                    writer: Optional[tf.summary.FileWriter]) -> Losses:
        if len(self._losses) % self.param_noise_adaption_interval == 0:
            self._epochs.note(epoch_adaptive_distances=[self._adapt_param_noise()])
        obs, actions, rewards, next_obs, dones = self._sample()
        batch = Batch(obs=obs, actions=actions, rewards=rewards[:, None], next_obs=next_obs, dones=dones[:, None],
                      actor_lr=learning_rate.actor, critic_lr=learning_rate.critic)
        if self._reference is None:
            self._reference = batch
        if self.enable_popart:
            self._popart_function(batch)
        if writer is not None:
            reports.write_summary(self, writer, self._train_function, batch)
        return self._train_function(batch)

    def _sample(self) -> Tuple:
        """Draw a batch."""
        return self.replay_buffer.sample(self.batch_size, env=self._normalizer)[:5]

    def _end_step(self, training: Training, rewards: np.ndarray, dones: np.ndarray,
                  infos: List[Dict[str, Any]]) -> None:
        n_before = len(self.episodes)
        super()._end_step(training, rewards, dones, infos)
        self._epochs.end_step(dones, self.episodes.rewards[n_before:-1])
        if self.render and self._comm.Get_rank() == 0:
            self.vec_env.render()
        for _ in range(self._n_passed(self.nb_rollout_steps)):
            self._evaluate()
            self._n_rollouts += 1
            if self._n_rollouts % (training.log_interval or 1) == 0:  # ends what callbacks see without reports too
                self._end_epoch(training)
        if training.callback.listens:
            training.callback.offer(episode_reward=self.episodes.rewards[-1], **self._epochs.offered())

    def _evaluate(self) -> None:
        """Act without noise in the evaluation environment, which goes on from one evaluation to the next."""
        if self._eval_vec_env is None:
            return
        n_before = len(self._eval_episodes)
        for _ in range(self.nb_eval_steps):
            actions, q_values = self._choose(self._eval_obs)
            self._eval_obs, rewards, dones, infos = self._eval_vec_env.step(unscale_action(self.action_space, actions))
            if self.render_eval:
                self._eval_vec_env.render()
            self._epochs.note(eval_qs=[q_values])
            self._eval_episodes.add(rewards, np.flatnonzero(dones), list(infos))
        self._epochs.end_eval_episodes(self._eval_episodes.rewards[n_before:-1])

    def _log(self, training: Training) -> None:
        """Episodes are reported with their epoch."""

    def _end_epoch(self, training: Training) -> None:
        """End an epoch and report it, with the means over the processes of an MPI job."""
        report: Dict[str, Any] = self._epochs.end()
        if self._reference is not None:
            values = self._reference_function(self._reference.obs, self._reference.actions)
            report.update((name, float(value)) for name, value in values.items())
        if self.param_noise is not None:
            report.update(self.param_noise.get_stats())
        if self._comm.Get_size() > 1:
            self._variables_in_step.check()
            of_all = self._comm.allgather(report)
            report = {key: np.mean([part[key] for part in of_all if key in part]) for key in report}
        if not training.reports(self._n_rollouts, first=False):
            return
        seconds = training.seconds()
        report.update({'total/duration': seconds, 'total/steps': self.num_timesteps,
                       'total/steps_per_second': self.num_timesteps / seconds})
        for key in sorted(report):
            logger.logkv(key, report[key])
        self._log_success()
        logger.dumpkvs()


old_names.offer(__name__)
