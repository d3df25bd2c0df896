"""The engine room: restorations wait, run, are kept for a while, and go."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..files import atomic
from ..picture.errors import OutputError
from .metrics import Metrics
from .problems import Problem
from .process import Event, TaskCancelledError, Worker
from .settings import Settings

if TYPE_CHECKING:
    from ..report import Report

State = Literal["queued", "running", "done", "failed", "cancelled"]
Roles = tuple[Literal["short", "long"], ...]
"""Which exposure each photograph is: one long at most."""
_PREFIX = "twinshot-web-"
_FILES = "files"  # made once the private folder is locked
_RESERVE = 64 << 20  # bytes of the disk that are left to others
_SWEEP_SECONDS = 5.0
_MOST_LOOKS = 4  # photographs in upload to be looked at
_ASIDE_SECONDS = 300.0  # the longest that a download or a quick preview may take


@dataclass(frozen=True)
class Photo:
    """An upload: the server's name of its file, and the client's, which is only ever shown to that client."""

    file: str
    name: str


@dataclass(frozen=True)
class Download:
    """A kind of file: its suffix, bits a channel (None for the inputs'), and quality where it has one."""

    suffix: str
    bits: int | None
    quality: int


@dataclass(eq=False)
class Job:
    """One restoration. Its id is the key to it: whoever has it may see and remove it.

    Attributes:
        id: 256 random bits.
        folder: its files.
        photos: two uploads, or more for a burst.
        roles: which is which, once it is said or found.
        keep_order: whether the roles hold whatever speaks against them; otherwise `restore` decides.
        options: what `restore` is called with.
        state, stage, fraction: how far it is.
        size: width and height, once both photographs are read.
        bits: bits a channel of the result, once they are read.
        report: what was decided, once it is done.
        problem: why it failed.
        used: when it was last asked for, by the monotonic clock.
    """

    id: str
    folder: Path
    photos: tuple[Photo, ...]
    roles: Roles | None
    keep_order: bool
    options: dict[str, Any]
    state: State = "queued"
    stage: str = "waiting"
    fraction: float = 0.0
    size: tuple[int, int] | None = None
    bits: int = 8
    report: Report | None = None
    problem: Problem | None = None
    used: float = field(default_factory=time.monotonic)
    bytes: int = 0
    _began: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        return self.state not in ("queued", "running")

    @property
    def result_name(self) -> str:
        """What a file of the result is called, without its suffix: after the first short photograph, as in a folder."""
        roles = self.roles or ("short",) * len(self.photos)
        names = (photo.name for photo, role in zip(self.photos, roles, strict=True) if role == "short")
        return f"{Path(next(names, '')).stem or 'picture'}-restored"

    def set(self, state: State, stage: str, fraction: float = 0.0) -> None:
        """A new state, which those who watch are told of."""
        if stage != self.stage:
            self._began = time.monotonic()
        self.state, self.stage, self.fraction = state, stage, fraction
        self.tell()

    def tell(self) -> None:
        """Wake those who watch."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changes(self) -> AsyncIterator[Job]:
        """The job now, and again whenever something of it has changed, until it is over."""
        while True:
            changed = self._changed
            yield self
            if self.over:
                return
            await changed.wait()

    def seconds_left(self) -> float | None:
        """How long the stage that runs will take at its pace; None where nothing tells."""
        if self.state != "running" or not 0.02 < self.fraction < 1:
            return None
        return round((time.monotonic() - self._began) * (1 - self.fraction) / self.fraction, 1)


class Desk:
    """Takes restorations, has them done one after the other, and keeps what they came to."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.restorer, self.helper = Worker(), Worker()
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._uploads = self._looks = 0
        self._wake = asyncio.Event()
        self._pace = 2.0  # seconds a restoration, a running mean
        self._stopping = False
        self._lock = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Make the private folder, which is locked for as long as the server lives, and begin to work."""
        base = self.settings.folder or Path(tempfile.gettempdir())
        _clear_after_the_dead(base)
        self._private = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock.enter_context(atomic.locked(self._private))
        self.folder = self._private / _FILES
        self.folder.mkdir(mode=0o700)
        for endless in (self._work(), self._sweep()):
            self._begin(endless)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Fail, with the reason, whatever waits or runs."""
        self._stopping = True
        problem = Problem("stopping", "The server was stopped. Send the photographs again once it runs.")
        for job in list(self._jobs.values()):
            if not job.over:
                self._finish(job, "failed", problem)
        self._waiting.clear()
        await asyncio.gather(self.restorer.close(), self.helper.close())

    async def close(self) -> None:
        """Stop, and remove every file."""
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._lock.close()
        shutil.rmtree(self._private, ignore_errors=True)

    @asynccontextmanager
    async def slot(self, size: int) -> AsyncIterator[None]:
        """A place in the queue for an upload of `size` bytes, held until it is whole.

        Raises Problem where the queue or the disk is full, or the server stops.
        """
        self._check_open()
        if len(self._waiting) + self._uploads >= self.settings.queue:
            seconds = min(max(round(self._pace * len(self._waiting)), 1), 120)
            raise _full(f"{self.settings.queue} restorations are waiting already.", seconds)
        self._uploads += 1
        self._count()
        try:
            await self._make_room(size)
            yield
        finally:
            self._uploads -= 1
            self._count()

    @asynccontextmanager
    async def look(self, size: int) -> AsyncIterator[None]:
        """The same for a photograph that is only looked at, which takes no place in the queue."""
        self._check_open()
        if self._looks >= _MOST_LOOKS:
            raise _full(f"{_MOST_LOOKS} photographs are being looked at already.", 1)
        self._looks += 1
        try:
            await self._make_room(size)
            yield
        finally:
            self._looks -= 1

    def _check_open(self) -> None:
        if self._stopping:
            raise Problem("stopping", "The server is shutting down. Send the photographs again once it runs.")
        if not self.folder.is_dir():  # as some systems clear old temporary folders; a new one could be somebody else's
            raise Problem("storage-full", "The server's private folder was removed. Start the server again.")

    def new_folder(self) -> Path:
        """An empty folder whose name, the id, nobody can guess."""
        folder = self.folder / secrets.token_urlsafe(32)
        folder.mkdir(mode=0o700)
        return folder

    def add(
        self, folder: Path, photos: tuple[Photo, ...], roles: Roles | None, keep_order: bool, options: dict[str, Any]
    ) -> Job:
        """Put a restoration at the end of the queue."""
        self._check_open()
        job = Job(folder.name, folder, photos, roles, keep_order, options)
        self._jobs[job.id] = job
        self._waiting.append(job)
        self._wake.set()
        self._measure(job)
        return job

    def get(self, job_id: str) -> Job:
        """A restoration by its id. Raises Problem where there is none."""
        job = self._jobs.get(job_id)
        if job is None:
            raise Problem(
                "not-found", "No restoration has this id; it may have been removed some time after its last use."
            )
        job.used = time.monotonic()
        return job

    def place(self, job: Job) -> int:
        """How many are done before this one; 0 for one that does not wait."""
        running = sum(other.state == "running" for other in self._jobs.values())
        return self._waiting.index(job) + running if job in self._waiting else 0

    async def remove(self, job: Job) -> None:
        """Cancel a restoration that is not over, and remove its files."""
        running = job.state == "running"
        if job in self._waiting:
            self._waiting.remove(job)
        if not job.over:
            self._finish(job, "cancelled")
        if running:
            await self.restorer.cancel(job.id)
        await self._drop(job)

    async def encode(self, job: Job, wanted: Download) -> Path:
        """The result as a file, which is kept with the job. Raises Problem."""
        path = job.folder / f"download-{wanted.bits or 'same'}-{wanted.quality}{wanted.suffix}"
        if not path.exists():
            await self._encoded(job, wanted, path)
            self._measure(job)
        return path

    @asynccontextmanager
    async def encoded_once(self, job: Job, wanted: Download) -> AsyncIterator[Path]:
        """The result as a file that is there for as long as the block lasts. Raises Problem."""
        with _once(job, wanted.suffix) as path:
            await self._encoded(job, wanted, path)
            yield path

    async def _encoded(self, job: Job, wanted: Download, path: Path) -> None:
        await self.aside(job.folder, task="encode", output=path.name, bits=wanted.bits, quality=wanted.quality)

    async def quick(self, job: Job, box: tuple[int, int, int, int], options: dict[str, Any]) -> bytes:
        """A part, restored at once from what is shown, as a JPEG file. Raises Problem."""
        with _once(job, ".jpg") as path:
            await self.aside(job.folder, task="quick", output=path.name, box=box, keep_order=True, options=options)
            return await asyncio.to_thread(path.read_bytes)

    async def aside(self, folder: Path | None = None, **task: Any) -> Event:
        """Something small, done beside the restoration that runs."""
        where = str(folder or self.folder)
        return await self.helper.run({"id": secrets.token_hex(8), "folder": where, **task}, _ASIDE_SECONDS)

    async def _work(self) -> None:
        """One restoration after the other, for ever."""
        with suppress(Problem):  # it will be met again, by somebody who can be told
            await self.restorer.run({"task": "warm", "id": "warm", "model": "twin"}, _ASIDE_SECONDS)
        while True:
            self._wake.clear()
            if not self._waiting:
                await self._wake.wait()
                continue
            await self._restore(self._waiting.popleft())

    async def _restore(self, job: Job) -> None:
        began = time.monotonic()
        job.set("running", "reading")
        for other in self._waiting:
            other.tell()
        try:
            done = await self.restorer.run(_task_of(job), self.settings.job_seconds, lambda event: _heard(job, event))
            job.report = done["report"]
            self._finish(job, "done")
        except Problem as problem:
            self._finish(job, "failed", problem)
        except TaskCancelledError:
            self._finish(job, "cancelled")
        seconds = time.monotonic() - began
        self._pace += 0.3 * (seconds - self._pace)
        self.metrics.seconds.observe(seconds)
        self._measure(job)
        await self._make_room(0, keep=job)

    def _finish(self, job: Job, state: State, problem: Problem | None = None) -> None:
        """The first end counts: one that was cancelled cannot fail any more."""
        if job.over:
            return
        job.problem, job.used = problem, time.monotonic()
        job.set(state, state, 1.0 if state == "done" else job.fraction)
        self.metrics.jobs.labels(state).inc()
        self._count()

    def _measure(self, job: Job) -> None:
        with suppress(FileNotFoundError):
            job.bytes = sum(path.stat().st_size for path in job.folder.iterdir())
        self._count()

    def _count(self) -> None:
        self.metrics.queue.set(len(self._waiting) + self._uploads)
        self.metrics.storage.set(sum(job.bytes for job in self._jobs.values()))
        self.metrics.starts.set(self.restorer.starts + self.helper.starts)

    async def _make_room(self, size: int, keep: Job | None = None) -> None:
        """Drop results, those that were not asked for longest first, until `size` bytes fit. Raises Problem."""
        over = sorted((job for job in self._jobs.values() if job.over and job is not keep), key=lambda job: job.used)
        for job in over:
            if self._fits(size):
                return
            await self._drop(job)
        if size and not self._fits(size):
            raise Problem("storage-full", "The server has no room for these files now. Try again later.")

    def _fits(self, size: int) -> bool:
        used = sum(job.bytes for job in self._jobs.values())
        return used + size <= self.settings.storage_bytes and shutil.disk_usage(self.folder).free > size + _RESERVE

    async def _drop(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        self._count()
        await self.clear(job.folder)

    async def clear(self, folder: Path) -> None:
        """Remove a folder; of many megabytes that takes a moment, in which others are served."""
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _sweep(self) -> None:
        """Drop what nobody has asked for in a while, for ever."""
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.settings.keep_seconds / 4))
            latest = time.monotonic() - self.settings.keep_seconds
            for job in [job for job in self._jobs.values() if job.over and job.used < latest]:
                await self._drop(job)


