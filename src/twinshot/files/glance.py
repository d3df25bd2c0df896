"""What a file says of itself at a glance: when, how long and by which camera, and what it looks like in the small."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..picture import encoding
from ..picture.errors import InputError
from ..picture.pair import as_float
from ..picture.window import Pixels
from . import exif, io, raw
from .pairs import what_remains

GRID = 24
"""Cells a side of a look."""
_SMALL = 384  # px of the longer side that a look is taken from
_DIRECTLY = ("JPEG", "MPO", "PNG", "WEBP")
_MAKE, _MODEL, _CHANGED, _TAKEN, _FRACTION, _SERIAL = 0x010F, 0x0110, 0x0132, 0x9003, 0x9291, 0xA431
RESULT = "-restored"
"""What a result's name ends with, before its suffix."""
READABLE = {*io.SUFFIXES, *raw.SUFFIXES, ".heic", ".heif", ".hif", ".avif", ".jxl"}
"""What the names of files that can be read end with."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A photograph, as far as sorting needs to know it.

    Attributes:
        path: the file.
        size: height and width, upright.
        look: float32 (GRID, GRID): ranks of brightness without slow changes, the same at any exposure.
        light: mean in linear light, in [0, 1].
        camera: maker, model and serial number; empty where EXIF does not say.
        taken: seconds on the camera's clock, or None.
        seconds: exposure time, or None.
        exposure: ExposureTime x ISO / FNumber^2, or None.
        result: whether EXIF says that twinshot made it.
    """

    path: Path
    size: tuple[int, int]
    look: encoding.Image
    light: float
    camera: str = ""
    taken: float | None = None
    seconds: float | None = None
    exposure: float | None = None
    result: bool = False


def glance(path: Path, accept_damaged: bool = False) -> Shot:
    """A look at a file that costs little: JPEG is decoded at an eighth of its size.

    Args:
        path: the file.
        accept_damaged: look at what is left of a damaged JPEG or raw file.

    Raises:
        InputError: as `io.read`, though damage to pixels that were not looked at is found only there.
    """
    with warnings.catch_warnings(), suppress(Exception):  # whatever is odd about a file, the reader knows or says
        warnings.simplefilter("ignore")
        with Image.open(path) as file:
            if file.format in _DIRECTLY and file.mode in ("RGB", "RGBA"):
                return _by_pillow(path, file)
    return _by_reader(path, accept_damaged)


def _by_pillow(path: Path, file: Image.Image) -> Shot:
    sides = file.size
    file.draft("RGB", (_SMALL, _SMALL))
    file.load()  # EXIF of PNG may stand behind the pixels
    block = exif.parse(file.info.get("exif") or b"")
    width, height = sides[::-1] if exif.orientation_of(block) in (5, 6, 7, 8) else sides
    upright = ImageOps.exif_transpose(file)
    upright.thumbnail((_SMALL, _SMALL))
    return _shot(path, (height, width), np.asarray(upright.convert("RGB")), block)


def _by_reader(path: Path, accept_damaged: bool) -> Shot:
    frame = io.read(path, accept_damaged=accept_damaged)
    whole, left = (_small(each.pixels) for each in (frame, what_remains(frame)))
    return replace(_shot(path, frame.size, whole, exif.parse(frame.metadata.exif)), light=_light(left))


def _small(pixels: Pixels) -> Pixels:
    scale = min(1.0, _SMALL / max(pixels.shape))
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _shot(path: Path, size: tuple[int, int], small: Pixels, block: exif.Exif) -> Shot:
    exposure, seconds = exif.exposure_of(block)
    words = (exif.words(tag) for tag in (block.main.get(_MAKE), block.main.get(_MODEL), block.camera.get(_SERIAL)))
    camera, ours = " ".join(filter(None, words)), exif.by_twinshot(block)
    return Shot(path, size, look(small), _light(small), camera, _taken(block), seconds, exposure, ours)


def _light(pixels: Pixels) -> float:
    return float(encoding.to_linear(as_float(pixels)).mean())


def look(pixels: Pixels) -> encoding.Image:
    """What a picture looks like, whatever its exposure and tone: see `Shot.look`."""
    grey = cv2.resize(as_float(pixels), (GRID, GRID), interpolation=cv2.INTER_AREA).mean(-1)
    ranks = grey.ravel().argsort(kind="stable").argsort().reshape(GRID, GRID).astype(np.float32)
    return np.asarray(ranks - cv2.GaussianBlur(ranks, (0, 0), GRID / 8), np.float32)


def _taken(block: exif.Exif) -> float | None:
    """Seconds by the camera's own clock, whose zone does not matter between its pictures."""
    text = exif.words(block.camera.get(_TAKEN)) or exif.words(block.main.get(_CHANGED))
    fraction = exif.words(block.camera.get(_FRACTION))
    try:
        whole = (datetime.strptime(text, "%Y:%m:%d %H:%M:%S") - datetime(1970, 1, 1)).total_seconds()
    except ValueError:
        return None
    return whole + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def pictures_in(folder: Path) -> list[Path]:
    """A folder's pictures, sorted, as `pictures_of` chooses them; its folders are not looked into.

    Raises InputError where the folder cannot be listed.
    """
    return pictures_and_raws(folder)[0]


def pictures_and_raws(folder: Path) -> tuple[list[Path], list[Path]]:
    """The same, and beside them the raw files that are left out for their developed twins."""
    files = _files_in(folder)
    pictures = pictures_of(files)
    return pictures, sorted(set(filter(_is_picture, files)).difference(pictures))


def _files_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry) for entry in entries if entry.is_file())
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be opened ({error.strerror}); check the path and its permissions"
        ) from error


def pictures_of(paths: Iterable[Path]) -> list[Path]:
    """The files whose names end as pictures' do, in the order given.

    Hidden ones, results of earlier calls, and raw files beside their developed twins are left out.
    """
    pictures = [path for path in paths if _is_picture(path)]
    developed = {path.with_suffix("") for path in pictures if not _is_raw(path)}
    return [path for path in pictures if not (_is_raw(path) and path.with_suffix("") in developed)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in READABLE and not path.name.startswith(".") and not path.stem.endswith(RESULT)


def _is_raw(path: Path) -> bool:
    return path.suffix.lower() in raw.SUFFIXES
