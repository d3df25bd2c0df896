"""The way of a picture, in one screen: two frames in, one sharp clean picture out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from . import burst
from .engines import tile
from .engines.knobs import with_grain
from .engines.lean import leaning
from .engines.loading import Model, load_model
from .files import atomic, io
from .files.pairs import Source, carried, carried_alone, in_one_profile, paths_of, read_pair, what_remains
from .match import coarse, tone
from .match.borders import Area
from .match.consistency import share_of_long
from .match.grain import flat_noise
from .match.prepare import Prepared, prepare
from .match.swap import Ordered
from .picture.encoding import Image
from .picture.errors import InputError, MismatchError, ModelError
from .picture.levels import eight_bit
from .picture.pair import Frame, Pair, as_float
from .picture.settings import AS_FOUND, Settings, check_settings
from .picture.window import window
from .report import Taken, report_on
from .restored import Restored

_log = logging.getLogger("twinshot")

Stage = Literal["read", "match", "restore"]
DOING: dict[Stage, str] = {"read": "reading", "match": "matching", "restore": "restoring"}
"""A stage in words, for whoever watches."""
Progress = Callable[[Stage, int, int], None]
"""(stage, done, total): when a stage begins, with nothing done, and then after each of its parts."""

LARGEST_TILE = 1280
OVERLAP = 160
_MIRRORED = 16  # px beyond the long frame's edge where its mirror image will do
_FADE = 32  # px over which it then gives way to the short frame alone
_STRIP = 256  # rows of a picture that are made at once where there are no tiles
_NONE = np.zeros((), np.float32)  # of the long frame, at every pixel
MARGIN = 64  # of a tile's edge, px, that lacks context and is not used


@dataclass
class Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Everything since the last lap was `stage`."""
        now = time.perf_counter()
        self.seconds[stage], self.last = round(now - self.last, 4), now


