"""HDR+ burst merging: Hasinoff et al. 2016, in the form that Monod et al. (IPOL 2021) wrote down completely.

Tiles of every frame are aligned to the first one coarse to fine, then merged in the Fourier domain by a filter that
falls back to the first frame where the others do not fit, and cleaned by a weak spatial Wiener filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..picture.encoding import Image

Plane = NDArray[np.float32]
Tiles = NDArray[np.float32]
Spectra = NDArray[np.complexfloating[Any, Any]]
Vectors = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Noise:
    """Variance of a value: shot * level + read^2 (IPOL section 4.1: lambda_S and the root of lambda_R)."""

    read: float
    shot: float = 0.0

    def variance(self, level: Plane) -> Plane:
        """The variance at values in [0, 1], of their shape."""
        return np.asarray(self.shot * level + self.read**2, np.float32)


@dataclass(frozen=True)
class Level:
    """One level of the alignment pyramid.

    Attributes:
        factor: decimation from the next finer level.
        tile: side of a tile, px, even.
        radius: search radius, px.
        metric: distance of two tiles: sum of absolute or of squared differences.
        subpixel: whether a quadratic fit refines the best whole-pixel vector.
    """

    factor: int
    tile: int
    radius: int
    metric: Literal["L1", "L2"]
    subpixel: bool


@dataclass(frozen=True)
class HdrPlus:
    """Parameters of the method.

    Attributes:
        levels: the alignment pyramid, fine to coarse (Hasinoff section 4).
        temporal: c of the temporal filter (Hasinoff eq. 7): more merges more, and ghosts more.
        spatial: s of the spatial filter (IPOL section 4.3).
    """

    levels: tuple[Level, ...] = (
        Level(1, 16, 1, "L1", False),
        Level(2, 16, 4, "L2", True),
        Level(4, 16, 4, "L2", True),
        Level(4, 8, 4, "L2", True),
    )
    temporal: float = 8.0
    spatial: float = 0.1


PUBLISHED = HdrPlus()


def merge(burst: Sequence[Image], noise: Noise, parameters: HdrPlus = PUBLISHED) -> Image:
    """The first frame with the noise of the whole burst merged away.

    Args:
        burst: one or more float32 (H, W, 3) frames in [0, 1], H and W >= 16, all exposed alike.
        noise: of each value in each frame.
        parameters: of the method.

    Returns:
        float32 (H, W, 3) in [0, 1], in the geometry of `burst[0]`.
    """
    reference = burst[0]
    grey = _grey(reference)
    vectors = [align(grey, _grey(frame), parameters) for frame in burst[1:]]
    side = parameters.levels[0].tile
    planes = []
    for channel in range(reference.shape[2]):
        tiles = _still_tiles(reference[..., channel], side)
        others = (_tiles(frame[..., channel], field, side) for frame, field in zip(burst[1:], vectors, strict=True))
        planes.append(_overlap_add(_merge_tiles(tiles, others, len(burst), noise, parameters), grey.shape))
    return np.clip(np.stack(planes, -1), 0, 1)


def align(reference: Plane, frame: Plane, parameters: HdrPlus = PUBLISHED) -> Vectors:
    """Where each tile of `reference` is found in `frame`, (rows, columns, 2), whole px (y, x).

    Tile (i, j) is centred on pixel (i, j) times half the finest tile's side. Levels smaller than one of their tiles
    have nothing to match and are left out.

    Args:
        reference, frame: float32 (H, W), H and W >= 16.
        parameters: of the method.
    """
    levels = _levels_for(reference.shape, parameters.levels)
    fixed, moving = _pyramid(reference, levels), _pyramid(frame, levels)
    start = np.zeros((*_grid(fixed[-1].shape, levels[-1].tile), 2))
    found = _search(_tiles(fixed[-1], start, levels[-1].tile), moving[-1], start, levels[-1])
    for index in reversed(range(len(levels) - 1)):
        tiles = _still_tiles(fixed[index], levels[index].tile)
        start = _best_start(tiles, moving[index], _candidates(found, tiles.shape[:2], *levels[index : index + 2]))
        found = _search(tiles, moving[index], start, levels[index])
    return found


def _grey(image: Image) -> Plane:
    """The channels' plain mean: of all greys the one with the least noise."""
    return np.asarray(image.mean(-1), np.float32)


