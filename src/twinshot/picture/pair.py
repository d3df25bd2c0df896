"""What passes between rooms, and the checks that bad input meets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import Image
from .errors import InputError, MismatchError
from .errors import TwinshotError as TwinshotError  # as it was imported before it had a module

SMALLEST_SIDE = 16
LARGEST_SIDE = 32_000  # OpenCV's warps count pixels in 16 bits
LARGEST_AREA = 100_000_000


@dataclass(frozen=True)
class Sensor:
    """How a raw file's values become colours: to develop another frame alike, and to write the result as raw again.

    Attributes:
        balance: factors for the sensor's red, green and blue that make white neutral; green's is 1.
        matrix: the sensor's balanced colours to linear sRGB, row by row, 9 numbers.
    """

    balance: tuple[float, float, float]
    matrix: tuple[float, ...]


@dataclass(frozen=True)
class Metadata:
    """What a file carries beside its pixels.

    Attributes:
        exif: the EXIF block as stored, orientation not yet reset; empty where there is none.
        icc: the ICC colour profile; empty where there is none (sRGB is meant).
        bits: bits a channel: 8, 16, or 32 for floats.
        exposure: ExposureTime x ISO / FNumber^2 in seconds at ISO 1 and f/1, or None where EXIF does not say.
        seconds: exposure time, or None.
        xmp: the XMP packet as stored; empty where there is none.
        iptc: IPTC records (IIM); empty where there are none.
        comment: a JPEG's or PNG's comment.
        dpi: resolution across and down where it stands beside EXIF, in pixels an inch.
        grey: whether the file was greyscale, and is to be written so.
        notes: what the user should know of how the file was read: "was ...", "has ...".
        software: what made the pixels, to be written into `Software` and XMP; empty for a picture as read.
        history: how, for XMP's history.
        sensor: what a raw file says of its sensor; None for developed pictures.
        remains: (top, left, bottom, right) of what a damaged file still shows of its picture; None: all.
    """

    exif: bytes = b""
    icc: bytes = b""
    bits: int = 8
    exposure: float | None = None
    seconds: float | None = None
    xmp: bytes = b""
    iptc: bytes = b""
    comment: str = ""
    dpi: tuple[float, float] | None = None
    grey: bool = False
    notes: tuple[str, ...] = ()
    software: str = ""
    history: str = ""
    sensor: Sensor | None = None
    remains: tuple[int, int, int, int] | None = None

    def noted(self, note: str) -> Metadata:
        """The same with one more note."""
        return replace(self, notes=(*self.notes, note))


@dataclass(frozen=True, eq=False, init=False)
class Frame:
    """One photograph, checked.

    Attributes:
        pixels: upright (H, W, 3), RGB, sRGB-encoded: uint8, uint16 or float32 in [0, 1].
        name: what messages call it.
        metadata: what its file says of it.
        count: float32 (H, W), of how many frames of a burst each pixel is the average; None: of one.
    """

    pixels: NDArray[Any]
    name: str
    metadata: Metadata
    count: NDArray[np.float32] | None = None

    def __init__(
        self,
        pixels: NDArray[Any],
        name: str = "the array",
        metadata: Metadata | None = None,
        *,
        exposure: float | None = None,
        icc: bytes = b"",
        bits: int | None = None,
        count: NDArray[np.float32] | None = None,
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
            count: as above.

        Raises:
            InputError: no array; not (H, W, 3); a side under 16 or over 32,000 px, or more than 100 megapixels; not
                uint8, uint16 or float; a float value that is not finite or outside [0, 1].
        """
        if not isinstance(pixels, np.ndarray):
            kind = type(pixels).__name__
            raise InputError(
                f"{name}: has type {kind}; give a NumPy array (H, W, 3), or give files to restore(noisy, blurry)"
            )
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise InputError(f"{name}: has shape {pixels.shape}; give an RGB picture of shape (H, W, 3)")
        check_size(pixels.shape[1], pixels.shape[0], name)
        checked = pixels if pixels.dtype in (np.uint8, np.uint16) else _checked_float(pixels, name)
        own = Metadata(icc=icc, bits=bits or (8 if pixels.dtype == np.uint8 else 16), exposure=exposure)
        told = {"pixels": checked, "name": name, "metadata": metadata or own, "count": count}
        for field, value in told.items():
            object.__setattr__(self, field, value)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True, eq=False)
class Pair:
    """A short noisy frame and a long blurry one of the same scene; their profiles may differ, and their sizes."""

    noisy: Frame
    blurry: Frame

    def __post_init__(self) -> None:
        for frame in (self.noisy, self.blurry):
            if not isinstance(frame, Frame):
                raise InputError(
                    f"a Pair takes two Frames, but one is of type {type(frame).__name__}; give Frame(pixels), or give "
                    "files or arrays to restore(noisy, blurry)"
                )
        if np.array_equal(self.noisy.pixels, self.blurry.pixels):
            raise MismatchError(
                f"{self.noisy.name} and {self.blurry.name} are the same picture; give the short and the long exposure"
            )


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
            f"{LARGEST_AREA // 1_000_000} megapixels can be restored; crop or split it"
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
