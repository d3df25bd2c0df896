"""HEIC files with more than the encoder writes: auxiliary pictures, and a gain map by ISO 21496-1."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import count

import numpy as np
from PIL import Image

_HEAD = ">I4s"
_GAIN = bytes(62)  # of ISO 21496-1: how a gain map is to be used, which no reader here asks


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(_HEAD, 8 + len(payload), kind) + payload


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and payload of the boxes in a row."""
    found, place = [], 0
    while place < len(data):
        size, kind = struct.unpack(_HEAD, data[place : place + 8])
        found.append((kind, data[place + 8 : place + size]))
        place += size
    return found


def heic_of_two(photo: np.ndarray, kind: str) -> bytes:
    """A HEIC file whose second picture is hidden: an auxiliary one of a kind, or the gain map of an item `tmap`.

    libheif's encoder writes two pictures, and its boxes get what makes one belong to the other (ISO/IEC 23008-12).
    """
    import pillow_heif

    pillow_heif.register_heif_opener()
    out, small = BytesIO(), Image.fromarray(photo[:64, :64, 0])
    Image.fromarray(photo).save(out, "HEIF", save_all=True, append_images=[small])
    (_, brands), (_, meta), (_, pixels) = _boxes(out.getvalue())
    parts = dict(_boxes(meta[4:]))
    parts[b"iinf"] = parts[b"iinf"].replace(b"infe\2\0\0\0\0\2", b"infe\2\0\0\1\0\2")
    (_, properties), (_, uses) = _boxes(parts[b"iprp"])
    if kind == "tmap":
        parts[b"iinf"] = b"\0\0\0\0\0\3" + parts[b"iinf"][6:] + _box(b"infe", b"\2\0\0\0\0\3\0\0tmap\0")
        parts[b"iref"] = bytes(4) + _box(b"dimg", struct.pack(">4H", 3, 2, 1, 2))
    else:
        properties += _box(b"auxC", bytes(4) + kind.encode() + b"\0")
        at = uses.rindex(b"\0\2") + 2  # the second picture's properties: how many, and which
        uses = uses[:at] + bytes([uses[at] + 1]) + uses[at + 1 :] + bytes([len(_boxes(properties))])
        parts[b"iref"] = bytes(4) + _box(b"auxl", struct.pack(">3H", 2, 1, 1))
    parts[b"iprp"] = _box(b"ipco", properties) + _box(b"ipma", uses)
    return _laid_out(brands, parts, pixels, kind == "tmap")


def _laid_out(brands: bytes, parts: dict[bytes, bytes], pixels: bytes, third: bool) -> bytes:
    """The file; where pixels lie counts from its start, so it is said anew. A third item has a few bytes, too."""
    old = parts[b"iloc"]
    lengths = [int.from_bytes(old[at + 14 : at + 18], "big") for at in (8, 26)] + [len(_GAIN)] * third
    places, head = [0] * len(lengths), b""
    for _ in range(2):  # the second time with the head's length
        entries = zip(count(1), places, lengths, strict=False)
        packed = b"".join(struct.pack(">HHIHII", index, 0, place, 1, 0, size) for index, place, size in entries)
        parts[b"iloc"] = old[:6] + struct.pack(">H", len(lengths)) + packed
        head = _box(b"ftyp", brands) + _box(b"meta", bytes(4) + b"".join(_box(*part) for part in parts.items()))
        places = [len(head) + 8 + sum(lengths[:index]) for index in range(len(lengths))]
    return head + _box(b"mdat", pixels + _GAIN)
