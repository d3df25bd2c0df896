"""What files say at a glance: time, camera, exposure, size, and a look that exposure does not change."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from helpers import save
from PIL import ExifTags, Image

from twinshot.files import exif, io
from twinshot.files.glance import glance, pictures_and_raws, pictures_in
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.errors import InputError
from twinshot.picture.pair import Metadata


def told(path, **tags):
    """Give a picture EXIF: main tags, and with names of the camera's directory those."""
    block = Image.Exif()
    camera = block.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        tag = ExifTags.Base[name]
        (block if name in ("Make", "Model", "Orientation", "DateTime") else camera)[tag] = value
    Image.open(path).save(path, exif=block.tobytes())
    return path


def correlation(one, other):
    return float(np.corrcoef(one.look.ravel(), other.look.ravel())[0, 1])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif(tmp_path, photo, suffix):
    path = told(
        save(tmp_path / f"a.{suffix}", photo),
        Make="Maker",
        Model="One",
        DateTimeOriginal="2026:11:29 01:02:03",
        SubsecTimeOriginal="25",
        ExposureTime=0.25,
        FNumber=2.0,
        ISOSpeedRatings=400,
    )
    shot = glance(path)
    assert (shot.camera, shot.size, shot.seconds, shot.exposure) == ("Maker One", (300, 420), 0.25, 25.0)
    assert shot.taken % 60 == 3.25


def test_exif_behind_the_pixels_of_a_png(tmp_path, photo):
    """Where exiftool puts it."""
    path = save(tmp_path / "a.png", photo)
    block = exif.serialise(
        exif.Exif(main={exif.ORIENTATION: exif.number(3, 6, "<")}, camera={0x829A: exif.number(5, (1, 8), "<")})
    )
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk + data[-12:])
    shot = glance(path)
    assert (shot.seconds, shot.size) == (1 / 8, (420, 300))


def test_without_exif(tmp_path, photo):
    shot = glance(save(tmp_path / "a.png", photo))
    assert (shot.camera, shot.taken, shot.seconds, shot.exposure) == ("", None, None, None)
    assert shot.light == pytest.approx(float(to_linear(photo.astype(np.float32) / 255).mean()), rel=0.02)


@pytest.mark.parametrize("suffix", io.SUFFIXES)
def test_a_result_of_frames_without_exif_is_known(tmp_path, photo, suffix):
    pixels = photo.astype(np.uint16) * 257 if suffix == ".dng" else photo
    for software in ("twinshot 1.0", "twinshots"):
        io.write(tmp_path / f"a{suffix}", pixels, Metadata(bits=8, software=software))
        assert glance(tmp_path / f"a{suffix}").result == (software == "twinshot 1.0")


def test_orientation(tmp_path, photo):
    upright = glance(save(tmp_path / "a.jpg", photo))
    turned = glance(told(save(tmp_path / "b.jpg", np.rot90(photo).copy()), Orientation=6))
    assert turned.size == upright.size
    assert correlation(upright, turned) > 0.95


def test_a_look_does_not_change_with_exposure(tmp_path, photo):
    dark = to_srgb(to_linear(photo.astype(np.float32) / 255) / 16)
    noisy = dark + np.random.default_rng(0).normal(0, 0.02, dark.shape)
    one = glance(save(tmp_path / "a.png", photo))
    other = glance(save(tmp_path / "b.png", np.round(noisy.clip(0, 1) * 255).astype(np.uint8)))
    assert correlation(one, other) > 0.8
    assert one.light > 8 * other.light
    assert abs(correlation(one, glance(save(tmp_path / "c.png", photo[::-1, ::-1].copy())))) < 0.5


def test_sixteen_bits(tmp_path, photo):
    cv2.imwrite(str(tmp_path / "a.png"), (photo[..., ::-1].astype(np.uint16) * 257))
    assert correlation(glance(tmp_path / "a.png"), glance(save(tmp_path / "b.png", photo))) > 0.99


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a.jpg: not an image"):
        glance(tmp_path / "a.jpg")


def test_pictures_of_a_folder(tmp_path):
    for name in ("b.JPG", "a.png", ".hidden.jpg", "a-restored.png", "notes.txt", "c.nef", "d.nef", "d.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in pictures_in(tmp_path)] == ["a.png", "b.JPG", "c.nef", "d.jpg"]
    assert pictures_and_raws(tmp_path) == (pictures_in(tmp_path), [tmp_path / "d.nef"])
    with pytest.raises(InputError, match="cannot be opened"):
        pictures_in(tmp_path / "none")
