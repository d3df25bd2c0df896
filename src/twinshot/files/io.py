"""Picture files in and out: what they are by their first bytes, one reader each, and nothing half-written."""

from __future__ import annotations

import logging
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..picture.errors import InputError, OutputError, TwinshotError
from ..picture.pair import LARGEST_AREA, Frame, Metadata, Sensor, check_frame
from ..picture.window import Pixels
from . import developer, dng, exif, icc, jpeg, modern, png, raw, tiff, xmp
from .atomic import check_target, path_of, write_atomically
from .stored import Stored, frame_of

SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".dng": "DNG",
}  # fmt: skip
_DEPTHS = {"PNG": 16, "TIFF": 32, "DNG": 16}
_LARGEST_SIDES = {"WEBP": ("WebP", 16_383), "JPEG": ("JPEG", 65_500)}
# What parsers of foreign bytes stumble over.
_DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)

for _name in ("imagecodecs", "tifffile"):  # what they warn of is no business of a terminal
    logging.getLogger(_name).addHandler(logging.NullHandler())

Decoder = Callable[[bytes, str, bool], Stored]


def read(
    source: str | os.PathLike[str] | Pixels | Image.Image,
    name: str = "array",
    accept_damaged: bool = False,
    sensor: Sensor | None = None,
) -> Frame:
    """A frame from a file or an array.

    Args:
        source: path, pixels (H, W, 3), or (H, W, 4) where nothing is transparent, or a Pillow image.
        name: what messages call an array.
        accept_damaged: use what is left of a damaged JPEG or raw file.
        sensor: that of another raw frame, with whose white balance a raw file is developed.

    Raises:
        InputError: the file is missing, unreadable, empty, damaged or no photograph; or the array is not one of
            `check_frame`'s.
    """
    if isinstance(source, np.ndarray):
        return check_frame(_without_alpha(source, name), name)
    if isinstance(source, Image.Image):
        return _frame_in_memory(source, name)
    path = path_of(source, name)
    data = _bytes_of(path)
    with warnings.catch_warnings(), _in_words(path):
        warnings.simplefilter("ignore")
        if raw.is_raw(data, path.suffix.lower()):
            return developer.develop(data, str(path), accept_damaged, sensor)
        return frame_of(_decoder(data, path)(data, str(path), accept_damaged), str(path))


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Whatever a decoder stumbles over, as an InputError that names the file."""
    try:
        yield
    except (TwinshotError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: more than {LARGEST_AREA // 1_000_000} megapixels; crop or split it") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path}: the file is damaged, cut short or of a rare kind; copy it again, or save it as RGB with 8 or "
            "16 bits a channel"
        ) from error
    except icc.ColourError as error:
        raise InputError(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise InputError(f"{path}: the file is damaged or cut short ({error}); copy it again") from error


def _without_alpha(pixels: Pixels, name: str) -> Pixels:
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        return pixels
    opaque = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    if (pixels[..., 3] != opaque).any():
        raise InputError(f"{name}: has transparent pixels; remove the alpha channel")
    return np.ascontiguousarray(pixels[..., :3])


def _frame_in_memory(image: Image.Image, name: str) -> Frame:
    """A Pillow image with its EXIF and profile; as it lies in memory, so that it is turned by nobody else."""
    if image.mode not in ("RGB", "RGBA", "L"):
        raise InputError(f"{name}: is a Pillow image of mode {image.mode}; convert it to RGB")
    try:
        image.load()  # EXIF of PNG may stand behind the pixels
    except _DAMAGE as error:
        raise InputError(f"{name}: the Pillow image cannot be loaded ({error}); check its file") from error
    block = exif.parse(image.info.get("exif") or b"")
    return frame_of(Stored(np.asarray(image), 8, block, profile=image.info.get("icc_profile") or b""), name)


def _decoder(data: bytes, path: Path) -> Decoder:
    if data.startswith(b"\xff\xd8\xff"):
        return jpeg.decode
    if data.startswith(png.SIGNATURE[:4]):
        return png.decode
    if data[:4] in exif.HEADERS:
        return tiff.decode
    kinds: dict[str | None, Decoder] = {
        "WEBP": modern.webp, "AVIF": modern.avif, "HEIC": modern.heic, "JXL": modern.jxl,
    }  # fmt: skip
    decoder = kinds.get(modern.kind_of(data))
    if decoder is None:
        raise InputError(
            f"{path}: not an image twinshot can read; give PNG, JPEG, TIFF, WebP, AVIF, HEIC, JPEG XL or camera raw"
        )
    return decoder


def write(path: Path, pixels: Pixels, metadata: Metadata, quality: int | None = None) -> None:
    """Write upright RGB pixels in the format of the suffix, with what goes beside them; grey where the metadata says.

    The file appears whole or not at all. Raises OutputError where it cannot be written, or where its format does
    not hold such pixels.

    Args:
        path: the file.
        pixels: (H, W, 3), sRGB-encoded; uint8, uint16, or float32, which is written as linear light, its profile too.
        metadata: EXIF, ICC and the rest, as read.
        quality: of JPEG and WebP, 1 to 100; None: 95.
    """
    write_atomically(path, encoder(path, pixels, metadata, quality))


def encoder(path: Path, pixels: Pixels, metadata: Metadata, quality: int | None = None) -> Callable[[IO[bytes]], None]:
    """What writes such a file to a stream; arguments and errors are those of `write`."""
    kind = format_of(path)
    if quality is not None and quality not in range(1, 101):
        raise OutputError(f"{path}: quality {quality!r} is out of range; give a whole number from 1 to 100")
    bits = 8 * pixels.itemsize
    if bits > _DEPTHS.get(kind, 8):
        raise OutputError(f"{path}: {kind} holds {_DEPTHS.get(kind, 8)} bits a channel; choose PNG or TIFF for 16")
    _check_side(path, kind, max(pixels.shape[:2]))
    height, width = pixels.shape[:2]
    metadata = _with_xmp(metadata, width, height)
    block = exif.upright(exif.parse(metadata.exif), width, height, metadata.software)
    if bits == 32:
        pixels, linear = icc.linear(pixels, metadata.icc)
        metadata = replace(metadata, icc=linear, grey=False)
    if metadata.grey and kind in ("PNG", "JPEG", "TIFF"):
        pixels, metadata = grey_of(pixels), replace(metadata, icc=b"")
    return partial(_encode, kind, pixels, metadata, block, quality or jpeg.QUALITY)


def _encode(kind: str, pixels: Pixels, metadata: Metadata, block: exif.Exif, quality: int, file: IO[bytes]) -> None:
    if kind == "TIFF":
        tiff.write(file, pixels, metadata, block)
    elif kind == "DNG":
        dng.write(file, pixels, metadata, block)
    else:
        encoders: dict[str, Callable[[Any, Metadata, exif.Exif], bytes]] = {
            "JPEG": partial(jpeg.encode, quality=quality),
            "PNG": png.encode,
            "WEBP": partial(modern.encode_webp, quality=quality),
        }
        # To memory first: of a full disk Pillow's encoders say no more than "encoder error -2".
        file.write(encoders[kind](pixels, metadata, block))


def grey_of(pixels: Pixels) -> Pixels:
    """Brightness (H, W) of RGB pixels that were made from a grey picture: the mean of the channels, rounded."""
    total = pixels.sum(axis=2, dtype=np.uint32)
    return np.asarray((total + 1) // 3, pixels.dtype)


def _with_xmp(metadata: Metadata, width: int, height: int) -> Metadata:
    """XMP for the new picture, with what was done."""
    packet = xmp.upright(metadata.xmp, width, height)
    if metadata.software:
        packet = xmp.with_history(packet, metadata.software, metadata.history)
    return replace(metadata, xmp=packet)


def stripped(metadata: Metadata) -> Metadata:
    """What the pixels need alone: their profile, depth and greyness."""
    return Metadata(icc=metadata.icc, bits=metadata.bits, grey=metadata.grey, sensor=metadata.sensor)


def check_output(path: Path, inputs: tuple[Path, ...], force: bool, bits: int | None = None) -> None:
    """Refuse, before any work, a picture that could not or should not be written.

    Raises:
        OutputError: unknown suffix, missing or read-only folder, an input's own name, an existing file without
            `force`, an input too large for the format, or a depth in bits that it does not hold.
    """
    kind = format_of(path)
    if bits not in (None, 8, 16, 32) or (bits and depth_for(path, bits) != bits):
        depths = {"PNG": "8 or 16", "TIFF": "8, 16 or 32", "DNG": "16"}.get(kind, "8")
        instead = {8: "JPEG, PNG or TIFF", 16: "PNG or TIFF", 32: "TIFF"}.get(bits or 0, f"{depths} bits")
        raise OutputError(f"{path}: {kind} holds {depths} bits a channel, not {bits!r}; choose {instead}")
    if kind in _LARGEST_SIDES:
        _check_side(path, kind, max(map(_longer_side, inputs), default=0))
    check_target(path, inputs, force)


def _longer_side(path: Path) -> int:
    """In px; 0 where the file cannot be read, which is for `read` to say."""
    with warnings.catch_warnings(), suppress(Exception):  # parsers of foreign bytes raise whatever they stumble over
        warnings.simplefilter("ignore")
        if path.is_file():  # a pipe can be read but once
            with Image.open(path) as file:
                return max(file.size)
    return 0


def _check_side(path: Path, kind: str, side: int) -> None:
    title, largest = _LARGEST_SIDES.get(kind, ("", side))
    if side > largest:
        raise OutputError(f"{path}: {title} allows at most {largest} px a side; choose PNG or TIFF")


def format_of(path: Path) -> str:
    """The format a suffix stands for. Raises OutputError for any other suffix."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise OutputError(
            f"{path}: twinshot writes no {path.suffix or 'files without a suffix'}; use {', '.join(SUFFIXES)}"
        )
    return kind


def depth_for(path: Path, bits: int) -> int:
    """Bits a channel that the file will have: `bits` where its format holds them, else the most it holds."""
    return min(max(bits, 16 if format_of(path) == "DNG" else 8), _DEPTHS.get(format_of(path), 8))


def _bytes_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the name") from error
    except (OSError, ValueError) as error:  # the latter for a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); check the path and its permissions") from error
    if not data:
        raise InputError(f"{path}: the file is empty; copy it again")
    return data
