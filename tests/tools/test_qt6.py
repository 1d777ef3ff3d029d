"""What would keep the plugin from running on both Qt 5 and Qt 6, and that each is noticed."""

from __future__ import annotations

import pytest
import qt6


def test_the_code_runs_on_both():
    assert [
        f"{path.name}:{line} {text}"
        for path in qt6.modules()
        for line, text in qt6.problems(path.read_text("utf-8"))
    ] == []
    assert len(qt6.modules()) > 50


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from PyQt5.QtCore import Qt", "import from qgis.PyQt"),
        ("import PyQt6.QtGui", "import from qgis.PyQt"),
        ("from PySide6 import QtCore", "import from qgis.PyQt"),
        ("import sip", "import from qgis.PyQt"),
        ("from . import resources_rc", "compiled resource"),
        ("import lunarsite.icons_rc", "compiled resource"),
        ("from qgis.PyQt.QtCore import QRegExp", "QRegularExpression"),
        ("from qgis.PyQt.QtWidgets import QDesktopWidget", "QScreen"),
        ("from qgis.PyQt.QtWebKitWidgets import QWebView", "no web engine"),
        ("from qgis.PyQt.QtWidgets import qApp", "QApplication.instance()"),
        ("from qgis.PyQt.QtGui import QAction", "qgis.PyQt.QtWidgets"),
        ("from qgis.PyQt.QtGui import QShortcut", "qgis.PyQt.QtWidgets"),
        ("from qgis.PyQt.Qt import Qt", "qgis.PyQt.QtCore"),
        ("a = Qt.AlignLeft", "Qt.AlignLeft is not scoped"),
        ("a = QtCore.Qt.AlignLeft | b", "Qt.AlignLeft is not scoped"),
        ("event.type() == QEvent.ToolTip", "QEvent.ToolTip is not scoped"),
        ("f(QgsProcessing.TypeRaster)", "QgsProcessing.TypeRaster is not scoped"),
        ("bar.push(level=Qgis.Critical)", "Qgis.Critical is not scoped"),
        ("QMessageBox.question(a) == QMessageBox.Yes", "QMessageBox.Yes is not scoped"),
        ("a: QFrame.Shape = QFrame.NoFrame", "QFrame.NoFrame is not scoped"),
        ("dialog.exec_()", "use exec"),
        ("class D:\n    def exec_(self): ...", "use exec"),
        ("QgsField('a', QVariant.Int)", "QMetaType.Type"),
        ("a = QVariant.Type.Int", "QMetaType.Type"),
        ("a = QVariant()", "NULL"),
        ("QApplication.desktop().screenGeometry()", "QScreen"),
        ("self.fontMetrics().width('a')", "horizontalAdvance"),
        ("QFontMetrics(font).width('a')", "horizontalAdvance"),
        ("QDateTime(2027, 1, 1, 0, 0, 0)", "QDateTime(QDate"),
        ("when.toTime_t()", "toSecsSinceEpoch"),
        ("Qt.ApplicationAttribute.AA_EnableHighDpiScaling", "Qt 6 always scales"),
        ("event.localPos()", "use pos"),
    ],
)
def test_what_only_one_of_them_knows_is_noticed(source, said):
    (found,) = qt6.problems(source)
    assert said in found[1]


@pytest.mark.parametrize(
    "source",
    [
        "a = Qt.AlignmentFlag.AlignLeft",
        "a = QtCore.Qt.AlignmentFlag.AlignLeft",
        "QVBoxLayout(a).addWidget(b, 0, Qt.AlignmentFlag.AlignTop)",
        "def f(a: QFrame.Shape) -> QDialog.DialogCode: ...",
        "changed = pyqtSignal(Qt.Orientation)",
        "QSizePolicy.Policy(3)",
        "kind = QMetaType.Type",
        "found: dict = cast(QPalette.ColorRole, a)",
        "Qgis.QGIS_VERSION_INT",
        "dialog.exec()",
        "when = QDateTime(QDate(2027, 1, 1), QTime(0, 0))",
        "from qgis.PyQt.QtWidgets import QAction",
        "from qgis.PyQt import sip",
        "from lunarsite.lunarsite_plugin import desktop",
        "box.width()",
    ],
)
def test_what_both_know_is_left_alone(source):
    assert qt6.problems(source) == []


def test_members_written_in_full_are_listed():
    source = "a = QtCore.Qt.AlignmentFlag.AlignLeft\nb = Qgis.MessageLevel.Info.value\nc = d.E.F"
    assert list(qt6.scoped(source)) == [
        ["Qt", "AlignmentFlag", "AlignLeft"],
        ["Qgis", "MessageLevel", "Info"],
    ]
