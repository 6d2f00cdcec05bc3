"""Parameters, files, and the state of a training: how they get out of a model and into one."""
import copy
import inspect
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import AbstractSet, Any, Callable, Dict, List, Optional, Set, Tuple, Type, TypeVar

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import gym_compat, save_util, tf_util

Model = TypeVar('Model', bound='StoredModel')


class ParameterMismatchError(ValueError, RuntimeError):
    """Parameters do not fit a model. A RuntimeError too, which is what the reference documents."""


class StoredModel(ABC):
    """
    What a model's file holds, and what a training carries.

    A subclass lists its own in the class attributes, or extends ``_saved_data``, ``_new_for_loading`` and
    ``training_state``.
    """

    # constructor arguments that say where a model runs, not what it is
    _not_saved: Tuple[str, ...] = ('self', 'env', '_init_setup_model', 'tensorboard_log')
    # what is saved besides the constructor arguments
    _also_saved: Tuple[str, ...] = ('observation_space', 'action_space', 'n_envs', '_vectorize_action')
    # attributes that a training carries from one call of ``learn`` to the next, besides the variables
    _carried: Tuple[str, ...] = ('num_timesteps', 'np_random', 'ep_info_buf', 'episode_reward')
    # properties that make their object at the first use, and keep it under their name with an underscore
    _carried_if_made: Tuple[str, ...] = ()

    graph: Any = None  # it and its session exist once the network is built
    sess: Any = None
    n_envs: int

    def _check_built(self) -> None:
        """Refuse to use a network that is not there yet."""
        if self.graph is None:
            raise ValueError("the network of this model is not built yet (_init_setup_model=False): "
                             "call setup_model() first")

    def _setup_load_operations(self) -> None:
        """Build what reads and sets the parameters."""
        with self.graph.as_default():
            self._get_params, self._set_params = self._build_access(self.get_parameter_list())
        self._other_access: Any = None

    def _build_access(self, variables: List[tf.Variable]) -> Tuple[Callable, Callable]:
        """Build functions that return the values of variables, and that set them."""
        values_ph = [tf.placeholder(variable.dtype.base_dtype, variable.shape) for variable in variables]
        assign_op = tf.group(*[tf.assign(variable, value_ph) for variable, value_ph in zip(variables, values_ph)])
        return (tf_util.function([], variables, session=self.sess),
                tf_util.function(values_ph, [], session=self.sess, updates=[assign_op]))

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
        return OrderedDict((param.name, np.array(value))
                           for param, value in zip(self.get_parameter_list(), self._get_params()))

    def load_parameters(self, load_path_or_dict: Any, exact_match: bool = True) -> None:
        """
        Load parameters from a file or a dictionary. Hyperparameters and optimiser state stay as they are.

        :param load_path_or_dict: a model file (path or file object), or variable name -> array
        :param exact_match: whether every parameter of the model must be given; otherwise only those given change
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
        if len(params) < len(own):
            params = dict(self.get_parameters(), **params)
        # copies: a variable may go on living in the memory that was fed, which is the caller's
        self._set_params(*[np.array(params[name]) for name in own])

    # ---------------------------------------------------------------- what a training carries

    def training_state(self) -> Dict[str, Any]:
        """
        Return what a training carries besides the parameters: the optimiser's and all other variables, the number of
        steps, NumPy's generator, the runner's last observations, a replay memory.

        The state of the environments, and the positions of TensorFlow's own random streams, are not in it.

        :return: name -> value that can be pickled, independent of the model
        """
        self._check_built()
        state = {name: _state_of(getattr(self, name)) for name in self._carried}
        state.update((name, _state_of(getattr(self, '_' + name))) for name in self._carried_if_made)
        names, (get_values, _) = self._other_variables()
        # copies, as in get_parameters
        return dict(state, n_envs=self.n_envs, variables=dict(zip(names, map(np.array, get_values()))))

    def set_training_state(self, state: Dict[str, Any]) -> None:
        """
        Continue a training from where ``training_state`` was called.

        :param state: what ``training_state`` returned, of a model with the same arguments and number of environments
        :raises ParameterMismatchError: (a ValueError) if it does not fit; nothing is changed then
        """
        self._check_built()
        names, (_, set_values) = self._other_variables()
        if state['n_envs'] != self.n_envs or set(names) != set(state['variables']):
            raise ParameterMismatchError(
                f"state of a training with {state['n_envs']} environments and {len(state['variables'])} variables: "
                f"accepted is one of this model, with {self.n_envs} and {len(names)}")
        set_values(*[np.array(state['variables'][name]) for name in names])
        for name in self._carried + self._carried_if_made:
            if name in self._carried and not hasattr(getattr(self, name), 'set_state'):
                setattr(self, name, copy.deepcopy(state[name]))
            elif state[name] is not None:
                getattr(self, name).set_state(state[name])

    def _other_variables(self) -> Tuple[List[str], Tuple[Callable, Callable]]:
        """Return the names of the variables that are not parameters, and what reads and sets them."""
        if self._other_access is None:
            params = {param.name for param in self.get_parameter_list()}
            with self.graph.as_default():
                variables = [variable for variable in tf.global_variables() if variable.name not in params]
                self._other_access = [variable.name for variable in variables], self._build_access(variables)
        return self._other_access

    # ---------------------------------------------------------------- files

    @classmethod
    def _constructor_arguments(cls) -> List[str]:
        """Return the names of the constructor's arguments, with those that a subclass passes on as *args, **kwargs."""
        names: List[str] = []
        for owner in cls.__mro__:
            if '__init__' in vars(owner):
                params = inspect.signature(vars(owner)['__init__']).parameters.values()
                passed_on = [param for param in params if param.kind in (param.VAR_POSITIONAL, param.VAR_KEYWORD)]
                names += [param.name for param in params if param not in passed_on and param.name not in names]
                if not passed_on:
                    break
        return names

    def save(self, save_path: Any, cloudpickle: bool = False) -> None:
        """
        Save the model: its constructor arguments (but environment and log folder), spaces and parameters.

        :param save_path: the file (path or file object); ``.zip`` (or ``.pkl``) is added to a path without extension
        :param cloudpickle: whether to write the older form, one pickle, instead of the zip archive
        """
        self._check_built()
        save_util.save_to_file(save_path, self._saved_data(), self.get_parameters(), as_pickle=cloudpickle)

    def _saved_data(self) -> 'OrderedDict[str, Any]':
        """Name what is saved besides the parameters."""
        arguments = [name for name in self._constructor_arguments() if name not in self._not_saved]
        data = OrderedDict((name, getattr(self, name)) for name in (*arguments, *self._also_saved)
                           if hasattr(self, name))
        for name in ('observation_space', 'action_space'):
            data[name] = gym_compat.without_generator(data[name])
        return data

    @staticmethod
    def _save_to_file(save_path: Any, data: Optional[Dict[str, Any]] = None, params: Any = None,
                      cloudpickle: bool = False) -> None:
        """Write a file, for a ``save`` of the user's own, under the name of Stable Baselines 2.10."""
        save_util.save_to_file(save_path, data or {}, params, as_pickle=cloudpickle)

    _load_from_file = staticmethod(save_util.load_from_file)

    @classmethod
    def load(cls: Type[Model], load_path: Any, env: Any = None, custom_objects: Optional[Dict[str, Any]] = None,
             **kwargs) -> Model:
        """
        Load a model from a file.

        :param load_path: the file (path or file object)
        :param env: the environment to continue training in; prediction needs none
        :param custom_objects: attributes to use instead of those in the file, which are then not unpickled
        :param kwargs: constructor arguments, or other saved attributes, to change
        :return: the model
        :raises ValueError: if the file is missing, damaged or of another algorithm, or does not fit the arguments
        :raises LostObjectError: (a ValueError and RuntimeError) if a stored object cannot be rebuilt
        :raises TypeError: if an argument is unknown
        """
        data, params = cls._read(load_path, custom_objects, kwargs)
        model: Any = cls._new_for_loading(data)
        known = model._known_names()
        unknown = (kwargs.keys() & data.keys()) - known
        if unknown:
            raise TypeError(f"{cls.__name__}.load() got unknown arguments {sorted(unknown)}, those that can be changed "
                            f"are {sorted(known)}")
        ignored = model._take_over(data)
        if ignored:
            warnings.warn(f"load_path={load_path!r}: {sorted(ignored)} are not attributes that {cls.__name__} saves; "
                          "these entries are ignored", stacklevel=2)
        if env is not None:
            model.set_env(env)
        model.setup_model()
        model.load_parameters(params)
        return model

    @classmethod
    def _read(cls, load_path: Any, custom_objects: Optional[Dict[str, Any]],
              changed: Dict[str, Any]) -> Tuple[Dict[str, Any], save_util.Parameters]:
        """Read a model file; return what the model is to be made of, with what the user changes, and its parameters."""
        # what the caller replaces is not unpickled: a policy whose module is gone, a schedule of another Python
        given = {name: value for name, value in changed.items() if name != 'policy_kwargs'}
        data, params = save_util.load_from_file(load_path, custom_objects=dict(given, **(custom_objects or {})),
                                                check_names=lambda names: cls._check_algorithm(load_path, names))
        if 'policy_kwargs' in changed and changed['policy_kwargs'] != data.get('policy_kwargs'):
            raise ValueError(f"policy_kwargs={changed['policy_kwargs']} differ from the stored ones, "
                             f"{data.get('policy_kwargs')}")
        data.update(changed)
        if not {'policy', 'observation_space', 'action_space'} <= set(data):
            raise ValueError(f"{load_path} holds no model: it lacks the policy or the spaces")
        for name in ('observation_space', 'action_space'):
            data[name] = gym_compat.convert_space(data[name])
        return data, params

    @classmethod
    def _new_for_loading(cls: Type[Model], data: Dict[str, Any]) -> Model:
        """Make an object that takes over the data of a file; what its constructor needs is taken out of them."""
        make: Any = cls  # this class itself has no such constructor
        return make(policy=data.pop('policy'), env=None, _init_setup_model=False)

    @classmethod
    def _check_algorithm(cls, load_path: Any, names: AbstractSet[str]) -> None:
        """Refuse a file whose attributes show that another algorithm wrote it."""
        own = next((base.__name__ for base in cls.__mro__ if base.__name__ in save_util.TELLTALES), None)
        stored = save_util.algorithm_of(names)
        if own and stored and not save_util.TELLTALES[own] <= names:
            stored = 'TRPO or GAIL' if stored == 'TRPO' else stored
            raise ValueError(f"load_path={load_path!r}: accepted is a model of {own}, this file holds one of {stored}")

    def _known_names(self) -> Set[str]:
        """Name what the keywords of ``load`` may set: arguments of the constructor and saved attributes."""
        return {*self._constructor_arguments(), *self._saved_data(), *vars(self)} - {
            'self', 'env', '_init_setup_model', 'policy_base', 'requires_vec_env', '_vectorize_action'}

    def _take_over(self, data: Dict[str, Any]) -> Set[str]:
        """Set the attributes that a file holds; return the names left out, which would hide a part of the class."""
        known = {*self._known_names(), *self._also_saved}
        ignored = {name for name in data if name not in known and hasattr(type(self), name)}
        vars(self).update({name: value for name, value in data.items() if name not in ignored})
        return ignored


def _state_of(value: Any) -> Any:
    """Return the state of an object that has one, which is a copy, or a copy of the object itself."""
    if value is np.random:  # the generator of the whole process is not the model's
        return None
    return value.get_state() if hasattr(value, 'get_state') else copy.deepcopy(value)
