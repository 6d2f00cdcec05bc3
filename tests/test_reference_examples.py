"""Every Python example in the documents of Stable Baselines 2.10 runs.

The documents are not part of this repository: they lie in ``../shared/spec``, and without them the tests of examples
are skipped. Read are the reference, a text made from printed pages, and the page on custom policies, which is in
reStructuredText. (The other documents there have no Python, or are about Stable-Baselines3 and PyTorch.)

Each example runs in a process and an empty directory of its own. Tracebacks name the lines of the document.

What stands between the text and what runs is listed here, once: repairs of what printing destroyed (``INDENTED``,
``MISREAD``), substitutions that cut training or replace what test machines lack (``SUBSTITUTIONS``), what the text
leaves to the reader (``BEFORE``, ``CONTINUES``, ``AFTER``) and the errors that the text announces (``RAISES``).
"""
import importlib.util
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from fork_server import ForkServer

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT.parent / "shared" / "spec"
REFERENCE, POLICIES = "reference_2.10.3a0.txt", "custom_policy.rst.txt"
N_EXAMPLES = {REFERENCE: 70, POLICIES: 5}
LONGEST_RUN = 180  # seconds; most take two to five

# Signs with which the printed pages say that a line goes on.
ARROWS = "↪→↵↴˓"

# Lines of the reference that lost or gained indentation where a page ends: (first, last): spaces to add.
INDENTED = {(764, 803): 4, (795, 801): 4, (1198, 1200): 4, (1869, 1871): -4, (1969, 1996): 4, (2080, 2086): 8,
            (2088, 2109): 4, (5434, 5437): 8}

# What the text of the reference has wrongly: line: (pattern, replacement).
MISREAD = {
    754: (r'"""', ""),
    1230: ("video_-length", "video_length"),
    1817: (r"policy_kwarg\b", "policy_kwargs"),
    1819: (r"policy_kwarg\b", "policy_kwargs"),
    1868: ("def model", "del model"),
    2512: (r'cartpole_"tensor', "cartpole_tensor"),
    6025: (r"DQNPoly\b", "DQNPolicy"),
    6027: (r"DQNPoly\b", "DQNPolicy"),
}

# Names and files that an example takes from an earlier one: its line: line of the earlier one.
CONTINUES = {1774: 1739, 1785: 1739, 2786: 2737}

# What the text leaves to the reader, by the line of the example. ``gym`` is what ``import gym`` gives.
BEFORE = {
    (REFERENCE, 429): "import gym\narg1, CustomEnv = None, lambda *args: gym.make('CartPole-v1')",
    (REFERENCE, 439): "import gym\nYourEnv = lambda: gym.make('CartPole-v1')",
    (REFERENCE, 453): "n_actions = 2",
    (REFERENCE, 1739): "import numpy as np\nN_DISCRETE_ACTIONS, HEIGHT, WIDTH, N_CHANNELS = 2, 36, 36, 3",
    (REFERENCE, 1774): "from stable_baselines import A2C\narg1 = arg2 = None",
    (REFERENCE, 1785): "arg1 = arg2 = None",
    (REFERENCE, 1932): "from stable_baselines.common.policies import LstmPolicy",
    (POLICIES, 173): "from stable_baselines.common.policies import LstmPolicy",
    (REFERENCE, 2146): "from typing import Optional\nfrom stable_baselines.common.callbacks import BaseCallback",
    (REFERENCE, 2491): "from stable_baselines import A2C\nA2C('MlpPolicy', 'CartPole-v1').save('./a2c_cartpole.pkl')",
    (REFERENCE, 6362): "N_BITS = 15",
    (REFERENCE, 9229): "import tensorflow as tf\nfrom stable_baselines.common.tf_util import *\n"
                       "graph = tf.Graph().as_default()\ngraph.__enter__()",
    (REFERENCE, 10670): "import os\nimport gym\nfrom stable_baselines import A2C, bench\nos.makedirs('./log')\n"
                        "A2C('MlpPolicy', bench.Monitor(gym.make('CartPole-v1'), './log')).learn(500)",
}

