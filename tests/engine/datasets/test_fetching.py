"""Whole files: what comes is what the server has, or nothing lands under its name."""

from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.datasets import cache, download, fetching, registry
from lunarsite.engine.datasets.download import Patience
from lunarsite.engine.errors import (
    CancelledError,
    InputError,
    LunarSiteError,
    OutputError,
    ParameterError,
)

from .conftest import CONTENT

SOON = Patience(connect_s=2.0, stall_s=0.4, attempts=3, wait_s=0.01)


def fetch(entry, context=None, patience=SOON):
    (path,) = fetching.fetch(entry, context or Context(), patience=patience)
    return path


def visible(folder):
    return sorted(path.name for path in folder.glob("[!.]*")) if folder.exists() else []


def refused(entry, kind=InputError):
    with pytest.raises(kind) as caught:
        fetch(entry)
    return caught.value


def test_a_file_is_fetched_whole_once_and_recorded(server, folder, made):
    path = fetch(made(server))
    assert path == folder / "a.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(made(server)) == path
    assert len(server.requests) == 1
    assert server.requests[0]["agent"].startswith("lunarsite/")
    assert visible(folder) == ["SHA256SUMS", "a.bin"]
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (folder / "SHA256SUMS").read_text() == f"{digest}  a.bin\n"
    assert not list(folder.glob(".*"))


def test_what_broke_off_goes_on_where_it_stopped(server, made):
    server.fail(cut_after=200_000, times=1)
    assert fetch(made(server)).read_bytes() == CONTENT
    first, second = server.requests
    assert (first["range"], second["range"]) == ("", "bytes=200000-")
    assert second["sent"] == len(CONTENT) - 200_000


def test_a_later_call_goes_on_too_unless_the_file_has_changed(server, folder, made):
    server.fail(cut_after=100_000)
    once = Patience(stall_s=0.4, attempts=1)
    with pytest.raises(InputError, match=r"ended after 100,000 of 300,000 bytes"):
        fetch(made(server), patience=once)
    assert visible(folder) == []
    server.fail()
    other = CONTENT[::-1]
    (server.folder / "a.bin").write_bytes(other)
    assert fetch(made(server)).read_bytes() == other, "two versions must not be mixed"
    assert server.requests[-1]["sent"] == len(other)


def test_a_server_without_ranges_sends_it_all_again(server, made):
    server.fail(cut_after=100_000, times=1, no_ranges=True)
    assert fetch(made(server)).read_bytes() == CONTENT
    assert server.requests[-1]["sent"] == len(CONTENT)


def test_what_was_all_received_is_not_fetched_again(server, folder, made):
    folder.mkdir()
    part = download._Part(folder / "a.bin")
    tag = f'"{(server.folder / "a.bin").stat().st_mtime_ns}"'
    part.begin(f"{server.address}/data/a.bin", {"ETag": tag})
    part.path.write_bytes(CONTENT)
    assert fetch(made(server)).read_bytes() == CONTENT
    assert server.sent_bytes == 0


def test_a_truncated_file_never_lands(server, folder, made):
    server.fail(cut_after=250_000, no_ranges=True)
    error = refused(made(server))
    assert "could not be fetched from 127.0.0.1" in error.problem
    assert "250,000 of 300,000 bytes" in error.problem
    assert visible(folder) == []
    server.fail(cut_after=250_000, no_length=True, no_ranges=True)
    assert "250,000 of 300,000 bytes" in refused(made(server)).problem
    assert visible(folder) == []


def test_a_corrupted_file_never_lands(server, folder, made, monkeypatch):
    known = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(registry, "checksums", lambda: {"a.bin": f"sha256:{known}"})
    assert fetch(made(server)).read_bytes() == CONTENT
    shutil.rmtree(folder)
    (server.folder / "a.bin").write_bytes(CONTENT[:-1] + b"!")
    error = refused(made(server))
    assert f"whose SHA256 is {known}" in error.problem
    assert visible(folder) == []


