"""Yuan et al. 2007, "Image deblurring with blurred/noisy image pairs": one kernel for the picture, and its inverse.

The denoised short frame tells the kernel, and holds all of the picture but its details; deconvolution has to find
these alone, which leaves little to ring.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Yuan:
    """Parameters of the method; defaults are the paper's where it names them.

    Attributes:
        kernel: side of the kernel, px, odd; the paper leaves it to the user. A small picture gets a smaller one.
        regularity: lambda of the kernel's Tikhonov term.
        landweber: iterations of an estimate of the kernel (the paper: 20 to 30).
        coarsest: side of the kernel about which the pyramid ends, px.
        low, high: hysteresis thresholds, shares of the kernel's peak.
        richardson: iterations of each Richardson-Lucy deconvolution.
        gain: alpha of the gain map.
        octaves: levels of the gain map's pyramid; the paper names no number.
        near, alike: sigmas of the joint bilateral filter, px and intensity.
        rounds: how often kernel and picture are estimated (the paper: 2 to 3).
    """

    kernel: int = 41
    regularity: float = 5.0
    landweber: int = 30
    coarsest: int = 9
    low: float = 0.03
    high: float = 0.05
    richardson: int = 20
    gain: float = 0.2
    octaves: int = 4
    near: float = 1.6
    alike: float = 0.08
    rounds: int = 3


PUBLISHED = Yuan()


def deblur(denoised: Image, blurry: Image, parameters: Yuan = PUBLISHED) -> Image:
    """The picture whose blur by one kernel is `blurry`, starting from `denoised`.

    Each round estimates the kernel from the last round's picture. The residual is always that of `denoised`, the N_D
    of the paper's B - N_D * K: taken of the last picture it would add its details a second time.

    Args:
        denoised: the short frame at the long one's exposure, without its noise, float32 (H, W, 3) in [0, 1].
        blurry: the long frame, registered to it, of the same form. H and W >= 16.
        parameters: of the method.

    Returns:
        float32 (H, W, 3) in [0, 1], in the geometry of `denoised`.
    """
    picture = denoised
    for _ in range(parameters.rounds):
        picture = deconvolve(denoised, blurry, estimate_kernel(picture, blurry, parameters), parameters)
    return picture


def estimate_kernel(sharp: Image, blurry: Image, parameters: Yuan = PUBLISHED) -> Array:
    """The kernel of a uniform blur from `sharp` to `blurry`, coarse to fine by factors of sqrt 2.

    At every level an estimate finds where the kernel is (hysteresis thresholds), and a second one keeps to that.

    Args:
        sharp, blurry: float32 (H, W, 3) in [0, 1], of one size, H and W >= 16.
        parameters: of the method.

    Returns:
        (side, side), side odd, not negative, of sum 1: `blurry` is `sharp` convolved with it. The side is
        `parameters.kernel`, or about half of the picture's shorter side where that is less.
    """
    pair = [np.asarray(image.mean(-1), np.float64) for image in (sharp, blurry)]
    largest = min(parameters.kernel, (min(sharp.shape[:2]) // 2 - 1) | 1)
    kernel, support = _impulse(3), np.ones((3, 3), np.bool_)
    for scale in _scales(largest, parameters.coarsest):
        side = 2 * round((largest * scale - 1) / 2) + 1
        fit = _KernelFit(_resized(pair[0], scale), _resized(pair[1], scale), side, parameters)
        kernel = fit.landweber(_normalised(_enlarged(kernel, side)), np.ones((side, side), np.bool_))
        support = _hysteresis(kernel, _enlarged(support.astype(np.float64), side) > 0, parameters)
        kernel = fit.landweber(kernel, support)
    return kernel


def deconvolve(denoised: Image, blurry: Image, kernel: Array, parameters: Yuan = PUBLISHED) -> Image:
    """Residual and gain-controlled Richardson-Lucy, and the first one's details on the second one.

    Args:
        denoised, blurry: as for `deblur`.
        kernel: (side, side), side odd, not negative, of sum 1.
        parameters: of the method.

    Returns:
        float32 (H, W, 3) in [0, 1]: I_g + I_d.
    """
    start = np.asarray(denoised, np.float64)
    blur = _Blur(kernel, start.shape[:2])
    residual = np.asarray(blurry, np.float64) - blur(start)
    plain = start + _residual_richardson_lucy(residual, blur, np.ones_like(start), parameters.richardson)
    gain = _gain_map(start, parameters)
    smooth = start + _residual_richardson_lucy(residual, blur, gain, parameters.richardson)
    details = plain - _joint_bilateral(plain, smooth, parameters)
    return np.clip(smooth + details, 0, 1).astype(np.float32)


class _KernelFit:
    """min |A k - b|^2 + lambda^2 |k|^2 where A k is the sharp picture convolved with k.

    A and b hold gradients: the kernel of the pictures is theirs, too, while the pictures' own means and slow changes
    would leave A so ill-conditioned that thirty iterations hardly leave the start. The frame's border is left out.
    """

    def __init__(self, sharp: Array, blurry: Array, side: int, parameters: Yuan) -> None:
        edges, blurred = _gradients(sharp), _gradients(blurry)
        radius = side // 2
        self._side, self._size, self._iterations = side, edges.shape[1:], parameters.landweber
        self._spectrum = np.fft.rfft2(edges)
        self._inside = np.zeros(self._size)
        self._inside[radius : self._size[0] - radius, radius : self._size[1] - radius] = 1
        self._target = self._correlated(blurred * self._inside)
        self._ridge = parameters.regularity**2
        self._step = 1 / (self._largest_eigenvalue() + self._ridge)

    def landweber(self, start: Array, support: Mask) -> Array:
        """From `start`, not negative and of sum 1 after every step, 0 outside `support`."""
        kernel = _normalised(start * support)
        for _ in range(self._iterations):
            slope = self._target - self._normal(kernel) - self._ridge * kernel
            kernel = _normalised(np.maximum(kernel + self._step * slope, 0) * support)
        return kernel

    def _largest_eigenvalue(self) -> float:
        """Of A'A, by power iteration from a start with no symmetry to get stuck in."""
        vector = np.random.default_rng(0).standard_normal((self._side, self._side))
        for _ in range(12):
            vector = self._normal(vector / max(np.linalg.norm(vector), np.finfo(float).tiny))
        return float(np.linalg.norm(vector))

    def _normal(self, kernel: Array) -> Array:
        """A'A k."""
        spectrum = self._spectrum * np.fft.rfft2(_centred(kernel, self._size))
        return self._correlated(np.fft.irfft2(spectrum, s=self._size) * self._inside)

    def _correlated(self, planes: Array) -> Array:
        """A' applied to (2, h, w)."""
        total = (self._spectrum.conj() * np.fft.rfft2(planes)).sum(0)
        shifts = np.roll(np.fft.irfft2(total, s=self._size), (self._side // 2,) * 2, (0, 1))
        return np.asarray(shifts[: self._side, : self._side])


class _Blur:
    """Convolution of (H, W, C) pictures, mirrored at their edges, with one kernel."""

    def __init__(self, kernel: Array, size: tuple[int, ...]) -> None:
        self._radius = kernel.shape[0] // 2
        self._padded = (size[0] + 2 * self._radius, size[1] + 2 * self._radius)
        self._spectrum = np.fft.rfft2(_centred(kernel, self._padded))[..., None]

    def __call__(self, image: Array) -> Array:
        return self.crop(self.convolved(self.pad(image)))

    def pad(self, image: Array) -> Array:
        """The picture with a mirrored border of the kernel's radius."""
        return _mirrored(image, self._radius)

    def crop(self, padded: Array) -> Array:
        """The picture without its border."""
        return padded[self._radius : padded.shape[0] - self._radius, self._radius : padded.shape[1] - self._radius]

    def convolved(self, padded: Array) -> Array:
        """A padded picture's convolution; its border is not to be used."""
        return self._filtered(padded, self._spectrum)

    def correlated(self, padded: Array) -> Array:
        """A padded picture's correlation with the kernel, cyclic."""
        return self._filtered(padded, self._spectrum.conj())

    def _filtered(self, padded: Array, spectrum: NDArray[np.complex128]) -> Array:
        product = np.fft.rfft2(padded, axes=(0, 1)) * spectrum
        return np.asarray(np.fft.irfft2(product, s=self._padded, axes=(0, 1)))


def _residual_richardson_lucy(residual: Array, blur: _Blur, gain: Array, iterations: int) -> Array:
    """dI with dI * K = dB, lifted by one to be positive, times `gain` in each iteration.

    Around the frame nothing was seen: there any estimate fits.
    """
    gain = blur.pad(gain)
    lifted = np.ones_like(gain)
    ratio = np.ones_like(gain)
    for _ in range(iterations):
        blur.crop(ratio)[...] = (residual + 1) / blur.crop(blur.convolved(lifted))
        lifted = gain * (blur.correlated(ratio) * lifted - 1) + 1
    return blur.crop(lifted - 1)


def _gain_map(image: Array, parameters: Yuan) -> Array:
    """(1 - alpha) + alpha sum_l |grad N_l| in [0, 1], (H, W, C): less than one where nothing hides ringing.

    Gradients are per pixel of the full picture, as in the pyramid of Fattal et al. 2002 that the paper follows.
    """
    total, level = np.zeros_like(image), image
    for octave in range(parameters.octaves):
        steepness = np.hypot(*np.gradient(level, axis=(0, 1))) / 2**octave
        total += cv2.resize(steepness, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        level = np.asarray(cv2.GaussianBlur(level, (0, 0), 0.5), np.float64)[::2, ::2]
        if min(level.shape[:2]) < 2:
            break
    return np.asarray(np.minimum(1 - parameters.gain + parameters.gain * total, 1))


def _joint_bilateral(image: Array, guide: Array, parameters: Yuan) -> Array:
    """The mean of `image` around each pixel over what is near it and alike it in `guide`, (H, W, C)."""
    reach = int(np.ceil(3 * parameters.near))
    wide, wide_guide = _mirrored(image, reach), _mirrored(guide, reach)
    height, width = image.shape[:2]
    total, weights = np.zeros_like(image), np.zeros((height, width, 1))
    for y, x in np.ndindex(2 * reach + 1, 2 * reach + 1):
        here = np.s_[y : y + height, x : x + width]
        distance = ((y - reach) ** 2 + (x - reach) ** 2) / (2 * parameters.near**2)
        gap = ((wide_guide[here] - guide) ** 2).sum(-1, keepdims=True) / (2 * parameters.alike**2)
        weight = np.exp(-distance - gap)
        total += weight * wide[here]
        weights += weight
    return total / weights


def _hysteresis(kernel: Array, coarser: Mask, parameters: Yuan) -> Mask:
    """Connected areas above the low threshold with a pixel above the high one that a coarser level saw, too."""
    low, high = (kernel > share * kernel.max() for share in (parameters.low, parameters.high))
    _, areas = cv2.connectedComponents(low.astype(np.uint8), connectivity=8)
    seeds = high & coarser if np.any(high & coarser) else high
    return np.isin(areas, np.unique(areas[seeds]))


def _scales(largest: int, coarsest: int) -> list[float]:
    """Powers of 1 / sqrt 2, small to 1, the first one bringing the kernel's side to about `coarsest`."""
    steps = max(0, round(2 * np.log2(largest / coarsest)))
    return [float(2 ** (-step / 2)) for step in range(steps, -1, -1)]


def _resized(plane: Array, scale: float) -> Array:
    size = (round(plane.shape[1] * scale), round(plane.shape[0] * scale))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float64)


def _enlarged(plane: Array, side: int) -> Array:
    """A kernel's shape sqrt 2 times as large on (side, side), centres kept."""
    shrink = np.sqrt(0.5)
    shift = plane.shape[0] // 2 - shrink * (side // 2)
    matrix = np.array([[shrink, 0, shift], [0, shrink, shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, matrix, (side, side), flags=flags), np.float64)


def _impulse(side: int) -> Array:
    kernel = np.zeros((side, side))
    kernel[side // 2, side // 2] = 1
    return kernel


def _normalised(kernel: Array) -> Array:
    """Sum 1; the impulse where nothing is left."""
    total = kernel.sum()
    return kernel / total if total > 0 else _impulse(kernel.shape[0])


def _centred(kernel: Array, size: tuple[int, ...]) -> Array:
    """The kernel on a plane of `size`, its centre on (0, 0), wrapped around."""
    plane = np.zeros(size)
    plane[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.roll(plane, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), (0, 1))


def _gradients(plane: Array) -> Array:
    """Differences down and to the right, (2, H - 1, W - 1)."""
    return np.stack([np.diff(plane, axis=0)[:, :-1], np.diff(plane, axis=1)[:-1]])


def _mirrored(image: Array, border: int) -> Array:
    return np.pad(image, ((border, border), (border, border), (0, 0)), mode="reflect")
