"""The structure of the package: imports point down only, and some things have one home.

Everything here reads the source; nothing is imported.
"""
import ast
import sys
from collections import namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "stable_baselines"

# Who may import whom: a module imports modules of its own or a lower layer, and never in a circle. The longest prefix
# of a module's name counts; a prefix that ends in "." covers what lies inside a package, but not the package itself.
LAYERS = {
    # 0: no knowledge of anything else
    "stable_baselines.logger": 0,
    "stable_baselines.common.lazy": 0,
    "stable_baselines.common.extras": 0,
    "stable_baselines.common.mpi_exits": 0,
    "stable_baselines.common.mpi_util": 0,
    "stable_baselines.common.gym_compat": 0,
    # 1: NumPy only
    "stable_baselines.common.cg": 1,
    "stable_baselines.common.console_util": 1,
    "stable_baselines.common.dataset": 1,
    "stable_baselines.common.math_util": 1,
    "stable_baselines.common.misc_util": 1,
    "stable_baselines.common.mpi_moments": 1,
    "stable_baselines.common.noise": 1,
    "stable_baselines.common.old_names": 1,
    "stable_baselines.common.returns": 1,
    "stable_baselines.common.running_mean_std": 1,
    "stable_baselines.common.save_util": 1,
    "stable_baselines.common.schedules": 1,
    "stable_baselines.common.segment_tree": 1,
    "stable_baselines.common.tile_images": 1,
    "stable_baselines.common.files": 1,
    # 2: TensorFlow blocks
    "stable_baselines.common.distributions": 2,
    "stable_baselines.common.graph": 2,
    "stable_baselines.common.input": 2,
    "stable_baselines.common.losses": 2,
    "stable_baselines.common.mpi_adam": 2,
    "stable_baselines.common.mpi_running_mean_std": 2,
    "stable_baselines.common.tf_layers": 2,
    "stable_baselines.common.tf_util": 2,
    # 2: environment blocks
    "stable_baselines.bench": 2,
    "stable_baselines.common.atari_wrappers": 2,
    "stable_baselines.common.bit_flipping_env": 2,
    "stable_baselines.common.identity_env": 2,
    "stable_baselines.common.vec_env": 2,
    "stable_baselines.results_plotter": 2,
    # 3: what meets a model without knowing its class
    "stable_baselines.common.buffers": 3,
    "stable_baselines.common.callbacks": 3,
    "stable_baselines.common.cmd_util": 3,
    "stable_baselines.common.env_checker": 3,
    "stable_baselines.common.evaluation": 3,
    "stable_baselines.common.nets": 3,
    "stable_baselines.common.policies": 3,
    # 4: the base of all algorithms; stable_baselines.common itself offers the public names of layers 1 to 4
    "stable_baselines.common": 4,
    "stable_baselines.common.base_class": 4,
    "stable_baselines.common.models": 4,
    "stable_baselines.common.runners": 4,
    # 5: algorithms
    "stable_baselines.a2c": 5,
    "stable_baselines.acer": 5,
    "stable_baselines.acktr": 5,
    "stable_baselines.ddpg": 5,
    "stable_baselines.deepq": 5,
    "stable_baselines.ppo1": 5,
    "stable_baselines.ppo2": 5,
    "stable_baselines.sac": 5,
    "stable_baselines.td3": 5,
    "stable_baselines.trpo_mpi": 5,
    # 6: what stands on algorithms
    "stable_baselines.gail": 6,
    "stable_baselines.her": 6,
    "stable_baselines.deepq.experiments": 6,
    "stable_baselines.ddpg.main": 6,
    # 7: the package itself
    "stable_baselines": 7,
}
RUN_MODULES_LAYER = 6  # the command modules run_atari, run_mujoco, ... of every algorithm

# Besides layers 0 and 1, these start without TensorFlow, so that the processes of SubprocVecEnv start fast.
WITHOUT_TENSORFLOW = ("stable_baselines.bench", "stable_baselines.common.atari_wrappers",
                      "stable_baselines.common.bit_flipping_env", "stable_baselines.common.identity_env",
                      "stable_baselines.common.vec_env", "stable_baselines.results_plotter")

FORBIDDEN_CALLS = {"disable_v2_behavior", "disable_eager_execution", "disable_v2_tensorshape",
                   "disable_resource_variables", "disable_control_flow_v2"}
