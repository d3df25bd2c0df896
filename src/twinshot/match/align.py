"""Registration of the blurry frame to the noisy one: translation, then a homography or a turn, or left alone.

It works on small grey copies of one distribution of brightness: there the noise averages out, the blur is short, and it
matters little how dark one frame is. The result says how sure it is; an unsure one is dropped, since the network copes
with a few pixels better than with a wrong warp.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..picture.encoding import Image
from ..picture.pair import as_float
from ..picture.window import Matrix, Pixels, window
from . import tone as tone_match
from .tone import Tone

_WORKING_SIDE = 720  # px of the longer side
_LEAST_TO_HALVE = 64  # px of the shorter side of what is searched at half the size
_LEAST_WORKING_SIDE = 16  # px of the shorter one, which a strip would lose
_FINEST, _FINE, _COARSE = (1.0, 8.0), (2.0, 16.0), (6.0, 32.0)  # px of the working copy: sigmas of what is looked at
# Least correlations: fine, and in the large, which strong noise leaves standing and a search finds no way around.
_LEAST_CORRELATION = 0.5  # of frames that were registered, whatever they do in the large
_LEAST_FAINT, _LEAST_IN_THE_LARGE = 0.15, 0.6  # of such that noise hides, both
_LEAST_LIKENESS, _LEAST_LIKENESS_IN_THE_LARGE = 0.25, 0.4  # of frames of one scene as they are, either
_LEAST_GAIN = 0.001  # rise of the correlation that makes a warp worth its resampling
_LEAST_FINE_GAIN = 0.001  # the same, of the finest detail
_LARGEST_SHARE = 0.3  # of the longer side: a larger corner shift is a mistake
_LARGEST_STRETCH = 1.2  # of a length, anywhere: what moves in the scene asks for more, a hand does not
_LEAST_MOVE = 0.12  # px of the frames: what moves less loses more sharpness by a warp than it gains
_FEW_STEPS = 25  # of ECC from a start that is right but for a fraction of a pixel
_RANKS = 65  # of brightness that the frames are brought together at
_TEMPLATE = 0.5  # share of the sides that is looked for where phase correlation fails


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the blurry frame is read at the noisy frame's pixels.

    Attributes:
        matrix: 3x3 homography, noisy pixel coordinates to blurry ones.
        shift: mean displacement (x, y) of the corners, px.
        confidence: correlation of the two frames as they are read, in [-1, 1].
        unmoved: their correlation before that, in [-1, 1].
        applied: False where the frames were left as they are.
        same_scene: False where nothing says that the two show one scene.
    """

    matrix: Matrix
    shift: tuple[float, float]
    confidence: float
    unmoved: float
    applied: bool
    same_scene: bool = True

    @property
    def where(self) -> Matrix | None:
        """The matrix; None where the frames are read as they are."""
        return self.matrix if self.applied else None


def estimate(noisy: Pixels, blurry: Pixels) -> Alignment:
    """Register two frames of one size, uint8, uint16 or float32, however dark either is."""
    scale = _working_scale(noisy.shape)
    frames = grey(_small(noisy, scale)), grey(_small(blurry, scale))
    half = 0.5 if min(frames[0].shape) >= _LEAST_TO_HALVE else 1.0  # what is so smooth loses nothing by it
    before, found_at, confidence = _search(*(_halved(frame, half) for frame in _prepared(*frames, _FINE)))
    best = _at_full_size(found_at, half)
    matrix = _at_full_size(best, scale)
    shift, largest = _corner_shift(matrix, noisy.shape[:2])
    found = confidence >= _LEAST_CORRELATION or (
        confidence >= _LEAST_FAINT and _in_the_large(*frames, best) >= _LEAST_IN_THE_LARGE
    )
    if not found or confidence - before < _LEAST_GAIN or largest > _LARGEST_SHARE * max(noisy.shape[:2]):
        same_scene = before >= _LEAST_LIKENESS or _in_the_large(*frames, np.eye(3)) >= _LEAST_LIKENESS_IN_THE_LARGE
        return left_alone(before, same_scene)
    return Alignment(matrix, shift, confidence, before, True)


