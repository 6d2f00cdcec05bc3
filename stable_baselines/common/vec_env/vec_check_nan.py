"""A guard against NaN and infinity."""
import warnings
from typing import Any, Iterator, List, Tuple

import numpy as np

from stable_baselines.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper, VecStep


class VecCheckNan(VecEnvWrapper):
    """
    Watch actions, observations and rewards for NaN and infinity, and say where they come from.

    :param venv: what to wrap
    :param raise_exception: raise a ValueError instead of a UserWarning
    :param warn_once: warn only once
    :param check_inf: look for infinity too
    """

    def __init__(self, venv: VecEnv, raise_exception: bool = False, warn_once: bool = True, check_inf: bool = True):
        super().__init__(venv)
        self.raise_exception = raise_exception
        self.warn_once = warn_once
        self.check_inf = check_inf
        self._actions: Any = None
        self._obs: Any = None
        self._user_warned = False

    def step_async(self, actions: Any) -> None:
        self._check('from the RL model', actions=actions)
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecStep:
        obs, rewards, dones, infos = self.venv.step_wait()
        self._check('from the environment', observations=obs, rewards=rewards)
        self._obs = obs
        return obs, rewards, dones, infos

    def reset(self) -> Any:
        self._actions = None
        obs = self.venv.reset()
        self._check('from the environment', observations=obs)
        self._obs = obs
        return obs

    def _check(self, origin: str, **values: Any) -> None:
        """Warn, or raise, if something is invalid among named values with one row for each environment."""
        if self._user_warned and self.warn_once and not self.raise_exception:
            return
        found = [f"found {kind} in {name} of environment {', '.join(map(str, rows))}"
                 for name, value in values.items() for kind, rows in self._invalid_rows(value)]
        if not found:
            return
        message = f"{'; '.join(found)}. Originated {origin}; {self._last_given('actions' in values)}"
        if self.raise_exception:
            raise ValueError(message)
        self._user_warned = True
        warnings.warn(message, UserWarning, stacklevel=3)

    def _last_given(self, to_model: bool) -> str:
        """Say what the side that produced the invalid value was given before."""
        if to_model:
            return f"the last observations were {self._obs}"
        if self._actions is None:
            return "the environment was just reset"
        return f"the last actions were {self._actions}"

    def _invalid_rows(self, value: Any) -> Iterator[Tuple[str, List[int]]]:
        """Yield the kinds of invalid numbers in a value, each with the indices of its environments."""
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        floats = [array for array in map(np.asarray, parts) if array.dtype.kind == 'f']
        arrays = [array for array in floats if not np.isfinite(array).all()]
        tests = {'nan': np.isnan, 'inf': np.isinf} if self.check_inf else {'nan': np.isnan}
        for kind, test in tests.items():
            rows = {index[0] for array in arrays for index in np.argwhere(test(array)).tolist()}
            if rows:
                yield kind, sorted(rows)
