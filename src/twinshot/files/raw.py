"""Camera raw files, developed for what follows: both frames alike, linear up to one neutral curve, nothing automatic.

LibRaw unpacks and demosaics. White balance is as shot, or the other frame's; there is no automatic brightness, no noise
reduction and no sharpening; the values are scaled from black to where the sensor clips, and then encoded as sRGB, so
that a ratio of exposures is a ratio of linear light. Hot pixels are found and filled on the mosaic, where one is one.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import to_srgb
from ..picture.errors import InputError
from ..picture.pair import Frame, Metadata, Sensor, check_frame, check_size
from . import cr3, exif, jpeg, tiff, xmp

if TYPE_CHECKING:
    import rawpy

SUFFIXES = (
    *(".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".drf", ".eip", ".erf"),
    *(".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".ori", ".pef"),
    *(".ptx", ".pxn", ".r3d", ".raf", ".raw", ".rw2", ".rwl", ".rwz", ".sr2", ".srf", ".srw", ".x3f"),
)
_LAST_ROWS = 8
_ROWS = 256  # that are looked at, or encoded, at once
_HOT = 12.0  # standard deviations above all eight neighbours of its colour
_LONE = 0.25  # of its excess that neighbours of other colours may share: light falls on them, too


def decode(data: bytes, name: str, sensor: Sensor | None = None) -> Frame:
    """A raw file's frame: uint16, sRGB-encoded, sRGB primaries, upright.

    Args:
        data: the file.
        name: what messages call it.
        sensor: the other frame's, whose white balance is used; None for the file's own as shot.

    Raises:
        InputError: it is damaged, of a kind that LibRaw does not know, or not in three colours.
    """
    import rawpy

    if tiff.is_cut_short(data):
        raise InputError(f"{name}: the file is damaged or cut short (its pixels end early); copy it again")
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            _check(raw, name)
            own = _sensor(raw, sensor)
            hot = _mend(raw)
            linear = _developed(raw, own)
            metadata = _metadata(raw, data, own)
    except rawpy.LibRawFileUnsupportedError as error:
        raise InputError(
            f"{name}: an unknown kind of raw file, or one cut short; copy it again, or export it as 16-bit TIFF"
        ) from error
    except rawpy.LibRawError as error:
        raise InputError(f"{name}: the file is damaged, cut short or not a raw file; copy it again") from error
    if hot:
        metadata = metadata.noted(f"had {hot} hot pixels, now filled in from their neighbours")
    return check_frame(_encoded(linear), name, metadata)  # with LibRaw's own copies gone


def _check(raw: rawpy.RawPy, name: str) -> None:
    check_size(raw.sizes.width, raw.sizes.height, name)
    if raw.num_colors != 3:
        raise InputError(f"{name}: its sensor has {raw.num_colors} colours; twinshot needs red, green and blue")
    last = raw.raw_image_visible[-_LAST_ROWS:]
    if not last.any():  # LibRaw leaves what it could not read at 0; a sensor's noise does not
        raise InputError(f"{name}: the file is damaged or cut short (its last rows are missing); copy it again")


def _sensor(raw: rawpy.RawPy, other: Sensor | None) -> Sensor:
    """The file's own as shot, or by its daylight where it says nothing; with another's balance where that is given."""
    matrix = tuple(float(value) for value in np.asarray(raw.color_matrix, np.float64)[:3, :3].ravel())
    if other:
        return Sensor(other.balance, matrix)
    for balance in (raw.camera_whitebalance, raw.daylight_whitebalance):
        red, green, blue = (float(value) for value in balance[:3])
        if min(red, green, blue) > 0:
            return Sensor((red / green, 1.0, blue / green), matrix)
    return Sensor((1.0, 1.0, 1.0), matrix)


def _developed(raw: rawpy.RawPy, sensor: Sensor) -> NDArray[np.uint16]:
    """Linear light (H, W, 3), sRGB primaries, 65535 where the sensor clips."""
    import rawpy

    red, green, blue = sensor.balance
    return np.asarray(
        raw.postprocess(
            gamma=(1, 1),
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            user_wb=[red, green, blue, green],
            output_bps=16,
            output_color=rawpy.ColorSpace.sRGB,
            highlight_mode=rawpy.HighlightMode.Clip,
        )
    )


def _encoded(linear: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The same array, encoded in place: a second one would be a large part of what a large file takes."""
    codes = np.linspace(0, 1, 65536, dtype=np.float32)
    table = np.repeat((to_srgb(codes) * 65535).round().astype(np.uint16)[None, :, None], 3, axis=2)
    for top in range(0, len(linear), _ROWS):
        linear[top : top + _ROWS] = cv2.LUT(linear[top : top + _ROWS], table)
    return linear


