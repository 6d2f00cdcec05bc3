"""One voice throughout: what the linter cannot see of the rules in CONTRIBUTING.md."""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "stable_baselines").rglob("*.py")) + sorted((ROOT / "scripts").glob("*.py"))

# pattern -> what to write instead
DOCSTRINGS = {
    r":param \w+: \(": "the type stands in the signature",
    r":return: \((?!n_)": "the type stands in the signature",
    r":type |:rtype": "the type stands in the signature",
    r"(?<![`:\w])`[^`\n]+`(?![`_])": "double backticks",
}
WORDS = {
    r"(?<!there )\b(is|are|was|were) no (?!longer|more)\w+": "is not a ...",
    r"\bin vain\b": "without success",
    r"\bwhat is none\b": "what is not ...",
    r"\bmasks? (says|say|means|mean)\b": "episode_start or done",
}


def docstrings(path):
    """List the docstrings of a file."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    return [text for text in map(ast.get_docstring, nodes) if text]


@pytest.mark.parametrize("pattern", DOCSTRINGS)
def test_docstrings(pattern):
    found = [f"{path.relative_to(ROOT)}: {match.group(0)}" for path in FILES for text in docstrings(path)
             for match in re.finditer(pattern, text)]
    assert found == [], DOCSTRINGS[pattern]


@pytest.mark.parametrize("pattern", WORDS)
def test_words(pattern):
    found = [f"{path.relative_to(ROOT)}:{number}: {line.strip()}" for path in FILES
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
             if re.search(pattern, line)]
    assert found == [], WORDS[pattern]


def test_text_is_put_together_with_f_strings():
    found = [f"{path.relative_to(ROOT)}:{number}" for path in FILES
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
             if re.search(r"""["']\.format\(""", line)]
    assert found == []
