"""Recipes: overlays, what is refused and why, and the recipes that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from twinshot.engines.models import MORE_WEIGHTS, WEIGHTS, Training, read_manifest
from twinshot.nets import build, build_plain
from twinshot.picture.pair import TwinshotError
from twinshot.synth.profiles import profile_named
from twinshot.synth.shards import kinds_for
from twinshot.train.config import Recipe, as_table, load_recipe, recipe_from

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = sorted(RECIPES.rglob("*.toml"))
ABLATIONS = [path for path in SHIPPED if path.parent.name == "ablations"]


def written(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_an_overlay_changes_what_it_names(tmp_path: Path) -> None:
    written(
        tmp_path, 'name = "a"\nsteps = 7\n[optim]\nlr = 0.5\nwarmup = 2\n[net]\nsettings = {levels = 3, flow = true}'
    )
    path = written(
        tmp_path, 'base = "../recipe.toml"\nname = "b"\n[optim]\nlr = 1\n[net.settings]\nflow = false', "c/d.toml"
    )
    recipe = load_recipe(path)
    assert (recipe.name, recipe.steps, recipe.optim.lr, recipe.optim.warmup) == ("b", 7, 1, 2)
    assert recipe.net.settings == {"levels": 3, "flow": False}


def test_what_is_said_of_a_run_is_not_said_of_those_over_it(tmp_path: Path) -> None:
    written(tmp_path, 'name = "a"\nabout = "half as wide"\nsteps = 7')
    recipe = load_recipe(written(tmp_path, 'base = "recipe.toml"\nname = "b"', "b.toml"))
    assert (recipe.about, recipe.steps) == ("", 7)


def test_a_recipe_survives_its_tables() -> None:
    recipe = recipe_from({"name": "a", "data": {"profiles": ["camera"]}, "optim": {"betas": [0.5, 0.9]}})
    assert recipe_from(as_table(recipe)) == recipe
    assert (recipe.data.profiles, recipe.optim.betas) == (("camera",), (0.5, 0.9))


def test_tables_of_older_checkpoints_are_read() -> None:
    """They have tuples, and not every setting that there is by now."""
    table = {"name": "a", "steps": 7, "data": {"profiles": ("camera",)}, "optim": {"betas": (0.5, 0.9), "lr": 1}}
    recipe = recipe_from(table)
    assert (recipe.data.profiles, recipe.optim.betas, recipe.optim.lr) == (("camera",), (0.5, 0.9), 1.0)


@pytest.mark.parametrize("folder", [WEIGHTS, MORE_WEIGHTS], ids=["package", "checkout"])
def test_recipes_of_all_models_at_hand_are_read(folder: Path) -> None:
    cards = read_manifest(folder)
    assert cards
    for card in cards.values():
        training: Training | None = card.training
        while training:
            assert recipe_from(training.recipe).net.kind == training.recipe["net"]["kind"]
            training = training.before


BAD = [
    ("", "has no name"),
    ("name = ", "TOML"),
    ('name = "a"\nstep = 3', "unknown setting 'step'; choose from.*steps"),
    ('name = "a"\n[optim]\nrate = 3', "optim: unknown setting 'rate'"),
    ('name = "a"\nsteps = "many"', "steps = 'many'; give int"),
    ('name = "a"\nsteps = 0', "steps = 0; give int >= 1"),
    ('name = "a"\nsteps = 1.5', "steps = 1.5; give int, got float"),
    ('name = "a"\nbf16 = 1', "bf16 = 1; give bool, got int"),
    ('name = "a"\noptim = 3', "optim = 3; give a table"),
    ('name = "a"\n[optim]\nlr = true', "lr = True; give float"),
    ('name = "a"\n[optim]\nname = "sgd"', "name = 'sgd'; give one of soap, muon, adamw"),
    ('name = "a"\n[optim]\nbetas = [0.9]', "betas"),
    ('name = "a"\n[optim]\nbetas = 0.9', "betas"),
    ('name = "a"\n[data]\nprofiles = ["paper", 3]', "profiles"),
    ('name = "a"\n[data]\ncrop = 512', "crop = 512 is larger than side = 256"),
    ('name = "a"\nmethod = "magic"', "give one of restoration, paper, wgan"),
    ('name = "a"\n[data]\ntarget = "dark"', "give one of clean, noisy"),
    ('name = ""', "name = ''; give a plain folder name"),
    ('name = "../a"', "give a plain folder name"),
    ('name = "a."', "give a plain folder name"),
    ('name = "a"\n[optim]\nlr = inf', "optim.lr = inf; give float <= "),
    ('name = "Shards"', "give a plain folder name other than 'shards'"),
    ('name = "a"\nseed = -1', "seed = -1; give int >= 0"),
    ('name = "a"\nlog_every = 0', "log_every = 0; give int >= 1"),
    ('name = "a"\nvalidate_every = 0', "validate_every = 0; give int >= 1"),
    ('name = "a"\nvalidation = 0', "validation = 0; give int >= 1"),
    ('name = "a"\n[data]\nper_shard = 0', "per_shard = 0; give int >= 1"),
    ('name = "a"\n[data]\nprofiles = []', r"data.profiles = \[\]; give array of length >= 1"),
    ('name = "a"\n[optim]\ncooldown = 3.0', "optim.cooldown = 3.0; give float <= 1.0"),
    ('name = "a"\n[optim]\nlr = -1.0', "optim.lr = -1.0; give float >= 0.0"),
    ('name = "a"\n[optim]\nbetas = [0.9, 1.0]', r"optim.betas = \[0.9, 1.0\]; give float <= 0.999999"),
    ('name = "a"\n[discriminator]\nlr = nan', "discriminator.lr = nan; give float >= 0.0"),
    ('name = "a"\n[paper]\ncontent = nan', "paper.content = nan; give float >= "),
    ('name = "a"\n[paper]\ngenerator_steps = 0', "generator_steps = 0; give int >= 1"),
    ('name = "a"\n[wgan]\ncritic_steps = 0', "critic_steps = 0; give int >= 1"),
    ('name = "a"\n[wgan]\ncritic_width = 0', "critic_width = 0; give int >= 1"),
    ('name = "a"\n[discriminator]\nlevels = 0', "levels = 0; give int >= 1"),
    ('name = "a"\n[loss]\npsnr = 0', "all loss terms have weight 0"),
    ('name = "a"\nmethod = "paper"\n[paper]\ncontent = 0\ngradient = 0\ndark_channel = 0\nadversarial = 0', "weight 0"),
    ('name = "a"\n[paper]\nadversarial_form = "hinge"', "give one of minimax, non_saturating"),
    ('name = "a"\nbase = "recipe.toml"', "is its own base"),
    ('name = "a"\nbase = "absent.toml"', "no such recipe"),
]


@pytest.mark.parametrize(("text", "complaint"), BAD)
def test_what_is_refused_says_where_and_why(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(TwinshotError, match=rf"\.toml: .*{complaint}"):
        load_recipe(written(tmp_path, text))


@pytest.mark.parametrize("settings", [{"channels": [32]}, {"channels": "abc"}, {"channels": []}, {"channels": [4, 0]}])
def test_settings_that_make_no_network(settings: dict[str, object]) -> None:
    with pytest.raises(TwinshotError, match=r"network 'twin': settings .* do not work"):
        build("twin", settings)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("twin", {"inputs": 3}),
        ("twin", {"channels": [4] * 7, "encoder": [1] * 7, "decoder": [1] * 6}),  # a grid that validation has not
        ("unet", {"levels": 7}),
        ("unet", {"levels": 0}),
        ("unet", {"base_channels": -2}),
    ],
)
def test_numbers_that_make_no_network(kind: str, settings: dict[str, object]) -> None:
    with pytest.raises(TwinshotError, match=rf"network '{kind}': settings .* do not work"):
        build(kind, settings)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_recipe_builds(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    with torch.device("meta"):
        build_plain(recipe.net.kind, recipe.net.settings)  # power iterations take seconds


def test_recipes_of_the_same_kind_of_motion_share_what_is_rendered() -> None:
    """But for the first run, which is to begin within a minute and renders little."""
    plans: dict[object, set[object]] = {}
    for data in (load_recipe(path).data for path in SHIPPED if path.stem != "first"):
        kinds = kinds_for([profile_named(name) for name in data.profiles])
        plans.setdefault((data.source, kinds), set()).add((data.shards, data.per_shard, data.side))
    assert all(len(alike) == 1 for alike in plans.values())
    assert len(plans) == 3


OF_THE_PAPER = ["paper-rnn", "paper-merger", "compact-rnn", "compact-merger", "gpu-rnn", "gpu-merger"]


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_the_papers_settings(name: str) -> None:
    """Section IV-A and Table I, in every recipe of its networks."""
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert (recipe.data.crop, recipe.method) == (256, "paper")
    optim, weights = recipe.optim, recipe.paper
    assert (optim.name, optim.lr, optim.betas[0], optim.weight_decay) == ("adamw", 2e-4, 0.5, 0)
    assert (optim.clip, optim.warmup) == (0, 0)
    assert (weights.content, weights.gradient, weights.dark_channel) == (50, 50, 250)
    assert (weights.adversarial, weights.denoising, weights.adversarial_form) == (1, 50, "minimax")
    assert weights.generator_steps == 1


@pytest.mark.parametrize("name", ["paper-rnn", "paper-merger"])
def test_as_published(name: str) -> None:
    """Ten epochs of GOPRO2's 2058 windows and nothing else, at the predecessor's width and depth."""
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert recipe.steps * recipe.data.batch == 10 * 2058
    assert (recipe.data.source, recipe.data.profiles, recipe.optim.cooldown) == ("gopro2", ("paper",), 0)
    assert recipe.net.settings == {"base_channels": 64, "levels": 8, "dropout": 0.5, "dropout_blocks": 3}


@pytest.mark.parametrize("name", ["compact-rnn", "compact-merger", "gpu-rnn", "gpu-merger"])
def test_as_improved(name: str) -> None:
    recipe = load_recipe(RECIPES / f"{name}.toml")
    compact = name.startswith("compact")
    assert recipe.steps * recipe.data.batch == (5 * 20_580 if compact else 16 * 20_580)
    assert (recipe.data.source, recipe.data.profiles, recipe.optim.cooldown) == ("mixed", ("paper", "camera"), 0.5)
    assert recipe.net.settings["levels"] == (5 if compact else 8)
    with torch.device("meta"):
        weights = sum(each.numel() for each in build_plain(recipe.net.kind, recipe.net.settings).parameters())
    assert weights == pytest.approx(10.5e6, rel=0.02) if compact else weights > 1e8


def test_an_ablation_differs_from_its_control_in_what_it_says() -> None:
    def changes(path: Path) -> set[str]:
        recipe, control = load_recipe(path), load_recipe(path.with_name(f"full-{load_recipe(path).net.kind}.toml"))
        return {key for key in as_table(recipe) if getattr(recipe, key) != getattr(control, key)} - {"name", "about"}

    found = {path.stem: changes(path) for path in ABLATIONS if not path.stem.startswith("full-")}
    losses = {name: {"paper"} for name in ("no-gan", "no-gradient", "no-dark-channel", "pixel-only")}
    nets = {name: {"net"} for name in ("no-flow", "noisy-only", "blurry-only")}
    assert found == {**losses, **nets, "no-spectral": {"net", "discriminator"}}


def test_the_published_losses_of_the_baselines() -> None:
    recipes = {path.stem: load_recipe(path) for path in SHIPPED if path.parent.name == "baselines"}
    assert {name: recipe.method for name, recipe in recipes.items() if recipe.method != "restoration"} == {
        "deblurgan": "wgan",
        "dcdeblurgan": "paper",
    }
    own = {name: (recipe.loss.psnr, recipe.loss.mse, recipe.loss.l1) for name, recipe in recipes.items()}
    assert own["srn"] == own["noise2noise"] == own["noise2noise-gaussian"] == (0, 1, 0)
    assert own["deepdeblur"] == (0, 0, 1)
    wgan, paper = recipes["deblurgan"].wgan, recipes["dcdeblurgan"].paper
    assert (wgan.content, wgan.penalty, wgan.critic_steps) == (100, 10, 5)
    assert (paper.content, paper.gradient, paper.dark_channel, paper.adversarial) == (100, 0, 250, 1)
    assert (paper.adversarial_form, paper.generator_steps) == ("non_saturating", 2)
    assert {name for name, recipe in recipes.items() if recipe.data.target == "noisy"} == {
        "noise2noise",
        "noise2noise-gaussian",
    }
    deblurrers = {name for name, recipe in recipes.items() if recipe.data.profiles == ("gopro",)}
    assert deblurrers == {"deblurgan", "srn", "deepdeblur", "dcdeblurgan"}


def test_the_defaults_are_table_i() -> None:
    assert as_table(Recipe("a"))["paper"] == as_table(load_recipe(RECIPES / "base-paper.toml"))["paper"]


@pytest.mark.parametrize("kind", ["twin", "merger"])
@pytest.mark.parametrize("inputs", [[], ["noise"], "noisy", ["noisy", "noisy"]])
def test_unknown_frames_are_refused(kind: str, inputs: object) -> None:
    with pytest.raises(TwinshotError, match="one or both of noisy, blurry"):
        build(kind, {"inputs": inputs})
