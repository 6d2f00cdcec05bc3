#!/usr/bin/env python
"""
Run a program in two ranks of MPI, each on a host of its own, on one machine:

    python scripts/two_hosts.py .venv/bin/python my_training.py

The hosts are two network namespaces with a cable (a veth pair) between them. This needs root; what else is missing is
installed with apt-get. Exit code 77: this machine does not permit it; the last line says what.
"""
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from stable_baselines.common.mpi_util import find_mpirun  # noqa: E402

HOSTS = {f"host{number}-{os.getpid()}": f"10.77.0.{number}" for number in (1, 2)}  # name -> address
NETWORK = "10.77.0.0/24"
NOT_PERMITTED = 77
TCP_ONLY = ["--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", NETWORK]

# Stands in for ssh: OPTIONS ADDRESS COMMAND. The names must differ: MPI takes two hosts of one name for one.
AGENT = """#!/bin/bash
while [ "${1#-}" != "$1" ]; do shift; done
case "$1" in %s*) exit 1 ;; esac
shift
exec ip netns exec "$name" unshare --uts bash -c "echo $name >/proc/sys/kernel/hostname; $*"
"""


def ip(*words):
    """Run ``ip``; leave with the reason where it fails."""
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        complaint = f"ip {' '.join(words)}: {done.stdout.strip()}"
        if "Operation not permitted" in complaint or "Permission denied" in complaint:
            leave_untried(f"network namespaces are not permitted here: {complaint}")
        sys.exit(complaint)
    return done.stdout


def leave_untried(reason):
    """Leave with the exit code that makes the test skip."""
    print(reason)
    sys.exit(NOT_PERMITTED)


def require_tools():
    """Install ``ip`` where it is missing; leave with the reason where that is impossible."""
    if os.geteuid() != 0:
        leave_untried("network namespaces need root")
    if shutil.which("ip") is None:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "iproute2"]):
            if shutil.which("apt-get") is None or subprocess.run(["apt-get", "-qq", *words]).returncode != 0:
                sys.exit("ip is missing, and apt-get install iproute2 is not possible: install it (package iproute2)")


def connect():
    """Make the hosts and the cable between them."""
    for name in HOSTS:
        ip("netns", "add", name)
    first, second = HOSTS
    ip("link", "add", "cable", "netns", first, "type", "veth", "peer", "name", "cable", "netns", second)
    for name, address in HOSTS.items():
        ip("-netns", name, "address", "add", f"{address}/24", "dev", "cable")
        for device in ("cable", "lo"):
            ip("-netns", name, "link", "set", device, "up")


def remove_hosts():
    """End what still runs on the hosts, and remove them; without them the cable is gone too."""
    for name in HOSTS:
        for pid in subprocess.getoutput(f"ip netns pids {name} 2>/dev/null").split():
            os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)


def mpirun_command(agent, program):
    """Write the command that starts a program in one rank on each host."""
    mpirun = find_mpirun()
    if mpirun is None:
        sys.exit("mpirun is missing: docs/install.md says how to install it")
    version = subprocess.run([mpirun, "--version"], stdout=subprocess.PIPE, text=True).stdout
    if " 4." in version:
        prefix = os.path.dirname(os.path.dirname(os.path.abspath(mpirun)))
        words = ["--mca", "plm_rsh_agent", agent, "--mca", "oob_tcp_if_include", NETWORK, "--prefix", prefix]
        words += [word for name in ("OPAL_PREFIX", "PATH", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ
                  for word in ("-x", name)]
    else:
        words = ["--prtemca", "plm_ssh_agent", agent, "--prtemca", "prte_if_include", NETWORK]
    hosts = ",".join(f"{address}:1" for address in HOSTS.values())
    return [mpirun, "-np", "2", "--host", hosts, *TCP_ONLY, *words, *program]


def main(program):
    """Make the hosts, run the program, remove the hosts; return the program's exit code."""
    require_tools()
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        agent = os.path.join(folder, "agent")
        with open(agent, "w") as file:
            file.write(AGENT % "".join(f"{address}) name={name} ;; " for name, address in HOSTS.items()))
        os.chmod(agent, 0o755)
        try:
            connect()
            first = next(iter(HOSTS))
            command = mpirun_command(agent, program)
            code = subprocess.call(["bash", agent, HOSTS[first], " ".join(map(shlex.quote, command))])
            sent = ip("netns", "exec", first, "cat", "/sys/class/net/cable/statistics/tx_bytes").strip()
            print(f"{sent} bytes went from {first} to the other host")
            return code
        finally:
            remove_hosts()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
