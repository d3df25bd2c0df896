"""Fusion gain and ratios, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.bench.analysis import fusion_gain, fusion_gains, harm, ratio


def set_of(gains, blur, sigma):
    """A set whose cases gain so much by the second frame."""
    names = [f"{place}.png" for place in range(len(gains))]
    cases = {name: {"blur": px, "sigma": noise} for name, px, noise in zip(names, blur, sigma, strict=True)}
    alone = [{"name": name, "psnr": 30.0} for name in names]
    pair = [{"name": name, "psnr": 30.0 + gain} for name, gain in zip(names, gains, strict=True)]
    return {"cases": cases, "systems": {"twin": {"cases": pair}, "twin-noisy": {"cases": alone}}}


def test_a_gain_by_hand():
    blur = [None, 1.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 0.0]
    sigma = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
    found = fusion_gain(set_of([22, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], blur, sigma), "twin", "twin-noisy")
    assert (found.pair, found.alone, found.cases) == ("twin", "twin-noisy", 11)
    assert found.mean == pytest.approx(7)
    by_blur = [(0, 1, 2, 5.5), (2, 3, 2, 8.5), (4, 5, 2, 6.5), (6, 7, 2, 4.5), (8, 9, 2, 2.5)]
    assert_groups(found.blur_fifths, by_blur)
    assert_groups(found.noise_thirds, [(0.1, 0.4, 4, 7), (0.5, 0.8, 4, 5.5), (0.9, 1.1, 3, 9)])
    assert [group.cases for group in found.noise_fifths] == [3, 2, 2, 2, 2]


def assert_groups(found, wanted):
    assert len(found) == len(wanted)
    for group, (low, high, cases, gain) in zip(found, wanted, strict=True):
        assert (group.low, group.high, group.cases, group.gain) == (low, high, cases, pytest.approx(gain))


def test_how_sure_a_gain_is():
    gains = [0.0, 2.0, 1.0, 5.0]
    results = set_of(gains, [None] * 4, [0.1, 0.2, 0.3, 0.4])
    assert fusion_gain(results, "twin", "twin-noisy").error is None  # nobody knows what the cases were made of
    for name, photograph in zip(results["cases"], "abcd", strict=True):
        results["cases"][name]["source"] = photograph
    alone = fusion_gain(results, "twin", "twin-noisy")
    assert (alone.mean, alone.median, alone.ahead) == (2, 1.5, 0.75)
    assert alone.error == pytest.approx(np.std(gains, ddof=1) / 2)  # of four photographs, the textbook's

    for name, photograph in zip(results["cases"], "aabb", strict=True):
        results["cases"][name]["source"] = photograph
    paired = fusion_gain(results, "twin", "twin-noisy")
    assert paired.error == pytest.approx(np.std([1, 3], ddof=1) / np.sqrt(2))  # of two: their means are 1 and 3

    for facts in results["cases"].values():
        facts["source"] = "a"
    assert fusion_gain(results, "twin", "twin-noisy").error is None


def test_harm_by_hand():
    cases = {"a": {"best_psnr": 30.0, "best_ssim": 0.9}, "b": {"best_psnr": 25.0, "best_ssim": 0.8}}
    a, b = {"name": "a", "psnr": 28.0, "ssim_paper": 0.896}, {"name": "b", "psnr": 24.95, "ssim_matlab": 0.7}
    scores = [{"ssim_matlab": 0.1, **a}, b]
    found = harm({"cases": scores}, cases)
    assert found == pytest.approx({"harm_psnr": 0.5, "worst_psnr": 2.0, "harm_ssim": 0.5, "worst_ssim": 0.1})
    better = {"cases": [{**score, "psnr": 40.0, "ssim_paper": 0.95} for score in scores]}
    assert set(harm(better, cases).values()) == {0}
    assert harm({"error": "out of luck"}, cases) == {}


def test_cases_of_one_blur_stay_in_their_order():
    gains = [5.0, 1.0, 4.0, 2.0, 3.0, 0.0, 9.0, 8.0, 7.0, 6.0]
    groups = fusion_gain(set_of(gains, [0.0] * 10, [0.1] * 10), "twin", "twin-noisy").blur_fifths
    assert [group.gain for group in groups] == pytest.approx([3, 3, 1.5, 8.5, 6.5])


def test_too_few_cases_are_not_split():
    found = fusion_gain(set_of([1, 2, 3, 4, 5, 6], [None] * 6, [0.1] * 6), "twin", "twin-noisy")
    assert (found.blur_fifths, found.noise_fifths) == ((), ())
    assert [group.cases for group in found.noise_thirds] == [2, 2, 2]


@pytest.mark.parametrize("row", [None, {"error": "out of luck"}])
def test_no_gain_without_both_systems(row):
    results = set_of([1], [1], [1])
    del results["systems"]["twin-noisy"]
    if row:
        results["systems"]["twin-noisy"] = row
    assert fusion_gain(results, "twin", "twin-noisy") is None
    assert fusion_gains(results) == []


def test_the_pairs_that_were_run():
    assert [(gain.pair, gain.alone) for gain in fusion_gains(set_of([1], [1], [1]))] == [("twin", "twin-noisy")]


def test_ratios():
    rows = {"rnn": {"seconds": 4.0}, "twin": {"seconds": 1.0}, "bm3d": {"error": "out of luck"}}
    assert ratio(rows, "twin", "seconds") == 0.25
    assert ratio(rows, "bm3d", "seconds") is None
    assert ratio({"twin": rows["twin"]}, "twin", "seconds") is None
