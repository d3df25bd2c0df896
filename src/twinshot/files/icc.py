"""Colour: what a file says of it is obeyed, by Little CMS, or the file is refused; it is never ignored.

Networks want values that are sRGB-encoded. Display P3, AdobeRGB and ProPhoto come close and are kept as they are, with
their profile; a linear file is encoded anew, its primaries kept.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.errors import InputError
from ..picture.pair import Frame
from ..picture.window import Pixels

_NEAR = 0.12  # how far greys may lie from sRGB's encoding: ProPhoto's gamma of 1.8 is off by 0.08, a linear one by 0.28
_SAME_PROFILE = 1.5 / 255
_STRIP = 256  # rows
_EXACT = 0x0100  # cmsFLAGS_NOOPTIMIZE: otherwise 16-bit values go through a coarse table
_XY = {  # ITU-T H.273: white, red, green, blue
    1: (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    5: (0.3127, 0.3290, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060),
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
REC709 = _XY[1]
_GAMMAS = {8: 1.0, 4: 2.2, 5: 2.8}  # transfer characteristics that are not near sRGB's, or that are exact powers
_SRGB_LIKE = (1, 2, 6, 13, 14, 15)
_HDR = {16: "PQ", 18: "HLG"}


class ColourError(ValueError):
    """Colours that cannot be obeyed: the message says why, and what to do."""


@lru_cache
def srgb() -> bytes:
    """An sRGB profile, as Little CMS makes it."""
    import imagecodecs

    return bytes(imagecodecs.cms_profile("srgb"))


def transformed(pixels: Pixels, source: bytes, target: bytes) -> Pixels:
    """RGB pixels of one profile as those of another, in their own type; an empty profile means sRGB.

    Raises ColourError where a profile cannot be used.
    """
    result = np.empty_like(pixels)
    for top in range(0, len(pixels), _STRIP):
        result[top : top + _STRIP] = _converted(pixels[top : top + _STRIP], source, target)
    return result


def _converted(pixels: Pixels, source: bytes, target: bytes, space: str = "rgb") -> Pixels:
    import imagecodecs

    try:
        return np.asarray(
            imagecodecs.cms_transform(
                np.ascontiguousarray(pixels),
                source or srgb(),
                target or srgb(),
                colorspace=space,
                outcolorspace="rgb",
                intent=1,
                flags=None if pixels.dtype == np.uint8 else _EXACT,
            )
        )
    except Exception as error:  # its errors have no common kind
        raise ColourError(f"its colour profile cannot be used ({error})") from error


@lru_cache(64)
def _probed(icc: bytes) -> NDArray[np.float32]:
    """A lattice of colours as sRGB sees them, (729, 3)."""
    axis = np.linspace(0, 1, 9, dtype=np.float32)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(27, 27, 3)
    return np.asarray(_converted(lattice, icc, b""), np.float32).reshape(-1, 3)


def alike(one: bytes, other: bytes) -> bool:
    """Whether two profiles mean the same colours, whatever they are called; an empty one means sRGB."""
    if one == other:
        return True
    try:
        return bool(np.abs(_probed(one) - _probed(other)).max() < _SAME_PROFILE)
    except ColourError:
        return False


def usable(icc: bytes, space: bytes = b"RGB ") -> bool:
    """Whether this is a whole profile for such pixels."""
    if icc[16:20] != space:
        return False
    try:
        _converted(np.zeros((1, 1, 3 if space == b"RGB " else 1), np.float32), icc, b"", space.decode().strip().lower())
    except ColourError:
        return False
    return True


def name_of(icc: bytes) -> str:
    """What a profile calls itself, for messages."""
    from io import BytesIO

    from PIL import ImageCms

    if not icc:
        return "sRGB"
    try:
        return ImageCms.getProfileName(ImageCms.ImageCmsProfile(BytesIO(icc))).strip() or "a nameless profile"
    except (ImageCms.PyCMSError, OSError):
        return "a damaged profile"


def check_no_hdr(icc: bytes) -> None:
    """Raises ColourError for a profile that says PQ or HLG, which no curve near sRGB's stands for."""
    at = icc.find(b"cicp", 128)
    while at >= 0:
        if icc[at + 4 : at + 8] == bytes(4) and icc[at + 9] in _HDR:
            raise ColourError(_is_hdr(icc[at + 9]))
        at = icc.find(b"cicp", at + 1)


def _is_hdr(transfer: int) -> str:
    return f"is an HDR picture ({_HDR[transfer]}): export it as sRGB or Display P3"


def encoded(pixels: Pixels, icc: bytes) -> tuple[Pixels, bytes]:
    """Pixels whose values are near sRGB-encoded, and their profile: a linear one's are encoded, its primaries kept.

    Raises ColourError where the profile cannot be obeyed.
    """
    check_no_hdr(icc)
    ramp = np.linspace(0, 1, 65, dtype=np.float32)[:, None, None].repeat(3, axis=2)
    if not icc or np.abs(_converted(ramp, icc, b"") - ramp).max() < _NEAR:
        return pixels, icc
    target = with_curve_of(icc, srgb())
    if target is None:
        return transformed(pixels, icc, b""), b""
    return through(pixels, curve(icc, target)), b"" if alike(target, b"") else target