def test_a_file_of_another_size_is_told(server, made):
    context = Context()
    fetch(made(server, size=299_000), context)
    (warning,) = context.warnings
    assert "has 300,000 bytes, and had 299,000 when it was listed" in warning
    assert "https://page" in warning


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.tif", b"<html>busy</html>", "it is not a TIF file: it starts with b'<html>"),
        ("a.zip", b"PK\x03\x04" + bytes(90), "it ends before the list of what it holds"),
    ],
)
def test_what_is_no_such_file_never_lands(server, folder, made, name, content, told):
    (server.folder / name).write_bytes(content)
    error = refused(made(server, name, None))
    assert told in error.problem
    assert visible(folder) == []
    assert not list(folder.glob(".*"))


def test_a_web_page_in_its_place_is_refused(server, made):
    server.fail(type="text/html; charset=utf-8")
    assert "the server sends a web page, not the file" in refused(made(server)).problem


def test_a_file_that_is_gone_is_told_at_once_with_its_page_and_place(server, folder, made):
    error = refused(made(server, "none.tif"))
    assert "there is no such file (404)" in error.problem
    assert len(server.requests) == 1
    assert "https://page" in error.remedy
    address = f"{server.address}/data/none.tif"
    command = f"curl --fail --location --create-dirs {address} --output {folder / 'none.tif'}"
    assert str(error).endswith(command)


def test_a_busy_server_is_asked_again(server, made):
    server.fail(status=503, times=2)
    assert fetch(made(server)).read_bytes() == CONTENT
    assert len(server.requests) == 3
    server.fail(status=403)
    assert "answers 403" in refused(made(server, "b.bin")).problem
    assert len(server.requests) == 4, "what is forbidden is not asked for again"


def test_a_server_that_stalls_is_left_and_asked_again(server, folder, made):
    server.fail(cut_after=50_000, stall_s=5.0, times=1)
    assert fetch(made(server)).read_bytes() == CONTENT
    server.fail(cut_after=0, stall_s=5.0)
    shutil.rmtree(folder)
    assert "has sent nothing for 0.4 s" in refused(made(server)).problem


def test_a_server_that_drips_is_left_as_one_that_stalls(server, made):
    server.fail(cut_after=0, drips=30)
    assert "has sent nothing for 0.4 s" in refused(made(server)).problem
    # Without that, each attempt would take the three seconds that the server drips.
    assert len(server.requests) == 3


def test_a_raster_that_opens_but_lacks_its_end_never_lands(server, folder, made):
    made_of = {"driver": "GTiff", "width": 512, "height": 512, "count": 1, "dtype": "uint8"}
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(0, 0, 100, 100)}
    with rasterio.open(server.folder / "a.tif", "w", **made_of, **place) as target:
        target.write(np.ones((512, 512), np.uint8), 1)
    whole = (server.folder / "a.tif").read_bytes()
    (server.folder / "a.tif").write_bytes(whole[:-50])
    assert "it ends before its last block" in refused(made(server, "a.tif", None)).problem
    assert visible(folder) == []
    (server.folder / "a.tif").write_bytes(whole)
    assert fetch(made(server, "a.tif", None)).read_bytes() == whole


def test_offline_the_remedy_can_be_pasted(server, made):
    entry = made("http://127.0.0.1:9")
    error = refused(entry)
    assert "could not be fetched from 127.0.0.1:9: Connection refused" in error.problem
    assert cache.MIRROR in error.remedy
    command = error.remedy.partition("put the file in its place: ")[2]
    # The same command against a server that answers puts the file where it is looked for.
    command = command.replace("http://127.0.0.1:9", server.address)
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602  it is pasted
    server.forget()
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests == []


def test_a_full_disk_is_told_as_that_and_what_came_is_kept(server, folder, made, monkeypatch):
    class Full:
        def __init__(self, stream):
            self._stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._stream.close()

        def write(self, data):
            if self._stream.tell() > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            self._stream.write(data)

        def flush(self):
            self._stream.flush()

    path_type = type(folder)
    opened = path_type.open
    monkeypatch.setattr(
        path_type,
        "open",
        lambda path, mode="r", **more: (
            Full(opened(path, mode)) if mode == "ab" else opened(path, mode, **more)
        ),
    )
    error = refused(made(server), OutputError)
    assert f"The disk that contains {folder} is full: a.bin needs" in error.problem
    assert cache.FOLDER in error.remedy
    assert visible(folder) == []
    monkeypatch.undo()
    monkeypatch.setenv(cache.FOLDER, str(folder))
    assert fetch(made(server)).read_bytes() == CONTENT
    assert server.requests[-1]["range"].startswith("bytes=1")


