"""Where the extra is not installed, the command says so."""

from __future__ import annotations

import sys


def test_the_extra_is_named(command, files, tmp_path, monkeypatch):
    for module in ("ray", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    for arguments in (("--pairs", tmp_path / "pairs.parquet"), (tmp_path,)):
        result = command("restore", *arguments, "-o", tmp_path / "out", "--on", "local")
        assert (result.code, "pip install 'twinshot[distributed]'" in result.err) == (2, True), result
