"""What a decoder hands over, and the way from there to a frame: depth, colours, transparency, orientation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..picture.errors import InputError
from ..picture.pair import Frame, Metadata, check_frame
from ..picture.window import Pixels
from . import exif, icc


@dataclass(frozen=True, eq=False)
class Stored:
    """A picture as its file has it.

    Attributes:
        pixels: (H, W) grey, or (H, W, channels) with colours first: integers or floats, not yet turned upright.
        bits: of each integer sample that count; 32 for floats.
        exif: what there is of it.
        orientation: 1 to 8, as EXIF's; None where EXIF says it.
        profile: ICC; empty for sRGB.
        xmp, iptc, comment, dpi: as in Metadata.
        alpha: whether the last channel is one of transparency, not of some other use.
        notes: what the user should know of how it was read: "was ...", "has ...".
        rows: how many are left of a damaged file, the first ones; None: all.
    """

    pixels: Pixels
    bits: int
    exif: exif.Exif
    orientation: int | None = None
    profile: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    comment: str = ""
    dpi: tuple[float, float] | None = None
    alpha: bool = True
    notes: tuple[str, ...] = ()
    rows: int | None = None


def check_single(frames: int, name: str) -> None:
    """Raises InputError for an animation."""
    if frames > 1:
        raise InputError(f"{name}: holds several frames; save the one you want as a file of its own")


def decoded(decode: Callable[[bytes], Any], data: bytes) -> Pixels:
    """The pixels by a function of imagecodecs, whatever goes wrong as a ValueError."""
    try:
        return np.asarray(decode(data))
    except Exception as error:  # each codec's own kind, of no family
        raise ValueError(str(error)) from error


def frame_of(stored: Stored, name: str) -> Frame:
    """The frame: RGB, upright, uint8, uint16 or float32 in [0, 1], its values near sRGB-encoded.

    Raises:
        InputError: it is transparent, or as `check_frame`.
        ValueError: its colours cannot be obeyed.
    """
    pixels, clipped = _levels(_opaque(stored, name), stored.bits)
    notes = stored.notes + clipped
    grey = pixels.ndim == 2
    profile, doubt = _profile(stored.profile, grey)
    if grey:
        pixels, profile = np.repeat(icc.grey(pixels, profile)[..., None], 3, axis=2), b""
    else:
        pixels, profile = icc.encoded(pixels, profile)
    exposure, seconds = exif.exposure_of(stored.exif)
    orientation = stored.orientation or exif.orientation_of(stored.exif)
    bits = {np.uint8: 8, np.uint16: 16}.get(pixels.dtype.type, 32)
    metadata = Metadata(
        exif.block_of(stored.exif), profile, bits, exposure, seconds, stored.xmp, stored.iptc, stored.comment,
        stored.dpi, grey, notes + doubt, remains=_remains(stored, orientation),
    )  # fmt: skip
    return check_frame(_upright(pixels, orientation), name, metadata)


def _remains(stored: Stored, orientation: int) -> tuple[int, int, int, int] | None:
    """Where the rows that are left of a damaged file are in the upright picture."""
    if stored.rows is None:
        return None
    left = np.zeros(stored.pixels.shape[:2], bool)
    left[: stored.rows] = True
    down, across = (np.flatnonzero(_upright(left, orientation).any(axis)) for axis in (1, 0))
    return int(down[0]), int(across[0]), int(down[-1]) + 1, int(across[-1]) + 1


def _profile(profile: bytes, grey: bool) -> tuple[bytes, tuple[str, ...]]:
    """The profile where it is whole and fits the pixels; otherwise none, and a note."""
    if not profile or icc.usable(profile, b"GRAY" if grey else b"RGB "):
        return profile, ()
    if grey and icc.usable(profile):
        return b"", ()  # of grey pixels, an RGB profile near sRGB's says nothing
    return b"", ("has a colour profile that is damaged or of another kind of picture, so sRGB was assumed",)


def _opaque(stored: Stored, name: str) -> Pixels:
    """Colours alone: alpha that says nothing is dropped, and so are channels of other uses."""
    pixels = stored.pixels
    if pixels.ndim == 2:
        return pixels
    colours = 3 if pixels.shape[2] >= 3 else 1
    if pixels.shape[2] > colours and stored.alpha:
        opaque = 1.0 if stored.bits == 32 else 2**stored.bits - 1
        if (pixels[..., colours] < opaque).any():
            raise InputError(f"{name}: has transparent pixels; save it without transparency")
    return np.ascontiguousarray(pixels[..., :3] if colours == 3 else pixels[..., 0])


def _levels(pixels: Pixels, bits: int) -> tuple[Pixels, tuple[str, ...]]:
    """Samples of any depth as uint8, uint16 or float32 in [0, 1], with a note on what was clipped."""
    if np.issubdtype(pixels.dtype, np.floating):
        return _clipped(pixels)
    if bits in (8, 16) and pixels.dtype == np.dtype(f"u{bits // 8}"):
        return pixels, ()
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255), ()
    wanted = np.uint8 if bits <= 8 else np.uint16
    largest = 2**bits - 1
    scale = np.iinfo(wanted).max / largest
    if bits <= 16:
        return (np.arange(largest + 1) * scale).round().astype(wanted)[np.minimum(pixels, largest)], ()
    return (pixels >> pixels.dtype.type(bits - 16)).astype(np.uint16), ()


def _clipped(pixels: Pixels) -> tuple[Pixels, tuple[str, ...]]:
    pixels = np.asarray(pixels, np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite(low + high) or (low >= 0 and high <= 1):
        return pixels, ()  # what is not finite is refused with the frame
    return pixels.clip(0, 1), (f"has values from {low:.3g} to {high:.3g}, which were clipped to 0 and 1",)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply EXIF's orientation 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