def _mend(raw: rawpy.RawPy) -> int:
    """Fill the mosaic's hot pixels, and return how many there were; 2x2 (Bayer) or 6x6 (X-Trans)."""
    mosaic, pattern = raw.raw_image_visible, raw.raw_pattern
    if pattern is None or mosaic.ndim != 2:
        return 0
    down, across = np.shape(pattern)
    tall = np.zeros(mosaic.shape, np.bool_)
    fill = np.zeros(mosaic.shape, np.uint16)
    for place in (np.s_[top::down, left::across] for top in range(down) for left in range(across)):
        plane = np.ascontiguousarray(mosaic[place])
        fill[place] = cv2.medianBlur(plane, 3)
        tall[place] = _excess(plane, fill[place]) > _HOT
    black, hot = float(np.mean(raw.black_level_per_channel)), np.zeros_like(tall)
    for top in range(0, len(mosaic), _ROWS):
        rows = np.s_[max(0, top - 1) : top + _ROWS + 1]  # what is around the outer rows, too
        lone = tall[rows] & _lone(mosaic[rows], fill[rows], black)
        hot[top : top + _ROWS] = lone[min(top, 1) :][: len(hot[top : top + _ROWS])]
    mosaic[hot] = fill[hot]
    return int(np.count_nonzero(hot))


def _excess(plane: NDArray[np.uint16], middle: NDArray[np.uint16]) -> NDArray[np.float32]:
    """How far each value of one colour lies over all its neighbours, in standard deviations of the noise there.

    The noise grows with the light: its square is a line, through the medians of many small patches.
    """
    ring = np.ones((3, 3), np.uint8)
    ring[1, 1] = 0
    above = plane.astype(np.float32) - cv2.dilate(plane, ring)
    return np.asarray(np.maximum(above, 0) / _noise(plane, middle), np.float32)


def _noise(plane: NDArray[np.uint16], middle: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Standard deviation by brightness, from deviations from the median of 3x3, level by level."""
    deviation = np.abs(plane.astype(np.float32) - middle)
    edges = np.unique(np.quantile(middle[::4, ::4], np.linspace(0, 1, 17)))
    level = np.searchsorted(edges[1:-1], middle)
    sigmas = [_sigma(deviation[level == index]) for index in range(max(1, len(edges) - 1))]
    return np.asarray(sigmas, np.float32)[level]


def _sigma(deviations: NDArray[np.float32]) -> float:
    """Standard deviation of noise, from deviations from the median of 3x3, which follows it: they are 0.8 of it."""
    return max(1.85 * float(np.median(deviations)), 1.0) if deviations.size else 1.0


def _lone(mosaic: NDArray[np.uint16], fill: NDArray[np.uint16], black: float) -> NDArray[np.bool_]:
    """Where a value is alone in standing above its neighbours, and twice as bright as what is around it.

    A star's or a lamp's light falls on the neighbours of other colours, too.
    """
    risen = np.maximum(mosaic.astype(np.float32) - fill, 0)
    ring = np.ones((3, 3), np.uint8)
    ring[1, 1] = 0
    alone = cv2.dilate(risen, ring) < _LONE * risen
    return np.asarray(alone & (risen > fill.astype(np.float32) - np.float32(black)))


def _metadata(raw: rawpy.RawPy, data: bytes, sensor: Sensor) -> Metadata:
    preview, packet = jpeg.beside(_preview(raw))
    block = _exif(raw, data, preview)
    exposure, seconds = exif.exposure_of(block)
    own, iptc = (cr3.xmp_of(data), b"") if cr3.is_cr3(data) else tiff.beside(data)
    return Metadata(
        exif.block_of(block), b"", 16, exposure, seconds, xmp.without_settings(own or packet), iptc,
        sensor=sensor,
    )  # fmt: skip


def _exif(raw: rawpy.RawPy, data: bytes, preview: bytes) -> exif.Exif:
    """The file's own EXIF, else its preview's, else what LibRaw read of the exposure."""
    own = cr3.exif_of(data) if cr3.is_cr3(data) else exif.parse(data)
    for block in (own, exif.parse(preview)):
        if block.camera or exif.exposure_of(block)[1] or exif.by_twinshot(block):
            return exif.upright(exif.of_raw(block), raw.sizes.width, raw.sizes.height)
    return exif.of_exposure(raw.other.shutter_speed, raw.other.iso_speed, raw.other.aperture)


def _preview(raw: rawpy.RawPy) -> bytes:
    import rawpy

    try:
        thumb: Any = raw.extract_thumb()
    except (rawpy.LibRawError, OSError):
        return b""
    return thumb.data if thumb.format == rawpy.ThumbFormat.JPEG else b""


def is_raw(data: bytes, suffix: str) -> bool:
    """Whether a file is to be developed: by its name, or by its first directory where it is a TIFF file."""
    developed = data[:4] in (b"II*\0", b"MM\0*") and suffix in (".tif", ".tiff")
    return (suffix in SUFFIXES and not developed) or (data[:2] in (b"II", b"MM") and tiff.is_raw(data))
