"""Folders in, pictures out: what goes together, then one after the other, read and matched ahead, written behind.

A result that exists is done: written whole or not at all, it says all that a call that was killed has to leave.
"""

from __future__ import annotations

import codecs
import csv
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from .engines.loading import Model, load_model
from .files import io, raw
from .files.glance import RESULT, Shot, glance, pictures_and_raws
from .files.pairs import Source, in_one_profile, paths_of, read_pair, what_remains
from .groups import OTHER, Scene, exposures, scenes, short_of
from .match import grain, swap
from .match.prepare import Prepared, prepare
from .picture.errors import InputError, TwinshotError
from .picture.pair import Frame, Pair
from .picture.settings import AS_FOUND, Settings, check_settings
from .progress import Clock
from .report import Report
from .restoration import read_frames, restore_frames
from .restored import Restored

Kind = TypeVar("Kind")
Read = TypeVar("Read")
Made = TypeVar("Made")
Written = TypeVar("Written")


@dataclass(frozen=True)
class Job:
    """A picture to make: the short frames, the long one or None for a burst alone, the file, what was left out."""

    short: tuple[Path, ...]
    long: Path | None
    output: Path
    left: tuple[Path, ...] = ()

    @property
    def frames(self) -> tuple[Path, ...]:
        """The files that it is made of."""
        return (*self.short, *((self.long,) if self.long else ()))

    @property
    def row(self) -> dict[str, Any]:
        """What a report says of it: the files by name, None for a long frame that there is not."""
        short, long = [str(path) for path in self.short], self.long and str(self.long)
        return {"output": str(self.output), "short": short, "long": long}

    def __str__(self) -> str:
        """As a plan says it."""
        short, left = (", ".join(path.name for path in paths) for paths in (self.short, self.left))
        frames = f"{short} + {self.long.name}" if self.long else f"{short} (a burst alone)"
        return f"{frames} -> {self.output}" + (f" (without {left})" if left else "")


