"""Files that are overwritten: whatever happens to a writer, the old file or the new one is there, whole."""
import os
import subprocess
import sys
import threading

import pytest

from helpers import ROOT
from stable_baselines.common.files import atomic
from stable_baselines.common.files.atomic import write_whole

# Starts writers that rewrite one file for ever, each time with one number many times, and kills them one by one.
KILLER = """
import os, pickle, random, signal, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from stable_baselines.common import save_util
from stable_baselines.common.callbacks import EvalCallback
from stable_baselines.common.files.atomic import write_whole
from stable_baselines.common.running_mean_std import RunningMeanStd
from stable_baselines.common.vec_env import VecNormalize

SIZE = 300000

def model(path, number):
    save_util.save_to_file(path, {}, {"a": np.full(SIZE, number)})

def normalize(path, number):
    venv = VecNormalize.__new__(VecNormalize)
    venv.obs_rms = RunningMeanStd(shape=(SIZE,))
    venv.obs_rms.mean[:] = number
    venv.save(path)

def evaluations(path, number):
    callback = EvalCallback.__new__(EvalCallback)
    callback.log_path, callback.verbose, callback.num_timesteps = path[:-len(".npz")], 0, number
    callback.evaluations_timesteps, callback.evaluations_results, callback.evaluations_length = [], [], []
    callback._record(np.full(SIZE, number), np.full(SIZE, number))

WRITERS = {
    "bytes": (lambda path, number: write_whole(path, bytes([number]) * SIZE),
              lambda path: np.frombuffer(open(path, "rb").read(), np.uint8)),
    "model.zip": (model, lambda path: save_util.load_from_file(path)[1]["a"]),
    "normalize.pkl": (normalize, lambda path: pickle.load(open(path, "rb")).obs_rms.mean),
    "evaluations.npz": (evaluations, lambda path: np.load(path)["ep_lengths"][0]),
}
write, read = WRITERS[os.path.basename(sys.argv[1])]
start = time.time()
write(sys.argv[1], 0)
write(sys.argv[1], 0)
duration = time.time() - start  # of two, so that many a writer is killed in its second or third
found = set()
for _ in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        while True:
            write(sys.argv[1], random.randrange(256))
    time.sleep(random.uniform(0, 2 * duration))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    content = read(sys.argv[1])
    assert content.shape == (SIZE,) and (content == content[0]).all()
    found.add(int(content[0]))
assert len(found) > 3, found
leftovers = len(os.listdir(os.path.dirname(sys.argv[1]))) - 1
assert leftovers <= 1, leftovers
write(sys.argv[1], 0)
"""


@pytest.mark.parametrize("name", ["bytes", "model.zip", "normalize.pkl", "evaluations.npz"])
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path, name):
    result = subprocess.run([sys.executable, "-c", KILLER, str(tmp_path / name), "60"], cwd=str(ROOT),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0, result.stdout
    assert os.listdir(str(tmp_path)) == [name]


def test_several_writers_do_not_collide(tmp_path):
    path, contents, errors = tmp_path / "file", [bytes([number]) * 10000 for number in range(4)], []

    def write(content):
        try:
            for _ in range(50):
                write_whole(str(path), content)
                assert path.read_bytes() in contents
        except BaseException as error:  # a thread shows it to nobody
            errors.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert os.listdir(str(tmp_path)) == ["file"]


def test_leftovers_of_dead_writers_of_the_same_file_are_removed(tmp_path):
    target = str(tmp_path / "model.zip")
    other = tmp_path / f"other.zip.{16 * '0'}.tmp"
    for kept in (other, tmp_path / "model.zip.backup.tmp"):
        kept.write_bytes(b"")
    with atomic._new_temporary(target) as living:
        write_whole(target, b"new")
        assert os.path.exists(living.name)
    write_whole(target, b"newer")
    assert sorted(os.listdir(str(tmp_path))) == ["model.zip", "model.zip.backup.tmp", other.name]


def test_a_temporary_that_was_taken_for_a_leftover_is_made_anew(tmp_path, monkeypatch):
    names, lock = [], atomic.fcntl.flock

    def lock_late(file, how):
        names.append(file.name)
        if len(names) == 1:
            os.remove(file.name)
        lock(file, how)

    monkeypatch.setattr(atomic.fcntl, "flock", lock_late)
    write_whole(str(tmp_path / "file"), b"content")
    assert len(set(names)) == 2 and (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_errors_leave_the_old_file_alone(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError(28, "No space left on device", "a temporary name")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write_whole(str(path), b"new")
    assert path.read_bytes() == b"old" and os.listdir(str(tmp_path)) == ["file"]


def test_the_content_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        function = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, function=function: steps.append(name) or function(*args))
    write_whole(str(tmp_path / "file"), b"content")
    assert steps == ["fsync", "replace"]


@pytest.mark.parametrize("locks", ["refused", "absent"])
def test_without_locks_nothing_is_taken_for_a_leftover(tmp_path, monkeypatch, locks):
    def refuse(file, how):
        raise OSError(38, "Function not implemented")

    (tmp_path / f"file.{16 * 'a'}.tmp").write_bytes(b"of another writer")
    monkeypatch.setattr(*(atomic, "fcntl", None) if locks == "absent" else (atomic.fcntl, "flock", refuse))
    write_whole(str(tmp_path / "file"), b"content")
    assert (tmp_path / "file").read_bytes() == b"content" and len(os.listdir(str(tmp_path))) == 2


def test_missing_folders_are_named_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as raised:
        write_whole("nowhere/model.zip", b"")
    assert str(raised.value) == "[Errno 2] No such file or directory: 'nowhere/model.zip'"
    with pytest.raises(IsADirectoryError, match=f"'{tmp_path}'"):
        write_whole(tmp_path, b"")


def test_links_and_permissions_stay(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    if os.geteuid() != 0:  # whom nothing is forbidden
        (tmp_path / "file").chmod(0o440)
        with pytest.raises(PermissionError):
            write_whole(tmp_path / "file", b"newer")


def test_pipes_are_written_to(tmp_path):
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(str(pipe))
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_whole(str(pipe), b"content")
    reader.join(10)
    assert received == [b"content"] and os.listdir(str(tmp_path)) == ["pipe"]
