"""Settings and fixtures for all tests."""
import os
from pathlib import Path

# Before anything imports TensorFlow, Matplotlib or pygame: no start-up chatter, no screen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    """Turn warnings that the package itself raises, directly or through a bad call of NumPy, into errors.

    The module part of the filter is a regular expression that has to match at the start of the module's name.
    """
    config.addinivalue_line("filterwarnings", "error:::stable_baselines")


@pytest.fixture(scope="session")
def data_dir():
    """Give the directory with the test data that travels with the repository."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def shared_dir():
    """Give the directory with the original's saved models, beside the repository; skip where it is not there."""
    path = ROOT.parent / "shared"
    if not (path / "golden").is_dir():
        pytest.skip("needs {}: the original's saved models are not part of the repository".format(path / "golden"))
    return path
