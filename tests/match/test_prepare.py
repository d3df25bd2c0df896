"""A pair is made ready: order, registration and tone together, and what is said of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from twinshot.match import align, tone
from twinshot.match.prepare import prepare
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Metadata, Pair
from twinshot.picture.settings import Settings

GAIN = 8.0


def eight_bit(image):
    return np.round(image.clip(0, 1) * 255).astype(np.uint8)


def pair_of(picture, gain=GAIN, noise=0.003, shift=(0, 0), exif=(None, None), blur=9):
    """A pair of a photograph; the long frame is moved by `shift`, and blurred along its diagonal."""
    light = to_linear(picture / np.float32(255))
    short = light / np.float32(gain) + np.random.default_rng(0).normal(0, noise, light.shape)
    long = cv2.filter2D(np.roll(light, shift[::-1], (0, 1)), -1, np.eye(blur) / blur)
    frames = (eight_bit(to_srgb(each.astype(np.float32))) for each in (short, long))
    return Pair(
        *(
            Frame(pixels, name, Metadata(exposure=exposure))
            for pixels, name, exposure in zip(frames, ("short", "long"), exif, strict=True)
        )
    )


def codes(ready):
    return [caution.code for caution in ready.cautions]


def test_a_pair_that_goes_together(photo):
    ready = prepare(pair_of(photo, shift=(7, -4)))
    assert (ready.cautions, ready.swapped, ready.same_scene) == ((), "", True)
    assert ready.alignment.shift == pytest.approx((7, -4), abs=0.25)
    assert ready.tone.gain == pytest.approx((GAIN,) * 3, rel=0.05)
    inner = np.s_[24:-24, 24:-24]
    assert np.abs(ready.long - photo / 255)[inner].mean() < 0.04
    assert np.abs(cv2.blur(ready.short, (15, 15)) - cv2.blur(ready.long, (15, 15)))[inner].mean() < 0.02


def test_both_frames_come_in_one_size_and_range(photo):
    ready = prepare(pair_of(photo, shift=(7, -4)))
    for frame in (ready.short, ready.long):
        assert (frame.dtype, frame.shape) == (np.float32, photo.shape)
        assert 0 <= frame.min() <= frame.max() <= 1


def test_the_wrong_order_is_put_right(photo):
    pair = pair_of(photo)
    ready, right = prepare(Pair(pair.blurry, pair.noisy)), prepare(pair)
    assert ready.pair.noisy is pair.noisy
    assert "so short was taken as the short frame" in ready.swapped
    assert ready.cautions == ()
    assert ready.tone.gain == right.tone.gain
    np.testing.assert_array_equal(ready.alignment.matrix, right.alignment.matrix)


def test_an_order_that_is_kept_is_doubted(photo):
    pair = pair_of(photo)
    ready = prepare(Pair(pair.blurry, pair.noisy), Settings(keep_order=True))
    assert ready.pair.noisy is pair.blurry
    assert ready.swapped == ""
    assert "swapped" in codes(ready)


def test_another_scene_gives_its_brightness_alone(photo):
    other = cv2.resize(data.coffee(), photo.shape[1::-1])
    pair = Pair(pair_of(photo).noisy, pair_of(other).blurry)
    ready = prepare(pair)
    assert not ready.same_scene
    assert "not_one_scene" in codes(ready)
    assert len(set(ready.tone.gain)) == 1
    assert not ready.alignment.applied


def test_nothing_to_see(photo):
    pair = Pair(Frame(np.zeros_like(photo), "short"), Frame(photo, "long"))
    ready = prepare(pair)
    assert ready.tone.model == "none"
    assert "no_gain" in codes(ready)
    assert not ready.alignment.applied


@pytest.mark.parametrize("choice", [None, "gain", "curve"])
def test_a_tone_that_cannot_be_matched_is_said(photo, choice):
    """Every third column of the scene has a lamp of its own that the short frame does not have."""
    pair = pair_of(photo)
    long = pair.blurry.pixels.copy()
    lamps = np.linspace(0, 12 * np.pi, photo.shape[1])
    long = eight_bit(to_srgb(to_linear(long / np.float32(255)) * np.float32(1 + 0.9 * np.sin(lamps))[None, :, None]))
    ready = prepare(Pair(pair.noisy, Frame(long, "long")), Settings(tone=choice))
    assert "tone" in codes(ready)
    assert ready.tone.error > 0.01


def sky_with_a_mover(centre, axes, noise, seed):
    """A smooth sky with faint stains, and a bright thing before it; uint8."""
    stains = cv2.GaussianBlur(np.random.default_rng(9).normal(0, 1, (256, 256)), (0, 0), 2) * 0.06
    mover = cv2.ellipse(np.zeros((256, 256)), centre, axes, 0, 0, 360, 1, -1)
    picture = np.where(mover > 0, 0.9, np.linspace(0.15, 0.6, 256)[:, None] + stains)[..., None].repeat(3, 2)
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape)
    return eight_bit(picture)


# Kinds of pairs that registration or tone were once misled by


def test_of_a_registration_that_is_dropped_nothing_is_told():
    """A large mover takes the frame along; the gain that fits less then says so."""
    noisy = sky_with_a_mover((100, 140), (55, 25), 0.03, 1)
    blurry = cv2.blur(sky_with_a_mover((110, 100), (40, 22), 0, 2), (5, 1))
    tempting = align.estimate(noisy, blurry)
    assert tempting.applied
    assert tempting.confidence > 0.6
    ready = prepare(Pair(Frame(noisy, "short"), Frame(blurry, "long")))
    assert (ready.alignment.where, ready.alignment.shift) == (None, (0.0, 0.0))
    assert ready.alignment.confidence == tempting.unmoved < 0


def test_text_on_white_paper():
    """The long frame is clipped nearly everywhere: whites and text edges tell the gain."""
    page = np.full((300, 420, 3), 255, np.uint8)
    for row in range(24, 300, 22):
        cv2.putText(page, "The quick brown fox 0123456789", (8, row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20,) * 3, 2)
    light = to_linear(page / np.float32(255)) * np.float32(1.6)
    rng = np.random.default_rng(0)
    short = eight_bit(to_srgb((light / 8 + rng.normal(0, 0.004, light.shape)).astype(np.float32)))
    long = eight_bit(to_srgb(cv2.filter2D(light, -1, np.eye(7) / 7)))
    ready = prepare(Pair(Frame(short, "short"), Frame(long, "long")))
    paper = page.min(-1) > 250
    assert np.median(ready.short[paper]) > 0.95
    assert "no_gain" not in codes(ready)
    assert ready.same_scene


def test_a_nearly_black_picture_with_a_false_exif(photo):
    """Its light is told by its pixels: twice the short frame's, whatever EXIF says."""
    light = to_linear(photo / np.float32(255)) / 60
    rng = np.random.default_rng(0)
    short, long = (
        eight_bit(to_srgb((each + rng.normal(0, 0.0008, light.shape)).astype(np.float32)))
        for each in (light / 2, cv2.GaussianBlur(light, (0, 0), 3))
    )
    for exposure in (2 / 4, 2 * 4, 160):
        pair = Pair(
            Frame(short, "short", Metadata(exposure=1)), Frame(long, "long", Metadata(exposure=float(exposure)))
        )
        ready = prepare(pair)
        means = [to_linear(cv2.blur(each, (9, 9))).mean() for each in (ready.short, ready.long)]
        assert means[0] == pytest.approx(means[1], rel=0.15)


