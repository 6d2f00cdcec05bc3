#!/bin/sh
# Run a command in the CPU image, with the current directory as /work:
#   scripts/run_docker_cpu.sh python my_training.py
set -eu
image="${IMAGE:-stable-baselines-cpu}"
exec docker run --rm --interactive --ipc=host --volume "$PWD:/work" --workdir /work "$image" "$@"
