"""Picture files: what goes in comes out, upright, with its depth, its EXIF and its colour profile."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
import tifffile
from helpers import save
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from twinshot.files import atomic, io, png
from twinshot.picture.errors import InputError
from twinshot.picture.pair import Metadata, TwinshotError

GPS, CAMERA = ExifTags.IFD.GPSInfo, ExifTags.IFD.Exif
TAG = ExifTags.Base
SUFFIXES = [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"]
SHARP_JPEG = {"quality": 98, "subsampling": 0}


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth colours that no lossy format hurts much, and no symmetry: (34, 50, 3) uint8."""
    knots = np.random.default_rng(0).integers(20, 235, (3, 4, 3), np.uint8)
    return cv2.resize(knots, (50, 34), interpolation=cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def deep_picture(picture) -> np.ndarray:
    """The same with levels that 8 bits cannot hold."""
    noise = np.random.default_rng(1).integers(0, 256, picture.shape, np.uint16)
    return picture.astype(np.uint16) * 256 + noise


@pytest.fixture(scope="module")
def profile() -> bytes:
    """A real ICC profile of some length."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation: int = 1) -> Image.Exif:
    """EXIF with its two sub-directories, as a camera writes it."""
    block = Image.Exif()
    block[TAG.Make], block[TAG.Model], block[TAG.Orientation] = "Aperture Works", "Night One", orientation
    block[TAG.XResolution] = block[TAG.YResolution] = 300.0
    block[TAG.ResolutionUnit] = 2
    camera = block.get_ifd(CAMERA)
    camera[TAG.ExposureTime], camera[TAG.ISOSpeedRatings], camera[TAG.FNumber] = 1 / 50, 1600, 2.0
    camera[TAG.DateTimeOriginal], camera[TAG.LensModel] = "2026:05:01 21:30:00", "50mm F2"
    place = block.get_ifd(GPS)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLatitude] = "N", (48.0, 8.0, 15.0)
    return block


def metadata(bits: int = 8, icc: bytes = b"", orientation: int = 1) -> Metadata:
    return Metadata(exif(orientation).tobytes(), icc, bits)


def with_exif(png: bytes, block: bytes) -> bytes:
    """The PNG file with an EXIF chunk behind its header."""
    chunk = b"eXIf" + block
    return png[:33] + struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def assert_alike(found, wanted) -> None:
    """The same picture but for what lossy formats do to it."""
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).mean() < 2.5


def assert_carried(path, orientation=1) -> None:
    """Pillow finds every tag of `exif()` in the file."""
    with Image.open(path) as file:
        found = file.getexif()
        assert found[TAG.Make] == "Aperture Works"
        assert found[TAG.Model] == "Night One"
        assert float(found[TAG.XResolution]) == 300
        assert found.get(TAG.Orientation, 1) == orientation
        camera = found.get_ifd(CAMERA)
        assert float(camera[TAG.ExposureTime]) == pytest.approx(0.02)
        assert camera[TAG.ISOSpeedRatings] == 1600
        assert camera[TAG.DateTimeOriginal] == "2026:05:01 21:30:00"
        assert camera[TAG.LensModel] == "50mm F2"
        place = found.get_ifd(GPS)
        assert place[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert [float(part) for part in place[ExifTags.GPS.GPSLatitude]] == [48, 8, 15]


# Pixels


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_eight_bits_come_back(tmp_path, picture, suffix):
    path = tmp_path / f"picture{suffix}"
    io.write(path, picture, Metadata())
    frame = io.read(path)
    assert frame.pixels.dtype == np.uint8
    assert frame.metadata.bits == 8
    assert frame.name == str(path)
    if suffix in (".png", ".tif", ".tiff"):
        np.testing.assert_array_equal(frame.pixels, picture)
    assert_alike(frame.pixels, picture)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
def test_sixteen_bits_come_back(tmp_path, deep_picture, suffix):
    path = tmp_path / f"picture{suffix}"
    io.write(path, deep_picture, Metadata(bits=16))
    frame = io.read(path)
    assert frame.metadata.bits == 16
    np.testing.assert_array_equal(frame.pixels, deep_picture)
    seen_by_others = tifffile.imread(path) if suffix != ".png" else cv2.imread(str(path), -1)[..., ::-1]
    np.testing.assert_array_equal(seen_by_others, deep_picture)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bit_tiffs_of_others(tmp_path, deep_picture, compression, byteorder):
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, deep_picture, photometric="rgb", compression=compression, byteorder=byteorder)
    np.testing.assert_array_equal(io.read(path).pixels, deep_picture)


def test_suffixes_in_capitals(tmp_path, picture):
    io.write(tmp_path / "PICTURE.JPG", picture, Metadata())
    with Image.open(tmp_path / "PICTURE.JPG") as file:
        assert file.format == "JPEG"


def test_the_content_says_what_a_file_is_not_its_name(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "picture.jpg", "PNG")
    np.testing.assert_array_equal(io.read(tmp_path / "picture.jpg").pixels, picture)


def test_a_phone_picture_of_several_parts_gives_its_first(tmp_path, picture):
    Image.fromarray(picture).save(
        tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[Image.fromarray(picture[::2, ::2])], **SHARP_JPEG
    )
    frame = io.read(tmp_path / "phone.jpg")
    assert_alike(frame.pixels, picture)


@pytest.mark.parametrize("deep", [False, True])
def test_a_tiff_may_bring_a_small_preview_of_itself(tmp_path, picture, deep_picture, deep):
    pixels = deep_picture if deep else picture
    with tifffile.TiffWriter(tmp_path / "picture.tif") as file:
        file.write(pixels, photometric="rgb")
        file.write(pixels[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(io.read(tmp_path / "picture.tif").pixels, pixels)


@pytest.mark.parametrize(("path", "bits", "kept"), [("a.png", 16, 16), ("a.tiff", 16, 16), ("a.jpg", 16, 8)])
def test_depth_for_a_format(tmp_path, path, bits, kept):
    assert io.depth_for(tmp_path / path, bits) == kept
    assert io.depth_for(tmp_path / path, 8) == 8


def test_deep_pixels_are_not_for_a_format_without_them(tmp_path, deep_picture):
    with pytest.raises(TwinshotError, match="8 bit"):
        io.write(tmp_path / "picture.jpg", deep_picture, Metadata(bits=16))
    assert list(tmp_path.iterdir()) == []


# Orientation


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp", "deep.png", "deep.tif", "tiles.deep.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, picture, orientation, kind):
    path = tmp_path / f"picture.{kind}"
    block = exif(orientation)
    if kind.endswith("deep.tif"):
        tag = [(int(TAG.Orientation), "H", 1, orientation, True)]
        tile = (16, 16) if kind.startswith("tiles") else None
        tifffile.imwrite(path, picture.astype(np.uint16) * 257, photometric="rgb", extratags=tag, tile=tile)
    elif kind == "deep.png":
        deep = cv2.imencode(".png", picture[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
        path.write_bytes(with_exif(deep, block.tobytes().removeprefix(b"Exif\0\0")))
    else:
        options = SHARP_JPEG if kind == "jpg" else {"quality": 95} if kind == "webp" else {}
        Image.fromarray(picture).save(path, exif=block.tobytes(), **options)

    stored = Image.fromarray(picture)
    stored.getexif()[TAG.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(stored))
    frame = io.read(path)
    seen = frame.pixels // 257 if "deep" in kind else frame.pixels
    assert_alike(seen, upright)
    assert frame.pixels.flags.c_contiguous

    # Written upright, and said so: nobody turns it twice.
    io.write(tmp_path / "again.png", frame.pixels, frame.metadata)
    again = io.read(tmp_path / "again.png")
    np.testing.assert_array_equal(again.pixels, frame.pixels)
    with Image.open(tmp_path / "again.png") as file:
        assert file.getexif().get(TAG.Orientation, 1) == 1


def test_the_size_in_exif_is_that_of_the_picture(tmp_path, picture):
    block = exif(6)
    camera = block.get_ifd(CAMERA)
    camera[TAG.ExifImageWidth], camera[TAG.ExifImageHeight] = 50, 34
    Image.fromarray(picture).save(tmp_path / "stored.jpg", exif=block.tobytes())
    frame = io.read(tmp_path / "stored.jpg")
    assert frame.size == (50, 34)
    io.write(tmp_path / "upright.jpg", frame.pixels, frame.metadata)
    with Image.open(tmp_path / "upright.jpg") as file:
        camera = file.getexif().get_ifd(CAMERA)
    assert (camera[TAG.ExifImageWidth], camera[TAG.ExifImageHeight]) == (34, 50)


# EXIF and ICC


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("source", ["png", "jpg", "tif", "webp"])
def test_eight_bit_metadata_from_any_format_to_any(tmp_path, picture, profile, source, suffix):
    first, second = tmp_path / f"in.{source}", tmp_path / f"out{suffix}"
    Image.fromarray(picture).save(first, exif=exif(6).tobytes(), icc_profile=profile)
    frame = io.read(first)
    assert frame.metadata.icc == profile
    assert frame.metadata.seconds == pytest.approx(1 / 50)
    assert frame.metadata.exposure == pytest.approx(1600 / 50 / 4)
    io.write(second, frame.pixels, frame.metadata)
    assert_carried(second)
    with Image.open(second) as file:
        assert file.info["icc_profile"] == profile
        assert file.size == (34, 50)
        assert_alike(np.asarray(file.convert("RGB")), frame.pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("source", [".png", ".tif"])
def test_sixteen_bit_metadata(tmp_path, deep_picture, profile, source, suffix):
    first, second = tmp_path / f"in{source}", tmp_path / f"out{suffix}"
    io.write(first, deep_picture, metadata(16, profile, 8))
    assert_carried(first)
    frame = io.read(first)
    assert frame.metadata.icc == profile
    assert frame.metadata.exposure == pytest.approx(8.0)
    io.write(second, frame.pixels, frame.metadata)
    assert_carried(second)
    with Image.open(second) as file:
        assert file.info["icc_profile"] == profile
    np.testing.assert_array_equal(io.read(second).pixels, deep_picture)


def test_tifffile_reads_the_deep_tiff(tmp_path, deep_picture, profile):
    path = tmp_path / "picture.tif"
    io.write(path, deep_picture, metadata(16, profile))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), deep_picture)
        assert page.tags["BitsPerSample"].value == (16, 16, 16)
        assert page.tags["Make"].value == "Aperture Works"
        assert page.tags["ExifTag"].value["ISOSpeedRatings"] == 1600
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert page.tags["InterColorProfile"].value == profile


@pytest.mark.parametrize("bits", [8, 16])
def test_tags_of_the_old_pixels_do_not_reach_the_new_file(tmp_path, picture, bits):
    source = tmp_path / "in.tif"
    pixels = picture if bits == 8 else picture.astype(np.uint16) * 257
    tifffile.imwrite(source, pixels, photometric="rgb", compression="zlib", predictor=True, rowsperstrip=4)
    frame = io.read(source)
    half = np.ascontiguousarray(frame.pixels[:17])
    io.write(tmp_path / "out.tif", half, frame.metadata)
    np.testing.assert_array_equal(io.read(tmp_path / "out.tif").pixels, half)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), half)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_picture_without_exif_gets_none(tmp_path, picture, suffix):
    io.write(tmp_path / f"picture{suffix}", picture, Metadata())
    with Image.open(tmp_path / f"picture{suffix}") as file:
        assert "exif" not in file.info
        assert "icc_profile" not in file.info
        assert not file.getexif().get_ifd(CAMERA)


def test_exif_too_long_for_jpeg_is_left_out_and_the_picture_written(tmp_path, picture):
    block = exif()
    block.get_ifd(CAMERA)[TAG.MakerNote] = bytes(70_000)
    Image.fromarray(picture).save(tmp_path / "in.png", exif=block.tobytes())
    frame = io.read(tmp_path / "in.png")
    io.write(tmp_path / "out.jpg", frame.pixels, frame.metadata)
    assert_alike(io.read(tmp_path / "out.jpg").pixels, picture)


@pytest.mark.parametrize(
    "damage", [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0" + bytes(40), b"\xff" * 64], ids=range(5)
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_damaged_exif_does_not_cost_the_picture(tmp_path, picture, suffix, damage):
    data = BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    (tmp_path / "in.png").write_bytes(with_exif(data.getvalue(), damage))
    frame = io.read(tmp_path / "in.png")
    np.testing.assert_array_equal(frame.pixels, picture)
    io.write(tmp_path / f"out{suffix}", frame.pixels, frame.metadata)
    assert_alike(io.read(tmp_path / f"out{suffix}").pixels, picture)


def test_a_tag_of_a_wrong_type_stays_as_it_is(tmp_path, picture):
    """Cameras write such."""
    block = bytearray(exif().tobytes().removeprefix(b"Exif\0\0"))
    place = bytes(block).index(struct.pack(">HHI", TAG.ResolutionUnit, 3, 1))
    block[place : place + 12] = struct.pack(">HHII", TAG.ResolutionUnit, 4, 1, 70_000)  # more than a SHORT holds
    data = BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    (tmp_path / "in.png").write_bytes(with_exif(data.getvalue(), bytes(block)))
    frame = io.read(tmp_path / "in.png")
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        io.write(tmp_path / f"out{suffix}", frame.pixels, frame.metadata)
        with Image.open(tmp_path / f"out{suffix}") as file:
            found = file.getexif()
            assert found.get(TAG.ResolutionUnit) == 70_000
            assert found[TAG.Make] == "Aperture Works"
            assert found.get_ifd(CAMERA)[TAG.ISOSpeedRatings] == 1600


@pytest.mark.parametrize("value", [(0, 1), (1, 0), (0, 0)], ids=str)
def test_exposure_that_says_nothing(tmp_path, picture, value):
    block = Image.Exif()
    block.get_ifd(CAMERA)[TAG.ExposureTime] = TiffImagePlugin.IFDRational(*value)
    block.get_ifd(CAMERA)[TAG.ISOSpeedRatings] = 100
    Image.fromarray(picture).save(tmp_path / "picture.jpg", exif=block.tobytes())
    found = io.read(tmp_path / "picture.jpg").metadata
    assert found.seconds is None
    assert found.exposure is None


# Writing


def test_nothing_is_left_of_a_file_that_failed(tmp_path):
    target = tmp_path / "picture.png"
    target.write_bytes(b"before")

    def stopped(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write_atomically(target, stopped)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_written_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic.write_bytes(tmp_path / "ours", b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_webp_has_a_largest_side(tmp_path):
    with pytest.raises(TwinshotError, match="16383"):
        io.write(tmp_path / "wide.webp", np.zeros((16, 16384, 3), np.uint8), Metadata())
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix(tmp_path, picture):
    with pytest.raises(TwinshotError, match=r"twinshot writes no \.bmp; use \.png"):
        io.write(tmp_path / "picture.bmp", picture, Metadata())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", "deep .png", "deep .tif"])
def test_names_and_adobe_rgb_are_carried(tmp_path, picture, deep_picture, suffix):
    """Text that is no ASCII, and the one mark of a camera that saves AdobeRGB without a profile."""
    block = exif(1)
    block[TAG.Artist] = "José Müller".encode()
    camera = block.get_ifd(CAMERA)
    camera[TAG.ColorSpace], camera[ExifTags.IFD.Interop] = 65535, {1: "R03", 2: b"0100"}
    source, output = tmp_path / "in.jpg", tmp_path / f"out{suffix.split()[-1]}"
    Image.fromarray(picture).save(source, exif=block.tobytes())
    io.write(output, deep_picture if suffix.startswith("deep") else picture, io.read(source).metadata)
    with Image.open(output) as file:
        stored = file.getexif()
        assert stored[TAG.Artist].encode("latin-1").decode() == "José Müller"
        assert stored.get_ifd(CAMERA)[TAG.ColorSpace] == 65535
        assert stored.get_ifd(ExifTags.IFD.Interop)[1] == "R03"


def test_no_exif_where_looking_for_interop_raises(tmp_path, picture, monkeypatch):
    """As Pillow 12 does where there is none."""
    get = Image.Exif.get_ifd

    def strict(block, tag):
        if tag == ExifTags.IFD.Interop and tag not in get(block, CAMERA):
            raise KeyError(tag)
        return get(block, tag)

    monkeypatch.setattr(Image.Exif, "get_ifd", strict)
    for source, found in ((exif(), 1600), (Image.Exif(), None)):
        Image.fromarray(picture).save(tmp_path / "in.jpg", exif=source.tobytes() if len(source) else b"")
        io.write(tmp_path / "out.png", picture, io.read(tmp_path / "in.jpg").metadata)
        with Image.open(tmp_path / "out.png") as file:
            assert file.getexif().get_ifd(CAMERA).get(TAG.ISOSpeedRatings) == found


@pytest.mark.parametrize("newer", [TAG.RecommendedExposureIndex, TAG.ISOSpeed])
def test_iso_beyond_what_the_old_tag_holds(tmp_path, picture, newer):
    block = exif()
    camera = block.get_ifd(CAMERA)
    camera[TAG.ISOSpeedRatings], camera[newer] = 65535, 102400
    Image.fromarray(picture).save(tmp_path / "in.jpg", exif=block.tobytes())
    assert io.read(tmp_path / "in.jpg").metadata.exposure == pytest.approx(102400 / 50 / 4, rel=1e-3)


def test_a_link_stays_one(tmp_path, picture):
    (tmp_path / "archive").mkdir()
    target = tmp_path / "archive" / "old.png"
    (tmp_path / "latest.png").symlink_to(target)
    io.write(tmp_path / "latest.png", picture, Metadata())
    assert (tmp_path / "latest.png").is_symlink()
    np.testing.assert_array_equal(io.read(target).pixels, picture)
    assert len(list((tmp_path / "archive").iterdir())) == 1


def test_the_longest_name_a_file_can_have(tmp_path, picture):
    path = tmp_path / ("x" * 251 + ".png")
    io.write(path, picture, Metadata())
    assert path.is_file()


def test_a_pillow_image_has_its_exif_wherever_its_file_does(tmp_path, frames):
    told = Image.Exif()
    told[0x0112] = 6
    plain = save(tmp_path / "plain.png", frames[0]).read_bytes()
    end = plain.rindex(b"IEND") - 4
    block = told.tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "turned.png").write_bytes(plain[:end] + png._chunk(b"eXIf", block) + plain[end:])
    frame = io.read(Image.open(tmp_path / "turned.png"))
    np.testing.assert_array_equal(frame.pixels, np.rot90(frames[0], 3))


def test_a_pillow_image_whose_file_is_cut_short_is_refused(tmp_path, frames):
    path = save(tmp_path / "short.jpg", frames[0])
    path.write_bytes(path.read_bytes()[:-2000])
    with (
        Image.open(path) as file,
        pytest.raises(InputError, match=r"the Pillow image cannot be loaded \(image file is"),
    ):
        io.read(file)
