"""The tone that two frames tell: which model brings the short one to the long one's light, and how well.

All are fitted to the means of cells, so that noise and blur average out, and a richer one has to earn its place on
cells it was not fitted to. The curve is fitted in linear light, in which a long exposure averages: where a cell holds
the short frame's values x with frequencies h(x), the long frame's mean is sum h(x) C(x), whatever noise or blur did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.pair import Pair, as_float
from ..picture.window import Matrix, Pixels, window
from .tone import Array, Tone, ToneModel

MODELS: tuple[ToneModel, ...] = ("encoded gain", "gain", "offset", "curve")
"""From the simplest to the richest."""

_CELLS = 24  # on the longer side: so large that noise averages out, so many that each level of light has some
_SAMPLES = 16  # pixels a side of a cell that its means are taken over, at least, where it has so many
_KNOTS = 14
_ENCODED_GAINS = (1.15, 4.0)  # GOPRO2 scales by 0.3 to 0.8; no camera scales encoded values
_EARNED, _EARNED_AT_LEAST = 1.03, 1.3e-3  # a richer model's error is lower by this factor and a third of a code
_OUTLIER = 0.15  # encoded values: a larger misfit of a cell is a mover's, and counts no more
_EXIF_SPREAD = 1.5  # of the log gain: a tone curve makes factors of two to four of what EXIF says
_CAST = 0.35  # of the log gain: how far channels differ
_SURE = 0.05  # of the log gain: no closer than this do cells tell it
_BLACK, _CLIPPED = 2e-4, 0.9  # linear light: a cell's mean beyond these tells no gain
_WHITE = 0.985  # encoded: clipped from there on
_CLIPPED_SHARE = 0.02  # of a cell: with more of its pixels clipped it has lost some of its light
_ENOUGH = 12  # cells of a channel that tell its gain by themselves
_STIFFNESS = 5e-4  # of the curve, against what the cells say
_OFF = 0.10  # of a cell's light: a larger misfit is seen
_NONE = Tone("none", (1.0, 1.0, 1.0))


def estimate(
    noisy: Pixels,
    blurry: Pixels,
    exif: float | None = None,
    matrix: Matrix | None = None,
    models: Sequence[ToneModel] = MODELS,
) -> Tone:
    """The tone model that brings the noisy frame to the blurry frame's light and colours.

    Args:
        noisy, blurry: pixels (H, W, 3) of two frames of one size: uint8, uint16 or float32, sRGB-encoded.
        exif: exposure of the blurry frame over the noisy one's: a hint that pixels overrule.
        matrix: homography of noisy to blurry pixel coordinates, once it is known.
        models: which of the ladder to choose from, the simplest first.
    """
    cells = measure(noisy, blurry, matrix)
    if not cells.informative:
        return Tone("exif", (exif,) * 3) if exif else _NONE
    errors = {model: _held_out(cells, _FITS[model], exif) for model in models}
    best = min(errors.values())
    chosen = next(model for model in models if errors[model] <= _EARNED * best + _EARNED_AT_LEAST)
    found = _judged(_fit(cells, chosen, exif), cells, errors[chosen])
    if len(models) == 1:
        return found  # with the gain that its fit began with, which frames of two scenes are restored by
    return replace(found, gain=_mean_gain(found, cells))


def fitted(noisy: Pixels, blurry: Pixels, model: ToneModel) -> Tone:
    """What `estimate` says of one model, but `error` and `off`, which cost most of the time and are left 0."""
    cells = measure(noisy, blurry)
    return _fit(cells, model, None) if cells.informative else _NONE


def exif_gain(pair: Pair) -> float | None:
    """Exposure of the blurry frame over the noisy one's, by ExposureTime x ISO / F^2, or None."""
    noisy, blurry = pair.noisy.metadata.exposure, pair.blurry.metadata.exposure
    return blurry / noisy if noisy and blurry else None


