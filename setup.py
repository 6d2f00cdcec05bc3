"""Package metadata. One list of requirements serves every supported Python, by environment markers:

* Python 3.7 is the reference platform: TensorFlow 1.15.5, NumPy 1.18 and gym 0.17.3, with the pins they need to install
  together;
* Python 3.8 and later bring TensorFlow 2.x (used in graph mode) and gymnasium.
"""
import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
# by its path: the package itself cannot be imported before it is installed
TABLE = runpy.run_path(str(HERE / "stable_baselines" / "common" / "extras.py"))
REFERENCE, MODERN, EXTRAS = TABLE["REFERENCE"], TABLE["MODERN"], dict(TABLE["EXTRAS"])

INSTALL_REQUIRES = [
    # TensorFlow. For GPUs see the extra "gpu" and docs/install.md.
    "tensorflow==1.15.5" + REFERENCE,
    "protobuf<3.21" + REFERENCE,  # TF 1.15 carries generated code that newer protobuf refuses
    "tensorflow-cpu>=2.12,<2.22" + MODERN,
    "numpy>=1.16,<1.19" + REFERENCE,
    "numpy>=1.22" + MODERN,
    # environments: the newest gym that installs with any setuptools and still has the reference's environments
    "gym==0.17.3" + REFERENCE,
    "gymnasium>=0.28.1" + MODERN,
    "cloudpickle>=1.2,<1.7" + REFERENCE,  # gym 0.17.3 wants it
    "cloudpickle>=1.6" + MODERN,
    "opencv-python-headless",  # without windows, so without libGL
    "pandas",
    "scipy",
    "joblib",
    "matplotlib",
]

EXTRAS["tests"] = EXTRAS["progress"] + EXTRAS["tensorboard"] + EXTRAS["video"] + EXTRAS["atari"] + EXTRAS["box2d"] + \
        EXTRAS["bullet"] + EXTRAS["mujoco"] + [
    # on 3.7 pip alone cannot: scripts/venv.sh does it
    *(requirement for requirement in EXTRAS["mpi"] if requirement.endswith(MODERN)),
    "pytest>=7.4",
    "pytest-timeout",
    "pytest-xdist>=3.5",
    "hypothesis>=6.79",
    "psutil",
    "gym==0.26.2" + MODERN,  # an environment of the old library must be accepted there too
    "ruff",
    "mypy" + '; python_version >= "3.10"',
]

setup(
    name="stable_baselines",
    version=(HERE / "stable_baselines" / "version.txt").read_text(encoding="utf-8").strip(),
    description="Reinforcement learning algorithms with the interface of Stable Baselines 2.10, "
                "on TensorFlow 1.15 and 2.x",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["stable_baselines", "stable_baselines.*"]),
    package_data={"stable_baselines": ["py.typed", "version.txt"]},
    zip_safe=False,
    python_requires=">=3.7,<3.14",
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS,
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: MIT License",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ] + [f"Programming Language :: Python :: 3.{minor}" for minor in range(7, 14)],
)
