"""``lunarsite app RUN``: a finished run in the browser."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess  # nosec B404  # Streamlit's server is a program of its own
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.context import QuietContext
from lunarsite.engine.errors import MissingDependencyError, ParameterError
from lunarsite.engine.frontends.subcommands import Terminal, Verb

if TYPE_CHECKING:
    import argparse

    from lunarsite.engine.frontends.arguments import Parser

SETTINGS = "LUNARSITE_APP"
"""Environment variable with the run and the elevation model, as JSON, for the page."""
SCRIPT = Path(__file__).with_name("browser_app.py")
_NEEDED = ("streamlit", "streamlit_image_coordinates", "shap")
_PORT = 8501
_LAST_PORT = 65535


def _app(options: argparse.Namespace, terminal: Terminal) -> int:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"The app needs {' and '.join(missing)}",
            "Run: pip install 'lunarsite[app]', or in a checkout: make setup GROUPS=app",
        )
    from lunarsite.engine.scoring.finished_run import open_run  # noqa: PLC0415  loads pandas

    open_run(options.run, QuietContext())
    if options.dem and not Path(options.dem).is_file():
        raise ParameterError(f"--dem: there is no file {options.dem}", "Check the path")
    port = _free_port(options.port)
    terminal.say(f"The app is at http://localhost:{port}; Ctrl-C ends it")
    settings = {
        "run": str(Path(options.run).resolve()),
        "dem": options.dem and str(Path(options.dem).resolve()),
    }
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(SCRIPT)),
        *("--server.address", "localhost", "--server.port", str(port)),
        *("--server.headless", "true" if options.no_browser else "false"),
        *("--server.fileWatcherType", "none"),
        *("--browser.gatherUsageStats", "false"),
        *("--client.toolbarMode", "minimal"),
    ]
    server = subprocess.Popen(  # noqa: S603  # nosec B603  # no shell; our own interpreter
        command,
        env=os.environ | {SETTINGS: json.dumps(settings)},
        stdout=subprocess.DEVNULL,
    )
    try:
        while server.poll() is None:
            if terminal.cancelled.wait(0.2):
                server.terminate()
                server.wait()
                return 0
    finally:
        if server.poll() is None:
            server.kill()
    return 1 if server.returncode else 0


def _free_port(text: str) -> int:
    """Return the port of an option, on which nothing listens yet.

    Raises
    ------
    ParameterError
        If it is none, or taken.
    """
    port = int(text) if text.isdecimal() else 0
    if not 1 <= port <= _LAST_PORT:
        raise ParameterError(
            f"--port is {text!r}, no number from 1 to {_LAST_PORT}", f"Leave it out for {_PORT}"
        )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as servers do: one that has just ended is no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ParameterError(
                f"Port {port} cannot be used: {error.strerror}",
                "Perhaps the app runs there already; give another one, for example --port "
                f"{port + 1 if port < _LAST_PORT else _PORT}",
            ) from error
    return port


def _options(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="Output folder of screen.")
    parser.add_argument(
        "--dem", metavar="FILE", help="The elevation model of the run, for skylines."
    )
    parser.add_argument("--port", default=str(_PORT), help=f"Port of the page; {_PORT} by default.")
    parser.add_argument(
        "--no-browser", action="store_true", help="Do not open a browser; print the address only."
    )


VERBS = {
    "": Verb(
        summary="Show a finished run in the browser, from this machine: nothing leaves it.",
        words="RUN",
        options=_options,
        run=_app,
    )
}
