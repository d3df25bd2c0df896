"""PNG files: every kind of pixels, and what a damaged file leaves behind."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from twinshot.files import png
from twinshot.picture.errors import InputError


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def file_of(pixels: bytes, kind: int, bits: int, *before: bytes, after: bytes = b"") -> bytes:
    """16 x 16 pixels."""
    header = struct.pack(">IIBBBBB", 16, 16, bits, kind, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(pixels))
    return b"".join([png.SIGNATURE, chunk(b"IHDR", header), *before, data, after, chunk(b"IEND", b"")])


@pytest.mark.parametrize(
    ("kind", "bits", "channels"),
    [
        *((0, bits, 1) for bits in (1, 2, 4, 8, 16)),
        *((kind, bits, n) for kind, n in ((2, 3), (4, 2), (6, 4)) for bits in (8, 16)),
    ],
)
@pytest.mark.parametrize("transparent", [False, True])
def test_every_kind_of_pixels(kind, bits, channels, transparent, rng):
    rows = rng.integers(0, 256, (16, 2 * channels * bits), np.uint8)
    length = {0: 2, 2: 6}.get(kind) if transparent else None
    before = [chunk(b"tRNS", bytes(length))] if length else []
    stored = png.decode(file_of(np.pad(rows, ((0, 0), (1, 0))).tobytes(), kind, bits, *before), "a.png", False)
    number = channels + bool(length)
    assert stored.pixels.shape == ((16, 16, number) if number > 1 else (16, 16))
    seen = stored.pixels.reshape(16, 16, number)[..., :channels]
    if bits == 16:
        np.testing.assert_array_equal(seen.astype(">u2").tobytes(), rows.tobytes())
    else:
        wanted = np.unpackbits(rows.reshape(16, -1, 1), axis=2).reshape(16, -1, bits)
        levels = wanted @ (1 << np.arange(bits)[::-1]) * (255 // (2**bits - 1))
        np.testing.assert_array_equal(seen.reshape(16, -1), levels)


@pytest.mark.parametrize(("kind", "bits"), [(1, 8), (5, 8), (2, 3)])
def test_it_is_said_what_is_wrong_with_pixels_of_no_kind(kind, bits):
    with pytest.raises(ValueError, match="IHDR"):
        png.decode(file_of(bytes(16 * 80), kind, bits), "a.png", False)


@pytest.mark.parametrize("place", ["before", "after"])
def test_transparency_out_of_place_is_none(place):
    """libpng leaves out what is too short, or behind the pixels."""
    odd = chunk(b"tRNS", bytes(3 if place == "before" else 6))
    data = file_of(bytes(16 * 49), 2, 8, *([odd] if place == "before" else []), after=odd if place == "after" else b"")
    assert png.decode(data, "a.png", False).pixels.shape == (16, 16, 3)


def test_a_damaged_file_keeps_no_memory(rng):
    """It kept all its pixels; and before Python 3.12 it took a count off None, whose end ends the process."""
    data = cv2.imencode(".png", rng.integers(0, 256, (300, 300, 3), np.uint8))[1].tobytes()
    damaged = data[: len(data) - 100]

    def read() -> None:
        with pytest.raises((ValueError, InputError)):
            png.decode(damaged, "a.png", False)

    read()
    tracemalloc.start()
    held, counted = tracemalloc.get_traced_memory()[0], sys.getrefcount(None)
    for _ in range(50):
        read()
    grown = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    assert grown < 270_000
    assert sys.getrefcount(None) > counted - 50
