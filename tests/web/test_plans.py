"""A folder is sorted into pictures before it is restored, and many results come as one file."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from twinshot import batch
from twinshot.web import plans


def _plan(site, paths):
    """The plan of files, each of which was looked at."""
    answer = site.client.post("/v1/plans", json={"names": [path.name for path in paths]})
    assert answer.status_code == 201, answer.text
    where = answer.headers["location"]
    for place in answer.json()["wanted"]:
        site.client.put(f"{where}/photos/{place}", content=paths[place].read_bytes())
    return site.client.get(where).json()


def test_a_folder_is_sorted_as_the_command_sorts_it(site, holiday):
    paths = sorted(holiday.iterdir())
    plan = _plan(site, paths)
    wanted = batch.plan([holiday])
    named = [
        (tuple(paths[place] for place in one["short"]), None if one["long"] is None else paths[one["long"]])
        for one in plan["pictures"]
    ]
    assert len(named) == 2
    assert named == [(job.short, job.long) for job in wanted.jobs]
    assert tuple(paths[place] for place in plan["alone"]) == wanted.alone == (holiday / "4 alone.png",)
    assert [paths[place].name for place in plan["ignored"]] == ["4 alone-restored.png", "notes.txt"]
    (broken,) = plan["unreadable"]
    assert (paths[broken["photo"]].name, broken["reason"][:14]) == ("5 broken.jpg", "5 broken.jpg: ")
    assert plan["wanted"] == []


def test_no_photograph_of_a_plan_is_kept(site, holiday):
    paths = sorted(holiday.iterdir())
    plan = _plan(site, paths)
    kept = list((site.desk.folder / plan["id"]).iterdir())
    assert {path.suffix for path in kept} == {".shot"}
    assert sum(path.stat().st_size for path in kept) < 6 * 4000
    assert site.client.delete(f"/v1/plans/{plan['id']}").status_code == 204
    assert site.client.get(f"/v1/plans/{plan['id']}").status_code == 404
    assert not (site.desk.folder / plan["id"]).exists()


def test_raw_files_beside_developed_ones_are_not_asked_for(site):
    names = ["a/1.cr3", "a/1.jpg", "b/1.cr3", ".c.jpg", "d", "../../e.png"]
    plan = site.client.post("/v1/plans", json={"names": names}).json()
    assert (plan["photos"], plan["wanted"], plan["ignored"]) == (names, [1, 2, 5], [0, 3, 4])


def test_plans_that_cannot_be_made(site):
    for body in ({"names": "a"}, {"names": [1, 2]}, [], {}):
        assert site.client.post("/v1/plans", json=body).status_code == 400
    assert site.client.post("/v1/plans", content=b"[" * 100_000).status_code == 400
    for names in ([], ["a.jpg"], ["a.jpg"] * 1001):
        assert site.client.post("/v1/plans", json={"names": names}).status_code == 422
    assert site.client.post("/v1/plans", content=bytes(3 << 20)).status_code == 413


def test_photographs_that_no_plan_wants(site, pair):
    plan = site.client.post("/v1/plans", json={"names": ["a.png", "b.txt"]}).json()
    where = f"/v1/plans/{plan['id']}/photos"
    assert site.client.put(f"{where}/1", content=pair[0].read_bytes()).status_code == 422
    assert site.client.put(f"{where}/0", content=pair[0].read_bytes()).status_code == 204
    assert site.client.put(f"{where}/0", content=pair[0].read_bytes()).status_code == 422
    assert site.client.put(f"/v1/plans/{plan['id'][:-1]}/photos/0", content=b"x").status_code == 404
    assert site.client.put(f"{where}/x", content=b"x").status_code == 404


def test_the_oldest_plans_go(serving, monkeypatch):
    monkeypatch.setattr(plans, "_MOST_PLANS", 2)
    site = serving()
    ids = [site.client.post("/v1/plans", json={"names": ["a.png", "b.png"]}).json()["id"] for _ in range(3)]
    assert [site.client.get(f"/v1/plans/{one}").status_code for one in ids] == [404, 200, 200]


def test_many_results_come_as_one_file(site, pair, timeless):
    jobs = [site.ends(site.send(*pair)) for _ in range(2)]
    query = [("id", job["id"]) for job in jobs]
    answer = site.client.get("/v1/archive", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["noisy-restored.png", "noisy-restored-2.png"]
        single = site.client.get(f"/v1/restorations/{jobs[1]['id']}/result").content
        assert timeless(archive.read("noisy-restored-2.png")) == timeless(single)
    jpeg = site.client.get("/v1/archive", params=[*query, ("format", "jpeg"), ("quality", "80")])
    with zipfile.ZipFile(io.BytesIO(jpeg.content)) as archive:
        assert archive.read("noisy-restored.jpg").startswith(b"\xff\xd8\xff")
    kept = [path.name for job in jobs for path in (site.desk.folder / job["id"]).iterdir()]
    assert not [name for name in kept if name.startswith("once")]


def test_archives_that_cannot_be_made(site, pair):
    job = site.ends(site.send(*pair))
    bad = site.ends(site.post([("short", Path(__file__)), ("long", pair[1])]))
    for query, status in (
        ([], 422),
        ([("id", "x")], 404),
        ([("id", job["id"]), ("id", bad["id"])], 409),
        ([("id", job["id"]), ("format", "gif")], 422),
        ([("id", str(number)) for number in range(251)], 422),
    ):
        answer = site.client.get("/v1/archive", params=query)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_result_that_is_lost_on_the_way_is_told_of_in_the_archive(site, pair):
    jobs = [site.ends(site.send(*pair)) for _ in range(2)]
    (site.desk.folder / jobs[0]["id"] / "restored.pickle").unlink()
    answer = site.client.get("/v1/archive", params=[("id", job["id"]) for job in jobs])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["noisy-restored.txt", "noisy-restored-2.png"]
        assert re.match(r"A file was lost", archive.read("noisy-restored.txt").decode())
