"""Fifty clients at once, for a minute."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from helpers import MAIN, start

CLIENTS, SECONDS = 50, 60
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
        ends, beats, memory = asyncio.run(_load(url, process.pid, pair))
    finally:
        process.terminate()
    assert process.wait(20) == 143
    process.communicate()
    with capsys.disabled():
        print(
            f"\n{CLIENTS} clients, {SECONDS} s: {dict(ends)}; health check, ms: median "
            f"{1000 * statistics.median(beats):.0f}, largest {1000 * max(beats):.0f} of {len(beats)}; "
            f"memory by quarter, MB: {[round(one) for one in memory]}; load average {os.getloadavg()[0]:.0f}"
        )
    assert set(ends) <= {"done", "refused 429"}
    assert ends["done"] > 5
    assert memory[-1] < 1.1 * memory[2] + 20
    assert statistics.median(beats) < 0.1 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))


async def _load(url, process_id, pair):
    ends, beats, memory = Counter(), [], []
    files = [(name, path.read_bytes()) for name, path in zip(("short", "long"), pair, strict=True)]
    finish = time.monotonic() + SECONDS
    health = [sys.executable, "-c", BEAT, f"{url}healthz", str(SECONDS)]
    limits = httpx.Limits(max_connections=CLIENTS + 5)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits, trust_env=False) as client:

        async def one():
            while time.monotonic() < finish:
                ends[await _outcome(client, files)] += 1

        async def beat():
            beats.extend(map(float, (await asyncio.to_thread(subprocess.check_output, health, text=True)).split()))

        async def weigh():
            for _ in range(4):
                await asyncio.sleep(SECONDS / 4)
                memory.append(_megabytes(process_id))

        await asyncio.gather(beat(), weigh(), *(one() for _ in range(CLIENTS)))
    return ends, beats, memory


async def _outcome(client, files):
    """Send, follow, fetch, remove; how it ended."""
    answer = await client.post("/v1/restorations", files=files)
    if answer.status_code == 429:
        await asyncio.sleep(min(int(answer.headers["retry-after"]), 3))
        return "refused 429"
    job = answer.json()
    while job["state"] in ("queued", "running"):
        await asyncio.sleep(0.3)
        job = (await client.get(f"/v1/restorations/{job['id']}")).json()
    if job["state"] != "done":
        return f"{job['state']}: {job['problem']}"
    picture = await client.get(f"/v1/restorations/{job['id']}/result")
    await client.delete(f"/v1/restorations/{job['id']}")
    return "done" if picture.status_code == 200 and picture.content.startswith(b"\x89PNG") else "no picture"
