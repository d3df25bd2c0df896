"""Changes files at random, led by what code they reach, until reading one goes wrong: needs the extra `fuzz`.

    python scripts/fuzz.py png FOLDER -max_total_time=300

FOLDER holds the files to begin with and gets those that reach further; what libFuzzer's options are is told by
`-help=1`. A file that crashes, takes over ten CPU seconds or over 2 GB is left in the working folder, and ends the run.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["twinshot.files", "tifffile", "PIL"]):
    from twinshot.files import developer, glance, io, pairs, png, raw
    from twinshot.picture.pair import TwinshotError, as_float
    from twinshot.restored import Restored

LIMITS = ("-timeout=120", "-rss_limit_mb=2048", "-max_len=70000", "-print_final_stats=1")
SECONDS = 10  # of CPU: a busy machine may take longer by the clock
SIDE = 16  # px of the picture that is written with what a file carries


def check(path: Path) -> None:
    """A file is read, with what is left of it, or refused; what it carries can be written into files of every kind."""
    try:
        frame = io.read(path, accept_damaged=True)
        glance.glance(path)
    except TwinshotError:
        return
    pixels = np.round(as_float(frame.pixels[:SIDE, :SIDE]) * 65535).astype(np.uint16)
    restored = Restored(pixels, {}, pairs.carried_alone(frame, "read"))
    for suffix in io.SUFFIXES:
        restored.encoded(suffix)


def with_sums(data: bytes, most: int, seed: int) -> bytes:
    """A changed PNG file whose checksums are right, without which none of its chunks would be looked at."""
    data = bytearray(atheris.Mutate(data, most))
    place = len(png.SIGNATURE)
    while place + 12 <= len(data):
        size = struct.unpack(">I", data[place : place + 4])[0]
        end = place + 8 + size
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data[:most])


def main(kind: str, options: list[str]) -> None:
    """Read changed files of a kind, which is what their names end with; options are libFuzzer's."""
    developer.develop = lambda data, name, accept_damaged, sensor: raw.decode(data, name, sensor)  # in this process
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"

        def run(data: bytes) -> None:
            path.write_bytes(data)
            begun = time.process_time()
            check(path)
            if (spent := time.process_time() - begun) > SECONDS:
                raise TimeoutError(f"{spent:.1f} s")

        more = {"custom_mutator": with_sums} if kind == "png" else {}
        atheris.Setup([sys.argv[0], *LIMITS, *options], run, **more)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
