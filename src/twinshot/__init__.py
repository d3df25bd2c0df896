"""twinshot: one sharp, clean picture from a short noisy and a long blurry one.

import twinshot
twinshot.restore("noisy.jpg", "blurry.jpg").save("sharp.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .picture.errors import InputError, MismatchError, ModelError, OutputError, TwinshotError
from .picture.pair import Frame, Pair
from .picture.settings import Settings

if TYPE_CHECKING:
    from .batch import restore_many
    from .engines.loading import Model, load_model
    from .match.prepare import Caution
    from .report import Report
    from .restoration import restore
    from .restored import Restored

__all__ = [
    "Caution",
    "Frame",
    "InputError",
    "MismatchError",
    "Model",
    "ModelError",
    "OutputError",
    "Pair",
    "Report",
    "Restored",
    "Settings",
    "TwinshotError",
    "__version__",
    "load_model",
    "restore",
    "restore_many",
]


if not TYPE_CHECKING:  # for a type checker every name would be one of the module's

    def __getattr__(name: str) -> Any:
        """Load OpenCV and the rest only when a picture is restored: `import twinshot` stays instant."""
        if name == "Caution":
            from .match.prepare import Caution

            return Caution
        if name == "Report":
            from .report import Report

            return Report
        if name == "Restored":
            from .restored import Restored

            return Restored
        if name == "restore":
            from .restoration import restore

            return restore
        if name == "restore_many":
            from .batch import restore_many

            return restore_many
        if name in ("Model", "load_model"):
            from .engines import loading

            return getattr(loading, name)
        raise AttributeError(f"module 'twinshot' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted({*globals(), *__all__})
