"""Folders that fill: which photographs have arrived, go together and can be restored.

Folders are looked at once a second, which shares and cards allow, too, whose changes no system tells of. What was done
is told by the results that exist, as in a batch: whoever starts again goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .batch import Job, Plan, plan
from .files.glance import Shot, glance, pictures_in
from .groups import LONGEST_PAUSE
from .picture.settings import AS_FOUND, Settings

QUIET = 5.0
"""Seconds without any change, after which what belongs together is taken to be there."""
PATIENCE = LONGEST_PAUSE
"""Seconds that a burst waits for its long frame, and a group in a folder that is never quiet for further frames."""
_PAUSE = 1.0  # s between two looks

Stamp = tuple[int, int]
"""Size and time of the last change, by which a file is known to be the same."""


@dataclass(frozen=True)
class _Seen:
    """A file as it is, and since when, by the clock of whoever looks."""

    stamp: Stamp
    since: float


def arrivals(
    folders: Sequence[Path],
    output: str | None = None,
    settings: Settings = AS_FOUND,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Plan]:
    """What can be restored, as it arrives: whenever anything has changed, a plan with the jobs that are new.

    A pair is handed over once nothing has changed in the folders for `QUIET`; a burst without a long frame, and what
    is in folders that are never quiet, once its own files have not for `PATIENCE`. Files that cannot be read are told
    once. It goes on until it is interrupted.

    Args:
        folders, output, settings: as `plan` takes them.
        clock: seconds since 1970.
        pause: waits for so many seconds.

    Raises:
        InputError: a folder cannot be listed.
    """
    seen: dict[Path, _Seen] = {}
    told: set[tuple[object, ...]] = set()
    looks: dict[tuple[Path, Stamp], Shot] = {}

    def look(path: Path) -> Shot:
        key = path, seen[path].stamp
        if key not in looks:
            looks[key] = glance(path)
        return looks[key]

    def is_new(*files: Path) -> bool:
        key = tuple((path, seen[path].stamp) for path in files)
        return key not in told and not told.add(key)  # type: ignore[func-returns-value]

    found, planned = Plan(()), list[tuple[Path, Stamp]]()
    while True:
        now = clock()
        seen = _seen(folders, seen, now)
        quiet = now - max((one.since for one in seen.values()), default=now) >= QUIET
        settled = [(path, one.stamp) for path, one in seen.items() if quiet or now - one.since >= PATIENCE]
        changed = settled != planned
        if changed:
            found, planned = plan([path for path, _ in settled], output, settings, look), settled
        ready = [job for job in found.jobs if job.long or _age(job, seen, now) >= PATIENCE]
        jobs = tuple(job for job in ready if is_new(*_files(job)))
        unreadable = tuple((path, why) for path, why in found.unreadable if is_new(path))
        if jobs or changed:
            yield replace(found, jobs=jobs, unreadable=unreadable)
        pause(_PAUSE)


def _seen(folders: Sequence[Path], before: dict[Path, _Seen], now: float) -> dict[Path, _Seen]:
    """The pictures in folders; of a file that is new here its own times say since when it is as it is."""
    found = {}
    for path in dict.fromkeys(path for folder in folders for path in pictures_in(folder)):
        with suppress(FileNotFoundError):  # it went in this moment
            status = path.stat()
            stamp = status.st_size, status.st_mtime_ns
            known = before.get(path)
            if known is None or known.stamp != stamp:
                known = _Seen(stamp, now if before else min(now, max(status.st_mtime, status.st_ctime)))
            found[path] = known
    return found


def _files(job: Job) -> tuple[Path, ...]:
    return (*job.frames, *job.left)


def _age(job: Job, seen: dict[Path, _Seen], now: float) -> float:
    """Seconds since the last of its files changed."""
    return now - max(seen[path].since for path in _files(job))
