"""What all models share: spaces and environments, graph and session, parameters, files."""
import glob
import inspect
import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any, Callable, Dict, List, Optional, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import gym_compat, save_util, tf_util
from stable_baselines.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.misc_util import set_global_seeds
from stable_baselines.common.policies import BasePolicy, get_policy_from_name
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, VecNormalize, unwrap_vec_normalize

Callback = Union[None, Callable, List[BaseCallback], BaseCallback]

# constructor arguments that describe where a model runs, not what it is
_NOT_SAVED = ('self', 'env', '_init_setup_model', 'tensorboard_log')
# what is saved beside the constructor arguments
_SAVED_ATTRIBUTES = ('observation_space', 'action_space', 'n_envs', '_vectorize_action')


class ParameterMismatchError(ValueError, RuntimeError):
    """Parameters do not fit a model. A RuntimeError too, which is what the reference documents."""


class BaseRLModel(ABC):
    """
    The base of all models.

    :param policy: the policy class or its registered name
    :param env: the environment, or the id of a registered one; None only while loading
    :param verbose: 0 prints nothing, 1 training information, 2 TensorFlow's messages too
    :param requires_vec_env: whether the algorithm steps a VecEnv; other environments are wrapped into one
    :param policy_base: the family of policies that the algorithm uses
    :param policy_kwargs: extra arguments of the policy
    :param seed: seed of Python's, NumPy's and TensorFlow's generators and of the environment; None leaves them.
        With n_cpu_tf_sess=1 two runs with one seed are equal to the last bit
    :param n_cpu_tf_sess: number of threads of TensorFlow; None means the number of CPUs
    """

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, verbose: int = 0, *, requires_vec_env: bool,
                 policy_base: Type[BasePolicy], policy_kwargs: Optional[Dict[str, Any]] = None,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None):
        self._requires_vec_env = requires_vec_env
        self._policy_base = policy_base
        self.policy = self._find_policy(policy)
        self.verbose = verbose
        if not isinstance(policy_kwargs, (dict, type(None))):
            raise TypeError(f"policy_kwargs must be a dict of arguments of the policy, got {policy_kwargs!r}")
        self.policy_kwargs = {} if policy_kwargs is None else policy_kwargs
        self.seed = seed
        self.n_cpu_tf_sess = n_cpu_tf_sess
        self.env = None
        self.n_envs = 1
        self.observation_space = None
        self.action_space = None
        self.num_timesteps = 0
        self.graph: Optional[tf.Graph] = None
        self.sess: Optional[tf.Session] = None
        self.summary = None
        self.np_random = np.random  # the algorithm's own draws: without a seed from NumPy's global generator
        self._vectorize_action = False
        self._get_params: Optional[Callable] = None
        self._set_params: Optional[Callable] = None
        if env is not None:
            self.env = self._wrap_env(env)
            self.n_envs = getattr(self.env, 'num_envs', 1)
            self.observation_space = self.env.observation_space
            self.action_space = self.env.action_space

    def _find_policy(self, policy: Any) -> Type[BasePolicy]:
        """Look up a policy's name; check a policy's class."""
        if isinstance(policy, str):
            return get_policy_from_name(self._policy_base, policy)
        if isinstance(policy, type) and issubclass(policy, self._policy_base):
            return policy
        raise ValueError(f"policy must be a registered name or a subclass of {self._policy_base.__name__}, got {policy!r}")

    # ---------------------------------------------------------------- environment

    def _wrap_env(self, env: Any) -> Any:
        """Turn an id, an environment or a VecEnv into what the algorithm steps."""
        if isinstance(env, str):
            if self.verbose >= 1:
                print("Creating environment from the given name, wrapped in a DummyVecEnv.")
            env = DummyVecEnv([lambda env_id=env: gym_compat.make(env_id)])
        elif not isinstance(env, VecEnv):
            if not gym_compat.is_env(env):
                raise TypeError("env must be an environment, a VecEnv or the id of a registered environment, "
                                f"got {env!r}")
            if self.verbose >= 1 and self._requires_vec_env:
                print("Wrapping the env in a DummyVecEnv.")
            env = DummyVecEnv([lambda inner=env: inner]) if self._requires_vec_env else gym_compat.convert_env(env)
        return env

    def get_env(self) -> Any:
        """
        Return the environment of the model.

        :return: the environment, None if there is none
        """
        return self.env

    def get_vec_normalize_env(self) -> Optional[VecNormalize]:
        """
        Return the VecNormalize wrapper of the environment.

        :return: the wrapper, None if there is none
        """
        return None if self.env is None else unwrap_vec_normalize(self.env)

    def set_env(self, env: Any) -> None:
        """
        Replace the environment.

        :param env: an environment with the spaces of the model
        :raises ValueError: if there is none, or its spaces differ; the model keeps the old one then
        """
        if env is None:
            raise ValueError("the environment of a model cannot be replaced with None")
        env = self._wrap_env(env)
        for name in ('observation_space', 'action_space'):
            given, own = getattr(env, name), getattr(self, name)
            if own is not None and not gym_compat.same_space(given, own):
                raise ValueError(f"the {name} of the environment does not fit the model: given {given}, the model has {own}")
        self.env = env
        self.n_envs = getattr(env, 'num_envs', 1)
        self.observation_space, self.action_space = env.observation_space, env.action_space

    # ---------------------------------------------------------------- graph

    def setup_model(self) -> None:
        """
        Create graph and session, build the network and the training operations, initialise the variables.

        :raises ValueError: if the spaces are not known because there is no environment
        """
        if self.observation_space is None:
            raise ValueError(f"{type(self).__name__} needs an environment to know the spaces: env=None is for loading a model")
        with SetVerbosity(self.verbose):
            self.set_random_seed(self.seed)
            self.graph = tf_util.make_graph(self.seed)
            with self.graph.as_default():
                self.sess = tf_util.make_session(num_cpu=self.n_cpu_tf_sess, graph=self.graph)
                try:
                    self._build_graph()
                except (AttributeError, ImportError) as error:
                    tf_util.explain_missing(error)
                    raise
                self.summary = tf.summary.merge_all()
                self.sess.run(tf.global_variables_initializer())
                params = self.get_parameter_list()
                self._get_params = tf_util.function([], params, session=self.sess)
                values_ph = [tf.placeholder(param.dtype.base_dtype, param.shape) for param in params]
                self._set_params = tf_util.function(values_ph, [], session=self.sess, updates=[
                    tf.group(*[tf.assign(param, value_ph) for param, value_ph in zip(params, values_ph)])])

    def _check_built(self) -> None:
        """Refuse to use a network that is not there yet."""
        if self.graph is None:
            raise ValueError("the network of this model is not built yet (_init_setup_model=False): "
                             "call setup_model() first")

    @abstractmethod
    def _build_graph(self) -> None:
        """Build the algorithm's networks, losses and training operations in the default graph."""
        raise NotImplementedError

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
        if self.env is not None:
            self.env.seed(seed)
            # the environments of a VecEnv sample actions of their own spaces
            self.env.action_space.seed(seed)
        self.action_space.seed(seed)

    # ---------------------------------------------------------------- parameters

    @abstractmethod
    def get_parameter_list(self) -> List[tf.Variable]:
        """
        Return the variables that make up the trained model.

        :return: all that is saved, in the order of the file format
        """
        raise NotImplementedError

    def get_parameters(self) -> 'OrderedDict[str, np.ndarray]':
        """
        Return the values of the parameters.

        :return: variable name -> array
        """
        self._check_built()
        # copies: TensorFlow 2 hands out the memory in which the variables live
        return OrderedDict((param.name, value.copy())
                           for param, value in zip(self.get_parameter_list(), self._get_params()))

    def load_parameters(self, load_path_or_dict: Any, exact_match: bool = True) -> None:
        """
        Load parameters from a file or a dictionary. Hyperparameters and optimiser state stay as they are.

        :param load_path_or_dict: a model file, or variable name -> array
        :param exact_match: whether every parameter of the model must be given; otherwise only those given
            change
        :raises ParameterMismatchError: (a ValueError and RuntimeError) if names or shapes do not fit; nothing is
            loaded then
        """
        self._check_built()
        params = load_path_or_dict
        if not isinstance(params, (dict, list)):
            _, params = save_util.load_from_file(params, load_data=False)
        own = OrderedDict((param.name, tuple(param.shape.as_list())) for param in self.get_parameter_list())
        if isinstance(params, list):  # the oldest files hold the values in order, without names
            if len(params) != len(own):
                raise ParameterMismatchError(f"{len(params)} values given for a model with {len(own)} parameters")
            params = OrderedDict(zip(own, params))

        problems = [f"{name} is unknown" for name in params if name not in own]
        problems += [f"{name} is missing" for name in own if exact_match and name not in params]
        problems += [f"{name} has shape {np.shape(value)}, expected {own[name]}"
                     for name, value in params.items() if name in own and np.shape(value) != own[name]]
        if problems:
            raise ParameterMismatchError("the parameters do not fit the model: " + "; ".join(problems))
        # copies: a variable may go on living in the memory that was fed, which is the caller's
        self._set_params(*[np.array(value) for value in dict(self.get_parameters(), **params).values()])

    # ---------------------------------------------------------------- use

    @abstractmethod
    def learn(self, total_timesteps: int, callback: Callback = None, log_interval: int = 100,
              tb_log_name: str = "run", reset_num_timesteps: bool = True) -> 'BaseRLModel':
        """
        Train the model.

        :param total_timesteps: number of environment steps to train for
        :param callback: called at every step; a function of the local and
            the global variables, which stops the training by returning False, or a callback object
        :param log_interval: number of updates between two reports
        :param tb_log_name: name of the run in TensorBoard
        :param reset_num_timesteps: whether to count the time steps (and to begin a curve in TensorBoard) anew
        :return: the trained model
        """
        raise NotImplementedError

    @abstractmethod
    def predict(self, observation: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = False) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        """
        Choose actions for observations.

        :param observation: one observation, or one for each environment
        :param state: states of a recurrent policy, as the last call returned them; None means the state
            at the start of an episode
        :param mask: True where an observation begins an episode, shape (n_envs,)
        :param deterministic: whether to take the most likely actions rather than to sample
        :return: actions and the new states
        """
        raise NotImplementedError

    @abstractmethod
    def action_probability(self, observation: np.ndarray, state: Optional[np.ndarray] = None,
                           mask: Optional[np.ndarray] = None, actions: Optional[np.ndarray] = None,
                           logp: bool = False) -> Any:
        """
        Compute the distribution of actions, or the likelihood of given ones.

        :param observation: one observation, or one for each environment
        :param state: states of a recurrent policy
        :param mask: True where an observation begins an episode, shape (n_envs,)
        :param actions: as many actions as observations; None asks for the whole distribution
        :param logp: whether to return log-likelihoods; no effect without actions
        :return: without actions the probabilities (a list of them for MultiDiscrete), or
            mean and standard deviation for Box; with actions their probability mass or density, shape (n_envs, 1)
        """
        raise NotImplementedError

    def _batch_of(self, observation: np.ndarray) -> Tuple[np.ndarray, bool]:
        """Return observations with a batch axis, and whether they came with one."""
        observation = np.asarray(observation)
        shape = event_shape(self.observation_space)
        if observation.shape == shape:
            return observation[None], False
        if observation.shape[1:] == shape and observation.ndim == len(shape) + 1:
            return observation, True
        raise ValueError("unexpected observation shape {} for the observation space {}, please use {} or (n_envs,{})"
                         .format(observation.shape, self.observation_space, shape, str(shape)[1:-1].join((' ', ''))))

    # ---------------------------------------------------------------- training

    def _init_learn(self, callback: Callback, log_interval: int,
                    reset_num_timesteps: bool) -> Tuple[BaseCallback, bool]:
        """Prepare a call of ``learn``: return the callback as an object, and whether TensorBoard begins a new curve."""
        check_counts(log_interval=log_interval)
        if self.env is None:
            raise ValueError("cannot train the model without an environment, please set one with set_env(env)")
        self._check_built()
        if reset_num_timesteps:
            self.num_timesteps = 0
        if isinstance(callback, (list, tuple)):
            callback = CallbackList(list(callback))
        elif callback is None:
            callback = CallbackList([])
        elif not isinstance(callback, BaseCallback):
            callback = ConvertCallback(callback)
        callback.init_callback(self)
        return callback, reset_num_timesteps or self.num_timesteps == 0

    # ---------------------------------------------------------------- files

    @classmethod
    def _constructor_arguments(cls) -> List[str]:
        """Return the names of the constructor's arguments, with those that a subclass passes on as *args, **kwargs."""
        names: List[str] = []
        for owner in cls.__mro__:
            if '__init__' in vars(owner):
                params = inspect.signature(owner.__init__).parameters.values()
                passed_on = [param for param in params if param.kind in (param.VAR_POSITIONAL, param.VAR_KEYWORD)]
                names += [param.name for param in params if param not in passed_on and param.name not in names]
                if not passed_on:
                    break
        return names

    def save(self, save_path: Any, cloudpickle: bool = False) -> None:
        """
        Save the model: its constructor arguments (but environment and log folder), spaces and parameters.

        :param save_path: the file; ``.zip`` (or ``.pkl``) is added to a path without extension
        :param cloudpickle: whether to write the older form, one pickle, instead of the zip archive
        """
        self._check_built()
        names = [name for name in self._constructor_arguments() if name not in _NOT_SAVED and hasattr(self, name)]
        data = OrderedDict((name, getattr(self, name)) for name in names + list(_SAVED_ATTRIBUTES))
        for name in ('observation_space', 'action_space'):
            data[name] = gym_compat.without_generator(data[name])
        save_util.save_to_file(save_path, data, self.get_parameters(), as_pickle=cloudpickle)

    @classmethod
    def load(cls, load_path: Any, env: Any = None, custom_objects: Optional[Dict[str, Any]] = None,
             **kwargs) -> 'BaseRLModel':
        """
        Load a model from a file.

        :param load_path: the file
        :param env: the environment to go on training in; prediction needs none
        :param custom_objects: attributes to use instead of those in the file, which are then not unpickled
        :param kwargs: constructor arguments to change
        :return: the model
        :raises ValueError: if the file is missing, damaged or of another kind of model, or does not fit the arguments
        :raises TypeError: if an argument is unknown
        """
        # what is given anew need not be unpickled: a policy whose module is gone, a schedule of another Python
        given = {name: value for name, value in kwargs.items() if name != 'policy_kwargs'}
        data, params = save_util.load_from_file(load_path, custom_objects=dict(given, **(custom_objects or {})))
        if 'policy_kwargs' in kwargs and kwargs['policy_kwargs'] != data.get('policy_kwargs'):
            raise ValueError("policy_kwargs={} differ from the stored ones, {}".format(
                kwargs['policy_kwargs'], data.get('policy_kwargs')))
        data.update(kwargs)
        if not {'policy', 'observation_space', 'action_space'} <= set(data):
            raise ValueError(f"{load_path} holds no model: it lacks the policy or the spaces")

        model = cls(policy=data.pop('policy'), env=None, _init_setup_model=False)
        unknown = [name for name in kwargs if name != 'policy' and not hasattr(model, name)]
        if unknown:
            raise TypeError("{}.load() got unknown arguments {}, those that can be changed are {}".format(
                cls.__name__, sorted(unknown), sorted(set(cls._constructor_arguments()) - {'self', 'env'})))
        data['observation_space'] = gym_compat.convert_space(data['observation_space'])
        data['action_space'] = gym_compat.convert_space(data['action_space'])
        model.__dict__.update(data)
        if env is not None:
            model.set_env(env)
        model.setup_model()
        model.load_parameters(params)
        return model


