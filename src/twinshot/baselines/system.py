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


@dataclass(frozen=True)
class Decided:
    """What matching tells a network's way of a picture, besides the pictures themselves.

    Attributes:
        same_scene: False where the frames do not go together, so that a network's fallback sees the noisy one alone.
        doubt: in the tone, in [0, 1].
        lost: whether the short frame is.
        shown: share of the short frame that the long one shows.
    """

    same_scene: bool = True
    doubt: float = 0.0
    lost: bool = False
    shown: float = 1.0


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
        decided: what matching tells.
    """

    pair: Pair
    noisy: Image
    blurry: Image
    registered: Image
    burst: tuple[Image, ...]
    sigma: float
    decided: Decided = Decided()


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
