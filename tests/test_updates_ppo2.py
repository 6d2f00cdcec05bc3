"""PPO2's losses and parameters after 1, 2 and 10 updates, against the original's numbers."""
from functools import partial

import numpy as np
import pytest

from helpers import (
    CASES,
    assert_no_clipping_is_inactive_clipping,
    assert_parameters,
    assert_runner_returns,
    build_model,
    group,
    load_arrays,
    rollout_of,
)
from stable_baselines import PPO2
from stable_baselines.ppo2.ppo2 import Losses, Runner

PPO2_CASES = sorted(name for name in CASES if name.startswith("ppo2_"))


def train_step(model, case, batch):
    """Make one gradient step with the minibatch of a case."""
    rates = dict(learning_rate=case["learning_rate"], clip_range=case["cliprange"],
                 clip_range_vf=case["cliprange_vf"] if isinstance(case["cliprange_vf"], float) else case["cliprange"])
    rollout = rollout_of(batch)
    return Losses(*model._train_function(model._minibatch(rollout, slice(None), rollout.states, rates)))


@pytest.mark.parametrize("name", PPO2_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    batch, atol, rtol = group(arrays, "batch/"), case["recommended_atol"], case["recommended_atol"]["rtol"]
    model = build_model(PPO2, case)
    model.load_parameters(group(arrays, "param/"))

    expected = group(arrays, "loss/")
    losses = []
    for step in range(1, 11):
        losses.append(train_step(model, case, batch))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], rtol, case)
    for loss, value in losses[0]._asdict().items():
        np.testing.assert_allclose(value, expected[loss], atol=atol["losses_and_derived"], rtol=rtol, err_msg=loss)
    np.testing.assert_allclose(losses, arrays["loss10/all"], atol=atol["losses_and_derived"], rtol=rtol)


@pytest.mark.parametrize("name", ["ppo2_mlp_discrete_vfnone", "ppo2_mlp_box_vf02"])
def test_update_without_clipping_is_the_one_with_inactive_clipping(name):
    assert_no_clipping_is_inactive_clipping(PPO2, name, train_step)


def test_runner_returns():
    assert_runner_returns("runner_ppo2_gae", partial(Runner, lam=0.9))
