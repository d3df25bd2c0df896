"""What stands beside the pixels goes from any format to any, says what was done, or is stripped."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from io import BytesIO
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import pytest
from helpers import save
from PIL import Image

import twinshot
from twinshot.files import exif, io, xmp
from twinshot.picture.errors import OutputError
from twinshot.picture.pair import Metadata

PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x78\0\x0bnight walk!"
KNOWN = Metadata(xmp=PACKET, iptc=IPTC, comment="by the river", dpi=(300.0, 300.0))


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(60, 200, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("first", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("second", ["jpg", "png", "tif", "webp"])
def test_from_any_format_to_any(tmp_path, pixels, first, second):
    io.write(tmp_path / f"a.{first}", pixels, KNOWN)
    frame = io.read(tmp_path / f"a.{first}")
    io.write(tmp_path / f"b.{second}", frame.pixels, frame.metadata)
    known = io.read(tmp_path / f"b.{second}").metadata
    assert b'xmp:Rating="4"' in known.xmp
    assert b'tiff:Orientation="1"' in known.xmp
    if "webp" not in (first, second):  # which has no place for it
        assert known.iptc == IPTC
    block = exif.parse(known.exif)
    if "webp" not in (first, second):
        if first == "tif" or second == "tif":  # there the comment and the resolution are tags
            assert exif.words(block.main.get(270)) == "by the river" or known.comment == "by the river"
            across = next(exif.numbers(block.main.get(exif.X_RESOLUTION), block.order), None)
            assert (known.dpi and known.dpi[0]) == pytest.approx(300, rel=0.01) or across == 300
        else:
            assert known.comment == "by the river"
            assert known.dpi == pytest.approx((300, 300), rel=0.01)


@pytest.mark.parametrize("torn", [b"<hdrgm:a>", b"<Container:Directory ", b"<xmpMM:History><rdf:Seq>", b"<rdf:RDF "])
def test_xmp_that_never_ends_does_not_take_forever(torn):
    """Where each piece looked for its end in all that follows, this would take an hour."""
    packet = torn * 200_000
    assert len(xmp.with_history(xmp.upright(packet, 10, 10), "twinshot", "restored")) >= len(packet)


def test_texts_that_are_not_carried_on_are_not_unpacked(tmp_path, pixels, monkeypatch):
    """A small file's texts may unpack to gigabytes."""
    io.write(tmp_path / "a.png", pixels, KNOWN)
    data, bomb = (tmp_path / "a.png").read_bytes(), b"zTXtbomb\0\0" + zlib.compress(bytes(20 << 20))
    chunk = struct.pack(">I", len(bomb) - 4) + bomb + struct.pack(">I", zlib.crc32(bomb))
    (tmp_path / "b.png").write_bytes(data[:33] + chunk + data[33:])
    given: list[bytes] = []
    decode = imagecodecs.png_decode
    monkeypatch.setattr(imagecodecs, "png_decode", lambda data, **how: [given.append(data), decode(data, **how)][1])
    tracemalloc.start()
    frame = io.read(tmp_path / "b.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20
    assert b"zTXt" not in given[0]  # libpng would unpack it, too
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert frame.metadata.comment == "by the river"


def test_others_find_xmp_and_resolution(tmp_path, pixels):
    for suffix in ("jpg", "png", "webp", "tif"):
        io.write(tmp_path / f"a.{suffix}", pixels, KNOWN)
        with Image.open(tmp_path / f"a.{suffix}") as file:
            file.load()
            ElementTree.fromstring(file.info.get("xmp") or file.tag_v2[700])  # raises where it is not well-formed
            if suffix != "webp":
                assert file.info["dpi"] == pytest.approx((300, 300), rel=0.01)
            if suffix == "jpg":
                assert file.info["photoshop"][0x0404] == IPTC


def test_iptc_as_image_magick_keeps_it_in_png(tmp_path, pixels):
    from PIL.PngImagePlugin import PngInfo

    resources = xmp.resources_of(IPTC)
    info = PngInfo()
    info.add_text("Raw profile type iptc", f"\niptc\n{len(resources):8}\n{resources.hex()}\n", zip=True)
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=info)
    assert io.read(tmp_path / "a.png").metadata.iptc == IPTC


