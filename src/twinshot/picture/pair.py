"""What passes between rooms, and the checks that bad input meets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import Image
from .errors import InputError, MismatchError
from .errors import TwinshotError as TwinshotError  # as it was imported before it had a module

SMALLEST_SIDE = 16
LARGEST_SIDE = 32_000  # OpenCV's warps count pixels in 16 bits
LARGEST_AREA = 100_000_000
_SRGB_PRIMARIES = (0.4360, 0.2225, 0.0139, 0.3851, 0.7169, 0.0971, 0.1431, 0.0606, 0.7141)  # XYZ at D50, as ICC has it
_MOST_TAGS = 100


@dataclass(frozen=True)
class Metadata:
    """What a file carries beside its pixels.

    Attributes:
        exif: the EXIF block as stored, orientation not yet reset; empty where there is none.
        icc: the ICC colour profile; empty where there is none (sRGB is meant).
        bits: bits a channel, 8 or 16.
        exposure: ExposureTime x ISO / FNumber^2 in seconds at ISO 1 and f/1, or None where EXIF does not say.
        seconds: exposure time, or None.
    """

    exif: bytes = b""
    icc: bytes = b""
    bits: int = 8
    exposure: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, eq=False, init=False)
class Frame:
    """One photograph, checked.

    Attributes:
        pixels: upright (H, W, 3), RGB, sRGB-encoded: uint8, uint16 or float32 in [0, 1].
        name: what messages call it.
        metadata: what its file says of it.
    """

    pixels: NDArray[Any]
    name: str
    metadata: Metadata

    def __init__(
        self,
        pixels: NDArray[Any],
        name: str = "the array",
        metadata: Metadata | None = None,
        *,
        exposure: float | None = None,
        icc: bytes = b"",
        bits: int | None = None,
    ) -> None:
        """A frame from an array.

        Args:
            pixels: as above, or floats of another width.
            name: for messages.
            metadata: of its file; the rest is for arrays that come from no file.
            exposure: ExposureTime x ISO / FNumber^2 in seconds at ISO 1 and f/1: the gain between two frames is known
                where both have it.
            icc: the bytes of the colour profile; none: sRGB.
            bits: a channel, 8 or 16, to save with; otherwise as many as the pixels have.

        Raises:
            InputError: not (H, W, 3); a side under 16 or over 32,000 px, or more than 100 megapixels; not uint8,
                uint16 or float; a float value that is not finite or outside [0, 1].
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise InputError(f"{name}: has shape {pixels.shape}; give an RGB picture of shape (H, W, 3)")
        check_size(pixels.shape[1], pixels.shape[0], name)
        checked = pixels if pixels.dtype in (np.uint8, np.uint16) else _checked_float(pixels, name)
        own = Metadata(icc=icc, bits=bits or (8 if pixels.dtype == np.uint8 else 16), exposure=exposure)
        for field, value in (("pixels", checked), ("name", name), ("metadata", metadata or own)):
            object.__setattr__(self, field, value)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True, eq=False)
class Pair:
    """A short noisy frame and a long blurry one of the same scene and size, checked."""

    noisy: Frame
    blurry: Frame

    def __post_init__(self) -> None:
        (height, width), (other_height, other_width) = self.noisy.size, self.blurry.size
        if self.noisy.size != self.blurry.size:
            raise MismatchError(
                f"{self.noisy.name} is {width}x{height} but {self.blurry.name} is {other_width}x{other_height}: "
                "give two frames of one size and orientation"
            )
        if np.array_equal(self.noisy.pixels, self.blurry.pixels):
            raise MismatchError(
                f"{self.noisy.name} and {self.blurry.name} are the same picture: give the short and the long exposure"
            )
        if _colours(self.noisy.metadata.icc) != _colours(self.blurry.metadata.icc):
            raise MismatchError(
                f"{self.noisy.name} and {self.blurry.name} have different colour profiles: export both with one profile"
            )


def _colours(icc: bytes) -> bytes:
    """What of a profile decides on colours: nothing where it is sRGB, which is meant without one, too."""
    if _is_srgb(icc):
        return b""
    return icc[:24] + icc[36:84] + icc[100:]  # but for the date and the checksum, which is over the date, too


def _is_srgb(icc: bytes) -> bool:
    """By its name and, where it gives them, by its primaries: phones name wider ones after sRGB's curve."""
    if not any("sRGB".encode(code) in icc for code in ("ascii", "utf-16-be")):
        return False
    primaries = b"".join(_icc_tag(icc, name)[8:20] for name in (b"rXYZ", b"gXYZ", b"bXYZ"))
    if len(primaries) != 36:
        return True
    linear = _icc_tag(icc, b"rTRC")[:12] == b"curv" + bytes(8)
    return not linear and bool(np.abs(np.frombuffer(primaries, ">i4") / 65536 - _SRGB_PRIMARIES).max() < 0.01)


def _icc_tag(icc: bytes, name: bytes) -> bytes:
    """The bytes of a profile's tag; none where it has no such tag."""
    count = min(int.from_bytes(icc[128:132], "big"), _MOST_TAGS)
    for at in range(132, 132 + 12 * count, 12):
        if icc[at : at + 4] == name:
            start, size = (int.from_bytes(icc[at + i : at + i + 4], "big") for i in (4, 8))
            return icc[start : start + size]
    return b""


def check_frame(pixels: NDArray[Any], name: str, metadata: Metadata | None = None) -> Frame:
    """A frame from an array; see `Frame`."""
    return Frame(pixels, name, metadata)


def check_size(width: int, height: int, name: str) -> None:
    """Raises InputError for a side under 16 or over 32,000 px, or more than 100 megapixels."""
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(f"{name}: {width}x{height} is too small; both sides must be at least {SMALLEST_SIDE} px")
    if max(height, width) > LARGEST_SIDE or height * width > LARGEST_AREA:
        raise InputError(
            f"{name}: {width}x{height} is too large; up to {LARGEST_SIDE} px a side and "
            f"{LARGEST_AREA // 1_000_000} megapixels can be restored: crop or split it"
        )


def _checked_float(pixels: NDArray[Any], name: str) -> Image:
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InputError(f"{name}: has type {pixels.dtype}; give uint8, uint16 or float32")
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite(low + high):
        raise InputError(f"{name}: holds NaN or infinite values; replace them before restoring")
    if low < 0 or high > 1:
        raise InputError(f"{name}: float values run from {low:.9g} to {high:.9g}; scale or clip them to [0, 1]")
    return pixels.astype(np.float32, copy=False)


def as_float(pixels: NDArray[Any]) -> Image:
    """Pixels of a frame as float32 in [0, 1]."""
    if pixels.dtype == np.float32:
        return pixels
    return pixels.astype(np.float32) * np.float32(1 / np.iinfo(pixels.dtype).max)
