"""The HTTP API: a pair goes in, a picture comes out, and every error says what to do."""

from __future__ import annotations

import io
import json
import re
import threading
import time

import numpy as np
import pytest
from helpers import save
from PIL import Image

import twinshot
from twinshot import batch
from twinshot.web.archive import MOST_ZIPPED
from twinshot.web.server import PAGE


def test_from_photographs_to_picture(site, pair, tmp_path):
    answer = site.send(*pair)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/restorations/{answer.json()['id']}"
    states = list(site.watch(answer.json()["id"]))
    assert states[-1]["state"] == "done"
    report = states[-1]["report"]
    assert (report["noisy"], report["blurry"]) == ("noisy.png", "blurry.png")
    assert (states[-1]["size"], states[-1]["bits"]) == ([224, 160], 8)
    assert states[-1]["report"]["swapped"] == ""
    shown = site.client.get(answer.headers["location"])
    assert shown.json() == states[-1]


@pytest.mark.parametrize(("query", "suffix"), [("", ".png"), ("?format=tiff", ".tif"), ("?format=jpeg", ".jpg")])
def test_download_is_the_commands_output(site, command, pair, tmp_path, monkeypatch, timeless, query, suffix):
    path = f"/v1/restorations/{site.ends(site.send(*pair))['id']}/result"
    answer = site.client.get(path + query)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="noisy-restored{suffix}"'
    monkeypatch.chdir(pair[0].parent)
    assert command("restore", "noisy.png", "blurry.png", "-o", tmp_path / f"out{suffix}").code == 0
    assert timeless(answer.content) == timeless((tmp_path / f"out{suffix}").read_bytes())


def test_download_in_16_bit(site, pair, tmp_path):
    path = f"/v1/restorations/{site.ends(site.send(*pair))['id']}/result"
    (tmp_path / "deep.png").write_bytes(site.client.get(f"{path}?bits=16").content)
    from twinshot.files import io as files

    np.testing.assert_array_equal(files.read(tmp_path / "deep.png").pixels, twinshot.restore(*pair).pixels)
    assert site.client.get(f"{path}?bits=").status_code == 422
    refused = site.client.get(f"{path}?bits=16&format=jpeg")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


def test_photographs_in_any_order_are_sorted(site, pair):
    for paths, swapped in ((pair, False), (pair[::-1], True)):
        last = site.ends(site.post(("photo", path) for path in paths))
        assert (last["report"]["noisy"], bool(last["report"]["swapped"])) == ("noisy.png", swapped)
        assert last["roles"] == (["long", "short"] if swapped else ["short", "long"])


def test_the_same_photographs_again(site, pair):
    first = site.ends(site.send(*pair))
    again = site.ends(site.again(first, model="twin-large"))
    assert (again["report"]["noisy"], again["report"]["model"]) == ("noisy.png", "twin-large")
    turned = site.ends(site.again(first, long_is="0"))
    assert (turned["report"]["noisy"], turned["report"]["swapped"]) == ("blurry.png", "")
    assert turned["roles"] == ["long", "short"]
    assert "the order was kept as given" in turned["report"]["warnings"][0]
    back = site.ends(site.again(turned, long_is="1"))
    assert back["report"]["noisy"] == "noisy.png"
    assert site.client.delete(f"/v1/restorations/{first['id']}").status_code == 204
    assert site.ends(site.again(turned))["state"] == "done"
    refused = site.again(turned, long_is="2")
    assert (refused.status_code, refused.json()["detail"]) == (422, "long_is must be one of: 0, 1, none.")


def test_a_burst_is_sorted_as_the_command_sorts_it(site, burst, command, tmp_path, monkeypatch, timeless):
    last = site.ends(site.post(("photo", path) for path in burst))
    assert last["roles"] == ["short", "long", "short"]
    assert (last["report"]["blurry"], last["report"]["frames"] > 1) == ("b.png", True)
    monkeypatch.chdir(burst[0].parent)
    assert command("restore", *(path.name for path in burst), "-o", tmp_path / "out.png").code == 0
    answer = site.client.get(f"/v1/restorations/{last['id']}/result")
    assert timeless(answer.content) == timeless((tmp_path / "out.png").read_bytes())


