"""The set-up's dialog: clicks, what is shown, and the check of a real engine."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QMessageBox, QPushButton

from lunarsite.lunarsite_plugin.setup import check, interpreters, plan, words
from lunarsite.lunarsite_plugin.setup.dialog import SetupDialog
from lunarsite.lunarsite_plugin.setup.place import REQUIREMENTS, Place
from lunarsite.lunarsite_plugin.setup.work import Work
from lunarsite.qgis_common import location

ENDS_WITHIN_S = 20.0  # against the minute that the work would take; 2 s are promised, and measured

pytestmark = pytest.mark.usefixtures("qgis_app")


@pytest.fixture
def dialog(tmp_path):
    home = tmp_path / "engine"
    made = SetupDialog(place=Place(home, home / "venv" / "bin" / "python"))
    made.changes = []
    made.engineChanged.connect(note_on(made))
    made.show()
    yield made
    made.shut_down()
    location.set_own(None)
    made.deleteLater()


def note_on(dialog):
    def note():
        dialog.changes.append(True)

    return note


def wait_for(condition, within_s=60.0):
    """Let Qt work until a condition holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        QApplication.processEvents()
        time.sleep(0.005)


def answer_next_box(button_text):
    """Click a button of the next message box by its text, once it is there."""

    def click():
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(20, click)
            return
        for button in box.findChildren(QPushButton):
            if button.text().replace("&", "") == button_text:
                button.click()

    QTimer.singleShot(20, click)


def small_engine(tmp_path, monkeypatch):
    """Let the requirements be empty, so that an engine without libraries is made in no time."""
    pins = tmp_path / "requirements"
    pins.mkdir()
    shutil.copy(REQUIREMENTS / "uv.txt", pins)
    (pins / "core.txt").write_text("")
    monkeypatch.setattr(plan, "REQUIREMENTS", pins)
    monkeypatch.setattr(plan, "LAUNCHER", pins / "first_job.py")
    plan.LAUNCHER.write_text("")
    uv = Path(__file__).resolve().parents[4] / ".tools" / "uv" / "bin"
    monkeypatch.setenv("PATH", f"{uv}:/usr/bin:/bin")


def test_opening_it_starts_and_makes_nothing(dialog):
    assert not dialog.busy
    assert not dialog.place.home.exists()
    assert dialog.install_page.install.text() == "Install"
    assert "1.5 GiB" in dialog.install_page.note.text()
    assert not dialog.remove_page.remove.isEnabled()


def test_enter_in_a_field_starts_nothing(dialog):
    assert not any(button.autoDefault() for button in dialog.findChildren(QPushButton))


def test_without_an_engine_the_headline_says_what_install_makes(dialog, monkeypatch, tmp_path):
    monkeypatch.setattr(location, "PLUGIN_FOLDER", tmp_path)
    dialog.refresh()
    assert "There is no engine yet. Install makes one of about 1.5 GiB" in dialog.headline.text()


def test_a_search_offers_the_interpreters_that_fit(dialog):
    dialog.install_page.search.click()
    assert dialog.busy
    assert not dialog.install_page.isEnabled()
    wait_for(lambda: not dialog.busy)
    assert dialog.install_page.base.count() > 1
    offered = dialog.install_page.base.itemData(1)
    assert isinstance(interpreters.examine(Path(offered)), interpreters.Interpreter)


def test_check_finds_the_real_engine_well(dialog, engine, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, str(engine.python))
    dialog.check_page.check.click()
    wait_for(lambda: not dialog.busy, 300.0)
    found = dialog.check_page.findings.toPlainText()
    assert "Not OK" not in found
    assert "9 terrain layers" in found
    assert "numpy 2" in found
    assert dialog.headline.text().startswith("The engine works: ")


def test_check_without_an_engine_says_what_to_do(dialog, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    dialog.check_page.check.click()
    assert not dialog.busy
    assert "/nowhere/python" in dialog.status.text()


def test_a_check_of_a_bare_python_names_what_is_missing(tmp_path):
    work = Work(lambda *_: None, lambda _: None)
    bare = tmp_path / "bare"
    assert work.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(bare)]) == 0
    rows = check.check(bare / "bin" / "python", work)
    libraries = rows[-1]
    assert (libraries.what, libraries.ok) == ("Libraries", False)
    assert "numba" in libraries.told
    assert check.sentence(rows).startswith("The engine does not work: libraries: missing:")


def test_a_check_of_what_is_no_python_says_so():
    rows = check.check(Path("/bin/false"), Work(lambda *_: None, lambda _: None))
    assert [(row.what, row.ok) for row in rows] == [("Python", False)]
    assert "exit code 1" in rows[0].told