def refined(noisy: Pixels, blurry: Pixels, found: Alignment, tone: Tone) -> Alignment:
    """The alignment to a fraction of a pixel, by finer detail, once `tone` brings the noisy frame to the other's light.

    It stays as it was where finer detail says nothing; frames that lie on each other as they are are left alone, since
    every warp costs some sharpness.
    """
    scale = _working_scale(noisy.shape)
    frames = grey(tone_match.apply(_small(noisy, scale), tone)), grey(_small(blurry, scale))
    fixed, moving = (detail(frame, _FINEST) for frame in frames)
    start = _at_working_size(found.matrix, scale)
    matrix = _ecc(fixed, moving, start, cv2.MOTION_HOMOGRAPHY, _FEW_STEPS)
    options = [(_correlation(fixed, moving, each), each) for each in (np.eye(3), start, matrix)]
    best, best_matrix = max(options, key=lambda option: option[0])
    full = _at_full_size(best_matrix, scale)
    shift, largest = _corner_shift(full, noisy.shape[:2])
    if best < options[0][0] + _LEAST_FINE_GAIN or largest < _LEAST_MOVE:
        return replace(found, matrix=np.eye(3), shift=(0.0, 0.0), applied=False)
    if largest > _LARGEST_SHARE * max(noisy.shape[:2]) or _stretch(best_matrix, fixed.shape) > _LARGEST_STRETCH:
        return found
    return replace(found, matrix=full, shift=shift, applied=True)


def left_alone(unmoved: float, same_scene: bool = True) -> Alignment:
    """Frames that are used as they are, and correlate so."""
    return Alignment(np.eye(3), (0.0, 0.0), unmoved, unmoved, False, same_scene)


def offset(found: Alignment, left: int, top: int) -> Alignment:
    """An alignment of two views in the coordinates of the frames that the views begin at (left, top) of."""
    corner = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    return replace(found, matrix=corner @ found.matrix @ np.linalg.inv(corner))


def registered(noisy: Image, blurry: Image) -> Image:
    """The blurry frame at the noisy one's pixels, as `warped` gives it."""
    return warped(blurry, estimate(noisy, blurry))


def warped(blurry: Pixels, found: Alignment) -> Image:
    """The whole blurry frame read as `found` says, in [0, 1]; as it is where that was not applied."""
    if not found.applied:
        return as_float(blurry)
    return as_float(window(blurry, 0, 0, (blurry.shape[0], blurry.shape[1]), found.matrix)).clip(0, 1)


def _working_scale(shape: tuple[int, ...]) -> float:
    return min(1.0, max(_WORKING_SIDE / max(shape[:2]), _LEAST_WORKING_SIDE / min(shape[:2])))


