"""Results in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .analysis import FusionGain, KnownMotionRow, by_blur, fusion_gains
from .fairness import AS_PUBLISHED, BY_DESIGN, compared, lacking, trainings
from .results import ModelFacts, Results, SetResults
from .tables import IN_SHORT, Table, decibels, give_or_take, speed_table, table_of
from .words import facts_of_set, machines, plain, size_of, template


@dataclass(frozen=True)
class Summary:
    """What the summary says of a set."""

    name: str
    facts: str
    table: Table


def markdown(results: Results) -> str:
    """The results in Markdown: a table a set, how networks were trained, speed, fusion gain and known motion.

    Raises TwinshotError for a missing package.
    """
    sets, models = results.sets, results.models
    by_design = compared(sets, BY_DESIGN)
    found = {
        "results": results,
        "machines": machines(results),
        "sets": [_summary(name, found) for name, found in sets.items()],
        "by_design": by_design,
        "lacking": lacking(by_design, BY_DESIGN),
        "as_published": compared(sets, AS_PUBLISHED),
        "training": trainings(models),
        "speed": speed_table(results.speed),
        "speed_size": size_of(results.speed),
        "gains": [_gain(name, gain, models) for name, found in sets.items() for gain in fusion_gains(found)],
        "reference": results.reference,
        "knowing": [_known_motion(row) for row in by_blur(results.reference)],
    }
    text: str = template("summary.md.j2", autoescape=False).render(found)
    return text


def _summary(name: str, found: SetResults) -> Summary:
    return Summary(name, facts_of_set(found), table_of(found.systems, IN_SHORT))


def _gain(name: str, gain: FusionGain, models: Mapping[str, ModelFacts]) -> list[str]:
    parts = [" / ".join(decibels(group.gain) for group in part) for part in (gain.blur_fifths, gain.noise_thirds)]
    both = [models.get(one) for one in (gain.pair, gain.alone)]
    size = " / ".join(f"{model.parameters / 1e6:.1f} M, {model.samples:,}" if model else "?" for model in both)
    figures = [str(gain.cases), give_or_take(gain.mean, gain.error), decibels(gain.median), f"{gain.ahead:.0%}"]
    return [plain(name), f"{gain.pair} over {gain.alone}", size, *figures, *parts]


def _known_motion(row: KnownMotionRow) -> list[str]:
    return [row.blur, str(row.cases), f"{row.alone:.2f}", f"{row.pair:.2f}", f"{row.reference:.2f}"]
