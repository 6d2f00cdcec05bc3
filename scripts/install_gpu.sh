#!/bin/sh
# Put TensorFlow's GPU build into the current environment (Python 3.9 or later): scripts/install_gpu.sh [PYTHON]
#
# The CPU and the GPU build are two packages with the same files, and pip cannot require "one or the other". So the
# extra "gpu" installs the GPU build and its CUDA libraries beside the CPU build, and the GPU build is then written
# once more, in order to be the one whose files remain.
set -eu

python="${1:-python}"
cd "$(dirname "$0")/.."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || {
    echo "error: needs Python 3.9 or later; TensorFlow 1.15.5 (Python 3.7) is one build for CPU and GPU" >&2
    exit 1
}
"$python" -m pip install --editable '.[gpu]'
version="$("$python" -m pip show tensorflow | sed -n 's/^Version: //p')"
"$python" -m pip install --force-reinstall --no-deps "tensorflow==$version"
"$python" -c 'import tensorflow as tf; print("TensorFlow", tf.__version__, "GPUs:", tf.config.list_physical_devices("GPU"))'
