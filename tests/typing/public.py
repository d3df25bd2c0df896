"""The public interface as a user's type checker sees it; checked by mypy, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import twinshot


def files() -> None:
    restored = twinshot.restore("noisy.jpg", Path("blurry.jpg"))
    assert_type(restored, twinshot.Restored)
    assert_type(restored.pixels, NDArray[np.uint16])
    assert_type(restored.image, NDArray[np.float32])
    assert_type(restored.report, twinshot.Report)
    assert_type(restored.report["shift"], list[float] | None)
    assert_type(restored.warnings, tuple[twinshot.Caution, ...])
    assert_type(restored.warnings[0].code, str)
    restored.save(Path("sharp.png"), force=True)


def arrays(noisy: NDArray[np.uint8], blurry: NDArray[np.float64]) -> None:
    twinshot.restore(noisy, blurry, model="twin", engine="openvino")
    pair = twinshot.Pair(twinshot.Frame(noisy, exposure=0.01), twinshot.Frame(blurry, icc=b"", bits=16))
    twinshot.restore(noisy, blurry, settings=twinshot.Settings(strength=0.7, light="short"))
    twinshot.restore(pair, progress=lambda stage, done, total: print(stage, done / total))


def models() -> None:
    model = twinshot.load_model("twin", "onnx")
    assert_type(model, twinshot.Model)
    assert_type(model.card.sha256, str)
    twinshot.restore("noisy.jpg", "blurry.jpg", model=model)


def errors() -> None:
    for kind in (twinshot.InputError, twinshot.MismatchError, twinshot.ModelError, twinshot.OutputError):
        assert issubclass(kind, twinshot.TwinshotError)


def what_is_refused() -> None:
    twinshot.restore("noisy.jpg", "blurry.jpg", "twin")  # type: ignore[call-arg]
    twinshot.restore("noisy.jpg", 3)  # type: ignore[arg-type]
    twinshot.restore("noisy.jpg", "blurry.jpg", progress=print, tiles=2)  # type: ignore[call-arg]
    twinshot.sharpen  # type: ignore[attr-defined]  # noqa: B018
