"""Hooks into training: save, evaluate, stop, show progress, or whatever a subclass does."""
import os
import warnings
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, List, Optional, Union

import numpy as np

from stable_baselines import logger
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.gym_compat import Env, convert_env
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, sync_envs_normalization


class BaseCallback(ABC):
    """
    Base class of callbacks: a subclass implements ``_on_step``, and the other hooks that it needs.

    :param verbose: 0: no output, 1: info, 2: debug
    """

    def __init__(self, verbose: int = 0):
        self.model: Any = None  # a BaseRLModel, which is above this module in the order of imports
        self.training_env: Union[Env, VecEnv, None] = None
        self.n_calls: int = 0
        self.num_timesteps: int = 0
        self.verbose = verbose
        self.locals: Optional[Dict[str, Any]] = None
        self.globals: Optional[Dict[str, Any]] = None
        self.logger: Optional[logger.Logger] = None
        # what triggers this callback, if another one does
        self.parent: Optional[BaseCallback] = None

    def init_callback(self, model: Any) -> None:
        """
        Keep references to the model, its environment and the current logger.

        :param model: the model that will be trained
        """
        self.model = model
        self.training_env = model.get_env()
        self.logger = logger.Logger.CURRENT
        self._init_callback()

    def _init_callback(self) -> None:
        """Prepare for this model; called before each training."""

    def on_training_start(self, locals_: Dict[str, Any], globals_: Dict[str, Any]) -> None:
        """
        Take note that training starts.

        :param locals_: local variables of the training loop; ``update_locals`` changes this very dict
        :param globals_: its global variables
        """
        self.locals = locals_
        self.globals = globals_
        self.num_timesteps = self.model.num_timesteps
        self._on_training_start()

    def _on_training_start(self) -> None:
        """React to the start of training, before the first rollout."""

    def on_rollout_start(self) -> None:
        """Take note that a rollout starts."""
        self._on_rollout_start()

    def _on_rollout_start(self) -> None:
        """React to the start of a rollout, before samples are collected with the current policy."""

    @abstractmethod
    def _on_step(self) -> bool:
        """
        React to a step of the environment, or to the event of the parent.

        :return: False stops training; anything else, None too, lets it go on
        """

    def on_step(self) -> bool:
        """
        Take note of a step; called by the model after each step of the environment, by a parent on its event.

        :return: whether training should go on
        """
        self.n_calls += 1
        self.num_timesteps = self.model.num_timesteps
        result = self._on_step()
        if result is True or result is None:  # the usual cases, in every step of training
            return True
        # comparisons of NumPy values give np.bool_, which is never ``is False``
        return result is not False and not (isinstance(result, np.bool_) and not result)

    def on_rollout_end(self) -> None:
        """Take note that a rollout ends."""
        self._on_rollout_end()

    def _on_rollout_end(self) -> None:
        """React to the end of a rollout, before the policy is updated."""

    def on_training_end(self) -> None:
        """Take note that training ends."""
        self._on_training_end()

    def _on_training_end(self) -> None:
        """React to the end of training, before ``learn`` returns."""

    def update_locals(self, locals_: Dict[str, Any]) -> None:
        """
        Update the local variables of the training loop, for this callback and its children, which share the dict.

        :param locals_: the current local variables
        """
        self.locals.update(locals_)


class EventCallback(BaseCallback):
    """
    Base class of callbacks that trigger another one on an event.

    As in Stable Baselines 2.10, the child hears of the start of training and of its events, and of nothing else.

    :param callback: what to trigger, None for nothing
    :param verbose: 0: no output, 1: info, 2: debug
    :raises TypeError: if ``callback`` is neither a BaseCallback nor None
    """

    def __init__(self, callback: Optional[BaseCallback] = None, verbose: int = 0):
        super().__init__(verbose=verbose)
        if callback is not None:
            if not isinstance(callback, BaseCallback):
                raise TypeError(f"callback must be a BaseCallback or None, got {callback!r}")
            callback.parent = self
        self.callback = callback

    def init_callback(self, model: Any) -> None:
        """
        Prepare this callback and its child for a model.

        :param model: the model that will be trained
        """
        super().init_callback(model)
        if self.callback is not None:
            self.callback.init_callback(model)

    def _on_training_start(self) -> None:
        if self.callback is not None:
            self.callback.on_training_start(self.locals, self.globals)

    def _on_event(self) -> bool:
        """
        Trigger the child.

        :return: whether training should go on
        """
        return self.callback is None or self.callback.on_step()

    def _on_step(self) -> bool:
        return True


