"""The named ways to spoil a pair."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from twinshot.match import tone
from twinshot.picture.pair import TwinshotError
from twinshot.synth.frames import StillWindow
from twinshot.synth.motion import MotionRange
from twinshot.synth.profiles import PROFILES, CameraProfile, PaperProfile, profile_named
from twinshot.synth.sample import sample

RAMP = np.tile(np.linspace(0.1, 0.9, 160, dtype=np.float32)[:, None, None], (1, 160, 3))
FLAT = np.full((160, 160, 3), 0.5, np.float32)
CLEAN = replace(CameraProfile(), level=(0.0, 0.0), jpeg=0.0)


def spoiled(profile, seed=0, sharp=FLAT, blurry=FLAT):
    return profile.degrade(sharp, blurry, np.random.default_rng(seed))


def matched(found):
    return tone.apply(found.noisy, tone.known(found.meta["gain"], found.meta["gain_light"]))


def is_eight_bit(image) -> bool:
    return image.dtype == np.float32 and np.abs(image * 255 - np.round(image * 255)).max() < 1e-3


@pytest.mark.parametrize("name", list(PROFILES))
def test_samples_are_what_files_hold(name, photo):
    profile = profile_named(name)
    assert profile.name == name
    sharp = photo[:96, :128] / np.float32(255)
    for seed in range(6):
        found = spoiled(profile, seed, sharp, sharp)
        for image in (found.noisy, found.blurry, found.sharp):
            assert image.shape == sharp.shape
            assert is_eight_bit(image)
        np.testing.assert_allclose(found.sharp, sharp, atol=1e-6)


@pytest.mark.parametrize("name", ["paper", "camera", "gopro", "gaussian"])
def test_a_burst_has_noise_of_its_own_and_changes_nothing_else(name):
    profile = profile_named(name)
    alone = spoiled(profile, 3)
    with_burst = profile.degrade(FLAT, FLAT, np.random.default_rng(3), (FLAT, FLAT))
    for kind in ("noisy", "blurry", "sharp"):
        np.testing.assert_array_equal(getattr(alone, kind), getattr(with_burst, kind))
    assert len(with_burst.burst) == 2
    assert not alone.burst
    for frame in with_burst.burst:
        assert abs(np.corrcoef(frame[..., 1].ravel(), alone.noisy[..., 1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("name", ["paper", "camera", "gopro"])
def test_a_burst_has_the_same_noise_as_the_noisy_frame(name):
    profile = profile_named(name)
    alone = spoiled(profile, 3)
    for frame in profile.degrade(FLAT, FLAT, np.random.default_rng(3), (FLAT, FLAT)).burst:
        assert is_eight_bit(frame)
        assert frame.std() == pytest.approx(alone.noisy.std(), rel=0.1)


def test_gopro_has_a_clean_long_frame_and_the_papers_noise_on_the_short_one():
    for seed in range(3):
        ours, papers = spoiled(profile_named("gopro"), seed), spoiled(profile_named("paper"), seed)
        np.testing.assert_allclose(ours.blurry, FLAT, atol=0.5 / 255)
        np.testing.assert_array_equal(ours.noisy, papers.noisy)


def test_generic_gaussian_noise():
    for seed in range(4):
        found = spoiled(profile_named("gaussian"), seed)
        assert 0 <= found.meta["sigma"] <= 50 / 255
        assert (found.noisy - FLAT).std() == pytest.approx(found.meta["sigma"], abs=0.01)
        np.testing.assert_allclose(found.blurry, FLAT, atol=0.5 / 255)


def test_a_gaussian_burst_is_right_in_the_mean_and_has_sigmas_of_its_own():
    white = np.ones_like(FLAT)
    burst = profile_named("gaussian").degrade(white, white, np.random.default_rng(3), (white,) * 8).burst
    for frame in burst:
        assert frame.mean() == pytest.approx(1.0, abs=0.002)
    assert np.ptp([frame.std() for frame in burst]) > 0.02


def test_unknown_profile():
    with pytest.raises(TwinshotError, match="'magic'; choose from paper, camera"):
        profile_named("magic")
    with pytest.raises(FrozenInstanceError):
        profile_named("paper").sigma = (0, 0)  # type: ignore[misc]


# GOPRO2


def test_paper_scale_and_gain():
    scales = []
    for seed in range(40):
        found = spoiled(PaperProfile(), seed, RAMP, RAMP)
        scale = found.meta["scale"]
        scales.append(scale)
        assert found.meta["gain"] == [1 / scale] * 3
        assert found.meta["gain_light"] == "srgb"
        assert found.noisy.mean() == pytest.approx(0.5 * scale, abs=0.01)
        assert found.meta["noise"] == ("poisson" if scale < 0.55 else "gaussian")
    assert 0.3 <= min(scales) < 0.4
    assert 0.7 < max(scales) <= 0.8


def test_paper_gaussian_noise_of_both_frames():
    profile = replace(PaperProfile(), scale=(0.8, 0.8), sigma=(0.09, 0.09))
    found = spoiled(profile)
    assert found.noisy.std() == pytest.approx(0.09, rel=0.03)
    assert found.blurry.std() == pytest.approx(0.03, rel=0.03)  # nine frames averaged
    assert found.meta["noise"] == "gaussian"


def test_paper_shot_noise():
    """The sharp frame's intensities count (eq. 8), not the darkened one's, which the 8-bit file would merge."""
    ramp = np.tile(np.linspace(0, 1, 160, dtype=np.float32)[:, None, None], (1, 160, 3))
    found = spoiled(replace(PaperProfile(), scale=(0.4, 0.4)), sharp=ramp, blurry=ramp)
    assert found.meta["noise"] == "poisson"
    rows = found.noisy[100]  # 0.4 * 0.63, and 160 levels in use: 256 photons make white
    assert rows.var() == pytest.approx(0.4 * ramp[100, 0, 0] / 256, rel=0.2)


# A real camera


def test_camera_gain_brings_the_noisy_frame_to_the_blurry_ones_exposure(photo):
    sharp = photo[:160, :160] / np.float32(255) * 0.8
    for seed in range(8):
        found = spoiled(CLEAN, seed, sharp, sharp)
        assert found.meta["gain_light"] == "linear"
        np.testing.assert_allclose(matched(found).mean((0, 1)), sharp.mean((0, 1)), rtol=0.04)


def test_camera_noise_runs_from_light_to_night():
    """Sigma in sRGB after gain."""
    raw = replace(CameraProfile(), mosaic=0.0, jpeg=0.0)
    sigmas = {level: [] for level in (0.0, 0.5, 1.0)}
    for level, found in sigmas.items():
        for seed in range(6):
            found.append(matched(spoiled(replace(raw, level=(level, level)), seed)).std())
    means = {level: np.mean(found) for level, found in sigmas.items()}
    assert 0.01 < means[0.0] < 0.04
    assert means[0.0] < means[0.5] < means[1.0]
    assert 0.2 < means[1.0] < 0.5


def test_camera_noise_of_the_long_frame_goes_by_the_ratio():
    raw = replace(CameraProfile(), mosaic=0.0, jpeg=0.0, dark_file=0.0, level=(0.6, 0.6), cast=0.0, ratio=(16.0, 16.0))
    found = spoiled(raw)
    assert found.meta["ratio"] == pytest.approx(16)
    assert found.noisy.std() / found.blurry.std() > 3


def test_camera_leaves_some_files_dark_and_none_of_the_long_ones():
    ratios = []
    for seed in range(24):
        found = spoiled(replace(CLEAN, ratio=(16.0, 16.0)), seed)
        ratios.append(float(np.mean(found.meta["gain"])))
        assert found.blurry.mean() == pytest.approx(0.5, abs=0.02)
    dark = [ratio for ratio in ratios if ratio > 10]
    assert 6 <= len(dark) <= 18
    assert all(ratio > 10 or 0.6 < ratio < 1.6 for ratio in ratios)


def test_camera_jpeg_and_mosaic_happen_as_often_as_they_should():
    found = [spoiled(CameraProfile(), seed).meta for seed in range(60)]
    assert 0.2 < np.mean([meta["jpeg"] > 0 for meta in found]) < 0.6
    assert 0.65 < np.mean([meta["mosaic"] for meta in found]) < 0.95
    assert all(85 <= meta["jpeg"] <= 99 for meta in found if meta["jpeg"])


def test_camera_casts_colours():
    gains = np.array([spoiled(CLEAN, seed).meta["gain"] for seed in range(20)])
    casts = gains / gains.mean(1, keepdims=True)
    assert 0.05 < np.abs(casts - 1).max() < 0.2


# A sample


@pytest.mark.parametrize("name", ["paper", "camera", "phone"])
def test_a_sample_is_a_pure_function_of_its_seed(photos, name):
    def make(seed):
        window = StillWindow(photos / "coffee.png", (photos / "chelsea.png",), (96, 128), MotionRange(movers=1.0))
        return sample(window, profile_named(name), seed)

    one, same, other = make([3, 7]), make([3, 7]), make([3, 8])
    assert one.meta == same.meta
    for kind in ("noisy", "blurry", "sharp"):
        np.testing.assert_array_equal(getattr(one, kind), getattr(same, kind))
        assert (getattr(one, kind) != getattr(other, kind)).mean() > 0.3
    assert one.meta != other.meta


def test_profiles_say_in_which_light_an_exposure_is_averaged():
    assert (profile_named("paper").light, profile_named("camera").light) == ("srgb", "linear")


@pytest.mark.parametrize(("name", "least", "most"), [("camera", 0.9, 1.0), ("sensors", -0.3, 0.3)])
def test_shot_and_read_noise_go_together_but_for_sensors(name, least, most):
    profile, small = profile_named(name), FLAT[:16, :16]
    drawn = [spoiled(profile, seed, small, small).meta for seed in range(120)]
    shot, read = (np.log([meta[kind] for meta in drawn]) for kind in ("shot", "read"))
    assert least < np.corrcoef(shot, read)[0, 1] < most
