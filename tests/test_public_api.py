"""The public surface of Stable Baselines 2.10 exists here: every import path, name, parameter and default.

``data/public_api.json`` says what that surface is; ``scripts/trim_public_api.py`` says how it was derived. The package
may offer more: further names, and further parameters behind the reference's ones, if they have a default.
"""
import ast
import importlib
import importlib.util
import inspect
import json
from pathlib import Path

import pytest

API = json.loads((Path(__file__).parent / "data" / "public_api.json").read_text(encoding="utf-8"))

# Modules of the reference that are not built yet. A module leaves this list in the change that adds it.
PENDING = set("""
""".split())

# Single names that are not built yet, in modules that are: "module.name" or "module.Class.name".
PENDING_NAMES = set("""
""".split())

# Names that differ from the reference on purpose, with the reason.
DIFFERENT = {
    "stable_baselines.common.base_class.OffPolicyRLModel.predict":
        "deterministic=True stands once, in the base; the reference's base has False and all its algorithms have True",
    "stable_baselines.ppo1.run_robotics": "the reference's own module cannot be imported without mujoco_py",
}

BUILT = sorted(set(API) - PENDING - set(DIFFERENT))


def render_default(value):
    """Write a default the way the data does: without addresses."""
    if inspect.isfunction(value):
        return f"<function {value.__name__}>"
    if type(value).__name__ == "DType":
        return "tf." + value.name
    return repr(value)


def render_parameters(function):
    """Write the parameters of ``function`` the way the data does."""
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**",
             inspect.Parameter.KEYWORD_ONLY: "kw:"}
    texts = []
    for param in inspect.signature(function).parameters.values():
        default = "" if param.default is param.empty else "=" + render_default(param.default)
        texts.append(kinds.get(param.kind, "") + param.name + default)
    return texts


def parameter_problems(expected, actual):
    """Say how the parameters ``actual`` break calls that ``expected`` allows; an empty list if they do not.

    ``*args`` and ``**kwargs`` of the reference must be there too. Everything else of ours must be optional.
    """
    def split(texts):
        catch_all = [text for text in texts if text.startswith("*")]
        return [text for text in texts if not text.startswith("*")], catch_all

    expected_named, expected_catch_all = split(expected)
    actual_named, actual_catch_all = split(actual)
    def serves(actual_text, expected_text):
        """Whether callers notice no difference: what they had to give may have become optional."""
        return actual_text == expected_text or actual_text.partition("=")[0] == expected_text

    extra = actual_named[len(expected_named):]
    problems = []
    if len(actual_named) < len(expected_named) or not all(map(serves, actual_named, expected_named)):
        problems.append("parameters ({}) instead of ({})".format(", ".join(actual), ", ".join(expected)))
    else:
        problems += [f"extra parameter {text} has no default" for text in extra if "=" not in text]
    problems += [f"{text} is missing" for text in expected_catch_all if text not in actual_catch_all]
    return problems


def same_constant(expected, actual):
    """Compare a constant with its repr in the data; what has no literal form only has to exist."""
    try:
        return ast.literal_eval(expected) == actual
    except (ValueError, SyntaxError):
        return True


def signature_problems(path, expected, function):
    return [f"{path}: {problem}" for problem in parameter_problems(expected, render_parameters(function))]


def missing(owner, name, path):
    """Whether ``name`` must be looked at no further; and what is wrong about that."""
    if path in DIFFERENT:
        return True, []
    if path in PENDING_NAMES:
        return True, [path + " exists: take it out of PENDING_NAMES"] if hasattr(owner, name) else []
    if not hasattr(owner, name):
        return True, [path + " is missing"]
    return False, []


def is_pending(path):
    """Whether a dotted path leads into what is not built yet."""
    return path in PENDING_NAMES or path.rpartition(".")[0] in PENDING


