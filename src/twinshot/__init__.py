"""twinshot: one sharp, clean picture from a short noisy and a long blurry one.

import twinshot
twinshot.restore("noisy.jpg", "blurry.jpg").save("sharp.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pair import Pair, TwinshotError

if TYPE_CHECKING:
    from .engine import Model, load_model
    from .restore import Restored, restore

__version__ = "0.1.0"
__all__ = ["Model", "Pair", "Restored", "TwinshotError", "load_model", "restore"]


def __getattr__(name: str) -> Any:
    """Load OpenCV and the rest only when a picture is restored: `import twinshot` stays instant."""
    if name in ("restore", "Restored"):
        from .restore import Restored, restore

        # The function takes the place of the module of its name, which importing it has put there.
        globals().update(restore=restore, Restored=Restored)
    elif name in ("load_model", "Model"):
        from .engine import Model, load_model

        globals().update(load_model=load_model, Model=Model)
    else:
        raise AttributeError(f"module 'twinshot' has no attribute {name!r}")
    return globals()[name]
