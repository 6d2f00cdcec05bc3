"""A check of a user's environment, before an algorithm stumbles over it."""
import warnings
from typing import Any, Iterator, Optional, Tuple

import numpy as np

from stable_baselines.common.gym_compat import convert_env, convert_space, is_env, spaces
from stable_baselines.common.vec_env import DummyVecEnv, VecCheckNan

GOAL_KEYS = {'observation', 'achieved_goal', 'desired_goal'}
NAN_CHECK_STEPS = 10
SMALLEST_IMAGE = 36  # pixels; of a smaller one the default CNN's last convolution would leave nothing


class InvalidEnvError(AssertionError, ValueError):
    """What ``check_env`` raises. As Stable Baselines 2.10: an AssertionError."""


def check_env(env: Any, warn: bool = True, skip_render_check: bool = True) -> None:
    """
    Check that an environment keeps to the interface of gym or gymnasium.

    :param env: the environment, of gym 0.17 to 0.26 or gymnasium; it is reset, and stepped a few times
    :param warn: whether to warn about what is allowed, but does not go well with the algorithms
    :param skip_render_check: False also renders in each mode that the environment names, and closes it afterwards
    :raises InvalidEnvError: with the first fault
    """
    _require(is_env(env), "Your environment must inherit from the gym.Env class (of gym or gymnasium), "
                          f"it is a {type(env).__name__}")
    _check_spaces(env)
    classic_env = convert_env(env)
    for advice in _space_advice(classic_env) if warn else ():
        warnings.warn(advice, UserWarning, stacklevel=2)
    _check_reset_and_step(env, classic_env)
    vec_env = VecCheckNan(DummyVecEnv([lambda: classic_env]))  # warns if it sees NaN or infinity
    vec_env.reset()
    for _ in range(NAN_CHECK_STEPS):
        vec_env.step([classic_env.action_space.sample()])
    if not skip_render_check:
        modes = classic_env.metadata.get('render.modes') or []
        if warn and not modes:
            warnings.warn("No render modes was declared in the environment (env.metadata['render.modes'] is None or "
                          "not defined), you may have trouble when calling `.render()`", UserWarning, stacklevel=2)
        classic_env.reset()
        for mode in modes:
            classic_env.render(mode=mode)
        classic_env.close()


def _require(condition: bool, message: str) -> None:
    """Raise an ``InvalidEnvError`` unless a condition holds."""
    if not condition:
        raise InvalidEnvError(message)


def _check_spaces(env: Any) -> None:
    """Check that both spaces exist and that the library can use them."""
    for kind in ('observation', 'action'):
        try:
            convert_space(getattr(env, kind + '_space', None))
        except ValueError as error:
            raise InvalidEnvError(f"The {kind} space must inherit from gym.spaces: {error}") from error


def _is_goal_env(env: Any) -> bool:
    """Tell whether an environment has goals, as HER needs them."""
    space = env.observation_space
    return isinstance(space, spaces.Dict) and set(space.spaces) == GOAL_KEYS and hasattr(env, 'compute_reward')


def _space_advice(env: Any) -> Iterator[str]:
    """Yield warnings about spaces that are allowed, but do not go well with the algorithms."""
    space = env.observation_space
    if isinstance(space, spaces.Box):
        yield from _box_advice(space)
    elif isinstance(space, (spaces.Dict, spaces.Tuple)) and not _is_goal_env(env):
        kind = "Tuple" if isinstance(space, spaces.Tuple) else "Dict but the environment is not a gym.GoalEnv"
        yield (f"The observation space is a {kind}, this is not supported: you will need to flatten the observation "
               "and maybe use a custom policy.")
    space = env.action_space
    if isinstance(space, spaces.Box) and (np.any(space.low != -space.high) or np.any(np.abs(space.high) > 1)):
        yield "We recommend you to use a symmetric and normalized Box action space (range=[-1, 1])"


