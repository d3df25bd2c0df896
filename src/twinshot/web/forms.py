"""What the form of a restoration asks for: photographs, new or those of an earlier one, the model, and the knobs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from ..engines.models import manifest
from ..picture.errors import InputError
from ..picture.settings import Settings as Knobs
from .jobs import Desk, Job, Photo, Roles
from .names import shown, suffix_of
from .problems import Problem

DEFAULT_MODEL = "twin"
MOST_PHOTOS = 17
"""Short frames that a burst takes, and the long one."""
_FILES = ("short", "long", "photo")
_NUMBERS, _WORDS = ("strength", "colour_strength", "gain"), ("tone", "light")
_SWITCHES = ("best", "trust_map")
_KNOBS = {*_NUMBERS, *_WORDS, *_SWITCHES}


async def add(desk: Desk, form: FormData) -> Job:
    """A job from a form: new photographs, or those of an earlier restoration again. Raises Problem."""
    fields = {key: value for key, value in form.multi_items() if isinstance(value, str)}
    _check_names(form, fields)
    chosen = await options(fields)
    earlier = desk.get(fields["of"]) if "of" in fields else None
    uploads, roles = ([], None) if earlier else _uploads(form)
    folder = desk.new_folder()
    try:
        if earlier:
            roles = _roles_of(fields.get("long_is"), earlier)
            await run_in_threadpool(_link, earlier, folder)
            return desk.add(folder, earlier.photos, roles or earlier.roles, earlier.keep_order or bool(roles), chosen)
        return desk.add(folder, await _store(uploads, folder), roles, False, chosen)
    except BaseException:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
        raise


def _uploads(form: FormData) -> tuple[list[UploadFile], Roles | None]:
    """The photographs, and which is which if the client says so."""
    short, long, any_ = ([item for item in form.getlist(name) if isinstance(item, UploadFile)] for name in _FILES)
    if len(any_) > 1 and not short and not long:
        return any_, None
    if any_ or len(long) > 1 or not short or len(short) + len(long) < 2:
        raise Problem(
            "invalid-input", "Send files: the short ones as `short` and the long one as `long`, or all as `photo`."
        )
    return [*short, *long], tuple("short" if item in short else "long" for item in (*short, *long))


def _roles_of(long_is: str | None, earlier: Job) -> Roles | None:
    """Each photograph's role where one is the long one, or none is; None where the client does not say."""
    if long_is is None:
        return None
    places = [str(place) for place in range(len(earlier.photos))]
    if long_is not in (*places, "none"):
        raise Problem("invalid-input", f"long_is must be one of: {', '.join(places)}, none.")
    return tuple("long" if place == long_is else "short" for place in places)


def _check_names(form: FormData, fields: dict[str, str]) -> None:
    """Refuse fields that nobody reads: a typing error would pass for a choice."""
    known = {"model", *_KNOBS} | ({"of", "long_is"} if "of" in fields else {*_FILES})
    if unknown := form.keys() - known:
        names, count = ", ".join(sorted(known)), len(unknown)
        raise Problem("invalid-input", f"{count} unknown field{'s' * (count > 1)}. The fields are: {names}.")


async def _store(uploads: list[UploadFile], folder: Path) -> tuple[Photo, ...]:
    """Write uploads under names of our own, of which only the kind is the client's."""
    photos = tuple(
        Photo(f"{letter}{suffix_of(upload.filename)}", shown(upload.filename, f"photo {letter}"))
        for letter, upload in zip(ascii_lowercase, uploads, strict=False)
    )
    for photo, upload in zip(photos, uploads, strict=True):
        await run_in_threadpool(_copy, upload, folder / photo.file)
    return photos


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file, 1 << 20)


def _link(earlier: Job, folder: Path) -> None:
    """The photographs of an earlier restoration, which may be removed before this one."""
    for photo in earlier.photos:
        os.link(earlier.folder / photo.file, folder / photo.file)


async def options(fields: dict[str, str]) -> dict[str, Any]:
    """What `restore` is called with: the model, and the knobs that were turned. Raises Problem for what cannot be."""
    model = fields.get("model", DEFAULT_MODEL)
    names = [entry["name"] for entry in await run_in_threadpool(models)]
    if model not in names:
        raise Problem("invalid-input", f"There is no such model. Choose one of: {', '.join(names)}.")
    return {"model": model, **knobs(fields)}


def knobs(fields: dict[str, str]) -> dict[str, Any]:
    """The knobs that were turned, by their names in `Settings`. Raises Problem for what cannot be."""
    for name in _SWITCHES:
        if fields.get(name, "true") not in ("true", "false"):
            raise Problem("invalid-input", f"{name} must be one of: true, false.")
    try:
        values: dict[str, Any] = {name: float(fields[name]) for name in _NUMBERS if name in fields}
        values |= {name: fields[name] for name in _WORDS if name in fields}
        values |= {name: True for name in _SWITCHES if fields.get(name) == "true"}
        Knobs(**values)
    except InputError as error:
        raise Problem("invalid-input", f"{error}.") from error
    except ValueError as error:
        raise Problem("invalid-input", f"{', '.join(_NUMBERS)} must be numbers.") from error
    return values


def models() -> list[dict[str, Any]]:
    """The networks at hand, the default first."""
    cards = sorted(manifest().items(), key=lambda entry: entry[0] != DEFAULT_MODEL)
    return [
        {
            "name": name,
            "default": name == DEFAULT_MODEL,
            "trained_on": card.trained_on,
            "licence": card.licence,
            "quality": card.quality,
        }
        for name, card in cards
    ]
