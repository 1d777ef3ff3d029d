"""QGIS's proxy and certificates as variables for uv and pip."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtNetwork import QSslCertificate

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import diagnostics, network
from lunarsite.lunarsite_plugin.setup.paths import EnginePaths

SPECIAL = "p.w:d#é"
KEYS = ("Enabled", "Type", "Host", "Port", "User", "Password", "ExcludedUrls")


pytestmark = pytest.mark.usefixtures("qgis_app")


@pytest.fixture
def settings():
    found = QgsSettings()
    yield found
    found.remove("proxy")


def set_proxy(settings, **values):
    for name, value in {"Enabled": True, "Type": "HttpProxy", **values}.items():
        assert name in KEYS
        settings.setValue(f"proxy/proxy{name}", value)


def test_without_a_proxy_there_are_no_variables(settings):
    assert network.proxy() == {}
    set_proxy(settings, Enabled=False, Host="proxy.moon", Port="3128")
    assert network.proxy() == {}


def test_the_system_proxy_needs_no_variables(settings):
    set_proxy(settings, Type="DefaultProxy", Host="left.over")
    assert network.proxy() == {}


def test_proxy_credentials_are_percent_encoded(settings):
    set_proxy(settings, Host="proxy.moon", Port="3128", User="ada@x", Password=SPECIAL)
    found = network.proxy()
    address = "http://ada%40x:p.w%3Ad%23%C3%A9@proxy.moon:3128"
    assert found["HTTPS_PROXY"] == found["https_proxy"] == found["HTTP_PROXY"] == address


def test_a_socks_proxy_resolves_host_names(settings):
    set_proxy(settings, Type="Socks5Proxy", Host="proxy.moon", Port="1080")
    found = network.proxy()
    assert found["ALL_PROXY"] == "socks5h://proxy.moon:1080"
    assert "HTTP_PROXY" not in found


def test_excluded_hosts_bypass_the_proxy(settings):
    set_proxy(settings, Host="p", ExcludedUrls=["https://inside.moon/wms", "10.0.0.7", ""])
    assert network.proxy()["NO_PROXY"] == "inside.moon,10.0.0.7"


def test_unsupported_proxies_are_rejected(settings):
    set_proxy(settings, Type="FtpCachingProxy", Host="p")
    with pytest.raises(LunarSiteError, match=r"FtpCachingProxy.*Settings, Options, Network"):
        network.proxy()
    set_proxy(settings, Type="HttpProxy", Host="")
    with pytest.raises(LunarSiteError, match="host not set"):
        network.proxy()


def test_uv_uses_the_index_of_pip_unless_it_has_its_own():
    assert network.index({"PIP_INDEX_URL": "https://m/simple"}) == {
        "UV_DEFAULT_INDEX": "https://m/simple"
    }
    assert network.index({"PIP_INDEX_URL": "https://m", "UV_DEFAULT_INDEX": "https://u"}) == {}
    assert network.index({}) == {}


def test_the_system_certificates_are_trusted(tmp_path, monkeypatch):
    monkeypatch.delenv("UV_SYSTEM_CERTS", raising=False)
    file = tmp_path / "certificates.pem"
    assert network.trust(file) == {"UV_SYSTEM_CERTS": "1"}
    assert not file.exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_certificates_added_by_the_user_are_trusted(tmp_path, monkeypatch):
    pem = make_certificate(tmp_path)
    other = tmp_path / "other.pem"
    other.write_text("# from the environment\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    certificate = QSslCertificate.fromPath(str(pem))[0]
    manager = QgsApplication.authManager()
    assert manager.storeCertAuthority(certificate)
    try:
        manager.rebuildCaCertsCache()
        manager.rebuildTrustedCaCertsCache()
        file = tmp_path / "certificates.pem"
        found = network.trust(file)
    finally:
        manager.removeCertAuthority(certificate)
        manager.rebuildCaCertsCache()
        manager.rebuildTrustedCaCertsCache()
    assert found["SSL_CERT_FILE"] == found["PIP_CERT"] == str(file)
    text = file.read_text()
    assert "".join(pem.read_text().split()) in "".join(text.split())
    assert text.count("BEGIN CERTIFICATE") > 10
    assert "from the environment" in text


def make_certificate(folder):
    pem = folder / "authority.pem"
    subject = ["-subj", "/CN=Lunar authority", "-addext", "basicConstraints=critical,CA:TRUE"]
    subject += ["-days", "2", "-keyout", "key.pem", "-out", pem.name]
    subprocess.run(
        [shutil.which("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return pem


def test_diagnostics_do_not_contain_the_proxy(settings, engine_paths):
    set_proxy(settings, Host="proxy.moon", User="ada", Password=SPECIAL)
    report = diagnostics.text(engine_paths, log=[f"GET http://ada:{SPECIAL}@proxy.moon/x"])
    assert "Proxy in QGIS set" in report
    assert SPECIAL not in report
    assert "ada" not in report


def test_diagnostics_mask_the_home_folder(engine_paths, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    report = diagnostics.text(engine_paths, log=[f"wrote {tmp_path}/deep/file"])
    assert "wrote ~/deep/file" in report
    assert str(tmp_path) not in report
    assert "Installed engine missing in ~" in report


def test_diagnostics_contain_the_end_of_the_log(engine_paths):
    engine_paths.home.mkdir(parents=True)
    engine_paths.log.write_text("".join(f"line {number}\n" for number in range(100)))
    lines = diagnostics.text(engine_paths).splitlines()
    assert lines[-1] == "line 99"
    assert lines[-diagnostics.LOG_LINES] == "line 60"
    assert lines[-diagnostics.LOG_LINES - 1] == "Log:"


@pytest.fixture
def engine_paths(tmp_path):
    return EnginePaths(tmp_path / "home", tmp_path / "home" / "venv" / "bin" / "python")
