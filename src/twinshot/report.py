"""What was done to a picture, as plain values: what `--report` writes, and docs/report.md explains."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np

from .engines.loading import Model
from .files.pairs import notes_on
from .match import tone
from .match.prepare import Prepared
from .picture.pair import Frame

_SHOWN_KNOTS = 9  # of the tone curve


class Taken(NamedTuple):
    """Shares of a picture that are the long frame's: with all of its detail, and beside that its light in the large."""

    whole: float = 0.0
    light: float = 0.0


_NOTHING = Taken()


class Matched(TypedDict):
    """How the two frames were brought together; all None where there was no long frame.

    Attributes:
        tone: the model of `match.tone` that fits best.
        tone_error: what it leaves off on cells that it was not fitted to, of full scale.
        tone_curve: rows of a value of the short frame, then what R, G and B become.
        gain: how many times brighter the long frame is, for R, G and B.
        shift: (x, y) that the long frame was moved by, px.
        registered: whether it was moved at all.
        local_shift: how far its parts were moved beside that, px: 95 of 100 no further.
        confidence: correlation of the frames, in [-1, 1].
        shown: share of the picture that the long frame shows.
    """

    tone: tone.ToneModel | None
    tone_error: float | None
    tone_curve: list[list[float]] | None
    gain: list[float] | None
    shift: list[float] | None
    registered: bool | None
    local_shift: float | None
    confidence: float | None
    shown: float | None


class Report(Matched):
    """What was decided on the way of a picture; ready for JSON.

    Attributes:
        noisy, blurry: names of the short and of the long frame, if there was one.
        frames: how many short frames were merged, on average over the picture.
        size: width and height, px.
        from_long_frame: share of the picture that was taken from the long frame as it is.
        light_from_long_frame: of the rest, the share whose light in the large is the long frame's.
        model, model_sha256, engine, arithmetic: what ran.
        orientations: in how many the network saw the picture; the result is their mean.
        seconds: by stage.
        swapped: why the frames changed places; empty where they did not.
        notes: on how files were read, and what was done to the long frame.
        warnings: what a user would want to know.
    """

    noisy: str
    blurry: str | None
    frames: float
    size: list[int]
    from_long_frame: float
    light_from_long_frame: float
    model: str
    model_sha256: str
    engine: str
    arithmetic: str
    orientations: int
    seconds: dict[str, float]
    swapped: str
    notes: list[str]
    warnings: list[str]


_NOT_MATCHED = Matched(
    tone=None,
    tone_error=None,
    tone_curve=None,
    gain=None,
    shift=None,
    registered=None,
    local_shift=None,
    confidence=None,
    shown=None,
)


def report_on(
    short: Frame, model: Model, seconds: dict[str, float], ready: Prepared | None = None, taken: Taken = _NOTHING
) -> Report:
    """The report on a picture.

    Args:
        short: the short frame.
        model: what restored it.
        seconds: by stage.
        ready: the pair, if there was one.
        taken: what of the picture is the long frame's.
    """
    frames = (ready.pair.noisy, ready.pair.blurry) if ready else (short,)
    return {
        "noisy": short.name,
        "blurry": ready.pair.blurry.name if ready else None,
        "frames": 1.0 if short.count is None else round(float(short.count.mean()), 2),
        "size": list(short.size[::-1]),
        **(_matched(ready) if ready else _NOT_MATCHED),
        "from_long_frame": round(taken.whole, 4),
        "light_from_long_frame": round(taken.light, 4),
        "model": model.name,
        "model_sha256": model.card.sha256,
        "engine": model.loaded.engine or model.engine,
        "arithmetic": model.loaded.arithmetic,
        "orientations": model.orientations,
        "seconds": seconds,
        "swapped": ready.swapped if ready else "",
        "notes": [*notes_on(*frames), *(ready.notes if ready else ())],
        "warnings": [caution.text for caution in ready.cautions] if ready else [],
    }


def _local_shift(ready: Prepared) -> float:
    if ready.shifts is None:
        return 0.0
    return round(float(np.quantile(np.linalg.norm(ready.shifts.field, axis=-1), 0.95)), 2)


def _matched(ready: Prepared) -> Matched:
    found, registered = ready.tone, ready.alignment
    return {
        "tone": found.model,
        "tone_error": round(found.error, 4),
        "tone_curve": _knots(found),
        "gain": [round(gain, 4) for gain in found.gain],
        "shift": [round(move, 2) for move in registered.shift],
        "registered": registered.applied,
        "local_shift": _local_shift(ready),
        "confidence": round(registered.confidence, 4),
        "shown": round(ready.shown.share, 4),
    }


def _knots(found: tone.Tone) -> list[list[float]]:
    """Encoded value of the short frame, then what R, G and B become, at some values from black to white."""
    values = np.linspace(0, 1, _SHOWN_KNOTS) ** 2
    curve = tone.apply(np.repeat(values.astype(np.float32)[None, :, None], 3, axis=2), found)[0]
    return [[round(float(value), 4) for value in (x, *rgb)] for x, rgb in zip(values, curve, strict=True)]