def check_counts(**counts) -> None:
    """
    Refuse what is no number of things.

    :param counts: the numbers, by the names of the arguments
    :raises ValueError: at the first that is no positive integer
    """
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name} must be a positive integer, got {count!r}")


def event_shape(space: spaces.Space) -> Tuple[int, ...]:
    """
    Return the shape of one element of a space.

    :param space: Discrete, MultiDiscrete, MultiBinary or Box
    :return: its shape
    """
    if isinstance(space, spaces.Discrete):
        return ()
    if isinstance(space, spaces.MultiDiscrete):
        return (len(space.nvec),)
    if isinstance(space, spaces.MultiBinary):
        return (int(space.n),)
    return tuple(space.shape)


# ================================================================
# Contexts of a training
# ================================================================

class SetVerbosity:
    """
    Silence TensorFlow as far as the verbosity says, within a ``with`` block.

    :param verbose: 0 leaves errors only, 1 warnings too, 2 everything
    """

    def __init__(self, verbose: int = 0):
        self.verbose = verbose

    def __enter__(self) -> None:
        level = max(0, 2 - self.verbose)
        self._cpp_level = os.environ.get('TF_CPP_MIN_LOG_LEVEL')
        self._tf_level = tf.logging.get_verbosity()
        os.environ['TF_CPP_MIN_LOG_LEVEL'] = str(level)
        tf.logging.set_verbosity([tf.logging.INFO, tf.logging.WARN, tf.logging.ERROR][level])

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        tf.logging.set_verbosity(self._tf_level)
        if self._cpp_level is None:
            del os.environ['TF_CPP_MIN_LOG_LEVEL']
        else:
            os.environ['TF_CPP_MIN_LOG_LEVEL'] = self._cpp_level


