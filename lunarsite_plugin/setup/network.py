"""The way to the network for uv and pip: QGIS's proxy and certificates, as variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy

from lunarsite.engine.errors import LunarSiteError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = {"HttpProxy": "http", "HttpCachingProxy": "http", "Socks5Proxy": "socks5h"}
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def variables(certificates: Path) -> dict[str, str]:
    """Return what children get so that they reach the network as QGIS does.

    What the user has set for pip and uv in the environment stays. To be called from the main
    thread: a proxy's password may lie behind QGIS's master password, which is then asked for.

    Parameters
    ----------
    certificates : Path
        Where QGIS's certificate authorities are written, if the user has added any.
    """
    return {**index(os.environ), **proxy(), **trust(certificates)}


def proxy_is_set() -> bool:
    """Whether QGIS is told to use a proxy."""
    return QgsSettings().value("proxy/proxyEnabled", False, type=bool)


def proxy() -> dict[str, str]:
    """Return QGIS's proxy as variables in both spellings; empty where none is set.

    QGIS's choice "default" is the system's own, which uv and pip find themselves.

    Raises
    ------
    LunarSiteError
        If the proxy is of a kind that uv and pip do not know, or has no host.
    """
    settings = QgsSettings()
    kind = str(settings.value("proxy/proxyType", "") or "")
    if not proxy_is_set() or kind in {"", "DefaultProxy"}:
        return {}
    host = str(settings.value("proxy/proxyHost", "") or "")
    if kind not in _SCHEMES or not host:
        raise LunarSiteError(
            f"QGIS's proxy ({kind}, host {host or 'not given'}) cannot serve uv and pip",
            "Choose an HTTP or SOCKS5 proxy with a host in QGIS: Settings, Options, Network",
        )
    port = str(settings.value("proxy/proxyPort", "") or "")
    address = f"{_SCHEMES[kind]}://{_credentials(settings)}{host}{':' if port else ''}{port}"
    names = ["ALL_PROXY"] if kind == "Socks5Proxy" else ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    found = dict.fromkeys(names, address)
    excluded = _excluded(settings)
    if excluded:
        found["NO_PROXY"] = ",".join(excluded)
    return {**found, **{name.lower(): value for name, value in found.items()}}


def trust(certificates: Path) -> dict[str, str]:
    """Return which certificate authorities children trust.

    They use the system's. Where the user has added authorities to QGIS, these, the system's and
    those the environment names are written to one file.
    """
    system = {"UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1")}
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not (manager.databaseCAs() or manager.extraFileCAs()):
        return system
    texts = [bytes(manager.trustedCaCertsPemText()).decode("ascii", "ignore")]
    given = os.environ.get("SSL_CERT_FILE", "")
    if given and Path(given).is_file():
        texts.append(Path(given).read_text("utf-8", "replace"))
    beside = certificates.with_suffix(".part")
    beside.write_text("\n".join(texts), "utf-8")
    beside.replace(certificates)
    path = str(certificates)
    return {"SSL_CERT_FILE": path, "PIP_CERT": path, "REQUESTS_CA_BUNDLE": path, **system}


def index(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the index for uv where only pip is told of one."""
    named = environment.get("PIP_INDEX_URL", "")
    if named and not environment.get("UV_DEFAULT_INDEX") and not environment.get("UV_INDEX_URL"):
        return {"UV_DEFAULT_INDEX": named}
    return {}


def _credentials(settings: QgsSettings) -> str:
    """Return ``user:password@`` for the proxy, from its authentication or its own fields."""
    user = str(settings.value("proxy/proxyUser", "") or "")
    password = str(settings.value("proxy/proxyPassword", "") or "")
    config = str(settings.value("proxy/authcfg", "") or "")
    if config:
        proxy = QNetworkProxy()
        done = QgsApplication.authManager().updateNetworkProxy(proxy, config)
        taken, proxy = done if isinstance(done, tuple) else (done, proxy)
        if not taken:
            raise LunarSiteError(
                f"QGIS's authentication {config} for the proxy cannot be read",
                "Give QGIS's master password when it asks, or choose another authentication for "
                "the proxy in Settings, Options, Network",
            )
        user, password = proxy.user(), proxy.password()
    if not user:
        return ""
    return f"{quote(user, safe='')}:{quote(password, safe='')}@"


def _excluded(settings: QgsSettings) -> list[str]:
    """Return the hosts that QGIS reaches without the proxy."""
    hosts: list[str] = []
    for key in ("proxy/proxyExcludedUrls", "proxy/noProxyUrls"):
        value = settings.value(key, [])
        for text in [value] if isinstance(value, str) else value or []:
            host = QUrl.fromUserInput(str(text).strip().rstrip("*")).host()
            if host and host not in hosts:
                hosts.append(host)
    return hosts
