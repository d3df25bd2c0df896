"""What every compared system is: it takes some of a scene's frames and gives one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ..picture.encoding import Image
from ..picture.pair import Pair

Takes = Literal["pair", "noisy", "blurry", "burst"]


@dataclass(frozen=True)
class About:
    """What a system is, in a few words, and where it comes from."""

    what: str
    source: str


@dataclass(frozen=True, eq=False)
class Shot:
    """One scene as the systems get it: float32 (H, W, 3), RGB, sRGB-encoded in [0, 1], all of one size.

    Attributes:
        pair: both files as they are, for systems that go the whole way of a picture.
        noisy: the short frame, brought to the blurry frame's exposure.
        blurry: the long frame.
        registered: the long frame in the noisy one's geometry, as far as it could be registered.
        burst: short frames in the order of time, exposed as `noisy`, which is the first; empty where a set has none,
            or where nobody asked for it.
        sigma: the noisy frame's true root mean square error: told to denoisers that ask for one.
        same_scene: False where the frames do not go together, so that a network's fallback sees the noisy one alone.
        decided: what else matching tells a network's way: doubt in the tone, whether the short frame is lost, and the
            share of it that the long one shows.
    """

    pair: Pair
    noisy: Image
    blurry: Image
    registered: Image
    burst: tuple[Image, ...]
    sigma: float
    same_scene: bool = True
    decided: tuple[float, bool, float] = (0.0, False, 1.0)


class System(Protocol):
    """A way to restore a picture.

    `restore` gives float32 (H, W, 3) in [0, 1] in the noisy frame's geometry, does not change what it is given, and
    gives the same picture for the same shot.
    """

    @property
    def name(self) -> str: ...

    @property
    def takes(self) -> Takes: ...

    def restore(self, shot: Shot) -> Image: ...