# Classes that the text only defines are used: a training that takes a rollout or two.
USE_POLICY = "from stable_baselines import A2C\nA2C(CustomLSTMPolicy, 'CartPole-v1').learn(10)"
AFTER = {
    (REFERENCE, 1932): USE_POLICY,
    (POLICIES, 173): USE_POLICY,
    (REFERENCE, 2037): "from stable_baselines import A2C\nA2C('MlpPolicy', 'CartPole-v1').learn(10, CustomCallback())",
    (REFERENCE, 2146): "from stable_baselines.common.callbacks import CheckpointCallback\n"
                       "class Event(EventCallback):\n    _on_step = EventCallback._on_event\n"
                       "event = Event(CheckpointCallback(1, '.'))\nassert event.callback.parent is event",
}

# Errors that the text announces, or that TensorFlow gives where it announces another.
RAISES = {
    2961: "ZeroDivisionError",
    3007: "FloatingPointError",
    3024: "FloatingPointError",
    3065: "InvalidArgumentError",
    3084: "TypeError|InvalidArgumentError",
    3105: "TypeError|ValueError|InvalidArgumentError",
    3138: "ValueError: .*environment",
}

CLASSIC = importlib.util.find_spec("gym") is not None and sys.version_info < (3, 8)  # the old gym, and TensorFlow 1.15
SUBSTITUTIONS = [  # (pattern, replacement, reason), in this order; the first group of patterns is for all lanes
    (r"(?s)DQN\(CnnPolicy, env, (.*?)25000", r"DQN(CnnPolicy, env, learning_starts=20, \g<1>24",
     "training takes hours"),
    (r"(?s)(Breakout-v0.*?\.learn\(total_timesteps=)100000", r"\g<1>30", "likewise: whole frames"),
    (r"(?s)( DQN\(.*?\.learn\(total_timesteps=)(int\([\de.]+\)|\d{4,})", r"\g<1>1010",
     "likewise; DQN begins to train after 1000 steps"),
    (r"\.learn\((total_timesteps=)?(int\((?!1e10)[\w.]+\)|\d{4,})(?=, callback)", r".learn(\g<1>1010",
     "likewise: callbacks act after 500 or 1000 steps"),
    (r"\.learn\((total_timesteps=)?(?!1010)(int\((?!1e10)[\de.]+\)|\d{4,})(?!.* crash)", r".learn(\g<1>300",
     "likewise, and nothing else counts steps"),
    (r"n_timesteps=(int\([\de.]+\)|\d{4,})", "n_timesteps=1010", "likewise"),
    (r"n_epochs=1000", "n_epochs=10", "likewise"),
    (r"\[256, 256, 256\]", "[64, 64]", "likewise: a training step of HER takes a tenth of the time"),
    (r"range\(100\):(?=\n +candidate)", "range(10):", "an iteration of the evolution strategy: a minute otherwise"),
    (r"range\(10\):(?=\n +# Create population|\n +reward_sum)", "range(2):", "likewise"),
    (r"^while True:", "for _ in range(20):", "would run until it is interrupted"),
    (r"range\(1000\)", "range(50)", "steps that are drawn"),
    (r"num_env=\d", "num_env=2", "each of the processes takes seconds to start"),
    (r"num_cpu = 4", "num_cpu = 2", "likewise"),
    (r"EvalCallback\(eval_env, callback_on_new_best", "EvalCallback(eval_env, eval_freq=300, callback_on_new_best",
     "the first evaluation comes after 10,000 steps otherwise"),
    (r"reward_threshold=-200", "reward_threshold=-2000",
     "a good policy takes long; so an untrained one is good enough to stop the training"),
    ("\"/tmp/", '"./', "files stay in the test's directory"),
    (r"fps=29", "duration=1000 / 29", "imageio has it in milliseconds today"),
    (r'DQN\.load\("dqn_lunar"\)', 'DQN.load("dqn_lunar", env=env)', "2.10.2 fails too: the model has no environment"),
    (r"^( +)self\.model\.summary = ", r"\1    self.model.summary = ", "2.10.2 fails too: no graph to merge in"),
    (r"self\.proba_distribution, self\.policy,", "self._proba_distribution, self._policy,",
     "a page of earlier releases; 2.10.2 refuses, these are properties"),
    (r"self\.value_fn = ", "self._value_fn = ", "likewise"),
    (r"self\.initial_state = None", "", "likewise"),
    (r"self\._value\b", "self.value_flat", "likewise"),
    (r"^%matplotlib inline", "", "a command of notebooks"),
    (r"^import highway_env$", "from stable_baselines.common.bit_flipping_env import BitFlippingEnv",
     "highway-env is not installed; another environment with goals takes its place"),
    (r'gym\.make\("parking-v0"\)', "BitFlippingEnv(4, continuous=True, max_steps=4)", "likewise"),
    (r"def __init__\(self, arg1, arg2, \.\.\.\)", "def __init__(self, *args)", "'...' is not an argument"),
    (r"^( +)\.\.\.(?=\n +return observation, reward)",
     r"\1observation, reward, done, info = self.observation_space.sample(), 0.0, True, {}",
     "a step that does something"),
    (r"^( +)\.\.\.(?=\n +return observation #)", r"\1observation = self.observation_space.sample()",
     "a reset that does something"),
]
NEWER = [  # only with the newer TensorFlow and gymnasium; docs/ tells users to write these
    (r"^import gym\b *$", "from stable_baselines.common import gym_compat as gym",
     "gymnasium's environments, in the form that the text has"),
    (r"^from gym import", "from stable_baselines.common.gym_compat import", "likewise"),
    (r"import tensorflow as tf", "import tensorflow.compat.v1 as tf", "TensorFlow 2 has the 1.x interface there"),
    (r'^(print\("tensorflow)', r"graph = tf.Graph().as_default(); graph.__enter__(); \1",
     "TensorFlow 2 computes at once otherwise"),
    (r"Breakout-v0", "ALE/Breakout-v5", "the id of today"),
    (r"Pendulum-v0", "Pendulum-v1", "likewise"),
    (r"(LunarLander\w*)-v2", r"\1-v3", "likewise"),
    (r"HalfCheetahBulletEnv-v0", "HalfCheetah-v5", "PyBullet needs the old gym"),
    (r"^import pybullet_envs", "", "likewise"),
    (r"tf\.layers\.flatten", "tf_layers.conv_to_fc", "TensorFlow 2.16 has no tf.layers any more"),
    (r"tf\.layers\.dense\((\w+), (\w+), name=(.*?)\)(?=\)?$)", r"tf_layers.linear(\1, \3, \2)", "likewise"),
    (r"^(from stable_baselines.common.policies import ActorCriticPolicy)",
     r"from stable_baselines.common import tf_layers\n\1", "likewise"),
    (r"^import pkg_resources", "from importlib import metadata", "setuptools has no pkg_resources any more"),
    (r"pkg_resources\.get_distribution\((.*)\)\.version", r"metadata.version(\1)", "likewise"),
]
if not CLASSIC:
    SUBSTITUTIONS += NEWER


