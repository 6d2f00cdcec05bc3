"""A guard against NaN and infinity."""
import warnings
from typing import Any, Dict, Iterator, List, Sequence, Tuple

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
        self._observations: Any = None
        self._user_warned = False

    def step_async(self, actions: Sequence[Any]) -> None:
        """
        Ask all environments for a step, after a look at the actions.

        :param actions: one action for each environment
        :raises ValueError: if one is invalid and ``raise_exception`` is on
        """
        self._check('from the RL model', actions=actions)
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecStep:
        """
        Wait for the step asked for with ``step_async()``, and look at what comes.

        :return: observations, rewards, dones, infos, see ``VecEnv.step_wait()``
        :raises ValueError: if an observation or a reward is invalid and ``raise_exception`` is on
        """
        obs, rewards, dones, infos = self.venv.step_wait()
        self._check('from the environment', observations=obs, rewards=rewards)
        self._observations = obs
        return obs, rewards, dones, infos

    def reset(self) -> Any:
        """
        Reset all environments, and look at the observations.

        :return: the observations, shape (n_envs, ...)
        :raises ValueError: if one is invalid and ``raise_exception`` is on
        """
        self._actions = None
        obs = self.venv.reset()
        self._check('from the environment', observations=obs)
        self._observations = obs
        return obs

    def _check(self, origin: str, **values: Any) -> None:
        """Warn, or raise, if there is something invalid among named values with one row for each environment."""
        if self._user_warned and self.warn_once and not self.raise_exception:
            return
        found = ['found {} in {} of environment {}'.format(kind, name, ', '.join(map(str, rows)))
                 for name, value in values.items() for kind, rows in self._invalid_rows(value)]
        if not found:
            return
        message = '; '.join(found) + '. Originated {}; {}'.format(origin, self._last_given('actions' in values))
        if self.raise_exception:
            raise ValueError(message)
        self._user_warned = True
        warnings.warn(message, UserWarning, stacklevel=3)

    def _last_given(self, to_model: bool) -> str:
        """Say what the side that produced the invalid value was given before."""
        if to_model:
            return f'the last observations were {self._observations}'
        if self._actions is None:
            return 'the environment was just reset'
        return f'the last actions were {self._actions}'

    def _invalid_rows(self, value: Any) -> List[Tuple[str, List[int]]]:
        """List the kinds of invalid numbers in a value, each with the indices of its environments."""
        rows_by_kind: Dict[str, List[int]] = {}
        for array in _float_arrays(value):
            if np.isfinite(array).all():
                continue
            for kind, test in (('nan', np.isnan), ('inf', np.isinf)):
                rows = np.flatnonzero(test(array).reshape(len(array), -1).any(axis=1)).tolist()
                if rows and (kind == 'nan' or self.check_inf):
                    rows_by_kind[kind] = sorted(set(rows_by_kind.get(kind, []) + rows))
        return list(rows_by_kind.items())


def _float_arrays(value: Any) -> Iterator[np.ndarray]:
    """Yield the arrays of floats, one row for each environment, in a value or in the parts of a dict or tuple."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
    for part in parts:
        array = np.asarray(part)
        if array.dtype.kind == 'f':
            yield array
