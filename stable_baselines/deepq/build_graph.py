"""
The graph of DQN: how it acts and how it learns.

Acting, ``build_act``: with probability ``eps`` an action is drawn uniformly, otherwise it is the one of the highest Q
value. ``update_eps``, if it is not negative, becomes the new ``eps``, which is a variable and part of the saved model.

Acting with parameter noise, ``build_act_with_param_noise`` (https://arxiv.org/abs/1706.01905): the highest Q value of a
network whose weights are perturbed, anew at each ``reset``. The scale of the noise follows from a second perturbed
network, by how much it changes the policy that is the softmax of the Q values.

Learning, ``build_train``: see the losses below.
"""
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.losses import q_target

# the adaptive scale of parameter noise: where it starts, and its factor of change
INITIAL_NOISE_SCALE = .01
INITIAL_NOISE_THRESHOLD = .05
NOISE_ADAPTATION = 1.01


class Batch(NamedTuple):
    """What one gradient step is fed: placeholders or arrays, one row a transition."""

    obs: Any
    actions: Any
    rewards: Any
    next_obs: Any
    dones: Any  # 1 where the step ended its episode, else 0
    weights: Any  # importance weights of prioritised replay, else 1
    learning_rate: Any  # None where the optimiser has its own


class Losses(NamedTuple):
    """What one gradient step returns."""

    td_errors: tf.Tensor  # (n_batch,)
    loss: tf.Tensor


class DQNGraph(NamedTuple):
    """The parts of the graph."""

    act: Callable
    train: Callable  # from a Batch to Losses
    update_target: Callable
    step_model: Any  # a DQNPolicy
    batch_ph: Batch
    losses: Losses