@dataclass(frozen=True)
class Plan:
    """What a call will do.

    Attributes:
        jobs: the pictures to make.
        alone: photographs without a partner.
        unreadable: files that cannot be read, and why, in words that name them.
        raws: raw files of the folders that were left out for their developed twins.
    """

    jobs: tuple[Job, ...]
    alone: tuple[Path, ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()
    raws: tuple[Path, ...] = ()


def is_swapped(short: Path, long: Path, settings: Settings) -> bool:
    """Whether the noise of two frames says that the second is the short one; for that they are read.

    Raises InputError or MismatchError where they cannot be.
    """
    return bool(swap.order(read_pair(short, long, settings.accept_damaged)).swapped)


def plan(
    sources: Sequence[Path],
    output: str | None = None,
    settings: Settings = AS_FOUND,
    look: Callable[[Path], Shot] | None = None,
    ask: Callable[[Path, Path, Settings], bool] = is_swapped,
) -> Plan:
    """Which of the pictures in folders go together, and what will be made of them.

    Args:
        sources: folders; files may stand among them.
        output: folder for the results; None: each beside its short frame.
        settings: whether the order of two frames is insisted on, and whether damaged files are taken.
        look: what tells of a file, in the place of `glance`; one that remembers saves a second look.
        ask: whether two frames are swapped, where nothing but their noise tells; likewise.

    Raises:
        InputError: a folder cannot be listed.
    """
    found = [pictures_and_raws(source) if source.is_dir() else ([source], []) for source in sources]
    paths = [path for pictures, _ in found for path in pictures]
    look = look or partial(glance, accept_damaged=settings.accept_damaged)
    shots, unreadable = _looked_at(dict.fromkeys(paths), look)
    groups, alone = scenes(shots)
    jobs: list[Job] = []
    for scene in groups:
        try:
            short, long = _frames_of(scene, settings, ask)
        except TwinshotError as error:
            unreadable += [(shot.path, str(error)) for shot in scene.short]
            continue
        jobs.append(Job(short, long, target(short[0], output), tuple(shot.path for shot in scene.left)))
    raws = tuple(path for _, beside in found for path in beside)
    return Plan(tuple(_apart(jobs)), tuple(shot.path for shot in alone), tuple(unreadable), raws)


def _looked_at(paths: Iterable[Path], look: Callable[[Path], Shot]) -> tuple[list[Shot], list[tuple[Path, str]]]:
    """What can be seen of files, and those that cannot be read, with the reason."""
    shots: list[Shot] = []
    unreadable: list[tuple[Path, str]] = []
    for path in paths:
        try:
            shots.append(look(path))
        except TwinshotError as error:
            unreadable.append((path, str(error)))
    return shots, unreadable


def _frames_of(
    scene: Scene, settings: Settings, ask: Callable[[Path, Path, Settings], bool]
) -> tuple[tuple[Path, ...], Path | None]:
    """The files of a scene; where only their noise tells which is the short one, it is looked at."""
    short, long = tuple(shot.path for shot in scene.short), scene.long.path if scene.long else None
    if scene.unsure and long and not settings.keep_order and ask(short[0], long, settings):
        return (long,), short[0]
    return short, long


def _apart(jobs: Sequence[Job]) -> Iterator[Job]:
    """Jobs whose results would have one name get their folders' names before it, and numbers where those are alike."""
    names, times = Counter(job.output for job in jobs), Counter[Path]()
    for job in jobs:
        name = job.output
        if names[name] > 1:
            name = name.with_name(f"{job.short[0].absolute().parent.name}-{name.name}")
        times[name] += 1
        if times[name] > 1:
            name = name.with_name(f"{times[name]}-{name.name}")
        yield replace(job, output=name)


def roles(frames: Sequence[Path], accept_damaged: bool = False) -> tuple[tuple[Path, ...], Path | None]:
    """The short ones of several frames that were named together, and the long one, or None where all are alike.

    By exposure time, or by brightness, or by noise; where none tells, the last one is the long one, as is asked for.
    Where exposure times tell, a bracket's further frames are neither: what is merged has to be exposed alike.
    """
    shots = [glance(frame, accept_damaged) for frame in frames]
    values = exposures(shots)
    longest = int(values.argmax())
    if values[longest] < OTHER * np.delete(values, longest).max():
        if all(shot.seconds for shot in shots):
            return tuple(frames), None
        longest = _calmest(frames, accept_damaged)
    elif all(shot.seconds for shot in shots):
        return tuple(frames[index] for index in short_of(values, longest)), frames[longest]
    return tuple(frame for index, frame in enumerate(frames) if index != longest), frames[longest]


def _calmest(frames: Sequence[Path], accept_damaged: bool) -> int:
    """Which frame has far less noise than all others; the last one where none has."""
    read = (what_remains(io.read(frame, accept_damaged=accept_damaged)) for frame in frames)
    detail = [grain.fine_detail(frame.pixels) for frame in read]
    calm, next_one = sorted(detail)[:2]
    return detail.index(calm) if next_one > swap.NOISIER * calm else len(frames) - 1


def in_order(frames: Pair | Frame, settings: Settings = AS_FOUND) -> swap.Ordered | Frame:
    """Frames that were read, a pair's short one first, for whoever shows or names them before they are restored."""
    return swap.order(frames, settings.keep_order) if isinstance(frames, Pair) else frames


def target(short: Path, output: str | None = None, place: Callable[[str], Path] = Path) -> Path:
    """Where a result is written.

    Args:
        short: the short frame, which names the result.
        output: a file; a name without ending, which gets the short frame's; a folder, which exists or ends with a
            slash; None: beside the short frame.
        place: what a name stands for.
    """
    ending = short.suffix.lower()
    suffix = ".tif" if ending in raw.SUFFIXES else short.suffix if ending in io.SUFFIXES else ".jpg"
    name = f"{short.stem}{RESULT}{suffix}"
    if output is None:
        return short.with_name(name)
    if names_a_folder(output):
        return place(output) / name
    return Path(output) if Path(output).suffix else Path(output + suffix)


def names_a_folder(output: str) -> bool:
    """Whether a name ends as a folder's, or a folder has it."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output)  # noqa: PTH112  # it may be too long for a Path's


def listed(path: Path, output: str | None = None) -> Plan:
    """The plan that a CSV file with the columns `short`, `long` and, if wanted, `output` gives.

    Several short frames are separated by semicolons; an empty `long` stands for a burst alone. Names count from the
    file's folder. Raises InputError where it cannot be read, or a row lacks its short frames.
    """
    return planned(path, rows_of(path), output)


def rows_of(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    """A CSV file's rows by the names of its columns, with the lines that they stand in, of those that hold anything.

    Commas, semicolons or tabs separate columns, as spreadsheets have it. Raises InputError where it cannot be read,
    lacks a column, or has more in a row than the first line names.
    """
    try:
        file = StringIO(_text_of(path), newline="")
        separator = max(",;\t", key=file.readline().count)
        file.seek(0)
        table = csv.DictReader(file, delimiter=separator, skipinitialspace=True)
        table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
        rows = [(table.line_num, row) for row in table if any("".join(cell or "") for cell in row.values())]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the name") from error
    except UnicodeDecodeError as error:  # as where Windows's own 8 bits were used, or of a spreadsheet's own file
        raise InputError(f"{path}: is not text in UTF-8; save the list of pairs as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV file ({error}); give a list of pairs in CSV") from error
    _check_columns(path, table.fieldnames, rows)
    return rows


def _check_columns(path: Path, names: Sequence[str], rows: Iterable[tuple[int, dict[Any, Any]]]) -> None:
    """Refuse a table without the columns that are needed, or with a cell under no name. Raises InputError."""
    if not {"short", "long"} <= set(names):
        raise InputError(
            f"{path}: the first line must name the columns `short` and `long`, separated by a comma, semicolon or tab"
        )
    for number, row in rows:
        if any(row.get(None, ())):
            raise InputError(
                f"{path}: line {number} has more columns than the first line; put quotes around a column in which the "
                "separator stands, such as several short frames"
            )


def _text_of(path: Path) -> str:
    """A text in UTF-8, or in UTF-16 if it has a byte order mark."""
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig")


def planned(
    path: Path,
    rows: Iterable[tuple[int, dict[str, str | None]]],
    output: str | None = None,
    place: Callable[[str], Path] = Path,
) -> Plan:
    """The plan of a list's rows, by the numbers they have in it; columns and errors are those of `listed`.

    `place` says what a name stands for, where that may be more than a path.
    """

    def at(name: str) -> Path:
        file = place(name)
        return path.parent / file if isinstance(file, Path) else file

    jobs = []
    for number, row in rows:
        short = tuple(at(name.strip()) for name in (row.get("short") or "").split(";") if name.strip())
        long = (row.get("long") or "").strip()
        if not short or (len(short) == 1 and not long):
            raise InputError(f"{path}: line {number} needs a file in the column `short` and one in `long`")
        named = (row.get("output") or "").strip()
        goal = at(named) if named else target(short[0], output, place)
        jobs.append(Job(short, at(long) if long else None, goal))
    apart = tuple(_apart(jobs))
    _check_no_frame_is_replaced(path, apart)
    return Plan(apart)


def _check_no_frame_is_replaced(path: Path, jobs: Sequence[Job]) -> None:
    """Refuse a list of which a result is a frame of any of its pairs: with `force` it would be lost."""
    frames = {os.path.normpath(str(frame)) for job in jobs for frame in job.frames}
    for job in jobs:
        if os.path.normpath(str(job.output)) in frames:
            raise InputError(f"{path}: {job.output} is listed as a result and as a frame; give the result another name")


@dataclass(frozen=True)
class Ended(Generic[Kind, Written]):
    """What came of one thing, or why nothing did."""

    thing: Kind
    result: Written | None = None
    error: Exception | None = None


def pipelined(
    things: Iterable[Kind],
    read: Callable[[Kind], Read],
    work: Callable[[Read], Made],
    write: Callable[[Kind, Made], Written],
) -> Iterator[Ended[Kind, Written]]:
    """Each thing read, worked on and written, in order: the next is read and the last written while one is worked on.

    At most three are held at once. What fails is handed on with its error, and the others go on. Where somebody
    interrupts it, what was worked on by then is written and handed on first.
    """
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        behind: tuple[Kind, Future[Written]] | None = None
        for thing, ahead in _one_ahead(things, lambda thing: reader.submit(read, thing)):
            try:
                made = work(ahead.result())
            except Exception as error:  # a bug that one of many pairs runs into must not stop the others
                if behind:
                    yield _finished(*behind)
                    behind = None
                yield Ended(thing, error=error)
                continue
            except KeyboardInterrupt:
                if behind:  # its file is there, or will be in a moment
                    yield _finished(*behind)
                raise
            if behind:
                yield _finished(*behind)
            behind = thing, writer.submit(write, thing, made)
            del made
        if behind:
            yield _finished(*behind)


def _one_ahead(things: Iterable[Kind], submit: Callable[[Kind], Future[Read]]) -> Iterator[tuple[Kind, Future[Read]]]:
    """Each thing with its future, the next one's submitted before it is handed on."""
    waiting: tuple[Kind, Future[Read]] | None = None
    for thing in things:
        coming = thing, submit(thing)
        if waiting:
            yield waiting
        waiting = coming
    if waiting:
        yield waiting


def _finished(thing: Kind, future: Future[Written]) -> Ended[Kind, Written]:
    try:
        return Ended(thing, future.result())
    except Exception as error:
        return Ended(thing, error=error)


Save = Callable[[Restored, Path], None]


@dataclass(frozen=True)
class Outcome:
    """What a job came to: its report; or why it failed; or neither, as its result existed already."""

    job: Job
    report: Report | None = None
    error: Exception | None = None

    @property
    def came(self) -> str:
        """The word that tables and reports have for it: restored, existed or failed."""
        return "failed" if self.error else "restored" if self.report else "existed"


def divided(
    jobs: Iterable[Job], force: bool = False, exists: Callable[[Path], bool] = Path.exists
) -> tuple[list[Job], list[Job]]:
    """The jobs whose results are there, and those to do; `force`: all of them."""
    done: list[Job] = []
    missing: list[Job] = []
    for job in jobs:
        (done if exists(job.output) and not force else missing).append(job)
    return done, missing


def run(
    jobs: Iterable[Job], network: Model, save: Save, settings: Settings = AS_FOUND, force: bool = False
) -> Iterator[Outcome]:
    """Do the jobs whose results are not there; `force` does them all. Folders of results are made.

    Args:
        jobs: in order.
        network: what restores them all.
        save: writes a result to a path; it has to refuse a path that exists.
        settings: for all of them.
        force: whether results that are there are made again.
    """
    done, missing = divided(jobs, force)
    yield from map(Outcome, done)

    def read(job: Job) -> _Ahead:
        short = job.short if len(job.short) > 1 or not job.long else job.short[0]
        return _read_ahead(short, job.long, settings)

    def work(ahead: _Ahead) -> Restored:
        return _restored(ahead, network, settings)

    def write(job: Job, restored: Restored) -> Report:
        job.output.parent.mkdir(parents=True, exist_ok=True)
        _tidy(job.output)
        save(restored.made_of(job.frames), job.output)
        return restored.report

    for ended in pipelined(missing, read, work, write):
        yield Outcome(ended.thing, ended.result, ended.error)


_Ahead = tuple[Prepared | Frame, Clock]


def _read_ahead(short: Source | Sequence[Source], long: Source | None, settings: Settings) -> _Ahead:
    """Frames read, and a pair matched: that keeps one core busy, and networks seldom keep all others so."""
    clock = Clock()
    frames = read_frames(short, long, settings)
    clock.lap("read")
    return _matched(frames, clock, settings) if isinstance(frames, Pair) else (frames, clock)


def _matched(pair: Pair, clock: Clock, settings: Settings) -> _Ahead:
    ready = prepare(pair, settings)
    clock.lap("match")
    return ready, clock


def _restored(ahead: _Ahead, network: Model, settings: Settings) -> Restored:
    frames, clock = ahead
    clock.last = time.perf_counter()  # it may have waited
    return restore_frames(frames, network, None, clock, settings)


def _tidy(output: Path) -> None:
    """Remove what a killed call left half-written beside a result."""
    for left in output.parent.glob(f".{_escaped(output.name[:32])}.????????"):
        with suppress(OSError):
            left.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def restore_many(
    pairs: Iterable[tuple[Source | Sequence[Source], Source | None] | Pair],
    *,
    model: str | Model = "twin",
    engine: str | None = None,
    settings: Settings = AS_FOUND,
) -> Iterator[Restored | TwinshotError]:
    """Restore pair after pair, reading ahead; one that fails is handed over as its error, and the next follows.

    Args:
        pairs: (noisy, blurry) as `restore` takes them, or `Pair`s; read one at a time, so that memory stays bounded.
        model, engine, settings: as `restore` takes them.

    Raises:
        InputError: the settings are none.
        ModelError: there is no such model or engine.
    """
    check_settings(settings)
    network = model if isinstance(model, Model) else load_model(model, engine)

    def read(pair: tuple[Source | Sequence[Source], Source | None] | Pair) -> tuple[_Ahead, tuple[Path, ...]]:
        if isinstance(pair, Pair):
            return _matched(in_one_profile(pair), Clock(), settings), ()
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise InputError("give two frames for each picture: the noisy one, or a list of them, and the blurry one")
        short = pair[0] if isinstance(pair[0], (list, tuple)) else (pair[0],)
        sources = (*short, *([] if pair[1] is None else [pair[1]]))
        files = tuple(path.absolute() for path in paths_of(*sources))  # before the caller may change folders
        return _read_ahead(pair[0], pair[1], settings), files

    def work(read: tuple[_Ahead, tuple[Path, ...]]) -> Restored:
        return _restored(read[0], network, settings).made_of(read[1])

    for done in pipelined(pairs, read, work, lambda _, restored: restored):
        if done.error and not isinstance(done.error, TwinshotError):
            raise done.error
        yield done.error if isinstance(done.error, TwinshotError) else done.result  # type: ignore[misc]
