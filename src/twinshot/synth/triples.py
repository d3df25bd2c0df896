"""Triples on disk: noisy/ blurry/ sharp/ PNGs, one line of meta.jsonl each, and bursts where they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import atomic, io
from ..machine import opencv_threads
from ..picture.encoding import Image
from ..picture.levels import eight_bit
from ..picture.pair import Metadata, TwinshotError
from .frames import WINDOW, StillWindow, Window, images_in, is_film, scenes_in, windows_of
from .motion import MotionRange
from .profiles import Sample, profile_named
from .sample import sample

KINDS = ("noisy", "blurry", "sharp")


@dataclass(frozen=True)
class Plan:
    """How triples are made of windows.

    Attributes:
        profile: how the frames are spoiled.
        count: triples to make; None: one a window. Windows of photographs are used again, seen anew each time.
        seed: triple i is a pure function of (window i, profile, seed, i).
        side: height and width of the views cut from photographs; None: each whole but for a margin.
        burst: short frames a triple; from 2 on, burst/NAME/00.png (the noisy frame), 01.png ... hold them, the last
            one taken at the end of the long exposure.
    """

    profile: str = "paper"
    count: int | None = None
    seed: int = 0
    side: int | None = None
    burst: int = 1


def write_triples(source: Path, output: Path, plan: Plan) -> int:
    """Write the triples of a folder of photographs or high-speed frames that are missing; returns how many there are.

    Args:
        source: a folder of photographs, or one of numbered frames (or of folders of them, as in GOPRO_Large_all).
        output: see `write_windows`.
        plan: what to make.

    Raises:
        TwinshotError: no images in `source`, or what `write_windows` says.
    """
    return write_windows(windows_in(source, plan.side), output, plan)


def write_windows(windows: Sequence[Window], output: Path, plan: Plan) -> int:
    """Write the triples of windows that are missing; returns how many there are then.

    Args:
        windows: what to expose.
        output: gets noisy/NAME.png, blurry/NAME.png, sharp/NAME.png and meta.jsonl. A triple is there once its line
            is, so a killed call leaves nothing half-made that is counted.
        plan: what to make.

    Raises:
        TwinshotError: `output` holds triples of other settings or pictures of another origin, another process writes
            there, or a burst was asked for that there cannot be.
    """
    check_plan(plan)
    total = count_of(windows, plan)
    wanted = [asked(windows, plan, index) for index in range(max(total, len(windows)))]

    def make(index: int) -> dict[str, Any]:
        triple, row = made(windows, plan, index)
        _write(output, row["name"], triple)
        return row

    with atomic.locked(output):
        return write_missing(output, wanted, total, make)


def check_plan(plan: Plan) -> None:
    """Raises TwinshotError for an unknown profile, or a burst that it cannot have."""
    if profile_named(plan.profile).timing != "before" and plan.burst > 1:
        raise TwinshotError(f"profile {plan.profile!r} has its sharp frame inside the exposure; ask for no burst")


def count_of(windows: Sequence[Window], plan: Plan) -> int:
    """How many triples there will be: photographs are seen again and again, a film's windows once."""
    wanted = len(windows) if plan.count is None else plan.count
    return wanted if isinstance(windows[0], StillWindow) else min(wanted, len(windows))


def asked(windows: Sequence[Window], plan: Plan, index: int) -> dict[str, Any]:
    """What a triple's line says before the triple is made: the settings, its name, and where it is from."""
    settings = {key: value for key, value in asdict(plan).items() if key != "count"}
    return {**settings, "name": f"{index:06d}.png", "source": windows[index % len(windows)].label}


def made(windows: Sequence[Window], plan: Plan, index: int) -> tuple[Sample, dict[str, Any]]:
    """A triple by its place, and its whole line: a pure function of the three."""
    window, profile, seed = windows[index % len(windows)], profile_named(plan.profile), [plan.seed, index]
    triple = sample(window, profile, seed, plan.burst - 1)
    blur = window.extent(profile.light, np.random.default_rng(seed), profile.timing)
    return triple, {**asked(windows, plan, index), "blur": blur, **triple.meta}


