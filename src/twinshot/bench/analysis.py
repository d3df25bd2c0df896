"""What the results say beyond means: what the second frame is worth, and how systems relate in time and memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from operator import attrgetter
from statistics import fmean, median
from typing import Literal

import numpy as np

from .results import Facts, KnownMotion, Row, SetResults, SpeedRow, ssim_of

FUSION_PAIRS = (
    ("twin", "twin-noisy"),
    ("twin-large", "twin-noisy"),
    ("full-merger", "noisy-only"),
)
"""A network that takes both frames, and one given the noisy frame alone: of the same design, data and steps in the
first and the last pair."""


@dataclass(frozen=True)
class Gain:
    """One case.

    Attributes:
        decibels: PSNR with both frames less that with one.
        photograph: that, or the film's scene, of which the case was made, where it is known.
        blur: px, where it is known.
        noise: the noisy frame's error, in [0, 1].
    """

    decibels: float
    photograph: str | None
    blur: float | None
    noise: float


@dataclass(frozen=True)
class Group:
    """Cases of like difficulty.

    Attributes:
        low: the least value among them.
        high: the largest.
        cases: how many.
        gain: mean gain in dB.
        error: its standard error, dB; None for one photograph, or where they are not known.
    """

    low: float
    high: float
    cases: int
    gain: float
    error: float | None


@dataclass(frozen=True)
class FusionGain:
    """PSNR of `pair` less that of `alone` on the same cases, dB.

    Attributes:
        pair: the system with both frames.
        alone: the one with the noisy frame.
        cases: how many.
        mean: over all of them.
        error: the mean's standard error, the photographs being drawn; None for one, or where they are not known.
        median: of the cases.
        ahead: share of the cases, in [0, 1], that gain.
        blur_fifths: by blur in px, least first, of the cases whose blur is known; empty where they are too few.
        noise_thirds: the same by the noisy frame's error, in [0, 1].
        noise_fifths: the same, finer.
    """

    pair: str
    alone: str
    cases: int
    mean: float
    error: float | None
    median: float
    ahead: float
    blur_fifths: tuple[Group, ...]
    noise_thirds: tuple[Group, ...]
    noise_fifths: tuple[Group, ...]


def fusion_gain(set_results: SetResults, pair: str, alone: str) -> FusionGain | None:
    """What the second frame adds on a set.

    Args:
        set_results: of the set.
        pair: the system with both frames.
        alone: the one with the noisy frame.

    Returns:
        None where either was not run, or failed.
    """
    gains = _gains(set_results, pair, alone)
    if not gains:
        return None
    each = [gain.decibels for gain in gains]
    return FusionGain(
        pair=pair,
        alone=alone,
        cases=len(gains),
        mean=fmean(each),
        error=_standard_error(gains),
        median=median(each),
        ahead=fmean(gain > 0 for gain in each),
        blur_fifths=_groups(gains, "blur", 5),
        noise_thirds=_groups(gains, "noise", 3),
        noise_fifths=_groups(gains, "noise", 5),
    )


def fusion_gains(set_results: SetResults) -> list[FusionGain]:
    """What the second frame adds on a set, for those of `FUSION_PAIRS` that were run."""
    found = (fusion_gain(set_results, *names) for names in FUSION_PAIRS)
    return [gain for gain in found if gain]


HARM_PSNR, HARM_SSIM = 0.1, 0.005
"""dB, and SSIM: a picture that loses more than that against the better of its inputs has been harmed."""


def harm(row: Row, cases: Mapping[str, Facts]) -> dict[str, float]:
    """How often, and by how much at worst, a system's pictures are worse than the better of their inputs.

    The inputs are the matched short frame, the long frame as it is, and the long frame laid on the short one.

    Args:
        row: of a system, with its cases.
        cases: of the set, by name.

    Returns:
        Shares in [0, 1], `harm_psnr` and `harm_ssim`, and the largest losses, `worst_psnr` in dB and `worst_ssim`,
        at least 0; nothing where the row has no figures. SSIM is that of the convention `paper` or, where the set has
        but that, `matlab`.
    """
    scored = [(case, cases[case.name]) for case in row.cases]
    if not scored:
        return {}
    losses = {
        "psnr": [facts.best_psnr - case.psnr for case, facts in scored],
        "ssim": [facts.best_ssim - (ssim_of(case) or 0) for case, facts in scored],
    }
    found = {}
    for key, least in (("psnr", HARM_PSNR), ("ssim", HARM_SSIM)):
        found[f"harm_{key}"] = round(fmean(loss > least for loss in losses[key]), 4)
        found[f"worst_{key}"] = round(max(0.0, *losses[key]), 4)
    return found


_BLURS = ((0.0, 2.0, "under 2 px"), (2.0, 6.0, "2 to 6 px"), (6.0, inf, "6 px and more"), (0.0, inf, "all"))


@dataclass(frozen=True)
class KnownMotionRow:
    """Mean PSNR in dB of samples of like blur: of a network with the noisy frame, with both, of the known motion."""

    blur: str
    cases: int
    alone: float
    pair: float
    reference: float


def by_blur(reference: KnownMotion | None) -> list[KnownMotionRow]:
    """The known-motion reference (`bench.reference`) beside the networks, by blur; ranges without samples left out."""
    found = []
    for low, high, label in _BLURS:
        cases = [case for case in (reference.cases if reference else ()) if low <= case.blur < high]
        if cases:
            means = (fmean(getattr(case, key) for case in cases) for key in ("alone", "pair", "reference"))
            found.append(KnownMotionRow(label, len(cases), *means))
    return found


def ratio(
    rows: Mapping[str, SpeedRow], name: str, key: Literal["seconds", "memory_mb"], reference: str = "rnn"
) -> float | None:
    """A system's seconds or memory over the reference's; None where either is not known."""
    figure, base = (getattr(rows.get(row), key, None) for row in (name, reference))
    return None if figure is None or not base else float(figure / base)


def _gains(set_results: SetResults, pair: str, alone: str) -> list[Gain]:
    both, one = (set_results.systems.get(name, Row()).cases for name in (pair, alone))
    psnr = {case.name: case.psnr for case in one}
    known = [(case, set_results.cases[case.name]) for case in both if case.name in psnr]
    return [Gain(case.psnr - psnr[case.name], facts.source, facts.blur, facts.sigma) for case, facts in known]


def _standard_error(gains: Sequence[Gain]) -> float | None:
    """Of the mean; a photograph's cases deviate together (the linearised error of cluster sampling)."""
    mean = fmean(gain.decibels for gain in gains)
    sums: dict[str | None, float] = defaultdict(float)
    for gain in gains:
        sums[gain.photograph] += gain.decibels - mean
    if (count := len(sums)) < 2 or None in sums:
        return None
    return sqrt(count / (count - 1) * sum(value**2 for value in sums.values())) / len(gains)


def _groups(gains: Sequence[Gain], by: Literal["blur", "noise"], parts: int) -> tuple[Group, ...]:
    """The gains in `parts` groups of like blur or noise, the first with one more where they do not come out even.

    No groups where that leaves fewer than two cases each.
    """
    value = attrgetter(by)
    known = sorted((gain for gain in gains if value(gain) is not None), key=value)
    if len(known) < 2 * parts:
        return ()
    split = [known[part[0] : part[-1] + 1] for part in np.array_split(np.arange(len(known)), parts)]
    return tuple(
        Group(value(part[0]), value(part[-1]), len(part), fmean(gain.decibels for gain in part), _standard_error(part))
        for part in split
    )
