"""What `restore` was asked for, whether of one picture or of many."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..picture.errors import InputError
from . import app as shared

if TYPE_CHECKING:
    from rich.console import Console

    from ..engines.loading import Model
    from ..picture.settings import Settings
    from ..restored import Restored

STREAM = "-"
"""The name that stands for standard output."""


@dataclass(frozen=True)
class Wish:
    """What was asked for beside the frames."""

    output: str | None
    report: str | None
    model: str
    engine: str
    settings: Settings
    bits: int | None
    strip: bool
    quality: int | None
    quiet: bool
    force: bool
    trust_map: Path | None
    on: str | None = None

    @property
    def console(self) -> Console:
        """Where words do not get in the way of a picture or a report on standard output."""
        return shared.err if STREAM in (self.output, self.report) else shared.out

    @property
    def says(self) -> Callable[[str], None]:
        """Prints a line there."""
        return lambda line: self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def network(self) -> Model:
        """The model, to be loaded once it is needed."""
        from ..engines.loading import load_model

        return load_model(self.model, self.engine)

    def save(self, result: Restored, path: Path) -> None:
        """Write a result."""
        result.save(path, self.force, self.bits, self.strip, self.quality)

    def write_report(self, report: Any) -> None:
        """Write what was decided as JSON, where that is asked for."""
        from ..files import atomic

        text = json.dumps(report, indent=2)
        if self.report == STREAM:
            sys.stdout.write(f"{text}\n")
        elif self.report:
            atomic.write_bytes(Path(self.report), text.encode())


def check_there(paths: Sequence[Path]) -> None:
    """Refuse a name that nothing has, before it is taken for a file where a folder was meant, or the other way."""
    for path in paths:
        if not os.path.lexists(path):  # a name may be too long for a Path's
            raise InputError(f"{path}: no such file or folder; check the name")
