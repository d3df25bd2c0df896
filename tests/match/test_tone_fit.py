"""The tone between two frames: known gains, offsets and curves are found again, through noise, blur and clipping."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match import tone, tone_fit
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Metadata, Pair, as_float

TINT = np.float32([0.85, 1, 1.2])  # R, G and B of a gain differ between two frames of a camera
BLACK = 0.01


def stored(image, dtype=np.float32):
    """Pixels of a type, clipped as a file clips them."""
    if dtype == np.float32:
        return image.clip(0, 1).astype(np.float32)
    top = np.iinfo(dtype).max
    return np.round(image.clip(0, 1) * top).astype(dtype)


def darker(light, gain):
    return to_srgb(light / (gain * TINT))


def tinted(light, gain):
    return to_srgb(light / (gain * TINT) + np.float32(BLACK))


def curved(light, gain):
    """As a camera writes it whose curve has a gamma of its own, and a toe."""
    encoded = to_srgb((light / (gain * TINT)).clip(0, 1))
    return 0.9 * encoded**1.25 + 0.1 * encoded**3


def scaled(light, gain):
    return to_srgb(light) / gain


def sized(photo, side):
    """The scene in linear light, its longer side `side`."""
    shrink = side < 420
    interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    picture = photo[:, 60:360] if shrink else photo
    size = (side, side * picture.shape[0] // picture.shape[1])
    return to_linear(cv2.resize(picture / np.float32(255), size, interpolation=interpolation))


def pair_of(light, shown, gain, dtype=np.float32, noise=0.002, seed=0, bright=1.0):
    """(short, long) of a scene in linear light: `shown` says how the short frame's file shows light."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, noise / np.sqrt(gain), light.shape)
    short = shown(np.maximum(light * np.float32(bright) + gain * grain, 0).astype(np.float32), gain)
    blur = max(light.shape) / 105
    long = to_srgb(light * np.float32(bright)) if shown is scaled else light * np.float32(bright)
    long = cv2.GaussianBlur(long, (0, 0), blur)
    return stored(short, dtype), stored(long if shown is scaled else to_srgb(long), dtype)


def off_by(found, short, light):
    """Mean difference between what a tone makes of a short frame and the scene, encoded, both smooth.

    White does not count, in either: what was clipped is lost.
    """
    sigma = max(light.shape) / 50
    made, wanted = (
        to_srgb(cv2.GaussianBlur(each, (0, 0), sigma)) for each in (to_linear(tone.apply(short, found)), light)
    )
    white = cv2.GaussianBlur((as_float(short) > 0.98).astype(np.float32), (0, 0), sigma) > 0.02
    return float(np.abs(made - wanted)[~white & (wanted < 0.95)].mean())


# Each model of the ladder


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("side", [420, 1200])
@pytest.mark.parametrize("gain", [1.0, 3.0, 8.0, 30.0])
def test_a_plain_gain(photo, gain, side, dtype):
    if side == 1200 and dtype != np.uint8:
        pytest.skip("types are told apart on small frames")
    found = tone_fit.estimate(*pair_of(sized(photo, side), darker, gain, dtype))
    assert (found.model, found.light) == ("gain", "linear")
    assert found.gain == pytest.approx(tuple(gain * TINT), rel=0.03)
    assert found.offset == (0, 0, 0)
    assert found.error < 0.006
    assert not found.doubtful


def test_large_gains_are_never_taken_for_encoded_ones(photo):
    assert tone_fit.estimate(*pair_of(sized(photo, 420), scaled, 6.0)).model != "encoded gain"


@pytest.mark.parametrize("gain", [3.0, 8.0, 30.0])
def test_a_gain_and_a_black_offset(photo, gain):
    light = sized(photo, 420) * np.float32(0.8)  # of which no channel clips in the short frame
    found = tone_fit.estimate(*pair_of(light, tinted, gain, np.uint8))
    assert found.model == "offset"
    assert found.gain == pytest.approx(tuple(gain * TINT), rel=0.05)
    assert np.divide(found.offset, -BLACK * gain * TINT) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("gain", [1.0, 3.0, 8.0])
