"""What the actor-critic algorithms share: networks, runner, prediction."""
from typing import Any, Dict, Optional, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import clip_actions
from stable_baselines.common.models.base import BaseRLModel
from stable_baselines.common.policies import ActorCriticPolicy, BasePolicy, LstmPolicy
from stable_baselines.common.runners import AbstractEnvRunner
from stable_baselines.common.vec_env import VecEnv


class ActorCriticRLModel(BaseRLModel):
    """
    The base of the actor-critic models; parameters as for ``BaseRLModel``.

    A subclass's ``_build_graph`` sets ``step``, ``proba_step``, ``value``, ``initial_state`` and ``params``, which
    ``_build_policies`` does. Where the algorithm collects with a runner, ``_make_runner`` makes it.
    """

    policy_base = ActorCriticPolicy
    _carried_if_made = (*BaseRLModel._carried_if_made, 'runner')

    act_model: Any = None  # a policy, acts on one observation of every environment
    train_model: Any = None  # the same weights, for batches
    step: Any = None
    value: Any = None
    n_steps: Any = None  # where the constructor has no such argument, the algorithm sizes its batches itself
    _n_batch: Optional[int] = None
    _runner: Optional[AbstractEnvRunner] = None
    _old_names = dict(step_model='act_model')
    _names_of_sb3 = dict(
        device="TensorFlow chooses the device", n_epochs="here an update has one epoch",
        batch_size="here a batch has n_steps * n_envs samples", normalize_advantage="here it cannot be chosen",
        use_sde="here it does not exist", stats_window_size="here it is always 100 episodes")

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, _init_setup_model: bool, verbose: int = 0,
                 policy_base: Type[BasePolicy] = ActorCriticPolicy, requires_vec_env: bool = False,
                 policy_kwargs: Optional[Dict[str, Any]] = None, seed: Optional[int] = None,
                 n_cpu_tf_sess: Optional[int] = None, tensorboard_log: Optional[str] = None,
                 full_tensorboard_log: bool = False):
        super().__init__(policy, env, verbose, requires_vec_env=requires_vec_env or self.requires_vec_env,
                         policy_base=policy_base, policy_kwargs=policy_kwargs, seed=seed, n_cpu_tf_sess=n_cpu_tf_sess,
                         tensorboard_log=tensorboard_log, full_tensorboard_log=full_tensorboard_log,
                         _init_setup_model=_init_setup_model)

    @property
    def n_batch(self) -> Any:
        """int: number of samples per update; None where the algorithm has no ``n_steps``. Can be assigned."""
        return self._n_batch if self._n_batch or self.n_steps is None else self.n_envs * self.n_steps

    @n_batch.setter
    def n_batch(self, n_batch: Optional[int]) -> None:
        self._n_batch = n_batch

    def _make_runner(self) -> AbstractEnvRunner:
        """Create the runner of this algorithm for the current environment."""
        raise NotImplementedError(f"{type(self).__name__} does not collect with a runner")

    @property
    def runner(self) -> AbstractEnvRunner:
        """AbstractEnvRunner: steps the environment; created at its first use, which resets the environment."""
        if self._runner is None:
            self._runner = self._make_runner()
        return self._runner

    def _keep_env(self, env: Any, vec_env: VecEnv) -> None:
        built_for = self.n_envs
        super()._keep_env(env, vec_env)
        if self.graph is not None and self.n_envs != built_for and self._is_custom_recurrent():
            self._rebuild()
        self._runner = self._n_batch = None

    def _is_custom_recurrent(self) -> bool:
        """Tell whether the policy is a recurrent network of the user's."""
        return self.policy.recurrent and not issubclass(self.policy, LstmPolicy)

    def _rebuild(self) -> None:
        """Rebuild the model for another number of environments, and keep its variables, the optimiser's included."""
        before = self.sess
        self.setup_model()
        tf_util.transfer_variables(before, self.sess)

    def get_parameter_list(self):
        return self.params

    # ---------------------------------------------------------------- networks

    def _build_policy(self, n_steps: int, reuse: bool, n_envs: Optional[int] = None) -> BasePolicy:
        """Build the policy for segments of n_steps of n_envs environments (None: all of them)."""
        n_envs = self.n_envs if n_envs is None else n_envs
        # our own networks take any number of rows, a recurrent network of the user's may be made for exactly these
        n_batch = n_envs * n_steps if self._is_custom_recurrent() else None
        sizes = dict(n_env=n_envs, n_steps=n_steps, n_batch=n_batch, reuse=reuse)
        return self.policy(self.sess, self.observation_space, self.action_space, **dict(sizes, **self.policy_kwargs))

    def _build_policies(self, n_train_steps: int, n_train_envs: Optional[int] = None) -> None:
        """Build the policy that acts and, on the same weights, the one that is trained on segments of n_train_steps."""
        self.act_model = self._build_policy(n_steps=1, reuse=False)
        with tf.variable_scope("train_model", reuse=True, custom_getter=tf_util.outer_scope_getter("train_model")):
            self.train_model = self._build_policy(n_train_steps, reuse=True, n_envs=n_train_envs)
        self.params = tf_util.get_trainable_vars("model")
        self.step, self.proba_step, self.value = (
            self.act_model.step, self.act_model.proba_step, self.act_model.value)
        self.initial_state = self.act_model.initial_state

    def _memory_ph(self, *policies: Any) -> Dict[str, Any]:
        """Return the placeholders of a batch that recurrent policies need; None for others, so that nothing is fed."""
        if not self.policy.recurrent:
            return dict(episode_starts=None, states=None)
        return dict(episode_starts=tuple(policy.dones_ph for policy in policies),
                    states=tuple(policy.states_ph for policy in policies))

    def _pretrain_tensors(self) -> Tuple[tf.Tensor, tf.Tensor]:
        is_discrete = isinstance(self.action_space, spaces.Discrete)
        return self.act_model.obs_ph, self.act_model.policy if is_discrete else self.act_model.deterministic_action

    # ---------------------------------------------------------------- use

    def _acts_by_own(self, *names: str) -> bool:
        """Tell whether methods are the library's: not those of a user's policy, or other functions in their place."""
        methods = [getattr(self.act_model, name, None) for name in names]
        return methods == [getattr(self, name) for name in names] and all(map(_is_ours, methods))

    def predict(self, observation: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = False) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        inputs, batched = self._policy_inputs(observation, state, mask)
        if self._acts_by_own('step'):
            actions, states = self.act_model._choose_actions(*inputs, deterministic)
        else:
            actions, _, states, _ = self.step(*inputs, deterministic=deterministic)
        actions = clip_actions(actions, self.action_space)
        return (actions if batched else actions[0]), states


def _is_ours(method: Any) -> bool:
    """Tell whether a method is written in this library; a decorator would copy its name and module."""
    function = getattr(method, '__func__', None)
    return function is not None and function.__globals__.get('__name__', '').startswith('stable_baselines.')
