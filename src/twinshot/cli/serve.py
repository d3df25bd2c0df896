"""The command `serve`: the local web page."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from .app import need, out


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any other than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8765,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    token: Annotated[
        str, typer.Option(envvar="TWINSHOT_TOKEN", help="Secret that clients must send, at least 16 characters.")
    ] = "",
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="Another host name under which clients reach this server; may be repeated."),
    ] = None,
) -> None:
    """Serve a page to drop photographs on, and its HTTP API. Nothing leaves this machine."""
    for module in ("starlette", "uvicorn", "sse_starlette", "python_multipart", "prometheus_client"):
        need(module, "web")
    from ..web.server import serve as run
    from ..web.settings import Settings

    def started(address: str) -> None:
        out.print(f"{address}  (Ctrl-C ends it)", markup=False, highlight=False, soft_wrap=True)
        if open_:
            webbrowser.open(address)

    run(Settings(host=host, port=port, token=token, names=tuple(names or ())), started)