@dataclass(frozen=True, eq=False)
class Cells:
    """What cells of 3x3 neighbours tell of each channel.

    Attributes:
        long: (3, n) mean linear light of the long frame.
        short: (3, n) the same of the short frame.
        encoded: (3, n) mean encoded value of the short frame.
        long_encoded: (3, n) the same of the long frame.
        clipped: (3, n) share of the long frame's pixels that are white.
        knots: (3, K) encoded values at which the curve may bend.
        hats: (3, n, K) mean of the hat function at each knot: how the cell's values are spread over them.
        fold: (n,) which half of the cells each belongs to.
    """

    long: Array
    short: Array
    encoded: Array
    long_encoded: Array
    clipped: Array
    knots: Array
    hats: Array
    fold: NDArray[np.bool_]

    def half(self, fold: bool) -> Cells:
        """The cells of one half."""
        chosen = self.fold == fold
        return Cells(
            self.long[:, chosen],
            self.short[:, chosen],
            self.encoded[:, chosen],
            self.long_encoded[:, chosen],
            self.clipped[:, chosen],
            self.knots,
            self.hats[:, chosen],
            self.fold[chosen],
        )

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(3, n): which cells tell a gain: neither black in one frame nor clipped in the other, as far as some are."""
        lit = (self.short > _BLACK) & (self.long > _BLACK) & (self.long < _CLIPPED)
        clean = lit & (self.clipped < _CLIPPED_SHARE)
        return np.where((clean.sum(1) >= _ENOUGH)[:, None], clean, lit)

    @property
    def informative(self) -> bool:
        """Whether there is light in both frames at all."""
        return bool(self.usable.any())


def measure(noisy: Pixels, blurry: Pixels, matrix: Matrix | None = None) -> Cells:
    """The cells of two frames; of a large cell a lattice of pixels will do."""
    height, width = noisy.shape[:2]
    side = max(4, round(max(height, width) / _CELLS))
    rows, columns, step = max(1, height // side), max(1, width // side), max(1, side // _SAMPLES)
    size = -(-min(height, rows * side) // step), -(-min(width, columns * side) // step)
    short = as_float(window(noisy, 0, 0, size, None, step)).clip(0, 1)
    long = as_float(window(blurry, 0, 0, size, matrix, step)).clip(0, 1)
    y, x = (np.minimum(np.arange(n) * step // side, most - 1) for n, most in zip(size, (rows, columns), strict=True))
    mean = _Means((y[:, None] * columns + x).ravel(), rows, columns)
    long_light, short_light, encoded, long_encoded, clipped, knots, hats = (
        np.stack(each) for each in zip(*(_channel(mean, short[..., c], long[..., c]) for c in range(3)), strict=True)
    )
    number = np.arange(rows * columns)
    fold = ((number // columns // 3 + number % columns // 3) % 2).astype(bool)
    return Cells(long_light, short_light, encoded, long_encoded, clipped, knots, hats, fold)


class _Means:
    """Means of cells over 3x3 neighbours: what blur or a mover carries over a border then matters less."""

    def __init__(self, cell: NDArray[np.int64], rows: int, columns: int) -> None:
        self.cell, self.rows, self.columns = cell, rows, columns
        self.count = self._pooled(np.bincount(cell, minlength=rows * columns))

    def __call__(self, values: Image) -> Array:
        """(n,) of values, one a pixel."""
        return self._pooled(np.bincount(self.cell, values.ravel(), self.rows * self.columns)) / self.count

    def hats(self, values: Image, knots: Array) -> Array:
        """(n, K) of the hat functions at the knots."""
        at = np.clip(np.searchsorted(knots, values.ravel(), "right") - 1, 0, len(knots) - 2)
        share = (values.ravel() - knots[at]) / (knots[at + 1] - knots[at])
        place, size = self.cell * len(knots) + at, self.rows * self.columns * len(knots)
        total = np.bincount(place, 1 - share, size) + np.bincount(place + 1, share, size)
        return self._pooled(total.reshape(-1, len(knots))) / self.count[:, None]

    def _pooled(self, total: NDArray[Any]) -> Array:
        grid = np.asarray(total, np.float64).reshape(self.rows, self.columns, -1)
        summed = cv2.boxFilter(grid, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(summed, np.float64).reshape(total.shape)


def _channel(mean: _Means, short: Image, long: Image) -> tuple[Array, ...]:
    knots = _knots(short)
    lights = mean(to_linear(long)), mean(to_linear(short))
    white = mean((long > _WHITE).astype(np.float32))
    return *lights, mean(short), mean(long), white, knots, mean.hats(short, knots)


def _knots(values: Image) -> Array:
    """Half way between even steps of value and of rank, over all that occurs, and 0 and 1."""
    low, *ranks, high = np.quantile(values, np.linspace(0.001, 0.999, _KNOTS - 2))
    high = max(high, low + 0.02)
    inner = (np.array([low, *ranks, high]) + np.linspace(low, high, _KNOTS - 2)) / 2
    spaced = np.maximum.accumulate(inner + np.arange(_KNOTS - 2) * 1e-4)  # equal ranks leave room between knots
    scale = min(1.0, 0.998 / spaced[-1])
    return np.array([0.0, *(np.maximum(spaced * scale, 1e-3 + np.arange(_KNOTS - 2) * 1e-4)), 1.0])


def _fit(cells: Cells, model: ToneModel, exif: float | None) -> Tone:
    """A model's fit, or a gain's where the model has none."""
    return _FITS[model](cells, exif) or _gain(cells, exif)


def _held_out(cells: Cells, fit: Fit, exif: float | None) -> float:
    """Root mean square misfit of each half of the cells under what the other half says; infinite where there is none.

    Squares let the few cells speak that differ, as text does on paper that is white all over.
    """
    total = 0.0
    for fold in (False, True):
        other, tested = cells.half(not fold), cells.half(fold)
        tone = fit(other, exif) if other.informative and len(tested.fold) else None
        total += float(np.mean(np.minimum(np.abs(_misfit(tone, tested)), _OUTLIER) ** 2)) / 2 if tone else np.inf
    return float(np.sqrt(total))


def _judged(tone: Tone, cells: Cells, error: float) -> Tone:
    off = np.abs(_misfit(tone, cells)) > _OFF * (to_srgb(cells.long.astype(np.float32)) + 0.1)
    return replace(tone, error=error if np.isfinite(error) else 0.0, off=float(off.mean()))


def _mean_gain(tone: Tone, cells: Cells) -> tuple[float, float, float]:
    if not len(tone.knots):
        return tone.gain
    red, green, blue = (
        float((cells.hats[c] @ np.interp(cells.knots[c], tone.knots, tone.values[c])).sum() / cells.short[c].sum())
        for c in range(3)
    )
    return red, green, blue


def _misfit(tone: Tone, cells: Cells) -> Array:
    """(3, n) predicted minus true means, encoded; of encoded values themselves where those are what was averaged."""
    if tone.light == "srgb":
        return np.asarray(np.minimum(cells.encoded * tone.gain[0], 1) - cells.long_encoded)
    return np.stack([_difference(_predicted(tone, cells, c), cells.long[c]) for c in range(3)])


def _predicted(tone: Tone, cells: Cells, channel: int) -> Array:
    """A cell's mean light. Hats tell how values are spread, so that what would be clipped is.

    Between knots hats are straight and light is not: what that does to the short frame's own light, whose true means
    are known, is undone.
    """
    hats, knots = cells.hats[channel], cells.knots[channel]
    predicted = np.asarray(hats @ np.minimum(tone.linear(knots, channel), 1))
    if len(tone.knots):
        return predicted
    own = hats @ to_linear(knots.astype(np.float32))
    return np.asarray(predicted * cells.short[channel] / np.maximum(own, 1e-9))


def _difference(first: Array, second: Array) -> Array:
    encoded = (to_srgb(np.maximum(light, 0).astype(np.float32)) for light in (first, second))
    return np.asarray(np.subtract(*encoded), np.float64)


Fit = Callable[[Cells, float | None], Tone | None]


def _encoded_gain(cells: Cells, exif: float | None) -> Tone | None:
    """One gain for all channels of encoded values, where it is one that synthetic sets have."""
    usable = cells.usable
    ratios = cells.long_encoded[usable] / np.maximum(cells.encoded[usable], 1e-3)
    gain = float(np.median(ratios))
    if not _ENCODED_GAINS[0] < gain < _ENCODED_GAINS[1]:
        return None
    return Tone("encoded gain", (gain,) * 3, light="srgb")


def _gain(cells: Cells, exif: float | None) -> Tone:
    """A gain a channel in linear light, drawn to EXIF's, or to what the channels share, where cells are unsure."""
    found, errors = np.transpose([_log_gain(cells, c) for c in range(3)])
    trust = 1 / (errors**2 + _SURE**2)
    centre, spread = (np.log(exif), _EXIF_SPREAD) if exif else (trust @ found / trust.sum(), _CAST)
    drawn = (found * trust + centre / spread**2) / (trust + 1 / spread**2)
    red, green, blue = np.exp(drawn).tolist()
    return Tone("gain", (red, green, blue))