@pytest.mark.parametrize("gain", [1.0, 8.0])
def test_a_low_texture_wall_is_one_scene(gain):
    rng = np.random.default_rng(0)
    stains = cv2.GaussianBlur(rng.normal(0, 1, (300, 420)), (0, 0), 6)
    wall = 0.55 + 0.012 * stains / stains.std() + np.linspace(-0.03, 0.03, 420)[None]
    picture = (wall[..., None] * np.array([1, 0.95, 0.85])).clip(0, 1).astype(np.float32) * 255
    ready = prepare(pair_of(picture, gain=gain, noise=0.02 / gain))
    assert ready.same_scene
    assert codes(ready) == []
    assert float(np.hypot(*ready.alignment.shift)) < 2


def test_bands_of_flicker_are_no_light_of_the_scene(photo):
    pair = pair_of(photo, shift=(7, -4))
    flicker = 1 + 0.5 * np.sin(np.linspace(0, 8 * np.pi, photo.shape[0]))
    short = to_linear(pair.noisy.pixels / np.float32(255)) * flicker[:, None, None].astype(np.float32)
    ready = prepare(Pair(Frame(eight_bit(to_srgb(short)), "short"), pair.blurry))
    assert ready.notes == ("short has bands of flickering light, which were taken off",)
    left, banded = (
        np.abs(cv2.blur(image, (15, 15)) - cv2.blur(ready.long, (15, 15)))[24:-24, 24:-24].mean()
        for image in (ready.short, tone.apply(ready.pair.noisy.pixels, ready.tone))
    )
    assert left < 0.8 * banded
    assert prepare(pair).notes == ()
