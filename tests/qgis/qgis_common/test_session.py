"""The session: answers, superseded requests, and missing or crashed engines."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from qgis.PyQt.QtCore import QThread

from lunarsite.engine.errors import LunarSiteError
from lunarsite.qgis_common import location
from lunarsite.qgis_common.session import EngineSession


class Recorder:
    """Records what a session emits."""

    def __init__(self, session):
        self.answers, self.errors, self.states, self.threads = {}, {}, [], set()
        session.answered.connect(self._answer)
        session.failed.connect(self._error)
        session.stateChanged.connect(self.states.append)

    def _answer(self, request_id, result):
        self.threads.add(QThread.currentThread())
        self.answers[request_id] = result

    def _error(self, request_id, error):
        self.threads.add(QThread.currentThread())
        self.errors[request_id] = error


@pytest.fixture
def session(qgis_app, engine, wait_until):
    made = EngineSession(find=lambda: engine)
    made.recorder = Recorder(made)
    yield made
    pids = made.pids
    made.shut_down()
    wait_until(lambda: not any(exists(pid) for pid in pids), within_s=5)


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def where(run_folder, lon, lat=-90.0):
    return {"run": str(run_folder), "lon": lon, "lat": lat}


def test_no_process_is_started_before_the_first_request(session):
    assert session.pids == []
    assert session.state == "ended"
    assert session.device_text() == "The engine will start when it is needed"


def test_a_request_is_answered_in_the_main_thread(session, run_folder, wait_until):
    request = session.ask("explain", where(run_folder, 0.0))
    assert request not in session.recorder.answers
    wait_until(lambda: request in session.recorder.answers)
    assert session.recorder.answers[request]["cells"] > 0
    assert session.recorder.threads == {QThread.currentThread()}
    assert session.recorder.states[0] == "starting"
    assert session.state.startswith("ready on cpu")
    assert session.device_text().startswith("Engine 0.1.0 on CPU, ")


def test_the_device_is_the_one_that_a_network_has_tested(session, run_folder, wait_until):
    first = session.ask("explain", where(run_folder, 0.0))
    wait_until(lambda: first in session.recorder.answers)
    tested = {"kind": "cuda", "name": "A fine GPU", "reason": "it works", "ran_on": ["cuda"]}
    session._take("done", session.ask("explain", where(run_folder, 0.0)), {"device": tested})
    assert session.device_text() == "Engine 0.1.0 on GPU, A fine GPU"
    assert session.device_reason() == "it works"
    # A scorer on the CPU has tested no device.
    used = {"device": {"ran_on": ["cpu"]}}
    session._take("done", session.ask("explain", where(run_folder, 0.0)), used)
    assert session.device_text() == "Engine 0.1.0 on GPU, A fine GPU"


def test_an_error_has_a_problem_and_a_remedy(session, tmp_path, wait_until):
    request = session.ask("explain", where(tmp_path, 0.0))
    wait_until(lambda: request in session.recorder.errors)
    assert "holds no finished run" in session.recorder.errors[request].problem
    assert session.recorder.errors[request].remedy


def test_only_the_last_of_three_quick_requests_is_answered(session, run_folder, wait_until):
    request = [session.ask("explain", where(run_folder, lon)) for lon in (10.0, 20.0, 30.0)]
    wait_until(lambda: request[-1] in session.recorder.answers)
    assert set(session.recorder.answers) == {request[-1]}
    assert session.recorder.errors == {}


def test_a_superseded_request_is_cancelled(session, tmp_path, wait_until):
    started = []
    session.progressed.connect(lambda request_id, *_: started.append(request_id))
    long, short = tmp_path / "long.tif", tmp_path / "short.tif"
    first = session.ask("synthesize", {"out": str(long), "size_px": 4096})
    wait_until(lambda: first in started)
    second = session.ask("synthesize", {"out": str(short), "size_px": 64})
    wait_until(lambda: second in session.recorder.answers)
    assert short.is_file()
    assert not long.exists()  # it would exist if both had been completed


def test_a_cancelled_request_is_never_answered(session, run_folder, wait_until):
    request = session.ask("explain", where(run_folder, 10.0))
    session.cancel(request)
    after = session.ask("describe", {"stage": "explain"})
    last = session.ask("explain", where(run_folder, 20.0))
    wait_until(lambda: {after, last} <= set(session.recorder.answers))
    assert request not in session.recorder.answers
    assert request not in session.recorder.errors


def test_a_skyline_does_not_delay_a_score(session, run_folder, dem, wait_until):
    warm = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: warm in session.recorder.answers)
    order = []
    session.answered.connect(lambda request_id, _: order.append(request_id))
    sky = session.ask(
        "skyline", {"dem": str(dem), "lon": 0.0, "lat": -90.0, "azimuth_step_deg": 0.05}
    )
    score = session.ask("explain", where(run_folder, 20.0))
    wait_until(lambda: len(order) == 2)
    assert order == [score, sky]
    assert len(session.pids) == 2


def test_a_killed_engine_is_reported_and_restarted(session, run_folder, wait_until):
    first = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: first in session.recorder.answers)
    (pid,) = session.pids
    os.kill(pid, signal.SIGSTOP)  # so that the request is still pending
    request = session.ask("explain", where(run_folder, 20.0))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: request in session.recorder.errors)
    assert "killed by the system" in session.recorder.errors[request].problem
    wait_until(lambda: session.state == "ended")
    again = session.ask("explain", where(run_folder, 30.0))
    wait_until(lambda: again in session.recorder.answers)
    assert session.pids != [pid]
    assert session.state.startswith("ready")


def test_errors_of_killed_processes_precede_the_end_of_the_session(
    session, run_folder, dem, wait_until
):
    requests = [
        session.ask("explain", where(run_folder, 10.0)),
        session.ask("skyline", {"dem": str(dem), "lon": 0.0, "lat": -90.0}),
    ]
    wait_until(lambda: set(requests) <= set(session.recorder.answers))
    scores, light = session.pids
    os.kill(scores, signal.SIGSTOP)
    request = session.ask("explain", where(run_folder, 20.0))
    order = []
    session.failed.connect(lambda request_id, _: order.append(request_id))
    session.stateChanged.connect(order.append)
    # Nothing that the processes report is handled before both are known to have exited.
    for pid in (light, scores):
        os.kill(pid, signal.SIGKILL)
        limit = time.monotonic() + 10
        while pid in session.pids:
            assert time.monotonic() < limit
            time.sleep(0.01)
    wait_until(lambda: "ended" in order)
    assert order == [request, "ended"]
    assert "killed by the system" in session.recorder.errors[request].problem


def test_an_idle_engine_that_crashes_is_noticed(session, run_folder, wait_until):
    request = session.ask("describe", {"stage": "explain"})
    wait_until(lambda: request in session.recorder.answers)
    os.kill(session.pids[0], signal.SIGKILL)
    wait_until(lambda: session.state == "ended")
    assert session.device_text() == "The engine will start when it is needed"


def test_a_missing_engine_is_reported(qgis_app, wait_until):
    def find():
        raise location.EngineMissingError("LunarSite's engine is not installed", "Install it")

    session = EngineSession(find=find)
    recorder = Recorder(session)
    request = session.ask("explain", {})
    assert recorder.errors == {}  # emitted from the event loop, like all answers
    wait_until(lambda: request in recorder.errors)
    assert recorder.errors[request].problem == "LunarSite's engine is not installed"
    assert recorder.states == ["no engine"]
    assert session.device_text() == "The engine is not available"


def test_an_engine_that_has_been_installed_since_is_found(qgis_app, engine, run_folder, wait_until):
    found = []

    def find():
        if not found:
            raise location.EngineMissingError("LunarSite's engine is not installed", "Install it")
        return found[0]

    session = EngineSession(find=find)
    recorder = Recorder(session)
    request = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: request in recorder.errors)
    found.append(engine)
    request = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: request in recorder.answers)
    session.shut_down()


def test_a_missing_interpreter_is_reported(qgis_app, tmp_path, wait_until):
    session = EngineSession(find=lambda: location.EngineInterpreter(tmp_path / "python", "a test"))
    recorder = Recorder(session)
    request = session.ask("explain", {})
    wait_until(lambda: request in recorder.errors)
    assert isinstance(recorder.errors[request], LunarSiteError)
    assert "could not be started" in recorder.errors[request].problem
    assert session.state == "no engine"


def test_shutting_down_leaves_no_process_and_no_answer(session, run_folder, wait_until):
    request = session.ask("explain", where(run_folder, 10.0))
    pids = session.pids
    session.shut_down()
    assert session.state == "ended"
    assert session.pids == []
    wait_until(lambda: not any(exists(pid) for pid in pids), within_s=5)
    wait_until(lambda: not any(t.name == "engine end" for t in threading.enumerate()), within_s=5)
    assert request not in session.recorder.answers
    assert request not in session.recorder.errors
