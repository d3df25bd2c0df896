"""TIFF of all depths and layouts, with the right values."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from twinshot.files import exif, icc, io
from twinshot.picture.encoding import to_linear
from twinshot.picture.pair import Metadata, TwinshotError


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 65536, (40, 50, 3), np.uint16)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("predictor", [False, True], ids=["plain", "predicted"])
def test_layouts(tmp_path, pixels, compression, planar, tile, predictor):
    if predictor and compression in (None, "packbits"):
        pytest.skip("there is no such file")
    stored = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    options = {"compression": compression, "tile": tile, "predictor": predictor or None}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, **options)
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").pixels, pixels)


def test_channels_of_5_6_and_5_bits(tmp_path):
    packed = np.full((16, 20), 0xFFFF, "<u2")
    packed[0, :3] = 0xF800, 0x07E0, 0x001F
    tags = {256: 20, 257: 16, 258: 126, 259: 1, 262: 2, 273: 132, 277: 3, 278: 16, 279: packed.nbytes}
    entries = b"".join(struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(head.ljust(126, b"\0") + struct.pack("<3H", 5, 6, 5) + packed.tobytes())
    frame = io.read(tmp_path / "a.tif")
    assert frame.metadata.bits == 8
    assert frame.pixels[0, :4].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats(tmp_path, pixels, kind):
    values = (pixels / 65535).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    frame = io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.pixels, values.astype(np.float32))
    assert frame.metadata.bits == 32
    assert "taken as sRGB-encoded" in frame.metadata.notes[0]


def test_floats_of_a_linear_profile_are_encoded(tmp_path, pixels):
    values = (pixels / 65535).astype(np.float32)
    _, linear = icc.linear(values, b"")
    tifffile.imwrite(tmp_path / "a.tif", to_linear(values), photometric="rgb", iccprofile=linear)
    frame = io.read(tmp_path / "a.tif")
    np.testing.assert_allclose(frame.pixels, values, atol=0.002)
    assert frame.metadata.notes == ()


def test_floats_beyond_white_are_clipped_and_said(tmp_path, pixels):
    values = (pixels / 65535).astype(np.float32) * 2
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    frame = io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.pixels, values.clip(0, 1))
    assert any("clipped" in note for note in frame.metadata.notes)
    values[0, 0, 0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    with pytest.raises(TwinshotError, match="NaN"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_depths_between(tmp_path, pixels, bits):
    """Their white is white: tifffile writes 16 bits, so packed samples are made here."""
    levels = pixels[:, :48] >> (16 - bits)
    packed = np.packbits(
        (levels[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(40, -1), axis=1
    )
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 48, 3), np.uint16), photometric="rgb")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages.first.tags
        depth, start = tags["BitsPerSample"].valueoffset, tags["StripOffsets"].value[0]
    data[depth : depth + 6] = bits.to_bytes(2, "little") * 3
    data[start : start + packed.size] = packed.tobytes()
    (tmp_path / "a.tif").write_bytes(data)
    wanted = np.round(levels * (65535 / (2**bits - 1))).astype(np.uint16)
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").pixels, wanted)


def test_32_bit_integers(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels.astype(np.uint32) << 16, photometric="rgb")
    np.testing.assert_array_equal(io.read(tmp_path / "a.tif").pixels, pixels)


def test_the_first_of_two_pages_is_used_and_said(tmp_path, pixels):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels, photometric="rgb")
        file.write(pixels[::-1], photometric="rgb")
    frame = io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert frame.metadata.notes == ("has 2 pages, of which the first was used",)


def test_layers_are_left_out(tmp_path, pixels):
    tags = [(37724, "B", 90_000, bytes(90_000), True), (34377, "B", 12, b"8BIM\x03\xed" + bytes(6), True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=tags)
    frame = io.read(tmp_path / "a.tif")
    assert "layers" in frame.metadata.notes[0]
    for suffix in ("tif", "jpg", "png"):
        kept = frame.pixels if suffix != "jpg" else (frame.pixels >> 8).astype(np.uint8)
        io.write(tmp_path / f"b.{suffix}", kept, frame.metadata)
        assert (tmp_path / f"b.{suffix}").stat().st_size < 40 * 50 * 6 + 5000
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert not {37724, 34377} & {tag.code for tag in file.pages.first.tags}


@pytest.mark.parametrize("profile", ["srgb", "p3"])
def test_32_bits_out_are_linear_light(tmp_path, pixels, profile):
    values = (pixels / 65535).astype(np.float32)
    own = icc.profile_of_codes(12, 13) if profile == "p3" else b""
    io.write(tmp_path / "a.tif", values, Metadata(icc=own, bits=32))
    stored = tifffile.imread(tmp_path / "a.tif")
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, to_linear(values), atol=0.001)
    again = io.read(tmp_path / "a.tif")
    np.testing.assert_allclose(again.pixels, values, atol=0.002)
    assert icc.alike(again.metadata.icc, own)


def test_missing_strips_are_damage_not_black(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="zlib", rowsperstrip=8)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        counts = file.pages.first.tags["StripByteCounts"]
    width = counts.valuebytecount // counts.count
    data[counts.valueoffset + width : counts.valueoffset + 2 * width] = bytes(width)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(TwinshotError, match="damaged"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize("tag", ["ImageWidth", "SamplesPerPixel", "Compression", "PlanarConfiguration"])
def test_a_tag_of_two_values_where_one_belongs_is_damage(tmp_path, pixels, tag):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages.first.tags[tag].offset
    data[place + 2 : place + 12] = (3).to_bytes(2, "little") + (2).to_bytes(4, "little") + bytes([50, 0, 40, 0])
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(TwinshotError):
        io.read(tmp_path / "a.tif")


def test_a_tile_beyond_measure_is_damage(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="lzw", tile=(16, 16))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages.first.tags["TileWidth"].overwrite(1_023_410_192, dtype="I")
    with pytest.raises(TwinshotError, match="damaged"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pointer", ["I", "Q"])
def test_exif_of_big_tiff_is_kept(tmp_path, pixels, order, pointer):
    path = tmp_path / "a.tif"
    tags = [(271, "s", 0, "Maker", True), (34664, pointer, 1, 0, True)]
    tifffile.imwrite(path, pixels, photometric="rgb", bigtiff=True, byteorder=order, extratags=tags)
    with tifffile.TiffFile(path) as file:
        place = file.pages.first.tags[34664].offset
    data = bytearray(path.read_bytes())
    data[place : place + 2] = struct.pack(f"{order}H", exif.CAMERA)
    data[place + 12 : place + 20] = struct.pack(f"{order}{pointer}", len(data)).ljust(8, b"\0")
    directory = struct.pack(f"{order}QHHQIIQ", 1, 33434, 5, 1, 1, 8, 0)  # an exposure of an eighth of a second
    path.write_bytes(data + directory)
    frame = io.read(path)
    assert frame.metadata.seconds == 1 / 8
    io.write(tmp_path / "b.jpg", (pixels // 257).astype(np.uint8), frame.metadata)
    with Image.open(tmp_path / "b.jpg") as file:
        kept = exif.parse(file.info["exif"])
    assert (exif.words(kept.main[271]), exif.exposure_of(kept)[1]) == ("Maker", 1 / 8)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((20, 24, 3), np.int16), "has int16 samples"),
        (np.zeros((20, 24, 3), np.complex64), "has complex64 samples"),
        (np.zeros((20, 24, 9), np.uint8), "has 9 channels"),
    ],
)
def test_samples_that_are_no_colours_are_named(tmp_path, values, said):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    with pytest.raises(TwinshotError, match=rf"a\.tif: {said}"):
        io.read(tmp_path / "a.tif")
