"""The command `serve`."""

from __future__ import annotations

import re
import signal
import socket

import pytest
from helpers import MAIN, outcome, start


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_open_addresses_need_a_token(command, host, monkeypatch):
    monkeypatch.delenv("TWINSHOT_TOKEN", raising=False)
    result = command("serve", "--host", host)
    assert result.code == 2
    assert re.search(r"needs a token; set TWINSHOT_TOKEN, for example to [\w-]{32}\n", result.err)


def test_a_port_in_use(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = command("serve", "--port", taken.getsockname()[1])
    assert result.code == 2
    assert re.search(r"127\.0\.0\.1:\d+: cannot listen there \(.*\); choose another --port", result.err)


def test_a_host_that_no_name_can_be(command, monkeypatch):
    monkeypatch.setenv("TWINSHOT_TOKEN", "a" * 24)
    result = command("serve", "--host", "a" * 70)
    assert (result.code, "cannot listen there" in result.err) == (2, True), result


def test_two_that_start_in_one_instant_at_one_port(tmp_path):
    """The first one there serves, and the other one says that it cannot."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    both = [start(MAIN, "serve", "--port", port, env_more={"TMPDIR": str(tmp_path)}) for _ in range(2)]
    lines = [process.stdout.readline() for process in both]
    assert sorted(map(bool, lines)) == [False, True]
    refused, serving = both if lines[1] else both[::-1]
    result = outcome(refused)
    assert (result.code, f"127.0.0.1:{port}: cannot listen there" in result.err) == (2, True), result
    serving.send_signal(signal.SIGINT)
    assert outcome(serving).code in (0, 130)
    assert list(tmp_path.glob("twinshot-web-*")) == []


def test_ctrl_c_ends_it():
    process = start(MAIN, "serve", "--port", "0")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/  \(Ctrl-C ends it\)\n", process.stdout.readline())
    process.send_signal(signal.SIGINT)
    assert outcome(process).code in (0, 130)
