"""Photographs sorted into groups that show one scene: the short frames, and the long one where there is one.

Pure: what is known of the files goes in, groups come out. Size and camera have to agree, then content; clocks, exposure
times and names tell repetitions of one scene apart. What is left alone by then may be one frame of a pair whose other
one was cropped, scaled or turned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from .files.glance import GRID, Shot
from .match import framing

Values = NDArray[np.float64]

_SHIFT = 2  # cells of a look: as far as a hand moves between two frames
_LEAST_CORRELATION = 0.55  # of looks; other scenes seldom come to 0.5, the same one seldom stays below 0.6
_NEARLY_BEST = 0.25  # below the best partner's: what is only alike by chance is not taken beside a true partner
_SAME = 1.25  # ratio of exposures up to which they are one
OTHER = 1.5
"""Ratio of exposures from which on they are two."""
LONGEST_PAUSE = 120.0
"""Seconds between frames of one group, beside their exposures."""
_SURELY_OTHER = 3.0  # ratio of brightness that is no edit's, where no exposure time tells
_LEAST_OF_TWO_FRAMINGS = 0.65  # correlation; there are more ways to be alike by chance
_BEST_RATIO = 10.0  # of exposures in a pair: a short one of 1/4 to 1/30 is asked for
MOST = 16
"""Short frames a group takes: further ones bring next to nothing."""


@dataclass(frozen=True)
class Scene:
    """Frames of one scene.

    Attributes:
        short: the short frames, first the one that names the result; they are alike in exposure.
        long: the long frame, or None for a burst alone.
        left: frames of the scene that are not used, as a bracket's middle ones are not.
        unsure: whether nothing but pixels can tell which of a pair's frames is the short one.
    """

    short: tuple[Shot, ...]
    long: Shot | None
    left: tuple[Shot, ...] = ()
    unsure: bool = False


def scenes(shots: Sequence[Shot]) -> tuple[list[Scene], list[Shot]]:
    """Groups in the order of their first frames, and the photographs that have no partner.

    A result shows the same scene as its frames, and would be taken for one of them: it has no partner.
    """
    ordered = sorted((shot for shot in shots if not shot.result), key=_place)
    result, alone = _grouped(_of_one_scene(ordered, of_one_exposure=True))
    taken_again, alone = _grouped(_of_one_scene(sorted(alone, key=_place), of_one_exposure=False))
    result += taken_again
    further, alone = _of_two_framings(sorted(alone, key=_place), ordered)
    alone = sorted([*alone, *(shot for shot in shots if shot.result)], key=_place)
    return sorted(result + further, key=lambda scene: _place(scene.short[0])), alone


def _grouped(parts: list[list[Shot]]) -> tuple[list[Scene], list[Shot]]:
    """The scenes among parts that show one, and the photographs of all others."""
    found: list[Scene] = []
    alone: list[Shot] = []
    for together in parts:
        for part in _repetitions(together):
            scene = _roles(part)
            if scene:
                found.append(scene)
            else:
                alone += part
    return found, alone


def _place(shot: Shot) -> tuple[float, list[tuple[int, str]]]:
    """What sorts photographs: the clock, or else the name, whose numbers count as numbers."""
    words = re.split(r"(\d+)", str(shot.path))
    return shot.taken or 0.0, [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _of_one_scene(shots: list[Shot], of_one_exposure: bool) -> list[list[Shot]]:
    """Connected by likeness of content, size, camera and time; each part in the order that was given.

    A dark frame is far more like itself taken again than like its long one; `of_one_exposure` says whether frames
    of one exposure are connected, too.
    """
    linked = _likeness([shot.look for shot in shots])
    np.fill_diagonal(linked, -1.0)
    for one, other in np.argwhere(linked >= _LEAST_CORRELATION):
        if not _may_be_of_one_scene(shots[one], shots[other], of_one_exposure):
            linked[one, other] = -1.0
    best = linked.max(1, initial=-1.0)
    edges = (linked >= _LEAST_CORRELATION) & (linked >= np.minimum.outer(best, best) - _NEARLY_BEST)
    parts, waiting = [], set(range(len(shots)))
    while waiting:
        part, new = set[int](), {min(waiting)}
        while new:
            part |= new
            new = {int(other) for one in new for other in np.flatnonzero(edges[one])} - part
        parts.append([shots[index] for index in sorted(part)])
        waiting -= part
    return parts


def _may_be_of_one_scene(one: Shot, other: Shot, of_one_exposure: bool) -> bool:
    values = exposures((one, other))
    fitting = of_one_exposure or bool(values.max() >= OTHER * values.min())
    return fitting and one.size == other.size and one.camera == other.camera and not _apart(one, other)


def _apart(one: Shot, other: Shot) -> bool:
    """Whether the clock says that too much time lies between two frames."""
    if one.taken is None or other.taken is None:
        return False
    return abs(one.taken - other.taken) > LONGEST_PAUSE + (one.seconds or 0.0) + (other.seconds or 0.0)


def _likeness(looks: list[NDArray[np.float32]]) -> Values:
    """Correlation of every two looks, (n, n), at the shift under which they agree best."""
    if not looks:
        return np.empty((0, 0))
    stack, side = np.stack(looks), GRID - 2 * _SHIFT
    middle = _unit(stack[:, _SHIFT : _SHIFT + side, _SHIFT : _SHIFT + side])
    best = np.full((len(looks),) * 2, -1.0)
    for top in range(2 * _SHIFT + 1):
        for left in range(2 * _SHIFT + 1):
            best = np.maximum(best, middle @ _unit(stack[:, top : top + side, left : left + side]).T)
    return np.asarray(np.maximum(best, best.T), np.float64)


def _unit(looks: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = looks.reshape(len(looks), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _of_two_framings(alone: list[Shot], ordered: list[Shot]) -> tuple[list[Scene], list[Shot]]:
    """Pairs of unlike sizes among photographs without a partner, the likest first, and what is alone even then."""
    place = {shot.path: index for index, shot in enumerate(ordered)}
    alike = [
        (_likeness_of_framings(one, other), one, other)
        for one, other in combinations(alone, 2)
        if one.size != other.size and _may_be_framings(one, other, abs(place[one.path] - place[other.path]) == 1)
    ]
    pairs: list[Scene] = []
    for likeness, *two in sorted(alike, key=lambda entry: -entry[0]):
        scene = _roles(two) if likeness >= _LEAST_OF_TWO_FRAMINGS and all(shot in alone for shot in two) else None
        if scene:
            pairs.append(scene)
            alone = [shot for shot in alone if shot not in two]
    return pairs, alone


def _may_be_framings(one: Shot, other: Shot, neighbours: bool) -> bool:
    """Whether clock or name, and exposure, say that two files are a pair, and not one photograph in two sizes.

    An editor may have left out EXIF.
    """
    timed = bool(one.taken and other.taken)
    values = exposures((one, other))
    ratio = OTHER if one.seconds and other.seconds else _SURELY_OTHER
    same_camera = one.camera == other.camera or not (one.camera and other.camera)
    near = not _apart(one, other) if timed else neighbours
    return same_camera and near and bool(values.max() >= ratio * values.min())


def _likeness_of_framings(short: Shot, long: Shot) -> float:
    """Correlation of what two frames both show, under the way to lay one on the other under which it is largest."""
    return max((_likeness_under(way, short, long) for way in framing.ways(short.size, long.size)), default=-1.0)


def _likeness_under(way: framing.Way, short: Shot, long: Shot) -> float:
    size = long.size if way.turns % 2 == 0 else long.size[::-1]
    covered = np.multiply(size, way.scale) / short.size
    parts = [_middle(short.look, covered), _middle(np.rot90(long.look, way.turns), 1 / covered)]
    return float(_likeness(parts)[0, 1])


def _middle(look: NDArray[np.float32], shares: Values) -> NDArray[np.float32]:
    """The middle of a look as a look of its own, by shares of height and width, at most all of it."""
    down, across = np.minimum(shares, 1)
    center = (GRID - 1) / 2
    places = np.array([[across, 0, center * (1 - across)], [0, down, center * (1 - down)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(look.copy(), places, (GRID, GRID), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def exposures(shots: Sequence[Shot]) -> Values:
    """EXIF's times where all frames have them, or else how bright the files are."""
    times = [shot.seconds for shot in shots]
    return np.array([time or 0.0 for time in times] if all(times) else [max(shot.light, 1e-4) for shot in shots])


