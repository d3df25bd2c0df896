"""WebP by Pillow, AVIF and JPEG XL at their full depth, HEIC by a plug-in: what phones and the web write."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from fractions import Fraction
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..picture.errors import InputError
from ..picture.pair import Metadata, check_size
from . import exif, icc
from .stored import Stored, check_single, decoded

_QUALITY = 95
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_GAIN_MAP = "an HDR gain map"
_TONE_MAPPED = re.compile(
    rb"infe(?:\x02.{7}|\x03.{9})tmap", re.DOTALL
)  # an item that a gain map brightens (ISO 21496-1)


def kind_of(data: bytes) -> str | None:
    """WEBP, AVIF, HEIC or JXL, by the first bytes; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return "JXL"
    if data[4:8] != b"ftyp":
        return None
    brands = data[8 : int.from_bytes(data[:4], "big")][:256]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIC" if any(brand in brands for brand in _HEIC_BRANDS) else None


def webp(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The picture of a WebP file. Raises InputError for an animation, Pillow's errors for a damaged one."""
    with Image.open(BytesIO(data), formats=["WEBP"]) as file:
        check_size(file.width, file.height, name)
        check_single(getattr(file, "n_frames", 1), name)
        return _stored(file.info, np.asarray(file), 8)


def _stored(info: dict[Any, Any], pixels: NDArray[Any], bits: int, **more: Any) -> Stored:
    """With what Pillow tells of the file."""
    packet = info.get("xmp") or b""
    xmp = packet.encode() if isinstance(packet, str) else bytes(packet)
    more = {"profile": info.get("icc_profile") or b"", **more}
    return Stored(pixels, bits, exif.parse(info.get("exif") or b""), xmp=xmp, **more)


def avif(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The picture of an AVIF file, of 8, 10 or 12 bits. Raises ValueError where its colours cannot be obeyed."""
    import imagecodecs

    with Image.open(BytesIO(data), formats=["AVIF"]) as file:
        check_size(file.width, file.height, name)
        check_single(getattr(file, "n_frames", 1), name)
        info = file.info  # in whose EXIF Pillow puts the file's own turns and mirrors
    profile = info.get("icc_profile") or _coded_profile(data)
    pixels = _cropped(decoded(imagecodecs.avif_decode, data), data)
    return _stored(info, pixels, _depth(data), profile=profile, notes=_beside((), data))


def _beside(parts: Iterable[str], data: bytes) -> tuple[str, ...]:
    """Notes on what goes with a picture and is left out: these parts, and a gain map where an item needs one."""
    found = dict.fromkeys((*parts, *((_GAIN_MAP,) if _TONE_MAPPED.search(data) else ())))
    return tuple(f"has {part}, which was left out" for part in found)


def _auxiliary(kind: str) -> str:
    """What a name (URN) of a kind of auxiliary picture stands for; transparency and depth are told otherwise."""
    name = kind.rpartition(":")[2]
    if name == "hdrgainmap":
        return _GAIN_MAP
    return "a matte" if name.endswith("matte") else "an auxiliary picture"


def _cropped(pixels: NDArray[Any], data: bytes) -> NDArray[Any]:
    """What is to be shown of a picture by its box of the clean aperture, which decoders ignore (ISO/IEC 14496-12)."""
    at = data.find(b"\0\0\0\x28clap") + 8
    numbers = struct.unpack(">IIIIiIiI", data[at : at + 32]) if 8 <= at <= len(data) - 32 else ()
    if not numbers or not all(numbers[1::2]):
        return pixels
    across, down, right, under = (Fraction(*part) for part in zip(numbers[::2], numbers[1::2], strict=True))
    height, width = pixels.shape[:2]
    left, top = round((width - across) / 2 + right), round((height - down) / 2 + under)
    inside = left >= 0 and top >= 0 and left + across <= width and top + down <= height
    return pixels[top : top + round(down), left : left + round(across)] if inside else pixels


def _depth(data: bytes) -> int:
    """Bits a channel of AVIF, in the box that says how the codec is set up (AV1-ISOBMFF, section 2.3.3)."""
    at = data.find(b"av1C")
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
    return 12 if flags & 0x20 else 10 if flags & 0x40 else 8


def _coded_profile(data: bytes) -> bytes:
    """The profile that a box of code points (nclx) stands for; empty for sRGB. Raises ValueError for HDR."""
    at = data.find(b"colrnclx")
    if at < 0:
        return b""
    primaries, transfer = struct.unpack(">HH", data[at + 8 : at + 12])
    return icc.profile_of_codes(primaries, transfer)


def heic(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The picture of an HEIC file, of 8, 10 or 12 bits.

    Raises:
        InputError: the plug-in is not installed.
        ValueError: its colours cannot be obeyed.
    """
    if find_spec("pillow_heif") is None:
        raise _needs(name, "HEIC", "heif")
    import pillow_heif

    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    width, height = file.size
    check_size(width, height, name)
    pixels = np.asarray(file)
    deep = pixels.dtype == np.uint16
    codes = file.info.get("nclx_profile") or {}
    profile = file.info.get("icc_profile") or icc.profile_of_codes(
        int(codes.get("color_primaries", 2)), int(codes.get("transfer_characteristics", 2))
    )
    notes: tuple[str, ...] = (f"has {len(file)} pictures, of which the main one was used",) if len(file) > 1 else ()
    parts = (["a depth map"] if file.info.get("depth_images") else []) + list(map(_auxiliary, file.info.get("aux", ())))
    iptc = next((part["data"] for part in file.info.get("metadata", ()) if part["type"] == "iptc"), b"")
    more = {"orientation": 1, "profile": profile, "iptc": iptc, "notes": notes + _beside(parts, data)}
    return _stored(file.info, pixels, 16 if deep else 8, **more)


def jxl(data: bytes, name: str, accept_damaged: bool) -> Stored:
    """The picture of a JPEG XL file, upright as it says itself.

    Raises:
        InputError: the plug-in, which alone reads the profile, is not installed.
        ValueError: its colours cannot be obeyed.
    """
    import imagecodecs

    width, height, bits = _header_of_jxl(data)
    check_size(width, height, name)
    if find_spec("pillow_jxl") is None:
        raise _needs(name, "JPEG XL", "jxl")
    import pillow_jxl  # noqa: F401  which has Pillow open such files

    with Image.open(BytesIO(data), formats=["JXL"]) as file:
        info = file.info
    pixels = decoded(imagecodecs.jpegxl_decode, data)
    check_single(len(pixels) if pixels.ndim == 4 else 1, name)
    return _stored(info, pixels, 32 if pixels.dtype.kind == "f" else bits, orientation=1)


class _Bits:
    """A codestream's bits, the least significant of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.left, self.count = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits. Raises ValueError where there are none."""
        self.count -= count
        if self.count < 0:
            raise ValueError("its header is cut short")
        value, self.left = self.left & ((1 << count) - 1), self.left >> count
        return value

    def choose(self, *ways: tuple[int, int]) -> int:
        """One of four ways, told by two bits: an offset plus so many bits."""
        offset, count = ways[self.take(2)]
        return offset + self.take(count)


def _header_of_jxl(data: bytes) -> tuple[int, int, int]:
    """Width, height and bits a sample, before anything is unpacked (ISO/IEC 18181-1, annexes A and D)."""
    bits = _Bits(_codestream(data)[2:66])
    width, height = _size_of_jxl(bits)
    depth = 8
    if not bits.take(1):  # not all as usual
        if bits.take(1):  # further fields
            bits.take(3)  # orientation
            if bits.take(1):
                _size_of_jxl(bits)
            if bits.take(2):
                raise ValueError("it has a preview or is an animation")
        if not bits.take(1):  # no float
            depth = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    return width, height, depth


def _size_of_jxl(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    above, below = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[bits.take(3)]
    return height * above // below if above else side(), height


def _codestream(data: bytes) -> bytes:
    """The first bytes of the picture itself, in a box of its own or bare."""
    if data[:2] == b"\xff\x0a":
        return data[:100]
    at = data.find(b"jxlc") + 4
    if at < 4:
        at = data.find(b"jxlp") + 8
    return data[at : at + 100]


def _needs(name: str, kind: str, extra: str) -> InputError:
    return InputError(f"{name}: is {kind}; to read it, run pip install 'twinshot[{extra}]'")


def encode_webp(pixels: NDArray[np.uint8], metadata: Metadata, block: exif.Exif, quality: int = _QUALITY) -> bytes:
    """A WebP file of 8-bit RGB pixels."""
    out = BytesIO()
    options = {"icc_profile": metadata.icc or None, "exif": exif.block_of(block), "xmp": metadata.xmp}
    Image.fromarray(pixels).save(out, "WEBP", quality=quality, **options)
    return out.getvalue()