def test_your_own_engine_is_checked_before_it_is_used(dialog, engine):
    dialog.own_page.python.setFilePath("/bin/false")
    dialog.own_page.use.click()
    wait_for(lambda: not dialog.busy)
    assert "cannot carry the engine" in dialog.status.text()
    assert location.own() == ""
    assert not dialog.changes
    dialog.own_page.python.setFilePath(str(engine.python))
    dialog.own_page.use.click()
    wait_for(lambda: not dialog.busy, 300.0)
    assert location.own() == str(engine.python)
    assert dialog.changes == [True]
    dialog.own_page.drop.click()
    assert location.own() == ""
    assert dialog.changes == [True, True]


def test_a_path_that_is_not_there_is_told(dialog):
    dialog.own_page.python.setFilePath("/nowhere/python")
    dialog.own_page.use.click()
    assert "There is no file /nowhere/python" in dialog.status.text()


def test_install_then_remove_by_clicks(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    dialog.install_page.install.click()
    wait_for(lambda: not dialog.busy)
    assert plan.state(dialog.place).kind == "ready"
    assert dialog.install_page.install.text() == "Install again"
    assert "missing: " in dialog.check_page.findings.toPlainText()
    assert "== Making an environment" in dialog.log.toPlainText()
    assert "== Making an environment" in dialog.place.log.read_text()
    assert dialog.changes == [True]
    answer_next_box("No")
    dialog.remove_page.remove.click()
    assert plan.state(dialog.place).kind == "ready"
    answer_next_box("Yes")
    dialog.remove_page.remove.click()
    wait_for(lambda: not dialog.busy)
    assert not dialog.place.home.exists()
    assert dialog.changes == [True, True]


def test_cancel_is_told_and_the_button_goes_on(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Starting the engine" in dialog.status.text())
    begun = time.monotonic()
    dialog.cancel.click()
    wait_for(lambda: not dialog.busy)
    assert time.monotonic() - begun < ENDS_WITHIN_S
    assert dialog.status.text().startswith("Cancelled")
    assert dialog.install_page.install.text() == "Go on installing"
    plan.LAUNCHER.write_text("")
    dialog.install_page.install.click()
    wait_for(lambda: not dialog.busy)
    log = dialog.place.log.read_text()
    assert plan.state(dialog.place).kind == "ready"
    assert log.count("== Making an environment") == 1


def test_closing_while_it_works_asks_what_becomes_of_it(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Starting the engine" in dialog.status.text())
    answer_next_box("Back")
    dialog.close()
    assert dialog.isVisible()
    answer_next_box("Go on in the background")
    dialog.close()
    assert not dialog.isVisible()
    assert dialog.busy
    dialog.show()
    answer_next_box("Cancel the work")
    dialog.close()
    assert not dialog.isVisible()
    wait_for(lambda: not dialog.busy)
    assert plan.state(dialog.place).kind == "incomplete"


def test_shutting_down_ends_the_work(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Starting the engine" in dialog.status.text())
    begun = time.monotonic()
    dialog.shut_down()
    assert time.monotonic() - begun < ENDS_WITHIN_S
    wait_for(lambda: not dialog.busy, 5.0)


def test_shutting_down_in_sight_asks_nothing(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Starting the engine" in dialog.status.text())
    asked = []

    def decline():
        box = QApplication.activeModalWidget()
        if box is not None:
            asked.append(box.text())
            box.reject()

    QTimer.singleShot(300, decline)
    dialog.shut_down()
    dialog.close()  # as on unloading; a question would hold up QGIS's own end
    assert not dialog.isVisible()
    assert asked == []


def test_diagnostics_go_to_the_clipboard(dialog):
    dialog.log.appendPlainText("the last line")
    dialog.copy_diagnostics()
    report = QApplication.clipboard().text()
    assert report.startswith("LunarSite ")
    assert report.rstrip().endswith("the last line")


def test_findings_are_marked_in_words_and_cannot_be_markup():
    rows = [check.Row("Device", False, "<b>odd</b>", "Mend it"), check.Row("Torch", None, "none")]
    text = words.findings(rows)
    assert "Not OK" in text
    assert "&lt;b&gt;odd" in text
    assert "Mend it." in text


@pytest.mark.slow
def test_a_whole_engine_is_installed_from_the_index_and_works(dialog):
    dialog.install_page.install.click()
    wait_for(lambda: not dialog.busy, 1800.0)
    assert plan.state(dialog.place).kind == "ready"
    assert "Not OK" not in dialog.check_page.findings.toPlainText()