def test_a_resolution_beyond_measure_is_none(tmp_path, pixels):
    """A damaged chunk says up to 109 million dpi, which no other format can say."""
    path = tmp_path / "a.png"
    io.write(path, pixels, KNOWN)
    data = path.read_bytes()
    at = data.index(b"pHYs")
    chunk = b"pHYs" + struct.pack(">IIB", 2**32 - 1, 2**32 - 1, 1)
    path.write_bytes(data[:at] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[at + 17 :])
    found = io.read(path)
    assert found.metadata.dpi is None
    for suffix in io.SUFFIXES:
        levels = found.pixels.astype(np.uint16) * 257 if suffix == ".dng" else found.pixels
        io.write(tmp_path / f"b{suffix}", levels, found.metadata)


def test_a_result_says_what_made_it(tmp_path, frames):
    first, second = BytesIO(), save(tmp_path / "long.png", frames[1])
    Image.fromarray(frames[0]).save(first, "PNG", pnginfo=None)
    short = tmp_path / "short.png"
    io.write(short, frames[0], Metadata(xmp=PACKET, exif=exif.serialise(exif.Exif(main={305: exif.text("Camera 1")}))))
    result = twinshot.restore(short, second)
    result.save(tmp_path / "out.jpg")
    known = io.read(tmp_path / "out.jpg").metadata
    assert exif.words(exif.parse(known.exif).main[305]) == f"twinshot {twinshot.__version__}"
    assert b"stEvt:softwareAgent" in known.xmp
    assert b"short.png with" in known.xmp
    assert b'xmp:Rating="4"' in known.xmp
    with Image.open(tmp_path / "out.jpg") as file:
        ElementTree.fromstring(file.info["xmp"])  # raises where it is not well-formed
    result.save(tmp_path / "bare.jpg", strip=True)
    bare = io.read(tmp_path / "bare.jpg").metadata
    assert (bare.exif, bare.xmp, bare.iptc, bare.comment) == (b"", b"", b"", "")


def test_history_grows():
    once = xmp.with_history(PACKET, "twinshot 1", "a & b")
    twice = xmp.with_history(once, "twinshot 2", "c")
    assert twice.count(b"<xmpMM:History>") == 1
    assert twice.count(b"softwareAgent=") == 2
    assert b"a &amp; b" in twice
    assert xmp.with_history(b"no packet", "twinshot 1", "a") == b"no packet"
    assert b"softwareAgent" in xmp.with_history(b"", "twinshot 1", "a")


@pytest.mark.parametrize("packet", [b"", xmp.with_history(b"", "a", "b")], ids=["first", "further"])
def test_a_frames_name_may_have_bytes_that_are_no_text(packet):
    told = xmp.with_history(packet, "twinshot", "bad\udcff.jpg with long.jpg")
    assert b"bad?.jpg with long.jpg" in told
    ElementTree.fromstring(told)


@pytest.mark.parametrize("quality", [0, 101, "90", 90.5])
def test_a_quality_that_is_none_is_refused(tmp_path, pixels, quality):
    with pytest.raises(OutputError, match=rf"a.jpg: quality {quality!r} is out of range"):
        io.write(tmp_path / "a.jpg", pixels, Metadata(), quality)
    assert not list(tmp_path.iterdir())


def test_xmp_too_long_for_jpeg_loses_its_padding_first(tmp_path, pixels):
    padded = PACKET.replace(b"</x:xmpmeta>", b" " * 70_000 + b"</x:xmpmeta>")
    io.write(tmp_path / "a.jpg", pixels, Metadata(xmp=padded))
    assert b'xmp:Rating="4"' in io.read(tmp_path / "a.jpg").metadata.xmp
    io.write(tmp_path / "a.jpg", pixels, Metadata(xmp=PACKET.replace(b'"4"', b'"4' + b"x" * 70_000 + b'"')))
    assert io.read(tmp_path / "a.jpg").metadata.xmp == b""


def test_the_commands_flags(command, files, tmp_path):
    done = command("restore", *files, "-o", tmp_path / "a.tif", "--bits", "32", "--strip")
    assert done.code == 0
    assert io.read(tmp_path / "a.tif").metadata.bits == 32
    refused = command("restore", *files, "-o", tmp_path / "a.jpg", "--bits", "16")
    assert refused.code == 2
    assert "JPEG holds 8 bits a channel, not 16; choose PNG or TIFF" in refused.err
    refused = command("restore", *files, "-o", tmp_path / "out.png", "--bits", 12)
    assert "PNG holds 8 or 16 bits a channel, not 12; choose 8 or 16 bits" in refused.err
