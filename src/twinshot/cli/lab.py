"""The commands of the laboratory: `synth`, `train`, `export` and `benchmark`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape
from rich.table import Table

from ..picture.errors import TwinshotError
from .app import need, out

if TYPE_CHECKING:
    from ..bench.results import SetResults
    from ..export.quantise import Frames
    from ..train.loop import Row

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="TWINSHOT_DATA",
        help="Data folder with photos/train and photos/val; frames/train and frames/val are optional.",
    ),
]


def synth(
    source: Annotated[
        Path, typer.Argument(help="A folder of photographs, or of folders with numbered high-speed frames.")
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="Folder to write: noisy/, blurry/, sharp/ and meta.jsonl; with --on, tar files and manifest.parquet.",
        ),
    ],
    profile: Annotated[
        str,
        typer.Option(help="paper (GOPRO2), camera, sensors, phone, bracket, gopro (sharp at the middle), gaussian."),
    ] = "paper",
    count: Annotated[
        int | None, typer.Option(min=1, help="How many triples; high-speed frames give at most one per window.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed: the same seed gives the same bytes.")] = 0,
    side: Annotated[
        int | None, typer.Option(min=16, help="Size in px of the square views cut from photographs.")
    ] = None,
    burst: Annotated[int, typer.Option(min=1, help="Short frames per triple; with 2 or more they go to burst/.")] = 1,
    on: Annotated[
        str | None,
        typer.Option(help="Make them with Ray: local, auto or ray://HOST:PORT, as for restore."),
    ] = None,
) -> None:
    """Make training or test triples from sharp photographs. An interrupted call resumes where it stopped."""
    from ..synth.triples import Plan, write_triples

    plan, files = Plan(profile, count, seed, side, burst), ""
    if on:
        need("ray", "distributed")
        from ..distributed.places import place
        from ..distributed.synthesis import write_shards

        total, shards = write_shards(source, place(output), plan, on)
        files = f" in {shards} tar file{'' if shards == 1 else 's'}"
    else:
        total = write_triples(source, Path(output), plan)
    line = f"{output}: {total} triple{'' if total == 1 else 's'}{files}"
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def train(
    recipes: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECIPE...", help="Recipe files, as in recipes/; several are trained together on the same batches."
        ),
    ],
    data: DataRoot = None,
    runs: Annotated[Path, typer.Option(help="Folder for the training runs.")] = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint, if there is one.")] = False,
    on: Annotated[
        str | None,
        typer.Option(help="Train with Ray, on this machine (local) or on a cluster (ray://HOST:PORT, or auto)."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="How many processes train together with --on; they share out each batch.")
    ] = 1,
) -> None:
    """Train a network from a recipe, on a GPU if there is one; or train several side by side."""
    need("torch", "train")
    from ..train.config import load_recipe
    from ..train.loop import train as run

    if on:
        need("ray", "distributed")
        from ..distributed.training import train as run_on

        run = partial(run_on, on=on, workers=workers)
    elif workers > 1:
        raise TwinshotError("--workers needs --on; or start the processes with torchrun (docs/scale.md)")
    for checkpoint in run([load_recipe(recipe) for recipe in recipes], _data_root(data), runs, resume, _print_row):
        out.print(f"{checkpoint}: done", markup=False, highlight=False, soft_wrap=True)


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run's checkpoint.pt.")],
    name: Annotated[str, typer.Option(help="Name for the model.")],
    weights: Annotated[Path, typer.Option(help="Folder for the ONNX files and their manifest.")],
    trained_on: Annotated[str, typer.Option(help="Note on the training data, for the manifest.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the manifest.")] = "",
    fallback: Annotated[str, typer.Option(help="Model to fall back on when the frames do not match.")] = "",
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Also write an 8-bit integer version, calibrated on pictures from --data."),
    ] = False,
    data: DataRoot = None,
) -> None:
    """Export a trained network to ONNX and add it to a manifest, so that `restore --model NAME` finds it."""
    need("torch", "train")
    from ..engines.models import as_table
    from ..export.checkpoint import read_checkpoint
    from ..export.release import add_to_manifest
    from ..train.data import calibration

    pairs: Sequence[Frames] = ()
    if calibrate:
        pairs = calibration(_data_root(data), read_checkpoint(checkpoint).recipe["data"]["profiles"])
    card = add_to_manifest(checkpoint, name, weights, trained_on, licence, fallback, pairs)
    out.print_json(json.dumps({key: value for key, value in as_table(card).items() if key != "training"}))


def benchmark(
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A folder of triples or of GOPRO_Large, or the name of a set; may be repeated."),
    ] = None,
    systems: Annotated[str | None, typer.Option(help="Systems to compare, separated by commas; default: all.")] = None,
    output: Annotated[Path, typer.Option("--out", help="Folder for results.json and report.html.")] = Path("benchmark"),
    data: DataRoot = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the noise and motion of generated sets.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Use a few small pictures: minutes instead of hours.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Parts to run, separated by commas: quality, reference, speed, robustness.")
    ] = None,
) -> None:
    """Compare systems on sets of pictures: quality, speed, robustness, and a report to read in a browser.

    Without --set: every named set that the data root has, or pictures of scikit-image. What an earlier call left in
    --out is kept where it is still true.
    """
    from ..bench.benchmark import Options, Part, benchmark

    names, parts = _listed(systems), cast(tuple[Part, ...], _listed(only))
    with out.status("benchmark") as status:
        options = Options(tuple(sets or ()), names, data, output, seed, quick, parts)
        results = benchmark(options, lambda line: status.update(escape(line)))
    for name, scores in results.sets.items():
        out.print(_scores(name, scores))
    out.print(f"{output / 'report.html'}: the full report", markup=False, highlight=False, soft_wrap=True)


def _scores(name: str, results: SetResults) -> Table:
    """One set's results, convention `paper`."""
    table = Table("system", "PSNR", "SSIM", "s / picture", title=escape(f"{name}: {results.pictures} pictures"))
    for system, row in results.systems.items():
        figures = ((row.psnr, ".2f"), (row.ssim_paper, ".4f"), (row.seconds, ".2f"))
        cells = ["" if figure is None else format(figure, form) for figure, form in figures]
        table.add_row(escape(system), *([escape(row.error)] if row.error else cells))
    return table


def _print_row(row: Row) -> None:
    cells = (f"{key} {_cell(value)}" for key, value in row.items())
    out.print("  ".join(cells), markup=False, highlight=False, soft_wrap=True)


def _cell(value: float | str | dict[str, float]) -> str:
    """A value of a training's log, which for a validation is the PSNR on each set."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {psnr:.2f} dB" for name, psnr in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()


def _data_root(data: Path | None) -> Path:
    if data is None or not data.is_dir():
        where = f"{data} is not a folder" if data else "none was named"
        raise TwinshotError(f"this needs a data folder, and {where}; give --data DIR or set TWINSHOT_DATA")
    return data
