"""What the package offers by name: at run time, to people who look around, and to editors and type checkers."""
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stable_baselines
from test_public_api import API, BUILT, PENDING, is_pending

ROOT = Path(__file__).resolve().parent.parent

# What `import stable_baselines` alone reaches in Stable Baselines 2.10, without MPI: recorded by running it. What is
# another module's attribute only because that imports it (`a2c.a2c.logger`) is left out.
REACHED = ["stable_baselines." + name for name in """
    a2c a2c.a2c acer acer.acer_simple acer.buffer acktr acktr.acktr acktr.kfac acktr.kfac_utils bench bench.monitor
    common common.atari_wrappers common.base_class common.buffers common.callbacks common.cmd_util
    common.console_util common.dataset common.distributions common.evaluation common.input common.math_util
    common.misc_util common.noise common.policies common.runners common.running_mean_std common.save_util
    common.schedules common.segment_tree common.tf_layers common.tf_util common.tile_images common.vec_env
    common.vec_env.base_vec_env common.vec_env.dummy_vec_env common.vec_env.subproc_vec_env common.vec_env.util
    common.vec_env.vec_check_nan common.vec_env.vec_frame_stack common.vec_env.vec_normalize
    common.vec_env.vec_video_recorder deepq deepq.build_graph deepq.dqn deepq.policies her her.her her.replay_buffer
    her.utils logger ppo2 ppo2.ppo2 sac sac.policies sac.sac td3 td3.policies td3.td3
""".split()]


def run_python(*arguments, **kwargs):
    """Run an interpreter that finds the package; return what it prints."""
    return subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(ROOT), MYPYPATH=str(ROOT)), **kwargs).stdout.decode()


def test_every_submodule_is_reached_by_importing_the_package():
    unreached = run_python("-c", f"""
import functools, stable_baselines
for name in {REACHED}:
    try:
        assert functools.reduce(getattr, name.split(".")[1:], stable_baselines).__name__ == name
    except AttributeError:
        print(name)
""", check=True)
    assert unreached.split() == [name for name in REACHED if name in PENDING]


def test_looking_around_imports_no_tensorflow():
    loaded = run_python("-c", """
import sys, stable_baselines, stable_baselines.common as common
dir(stable_baselines), dir(common), stable_baselines.bench, common.vec_env, common.zipsame, hasattr(common, "nothing")
print(*sys.modules)
""", check=True).split()
    assert "stable_baselines.common.vec_env" in loaded and "tensorflow" not in loaded


def test_dir_shows_the_public_names():
    shown = {name for name in dir(stable_baselines) if not name.startswith("__")}
    assert shown == {*stable_baselines.__all__, "a2c", "acer", "acktr", "bench", "common", "ddpg", "deepq", "gail",
                     "her", "logger", "ppo1", "ppo2", "results_plotter", "sac", "td3", "trpo_mpi"}
    assert {"make_vec_env", "callbacks", "BaseRLModel"} <= set(dir(stable_baselines.common))


def test_every_algorithm_is_there():
    assert sorted(stable_baselines.__all__) == sorted(API["stable_baselines"]["reexports"])


def test_the_name_of_stable_baselines3_says_ours():
    with pytest.raises(ImportError, match="Stable-Baselines3; here it is PPO2"):
        from stable_baselines import PPO  # noqa: F401


def test_another_name_is_missing_as_everywhere():
    assert not hasattr(stable_baselines, "PP02") and not hasattr(stable_baselines.common, "_private")
    with pytest.raises(ImportError, match="cannot import name 'PP02'"):
        from stable_baselines import PP02  # noqa: F401


def test_a_submodule_that_cannot_be_imported_says_why(tmp_path, monkeypatch):
    """Its own ImportError must not turn into a missing attribute."""
    (tmp_path / "lazy_package").mkdir()
    (tmp_path / "lazy_package" / "__init__.py").write_text(
        "from stable_baselines.common import lazy\nlazy.offer(__name__, {}, {})")
    (tmp_path / "lazy_package" / "broken.py").write_text("import not_installed")
    monkeypatch.syspath_prepend(str(tmp_path))
    import lazy_package

    assert "broken" in dir(lazy_package) and not hasattr(lazy_package, "absent")
    with pytest.raises(ModuleNotFoundError, match="not_installed"):
        _ = lazy_package.broken