def test_a_burst_whose_roles_are_said_and_changed(site, burst):
    short, long, other = burst
    last = site.ends(site.post([("short", short), ("short", other), ("long", long)]))
    assert (last["photos"], last["roles"]) == (["a.png", "c.png", "b.png"], ["short", "short", "long"])
    alone = site.ends(site.again(last, long_is="none"))
    assert (alone["roles"], alone["report"]["blurry"]) == (["short"] * 3, None)
    other_long = site.ends(site.again(last, long_is="0"))
    assert (other_long["roles"], other_long["report"]["blurry"]) == (["long", "short", "short"], "a.png")


def test_short_frames_alone(site, burst):
    last = site.ends(site.post([("short", burst[0]), ("short", burst[2])]))
    assert (last["roles"], last["report"]["tone"], last["state"]) == (["short", "short"], None, "done")
    path = f"/v1/restorations/{last['id']}/preview"
    assert site.client.get(f"{path}?layer=long").status_code == 422
    box = {"x": 20, "y": 10, "w": 64, "h": 48}
    assert _pixels(site.client.get(path, params={"layer": "quick", **box})).shape == (48, 64, 3)


def test_a_bursts_result_is_named_as_in_a_folder(site, burst, tmp_path):
    """After its first frame, not after the sharpest, in whose geometry it is."""
    files, sharpest = [burst[0], burst[2]], set()
    for short in (files, files[::-1]):
        last = site.ends(site.post(("short", path) for path in short))
        sharpest.add(last["report"]["noisy"])
        listed = save_list(tmp_path / "list.csv", short)
        named = site.client.get(f"/v1/restorations/{last['id']}/result").headers["content-disposition"]
        assert named == f'attachment; filename="{listed.output.name}"'
    assert len(sharpest) == 1


def save_list(path, short):
    """The job of a list that has this burst."""
    path.write_text(f"short,long\n{';'.join(map(str, short))},\n")
    return batch.listed(path).jobs[0]


def test_a_frame_that_does_not_belong_is_told_of_in_the_clients_words(site, burst, tmp_path):
    odd = save(tmp_path / "odd one.png", np.asarray(Image.open(burst[0]))[::-1, ::-1])
    last = site.ends(site.post([*(("short", path) for path in (burst[0], burst[2], odd)), ("long", burst[1])]))
    assert "was merged without odd one.png" in " ".join(last["report"]["notes"])
    assert str(site.desk.folder) not in json.dumps(last)


def test_knobs(site, pair, tmp_path):
    asked = {"strength": "0.5", "colour_strength": "0.5", "light": "short", "tone": "gain"}
    asked |= {"best": "true", "trust_map": "true"}
    last = site.ends(site.send(*pair, **asked))
    assert last["options"] == {
        **{"model": "twin", "strength": 0.5, "colour_strength": 0.5},
        **{"tone": "gain", "light": "short", "best": True, "trust_map": True},
    }
    path = f"/v1/restorations/{last['id']}"
    (tmp_path / "deep.png").write_bytes(site.client.get(f"{path}/result?bits=16").content)
    from twinshot.files import io as files
    from twinshot.picture.settings import Settings

    knobs = Settings(strength=0.5, colour_strength=0.5, tone="gain", light="short", best=True)
    wanted = twinshot.restore(*pair, settings=knobs)
    np.testing.assert_array_equal(files.read(tmp_path / "deep.png").pixels, wanted.pixels)
    assert _pixels(site.client.get(f"{path}/preview?layer=trust")).shape == (160, 224, 3)
    sizes = [len(site.client.get(f"{path}/result?format=jpeg&quality={quality}").content) for quality in (30, 95)]
    assert 2 * sizes[0] < sizes[1]


