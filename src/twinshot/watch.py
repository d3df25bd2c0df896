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
from typing import TypeVar

from .batch import Job, Plan, is_swapped, plan
from .files.glance import Shot, glance, pictures_in
from .groups import LONGEST_PAUSE
from .picture.errors import TwinshotError
from .picture.settings import AS_FOUND, Settings

QUIET = 5.0
"""Seconds without any change, after which what belongs together is taken to be there."""
PATIENCE = LONGEST_PAUSE
"""Seconds that a burst waits for its long frame, and a group in a folder that is never quiet for further frames."""
_PAUSE = 1.0  # s between two looks

Stamp = tuple[int, int]
"""Size and time of the last change, by which a file is known to be the same."""
Key = tuple[tuple[Path, Stamp], ...]
"""Files, each as it was."""
Found = TypeVar("Found")


@dataclass(frozen=True)
class _File:
    """A file as it is, and since when, by the clock of whoever looks."""

    stamp: Stamp
    since: float


class _Memory:
    """The files of the last look, what they show, and which of them were handed over."""

    def __init__(self, accept_damaged: bool) -> None:
        self.accept_damaged = accept_damaged
        self.files: dict[Path, _File] = {}
        self.shots: dict[Key, Shot | str] = {}
        self.swapped: dict[Key, bool | str] = {}
        self.handed_over: set[Key] = set()

    def look(self, folders: Sequence[Path], now: float) -> None:
        """See which files are there; what others showed, which are gone or have changed, is forgotten."""
        self.files = _files_in(folders, self.files, now)
        self.shots = {key: shot for key, shot in self.shots.items() if self._is_there(key)}
        self.swapped = {key: told for key, told in self.swapped.items() if self._is_there(key)}

    def shot(self, path: Path) -> Shot:
        """A glance at a file, which is remembered until the file changes, as is that there is nothing to see."""
        return _remembered(self.shots, self._key(path), lambda: glance(path, self.accept_damaged))

    def is_swapped(self, short: Path, long: Path, settings: Settings) -> bool:
        """As `batch.is_swapped`, but the frames are read once alone, even where they cannot be."""
        return _remembered(self.swapped, self._key(short, long), lambda: is_swapped(short, long, settings))

    def settled(self, now: float) -> list[tuple[Path, Stamp]]:
        """The files that have not changed for `PATIENCE`, or all of them once none has for `QUIET`."""
        quiet = now - max((file.since for file in self.files.values()), default=now) >= QUIET
        return [(path, file.stamp) for path, file in self.files.items() if quiet or now - file.since >= PATIENCE]

    def is_ready(self, job: Job, now: float) -> bool:
        """Whether a job's long frame is there, or has been waited for long enough."""
        return bool(job.long) or now - max(self.files[path].since for path in _files_of(job)) >= PATIENCE

    def is_new(self, *paths: Path) -> bool:
        """Whether these files were not handed over as they are; from now on they were."""
        key = self._key(*paths)
        if key in self.handed_over:
            return False
        self.handed_over.add(key)
        return True

    def _key(self, *paths: Path) -> Key:
        return tuple((path, self.files[path].stamp) for path in paths)

    def _is_there(self, key: Key) -> bool:
        return all(path in self.files and self.files[path].stamp == stamp for path, stamp in key)


def _remembered(known: dict[Key, Found | str], key: Key, find: Callable[[], Found]) -> Found:
    """What was found out once; of an error its words, as with it all would be kept that its calls held."""
    if key not in known:
        try:
            known[key] = find()
        except TwinshotError as error:
            known[key] = str(error)
    found = known[key]
    if isinstance(found, str):
        raise TwinshotError(found)
    return found


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
    memory, current, planned = _Memory(settings.accept_damaged), Plan(()), list[tuple[Path, Stamp]]()
    while True:
        now = clock()
        memory.look(folders, now)
        settled = memory.settled(now)
        changed = settled != planned
        if changed:
            paths, planned = [path for path, _ in settled], settled
            current = plan(paths, output, settings, memory.shot, memory.is_swapped)
        jobs = tuple(job for job in current.jobs if memory.is_ready(job, now) and memory.is_new(*_files_of(job)))
        unreadable = tuple((path, why) for path, why in current.unreadable if memory.is_new(path))
        if jobs or changed:
            yield replace(current, jobs=jobs, unreadable=unreadable)
        pause(_PAUSE)


def _files_in(folders: Sequence[Path], before: dict[Path, _File], now: float) -> dict[Path, _File]:
    """The pictures in folders; a file that is new here says by its own times since when it is as it is."""
    files = {}
    for path in dict.fromkeys(path for folder in folders for path in pictures_in(folder)):
        with suppress(FileNotFoundError):  # it went in this moment
            status = path.stat()
            stamp = status.st_size, status.st_mtime_ns
            file = before.get(path)
            if file is None or file.stamp != stamp:
                file = _File(stamp, now if before else min(now, max(status.st_mtime, status.st_ctime)))
            files[path] = file
    return files


def _files_of(job: Job) -> tuple[Path, ...]:
    return (*job.frames, *job.left)
