"""Picture files in and out: 8 and 16 bit, upright, with EXIF and ICC carried over, and nothing half-written."""

from __future__ import annotations

import os
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from .pair import LARGEST_AREA, Frame, Metadata, TwinshotError, check_frame

Pixels = NDArray[Any]
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
_SIXTEEN_BIT = {"PNG", "TIFF"}
_ORIENTATION = 0x0112


def read(source: str | os.PathLike[str] | Pixels, name: str = "array") -> Frame:
    """A frame from a file or an array; `name` is what messages call an array.

    Raises:
        TwinshotError: the file is missing, unreadable, empty, truncated, no image, or no RGB picture; or the array
            is not one of `check_frame`'s.
    """
    if isinstance(source, np.ndarray):
        return check_frame(source, name)
    path = Path(source)
    data = _bytes_of(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data)) as file:
                return _decode(file, data, path)
        except UnidentifiedImageError as error:
            raise TwinshotError(f"{path}: not an image that can be read; give PNG, JPEG, TIFF or WebP") from error
        except Image.DecompressionBombError as error:
            limit = LARGEST_AREA // 1_000_000
            raise TwinshotError(f"{path}: more than {limit} megapixels; crop or split it") from error
        except (OSError, SyntaxError, ValueError, struct.error, EOFError) as error:
            raise TwinshotError(f"{path}: the file is damaged or cut short ({error}); copy it again") from error


def write(path: Path, pixels: Pixels, metadata: Metadata) -> None:
    """Write upright RGB pixels, uint8 or uint16, in the format of the suffix, with EXIF and ICC.

    The file appears whole or not at all. Raises TwinshotError where it cannot be written.
    """
    kind = format_of(path)
    exif = _exif_upright(metadata.exif)
    deep = pixels.dtype == np.uint16

    def encode(file: IO[bytes]) -> None:
        if deep and kind == "PNG":
            file.write(_png_sixteen(pixels, metadata.icc, exif))
        elif deep:
            _tiff_sixteen(file, pixels, metadata.icc, exif)
        else:
            options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}.get(kind, {})
            icc = metadata.icc or None
            Image.fromarray(pixels).save(file, kind, icc_profile=icc, exif=exif.tobytes(), **options)

    write_atomically(path, encode)


