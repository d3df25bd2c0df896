"""TIFF files of all depths: tifffile reads the pixels; EXIF's directories carry the rest and are what is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..picture.errors import InputError
from ..picture.pair import LARGEST_AREA, Metadata, check_size
from . import exif, xmp
from .exif import Order, Value, number
from .stored import Stored

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_GREY, _RGB, _YCBCR = 1, 2, 6
_CFA, _LINEAR_RAW = 32803, 34892
_NAMES = {
    0: "greyscale with 0 as white",
    3: "a picture with a palette",
    4: "a mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
}
_MOST_CHANNELS = 8
_ROWS = 64  # that are written at once
_DNG_VERSION = 50706
_XMP, _IPTC, _ICC = 700, 33723, 34675


def is_raw(data: bytes) -> bool:
    """Whether a TIFF file holds what a sensor saw: by its first picture, or by the larger one that a preview is of."""
    main = exif.parse(data).main
    first = _number(main, 254, data), _number(main, 262, data)
    return first[1] in (_CFA, _LINEAR_RAW) or bool(first[0] & 1 and (_DNG_VERSION in main or 330 in main))


def _number(main: exif.Directory, tag: int, data: bytes) -> int:
    order: Order = ">" if data[:2] == b"MM" else "<"
    return int(next(exif.numbers(main.get(tag), order), 0))


def beside(data: bytes) -> tuple[bytes, bytes]:
    """XMP and IPTC of a raw file that is built as TIFF; empty where there are none."""
    block = exif.parse(data)
    packet, records = block.main.get(_XMP), block.main.get(_IPTC)
    iptc = b""
    if records:
        iptc = (
            _as_longs([int(part) for part in exif.numbers(records, block.order)]) if records.kind == 4 else records.data
        )
    return packet.data if packet else b"", iptc


def is_cut_short(data: bytes) -> bool:
    """Whether pixels of any directory of a raw file that is built as TIFF lie behind the file's end, or tiles lack."""
    main = exif.parse(data).main
    order: Order = ">" if data[:2] == b"MM" else "<"
    parts = [main, *(exif.directory_at(data, int(place)) for place in exif.numbers(main.get(330), order))]
    for part in parts:
        for offsets, counts in ((273, 279), (324, 325)):
            spans = zip(exif.numbers(part.get(offsets), order), exif.numbers(part.get(counts), order), strict=False)
            if any(place + count > len(data) for place, count in spans):
                return True
    return any(_lacks_tiles(part, order) for part in parts)


def _lacks_tiles(part: exif.Directory, order: Order) -> bool:
    """Where LibRaw reads none, it leaves whatever was in memory."""
    width, height, across, down = (next(exif.numbers(part.get(tag), order), 0) for tag in (256, 257, 322, 323))
    if not (across and down) or 324 not in part:
        return False
    return part[324].count < -(-width // across) * -(-height // down)


def decode(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The first picture of a TIFF file: grey or RGB, integers or floats of any depth.

    Raises:
        InputError: it is of another kind, or damaged.
    """
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            return _stored(file, data, name)
    except (TypeError, AttributeError) as error:  # what tifffile says of tags of the wrong kind
        raise ValueError(str(error)) from error


def _stored(file: TiffFile, data: bytes, name: str) -> Stored:
    page = file.pages.first
    check_size(page.imagewidth, page.imagelength, name)
    _check(page, name)
    _check_whole(page, len(data))
    block, pixels, bits = exif.parse(data), _pixels(page), page.bitspersample
    if pixels.dtype.kind == "f" or not isinstance(bits, int):  # of 5, 6 and 5 bits tifffile makes 8 each
        bits = 32 if pixels.dtype.kind == "f" else 8 * pixels.itemsize
    return Stored(
        pixels,
        bits,
        exif.upright(block, page.imagewidth, page.imagelength),
        exif.orientation_of(block),
        profile=_bytes(page, _ICC),
        xmp=_bytes(page, _XMP),
        iptc=_bytes(page, _IPTC) or xmp.iptc_of(_bytes(page, 34377)),
        alpha=any(int(kind) in (1, 2) for kind in page.extrasamples),
        notes=tuple(_notes(file, page)),
    )


def _bytes(page: TiffPage, tag: int) -> bytes:
    value = page.tags.valueof(tag)
    if isinstance(value, np.ndarray | list | tuple):
        return np.asarray(value).tobytes() if np.asarray(value).dtype.itemsize == 1 else _as_longs(value)
    return bytes(value) if isinstance(value, bytes) else b""


def _as_longs(value: Any) -> bytes:
    """IPTC is often stored as LONG, in little-endian order of its bytes whatever the file's."""
    numbers = np.asarray(value)
    return numbers.astype("<u4").tobytes().rstrip(b"\0") if numbers.dtype.kind in "iu" else b""


def _check(page: TiffPage, name: str) -> None:
    kind = int(page.photometric)
    channels = page.samplesperpixel
    if kind not in (_GREY, _RGB) and not (kind == _YCBCR and int(page.compression) == 7 and channels == 3):
        what = _NAMES.get(kind, f"of photometric kind {kind}")
        raise InputError(f"{name}: is {what}; save it as RGB")
    if page.dtype is None or page.dtype.kind not in "ufb":
        raise InputError(f"{name}: has {page.dtype} samples; save it with 8 or 16 bits, or as float")
    if page.ndim not in (2, 3) or channels > _MOST_CHANNELS or (kind == _RGB and channels < 3):
        raise InputError(f"{name}: has {channels} channels; save it as RGB or greyscale")


def _check_whole(page: TiffPage, size: int) -> None:
    """Raises ValueError where parts of the pixels are missing, which would be read as black, or are beyond measure."""
    if page.is_tiled and page.tilewidth * page.tilelength > LARGEST_AREA:
        raise ValueError("its tiles are larger than any picture")
    spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not spans or any(not count or place + count > size for place, count in spans):
        raise ValueError("parts of its pixels are missing")
    bits = int(np.broadcast_to(page.bitspersample, page.samplesperpixel).sum())
    needed = page.imagewidth * page.imagelength * bits // 8
    if int(page.compression) == 1 and sum(count for _, count in spans) < needed:
        raise ValueError("parts of its pixels are missing")


def _pixels(page: TiffPage) -> NDArray[Any]:
    pixels = np.asarray(page.asarray())
    if page.planarconfig == 2 and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    if int(page.photometric) == _GREY and pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))