def _box_advice(space: Any) -> Iterator[str]:
    """Yield warnings about a Box of observations that does not go well with the default policies."""
    if len(space.shape) != 3:
        if len(space.shape) != 1:
            yield ("Your observation has an unconventional shape (neither an image, nor a 1D vector). We recommend you "
                   "to flatten the observation to have only a 1D vector")
        return
    if space.dtype != np.uint8:
        yield (f"It seems that your observation is an image but the `dtype` of its space is {space.dtype}, not "
               "`np.uint8`. If it is not an image, we recommend you to flatten it to have only a 1D vector")
    if np.any(space.low != 0) or np.any(space.high != 255):
        yield ("It seems that your observation space is an image but the upper and lower bounds are not in [0, 255]. "
               "Because the CNN policy normalizes the observation automatically, you may encounter issues if the "
               "values are not in that range.")
    if min(space.shape[:2]) < SMALLEST_IMAGE:
        yield (f"The minimal resolution for an image is {SMALLEST_IMAGE}x{SMALLEST_IMAGE} for the default CnnPolicy "
               f"(the shape is {space.shape}, height and width come first). You might need to use a custom "
               "`cnn_extractor`")


def _check_reset_and_step(env: Any, classic_env: Any) -> None:
    """Check what ``reset`` and one ``step`` return, in the environment's own API: no adapter may hide a fault."""
    is_classic = classic_env is env
    space = classic_env.observation_space
    obs = env.reset()
    if not is_classic and isinstance(obs, tuple) and len(obs) == 2 and isinstance(obs[1], dict):
        obs = obs[0]
    _check_obs(obs, space, 'reset')

    result = env.step(classic_env.action_space.sample())
    lengths, more = ((4,), "") if is_classic else ((4, 5), " (or five: obs, reward, terminated, truncated, info)")
    _require(isinstance(result, (tuple, list)) and len(result) in lengths,
             "The `step()` method must return four values: obs, reward, done, info" + more)
    obs, reward, *dones, info = result
    _check_obs(obs, space, 'step')
    _require(isinstance(reward, (int, float, np.integer, np.floating)),
             f"The reward returned by `step()` must be a float, it is a {type(reward).__name__}")
    for done in dones:
        _require(isinstance(done, (bool, np.bool_)), f"The `done` signal must be a boolean, it is {done!r}")
    _require(isinstance(info, dict),
             f"The `info` returned by `step()` must be a python dictionary, it is a {type(info).__name__}")
    if _is_goal_env(classic_env):
        recomputed = classic_env.compute_reward(obs['achieved_goal'], obs['desired_goal'], info)
        _require(recomputed == reward, "compute_reward() must return the reward of the step for its goals: it returned "
                                       f"{recomputed!r}, `step()` {reward!r}")


def _check_obs(obs: Any, space: Any, method: str) -> None:
    """Check an observation that ``reset`` or ``step`` returned."""
    if not isinstance(space, spaces.Tuple):
        _require(not isinstance(obs, tuple),
                 f"The observation returned by the `{method}()` method should be a single value, not a tuple")
    types: Tuple[type, ...] = (object,)
    expected = ""
    if isinstance(space, spaces.Discrete):
        types, expected = (int, np.integer), "an int"
    elif not isinstance(space, (spaces.Dict, spaces.Tuple)):
        types, expected = (np.ndarray,), "a numpy array"
    _require(isinstance(obs, types),
             f"The observation returned by `{method}()` method must be {expected}, it is a {type(obs).__name__}")
    mismatch = _mismatch(obs, space)
    _require(mismatch is None, f"The observation returned by the `{method}()` method does not match the given "
                               f"observation space: {mismatch}")


def _mismatch(obs: Any, space: Any) -> Optional[str]:
    """Say why an observation is not an element of a space, None if it is one."""
    if isinstance(space, spaces.Box):
        return _box_mismatch(np.asarray(obs), space)
    if isinstance(space, spaces.Dict):
        if not isinstance(obs, dict) or set(obs) != set(space.spaces):
            return f"{obs!r} is not a dict with the keys {sorted(space.spaces)}"
        mismatches = ((key, _mismatch(obs[key], part)) for key, part in space.spaces.items())
        return next((f'in {key!r}, {text}' for key, text in mismatches if text), None)
    return None if space.contains(obs) else f'{obs!r} is not in {space}'


def _box_mismatch(obs: np.ndarray, space: Any) -> Optional[str]:
    """Say why an array is not an element of a Box, whatever its dtype; None if it is one."""
    if obs.shape != space.shape:
        return f'its shape is {obs.shape}, not {space.shape}'
    if np.any(np.isnan(obs)):
        return 'it has NaN in it'
    outside = (obs < space.low) | (obs > space.high)
    if not outside.any():
        return None
    index = tuple(int(axis) for axis in np.argwhere(outside)[0])
    return f'the value {obs[index]} at {index} is not between {space.low[index]} and {space.high[index]}'