def write_missing(
    output: Path, wanted: Sequence[dict[str, Any]], total: int, make: Callable[[int], dict[str, Any]]
) -> int:
    """Make what is missing of a set; returns how many lines its meta.jsonl then has.

    Args:
        output: the set's folder, which the caller has locked.
        wanted: what each line has to say of how it was made; a longer set may be there already.
        total: lines to have, at most as many as are wanted.
        make: writes the pictures of a line by its place, and returns what the line says, all that is wanted included.

    Raises:
        TwinshotError: `output` holds triples of other settings, or pictures of another origin.
    """
    _check_output(output)
    done = _lines(output / "meta.jsonl", wanted)
    for kind in KINDS:
        (output / kind).mkdir(parents=True, exist_ok=True)
    # One thread, as pictures are small, and threads would wait for each other.
    with opencv_threads(1), (output / "meta.jsonl").open("a", encoding="utf-8") as file:
        for index in range(done, total):
            file.write(json.dumps(make(index)) + "\n")
            file.flush()
    return max(done, total)


def _check_output(output: Path) -> None:
    """A set that is begun has its meta.jsonl before any picture: pictures without it are somebody's own."""
    kinds = [output / kind for kind in (*KINDS, "burst")]
    full = [kind for kind in kinds if kind.is_dir() and any(kind.iterdir())]
    if full and not (output / "meta.jsonl").exists():
        raise TwinshotError(f"{full[0]}: holds files that twinshot synth did not make; choose an empty folder")


def windows_in(source: Path, side: int | None = None) -> list[Window]:
    """Disjoint windows of numbered frames, or one window a photograph. Raises TwinshotError where there is nothing.

    Photographs may be numbered, too: they are taken for frames only if they look like it.
    """
    if not source.is_dir():
        raise TwinshotError(f"{source}: no such folder; give a folder of photographs or of numbered frames")
    scenes = scenes_in(source)
    films = [scene for scene in scenes if is_film(scene)]
    if films and len(films) < len(scenes):
        other = next(scene for scene in scenes if scene not in films)[0].parent
        raise TwinshotError(
            f"{source}: mixes folders of numbered frames with other files ({other}); give one kind at a time"
        )
    if films:
        windows: list[Window] = [window for scene in scenes for window in windows_of(scene)]
        if not windows:
            raise TwinshotError(
                f"{source}: holds numbered frames of a film, but not the {WINDOW} in a row that one triple needs"
            )
        return windows
    photos = images_in(source)
    size = (side, side) if side else None
    return [StillWindow(photo, photos, size, MotionRange()) for photo in photos]


def _lines(path: Path, wanted: Sequence[dict[str, object]]) -> int:
    """How many triples are complete, each made as `wanted`; a line cut short by a kill is dropped."""
    if not path.exists():
        return 0
    rows = [row for row in path.read_text("utf-8").splitlines() if row.endswith("}")]
    for row, settings in zip(rows, wanted, strict=False):
        if not settings.items() <= _made_as(path, row).items():
            raise TwinshotError(
                f"{path}: was made with another source, profile, seed, side or burst; choose an empty folder"
            )
    atomic.write_bytes(path, "".join(f"{row}\n" for row in rows).encode())
    return len(rows)


def _made_as(path: Path, row: str) -> dict[str, Any]:
    try:
        return dict(json.loads(row))
    except (ValueError, TypeError) as error:
        raise TwinshotError(
            f"{path}: holds a line that twinshot synth did not write; choose an empty folder"
        ) from error


def _write(output: Path, name: str, triple: Sample) -> None:
    folder = output / "burst" / Path(name).stem
    if triple.burst:
        folder.mkdir(parents=True, exist_ok=True)
    for part, image in pictures_of(triple).items():
        kind, _, number = part.partition(".")
        io.write(folder / f"{number}.png" if number else output / kind / name, eight_bit(image), Metadata())


def pictures_of(triple: Sample) -> dict[str, Image]:
    """Each by what it is: burst.00, where there is one, then noisy, blurry and sharp.

    The sharp frame is last: a set's readers go by its name, and find all others then.
    """
    frames = (triple.noisy, *triple.burst) if triple.burst else ()
    burst = {f"burst.{index:02d}": frame for index, frame in enumerate(frames)}
    return burst | {kind: getattr(triple, kind) for kind in KINDS}
