"""A table of how files are read: python scripts/table_of_files.py FOLDER... (Markdown, a row a file)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from twinshot.files import io
from twinshot.picture.pair import TwinshotError


def row(path: Path, name: str) -> str:
    """What became of a file: size, depth, mean of its values and what is kept beside them; or why it is refused."""
    try:
        frame = io.read(path)
    except TwinshotError as error:
        return f"| {name} | refused | {str(error).removeprefix(f'{path}: ')} |"
    known, (height, width) = frame.metadata, frame.size
    largest = 1.0 if frame.pixels.dtype == np.float32 else float(np.iinfo(frame.pixels.dtype).max)
    kept = [part for part in ("exif", "icc", "xmp", "iptc") if getattr(known, part)]
    kind = " grey" if known.grey else ""
    what = [f"{width}x{height} {frame.pixels.dtype}{kind}", f"mean {frame.pixels.mean() / largest:.3f}"]
    return f"| {name} | {', '.join(what)} | {'; '.join([*filter(None, [' '.join(kept)]), *known.notes])} |"


if __name__ == "__main__":
    print("| file | read as | kept, and notes |\n| --- | --- | --- |")
    for folder in map(Path, sys.argv[1:]):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                print(row(path, f"{folder.name}/{path.relative_to(folder)}"), flush=True)
