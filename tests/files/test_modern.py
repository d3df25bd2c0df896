"""HEIC, AVIF and JPEG XL at their depth; without the plug-in, a line that says what to install."""

from __future__ import annotations

import importlib.util
import struct

import imagecodecs
import numpy as np
import pytest
from heif import heic_of_two
from PIL import Image

from twinshot.files import exif, icc, io, modern
from twinshot.picture.encoding import to_srgb
from twinshot.picture.pair import TwinshotError

heif = pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="needs pillow-heif")
jxl = pytest.mark.skipif(importlib.util.find_spec("pillow_jxl") is None, reason="needs pillow-jxl-plugin")
BLOCK = exif.serialise(
    exif.Exif(main={exif.ORIENTATION: exif.number(3, 6, "<")}, camera={0x829A: exif.number(5, (1, 8), "<")})
)


def close(found: np.ndarray, wanted: np.ndarray, share: float = 0.02) -> None:
    assert found.shape == wanted.shape
    assert np.abs(found.astype(float) - wanted).mean() < share * np.iinfo(found.dtype).max


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif(tmp_path, photo, bits):
    levels = np.round(photo / 255 * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(levels, level=95, speed=10, bitspersample=bits))
    frame = io.read(tmp_path / "a.avif")
    assert frame.metadata.bits == (8 if bits == 8 else 16)
    close(frame.pixels, photo.astype(float) * (1 if bits == 8 else 257))


def test_avif_with_metadata_is_turned_once(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.avif", exif=b"Exif\0\0" + BLOCK, quality=95, speed=10)
    frame = io.read(tmp_path / "a.avif")
    close(frame.pixels, np.rot90(photo, -1))
    assert frame.metadata.seconds == pytest.approx(1 / 8)
    io.write(tmp_path / "b.png", frame.pixels, frame.metadata)
    np.testing.assert_array_equal(io.read(tmp_path / "b.png").pixels, frame.pixels)


def test_a_cropped_avif_is_shown_cropped(tmp_path, photo):
    """Encoders write no crop; here its box stands at the end."""
    data = imagecodecs.avif_encode(photo, level=95, speed=10)
    crop = struct.pack(">I4s8i", 40, b"clap", 400, 1, 256, 1, -6, 1, 10, 1)
    (tmp_path / "a.avif").write_bytes(data + crop)
    close(io.read(tmp_path / "a.avif").pixels, photo[32:288, 4:404])


@heif
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_heic(tmp_path, photo, bits, monkeypatch):
    import pillow_heif

    deep = bits > 8
    if deep:
        monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    data = photo.astype(np.uint16) * 257 if deep else photo
    height, width = photo.shape[:2]
    file = pillow_heif.from_bytes("RGB;16" if deep else "RGB", (width, height), data.tobytes())
    records = {"type": "iptc", "content_type": "", "data": b"\x1c\x02Z\0\5Paris"}
    file[0].info["metadata"] = [records]
    file.save(tmp_path / "a.heic", quality=95, exif=b"Exif\0\0" + BLOCK)
    frame = io.read(tmp_path / "a.heic")
    assert frame.metadata.iptc == records["data"]
    assert frame.metadata.bits == (16 if deep else 8)
    close(frame.pixels, np.rot90(data, -1) if frame.size != photo.shape[:2] else data)
    assert frame.metadata.seconds == pytest.approx(1 / 8)


@heif
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("urn:com:apple:photo:2020:aux:hdrgainmap", ("has an HDR gain map, which was left out",)),
        ("tmap", ("has an HDR gain map, which was left out",)),
        ("urn:mpeg:hevc:2015:auxid:2", ("has a depth map, which was left out",)),
        ("urn:com:apple:photo:2018:aux:portraiteffectsmatte", ("has a matte, which was left out",)),
        ("urn:com:apple:photo:2019:aux:semantichairmatte", ("has a matte, which was left out",)),
        ("urn:com:example:photo:2026:aux:heat", ("has an auxiliary picture, which was left out",)),
    ],
)
def test_what_goes_with_a_picture_is_called_what_it_is(tmp_path, photo, kind, said):
    (tmp_path / "a.heic").write_bytes(heic_of_two(photo, kind))
    frame = io.read(tmp_path / "a.heic")
    assert frame.metadata.notes == said
    close(frame.pixels, photo)


@heif
def test_transparency_is_neither_a_gain_map_nor_passed_over(tmp_path, photo):
    (tmp_path / "a.heic").write_bytes(heic_of_two(photo, "urn:mpeg:hevc:2015:auxid:1"))
    with pytest.raises(TwinshotError, match="has transparent pixels"):
        io.read(tmp_path / "a.heic")


