"""Ray's nodes as processes of this machine, as `docs/scale.md` starts them."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import SRC


@dataclass(frozen=True)
class Cluster:
    """Two nodes of one core each."""

    address: str
    env: dict[str, str]
    nodes: tuple[subprocess.Popen[bytes], ...]

    def workers(self) -> list[int]:
        """Processes that are at work on things, or about to be."""
        return [pid for node in self.nodes for pid in workers_of(node.pid)]


def workers_of(root: int) -> list[int]:
    """Those that descend from a process."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [(int(pid), int(parent), args) for pid, parent, args in (line.split(None, 2) for line in table.splitlines())]
    family = {root}
    for _ in range(6):
        family |= {pid for pid, parent, _ in rows if parent in family}
    return [pid for pid, _, args in rows if pid in family and args.startswith("ray::") and "_Worker" in args]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started() -> Iterator[Cluster]:
    """Ray's sockets need a short path, so its folder is none of pytest's."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        (folder / "token").write_text(secrets.token_hex(32))
        env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": f"{folder}/token", "RAY_USAGE_STATS_ENABLED": "0"}
        env |= {"RAY_raylet_start_wait_time_s": "300"}  # a busy machine takes long
        env |= {"GRPC_ENABLE_FORK_SUPPORT": "0"}  # or a client's server may die as it is forked: docs/scale.md
        port, client = free_port(), free_port()
        head = ("--head", "--port", port, "--ray-client-server-port", client, "--include-dashboard", "false")
        nodes: list[subprocess.Popen[bytes]] = []
        try:
            for index, arguments in enumerate(((*head, "--temp-dir", folder), ("--address", f"127.0.0.1:{port}"))):
                nodes.append(_node(arguments, env, folder / f"{index}.log"))
            yield Cluster(f"ray://127.0.0.1:{client}", env, tuple(nodes))
        finally:
            for node in reversed(nodes):
                node.send_signal(signal.SIGTERM)
                node.wait(60)


def _node(arguments: tuple[object, ...], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "1", *map(str, arguments)]
    with log.open("wb") as out:
        node = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **env, "PYTHONPATH": str(SRC)})
    while b"Ray runtime started" not in log.read_bytes():
        assert node.poll() is None, log.read_text()
        time.sleep(0.5)
    return node
