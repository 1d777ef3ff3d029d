"""The worker's client: requests, progress, cancelling, and every way a process can end."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from lunarsite.engine.errors import CancelledError
from lunarsite.qgis_common import client as module
from lunarsite.qgis_common.client import Client
from lunarsite.qgis_common.engine_errors import EngineDiedError, EngineError
from lunarsite.qgis_common.environment import scrubbed
from lunarsite.qgis_common.location import Located

ENDS_WITHIN_S = 20.0  # against the minutes that the work would take; 2 s are measured elsewhere


def test_answers_with_results_and_says_hello(engine):
    with Client(engine) as client:
        assert client.request("ping", {}) == {"pong": True}
        assert client.hello is not None
        assert client.hello["pid"] == client.pid
        assert client.request("device", {})["kind"] in {"cpu", "cuda"}


def test_errors_carry_the_engines_problem_and_remedy(engine, tmp_path):
    with (
        Client(engine) as client,
        pytest.raises(EngineError, match="there is no file") as caught,
    ):
        client.request("terrain", {"dem": "absent.tif", "out": str(tmp_path / "out")})
    assert caught.value.kind == "InputError"
    assert caught.value.remedy


def test_progress_grows_to_one(engine, tmp_path):
    seen = []
    with Client(engine) as client:
        client.request(
            "synthesize",
            {"out": str(tmp_path / "dem.tif"), "size_px": 128},
            progress=lambda fraction, message: seen.append((fraction, message)),
        )
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_cancelling_ends_the_child_long_before_its_work_is_done(engine, tmp_path):
    begun = threading.Event()
    client = Client(engine)
    start = None

    def cancelled():
        nonlocal start
        if begun.is_set() and start is None:
            start = time.monotonic()
        return start is not None

    with pytest.raises(CancelledError):
        client.request(
            "synthesize",
            {"out": str(tmp_path / "dem.tif"), "size_px": 4096},
            progress=lambda *_: begun.set(),
            cancelled=cancelled,
        )
    assert time.monotonic() - start < ENDS_WITHIN_S
    assert not _exists(client.pid)
    assert list(tmp_path.iterdir()) == []


def test_what_the_engine_says_of_cancelled_work_is_passed_on(engine, dem, tmp_path):
    begun, answer, there = threading.Event(), [], threading.Event()

    def done(value):
        answer.append(value)
        there.set()

    params = {"dem": str(dem), "profile": "hls", "stop": "2028-01-01"}
    with Client(engine) as client:
        asked = client.submit(
            "screen", {**params, "out": str(tmp_path / "a")}, done, lambda *_: begun.set()
        )
        assert begun.wait(60)
        client.cancel(asked)
        assert there.wait(60)
    assert isinstance(answer[0], CancelledError)
    assert "goes on after the last finished step" in answer[0].remedy
    begun.clear()
    with Client(engine) as client, pytest.raises(CancelledError, match="goes on after"):
        client.request(
            "screen",
            {**params, "out": str(tmp_path / "b")},
            progress=lambda *_: begun.set(),
            cancelled=begun.is_set,
        )


def test_a_killed_engine_is_said_to_have_run_out_of_memory(engine):
    ended = []
    client = Client(engine, on_end=ended.append)
    client.request("ping", {})
    os.kill(client.pid, signal.SIGKILL)
    with pytest.raises(EngineDiedError, match="killed by the system") as caught:
        client.request("ping", {})
    assert "memory" in caught.value.remedy
    client.close()
    assert ended[0] is not None


def test_a_crash_is_told_with_the_signal_and_the_last_lines(engine, tmp_path):
    client = Client(engine)
    answer = []
    client.submit("synthesize", {"out": str(tmp_path / "dem.tif"), "size_px": 4096}, answer.append)
    _until(lambda: any("synthesize on" in line for line in client.log))
    os.kill(client.pid, signal.SIGSEGV)
    _until(lambda: answer)
    assert "SIGSEGV" in answer[0].problem
    assert any("synthesize on" in line for line in answer[0].lines)
    client.close()


def test_an_interpreter_without_the_libraries_is_told_apart():
    bare = Located(module.os.path.realpath("/usr/bin/python3"), "a test")
    client = Client(bare)
    with pytest.raises(EngineError, match="lacks the package") as caught:
        client.request("screen", {"dem": "a.tif", "out": "b"})
    assert caught.value.kind == "MissingDependencyError"
    client.close()


def test_a_missing_interpreter_is_told(tmp_path):
    with pytest.raises(EngineDiedError, match="could not be started"):
        Client(Located(tmp_path / "python", "a test"))


def test_what_a_start_up_file_prints_is_passed_over(engine):
    class Chatty:
        command = ("sh", "-c", 'echo hello; echo 3; exec "$@"', "sh", *engine.command)

    limit = time.monotonic() + 20
    with Client(Chatty()) as client:
        assert client.request("ping", {}, cancelled=lambda: time.monotonic() > limit)["pong"]


def test_the_child_ends_when_its_owner_forgets_it(engine):
    client = Client(engine)
    client.request("ping", {})
    client.begin_close()
    _until(lambda: not _exists(client.pid), within_s=2.5)


def test_the_environment_of_qgis_does_not_reach_the_engine():
    given = {
        "PATH": "/usr/bin",
        "HOME": "/home/ada",
        "PYTHONPATH": "/usr/share/qgis/python",
        "PROJ_LIB": "/usr/share/proj",
        "GDAL_DATA": "/usr/share/gdal",
        "LD_LIBRARY_PATH": "/opt/qgis/lib",
        "DYLD_FALLBACK_LIBRARY_PATH": "/Applications/QGIS.app",
        "QT_PLUGIN_PATH": "/opt/qgis/plugins",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    kept = scrubbed({"A": "1"}, of=given)
    assert kept == {
        "PATH": "/usr/bin",
        "HOME": "/home/ada",
        "HTTPS_PROXY": "http://proxy:3128",
        "A": "1",
    }


def _exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _until(condition, within_s=20.0):
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)
