"""The benchmark of Koehler et al.: a small set in its layout, and scores that are known by construction."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers import save

from twinshot.bench.koehler import cases, score
from twinshot.files.io import read
from twinshot.picture.levels import eight_bit, psnr
from twinshot.picture.pair import TwinshotError, as_float

SIDE = 64


def scene(seed, contrast=0.1):
    """A random texture about mid-grey, even 8-bit levels, so that half of it is exact too."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE, 3)), (0, 0), 1)
    return np.float32(np.round((0.5 + contrast * texture / texture.std()) * 127) * 2 / 255)


def shifted(image, down, right):
    """What the camera sees further up and left; the border is continued."""
    rows = np.clip(np.arange(SIDE) - down, 0, SIDE - 1)
    columns = np.clip(np.arange(SIDE) - right, 0, SIDE - 1)
    return image[rows][:, columns]


@pytest.fixture
def root(tmp_path):
    """Two images x two trajectories x five truths, spread over folders as the archives unpack."""
    (tmp_path / "BlurryImages").mkdir()
    for image in (1, 2):
        for trajectory in (1, 12):
            folder = tmp_path / "GroundTruth" / f"Image{image}" / f"Kernel{trajectory}"
            folder.mkdir(parents=True)
            truths = [scene(100 * image + 10 * trajectory + n) for n in range(1, 6)]
            for n, truth in zip((1, 2, 3, 9, 10), truths, strict=True):
                save(folder / f"GroundTruth{image}_{trajectory}_{n}.png", eight_bit(truth))
            save(tmp_path / "BlurryImages" / f"Blurry{image}_{trajectory}.png", eight_bit(np.mean(truths, axis=0)))
    return tmp_path


def truths_of(case):
    """The truths of a trajectory, one after the other."""
    return (as_float(read(path).pixels) for path in case.truth_files)


# The files


def test_cases_are_in_order_and_truths_in_the_order_of_time(root):
    found = cases(root)
    assert [case.name for case in found] == ["1_1", "1_12", "2_1", "2_12"]
    assert [(case.image, case.trajectory) for case in found] == [(1, 1), (1, 12), (2, 1), (2, 12)]
    for case in found:
        assert case.blurry == root / "BlurryImages" / f"Blurry{case.name}.png"
        assert [path.stem for path in case.truth_files] == [f"GroundTruth{case.name}_{n}" for n in (1, 2, 3, 9, 10)]
    truths = list(truths_of(found[1]))
    np.testing.assert_allclose(truths[4], scene(100 + 120 + 5), atol=1e-6)
    assert truths[0].dtype == np.float32


def test_other_files_and_arrangements(root):
    (root / "__MACOSX").mkdir()
    for name in ("__MACOSX/._Blurry1_1.png", "Blurry1_1.txt", "sheet.png"):
        (root / name).touch()
    for path in (root / "BlurryImages").iterdir():
        path.rename(root / path.name)
    assert [len(case.truth_files) for case in cases(root)] == [5] * 4


def test_the_truth_that_the_benchmark_leaves_out(root):
    folder = root / "GroundTruth" / "Image1" / "Kernel3"
    folder.mkdir()
    for n in (29, 30, 31):
        save(folder / f"GroundTruth1_3_{n}.png", eight_bit(scene(n) * (n != 30)))
    save(root / "BlurryImages" / "Blurry1_3.png", eight_bit(scene(0)))
    found = {case.name: case.truth_files for case in cases(root)}
    assert [path.stem for path in found["1_3"]] == ["GroundTruth1_3_29", "GroundTruth1_3_31"]


def test_what_is_missing_is_named(root):
    for path in (root / "GroundTruth" / "Image2" / "Kernel12").iterdir():
        path.unlink()
    with pytest.raises(TwinshotError, match=r"GroundTruth2_12_1\.png and on is missing there; give a folder with"):
        cases(root)
    (root / "BlurryImages" / "Blurry2_12.png").unlink()
    (root / "BlurryImages" / "Blurry2_1.png").unlink()
    with pytest.raises(TwinshotError, match=r"Blurry2_1\.png is missing there"):
        cases(root)
    with pytest.raises(TwinshotError, match=r"GroundTruth: no blurry pictures there"):
        cases(root / "GroundTruth")
    with pytest.raises(TwinshotError, match=r"nowhere: no blurry pictures"):
        cases(root / "nowhere")


