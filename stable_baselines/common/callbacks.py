"""Hooks into training: save, evaluate, stop, show progress, or whatever a subclass does."""
import io
import os
import sys
import warnings
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import numpy as np

from stable_baselines import logger
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.extras import pip_install
from stable_baselines.common.files.atomic import write_whole
from stable_baselines.common.gym_compat import Env
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, sync_envs_normalization
from stable_baselines.logger.outputs import beside_progress_bars


class BaseCallback(ABC):
    """
    Base class of callbacks: a subclass implements ``_on_step``, and the other hooks that it needs.

    :param verbose: 0: no output, 1: info, 2: debug
    """

    model: Any = None  # a BaseRLModel, which is above this module in the order of imports
    # a VecEnv or an environment, a Logger, and two dicts once the training has started
    training_env: Any = None
    logger: Any = None
    locals: Any = None
    globals: Any = None
    parent: Any = None  # the callback that triggers this one, if any
    n_calls = 0
    num_timesteps = 0

    def __init__(self, verbose: int = 0):
        self.verbose = verbose

    def init_callback(self, model: Any) -> None:
        """Keep references to the model that will be trained, its environment and the current logger."""
        self.model, self.training_env, self.logger = model, model.get_env(), logger.Logger.CURRENT
        self._init_callback()

    def _init_callback(self) -> None:
        """Prepare for this model; called before each training."""

    def on_training_start(self, locals_: Dict[str, Any], globals_: Dict[str, Any]) -> None:
        """Start a training: keep ``locals_``, the dict that ``offer`` will change, and call the hook."""
        self.locals, self.globals = locals_, globals_
        self.num_timesteps = self.model.num_timesteps
        self._on_training_start()

    def _on_training_start(self) -> None:
        """React to the start of training, before the first rollout."""

    @property
    def listens(self) -> bool:
        """bool: whether anybody reads what ``offer`` passes on; a training loop may skip it otherwise."""
        return True

    def offer(self, **values) -> None:
        """Take variables of the training loop by name, for ``locals``; what every training of the library calls."""
        self.update_locals(values)

    def update_locals(self, locals_: Dict[str, Any]) -> None:
        """Do what ``offer`` does, with a dict."""
        self.locals.update(locals_)  # children share it

    def on_rollout_start(self) -> None:
        """Pass on that a rollout starts."""
        self._on_rollout_start()

    def _on_rollout_start(self) -> None:
        """React to the start of a rollout, before samples are collected with the current policy."""

    def on_step(self) -> bool:
        """Count a step of the environment, or the parent's event; return whether training should go on."""
        self.n_calls += 1
        self.num_timesteps = self.model.num_timesteps
        result = self._on_step()
        return not isinstance(result, (bool, np.bool_)) or bool(result)  # comparisons of NumPy values give np.bool_

    @abstractmethod
    def _on_step(self) -> Optional[bool]:
        """React to a step, or to the parent's event; only False stops training, None lets it go on."""

    def on_rollout_end(self) -> None:
        """Pass on that a rollout ends."""
        self._on_rollout_end()

    def _on_rollout_end(self) -> None:
        """React to the end of a rollout, before the policy is updated."""

    def on_training_end(self) -> None:
        """Pass on that training ends."""
        self._on_training_end()

    def _on_training_end(self) -> None:
        """React to the end of training, before ``learn`` returns."""