@pytest.mark.parametrize(
    "wrong", [{"strength": "2"}, {"gain": "much"}, {"tone": "film"}, {"best": "1"}, {"trust_map": "yes"}]
)
def test_knobs_that_cannot_be_turned_so(site, pair, wrong):
    answer = site.send(*pair, **wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_previews(site, pair):
    path = f"/v1/restorations/{site.ends(site.send(*pair))['id']}/preview"
    whole = _pixels(site.client.get(path, params={"layer": "short"}))
    assert whole.shape == (160, 224, 3)
    truth = np.asarray(Image.open(pair[0])).astype(int)
    assert np.abs(whole - truth).mean() < 6
    cut = _pixels(site.client.get(path, params={"layer": "short", "x": 32, "y": 16, "w": 64, "h": 48}))
    assert np.abs(cut - truth[16:64, 32:96]).mean() < 6
    edge = _pixels(site.client.get(path, params={"x": 200, "y": 150, "w": 500, "h": 500}))
    assert edge.shape == (10, 24, 3)


def test_a_picture_that_there_will_never_be_is_not_to_be_waited_for(site, pair, burst, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"x")
    alone = site.post([("short", path) for path in (burst[0], burst[2])])
    for answer, layer, status, says in (
        (site.send(*pair), "trust", 422, "trust_map=true"),
        (alone, "long", 422, "where one was sent"),
        (site.send(pair[0], bad), "result", 409, "bad.jpg"),
    ):
        refused = site.client.get(f"/v1/restorations/{site.ends(answer)['id']}/preview?layer={layer}")
        assert (refused.status_code, says in refused.json()["detail"]) == (status, True)


def test_previews_shrink(site, large_pair):
    job = site.send(*large_pair).json()
    path = f"/v1/restorations/{job['id']}/preview"
    assert _pixels(_when_there(site, path, {"layer": "long"})).shape == (240, 1120, 3)
    assert _pixels(site.client.get(path, params={"layer": "long", "shrink": 4})).shape == (120, 560, 3)
    too_large = site.client.get(path, params={"layer": "long", "shrink": 1})
    assert too_large.status_code == 422
    site.client.delete(f"/v1/restorations/{job['id']}")


def test_a_part_is_restored_before_the_whole(site, large_pair):
    job = site.send(*large_pair).json()
    path = f"/v1/restorations/{job['id']}/preview"
    _when_there(site, path, {"layer": "long"})
    box = {"x": 300, "y": 200, "w": 200, "h": 150}
    assert site.client.get(path, params=box).json()["type"] == "urn:twinshot:problem:not-ready"
    assert _pixels(site.client.get(path, params={"layer": "quick", **box})).shape == (150, 200, 3)
    site.client.delete(f"/v1/restorations/{job['id']}")


def test_a_quick_part_is_like_the_whole(site, pair):
    path = f"/v1/restorations/{site.ends(site.send(*pair))['id']}/preview"
    box = {"x": 20, "y": 10, "w": 160, "h": 120}
    quick, whole = (_pixels(site.client.get(path, params={"layer": layer, **box})) for layer in ("quick", "result"))
    assert np.abs(quick - whole).mean() < 3


def test_result_before_its_time(site, large_pair):
    job = site.send(*large_pair).json()
    early = site.client.get(f"/v1/restorations/{job['id']}/result")
    assert (early.status_code, early.json()["type"]) == (409, "urn:twinshot:problem:not-ready")
    assert site.client.delete(f"/v1/restorations/{job['id']}").status_code == 204
    assert site.client.get(f"/v1/restorations/{job['id']}").status_code == 404


def test_models(site):
    models = site.client.get("/v1/models").json()["models"]
    assert models[0]["name"] == "twin"
    assert [model["default"] for model in models].count(True) == 1
    refused = site.client.post("/v1/restorations", data={"model": "nobody"})
    assert (refused.status_code, refused.json()["status"]) == (422, 422)
    assert "twin" in refused.json()["detail"]


def test_a_bad_file_fails_in_the_clients_words(site, pair, tmp_path):
    bad = tmp_path / "holiday.jpg"
    bad.write_bytes(b"\xff\xd8\xff" + bytes(100))
    last = site.ends(site.send(bad, pair[1]))
    assert (last["state"], last["problem"]["status"]) == ("failed", 422)
    assert last["problem"]["detail"].startswith("holiday.jpg: ")
    assert str(site.desk.folder) not in json.dumps(last)
    refused = site.client.get(f"/v1/restorations/{last['id']}/result")
    assert (refused.status_code, refused.json()["detail"]) == (409, last["problem"]["detail"])


def test_pictures_of_two_sizes_fail_in_the_clients_words(site, pair, tmp_path):
    small = save(tmp_path / "small.png", np.asarray(Image.open(pair[0]))[100::-1])
    last = site.ends(site.send(small, pair[1]))
    assert re.match(r"small\.png is 224x101 but blurry\.png is 224x160", last["problem"]["detail"])


@pytest.mark.parametrize(
    "names",
    [
        ["short"],
        ["photo"],
        ["short", "photo"],
        ["photo"] * 18,
        ["other", "long"],
        ["short", "long", "long"],
        ["long"],
        [],
    ],
)
def test_photographs_that_make_no_picture_are_refused(site, names):
    files = [(name, ("a.png", b"x")) for name in names]
    answer = site.client.post("/v1/restorations", files=files or None)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


@pytest.mark.parametrize("fields", [{"strenght": "1"}, {"long_is": "0"}, {"of": "x", "trust_map": "yes"}])
def test_fields_without_a_meaning_are_refused(site, fields):
    answer = site.client.post("/v1/restorations", data=fields)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:twinshot:problem:invalid-input")


@pytest.mark.parametrize(
    "query",
    [
        *("x=-1", "x=a", "x=9999", "w=0", "shrink=3", "shrink=64", "layer=other", "x=99999999999", "y=160"),
        *("tone=other", "best=1"),
    ],
)
def test_parts_that_are_none_are_refused(site, pair, query):
    path = f"/v1/restorations/{site.ends(site.send(*pair))['id']}/preview?{query}"
    answer = site.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_unknown_addresses_and_methods(site):
    for path in ("/v1/restorations/x", "/v1/restorations/x/events", "/v1/nothing", "/page/../server.py", "/page/"):
        answer = site.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
    wrong = site.client.put("/v1/restorations")
    assert (wrong.status_code, "header Allow" in wrong.json()["detail"]) == (405, True)
    assert set(site.client.put("/v1/restorations/x").headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}


def test_cancel_in_the_middle(site, large_pair, pair):
    job = site.send(*large_pair).json()
    seen = []

    def follow():
        seen.extend(site.watch(job["id"]))

    follower = threading.Thread(target=follow)
    follower.start()
    while not any(state["stage"] in ("matching", "restoring") for state in seen):
        assert follower.is_alive(), seen
        time.sleep(0.02)
    assert site.client.delete(f"/v1/restorations/{job['id']}").status_code == 204
    follower.join(10)
    assert seen[-1]["state"] == "cancelled"
    assert site.ends(site.send(*pair))["state"] == "done"
    assert not (site.desk.folder / job["id"]).exists()


def test_every_route_is_described(site):
    described = site.client.get("/v1/openapi.json").json()["paths"]
    routes = {
        (route.path, method.lower())
        for route in site.running.config.app.routes
        if hasattr(route, "methods") and route.path != "/"
        for method in route.methods - {"HEAD"}
    }
    assert {(path, method) for path, item in described.items() for method in item.keys() & _METHODS} == routes


def test_the_page_asks_for_as_many_pictures_at_once_as_an_archive_takes():
    assert f"const MOST_ZIPPED = {MOST_ZIPPED};" in (PAGE / "restore.js").read_text()


def test_metrics(site, pair):
    site.ends(site.send(*pair))
    text = site.client.get("/metrics").text
    assert re.search(r'twinshot_restorations_total\{outcome="done"\} [1-9]', text)
    assert "noisy.png" not in text


def _pixels(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)


def _when_there(site, path, query):
    for _ in range(200):
        answer = site.client.get(path, params=query)
        if answer.status_code == 200:
            return answer
        time.sleep(0.05)
    raise AssertionError(answer.text)


_METHODS = {"get", "post", "delete", "put", "patch"}
