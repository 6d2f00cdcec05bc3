"""Several processes under ``mpirun``: they stay in step, and one that dies takes all with it."""
import importlib.util
import os
import re
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from pandas import read_csv

from helpers import ROOT
from stable_baselines import DDPG, PPO1
from stable_baselines.common import mpi_util

pytestmark = pytest.mark.skipif(importlib.util.find_spec("mpi4py") is None or mpi_util.find_mpirun() is None,
                                reason="needs mpi4py and mpirun, which scripts/venv.sh installs")
JOBS = str(ROOT / "tests" / "mpi_jobs.py")
SECONDS_TO_END = 20  # that an error may take to end all ranks, on a busy machine


def run(command, **variables):
    """Run a command, and return what it printed and its exit code once it is over."""
    env = dict(os.environ, PYTHONPATH=str(ROOT), **variables)
    return subprocess.run(command, env=env, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600)


def mpirun(n_ranks, *words, **variables):
    """Run a Python program in several ranks: as root, and more of them than there are cores, if need be."""
    return run([mpi_util.find_mpirun(), "--oversubscribe", "-np", str(n_ranks), sys.executable, *words],
               OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_mpi_yield_when_idle="1",  # who waits leaves the core to the others
               **variables)


def assert_done(result, jobs, n_ranks=2):
    """Check that all ranks have come to the end of all jobs; return the names of their hosts."""
    assert result.returncode == 0, result.stdout
    done = re.findall(r"\[rank (\d) on ([^ ]+): ([^]]+)\]", result.stdout)
    expected = sorted((rank, job) for rank in range(n_ranks) for job in jobs)
    assert sorted((int(rank), job) for rank, _, job in done) == expected
    return {host for _, host, _ in done}


@pytest.mark.parametrize("jobs", [
    ["blocks", "gradient", "stop:ddpg", "stop:ppo1"],
    ["step:ppo1:discrete", "step:ppo1:box", "step:trpo:discrete", "step:trpo:box"],
    ["in_step:ddpg", "in_step:ppo1", "in_step:trpo", "in_step:gail"],
    ["in_step:ppo1:box", "in_step:trpo:box", "in_step:gail:box"],
    ["hindsight"],
    ["same_start:ppo1", "same_start:trpo", "same_start:gail", "same_start:ddpg"],
    ["drift:ppo1", "drift:trpo", "drift:gail", "drift:ddpg"]], ids=" ".join)
def test_two_ranks(jobs):
    assert_done(mpirun(2, JOBS, *jobs), jobs)


def test_four_ranks():
    assert_done(mpirun(4, JOBS, "in_step:ppo1"), ["in_step:ppo1"], n_ranks=4)


def assert_all_ended(result):
    """Check that a job of two ranks ended with an error, soon, and left no process behind."""
    ended = time.time()
    assert result.returncode != 0
    assert ended - float(re.search(r"dying at ([\d.]+)", result.stdout).group(1)) < SECONDS_TO_END
    pids = [int(pid) for pid in re.findall(r"\[pid (\d+)\]", result.stdout)]
    assert len(pids) == 2 and not any(map(is_running, pids))


def is_running(pid):
    """Tell whether a process runs; one that ended may still be listed, where nobody asks for its exit code."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("statement, message", [
    ("raise KeyError('obs')", "failed with KeyError"),
    ("sys.exit(3)", "ended with exit code 3"),
    ("sys.exit('no such file')", "ended with exit code no such file"),
    ("raise SystemExit(3)", "ended with exit code 3"),
    ("exit(3)", "ended with exit code 3"),
    ("quit('no such file')", "ended with exit code no such file")])
def test_an_error_in_one_rank_ends_all(statement, message, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"""
import os, sys, time
import numpy as np
from stable_baselines.common import mpi_util
comm = mpi_util.world()
print(f"[pid {{os.getpid()}}]", flush=True)
comm.allgather(None)
if comm.Get_rank() == 1:
    print("dying at", time.time())
    {statement}
comm.Allreduce(np.zeros(1), np.zeros(1))
""")
    result = mpirun(2, str(script))
    assert_all_ended(result)
    assert re.search(fr"rank 1 of 2 \(process \d+ on .*\) {message}: this ends all ranks", result.stdout), result.stdout


def test_a_rank_that_is_killed_ends_all_and_the_last_checkpoint_is_whole(tmp_path):
    result = mpirun(2, JOBS, f"be_killed:{tmp_path}")
    assert_all_ended(result)
    assert "process rank 1 with PID" in result.stdout  # mpirun says it
    model = DDPG.load(str(tmp_path / "last.zip"))
    assert all(np.isfinite(value).all() for value in model.get_parameters().values())


def test_a_rank_that_is_killed_while_it_writes_leaves_the_last_checkpoint_whole(tmp_path):
    result = mpirun(2, JOBS, f"be_killed_writing:{tmp_path}")
    assert_all_ended(result)
    assert "process rank 0 with PID" in result.stdout
    half, whole = sorted((path.stat().st_size, path.name) for path in tmp_path.iterdir())
    assert whole[1] == "last.zip" and half[1].endswith(".tmp") and .4 < half[0] / whole[0] < .6
    model = PPO1.load(str(tmp_path / "last.zip"))
    assert model.num_timesteps == 0  # the first
    model.save(str(tmp_path / "last.zip"))
    assert [path.name for path in tmp_path.iterdir()] == ["last.zip"]


@pytest.mark.parametrize("statement", ["sys.exit(0)", "sys.exit()", "raise SystemExit(0)", "exit()", "pass"])
def test_exits_without_error_end_one_rank_only(statement, tmp_path):
    """Ranks may end at different times, and what one prints last is not lost; a caught exit is not one."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys, time
