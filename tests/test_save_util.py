"""Model files: their parts, both forms, and pickles of other versions."""
import base64
import importlib.util
import io
import json
import operator
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from helpers import passing_module
from stable_baselines.common import save_util
from stable_baselines.common.files import pickling
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.schedules import constfn

PARAMS = OrderedDict([("model/b:0", np.arange(3, dtype=np.float32)), ("model/a:0", np.ones((2, 2), np.float32))])


def assert_same_params(params):
    """Compare with PARAMS, order included."""
    assert list(params) == list(PARAMS)
    for name, value in PARAMS.items():
        np.testing.assert_array_equal(params[name], value)
        assert params[name].dtype == value.dtype


def test_json_is_readable_and_can_be_read_back():
    data = OrderedDict([("gamma", 0.99), ("name", "x"), ("none", None), ("list", [1, {"pi": [8]}]),
                        ("function", np.tanh), ("array", np.arange(3)), ("space", spaces.Discrete(3))])
    text = save_util.data_to_json(data)
    readable = json.loads(text)
    assert readable["gamma"] == 0.99 and readable["list"] == [1, {"pi": [8]}]
    assert readable["space"]["n"] == 3 and ":serialized:" in readable["space"]
    assert " at 0x" not in text  # no addresses: equal models give equal files
    back = save_util.json_to_data(text)
    assert list(back) == list(data)
    assert back["function"] is np.tanh and np.array_equal(back["array"], np.arange(3))
    assert back["space"] == spaces.Discrete(3)


def test_custom_objects_are_not_unpickled():
    text = save_util.data_to_json({"broken": np.tanh, "fine": 1})
    text = text.replace(json.loads(text)["broken"][":serialized:"], "AAAA")
    for kind in (ValueError, RuntimeError):  # the latter is what the original raises
        with pytest.raises(kind, match="could not unpickle 'broken'.*custom_objects"):
            save_util.json_to_data(text)
    assert save_util.json_to_data(text, custom_objects={"broken": 7}) == {"broken": 7, "fine": 1}
    with pytest.raises(TypeError, match="custom_objects=.*accepted is a dict"):
        save_util.json_to_data(text, custom_objects=["broken"])
    with pytest.raises(ValueError, match="JSON object"):
        save_util.json_to_data("[1]")


def test_is_json_serializable():
    assert save_util.is_json_serializable({"a": [1, 2.5, None, "b"]})
    assert not save_util.is_json_serializable(np.arange(2)) and not save_util.is_json_serializable({1, 2})


def test_parameters_can_be_read_back():
    assert_same_params(save_util.bytes_to_params(save_util.params_to_bytes(PARAMS), list(PARAMS)))


@pytest.mark.parametrize("as_pickle, extension", [(False, ".zip"), (True, ".pkl")])
def test_files(tmp_path, as_pickle, extension):
    save_util.save_to_file(str(tmp_path / "model"), {"gamma": 0.5}, PARAMS, as_pickle)
    assert [path.name for path in tmp_path.iterdir()] == ["model" + extension]
    for path in ("model", "model" + extension):
        data, params = save_util.load_from_file(str(tmp_path / path))
        assert data == {"gamma": 0.5}
        assert_same_params(params)
    save_util.save_to_file(tmp_path / "named.model", {}, PARAMS, as_pickle)  # a pathlib path, its own extension
    assert_same_params(save_util.load_from_file(tmp_path / "named.model")[1])


def test_parameters_alone_are_read_without_pickling():
    buffer = io.BytesIO()
    save_util.save_to_file(buffer, {"broken": np.tanh}, PARAMS)
    broken = io.BytesIO()
    with zipfile.ZipFile(buffer) as archive, zipfile.ZipFile(broken, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, b'{"broken": {":serialized:": "AAAA"}}' if name == "data" else archive.read(name))
    broken.seek(0)
    data, params = save_util.load_from_file(broken, load_data=False)
    assert data is None
    assert_same_params(params)


