"""Picture files in and out: 8 and 16 bit, upright, with EXIF and ICC carried over, and nothing half-written."""

from __future__ import annotations

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from ..picture.pair import LARGEST_AREA, Frame, Metadata, TwinshotError, check_frame, check_size
from ..picture.window import Pixels
from .atomic import check_target, path_of, write_atomically
from .metadata import GROUPS, block_of, exif_of, exposure_of, upright_exif

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
_RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf"),
    *(".pef", ".raf", ".rw2", ".srw", ".x3f"),
)
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"RIFF")
_SIXTEEN_BIT = {"PNG", "TIFF"}
_LARGEST_WEBP_SIDE = 16_383
_STDERR = threading.Lock()


def read(source: str | os.PathLike[str] | Pixels, name: str = "array") -> Frame:
    """A frame from a file or an array; `name` is what messages call an array.

    Raises:
        TwinshotError: the file is missing, unreadable, empty, truncated, no image, or no RGB picture; or the array
            is not one of `check_frame`'s.
    """
    if isinstance(source, np.ndarray):
        return check_frame(source, name)
    path = path_of(source, name)
    data = _bytes_of(path)
    if path.suffix.lower() in _RAW_SUFFIXES:
        raise _is_raw(path)
    with warnings.catch_warnings(), _hushed(data):
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(data)) as file:
                return _decode(file, data, path)
        except (TwinshotError, MemoryError):
            raise
        except UnidentifiedImageError as error:
            if data.startswith(_SIGNATURES):
                raise TwinshotError(
                    f"{path}: the file is damaged or cut short, or a rare kind; copy it again, or save it as RGB of 8 "
                    "or 16 bits a channel"
                ) from error
            raise TwinshotError(f"{path}: not an image that can be read; give PNG, JPEG, TIFF or WebP") from error
        except Image.DecompressionBombError as error:
            limit = LARGEST_AREA // 1_000_000
            raise TwinshotError(f"{path}: more than {limit} megapixels; crop or split it") from error
        except Exception as error:  # parsers of foreign bytes raise whatever they stumble over
            raise TwinshotError(f"{path}: the file is damaged or cut short ({error}); copy it again") from error


def write(path: Path, pixels: Pixels, metadata: Metadata) -> None:
    """Write upright RGB pixels, uint8 or uint16, in the format of the suffix, with EXIF and ICC.

    The file appears whole or not at all. Raises TwinshotError where it cannot be written, or where its format does
    not hold such pixels.
    """
    kind = format_of(path)
    deep = pixels.dtype == np.uint16
    if deep and kind not in _SIXTEEN_BIT:
        raise TwinshotError(f"{path}: {kind} holds 8 bit a channel; choose PNG or TIFF for 16")
    if kind == "WEBP":
        _check_webp(path, max(pixels.shape[:2]))
    exif = upright_exif(metadata.exif, pixels.shape[1], pixels.shape[0])

    def encode(file: IO[bytes]) -> None:
        if deep and kind == "PNG":
            _png_sixteen(file, pixels, metadata.icc, exif)
        elif kind == "TIFF":
            _tiff(file, pixels, metadata.icc, exif)
        else:
            options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}.get(kind, {})
            options |= {"icc_profile": metadata.icc or None, "exif": block_of(exif, kind)}
            # To memory first: of a full disk Pillow's encoders say no more than "encoder error -2".
            encoded = BytesIO()
            Image.fromarray(pixels).save(encoded, kind, **options)
            file.write(encoded.getbuffer())

    write_atomically(path, encode)


def check_output(path: Path, inputs: tuple[Path, ...], force: bool) -> None:
    """Refuse, before any work, a picture that could not or should not be written.

    Raises:
        TwinshotError: unknown suffix, missing or read-only folder, an input's own name, an existing file without
            `force`, or an input too large for the format.
    """
    if format_of(path) == "WEBP":
        _check_webp(path, max(map(_longer_side, inputs), default=0))
    check_target(path, inputs, force)


