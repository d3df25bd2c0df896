"""What the pair is worth to somebody who knows how the camera moved: a reference for networks that have to guess.

For a simulated, static scene the long exposure is linear in the sharp picture S: B = A S, A the mean of the warps. From
the picture D that a network makes of the noisy frame alone, in linear light,

    S = argmin |B - A S|^2 / sigma_b^2 + |S - D|^2 / sigma_d^2,

by conjugate gradients, both sigmas as they truly are. A pair network can beat it: D knows nothing of the blurry frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, cg

from ..baselines.system import System
from ..files.pairs import read_pair
from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.levels import eight_bit, psnr
from ..synth.frames import StillWindow, images_in
from ..synth.motion import MotionRange, Scene, Shutter, homography
from ..synth.profiles import profile_named
from .datasets import shot_of
from .results import KnownMotion, KnownMotionMeans, KnownMotionSample, Origin
from .systems import system

SIDE = 256
_BORDER = 32  # px that are not counted: there the camera saw what lies beyond the picture
_CLIPPED = 0.98  # of encoded values: what the blurry frame no longer tells
_ROUNDS = 60

Weights = NDArray[np.float64]


def known_motion(photos: Path, pair: str, alone: str, count: int, seed: int) -> list[KnownMotionSample]:
    """PSNR of the middle of all three on `count` samples of profile `camera`, nothing in the scene moving.

    Args:
        photos: a folder of photographs of 256 px or more.
        pair: a system that takes both frames.
        alone: one that takes the noisy frame, which the reference starts from.
        count: samples; photographs are used again where there are fewer.
        seed: of motion and noise.

    Raises:
        TwinshotError: no such system, or a photograph is too small.
    """
    found, both, one = images_in(photos), system(pair), system(alone)
    return [_sample(found[index % len(found)], both, one, [seed, index]) for index in range(count)]


def table(found: Sequence[KnownMotionSample], pair: str, alone: str, made: Origin) -> KnownMotion:
    """The samples with their means; `made` says what they depend on."""
    means = {key: round(fmean(getattr(row, key) for row in found), 3) for key in KnownMotionMeans.__struct_fields__}
    return KnownMotion(pair, alone, KnownMotionMeans(**means), tuple(found), made)


def _sample(photo: Path, pair: System, alone: System, seed: Sequence[int]) -> KnownMotionSample:
    rng = np.random.default_rng(seed)
    window = StillWindow(photo, (), (SIDE, SIDE), MotionRange(movers=0.0, registered=1.0))
    scene, _, long = window.opened("linear", rng)
    sharp, blurry = window.expose("linear", np.random.default_rng(seed))
    found = profile_named("camera").degrade(sharp, blurry, rng)
    frames = read_pair(eight_bit(found.noisy), eight_bit(found.blurry))
    shot = shot_of(frames, (), found.sharp)
    denoised = alone.restore(shot)
    reference = solve(denoised, shot.blurry, found.sharp, forward(scene, long))
    pictures = (denoised, pair.restore(shot), reference)
    inner = np.s_[_BORDER:-_BORDER, _BORDER:-_BORDER]
    scores = [round(psnr(picture[inner], found.sharp[inner]), 3) for picture in pictures]
    blur = window.extent("linear", np.random.default_rng(seed))
    return KnownMotionSample(photo.name, round(blur, 2), *scores)


def forward(scene: Scene, long: Shutter) -> tuple[csr_matrix, NDArray[np.bool_]]:
    """A, (H W, H W), and which of its rows see nothing beyond the picture, (H W,)."""
    height, width = scene.size
    ys, xs = np.mgrid[:height, :width]
    points = np.stack([xs.ravel(), ys.ravel(), np.ones(height * width)])
    total, inside = csr_matrix((height * width, height * width)), np.ones(height * width, bool)
    for pose in long.poses:
        seen = homography(pose, scene.size) @ points
        x, y = seen[:2] / seen[2]
        inside &= (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        total = total + _bilinear(x, y, scene.size)
    return total / len(long.poses), inside


def solve(denoised: Image, blurry: Image, sharp: Image, known: tuple[csr_matrix, NDArray[np.bool_]]) -> Image:
    """The reference picture, (H, W, 3), from pictures of one size; `sharp` tells the two sigmas."""
    matrix, inside = known
    d, b, s = (to_linear(image).reshape(-1, 3).astype(np.float64) for image in (denoised, blurry, sharp))
    told = inside & (blurry.reshape(-1, 3).max(1) < _CLIPPED)
    weight = told / max(float(np.mean((b - matrix @ s)[told] ** 2)), 1e-12)
    trust = 1 / max(float(np.mean((d - s) ** 2)), 1e-12)

    def normal(x: Weights) -> Weights:
        return np.asarray(matrix.T @ (weight * (matrix @ x)) + trust * x)

    size = len(d)
    operator = LinearOperator((size, size), matvec=normal, dtype=np.float64)
    columns = []
    for channel in range(3):
        right = matrix.T @ (weight * b[:, channel]) + trust * d[:, channel]
        columns.append(cg(operator, right, x0=d[:, channel], rtol=1e-5, maxiter=_ROUNDS)[0])
    return to_srgb(np.stack(columns, 1).astype(np.float32).clip(0, 1)).reshape(denoised.shape)


def _bilinear(x: Weights, y: Weights, size: tuple[int, int]) -> csr_matrix:
    """The matrix that reads a picture at points, (points, H W); what lies beyond is continued by the edge."""
    height, width = size
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = np.minimum(np.floor(x), width - 2).astype(int), np.minimum(np.floor(y), height - 2).astype(int)
    fx, fy = x - left, y - top
    corners = [(0, 0, (1 - fx) * (1 - fy)), (0, 1, fx * (1 - fy)), (1, 0, (1 - fx) * fy), (1, 1, fx * fy)]
    rows = np.tile(np.arange(x.size), 4)
    columns = np.concatenate([(top + down) * width + left + right for down, right, _ in corners])
    return csr_matrix((np.concatenate([share for *_, share in corners]), (rows, columns)), (x.size, height * width))