def test_a_file_that_is_there_twice(root):
    save(root / "Blurry1_1.png", eight_bit(scene(0)))
    with pytest.raises(TwinshotError, match=r"BlurryImages/Blurry1_1\.png"):
        cases(root)


# The score


def test_a_darker_copy_of_one_truth_is_perfect(root):
    case = cases(root)[2]
    third = list(truths_of(case))[2]
    found = score(third / 2, truths_of(case))
    assert found[0] > 200
    assert found[1] == pytest.approx(1)
    assert psnr(third / 2, third) < 15


@pytest.mark.parametrize("at", [(0, 0), (3, -5), (-4, 2), (-1, -6), (7, 9)])
def test_a_shifted_and_darker_copy(at):
    """The scale is found before the shift, so it is a little off; faint contrast makes that little."""
    truths = [scene(n, 0.02) for n in range(5)]
    moved = shifted(truths[3], *at)
    found = score(moved / 2, truths)
    assert found[0] > (200 if at == (0, 0) else 50)
    assert found[1] > 0.999
    assert score(moved / 2, truths[:3])[0] < found[0] - 8
    assert max(psnr(moved / 2, truth) for truth in truths) < 15


@pytest.mark.parametrize("place", [0, 2, 4])
def test_the_best_truth_counts_wherever_it_is(place, rng):
    truths = [scene(n) for n in range(5)]
    worse = np.float32(np.clip(truths[0] + rng.normal(0, 0.03, truths[0].shape), 0, 1))
    alone = score(worse, truths[:1])
    others = truths[1:]
    assert score(worse, [*others[:place], truths[0], *others[place:]]) == alone
    assert max(score(worse, others)) < alone[0]


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_noise_of_known_strength(sigma):
    """Noise alike in all channels passes whole into the luma; the scale takes a share of sum xx / sum zz of it."""
    truth = scene(0)
    noise = np.random.default_rng(0).normal(0, sigma, (SIDE, SIDE, 1))
    restored = np.float32(truth + noise)
    power = float(np.mean(truth**2))
    wanted = -10 * np.log10(float(np.mean(noise**2)) * power / (power + sigma**2))
    assert score(restored * 0.8, [truth])[0] == pytest.approx(wanted, abs=0.1)
    assert psnr(restored * 0.8, truth) < wanted - 5


def test_colour_noise_is_measured_in_the_luma():
    truth = scene(0)
    noise = np.random.default_rng(0).normal(0, 0.03, truth.shape)
    luma = 0.03 * np.sqrt(0.299**2 + 0.587**2 + 0.114**2)
    assert score(np.float32(truth + noise), [truth])[0] == pytest.approx(-20 * np.log10(luma), abs=0.15)


def test_what_the_shift_leaves_empty_counts_as_right():
    """The mean is over the whole frame, and the masked part adds no error."""
    truth = scene(0, 0.02)
    noise = np.random.default_rng(0).normal(0, 0.01, (SIDE, SIDE, 1))
    down = 16
    found = score(np.float32(shifted(truth, down, 0) + noise), [truth])[0]
    seen = (SIDE - down) / SIDE
    assert found == pytest.approx(-10 * np.log10(0.01**2 * seen), abs=0.2)


def test_scale_is_over_channels_together():
    """A tint is an error: one scale for the three."""
    truth = scene(0)
    assert score(truth * np.float32([1, 0.9, 1]), [truth])[0] < 40


def test_a_black_picture_has_a_score():
    truth = scene(0)
    wanted = -10 * np.log10(np.mean((truth.astype(np.float64) @ [0.299, 0.587, 0.114]) ** 2))
    assert score(truth * 0, [truth])[0] == pytest.approx(wanted)


def test_truths_that_do_not_fit():
    with pytest.raises(TwinshotError, match=r"shape \(64, 64, 3\), a ground truth \(60, 64, 3\)"):
        score(scene(0), [scene(0)[:60]])
    with pytest.raises(TwinshotError, match="no ground truths"):
        score(scene(0), [])
