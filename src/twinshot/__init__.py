"""twinshot: one sharp, clean picture from a short noisy and a long blurry one.

import twinshot
twinshot.restore("noisy.jpg", "blurry.jpg").save("sharp.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .picture.pair import Pair, TwinshotError

if TYPE_CHECKING:
    from .engines.loading import Model, load_model
    from .restoration import Restored, restore

__version__ = "0.1.0"
__all__ = ["Model", "Pair", "Restored", "TwinshotError", "load_model", "restore"]


_HOMES = {
    "restore": "restoration",
    "Restored": "restoration",
    "load_model": "engines.loading",
    "Model": "engines.loading",
}


def __getattr__(name: str) -> Any:
    """Load OpenCV and the rest only when a picture is restored: `import twinshot` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'twinshot' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted({*globals(), *__all__})