def chosen_values(q_values: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Return the Q values of given actions, shape (n_batch,)."""
    return tf.reduce_sum(q_values * tf.one_hot(actions, int(q_values.shape[-1])), axis=1)


def weighted_huber_loss(td_errors: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Average the Huber losses of the errors, weighted by importance (https://arxiv.org/abs/1511.05952)."""
    return tf.reduce_mean(weights * tf_util.huber_loss(td_errors))


def loss_gradient(td_errors: tf.Tensor, weights: tf.Tensor, actions: tf.Tensor, n_actions: int) -> tf.Tensor:
    """
    Return the gradient of ``weighted_huber_loss`` by the Q values, shape (n_batch, n_actions): the clipped errors.

    ``tf.gradients`` of the loss gives the same with some thirty operations more, most of them about shapes.
    """
    clipped = weights * tf.clip_by_value(td_errors, -1., 1.) / tf.cast(tf.size(td_errors), tf.float32)
    return tf.one_hot(actions, n_actions) * clipped[:, None]


def noise_threshold(eps: float, n_actions: int) -> float:
    r"""
    Return the effect of parameter noise that equals epsilon-greedy exploration, as a Kullback-Leibler divergence.

    Appendix C.1 of https://arxiv.org/abs/1706.01905

    .. math:: -\log(1 - \epsilon + \epsilon / |A|)
    """
    return -np.log(1. - eps + eps / float(n_actions))


# ---------------------------------------------------------------- scopes

def scope_vars(scope: Any, trainable_only: bool = False) -> List[tf.Variable]:
    """
    Return the variables of a scope.

    :param scope: name or variable scope
    :param trainable_only: whether to leave out those that are not trained
    """
    name = scope if isinstance(scope, str) else scope.name
    return tf_util.get_trainable_vars(name) if trainable_only else tf_util.get_globals_vars(name)


def scope_name() -> str:
    """Return the name of the current variable scope."""
    return tf.get_variable_scope().name


def absolute_scope_name(relative_scope_name: str) -> str:
    """Put the name of the current variable scope before a name."""
    return f"{scope_name()}/{relative_scope_name}"


def default_param_noise_filter(var: tf.Variable) -> bool:
    """Tell whether parameter noise perturbs a variable: those of fully connected layers, not of normalisation."""
    return var in tf.trainable_variables() and "fully_connected" in var.name


# ---------------------------------------------------------------- acting

def build_act(q_func: Callable, ob_space: spaces.Space, ac_space: spaces.Space, stochastic_ph: tf.Tensor,
              update_eps_ph: tf.Tensor, sess: tf.Session) -> Tuple[Callable, Tuple[tf.Tensor, tf.Tensor]]:
    """
    Build epsilon-greedy acting.

    :param q_func: makes a ``DQNPolicy``
    :param stochastic_ph: placeholder, bool: whether to explore
    :param update_eps_ph: placeholder: the new probability of exploring; negative leaves it as it is
    :return: ``act(obs, stochastic=True, update_eps=-1)``, which returns actions (n_batch,); placeholder and
        preprocessed observations
    """
    eps = tf.get_variable("eps", (), initializer=tf.constant_initializer(0))
    policy = q_func(sess, ob_space, ac_space, 1, 1, None)
    actions, new_eps = _epsilon_greedy(policy.q_values, eps, stochastic_ph, update_eps_ph)
    call = tf_util.function([policy.obs_ph, stochastic_ph, update_eps_ph], actions, session=sess, updates=[new_eps])

    def act(obs: np.ndarray, stochastic: bool = True, update_eps: float = -1) -> np.ndarray:
        return call(obs, stochastic, update_eps)
    return act, (policy.obs_ph, policy.processed_obs)


def _epsilon_greedy(q_values: tf.Tensor, eps: tf.Variable, stochastic_ph: tf.Tensor,
                    update_eps_ph: tf.Tensor) -> Tuple[tf.Tensor, tf.Operation]:
    """Build the choice of actions, with the new probability of exploring, and the update of that variable."""
    greedy = tf.argmax(q_values, axis=1)
    new_eps = tf.where(update_eps_ph >= 0, update_eps_ph, eps)
    shape = tf.shape(greedy)
    random = tf.random_uniform(shape, maxval=int(q_values.shape[1]), dtype=tf.int64, seed=tf_util.next_op_seed())
    explores = tf.random_uniform(shape, seed=tf_util.next_op_seed()) < new_eps
    actions = tf.where(tf.logical_and(stochastic_ph, explores), random, greedy)
    return actions, tf.group(tf.assign(eps, new_eps))


def build_act_with_param_noise(q_func: Callable, ob_space: spaces.Space, ac_space: spaces.Space,
                               stochastic_ph: tf.Tensor, update_eps_ph: tf.Tensor, sess: tf.Session,
                               param_noise_filter_func: Optional[Callable] = None
                               ) -> Tuple[Callable, Tuple[tf.Tensor, tf.Tensor]]:
    """
    Build acting with parameter noise; parameters as for ``build_act`` and

    :param param_noise_filter_func: tells whether to perturb a variable; None means ``default_param_noise_filter``
    :return: ``act(obs, reset=False, update_param_noise_threshold=-1, update_param_noise_scale=False, stochastic=True,
        update_eps=-1)``, which returns actions (n_batch,); placeholder and preprocessed observations
    """
    is_perturbed = param_noise_filter_func or default_param_noise_filter
    eps = tf.get_variable("eps", (), initializer=tf.constant_initializer(0))
    scale, threshold = [tf.get_variable("param_noise_" + name, (), initializer=tf.constant_initializer(initial),
                                        trainable=False)
                        for name, initial in (("scale", INITIAL_NOISE_SCALE), ("threshold", INITIAL_NOISE_THRESHOLD))]
    threshold_ph = tf.placeholder(tf.float32, (), name="update_param_noise_threshold")
    policy = q_func(sess, ob_space, ac_space, 1, 1, None)
    obs_phs = policy.obs_ph, policy.processed_obs

    def network(name: str, reuse: bool) -> tf.Tensor:
        with tf.variable_scope(name, reuse=reuse):
            return q_func(sess, ob_space, ac_space, 1, 1, None, reuse=reuse, obs_phs=obs_phs).q_values

    q_perturbed = network("perturbed_model", reuse=False)
    network("adaptive_model", reuse=False)  # makes its variables
    new_threshold = tf.where(threshold_ph >= 0, threshold_ph, threshold)
    with tf.control_dependencies([_perturb("adaptive_model", scale, is_perturbed)]):
        too_strong = softmax_divergence(policy.q_values, network("adaptive_model", reuse=True)) >= new_threshold
    new_scale = tf.where(too_strong, scale / NOISE_ADAPTATION, scale * NOISE_ADAPTATION)
    adapt = tf.group(tf.assign(scale, new_scale), tf.assign(threshold, new_threshold))

    actions, update_eps_op = _epsilon_greedy(q_perturbed, eps, stochastic_ph, update_eps_ph)
    inputs = [policy.obs_ph, stochastic_ph, update_eps_ph]
    call = tf_util.function(inputs, actions, session=sess, updates=[update_eps_op])
    call_and_adapt = tf_util.function([*inputs, threshold_ph], actions, session=sess, updates=[update_eps_op, adapt])
    perturb_call = tf_util.function([], [], session=sess, updates=[_perturb("perturbed_model", scale, is_perturbed)])

    def act(obs: np.ndarray, reset: bool = False, update_param_noise_threshold: float = -1,
            update_param_noise_scale: bool = False, stochastic: bool = True, update_eps: float = -1) -> np.ndarray:
        if reset:
            perturb_call()
        if update_param_noise_scale:
            return call_and_adapt(obs, stochastic, update_eps, update_param_noise_threshold)
        return call(obs, stochastic, update_eps)
    return act, obs_phs


def _perturb(name: str, scale: tf.Variable, is_perturbed: Callable) -> tf.Operation:
    """Copy the weights into the network ``name``, with noise of that scale on those that are to be perturbed."""
    pairs = zip(scope_vars(absolute_scope_name("model")), scope_vars(absolute_scope_name(name + "/model")))
    return tf.group(*[tf.assign(noisy, param + tf.random_normal(
        tf.shape(param), stddev=scale, seed=tf_util.next_op_seed()) if is_perturbed(param) else param)
        for param, noisy in pairs])


def softmax_divergence(q_values: tf.Tensor, q_noisy: tf.Tensor) -> tf.Tensor:
    """Average the Kullback-Leibler divergences of policies that are the softmax of Q values (n_batch, n_actions)."""
    log_ratio = tf.nn.log_softmax(q_values) - tf.nn.log_softmax(q_noisy)
    return tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(q_values) * log_ratio, axis=-1))