def write_atomically(path: Path, encode: Callable[[IO[bytes]], None]) -> None:
    """Run `encode` on a temporary file beside `path`, then rename it; whatever happens, no part of it stays behind.

    Raises TwinshotError where the folder is missing or cannot be written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            encode(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise TwinshotError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """A small file, whole or not at all. Raises TwinshotError where it cannot be written."""

    def encode(file: IO[bytes]) -> None:
        file.write(data)

    write_atomically(path, encode)


def check_output(path: Path, inputs: tuple[Path, ...], force: bool) -> None:
    """Refuse, before any work, an output that could not or should not be written.

    Raises:
        TwinshotError: unknown suffix, missing or read-only folder, an input's own name, or an existing file
            without `force`.
    """
    format_of(path)
    if not path.parent.is_dir():
        raise TwinshotError(f"{path}: the folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise TwinshotError(f"{path}: is a folder; name a file in it")
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise TwinshotError(f"{path}: is one of the inputs, which are never overwritten; choose another name")
    if path.exists() and not force:
        raise TwinshotError(f"{path}: exists already; add --force to replace it, or choose another name")
    if not os.access(path.parent, os.W_OK):
        raise TwinshotError(f"{path}: the folder {path.parent} cannot be written; choose another place")


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
    except OSError as error:
        raise TwinshotError(f"{path}: cannot be read ({error.strerror}); check what it is and its rights") from error
    if not data:
        raise TwinshotError(f"{path}: the file is empty; copy it again")
    return data


def _decode(file: Image.Image, data: bytes, path: Path) -> Frame:
    bits = _bits(file, data)
    _check_mode(file, path, bits)
    metadata = _metadata(file, bits)
    pixels = _sixteen_bit_pixels(file, data, path) if bits == 16 else _eight_bit_pixels(file, path)
    return check_frame(_upright(pixels, file.getexif().get(_ORIENTATION, 1)), str(path), metadata)


def _bits(file: Image.Image, data: bytes) -> int:
    """Bits a channel as stored: Pillow opens 16-bit RGB as 8-bit without a word."""
    if file.format == "PNG":
        return data[24]
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        return int(max(file.tag_v2.get(258, (8,))))
    return 8


def _check_mode(file: Image.Image, path: Path, bits: int) -> None:
    names = {"L": "greyscale", "I;16": "greyscale", "1": "black and white", "P": "a palette picture", "CMYK": "CMYK"}
    if file.mode not in ("RGB", "RGBA"):
        kind = names.get(file.mode.removesuffix("A") if file.mode == "LA" else file.mode, f"of mode {file.mode}")
        raise TwinshotError(f"{path}: is {kind}; twinshot needs colour photographs: save it as RGB")
    if bits not in (8, 16):
        raise TwinshotError(f"{path}: has {bits} bits a channel; save it with 8 or 16")
    if file.format not in SUFFIXES.values() or getattr(file, "n_frames", 1) > 1:
        raise TwinshotError(f"{path}: is {file.format} or has several frames; give one PNG, JPEG, TIFF or WebP picture")


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


def _metadata(file: Image.Image, bits: int) -> Metadata:
    exif = file.getexif()
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    seconds = _number(camera.get(ExifTags.Base.ExposureTime))
    iso = _number(camera.get(ExifTags.Base.ISOSpeedRatings))
    stop = _number(camera.get(ExifTags.Base.FNumber)) or 1.0  # phones may leave out their only aperture
    exposure = seconds * iso / stop**2 if seconds and iso else None
    block = file.info.get("exif") or (exif.tobytes() if len(exif) else b"")
    return Metadata(block, file.info.get("icc_profile") or b"", bits, exposure, seconds)


def _number(value: Any) -> float | None:
    try:
        number = float(value[0] if isinstance(value, tuple) else value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply EXIF's orientation 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _exif_upright(block: bytes) -> Image.Exif:
    """EXIF for an upright picture: the orientation says so, and tags that describe the old file's pixels are gone."""
    exif = Image.Exif()
    if block:
        exif.load(block)
        layout = [tag for tag in exif if 254 <= tag <= 266 or 273 <= tag <= 284 or 317 <= tag <= 347 or tag == 34675]
        for tag in layout:
            del exif[tag]
        exif[_ORIENTATION] = 1
    return exif


def _png_sixteen(pixels: Pixels, icc: bytes, exif: Image.Exif) -> bytes:
    """OpenCV writes the pixels; ICC and EXIF go in as chunks of their own behind the header."""
    ok, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    assert ok
    data = encoded.tobytes()
    end_of_header = 8 + 25
    chunks = b""
    if icc:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if len(exif):
        chunks += _chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    return data[:end_of_header] + chunks + data[end_of_header:]


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _tiff_sixteen(file: IO[bytes], pixels: Pixels, icc: bytes, exif: Image.Exif) -> None:
    """One uncompressed strip, then the directory: Pillow writes no 16-bit RGB, OpenCV no metadata."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels, "<u2")
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    tags = {256: width, 257: height, 258: (16, 16, 16), 259: 1, 262: 2, 273: 8, 277: 3, 278: height, 279: data.nbytes}
    for tag, value in {**dict(exif), **tags, 284: 1}.items():
        directory[tag] = value
    if len(exif) and (camera := exif.get_ifd(ExifTags.IFD.Exif)):
        directory[ExifTags.IFD.Exif] = dict(camera)
    if icc:
        directory.tagtype[34675] = 7
        directory[34675] = icc
    file.write(struct.pack("<2sHI", b"II", 42, 8 + data.nbytes))
    file.write(data.tobytes())
    file.write(directory.tobytes(8 + data.nbytes))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
