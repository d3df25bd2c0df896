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


def test_ctrl_c_ends_it():
    process = start(MAIN, "serve", "--port", "0")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/  \(Ctrl-C ends it\)\n", process.stdout.readline())
    process.send_signal(signal.SIGINT)
    assert outcome(process).code in (0, 130)
