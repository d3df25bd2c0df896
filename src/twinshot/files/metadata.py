"""EXIF: what a camera says of its exposure, and what of it can be written again beside other pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

_CAMERA, _GPS, _INTEROP = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop
GROUPS = (_CAMERA, _GPS)  # the directories beside the main one that are kept
_ORIENTATION, _MAKER_NOTE = ExifTags.Base.Orientation, ExifTags.Base.MakerNote
_RECOMMENDED_EXPOSURE, _LARGEST_ISO = ExifTags.Base.RecommendedExposureIndex, 65_535
_LARGEST_IN_JPEG = 65_533  # bytes: a segment's length has 16 bits


def exif_of(file: Image.Image) -> Image.Exif:
    """The file's EXIF as far as it can be read: a damaged block is no reason to refuse the pixels."""
    try:
        return _copy_of(file.getexif())
    except Exception:  # parsers of foreign bytes raise whatever they stumble over
        return Image.Exif()


def exposure_of(exif: Image.Exif) -> tuple[float | None, float | None]:
    """ExposureTime x ISO / FNumber^2, and the exposure time in seconds; None where EXIF does not say."""
    camera = exif.get_ifd(_CAMERA)
    seconds = _number(camera.get(ExifTags.Base.ExposureTime))
    iso = _iso(camera)
    stop = _number(camera.get(ExifTags.Base.FNumber)) or 1.0  # phones may leave out their only aperture
    return (seconds * iso / stop**2 if seconds and iso else None), seconds


def _iso(camera: Mapping[int, Any]) -> float | None:
    """The old tag ends at 65535, and what is beyond stands in one of two newer ones."""
    iso = _number(camera.get(ExifTags.Base.ISOSpeedRatings))
    if iso != _LARGEST_ISO:
        return iso
    return _number(camera.get(_RECOMMENDED_EXPOSURE)) or _number(camera.get(ExifTags.Base.ISOSpeed)) or iso


def upright_exif(block: bytes, width: int, height: int) -> Image.Exif:
    """EXIF for an upright picture: the orientation and size say so, and tags that describe old pixels are gone."""
    stored = Image.Exif()
    stored.load(block)
    exif = _copy_of(stored)
    for tag in [tag for tag in exif if _is_layout(tag)]:
        del exif[tag]
    if block:
        exif[_ORIENTATION] = 1
    camera = exif.get_ifd(_CAMERA)
    for tag, side in ((ExifTags.Base.ExifImageWidth, width), (ExifTags.Base.ExifImageHeight, height)):
        if tag in camera:
            camera[tag] = side
    return exif


def block_of(exif: Image.Exif, kind: str = "") -> bytes:
    """The block for a file of this kind, empty for no EXIF; what is too long for JPEG loses its maker's note first."""
    if not len(exif) and not exif.get_ifd(_CAMERA):
        return b""
    block = exif.tobytes()
    if kind == "JPEG" and len(block) > _LARGEST_IN_JPEG:
        shorter = _copy_of(exif)
        shorter.get_ifd(_CAMERA).pop(_MAKER_NOTE, None)
        block = shorter.tobytes()
    return block if kind != "JPEG" or len(block) <= _LARGEST_IN_JPEG else b""


def _copy_of(exif: Image.Exif) -> Image.Exif:
    """The directories that matter; the preview goes, and so does what points to places in the old file.

    Interop says that the colours are AdobeRGB's, where a camera adds no profile.
    """
    copy = Image.Exif()
    for tag, value in _writable(exif, None).items():
        copy[tag] = value
    for group in GROUPS:
        if tags := _writable(exif.get_ifd(group), group):
            copy.get_ifd(group).update(tags)
    interop = exif.get_ifd(_INTEROP) if _INTEROP in exif.get_ifd(_CAMERA) else {}  # Pillow 12 looks for it at any cost
    if tags := _writable(interop, _INTEROP):
        copy.get_ifd(_CAMERA)[_INTEROP] = tags
    return copy


def _writable(directory: Mapping[int, Any], group: int | None) -> dict[int, Any]:
    """The tags that can be written again: Pillow goes by the type a tag should have, and cameras have others."""
    kept = {}
    for tag, value in directory.items():
        alone = TiffImagePlugin.ImageFileDirectory_v2(group=group)
        try:
            alone[tag] = value
            alone.tobytes()
        except Exception:  # whatever a value of a wrong type leads to
            continue
        if tag not in (_CAMERA, _GPS, _INTEROP):
            kept[tag] = _as_stored(value)
    return kept


def _as_stored(value: Any) -> Any:
    """Text that is not ASCII as the bytes it came from: Pillow reads them as Latin-1 and would write question marks."""
    return value.encode("latin-1") if isinstance(value, str) and not value.isascii() else value


def _is_layout(tag: int) -> bool:
    """Whether a tag of a TIFF file says how its pixels are stored; the resolution (282, 283) does not."""
    return 254 <= tag <= 266 or 273 <= tag <= 281 or tag == 284 or 317 <= tag <= 347 or tag == 34675


def _number(value: Any) -> float | None:
    try:
        number = float(value[0] if isinstance(value, tuple) else value)
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    return number if np.isfinite(number) and number > 0 else None
