"""Two files become a pair: raw ones developed alike, colours those of the long frame, and what a result carries on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..picture.errors import MismatchError
from ..picture.pair import Frame, Metadata, Pair
from . import atomic, icc, io

Source = str | os.PathLike[str] | NDArray[Any] | Image.Image

_NAMES = ("the first array", "the second array")


def read_pair(noisy: Source, blurry: Source, accept_damaged: bool = False) -> Pair:
    """Both frames, read, in one profile, and checked.

    Args:
        noisy, blurry: the two frames, in any order.
        accept_damaged: use what is left of damaged JPEG and raw files.

    Raises:
        InputError: a frame cannot be read.
        MismatchError: both are one file, or they do not go together.
    """
    files = paths_of(noisy, blurry)
    if len(files) == 2 and atomic.same_file(*files):
        raise MismatchError(f"{files[0]} was given twice; give the short and the long exposure")
    return in_one_profile(Pair(*_developed_alike(noisy, blurry, accept_damaged)))


def in_one_profile(pair: Pair) -> Pair:
    """What is left of both, in the long one's colours: the second's, unless EXIF says that it is the short one."""
    first, second = (what_remains(frame) for frame in (pair.noisy, pair.blurry))
    if _longer(first, second):
        return Pair(first, icc.together(second, first))
    return Pair(icc.together(first, second), second)


def what_remains(frame: Frame) -> Frame:
    """A frame without what its damaged file does not show."""
    top, left, bottom, right = frame.metadata.remains or (0, 0, *frame.size)
    if frame.size == (bottom - top, right - left):  # where that was done before, too
        return frame
    left_over = slice(top, bottom), slice(left, right)
    count = None if frame.count is None else frame.count[left_over]
    return replace(frame, pixels=np.ascontiguousarray(frame.pixels[left_over]), count=count)


def _developed_alike(noisy: Source, blurry: Source, accept_damaged: bool) -> tuple[Frame, Frame]:
    """Raw files get the long frame's white balance: the second one's, unless EXIF says that it is the short one."""
    first, second = (
        io.read(source, name, accept_damaged) for source, name in zip((noisy, blurry), _NAMES, strict=True)
    )
    one, other = first.metadata.sensor, second.metadata.sensor
    if one and other and not np.allclose(one.balance, other.balance, rtol=1e-3):
        if _longer(first, second):
            second = io.read(blurry, _NAMES[1], accept_damaged, one)
        else:
            first = io.read(noisy, _NAMES[0], accept_damaged, other)
    return first, second


def _longer(one: Frame, other: Frame) -> bool:
    """Whether EXIF says that a frame was exposed longer than another."""
    seconds, others = one.metadata.seconds, other.metadata.seconds
    return bool(seconds and others and seconds > others)


def paths_of(*sources: Source) -> tuple[Path, ...]:
    """The sources that are files."""
    return tuple(atomic.path_of(source) for source in sources if not isinstance(source, (np.ndarray, Image.Image)))


def carried(pair: Pair, history: str) -> Metadata:
    """What a picture made of a pair carries on: the short frame's metadata, the long one's colours, what was done.

    Args:
        pair: the frames, the short one first.
        history: how it was made, in a few words.
    """
    short, long = pair.noisy.metadata, pair.blurry.metadata
    sensor = long.sensor if short.sensor and long.sensor else None
    bits, grey = max(short.bits, long.bits), short.grey and long.grey
    return _by_twinshot(replace(short, icc=long.icc, bits=bits, grey=grey, sensor=sensor), history)


def carried_alone(frame: Frame, history: str) -> Metadata:
    """What a picture made of one frame carries on; `history` says how it was made."""
    return _by_twinshot(frame.metadata, history)


def _by_twinshot(metadata: Metadata, history: str) -> Metadata:
    from .._version import __version__

    return replace(metadata, notes=(), software=f"twinshot {__version__}", history=history)


def notes_on(*frames: Frame) -> list[str]:
    """What the user should know of how files were read, as sentences."""
    return [f"{frame.name} {note}" for frame in frames for note in frame.metadata.notes]
