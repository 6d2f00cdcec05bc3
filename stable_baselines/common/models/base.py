"""What all models share: constructor, environment, graph, and the ways to use them."""
import inspect
import operator
import os
from abc import abstractmethod
from collections import deque
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.bench.monitor import Monitor
from stable_baselines.common import gym_compat, mpi_util, tf_util
from stable_baselines.common.callbacks import BaseCallback, make_callback
from stable_baselines.common.distributions import action_log_likelihood
from stable_baselines.common.graph.layer_gradients import fast_relu_gradients
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import event_shape
from stable_baselines.common.misc_util import set_global_seeds
from stable_baselines.common.models import reports
from stable_baselines.common.models.cloning import Cloner, check_cloning
from stable_baselines.common.models.storage import StoredModel
from stable_baselines.common.models.training import SetVerbosity, check_counts, check_numbers
from stable_baselines.common.policies import BasePolicy, get_policy_from_name
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, VecNormalize, unwrap_vec_normalize
from stable_baselines.common.vec_env.base_vec_env import _UnvecWrapper

_OURS = "stable_baselines."
Callback = Union[None, Callable, Sequence[Union[BaseCallback, Callable]], BaseCallback]
Model = TypeVar('Model', bound='BaseRLModel')


class _OldName:
    """An attribute under its name in Stable Baselines 2.10: None before the graph is built; it can be assigned."""

    def __init__(self, path: str):
        self._owner, self._read = path.partition('.')[0], operator.attrgetter(path)

    def __get__(self, model: Optional['BaseRLModel'], owner: type) -> Any:
        if model is None or getattr(model, self._owner, None) is None or model.graph is None:
            return None
        return self._read(model)