def resolve(path):
    """Import the object at a dotted path of module and name."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def class_problems(path, expected, cls):
    """Compare a class with its description: bases, methods, properties, class attributes."""
    problems = []
    for base in expected["bases"]:
        if not is_pending(base) and base not in DIFFERENT and not issubclass(cls, resolve(base)):
            problems.append(f"{path} is no subclass of {base}")
    for kind in ("methods", "properties", "attributes"):
        for name, description in expected[kind].items():
            skip, found = missing(cls, name, path + "." + name)
            problems += found
            if skip:
                continue
            member = inspect.getattr_static(cls, name)
            if kind == "methods":
                problems += method_problems(path + "." + name, description, member)
            elif kind == "attributes" and not same_constant(description, getattr(cls, name)):
                problems.append(f"{path}.{name} is {getattr(cls, name)!r}, not {description}")
    return problems


def method_problems(path, expected, member):
    """Compare a method, as it stands in the class, with its kind and parameters."""
    kinds = {classmethod: "class", staticmethod: "static"}
    kind = kinds.get(type(member), "instance")
    if kind != expected["kind"]:
        return ["{} is a {} method, not a {} one".format(path, kind, expected["kind"])]
    function = member if kind == "instance" else member.__func__
    params = expected["params"]
    if kind == "class" and params[:1] != ["cls"]:  # the reference's list leaves out what is bound
        params = ["cls"] + params
    return signature_problems(path, params, function)


@pytest.mark.parametrize("name", BUILT)
def test_module_offers_what_the_reference_offers(name):
    module = importlib.import_module(name)
    expected = API[name]
    problems = []
    for group in ("functions", "classes", "constants", "reexports"):
        for key, description in expected[group].items():
            path = name + "." + key
            if group == "reexports" and is_pending(description):
                continue
            skip, found = missing(module, key, path)
            problems += found
            if skip:
                continue
            value = getattr(module, key)
            if group == "functions":
                problems += signature_problems(path, description, value)
            elif group == "classes":
                problems += class_problems(path, description, value)
            elif group == "constants" and not same_constant(description, value):
                problems.append(f"{path} is {value!r}, not {description}")
            elif group == "reexports" and value is not resolve(description):
                problems.append(f"{path} is not {description}")
    assert problems == []


def test_pending_modules_do_not_exist_yet():
    def exists(name):
        try:
            spec = importlib.util.find_spec(name)
            return spec is not None and spec.has_location  # a mere directory, perhaps of old byte code, is no module
        except ModuleNotFoundError:  # the parent package is pending as well
            return False

    assert [name for name in sorted(PENDING) if exists(name)] == [], "built: take them out of PENDING"


def test_lists_of_exceptions_name_only_what_the_reference_has():
    known = set(API)
    for module, description in API.items():
        for group in ("functions", "classes", "constants", "reexports"):
            known.update(module + "." + name for name in description[group])
        for cls, members in description["classes"].items():
            for group in ("methods", "properties", "attributes"):
                known.update(f"{module}.{cls}.{name}" for name in members[group])
    assert sorted((PENDING | PENDING_NAMES | set(DIFFERENT)) - known) == []


def test_version_is_that_of_the_installed_file():
    import stable_baselines

    version_file = Path(stable_baselines.__file__).parent / "version.txt"
    assert stable_baselines.__version__ == version_file.read_text(encoding="utf-8").strip()
    assert stable_baselines.__version__.startswith("2.11.")


class TestTheComparisonItself:
    def test_equal_parameters_pass(self):
        assert parameter_problems(["self", "a", "b=1", "**kwargs"], ["self", "a", "b=1", "**kwargs"]) == []

    def test_extra_optional_parameters_pass(self):
        assert parameter_problems(["self", "a"], ["self", "a", "b=None", "kw:c=2"]) == []

    def test_required_parameters_that_became_optional_pass(self):
        assert parameter_problems(["self", "a", "kw:b"], ["self", "a", "kw:b=None"]) == []

    @pytest.mark.parametrize("actual", [
        ["self", "b=1", "a"],           # order
        ["self", "x", "b=1"],           # name
        ["self", "a", "b=2"],           # default
        ["self", "a", "kw:b=1"],        # kind
        ["self", "a"],                  # one less
        ["self", "a", "b=1", "c"],      # one more that callers would have to give
        ["self", "new=0", "a", "b=1"],  # one more in front
    ])
    def test_a_parameter_that_breaks_callers_is_found(self, actual):
        assert len(parameter_problems(["self", "a", "b=1"], actual)) == 1

    def test_a_missing_catch_all_is_found(self):
        assert parameter_problems(["self", "**kwargs"], ["self"]) == ["**kwargs is missing"]

    def test_defaults_are_written_without_addresses(self):
        def function(a, b=render_default, c=1.0, *args, d="x", **kwargs):
            """Have one parameter of each kind."""
        assert render_parameters(function) == [
            "a", "b=<function render_default>", "c=1.0", "*args", "kw:d='x'", "**kwargs"]