# ---------------------------------------------------------------- learning

def build_train(q_func: Callable, ob_space: spaces.Space, ac_space: spaces.Space, optimizer: tf.train.Optimizer,
                sess: tf.Session, grad_norm_clipping: Optional[float] = None, gamma: float = 1.0,
                double_q: bool = True, scope: str = "deepq", reuse: Optional[bool] = None, param_noise: bool = False,
                param_noise_filter_func: Optional[Callable] = None, full_tensorboard_log: bool = False
                ) -> Tuple[Callable, Callable, Callable, Any]:
    """
    Build acting and learning.

    :param q_func: makes a ``DQNPolicy``
    :param optimizer: the optimiser
    :param grad_norm_clipping: the gradient of each variable is clipped to this norm; None does not clip
    :param gamma: discount factor
    :param double_q: whether the network that learns chooses the next action, https://arxiv.org/abs/1509.06461
    :param scope: the variable scope of everything
    :param reuse: whether to share the variables of a graph that exists already
    :param param_noise: whether to act with parameter noise, see ``build_act_with_param_noise``
    :param full_tensorboard_log: no longer used: a model builds its summaries itself
    :return: ``act``, see ``build_act``; ``train(obs, actions, rewards, next_obs, dones, weights)``, which returns the
        TD errors (n_batch,); ``update_target()``; the network as a ``DQNPolicy``
    """
    graph = build_q_learning(q_func, ob_space, ac_space, optimizer, sess, grad_norm_clipping, gamma, double_q, scope,
                             reuse, param_noise, param_noise_filter_func)

    def train(obs: Any, actions: Any, rewards: Any, next_obs: Any, dones: Any, weights: Any) -> np.ndarray:
        return graph.train(Batch(obs, actions, rewards, next_obs, dones, weights, learning_rate=None)).td_errors
    return graph.act, train, graph.update_target, graph.step_model