def _small(pixels: Pixels, scale: float) -> Image:
    """A small copy, (h, w, 3)."""
    return as_float(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def grey(image: Image) -> Image:
    """One channel of three, (H, W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _halved(grey: Image, scale: float) -> Image:
    if scale == 1.0:
        return grey
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)


def detail(grey: Image, band: tuple[float, float]) -> Image:
    """What is between two Gaussians, whose sigmas `band` has, px."""
    fine, smooth = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in band)
    return np.asarray(fine - smooth, np.float32)


def _prepared(noisy: Image, blurry: Image, band: tuple[float, float]) -> tuple[Image, Image]:
    """Both grey frames smooth, of one brightness, without slow changes of it, which correlate wherever one looks."""
    smooth, long = (np.asarray(cv2.GaussianBlur(frame, (0, 0), band[0]), np.float32) for frame in (noisy, blurry))
    short = _as_bright(smooth, long)
    first, second = (np.asarray(frame - cv2.GaussianBlur(frame, (0, 0), band[1])) for frame in (short, long))
    return first, second


def _as_bright(frame: Image, other: Image) -> Image:
    """The frame's values, each in the place of the other frame's of the same rank: no curve need be known for that."""
    ranks = np.linspace(0, 1, _RANKS)
    values, wanted = (np.quantile(each.ravel()[:: max(1, each.size // 20_000)], ranks) for each in (frame, other))
    return np.interp(frame, values + ranks * 1e-6, wanted).astype(np.float32)


def _search(fixed: Image, moving: Image) -> tuple[float, Matrix, float]:
    """The correlation of the frames as they are, the map under which they agree best, and their correlation there."""
    before = confidence = _correlation(fixed, moving, np.eye(3))
    best: Matrix = np.eye(3)
    for start in (_translation, _no_translation, _far_translation):
        if start is _far_translation and confidence >= _LEAST_CORRELATION:
            break
        matrix = _refined(fixed, moving, start(fixed, moving))
        after = _correlation(fixed, moving, matrix)
        if after - confidence >= _LEAST_GAIN:
            best, confidence = matrix, after
    return before, best, confidence


def _in_the_large(noisy: Image, blurry: Image, matrix: Matrix) -> float:
    """Correlation where more of the noise averages out."""
    return _correlation(*_prepared(noisy, blurry, _COARSE), matrix)


def _translation(fixed: Image, moving: Image) -> Matrix:
    """Whole-frame shift by phase correlation."""
    window = cv2.createHanningWindow(fixed.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(fixed, moving, window)
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _no_translation(fixed: Image, moving: Image) -> Matrix:
    return np.eye(3)


def _far_translation(fixed: Image, moving: Image) -> Matrix:
    """Whole-frame shift by looking for the middle of one frame in the other, which a far shift leaves there."""
    height, width = (int(side * _TEMPLATE) for side in fixed.shape)
    top, left = (fixed.shape[0] - height) // 2, (fixed.shape[1] - width) // 2
    found = cv2.matchTemplate(moving, fixed[top : top + height, left : left + width], cv2.TM_CCOEFF_NORMED)
    y, x = np.unravel_index(int(found.argmax()), found.shape)
    return np.array([[1, 0, x - left], [0, 1, y - top], [0, 0, 1]], np.float64)


def _refined(fixed: Image, moving: Image, start: Matrix) -> Matrix:
    """By ECC from `start`: a homography, or turn and shift where that one stretches the frame as no hand does."""
    homography = _ecc(fixed, moving, start, cv2.MOTION_HOMOGRAPHY)
    if _stretch(homography, fixed.shape) < _LARGEST_STRETCH:
        return homography
    return _ecc(fixed, moving, start, cv2.MOTION_EUCLIDEAN)


def _ecc(fixed: Image, moving: Image, start: Matrix, model: int, steps: int = 60) -> Matrix:
    """Evangelidis and Psarakis 2008; `start` where it does not converge."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 3e-5)
    rows = 3 if model == cv2.MOTION_HOMOGRAPHY else 2
    try:
        # The frames are smooth already: no mask, and a Gaussian of one pixel, which is none.
        everywhere = np.ones(fixed.shape, np.uint8)
        _, found = cv2.findTransformECC(fixed, moving, start[:rows].astype(np.float32), model, criteria, everywhere, 1)
    except cv2.error:
        return start
    return np.vstack([found, np.eye(3)[rows:]]).astype(np.float64)


def _stretch(matrix: Matrix, size: tuple[int, ...]) -> float:
    """By how much the map lengthens or shortens anything in the middle or at a corner: 1 for shifts and turns."""
    height, width = size[:2]
    largest = 1.0
    for x, y in ((width / 2, height / 2), (0, 0), (width, 0), (0, height), (width, height)):
        seen = matrix @ (x, y, 1.0)
        if seen[2] <= 0:
            return np.inf
        jacobian = (matrix[:2, :2] - np.outer(seen[:2] / seen[2], matrix[2, :2])) / seen[2]
        longest, shortest = np.linalg.svd(jacobian, compute_uv=False)
        largest = max(largest, float(longest), 1 / max(float(shortest), 1e-6))
    return largest


def _correlation(fixed: Image, moving: Image, matrix: Matrix) -> float:
    """Correlation of the two over where the warped one is defined."""
    size = fixed.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(moving, matrix, size, flags=flags)
    inside = cv2.warpPerspective(np.ones_like(moving), matrix, size, flags=flags) > 0.99
    if np.count_nonzero(inside) < 0.5 * inside.size:
        return -1.0
    a, b = fixed[inside] - fixed[inside].mean(), warped[inside] - warped[inside].mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-12))


def _at_working_size(matrix: Matrix, scale: float) -> Matrix:
    return _at_full_size(matrix, 1 / scale)


def _at_full_size(matrix: Matrix, scale: float) -> Matrix:
    """The same map in full-size pixel coordinates, pixel centres at half-integers of the small ones."""
    shrink = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    full: Matrix = np.linalg.inv(shrink) @ matrix @ shrink
    full /= full[2, 2]
    return full


def _corner_shift(matrix: Matrix, size: tuple[int, ...]) -> tuple[tuple[float, float], float]:
    height, width = size[:2]
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], np.float64)
    seen = corners @ matrix.T
    moves = seen[:, :2] / seen[:, 2:] - corners[:, :2]
    x, y = moves.mean(0)
    return (float(x), float(y)), float(np.linalg.norm(moves, axis=-1).max())
