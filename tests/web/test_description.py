"""The server keeps what its OpenAPI description promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_made_up_requests_get_no_server_error(site, pair, tmp_path, known):
    """Made-up requests by the hundred, and each answer held against the description; or such for a picture's id."""
    tool, config = Path(sys.executable).with_name("schemathesis"), tmp_path / "schemathesis.toml"
    picture = site.ends(site.send(*pair))["id"]
    config.write_text(f'[parameters]\n"path.id" = "{picture}"\n' if known else "")
    result = subprocess.run(
        [
            *(tool, "--config-file", config, "run", f"{site.url}/v1/openapi.json", "--request-timeout", "60"),
            *("--max-examples", "60", "--seed", "1", "--no-color"),
            *("--exclude-checks", "positive_data_acceptance"),  # bits=16 with format=jpeg, a file that is no picture
            *(("--include-method", "GET") if known else ()),  # what would remove it is left out
        ],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    assert re.search(r"\d+ generated", result.stdout)
