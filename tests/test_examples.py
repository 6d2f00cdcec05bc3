"""Every Python block of the README and the docs runs.

The blocks of one page share a namespace and run in their order, in a fresh process and an empty directory. A block
is left out only where the line ``<!-- no-test -->`` stands above it, and the blocks left out are counted below, so that
none is left out by accident.
"""
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fork_server import ForkServer

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md"] + sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^(?P<skip><!-- no-test -->\n+)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

# Page -> how many of its blocks do not run. Each needs something that no test machine has.
NOT_RUN = {}
LONGEST_RUN = 300  # seconds


def read_blocks(text):
    """Split a page into its Python blocks: lists of (line, code) that run, and that do not."""
    run, skipped = [], []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        (skipped if match.group("skip") else run).append((line, match.group("code")))
    return run, skipped


def to_script(page, blocks):
    """Join blocks into one program whose errors name the page and the line."""
    parts = ["compile({!r}, {!r}, 'exec')".format("\n" * (line - 1) + code, str(page)) for line, code in blocks]
    return "".join(f"exec({part})\n" for part in parts)


@pytest.fixture(scope="module")
def server():
    """Start the process that runs pages."""
    with ForkServer() as process:
        yield process


@pytest.mark.parametrize("page", [page for page in PAGES if read_blocks(page.read_text(encoding="utf-8"))[0]],
                         ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_run(page, server, tmp_path):
    run, _ = read_blocks(page.read_text(encoding="utf-8"))
    status, printed = server.run(to_script(page, run), tmp_path, LONGEST_RUN)
    assert status == 0, printed[-4000:]


def test_blocks_that_do_not_run_are_listed():
    skipped = {page.relative_to(ROOT).as_posix(): len(read_blocks(page.read_text(encoding="utf-8"))[1])
               for page in PAGES}
    assert {page: count for page, count in skipped.items() if count} == NOT_RUN


def test_pages_link_only_to_files_that_exist():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_blocks_are_told_apart():
    page = "a\n```python\nx = 1\n```\n\n<!-- no-test -->\n```python\ny = 2\n```\n```sh\nls\n```\n"
    assert read_blocks(page) == ([(3, "x = 1\n")], [(8, "y = 2\n")])


def test_errors_name_page_and_line(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(to_script("PAGE.md", [(3, "x = 1\n"), (8, "y = x\nz = missing\n")]))
    result = subprocess.run([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert re.search(r'File "PAGE.md", line 9, in <module>.*NameError', result.stderr, re.DOTALL)
