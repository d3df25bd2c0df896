"""PNG files: chunks around pixels that libpng reads and writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..picture.errors import InputError
from ..picture.pair import Metadata, check_size
from . import exif, icc, xmp
from .stored import Stored, check_single, decoded

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST_TEXT = 16 << 20  # bytes of a compressed chunk, unpacked
_XMP, _IPTC, _COMMENT = b"XML:com.adobe.xmp", (b"Raw profile type iptc", b"Raw profile type app13"), b"Comment"
_SRGB_GAMMA = 0.45455
_LARGEST_DPI = 65_535  # that JPEG can say; a damaged file says more, for which TIFF has no number either
_HEADER_END = 33
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of libpng's colour types
_TRANSPARENT = {0: 2, 2: 6}  # bytes of a colour that is transparent, for which libpng makes one channel more


def decode(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The picture of a PNG file.

    Raises:
        InputError: it is a palette picture or an animation.
        ValueError: it is damaged, or its colours cannot be obeyed.
    """
    chunks = _chunks(data)
    width, height, bits, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    check_size(width, height, name)
    if kind == 3:
        raise InputError(f"{name}: is a picture with a palette; save it as RGB")
    check_single(int.from_bytes(chunks.get(b"acTL", b"")[:4], "big"), name)
    pixels = _pixels(data, (height, width), bits, kind)
    texts = _texts(data)
    return Stored(
        pixels,
        bits if bits == 16 else 8,  # libpng spreads fewer bits over 8
        exif.parse(chunks.get(b"eXIf", b"")),
        profile=_profile(chunks),
        xmp=texts.get(_XMP, b""),
        iptc=next((_unwrapped(texts[key]) for key in _IPTC if key in texts), b""),
        comment=texts.get(_COMMENT, b"").decode("utf-8", "replace"),
        dpi=_dpi(chunks.get(b"pHYs", b"")),
    )


def _pixels(data: bytes, size: tuple[int, int], bits: int, kind: int) -> NDArray[Any]:
    """(H, W), or (H, W, channels). Raises ValueError where the file is damaged."""
    import imagecodecs

    ahead = {name: end - start - 12 for name, start, end in takewhile(lambda chunk: chunk[0] != b"IDAT", _places(data))}
    channels = _CHANNELS.get(kind, 1)  # libpng says what is wrong with another
    channels += ahead.get(b"tRNS") == _TRANSPARENT.get(kind, -1)
    place: NDArray[Any] = np.empty((*size, channels)[: 3 if channels > 1 else 2], np.uint16 if bits == 16 else np.uint8)
    try:
        return decoded(partial(imagecodecs.png_decode, out=place), _without_words(data))
    except ValueError:
        place.resize(0, refcheck=False)  # imagecodecs never lets go of the pixels of a damaged file
        raise


def _places(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Every chunk's kind, and where it begins and ends, as far as the file goes."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        yield kind, place, place + 12 + size
        place += 12 + size


def _each(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and payload of every chunk but those of pixels."""
    for kind, start, end in _places(data):
        if kind not in (b"IDAT", b"fdAT"):
            yield kind, data[start + 8 : end - 4]


def _without_words(data: bytes) -> bytes:
    """The file without texts and profiles, which libpng would unpack for nothing, and which may be bombs."""
    kept, last = [], 0
    for kind, start, end in _places(data):
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(data[last:start])
            last = end
    return b"".join([*kept, data[last:]]) if kept else data


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The first chunk of each kind. Raises ValueError where there is no header."""
    first: dict[bytes, bytes] = {}
    for kind, payload in _each(data):
        first.setdefault(kind, payload)
    if len(first.get(b"IHDR", b"")) < 13:
        raise ValueError("no header")
    return first


def _texts(data: bytes) -> dict[bytes, bytes]:
    """The texts that are carried on, by keyword, without damaged ones; others, which may be bombs, stay packed."""
    texts: dict[bytes, bytes] = {}
    for kind, payload in _each(data):
        key, zero, rest = payload.partition(b"\0")
        if key in texts or key not in (_XMP, *_IPTC, _COMMENT):
            continue
        with suppress(zlib.error, ValueError, IndexError):
            if kind == b"tEXt" and zero:
                texts[key] = rest.decode("latin-1").encode()
            elif kind == b"zTXt":
                texts[key] = _inflated(rest[1:])
            elif kind == b"iTXt":
                words = rest[2:].split(b"\0", 2)[2]
                texts[key] = _inflated(words) if rest[0] else words
    return texts


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _LARGEST_TEXT)


def _unwrapped(text: bytes) -> bytes:
    """IPTC records out of ImageMagick's text of hexadecimal digits."""
    with suppress(ValueError):
        payload = bytes.fromhex(text.split(None, 2)[2].decode("ascii"))
        payload = payload.removeprefix(b"Photoshop 3.0\0")
        return xmp.iptc_of(payload) if payload.startswith(b"8BIM") else payload
    return b""


def _profile(chunks: dict[bytes, bytes]) -> bytes:
    """ICC, by the first of cICP, iCCP, sRGB, and gAMA with cHRM that is there (PNG 3, section 4.3).

    Raises ValueError for HDR.
    """
    if len(code := chunks.get(b"cICP", b"")) == 4:
        return icc.profile_of_codes(code[0], code[1])
    if packed := chunks.get(b"iCCP", b"").partition(b"\0")[2]:
        with suppress(zlib.error):
            return _inflated(packed[1:])
    if b"sRGB" in chunks:
        return b""
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")[:4], "big") / 100_000 or _SRGB_GAMMA
    power = None if abs(gamma - _SRGB_GAMMA) < 0.02 else 1 / gamma
    points = chunks.get(b"cHRM", b"")
    if power is None and len(points) != 32:
        return b""
    numbers = [value / 100_000 for value in struct.unpack(">8I", points)] if len(points) == 32 else None
    return icc.profile_of(tuple(numbers) if numbers else icc.REC709, power)


def _dpi(chunk: bytes) -> tuple[float, float] | None:
    if len(chunk) != 9 or chunk[8] != 1:
        return None
    across, down = (round(value * 0.0254, 2) for value in struct.unpack(">II", chunk[:8]))
    return (across, down) if all(0 < value <= _LARGEST_DPI for value in (across, down)) else None


def encode(pixels: NDArray[Any], metadata: Metadata, block: exif.Exif) -> bytes:
    """A file of 8- or 16-bit RGB or grey pixels."""
    import cv2  # quicker by far than others, and at 16 bits no larger

    encoded = cv2.imencode(".png", pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    return b"".join([encoded[:_HEADER_END], *_beside(metadata, block), encoded[_HEADER_END:]])


def _beside(metadata: Metadata, block: exif.Exif) -> Iterator[bytes]:
    if metadata.icc:
        yield _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        yield _chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in metadata.dpi), 1))
    if packed := exif.block_of(block):
        yield _chunk(b"eXIf", packed)
    if metadata.xmp:
        yield _chunk(b"iTXt", _XMP + bytes(5) + metadata.xmp)
    if metadata.iptc:
        resources = xmp.resources_of(metadata.iptc)
        digits = f"\niptc\n{len(resources):8}\n{resources.hex()}\n".encode()
        yield _chunk(b"zTXt", _IPTC[0] + bytes(2) + zlib.compress(digits))
    if metadata.comment:
        yield _chunk(b"iTXt", _COMMENT + bytes(5) + metadata.comment.encode())


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
