"""QGIS's proxy and certificates as environment variables for uv and pip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import LunarSiteError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = {"HttpProxy": "http", "HttpCachingProxy": "http", "Socks5Proxy": "socks5h"}


def variables(certificates: Path) -> dict[str, str]:
    """Return environment variables that give child processes QGIS's network access.

    Variables that the user has set for pip and uv remain in effect. Call this from the main thread,
    because QGIS may have to ask for its master password to read the proxy's password.

    Parameters
    ----------
    certificates : Path
        File for QGIS's certificate authorities, which is written if the user has added any.
    """
    return {**index(os.environ), **proxy(), **trust(certificates)}


def proxy_is_set() -> bool:
    """Return whether QGIS is configured to use a proxy."""
    return QgsSettings().value("proxy/proxyEnabled", False, type=bool)


def proxy() -> dict[str, str]:
    """Return QGIS's proxy as variables in upper and lower case; empty if none is set.

    The default proxy is that of the system, which uv and pip find on their own.

    Raises
    ------
    LunarSiteError
        If uv and pip do not support this type of proxy, or it has no host.
    """
    settings = QgsSettings()
    kind = str(settings.value("proxy/proxyType", "") or "")
    if not proxy_is_set() or kind in {"", "DefaultProxy"}:
        return {}
    host = str(settings.value("proxy/proxyHost", "") or "")
    if kind not in _SCHEMES or not host:
        raise LunarSiteError(
            f"uv and pip cannot use QGIS's proxy ({kind}, host {host or 'not set'})",
            "Set an HTTP or SOCKS5 proxy with a host in QGIS: Settings, Options, Network",
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
    """Return variables for the certificate authorities that child processes trust.

    By default these are the system's. If the user has added authorities to QGIS, they are written
    to one file together with the system's and those from the environment.
    """
    system = {"UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1")}
    manager = QgsApplication.authManager()
    if manager.isDisabled() or not (manager.databaseCAs() or manager.extraFileCAs()):
        return system
    texts = [bytes(manager.trustedCaCertsPemText()).decode("ascii", "ignore")]
    from_environment = os.environ.get("SSL_CERT_FILE", "")
    if from_environment and Path(from_environment).is_file():
        texts.append(Path(from_environment).read_text("utf-8", "replace"))
    with whole_file(certificates) as partial:
        partial.write_text("\n".join(texts), "utf-8")
    path = str(certificates)
    return {"SSL_CERT_FILE": path, "PIP_CERT": path, "REQUESTS_CA_BUNDLE": path, **system}


def index(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's package index for uv, unless uv has one of its own."""
    named = environment.get("PIP_INDEX_URL", "")
    if named and not environment.get("UV_DEFAULT_INDEX") and not environment.get("UV_INDEX_URL"):
        return {"UV_DEFAULT_INDEX": named}
    return {}


def _credentials(settings: QgsSettings) -> str:
    """Return ``user:password@`` for the proxy, from its authentication configuration or fields."""
    user = str(settings.value("proxy/proxyUser", "") or "")
    password = str(settings.value("proxy/proxyPassword", "") or "")
    config = str(settings.value("proxy/authcfg", "") or "")
    if config:
        proxy = QNetworkProxy()
        updated = QgsApplication.authManager().updateNetworkProxy(proxy, config)
        success, proxy = updated if isinstance(updated, tuple) else (updated, proxy)
        if not success:
            raise LunarSiteError(
                f"QGIS cannot read the authentication configuration {config} of the proxy",
                "Enter QGIS's master password when it asks, or choose another authentication for "
                "the proxy in Settings, Options, Network",
            )
        user, password = proxy.user(), proxy.password()
    if not user:
        return ""
    return f"{quote(user, safe='')}:{quote(password, safe='')}@"


def _excluded(settings: QgsSettings) -> list[str]:
    """Return the hosts that QGIS accesses without the proxy."""
    hosts: list[str] = []
    for key in ("proxy/proxyExcludedUrls", "proxy/noProxyUrls"):
        value = settings.value(key, [])
        for text in [value] if isinstance(value, str) else value or []:
            host = QUrl.fromUserInput(str(text).strip().rstrip("*")).host()
            if host and host not in hosts:
                hosts.append(host)
    return hosts
