"""What the actor-critic algorithms share: networks, runner, reports, prediction."""
from abc import abstractmethod
from collections import deque
from typing import Any, Dict, List, Optional, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.base_model import BaseRLModel, Callback, event_shape
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.distributions import action_log_likelihood
from stable_baselines.common.math_util import safe_mean
from stable_baselines.common.policies import ActorCriticPolicy, BasePolicy, LstmPolicy
from stable_baselines.common.runners import AbstractEnvRunner, clip_actions


class ActorCriticRLModel(BaseRLModel):
    """
    The base of the actor-critic models; parameters as for ``BaseRLModel`` and

    :param _init_setup_model: whether to build the network at once

    A subclass's ``_build_graph`` sets ``step``, ``proba_step``, ``value``, ``initial_state`` and ``params``.
    """

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, _init_setup_model: bool, verbose: int = 0,
                 policy_base: Type[BasePolicy] = ActorCriticPolicy, requires_vec_env: bool = False,
                 policy_kwargs: Optional[Dict[str, Any]] = None, seed: Optional[int] = None,
                 n_cpu_tf_sess: Optional[int] = None):
        super().__init__(policy, env, verbose=verbose, requires_vec_env=requires_vec_env,
                                                 policy_base=policy_base, policy_kwargs=policy_kwargs, seed=seed,
                                                 n_cpu_tf_sess=n_cpu_tf_sess)
        self.initial_state = None
        self.step = None
        self.proba_step = None
        self.value = None
        self.params = None
        self._runner: Optional[AbstractEnvRunner] = None
        self.episode_reward: Optional[np.ndarray] = None
        self.ep_info_buf: Optional[deque] = None

    @abstractmethod
    def _make_runner(self) -> AbstractEnvRunner:
        """Create the runner of this algorithm for the current environment."""
        raise NotImplementedError

    @property
    def n_batch(self) -> int:
        """int: number of samples per update."""
        return self.n_envs * self.n_steps

    @property
    def runner(self) -> AbstractEnvRunner:
        """AbstractEnvRunner: steps the environment; created at its first use, which resets the environment."""
        if self._runner is None:
            self._runner = self._make_runner()
        return self._runner

    def set_env(self, env: Any) -> None:
        built_for = self.n_envs
        super().set_env(env)
        if self.graph is not None and self.n_envs != built_for and self._is_custom_recurrent():
            self._rebuild()
        self._runner = None
        self.episode_reward = None

    def _is_custom_recurrent(self) -> bool:
        """Tell whether the policy is a recurrent network of the user's."""
        return self.policy.recurrent and not issubclass(self.policy, LstmPolicy)

    def _rebuild(self) -> None:
        """Build the model anew, for another number of environments, and keep its variables, the optimiser's too."""
        before = self.sess
        self.setup_model()
        tf_util.transfer_variables(before, self.sess)

    def get_parameter_list(self) -> List[tf.Variable]:
        return self.params

    def _init_learn(self, callback: Callback, log_interval: int,
                    reset_num_timesteps: bool) -> Tuple[BaseCallback, bool]:
        prepared = super()._init_learn(callback, log_interval, reset_num_timesteps)
        if self.episode_reward is None:
            self.episode_reward = np.zeros((self.n_envs,))
        if self.ep_info_buf is None:
            self.ep_info_buf = deque(maxlen=100)
        return prepared

    # ---------------------------------------------------------------- networks

    def _build_policy(self, n_steps: int, reuse: bool, n_envs: Optional[int] = None) -> BasePolicy:
        """Build the policy for segments of n_steps of n_envs environments (None: all of them)."""
        n_envs = self.n_envs if n_envs is None else n_envs
        # our own networks take any number of rows, a recurrent network of the user's may be made for exactly these
        n_batch = n_envs * n_steps if self._is_custom_recurrent() else None
        sizes = dict(n_env=n_envs, n_steps=n_steps, n_batch=n_batch, reuse=reuse)
        return self.policy(self.sess, self.observation_space, self.action_space, **dict(sizes, **self.policy_kwargs))

    def _build_policies(self, n_train_steps: Optional[int] = None, n_train_envs: Optional[int] = None) -> None:
        """Build the policy that acts and, on the same weights, the one that is trained on segments (of n_steps)."""
        self.act_model = self._build_policy(n_steps=1, reuse=False)
        with tf.variable_scope("train_model", reuse=True, custom_getter=tf_util.outer_scope_getter("train_model")):
            self.train_model = self._build_policy(n_train_steps or self.n_steps, reuse=True, n_envs=n_train_envs)
        self.params = tf_util.get_trainable_vars("model")
        self.step, self.proba_step, self.value = (
            self.act_model.step, self.act_model.proba_step, self.act_model.value)
        self.initial_state = self.act_model.initial_state

    # ---------------------------------------------------------------- reports

    def _build_summaries(self, losses: Dict[str, tf.Tensor], inputs: Dict[str, tf.Tensor]) -> None:
        """Build what TensorBoard shows: losses, means of the inputs and, if all is wanted, histograms."""
        for tag, tensor in losses.items():
            tf.summary.scalar('loss/' + tag, tensor)
        for tag, tensor in inputs.items():
            tf.summary.scalar('input_info/' + tag, tf.reduce_mean(tensor))
        if not self.full_tensorboard_log:
            return
        for variable in self.params:
            tf.summary.histogram(variable.name.replace(':', '_'), variable)
        for tag, tensor in inputs.items():
            tf.summary.histogram('input_info/' + tag, tensor)
        show = tf.summary.image if tf_util.is_image(self.train_model.obs_ph) else tf.summary.histogram
        show('input_info/observation', self.train_model.obs_ph)

    def _write_summary(self, writer: tf.summary.FileWriter, feeds: List[Any]) -> None:
        """Write one batch (in the order of ``_train_inputs``) to TensorBoard, at the number of steps taken so far."""
        # self.summary is read anew each time: callbacks may merge summaries of their own into it
        summary = self.sess.run(self.summary, dict(zip(self._train_inputs, feeds)))
        with self.graph.as_default():
            writer.add_summary(summary, self.num_timesteps)

    def _write_episode_rewards(self, writer: tf.summary.FileWriter, rewards: np.ndarray, masks: np.ndarray) -> None:
        """Write the rewards of the episodes that ended in the last n_batch steps to TensorBoard."""
        shape = (self.n_envs, self.n_steps)
        tf_util.total_episode_reward_logger(self.episode_reward, rewards.reshape(shape), masks.reshape(shape), writer,
                                            self.num_timesteps - self.n_batch)

    def _log_episodes(self) -> None:
        """Report the means of the last hundred episodes that a Monitor has seen."""
        if len(self.ep_info_buf) > 0 and len(self.ep_info_buf[0]) > 0:
            logger.logkv('ep_reward_mean', safe_mean([ep_info['r'] for ep_info in self.ep_info_buf]))
            logger.logkv('ep_len_mean', safe_mean([ep_info['l'] for ep_info in self.ep_info_buf]))

    # ---------------------------------------------------------------- use

    def _policy_inputs(self, observation: np.ndarray, state: Optional[np.ndarray],
                       mask: Optional[np.ndarray]) -> Tuple[Tuple, bool]:
        """Check what a user gave to predict from and complete it; also tell whether it came as a batch."""
        self._check_built()
        observation, batched = self._batch_of(observation)
        n_obs = len(observation)
        if self.initial_state is None:
            return (observation, None, None), batched
        if state is None:
            state = np.zeros((n_obs,) + self.initial_state.shape[1:], self.initial_state.dtype)
        mask = np.zeros(n_obs, bool) if mask is None else np.reshape(mask, -1)
        if len(state) != n_obs or len(mask) != n_obs:
            raise ValueError(f"{n_obs} observations need as many states and masks, got {len(state)} and {len(mask)}")
        return (observation, state, mask), batched

    def predict(self, observation: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = False) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        inputs, batched = self._policy_inputs(observation, state, mask)
        actions, _, states, _ = self.step(*inputs, deterministic=deterministic)
        actions = clip_actions(actions, self.action_space)
        return (actions if batched else actions[0]), states

    def action_probability(self, observation: np.ndarray, state: Optional[np.ndarray] = None,
                           mask: Optional[np.ndarray] = None, actions: Optional[np.ndarray] = None,
                           logp: bool = False) -> Any:
        inputs, batched = self._policy_inputs(observation, state, mask)
        parameters = self.proba_step(*inputs)
        if actions is not None:
            parameters = self._likelihood(parameters, np.asarray(actions), len(inputs[0]), logp)
        if batched:
            return parameters
        return [parameter[0] for parameter in parameters] if isinstance(parameters, list) else parameters[0]

    def _likelihood(self, parameters: Any, actions: np.ndarray, n_obs: int, logp: bool) -> np.ndarray:
        """Return the likelihood of actions, one row for each observation."""
        shape = (n_obs,) + event_shape(self.action_space)
        if actions.size != np.prod(shape):
            raise ValueError(f"as many actions are needed as observations: given actions of shape {actions.shape}, "
                             f"accepted is {shape}")
        log_likelihood = action_log_likelihood(self.action_space, parameters, actions.reshape(shape))
        return (log_likelihood if logp else np.exp(log_likelihood))[:, None]