LONGEST_UNDOCUMENTED_FUNCTION = 60

Import = namedtuple("Import", "target line at_module_level")


def read_modules(directory=ROOT / PACKAGE, package=PACKAGE):
    """Parse all modules of a package: dotted name -> syntax tree."""
    modules = {}
    for path in sorted(directory.rglob("*.py")):
        parts = (package,) + path.relative_to(directory).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return modules


def is_text(node):
    """Whether a node is a literal string."""
    try:
        return isinstance(ast.literal_eval(node), str)
    except ValueError:
        return False


def is_dynamic_import(node):
    """Whether a node is ``import_module("name")`` or ``__import__("name")`` with the name written out."""
    called = getattr(node, "func", None)
    return (isinstance(node, ast.Call) and getattr(called, "attr", getattr(called, "id", None)) in (
        "import_module", "__import__") and bool(node.args) and is_text(node.args[0]))


def read_imports(tree, modules=()):
    """List what a module imports, anywhere in it.

    ``from package import name`` counts as an import of ``package.name`` where that is one of ``modules``.
    """
    nodes_in_functions = {id(inner) for outer in ast.walk(tree)
                          if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)) for inner in ast.walk(outer)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif is_dynamic_import(node):
            targets = [ast.literal_eval(node.args[0])]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            targets = [node.module + "." + alias.name if node.module + "." + alias.name in modules else node.module
                       for alias in node.names]
        else:
            continue
        found += [Import(target, node.lineno, id(node) not in nodes_in_functions) for target in sorted(set(targets))]
    return found


def layer_of(name):
    """Give a module's layer, by the longest prefix in the table; None if no prefix fits."""
    if name.rpartition(".")[2].startswith("run_"):
        return RUN_MODULES_LAYER
    prefix = name
    while prefix:
        # The entries for the two outermost packages are for their __init__ alone: inside, every module has its own.
        if prefix in LAYERS and (prefix == name or prefix not in (PACKAGE, PACKAGE + ".common")):
            return LAYERS[prefix]
        prefix = prefix.rpartition(".")[0]
    return None


def internal_imports(modules):
    """Give the import graph inside the package: module -> list of Import."""
    return {name: [item for item in read_imports(tree, modules) if item.target.split(".")[0] == PACKAGE]
            for name, tree in modules.items()}


def upward_imports(graph):
    """List the imports that point up."""
    return [f"{name} (layer {layer_of(name)}) imports {item.target} (layer {layer_of(item.target)}) in line {item.line}"
            for name, items in graph.items() for item in items if layer_of(item.target) > layer_of(name)]


def find_cycle(graph):
    """Give one circle of imports as a list of names; an empty list if there is none."""
    finished, trail = set(), []

    def visit(name):
        if name in trail:
            return trail[trail.index(name):] + [name]
        if name in finished:
            return []
        trail.append(name)
        for item in graph.get(name, ()):
            cycle = visit(item.target)
            if cycle:
                return cycle
        trail.pop()
        finished.add(name)
        return []

    for name in graph:
        cycle = visit(name)
        if cycle:
            return cycle
    return []


@pytest.fixture(scope="module", name="modules")
def modules_fixture():
    return read_modules()


@pytest.fixture(scope="module", name="graph")
def graph_fixture(modules):
    return internal_imports(modules)


def importers(modules, libraries):
    """Name the modules that import one of ``libraries``."""
    return sorted(name for name, tree in modules.items()
                  if any(item.target.split(".")[0] in libraries for item in read_imports(tree)))


def test_every_module_has_a_layer(modules):
    assert [name for name in modules if layer_of(name) is None] == [], "give it a line in LAYERS"


def test_imports_point_down(graph):
    assert upward_imports(graph) == []


def test_imports_make_no_circle(graph):
    assert find_cycle(graph) == []


def test_mpi4py_has_one_home(modules):
    assert set(importers(modules, {"mpi4py"})) <= {"stable_baselines.common.mpi_util"}


def test_gym_has_one_home(modules):
    home = "stable_baselines.common.gym_compat."
    assert [name for name in importers(modules, {"gym", "gymnasium"}) if not name.startswith(home)] == []


def test_tensorflow_comes_through_its_v1_interface(modules):
    targets = {item.target for tree in modules.values() for item in read_imports(tree)
               if item.target.split(".")[0] == "tensorflow"}
    # The options of a callable exist only as a protocol buffer.
    assert targets <= {"tensorflow.compat.v1", "tensorflow.core.protobuf"}


