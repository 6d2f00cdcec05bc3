"""Schedules against the original's numbers."""
import numpy as np
import pytest

from helpers import load_arrays
from stable_baselines.common import schedules


@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_named_schedules(name):
    arrays = load_arrays("schedules")
    values = [schedules.SCHEDULES[name](progress) for progress in arrays["batch/progress"]]
    np.testing.assert_allclose(values, arrays["out/named_" + name], atol=1e-9, rtol=0)
    scheduler = schedules.Scheduler(0.5, 20, name)
    np.testing.assert_allclose([scheduler.value_steps(step) for step in range(20)],
                               arrays["out/scheduler_value_steps_" + name], atol=1e-9, rtol=0)
    np.testing.assert_allclose([scheduler.value() for _ in range(20)], arrays["out/scheduler_value_" + name],
                               atol=1e-9, rtol=0)


@pytest.mark.parametrize("name, schedule", [
    ("linear_50_0.1_from_1", schedules.LinearSchedule(50, 0.1)),
    ("linear_50_1.0_from_0.4", schedules.LinearSchedule(50, 1.0, initial_p=0.4)),
    ("constant_0.3", schedules.ConstantSchedule(0.3)),
    ("piecewise", schedules.PiecewiseSchedule([(0, 1.0), (10, 0.5), (50, 0.5), (100, 0.0)], outside_value=-1.)),
])
def test_schedules_of_the_time_step(name, schedule):
    arrays = load_arrays("schedules")
    np.testing.assert_allclose([schedule.value(step) for step in arrays["batch/steps"]], arrays["out/" + name],
                               atol=1e-9, rtol=0)


def test_get_schedule_fn():
    assert schedules.get_schedule_fn(3)(0.5) == 3.0
    assert schedules.get_schedule_fn(np.float32(0.5))(1.) == 0.5
    assert schedules.get_schedule_fn(lambda progress: 2 * progress)(0.25) == 0.5
    assert schedules.constfn(7)(None) == 7
    for wrong in ("linear", True, [0.1]):
        with pytest.raises(TypeError, match="number or a function"):
            schedules.get_schedule_fn(wrong)


def test_refusals():
    with pytest.raises(ValueError, match="unknown schedule 'quadratic'.*linear"):
        schedules.Scheduler(1., 10, "quadratic")
    with pytest.raises(ValueError, match="accepted are times that increase"):
        schedules.PiecewiseSchedule([(10, 1.), (0, 2.)])
    with pytest.raises(ValueError, match="step=11: accepted is a step between the endpoints"):
        schedules.PiecewiseSchedule([(0, 1.), (10, 2.)]).value(11)
    with pytest.raises(NotImplementedError):
        schedules.Schedule().value(0)
