"""HER: learn from failures, as if what they achieved had been the goal. https://arxiv.org/abs/1707.01495"""
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Set, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.bench.monitor import Monitor
from stable_baselines.common import gym_compat
from stable_baselines.common.models.base import BaseRLModel, Callback
from stable_baselines.common.models.off_policy import OffPolicyRLModel
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.vec_env import VecEnv, unwrap_vec_normalize
from stable_baselines.common.vec_env.base_vec_env import _UnvecWrapper
from stable_baselines.her.replay_buffer import (
    KEY_TO_GOAL_STRATEGY,
    GoalSelectionStrategy,
    HindsightExperienceReplayWrapper,
    check_n_sampled_goal,
    find_strategy,
)
from stable_baselines.her.utils import GoalLayout, GoalVecEnv, HERGoalEnvWrapper

__all__ = ['HER', 'KEY_TO_GOAL_STRATEGY']

Model = TypeVar('Model', bound='HER')


class HER(BaseRLModel):
    """
    Hindsight Experience Replay: a model of an off-policy algorithm, ``model``, whose memory relabels goals.

    The environment shows dicts, the inner model sees vectors; ``predict`` takes both. All else, such as parameters,
    time steps and seed, is the inner model's, and callbacks see that model.

    :param policy: the policy class of the inner model, or its registered name
    :param env: an environment with goals (see ``GoalEnv``), the id of a registered one, or a VecEnv; None only while
        loading
    :param model_class: the class of the inner model: DQN, SAC, TD3 or DDPG
    :param n_sampled_goal: number of copies of each transition that get other goals, 0 or more
    :param goal_selection_strategy: how these goals are chosen: 'future', 'final', 'episode', 'random'; see
        ``GoalSelectionStrategy``
    :param args: arguments of the inner model, after its environment
    :param kwargs: arguments of the inner model
    """

    _layout: Any = None  # of the observations; None, like the environment, only while loading
    _goal_env: Any = None  # converts observations and computes rewards for the memory

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, model_class: Type[OffPolicyRLModel],
                 n_sampled_goal: int = 4, goal_selection_strategy: Union[str, GoalSelectionStrategy] = 'future',
                 *args, **kwargs):
        if not (isinstance(model_class, type) and issubclass(model_class, OffPolicyRLModel)):
            raise ValueError(f"model_class={model_class!r}: accepted is an off-policy algorithm: DQN, SAC, TD3 or DDPG")
        self.model_class = model_class
        self.n_sampled_goal = n_sampled_goal
        self.goal_selection_strategy = find_strategy(goal_selection_strategy)
        check_n_sampled_goal(n_sampled_goal)
        # what the constructor of the base would keep is the inner model's
        inner_env = None
        if env is not None:
            inner_env, self._goal_env = _flatten(env)
            self._layout = self._goal_env.layout
        self.model: Any = model_class(policy, inner_env, *args, **kwargs)
        self._wrap_memory()

    if not TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            if name == 'model' or name.startswith('_'):  # absent while an object is being made
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
            return getattr(self.model, name)

    # ---------------------------------------------------------------- memory and environment

    @property
    def replay_wrapper(self) -> Callable[[Any], HindsightExperienceReplayWrapper]:
        """What wraps the memory of the inner model."""
        return partial(HindsightExperienceReplayWrapper, n_sampled_goal=self.n_sampled_goal,
                       goal_selection_strategy=self.goal_selection_strategy, wrapped_env=self._goal_env)

    def _wrap_memory(self) -> None:
        """Let the memory relabel goals, if there is one already."""
        if self.model.replay_buffer is not None:
            self.model.replay_buffer = self.replay_wrapper(self.model.replay_buffer)

    @property
    def observation_space(self) -> Any:  # type: ignore[override]
        """The Dict space of the environment; None as long as there is none."""
        return None if self._layout is None else self._layout.space

    def set_env(self, env: Any) -> None:
        if env is None:
            return self.model.set_env(env)  # which refuses it
        inner_env, goal_env = _flatten(env)
        if self._layout is not None and not goal_env.layout.fits(self._layout):
            raise ValueError("the observation_space of the environment does not fit the model: given "
                             f"{goal_env.layout.space}, the model has {self.observation_space}")
        self.model.set_env(inner_env)
        self._goal_env, self._layout = goal_env, goal_env.layout
        self._wrap_memory()

    # ---------------------------------------------------------------- use

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "HER", reset_num_timesteps: bool = True) -> Model:
        """
        Train the inner model, whose memory relabels goals. Parameters as for ``BaseRLModel.learn`` and

        :param log_interval: number of episodes between two reports; None reports nothing
        """
        self.model.learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps,
                         replay_wrapper=self.replay_wrapper)
        return self

    def predict(self, observation: Any, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = True) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        return self.model.predict(self._to_vector(observation), state, mask, deterministic)

    def action_probability(self, observation: Any, state: Optional[np.ndarray] = None,
                           mask: Optional[np.ndarray] = None, actions: Optional[np.ndarray] = None,
                           logp: bool = False) -> Any:
        return self.model.action_probability(self._to_vector(observation), state, mask, actions, logp)

    def _to_vector(self, observation: Any) -> Any:
        """Put an observation that is a dict into a vector."""
        return self._layout.join(observation) if isinstance(observation, dict) else observation

    # ---------------------------------------------------------------- what is the inner model's

    def setup_model(self) -> None:
        self.model.setup_model()
        self._wrap_memory()

    def set_random_seed(self, seed: Optional[int]) -> None:
        self.model.set_random_seed(seed)

    def get_parameter_list(self) -> List[tf.Variable]:
        return self.model.get_parameter_list()

    def get_parameters(self) -> 'OrderedDict[str, np.ndarray]':
        return self.model.get_parameters()

    def load_parameters(self, load_path_or_dict: Any, exact_match: bool = True) -> None:
        self.model.load_parameters(load_path_or_dict, exact_match)

    def _pretrain_tensors(self) -> Tuple[tf.Tensor, tf.Tensor]:
        return self.model._pretrain_tensors()

    def training_state(self) -> Dict[str, Any]:
        return self.model.training_state()

    def set_training_state(self, state: Dict[str, Any]) -> None:
        self.model.set_training_state(state)

    # ---------------------------------------------------------------- files: the inner model's, and what is HER's own

    def _own_arguments(self) -> Dict[str, Any]:
        """Return the constructor arguments that are not passed on to the inner model, those of a subclass included."""
        return {name: vars(self)[name] for name in self._constructor_arguments() if name in vars(self)}

    def _saved_data(self) -> 'OrderedDict[str, Any]':
        data = self.model._saved_data()
        return OrderedDict(data, **self._own_arguments(), her_action_space=data['action_space'],
                           her_obs_space=gym_compat.without_generator(self.observation_space))

    @classmethod
    def _new_for_loading(cls: Type[Model], data: Dict[str, Any]) -> Model:
        make: Any = cls
        return make(policy=data.pop('policy'), env=None, model_class=data.pop('model_class'), _init_setup_model=False)

    def _known_names(self) -> Set[str]:
        return {*self.model._known_names(), *self._own_arguments()}

    def _take_over(self, data: Dict[str, Any]) -> Set[str]:
        own = self._own_arguments().keys() & data.keys()
        vars(self).update({name: data[name] for name in own})
        self.goal_selection_strategy = find_strategy(self.goal_selection_strategy)
        self._layout = GoalLayout(gym_compat.convert_space(data['her_obs_space']))
        return self.model._take_over({name: value for name, value in data.items()
                                      if name not in own and not name.startswith('her_')})


