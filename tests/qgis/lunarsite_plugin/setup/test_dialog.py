"""The engine setup dialog, including a check of an engine."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QMessageBox, QPushButton

from lunarsite.lunarsite_plugin.setup import check, interpreters, messages, plan
from lunarsite.lunarsite_plugin.setup.dialog import SetupDialog
from lunarsite.lunarsite_plugin.setup.install.work import Work
from lunarsite.lunarsite_plugin.setup.paths import REQUIREMENTS, EnginePaths
from lunarsite.qgis_common import location

ENDS_WITHIN_S = 20.0  # the work itself would take a minute; the limit is 2 s

pytestmark = pytest.mark.usefixtures("qgis_app")


@pytest.fixture
def dialog(tmp_path):
    home = tmp_path / "engine"
    made = SetupDialog(paths=EnginePaths(home, home / "venv" / "bin" / "python"))
    made.changes = []
    made.engineChanged.connect(recorder(made))
    made.show()
    yield made
    made.shut_down()
    location.set_user_python(None)
    made.deleteLater()


def recorder(dialog):
    def record():
        dialog.changes.append(True)

    return record


def wait_for(condition, within_s=60.0):
    """Process events until a condition holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        QApplication.processEvents()
        time.sleep(0.005)


def answer_next_box(button_text):
    """Click a button of the next message box by its text."""

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
    """Use empty requirements, so that an engine is installed quickly."""
    pins = tmp_path / "requirements"
    pins.mkdir()
    shutil.copy(REQUIREMENTS / "uv.txt", pins)
    (pins / "core.txt").write_text("")
    monkeypatch.setattr(plan, "REQUIREMENTS", pins)
    monkeypatch.setattr(plan, "LAUNCHER", pins / "smoke_test.py")
    plan.LAUNCHER.write_text("")
    uv = Path(__file__).resolve().parents[4] / ".tools" / "uv" / "bin"
    monkeypatch.setenv("PATH", f"{uv}:/usr/bin:/bin")


def test_opening_the_dialog_changes_nothing(dialog):
    assert not dialog.busy
    assert not dialog.paths.home.exists()
    assert dialog.install_page.install.text() == "Install"
    assert "1.5 GiB" in dialog.install_page.note.text()
    assert not dialog.remove_page.remove.isEnabled()


def test_enter_in_a_field_does_not_start_a_job(dialog):
    assert not any(button.autoDefault() for button in dialog.findChildren(QPushButton))


def test_the_headline_without_an_engine(dialog, monkeypatch, tmp_path):
    monkeypatch.setattr(location, "PLUGIN_FOLDER", tmp_path)
    dialog.refresh()
    assert "The engine is not installed. It needs about 1.5 GiB" in dialog.headline.text()


def test_a_search_lists_suitable_interpreters(dialog):
    dialog.install_page.search.click()
    assert dialog.busy
    assert not dialog.install_page.isEnabled()
    wait_for(lambda: not dialog.busy)
    assert dialog.install_page.base.count() > 1
    listed = dialog.install_page.base.itemData(1)
    assert isinstance(interpreters.examine(Path(listed)), interpreters.Interpreter)


def test_check_of_an_engine(dialog, engine, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, str(engine.python))
    dialog.check_page.check.click()
    wait_for(lambda: not dialog.busy, 300.0)
    found = dialog.check_page.results.toPlainText()
    assert "Failed" not in found
    assert "9 terrain layers" in found
    assert "numpy 2" in found
    assert dialog.headline.text().startswith("The engine works: ")


def test_check_without_an_engine(dialog, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    dialog.check_page.check.click()
    assert not dialog.busy
    assert "/nowhere/python" in dialog.status.text()


def test_check_of_a_bare_python_lists_missing_libraries(tmp_path):
    work = Work(lambda *_: None, lambda _: None)
    bare = tmp_path / "bare"
    assert work.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(bare)]) == 0
    rows = check.check(bare / "bin" / "python", work)
    libraries = rows[-1]
    assert (libraries.what, libraries.ok) == ("Libraries", False)
    assert "numba" in libraries.detail
    assert check.sentence(rows).startswith("The engine does not work: libraries: missing:")


def test_check_of_a_program_that_is_not_python():
    rows = check.check(Path("/bin/false"), Work(lambda *_: None, lambda _: None))
    assert [(row.what, row.ok) for row in rows] == [("Python", False)]
    assert "exit code 1" in rows[0].detail


