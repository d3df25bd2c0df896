"""EXIF as it is stored: directories of typed values, carried over byte by byte.

A block of EXIF is a small TIFF file. Libraries read its values and write them anew by the types they think right, at
other offsets; makers' notes, which count offsets from the block's start, break on the way. Here a value keeps its type,
its count and its bytes, and a maker's note its offset. (TIFF 6.0, section 2; EXIF 2.32, section 4.6.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

CAMERA, GPS, INTEROP = 0x8769, 0x8825, 0xA005
ORIENTATION, SOFTWARE, MAKER_NOTE = 0x0112, 0x0131, 0x927C
WIDTH, HEIGHT = 0xA002, 0xA003
_SUB_IFDS = 330
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
_EXPOSURE_TIME, _F_NUMBER, _ISO, _RECOMMENDED_EXPOSURE, _ISO_SPEED = 0x829A, 0x829D, 0x8827, 0x8832, 0x8833
_LARGEST_OLD_ISO = 65_535
# Of the camera's directory: what raw files may have in the main one, too (TIFF/EP, ISO 12234-2).
_OF_CAMERA = {
    *(_EXPOSURE_TIME, _F_NUMBER, 0x8822, _ISO, *range(0x8830, 0x8836), 0x9003, 0x9004, *range(0x9010, 0x9013)),
    *(*range(0x9201, 0x920B), 0x9214, 0x9286, *range(0x9290, 0x9293), *range(0xA20B, 0xA218)),
    *(*range(0xA300, 0xA303), *range(0xA401, 0xA437)),
}
OF_DNG = {50735: 0xA431, 50736: 0xA432}
"""DNG's own tags to EXIF's of the same values: the camera's serial number, and what the lens can do."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8}
_BIG_KINDS = (16, 18)
_CODES = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
_MOST_TAGS = 1000  # of a directory: a damaged count asks for many more
_FURTHEST_NOTE = 60_000  # where a note can stay, so that what stands before it is not mostly padding
HEADERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What a block, and a TIFF or BigTIFF file, begins with."""
_PREFIX = b"Exif\0\0"
# Notes that begin with a header of their own and count from there may be moved.
_MOVABLE = (
    b"Nikon\0\2",
    b"OLYMPUS\0",
    b"OM SYSTEM\0",
    b"FUJIFILM",
    b"Apple iOS\0",
    b"PENTAX \0",
    b"SIGMA\0",
    b"FOVEON\0",
)

Order = Literal["<", ">"]


@dataclass(frozen=True)
class Value:
    """One tag's value as stored: its type, how many, and the bytes in the block's byte order."""

    kind: int
    count: int
    data: bytes


Directory = dict[int, Value]


@dataclass(frozen=True)
class Exif:
    """A block's directories; those that are missing are empty.

    Attributes:
        order: "<" little-endian, ">" big-endian.
        main, camera, gps, interop: tag to value, without the pointers from one to another.
        note: offset of the maker's note from the block's start; None where there is none, or where it may be moved.
    """

    order: Order = "<"
    main: Directory = field(default_factory=dict)
    camera: Directory = field(default_factory=dict)
    gps: Directory = field(default_factory=dict)
    interop: Directory = field(default_factory=dict)
    note: int | None = None

    def __bool__(self) -> bool:
        return bool(self.main or self.camera or self.gps or self.interop)


def parse(block: bytes) -> Exif:
    """What can be read of a block; damage costs the tags it hits, not the rest."""
    block = block.removeprefix(_PREFIX)
    order = _order(block)
    if block[:4] not in HEADERS:
        return Exif()
    main, _ = _directory(block, _integer(block[8:16] if _is_big(block) else block[4:8], order))
    camera, places = _directory(block, _pointer(main, CAMERA, order))
    gps, _ = _directory(block, _pointer(main, GPS, order))
    interop, _ = _directory(block, _pointer(camera, INTEROP, order))
    for directory, pointer in ((main, CAMERA), (main, GPS), (camera, INTEROP)):
        directory.pop(pointer, None)
    fixed = MAKER_NOTE in camera and not camera[MAKER_NOTE].data.startswith(_MOVABLE)
    return Exif(order, main, camera, gps, interop, places[MAKER_NOTE] if fixed else None)


def directory_at(block: bytes, place: int) -> Directory:
    """A further directory of a block, at an offset; empty where there is none."""
    return _directory(block, place)[0]


def _order(block: bytes) -> Order:
    return ">" if block[:2] == b"MM" else "<"


def _is_big(block: bytes) -> bool:
    """Whether it is a BigTIFF file, whose counts and offsets have 8 bytes."""
    return 43 in block[2:4]


def _directory(block: bytes, place: int) -> tuple[Directory, dict[int, int]]:
    """The tags of the directory at an offset, and the offsets of their values; both empty where there is none."""
    values: Directory = {}
    places: dict[int, int] = {}
    order = _order(block)
    head, wide = (8, 8) if _is_big(block) else (2, 4)  # bytes of the directory's count, and of other counts and offsets
    entry = 4 + 2 * wide
    count = min(_integer(block[place : place + head], order), _MOST_TAGS) if place else 0
    for at in range(place + head, place + head + entry * count, entry):
        if at + entry > len(block):
            break
        tag, kind = struct.unpack(f"{order}HH", block[at : at + 4])
        number, field = _integer(block[at + 4 : at + 4 + wide], order), at + 4 + wide
        size = _SIZES.get(kind, 0) * number
        start = field if size <= wide else _integer(block[field : field + wide], order)
        if size and start + size <= len(block):
            values[tag], places[tag] = _narrow(Value(kind, number, block[start : start + size]), order), start
    return values, places


def _narrow(value: Value, order: Order) -> Value:
    """BigTIFF's integers of 8 bytes as those of 4 that EXIF knows; no value that is kept is larger."""
    if value.kind not in _BIG_KINDS:
        return value
    wide = struct.unpack(f"{order}{value.count}Q", value.data)
    return number(4, tuple(min(part, 0xFFFFFFFF) for part in wide), order)