@pytest.mark.parametrize("name", [name for name in BUILT if (ROOT.joinpath(*name.split(".")) / "__init__.py").exists()])
def test_packages_export_their_public_names(name):
    """Editors and type checkers take a name that a package imports for private, unless ``__all__`` has it."""
    package, described = importlib.import_module(name), API[name]
    public = {key for group in ("functions", "classes", "constants") for key in described[group]}
    public |= {key for key, home in described["reexports"].items() if not is_pending(home)}
    offered = set(getattr(package, "__all__", ()))
    assert public - offered == set()
    assert [key for key in offered if not hasattr(package, key)] == []


HEADER = f"""
import stable_baselines
from stable_baselines import {", ".join(stable_baselines.__all__)}
from stable_baselines.common import make_vec_env
from stable_baselines.common.callbacks import BaseCallback, EvalCallback
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.policies import MlpPolicy
from stable_baselines.common.vec_env import VecNormalize
class OwnModel(PPO2): ...
class OwnCallback(BaseCallback):
    def _on_step(self) -> bool:
        return self.locals["self"] is self.model
"""
# statement -> what mypy says about it; None where it is right
CLIENT = {
    'env = VecNormalize(make_vec_env("CartPole-v1", n_envs=2))': None,
    'model = PPO2(MlpPolicy, env, n_steps=3)': None,
    'model.learn(10, callback=[OwnCallback(), EvalCallback(env)]).save("file")': None,
    'obs = env.reset()': None,
    'obs, rewards, dones, infos = env.step(model.predict(obs)[0])': None,
    'print(rewards.sum(), infos[0]["episode"], model.action_space.n, evaluate_policy(model, env)[0] > 475)': None,
    'stable_baselines.logger.configure("folder")': None,
    'PPO2("MlpPolicy", "CartPole-v1", n_stepz=3)': 'Unexpected keyword argument "n_stepz" for "PPO2"',
    'PPO2("MlpPolicy", "CartPole-v1", n_steps="3")': 'Argument "n_steps" to "PPO2" has incompatible type "str"',
    'model.lern(10)': '"PPO2" has no attribute "lern"',
    'stable_baselines.PP02': 'Module has no attribute "PP02"',
    'from stable_baselines import GAIl': 'Module "stable_baselines" has no attribute "GAIl"',
    'from stable_baselines.common import make_vec': 'has no attribute "make_vec"',
    'from stable_baselines.common.policies import MlpPolcy': 'has no attribute "MlpPolcy"',
    'reveal_type(OwnModel.load("file").learn(10))': 'Revealed type is "client.OwnModel"',
    **{f'reveal_type({name}.load("file").learn(10))': f'.{name}"' for name in stable_baselines.__all__},
    **{f'reveal_type({name}("MlpPolicy", "CartPole-v1"{", DQN" if name == "HER" else ""}))': f'.{name}"'
       for name in stable_baselines.__all__},
}


def test_a_type_checker_knows_right_from_wrong(tmp_path):
    pytest.importorskip("mypy", reason="Python 3.7 has no mypy that knows today's libraries")
    (tmp_path / "client.py").write_text("\n".join([HEADER, *CLIENT]))
    output = run_python("-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-color-output",
                        "--hide-error-context", "client.py", cwd=str(tmp_path))
    said = {}
    for line in output.splitlines():
        file, _, rest = line.partition(":")
        if file == "client.py":
            number, _, message = rest.partition(": ")
            said.setdefault(int(number) - HEADER.count("\n") - 2, message)
    problems = [f"{statement}: {said.get(index)}" for index, (statement, expected) in enumerate(CLIENT.items())
                if (expected or "None") not in str(said.get(index))]
    assert problems == [], output