def test_other_files_are_refused(tmp_path):
    with zipfile.ZipFile(str(tmp_path / "other.zip"), "w") as archive:
        archive.writestr("data", "{}")
    with pytest.raises(ValueError, match="this zip archive lacks"):
        save_util.load_from_file(str(tmp_path / "other.zip"))
    save_util.save_to_file(str(tmp_path / "model.zip"), {}, PARAMS)
    content = (tmp_path / "model.zip").read_bytes()
    (tmp_path / "damaged.zip").write_bytes(content.replace(b"model/b:0.npy", b"model/x:0.npy"))
    with pytest.raises(ValueError, match="damaged"):
        save_util.load_from_file(str(tmp_path / "damaged.zip"))
    for name, wrong in (("list", b"[]"), ("cut", b'{"gamma":')):
        with zipfile.ZipFile(str(tmp_path / "model.zip")) as archive:
            with zipfile.ZipFile(str(tmp_path / f"{name}.zip"), "w") as copy:
                for member in archive.namelist():
                    copy.writestr(member, wrong if member == "data" else archive.read(member))
        with pytest.raises(ValueError, match=f"{name}.zip.*damaged"):
            save_util.load_from_file(str(tmp_path / f"{name}.zip"))
    (tmp_path / "pickle.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(ValueError, match="no model file"):
        save_util.load_from_file(str(tmp_path / "pickle.pkl"))
    for wrong in (17, None):
        with pytest.raises(TypeError, match="path or a file object"):
            save_util.load_from_file(wrong)
        with pytest.raises(TypeError, match="path or a file object"):
            save_util.save_to_file(wrong, {}, PARAMS)


def rebuild_function(code_arguments, state):
    """Make the calls that a function pickled by cloudpickle 1.6 consists of, as the unpickler resolves them."""
    find_class = pickling.Unpickler(io.BytesIO()).find_class
    builtin_type = find_class("cloudpickle.cloudpickle", "_builtin_type")
    code = builtin_type("CodeType")(*code_arguments)
    function = builtin_type("LambdaType")(code, {}, None, None, ())
    find_class("cloudpickle.cloudpickle_fast", "_function_setstate")(function, ({}, state))
    return function


def test_functions_of_another_python():
    code_of_another_python = (1, b"byte code", "schedules.py", "func")
    cell = constfn(0.25).__closure__[0]
    constant = rebuild_function(code_of_another_python,
                                {"__qualname__": "constfn.<locals>.func", "__closure__": (cell,)})
    assert constant(1.0) == 0.25  # a constant schedule is rebuilt from its value
    lost = rebuild_function(code_of_another_python, {"__qualname__": "mine", "__closure__": None})
    with pytest.raises(RuntimeError, match="'func' was pickled by another version of Python.*custom_objects"):
        lost(1.0)


def test_functions_of_this_python():
    factor = 3
    assert pickling.loads(pickling.dumps(lambda progress: progress * factor))(2) == 6
    assert pickling.loads(pickling.dumps(constfn(0.5)))(1) == 0.5


@pytest.mark.skipif(sys.version_info < (3, 8), reason="3.7 writes byte code without its version, as the original")
def test_byte_code_of_another_python_is_not_run(monkeypatch):
    """3.11 to 3.13 take each other's byte code without complaint, and crash."""
    class Policy:
        def act(self):
            return 1

    monkeypatch.setattr(importlib.util, "MAGIC_NUMBER", b"3.99")
    content = pickling.dumps((lambda progress: progress, constfn(0.5), Policy))
    monkeypatch.undo()
    function, constant, policy = pickling.loads(content)
    assert constant(1) == 0.5
    for lost in (lambda: function(1), lambda: policy().act()):
        with pytest.raises(ValueError, match="was pickled by another version of Python"):
            lost()
    unmarked = pickling.loads(cloudpickle.dumps(lambda progress: progress))
    with pytest.raises(ValueError, match="was pickled by another version of Python"):
        unmarked(1)


@pytest.mark.parametrize("space", [
    spaces.Box(low=np.array([-1., 0.], np.float32), high=np.array([1., 5.], np.float32), dtype=np.float32),
    spaces.Box(low=0, high=255, shape=(4, 4, 1), dtype=np.uint8), spaces.Discrete(3), spaces.MultiDiscrete([3, 2]),
    spaces.MultiBinary(4), spaces.Tuple((spaces.Discrete(2), spaces.Discrete(3))),
    spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(low=0, high=1, shape=(2,), dtype=np.float32)})])
