"""A tone: how the short frame is brought to the long frame's light and colours, and back.

A camera's tone curve is not sRGB's, so one gain seldom does. Four models, each a special case of the next: one gain in
encoded values (GOPRO2 scales so), a gain a channel in linear light, gain and black offset, a monotone curve a channel.
Which one two frames tell is found in `tone_fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.pair import as_float
from ..picture.window import Pixels

Array = NDArray[np.float64]
ToneModel = Literal["encoded gain", "gain", "offset", "curve", "exif", "none", "known"]
Light = Literal["linear", "srgb"]

_LOST_SHARE = 0.5
_PATCHY = (0.02, 0.06)  # of the cells, off under a curve: from where on that is in doubt, and where it is
_PATCHY_GAIN = (0.33, 0.4)  # the same of a simpler model, which is chosen where blur and movers are what it leaves off
_CODES = 1 << 14  # values that a tone is undone by, read between
_NEARLY_WHITE = (0.94, 0.99)  # encoded: from where on the short frame's own pixels are taken
_OFF_SHARE = 0.10  # a tenth of the picture off by more than 10 % is worth a warning


@dataclass(frozen=True, eq=False)
class Tone:
    """How the noisy frame is brought to the long frame's light and colours.

    Attributes:
        model: which of the ladder; "exif" where pixels tell nothing but EXIF does, "none" where nothing does, "known"
            where a simulation says.
        gain: mean factor of light for R, G and B.
        offset: linear light added to each channel after the gain.
        light: in which the gain multiplies; "srgb" for frames scaled after encoding, as GOPRO2's are.
        knots: (K,) encoded values of the short frame, ascending; empty but for a curve.
        values: (3, K) linear light of the long frame at the knots.
        error: root mean square misfit of cells the model was not fitted to, in encoded values; 0 is perfect.
        off: share of the cells that are off by more than a tenth.
        chosen: whether a user chose the model: then it stands, and where it is off that is said.
    """

    model: ToneModel
    gain: tuple[float, float, float]
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    light: Light = "linear"
    knots: Array = field(default_factory=lambda: np.empty(0))
    values: Array = field(default_factory=lambda: np.empty((3, 0)))
    error: float = 0.0
    off: float = 0.0
    chosen: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether a tenth of the picture is left off by more than 10 %."""
        return self.off > _OFF_SHARE

    @property
    def doubt(self) -> float:
        """That patches of wrong light are left, in [0, 1]; 0 of a model that was chosen, whose light is wanted."""
        if self.chosen:
            return 0.0
        first, last = _PATCHY if self.model == "curve" else _PATCHY_GAIN
        return float(np.clip((self.off - first) / (last - first), 0, 1))

    @property
    def lost(self) -> bool:
        """Whether even the best model leaves half of the picture off: the short frame holds too little of it."""
        return self.off > _LOST_SHARE and not self.chosen

    def linear(self, encoded: Array | Image, channel: int) -> Array:
        """What a channel's encoded values become: linear light of the long frame, not below 0, not clipped above."""
        if len(self.knots):
            return np.asarray(np.interp(encoded, self.knots, self.values[channel]))
        if self.light == "srgb":
            return to_linear(np.asarray(encoded * self.gain[channel], np.float32)).astype(np.float64)
        light = to_linear(np.asarray(encoded, np.float32)) * self.gain[channel] + self.offset[channel]
        return np.maximum(light.astype(np.float64), 0)


def known(gain: Sequence[float], light: Light = "linear") -> Tone:
    """A gain a channel that a simulation, or a user, says."""
    red, green, blue = (float(each) for each in gain)
    return Tone("known", (red, green, blue), light=light)


def brightness_alone(tone: Tone) -> Tone:
    """One gain for all channels, the middle one: another scene hints at this one's brightness, not at its colours."""
    middle = sorted(tone.gain)[1]
    return Tone(tone.model, (middle,) * 3, light=tone.light, error=tone.error)


def apply(pixels: Pixels, tone: Tone) -> Image:
    """Pixels (H, W, 3) of any type as `tone` brings them to the long frame's light; sRGB-encoded, in [0, 1]."""
    return _by_table(pixels, lambda codes, channel: np.clip(_encoded(tone, codes, channel), 0, 1))


def undone(image: Image, tone: Tone, short: Pixels) -> Image:
    """A picture in the long frame's light as bright as the short one, `apply` backwards; sRGB-encoded, in [0, 1].

    Args:
        image: float32 (H, W, 3) in [0, 1].
        tone: what brought the short frame to the long one's light.
        short: the short frame's own pixels there: what the tone made white has no way back, and is taken from them.
    """
    codes = np.linspace(0, 1, _CODES, dtype=np.float32)
    result = np.empty(image.shape, np.float32)
    own, white = as_float(short), _between(apply(short, tone), *_NEARLY_WHITE)
    for channel in range(3):
        forward = np.maximum.accumulate(np.clip(_encoded(tone, codes, channel), 0, 1))
        light, first = np.unique(forward, return_index=True)  # a value that many codes lead to is the darkest one's
        result[..., channel] = np.interp(image[..., channel], light, codes[first])
    return np.asarray(result + white * (own - result), np.float32)


def _between(values: Image, low: float, high: float) -> Image:
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)


def multiplied(image: Image, tone: Tone) -> Image:
    """As `apply`, for float pixels, but what is brighter than white stays so."""
    return np.stack([_encoded(tone, image[..., c], c) for c in range(3)], -1).astype(np.float32)


def _encoded(tone: Tone, codes: Image | Array, channel: int) -> Array:
    if tone.light == "srgb" and not len(tone.knots):
        return np.asarray(codes * tone.gain[channel], np.float64)
    return to_srgb(tone.linear(codes, channel).astype(np.float32)).astype(np.float64)


def _by_table(pixels: Pixels, function: Callable[[Image, int], Array]) -> Image:
    """A function of (values, channel), read from a table of all codes where the type has few."""
    if pixels.dtype == np.float32:
        return np.stack([function(pixels[..., c], c) for c in range(3)], -1).astype(np.float32)
    codes = as_float(np.arange(np.iinfo(pixels.dtype).max + 1, dtype=pixels.dtype))
    table = np.stack([function(codes, c) for c in range(3)], -1).astype(np.float32)
    return np.asarray(cv2.LUT(pixels, np.ascontiguousarray(table[None])), np.float32)
