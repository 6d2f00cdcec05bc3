"""Values that change over training: learning rates, clip ranges, exploration."""
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, Union

import numpy as np

ScheduleFn = Callable[[float], float]


def get_schedule_fn(value_schedule: Union[float, ScheduleFn, None]) -> Callable[[float], Any]:
    """
    Turn a number into a schedule that always returns it; pass a callable on.

    :param value_schedule: a constant, or a function of the progress remaining, which goes from 1 (start of the
        training) to 0 (its end); None, as ``cliprange_vf`` may be, for a schedule that always returns None
    :raises TypeError: if it is neither a number nor callable
    """
    if callable(value_schedule):
        return value_schedule
    if value_schedule is None:
        return lambda _: None
    if isinstance(value_schedule, (int, float, np.number)) and not isinstance(value_schedule, bool):
        return constfn(float(value_schedule))
    raise TypeError(f"value_schedule={value_schedule!r}: accepted is a number or a function of the progress remaining")


def constfn(val: float) -> ScheduleFn:
    """Create a schedule that always returns ``val``."""
    def func(_: float) -> float:
        return val
    return func


def linear_interpolation(left: float, right: float, alpha: float) -> float:
    """Go the fraction ``alpha`` of the way from ``left`` to ``right``."""
    return left + alpha * (right - left)


# The named schedules of A2C, ACER and ACKTR: the factor on the initial value at `progress`, 0 (start) to 1 (end).

def constant(_: float) -> float:
    """Keep the initial value."""
    return 1.


def linear_schedule(progress: float) -> float:
    """Fall linearly to zero."""
    return 1 - progress


def middle_drop(progress: float) -> float:
    """Fall linearly for the first quarter, then drop to 0.075."""
    remaining = 1 - progress
    return remaining if remaining >= 0.75 else 0.075


def double_linear_con(progress: float) -> float:
    """Fall linearly at double speed, down to 0.125."""
    return max(1 - progress * 2, 0.125)


def double_middle_drop(progress: float) -> float:
    """Fall linearly for the first quarter, then drop to 0.075, and to 0.125 in the last quarter."""
    # as Stable Baselines 2.10: the second "drop" rises, which trained results depend on
    return middle_drop(progress) if 1 - progress >= 0.25 else 0.125


SCHEDULES: Dict[str, ScheduleFn] = {
    'linear': linear_schedule, 'constant': constant, 'double_linear_con': double_linear_con, 'middle_drop': middle_drop,
    'double_middle_drop': double_middle_drop}


class Scheduler:
    """
    Step through a named schedule.

    :param initial_value: value at the first step
    :param n_values: number of steps over which the progress goes from 0 to 1
    :param schedule: one of the keys of ``SCHEDULES``
    :raises ValueError: if the schedule is unknown
    """

    def __init__(self, initial_value: float, n_values: int, schedule: str):
        if schedule not in SCHEDULES:
            raise ValueError(f"unknown schedule {schedule!r}, the named schedules are: {', '.join(sorted(SCHEDULES))}")
        self.step = 0.
        self.initial_value = initial_value
        self.nvalues = n_values
        self.schedule = SCHEDULES[schedule]

    def value(self) -> float:
        """Return the value of the current step and go on to the next."""
        self.step += 1.
        return self.value_steps(self.step - 1.)

    def value_steps(self, steps: float) -> float:
        """Return the value at a given step."""
        return self.initial_value * self.schedule(steps / self.nvalues)


class Schedule:
    """A value as a function of the time step."""

    def value(self, step: float) -> float:
        """Return the value at a given time step."""
        raise NotImplementedError


class ConstantSchedule(Schedule):
    """A value that does not change."""

    def __init__(self, value: float):
        self._value = value

    def value(self, step: float) -> float:
        return self._value


class LinearSchedule(Schedule):
    """
    Go linearly from ``initial_p`` to ``final_p``, then stay there.

    :param schedule_timesteps: number of time steps that it takes
    :param final_p: the last value
    :param initial_p: the first value
    """

    def __init__(self, schedule_timesteps: int, final_p: float, initial_p: float = 1.0):
        self.schedule_timesteps = schedule_timesteps
        self.final_p = final_p
        self.initial_p = initial_p

    def value(self, step: float) -> float:
        return linear_interpolation(self.initial_p, self.final_p, min(step / self.schedule_timesteps, 1.0))


class PiecewiseSchedule(Schedule):
    """
    Interpolate between given points.

    :param endpoints: pairs (time step, value), times increasing
    :param interpolation: function of (left value, right value, fraction of the way)
    :param outside_value: the value before the first and from the last point on; None makes that an error
    :raises ValueError: if the times do not increase
    """

    def __init__(self, endpoints: Sequence[Tuple[float, float]],
                 interpolation: Callable[[float, float, float], float] = linear_interpolation,
                 outside_value: Optional[float] = None):
        times = [time for time, _ in endpoints]
        if times != sorted(times):
            raise ValueError(f"endpoints={endpoints!r}: accepted are times that increase")
        self._interpolation = interpolation
        self._outside_value = outside_value
        self._endpoints = endpoints

    def value(self, step: float) -> float:
        for (left_time, left), (right_time, right) in zip(self._endpoints[:-1], self._endpoints[1:]):
            if left_time <= step < right_time:
                return self._interpolation(left, right, (step - left_time) / (right_time - left_time))
        if self._outside_value is None:
            raise ValueError(f"step={step}: accepted is a step between the endpoints {list(self._endpoints)}, or any "
                             "where an outside_value is given")
        return self._outside_value