class CallbackList(BaseCallback):
    """
    Call several callbacks in order. All are called in each step, even if one of them stops training.

    :param callbacks: the callbacks; functions of ``(locals, globals)`` are wrapped
    """

    def __init__(self, callbacks: List[Union[BaseCallback, Callable]]):
        super().__init__()
        self.callbacks = [callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)
                          for callback in callbacks]

    def _init_callback(self) -> None:
        for callback in self.callbacks:
            if callback.parent is None:  # a list may stand where one child is expected
                callback.parent = self.parent
            callback.init_callback(self.model)

    def _on_training_start(self) -> None:
        for callback in self.callbacks:
            callback.on_training_start(self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        for callback in self.callbacks:
            callback.on_rollout_start()

    def _on_step(self) -> bool:
        continue_training = True
        for callback in self.callbacks:
            continue_training = callback.on_step() and continue_training
        return continue_training

    def _on_rollout_end(self) -> None:
        for callback in self.callbacks:
            callback.on_rollout_end()

    def _on_training_end(self) -> None:
        for callback in self.callbacks:
            callback.on_training_end()


class ConvertCallback(BaseCallback):
    """
    Make a callback of a function, the older way of writing one.

    :param callback: called with ``locals`` and ``globals`` in each step; only False stops training. None is
        a callback that does nothing
    :param verbose: not used
    :raises TypeError: if it is not callable
    """

    def __init__(self, callback: Optional[Callable[[Dict[str, Any], Dict[str, Any]], Optional[bool]]],
                 verbose: int = 0):
        super().__init__(verbose)
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a BaseCallback, a function or None, got {callback!r}")
        self.callback = callback

    def _on_step(self) -> Optional[bool]:
        return None if self.callback is None else self.callback(self.locals, self.globals)


class CheckpointCallback(BaseCallback):
    """
    Save the model at regular intervals, as ``<name_prefix>_<number of timesteps>_steps.zip``.

    :param save_freq: save at every ``save_freq``-th call (one call is a step in each of the environments)
    :param save_path: folder for the files, made if needed
    :param name_prefix: start of the files' names
    :param verbose: 2 prints the path of each file
    :raises ValueError: if ``save_freq`` is below 1
    """

    def __init__(self, save_freq: int, save_path: str, name_prefix: str = 'rl_model', verbose: int = 0):
        super().__init__(verbose)
        self.save_freq = _check_positive('save_freq', save_freq)
        self.save_path = save_path
        self.name_prefix = name_prefix

    def _init_callback(self) -> None:
        if self.save_path is not None:
            os.makedirs(self.save_path, exist_ok=True)

    def _on_step(self) -> bool:
        if self.n_calls % self.save_freq == 0:
            path = os.path.join(self.save_path, f'{self.name_prefix}_{self.num_timesteps}_steps')
            self.model.save(path)
            if self.verbose > 1:
                print(f"Saving model checkpoint to {path}")
        return True


class EvalCallback(EventCallback):
    """
    Evaluate the model at regular intervals, and keep the best one.

    With ``log_path``, ``evaluations.npz`` there holds all evaluations so far: ``timesteps`` of shape (n_evaluations,),
    ``results`` of shape (n_evaluations, n_eval_episodes, 1) with the episode rewards, and ``ep_lengths`` of shape
    (n_evaluations, n_eval_episodes). If training normalises with VecNormalize, ``eval_env`` must have a VecNormalize
    too; it takes over the statistics of the training environment before each evaluation.

    :param eval_env: the environment to evaluate on, a single one
    :param callback_on_new_best: triggered when the mean reward is higher than ever before
    :param n_eval_episodes: number of episodes per evaluation
    :param eval_freq: evaluate at every ``eval_freq``-th call; 0 or less for never
    :param log_path: folder for ``evaluations.npz``, made if needed; None to write none
    :param best_model_save_path: folder for the best model so far, ``best_model.zip``; None to save none
    :param deterministic: whether the model takes its most probable action rather than a sampled one
    :param render: whether to show the evaluation
    :param verbose: 1 prints the result of each evaluation
    :raises ValueError: if ``eval_env`` holds several environments
    """

    def __init__(self, eval_env: Union[Env, VecEnv], callback_on_new_best: Optional[BaseCallback] = None,
                 n_eval_episodes: int = 5, eval_freq: int = 10000, log_path: Optional[str] = None,
                 best_model_save_path: Optional[str] = None, deterministic: bool = True, render: bool = False,
                 verbose: int = 1):
        super().__init__(callback_on_new_best, verbose=verbose)
        self.n_eval_episodes = _check_positive('n_eval_episodes', n_eval_episodes)
        self.eval_freq = eval_freq
        self.best_mean_reward = -np.inf
        self.last_mean_reward = -np.inf
        self.deterministic = deterministic
        self.render = render
        if not isinstance(eval_env, VecEnv):
            env = convert_env(eval_env)
            eval_env = DummyVecEnv([lambda: env])
        if eval_env.num_envs != 1:
            raise ValueError(f"eval_env must hold one environment, got a VecEnv with {eval_env.num_envs}")
        self.eval_env = eval_env
        self.best_model_save_path = best_model_save_path
        # as Stable Baselines 2.10: from here on, the path of the file (without .npz) in the folder that was given
        self.log_path = None if log_path is None else os.path.join(log_path, 'evaluations')
        self.evaluations_results: List[List[float]] = []
        self.evaluations_timesteps: List[int] = []
        self.evaluations_length: List[List[int]] = []

    def _init_callback(self) -> None:
        training_layers, eval_layers = _wrapper_names(self.training_env), _wrapper_names(self.eval_env)
        if training_layers != eval_layers:
            warnings.warn("Training and eval env are not of the same type: their wrappers are "
                          f"{training_layers or 'none'} != {eval_layers or 'none'}", stacklevel=2)
        if self.best_model_save_path is not None:
            os.makedirs(self.best_model_save_path, exist_ok=True)
        if self.log_path is not None:
            os.makedirs(os.path.dirname(self.log_path), exist_ok=True)

    def _on_step(self) -> bool:
        if self.eval_freq <= 0 or self.n_calls % self.eval_freq != 0:
            return True
        sync_envs_normalization(self.training_env, self.eval_env)
        rewards, lengths = evaluate_policy(self.model, self.eval_env, n_eval_episodes=self.n_eval_episodes,
                                           deterministic=self.deterministic, render=self.render,
                                           return_episode_rewards=True)
        self._record(rewards, lengths)
        self.last_mean_reward = float(np.mean(rewards))
        if self.last_mean_reward <= self.best_mean_reward:
            return True
        self.best_mean_reward = self.last_mean_reward
        if self.verbose > 0:
            print("New best mean reward!")
        if self.best_model_save_path is not None:
            self.model.save(os.path.join(self.best_model_save_path, 'best_model'))
        return self._on_event()

    def _record(self, rewards: List[float], lengths: List[int]) -> None:
        """
        Print an evaluation and add it to the file.

        :param rewards: reward of each episode
        :param lengths: length of each episode
        """
        if self.verbose > 0:
            print(f"Eval num_timesteps={self.num_timesteps}, "
                  f"episode_reward={np.mean(rewards):.2f} +/- {np.std(rewards):.2f}")
            print(f"Episode length: {np.mean(lengths):.2f} +/- {np.std(lengths):.2f}")
        if self.log_path is None:
            return
        self.evaluations_timesteps.append(self.num_timesteps)
        self.evaluations_results.append(rewards)
        self.evaluations_length.append(lengths)
        # as Stable Baselines 2.10: float32, with a last axis for the one environment
        results = np.array(self.evaluations_results, dtype=np.float32)[..., np.newaxis]
        np.savez(self.log_path, timesteps=self.evaluations_timesteps, results=results,
                 ep_lengths=self.evaluations_length)


class StopTrainingOnRewardThreshold(BaseCallback):
    """
    Stop training when the best mean reward reaches a threshold; for ``callback_on_new_best`` of an ``EvalCallback``.

    :param reward_threshold: the mean reward per episode to reach
    :param verbose: 1 prints that training stops
    :raises ValueError: on initialisation with a model, if it is not the child of an ``EvalCallback``
    """

    def __init__(self, reward_threshold: float, verbose: int = 0):
        super().__init__(verbose=verbose)
        self.reward_threshold = reward_threshold

    def _init_callback(self) -> None:
        if not hasattr(self.parent, 'best_mean_reward'):
            raise ValueError("StopTrainingOnRewardThreshold must be the callback_on_new_best of an EvalCallback, "
                             f"its parent is {self.parent!r}")

    def _on_step(self) -> bool:
        continue_training = self.parent.best_mean_reward < self.reward_threshold
        if self.verbose > 0 and not continue_training:
            print(f"Stopping training because the mean reward {self.parent.best_mean_reward:.2f} "
                  f"is above the threshold {self.reward_threshold}")
        return continue_training


class EveryNTimesteps(EventCallback):
    """
    Trigger a callback every ``n_steps`` timesteps.

    :param n_steps: timesteps between two triggers; a lower bound where the number of timesteps moves in leaps
        (several environments; PPO1 and TRPO count after each rollout)
    :param callback: what to trigger
    :raises ValueError: if ``n_steps`` is below 1
    """

    def __init__(self, n_steps: int, callback: BaseCallback):
        super().__init__(callback)
        self.n_steps = _check_positive('n_steps', n_steps)
        self.last_time_trigger = 0

    def _on_training_start(self) -> None:
        if self.num_timesteps < self.last_time_trigger:  # a second ``learn`` counts from zero again
            self.last_time_trigger = self.num_timesteps
        super()._on_training_start()

    def _on_step(self) -> bool:
        if self.num_timesteps - self.last_time_trigger < self.n_steps:
            return True
        self.last_time_trigger = self.num_timesteps
        return self._on_event()


class ProgressBarCallback(BaseCallback):
    """
    Show a progress bar of the timesteps; needs tqdm (``pip install stable_baselines[progress]``).

    :param verbose: not used
    :raises ImportError: if tqdm is missing
    """

    def __init__(self, verbose: int = 0):
        super().__init__(verbose)
        try:
            from tqdm import tqdm
        except ImportError as error:
            raise ImportError("ProgressBarCallback needs tqdm: pip install stable_baselines[progress], "
                              "or pip install tqdm") from error
        self._make_bar = tqdm
        self._bar = None
        self._first_timestep = 0

    def _on_training_start(self) -> None:
        self._first_timestep = self.num_timesteps  # above zero where an earlier training is continued
        self._bar = self._make_bar(total=self.locals.get('total_timesteps'), unit='steps')

    def _on_step(self) -> bool:
        self._bar.update(self.num_timesteps - self._first_timestep - self._bar.n)
        return True

    def _on_training_end(self) -> None:
        self._bar.update(self.model.num_timesteps - self._first_timestep - self._bar.n)
        self._bar.close()


def _check_positive(name: str, value: int) -> int:
    """Return a count that must be positive."""
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value


def _wrapper_names(env: Any) -> List[str]:
    """List the classes of the VecEnvWrappers around an environment, the outermost first, without internal ones."""
    names = []
    while env is not None:
        if isinstance(env, VecEnvWrapper) and not type(env).__name__.startswith('_'):
            names.append(type(env).__name__)
        env = getattr(env, 'venv', None)
    return names
