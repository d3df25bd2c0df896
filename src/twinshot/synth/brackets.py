"""Triples from real short and long exposures of one scene: all is real but the blur.

The noisy frame is the short file as it is. The truth is the long frame, registered to the short one; the blurry frame
is the truth as a moving camera would have exposed it. So whatever a camera does to a file (its tone curve, colours,
noise reduction, compression) is between the frames, which no simulated pair has in full.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import hypot
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..files import atomic, io
from ..match.align import Alignment
from ..match.prepare import prepare
from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.errors import InputError
from ..picture.levels import eight_bit
from ..picture.pair import Frame, Metadata, Pair
from ..picture.settings import Settings
from . import motion
from .frames import images_in
from .triples import write_missing

MOTION = motion.MotionRange(registered=0.5, leftover=0.25, movers=0.0)
"""A fifth of the blurs is under 1.5 px; half of them keep the camera's whole move between the frames."""

_TILE = 192  # px: large enough for texture, small enough to see a residual that a whole frame averages out
_BAND = (1.5, 12.0)  # px: sigmas between which noise is weak and slow changes of light do not correlate
_TELLING = 0.3  # correlation of a tile that says where it lies
_LARGEST_RESIDUAL = 0.4  # px, median of the telling tiles
_LEAST_CORRELATION = 0.35  # of the whole frames
_SUPPORT = 2  # px around a pixel that cubic sampling reads


@dataclass(frozen=True)
class RealPair:
    """The files of a short and of a long exposure of one scene."""

    short: Path
    long: Path

    @property
    def label(self) -> str:
        """The short file's folder and name."""
        return f"{self.short.parent.name}/{self.short.name}"


@dataclass(frozen=True)
class BracketPlan:
    """How triples are made of real pairs.

    Attributes:
        seed: triple k of pair i is a pure function of (pair, seed, i, k).
        blurs: triples a pair, each of another motion.
        count: pairs to take, evenly spread; None: all.
        side: height and width of the middle that is used; None: all that both frames show.
    """

    seed: int = 0
    blurs: int = 2
    count: int | None = None
    side: int | None = None


@dataclass(frozen=True)
class Agreement:
    """How well two frames of one light lie on each other.

    Attributes:
        residual: px, the median over tiles that tell; infinite where none does.
        correlation: of the whole frames' detail, in [-1, 1].
        tiles: how many tell.
    """

    residual: float
    correlation: float
    tiles: int

    @property
    def doubt(self) -> str:
        """Why the pair cannot be used; empty where it can."""
        if self.correlation < _LEAST_CORRELATION:
            return f"the frames correlate by {self.correlation:.2f}, less than {_LEAST_CORRELATION}"
        if not self.tiles:
            return "no part of the frames has enough texture to tell whether they lie on each other"
        if self.residual > _LARGEST_RESIDUAL:
            return f"the registered frames are {self.residual:.2f} px apart, more than {_LARGEST_RESIDUAL}"
        return ""


@dataclass(frozen=True, eq=False)
class Registered:
    """A real pair, ready to be used or left out.

    Attributes:
        short, long: the files.
        truth: the long frame at the short one's pixels, float32 (H, W, 3) in [0, 1].
        shift: px, by which the long frame was moved, mean of the corners.
        border: px at every edge of which `truth` may not know what is there.
        agreement: of the two now.
    """

    short: Frame
    long: Frame
    truth: Image
    shift: float
    border: int
    agreement: Agreement


def pairs_in(source: Path) -> list[RealPair]:
    """The real pairs of a folder.

    Args:
        source: has pairs.csv with columns `folder`, `short` and `long`, or the folders low/ and high/ whose files have
            the same names.

    Raises:
        InputError: neither is there, the table lacks a column, or a file of a pair is missing.
    """
    table, low = source / "pairs.csv", source / "low"
    if table.is_file():
        found = _listed(table)
    elif low.is_dir():
        found = [RealPair(path, source / "high" / path.name) for path in images_in(low)]
    else:
        raise InputError(f"{source}: holds no real pairs; it needs a pairs.csv, or the folders low/ and high/")
    if missing := [path for pair in found for path in (pair.short, pair.long) if not path.is_file()]:
        raise InputError(f"{missing[0]}: missing, but the other frame of its pair is listed; a pair needs both")
    return found


def write_brackets(source: Path, output: Path, plan: BracketPlan) -> int:
    """Write the triples of real pairs that are missing; returns how many lines meta.jsonl then has.

    A pair that cannot be registered well enough is left out: its lines say why, under `left_out`, and have no files.
    The pictures are for measuring alone, which every line says (`shown`).

    Args:
        source: see `pairs_in`.
        output: gets noisy/, blurry/, sharp/ and meta.jsonl, as `triples.write_windows` has them. EXIF and profile are
            kept: the noisy picture has the short file's, the blurry one the long file's.
        plan: what to make.

    Raises:
        TwinshotError: what `pairs_in` says, a frame cannot be read, two do not go together, `output` holds triples
            of other settings or pictures of another origin, or another process writes there.
    """
    pairs = spread(pairs_in(source), plan.count)
    settings = {key: value for key, value in asdict(plan).items() if key != "count"} | {"shown": False}
    wanted = [{**settings, "source": pair.label} for pair in pairs for _ in range(plan.blurs)]
    once = lru_cache(maxsize=1)(registered)  # the triples of a pair follow on one another

    def make(index: int) -> dict[str, Any]:
        place, number = divmod(index, plan.blurs)
        rng = np.random.default_rng([plan.seed, place, number])
        return {**wanted[index], **_triple(once(pairs[place]), rng, plan.side, output, f"{index:06d}.png")}

    with atomic.locked(output):
        return write_missing(output, wanted, len(wanted), make)


