"""Models saved by the original: they load from both file forms and predict what the original predicted."""
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stable_baselines import A2C, ACER, ACKTR, PPO2
from stable_baselines.common import save_util

GOLDEN = Path(__file__).resolve().parent.parent.parent / "shared" / "golden"
MODELS = {"A2C": A2C, "ACER": ACER, "ACKTR": ACKTR, "PPO2": PPO2}


def golden_cases():
    """Return the names of the saved models of the algorithms that exist."""
    if not GOLDEN.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"needs the original's models in {GOLDEN}"))]
    models = json.loads((GOLDEN / "models.json").read_text())
    return sorted(name for name, case in models.items() if isinstance(case, dict) and case.get("cls") in MODELS)


def golden_files():
    """Return the files of the saved models; a few large ones exist in one form only."""
    cases = golden_cases()
    if not GOLDEN.is_dir():
        return cases
    return [f"{name}.{form}" for name in cases for form in ("zip", "pkl")
            if (GOLDEN / f"{name}.{form}").is_file()]


@pytest.fixture(scope="module")
def models_json():
    return json.loads((GOLDEN / "models.json").read_text())


def load(file, models_json):
    """Load one saved model and what it is expected to give."""
    name = file.rsplit(".", 1)[0]
    model = MODELS[models_json[name]["cls"]].load(str(GOLDEN / file))
    with np.load(str(GOLDEN / (name + ".npz"))) as archive:
        return model, {key: archive[key] for key in archive.files}


def assert_actions(actions, expected):
    """Compare actions: exactly if they are discrete."""
    assert actions.shape == expected.shape
    tolerance = 1e-5 if expected.dtype.kind == "f" else 0
    np.testing.assert_allclose(actions, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("file", golden_files())
def test_saved_model(file, models_json):
    model, expected = load(file, models_json)
    case, parameters = models_json[file.rsplit(".", 1)[0]], model.get_parameters()
    assert [[key, list(value.shape)] for key, value in parameters.items()] == case["parameters"]
    for key, total in case["trained_abs_sum"].items():
        np.testing.assert_allclose(np.abs(parameters[key]).sum(), total, rtol=1e-5)
    (check_recurrent if model.policy.recurrent else check_feed_forward)(model, expected)


def check_feed_forward(model, expected):
    """Compare actions, probabilities and values for a batch of observations."""
    obs, actions = expected["obs"], expected["actions"]
    predicted, state = model.predict(obs, deterministic=True)
    assert state is None
    assert_actions(predicted, actions)
    assert_actions(np.asarray(model.predict(obs[0], deterministic=True)[0]), expected["action_single"])
    tolerances = dict(atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(model.action_probability(obs), expected["action_probability"], **tolerances)
    np.testing.assert_allclose(model.action_probability(obs, actions=actions), expected["prob_of_actions"],
                               **tolerances)
    np.testing.assert_allclose(model.action_probability(obs, actions=actions, logp=True),
                               expected["logp_of_actions"], **tolerances)
    if "value" in expected:
        np.testing.assert_allclose(model.value(obs), expected["value"], **tolerances)


def check_recurrent(model, expected):
    """Compare actions, states and probabilities along a sequence."""
    state = None
    for step, (obs, mask) in enumerate(zip(expected["obs"], expected["masks"])):
        probability = model.action_probability(obs, state=state, mask=mask)
        np.testing.assert_allclose(probability, expected["action_probability"][step], atol=1e-5)
        action, state = model.predict(obs, state=state, mask=mask, deterministic=True)
        assert_actions(action, expected["actions"][step])
        np.testing.assert_allclose(state, expected["states"][step], atol=1e-5)


@pytest.mark.parametrize("name", golden_cases())
def test_initial_weights_are_those_of_the_original(name, models_json):
    """The same seed gives the weights that the original began with."""
    model, _ = load(name + ".zip", models_json)
    model.setup_model()
    for key, value in model.get_parameters().items():
        np.testing.assert_allclose(np.abs(value).sum(), models_json[name]["initial_abs_sum"][key], rtol=1e-5,
                                   err_msg=key)


@pytest.mark.parametrize("name", golden_cases()[:1] if GOLDEN.is_dir() else golden_cases())
def test_our_files_have_the_layout_of_the_original(name, models_json, tmp_path):
    model, _ = load(name + ".zip", models_json)
    model.save(str(tmp_path / "ours"))
    with zipfile.ZipFile(str(tmp_path / "ours.zip")) as ours, zipfile.ZipFile(str(GOLDEN / (name + ".zip"))) as theirs:
        assert ours.namelist() == theirs.namelist()
        assert ours.read("parameter_list") == theirs.read("parameter_list")
        ours_data, theirs_data = (json.loads(archive.read("data").decode()) for archive in (ours, theirs))
        assert set(theirs_data) <= set(ours_data)
        assert ours_data["gamma"] == theirs_data["gamma"]
        names = json.loads(ours.read("parameter_list").decode())
        ours_params, theirs_params = (save_util.bytes_to_params(archive.read("parameters"), names)
                                      for archive in (ours, theirs))
    for key in names:
        np.testing.assert_array_equal(ours_params[key], theirs_params[key])
