"""The command: all of its parts, and how it ends."""

from __future__ import annotations

import signal
import sys
import threading
from io import TextIOWrapper
from types import FrameType

from ..picture.errors import TwinshotError
from .app import Command, app, err, show_traceback, words_of
from .lab import benchmark, export, synth, train
from .models import models
from .restore import restore
from .serve import serve

for command in (restore, models, synth, train, export, benchmark, serve):  # as the help lists them
    app.command(cls=Command)(command)

_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has but one


def main() -> None:
    """Run the command, and say in a line why it failed: exit code 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show is no reason to fail
    clean_up_when_ended()
    try:
        app()
    except (TwinshotError, OSError, MemoryError) as error:
        show_traceback(error)
        err.print(f"twinshot: {words_of(error)}", style="red", markup=False)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code in (130, *(128 + number for number in _ENDINGS)):
            err.print("twinshot: stopped; no half-written file was left behind", markup=False)
        raise


def clean_up_when_ended() -> None:
    """Have other ways to end a process clear away what is half-written, as Ctrl-C does; what `nohup` set, stays."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
