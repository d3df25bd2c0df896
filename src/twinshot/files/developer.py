"""The process in which a raw file is developed.

LibRaw, and libjpeg in it, say on standard error what they find damaged, and go on with what is left; rawpy has no other
way to hear it. In a process of its own it is heard, nothing reaches the user's terminal, and a file over which LibRaw
breaks down takes nothing else with it.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from typing import IO, cast

from ..picture.errors import InputError
from ..picture.pair import Frame, Sensor
from . import raw

_DAMAGE = re.compile(r"(?<=^unknown file: ).+|^(?:Corrupt JPEG|Premature end).+", re.MULTILINE)


def develop(data: bytes, name: str, accept_damaged: bool, sensor: Sensor | None = None) -> Frame:
    """A raw file's frame, as `raw.decode`, in a new process; damage that was accepted is noted.

    Raises:
        InputError: as `raw.decode`, or LibRaw finds damage or breaks down.
    """
    result, words = _answer((data, name, sensor))
    if result is None:
        raise InputError(
            f"{name}: LibRaw broke down on it: the file is damaged or of a rare kind, or memory ran out; "
            "copy it again, or export it as 16-bit TIFF"
        )
    damage = _DAMAGE.search(words)
    return _checked(result, name, damage[0] if damage else "", accept_damaged)


def _answer(arguments: tuple[bytes, str, Sensor | None]) -> tuple[Frame | Exception | None, str]:
    """What a new process makes of a file, None where it ended before it had said, and its words on standard error.

    Pixels go through pipes in pieces: at 50 megapixels each further copy is 0.3 GB.
    """
    result, command = None, [sys.executable, "-m", __name__]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, env=env) as process,
    ):
        to, back = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        with suppress(OSError), to:  # it may have ended; Windows has no word of its own for that
            pickle.dump(arguments, to, protocol=5)
        with suppress(EOFError, pickle.UnpicklingError):
            result = pickle.load(back)
        code = process.wait()
        words.seek(0)
        return None if code else result, words.read().decode(errors="replace")


def _checked(result: Frame | Exception, name: str, damage: str, accept_damaged: bool) -> Frame:
    """The frame, unless there is none, or LibRaw said something and that is not accepted."""
    if isinstance(result, Exception):
        raise (InputError(f"{name}: the file is damaged or cut short ({damage}); copy it again") if damage else result)
    if damage and not accept_damaged:
        raise InputError(f"{name}: the file is damaged ({damage}); copy it again, or use what is left (accept_damaged)")
    note = f"is damaged ({damage}); what is left of it was used"
    return replace(result, metadata=result.metadata.noted(note)) if damage else result


def main() -> None:
    """Standard input has what `raw.decode` takes, standard output gets the frame, or the error."""
    try:
        result: Frame | Exception = raw.decode(*pickle.load(sys.stdin.buffer))
    except Exception as error:
        result = error
    pickle.dump(result, sys.stdout.buffer, protocol=5)


if __name__ == "__main__":
    main()