def test_low_layers_and_environments_start_without_tensorflow(modules):
    def must_be_free(name):
        return layer_of(name) <= 1 or name.startswith(WITHOUT_TENSORFLOW)

    offenders = [name for name, tree in modules.items() if must_be_free(name)
                 and any(item.at_module_level and item.target.split(".")[0] == "tensorflow"
                         for item in read_imports(tree))]
    assert offenders == []


def test_nothing_that_newer_tensorflow_lacks_is_used(modules):
    offenders = []
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tf" \
                    and node.attr in ("contrib", "layers", "keras"):
                offenders.append(f"{name}:{node.lineno}: tf.{node.attr}")
    assert offenders == []


def test_the_mode_of_the_process_is_left_alone(modules):
    offenders = [f"{name}:{node.lineno}: {node.attr}" for name, tree in modules.items()
                 for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_CALLS]
    assert offenders == []


def test_no_long_function_without_docstring(modules):
    offenders = []
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or ast.get_docstring(node):
                continue
            last = max(getattr(inner, "lineno", 0) for inner in ast.walk(node))
            if last - node.lineno + 1 > LONGEST_UNDOCUMENTED_FUNCTION:
                offenders.append(f"{name}:{node.lineno}: {node.name}")
    assert offenders == []


@pytest.mark.skipif(sys.version_info < (3, 8), reason="on Python 3.7 importing the package is that test")
def test_source_is_python_37():
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 7))


class TestTheWalkItself:
    """What the tests above rely on, on a package made up for it."""

    @staticmethod
    def graph(tmp_path, **sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return internal_imports(read_modules(tmp_path, PACKAGE))

    def test_upward_import_is_found_at_the_top_and_in_a_function(self, tmp_path):
        graph = self.graph(
            tmp_path,
            common__schedules="from stable_baselines.common import policies",
            common__math_util="def f():\n    import stable_baselines.ppo2.ppo2",
            common__policies="from stable_baselines.common.schedules import constant",
            ppo2__ppo2="")
        assert upward_imports(graph) == [
            "stable_baselines.common.math_util (layer 1) imports stable_baselines.ppo2.ppo2 (layer 5) in line 2",
            "stable_baselines.common.schedules (layer 1) imports stable_baselines.common.policies (layer 3) in line 1"]

    def test_circle_is_found_and_shown(self, tmp_path):
        graph = self.graph(
            tmp_path,
            common__schedules="import stable_baselines.common.math_util",
            common__math_util="from stable_baselines.common.noise import x",
            common__noise="def f():\n    from stable_baselines.common import math_util")
        assert upward_imports(graph) == []
        assert find_cycle(graph) == ["stable_baselines.common.math_util", "stable_baselines.common.noise",
                                     "stable_baselines.common.math_util"]

    def test_diamond_is_no_circle(self, tmp_path):
        graph = self.graph(
            tmp_path,
            common__schedules="from stable_baselines.common import math_util, noise",
            common__math_util="import stable_baselines.logger", common__noise="import stable_baselines.logger",
            logger="")
        assert find_cycle(graph) == []

    @pytest.mark.parametrize("name, layer", [
        ("stable_baselines", 7), ("stable_baselines.common", 4), ("stable_baselines.common.unheard_of", None),
        ("stable_baselines.unheard_of", None), ("stable_baselines.common.vec_env.util", 2),
        ("stable_baselines.ppo2.run_atari", 6), ("stable_baselines.deepq.experiments.train_cartpole", 6)])
    def test_longest_prefix_gives_the_layer(self, name, layer):
        assert layer_of(name) == layer

    @pytest.mark.parametrize("source", ["import mpi4py", "from mpi4py import MPI", "def f():\n    import mpi4py.MPI",
                                        "importlib.import_module('mpi4py')", "__import__('mpi4py')"])
    def test_every_form_of_import_is_seen(self, source):
        assert importers({"name": ast.parse(source)}, {"mpi4py"}) == ["name"]

    def test_imports_of_other_things_are_not_taken_for_it(self):
        assert importers({"name": ast.parse("import mpi4py_tools\nimport_module(mpi4py)")}, {"mpi4py"}) == []

    def test_relative_import_is_refused(self):
        with pytest.raises(AssertionError, match="line 1: relative import"):
            read_imports(ast.parse("from . import x"))
