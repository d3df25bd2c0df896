"""Fifty clients at once, for five minutes. They step back: on a machine of their own they would take no time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from helpers import MAIN, SRC, start

CLIENTS, SECONDS, NICE = 50, 300, 5
CLIENTS_MAIN = "import sys, test_load; test_load.main(*sys.argv[1:])"
PATHS = os.pathsep.join([str(SRC), str(Path(__file__).parent), str(Path(__file__).parents[1])])
BEAT = """
import sys, time, urllib.request
finish = time.monotonic() + float(sys.argv[2])
while time.monotonic() < finish:
    began = time.perf_counter()
    urllib.request.urlopen(sys.argv[1]).read()
    print(time.perf_counter() - began)
    time.sleep(0.25)
"""


def _megabytes(process_id: int) -> float:
    """Resident memory of a process and its children."""
    ids = [process_id, *map(int, Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split())]
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in ids)
    return pages * 4096 / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_no_restoration_is_lost_under_load(pair, capsys):
    process = start(MAIN, "serve", "--port", "0")
    url = process.stdout.readline().split()[0]
    try:
        clients = start(f"import os; os.nice({NICE}); {CLIENTS_MAIN}", url, *pair, env_more={"PYTHONPATH": PATHS})
        health = start(BEAT, f"{url}healthz", SECONDS)
        memory = []
        for _ in range(4):
            time.sleep(SECONDS / 4)
            memory.append(_megabytes(process.pid))
        beats = sorted(1000 * float(line) for line in health.communicate()[0].split())
        out, complaints = clients.communicate(timeout=300)
    finally:
        process.terminate()
    assert process.wait(20) == 143
    process.communicate()
    assert clients.returncode == 0, complaints[-2000:]
    ends = json.loads(out)
    at = statistics.quantiles(beats, n=100)
    with capsys.disabled():
        print(
            f"\n{CLIENTS} clients, {SECONDS} s: {ends}; health check, ms: median {at[49]:.0f}, 90 % {at[89]:.0f}, "
            f"99 % {at[98]:.0f}, largest {beats[-1]:.0f} of {len(beats)}; memory by quarter, MB: "
            f"{[round(one) for one in memory]}; load average {os.getloadavg()[0]:.0f}"
        )
    assert ends.keys() <= {"done", "refused 429", "not sent"}
    assert ends.get("not sent", 0) < 0.01 * sum(ends.values())
    assert ends["done"] > 5
    assert memory[-1] < 1.1 * memory[1] + 20
    assert at[49] < 100 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))


def main(url: str, short: str, long: str) -> None:
    """What the clients' process does: says how their restorations ended, as JSON."""
    files = [("short", Path(short).read_bytes()), ("long", Path(long).read_bytes())]
    json.dump(asyncio.run(_load(url, files)), sys.stdout)


async def _load(url: str, files: list[tuple[str, bytes]]) -> Counter[str]:
    ends: Counter[str] = Counter()
    finish = time.monotonic() + SECONDS
    limits = httpx.Limits(max_connections=CLIENTS + 5, keepalive_expiry=2)  # before the server ends it
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits, trust_env=False) as client:

        async def one():
            while time.monotonic() < finish:
                ends[await _outcome(client, files)] += 1

        await asyncio.gather(*(one() for _ in range(CLIENTS)))
    return ends


async def _outcome(client: httpx.AsyncClient, files: list[tuple[str, bytes]]) -> str:
    """Send, follow, fetch, remove; how it ended."""
    try:
        answer = await client.post("/v1/restorations", files=files)
    except httpx.TransportError:  # so slow a client that the server had closed the line before it asked
        return "not sent"
    if answer.status_code == 429:
        await asyncio.sleep(min(int(answer.headers["retry-after"]), 3))
        return "refused 429"
    if answer.status_code != 202:
        return f"{answer.status_code}: {answer.text}"
    job = answer.json()
    while job["state"] in ("queued", "running"):
        await asyncio.sleep(0.3)
        answer = await _get(client, f"/v1/restorations/{job['id']}")
        if answer.status_code != 200:
            return f"lost: {answer.text}"
        job = answer.json()
    if job["state"] != "done":
        return f"{job['state']}: {job['problem']}"
    picture = await _get(client, f"/v1/restorations/{job['id']}/result")
    with contextlib.suppress(httpx.TransportError):
        await client.delete(f"/v1/restorations/{job['id']}")
    return "done" if picture.status_code == 200 and picture.content.startswith(b"\x89PNG") else "no picture"


async def _get(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """What is there; a line that the server closes as it is used again is no answer."""
    for _ in range(5):
        with contextlib.suppress(httpx.TransportError):
            return await client.get(path)
    raise AssertionError(f"no answer from {path}")