def _log_gain(cells: Cells, channel: int) -> tuple[float, float]:
    """The median log ratio, weighted by light, and its standard error."""
    usable = cells.usable[channel]
    if not usable.any():
        return 0.0, np.inf
    long, short = cells.long[channel][usable], cells.short[channel][usable]
    logs, order = np.log(long / short), np.argsort(long / short)
    total = np.cumsum(long[order])
    middle = float(logs[order][np.searchsorted(total, total[-1] / 2)])
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    return middle, (spread + 0.3 / len(logs)) / np.sqrt(max(len(logs) / 9, 1))  # nine cells share their pixels


def _offset(cells: Cells, exif: float | None) -> Tone | None:
    """Gain and black offset a channel in linear light, by robust least squares on encoded values."""
    parameters = []
    for c in range(3):
        told = cells.usable[c] if cells.usable[c].any() else np.ones_like(cells.usable[c])
        basis = np.stack([cells.short[c][told], np.ones(np.count_nonzero(told))], 1)
        gain, offset = _robust(basis, cells.long[c][told], np.full(2, 1e-9), np.zeros(2))
        if gain <= 0:
            return None
        parameters.append((float(gain), float(offset)))
    (red, r), (green, g), (blue, b) = parameters
    return Tone("offset", (red, green, blue), (r, g, b))