def registered(pair: RealPair) -> Registered:
    """Read a pair and lay the long frame on the short one, as `restore` does it but for small shifts.

    Those are fitted to what a restoration is judged by; a truth that they went into would be on their side.
    """
    short, long = io.read(pair.short), io.read(pair.long)
    ready = replace(prepare(Pair(short, long), Settings(keep_order=True)), shifts=None)
    agreement, truth = agreement_of(ready.short, ready.long), ready.long
    return Registered(
        short, long, truth, hypot(*ready.alignment.shift), _border(ready.alignment, short.size), agreement
    )


def agreement_of(short: Image, long: Image) -> Agreement:
    """How well two frames of one light and size, (H, W, 3), lie on each other."""
    first, second = _detail(short), _detail(long)
    height, width = (min(_TILE, side) for side in first.shape)
    hann = cv2.createHanningWindow((width, height), cv2.CV_32F)
    residuals = []
    for top in range(0, first.shape[0] - height + 1, height):
        for left in range(0, first.shape[1] - width + 1, width):
            tile = np.s_[top : top + height, left : left + width]
            if _correlation(first[tile], second[tile]) > _TELLING:
                shift, _ = cv2.phaseCorrelate(first[tile], second[tile], hann)
                residuals.append(hypot(*shift))
    median = float(np.median(residuals)) if residuals else float("inf")
    return Agreement(median, _correlation(first, second), len(residuals))


def moved(truth: Image, rng: np.random.Generator) -> tuple[Image, float]:
    """The truth as a moving camera exposes it, in linear light and mirrored at its edges, and the extent in px."""
    size = (truth.shape[0], truth.shape[1])
    scene, short_at, left = motion.random_scene(rng, MOTION, to_linear(truth), 0, size, ())
    _, blurry = motion.expose(scene, short_at, motion.shutter(scene, short_at, left, rng))
    return to_srgb(blurry).clip(0, 1), motion.blur_extent(scene.camera, size)


def _listed(table: Path) -> list[RealPair]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        folders = [table.parent / row["folder"] for row in rows]
        return [
            RealPair(folder / row["short"], folder / row["long"]) for folder, row in zip(folders, rows, strict=True)
        ]
    except (KeyError, TypeError) as error:
        raise InputError(f"{table}: a row has no {error}; give the columns folder, short and long") from error


def spread(pairs: Sequence[RealPair], count: int | None) -> Sequence[RealPair]:
    """So many of them, from the first to the last; a folder's pairs, which are alike, are neighbours."""
    if count is None or count >= len(pairs):
        return pairs
    return [pairs[place] for place in np.linspace(0, len(pairs) - 1, count).astype(int)]


def _triple(pair: Registered, rng: np.random.Generator, side: int | None, output: Path, name: str) -> dict[str, Any]:
    """Write one triple, the sharp picture last as a set's readers go by its name; returns what its line says of it."""
    known: dict[str, Any] = {
        "name": name,
        "shift": round(pair.shift, 2),
        "correlation": round(pair.agreement.correlation, 3),
    }
    if doubt := pair.agreement.doubt:
        return {**known, "left_out": doubt}
    view = view_of(pair, side)
    truth = pair.truth[view]
    blurry, extent = moved(truth, rng)
    io.write(output / "noisy" / name, np.ascontiguousarray(pair.short.pixels[view]), pair.short.metadata)
    io.write(output / "blurry" / name, eight_bit(blurry), pair.long.metadata)
    io.write(output / "sharp" / name, eight_bit(truth), Metadata())
    return {**known, "residual": round(pair.agreement.residual, 3), "blur": extent}


def view_of(pair: Registered, side: int | None) -> tuple[slice, slice]:
    """What both frames show or, of that, the middle."""
    heights, widths = (_middle(full, pair.border, side) for full in pair.short.size)
    return heights, widths


def _middle(full: int, border: int, side: int | None) -> slice:
    length = min(full - 2 * border, side or full)
    start = (full - length) // 2
    return slice(start, start + length)


def _border(found: Alignment, size: tuple[int, int]) -> int:
    """The narrowest border, px, within which the long frame has all that is read of it; 0 for one that stayed."""
    if not found.applied:
        return 0
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    there = cv2.warpPerspective(np.ones(size, np.uint8), found.matrix, size[::-1], flags=flags)
    ends = (min(size) - 1) // 2
    covered = (border for border in range(ends) if there[border : size[0] - border, border : size[1] - border].all())
    return min(next(covered, ends) + _SUPPORT, ends)


def _detail(image: Image) -> Image:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in _BAND)
    return np.asarray(fine - coarse, np.float32)


def _correlation(first: Image, second: Image) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / max(np.sqrt(float((a * a).sum()) * float((b * b).sum())), 1e-12))
