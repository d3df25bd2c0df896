"""The compared systems by name: inputs as they are, classical methods, and networks."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..baselines import hdrplus, ringaby, yuan
from ..baselines.system import Shot, System, Takes
from ..engines.loading import Model, load_model
from ..engines.models import manifest
from ..picture.encoding import Image
from ..picture.pair import TwinshotError, as_float
from ..picture.window import window
from ..restoration import over_tiles, restore_pair

_SINGLE: dict[str, Takes] = {
    "deblurgan": "blurry",
    "srn": "blurry",
    "deepdeblur": "blurry",
    "dcdeblurgan": "blurry",
    "noise2noise": "noisy",
}
_WAY = (  # of a picture through a network
    *("engines/engine.py", "engines/loading.py", "engines/models.py", "engines/onnx.py", "engines/precision.py"),
    *("engines/tile.py", "picture/window.py", "restoration.py"),
)
_OWN_MODULES = ("hdrplus", "ringaby", "yuan")
_MEASURES = ("bench/koehler.py", "bench/metrics.py")
_SHARED = (
    *_WAY,
    *("files/atomic.py", "files/io.py", "match/align.py", "match/tone.py", "picture/encoding.py"),
    *("bench/datasets.py", "bench/koehler.py", "bench/metrics.py", "bench/systems.py"),
)


@dataclass(frozen=True)
class Plain:
    """A system that is one function."""

    name: str
    takes: Takes
    method: Callable[[Shot], Image]

    def restore(self, shot: Shot) -> Image:
        """See `System`. Raises TwinshotError where it takes a burst and the shot has none."""
        if self.takes == "burst" and not shot.burst:
            raise TwinshotError(
                "takes a burst, and this set has none; `twinshot synth --burst 11` makes sets with them"
            )
        return self.method(shot)


def system(name: str, engine: str = "onnx") -> System:
    """A system by its name; `engine` is what runs it, if it is a network.

    Raises:
        TwinshotError: unknown name or engine, or a network's weights are missing.
    """
    if name in CLASSICAL:
        return CLASSICAL[name]
    models = manifest()
    if name not in models:
        raise TwinshotError(f"no system is called {name!r}; choose of {', '.join(known_systems())}")
    takes = takes_of(models[name].training.recipe["net"])
    method = _from_blurry if takes == "blurry" else _from_pair
    model = load_model(name, engine)
    _ = model.run  # loaded now, so that no picture's seconds have it
    return Plain(name, takes, lambda shot: method(shot, model))


def known_systems() -> list[str]:
    """All names: inputs, classical methods, the networks at hand."""
    return [*CLASSICAL, *manifest()]


def version_of(name: str) -> str:
    """What a system's speed and curves depend on: itself, and all code on the way from files to figures."""
    return f"{identity_of(name)} {code_checksum(*_SHARED)}"


def identity_of(name: str) -> str:
    """What a system is: a network's checksum and what runs it, or its own module.

    A figure depends on this, on what the system was shown (`datasets.look`) and on `measures`.
    """
    models = manifest()
    if name in models:
        return f"{models[name].sha256[:12]} {code_checksum('bench/systems.py', *_WAY)}"
    return code_checksum("bench/systems.py", *([f"baselines/{name}.py"] if name in _OWN_MODULES else []))


def measures() -> str:
    """Checksum of the code that compares a picture with the truth."""
    return code_checksum(*_MEASURES)


@lru_cache
def code_checksum(*files: str) -> str:
    """Of what files of the package do: comments, docstrings and imports may change. One that is missing is an error."""
    total = hashlib.sha256()
    for file in files:
        tree = _Bare().visit(ast.parse((Path(__file__).parents[1] / file).read_bytes()))
        total.update(ast.unparse(tree).encode())
    return total.hexdigest()[:12]


class _Bare(ast.NodeTransformer):
    """Takes away what changes no result: imports, which a move rewrites, and docstrings."""

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node


def takes_of(net: dict[str, Any]) -> Takes:
    """What a network is given, by its kind and settings in a recipe."""
    inputs: list[Takes] = net["settings"].get("inputs", [])
    return inputs[0] if len(inputs) == 1 else _SINGLE.get(net["kind"], "pair")


def _from_pair(shot: Shot, model: Model) -> Image:
    return restore_pair(shot.pair, model).image


def _from_blurry(shot: Shot, model: Model) -> Image:
    """The blurry frame as it is: the system is not told where the noisy one would have it."""
    frame = shot.pair.blurry

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        part = as_float(window(frame.pixels, top, left, size))
        return part, part

    return as_float(over_tiles(model, frame.size, parts))


def _nlm(shot: Shot) -> Image:
    """OpenCV's non-local means, its strength the true noise."""
    strength, reversed_ = 255 * shot.sigma, np.ascontiguousarray(_bytes(shot.noisy)[..., ::-1])
    clean = cv2.fastNlMeansDenoisingColored(reversed_, None, strength, strength, 7, 21)
    return as_float(np.ascontiguousarray(clean[..., ::-1]))


def _bm3d(shot: Shot) -> Image:
    """BM3D in its colour form (package bm3d), told the true noise."""
    try:
        import bm3d
    except ImportError as error:
        raise TwinshotError("BM3D needs its package: pip install 'twinshot[bench]'") from error
    return np.asarray(np.clip(bm3d.bm3d_rgb(shot.noisy, shot.sigma), 0, 1), np.float32)


def _wavelet(shot: Shot) -> Image:
    """scikit-image's wavelet shrinkage (BayesShrink in YCbCr), told the true noise."""
    try:
        from skimage.restoration import denoise_wavelet
    except ImportError as error:
        raise TwinshotError("wavelets need scikit-image: pip install 'twinshot[bench]'") from error
    clean = denoise_wavelet(shot.noisy, shot.sigma, convert2ycbcr=True, channel_axis=-1, rescale_sigma=True)
    return np.asarray(np.clip(clean, 0, 1), np.float32)


def _mean(shot: Shot) -> Image:
    """The burst's plain mean: what its alignment and its merging are worth is measured from here."""
    return np.asarray(np.mean(shot.burst, axis=0), np.float32)


def _hdrplus(shot: Shot) -> Image:
    return hdrplus.merge(shot.burst, hdrplus.Noise(shot.sigma))


def _ringaby(shot: Shot) -> Image:
    return ringaby.stack(shot.burst).image


def _yuan(shot: Shot) -> Image:
    """Yuan et al. start from a denoised frame, which non-local means makes here, and take registered frames."""
    return yuan.deblur(_nlm(shot), shot.registered)


def _bytes(image: Image) -> np.typing.NDArray[np.uint8]:
    return np.round(image * 255).astype(np.uint8)


CLASSICAL: dict[str, System] = {
    found.name: found
    for found in (
        Plain("noisy", "noisy", lambda shot: shot.noisy),
        Plain("blurry", "blurry", lambda shot: shot.blurry),
        Plain("nlm", "noisy", _nlm),
        Plain("bm3d", "noisy", _bm3d),
        Plain("wavelet", "noisy", _wavelet),
        Plain("mean", "burst", _mean),
        Plain("hdrplus", "burst", _hdrplus),
        Plain("ringaby", "burst", _ringaby),
        Plain("yuan", "pair", _yuan),
    )
}
