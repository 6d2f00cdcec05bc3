# One file for both images:
#   docker build -t stable-baselines-cpu .
#   docker build -t stable-baselines-gpu --build-arg PYTHON_VERSION=3.12 --build-arg GPU=1 .
# The GPU image takes the CUDA libraries from TensorFlow's own wheels, so the host needs only NVIDIA's driver and
# container toolkit. TensorFlow 1.15 (Python 3.7) knows no GPU newer than 2018, therefore PYTHON_VERSION=3.12.
ARG PYTHON_VERSION=3.7
FROM python:${PYTHON_VERSION}-slim-bookworm

ARG GPU=0

# On Python 3.7 mpi4py is compiled, with Debian's Open MPI; everything else comes as a wheel.
ENV OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make libopenmpi-dev openmpi-bin \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/stable_baselines
COPY setup.py pyproject.toml README.md LICENSE ./
COPY stable_baselines stable_baselines
COPY tests tests
COPY scripts scripts
COPY docs docs

RUN pip install --no-cache-dir --editable '.[tests,mpi]' \
    && if [ "$GPU" = 1 ]; then scripts/install_gpu.sh; fi

WORKDIR /work
CMD ["python"]