def test_spaces_are_rebuilt_as_real_spaces(space):
    space.seed(3)
    back = pickling.loads(cloudpickle.dumps(space))
    assert back == space and type(back) is type(space)
    assert space.contains(back.sample())


def test_spaces_of_the_other_library():
    own = spaces.Discrete.__module__.split(".")[0]
    content = pickle.dumps(spaces.Discrete(3), protocol=0)
    other = content.replace(own.encode() + b".spaces", {"gym": b"gymnasium", "gymnasium": b"gym"}[own] + b".spaces")
    assert other != content
    assert pickling.loads(other) == spaces.Discrete(3)


def test_pickles_are_readable_by_python_3_7(tmp_path):
    data = {"function": lambda progress: progress, "space": spaces.Discrete(2)}
    save_util.save_to_file(str(tmp_path / "model.pkl"), data, PARAMS, as_pickle=True)
    serialized = json.loads(save_util.data_to_json(data))["function"][":serialized:"]
    for content in ((tmp_path / "model.pkl").read_bytes(), base64.b64decode(serialized)):
        assert content[:2] == b"\x80\x04"  # the opcode of the protocol, and 4


@pytest.mark.parametrize("name", ["nn.tanh", "nn.relu", "nn.leaky_relu", "nn.sigmoid", "nn.swish", "tanh"])
def test_activation_functions_of_tensorflow(name):
    tf = pytest.importorskip("tensorflow.compat.v1")
    func = operator.attrgetter(name)(tf)
    assert pickling.loads(pickling.dumps({"act_fun": func}))["act_fun"] is func


def test_functions_that_use_tensorflow():
    import tensorflow.compat.v1 as tf
    with tf.Graph().as_default():
        assert pickling.loads(pickling.dumps(lambda: tf.nn.relu(tf.constant(1.))))().dtype == tf.float32


def test_missing_classes_are_an_error_only_where_they_are_needed(tmp_path):
    policy = type("Policy", (), {"__module__": "module_that_is_gone"})
    with passing_module(Policy=policy):
        save_util.save_to_file(str(tmp_path / "model.pkl"), {"policy": policy, "gamma": .5}, PARAMS, as_pickle=True)
        save_util.save_to_file(str(tmp_path / "model.zip"), {"policy": policy, "gamma": .5}, PARAMS)
    for form in ("pkl", "zip"):
        path = str(tmp_path / f"model.{form}")
        for kind in (ValueError, RuntimeError):
            with pytest.raises(kind, match="could not unpickle 'policy'.*custom_objects"):
                save_util.load_from_file(path)
        assert_same_params(save_util.load_from_file(path, load_data=False)[1])
        assert save_util.load_from_file(path, custom_objects={"policy": 7})[0] == {"policy": 7, "gamma": .5}


def test_names_are_checked_before_objects_are_refused(tmp_path):
    """A file of another algorithm is to be named as such, though its policy is nowhere to be found."""
    def check_names(names):
        raise LookupError(sorted(names))

    policy = type("Policy", (), {"__module__": "module_that_is_gone"})
    for form in (False, True):
        path = str(tmp_path / f"model{form}")
        with passing_module(Policy=policy):
            save_util.save_to_file(path, {"policy": policy, "gamma": .5}, PARAMS, as_pickle=form)
        with pytest.raises(LookupError, match=r"\['gamma', 'policy'\]"):
            save_util.load_from_file(path, check_names=check_names, custom_objects={"more": 1})
        assert_same_params(save_util.load_from_file(path, load_data=False, check_names=check_names)[1])


def test_every_algorithm_is_told_by_its_file():
    golden = Path(__file__).resolve().parent.parent.parent / "shared" / "golden"
    if not golden.is_dir():
        pytest.skip(f"needs the original's models in {golden}")
    cases, found = json.loads((golden / "models.json").read_text()), set()
    for path in golden.glob("*.zip"):
        name = cases[path.stem]["cls"]
        with zipfile.ZipFile(str(path)) as archive:
            told = save_util.algorithm_of(json.loads(archive.read("data").decode()).keys())
        assert told == {"GAIL": "TRPO"}.get(name, name)  # these two hold the same attributes
        found.add(name)
    assert found == set(save_util.TELLTALES)
    assert save_util.algorithm_of({"gamma", "alpha"}) is None
