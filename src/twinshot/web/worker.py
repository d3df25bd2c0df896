"""The process that decodes and restores: one task at a time, JSON lines in and out.

    {"task": "restore", "id": ..., "folder": ..., ...}  ->  {"event": "progress" | "layers" | "done" | "failed", ...}
    {"cancel": id}                                      ->  the task of that id ends with {"event": "cancelled"}

It ends with its server: a closed input is the sign.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import atomic
from ..picture.errors import OutputError, TwinshotError

if TYPE_CHECKING:
    from ..match.prepare import Prepared
    from ..match.swap import Ordered
    from ..picture.pair import Frame, Pair
    from ..picture.settings import Settings
    from ..progress import Clock, Progress
    from ..restored import Restored

Task = dict[str, Any]
Say = Callable[..., None]
MARGIN = 96  # px around the part of a quick preview, which the network sees and nobody else
_NICE = 5  # the server answers first


class CancelledByClientError(Exception):
    """The client does not want the picture any more."""


class Inbox:
    """Tasks in their order, and which of them are cancelled; read on a thread of its own."""

    def __init__(self) -> None:
        self.tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self.cancelled: set[str] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if "cancel" in message:
                self.cancelled.add(message["cancel"])
            else:
                self.tasks.put(message)
        os._exit(0)  # the server is gone, and so is the reason for whatever runs


def main() -> None:
    """Work until the server closes the input."""
    answers = _own_output()
    _step_back()

    def say(event: str, **more: Any) -> None:
        answers.write(json.dumps({"event": event, **more}) + "\n")
        answers.flush()

    inbox = Inbox()
    say("ready")
    while True:
        task = inbox.tasks.get()
        _do(task, inbox, say)


def _own_output() -> Any:
    """The answers' stream; whatever libraries print goes nowhere, so that it can neither mix nor tell."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return answers


def _step_back() -> None:
    """Let the server go first, on the processor and, on Linux, for memory."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    scores = Path("/proc/self/oom_score_adj")
    if scores.exists():
        scores.write_text("500", "ascii")


def _do(task: Task, inbox: Inbox, say: Say) -> None:
    def report(stage: str, fraction: float) -> None:
        if task["id"] in inbox.cancelled:
            raise CancelledByClientError
        say("progress", stage=stage, fraction=round(fraction, 4))

    try:
        say("done", **TASKS[task["task"]](task, report, say))
    except CancelledByClientError:
        say("cancelled")
    except (TwinshotError, OSError) as error:
        say("failed", **_failure(error, task))
    except MemoryError:
        say("failed", kind="invalid-input", detail="There is not enough memory for pictures of this size. Crop them.")
    except Exception as error:  # a bug must not end the server's only worker, and its text may hold a path
        say("failed", kind="worker-failed", detail=f"twinshot met a bug ({type(error).__name__}). Please report it.")
    finally:
        inbox.cancelled.discard(task["id"])


def _failure(error: TwinshotError | OSError, task: Task) -> dict[str, str]:
    """What a client is told: of a file that cannot be written the reason, as the server chose its folder."""
    cause = error.__cause__ if isinstance(error, OutputError) else error
    if not isinstance(cause, OSError):
        return {"kind": "invalid-input", "detail": _without_paths(str(error), task)}
    full = cause.errno in atomic.DISK_FULL
    kind, what = ("storage-full", "The disk is full") if full else ("worker-failed", "A file was lost")
    return {"kind": kind, "detail": f"{what} ({cause.strerror}). Try again later."}


def _without_paths(message: str, task: Task) -> str:
    """A message in the client's names for its files, not in the server's."""
    for photo in task.get("photos", ()):
        message = message.replace(str(Path(task["folder"], photo["file"])), photo["name"])
    return message.replace(task["folder"], "")


Report = Callable[[str, float], None]


def _warm(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Load what the first picture would wait for; the engine keeps it."""
    import numpy as np

    from .. import restoration  # noqa: F401
    from ..engines.loading import load_model

    empty = np.zeros((1, 3, 256, 256), np.float32)
    load_model(task["model"]).run(empty, empty)
    return {}


