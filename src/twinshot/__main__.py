"""The command's door: nothing is imported before someone listens for Ctrl-C."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; see `twinshot.cli.main`."""
    try:
        from .cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("twinshot: stopped\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