def build_q_learning(q_func: Callable, ob_space: spaces.Space, ac_space: spaces.Space, optimizer: tf.train.Optimizer,
                     sess: tf.Session, grad_norm_clipping: Optional[float] = None, gamma: float = 1.0,
                     double_q: bool = True, scope: str = "deepq", reuse: Optional[bool] = None,
                     param_noise: bool = False, param_noise_filter_func: Optional[Callable] = None,
                     learning_rate_ph: Optional[tf.Tensor] = None) -> DQNGraph:
    """
    Build the graph; parameters as for ``build_train`` and

    :param learning_rate_ph: placeholder that the optimiser uses and that every batch feeds; None if there is none
    """
    with tf.variable_scope(scope, reuse=reuse):
        stochastic_ph = tf.placeholder(tf.bool, (), name="stochastic")
        update_eps_ph = tf.placeholder(tf.float32, (), name="update_eps")
        act_arguments = (q_func, ob_space, ac_space, stochastic_ph, update_eps_ph, sess)
        act, obs_phs = build_act_with_param_noise(*act_arguments, param_noise_filter_func) if param_noise \
            else build_act(*act_arguments)

        def network(reuse: bool, **kwargs) -> Any:
            return q_func(sess, ob_space, ac_space, 1, 1, None, reuse=reuse, **kwargs)

        step_model = network(reuse=True, obs_phs=obs_phs)
        with tf.variable_scope("target_q_func", reuse=False):
            target = network(reuse=False)
        online = network(reuse=True, obs_phs=(target.obs_ph, target.processed_obs)) if double_q else None
        params, target_params = [scope_vars(absolute_scope_name(name), trainable_only=True)
                                 for name in ("model", "target_q_func/model")]
        batch_ph = _build_batch(step_model, target, learning_rate_ph)
        errors = chosen_values(step_model.q_values, batch_ph.actions) - q_target(
            batch_ph.rewards, batch_ph.dones, _next_values(target, online), gamma)
        losses = Losses(td_errors=errors, loss=weighted_huber_loss(errors, batch_ph.weights))
        q_grad = loss_gradient(errors, batch_ph.weights, batch_ph.actions, step_model.n_actions)
        grads = tf.gradients(step_model.q_values, params, grad_ys=q_grad)
        grads = tf_util.clip_each_gradient(grads, grad_norm_clipping)
    # outside of the scope: the names of the optimiser's variables are those of the reference
    train_op = tf_util.apply_gradients(optimizer, grads, params)
    copy_op = tf_util.soft_update(params, target_params, tau=1)
    return DQNGraph(
        act=act, train=tf_util.batch_function(batch_ph, losses, updates=[train_op], session=sess),
        update_target=tf_util.function([], [], updates=[copy_op], session=sess),
        step_model=step_model, batch_ph=batch_ph, losses=losses)


def _build_batch(step_model: Any, target: Any, learning_rate_ph: Optional[tf.Tensor]) -> Batch:
    """Build the placeholders of a batch."""
    rows = {field: tf.placeholder(dtype, [None], name=name) for field, dtype, name in (
        ("actions", tf.int32, "action"), ("rewards", tf.float32, "reward"), ("dones", tf.float32, "done"),
        ("weights", tf.float32, "weight"))}
    return Batch(obs=step_model.obs_ph, next_obs=target.obs_ph, learning_rate=learning_rate_ph, **rows)


def _next_values(target: Any, online: Any) -> tf.Tensor:
    """Return the target network's values of the actions that it, or the network that learns, finds best."""
    if online is None:
        return tf.reduce_max(target.q_values, axis=1)
    return chosen_values(target.q_values, tf.argmax(online.q_values, axis=1))