def _integer(data: bytes, order: Order) -> int:
    return int.from_bytes(data, "little" if order == "<" else "big")


def _pointer(directory: Directory, tag: int, order: Order) -> int:
    value = directory.get(tag)
    return _integer(value.data[:4], order) if value and value.kind in (4, 13) else 0


def serialise(exif: Exif, image: Mapping[int, Value] | None = None, further: Directory | None = None) -> bytes:
    """The block: header, values, then directories; the main one last of all. Without a prefix.

    A maker's note that counts from the block's start stays at its offset, or is dropped where it could not.

    Args:
        exif: what to write.
        image: further tags of the main directory.
        further: a directory of another picture, which the main one points to (SubIFDs).
    """
    out = bytearray(struct.pack("<2sHI", b"II", 42, 0) if exif.order == "<" else struct.pack(">2sHI", b"MM", 42, 0))
    camera, main = dict(exif.camera), {**exif.main, **(image or {})}
    placed: dict[int, int] = {}
    if exif.note is not None and MAKER_NOTE in camera:
        if 8 <= exif.note <= _FURTHEST_NOTE:
            out += bytes(exif.note - len(out)) + camera[MAKER_NOTE].data
            placed = {MAKER_NOTE: exif.note}
        else:
            del camera[MAKER_NOTE]
    if exif.interop:
        camera[INTEROP] = number(4, _append(out, exif.interop, exif.order), exif.order)
    if camera:
        main[CAMERA] = number(4, _append(out, camera, exif.order, placed), exif.order)
    if further:
        main[_SUB_IFDS] = number(4, _append(out, further, exif.order), exif.order)
    if exif.gps:
        main[GPS] = number(4, _append(out, exif.gps, exif.order), exif.order)
    out[4:8] = struct.pack(f"{exif.order}I", _append(out, main, exif.order))
    return bytes(out)


def _append(out: bytearray, directory: Directory, order: Order, placed: Mapping[int, int] | None = None) -> int:
    """Values, then the directory, at the block's end; returns the directory's offset. `placed` values are there."""
    entries = bytearray()
    for tag, value in sorted(directory.items()):
        entries += struct.pack(f"{order}HHI", tag, value.kind, value.count)
        if len(value.data) <= 4:
            entries += value.data.ljust(4, b"\0")
            continue
        place = (placed or {}).get(tag)
        if place is None:
            out += bytes(len(out) % 2)
            place = len(out)
            out += value.data
        entries += struct.pack(f"{order}I", place)
    out += bytes(len(out) % 2)
    place = len(out)
    out += struct.pack(f"{order}H", len(directory)) + entries + bytes(4)
    return place


