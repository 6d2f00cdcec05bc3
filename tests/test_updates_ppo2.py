"""PPO2's losses and parameters after 1, 2 and 10 updates, against the original's numbers."""
import numpy as np
import pytest

from helpers import (
    CASES,
    ScriptedEnv,
    ScriptedModel,
    assert_parameters,
    build_model,
    group,
    load_arrays,
    our_names,
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
    """The original races with max_grad_norm=None: a layer is changed while gradients are computed from it."""
    case, arrays = CASES[name], load_arrays(name)
    batch = group(arrays, "batch/")
    results = []
    for max_grad_norm in ("None", "1e9"):
        model = build_model(PPO2, dict(case, constructor=dict(case["constructor"], max_grad_norm=max_grad_norm)))
        model.load_parameters(group(arrays, "param/"))
        for _ in range(3):
            train_step(model, case, batch)
        results.append(model.get_parameters())
    for parameter in results[0]:
        np.testing.assert_array_equal(results[0][parameter], results[1][parameter])


def test_runner_returns():
    arrays = load_arrays("runner_ppo2_gae")
    batch, expected = group(arrays, "batch/"), our_names(group(arrays, "out/"))
    runner = Runner(env=ScriptedEnv(batch), model=ScriptedModel(batch), n_steps=7, gamma=0.97, lam=0.9)
    rollout = runner.run()
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(rollout, name), value, atol=2e-5, rtol=1e-5, err_msg=name)
        assert getattr(rollout, name).dtype.kind == value.dtype.kind
    assert runner.model.num_timesteps == 21