class BaseRLModel(StoredModel):
    """
    The base of all models.

    An algorithm states its family in class attributes (``policy_base``, ``requires_vec_env``), assigns its own
    arguments, and then calls this constructor, which builds the model. It implements ``_build_graph``,
    ``get_parameter_list``, ``learn`` and ``predict``; where actions have probabilities, it sets ``proba_step``.

    :param policy: the policy class or its registered name
    :param env: the environment, or the id of a registered one; None only while loading
    :param verbose: 0 prints nothing, 1 training information, 2 TensorFlow's messages too
    :param requires_vec_env: replaces the class attribute, for classes written for Stable Baselines 2.10
    :param policy_base: replaces the class attribute, for classes written for Stable Baselines 2.10
    :param policy_kwargs: extra arguments of the policy
    :param seed: seed of Python's, NumPy's and TensorFlow's generators and of the environment; None leaves them.
        With n_cpu_tf_sess=1 two runs with the same seed are equal to the last bit
    :param n_cpu_tf_sess: number of threads of TensorFlow; None means the variable RCALL_NUM_CPU, without it one, with
        which small networks are up to twice as fast as with two, but for images the number of CPUs
    :param tensorboard_log: folder for TensorBoard; None writes nothing
    :param full_tensorboard_log: whether TensorBoard gets histograms too, which takes a lot of space
    :param _init_setup_model: whether to build the network at once
    """

    policy_base: Any = None  # the family of policies that the algorithm uses
    requires_vec_env = False  # whether users see the environment as a VecEnv; the algorithm always steps one

    # attributes by their names in Stable Baselines 2.10 -> where they are; None as long as there is no graph
    _old_names: Dict[str, str] = {}
    # arguments by their names in Stable-Baselines3 -> what to say instead
    _names_of_sb3: Dict[str, str] = {}

    env: Any = None  # the environment as the user sees it
    vec_env: Any = None  # the environment as the algorithm steps it
    n_envs = 1
    observation_space: Any = None  # None, like the environment, only while loading
    action_space: Any = None
    num_timesteps = 0
    summary: Optional[tf.Tensor] = None
    params: Any = None  # a list of variables
    initial_state: Optional[np.ndarray] = None
    proba_step: Any = None  # computes the distribution of actions; None if the policy is deterministic
    ep_info_buf: Any = None  # what Monitor says of the last hundred episodes
    _comm: Any = mpi_util.OneProcess()  # the communicator of the processes that learn together
    episode_reward: Optional[np.ndarray] = None  # the sum of the rewards of each running episode, (n_envs,)
    np_random: Any = np.random  # the algorithm's own draws: without a seed from NumPy's global generator
    _vectorize_action = False
    _cloner: Optional[Cloner] = None

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, verbose: int = 0, *,
                 requires_vec_env: Optional[bool] = None, policy_base: Optional[Type[BasePolicy]] = None,
                 policy_kwargs: Optional[Dict[str, Any]] = None, seed: Optional[int] = None,
                 n_cpu_tf_sess: Optional[int] = None, tensorboard_log: Optional[str] = None,
                 full_tensorboard_log: bool = False, _init_setup_model: bool = False):
        if requires_vec_env is not None:
            self.requires_vec_env = requires_vec_env
        if policy_base is not None:
            self.policy_base = policy_base
        if not isinstance(policy_kwargs, (dict, type(None))):
            raise TypeError(f"policy_kwargs={policy_kwargs!r}: accepted is a dict of arguments of the policy")
        self.policy = self._find_policy(policy)
        self.verbose = verbose
        self.policy_kwargs = {} if policy_kwargs is None else policy_kwargs
        self.seed = seed
        self.n_cpu_tf_sess = n_cpu_tf_sess
        self.tensorboard_log = tensorboard_log
        self.full_tensorboard_log = full_tensorboard_log
        if env is not None:
            self._keep_env(*self._wrap_env(env))
        # a class written for Stable Baselines 2.10 brings no _build_graph: it calls its own setup_model itself
        if _init_setup_model and type(self)._build_graph is not BaseRLModel._build_graph:
            self._check_construction()
            self.setup_model()

    __signature__: inspect.Signature

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        signature = inspect.signature(cls.__init__)  # not that of __new__
        cls.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        for name, path in vars(cls).get('_old_names', {}).items():
            setattr(cls, name, _OldName(path))

    def __new__(cls, *args, **kwargs):
        for name in sorted(cls._names_of_sb3.keys() & kwargs.keys()):
            params = inspect.signature(vars(cls).get('__init__', cls.__init__)).parameters.values()
            is_open = any(param.kind is param.VAR_KEYWORD for param in params)
            # a class of the user's may do what it likes with its keywords, ours pass them on
            if name not in cls._constructor_arguments() and not (is_open and not cls.__module__.startswith(_OURS)):
                raise TypeError(f"{cls.__name__}() has no argument {name!r}, which is Stable-Baselines3's name: "
                                f"{cls._names_of_sb3[name]}")
        return super().__new__(cls)

    def _find_policy(self, policy: Any) -> Type[BasePolicy]:
        """Look up a policy's name; check a policy's class."""
        if isinstance(policy, str):
            return get_policy_from_name(self.policy_base, policy)
        if self.policy_base is None or isinstance(policy, type) and issubclass(policy, self.policy_base):
            return policy
        raise ValueError(f"policy={policy!r}: accepted is a registered name or a subclass of "
                         f"{self.policy_base.__name__}")

    def __repr__(self) -> str:
        policy = getattr(self, 'policy', None)  # None before the constructor sets it
        return (f"{type(self).__name__}({getattr(policy, '__name__', policy)}, env={_describe(self.vec_env)}, "
                f"num_timesteps={self.num_timesteps})")

    # ---------------------------------------------------------------- environment

    def _wrap_env(self, env: Any) -> Tuple[Any, VecEnv]:
        """Return an id, an environment or a VecEnv in two forms: as the user sees it, and as the algorithm steps it."""
        seen = None
        if isinstance(env, str):
            if self.verbose >= 1:
                print("Creating environment from the given name, wrapped in a DummyVecEnv.")
            vec_env: VecEnv = DummyVecEnv([lambda: Monitor(gym_compat.make(env), None)])
        elif isinstance(env, VecEnv):
            vec_env = env.venv if isinstance(env, _UnvecWrapper) else env
        elif gym_compat.is_env(env):
            if self.verbose >= 1 and self.requires_vec_env:
                print("Wrapping the env in a DummyVecEnv.")
            seen = gym_compat.convert_env(env)
            vec_env = DummyVecEnv([lambda: seen])
        else:
            raise TypeError(f"env={env!r}: accepted is an environment, a VecEnv or the id of a registered environment")
        if self.requires_vec_env or vec_env.num_envs > 1:
            return vec_env, vec_env
        return _UnvecWrapper(vec_env) if seen is None else seen, vec_env

    def _keep_env(self, env: Any, vec_env: VecEnv) -> None:
        """Take over an environment that fits."""
        self.env, self.vec_env, self.n_envs = env, vec_env, vec_env.num_envs
        if self.ep_info_buf is not None:  # other episodes
            self.ep_info_buf, self.episode_reward = deque(maxlen=100), np.zeros(self.n_envs)
        self.observation_space, self.action_space = vec_env.observation_space, vec_env.action_space

    def get_env(self) -> Any:
        """
        Return the environment of the model.

        :return: the environment (a VecEnv where the algorithm requires one), None if there is none
        """
        return self.env

    def get_vec_normalize_env(self) -> Optional[VecNormalize]:
        """
        Return the VecNormalize wrapper of the environment.

        :return: the wrapper, None if there is none
        """
        return None if self.vec_env is None else unwrap_vec_normalize(self.vec_env)

    def set_env(self, env: Any) -> None:
        """
        Replace the environment.

        :param env: an environment with the spaces of the model
        :raises ValueError: if there is none, or its spaces differ; the model keeps the old one then
        """
        if env is None:
            raise ValueError("env=None: accepted is an environment with the spaces of the model")
        env, vec_env = self._wrap_env(env)
        for name in ('observation_space', 'action_space'):
            given, own = getattr(vec_env, name), getattr(self, name)
            if own is not None and not gym_compat.same_space(given, own):
                raise ValueError(
                    f"the {name} of the environment does not fit the model: given {given}, the model has {own}")
        self._keep_env(env, vec_env)

    # ---------------------------------------------------------------- graph

    def _n_threads(self) -> Optional[int]:
        """Return the number of TensorFlow's threads; None leaves it to the session."""
        has_images = len(self.observation_space.shape or ()) == 3
        if self.n_cpu_tf_sess is None and not has_images and 'RCALL_NUM_CPU' not in os.environ:
            return 1
        return self.n_cpu_tf_sess

    def setup_model(self) -> None:
        """
        Create graph and session, build the network and the training operations, initialise the variables.

        :raises ValueError: if the spaces are not known because there is no environment
        """
        if self.observation_space is None:
            raise ValueError(f"{type(self).__name__} needs an environment to know the spaces: env=None is for loading "
                             "a model")
        with SetVerbosity(self.verbose):
            self.set_random_seed(self.seed)
            self.graph = tf_util.make_graph(self.seed)
            with self.graph.as_default():
                self.sess = tf_util.make_session(num_cpu=self._n_threads(), graph=self.graph)
                try:
                    with fast_relu_gradients(self.graph):
                        self._build_graph()
                except (AttributeError, ImportError) as error:
                    tf_util.explain_missing(error)
                    raise
                self.summary = tf.summary.merge_all()
                self.sess.run(tf.global_variables_initializer())
                self._setup_load_operations()

    def _check_construction(self) -> None:
        """Refuse arguments that do not fit the environment; not called while loading, where ``learn`` checks them."""

    def _build_graph(self) -> None:
        """Build the algorithm's networks, losses and training operations in the default graph."""
        raise NotImplementedError

    def _build_summaries(self, losses: Dict[str, tf.Tensor], inputs: Dict[str, tf.Tensor], obs_ph: tf.Tensor) -> None:
        """Build what TensorBoard shows of a training: losses, means of the inputs and, if asked for, histograms."""
        reports.build_summaries(losses, inputs)
        if self.full_tensorboard_log:
            reports.build_histograms(self.get_parameter_list(), inputs, obs_ph)

    def set_random_seed(self, seed: Optional[int]) -> None:
        """
        Seed Python's, NumPy's and TensorFlow's generators, the environment and the action space.

        :param seed: the seed; None leaves all of them as they are
        """
        if seed is None:
            return
        set_global_seeds(seed)
        # its own generator: what else draws from NumPy's must not change a training
        self.np_random = np.random.RandomState(seed)
        if self.vec_env is not None:
            self.vec_env.seed(seed)
            # the environments of a VecEnv sample actions of their own spaces
            self.vec_env.action_space.seed(seed)
        self.action_space.seed(seed)

    # ---------------------------------------------------------------- use

    @abstractmethod
    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "run", reset_num_timesteps: bool = True) -> Model:
        """
        Train the model.

        :param total_timesteps: number of environment steps to train for
        :param callback: called at every step: a callback object, a list of them, or a function of the local and the
            global variables, which stops the training by returning False
        :param log_interval: number of updates (or episodes) between two reports; None reports nothing
        :param tb_log_name: name of the run in TensorBoard
        :param reset_num_timesteps: whether to count the time steps from zero, and to begin a new curve in TensorBoard
        :return: the trained model itself
        """
        raise NotImplementedError

    def pretrain(self: Model, dataset: Any, n_epochs: int = 10, learning_rate: float = 1e-4,
                 adam_epsilon: float = 1e-8, val_interval: Optional[int] = None) -> Model:
        """
        Clone the behaviour of an expert: supervised learning of its actions. Can be called again, to go on.

        It changes what the actions of the policy depend on and nothing else, with an Adam of its own.

        :param dataset: an ``ExpertDataset``
        :param n_epochs: number of passes over the training steps
        :param learning_rate: Adam's step size
        :param adam_epsilon: added to the root of Adam's mean square
        :param val_interval: number of epochs between two reports of the losses; None means a tenth of the epochs
        :return: the model itself
        :raises ValueError: if the actions are neither Box nor Discrete, the policy has a memory, or the expert does
            not fit the environment; nothing has changed then
        """
        self._check_built()
        val_interval = max(1, n_epochs // 10) if val_interval is None else val_interval
        check_counts(n_epochs=n_epochs, val_interval=val_interval)
        check_numbers(0, learning_rate=learning_rate, adam_epsilon=adam_epsilon)
        check_cloning(self, dataset)
        if self._cloner is None or self._cloner.graph is not self.graph:
            self._cloner = Cloner(self)
        dataset.restart(self.np_random)
        with SetVerbosity(self.verbose):
            self._cloner.fit(dataset, n_epochs, learning_rate, adam_epsilon, val_interval)
        return self

    def _pretrain_tensors(self) -> Tuple[tf.Tensor, tf.Tensor]:
        """
        Name what behaviour cloning learns.

        :return: the placeholder of the observations, and what the policy makes of them: logits of Discrete actions, or
            deterministic Box actions in the range of the environment
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what pretrain can learn")

    # The parts of ``Training`` have the names of Stable Baselines 2.10, for a ``learn`` of the user's own.

    def _setup_learn(self) -> None:
        """Refuse to train without an environment or a network; prepare the statistics of episodes."""
        if self.env is None:
            raise ValueError("cannot train the model without an environment, please set one with set_env(env)")
        self._check_built()
        if self.episode_reward is None:
            self.episode_reward = np.zeros(self.n_envs)
        if self.ep_info_buf is None:
            self.ep_info_buf = deque(maxlen=100)

    def _init_num_timesteps(self, reset_num_timesteps: bool = True) -> bool:
        """Begin to count the steps, from zero if asked to; return whether TensorBoard begins a new curve."""
        if reset_num_timesteps:
            self.num_timesteps = 0
        return reset_num_timesteps or self.num_timesteps == 0

    def _init_callback(self, callback: Callback) -> BaseCallback:
        """Return what the user gave as a callback object that knows this model."""
        callback = make_callback(callback)
        callback.init_callback(self)
        return callback

    @property
    def _vec_normalize_env(self) -> Optional[VecNormalize]:
        return self.get_vec_normalize_env()

    @staticmethod
    def _is_vectorized_observation(observation: np.ndarray, observation_space: spaces.Space) -> bool:
        """Tell whether observations have a batch axis; refuse those of another shape."""
        return _with_batch_axis(observation, observation_space)[1]

    def _offered_rollout(self, rollout: Any) -> Dict[str, Any]:
        """Name what callbacks see of a rollout when it ends, besides the variables of its steps."""
        return {}

    @abstractmethod
    def predict(self, observation: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = False) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        """
        Choose actions for observations.

        :param observation: one observation, or one for each environment
        :param state: states of a recurrent policy, as the last call returned them; None means the state at the start
            of an episode
        :param mask: True where an observation begins an episode, shape (n_envs,)
        :param deterministic: whether to take the most likely actions rather than to sample
        :return: actions and the new states
        """
        raise NotImplementedError

    def action_probability(self, observation: np.ndarray, state: Optional[np.ndarray] = None,
                           mask: Optional[np.ndarray] = None, actions: Optional[np.ndarray] = None,
                           logp: bool = False) -> Any:
        """
        Compute the distribution of actions, or the likelihood of given ones.

        :param observation: one observation, or one for each environment
        :param state: states of a recurrent policy
        :param mask: True where an observation begins an episode, shape (n_envs,)
        :param actions: as many actions as observations, or one for all; None asks for the whole distribution
        :param logp: whether to return log-likelihoods; no effect without actions
        :return: without actions the probabilities (a list of them for MultiDiscrete), or mean and standard deviation
            for Box; with actions their probability mass or density, shape (n_envs, 1)
        :raises ValueError: if the policy is deterministic, or the number of actions does not fit
        """
        inputs, batched = self._policy_inputs(observation, state, mask)
        if self.proba_step is None:
            raise ValueError(f"the policy of {type(self).__name__} is deterministic, its actions have no "
                             "probabilities: predict(observation) returns the action")
        parameters = self.proba_step(*inputs)
        if actions is not None:
            parameters = self._likelihood(parameters, np.asarray(actions), len(inputs[0]), logp)
        if batched:
            return parameters
        return [parameter[0] for parameter in parameters] if isinstance(parameters, list) else parameters[0]

    def _likelihood(self, parameters: Any, actions: np.ndarray, n_obs: int, logp: bool) -> np.ndarray:
        """Return the likelihood of one action for each observation, or of one for all, one row for each."""
        shape = (n_obs,) + event_shape(self.action_space)
        if actions.size == np.prod(shape[1:]):  # one action, for all of them
            actions = np.broadcast_to(actions.reshape(shape[1:]), shape)
        if actions.size != np.prod(shape):
            raise ValueError("as many actions are needed as observations, or one for all: given actions of shape "
                             f"{actions.shape}, accepted is {shape}")
        log_likelihood = self._log_likelihood(parameters, actions.reshape(shape))
        return (log_likelihood if logp else np.exp(log_likelihood))[:, None]

    def _log_likelihood(self, parameters: Any, actions: np.ndarray) -> np.ndarray:
        """Return the log-likelihood of one action for each observation, shape (n_obs,)."""
        return action_log_likelihood(self.action_space, parameters, actions)

    def _policy_inputs(self, observation: np.ndarray, state: Optional[np.ndarray] = None,
                       mask: Optional[np.ndarray] = None) -> Tuple[Tuple, bool]:
        """Check what a user gave to predict from and complete it; also tell whether it came as a batch."""
        self._check_built()
        observation, batched = _with_batch_axis(observation, self.observation_space)
        n_obs = len(observation)
        if self.initial_state is None:
            return (observation, None, None), batched
        if state is None:
            state = np.zeros((n_obs,) + self.initial_state.shape[1:], self.initial_state.dtype)
        mask = np.zeros(n_obs, bool) if mask is None else np.reshape(mask, -1)
        if len(state) != n_obs or len(mask) != n_obs:
            raise ValueError(f"{n_obs} observations need as many states and masks, got {len(state)} and {len(mask)}")
        return (observation, state, mask), batched


def _with_batch_axis(observation: Any, space: spaces.Space) -> Tuple[np.ndarray, bool]:
    """Return observations with a batch axis, and whether they came with one."""
    if isinstance(observation, tuple) and len(observation) == 2 and isinstance(observation[1], dict):
        raise ValueError(f"observation={observation!r}: accepted is an observation, not the tuple (obs, info) of "
                         "gymnasium; here is the classic interface: obs = model.get_env().reset()")
    observation = np.asarray(observation)
    shape = event_shape(space)
    if observation.shape == shape:
        return observation[None], False
    if observation.shape[1:] == shape and observation.ndim == len(shape) + 1:
        return observation, True
    batch_shape = ', '.join(['(n_envs', *map(str, shape)]) + ')'
    raise ValueError(f"unexpected observation shape {observation.shape} for the observation space "
                     f"{space}, please use {shape} or {batch_shape}")


def _describe(vec_env: Optional[VecEnv]) -> str:
    """Say what an algorithm steps; environments in other processes, which may be busy, are not asked for their name."""
    if vec_env is None:
        return 'None'
    envs = getattr(vec_env.unwrapped, 'envs', ())
    names = sorted({getattr(getattr(env, 'spec', None), 'id', None) or type(getattr(env, 'unwrapped', env)).__name__
                    for env in envs})
    return ' '.join([f"{type(vec_env).__name__} of {vec_env.num_envs}", *names])
