"""Hostile inputs, and what each of them gets."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
import zlib

import pytest
from conftest import open_site

from twinshot import TwinshotError
from twinshot.web.names import shown as shown_name
from twinshot.web.names import suffix_of
from twinshot.web.settings import Settings, checked

TOKEN = "correct horse battery"


def _raw(site, request: bytes, seconds: float = 5) -> bytes:
    """What the server answers to bytes that no client would send."""
    port = int(site.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        return line.recv(65536)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "user@127.0.0.1", "", "a b", "["]
)
def test_foreign_hosts_are_refused(site, host):
    answer = _raw(site, f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 (421|400) ", answer)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:80"])
def test_names_of_this_machine_are_not(site, host):
    assert site.client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_no_host_or_two_are_refused(site):
    assert _raw(site, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")
    twice = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    assert re.match(rb"HTTP/1.1 (421|400) ", _raw(site, twice))


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_foreign_pages_are_refused(site, method, headers):
    answer = site.client.request(method, "/v1/restorations", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:twinshot:problem:foreign-origin")


def test_a_link_from_elsewhere_opens_the_page(site):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert site.client.get("/", headers=headers).status_code == 200
    assert site.client.post("/v1/session", headers=headers).status_code == 403


def test_the_pages_own_requests_are_served(site, pair):
    headers = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    files = [(name, path.read_bytes()) for name, path in zip(("short", "long"), pair, strict=True)]
    assert site.client.post("/v1/restorations", headers=headers, files=files).status_code == 202


@pytest.fixture(scope="module")
def guarded():
    """A server that asks for its token."""
    with open_site(token=TOKEN) as site:
        yield site


def test_without_the_token_nothing_but_the_page_is_there(guarded, pair):
    site = guarded
    assert site.ends(site.send(*pair))["state"] == "done"
    for wrong in ({"Authorization": ""}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
        for path in ("/v1/models", "/metrics", "/v1/restorations/x", "/v1/openapi.json"):
            answer = site.client.get(path, headers=wrong)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    nobody = {"Authorization": ""}
    assert [site.client.get(path, headers=nobody).status_code for path in ("/", "/healthz")] == [200, 200]
    assert site.client.post("/v1/restorations", headers=nobody).status_code == 401


def test_signing_in(guarded):
    site = guarded
    nobody = {"Authorization": ""}
    assert site.client.post("/v1/session", json={"token": "wrong"}, headers=nobody).status_code == 401
    answer = site.client.post("/v1/session", json={"token": TOKEN}, headers=nobody)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict"))
    assert TOKEN not in cookie
    assert site.client.get("/v1/models", headers=nobody).status_code == 200  # the client keeps the cookie
    site.client.cookies.clear()
    assert site.client.get("/v1/models", headers={**nobody, "Cookie": "twinshot=wrong"}).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 3}', b"\xff"])
def test_signing_in_with_nonsense(guarded, body):
    assert guarded.client.post("/v1/session", content=body, headers={"Authorization": ""}).status_code in (400, 401)


@pytest.mark.parametrize("settings", [Settings(host="0.0.0.0"), Settings(host="::"), Settings(token="short")])
def test_open_addresses_and_weak_tokens_are_refused(settings):
    with pytest.raises(TwinshotError, match=r"TOKEN|16"):
        checked(settings)


def test_a_request_that_is_too_large(serving, pair):
    site = serving(upload_bytes=10_000)
    assert site.send(*pair).status_code == 413
    chunks = (bytes(1000) for _ in range(100))  # no length is declared
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = site.client.post("/v1/restorations", content=chunks, headers=headers)
    assert (answer.status_code, answer.json()["type"]) in [
        (413, "urn:twinshot:problem:body-too-large"),
        (400, "urn:twinshot:problem:bad-request"),
    ]


def test_an_upload_that_falls_silent(serving, pair):
    site = serving(stall_seconds=0.5, queue=1)
    port = int(site.url.rsplit(":", 1)[1])
    head = b"POST /v1/restorations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert site.ends(site.send(*pair))["state"] == "done"


def test_an_upload_that_drips(serving):
    site = serving(stall_seconds=5, upload_seconds=1)
    port = int(site.url.rsplit(":", 1)[1])
    head = b"POST /v1/restorations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    part = b'--x\r\nContent-Disposition: form-data; name="short"; filename="a.png"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", port), timeout=0.1) as line:
        line.sendall(head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + part)
        began, answer = time.monotonic(), b""
        while not answer and time.monotonic() < began + 5:
            line.sendall(b".")
            with contextlib.suppress(TimeoutError):
                answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_headers_that_drip_or_never_end(site, monkeypatch):
    monkeypatch.setattr("twinshot.web.server._HEAD_SECONDS", 0.5)
    port = int(site.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert line.recv(100) == b""
    assert b" 400 " in _raw(site, b"GET / HTTP/1.1\r\n" + b"X: " + bytes(40_000))[:20]


def test_a_second_request_on_a_line_may_be_slow_to_come_but_not_to_end(site, monkeypatch):
    monkeypatch.setattr("twinshot.web.server._HEAD_SECONDS", 0.5)
    port = int(site.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        for _ in range(2):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while b'{"status":"ok"}' not in line.recv(65536):
                pass
            time.sleep(0.7)
        line.sendall(b"GET /healthz HT")
        assert line.recv(100) == b""


def _bomb(side: int) -> bytes:
    """A PNG of side x side px in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(1_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [20_000, 60_000, 2**31 - 1])