class Example(NamedTuple):
    """A program of a document."""

    document: str
    line: int  # of the first line of code
    code: str  # with every line where it is in the document


def read_fenced(text):
    """Split the reference into its blocks, {line: text}; one that goes on on the next page is a block."""
    blocks, block, inside, between = [], {}, False, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() == "```":
            inside = not inside
            if inside and not (blocks and "(continued from previous page)" in between):
                blocks.append({})
            block, between = blocks[-1], ""
        elif inside:
            block[number] = line.rstrip()
        else:
            between += line
    return blocks


def read_directives(text):
    """Split reStructuredText into its blocks of Python, {line: text}."""
    blocks, indent = [], None
    for number, line in enumerate(text.splitlines(), 1):
        depth = len(line) - len(line.lstrip())
        if line.startswith(".. code-block:: python"):
            blocks.append({})
            indent = 0
        elif indent is not None and line.strip() and not depth:
            indent = None
        elif indent is not None and line.strip():
            indent = indent or depth
            blocks[-1][number] = line[indent:].rstrip()
    return blocks


def is_python(lines):
    """Whether the lines are a program, rather than a signature, a shell's command or an index."""
    statement = r"(from|import) \w|\w+(, \w+)* = |class \w+\(\w+\):|>>> "
    return any(re.match(statement, line) for line in lines.values())


