"""The loop: killed at any moment and resumed, it ends as if nothing had happened."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, get_args

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from laboratory import Lab, as_toml, kill_at, rows_of, some_batch, tiny, tiny_table, without_seconds, workplace
from msgspec.structs import replace

from twinshot.engines.loading import load_model
from twinshot.files import atomic
from twinshot.picture.pair import TwinshotError
from twinshot.train import loop
from twinshot.train.config import Optimiser, Recipe, load_recipe, recipe_from
from twinshot.train.data import Validation
from twinshot.train.loop import Log, load_into, save, start_or_resume, train, validate
from twinshot.train.pool import CPU
from twinshot.train.step import STEPS, State, new_state

RECIPES = Path(__file__).parents[2] / "recipes"
KEYS = {"recipe", "step", "seconds", "device", "net", "average", "optimisers", "generator"}


def equal(a: Any, b: Any) -> bool:
    """To the last bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


# Killed and resumed


@pytest.mark.parametrize("kind", ["twin", "rnn"])
def test_killed_and_resumed_it_ends_with_the_same_losses(kind: str, lab: Lab, tmp_path: Path) -> None:
    recipe, step = tiny(kind), random.randrange(2, 20)
    whole, broken = workplace(lab, tmp_path / "whole"), workplace(lab, tmp_path / "broken")
    kill_at(step, tiny_table(kind), lab.root, broken)
    assert torch.load(broken / recipe.name / "checkpoint.pt")["step"] < recipe.steps
    (ended,) = train([recipe], lab.root, broken, resume=True, device=CPU)
    (unbroken,) = train([recipe], lab.root, whole, resume=False, device=CPU)
    assert rows_of(broken / recipe.name) == rows_of(whole / recipe.name), f"killed at step {step}"
    assert [row["step"] for row in rows_of(whole / recipe.name) if "loss" in row] == list(range(1, recipe.steps + 1))
    assert equal(without_seconds(torch.load(ended)), without_seconds(torch.load(unbroken)))


# GOPRO2 by its recipes


@pytest.fixture(scope="module")
def gopro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GOPRO_Large_all in the small, and nothing else: scenes of 2, 1 and 1 windows."""
    root: Path = tmp_path_factory.mktemp("GOPRO_Large_all")
    scenes = {"train/GOPR0001_11_00": 23, "train/GOPR0002_11_01": 11, "test/GOPR0003_11_00": 12}
    picture = skimage.data.astronaut()
    for start, (name, frames) in enumerate(scenes.items()):
        (root / name).mkdir(parents=True)
        for number in range(frames):
            left = 60 * start + 2 * number
            frame = np.ascontiguousarray(picture[40:120, left : left + 96, ::-1])
            cv2.imwrite(str(root / name / f"{number + 1:06d}.png"), frame)
    return root


def shrunk(name: str) -> dict[str, Any]:
    """A published recipe at a size for tests: everything that is not named here is the recipe's."""
    return {
        "base": str(RECIPES / f"{name}.toml"),
        "name": f"tiny-{name}",
        "steps": 14,
        "log_every": 1,
        "validation": 1,
        "checkpoint_minutes": 0.0,
        "net": {"settings": {"base_channels": 2, "levels": 3}},
        "data": {"crop": 32, "batch": 2, "shards": 2, "per_shard": 4, "side": 48},
        "discriminator": {"base_channels": 2, "levels": 3},
    }