def test_a_curve(photo, gain):
    light = sized(photo, 420)
    short, long = pair_of(light, curved, gain, np.uint8)
    found = tone_fit.estimate(short, long)
    assert found.model == "curve"
    assert len(found.knots) == found.values.shape[1]
    plain = tone_fit.estimate(short, long, models=("gain",))
    assert off_by(found, short, light) < min(0.012, 0.5 * off_by(plain, short, light))


@pytest.mark.parametrize("shown", [darker, tinted, curved])
@pytest.mark.parametrize("side", [64, 420])
@pytest.mark.parametrize("gain", [0.5, 8.0, 200.0])
def test_whatever_the_model_the_light_is_right(photo, shown, side, gain):
    light = sized(photo, side)
    short, long = pair_of(light, shown, gain, np.uint16, noise=0.001)
    assert off_by(tone_fit.estimate(short, long), short, light) < 0.02


@pytest.mark.parametrize("shown", [darker, tinted, curved, scaled])
@pytest.mark.parametrize("gain", [2.0, 20.0])
def test_more_light_never_becomes_less(photo, shown, gain):
    found = tone_fit.estimate(*pair_of(sized(photo, 420), shown, gain, np.uint8, noise=0.01))
    codes = np.linspace(0, 1, 4097, dtype=np.float32)[None, :, None].repeat(3, 2)
    made = tone.apply(codes, found)
    assert (np.diff(made, axis=1) >= -1e-6).all()
    assert 0 <= made.min() <= made.max() <= 1


def test_a_richer_model_has_to_earn_its_place(photo):
    for seed in range(4):
        short, long = pair_of(sized(photo, 420), darker, 4.0, np.uint8, noise=0.01, seed=seed)
        assert tone_fit.estimate(short, long).model == "gain"


def test_a_ladder_can_be_cut_short(photo):
    short, long = pair_of(sized(photo, 420), curved, 4.0)
    assert tone_fit.estimate(short, long, models=("gain",)).model == "gain"
    assert tone_fit.estimate(short, long, models=("gain", "offset")).model in ("gain", "offset")


@pytest.mark.parametrize("model", tone_fit.MODELS)
def test_a_fit_that_nobody_judges_is_the_same(photo, model):
    short, long = pair_of(sized(photo, 420), curved, 4.0)
    judged, found = tone_fit.estimate(short, long, models=(model,)), tone_fit.fitted(short, long, model)
    assert (found.model, found.gain, found.offset, found.light) == (
        judged.model,
        judged.gain,
        judged.offset,
        judged.light,
    )
    assert (found.knots.tolist(), found.values.tolist()) == (judged.knots.tolist(), judged.values.tolist())
    assert (found.error, found.off) == (0, 0)
    assert tone_fit.fitted(np.zeros_like(short), long, model).model == "none"


# What disturbs


def test_large_black_areas_do_not_count(photo):
    light = sized(photo, 420)
    light[:, :250] = 0
    found = tone_fit.estimate(*pair_of(light, darker, 8.0, np.uint8))
    assert found.gain == pytest.approx(tuple(8 * TINT), rel=0.1)


def test_a_small_shift_and_a_mover_do_little(photo):
    light = sized(photo, 420)
    short, long = pair_of(light, darker, 8.0)
    long = np.roll(long, (4, -5), (0, 1))
    long[40:110, 60:140] = 0.9
    assert tone_fit.estimate(short, long).gain == pytest.approx(tuple(8 * TINT), rel=0.1)


