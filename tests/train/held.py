"""The command, whose training waits before its last step: who means to kill it before its end cannot be too late."""

from __future__ import annotations

from threading import Event

from twinshot.cli.main import main
from twinshot.train.data import Validation
from twinshot.train.loop import Run
from twinshot.train.pool import Triple

advance = Run.advance


def advance_but_last(run: Run, batch: Triple, waited: float, held_out: Validation) -> None:
    if run.state.step == run.recipe.steps - 1:
        Event().wait()
    advance(run, batch, waited, held_out)


if __name__ == "__main__":  # not in the processes that it starts, which load this file, too
    Run.advance = advance_but_last  # type: ignore[method-assign]
    main()