@pytest.mark.parametrize("name", ["paper-rnn", "paper-merger"])
def test_the_papers_recipes_train_from_its_data_alone(name: str, gopro: Path, tmp_path: Path) -> None:
    """Killed and resumed, too; no photographs are asked for."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    kill_at(random.randrange(2, 10), shrunk(name), gopro, broken)
    recipe = load_recipe(broken / "recipe.toml")
    assert recipe.data.source == "gopro2"
    assert torch.load(broken / recipe.name / "checkpoint.pt")["step"] < recipe.steps
    (ended,) = train([recipe], gopro, broken, resume=True, device=CPU)
    (unbroken,) = train([recipe], gopro, whole, resume=False, device=CPU)
    assert rows_of(broken / recipe.name) == rows_of(whole / recipe.name)
    assert list(rows_of(whole / recipe.name)[-1]["validation"]) == ["real"]
    assert equal(without_seconds(torch.load(ended)), without_seconds(torch.load(unbroken)))


# Side by side


def test_side_by_side_each_learns_as_by_itself(lab: Lab, tmp_path: Path) -> None:
    pair, alone = tiny("twin", steps=4), tiny("twin", steps=4, name="alone", net={"settings": {"inputs": ["noisy"]}})
    together, apart = workplace(lab, tmp_path / "together"), workplace(lab, tmp_path / "apart")
    seen: list[dict[str, Any]] = []
    train([pair, alone], lab.root, together, resume=False, device=CPU, report=seen.append)
    for recipe in (pair, alone):
        train([recipe], lab.root, apart, resume=False, device=CPU)
        assert rows_of(together / recipe.name) == rows_of(apart / recipe.name)
    assert {row["run"] for row in seen} == {"tiny-twin", "alone"}


def test_one_that_was_killed_catches_up_with_the_other(lab: Lab, tmp_path: Path) -> None:
    first, second = tiny("twin", steps=6), tiny("twin", steps=6, name="second")
    runs = workplace(lab, tmp_path)
    train([replace(first, steps=4)], lab.root, runs, resume=False, device=CPU)
    train([first, second], lab.root, runs, resume=True, device=CPU)
    losses = [[row["loss"] for row in rows_of(runs / each.name) if "loss" in row] for each in (first, second)]
    assert [len(rows) for rows in losses] == [6, 6]
    assert losses[0][0] == losses[1][0]


@pytest.mark.parametrize("changes", [{"seed": 4}, {"steps": 9}, {"data": {"profiles": ["camera"]}}])
def test_side_by_side_all_see_the_same(changes: dict[str, Any], lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match=f"other: its {next(iter(changes))} differs from that of tiny-twin"):
        train([tiny("twin"), tiny("twin", name="other", **changes)], lab.root, tmp_path, resume=False, device=CPU)


def test_side_by_side_each_has_a_name(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match="tiny-twin: two recipes have this name"):
        train([tiny("twin"), tiny("twin")], lab.root, tmp_path, resume=False, device=CPU)


# Checkpoints


def stepped(recipe: Recipe, state: State, steps: range) -> list[dict[str, float]]:
    return [STEPS[recipe.method](state, some_batch(step), recipe) for step in steps]


def test_a_run_goes_on_without_the_model_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = load_model("twin").card.training
    recipe = recipe_from({"name": "a", "net": {**shipped.recipe["net"], "start": "twin"}})
    state = new_state(recipe)
    save(state, recipe, tmp_path / "checkpoint.pt")
    monkeypatch.setattr("twinshot.train.step.load_model", lambda name: pytest.fail(f"{name} was read"))
    resumed = start_or_resume(recipe, tmp_path, resume=True)
    assert equal(resumed.net.state_dict(), state.net.state_dict())
    assert resumed.before == shipped


@pytest.mark.parametrize("kind", ["twin", "rnn", "merger", "deblurgan"])
def test_a_checkpoint_holds_all_that_changes(kind: str, tmp_path: Path) -> None:
    recipe, path = tiny(kind), tmp_path / "checkpoint.pt"
    state = new_state(recipe)
    stepped(recipe, state, range(3))
    save(state, recipe, path)
    extra = set() if kind == "twin" else {"discriminator"}
    assert set(torch.load(path)) == KEYS | extra
    expected = stepped(recipe, state, range(3, 6))
    again = start_or_resume(recipe, tmp_path, resume=True)
    assert again.step == 3
    assert stepped(recipe, again, range(3, 6)) == expected
    assert equal(again.net.state_dict(), state.net.state_dict())
    assert equal(again.average.state_dict(), state.average.state_dict())


@pytest.mark.parametrize("name", get_args(Optimiser))
def test_no_optimiser_forgets(name: str, tmp_path: Path) -> None:
    recipe = tiny("twin", optim={"name": name, "warmup": 0})
    state = new_state(recipe)
    stepped(recipe, state, range(12))
    save(state, recipe, tmp_path / "checkpoint.pt")
    again = start_or_resume(recipe, tmp_path, resume=True)
    assert stepped(recipe, again, range(12, 24)) == stepped(recipe, state, range(12, 24))
    assert equal(again.net.state_dict(), state.net.state_dict())


def test_checkpoints_from_before_there_were_methods_still_load(tmp_path: Path) -> None:
    recipe, path = tiny("twin"), tmp_path / "checkpoint.pt"
    state = new_state(recipe)
    stepped(recipe, state, range(2))
    save(state, recipe, path)
    table = torch.load(path)
    for key in ("method", "log_every", "validation", "paper", "discriminator", "loss", "wgan"):
        del table["recipe"][key]
    torch.save(table, path)
    again = load_into(new_state(recipe), recipe, path)
    assert stepped(recipe, again, range(2, 4)) == stepped(recipe, state, range(2, 4))


def test_a_longer_budget_may_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    save(new_state(tiny("merger")), tiny("merger"), tmp_path / "checkpoint.pt")
    assert start_or_resume(tiny("merger", steps=99, log_every=7), tmp_path, resume=True).step == 0


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("seed", {"seed": 4}),
    ("net", {"net": {"kind": "merger", "settings": {"base_channels": 4, "levels": 3}}}),
    ("data", {"data": {**tiny_table("merger")["data"], "batch": 3}}),
    ("paper", {"paper": {"content": 1.0}}),
    ("discriminator", {"discriminator": {"base_channels": 3}}),
    ("wgan", {"wgan": {"penalty": 1.0}}),
    ("method", {"method": "restoration"}),
    (r"optim\.name", {"optim": {"name": "muon"}}),
]


@pytest.mark.parametrize(("name", "changes"), OTHERS)
def test_another_recipe_may_not(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    save(new_state(tiny("merger")), tiny("merger"), tmp_path / "checkpoint.pt")
    with pytest.raises(TwinshotError, match=f"other settings of {name}"):
        start_or_resume(tiny("merger", **changes), tmp_path, resume=True)


def test_the_teacher_stays_the_same(tmp_path: Path) -> None:
    recipe = tiny("twin", loss={"teacher": "twin"})
    state = new_state(recipe)
    assert state.teacher is not None
    save(state, recipe, tmp_path / "checkpoint.pt")
    assert start_or_resume(recipe, tmp_path, resume=True).step == 0
    next(state.teacher.parameters())[0].add_(1e-3)
    save(state, recipe, tmp_path / "checkpoint.pt")
    with pytest.raises(TwinshotError, match="its teacher 'twin' has changed since"):
        start_or_resume(recipe, tmp_path, resume=True)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    save(new_state(tiny("twin")), tiny("twin"), tmp_path / "checkpoint.pt")
    with pytest.raises(TwinshotError, match="resume it"):
        start_or_resume(tiny("twin"), tmp_path, resume=False)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, path = tiny("twin"), tmp_path / "checkpoint.pt"
    save(new_state(recipe), recipe, path)
    before = path.read_bytes()

    def half(table: dict[str, Any], file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(loop.torch, "save", half)
    with pytest.raises(TwinshotError, match=r"checkpoint\.pt: cannot be written \(disk full\)"):
        save(new_state(recipe), recipe, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_optimisers_settings_are_those_of_the_recipe_resumed_with(tmp_path: Path) -> None:
    save(new_state(tiny("twin")), tiny("twin"), tmp_path / "checkpoint.pt")
    state = start_or_resume(tiny("twin", optim={"betas": [0.5, 0.6], "weight_decay": 0.5}), tmp_path, resume=True)
    groups = [group for optimiser in state.optimisers for group in optimiser.param_groups]
    assert {group["weight_decay"] for group in groups} == {0.5}
    assert {group["betas"] for group in groups if "betas" in group} == {(0.5, 0.6)}


def test_a_run_is_trained_by_one_process(lab: Lab, tmp_path: Path) -> None:
    with (
        atomic.locked(tmp_path / "tiny-twin"),
        pytest.raises(TwinshotError, match="tiny-twin: another process is working"),
    ):
        train([tiny("twin")], lab.root, tmp_path, resume=True, device=CPU)
    assert not (tmp_path / "tiny-twin" / "checkpoint.pt").exists()


def test_what_cannot_be_validated_on_is_said_before_training(lab: Lab, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(lab.root, root)
    (root / "frames" / "val" / "scene").mkdir(parents=True)
    for number in range(5):
        shutil.copy(lab.root / "photos" / "val" / "photo.png", root / "frames" / "val" / "scene" / f"{number:06d}.png")
    with pytest.raises(TwinshotError, match="val: validation needs 11 frames in a row"):
        train([tiny("twin")], root, tmp_path / "runs", resume=False, device=CPU)


def test_a_shard_a_kind_of_motion(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match="shards = 1, but these profiles need 2 kinds of shard"):
        train([tiny("twin", data={"shards": 1})], lab.root, tmp_path, resume=False, device=CPU)


def test_a_crop_off_the_grid() -> None:
    with pytest.raises(TwinshotError, match="crop = 36: give a multiple of 8, the grid of 'twin'"):
        new_state(tiny("twin", data={"crop": 36}))


def test_a_run_that_blows_up_stops_before_it_is_saved(lab: Lab, tmp_path: Path) -> None:
    optim = {"name": "adamw", "lr": 1e30, "warmup": 0, "clip": 0.0}
    with pytest.raises(TwinshotError, match=r"tiny-twin: \w+ is (nan|inf) at step \d+: training has diverged"):
        train([tiny("twin", optim=optim)], lab.root, workplace(lab, tmp_path), resume=False, device=CPU)
    kept = torch.load(tmp_path / "tiny-twin" / "checkpoint.pt", weights_only=True)
    assert all(weights.isfinite().all() for weights in kept["net"].values())


# The log and the validation


def test_rows_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "validation": {"paper": 3}}\n{"step": 3}\n{"step": 2, "validation": {}')
    seen: list[dict[str, Any]] = []
    log = Log(path, 2, seen.append)
    log.write({"step": 3, "loss": 0.5})
    assert rows_of(tmp_path) == [{"step": 1}, {"step": 2, "validation": {"paper": 3}}, {"step": 3, "loss": 0.5}]
    assert seen == [{"step": 3, "loss": 0.5}]


def test_tensorboard_gets_the_numbers_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = Log(tmp_path / "metrics.jsonl", 0, lambda row: None)
    log.write({"step": 7, "loss": 0.5, "validation": {"paper": 30.0}})
    log.board.close()
    events = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(7, 0.5)]
    assert [(event.step, event.value) for event in events.Scalars("paper")] == [(7, 30.0)]
    monkeypatch.setattr("twinshot.train.loop.find_spec", lambda name: None)
    assert Log(tmp_path / "metrics.jsonl", 0, lambda row: None).board is None


def test_validation_measures_the_average_and_draws_a_sheet(tmp_path: Path) -> None:
    state = new_state(tiny("merger"))
    triples = [tuple(image[0] for image in some_batch(seed)) for seed in (1, 2)]
    scores = validate(state, Validation({"paper": triples}), tmp_path)  # type: ignore[dict-item]
    with torch.no_grad():
        errors = [(state.average(n[None], b[None])[0] - s).square().mean() for n, b, s in triples]
    assert scores["paper"] == pytest.approx(float(torch.stack(errors).log10().mean() * -10), abs=0.02)  # of 8-bit files
    sheet = cv2.imread(str(tmp_path / "validation-paper.png"))
    assert sheet is not None
    assert sheet.shape == (2 * 32, 4 * 32, 3)


def test_the_command_says_what_it_does_and_how_to_go_on(command: Callable[..., Any], lab: Lab, tmp_path: Path) -> None:
    """Rendering comes first and may take minutes; a validation is read by people; a second call wants `--resume`."""
    workplace(lab, tmp_path)
    (tmp_path / "shards" / lab.paths[0].name).unlink()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(as_toml({**tiny_table("twin"), "steps": 1}))
    done = command("train", recipe, "--data", lab.root, "--runs", tmp_path)
    assert f"note: rendering motion first: 1 of 2 shards are missing in {tmp_path / 'shards'}" in done.err
    assert re.search(r"^step 1  validation paper -?\d+\.\d\d dB$", done.out, re.MULTILINE)
    again = command("train", recipe, "--data", lab.root, "--runs", tmp_path)
    assert (again.code, "this run exists; resume it (--resume), or" in again.err) == (2, True)
    assert "rendering" not in again.err
