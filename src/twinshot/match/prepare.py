"""A pair is made ready for a network: which frame is which, registration, tone. The one place where that is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..picture.encoding import Image
from ..picture.pair import Pair, as_float
from ..picture.settings import AS_FOUND, Settings
from ..picture.window import Matrix, Shifts, shifted_window, window
from . import align, bands, flow, framing, lines, swap, tone, tone_fit

_SMALL_SHIFT = 0.02  # of the longer side: what moves in the scene hardly drags the registration less far
_GAINS: tuple[tone.ToneModel, ...] = ("encoded gain", "gain")
_WHOLE = 0.9  # share of the short frame: of as much as a moving hand leaves out nothing is said
_LARGEST_RISE = 0.05  # of the share that gains leave off: frames laid on each other agree better, not worse


@dataclass(frozen=True)
class Caution:
    """A doubt about a pair.

    Attributes:
        code: "swapped", the frames look as if given the wrong way round, and the order was kept; "not_one_scene",
            hardly anything of one frame is found in the other; "no_gain", nothing tells how much darker the short one
            is; "tone", even the best match, or the one that was chosen, leaves much of the picture off; "short_lost",
            the best match leaves most of it off.
        text: a sentence for people, which says what was done about it.
    """

    code: str
    text: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """A pair that is ready for a network.

    Attributes:
        pair: the frames, the short one first whatever the order they came in.
        tone: brings the short frame to the long one's light.
        alignment: how the long frame is read at the short one's pixels.
        bands: of the short frame's light, where lamps flickered.
        lines: errors that the short frame's rows or columns were read with.
        shifts: of the short frame's pixels, before `alignment` says where the long one is read; None: none.
        shown: how much of the short frame the long one shows.
        swapped: a sentence that says why the frames changed places; empty where they did not.
        notes: sentences on how the long frame was turned, scaled or cropped, and what it does not show.
        cautions: what a user would want to know of it.
    """

    pair: Pair
    tone: tone.Tone
    alignment: align.Alignment
    shown: framing.Shown
    bands: bands.Bands = bands.NONE
    lines: lines.Lines = lines.NONE
    shifts: Shifts | None = None
    swapped: str = ""
    notes: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()

    @property
    def same_scene(self) -> bool:
        """Whether the frames look as if they went together."""
        return self.alignment.same_scene

    @property
    def short(self) -> Image:
        """The whole short frame in the long one's light, float32 (H, W, 3) in [0, 1]."""
        return self.short_part(0, 0, self.pair.noisy.size)

    def short_part(self, top: int, left: int, size: tuple[int, int]) -> Image:
        """A window of `short`, of height and width `size`, that may hang over the frame's right and bottom edge."""
        part = tone.apply(window(self.pair.noisy.pixels, top, left, size), self.tone)
        return self.bands.taken_off(self.lines.taken_off(part, top, left), top, left)

    @property
    def long(self) -> Image:
        """The whole long frame at the short one's pixels, float32 (H, W, 3) in [0, 1]."""
        return self.long_part(0, 0, self.pair.noisy.size)

    def long_part(self, top: int, left: int, size: tuple[int, int]) -> Image:
        """A window of `long`, as `short_part` gives it of the short frame."""
        place, where = (self.pair.blurry.pixels, top, left, size), self.alignment.where
        return as_float(shifted_window(*place, where, self.shifts) if self.shifts else window(*place, where)).clip(0, 1)


def prepare(pair: Pair | swap.Ordered, settings: Settings = AS_FOUND) -> Prepared:
    """Match a pair: order, framing, registration, tone, and registration again where the tone tells more.

    Args:
        pair: two frames; an ordered pair is not looked at again.
        settings: whether the order is kept, and what is overruled of the tone.
    """
    ordered = pair if isinstance(pair, swap.Ordered) else swap.order(pair, settings.keep_order)
    framed = framing.framed(ordered.pair)
    pair = framed.pair
    alignment, found = _tone(framed, settings)
    if alignment.same_scene:
        alignment = align.refined(*framed.views, alignment, found)
    else:
        found = tone.brightness_alone(found)
    said = {
        "swapped": ordered.doubt,
        "not_one_scene": _unlike(pair, alignment),
        "no_gain": _unmatched(pair, found),
        "tone": _badly_matched(found),
        "short_lost": _lost(pair, found),
    }
    cautions = tuple(Caution(code, text) for code, text in said.items() if text)
    alignment = align.offset(alignment, framed.compared.left, framed.compared.top)
    shown = framing.Shown(framed.shown, framed.laid, alignment.matrix, pair.noisy.size)
    flicker, errors = _striped(pair, alignment, found)
    notes = tuple(filter(None, (framed.note, _partly(pair, alignment, shown), *_stripes(pair, flicker, errors))))
    shifts = _shifts(pair, alignment, found)
    return Prepared(pair, found, alignment, shown, flicker, errors, shifts, ordered.swapped, notes, cautions)


