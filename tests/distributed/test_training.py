"""Training on Ray: two workers learn together, and one that is killed costs the steps since the last checkpoint."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from importlib.util import find_spec

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("ray") is None, reason="needs twinshot[distributed]")]
pytest.importorskip("torch")

import skimage.data
from clusters import started
from helpers import MAIN, outcome, save, start

RECIPE = """
name = "tiny"
steps = 40
log_every = 1
validation = 1
checkpoint_minutes = 0.0
net = {kind = "twin", settings = {channels = [4, 4, 5, 5], encoder = [1, 1, 1, 1], decoder = [1, 1, 1]}}
data = {profiles = ["paper"], crop = 32, batch = 2, shards = 2, per_shard = 4, side = 48}
"""


@pytest.fixture
def lab(tmp_path):
    """Photographs, and a recipe."""
    for part, picture in (("train", skimage.data.astronaut()), ("val", skimage.data.coffee())):
        (tmp_path / "photos" / part).mkdir(parents=True)
        save(tmp_path / "photos" / part / "photo.png", picture[:300, :300])
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path


def trained(lab, cluster, *more):
    order = ("train", lab / "tiny.toml", "--data", lab, "--runs", lab / "runs")
    return start(MAIN, *order, "--on", cluster.address, "--workers", "2", *more, env_more=cluster.env)


def steps(lab):
    path = lab / "runs" / "tiny" / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [row["step"] for row in (json.loads(line) for line in lines if line.endswith("}")) if "loss" in row]


def workers():
    """Processes that train."""
    table = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in table.splitlines() if "ray::RayTrainWorker" in line]


def test_a_worker_is_killed(lab):
    with started() as cluster:
        process = trained(lab, cluster)
        while not steps(lab):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        os.kill(workers()[0], signal.SIGKILL)
        done = outcome(process)
        assert done.code == 0, done.err
        assert steps(lab) == list(range(1, 41))
        assert not list((lab / "runs").glob(".ray*"))
        refused = outcome(trained(lab, cluster))
        assert refused.code == 2
        assert "this run exists; resume it" in refused.err
        greedy = outcome(trained(lab, cluster, "--workers", "3", "--resume"))
        assert "--workers 3: the cluster has 2 cores" in greedy.err