def test_bombs_are_refused_before_they_are_decoded(site, pair, tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(_bomb(side))
    began = time.monotonic()
    last = site.ends(site.send(path, pair[1]))
    assert (last["state"], last["problem"]["status"]) == ("failed", 422)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"<svg xmlns='x'/>", b"%PDF-1.7", b"PK\3\4", b"#!/bin/sh\n", b"\x7fELF", b"<html>"]
)
def test_files_of_other_kinds_are_refused(site, pair, tmp_path, data):
    path = tmp_path / "odd.jpg"
    path.write_bytes(data + bytes(100) if data else data)
    last = site.ends(site.send(path, pair[1]))
    assert (last["state"], last["problem"]["type"]) == ("failed", "urn:twinshot:problem:invalid-input")
    assert last["problem"]["detail"].startswith("odd.jpg: ")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\x.png",
        "/etc/passwd",
        "a\0.png",
        "x.png/..",
        "C:\\x",
        "a\r\nX-Bad: 1.png",
        "." * 300,
    ],
)
def test_names_lead_nowhere(site, pair, name):
    files = [("short", (name, pair[0].read_bytes())), ("long", ("b.png", pair[1].read_bytes()))]
    last = site.ends(site.client.post("/v1/restorations", files=files))
    assert last["state"] == "done"
    stored = {path.name for path in (site.desk.folder / last["id"]).iterdir()}
    assert all(re.fullmatch(r"[ab](\.[a-z0-9]{2,5})?|[a-z]+(-\d)?\.(npy|icc|pickle)", one) for one in stored), stored
    answer = site.client.get(f"/v1/restorations/{last['id']}/result")
    assert answer.status_code == 200
    assert "x-bad" not in answer.headers


@pytest.mark.parametrize(
    ("name", "suffix", "shown"),
    [
        ("IMG_1.CR3", ".cr3", "IMG_1.CR3"),
        ("../a/b.PNG", ".png", "b.PNG"),
        ("x.p\0ng", "", "x.png"),
        (None, "", "photo a"),
        ("a.tar.verylong", "", "a.tar.verylong"),
        ("名前.jpg", ".jpg", "名前.jpg"),
        (".." * 99, "", "." * 80),
    ],
)
def test_names_that_are_kept(name, suffix, shown):
    assert (suffix_of(name), shown_name(name, "photo a")) == (suffix, shown)


def test_ids_cannot_be_guessed(site, pair):
    ids = {site.send(*pair).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(one) == 43 for one in ids)
    for one in ids:
        assert site.client.get(f"/v1/restorations/{one[:-1]}").status_code == 404
        site.client.delete(f"/v1/restorations/{one}")


def test_every_answer_has_the_safe_headers(site):
    for path in ("/", "/healthz", "/v1/nothing", "/page/nothing.js", "/v1/models"):
        headers = site.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


def test_nothing_of_clients_is_printed(site, pair, capfd):
    site.ends(site.send(*pair))
    site.client.get("/v1/restorations/secret-id")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_many_slow_clients_do_not_stop_others(serving, monkeypatch):
    """For as long as they are waited for."""
    monkeypatch.setattr("twinshot.web.server._HEAD_SECONDS", 1000)
    site = serving()
    port = int(site.url.rsplit(":", 1)[1])
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    try:
        for line in lines:
            line.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert site.client.get("/healthz").status_code == 200
    finally:
        for line in lines:
            line.close()
    assert threading.active_count() < 50