class _OfModel:
    """An attribute of every model, which for HER is the inner model's."""

    def __init__(self, name: str):
        self._name = name

    def __get__(self, her: Optional[HER], owner: type) -> Any:
        model = None if her is None else vars(her).get('model')
        return getattr(BaseRLModel if model is None else model, self._name, None)

    def __set__(self, her: HER, value: Any) -> None:
        setattr(her.model, self._name, value)


for _name in ('policy', 'verbose', 'policy_kwargs', 'seed', 'n_cpu_tf_sess', 'tensorboard_log', 'full_tensorboard_log',
              'env', 'vec_env', 'n_envs', 'action_space', 'num_timesteps', 'graph', 'sess', 'summary', 'params',
              'initial_state', 'ep_info_buf', 'episode_reward', 'np_random', 'policy_base'):
    setattr(HER, _name, _OfModel(_name))


def _flatten(env: Any) -> Tuple[Any, Any]:
    """
    Return environments with goals, or the id of one, as the inner model steps them, and as the memory needs them.

    :raises ValueError: if they have no goals, or if observations are normalised before they are put into vectors
    """
    if isinstance(env, str):
        env = Monitor(gym_compat.make(env), None)
    env = env.venv if isinstance(env, _UnvecWrapper) else env
    if not isinstance(env, VecEnv):
        goal_env = env if isinstance(getattr(env, 'layout', None), GoalLayout) else HERGoalEnvWrapper(env)
        return goal_env, goal_env
    goal_env = GoalVecEnv(env)
    shows_dicts = isinstance(env.observation_space, gym_compat.spaces.Dict)
    normalizer = unwrap_vec_normalize(env)
    if normalizer is not None and (shows_dicts or normalizer is not env):
        raise ValueError("env: a VecNormalize is accepted as the outermost wrapper only, of environments in an "
                         "HERGoalEnvWrapper each")
    return (goal_env if shows_dicts else env), goal_env