def restore(
    noisy: Source | Sequence[Source] | Pair,
    blurry: Source | None = None,
    *,
    model: str | Model = "twin",
    engine: str | None = None,
    progress: Progress | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """Fuse a short noisy and a long blurry photograph of one scene into one sharp, clean picture.

    Args:
        noisy, blurry: file paths, or arrays (H, W, 3), RGB, sRGB-encoded: uint8, uint16 or float in [0, 1]; one
            size, both sides at least 16 px. Given in the other order, they are changed over, and the report says so.
            Or one `Pair`, whose frames can say their exposure, profile and bits.
        model: name of a model, which is loaded once and kept, or a loaded one.
        engine: what runs a model that is given by name, as `load_model` takes it; a loaded one has its own.
        progress: called with (stage, done, total), on the caller's thread: as each of the stages "read", "match" and
            "restore" begins, with 0 done, and in the last one after each tile. To cancel, let it raise: that ends the
            work before the next stage or tile, and comes through as it is.
        settings: what is overruled of what twinshot would decide.

    Raises:
        InputError: a frame or the settings cannot be used.
        MismatchError: the two do not go together.
        ModelError: there is no such model or engine, or it could not be run.
    """
    check_settings(settings)
    clock = Clock()
    network = _network(model, engine)
    if progress:
        progress("read", 0, 1)
    frames = in_one_profile(noisy) if isinstance(noisy, Pair) else read_frames(noisy, blurry, settings)
    clock.lap("read")
    sources = () if isinstance(noisy, Pair) else paths_of(*_all(noisy, blurry))
    files = tuple(path.absolute() for path in sources)
    return replace(restore_frames(frames, network, progress, clock, settings), sources=files)


def restore_frames(
    frames: Pair | Ordered | Prepared | Frame,
    network: Model,
    progress: Progress | None = None,
    clock: Clock | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """The same for frames that were read: a pair, ordered or matched already or not, or a burst's short frame alone."""
    if not isinstance(frames, Frame):
        return restore_pair(frames, network, progress, clock, settings)
    alone = restore_alone(frames, network, progress, clock, settings)
    return replace(alone, trust=np.zeros(frames.size, np.uint8)) if settings.trust_map else alone


def read_frames(
    noisy: Source | Sequence[Source], blurry: Source | None = None, settings: Settings = AS_FOUND
) -> Pair | Frame:
    """The frames, read and checked, those of a list merged.

    Raises:
        InputError: one cannot be read or used, or there is but one.
        MismatchError: they do not go together, or one file was given twice.
    """
    if not isinstance(noisy, (list, tuple)):
        if blurry is None:
            raise InputError("the blurry frame is missing: give two frames, or one Pair")
        return read_pair(cast(Source, noisy), blurry, settings.accept_damaged)
    _check_different(paths_of(*_all(noisy, blurry)))
    long = None if blurry is None else io.read(blurry, "the long array", settings.accept_damaged)
    sensor = long.metadata.sensor if long else None
    short = [
        io.read(source, f"array {index} of the list", settings.accept_damaged, sensor)
        for index, source in enumerate(noisy, 1)
    ]
    merged = burst.merge(short)
    return in_one_profile(Pair(merged, long)) if long else what_remains(merged)


def _check_different(files: Sequence[Path]) -> None:
    for index, file in enumerate(files):
        if any(atomic.same_file(file, other) for other in files[:index]):
            raise MismatchError(f"{file} was given twice; give each frame once")


def _all(noisy: Source | Sequence[Source], blurry: Source | None) -> tuple[Source, ...]:
    """Every source in order: a list is of several short frames."""
    short: tuple[Source, ...] = tuple(noisy) if isinstance(noisy, (list, tuple)) else (cast(Source, noisy),)
    return short if blurry is None else (*short, blurry)


def _network(model: str | Model, engine: str | None) -> Model:
    if not isinstance(model, Model):
        return load_model(model, engine)
    if engine not in (None, model.engine):
        raise ModelError(
            f"{model.name} was loaded with engine {model.engine!r}, not {engine!r}; load it again with that engine"
        )
    return model


def restore_pair(
    pair: Pair | Ordered | Prepared,
    network: Model,
    progress: Progress | None = None,
    clock: Clock | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """The same for frames that were read: match, network. Stages add to `clock`.

    Frames that do not go together are left to the network's fallback, which sees the noisy one alone.
    """
    clock = clock or Clock()
    ready = pair if isinstance(pair, Prepared) else _match(pair, progress, clock, settings)
    network = network.best if settings.best else network
    network = network if ready.same_scene else network.fallback
    pixels, trust, taken = _run(ready, network, progress, settings)
    clock.lap("restore")
    for caution in ready.cautions:
        _log.warning(caution.text)
    report = report_on(ready.pair.noisy, network, clock.seconds, ready, taken)
    short, long = (
        Path(frame.name).name for frame in (ready.pair.noisy, ready.pair.blurry)
    )  # no folders: they are private
    history = f"{short} with {long}, model {network.name}"
    return Restored(pixels, report, carried(ready.pair, history), ready.cautions, trust=trust)


def _match(pair: Pair | Ordered, progress: Progress | None, clock: Clock, settings: Settings) -> Prepared:
    if progress:
        progress("match", 0, 1)
    ready = prepare(pair, settings)
    clock.lap("match")
    return ready


def restore_alone(
    frame: Frame,
    network: Model,
    progress: Progress | None = None,
    clock: Clock | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """A short frame without a long one, by the network's fallback: as bright as it is."""
    clock, network = clock or Clock(), (network.best if settings.best else network).fallback

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        short = as_float(window(frame.pixels, top, left, size))
        return short, short

    pixels = over_tiles(network, frame.size, parts, progress, _with_grain(settings))
    clock.lap("restore")
    report = report_on(frame, network, clock.seconds)
    return Restored(pixels, report, carried_alone(frame, f"{Path(frame.name).name}, model {network.name}"))


def _run(
    ready: Prepared, model: Model, progress: Progress | None, settings: Settings
) -> tuple[NDArray[np.uint16], NDArray[np.uint8] | None, Taken]:
    """The picture in the light that is asked for, its trust map if that is, and what of it is the long frame's."""
    if model.card.checked and ready.same_scene and ready.tone.lost:
        if progress:
            progress("restore", 0, 1)
        pixels, taken = _in_strips(ready.pair.noisy.size, ready.long_part), Taken(1.0)
        trust = np.full(ready.pair.noisy.size, 255, np.uint8) if settings.trust_map else None
    else:
        pixels, trust, taken = _by_network(ready, model, progress, settings)
    if ready.same_scene:
        _fill(ready, model.fallback, pixels, trust, settings)
    if settings.light == "short":
        pixels = _in_strips(ready.pair.noisy.size, lambda *place: _as_short(ready, pixels, *place))
    return pixels, trust, taken


def _fill(
    ready: Prepared, model: Model, pixels: NDArray[np.uint16], trust: NDArray[np.uint8] | None, settings: Settings
) -> None:
    """Put what `model` makes of the short frame alone where the long one shows nothing, but close to its edge."""
    for strip in _strips(ready.shown.inner, ready.pair.noisy.size):
        share = np.clip((ready.shown.distance(strip) - _MIRRORED) / _FADE, 0, 1)
        if not share.any():
            continue
        alone = over_tiles(model, strip.size, _alone(ready, strip), after=_with_grain(settings))
        fused = strip.of(pixels)
        fused[...] = fused + share[..., None] * (alone.astype(np.float32) - fused) + np.float32(0.5)
        if trust is not None:
            leaning = strip.of(trust)
            leaning[...] = leaning * (1 - share) + np.float32(0.5)


def _alone(ready: Prepared, area: Area) -> Parts:
    """The short frame in the place of both, in an area of the picture."""

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        short = ready.short_part(area.top + top, area.left + left, size)
        return short, short

    return parts


def _strips(inner: Area, size: tuple[int, int]) -> list[Area]:
    """Along the edges, those that need it, with some of the picture beside them."""
    (height, width), (top, left, bottom, right) = size, inner
    found = {
        Area(0, 0, min(top + MARGIN, height), width): top,
        Area(0, 0, height, min(left + MARGIN, width)): left,
        Area(max(bottom - MARGIN, 0), 0, height, width): height - bottom,
        Area(0, max(right - MARGIN, 0), height, width): width - right,
    }
    return [strip for strip, depth in found.items() if depth > _MIRRORED]


def _as_short(ready: Prepared, pixels: NDArray[np.uint16], top: int, left: int, size: tuple[int, int]) -> Image:
    """A part of the result as bright as the short frame."""
    part, short = (window(each, top, left, size) for each in (pixels, ready.pair.noisy.pixels))
    return tone.undone(as_float(part), ready.tone, short)


def _by_network(
    ready: Prepared, model: Model, progress: Progress | None, settings: Settings
) -> tuple[NDArray[np.uint16], NDArray[np.uint8] | None, Taken]:
    """The network over the pair, a tile at a time; a trust map that is asked for is a fourth channel on the way."""
    asked, checked = settings.trust_map, model.card.checked and ready.same_scene
    noise, shares = flat_noise(ready.pair.blurry.pixels) if checked else 0.0, list[float]()
    doubt = ready.tone.doubt if checked else 0.0
    gathered = coarse.Gathered(ready.pair.noisy.size) if doubt else None

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        short = ready.short_part(top, left, size)
        return short, ready.long_part(top, left, size)

    def after(place: Area, short: Image, long: Image, restored: Image) -> Image:
        result, share = restored, _NONE
        if checked:
            seen = ready.shown.distance(place) < 1
            share = share_of_long(short, long, restored, noise, doubt) * seen
            result = restored + share[..., None] * (long - restored)
            if gathered:
                gathered.add(place.top, place.left, short, np.where(seen[..., None], long, result), result)
        shares.append(float(share.mean()))
        result = with_grain(short, result, settings)  # grain that the check saw would count as harm, here and there
        if not asked:
            return result
        lean = leaning(model.run, _tensor(short), _tensor(long), restored)
        return np.asarray(np.dstack([result, share + (1 - share) * lean]), np.float32)

    pixels = over_tiles(model, ready.pair.noisy.size, parts, progress, after, 4 if asked else 3)
    trust = eight_bit(pixels[..., 3]) if asked else None
    picture, lit = np.ascontiguousarray(pixels[..., :3]), 0.0
    if gathered:
        light, lit = gathered.light(doubt)
        coarse.added(picture, with_grain(np.zeros_like(light), light, settings))
    return picture, trust, Taken(float(np.mean(shares)), lit)


def _in_strips(size: tuple[int, int], part: Callable[[int, int, tuple[int, int]], Image]) -> NDArray[np.uint16]:
    """A picture made a strip at a time, for the sake of memory."""
    pixels = np.empty((*size, 3), np.uint16)
    for top in range(0, size[0], _STRIP):
        rows = min(_STRIP, size[0] - top)
        pixels[top : top + rows] = part(top, 0, (rows, size[1])) * np.float32(65535) + np.float32(0.5)
    return pixels


Parts = Callable[[int, int, tuple[int, int]], tuple[Image, Image]]
"""(top, left, size) -> what a network sees there of the noisy and of the blurry frame."""
After = Callable[[Area, Image, Image, Image], Image]
"""(place, short, long, restored) tile -> what is kept of it, and further channels beside it."""


def _with_grain(settings: Settings) -> After:
    return lambda place, short, long, restored: with_grain(short, restored, settings)


def over_tiles(
    model: Model,
    size: tuple[int, int],
    parts: Parts,
    progress: Progress | None = None,
    after: After = lambda place, short, long, restored: restored,
    channels: int = 3,
) -> NDArray[np.uint16]:
    """The network over a picture of any size, band by band; memory stays bounded where `parts` keeps it so.

    Args:
        model: the network.
        size: height and width of the picture.
        parts: called for each tile; tiles may reach over the picture's edge.
        progress: called before the first tile and after each.
        after: what is done to each tile that the network made.
        channels: how many `after` gives.
    """
    height, width = size
    rows, columns = (tile.plan(side, LARGEST_TILE, OVERLAP, model.multiple) for side in size)
    count, done = len(rows.starts) * len(columns.starts), 0
    if progress:
        progress("restore", 0, count)

    def one(top: int, left: int, size: tuple[int, int]) -> Image:
        nonlocal done
        short, long = parts(top, left, size)
        out = model.run(_tensor(short), _tensor(long))[0]
        done += 1
        if progress:
            progress("restore", done, count)
        place = Area(top, left, top + size[0], left + size[1])
        return after(place, short, long, np.asarray(cv2.merge(list(out)), np.float32))

    pixels = np.empty((height, width, channels), np.uint16)
    for top, band in tile.bands(rows, columns, one, MARGIN, channels):
        np.clip(band, 0, 1, out=band)
        band *= 65535
        band += 0.5
        pixels[top : top + len(band)] = band
    return pixels


def _tensor(image: Image) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