@contextmanager
def _once(job: Job, suffix: str) -> Iterator[Path]:
    """A name of a file beside a job's, which is gone after the block."""
    path = job.folder / f"once-{secrets.token_hex(8)}{suffix}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _full(detail: str, seconds: int) -> Problem:
    return Problem("queue-full", f"{detail} Try again in {seconds} s.", {"Retry-After": str(seconds)})


def _task_of(job: Job) -> dict[str, Any]:
    photos = [{"file": photo.file, "name": photo.name} for photo in job.photos]
    return {
        **{"task": "restore", "id": job.id, "folder": str(job.folder)},
        **{"photos": photos, "roles": job.roles, "keep_order": job.keep_order, "options": job.options},
    }


def _heard(job: Job, event: Event) -> None:
    """What the worker says on the way."""
    if job.over:
        return
    if event["event"] == "layers":
        job.size, job.bits = (event["size"][0], event["size"][1]), event["bits"]
        job.roles = tuple(event["roles"])
        job.tell()
    elif event["event"] == "progress":
        job.set("running", event["stage"], event["fraction"])


def _clear_after_the_dead(base: Path) -> None:
    """Remove the folders of servers that were killed before they could: nobody holds their locks any more.

    One that starts in this moment holds no lock yet; it is known by having no place for files.
    """
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError, OutputError):
            if _is_own(folder) and (folder / _FILES).is_dir():
                with atomic.locked(folder):
                    pass
                shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether this user made it, which Windows need not be asked: there each user has a temporary folder."""
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
