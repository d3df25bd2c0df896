"""What a file says of its colours is obeyed or refused, never ignored."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from io import BytesIO

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

import twinshot
from twinshot.files import icc, io
from twinshot.files.pairs import read_pair
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import TwinshotError

P3, SRGB_CURVE, LINEAR, PQ, HLG = 12, 13, 8, 16, 18


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    """Colours that no gamut cuts, (40, 50, 3) uint16."""
    knots = rng.integers(15_000, 45_000, (4, 5, 3), np.uint16)
    return cv2.resize(knots, (50, 40), interpolation=cv2.INTER_LINEAR)


def png(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    data = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    added = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return data[:33] + added + data[33:]


def linear_of(pixels: np.ndarray) -> np.ndarray:
    return np.round(to_linear(pixels.astype(np.float32) / 65535) * 65535).astype(np.uint16)


def assert_near(found: np.ndarray, wanted: np.ndarray, levels: int = 120) -> None:
    assert np.abs(found.astype(int) - wanted).max() <= levels


@pytest.mark.parametrize(
    "chunk",
    [
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cICP", bytes([1, LINEAR, 0, 1])),
        (b"iCCP", b"x\0\0" + zlib.compress(icc.profile_of_codes(1, LINEAR))),
    ],
    ids=["gAMA", "cICP", "iCCP"],
)
def test_linear_files_are_encoded(tmp_path, pixels, chunk):
    (tmp_path / "a.png").write_bytes(png(linear_of(pixels), chunk))
    frame = io.read(tmp_path / "a.png")
    assert_near(frame.pixels, pixels)
    assert icc.alike(frame.metadata.icc, b"")


def test_a_wide_linear_profile_keeps_its_primaries(tmp_path, pixels):
    (tmp_path / "a.png").write_bytes(png(linear_of(pixels), (b"cICP", bytes([P3, LINEAR, 0, 1]))))
    frame = io.read(tmp_path / "a.png")
    assert_near(frame.pixels, pixels)
    assert icc.alike(frame.metadata.icc, icc.profile_of_codes(P3, SRGB_CURVE))
    assert not icc.alike(frame.metadata.icc, b"")


def test_usual_gammas_are_left_alone(tmp_path, pixels):
    for chunks in ([(b"gAMA", struct.pack(">I", 45455))], [(b"sRGB", b"\0")], [(b"cICP", bytes([1, 13, 0, 1]))]):
        (tmp_path / "a.png").write_bytes(png(pixels, *chunks))
        frame = io.read(tmp_path / "a.png")
        np.testing.assert_array_equal(frame.pixels, pixels)
        assert frame.metadata.icc == b""


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_refused(tmp_path, pixels, transfer):
    (tmp_path / "a.png").write_bytes(png(pixels, (b"cICP", bytes([9, transfer, 0, 1]))))
    with pytest.raises(TwinshotError, match=r"a\.png: is an HDR picture .*export"):
        io.read(tmp_path / "a.png")


@pytest.mark.parametrize(
    "points",
    [
        (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
        (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001),
    ],
    ids=["AdobeRGB", "ProPhoto"],
)
@pytest.mark.parametrize("gamma", [1.8, 2.2])
def test_wide_profiles_near_srgbs_curve_are_kept(tmp_path, pixels, points, gamma):
    profile = icc.profile_of(points, gamma)
    (tmp_path / "a.png").write_bytes(png(pixels, (b"iCCP", b"x\0\0" + zlib.compress(profile))))
    frame = io.read(tmp_path / "a.png")
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert frame.metadata.icc == profile


def test_profiles_are_compared_by_what_they_do():
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    nameless = made.replace("sRGB".encode("utf-16-be"), "abcd".encode("utf-16-be"))
    assert icc.alike(made, b"")
    assert icc.alike(nameless, made)
    assert not icc.alike(icc.profile_of_codes(P3, SRGB_CURVE), made)
    named = icc.profile_of_codes(P3, SRGB_CURVE).replace(
        "RGB, sRGB TRC".encode("utf-16-be"), "sRGB built-in".encode("utf-16-be")
    )
    assert not icc.alike(named, made)
    assert not icc.alike(b"damaged", made)


def test_two_profiles_become_the_long_frames(tmp_path, frames):
    wide = icc.profile_of_codes(P3, SRGB_CURVE)
    short, long = tmp_path / "short.png", tmp_path / "long.png"
    Image.fromarray(frames[0]).save(short)
    Image.fromarray(frames[1]).save(long, icc_profile=wide)
    pair = read_pair(short, long)
    assert pair.noisy.metadata.icc == wide
    wanted = imagecodecs.cms_transform(frames[0], icc.srgb(), wide, colorspace="rgb", outcolorspace="rgb", intent=1)
    assert np.abs(pair.noisy.pixels.astype(int) - wanted).max() <= 2
    np.testing.assert_array_equal(pair.blurry.pixels, frames[1])
    assert "was converted from sRGB" in pair.noisy.metadata.notes[0]
    result = twinshot.restore(short, long)
    assert result.metadata.icc == wide
    assert any("was converted" in note for note in result.report["notes"])


def test_a_damaged_profile_is_left_out_and_said(tmp_path, pixels):
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[132:200] = bytes(68)
    (tmp_path / "a.png").write_bytes(png(pixels, (b"iCCP", b"x\0\0" + zlib.compress(bytes(made)))))
    frame = io.read(tmp_path / "a.png")
    np.testing.assert_array_equal(frame.pixels, pixels)
    assert "damaged" in frame.metadata.notes[0]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_grey_is_restored_as_rgb_and_written_grey(tmp_path, pixels, suffix, deep):
    if deep and suffix == "jpg":
        pytest.skip("JPEG holds 8 bits")
    grey = pixels[..., 0] if deep else (pixels[..., 0] >> 8).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(grey).save(out, "TIFF" if deep else "PNG")
    (tmp_path / "a").write_bytes(out.getvalue())
    frame = io.read(tmp_path / "a")
    np.testing.assert_array_equal(frame.pixels, np.repeat(grey[..., None], 3, axis=2))
    assert frame.metadata.grey
    io.write(tmp_path / f"b.{suffix}", frame.pixels, frame.metadata)
    with Image.open(tmp_path / f"b.{suffix}") as file:
        assert file.mode in ("L", "I;16")
        assert np.abs(np.asarray(file).astype(int) - grey).max() <= (3 if suffix == "jpg" else 0)
    again = io.read(tmp_path / f"b.{suffix}")
    assert again.metadata.grey
    colour = replace(frame.metadata, grey=False)
    io.write(tmp_path / f"c.{suffix}", frame.pixels, colour)
    assert not io.read(tmp_path / f"c.{suffix}").metadata.grey


def test_a_linear_grey_profile_is_obeyed(tmp_path, pixels):
    linear = bytes(imagecodecs.cms_profile("gray", gamma=1.0))
    grey = (pixels[..., 0] >> 8).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png", icc_profile=linear)
    wanted = np.round(to_srgb(grey.astype(np.float32) / 255) * 255)
    assert np.abs(io.read(tmp_path / "a.png").pixels[..., 0] - wanted).max() <= 1