class TensorboardWriter:
    """
    Open a TensorBoard writer for the length of a ``with`` block.

    :param graph: the graph to show
    :param tensorboard_log_path: folder of all runs; None: the block gets None instead of a writer
    :param tb_log_name: name of the run; its folder is NAME_1, NAME_2, ...
    :param new_tb_log: whether to begin a new folder rather than to go on in the last one
    """

    def __init__(self, graph: tf.Graph, tensorboard_log_path: Optional[str], tb_log_name: str,
                 new_tb_log: bool = True):
        self.graph = graph
        self.tensorboard_log_path = tensorboard_log_path
        self.tb_log_name = tb_log_name
        self.new_tb_log = new_tb_log
        self.writer: Optional[tf.summary.FileWriter] = None

    def __enter__(self) -> Optional[tf.summary.FileWriter]:
        if self.tensorboard_log_path is not None:
            run_id = self._latest_run_id() + (1 if self.new_tb_log else 0)
            folder = os.path.join(self.tensorboard_log_path, f"{self.tb_log_name}_{run_id}")
            with self.graph.as_default():
                self.writer = tf.summary.FileWriter(folder, graph=self.graph)
        return self.writer

    def _latest_run_id(self) -> int:
        """Return the highest number of a run of this name, 0 if there is none."""
        prefix = os.path.join(glob.escape(self.tensorboard_log_path), glob.escape(self.tb_log_name) + "_")
        endings = [path.rsplit('_', 1)[-1] for path in glob.glob(prefix + "[0-9]*")]
        return max([int(ending) for ending in endings if ending.isdigit()], default=0)

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        if self.writer is not None:
            self.writer.close()