def number(kind: int, value: int | float | tuple[int | float, ...], order: Order) -> Value:
    """A value of numbers: of kind 3 (SHORT), 4 (LONG), 5 (RATIONAL, as pairs) or another with a code."""
    values = value if isinstance(value, tuple) else (value,)
    code = _CODES[kind]
    return Value(kind, len(values) // len(code), struct.pack(f"{order}{len(values)}{code[0]}", *values))


def text(words: str) -> Value:
    """An ASCII value, with its closing zero; what is not ASCII as UTF-8, which readers expect."""
    data = words.encode() + b"\0"
    return Value(2, len(data), data)


def numbers(value: Value | None, order: Order) -> Iterator[float]:
    """The numbers of a value; none where it holds text or bytes."""
    code = _CODES.get(value.kind, "") if value else ""
    if not value or not code or value.kind == 7:
        return
    parts = struct.unpack(f"{order}{len(value.data) // struct.calcsize(code[0])}{code[0]}", value.data)
    if len(code) == 1:
        yield from map(float, parts)
        return
    for above, below in zip(parts[::2], parts[1::2], strict=True):
        yield above / below if below else float("nan")


def words(value: Value | None) -> str:
    """The text of an ASCII value, without what ends it; empty where there is none."""
    return value.data.partition(b"\0")[0].decode("utf-8", "replace").strip() if value and value.kind == 2 else ""


def _positive(exif: Exif, tag: int) -> float | None:
    value = exif.camera.get(tag) or exif.main.get(tag)  # raw files may have it in either
    first = next(numbers(value, exif.order), float("nan"))
    return first if np.isfinite(first) and first > 0 else None


def exposure_of(exif: Exif) -> tuple[float | None, float | None]:
    """ExposureTime x ISO / FNumber^2, and the exposure time in seconds; None where EXIF does not say."""
    seconds, iso = _positive(exif, _EXPOSURE_TIME), _iso(exif)
    stop = _positive(exif, _F_NUMBER) or 1.0  # phones may leave out their only aperture
    return (seconds * iso / stop**2 if seconds and iso else None), seconds


def _iso(exif: Exif) -> float | None:
    """The old tag ends at 65535, and what is beyond stands in one of two newer ones."""
    iso = _positive(exif, _ISO)
    if iso != _LARGEST_OLD_ISO:
        return iso
    return _positive(exif, _RECOMMENDED_EXPOSURE) or _positive(exif, _ISO_SPEED) or iso


def orientation_of(exif: Exif) -> int:
    """1 to 8; 1 where EXIF does not say, or says something else."""
    first = next(numbers(exif.main.get(ORIENTATION), exif.order), 1.0)
    return int(first) if first in range(1, 9) else 1


def by_twinshot(exif: Exif) -> bool:
    """Whether EXIF says that twinshot made the picture."""
    return words(exif.main.get(SOFTWARE)).startswith("twinshot ")


def of_raw(exif: Exif) -> Exif:
    """A raw file's EXIF with all that is the camera's in the camera's directory, where readers of pictures look."""
    stray = {tag: value for tag, value in exif.main.items() if tag in _OF_CAMERA}
    renamed = {ours: exif.main[tag] for tag, ours in OF_DNG.items() if tag in exif.main}
    main = {tag: value for tag, value in exif.main.items() if tag not in stray}
    return replace(exif, main=main, camera={**renamed, **stray, **exif.camera})


def upright(exif: Exif, width: int, height: int, software: str = "") -> Exif:
    """EXIF for an upright picture: orientation and size say so, and tags that describe the old pixels are gone.

    Args:
        exif: as read.
        width, height: of the new picture.
        software: what made it; empty to leave the tag as it is.
    """
    main = {tag: value for tag, value in exif.main.items() if not _is_of_old_pixels(tag)}
    camera = {tag: value for tag, value in exif.camera.items() if not 0xEA1C <= tag <= 0xEA1D}  # padding
    if exif:
        main[ORIENTATION] = number(3, 1, exif.order)
    for tag, side in ((WIDTH, width), (HEIGHT, height)):
        if tag in camera:
            camera[tag] = number(4, side, exif.order)
    if software:
        main[SOFTWARE] = text(software)
    return replace(exif, main=main, camera=camera)


def _is_of_old_pixels(tag: int) -> bool:
    """How they were stored, an editor's layers, raw data's development, and blocks that are kept by themselves.

    The resolution (282, 283, 296) is none of them.
    """
    layout = 254 <= tag <= 266 or 273 <= tag <= 281 or tag in (284, 285, 297, 330) or 317 <= tag <= 347 or tag == 512
    jpeg = 513 <= tag <= 532
    layers = tag in (34377, 37724, 50255)
    blocks = tag in (700, 33723, 34675, 0xEA1C)
    raw = 33421 <= tag <= 33424 or 50706 <= tag <= 52600 or tag in (37398, 37399)
    return layout or jpeg or layers or blocks or raw


def block_of(exif: Exif, largest: int | None = None) -> bytes:
    """The block to embed, empty for no EXIF; its largest values go first where it would be longer than `largest`."""
    while exif and largest is not None and len(serialise(exif)) > largest:
        exif = _without_largest(exif)
    return serialise(exif) if exif else b""


def _without_largest(exif: Exif) -> Exif:
    parts: dict[str, Any] = {name: dict(getattr(exif, name)) for name in ("main", "camera", "gps", "interop")}
    sizes = {(name, tag): len(value.data) for name, part in parts.items() for tag, value in part.items()}
    name, tag = max(sizes, key=lambda place: sizes[place])
    del parts[name][tag]
    return replace(exif, **parts)


def of_exposure(seconds: float, iso: float, stop: float) -> Exif:
    """A block of exposure time in seconds, ISO and f-number; what is not above zero is left out."""
    camera: Directory = {}
    if seconds > 0:
        camera[_EXPOSURE_TIME] = number(5, Fraction(seconds).limit_denominator(100_000).as_integer_ratio(), "<")
    if stop > 0:
        camera[_F_NUMBER] = number(5, Fraction(stop).limit_denominator(100).as_integer_ratio(), "<")
    if iso > 0:
        camera[_ISO] = number(3, min(round(iso), _LARGEST_OLD_ISO), "<")
    return Exif(camera=camera)
