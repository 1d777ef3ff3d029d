"""QGIS's proxy and certificates reach uv and pip as variables."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtNetwork import QSslCertificate

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import diagnostics, network
from lunarsite.lunarsite_plugin.setup.place import Place

ODD = "p.w:d#é"
KEYS = ("Enabled", "Type", "Host", "Port", "User", "Password", "ExcludedUrls")


pytestmark = pytest.mark.usefixtures("qgis_app")


@pytest.fixture
def settings():
    kept = QgsSettings()
    yield kept
    kept.remove("proxy")


def set_proxy(settings, **values):
    for name, value in {"Enabled": True, "Type": "HttpProxy", **values}.items():
        assert name in KEYS
        settings.setValue(f"proxy/proxy{name}", value)


def test_no_proxy_no_variables(settings):
    assert network.proxy() == {}
    set_proxy(settings, Enabled=False, Host="proxy.moon", Port="3128")
    assert network.proxy() == {}


def test_the_systems_proxy_is_left_to_who_finds_it(settings):
    set_proxy(settings, Type="DefaultProxy", Host="left.over")
    assert network.proxy() == {}


def test_a_proxy_comes_with_its_user_in_a_form_that_an_address_allows(settings):
    set_proxy(settings, Host="proxy.moon", Port="3128", User="ada@x", Password=ODD)
    found = network.proxy()
    address = "http://ada%40x:p.w%3Ad%23%C3%A9@proxy.moon:3128"
    assert found["HTTPS_PROXY"] == found["https_proxy"] == found["HTTP_PROXY"] == address


def test_a_socks_proxy_resolves_names_itself(settings):
    set_proxy(settings, Type="Socks5Proxy", Host="proxy.moon", Port="1080")
    found = network.proxy()
    assert found["ALL_PROXY"] == "socks5h://proxy.moon:1080"
    assert "HTTP_PROXY" not in found


def test_what_qgis_reaches_directly_is_reached_directly(settings):
    set_proxy(settings, Host="p", ExcludedUrls=["https://inside.moon/wms", "10.0.0.7", ""])
    assert network.proxy()["NO_PROXY"] == "inside.moon,10.0.0.7"


def test_a_proxy_of_another_kind_is_refused_with_a_remedy(settings):
    set_proxy(settings, Type="FtpCachingProxy", Host="p")
    with pytest.raises(LunarSiteError, match=r"FtpCachingProxy.*Settings, Options, Network"):
        network.proxy()
    set_proxy(settings, Type="HttpProxy", Host="")
    with pytest.raises(LunarSiteError, match="host not given"):
        network.proxy()


def test_pips_index_serves_uv_unless_uv_has_its_own():
    assert network.index({"PIP_INDEX_URL": "https://m/simple"}) == {
        "UV_DEFAULT_INDEX": "https://m/simple"
    }
    assert network.index({"PIP_INDEX_URL": "https://m", "UV_DEFAULT_INDEX": "https://u"}) == {}
    assert network.index({}) == {}


def test_without_certificates_of_the_users_the_systems_are_trusted(tmp_path, monkeypatch):
    monkeypatch.delenv("UV_SYSTEM_CERTS", raising=False)
    file = tmp_path / "certificates.pem"
    assert network.trust(file) == {"UV_SYSTEM_CERTS": "1"}
    assert not file.exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_that_the_user_added_is_trusted_beside_the_systems(tmp_path, monkeypatch):
    pem = make_certificate(tmp_path)
    given = tmp_path / "given.pem"
    given.write_text("# those the environment names\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(given))
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
    assert "those the environment names" in text


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


def test_diagnostics_say_that_there_is_a_proxy_and_never_which(settings, engine_place):
    set_proxy(settings, Host="proxy.moon", User="ada", Password=ODD)
    report = diagnostics.text(engine_place, log=[f"GET http://ada:{ODD}@proxy.moon/x"])
    assert "Proxy in QGIS set" in report
    assert ODD not in report
    assert "ada" not in report


def test_diagnostics_mask_the_home_folder(engine_place, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    report = diagnostics.text(engine_place, log=[f"wrote {tmp_path}/deep/file"])
    assert "wrote ~/deep/file" in report
    assert str(tmp_path) not in report
    assert "Engine of the set-up missing in ~" in report


def test_diagnostics_hold_the_last_lines_of_the_log(engine_place):
    engine_place.home.mkdir(parents=True)
    engine_place.log.write_text("".join(f"line {number}\n" for number in range(100)))
    lines = diagnostics.text(engine_place).splitlines()
    assert lines[-1] == "line 99"
    assert lines[-diagnostics.LOG_LINES] == "line 60"
    assert lines[-diagnostics.LOG_LINES - 1] == "Log:"


@pytest.fixture
def engine_place(tmp_path):
    return Place(tmp_path / "home", tmp_path / "home" / "venv" / "bin" / "python")