def _repetitions(shots: list[Shot]) -> list[list[Shot]]:
    """One scene's frames, each long one with what was taken nearest to it: S L S L are two pairs."""
    values = exposures(shots)
    longs = np.flatnonzero(values > values.max() / _SAME)
    if values.max() < OTHER * values.min() or len(longs) == 1:
        return [shots]
    times = [shot.taken for shot in shots]
    clock = np.array([time or 0.0 for time in times] if all(times) else range(len(shots)), np.float64)
    after = bool(longs[0] == 0)  # long ones first: what follows goes with them
    parts: list[list[Shot]] = [[] for _ in longs]
    for index, shot in enumerate(shots):
        away = np.abs(clock[longs] - clock[index])
        nearest = np.flatnonzero(away == away.min())
        parts[nearest[0 if after else -1]].append(shot)
    return parts


def short_of(values: Values, long: int) -> list[int]:
    """Which frames are the short ones beside the long one, by exposures: the best of a bracket, and those alike."""
    others = [index for index in range(len(values)) if values[index] * OTHER <= values[long]]
    chosen = min(others, key=lambda index: abs(np.log(values[long] / values[index] / _BEST_RATIO)))
    return [index for index in others if 1 / _SAME <= values[index] / values[chosen] <= _SAME]


def _roles(shots: list[Shot]) -> Scene | None:
    """Which frame is the long one, and which are the short ones; None for what is no group.

    Two frames of one exposure time are more likely a photograph taken twice than a burst.
    """
    if len(shots) < 2:
        return None
    values = exposures(shots)
    if values.max() < OTHER * values.min():
        if len(shots) == 2:
            timed = all(shot.seconds for shot in shots)
            return None if timed else Scene((shots[0],), shots[1], unsure=True)
        return Scene(tuple(shots[:MOST]), None, tuple(shots[MOST:]))
    long = int(values.argmax())
    short = short_of(values, long)[:MOST]
    left = tuple(shot for index, shot in enumerate(shots) if index not in (*short, long))
    return Scene(tuple(shots[index] for index in short), shots[long], left)