def _notes(file: TiffFile, page: TiffPage) -> Iterator[str]:
    others = [number for number in range(1, len(file.pages)) if not _goes_with_another(file, number)]
    if others:
        yield f"has {len(others) + 1} pages, of which the first was used"
    if page.tags.valueof(37724) is not None:
        yield "has layers, which were left out: their sum was used"
    if page.dtype is not None and page.dtype.kind == "f" and page.tags.valueof(_ICC) is None:
        yield "has float values and no colour profile, so they were taken as sRGB-encoded"


def _goes_with_another(file: TiffFile, index: int) -> bool:
    """Whether a page is a preview or a mask of another one."""
    tags = getattr(file.pages[index], "tags", None)
    return tags is not None and bool(int(tags.valueof(254, 0) or 0) & 5)


def write(file: IO[bytes], pixels: NDArray[Any], metadata: Metadata, block: exif.Exif) -> None:
    """One uncompressed strip behind the directories; uint8, uint16 or float32, RGB (H, W, 3) or grey (H, W).

    A maker's note of EXIF keeps its offset: the block's directories are the file's own.
    """
    order = block.order
    carried = replace(block, main={**resolution(metadata, block), **_comment(metadata), **block.main})
    image = layout(pixels, order) | blocks(metadata)
    length = len(exif.serialise(carried, image))
    image[273] = number(4, length, order)
    file.write(exif.serialise(carried, image))
    write_pixels(file, pixels, order)


def write_pixels(file: IO[bytes], pixels: NDArray[Any], order: Order) -> None:
    """The values in a file's order of bytes; a strip at a time, as a copy is cheap where it is small."""
    for top in range(0, len(pixels), _ROWS):
        file.write(np.ascontiguousarray(pixels[top : top + _ROWS], pixels.dtype.newbyteorder(order)).data)


def layout(pixels: NDArray[Any], order: Order, photometric: int | None = None) -> exif.Directory:
    """The tags that say how one uncompressed strip of these pixels is stored; its offset is still 0."""
    height, width = pixels.shape[:2]
    channels = 3 if pixels.ndim == 3 else 1
    values = {
        254: (4, 0), 256: (4, width), 257: (4, height), 258: (3, (8 * pixels.itemsize,) * channels), 259: (3, 1),
        262: (3, photometric or (_RGB if channels == 3 else _GREY)), 273: (4, 0), 277: (3, channels), 278: (4, height),
        279: (4, pixels.nbytes), 284: (3, 1), 339: (3, (3 if pixels.dtype.kind == "f" else 1,) * channels),
    }  # fmt: skip
    return {tag: number(kind, value, order) for tag, (kind, value) in values.items()}


def resolution(metadata: Metadata, block: exif.Exif) -> exif.Directory:
    """The resolution as tags, where the file had it elsewhere than in EXIF."""
    if not metadata.dpi:
        return {}
    across, down = (number(5, (round(value * 100), 100), block.order) for value in metadata.dpi)
    return {exif.X_RESOLUTION: across, exif.Y_RESOLUTION: down, exif.RESOLUTION_UNIT: number(3, 2, block.order)}


def blocks(metadata: Metadata) -> exif.Directory:
    """ICC, XMP and IPTC as tags."""
    parts = {_ICC: metadata.icc, _XMP: metadata.xmp, _IPTC: metadata.iptc}
    return {tag: Value(7 if tag != _XMP else 1, len(data), data) for tag, data in parts.items() if data}


def _comment(metadata: Metadata) -> exif.Directory:
    return {270: exif.text(metadata.comment)} if metadata.comment else {}
