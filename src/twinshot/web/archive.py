"""Several results as one ZIP file, made while it is sent: neither memory nor disk ever holds more than one of them."""

from __future__ import annotations

import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from .jobs import Desk, Download, Job
from .problems import Problem

MOST_ZIPPED = 250
"""Restorations in one file, whose ids a request's head has room for."""
_CHUNK = 1 << 20  # bytes


class _Outlet:
    """What a ZipFile has written and nobody has taken yet. It cannot be sought, so sums follow each file."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data


async def zipped(desk: Desk, jobs: Sequence[Job], wanted: Download) -> AsyncIterator[bytes]:
    """The bytes of a ZIP file; where a result was lost meanwhile, it holds a text that says why."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w") as archive:  # type: ignore[call-overload]  # it needs no more than this to write
        for job, name in zip(jobs, _names(jobs), strict=True):
            try:
                async with desk.encoded_once(job, wanted) as path:
                    info = zipfile.ZipInfo(f"{name}{wanted.suffix}", time.localtime()[:6])
                    info.file_size = path.stat().st_size
                    async for _ in _copied(path, archive, info):
                        yield outlet.take()
            except Problem as problem:
                archive.writestr(f"{name}.txt", problem.detail)
    yield outlet.take()


async def _copied(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> AsyncIterator[None]:
    """Write a file into the archive as it is, for pictures are compressed already; a turn for each chunk."""
    with path.open("rb") as source, archive.open(info, "w") as entry:
        while chunk := await run_in_threadpool(source.read, _CHUNK):
            await run_in_threadpool(entry.write, chunk)
            yield


def _names(jobs: Sequence[Job]) -> list[str]:
    """A name for each result, without suffix; a number tells equal ones apart."""
    names: list[str] = []
    for job in jobs:
        name, count = job.result_name, 2
        while name in names:
            name, count = f"{job.result_name}-{count}", count + 1
        names.append(name)
    return names
