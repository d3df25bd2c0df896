"""The gain between two frames: known ones are found again, through noise, blur, clipping and small shifts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match import tone
from twinshot.match.tone import Exposure
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Metadata, Pair, as_float

GAINS = (6.0, 8.0, 9.5)


def pair_of(photo, gains, light="linear", noise=0.004, brighter=1.0, seed=0):
    """(noisy, blurry) of a photograph: the noisy one divided by the gains in `light`, both float32."""
    rng = np.random.default_rng(seed)
    encoded = photo / np.float32(255)
    scene = to_linear(encoded) * np.float32(brighter) if light == "linear" else encoded
    long, short = cv2.GaussianBlur(scene, (0, 0), 4), scene / np.float32(gains) + rng.normal(0, noise, scene.shape)
    if light == "linear":
        long, short = to_srgb(long), to_srgb(short)
    return short.clip(0, 1).astype(np.float32), long.clip(0, 1)


@pytest.mark.parametrize("gains", [(1.0, 1.0, 1.0), (2.0, 1.8, 2.3), GAINS])
def test_gain_in_linear_light(photo, gains):
    found = tone.estimate(*pair_of(photo, gains))
    assert (found.light, found.source) == ("linear", "estimated")
    assert found.gain == pytest.approx(gains, rel=0.05)


def test_gain_in_encoded_values(photo):
    found = tone.estimate(*pair_of(photo, (2.5, 2.5, 2.5), "srgb", noise=0.03))
    assert (found.light, found.source) == ("srgb", "estimated")
    assert found.gain == pytest.approx((2.5, 2.5, 2.5), rel=0.05)


def test_large_gains_are_never_taken_for_encoded_ones(photo):
    assert tone.estimate(*pair_of(photo, (6.0, 6.0, 6.0), "srgb")).light == "linear"


def test_clipped_highlights_do_not_count(photo):
    noisy, blurry = pair_of(photo, (8.0, 8.0, 8.0), brighter=2.5)
    assert (blurry > 0.99).mean() > 0.15
    assert tone.estimate(noisy, blurry).gain == pytest.approx((8, 8, 8), rel=0.12)


def test_a_small_shift_and_a_mover_do_little(photo):
    noisy, blurry = pair_of(photo, GAINS)
    blurry = np.roll(blurry, (4, -5), (0, 1))
    blurry[40:110, 60:140] = 0.9
    assert tone.estimate(noisy, blurry).gain == pytest.approx(GAINS, rel=0.1)


def test_the_matrix_undoes_a_large_shift(photo):
    noisy, blurry = pair_of(photo, GAINS)
    moved = np.roll(blurry, (60, 80), (0, 1))
    matrix = np.array([[1, 0, 80], [0, 1, 60], [0, 0, 1]], np.float64)
    there = tone.estimate(noisy, moved, matrix=matrix)
    assert there.gain == pytest.approx(GAINS, rel=0.08)
    assert there.misfit < tone.estimate(noisy, moved).misfit


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_all_types_of_pixels_agree(photo, dtype):
    frames = pair_of(photo, (2.0, 2.2, 1.8))
    top = np.iinfo(dtype).max
    stored = [np.round(frame * top).astype(dtype) for frame in frames]
    assert tone.estimate(*stored).gain == pytest.approx(tone.estimate(*frames).gain, rel=0.01)


def test_nothing_to_compare():
    dark = np.zeros((64, 64, 3), np.uint8)
    assert tone.estimate(dark, dark + 3) == Exposure((1.0, 1.0, 1.0), "linear", "none")
    assert tone.estimate(dark, dark + 3, 5.0) == Exposure((5.0, 5.0, 5.0), "linear", "exif")
    white = np.full((64, 64, 3), 255, np.uint8)
    assert tone.estimate(white - 100, white).source == "none"


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (20, 1000), (16, 5000)])
def test_any_size(size):
    rng = np.random.default_rng(0)
    scene = rng.uniform(0.2, 0.6, (*size, 3)).astype(np.float32)
    found = tone.estimate(to_srgb(to_linear(scene) / 2), scene)
    assert found.gain == pytest.approx((2, 2, 2), rel=0.02)


def test_exif_is_refined_by_the_pixels(photo):
    found = tone.estimate(*pair_of(photo, GAINS), exif_gain=7.0)
    assert (found.light, found.source) == ("linear", "exif, refined")
    assert found.gain == pytest.approx(GAINS, rel=0.05)


def test_exif_keeps_the_light_linear(photo):
    noisy, blurry = pair_of(photo, (2.5, 2.5, 2.5), "srgb")
    assert tone.estimate(noisy, blurry).light == "srgb"
    assert tone.estimate(noisy, blurry, exif_gain=5.0).light == "linear"


def test_pixels_overrule_an_exif_that_is_far_off(photo):
    found = tone.estimate(*pair_of(photo, (1.0, 1.0, 1.0)), exif_gain=16.0)
    assert found.source == "estimated"
    assert found.gain == pytest.approx((1, 1, 1), rel=0.05)


def test_exif_alone_where_the_pixels_do_not_agree_among_themselves(photo):
    noisy, _ = pair_of(photo, (8.0, 8.0, 8.0))
    other = np.ascontiguousarray(photo[::-1, ::-1]) / np.float32(255)
    assert tone.estimate(noisy, other, exif_gain=8.0) == Exposure((8.0, 8.0, 8.0), "linear", "exif")


def night_scene(photo):
    """Linear light: lamps beyond white, all else at 1/60."""
    light = to_linear(photo / np.float32(255))
    return np.where(light > np.quantile(light, 0.97), 1.5, light / 60).astype(np.float32)


def night_pair(scene, gain, seed=0):
    """(noisy, blurry) of a scene in linear light, uint8: noise is cut off at black, as a file cuts it off."""
    rng = np.random.default_rng(seed)
    long = cv2.blur(scene, (15, 1)) + rng.normal(0, 0.002, scene.shape)
    short = scene / gain + rng.normal(0, 0.0014, scene.shape)
    return tuple((to_srgb(frame.clip(0, 1).astype(np.float32)) * 255 + 0.5).astype(np.uint8) for frame in (short, long))


def test_a_night_scene_has_a_gain_without_exif(photo):
    found = tone.estimate(*night_pair(night_scene(photo), 8))
    assert (found.light, found.source) == ("linear", "estimated")
    assert found.gain == pytest.approx((8, 8, 8), rel=0.3)


def test_what_is_half_noise_does_not_overrule_exif(photo):
    pair = night_pair(to_linear(photo / np.float32(255)) / 30, 30)
    assert max(tone.estimate(*pair).gain) < 24  # what was cut off at black is missing from the noise's mean
    assert tone.estimate(*pair, exif_gain=30.0) == Exposure((30.0, 30.0, 30.0), "linear", "exif")


def test_noise_cut_off_at_black_does_not_look_like_scaled_values(photo):
    """It lifts dark blocks as adding an offset would, or a gain in encoded values."""
    for seed in range(5):
        noisy, blurry = pair_of(photo, (3.5, 3.5, 3.5), noise=0.04, seed=seed)
        assert (noisy == 0).mean() > 0.1
        assert tone.estimate(noisy, blurry).light == "linear"


def test_a_channel_that_nothing_is_known_of_follows_the_others(photo):
    noisy, blurry = pair_of(photo, (8.0, 8.0, 8.0))
    noisy[..., 2] = blurry[..., 2] = 0
    assert tone.estimate(noisy, blurry).gain == pytest.approx((8, 8, 8), rel=0.05)


def test_an_unsure_channel_stays_near_the_others(photo):
    noisy, blurry = pair_of(photo, (4.0, 4.0, 4.0))
    blurry[..., 2] = blurry[::-1, ::-1, 2] * 0.8  # another picture, and darker
    found = tone.estimate(noisy, blurry).gain
    assert found[:2] == pytest.approx((4, 4), rel=0.05)
    assert found[2] == pytest.approx(4, rel=0.2)


def test_exposure_of_a_pair_by_exif():
    pixels = np.zeros((16, 16, 3), np.uint8)

    def pair(noisy, blurry):
        return Pair(
            Frame(pixels, "noisy", Metadata(exposure=noisy)), Frame(pixels + 1, "blurry", Metadata(exposure=blurry))
        )

    assert tone.exif_gain(pair(2.0, 16.0)) == 8
    assert tone.exif_gain(pair(None, 16.0)) is None
    assert tone.exif_gain(pair(2.0, None)) is None


def test_apply():
    image = np.full((2, 2, 3), 0.5, np.float32)
    linear = tone.apply(image, Exposure((1.0, 2.0, 40.0), "linear", "exif"))
    np.testing.assert_allclose(linear[0, 0], [0.5, float(to_srgb(np.float32(0.4280822))), 1], atol=1e-4)
    encoded = tone.apply(image, Exposure((1.0, 1.5, 3.0), "srgb", "exif"))
    np.testing.assert_allclose(encoded[0, 0], [0.5, 0.75, 1], atol=1e-6)
    assert linear.dtype == encoded.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("light", ["linear", "srgb"])
def test_apply_to_stored_pixels_is_apply_to_their_values(photo, dtype, light):
    match = Exposure((2.0, 3.0, 0.7), light, "estimated")
    pixels = photo.astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    np.testing.assert_allclose(tone.apply(pixels, match), tone.apply(as_float(pixels), match), atol=1e-6)


def test_a_lattice_of_a_large_frame_tells_what_a_small_one_tells(photo):
    noisy, blurry = pair_of(photo, GAINS)
    large = [cv2.resize(frame, None, fx=12, fy=12, interpolation=cv2.INTER_NEAREST) for frame in (noisy, blurry)]
    moved = np.roll(large[1], (300, -240), (0, 1))
    matrix = np.array([[1, 0, -240], [0, 1, 300], [0, 0, 1]], np.float64)
    expected = tone.estimate(noisy, blurry).gain
    assert tone.estimate(*large).gain == pytest.approx(expected, rel=0.02)
    assert tone.estimate(large[0], moved, matrix=matrix).gain == pytest.approx(expected, rel=0.03)