def _restore(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Read the photographs, show them, restore, show the result and keep it for downloads."""
    import numpy as np

    from ..progress import DOING
    from . import layers

    folder = Path(task["folder"])
    report("reading", 0.0)
    photos = _of_one_size(_read(task), task, report)
    shown = photos.shown
    for name, frame in shown.items():
        layers.write(folder, name, frame.pixels, frame.metadata.icc)
    height, width = shown["short"].size
    bits = max(frame.metadata.bits for frame in shown.values())
    say("layers", size=[width, height], bits=bits, roles=photos.roles)
    restored = _restored(
        photos.frames, task, lambda stage, done, total: report(DOING[stage], done / total), photos.clock
    )
    report("writing", 1.0)
    layers.write(folder, "result", restored.pixels, restored.metadata.icc)
    if restored.trust is not None:
        layers.write(folder, "trust", np.dstack([restored.trust] * 3))
    with (folder / "restored.pickle").open("wb") as file:
        pickle.dump(restored, file, pickle.HIGHEST_PROTOCOL)
    return {"report": restored.report}


@dataclass(frozen=True)
class _Photographs:
    """What was read: the frames in their order, matched if they had to be; each photograph's role; the time it took."""

    frames: Ordered | Prepared | Frame
    roles: list[str]
    clock: Clock | None = None

    @property
    def shown(self) -> dict[str, Frame]:
        """The frames by the names of their layers; a burst without a long one has but the short one."""
        from ..picture.pair import Frame

        if isinstance(self.frames, Frame):
            return {"short": self.frames}
        return {"short": self.frames.pair.noisy, "long": self.frames.pair.blurry}


def _of_one_size(photos: _Photographs, task: Task, report: Report) -> _Photographs:
    """Frames that can be shown over each other: those of two sizes once they are matched. Raises MismatchError."""
    from ..match.prepare import prepare
    from ..match.swap import Ordered
    from ..progress import DOING, Clock

    if not isinstance(photos.frames, Ordered) or photos.frames.pair.noisy.size == photos.frames.pair.blurry.size:
        return photos
    clock = Clock()
    report(DOING["match"], 0.0)
    matched = prepare(photos.frames, _settings(task))
    clock.lap("match")
    return _Photographs(matched, photos.roles, clock)


def _read(task: Task) -> _Photographs:
    """The photographs in the client's names, the short ones merged and first, as the command would order them."""
    from ..batch import in_order
    from ..picture.pair import Frame
    from ..restoration import read_frames

    paths = [Path(task["folder"], photo["file"]) for photo in task["photos"]]
    roles = task["roles"] or _roles(paths)
    short = [path for path, role in zip(paths, roles, strict=True) if role == "short"]
    long = next((path for path, role in zip(paths, roles, strict=True) if role == "long"), None)
    read = read_frames(short if len(short) > 1 or not long else short[0], long)
    frames = in_order(_renamed(read, task), _settings(task))
    if not isinstance(frames, Frame) and frames.swapped:
        roles = ["long" if role == "short" else "short" for role in roles]
    return _Photographs(frames, roles)


def _roles(paths: list[Path]) -> list[str]:
    """Which is which, where nobody says; of two, reading them tells."""
    from ..batch import roles

    long = paths[1] if len(paths) == 2 else roles(paths)[1]
    return ["long" if path == long else "short" for path in paths]


def _renamed(frames: Pair | Frame, task: Task) -> Pair | Frame:
    """Frames that go by the client's names for their files."""
    from ..picture.pair import Pair

    if isinstance(frames, Pair):
        return Pair(*(_named(frame, task) for frame in (frames.noisy, frames.blurry)))
    return _named(frames, task)


def _named(frame: Frame, task: Task) -> Frame:
    notes = tuple(_without_paths(note, task) for note in frame.metadata.notes)
    return replace(frame, name=_without_paths(frame.name, task), metadata=replace(frame.metadata, notes=notes))


def _restored(
    frames: Pair | Ordered | Prepared | Frame, task: Task, progress: Progress | None, clock: Clock | None = None
) -> Restored:
    from ..engines.loading import load_model
    from ..restoration import restore_frames

    return restore_frames(frames, load_model(task["options"]["model"]), progress, clock, _settings(task))


def _settings(task: Task) -> Settings:
    """The knobs; which frames of a burst are short was settled before they were merged."""
    from ..picture.settings import Settings

    knobs = {name: value for name, value in task["options"].items() if name != "model"}
    return Settings(keep_order=task["keep_order"] or len(task.get("photos", ())) > 2, **knobs)


def _quick(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Restore a part at once, from what is shown, and write it as a JPEG file."""
    import numpy as np

    from ..picture.levels import eight_bit
    from ..picture.pair import Frame, Pair
    from . import layers

    folder = Path(task["folder"])
    left, top, width, height = task["box"]
    rows, columns = (
        slice(max(start - MARGIN, 0), start + side + MARGIN) for start, side in ((top, height), (left, width))
    )
    names = [name for name in ("short", "long") if layers.size(folder, name)]
    whole = [np.load(folder / f"{name}-0.npy", mmap_mode="r", allow_pickle=False) for name in names]
    parts = [Frame(np.ascontiguousarray(one[rows, columns]), name) for one, name in zip(whole, names, strict=True)]
    restored = _restored(Pair(*parts) if len(parts) == 2 else parts[0], task, None)
    inner = restored.pixels[top - rows.start :, left - columns.start :][:height, :width]
    (folder / task["output"]).write_bytes(layers.jpeg(eight_bit(inner), folder / "short.icc"))
    return {}


def _encode(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Write the result as a file to download, by the same `save` that the command calls."""
    folder = Path(task["folder"])
    with (folder / "restored.pickle").open("rb") as file:
        restored = pickle.load(file)
    restored.save(folder / task["output"], force=True, bits=task["bits"], quality=task["quality"])
    return {}


def _choose(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Which of a folder's files are worth a look, by their names."""
    from ..files.glance import pictures_of

    paths = [Path(name) for name in task["names"]]
    pictures = set(pictures_of(paths))
    return {"wanted": [place for place, path in enumerate(paths) if path in pictures]}


def _glance(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Keep what sorting needs to know of a photograph, under the client's name, by which it is sorted."""
    from ..files.glance import glance

    folder, (photo,) = Path(task["folder"]), task["photos"]
    shot = replace(glance(folder / photo["file"]), path=Path(task["name"]))
    (folder / f"{task['place']}.shot").write_bytes(pickle.dumps(shot))
    return {}


def _group(task: Task, report: Report, say: Say) -> dict[str, Any]:
    """Which of the photographs that were looked at make a picture, by their places; and those without a partner."""
    from ..groups import scenes

    files = {int(path.stem): path for path in Path(task["folder"]).glob("*.shot")}
    shots = {place: pickle.loads(files[place].read_bytes()) for place in sorted(files)}
    places = {id(shot): place for place, shot in shots.items()}
    groups, alone = scenes(list(shots.values()))
    pictures = [
        {
            "short": [places[id(shot)] for shot in scene.short],
            "long": places[id(scene.long)] if scene.long else None,
            "left": [places[id(shot)] for shot in scene.left],
            "unsure": scene.unsure,
        }
        for scene in groups
    ]
    return {"pictures": pictures, "alone": [places[id(shot)] for shot in alone]}


TASKS: dict[str, Callable[[Task, Report, Say], dict[str, Any]]] = {
    "warm": _warm,
    "restore": _restore,
    "quick": _quick,
    "encode": _encode,
    "choose": _choose,
    "glance": _glance,
    "group": _group,
}


if __name__ == "__main__":
    main()
