"""The picture that was made, what was decided on the way, and how both are saved and shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .files import atomic, io
from .match.prepare import Caution
from .picture.encoding import Image
from .picture.errors import OutputError
from .picture.levels import eight_bit
from .picture.pair import Metadata, as_float
from .report import Report

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, eq=False)
class Restored:
    """The picture, and what was decided on the way.

    Attributes:
        pixels: uint16 (H, W, 3), RGB, sRGB-encoded, in the noisy frame's geometry.
        report: tone, shift and confidence, model, seconds a stage, warnings: plain values, ready for JSON.
        metadata: of the noisy frame, with the blurry one's profile, and the bit depth to save with.
        warnings: what a user would want to know; also in the report, and told to the logger "twinshot".
        sources: files it was made of, which it is never saved over.
        trust: uint8 (H, W), how far each pixel leans on the long frame: 0 not at all, 255 wholly; None unless the
            settings ask for it.
    """

    pixels: NDArray[np.uint16] = field(repr=False)
    report: Report
    metadata: Metadata = field(repr=False)
    warnings: tuple[Caution, ...] = ()
    sources: tuple[Path, ...] = ()
    trust: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def image(self) -> Image:
        """The picture as float32 (H, W, 3), RGB, sRGB-encoded in [0, 1]."""
        return as_float(self.pixels)

    def made_of(self, sources: Iterable[Path]) -> Restored:
        """The same, which is never saved over these files, whatever folder the process goes to."""
        return replace(self, sources=tuple(path.absolute() for path in sources))

    def save(
        self,
        path: str | os.PathLike[str],
        force: bool = False,
        bits: int | None = None,
        strip: bool = False,
        quality: int | None = None,
    ) -> None:
        """Write the picture with the noisy frame's metadata and the blurry one's colour profile.

        Args:
            path: its suffix says the format.
            force: replace an existing file.
            bits: 8, 16, or 32 for linear light as float; None for the inputs' depth, as far as the format holds it.
            strip: leave out all metadata but the profile.
            quality: of JPEG and WebP, 1 to 100; None: 95.

        Raises OutputError where the path cannot be written, is a source's, or exists and `force` is not given.
        """
        target = atomic.path_of(path, "the output")
        io.check_output(target, self.sources, force, bits)
        io.write(target, *self._as_stored(target, bits, strip), quality)

    def save_trust_map(self, path: str | os.PathLike[str], force: bool = False) -> None:
        """Write `trust` as a grey PNG: white where the result leans on the long frame.

        Raises OutputError as `save` does, or where there is no map.
        """
        target = atomic.path_of(path, "the trust map")
        check_trust_map(target, self.sources, force)
        if self.trust is None:
            raise OutputError(f"{target}: there is no trust map; restore with Settings(trust_map=True)")
        atomic.write_bytes(target, cv2.imencode(".png", self.trust)[1].tobytes())

    def encoded(self, suffix: str, bits: int | None = None, strip: bool = False, quality: int | None = None) -> bytes:
        """The bytes of a file whose name ends with this suffix; PNG for one that cannot be written."""
        target = Path(f"picture{suffix if suffix.lower() in io.SUFFIXES else '.png'}")
        out = BytesIO()
        io.encoder(target, *self._as_stored(target, bits, strip), quality)(out)
        return out.getvalue()

    def _as_stored(self, target: Path, bits: int | None, strip: bool) -> tuple[NDArray[Any], Metadata]:
        """Pixels of the depth that a file will have, and what goes beside them."""
        depth = io.depth_for(target, bits or min(self.metadata.bits, 16))
        pixels: NDArray[Any] = self.pixels
        if depth != 16:
            pixels = eight_bit(self.pixels) if depth == 8 else as_float(self.pixels)
        return pixels, io.stripped(self.metadata) if strip else self.metadata

    def to_pil(self) -> PIL.Image.Image:
        """The picture as an 8-bit Pillow image, with its colour profile in `info`."""
        import PIL.Image

        image = PIL.Image.fromarray(eight_bit(self.pixels))
        if self.metadata.icc:
            image.info["icc_profile"] = self.metadata.icc
        return image

    def _repr_png_(self) -> bytes:
        """What a notebook shows: at most 1024 px a side."""
        image = self.to_pil()
        image.thumbnail((1024, 1024))
        out = BytesIO()
        image.save(out, "PNG")
        return out.getvalue()


def check_trust_map(path: Path, taken: tuple[Path, ...], force: bool) -> None:
    """Refuse, before any work, a name that a trust map could not or should not be written to. Raises OutputError."""
    if path.suffix.lower() != ".png":
        raise OutputError(f"{path}: a trust map is a PNG file; let its name end with .png")
    atomic.check_target(path, taken, force)
