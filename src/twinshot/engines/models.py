"""The models at hand: what is known of each, and whether its files are those that were listed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..picture.errors import ModelError

WEIGHTS = Path(__file__).parents[1] / "weights"
MORE_WEIGHTS = Path(__file__).parents[3] / "weights"
"""In a checkout: models too large, or too little use to photographers, for the package."""
_AGAIN = "install twinshot again, or export the model again"

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class IntegerGraph(Struct, frozen=True, forbid_unknown_fields=True):
    """The graph in 8-bit integers: its file, and the root mean square of what rounding changes on calibration pairs."""

    file: str
    sha256: Sha256
    rounding: float


class _Net(Struct):
    kind: str
    settings: dict[str, Any]


class _Data(Struct):
    batch: int
    crop: int


class _Recipe(Struct):
    """What is read of a recipe's table; there is more in it."""

    name: str
    net: _Net
    data: _Data


class Training(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a network was trained; `before` is how the one was that it began with.

    Attributes:
        recipe: the whole recipe as a table, as `train.config` reads it.
        steps, hours: of this training alone.
        device: cpu, or the GPU's name.
        before: the training of the model that this one started from.
    """

    recipe: dict[str, Any]
    steps: int
    hours: float
    device: str = "cpu"
    before: Training | None = None

    def __post_init__(self) -> None:
        """Raises msgspec.ValidationError for a recipe that lacks what others read of it."""
        msgspec.convert(self.recipe, _Recipe)


class Card(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a manifest says of a model.

    Attributes:
        file, sha256: the ONNX file beside the manifest.
        about, source: what it is, in words, and where it comes from; empty in older manifests.
        takes: what it looks at.
        multiple: what sides and places of the tiles it is given are multiples of.
        parameters: how many.
        flops_per_pixel: a multiplication and an addition count as two.
        half_precision_error: largest change of the output by storing the weights in half precision.
        training: how it was trained.
        int8: the graph in 8-bit integers, if there is one.
        trained_on, licence: of the data and the weights, in words.
        quality: by set, "PSNR dB / SSIM".
        checked: whether its pictures give way to the long frame where that one is sharp (`match.consistency`).
        fallback: the model that restores the noisy frame alone, for pairs whose other frame is no use.
        folder: where the manifest was found; not in the file.
    """

    file: str
    sha256: Sha256
    about: str = ""
    source: str = ""
    takes: Literal["pair", "noisy", "blurry"] = "pair"
    multiple: Annotated[int, Meta(ge=1)]
    parameters: int
    flops_per_pixel: float | None = None
    half_precision_error: float | None = None
    training: Training
    int8: IntegerGraph | None = None
    trained_on: str
    licence: str
    quality: dict[str, str]
    checked: bool = False
    fallback: str | None = None
    folder: str = ""

    @property
    def path(self) -> Path:
        """Of the ONNX file."""
        return Path(self.folder, self.file)


def manifest() -> dict[str, Card]:
    """The models at hand, by name: the package's, then those of TWINSHOT_WEIGHTS, or else of a checkout's `weights`.

    Raises ModelError for a broken manifest, or where the folder that was named is none.
    """
    named = os.environ.get("TWINSHOT_WEIGHTS")
    if named and not Path(named).is_dir():
        raise ModelError(f"{named}: no such folder; set TWINSHOT_WEIGHTS to a folder of models, or unset it")
    own, more = (
        {name: msgspec.structs.replace(card, folder=str(folder)) for name, card in read_manifest(folder).items()}
        for folder in (WEIGHTS, Path(named or MORE_WEIGHTS))
    )
    return {**own, **{name: card for name, card in more.items() if name not in own}}


def read_manifest(folder: Path) -> dict[str, Card]:
    """The entries of a folder of models; none where it has no manifest.json. Raises ModelError for a broken one."""
    path = folder / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Card]) if path.is_file() else {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: is not a valid list of models ({error}); export the models again") from error


def as_table(card: Card) -> dict[str, Any]:
    """The entry as it stands in the file."""
    table: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(card, folder=""))
    return table


def check_file(path: Path, checksum: str) -> None:
    """Raises ModelError where a file cannot be read, or its SHA-256 is another."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from error
    if found != checksum:
        raise ModelError(f"{path}: does not match the checksum in the manifest; {_AGAIN}")
