"""Stacking a hand-held burst: align by tracked features, then average (after Ringaby and Forssen 2014).

Their alignment also reads a gyroscope and models the rolling shutter; here a homography a frame has to do. Nothing
that moves by itself is rejected: it ghosts, as in theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.levels import eight_bit
from ..picture.window import Matrix

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]
Method = Literal["tracks", "sift", "none"]


@dataclass(frozen=True)
class Stacking:
    """Parameters of the method; the paper names none, these are ours.

    Attributes:
        smoothing: Gaussian on the grey frames before corners are looked for, px: single pixels of a short frame are
            mostly noise.
        corners: most corners to track.
        quality: least corner response, as a share of the best one (Shi and Tomasi 1994).
        apart: least distance of two corners, px.
        patch: side of the tracked patches, px.
        levels: pyramid levels above the frame's own.
        there_and_back: largest distance from its start, px, of a corner tracked forth and back.
        ratio: SIFT: a match must be this much nearer than the second nearest (Lowe 2004).
        error: largest reprojection error of an inlier, px.
        inliers: fewest inliers that make a homography believed.
    """

    smoothing: float = 1.5
    corners: int = 1000
    quality: float = 0.01
    apart: float = 5.0
    patch: int = 21
    levels: int = 4
    there_and_back: float = 1.0
    ratio: float = 0.8
    error: float = 2.0
    inliers: int = 12


DEFAULT = Stacking()
Finder = Callable[[Grey, Grey, Stacking], tuple[Points, Points]]


@dataclass(frozen=True, eq=False)
class Registration:
    """How a frame is read at the first frame's pixels.

    Attributes:
        matrix: 3x3 homography, first frame's pixel coordinates (x, y) to this frame's; identity where none was found.
        method: how it was found; "none" says that it was not.
        inliers: point pairs that agree with it.
    """

    matrix: Matrix
    method: Method
    inliers: int


def stack(burst: Sequence[Image], parameters: Stacking = DEFAULT) -> Image:
    """The mean of the frames, each warped to the first one, over those that see a pixel; float32 (H, W, 3) in [0, 1].

    Args:
        burst: one or more float32 (H, W, 3) frames in [0, 1], H and W >= 16, all exposed alike.
        parameters: of the method.
    """
    total = burst[0].astype(np.float32)
    seen = np.ones((*total.shape[:2], 1), np.float32)
    for frame, registration in zip(burst[1:], registrations(burst, parameters), strict=True):
        warped, valid = _warped(frame, registration.matrix)
        total += warped * valid
        seen += valid
    return np.clip(total / seen, 0, 1)


def registrations(burst: Sequence[Image], parameters: Stacking = DEFAULT) -> list[Registration]:
    """How each later frame lies on the first one; frames and parameters as `stack` takes them."""
    first = _prepared(burst[0], parameters)
    return [register(first, _prepared(frame, parameters), parameters) for frame in burst[1:]]


def register(first: Grey, frame: Grey, parameters: Stacking = DEFAULT) -> Registration:
    """The homography from `first` to `frame`, both uint8 (H, W): by tracks, by SIFT where these fail, or none."""
    finders: tuple[tuple[Method, Finder], ...] = (("tracks", _tracks), ("sift", _sift_matches))
    for method, find in finders:
        matrix, inliers = _homography(*find(first, frame, parameters), parameters)
        if inliers >= parameters.inliers:
            return Registration(matrix, method, inliers)
    return Registration(np.eye(3), "none", 0)


def _prepared(image: Image, parameters: Stacking) -> Grey:
    grey = cv2.GaussianBlur(image.mean(-1), (0, 0), parameters.smoothing)
    return eight_bit(grey)


def _tracks(first: Grey, frame: Grey, parameters: Stacking) -> tuple[Points, Points]:
    """Shi-Tomasi corners and where pyramidal Lucas-Kanade finds them, forth and back agreeing; (N, 2) each."""
    found = cv2.goodFeaturesToTrack(first, parameters.corners, parameters.quality, parameters.apart)
    if found is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    corners = np.asarray(found, np.float32).reshape(-1, 2)
    there, arrived = _followed(first, frame, corners, parameters)
    back, returned = _followed(frame, first, there, parameters)
    astray = np.linalg.norm(back - corners, axis=-1)
    good = arrived & returned & (astray <= parameters.there_and_back)
    return corners[good], there[good]


def _followed(start: Grey, end: Grey, points: Points, parameters: Stacking) -> tuple[Points, NDArray[np.bool_]]:
    """Where pyramidal Lucas-Kanade finds the points (N, 2) again, and whether it does, (N,)."""
    side = (parameters.patch, parameters.patch)
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        start, end, points, np.empty_like(points), winSize=side, maxLevel=parameters.levels
    )
    return np.asarray(moved, np.float32), np.asarray(status).ravel() > 0


def _sift_matches(first: Grey, frame: Grey, parameters: Stacking) -> tuple[Points, Points]:
    """SIFT keypoints whose match is clearly the best one; (N, 2) each."""
    sift = cv2.SIFT.create(parameters.corners)
    (here, descriptors), (there, others) = sift.detectAndCompute(first, None), sift.detectAndCompute(frame, None)
    if len(here) < 2 or len(there) < 2:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    pairs = cv2.BFMatcher().knnMatch(descriptors, others, 2)
    clear = [best for best, second in pairs if best.distance < parameters.ratio * second.distance]
    start = np.array([here[match.queryIdx].pt for match in clear], np.float32)
    end = np.array([there[match.trainIdx].pt for match in clear], np.float32)
    return start.reshape(-1, 2), end.reshape(-1, 2)


def _homography(start: Points, end: Points, parameters: Stacking) -> tuple[Matrix, int]:
    """By RANSAC, refined on the inliers, and their count; 0 where there is none."""
    if len(start) < parameters.inliers:
        return np.eye(3), 0
    matrix, mask = cv2.findHomography(start, end, cv2.RANSAC, parameters.error)
    return (np.eye(3), 0) if matrix is None else (np.asarray(matrix, np.float64), int(mask.sum()))


def _warped(frame: Image, matrix: Matrix) -> tuple[Image, Image]:
    """The frame at the first one's pixels, and 1 where it saw them, (H, W, 1)."""
    size = frame.shape[1::-1]
    flags = cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(frame, matrix, size, flags=flags | cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(np.ones(frame.shape[:2], np.float32), matrix, size, flags=flags | cv2.INTER_LINEAR)
    return np.asarray(warped, np.float32), (inside > 0.999).astype(np.float32)[..., None]