def curve(source: bytes, target: bytes) -> NDArray[np.float32]:
    """What 65,536 grey levels of one profile are in another of the same primaries, (65536, 3)."""
    ramp = np.linspace(0, 1, 65536, dtype=np.float32)[:, None, None].repeat(3, axis=2)
    return np.asarray(_converted(ramp, source, target), np.float32)[:, 0].clip(0, 1)


def through(pixels: Pixels, table: NDArray[np.float32]) -> Pixels:
    """Each channel through its column of a table of 65,536 levels; the pixels' own type in and out."""
    if pixels.dtype == np.float32:
        levels = np.linspace(0, 1, len(table))
        channels = [np.interp(pixels[..., i], levels, table[:, i]) for i in range(3)]
        return np.stack(channels, -1).astype(np.float32)
    largest = np.iinfo(pixels.dtype).max
    codes = (table[:: 65535 // largest] * largest).round().astype(pixels.dtype)
    return np.asarray(cv2.LUT(pixels, codes[None]))


def linear(pixels: Image, icc: bytes) -> tuple[Image, bytes]:
    """Encoded float pixels as linear light, and the linear profile of the same primaries that says so."""
    import imagecodecs

    straight = bytes(
        imagecodecs.cms_profile("rgb", whitepoint=_point(_XY[1][:2]), primaries=_primaries(_XY[1]), gamma=1.0)
    )
    target = with_curve_of(icc or srgb(), straight)
    if target is None:
        pixels, icc, target = transformed(pixels, icc, b""), b"", straight
    return through(pixels, curve(icc, target)), target


def with_curve_of(icc: bytes, base: bytes) -> bytes | None:
    """The base profile, of three primaries and a curve, with another's primaries; None where that has none."""
    result = bytearray(base)
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        source, place = _tag(icc, name), _tag(base, name)
        if source is None or place is None:
            return None
        result[place + 8 : place + 20] = icc[source + 8 : source + 20]
    own = "sRGB built-in".encode("utf-16-be")  # the base's name, which it is no longer
    return bytes(result).replace(own, "RGB, sRGB TRC".encode("utf-16-be"))


def _tag(icc: bytes, name: bytes) -> int | None:
    """The offset of a profile's tag."""
    count = min(int.from_bytes(icc[128:132], "big"), 100)
    for at in range(132, 132 + 12 * count, 12):
        if icc[at : at + 4] == name:
            return int.from_bytes(icc[at + 4 : at + 8], "big")
    return None


def profile_of(points: tuple[float, ...], gamma: float | None = None) -> bytes:
    """A profile for primaries (x and y of white, red, green, blue) and a power; without a power, sRGB's curve.

    Raises ColourError for points that no colours come from.
    """
    import imagecodecs

    if gamma is None and np.allclose(points, _XY[1], atol=0.002):
        return b""
    try:
        profile = bytes(
            imagecodecs.cms_profile(
                "rgb", whitepoint=_point(points[:2]), primaries=_primaries(points), gamma=gamma or 2.2
            )
        )
    except Exception as error:  # its errors have no common kind
        raise ColourError("its primaries are not valid") from error
    return profile if gamma else with_curve_of(profile, srgb()) or b""


def _point(xy: tuple[float, ...]) -> list[float]:
    return [*xy, 1.0]


def _primaries(points: tuple[float, ...]) -> list[float]:
    return [*points[2:4], 1.0, *points[4:6], 1.0, *points[6:8], 1.0]


def profile_of_codes(primaries: int, transfer: int) -> bytes:
    """The profile that H.273's code points stand for; empty for sRGB. Raises ColourError for HDR and rare ones."""
    if transfer in _HDR:
        raise ColourError(_is_hdr(transfer))
    if transfer not in _SRGB_LIKE and transfer not in _GAMMAS:
        raise ColourError(
            f"has a transfer curve that twinshot does not know (H.273 code {transfer}); export it as sRGB"
        )
    if primaries not in (*_XY, 2):
        raise ColourError(f"has primaries that twinshot does not know (H.273 code {primaries}); export it as sRGB")
    return profile_of(_XY.get(primaries, _XY[1]), _GAMMAS.get(transfer))


def grey(pixels: Pixels, icc: bytes) -> Pixels:
    """Grey pixels (H, W) of a grey profile as sRGB-encoded ones; as they are where it cannot be used."""
    if not usable(icc, b"GRAY"):
        return pixels
    ramp = np.linspace(0, 1, 65536, dtype=np.float32)[:, None, None]
    table = np.asarray(_converted(ramp, icc, b"", "gray"), np.float32).reshape(65536, -1)[:, :3].clip(0, 1)
    if np.abs(table[:, 0] - ramp[:, 0, 0]).max() < _NEAR:
        return pixels
    return np.ascontiguousarray(through(np.repeat(pixels[..., None], 3, axis=2), table)[..., 0])


def together(noisy: Frame, blurry: Frame) -> Frame:
    """The noisy frame in the blurry one's colours, with a note where that took a conversion.

    Raises InputError where a profile cannot be used.
    """
    source, target = noisy.metadata.icc, blurry.metadata.icc
    if alike(source, target):
        return replace(noisy, metadata=replace(noisy.metadata, icc=target or source))
    try:
        pixels = transformed(noisy.pixels, source, target)
    except ColourError as error:
        raise InputError(f"{noisy.name}: {error}; export both frames with the same profile") from error
    note = f"was converted from {name_of(source)} to {name_of(target)}, the colours of {blurry.name}"
    return replace(noisy, pixels=pixels, metadata=replace(noisy.metadata, icc=target).noted(note))