def test_a_disk_that_is_too_small_is_told_before_anything_comes(server, folder, made, monkeypatch):
    usage = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    error = refused(made(server), OutputError)
    assert "needs 0 MB more, and 0 MB are free" in error.problem
    assert visible(folder) == []


def test_a_cancelled_download_says_what_is_kept(server, made):
    context = Context()

    def cancel(_fraction, message):
        if "a.bin" in message:
            context.cancelled.set()

    context.report = cancel
    server.fail(cut_after=100_000, times=1)
    with pytest.raises(CancelledError, match=r"0\.1 MB of a\.bin are kept; the same command goes"):
        fetch(made(server), context)
    context.cancelled.clear()
    assert fetch(made(server)).read_bytes() == CONTENT
    assert server.requests[-1]["range"] == "bytes=100000-"


def test_a_mirror_takes_the_place_of_the_publisher(server, folder, made, monkeypatch):
    entry = made("http://127.0.0.1:9")
    monkeypatch.setenv(cache.MIRROR, f"{server.address}/copies/")
    assert fetch(entry).read_bytes() == CONTENT
    assert server.requests[0]["path"] == "/copies/a.bin"
    monkeypatch.setenv(cache.MIRROR, "ftp.moon")
    shutil.rmtree(folder)
    with pytest.raises(ParameterError, match=r"_MIRROR is 'ftp\.moon', not an address"):
        fetch(entry)


def test_what_a_mirror_lacks_is_to_be_had_from_the_publisher(server, made, monkeypatch):
    """The command that asked the mirror again would put its page of error in the file's place."""
    entry = made("http://127.0.0.1:9", "none.tif")
    monkeypatch.setenv(cache.MIRROR, f"{server.address}/copies/")
    remedy = refused(entry).remedy
    assert f"correct or unset {cache.MIRROR}" in remedy
    assert "curl --fail --location --create-dirs http://127.0.0.1:9/" in remedy
    assert server.address not in remedy


def test_the_reason_has_no_bracket_left_over():
    """As urllib3 says that a name is not known."""
    text = "HTTPSConnection(host='a.b', port=443): Failed to resolve 'a.b' ([Errno -2] Not known)"
    assert download._reason(OSError(text)) == "Not known"
    assert download._reason(OSError("it ended (early)")) == "it ended (early)"


def test_a_file_that_changed_in_the_cache_is_fetched_again(server, folder, made):
    fetch(made(server))
    (folder / "a.bin").write_bytes(b"x" + CONTENT[1:])
    context = Context()
    assert fetch(made(server), context).read_bytes() == CONTENT
    assert "is not what was fetched any more" in context.warnings[0]


def test_a_damaged_file_that_was_put_there_by_hand_is_refused(server, folder, made):
    folder.mkdir()
    (folder / "a.tif").write_bytes(b"<html>")
    error = refused(made(server, "a.tif"))
    assert "a.tif is not whole: it is not a TIF file" in error.problem
    assert error.remedy.endswith("lunarsite fetch A")


def test_the_file_of_an_archive_is_unpacked_whole(server, folder, made):
    with zipfile.ZipFile(server.folder / "a.zip", "w") as archive:
        archive.writestr("bundle/data/craters.csv", "a,b\n1,2\n")
    entry = made(server, "a.zip", None, member="craters.csv")
    assert fetch(entry) == folder / "craters.csv"
    assert (folder / "craters.csv").read_text() == "a,b\n1,2\n"
    entry = made(server, "a.zip", None, member="other.csv")
    assert "holds 0 files called other.csv" in refused(entry).problem


def test_progress_names_the_file_and_reaches_its_end(server, made):
    told = []
    fetch(made(server), Context(report=lambda fraction, message: told.append((fraction, message))))
    assert told[-1] == (1.0, "a.bin: 0 of 0 MB")


def test_what_must_be_fetched_by_hand_says_how():
    entry = registry.find("wueller-sites")
    with pytest.raises(LunarSiteError, match=r"no direct address of its files is known") as caught:
        fetching.fetch(entry, Context())
    assert caught.value.remedy.startswith("Open the page in a browser")
    assert caught.value.remedy.endswith(entry.page)
