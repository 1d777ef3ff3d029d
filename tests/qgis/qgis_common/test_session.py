"""The desktop's engine: answers, superseded questions, and every way it can be missing or die."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from qgis.PyQt.QtCore import QThread

from lunarsite.engine.errors import LunarSiteError
from lunarsite.qgis_common import location
from lunarsite.qgis_common.session import EngineSession


class Heard:
    """What a session told, in its order."""

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
    made.heard = Heard(made)
    yield made
    pids = made.pids
    made.shut()
    wait_until(lambda: not any(exists(pid) for pid in pids), within_s=5)


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def where(run_folder, lon, lat=-90.0):
    return {"run": str(run_folder), "lon": lon, "lat": lat}


def test_nothing_runs_before_the_first_question(session):
    assert session.pids == []
    assert session.state == "ended"
    assert session.device_text() == "The engine starts when it is needed"


def test_a_question_is_answered_in_the_main_thread(session, run_folder, wait_until):
    asked = session.ask("explain", where(run_folder, 0.0))
    assert asked not in session.heard.answers
    wait_until(lambda: asked in session.heard.answers)
    assert session.heard.answers[asked]["cells"] > 0
    assert session.heard.threads == {QThread.currentThread()}
    assert session.heard.states[0] == "starting"
    assert session.state.startswith("ready on cpu")
    assert session.device_text().startswith("Engine 0.1.0 on CPU, ")


def test_an_error_comes_with_problem_and_remedy(session, tmp_path, wait_until):
    asked = session.ask("explain", where(tmp_path, 0.0))
    wait_until(lambda: asked in session.heard.errors)
    assert "holds no finished run" in session.heard.errors[asked].problem
    assert session.heard.errors[asked].remedy


def test_only_the_last_of_three_fast_questions_is_answered(session, run_folder, wait_until):
    asked = [session.ask("explain", where(run_folder, lon)) for lon in (10.0, 20.0, 30.0)]
    wait_until(lambda: asked[-1] in session.heard.answers)
    assert set(session.heard.answers) == {asked[-1]}
    assert session.heard.errors == {}


def test_work_that_a_question_supersedes_is_left_off(session, tmp_path, wait_until):
    begun = []
    session.progressed.connect(lambda request_id, *_: begun.append(request_id))
    long, short = tmp_path / "long.tif", tmp_path / "short.tif"
    first = session.ask("synthesize", {"out": str(long), "size_px": 4096})
    wait_until(lambda: first in begun)
    second = session.ask("synthesize", {"out": str(short), "size_px": 64})
    wait_until(lambda: second in session.heard.answers)
    assert short.is_file()
    assert not long.exists()  # one after the other, it would be there


def test_a_cancelled_question_is_never_answered(session, run_folder, wait_until):
    asked = session.ask("explain", where(run_folder, 10.0))
    session.cancel(asked)
    after = session.ask("describe", {"stage": "explain"})
    last = session.ask("explain", where(run_folder, 20.0))
    wait_until(lambda: {after, last} <= set(session.heard.answers))
    assert asked not in session.heard.answers
    assert asked not in session.heard.errors


def test_a_skyline_at_work_delays_no_score(session, run_folder, dem, wait_until):
    warm = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: warm in session.heard.answers)
    order = []
    session.answered.connect(lambda request_id, _: order.append(request_id))
    sky = session.ask(
        "skyline", {"dem": str(dem), "lon": 0.0, "lat": -90.0, "azimuth_step_deg": 0.05}
    )
    score = session.ask("explain", where(run_folder, 20.0))
    wait_until(lambda: len(order) == 2)
    assert order == [score, sky]
    assert len(session.pids) == 2


def test_a_killed_engine_is_told_and_the_next_question_starts_another(
    session, run_folder, wait_until
):
    first = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: first in session.heard.answers)
    (pid,) = session.pids
    os.kill(pid, signal.SIGSTOP)  # so that the question is surely in the middle
    asked = session.ask("explain", where(run_folder, 20.0))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: asked in session.heard.errors)
    assert "killed by the system" in session.heard.errors[asked].problem
    wait_until(lambda: session.state == "ended")
    again = session.ask("explain", where(run_folder, 30.0))
    wait_until(lambda: again in session.heard.answers)
    assert session.pids != [pid]
    assert session.state.startswith("ready")


def test_an_engine_that_dies_idle_is_noticed(session, run_folder, wait_until):
    asked = session.ask("describe", {"stage": "explain"})
    wait_until(lambda: asked in session.heard.answers)
    os.kill(session.pids[0], signal.SIGKILL)
    wait_until(lambda: session.state == "ended")
    assert session.device_text() == "The engine starts when it is needed"


def test_without_an_engine_there_is_a_sentence_and_no_wait(qgis_app, wait_until):
    def find():
        raise location.EngineMissingError("LunarSite's engine is not installed", "Install it")

    session = EngineSession(find=find)
    heard = Heard(session)
    asked = session.ask("explain", {})
    assert heard.errors == {}  # told from the event loop, as all answers are
    wait_until(lambda: asked in heard.errors)
    assert heard.errors[asked].problem == "LunarSite's engine is not installed"
    assert heard.states == ["no engine"]
    assert session.device_text() == "There is no engine yet"


def test_an_engine_that_was_set_up_meanwhile_is_found(qgis_app, engine, run_folder, wait_until):
    found = []

    def find():
        if not found:
            raise location.EngineMissingError("LunarSite's engine is not installed", "Install it")
        return found[0]

    session = EngineSession(find=find)
    heard = Heard(session)
    asked = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: asked in heard.errors)
    found.append(engine)
    asked = session.ask("explain", where(run_folder, 10.0))
    wait_until(lambda: asked in heard.answers)
    session.shut()


def test_a_broken_interpreter_gets_a_sentence(qgis_app, tmp_path, wait_until):
    session = EngineSession(find=lambda: location.Located(tmp_path / "python", "a test"))
    heard = Heard(session)
    asked = session.ask("explain", {})
    wait_until(lambda: asked in heard.errors)
    assert isinstance(heard.errors[asked], LunarSiteError)
    assert "could not be started" in heard.errors[asked].problem
    assert session.state == "no engine"


def test_shutting_returns_at_once_and_leaves_no_process_and_no_answer(
    session, run_folder, wait_until
):
    asked = session.ask("explain", where(run_folder, 10.0))
    pids = session.pids
    session.shut()
    assert session.state == "ended"
    assert session.pids == []
    wait_until(lambda: not any(exists(pid) for pid in pids), within_s=5)
    wait_until(lambda: not any(t.name == "engine end" for t in threading.enumerate()), within_s=5)
    assert asked not in session.heard.answers
    assert asked not in session.heard.errors