def test_the_matrix_undoes_a_large_shift(photo):
    short, long = pair_of(sized(photo, 420), darker, 8.0)
    moved = np.roll(long, (60, 80), (0, 1))
    matrix = np.array([[1, 0, 80], [0, 1, 60], [0, 0, 1]], np.float64)
    there = tone_fit.estimate(short, moved, matrix=matrix)
    assert there.gain == pytest.approx(tuple(8 * TINT), rel=0.05)
    assert there.off < 0.5 * tone_fit.estimate(short, moved).off


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_all_types_of_pixels_agree(photo, dtype):
    frames = pair_of(sized(photo, 420), darker, 2.0)
    found = tone_fit.estimate(*(stored(frame, dtype) for frame in frames))
    assert found.gain == pytest.approx(tone_fit.estimate(*frames).gain, rel=0.01)


def test_a_large_frame_tells_what_a_small_one_tells(photo):
    frames = pair_of(sized(photo, 420), darker, 8.0)
    large = [cv2.resize(frame, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST) for frame in frames]
    assert tone_fit.estimate(*large).gain == pytest.approx(tone_fit.estimate(*frames).gain, rel=0.02)


def test_a_channel_that_nothing_is_known_of_follows_the_others(photo):
    short, long = (frame.copy() for frame in pair_of(sized(photo, 420), darker, 8.0))
    short[..., 2] = long[..., 2] = 0
    found = tone_fit.estimate(short, long, models=("gain",)).gain
    assert found[:2] == pytest.approx(tuple(8 * TINT[:2]), rel=0.05)
    assert 6 < found[2] < 9


def test_another_picture_is_doubtful(photo):
    short, _ = pair_of(sized(photo, 420), darker, 8.0)
    other = np.ascontiguousarray(photo[::-1, ::-1]) / np.float32(255)
    assert tone_fit.estimate(short, other).doubtful


# Where there is little light


def test_nothing_to_compare():
    dark = np.zeros((64, 64, 3), np.uint8)
    for exif, model, gain in ((None, "none", 1.0), (5.0, "exif", 5.0)):
        found = tone_fit.estimate(dark, dark, exif)
        assert (found.model, found.gain) == (model, (gain,) * 3)


def test_noise_cut_off_at_black_does_not_look_like_scaled_values(photo):
    """It lifts dark cells as adding an offset would, or a gain in encoded values."""
    for seed in range(5):
        short, long = pair_of(sized(photo, 420), darker, 3.5, noise=0.05, seed=seed)
        assert (short == 0).mean() > 0.02
        assert tone_fit.estimate(short, long).light == "linear"


def test_a_night_scene(photo):
    """Lamps beyond white, all else at 1/60."""
    light = sized(photo, 420)
    light = np.where(light > np.quantile(light, 0.97), 1.5, light / 60).astype(np.float32)
    short, long = pair_of(light, darker, 8.0, np.uint8, noise=0.001)
    assert off_by(tone_fit.estimate(short, long), short, light.clip(0, 1)) < 0.012


# EXIF


def test_exif_counts_where_pixels_say_nothing(photo):
    black = np.zeros((64, 64, 3), np.uint8)
    assert tone_fit.estimate(black, stored(sized(photo, 64), np.uint8), 8.0).gain == (8.0, 8.0, 8.0)


def test_exposure_of_a_pair_by_exif():
    pixels = np.zeros((16, 16, 3), np.uint8)

    def pair(noisy, blurry):
        return Pair(
            Frame(pixels, "noisy", Metadata(exposure=noisy)), Frame(pixels + 1, "blurry", Metadata(exposure=blurry))
        )

    assert tone_fit.exif_gain(pair(2.0, 16.0)) == 8
    assert tone_fit.exif_gain(pair(None, 16.0)) is None
    assert tone_fit.exif_gain(pair(2.0, None)) is None


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (20, 1000), (16, 5000)])
def test_any_size(size):
    rng = np.random.default_rng(0)
    scene = rng.uniform(0.2, 0.6, (*size, 3)).astype(np.float32)
    found = tone_fit.estimate(to_srgb(to_linear(scene) / 2), scene)
    assert np.abs(tone.apply(to_srgb(to_linear(scene) / 2), found) - scene).mean() < 0.01