def test_an_existing_interpreter_is_checked_before_it_is_used(dialog, engine):
    dialog.existing_page.python.setFilePath("/bin/false")
    dialog.existing_page.use.click()
    wait_for(lambda: not dialog.busy)
    assert "cannot run the engine" in dialog.status.text()
    assert location.user_python() == ""
    assert not dialog.changes
    dialog.existing_page.python.setFilePath(str(engine.python))
    dialog.existing_page.use.click()
    wait_for(lambda: not dialog.busy, 300.0)
    assert location.user_python() == str(engine.python)
    assert dialog.changes == [True]
    dialog.existing_page.stop.click()
    assert location.user_python() == ""
    assert dialog.changes == [True, True]


def test_a_missing_interpreter_is_reported(dialog):
    dialog.existing_page.python.setFilePath("/nowhere/python")
    dialog.existing_page.use.click()
    assert "The file /nowhere/python does not exist" in dialog.status.text()


def test_installing_and_removing(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    dialog.install_page.install.click()
    wait_for(lambda: not dialog.busy)
    assert plan.state(dialog.paths).kind == "ready"
    assert dialog.install_page.install.text() == "Reinstall"
    assert "missing: " in dialog.check_page.results.toPlainText()
    assert "== Creating the environment" in dialog.log.toPlainText()
    assert "== Creating the environment" in dialog.paths.log.read_text()
    assert dialog.changes == [True]
    answer_next_box("No")
    dialog.remove_page.remove.click()
    assert plan.state(dialog.paths).kind == "ready"
    answer_next_box("Yes")
    dialog.remove_page.remove.click()
    wait_for(lambda: not dialog.busy)
    assert not dialog.paths.home.exists()
    assert dialog.changes == [True, True]


def test_a_cancelled_installation_can_be_resumed(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Testing the engine" in dialog.status.text())
    start = time.monotonic()
    dialog.cancel.click()
    wait_for(lambda: not dialog.busy)
    assert time.monotonic() - start < ENDS_WITHIN_S
    assert dialog.status.text().startswith("Cancelled")
    assert dialog.install_page.install.text() == "Resume Installation"
    plan.LAUNCHER.write_text("")
    dialog.install_page.install.click()
    wait_for(lambda: not dialog.busy)
    log = dialog.paths.log.read_text()
    assert plan.state(dialog.paths).kind == "ready"
    assert log.count("== Creating the environment") == 1


def test_closing_the_dialog_during_a_job(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Testing the engine" in dialog.status.text())
    answer_next_box("Keep Open")
    dialog.close()
    assert dialog.isVisible()
    answer_next_box("Continue in Background")
    dialog.close()
    assert not dialog.isVisible()
    assert dialog.busy
    dialog.show()
    answer_next_box("Cancel Setup")
    dialog.close()
    assert not dialog.isVisible()
    wait_for(lambda: not dialog.busy)
    assert plan.state(dialog.paths).kind == "incomplete"


def test_shutting_down_stops_the_job(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Testing the engine" in dialog.status.text())
    start = time.monotonic()
    dialog.shut_down()
    assert time.monotonic() - start < ENDS_WITHIN_S
    wait_for(lambda: not dialog.busy, 5.0)


def test_shutting_down_does_not_ask(dialog, tmp_path, monkeypatch):
    small_engine(tmp_path, monkeypatch)
    plan.LAUNCHER.write_text("import time\ntime.sleep(60)\n")
    dialog.install_page.install.click()
    wait_for(lambda: "Testing the engine" in dialog.status.text())
    questions = []

    def decline():
        box = QApplication.activeModalWidget()
        if box is not None:
            questions.append(box.text())
            box.reject()

    QTimer.singleShot(300, decline)
    dialog.shut_down()
    dialog.close()  # as on unloading; a question would block QGIS
    assert not dialog.isVisible()
    assert questions == []


def test_diagnostics_are_copied(dialog):
    dialog.log.appendPlainText("the last line")
    dialog.copy_diagnostics()
    report = QApplication.clipboard().text()
    assert report.startswith("LunarSite ")
    assert report.rstrip().endswith("the last line")


def test_the_table_does_not_rely_on_colours_and_escapes_markup():
    rows = [check.Row("Device", False, "<b>odd</b>", "Repair it"), check.Row("Torch", None, "none")]
    text = messages.check_table(rows)
    assert "Failed" in text
    assert "&lt;b&gt;odd" in text
    assert "Repair it." in text


@pytest.mark.slow
def test_an_engine_is_installed_from_the_package_index(dialog):
    dialog.install_page.install.click()
    wait_for(lambda: not dialog.busy, 1800.0)
    assert plan.state(dialog.paths).kind == "ready"
    assert "Failed" not in dialog.check_page.results.toPlainText()
