"""Run scripts in forks of a process that has imported TensorFlow, because importing takes longer than most of them."""
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Result(NamedTuple):
    """How a script ended."""

    status: int  # as of os.waitpid: 0 for success
    printed: str


class ForkServer:
    """
    The process, a context manager.

    :param prelude: what it executes before the first script
    :param site: a folder that Python looks into before all others, for ``sitecustomize``
    """

    def __init__(self, prelude: str = "", site: str = ""):
        env = dict(os.environ, PYTHONPATH=os.pathsep.join([*([site] if site else []), str(ROOT)]), MPLBACKEND="Agg",
                   SDL_VIDEODRIVER="dummy")
        self._process: Any = subprocess.Popen([sys.executable, __file__, prelude], env=env, stdin=subprocess.PIPE,
                                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *error: Any) -> None:
        self._process.communicate()

    def run(self, code: str, folder: Path, seconds: int) -> Result:
        """Run a program in ``folder / "work"``, for so many seconds at most."""
        script, output, work = folder / "script.py", folder / "output.txt", folder / "work"
        work.mkdir()
        script.write_text(code, encoding="utf-8")
        self._process.stdin.write(json.dumps([str(script), str(output), str(work), seconds]) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return Result(status, output.read_text(encoding="utf-8", errors="replace"))


def _serve(prelude: str) -> None:
    """Run the scripts named in standard input; print how each ended."""
    import tensorflow  # noqa: F401

    import stable_baselines  # noqa: F401
    exec(prelude)
    for line in sys.stdin:
        script, output, folder, seconds = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.alarm(seconds)
            os.chdir(folder)
            with open(output, "w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv[:] = [script]
            runpy.run_path(script, run_name="__main__")
            return
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
