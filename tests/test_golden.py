"""Models saved by the original: they load from both file forms and predict what the original predicted."""
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from contracts.algorithms import ALGORITHMS
from stable_baselines import GAIL
from stable_baselines.common import save_util
from stable_baselines.common.base_class import OffPolicyRLModel
from stable_baselines.common.noise import ActionNoise, AdaptiveParamNoiseSpec
from stable_baselines.gail import ExpertDataset

GOLDEN = Path(__file__).resolve().parent.parent.parent / "shared" / "golden"
MODELS = dict({algorithm.model_class.__name__: algorithm.model_class for algorithm in ALGORITHMS}, GAIL=GAIL)
TOLERANCES = dict(atol=1e-5, rtol=1e-5)


def golden_cases():
    """Return the names of the saved models of the algorithms that exist."""
    if not GOLDEN.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"needs the original's models in {GOLDEN}"))]
    models = json.loads((GOLDEN / "models.json").read_text())
    # of some there are only numbers
    return sorted(name for name, case in models.items()
                  if isinstance(case, dict) and case.get("cls") in MODELS and files_of(name))


@pytest.fixture(scope="module")
def models_json():
    return json.loads((GOLDEN / "models.json").read_text())


def files_of(name):
    """Return the files of a saved model; a few large ones exist in one form only."""
    return [path for path in (GOLDEN / f"{name}.zip", GOLDEN / f"{name}.pkl") if path.is_file()]


def load(name, models_json):
    """Load one saved model."""
    return MODELS[models_json[name]["cls"]].load(str(files_of(name)[0]))


def assert_actions(actions, expected):
    """Compare actions: exactly if they are discrete."""
    assert actions.shape == expected.shape
    tolerance = 1e-5 if expected.dtype.kind == "f" else 0
    np.testing.assert_allclose(actions, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", golden_cases())
def test_saved_model(name, models_json):
    """What is in the file, predictions and initial weights in one test: building the model takes most of the time."""
    model, case = load(name, models_json), models_json[name]
    parameters = model.get_parameters()
    assert [[key, list(value.shape)] for key, value in parameters.items()] == case["parameters"]
    for key, total in case["trained_abs_sum"].items():
        np.testing.assert_allclose(np.abs(parameters[key]).sum(), total, rtol=1e-5)
    with np.load(str(GOLDEN / f"{name}.npz")) as archive:
        expected = {key: archive[key] for key in archive.files}
    (check_recurrent if model.policy.recurrent else check_feed_forward)(model, expected)
    if not isinstance(model, OffPolicyRLModel):  # theirs come from TensorFlow's generators, which changed
        check_initial_weights(model, {name: total for name, total in case["initial_abs_sum"].items()
                                      if not name.startswith("adversary/")})  # likewise


def check_feed_forward(model, expected):
    """Compare actions, probabilities and values for a batch of observations."""
    obs, actions = expected["obs"], expected["actions"]
    predicted, state = model.predict(obs, deterministic=True)
    assert state is None
    assert_actions(predicted, actions)
    assert_actions(np.asarray(model.predict(obs[0], deterministic=True)[0]), expected["action_single"])
    if "value" in expected:
        np.testing.assert_allclose(model.value(obs), expected["value"], **TOLERANCES)
    if "action_probability" not in expected:
        return
    np.testing.assert_allclose(model.action_probability(obs), expected["action_probability"], **TOLERANCES)
    np.testing.assert_allclose(model.action_probability(obs, actions=actions), expected["prob_of_actions"],
                               **TOLERANCES)
    np.testing.assert_allclose(model.action_probability(obs, actions=actions, logp=True),
                               expected["logp_of_actions"], **TOLERANCES)


def check_recurrent(model, expected):
    """Compare actions, states and probabilities along a sequence."""
    state = None
    for step, (obs, mask) in enumerate(zip(expected["obs"], expected["masks"])):
        probability = model.action_probability(obs, state=state, mask=mask)
        np.testing.assert_allclose(probability, expected["action_probability"][step], atol=1e-5)
        action, state = model.predict(obs, state=state, mask=mask, deterministic=True)
        assert_actions(action, expected["actions"][step])
        np.testing.assert_allclose(state, expected["states"][step], atol=1e-5)


def check_initial_weights(model, expected):
    """Compare what the model's seed gives with the weights that the original began with, in a session of its own."""
    with model.graph.as_default(), tf.Session() as sess:
        variables = {variable.name: variable for variable in tf.global_variables() if variable.name in expected}
        assert set(variables) == set(expected)
        sess.run(tf.variables_initializer(list(variables.values())))
        for name, value in sess.run(variables).items():
            np.testing.assert_allclose(np.abs(value).sum(), expected[name], rtol=1e-5, err_msg=name)


def content_of(attribute):
    """Return what can be compared of an attribute: what a schedule, a function, returns or why it cannot be called."""
    if isinstance(attribute, (ActionNoise, AdaptiveParamNoiseSpec)):
        return repr(attribute)
    if isinstance(attribute, ExpertDataset):
        return {name: np.array(value).tolist() for name, value in vars(attribute).items()}
    if isinstance(attribute, tuple):  # which JSON does not have
        return list(attribute)
    if not callable(attribute) or isinstance(attribute, type):
        return attribute
    try:
        return [attribute(progress) for progress in (0., .3, 1.)]
    except ValueError as error:  # byte code of another Python
        return str(error)


@pytest.mark.parametrize("name", golden_cases())
def test_both_forms_hold_the_same(name):
    read = [save_util.load_from_file(str(path)) for path in files_of(name)]
    for data, parameters in read:
        assert set(data) == set(read[0][0]) and list(parameters) == list(read[0][1])
        for key, value in data.items():
            assert content_of(value) == content_of(read[0][0][key])
        for key, value in parameters.items():
            np.testing.assert_array_equal(value, read[0][1][key], err_msg=key)


@pytest.mark.parametrize("name", ["a2c_mlp_cartpole"] if GOLDEN.is_dir() else golden_cases())
def test_our_files_have_the_layout_of_the_original(name, models_json, tmp_path):
    model = MODELS[models_json[name]["cls"]].load(str(GOLDEN / f"{name}.pkl"))
    model.save(str(tmp_path / "ours"))
    with zipfile.ZipFile(str(tmp_path / "ours.zip")) as ours, zipfile.ZipFile(str(GOLDEN / f"{name}.zip")) as theirs:
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
