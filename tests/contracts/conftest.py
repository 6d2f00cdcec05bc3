"""Fixtures that bring every algorithm to the contracts."""
import pytest

from contracts.algorithms import ALGORITHMS, build, make_vec


@pytest.fixture(scope="module", params=ALGORITHMS, ids=lambda algorithm: algorithm.model_class.__name__)
def algorithm(request):
    """Return each algorithm in turn."""
    return request.param


@pytest.fixture(scope="module")
def shared_model(algorithm):
    """Return a small model that the tests of a module share, with its first parameters: use ``model`` instead."""
    model = build(algorithm)
    return model, model.get_parameters()


@pytest.fixture
def model(algorithm, shared_model):
    """
    Return a small model with its first parameters and new environments.

    Building one takes a second, so tests share it: they may train it but not change its attributes. What depends on
    the whole history of a model (its seed, its optimiser) builds its own.
    """
    model, parameters = shared_model
    model.set_env(make_vec(algorithm))
    model.load_parameters(parameters)
    model.num_timesteps = 0
    return model