def join_wrapped(lines):
    """Undo the printed pages' line breaks within a word, a string or an import."""
    joined, last = {}, None
    for number, line in sorted(lines.items()):
        before = joined.get(last, "")
        after_comma = re.search(r"^from \S+ import .*,$|,\s*_$", before)
        within_word = "#" not in before and re.search(r"[a-z]_$", before)
        if line.strip()[:1] in tuple(ARROWS) or after_comma or within_word:
            joined[last] = (before.rstrip("_ ") + " " if after_comma else before) + line.strip().lstrip(ARROWS)
        elif line.strip():
            joined[number], last = line, number
    return {number: line.translate({ord(arrow): "" for arrow in ARROWS}) for number, line in joined.items()}


def mend(number, line):
    """Repair a line of the reference."""
    for (first, last), spaces in INDENTED.items():
        if first <= number <= last:
            line = " " * spaces + line if spaces > 0 else line[-spaces:]
    pattern, replacement = MISREAD.get(number, ("", ""))
    return re.sub(pattern, replacement, line) if pattern else line


def to_example(document, lines):
    """Make a program of a block's lines."""
    lines = {number: re.sub("^>>> ", "", line) for number, line in join_wrapped(lines).items()}
    if document == REFERENCE:
        lines = {number: mend(number, line) for number, line in lines.items()}
    return Example(document, min(lines), "\n".join(lines.get(number, "") for number in range(1, max(lines) + 1)) + "\n")


def read_examples():
    """Read the programs of all documents."""
    readers = {REFERENCE: read_fenced, POLICIES: read_directives}
    return [to_example(document, block) for document, read in readers.items()
            for block in read((SPEC / document).read_text(encoding="utf-8")) if is_python(block)]


def substitute(code):
    """Apply the substitutions."""
    for pattern, replacement, _ in SUBSTITUTIONS:
        code = re.sub(pattern, replacement, code, flags=re.MULTILINE)
    return code


def to_script(example, examples):
    """Write what runs: the earlier example that this one goes on from, what it needs, itself, and its use."""
    key = example.document, example.line
    earlier = CONTINUES.get(example.line) if example.document == REFERENCE else None
    parts = [to_script(each, examples) for each in examples if earlier and each[:2] == (REFERENCE, earlier)]
    for code in (BEFORE.get(key, ""), example.code, AFTER.get(key, "")):
        parts.append(f"exec(compile({substitute(code)!r}, {example.document!r}, 'exec'))\n")
    return "".join(parts)


# Python runs this when it starts, in the processes of SubprocVecEnv too: the old gym's viewers need an X server
NO_VIEWERS = """
import sys
from unittest import mock

def render(return_rgb_array=False):
    import numpy
    return numpy.zeros((400, 600, 3), numpy.uint8) if return_rgb_array else True

viewer = mock.MagicMock(render=render)
sys.modules["gym.envs.classic_control.rendering"] = mock.MagicMock(Viewer=lambda width, height: viewer)
"""


# the build of OpenCV without windows refuses
NO_WINDOWS = "import cv2; from unittest import mock; cv2.imshow, cv2.waitKey = mock.Mock(), mock.Mock()"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start the process that runs examples."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(NO_VIEWERS)
    with ForkServer(NO_WINDOWS, str(folder)) as process:
        yield process


def examples_to_run():
    """Return the examples, or one that is skipped without the documents."""
    if not SPEC.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"needs the documents in {SPEC}"))]
    return [pytest.param(example, id=f"{example.document.partition('.')[0]}-{example.line}",
                         marks=needs(substitute(example.code))) for example in read_examples()]


def needs(code):
    """Return the marks of an example: it is skipped where its simulator is not installed."""
    simulators = {"LunarLander": ["Box2D"], "NoFrameskip|Breakout": ["atari_py", "ale_py"],
                  "BulletEnv": ["pybullet_envs"], "HalfCheetah-v5": ["mujoco"], "VecVideoRecorder": ["imageio_ffmpeg"],
                  "imageio": ["imageio"]}
    return [pytest.mark.skipif(not any(map(importlib.util.find_spec, packages)), reason=f"needs {packages[0]}")
            for pattern, packages in simulators.items() if re.search(pattern, code)]


@pytest.mark.slow  # all of them take minutes
@pytest.mark.parametrize("example", examples_to_run())
def test_example_runs(example, server, tmp_path):
    status, printed = server.run(to_script(example, read_examples()), tmp_path, LONGEST_RUN)
    expected = RAISES.get(example.line) if example.document == REFERENCE else None
    if expected is None:
        assert status == 0, printed[-4000:]
    else:
        assert status != 0 and re.search(rf"^([\w.]+\.)?({expected})", printed, re.MULTILINE), printed[-4000:]


