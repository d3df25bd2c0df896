"""Fusion gain and ratios, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from twinshot.bench.analysis import fusion_gain, fusion_gains, harm, ratio
from twinshot.bench.results import Case, Facts, Row, SetResults, SpeedRow


def set_of(gains, blur, sigma, photographs=None):
    """A set whose cases gain so much by the second frame."""
    photographs = photographs or [None] * len(gains)
    facts = [Facts(noise, 0.0, 0.0, *more) for noise, *more in zip(sigma, blur, photographs, strict=True)]
    alone = tuple(Case(name=f"{place}.png", psnr=30.0, seconds=0.5) for place in range(len(gains)))
    pair = tuple(replace(case, psnr=30.0 + gain) for case, gain in zip(alone, gains, strict=True))
    cases = {case.name: known for case, known in zip(alone, facts, strict=True)}
    systems = {"twin": Row(cases=pair), "twin-noisy": Row(cases=alone)}
    return SetResults(sha256="0", pictures=len(gains), cases=cases, systems=systems)


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

    def gain_of(photographs):
        found = set_of(gains, [None] * 4, [0.1, 0.2, 0.3, 0.4], photographs)
        return fusion_gain(found, "twin", "twin-noisy")

    assert gain_of(None).error is None  # nobody knows what the cases were made of
    alone = gain_of("abcd")
    assert (alone.mean, alone.median, alone.ahead) == (2, 1.5, 0.75)
    assert alone.error == pytest.approx(np.std(gains, ddof=1) / 2)  # of four photographs, the textbook's
    # Of two: their means are 1 and 3.
    assert gain_of("aabb").error == pytest.approx(np.std([1, 3], ddof=1) / np.sqrt(2))
    assert gain_of("aaaa").error is None


def test_harm_by_hand():
    cases = {"a": Facts(0.1, 30.0, 0.9), "b": Facts(0.1, 25.0, 0.8)}
    a = Case(name="a", psnr=28.0, ssim_paper=0.896, ssim_matlab=0.1, seconds=0.5)
    b = Case(name="b", psnr=24.95, ssim_matlab=0.7, seconds=0.5)
    found = harm(Row(cases=(a, b)), cases)
    assert found == pytest.approx({"harm_psnr": 0.5, "worst_psnr": 2.0, "harm_ssim": 0.5, "worst_ssim": 0.1})
    better = Row(cases=tuple(replace(case, psnr=40.0, ssim_paper=0.95) for case in (a, b)))
    assert set(harm(better, cases).values()) == {0}
    assert harm(Row(error="out of luck"), cases) == {}


def test_cases_of_one_blur_stay_in_their_order():
    gains = [5.0, 1.0, 4.0, 2.0, 3.0, 0.0, 9.0, 8.0, 7.0, 6.0]
    groups = fusion_gain(set_of(gains, [0.0] * 10, [0.1] * 10), "twin", "twin-noisy").blur_fifths
    assert [group.gain for group in groups] == pytest.approx([3, 3, 1.5, 8.5, 6.5])


def test_too_few_cases_are_not_split():
    found = fusion_gain(set_of([1, 2, 3, 4, 5, 6], [None] * 6, [0.1] * 6), "twin", "twin-noisy")
    assert (found.blur_fifths, found.noise_fifths) == ((), ())
    assert [group.cases for group in found.noise_thirds] == [2, 2, 2]


@pytest.mark.parametrize("row", [None, Row(error="out of luck")])
def test_no_gain_without_both_systems(row):
    results = set_of([1], [1], [1])
    del results.systems["twin-noisy"]
    if row:
        results.systems["twin-noisy"] = row
    assert fusion_gain(results, "twin", "twin-noisy") is None
    assert fusion_gains(results) == []


def test_the_pairs_that_were_run():
    assert [(gain.pair, gain.alone) for gain in fusion_gains(set_of([1], [1], [1]))] == [("twin", "twin-noisy")]


def test_ratios():
    rows = {"rnn": SpeedRow(seconds=4.0), "twin": SpeedRow(seconds=1.0), "bm3d": SpeedRow(error="out of luck")}
    assert ratio(rows, "twin", "seconds") == 0.25
    assert ratio(rows, "bm3d", "seconds") is None
    assert ratio({"twin": rows["twin"]}, "twin", "seconds") is None