class EventCallback(BaseCallback):
    """
    Base class of callbacks that trigger another one on an event.

    As in Stable Baselines 2.10, the child hears of the start of training and of its events, and of nothing else.

    :param callback: what to trigger, None for nothing
    :raises TypeError: if ``callback`` is neither a BaseCallback nor None
    """

    def __init__(self, callback: Optional[BaseCallback] = None, verbose: int = 0):
        super().__init__(verbose=verbose)
        if callback is not None:
            if not isinstance(callback, BaseCallback):
                raise TypeError(f"callback={callback!r}: accepted is a BaseCallback or None")
            callback.parent = self
        self.callback = callback

    def init_callback(self, model: Any) -> None:
        super().init_callback(model)
        if self.callback is not None:
            self.callback.init_callback(model)

    def _on_training_start(self) -> None:
        if self.callback is not None:
            self.callback.on_training_start(self.locals, self.globals)

    def _on_event(self) -> bool:
        """Trigger the child and return whether training should go on."""
        return self.callback is None or self.callback.on_step()

    def _on_step(self) -> bool:
        return True


class CallbackList(BaseCallback):
    """
    Call several callbacks in order. All are called in each step, even if one of them stops training.

    :param callbacks: the callbacks, in any form that ``make_callback`` accepts
    """

    def __init__(self, callbacks: Sequence[Any]):
        super().__init__()
        self.callbacks = [make_callback(callback) for callback in callbacks]

    @property
    def listens(self) -> bool:
        # a subclass may have hooks of its own
        return type(self) is not CallbackList or any(callback.listens for callback in self.callbacks)

    def _each(self, hook: str, *args) -> List[Any]:
        """Call a method of every callback and return the results."""
        return [getattr(callback, hook)(*args) for callback in self.callbacks]

    def _init_callback(self) -> None:
        for orphan in (callback for callback in self.callbacks if callback.parent is None):
            orphan.parent = self.parent  # a list may stand where one child is expected
        self._each('init_callback', self.model)

    def _on_training_start(self) -> None:
        self._each('on_training_start', self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        self._each('on_rollout_start')

    def _on_step(self) -> bool:
        return False not in self._each('on_step')

    def _on_rollout_end(self) -> None:
        self._each('on_rollout_end')

    def _on_training_end(self) -> None:
        self._each('on_training_end')


class ConvertCallback(BaseCallback):
    """
    Make a callback of a function, the older way of writing one.

    :param callback: called with ``locals`` and ``globals`` in each step; only False stops training. None does nothing
    :raises TypeError: if it is not callable
    """

    def __init__(self, callback: Optional[Callable], verbose: int = 0):
        super().__init__(verbose)
        if callback is not None and not callable(callback):
            raise TypeError(f"callback={callback!r}: accepted is a BaseCallback, a function, a list of them or None")
        self.callback = callback

    def _on_step(self) -> Optional[bool]:
        return None if self.callback is None else self.callback(self.locals, self.globals)


def make_callback(callback: Any) -> BaseCallback:
    """
    Turn whatever ``learn`` accepts as its callback into one object.

    :param callback: a callback, a function of ``(locals, globals)``, a list or tuple of them, or None for nothing
    :raises TypeError: for anything else
    """
    if isinstance(callback, BaseCallback):
        return callback
    if callback is None or isinstance(callback, (list, tuple)):
        return CallbackList(callback or [])
    return ConvertCallback(callback)


class CheckpointCallback(BaseCallback):
    """
    Save the model at regular intervals, as ``<name_prefix>_<number of timesteps>_steps.zip``.

    :param save_freq: save at every ``save_freq``-th call (one call is a step in each of the environments)
    :param save_path: folder for the files, made if needed
    :param name_prefix: start of the files' names
    :param verbose: 2 prints the path of each file
    """

    def __init__(self, save_freq: int, save_path: str, name_prefix: str = 'rl_model', verbose: int = 0):
        super().__init__(verbose)
        _check_positive('save_freq', save_freq)
        self.save_freq, self.save_path, self.name_prefix = save_freq, save_path, name_prefix

    def _init_callback(self) -> None:
        if self.save_path is not None:
            os.makedirs(self.save_path, exist_ok=True)

    def _on_step(self) -> bool:
        if self.n_calls % self.save_freq == 0:
            file = os.path.join(self.save_path, f"{self.name_prefix}_{self.num_timesteps}_steps")
            self.model.save(file)
            if self.verbose > 1:
                _say(f"Saving model checkpoint to {file}")
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
    :param eval_freq: evaluate at every ``eval_freq``-th call; 0 or less for never
    :param log_path: folder for ``evaluations.npz``, made if needed; None to write none
    :param best_model_save_path: folder for the best model so far, ``best_model.zip``; None to save none
    :param deterministic: whether the model takes its most probable action rather than a sampled one
    :param verbose: 1 prints the result of each evaluation
    :raises ValueError: if ``eval_env`` holds several environments
    """

    def __init__(self, eval_env: Union[Env, VecEnv], callback_on_new_best: Optional[BaseCallback] = None,
                 n_eval_episodes: int = 5, eval_freq: int = 10000, log_path: Optional[str] = None,
                 best_model_save_path: Optional[str] = None, deterministic: bool = True, render: bool = False,
                 verbose: int = 1):
        super().__init__(callback_on_new_best, verbose=verbose)
        _check_positive('n_eval_episodes', n_eval_episodes)
        if not isinstance(eval_env, VecEnv):
            single_env = eval_env
            eval_env = DummyVecEnv([lambda: single_env])
        if eval_env.num_envs != 1:
            raise ValueError(f"eval_env={eval_env!r}: accepted is one environment, it holds {eval_env.num_envs}")
        self.eval_env, self.eval_freq, self.n_eval_episodes = eval_env, eval_freq, n_eval_episodes
        self.deterministic, self.render = deterministic, render
        self.best_mean_reward = self.last_mean_reward = -np.inf
        # as Stable Baselines 2.10: from here on, the path of the file (without .npz) in the folder that was given
        self.log_path = None if log_path is None else os.path.join(log_path, 'evaluations')
        self.best_model_save_path = best_model_save_path
        self.evaluations_timesteps: List[int] = []  # one entry per evaluation, as in the other two
        self.evaluations_results: List[List[float]] = []
        self.evaluations_length: List[List[int]] = []

    def _init_callback(self) -> None:
        training_layers, eval_layers = _wrapper_names(self.training_env), _wrapper_names(self.eval_env)
        if training_layers != eval_layers:
            warnings.warn("Training and eval env are not of the same type: their wrappers are "
                          f"{training_layers or 'none'} != {eval_layers or 'none'}", stacklevel=2)
        for folder in (self.best_model_save_path, self.log_path and os.path.dirname(self.log_path)):
            if folder is not None:
                os.makedirs(folder, exist_ok=True)

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
            _say("New best mean reward!")
        if self.best_model_save_path is not None:
            self.model.save(os.path.join(self.best_model_save_path, 'best_model'))
        return self._on_event()

    def _record(self, rewards: List[float], lengths: List[int]) -> None:
        """Print the rewards and lengths of an evaluation's episodes, and add them to the file."""
        if self.verbose > 0:
            _say(f"Eval num_timesteps={self.num_timesteps}, "
                 f"episode_reward={np.mean(rewards):.2f} +/- {np.std(rewards):.2f}\n"
                 f"Episode length: {np.mean(lengths):.2f} +/- {np.std(lengths):.2f}")
        if self.log_path is not None:
            self.evaluations_timesteps.append(self.num_timesteps)
            self.evaluations_results.append(rewards)
            self.evaluations_length.append(lengths)
            # as Stable Baselines 2.10: float32, with a last axis for the one environment
            results = np.array(self.evaluations_results, dtype=np.float32)[..., np.newaxis]
            archive = io.BytesIO()
            np.savez(archive, timesteps=self.evaluations_timesteps, results=results, ep_lengths=self.evaluations_length)
            write_whole(f'{self.log_path}.npz', archive.getvalue())


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
            raise ValueError(f"parent={self.parent!r}: accepted is an EvalCallback, "
                             "StopTrainingOnRewardThreshold must be its callback_on_new_best")

    def _on_step(self) -> bool:
        continue_training = self.parent.best_mean_reward < self.reward_threshold
        if self.verbose > 0 and not continue_training:
            _say(f"Stopping training because the mean reward {self.parent.best_mean_reward:.2f} "
                 f"is above the threshold {self.reward_threshold}")
        return continue_training


class EveryNTimesteps(EventCallback):
    """
    Trigger a callback every ``n_steps`` timesteps.

    :param n_steps: timesteps between two triggers; a lower bound where the number of timesteps moves in leaps
        (several environments; PPO1 and TRPO count after each rollout)
    """

    def __init__(self, n_steps: int, callback: BaseCallback):
        super().__init__(callback)
        _check_positive('n_steps', n_steps)
        self.n_steps, self.last_time_trigger = n_steps, 0

    def _on_training_start(self) -> None:
        # a second ``learn`` counts from zero again
        self.last_time_trigger = min(self.last_time_trigger, self.num_timesteps)
        super()._on_training_start()

    def _on_step(self) -> bool:
        due = self.num_timesteps >= self.last_time_trigger + self.n_steps
        if due:
            self.last_time_trigger = self.num_timesteps
        return self._on_event() if due else True


class ProgressBarCallback(BaseCallback):
    """
    Show a progress bar of the timesteps; needs tqdm.

    A training that ends by itself ends at 100 %, also where only whole batches are trained; one that a callback stops
    stays where it is.

    :raises ImportError: without tqdm
    """

    def __init__(self, verbose: int = 0):
        super().__init__(verbose)
        try:
            from tqdm import tqdm
        except ImportError as error:
            raise ImportError(f"ProgressBarCallback needs tqdm: {pip_install('progress')}") from error
        self._make_bar, self._first_timestep = tqdm, 0
        self._bar: Any = None  # once training starts

    def _on_training_start(self) -> None:
        self._first_timestep = self.num_timesteps  # above zero where an earlier training is continued
        if self._bar is not None:
            self._bar.close()  # an exception ended that training
        self._bar = self._make_bar(total=int(self.locals['total_timesteps']), unit='steps',
                                   **_size_of_unknown(sys.stderr))

    def _on_step(self) -> bool:
        # beyond its total, tqdm's bar has no length
        self._bar.update(min(self._trained_steps(), self._bar.total) - self._bar.n)
        return True

    def _on_training_end(self) -> None:
        trained = self._trained_steps()  # some algorithms count further timesteps after the last step
        batch = getattr(self.model, 'n_batch', None) or 1
        if trained and self._bar.total - trained < batch:
            self._bar.total = trained
        self._bar.update(trained - self._bar.n)
        self._bar.close()

    def _trained_steps(self) -> int:
        """Return the number of timesteps of this training so far."""
        return self.model.num_timesteps - self._first_timestep


def _say(text: str) -> None:
    """Print a text without tearing a progress bar."""
    with beside_progress_bars(sys.stdout):
        print(text, flush=True)


def _size_of_unknown(stream: Any) -> Dict[str, int]:
    """Return the size that tqdm shall assume where a stream has no terminal, or one that does not know its size."""
    try:
        if all(os.get_terminal_size(stream.fileno())):
            return {}
    except (OSError, ValueError, AttributeError):  # no terminal; closed; replaced by something with only a ``write``
        pass
    return dict(ncols=80, nrows=24)


def _check_positive(name: str, count: int) -> None:
    """Refuse an argument that is below 1."""
    if count < 1:
        raise ValueError(f"{name}={count!r}: accepted is a positive integer")


def _wrapper_names(env: Any) -> List[str]:
    """List the classes of the VecEnvWrappers around an environment, the outermost first, without internal ones."""
    if env is None:
        return []
    name = type(env).__name__
    counts = isinstance(env, VecEnvWrapper) and not name.startswith('_')
    return [name] * counts + _wrapper_names(getattr(env, 'venv', None))
