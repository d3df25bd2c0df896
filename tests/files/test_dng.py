"""A linear DNG of the result: what raw developers read back is what was restored."""

from __future__ import annotations

import numpy as np
import pytest
import rawpy
import tifffile
from cameras import mosaic, write_dng

from twinshot.files import icc, io
from twinshot.picture.pair import Metadata


@pytest.fixture
def pixels(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.integers(0, 256, photo.shape, np.uint16)
    return photo.astype(np.uint16) * 256 + noise


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    """But for 16-bit linear values, which are coarse where it is dark."""
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() < 256
    assert np.abs(found.astype(int) - wanted).mean() < 8


def test_rawpy_reads_it_back(tmp_path, pixels):
    io.write(tmp_path / "a.dng", pixels, Metadata(bits=16))
    frame = io.read(tmp_path / "a.dng")
    assert_close(frame.pixels, pixels)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.extract_thumb().format == rawpy.ThumbFormat.JPEG


def test_it_says_that_noise_is_gone_and_keeps_metadata(tmp_path, pixels):
    known = Metadata(bits=16, software="twinshot 9", history="a with b", xmp=b"")
    io.write(tmp_path / "a.dng", pixels, known)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        first, whole = file.pages.first, file.pages.first.pages[0]
        assert first.tags["Software"].value == "twinshot 9"
        assert b"crs:LuminanceSmoothing" in first.tags["XMP"].value
        assert b"a with b" in first.tags["XMP"].value
        assert (whole.photometric.name, whole.dtype) == ("LINEAR_RAW", np.uint16)
        assert whole.tags[50935].value == (1, 1)
        assert first.asarray().shape == pixels.shape


def test_of_raw_frames_it_is_in_the_sensors_colours(tmp_path, photo):
    frame = io.read(write_dng(tmp_path / "in.dng", mosaic(photo[:240, :320]) * 0.4, 0.1))
    io.write(tmp_path / "out.dng", frame.pixels, frame.metadata)
    again = io.read(tmp_path / "out.dng")
    assert_close(again.pixels, frame.pixels)
    assert again.metadata.sensor.balance == pytest.approx((2.0, 1.0, 1.6), rel=1e-3)
    np.testing.assert_allclose(again.metadata.sensor.matrix, frame.metadata.sensor.matrix, atol=1e-3)
    assert again.metadata.exposure == pytest.approx(0.1 * 400 / 4)


def test_other_profiles_are_converted(tmp_path, pixels):
    wide = icc.profile_of_codes(12, 13)
    io.write(tmp_path / "a.dng", pixels, Metadata(bits=16, icc=wide))
    assert_close(io.read(tmp_path / "a.dng").pixels, icc.transformed(pixels, wide, b""))