def _longer_side(path: Path) -> int:
    """In px; 0 where the file cannot be read, which is for `read` to say."""
    with warnings.catch_warnings(), suppress(Exception):  # parsers of foreign bytes raise whatever they stumble over
        warnings.simplefilter("ignore")
        if path.is_file():  # a pipe can be read but once
            with Image.open(path) as file:
                return max(file.size)
    return 0


def _check_webp(path: Path, side: int) -> None:
    if side > _LARGEST_WEBP_SIDE:
        raise TwinshotError(f"{path}: WebP holds at most {_LARGEST_WEBP_SIDE} px a side; choose PNG, TIFF or JPEG")


def format_of(path: Path) -> str:
    """Pillow's name of the format a suffix stands for. Raises TwinshotError for any other suffix."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise TwinshotError(f"{path}: unknown picture format {path.suffix!r}; use {', '.join(SUFFIXES)}")
    return kind


def depth_for(path: Path, bits: int) -> int:
    """Bits a channel that the file will have: `bits` where its format holds them, else 8."""
    return bits if format_of(path) in _SIXTEEN_BIT else 8


def _bytes_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TwinshotError(f"{path}: no such file; check the name") from error
    except (OSError, ValueError) as error:  # the latter for a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise TwinshotError(f"{path}: cannot be read ({reason}); check what it is and its rights") from error
    if not data:
        raise TwinshotError(f"{path}: the file is empty; copy it again")
    return data


@contextmanager
def _hushed(data: bytes) -> Iterator[None]:
    """Keep libtiff and libpng off the error stream, where they print what is raised as an error anyway.

    They know no other way than the process's own stream, so it is turned off for as short as can be: only for the
    formats that are read with them, and for one file at a time.
    """
    deep_png = data.startswith(b"\x89PNG") and data[24:25] == b"\x10"
    if not (deep_png or data.startswith((b"II", b"MM"))):
        yield
        return
    with _STDERR:
        try:
            stream = os.dup(2)
        except OSError:  # there is none to keep clean
            yield
            return
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(stream, 2)
            os.close(stream)


def _decode(file: Image.Image, data: bytes, path: Path) -> Frame:
    check_size(file.width, file.height, str(path))  # before the memory for its pixels is asked for
    bits = _bits(file, data)
    _check_mode(file, path, bits)
    if file.format == "PNG":
        _check_png(data)
        file.load()  # before EXIF, which Pillow reads the pixels for: damage to them would pass as that of EXIF
    metadata = _metadata(file, exif_of(file), bits)
    pixels = _sixteen_bit_pixels(file, data, path) if bits == 16 else _eight_bit_pixels(file, path)
    # Asked for once the pixels are there: readers turn a TIFF upright themselves, and then Pillow forgets the tag.
    orientation = exif_of(file).get(ExifTags.Base.Orientation, 1)
    return check_frame(_upright(pixels, orientation), str(path), metadata)


def _bits(file: Image.Image, data: bytes) -> int:
    """Bits a channel as stored: Pillow opens 16-bit RGB as 8-bit without a word."""
    if file.format == "PNG":
        return data[24]
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        return int(max(file.tag_v2.get(258, (8,))))
    return 8


def _check_png(data: bytes) -> None:
    """Raises ValueError where a checksum says that bytes of the pixels have changed: Pillow does not ask those."""
    view, place = memoryview(data), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT" and zlib.crc32(view[place + 4 : end]) != int.from_bytes(
            view[end : end + 4]
        ):
            raise ValueError("a checksum of its pixels is wrong")
        place = end + 4


def _is_raw(path: Path) -> TwinshotError:
    return TwinshotError(f"{path}: is a camera raw file: develop both frames alike, to 16-bit TIFF")


def _check_mode(file: Image.Image, path: Path, bits: int) -> None:
    tags = file.tag_v2 if isinstance(file, TiffImagePlugin.TiffImageFile) else {}
    if tags.get(254, 0) & 1 or 50706 in tags:
        raise _is_raw(path)
    if file.format not in {*SUFFIXES.values(), "MPO"}:
        raise TwinshotError(f"{path}: is {file.format}; give PNG, JPEG, TIFF or WebP")
    names = {"L": "greyscale", "LA": "greyscale", "1": "black and white", "P": "a palette picture", "CMYK": "CMYK"}
    if file.mode not in ("RGB", "RGBA"):
        kind = names.get(file.mode, "greyscale" if file.mode.startswith("I;16") else f"of mode {file.mode}")
        raise TwinshotError(f"{path}: is {kind}; twinshot needs colour photographs: save it as RGB")
    if bits not in (8, 16):
        raise TwinshotError(f"{path}: has {bits} bits a channel; save it with 8 or 16")
    if bits == 16 and tags.get(284, 1) == 2:
        raise TwinshotError(f"{path}: keeps its colours in planes of their own; save it interleaved (pixel by pixel)")
    if getattr(file, "n_frames", 1) > 1 and not _is_one_photograph(file):
        raise TwinshotError(f"{path}: has several frames; save the one to restore by itself")


def _is_one_photograph(file: Image.Image) -> bool:
    """Whether what follows the first frame only goes with it: a phone's depth map, an editor's small previews."""
    if not isinstance(file, TiffImagePlugin.TiffImageFile):
        return file.format == "MPO"
    previews = []
    for page in range(1, file.n_frames):
        file.seek(page)
        previews.append(bool(file.tag_v2.get(254, 0) & 1))
    file.seek(0)
    return all(previews)


def _eight_bit_pixels(file: Image.Image, path: Path) -> Pixels:
    pixels = np.asarray(file)
    return _opaque(pixels, path)


def _sixteen_bit_pixels(file: Image.Image, data: bytes, path: Path) -> Pixels:
    """By OpenCV, after Pillow has read the file through, which is what notices a damaged one."""
    file.load()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise TwinshotError(f"{path}: its 16-bit pixels cannot be read; save it as a plain 16-bit PNG or TIFF")
    if pixels.shape[2] == 4:
        return _opaque(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), path)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)


def _opaque(pixels: Pixels, path: Path) -> Pixels:
    """Drop an alpha channel that says nothing."""
    if pixels.shape[2] == 3:
        return pixels
    if (pixels[..., 3] != np.iinfo(pixels.dtype).max).any():
        raise TwinshotError(f"{path}: has transparent pixels; save it without an alpha channel")
    return np.ascontiguousarray(pixels[..., :3])


def _metadata(file: Image.Image, exif: Image.Exif, bits: int) -> Metadata:
    exposure, seconds = exposure_of(exif)
    return Metadata(block_of(exif), file.info.get("icc_profile") or b"", bits, exposure, seconds)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply EXIF's orientation 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _png_sixteen(file: IO[bytes], pixels: Pixels, icc: bytes, exif: Image.Exif) -> None:
    """OpenCV writes the pixels; ICC and EXIF go in as chunks of their own behind the header."""
    encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    end_of_header = 8 + 25
    file.write(encoded[:end_of_header].data)
    if icc:
        file.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if block := block_of(exif):
        file.write(_chunk(b"eXIf", block.removeprefix(b"Exif\0\0")))
    file.write(encoded[end_of_header:].data)


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _tiff(file: IO[bytes], pixels: Pixels, icc: bytes, exif: Image.Exif) -> None:
    """The directory, then one uncompressed strip: Pillow writes no 16-bit RGB and ASCII alone, OpenCV no metadata."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    # The offset of the strip counts from the directory's end.
    tags = {256: width, 257: height, 258: (8 * pixels.itemsize,) * 3, 259: 1, 262: 2, 273: 0, 277: 3, 278: height}
    for tag, value in {**dict(exif), **tags, 279: data.nbytes, 284: 1}.items():
        directory[tag] = value
    for group in GROUPS:
        if part := exif.get_ifd(group):
            directory[group] = dict(part)
    if icc:
        directory.tagtype[34675] = 7
        directory[34675] = icc
    directory.save(file)
    file.write(data.data)
