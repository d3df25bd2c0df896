"""EXIF is carried byte by byte: types, counts, makers' notes at their offset; what speaks of old pixels is not."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from twinshot.files import exif, io
from twinshot.picture.pair import Metadata

NOTE = b"Panasonic\0\0\0" + bytes(range(200))


def block(order: exif.Order = "<", note: bytes = NOTE, gap: int = 300) -> bytes:
    """As a camera writes it: the note somewhere behind other values, which it counts from the block's start."""
    kinds = exif.Exif(
        order,
        {0x010F: exif.text("Aperture"), exif.ORIENTATION: exif.number(3, 6, order)},
        {
            0x829A: exif.number(5, (1, 50), order),
            0x8827: exif.number(3, 1600, order),
            0x9000: exif.Value(7, 4, b"0232"),
            0xA300: exif.Value(7, 1, b"\3"),
            0x9286: exif.Value(7, 20, b"ASCII\0\0\0night walk\0\0"),
            exif.MAKER_NOTE: exif.Value(7, len(note), note),
        },
        {1: exif.text("N"), 2: exif.number(5, (48, 1, 8, 1, 15, 1), order)},
        {1: exif.text("R03")},
        note=gap,
    )
    return exif.serialise(kinds)


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(60, 200, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_is_written_is_read(order):
    first = exif.parse(block(order))
    again = exif.parse(exif.serialise(first))
    assert again == first
    assert first.note == 300
    assert exif.exposure_of(first) == (pytest.approx(32), pytest.approx(0.02))
    assert exif.orientation_of(first) == 6
    assert exif.words(first.main[0x010F]) == "Aperture"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_makers_note_stays_at_its_offset_in_every_format(tmp_path, pixels, suffix, order):
    io.write(tmp_path / f"a.{suffix}", pixels, Metadata(exif=block(order)))
    stored = (tmp_path / f"a.{suffix}").read_bytes()
    start = 0 if suffix == "tif" else stored.index(b"II*\0" if order == "<" else b"MM\0*")
    assert stored[start + 300 : start + 300 + len(NOTE)] == NOTE
    again = exif.parse(io.read(tmp_path / f"a.{suffix}").metadata.exif)
    assert again.note == 300
    assert again.camera[0x9286] == exif.parse(block(order)).camera[0x9286]  # UNDEFINED stays UNDEFINED
    assert again.camera[0xA300].kind == 7
    assert again.interop[1].data == b"R03\0"
    assert exif.orientation_of(again) == 1


def test_other_readers_understand_it(tmp_path, pixels):
    io.write(tmp_path / "a.tif", pixels, Metadata(exif=block(">")))
    with Image.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(np.asarray(file), pixels)
        found = file.getexif()
        assert found[0x010F] == "Aperture"
        assert found.get_ifd(0x8769)[0x8827] == 1600
        assert found.get_ifd(0x8825)[2] == (48.0, 8.0, 15.0)


def test_a_note_too_far_to_keep_its_offset_is_dropped_and_one_of_its_own_header_moved(tmp_path, pixels):
    """As in TIFF files, where it may stand behind the pixels."""
    for note, kept in ((NOTE, False), (b"Nikon\0\2\x11\0\0MM\0*" + bytes(40), True)):
        camera = {exif.MAKER_NOTE: exif.Value(7, len(note), note)}
        found = exif.Exif(camera=camera, note=None if kept else 5_000_000)
        assert (exif.MAKER_NOTE in exif.parse(exif.serialise(found)).camera) == kept


def test_a_long_block_loses_its_largest_tags_alone(tmp_path, pixels):
    found = exif.parse(block())
    found.camera[0xFDE8] = exif.Value(7, 70_000, bytes(70_000))
    io.write(tmp_path / "a.jpg", pixels, Metadata(exif=exif.serialise(found)))
    again = exif.parse(io.read(tmp_path / "a.jpg").metadata.exif)
    assert 0xFDE8 not in again.camera
    assert again.camera[exif.MAKER_NOTE].data == NOTE
    assert exif.exposure_of(again)[1] == pytest.approx(0.02)
    io.write(tmp_path / "a.png", pixels, Metadata(exif=exif.serialise(found)))
    assert 0xFDE8 in exif.parse(io.read(tmp_path / "a.png").metadata.exif).camera


def test_damage_costs_the_tags_it_hits():
    whole = block()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        found = exif.parse(bytes(damaged[: rng.integers(0, len(whole) + 1)]))
        exif.exposure_of(found)
        assert exif.parse(exif.serialise(found)) is not None
    assert not exif.parse(b"II*\0" + struct.pack("<I", 2**31))
    assert not exif.parse(b"")


def test_a_directory_that_points_to_itself_ends():
    tag = struct.pack("<HHII", exif.CAMERA, 4, 1, 8)
    found = exif.parse(b"II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4))
    assert not found.main