@pytest.mark.skipif(not SPEC.is_dir(), reason=f"needs the documents in {SPEC}")
class TestTheLists:
    def test_every_example_is_read(self):
        documents = [example.document for example in read_examples()]
        assert {document: documents.count(document) for document in N_EXAMPLES} == N_EXAMPLES

    def test_every_substitution_is_used(self):
        code = "".join(example.code for example in read_examples())
        for pattern, replacement, _ in SUBSTITUTIONS:
            code, count = re.subn(pattern, replacement, code, flags=re.MULTILINE)
            assert count > 0, pattern

    def test_every_line_that_is_named_begins_an_example(self):
        examples = [example[:2] for example in read_examples()]
        named = [*BEFORE, *AFTER, *((REFERENCE, line) for line in [*RAISES, *CONTINUES, *CONTINUES.values()])]
        assert [key for key in named if key not in examples] == []

    def test_every_misread_line_is_mended(self):
        lines = (SPEC / REFERENCE).read_text(encoding="utf-8").splitlines()
        blocks = [join_wrapped(block) for block in read_fenced("\n".join(lines))]
        joined = {number: line for block in blocks for number, line in block.items()}
        assert [number for number in MISREAD if mend(number, joined[number]) == joined[number]] == []


class TestTheReading:
    def test_blocks_between_fences_and_over_pages(self):
        text = "a\n```\nimport x\n\n```\n(continues on next page)\n(continued from previous page)\n```\ny = 1\n```\n" \
               "b\n```\nls\n```\n"
        assert read_fenced(text) == [{3: "import x", 4: "", 9: "y = 1"}, {13: "ls"}]

    def test_blocks_of_restructured_text(self):
        text = "a\n\n.. code-block:: python\n\n  if a:\n      b = 1\n\n  c = 2\nd\n\n.. code-block:: none\n\n  e\n"
        assert read_directives(text) == [{5: "if a:", 6: "    b = 1", 8: "c = 2"}]

    @pytest.mark.parametrize("line, expected", [
        ("import os", True), ("from a.b import c", True), ("a, b = f()", True), ("class A(B):", True),
        (">>> f()", True), ("class a.b.C(d, e=1)", False), ("pip install a", False), ("    e=1,", False),
        ("A=1 make", False)])
    def test_programs_are_told_from_signatures_and_commands(self, line, expected):
        assert is_python({1: line}) == expected

    @pytest.mark.parametrize("lines, expected", [
        (["f(a_", "b)"], ["f(a_b)"]), (["f(a,", "  ↪b)"], ["f(a,b)"]), (["f(a, ↴b)"], ["f(a, b)"]),
        (["from a import b, _", "  c"], ["from a import b, c"]), (["from a import b,", "  c"], ["from a import b, c"]),
        (["# a_", "b"], ["# a_", "b"]), (["return a__", "if b:"], ["return a__", "if b:"]),
        (["f(a,", "  b)"], ["f(a,", "  b)"])])
    def test_wrapped_lines_are_joined(self, lines, expected):
        assert list(join_wrapped(dict(enumerate(lines))).values()) == expected

    def test_lines_keep_their_numbers(self):
        example = to_example(POLICIES, {3: "a = 1", 5: "b = a"})
        assert example == (POLICIES, 3, "\n\na = 1\n\nb = a\n")

    @pytest.mark.parametrize("code, expected", [
        ("model.learn(total_timesteps=25000)", "model.learn(total_timesteps=300)"),
        ("model.learn(int(2e5))", "model.learn(300)"),
        ("model.learn(5000, callback=a)", "model.learn(1010, callback=a)"),
        ("model.learn(int(1e10), callback=a)", "model.learn(int(1e10), callback=a)"),
        ("m = DQN(1)\nm.learn(total_timesteps=int(2e5))", "m = DQN(1)\nm.learn(total_timesteps=1010)"),
        ("while True:\n    pass", "for _ in range(20):\n    pass")])
    def test_training_is_cut(self, code, expected):
        assert substitute(code) == expected
