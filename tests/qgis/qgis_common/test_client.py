"""The client of the worker: requests, progress, cancellation, and how a process can end."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from lunarsite.engine.errors import CancelledError
from lunarsite.qgis_common.client import Client
from lunarsite.qgis_common.engine_errors import EngineDiedError, EngineError
from lunarsite.qgis_common.environment import child_environment
from lunarsite.qgis_common.location import EngineInterpreter

ENDS_WITHIN_S = 20.0  # the work itself would take minutes; the limit of 2 s is a benchmark


def test_requests_are_answered_after_a_greeting(engine):
    with Client(engine) as client:
        assert client.request("ping", {}) == {"pong": True}
        assert client.hello is not None
        assert client.hello["pid"] == client.pid
        assert client.request("device", {})["kind"] in {"cpu", "cuda"}


def test_errors_have_the_problem_and_remedy_of_the_engine(engine, tmp_path):
    with (
        Client(engine) as client,
        pytest.raises(EngineError, match="there is no file") as caught,
    ):
        client.request("terrain", {"dem": "absent.tif", "out": str(tmp_path / "out")})
    assert caught.value.kind == "InputError"
    assert caught.value.remedy


def test_progress_increases_to_one(engine, tmp_path):
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


def test_cancelling_stops_the_process(engine, tmp_path):
    started = threading.Event()
    client = Client(engine)
    start = None

    def cancelled():
        nonlocal start
        if started.is_set() and start is None:
            start = time.monotonic()
        return start is not None

    with pytest.raises(CancelledError):
        client.request(
            "synthesize",
            {"out": str(tmp_path / "dem.tif"), "size_px": 4096},
            progress=lambda *_: started.set(),
            cancelled=cancelled,
        )
    assert time.monotonic() - start < ENDS_WITHIN_S
    assert not _exists(client.pid)
    assert list(tmp_path.iterdir()) == []


def test_the_remedy_after_a_cancellation_is_passed_on(engine, dem, tmp_path):
    started, answer, arrived = threading.Event(), [], threading.Event()

    def done(value):
        answer.append(value)
        arrived.set()

    params = {"dem": str(dem), "profile": "hls", "stop": "2028-01-01"}
    with Client(engine) as client:
        request_id = client.submit(
            "screen", {**params, "out": str(tmp_path / "a")}, done, lambda *_: started.set()
        )
        assert started.wait(60)
        client.cancel(request_id)
        assert arrived.wait(60)
    assert isinstance(answer[0], CancelledError)
    assert "goes on after the last finished step" in answer[0].remedy
    started.clear()
    with Client(engine) as client, pytest.raises(CancelledError, match="goes on after"):
        client.request(
            "screen",
            {**params, "out": str(tmp_path / "b")},
            progress=lambda *_: started.set(),
            cancelled=started.is_set,
        )


def test_a_killed_engine_probably_ran_out_of_memory(engine):
    ended = []
    client = Client(engine, on_end=ended.append)
    client.request("ping", {})
    os.kill(client.pid, signal.SIGKILL)
    with pytest.raises(EngineDiedError, match=r"killed by the system.*memory") as caught:
        client.request("ping", {})
    assert "memory limit" in caught.value.remedy
    client.close()
    assert ended[0] is not None


def test_a_crash_is_reported_with_the_signal_and_the_log(engine, tmp_path):
    client = Client(engine)
    answer = []
    client.submit("synthesize", {"out": str(tmp_path / "dem.tif"), "size_px": 4096}, answer.append)
    _until(lambda: any("synthesize on" in line for line in client.log))
    os.kill(client.pid, signal.SIGSEGV)
    _until(lambda: answer)
    assert "SIGSEGV" in answer[0].problem
    assert any("synthesize on" in line for line in answer[0].lines)
    client.close()


def test_an_interpreter_without_the_libraries_is_reported():
    bare = EngineInterpreter(os.path.realpath("/usr/bin/python3"), "a test")
    client = Client(bare)
    with pytest.raises(EngineError, match="lacks the package") as caught:
        client.request("screen", {"dem": "a.tif", "out": "b"})
    assert caught.value.kind == "MissingDependencyError"
    client.close()


def test_a_missing_interpreter_is_reported(tmp_path):
    with pytest.raises(EngineDiedError, match="could not be started"):
        Client(EngineInterpreter(tmp_path / "python", "a test"))


def test_other_output_is_ignored(engine):
    class Chatty:
        command = ("sh", "-c", 'echo hello; echo 3; exec "$@"', "sh", *engine.command)

    limit = time.monotonic() + 20
    with Client(Chatty()) as client:
        assert client.request("ping", {}, cancelled=lambda: time.monotonic() > limit)["pong"]


def test_the_process_exits_when_its_input_is_closed(engine):
    client = Client(engine)
    client.request("ping", {})
    client.begin_close()
    _until(lambda: not _exists(client.pid), within_s=2.5)


def test_the_engine_does_not_inherit_the_variables_of_qgis():
    variables = {
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
    assert child_environment({"A": "1"}, base=variables) == {
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
        assert time.monotonic() < limit, "timed out"
        time.sleep(0.02)
