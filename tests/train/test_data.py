"""The stream of samples: sample i is the same whoever asks, and whenever."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import save
from laboratory import Lab, tiny
from msgspec.structs import replace

from twinshot.match import align
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import TwinshotError
from twinshot.synth.frames import StillWindow, images_in
from twinshot.synth.motion import MotionRange
from twinshot.synth.profiles import BracketProfile, profile_named
from twinshot.synth.sample import sample
from twinshot.train.brackets import bracket_triple, darker
from twinshot.train.data import (
    ShardDataset,
    batches,
    calibration,
    noisy_target,
    prepare_shards,
    validation,
)
from twinshot.train.pool import Triple


def test_a_sample_depends_on_its_number_alone(lab: Lab) -> None:
    recipe = tiny("twin")
    first, again = ShardDataset(recipe.data, lab.paths, 3), ShardDataset(recipe.data, lab.paths, 3)
    forwards = [first[i] for i in range(6)]
    backwards = [again[i] for i in reversed(range(6))]
    for a, b in zip(forwards, reversed(backwards), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    other = ShardDataset(recipe.data, lab.paths, 4)[0]
    assert not torch.equal(other[0], forwards[0][0])


def test_samples_are_crops_in_range(lab: Lab) -> None:
    for image in ShardDataset(tiny("twin").data, lab.paths, 0)[0]:
        assert (image.shape, image.dtype) == ((3, 32, 32), torch.float32)
        assert image.min() >= 0
        assert image.max() <= 1.5  # the gain may take a clipped noisy pixel past white


class Marked(ShardDataset):
    """Samples with a mark in one corner of each frame, where a mosaic might begin."""

    def _triple(self, rng: np.random.Generator, number: int) -> Triple:
        frame = torch.zeros(3, 32, 32)
        frame[:, 0, 0] = 1
        return frame, frame, frame


def test_a_mosaic_begins_in_any_corner(lab: Lab) -> None:
    samples = Marked(tiny("twin").data, lab.paths, 0)
    corners = [[frame[0].nonzero().tolist() for frame in samples[number]] for number in range(40)]
    assert all(first == second == third for first, second, third in corners)
    assert {tuple(first[0]) for first, _, _ in corners} == {(0, 0), (0, 31), (31, 0), (31, 31)}


def test_hot_pixels_are_those_of_the_short_frame_alone(lab: Lab) -> None:
    recipe = tiny("twin")
    plain, hot = (
        ShardDataset(replace(recipe.data, hot_pixels=share, gain_error=1e-9), lab.paths, 0) for share in (0.0, 1.0)
    )
    frames = [(plain[i], hot[i]) for i in range(12)]
    differs = [[bool((a - b).abs().max() > 1e-4) for a, b in zip(*pair, strict=True)] for pair in frames]
    assert any(noisy for noisy, _, _ in differs)
    assert not any(long or truth for _, long, truth in differs)
    assert all(bool((b[0] - a[0]).min() > -0.01) for a, b in frames)  # they are brighter, never darker


def test_black_and_white_samples_are_alike_in_all_channels(lab: Lab) -> None:
    data = replace(tiny("twin").data, profiles=("camera", "bracket"), grey=1.0)
    for frame in (frame for number in range(4) for frame in ShardDataset(data, lab.paths, 0)[number]):
        assert torch.equal(frame[0], frame[1])
        assert torch.equal(frame[0], frame[2])
        assert frame.std() > 0


def test_a_burst_has_less_noise_and_shows_the_same(lab: Lab) -> None:
    data = replace(tiny("twin").data, profiles=("paper",), gain_error=1e-9)
    one, burst = (ShardDataset(replace(data, bursts=share), lab.paths, 0) for share in (0.0, 1.0))
    errors = np.array([[(frames[0] - frames[2]).square().mean() for frames in (one[i], burst[i])] for i in range(12)])
    assert errors[:, 1].mean() < 0.5 * errors[:, 0].mean()
    assert all(torch.equal(one[i][2], burst[i][2]) for i in range(12))


def test_a_bracket_of_a_burst_has_less_noise() -> None:
    scene = np.full((48, 48, 3), 0.5, np.float32)  # even: what is left is noise
    spread = []
    for share in (0.0, 1.0):
        triples = [bracket_triple(BracketProfile(), scene, scene, share, np.random.default_rng(i)) for i in range(16)]
        spread.append(np.median([float((noisy - noisy.mean((1, 2), keepdim=True)).std()) for noisy, _, _ in triples]))
    assert spread[1] < 0.8 * spread[0]


@pytest.mark.parametrize("changed", [{"target": "noisy"}, {"profiles": ("gaussian",)}])
def test_there_are_no_bursts_of_what_is_no_file(lab: Lab, changed: dict[str, Any]) -> None:
    with pytest.raises(TwinshotError, match="short frames to merge"):
        ShardDataset(replace(tiny("twin").data, bursts=0.5, **changed), lab.paths, 0)


def test_a_night_scene_is_darker_and_blurred_alike() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.random((16, 16, 3), np.float32)
    blurry = to_srgb(to_linear(sharp)[:, ::-1])  # any long exposure
    dark, long = darker(sharp, blurry, rng)
    stops = np.log2(to_linear(dark) / to_linear(sharp))
    assert -3.5 <= stops.mean() <= -0.5
    np.testing.assert_allclose(stops, stops.mean(), atol=1e-3)
    np.testing.assert_allclose(dark[:, ::-1], long, atol=1e-5)


def test_the_stream_goes_on_from_any_step(lab: Lab) -> None:
    recipe = tiny("twin", steps=4)
    dataset = ShardDataset(recipe.data, lab.paths, recipe.seed)
    state = torch.get_rng_state()
    late = list(islice(batches(recipe, lab.paths, 2), 3))
    assert torch.equal(torch.get_rng_state(), state)  # the nets' dropout draws from it
    assert len(late) == 2
    for step, batch in enumerate(late, start=2):
        expected = [torch.stack(images) for images in zip(dataset[2 * step], dataset[2 * step + 1], strict=True)]
        assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))


def pairs_of_streams(lab: Lab, gain_error: float) -> list[tuple[Triple, Triple]]:
    """The same samples with a clean target and with a noisy one."""
    data = replace(tiny("twin").data, gain_error=gain_error)
    clean, noisy = (ShardDataset(each, lab.paths, 3) for each in (data, replace(data, target="noisy")))
    return [(clean[number], noisy[number]) for number in range(8)]


def test_a_noisy_target_has_noise_of_its_own(lab: Lab) -> None:
    for (noisy, blurry, sharp), (again, same, target) in pairs_of_streams(lab, 0.0):
        assert torch.equal(noisy, again)
        assert torch.equal(blurry, same)
        errors = torch.stack([noisy - sharp, target.clip(0, 1) - sharp])
        ours, theirs = errors - errors.mean((2, 3), keepdim=True)
        assert theirs.std().item() == pytest.approx(ours.std().item(), rel=0.2)
        assert abs((ours * theirs).mean() / (ours.std() * theirs.std())) < 0.3  # what clipping leaves in common


def test_a_noisy_target_is_exposed_as_the_noisy_frame(lab: Lab) -> None:
    for _, (noisy, _, target) in pairs_of_streams(lab, 0.3):
        torch.testing.assert_close(noisy.mean((1, 2)), target.clip(0, 1).mean((1, 2)), rtol=0.05, atol=0)


def test_a_noisy_target_is_right_in_the_mean_near_white() -> None:
    bright = np.linspace(0.9, 1.0, 192 * 192 * 3, dtype=np.float32).reshape(192, 192, 3)
    for seed in range(6):
        spoiled = profile_named("paper").degrade(bright, bright, np.random.default_rng(seed), (bright,))
        assert noisy_target(spoiled).sharp.mean() == pytest.approx(0.95, abs=0.01)


def test_held_out_pairs_are_registered(lab: Lab) -> None:
    (_, blurry, _), *_ = validation(lab.root, ["paper"], count=1, side=64).groups["paper"]
    photos = images_in(lab.root / "photos" / "val")
    window = StillWindow(photos[0], photos, (64, 64), MotionRange())
    spoiled = sample(window, profile_named("paper"), [7, 0])
    expected = align.registered(spoiled.noisy, spoiled.blurry)
    np.testing.assert_array_equal(blurry.permute(1, 2, 0), expected)


def test_what_has_its_truth_in_the_middle_is_seen_as_it_is(lab: Lab) -> None:
    (_, blurry, _), *_ = validation(lab.root, ["gopro"], count=1, side=64).groups["gopro"]
    photos = images_in(lab.root / "photos" / "val")
    spoiled = sample(StillWindow(photos[0], photos, (64, 64), MotionRange()), profile_named("gopro"), [7, 0])
    np.testing.assert_array_equal(blurry.permute(1, 2, 0), spoiled.blurry)


@pytest.mark.parametrize(("size", "side"), [((240, 320), 224), ((720, 1280), 416), ((100, 70), 64)])
def test_films_of_any_size_are_validated_on(lab: Lab, tmp_path: Path, size: tuple[int, int], side: int) -> None:
    shutil.copytree(lab.root / "photos", tmp_path / "photos")
    scene = tmp_path / "frames" / "val" / "scene"
    scene.mkdir(parents=True)
    for number in range(11):
        save(scene / f"{number:06d}.png", np.full((*size, 3), 90 + number, np.uint8))
    (triple,) = validation(tmp_path, ["paper"], count=1, side=64).groups["real"]
    assert [picture.shape for picture in triple] == [(3, side, side)] * 3


def test_a_film_too_small_to_validate_on(lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(lab.root / "photos", tmp_path / "photos")
    scene = tmp_path / "frames" / "val" / "scene"
    scene.mkdir(parents=True)
    for number in range(11):
        save(scene / f"{number:06d}.png", np.full((50, 80, 3), 90 + number, np.uint8))
    with pytest.raises(TwinshotError, match=r"000000\.png: 80x50 is too small for validation"):
        validation(tmp_path, ["paper"], count=1, side=64)


def test_calibration_pairs_are_of_the_training_photographs(lab: Lab) -> None:
    pairs = calibration(lab.root, ["paper", "camera", "paper"], count=2, side=64)
    assert len(pairs) == 4
    for noisy, blurry in pairs:
        assert (noisy.shape, noisy.dtype, blurry.shape) == ((1, 3, 64, 64), np.float32, (1, 3, 64, 64))
        assert np.abs(noisy - blurry).mean() < 0.3
    assert not np.array_equal(pairs[0][0], pairs[2][0])


def test_a_profile_of_another_light_is_no_gopro2(lab: Lab, tmp_path: Path) -> None:
    recipe = tiny("twin", data={"source": "gopro2", "profiles": ["paper", "camera"]})
    with pytest.raises(TwinshotError, match="profiles: 'camera' is not averaged as GOPRO2 is; give paper"):
        prepare_shards(recipe, lab.root, tmp_path, workers=1)