from stable_baselines.common import mpi_util
rank = mpi_util.world().Get_rank()
try:
    sys.exit(2)
except SystemExit as error:
    assert error.code == 2
if rank == 0:
    time.sleep(2)
    print("evaluated")
{statement}
""")
    result = mpirun(2, str(script))
    assert result.returncode == 0 and "evaluated" in result.stdout, result.stdout


@pytest.mark.parametrize("statement", ["sys.exit(5)", "raise KeyError('obs')"])
def test_a_fork_that_fails_ends_no_rank(statement, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"""
import atexit, os, sys
pid = os.getpid()
# runs last in the fork: mpi4py would wait there for ever
atexit.register(lambda: os.getpid() == pid or os._exit(7))
from stable_baselines.common import mpi_util
comm = mpi_util.world()
if comm.Get_rank() == 1:
    child = os.fork()
    if child == 0:
        {statement}
    assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
comm.allgather(None)
print("through", flush=True)
""")
    result = mpirun(2, str(script))
    assert result.returncode == 0 and result.stdout.count("through") == 2, result.stdout
    assert "this ends all ranks" not in result.stdout


@pytest.mark.parametrize("n_ranks, n_updates", [pytest.param(8, 1, marks=pytest.mark.slow), (2, 2)])
def test_ppo1_on_a_game(n_ranks, n_updates, tmp_path):
    result = mpirun(n_ranks, "-m", "stable_baselines.ppo1.run_atari", "--num-timesteps", str(256 * n_ranks * n_updates),
                    OPENAI_LOGDIR=str(tmp_path))
    assert result.returncode == 0, result.stdout
    reports = read_csv(str(tmp_path / "progress.csv"))
    assert reports.TimestepsSoFar.tolist() == [256 * n_ranks * update for update in range(1, n_updates + 1)]
    assert np.isfinite(reports.loss_vf_loss).all()


def test_trpo_on_a_game(tmp_path):
    result = mpirun(2, "-m", "stable_baselines.trpo_mpi.run_atari", "--num-timesteps", "1024",
                    OPENAI_LOGDIR=str(tmp_path))
    assert result.returncode == 0, result.stdout
    reports = read_csv(str(tmp_path / "progress.csv"))
    assert reports.TimestepsSoFar.tolist() == [1024]
    assert 0 <= reports.meankl[0] <= 1.5 * .001 and np.isfinite(reports.loc[0]).all()


@pytest.mark.parametrize("job", ["in_step:ppo1", "in_step:trpo"])
def test_two_hosts(job):
    """One rank in each of two network namespaces."""
    command = [sys.executable, str(ROOT / "scripts" / "two_hosts.py"), sys.executable, JOBS, job]
    result = run(command)
    if result.returncode == 77:
        pytest.skip(result.stdout.strip().splitlines()[-1])
    hosts = assert_done(result, [job])
    assert len(hosts) == 2
    n_bytes, first = re.search(r"(\d+) bytes went from (host1-\d+) to the other host", result.stdout).groups()
    assert int(n_bytes) > 10000 and first in hosts
    assert first not in run(["ip", "netns", "list"]).stdout


def test_the_launcher_of_another_mpi_is_refused():
    """Otherwise each process would train alone, and write into the files of the others."""
    result = run([sys.executable, "-c", "from stable_baselines.common import mpi_util; mpi_util.world()"],
                 OMPI_COMM_WORLD_RANK="1", OMPI_COMM_WORLD_SIZE="2")
    assert re.search(r"RuntimeError: a launcher started 2 processes, but mpi4py's MPI \(.*\) sees one: accepted is",
                     result.stdout)


def test_a_launcher_that_tells_no_size_is_refused_too():
    result = run([sys.executable, "-c", "from stable_baselines.common import mpi_util; mpi_util.world()"],
                 PMIX_RANK="1")
    assert re.search(r"RuntimeError: a launcher started several processes, but mpi4py's MPI \(.*\) sees one: accepted",
                     result.stdout), result.stdout


def test_mpirun_is_found_beside_the_interpreter_or_on_the_path(monkeypatch, tmp_path):
    for folder in ("beside", "path"):
        (tmp_path / folder).mkdir()
        for name in ("mpirun", "python"):
            (tmp_path / folder / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert mpi_util.find_mpirun() == str(tmp_path / "beside" / "mpirun")
    (tmp_path / "beside" / "mpirun").unlink()
    assert mpi_util.find_mpirun() == str(tmp_path / "path" / "mpirun")
    (tmp_path / "path" / "mpirun").unlink()
    assert mpi_util.find_mpirun() is None
