"""What is known of the models at hand, and that their files are those that were listed."""

from __future__ import annotations

import hashlib
import json

import pytest
from helpers import copied_to

from twinshot.engines.loading import load_model
from twinshot.engines.models import WEIGHTS, as_table, manifest, read_manifest
from twinshot.picture.errors import ModelError

NAMES = list(manifest())


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_tells_the_truth(name):
    card = manifest()[name]
    data = card.path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == card.sha256
    assert len(data) <= (10e6 if card.folder == str(WEIGHTS) and name != "twin-large" else 30e6)
    assert load_model(name).fallback.name == (card.fallback or name)


def test_the_default_leaves_unlike_frames_to_a_network_of_the_noisy_one():
    fallback = load_model("twin").fallback
    assert fallback.card.folder == str(WEIGHTS)
    assert fallback.card.training.recipe["net"]["settings"]["inputs"] == ["noisy"]


def test_models_of_another_folder(monkeypatch, tmp_path):
    card = copied_to(tmp_path, "mine", "twin")
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    assert list(manifest()) == ["twin", "twin-noisy", "twin-large", "mine"]
    assert load_model("mine").path == tmp_path / card.file
    assert load_model("twin").path == WEIGHTS / card.file  # the package's name is its own
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match=r"manifest\.json: is not a valid list of models"):
        manifest()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("training",), None, "training"),
        (("training", "recipe", "net", "kind"), None, "kind"),
        (("training", "recipe", "data", "batch"), None, "batch"),
        (("sha256",), "0", "sha256"),
        (("multiple",), 0, "multiple"),
        (("quality",), {"night": 3}, "quality"),
        (("sha265",), "typed wrong", "sha265"),
    ],
)
def test_an_entry_that_says_too_little_is_refused_before_any_work(monkeypatch, tmp_path, path, value, says):
    table = as_table(read_manifest(WEIGHTS)["twin"])
    at = table
    for key in path[:-1]:
        at = at[key]
    at.pop(path[-1], None)
    if value is not None:
        at[path[-1]] = value
    (tmp_path / "manifest.json").write_text(json.dumps({"mine": table}))
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError, match=rf"manifest\.json: .*{says}"):
        manifest()


def test_what_is_written_is_what_was_read():
    for name, entry in json.loads((WEIGHTS / "manifest.json").read_text()).items():
        assert as_table(read_manifest(WEIGHTS)[name]) == entry


@pytest.mark.parametrize("text", ["[]", "3", '{"x": 3}', '{"x": {}}'])
def test_a_list_of_models_that_is_none(monkeypatch, tmp_path, text):
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"manifest\.json: "):
        manifest()


def test_the_named_folder_of_models(monkeypatch, tmp_path):
    monkeypatch.setenv("TWINSHOT_WEIGHTS", "")
    assert "twin" in manifest()
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path / "typo"))
    with pytest.raises(ModelError, match="typo: no such folder"):
        manifest()