def _levels_for(shape: tuple[int, ...], levels: tuple[Level, ...]) -> tuple[Level, ...]:
    scales = np.cumprod([level.factor for level in levels])
    fits = [min(shape) // scale >= level.tile for level, scale in zip(levels, scales, strict=True)]
    return levels[: max(1, sum(fits))]


def _pyramid(plane: Plane, levels: tuple[Level, ...]) -> list[Plane]:
    """Fine to coarse; a Gaussian of half the factor goes before each decimation."""
    result = [plane]
    for level in levels[1:]:
        smooth = cv2.GaussianBlur(result[-1], (0, 0), 0.5 * level.factor)
        result.append(np.ascontiguousarray(smooth[:: level.factor, :: level.factor], np.float32))
    return result


def _grid(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Rows and columns of half-overlapping tiles, so many that every pixel lies in four."""
    half = side // 2
    return -(-shape[0] // half) + 1, -(-shape[1] // half) + 1


def _still_tiles(plane: Plane, side: int) -> Tiles:
    return _tiles(plane, np.zeros((*_grid(plane.shape, side), 2)), side)


def _tiles(plane: Plane, vectors: Vectors, side: int, reach: int = 0) -> Tiles:
    """Windows of (side + 2 reach)^2 px around the tiles moved by `vectors`, (rows, columns, ., .); edges mirrored.

    Tiles moved far outside of the frame are taken from the end of its mirrored border.
    """
    margin, half = 2 * side + reach, side // 2
    padded = np.pad(plane, margin, mode="reflect")
    windows = sliding_window_view(padded, (side + 2 * reach,) * 2)
    moved = np.rint(vectors).astype(np.intp) + margin - reach - half
    y = np.clip(moved[..., 0] + half * np.arange(vectors.shape[0])[:, None], 0, windows.shape[0] - 1)
    x = np.clip(moved[..., 1] + half * np.arange(vectors.shape[1])[None, :], 0, windows.shape[1] - 1)
    return np.asarray(windows[y, x])


def _candidates(coarse: Vectors, grid: tuple[int, ...], level: Level, above: Level) -> list[Vectors]:
    """Vectors of the nearest coarse tile and of the next nearest in each direction, in px of this level."""
    ratio = level.tile / (above.tile * above.factor)
    rows, more_rows = _two_nearest(grid[0], coarse.shape[0], ratio)
    columns, more_columns = _two_nearest(grid[1], coarse.shape[1], ratio)
    pairs = [(rows, columns), (more_rows, columns), (rows, more_columns)]
    return [np.rint(coarse[np.ix_(y, x)] * above.factor) for y, x in pairs]


def _two_nearest(count: int, coarse: int, ratio: float) -> tuple[Indices, Indices]:
    place = np.arange(count) * ratio
    near = np.rint(place).astype(np.intp)
    other = near + np.where(place < near, -1, 1)
    return np.clip(near, 0, coarse - 1), np.clip(other, 0, coarse - 1)


def _best_start(tiles: Tiles, plane: Plane, candidates: list[Vectors]) -> Vectors:
    """For each tile the candidate with the least L1 distance."""
    side = tiles.shape[-1]
    distances = np.stack([np.abs(_tiles(plane, c, side) - tiles).sum((-2, -1)) for c in candidates])
    best = distances.argmin(0)[None, ..., None]
    return np.asarray(np.take_along_axis(np.stack(candidates), best, 0)[0])


def _search(tiles: Tiles, plane: Plane, start: Vectors, level: Level) -> Vectors:
    """The best vector within the radius around `start`, refined where the level says so."""
    distances = _distances(tiles, _tiles(plane, start, level.tile, level.radius), level)
    span = 2 * level.radius + 1
    # Among equals, which clipped areas are full of, the one nearest to the start.
    y, x = np.divmod(np.arange(span**2), span) - np.array(level.radius)
    outward = np.argsort(y**2 + x**2, kind="stable")
    best = outward[distances[..., outward].argmin(-1)]
    found: Vectors = start + np.stack(np.divmod(best, span), -1) - level.radius
    if level.subpixel:
        found += _subpixel(distances.reshape(*best.shape, span, span), best)
    return found


def _distances(tiles: Tiles, windows: Tiles, level: Level) -> Tiles:
    """Distance of each tile to its window's content at every shift, (rows, columns, (2 radius + 1)^2)."""
    span, side = 2 * level.radius + 1, level.tile
    result = np.empty((*tiles.shape[:2], span**2), np.float32)
    for shift in range(span**2):
        y, x = divmod(shift, span)
        gap = windows[..., y : y + side, x : x + side] - tiles
        result[..., shift] = np.einsum("...ij,...ij", gap, gap) if level.metric == "L2" else np.abs(gap).sum((-2, -1))
    return result


def _subpixel(distances: Tiles, best: Indices) -> Vectors:
    """Minimum (y, x) of the quadratic through the 3x3 distances around `best`; 0 where that is no minimum nearby.

    Hasinoff's supplement: least squares of d(v) = v'Av / 2 + b'v + c, with A kept positive semi-definite.
    """
    span = distances.shape[-1]
    y, x = np.divmod(best, span)
    inside = (y > 0) & (x > 0) & (y < span - 1) & (x < span - 1)
    cells = sliding_window_view(distances, (3, 3), axis=(2, 3))
    rows, columns = np.indices(best.shape)
    d = cells[rows, columns, np.clip(y - 1, 0, span - 3), np.clip(x - 1, 0, span - 3)].astype(np.float64)
    smooth, slope, bend = np.array([1, 2, 1]) / 4, np.array([-1, 0, 1]) / 2, np.array([1, -2, 1])
    a_yy = np.maximum(np.einsum("...ij,i,j", d, bend, smooth), 0)
    a_xx = np.maximum(np.einsum("...ij,i,j", d, smooth, bend), 0)
    a_xy = np.einsum("...ij,i,j", d, slope, slope)
    b_y, b_x = np.einsum("...ij,i,j", d, slope, smooth), np.einsum("...ij,i,j", d, smooth, slope)
    a_xy = np.where(a_xx * a_yy < a_xy**2, 0, a_xy)
    determinant = a_xx * a_yy - a_xy**2
    safe = np.where(determinant > 0, determinant, 1)
    move = np.stack([a_xy * b_x - a_xx * b_y, a_xy * b_y - a_yy * b_x], -1) / safe[..., None]
    good = inside & (determinant > 0) & (np.linalg.norm(move, axis=-1) < 1)
    return np.where(good[..., None], move, 0)


def _merge_tiles(tiles: Tiles, others: Iterable[Tiles], count: int, noise: Noise, parameters: HdrPlus) -> Tiles:
    """Temporal then spatial Wiener filter of windowed tiles (Hasinoff section 5; IPOL sections 4.2 and 4.3).

    The window goes before the transform, as in the paper, whose noise variances count on its attenuation (1/4^2);
    it sums to one over the overlap, so the result needs none.
    """
    side = tiles.shape[-1]
    window = _raised_cosine(side)
    rms = np.sqrt(np.mean(tiles * tiles, (-2, -1), keepdims=True))
    variance = noise.variance(rms) * np.float32(side**2 / 16)  # of a windowed tile's coefficient
    reference: Spectra = np.fft.rfft2(tiles * window)
    total = reference.copy()
    for other in others:
        gap = reference - np.fft.rfft2(other * window)
        # T_z + A (T_0 - T_z) with A = |gap|^2 / (|gap|^2 + c k sigma^2), k = side^2 / 8.
        total += reference - gap * noise_share(2 * parameters.temporal * variance, _power(gap))
    merged = total / np.float32(count)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")) * side
    merged -= merged * noise_share(parameters.spatial / count * variance * radius.astype(np.float32), _power(merged))
    return np.fft.irfft2(merged, s=(side, side)).astype(np.float32)


def noise_share(variance: Tiles, power: Tiles) -> Tiles:
    """variance / (variance + power): what a Wiener filter takes away; 0 where both are."""
    return np.asarray(variance / np.maximum(variance + power, np.finfo(np.float32).tiny), np.float32)


def _power(spectra: Spectra) -> Tiles:
    return np.asarray(spectra.real**2 + spectra.imag**2)


def _raised_cosine(side: int) -> Tiles:
    """1/2 - 1/2 cos(2 pi (x + 1/2) / side) in both directions: half-overlapping copies sum to one."""
    line = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
    return np.asarray(np.outer(line, line), np.float32)


def _overlap_add(tiles: Tiles, shape: tuple[int, ...]) -> Plane:
    """The plane of `shape` that half-overlapping tiles sum to."""
    rows, columns, side = tiles.shape[:3]
    half = side // 2
    quarters = tiles.reshape(rows, columns, 2, half, 2, half)
    blocks = np.zeros((rows + 1, columns + 1, half, half), np.float32)
    for y in (0, 1):
        for x in (0, 1):
            blocks[y : y + rows, x : x + columns] += quarters[:, :, y, :, x]
    full = blocks.swapaxes(1, 2).reshape((rows + 1) * half, (columns + 1) * half)
    return full[half : half + shape[0], half : half + shape[1]]
