"""Pictures of any size in bounded memory: a network over tiles, and what is done to each tile that it made."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .engines import tile
from .engines.knobs import with_grain
from .engines.lean import leaning
from .engines.loading import Model
from .match import coarse, tone
from .match.borders import Area
from .match.consistency import share_of_long
from .match.grain import flat_noise
from .match.prepare import Prepared
from .picture.encoding import Image
from .picture.levels import eight_bit
from .picture.pair import Frame, as_float
from .picture.settings import Settings
from .picture.window import window
from .progress import Progress
from .report import Taken

LARGEST_TILE = 1280  # px a side
OVERLAP = 160  # px that neighbours share, at least
MARGIN = 64  # of a tile's edge, px, that lacks context and is not used
_MIRRORED = 16  # px beyond the long frame's edge where its mirror image will do
_FADE = 32  # px over which it then gives way to the short frame alone
_STRIP = 256  # rows of a picture that are made at once where there are no tiles
_NOTHING = np.zeros((), np.float32)  # share of the long frame where nothing checks the network

Parts = Callable[[int, int, tuple[int, int]], tuple[Image, Image]]
"""(top, left, size) -> what a network sees there of the noisy and of the blurry frame."""
After = Callable[[Area, Image, Image, Image], Image]
"""(place, short, long, restored) tile -> what is kept of it, and further channels beside it."""


def fuse(
    ready: Prepared, model: Model, progress: Progress | None, settings: Settings
) -> tuple[NDArray[np.uint16], NDArray[np.uint8] | None, Taken]:
    """What `model` makes of a matched pair.

    Returns:
        The picture, uint16 (H, W, 3), in the light that is asked for; its trust map, uint8 (H, W), if that is, too;
        and what of the picture is the long frame's.
    """
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


def denoise(frame: Frame, model: Model, progress: Progress | None, settings: Settings) -> NDArray[np.uint16]:
    """What `model` makes of a short frame alone: uint16 (H, W, 3)."""

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        short = as_float(window(frame.pixels, top, left, size))
        return short, short

    return over_tiles(model, frame.size, parts, progress, _with_grain(settings))


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


def _fill(
    ready: Prepared, model: Model, pixels: NDArray[np.uint16], trust: NDArray[np.uint8] | None, settings: Settings
) -> None:
    """Put what `model` makes of the short frame alone where the long one shows nothing, but close to its edge."""
    for strip in _edges(ready.shown.inner, ready.pair.noisy.size):
        share = np.clip((ready.shown.distance(strip) - _MIRRORED) / _FADE, 0, 1)
        if not share.any():
            continue
        alone = over_tiles(model, strip.size, _alone(ready, strip), after=_with_grain(settings))
        fused = strip.of(pixels)
        fused[...] = fused + share[..., None] * (alone.astype(np.float32) - fused) + np.float32(0.5)
        if trust is not None:
            trusted = strip.of(trust)
            trusted[...] = trusted * (1 - share) + np.float32(0.5)


def _alone(ready: Prepared, area: Area) -> Parts:
    """The short frame in the place of both, in an area of the picture."""

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        short = ready.short_part(area.top + top, area.left + left, size)
        return short, short

    return parts


def _edges(inner: Area, size: tuple[int, int]) -> list[Area]:
    """Strips along the picture's edges where the long frame ends, with some of what it shows beside them."""
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
        result, share = restored, _NOTHING
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


def _with_grain(settings: Settings) -> After:
    return lambda place, short, long, restored: with_grain(short, restored, settings)


def _tensor(image: Image) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
