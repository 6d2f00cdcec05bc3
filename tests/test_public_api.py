"""The public surface of Stable Baselines 2.10 exists here: every import path, name, parameter and default.

``data/public_api.json`` says what that surface is; ``scripts/trim_public_api.py`` says how it was derived. The package
may offer more: further names, and further parameters behind the reference's ones, if they have a default.

``data/attributes.json`` adds what only objects show: the attributes that models, policies, runners, wrappers, callbacks
and others have in 2.10.2 when they are made and after a training, and what kind of thing each is, and the base classes
of every class. ``scripts/record_attributes.py`` wrote it there and looks at this package here.
"""
import ast
import importlib
import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
API = json.loads((ROOT / "tests" / "data" / "public_api.json").read_text(encoding="utf-8"))
ATTRIBUTES = json.loads((ROOT / "tests" / "data" / "attributes.json").read_text(encoding="utf-8"))

# Modules of the reference that are not built yet. A module leaves this list in the change that adds it.
PENDING = set("""
""".split())

# Single names that are not built yet, in modules that are: "module.name" or "module.Class.name".
PENDING_NAMES = set("""
""".split())

# What differs from the reference on purpose, with the reason: dotted names of what modules have, and for objects
# "class class ...: attribute attribute ...".
DIFFERENT = {
    "stable_baselines.common.base_class.OffPolicyRLModel.predict":
        "deterministic=True stands once, in the base; the reference's base has False and all its algorithms have True",
    "stable_baselines.ppo1.run_robotics": "the reference's own module cannot be imported without mujoco_py",
    "PPO2 SAC TD3: learning_rate": "stays what the user gave; the reference puts a function in its place in learn",
    "PPO2: cliprange cliprange_vf": "likewise",
    "SAC: ent_coef target_entropy": "likewise; the reference puts a tensor and a number in their place",
    "HER: model.ent_coef model.target_entropy model.learning_rate policy": "likewise",
    "A2C ACER ACKTR PPO2: runner": "runners have other names; theirs are aliases",
    "A2C ACER ACKTR PPO2: runner.callback": "a list of callbacks, empty if there are none",
    "A2C ACER PPO2: policy.n_batch": "None: recurrent policies take any number of samples, too",
    "ACER: runner.n_act runner.n_batch runner.obs_dim runner.obs_dtype runner.raw_pixels names_ops run_ops":
        "parts of the reference's way to collect and train, which is another here",
    "A2C: apply_backprop": "likewise",
    "ACKTR: continuous_actions grads_check joint_fisher pg_fisher q_runner train_op trained vf_fisher": "likewise",
    "DDPG: action_adapt_noise action_noise_ph action_target action_train_ph actor_grads adaptive_param_noise_actor "
    "adaptive_policy_distance critic_grads critic_target normalized_critic_with_actor_tf obs_adapt_noise obs_noise "
    "old_mean old_std param_noise_actor param_noise_stddev perturb_adaptive_policy_ops perturb_policy_ops "
    "perturbed_actor_tf renormalize_q_outputs_op stats_names stats_ops stats_sample target_init_updates "
    "target_soft_updates tb_seen_steps": "likewise",
    "GAIL TRPO: allmean assign_old_eq_new compute_fvp compute_lossandgrad compute_losses compute_vflossandgrad "
    "nworkers rank timed": "parts of the reference's way to train",
    "GAIL: d_adam": "likewise",
    "PPO1: assign_old_eq_new compute_losses lossandgrad": "likewise",
    "TRPO: adversary_entcoeff d_adam d_step d_stepsize expert_dataset g_step hidden_size_adversary using_gail":
        "GAIL's, which has them here",
    "SAC TD3: action_target obs_target step_ops": "parts of the reference's way to train",
    "SAC: target_update_op": "likewise",
    "TD3: policy_train_op target_ops": "likewise",
    "HER: model.action_target model.obs_target model.step_ops model.target_update_op": "likewise",
    "DDPG: policy.activ policy.cnn_extractor policy.cnn_kwargs policy.layers policy.qvalue_fn":
        "the networks' arguments are not kept",
    "SAC: policy.activ_fn policy.cnn_extractor policy.cnn_kwargs policy.layers policy.reg_loss": "likewise",
    "TD3: policy.activ_fn policy.cnn_extractor policy.cnn_kwargs policy.layers": "likewise",
    "DummyVecEnv: actions buf_dones buf_infos buf_obs buf_rews": "each step makes new arrays, which are the caller's",
    "SubprocVecEnv: remotes work_remotes": "processes are spoken to otherwise",
    "VecCheckNan VecFrameStack VecNormalize: class_attributes": "attributes are looked up otherwise",
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
    names = {path for path in DIFFERENT if ": " not in path}
    assert sorted((PENDING | PENDING_NAMES | names) - known) == []


def load_observer():
    """Import the script that recorded the attributes."""
    spec = importlib.util.spec_from_file_location("record_attributes", str(ROOT / "scripts" / "record_attributes.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


observer = load_observer()


def labelled(name, kinds):
    """Turn {attribute: kind} of the object "case / part" into {(class, "part.attribute"): kind}."""
    case, _, part = name.partition(" / ")
    prefix = {"": "", "after learn": "", "runner": "runner.", "replay_buffer": "replay_buffer.",
              "model": "model."}.get(part, "policy.")
    return {(case.partition(",")[0], prefix + attribute): kind for attribute, kind in kinds.items()}


def attribute_differences(name, kinds):
    """Return (class, attribute) of what a recorded object has that is missing or of another kind here.

    What was None may be anything.
    """
    groups = ATTRIBUTES["objects"][name]
    expected = labelled(name, {attribute: kind for kind, names in groups.items() for attribute in names.split()})
    actual = labelled(name, kinds)
    return {key for key, kind in expected.items()
            if actual.get(key, "missing") != kind and not (kind == "None" and key in actual)}


def assert_listed(descriptions, recorded):
    """Compare objects, {name: {attribute: kind}}, with the recorded ones of these names: what differs is listed."""
    listed, owners = set(), {name.partition(" / ")[0].partition(",")[0] for name in recorded}
    for key in (key for key in DIFFERENT if ": " in key):
        classes, _, names = key.partition(": ")
        listed |= {(owner, name) for owner in classes.split() for name in names.split() if owner in owners}
    # a part that is missing is missing among the model's attributes
    differences = set().union(*(attribute_differences(name, descriptions[name]) for name in recorded
                                if name in descriptions))
    assert sorted(differences - listed) == []
    assert sorted(listed - differences) == [], "like the reference: take it out of DIFFERENT"


@pytest.mark.parametrize("algorithm", sorted({case.partition(",")[0] for case in observer.MODELS}))
def test_models_have_their_attributes(algorithm):
    recorded = [name for name in ATTRIBUTES["objects"] if re.match(algorithm + "(,| /|$)", name)]
    descriptions = {}
    for case in observer.MODELS:
        if case.partition(",")[0] == algorithm:
            parts = observer.observe_model(case)
            parts["after learn"] = dict(parts[""], **parts["after learn"])
            descriptions.update((f"{case} / {part}" if part else case, kinds) for part, kinds in parts.items())
    assert_listed(descriptions, recorded)


def test_callbacks_and_others_have_their_attributes():
    algorithms = {case.partition(",")[0] for case in observer.MODELS}
    recorded = [name for name in ATTRIBUTES["objects"] if re.split("[, ]", name)[0] not in algorithms]
    assert_listed(dict(observer.observe_callbacks(), **observer.observe_others()), recorded)


def is_public(path):
    """Whether a dotted path leads to a class of the reference, or to one of Python's own."""
    module, _, name = path.rpartition(".")
    return name in API.get(module, {}).get("classes", {}) or module in ("abc", "builtins", "collections")


@pytest.mark.parametrize("name", sorted(name for name in ATTRIBUTES["ancestors"] if not is_pending(name)))
def test_classes_have_their_ancestors(name):
    bases = [base for base in ATTRIBUTES["ancestors"][name] if is_public(base)]
    assert [base for base in bases if not issubclass(resolve(name), resolve(base))] == []


def test_pickles_name_public_modules():
    def is_known(member):
        return any(member.__name__ in API.get(member.__module__, {}).get(group, {})
                   for group in ("classes", "functions", "reexports")) \
            or member.__module__ == "stable_baselines.common.runners"  # nobody saves runners

    hidden = []
    for module in BUILT:
        names = [*API[module]["classes"], *API[module]["functions"]]
        members = [getattr(importlib.import_module(module), name, None) for name in names]
        hidden += [f"{module}.{name}" for name, member in zip(names, members)
                   if member is not None and not is_known(member)]
    assert hidden == []


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
