"""What lies behind the figures: losses in words, widths, and the two tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from twinshot.bench.fairness import (
    AS_PUBLISHED,
    BY_DESIGN,
    PUBLISHED_TRAINING,
    compared,
    lacking,
    loss_of,
    trainings,
    width_of,
)
from twinshot.bench.results import ModelFacts, Row, SetResults
from twinshot.train.config import as_table, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
LOSSES = [
    ("compact-merger", "50 L1 + 50 gradient + 250 dark channel + GAN", 32),
    ("paper-rnn", PUBLISHED_TRAINING["rnn"].loss, PUBLISHED_TRAINING["rnn"].width),
    ("ablations/no-gan", "50 L1 + 50 gradient + 250 dark channel", 32),
    ("baselines/deblurgan", "100 L1 + WGAN-GP", 32),
    ("baselines/srn", "squared error", 16),
    ("baselines/unet", "PSNR + 20 spectrum", 32),
    ("baselines/twin-pair", "PSNR + 20 spectrum", 16),
    ("distil", "PSNR + 5 spectrum, taught by twin-large", 16),
]


@pytest.mark.parametrize(("name", "loss", "width"), LOSSES)
def test_a_recipe_in_words(name: str, loss: str, width: int) -> None:
    recipe = as_table(load_recipe(RECIPES / f"{name}.toml"))
    assert (loss_of(recipe), width_of(recipe["net"])) == (loss, width)


def test_a_width_left_at_its_default_is_not_known() -> None:
    assert width_of({"settings": {}}) is None


def test_networks_compared_by_design_have_all_else_in_common() -> None:
    recipes = [load_recipe(RECIPES / "baselines" / f"{name}.toml") for name in BY_DESIGN]
    for part in ("method", "loss", "optim", "seed", "bf16"):
        assert len({repr(getattr(recipe, part)) for recipe in recipes}) == 1, part
    assert len({recipe.data.profiles for recipe in recipes}) == 1
    recipes_at_hand = {path.stem for path in RECIPES.rglob("*.toml")} | {"merger", "rnn"}
    assert recipes_at_hand >= {*BY_DESIGN, *AS_PUBLISHED}


def test_trainings_here_and_as_published() -> None:
    facts = ModelFacts(parameters=1, samples=10, steps=5, crop=96, width=16, loss="PSNR", recipe="twin", sha256="0")
    models = {
        "rnn": replace(facts, width=22, samples=102_900, steps=25_725, loss="50 L1"),
        "twin": facts,
        "unknown": replace(facts, loss=""),
    }
    loss = "50 L1 + 50 gradient + 250 dark channel + GAN"
    assert trainings(models) == [
        ["rnn", "22 / 64", "102,900 / 20,580", "96 / 256", "25,725 / ?", "50 L1", loss],
        ["twin", "16", "10", "96", "5", "PSNR", ""],
    ]


def test_compared_on_every_set() -> None:
    good, other = Row(psnr=30.0, ssim_paper=0.9), Row(psnr=29.0, ssim_matlab=0.8)
    rows = {"a": {"unet": good, "rnn-pair": Row(error="no")}, "b": {"unet": good, "rnn-pair": other}}
    sets = {name: SetResults(sha256="0", pictures=1, systems=systems) for name, systems in rows.items()}
    by_design = compared(sets, BY_DESIGN)
    assert by_design == [
        ["unet", "30.00 / 0.9000", "30.00 / 0.9000"],
        ["rnn-pair", "", "29.00 / 0.8000"],
    ]
    assert lacking(by_design, BY_DESIGN) == ["twin-pair", "merger-pair"]
    assert compared(sets, AS_PUBLISHED) == []
