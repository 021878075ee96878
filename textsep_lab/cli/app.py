"""``textsep app``: the interactive demo as a page in the browser."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path

import click

#: A notebook's widgets talk in one message each; files come in pieces of 1 MB.
MESSAGE_BYTES = 16 * 2**20
#: A page that is closed ends its kernel by a message without a token, which names the kernel.
SETTINGS = {"websocket_max_message_size": MESSAGE_BYTES, "disable_check_xsrf": True}
#: Of all that is installed for JupyterLab, the page needs these.
EXTENSIONS = [
    "@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget",
]  # fmt: skip


@click.command()
@click.option("--port", default=8866, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; 0.0.0.0 lets other computers in.")  # fmt: skip
@click.option("--browser/--no-browser", default=True, help="Open the page.")
@click.option("--idle-minutes", default=30.0, show_default=True,
              type=click.FloatRange(0, min_open=True),
              help="A visitor who does nothing for so long is forgotten.")  # fmt: skip
def app(port, host, browser, idle_minutes) -> None:
    """Serve the interactive demo as a page, each visitor with a kernel of their own.

    \b
    textsep app
    textsep app --port 9000 --no-browser
    """
    if find_spec("voila") is None or find_spec("anywidget") is None:
        raise ImportError("The page needs Voila: pip install 'textsep-lab[demo]'.")
    check_port(host, port)
    import voila.app

    demo = Path(__file__).resolve().parent.parent / "demo"
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        filter(None, [str(demo), os.environ.get("JUPYTER_PATH")])
    )
    shown = "127.0.0.1" if host in ("", "0.0.0.0") else host
    click.echo(f"The demo is at http://{shown}:{port}/ (Ctrl+C ends it).")
    voila.app.Voila.launch_instance(
        arguments(demo / "page.ipynb", host, port, idle_minutes, browser)
    )


def check_port(host: str, port: int) -> None:
    """Raise OSError in one sentence where nothing can be served at this address."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            said = f"Nothing can be served at {host}, port {port}"
            raise OSError(f"{said} ({error.strerror or error}): try another --port.") from error


def arguments(
    notebook: Path, host: str, port: int, idle_minutes: float, browser: bool
) -> list[str]:
    """Return what Voila is started with: no code shown, idle kernels stopped, messages limited."""
    given = [
        str(notebook),
        f"--Voila.ip={host}",
        f"--port={port}",
        "--Voila.port_retries=0",
        "--template=textsep",
        "--strip_sources=True",
        "--show_tracebacks=False",
        "--Voila.log_level=ERROR",
        f"--Voila.tornado_settings={SETTINGS}",
        f"--MappingKernelManager.cull_idle_timeout={max(1, round(60 * idle_minutes))}",
        f"--MappingKernelManager.cull_interval={max(1, min(60, round(6 * idle_minutes)))}",
        "--MappingKernelManager.cull_connected=True",
        "--VoilaConfiguration.file_allowlist=[]",
        f"--VoilaConfiguration.extension_allowlist={EXTENSIONS}",
    ]
    return given if browser else [*given, "--no-browser"]
