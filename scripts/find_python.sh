#!/bin/sh
# Print the path of the Python interpreter to use, or fail with one line on stderr.
#
#   scripts/find_python.sh           Python 3.7 (the reference platform), else the newest of 3.8 to 3.13
#   scripts/find_python.sh PYTHON    that one: a path, a command, a version such as 3.12, or "newest" of 3.8 to 3.13
#
# Looked through: the search path, then pyenv's versions, selected or not. A candidate counts only once it has run:
# pyenv puts a `python3.7` on the path for a version that is not selected, and that one always fails.
set -eu

REFERENCE=3.7
NEWEST_FIRST="3.13 3.12 3.11 3.10 3.9 3.8"
PYENV_VERSIONS="${PYENV_ROOT:-${HOME:-}/.pyenv}/versions"

# usable CANDIDATE MINOR: print the interpreter behind CANDIDATE when it runs, is a Python MINOR ("" accepts every
# supported one) and can make virtual environments.
usable() {
    "$1" - "$2" 2>/dev/null <<'PYTHON'
import sys
version = "%d.%d" % sys.version_info[:2]
if sys.argv[1] not in ("", version) or not (3, 7) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
import ctypes, ensurepip, ssl, venv, zlib
print(sys.executable)
PYTHON
}

# find_minor MINOR: the first usable Python of that minor version.
find_minor() {
    for candidate in "python$1" python3 python "$PYENV_VERSIONS/$1".*/bin/python "$PYENV_VERSIONS/$1"-*/bin/python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        usable "$candidate" "$1" && return 0
    done
    return 1
}

# find_first MINOR...: the first usable Python of the first minor version that has one.
find_first() {
    for minor in "$@"; do
        find_minor "$minor" && return 0
    done
    return 1
}

fail() {
    echo "error: $*" >&2
    exit 1
}

case "${1:-}" in
"")
    # The lists are split into words on purpose.
    find_first $REFERENCE $NEWEST_FIRST || fail "no usable Python found: install Python 3.7 (or 3.8 to 3.13) with" \
        "the modules venv and ensurepip, or name one: make PYTHON=/path/to/python"
    ;;
newest)
    find_first $NEWEST_FIRST || fail "no usable Python 3.8 to 3.13 found"
    ;;
*)
    command="${1##*/}"
    usable "$1" "" || find_minor "${command#python}" ||
        fail "PYTHON=$1 is no usable Python (3.7 to 3.13 with the modules venv and ensurepip is needed)"
    ;;
esac