def _robust(basis: Array, long: Array, ridge: Array, target: Array) -> Array:
    """Weighted least squares, by Cauchy's weights on encoded residuals."""
    weights: Array = np.ones(len(long))
    found = target
    for _ in range(4):
        scaled = basis * (weights * _steepness(long) ** 2)[:, None]
        normal = scaled.T @ basis + np.diag(ridge)
        found = np.asarray(np.linalg.solve(normal, scaled.T @ long + ridge * target), np.float64)
        weights = _trusted(_difference(basis @ found, long))
    return found


def _steepness(light: Array) -> Array:
    """By how much an encoded value moves with linear light."""
    bright = np.maximum(light, 1e-3)
    return np.where(bright <= 0.0031308, 12.92, 0.43958 * bright ** (1 / 2.4 - 1))


def _trusted(residuals: Array) -> Array:
    scale = 1.4826 * float(np.median(np.abs(residuals))) + 2e-3
    return np.asarray(1 / (1 + (residuals / (2 * scale)) ** 2))


def _curve(cells: Cells, exif: float | None) -> Tone:
    """A monotone curve a channel, from encoded values of the short frame to linear light of the long one."""
    start = _gain(cells, exif)
    values = [_curve_of(cells, c, start.linear(cells.knots[c], c)) for c in range(3)]
    knots = np.unique(cells.knots)  # each channel bends at its own; together they have one set
    table = np.stack([np.interp(knots, cells.knots[c], values[c]) for c in range(3)])
    return Tone("curve", start.gain, knots=knots, values=table)


def _curve_of(cells: Cells, channel: int, start: Array) -> Array:
    """Light at the knots: what the cells say, against a bend of the encoded curve; monotone, in [0, 1]."""
    hats, long, knots = cells.hats[channel], cells.long[channel], cells.knots[channel]
    bends, values = _second_differences(knots), np.clip(start + 1e-4, 0, 1)
    weights: Array = np.ones(len(long))
    predicted = hats @ values
    for _ in range(5):
        steep = _steepness(values)
        bend = bends * steep
        rest = bends @ (steep * values - to_srgb(values.astype(np.float32)))
        scaled = hats * (weights * _steepness(np.maximum(predicted, long)) ** 2)[:, None]
        stiff = _STIFFNESS * len(long)
        left = scaled.T @ hats + stiff * bend.T @ bend + 1e-6 * np.eye(len(knots))
        values = np.linalg.solve(left, scaled.T @ long + stiff * bend.T @ rest + 1e-6 * values)
        values = _monotone(np.clip(values, 0, 1), hats.sum(0) + 1e-3)
        predicted = hats @ values
        weights = _trusted(_difference(predicted, long))
    return values


def _second_differences(knots: Array) -> Array:
    """(K - 2, K): how much the curve bends at each inner knot, over the range that occurs."""
    gaps = np.diff(knots)
    rows = np.zeros((len(knots) - 2, len(knots)))
    for i, (before, after) in enumerate(pairwise(gaps)):
        rows[i, i : i + 3] = 1 / before, -1 / before - 1 / after, 1 / after
    return np.asarray(rows * (knots[-2] - knots[1]) / 4)


def _monotone(values: Array, weights: Array) -> Array:
    """The nearest ascending values, by pooling neighbours that descend (isotonic regression)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pool = (float(value), float(weight), 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, count = pools.pop()
            total = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    return np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])


_FITS: dict[ToneModel, Fit] = {"encoded gain": _encoded_gain, "gain": _gain, "offset": _offset, "curve": _curve}