@jxl
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_jpeg_xl(tmp_path, photo, bits):
    levels = np.round(photo / 255 * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(levels, lossless=True, bitspersample=bits))
    frame = io.read(tmp_path / "a.jxl")
    if bits == 8:
        np.testing.assert_array_equal(frame.pixels, photo)
    else:  # the encoder says of deep values that they are linear
        wanted = to_srgb(levels.astype(np.float32) / (2**bits - 1)) * 65535
        assert np.abs(frame.pixels - wanted).max() < 130


@pytest.mark.parametrize(("module", "suffix", "extra"), [("pillow_heif", "heic", "heif"), ("pillow_jxl", "jxl", "jxl")])
def test_without_the_plug_in_the_message_says_what_to_install(tmp_path, photo, monkeypatch, module, suffix, extra):
    if suffix == "jxl":
        data = imagecodecs.jpegxl_encode(photo)
    else:
        data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    (tmp_path / f"a.{suffix}").write_bytes(data)
    monkeypatch.setattr(modern, "find_spec", lambda name: None)
    with pytest.raises(TwinshotError, match=rf"a\.{suffix}: is .*pip install 'twinshot\[{extra}\]'"):
        io.read(tmp_path / f"a.{suffix}")


def header_of_jxl(*fields: tuple[int, int]) -> bytes:
    """A bare codestream that begins with these values of so many bits each, least bit first."""
    bits = "".join(f"{value:0{count}b}"[::-1] for value, count in fields)
    return b"\xff\x0a" + int(bits[::-1], 2).to_bytes(40, "little")


def test_a_huge_jpeg_xl_is_refused_by_its_header(tmp_path, monkeypatch):
    """A small file may stand for a picture that fills all memory."""
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", lambda *_: pytest.fail("decoded"))
    huge = header_of_jxl((0, 1), (3, 2), (59_999, 30), (1, 3))  # not small; 30 bits of height; square
    (tmp_path / "a.jxl").write_bytes(huge)
    with pytest.raises(TwinshotError, match="60000x60000 is too large"):
        io.read(tmp_path / "a.jxl")


def test_a_moving_jpeg_xl_is_refused(tmp_path):
    moving = header_of_jxl((1, 1), (3, 5), (1, 3), (0, 1), (1, 1), (0, 3), (0, 1), (2, 2))  # small, square; more fields
    (tmp_path / "a.jxl").write_bytes(moving)
    with pytest.raises(TwinshotError, match=r"a\.jxl: .*it has a preview or is an animation"):
        io.read(tmp_path / "a.jxl")
    (tmp_path / "a.jxl").write_bytes(moving[:3])
    with pytest.raises(TwinshotError, match=r"a\.jxl: .*its header is cut short"):
        io.read(tmp_path / "a.jxl")


def test_hdr_avif_is_refused(tmp_path, photo):
    data = imagecodecs.avif_encode(photo, level=95, speed=10)
    at = data.index(b"colrnclx") + 8
    (tmp_path / "a.avif").write_bytes(data[:at] + bytes([0, 9, 0, 16]) + data[at + 4 :])
    with pytest.raises(TwinshotError, match="HDR"):
        io.read(tmp_path / "a.avif")


@pytest.mark.parametrize(
    ("codes", "said"),
    [((1, 12), r"transfer curve that twinshot does not know \(H\.273 code 12\)"), ((3, 13), r"primaries .*code 3\)")],
)
def test_an_avif_of_rare_colours_is_refused(tmp_path, photo, codes, said):
    data = imagecodecs.avif_encode(photo, level=95, speed=10)
    at = data.index(b"colrnclx") + 8
    (tmp_path / "a.avif").write_bytes(data[:at] + bytes([0, codes[0], 0, codes[1]]) + data[at + 4 :])
    with pytest.raises(TwinshotError, match=rf"a\.avif: .*{said}"):
        io.read(tmp_path / "a.avif")


def test_a_wide_avif_keeps_its_primaries(tmp_path, photo):
    data = imagecodecs.avif_encode(photo, level=95, speed=10)
    at = data.index(b"colrnclx") + 8
    (tmp_path / "a.avif").write_bytes(data[:at] + bytes([0, 12, 0, 13]) + data[at + 4 :])
    assert icc.alike(io.read(tmp_path / "a.avif").metadata.icc, icc.profile_of_codes(12, 13))
