"""What stands beside the pixels of Canon's CR3 files, in boxes as an MP4 film's (ISO/IEC 14496-12)."""

from __future__ import annotations

from dataclasses import replace

from . import exif

_XMP = b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac"


def is_cr3(data: bytes) -> bool:
    """Whether a file is one, by its first bytes."""
    return data[4:12] == b"ftypcrx "


def exif_of(data: bytes) -> exif.Exif:
    """EXIF, whose directories are a small TIFF file each.

    The maker's note is left out: it counts from the start of a file of its own, and no block of EXIF can hold it so.
    """
    main, camera, gps = (exif.parse(_payload(data, kind)) for kind in (b"CMT1", b"CMT2", b"CMT4"))
    same = {part.order for part in (main, camera, gps) if part} == {main.order}
    return replace(main, camera=camera.main, gps=gps.main) if same else main


def xmp_of(data: bytes) -> bytes:
    """The packet; empty where there is none."""
    return _payload(data, b"uuid" + _XMP)


def _payload(data: bytes, name: bytes) -> bytes:
    """What the first box of a name holds; empty where there is none."""
    at = data.find(name)
    size = int.from_bytes(data[at - 4 : at], "big") if at >= 4 else 0
    return data[at + len(name) : at - 4 + size]
