"""JPEG files: strict reading, which notices damage, and writing with all that goes beside the pixels."""

from __future__ import annotations

import re
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..picture.errors import InputError
from ..picture.pair import SMALLEST_SIDE, Metadata, check_size
from . import exif, xmp
from .shift import shifted_from
from .stored import Stored

LARGEST_EXIF = 65_527  # bytes: a segment's length has 16 bits and counts itself and the prefix
QUALITY = 95
_MISSING = 128  # value of pixels that there is nothing of
_HARMLESS = re.compile(r"Unknown Adobe color transform|Invalid (?:crop|progressive)")  # warnings that cost no pixel


def decode(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The picture of a JPEG file, also of one with a gain map, a depth map or a video behind it.

    Raises:
        InputError: it is damaged, and `accept_damaged` is not given; or it is CMYK.
        OSError, ValueError, SyntaxError: it cannot be read at all.
    """
    with Image.open(BytesIO(data)) as file:
        check_size(file.width, file.height, name)
        if file.mode not in ("RGB", "L"):
            raise InputError(f"{name}: is {file.mode}; save it as RGB or greyscale")
        pixels, complaint = _pixels(data, name, "GRAY" if file.mode == "L" else "RGB", accept_damaged)
        rows = _decoded_rows(pixels, 8 * _samples(file)[1]) if complaint else len(pixels)
        return Stored(
            pixels[..., 0] if file.mode == "L" else pixels,
            8,
            exif.parse(_exif(file.info)),
            profile=file.info.get("icc_profile") or b"",
            xmp=file.info.get("xmp") or b"",
            iptc=_iptc(file),
            comment=(file.info.get("comment") or b"").decode("utf-8", "replace"),
            dpi=file.info.get("dpi") if file.info.get("jfif_unit") else None,
            notes=(_damage(complaint, rows, name, pixels) if complaint else _doubt(file, pixels)) + _beside(file, data),
            rows=rows if rows < len(pixels) else None,
        )


def beside(data: bytes) -> tuple[bytes, bytes]:
    """EXIF and XMP of a JPEG file whose pixels are not asked for; empty where there are none."""
    with suppress(OSError, SyntaxError, ValueError), Image.open(BytesIO(data), formats=["JPEG"]) as file:
        return _exif(file.info), file.info.get("xmp") or b""
    return b"", b""


def _exif(info: dict[Any, Any]) -> bytes:
    return bytes(info.get("exif") or b"")


def _iptc(file: Image.Image) -> bytes:
    resources = file.info.get("photoshop") or {}
    return bytes(resources.get(0x0404, b"")) if isinstance(resources, dict) else b""


def _pixels(data: bytes, name: str, space: str, accept_damaged: bool) -> tuple[NDArray[np.uint8], str]:
    """The pixels, and what libjpeg says of damage that was accepted."""
    import simplejpeg

    try:
        return simplejpeg.decode_jpeg(data, space), ""
    except ValueError as error:
        complaint = str(error)
    if _HARMLESS.search(complaint):
        with Image.open(BytesIO(data)) as file:
            return np.asarray(file).reshape(file.height, file.width, -1), ""
    if accept_damaged:
        # Zeros, which a copy that was broken off ends with, would be decoded as some pattern.
        return simplejpeg.decode_jpeg(data.rstrip(b"\0"), space, strict=False), complaint
    raise InputError(
        f"{name}: the file is damaged or cut short ({complaint}); copy it again, or use what is left (accept_damaged)"
    )


def _decoded_rows(pixels: NDArray[np.uint8], block: int) -> int:
    """How many rows of a damaged picture hold anything; libjpeg makes blocks that it lacks grey.

    Args:
        pixels: of the whole picture.
        block: height of those, px. A row of them is no use where its last one is missing.
    """
    lively = np.flatnonzero((pixels.min((1, 2)) != _MISSING) | (pixels.max((1, 2)) != _MISSING))
    rows = int(lively[-1]) + 1 if len(lively) else 0
    if rows < len(pixels):
        rows -= rows % block  # colour that was spread from the last row reaches a pixel further
        if (pixels[rows - block // 2 : rows, -1] == _MISSING).all():
            rows = max(rows - block, 0)
    return rows


def _damage(complaint: str, rows: int, name: str, pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """A note on damage that was accepted. Raises InputError where nothing is left."""
    if rows < SMALLEST_SIDE:
        raise InputError(f"{name}: the file is damaged ({complaint}), and nothing is left of it; copy it again")
    left = f", {rows / len(pixels):.0%}," if rows < len(pixels) else ""
    return (f"is damaged ({complaint}); what is left of it{left} was used",)


def _samples(file: Image.Image) -> tuple[int, int]:
    """How many blocks of brightness there are for one of colour, across and down."""
    layers: Any = getattr(file, "layer", ())  # identifier, samples across, samples down, table
    across, down = layers[0][1:3] if len(layers) > 1 else (1, 1)
    return across, down


def _doubt(file: Image.Image, pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """A note on damage that libjpeg does not see. It may be wrong about a drawing, so it is no reason to refuse."""
    across, down = _samples(file)
    row = shifted_from(pixels, 8 * across, 8 * down)
    if row is None:
        return ()
    return (f"looks damaged: from row {row} on its lightness or colour is shifted, as by a changed byte; look at it",)


def _beside(file: Image.Image, data: bytes) -> tuple[str, ...]:
    """Notes on what else is in the file and is left out."""
    packet = file.info.get("xmp") or b""
    notes = []
    if b"hdrgm:Version" in packet or b"hdr-gain-map" in data[:200_000] or b"urn:iso:std:iso:ts:21496:-1" in data:
        notes.append("has an HDR gain map, which was left out")
    elif (count := getattr(file, "n_frames", 1)) > 1:
        notes.append(f"has {count} pictures, of which the first was used")
    if re.search(rb"MotionPhoto=\"1|MicroVideo=\"1|MotionPhoto>1", packet) or b"ftypmp4" in data or b"ftypqt" in data:
        notes.append("has a video (a motion photo), which was left out")
    return tuple(notes)


def encode(pixels: NDArray[np.uint8], metadata: Metadata, block: exif.Exif, quality: int = QUALITY) -> bytes:
    """A file of 8-bit RGB or grey pixels; what is too long for a segment is left out, the largest tags first."""
    packet = xmp.for_jpeg(metadata.xmp)
    options: dict[str, Any] = {
        "quality": quality,
        "subsampling": 0,
        "icc_profile": metadata.icc or None,
        "exif": exif.block_of(block, LARGEST_EXIF),
        "comment": metadata.comment.encode()[:65_533],
        **({"xmp": packet} if packet else {}),
        **({"dpi": metadata.dpi} if metadata.dpi else {}),
    }
    if options["exif"]:
        options["exif"] = b"Exif\0\0" + options["exif"]
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return _with_iptc(out.getvalue(), metadata.iptc)


def _with_iptc(data: bytes, iptc: bytes) -> bytes:
    """The file with Photoshop's segment (APP13) of IPTC behind its first one."""
    payload = b"Photoshop 3.0\0" + xmp.resources_of(iptc)
    if not iptc or len(payload) > 65_533:
        return data
    end = 4 + int.from_bytes(data[4:6], "big")
    return data[:end] + b"\xff\xed" + (len(payload) + 2).to_bytes(2, "big") + payload + data[end:]