def _shifts(pair: Pair, alignment: align.Alignment, found: tone.Tone) -> Shifts | None:
    if not alignment.same_scene or found.lost:
        return None
    return flow.found_in(pair.noisy.pixels, pair.blurry.pixels, alignment.where, found)


def _striped(pair: Pair, alignment: align.Alignment, found: tone.Tone) -> tuple[bands.Bands, lines.Lines]:
    if not alignment.same_scene or found.lost:
        return bands.NONE, lines.NONE
    frames = pair.noisy.pixels, pair.blurry.pixels
    return (
        bands.found_in(*frames, alignment.where, found),
        lines.found_in(*frames, alignment.where, found),
    )


def _stripes(pair: Pair, flicker: bands.Bands, errors: lines.Lines) -> tuple[str, str]:
    name = pair.noisy.name
    return (
        "" if flicker is bands.NONE else f"{name} has bands of flickering light, which were taken off",
        "" if errors is lines.NONE else f"{name} has line noise, which was taken off",
    )


def _tone(framed: framing.Framed, settings: Settings) -> tuple[align.Alignment, tone.Tone]:
    """The tone, and the alignment unless the frames agree less on their light with it than without."""
    alignment, frames, exif = framed.alignment, framed.views, tone_fit.exif_gain(framed.pair)

    def off(matrix: Matrix | None) -> float:
        """How much of the picture gains alone leave off: a curve fits whatever it is given."""
        return tone_fit.estimate(*frames, exif, matrix, _GAINS).off

    moved = alignment.applied and float(np.hypot(*alignment.shift)) > _SMALL_SHIFT * max(frames[0].shape)
    if moved and off(alignment.matrix) > off(None) + _LARGEST_RISE:
        alignment = align.left_alone(alignment.unmoved)
    if settings.gain is not None:
        return alignment, tone.known((settings.gain,) * 3)
    models: Sequence[tone.ToneModel] = (settings.tone,) if settings.tone else tone_fit.MODELS
    found = tone_fit.estimate(*frames, exif, alignment.where, models)
    return alignment, replace(found, chosen=settings.tone is not None)


def _partly(pair: Pair, alignment: align.Alignment, shown: framing.Shown) -> str:
    if not alignment.same_scene or shown.share > _WHOLE:
        return ""
    return (
        f"{pair.blurry.name} shows {shown.share:.0%} of {pair.noisy.name}; the rest was denoised from "
        f"{pair.noisy.name} alone"
    )


def _unmatched(pair: Pair, found: tone.Tone) -> str:
    if found.model != "none":
        return ""
    return (
        f"Cannot tell how much darker {pair.noisy.name} is than {pair.blurry.name}: one of them is all black or all "
        f"white, and there is no EXIF exposure. {pair.noisy.name} was used as bright as it is."
    )


def _badly_matched(found: tone.Tone) -> str:
    if not found.doubtful or found.lost:
        return ""
    return (
        f"The frames' brightness and colours could not be matched well: {found.off:.0%} of the picture is off by more "
        "than a tenth. Check the colours of the result."
    )


def _lost(pair: Pair, found: tone.Tone) -> str:
    if not found.lost:
        return ""
    return (
        f"{pair.noisy.name} is too dark to help: {found.off:.0%} of it cannot be matched to {pair.blurry.name}. Where "
        "the model allows it, the long frame was used as it is. Give the short frame more light."
    )


def _unlike(pair: Pair, registered: align.Alignment) -> str:
    if registered.same_scene:
        return ""
    return (
        f"{pair.blurry.name} does not match {pair.noisy.name} (confidence {registered.confidence:.2f}), so only "
        f"{pair.noisy.name} was denoised. Check that both show the same scene, the same way up."
    )
