"""Diagnostics for bug reports, without private information."""

from __future__ import annotations

import platform
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import Qgis
from qgis.PyQt.QtCore import qVersion

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import network, plan
from lunarsite.lunarsite_plugin.setup.install.work import without_credentials
from lunarsite.lunarsite_plugin.setup.paths import PLUGIN_FOLDER
from lunarsite.qgis_common import location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lunarsite.lunarsite_plugin.setup.check import Row
    from lunarsite.lunarsite_plugin.setup.paths import EnginePaths

LOG_LINES = 40


def text(paths: EnginePaths, rows: Iterable[Row] = (), log: Iterable[str] | None = None) -> str:
    """Return a report on QGIS, the engine, the last check and the end of the log.

    Parameters
    ----------
    paths : EnginePaths
        The files of the engine.
    rows : iterable of Row
        The results of the last check.
    log : iterable of str, optional
        Lines of the log; by default those of the setup log.
    """
    state = plan.state(paths)
    lines = [
        f"LunarSite {plugin_version()}",
        f"QGIS {Qgis.QGIS_VERSION}, Qt {qVersion()}, Python {platform.python_version()}",
        f"System {platform.platform()}, {platform.machine()}",
        f"Engine in use {_engine()}",
        f"Installed engine {state.kind} in {paths.home}: {state.why}; torch {state.torch}",
        f"Proxy in QGIS {'set' if network.proxy_is_set() else 'not set'}",
        *(f"{row.what} {_mark(row)}: {row.detail}" for row in rows),
        "Log:",
        *list(last_lines(paths.log) if log is None else log)[-LOG_LINES:],
    ]
    return masked("\n".join(lines)) + "\n"


def masked(report: str) -> str:
    """Replace the home folder by ~, and remove credentials from URLs."""
    home = str(Path.home())
    for form in (home, home.replace("\\", "/"), home.replace("\\", "\\\\")):
        if len(form) > 1:
            report = report.replace(form, "~")
    return without_credentials(report)


def plugin_version() -> str:
    """Return the plugin's version."""
    project = tomllib.loads((PLUGIN_FOLDER / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


def last_lines(path: Path, count: int = LOG_LINES) -> list[str]:
    """Return the last lines of a log, if there is one."""
    return (plan.read_text(path) or "").splitlines()[-count:]


def _engine() -> str:
    try:
        found = location.find()
    except LunarSiteError as error:
        return f"none: {error.problem}"
    return f"{found.python}, {found.origin}"


def _mark(row: Row) -> str:
    return {True: "ok", False: "failed", None: "note"}[row.ok]
