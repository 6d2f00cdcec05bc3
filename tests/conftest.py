"""Settings and fixtures for all tests."""
import os
from pathlib import Path

# Before anything imports TensorFlow, NumPy, Matplotlib or pygame: no start-up chatter, no screen. Tests run on every
# core already, so numerical libraries and models that do not set n_cpu_tf_sess use one thread each.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
             "RCALL_NUM_CPU"):
    os.environ.setdefault(name, "1")

import gc  # noqa: E402

import pytest  # noqa: E402

# Graphs are many small objects: by default Python looks for unused ones so often that it takes a tenth of the time.
gc.set_threshold(20000, 20, 20)

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    """Turn warnings that the package itself raises, directly or through a bad call of NumPy, into errors.

    The module part of the filter is a regular expression that has to match at the start of the module's name.
    """
    config.addinivalue_line("filterwarnings", "error:::stable_baselines")


def pytest_collection_modifyitems(items):
    """Start the tests that take minutes first, so that all cores have work until the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def data_dir():
    """Return the directory with the test data that is part of the repository."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def shared_dir():
    """Return the directory with the original's saved models, beside the repository; skip the test without it."""
    path = ROOT.parent / "shared"
    if not (path / "golden").is_dir():
        pytest.skip(f"needs {path / 'golden'}: the original's saved models are not part of the repository")
    return path
