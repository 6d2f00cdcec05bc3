#!/bin/sh
# Run a command in the GPU image, with the current directory as /work:
#   scripts/run_docker_gpu.sh python my_training.py
set -eu
image="${IMAGE:-stable-baselines-gpu}"
exec docker run --rm --gpus all --interactive --ipc=host --volume "$PWD:/work" --workdir /work "$image" "$@"
