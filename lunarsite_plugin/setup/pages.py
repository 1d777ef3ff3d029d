"""The dialog's four pages: install, an engine of one's own, check, remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from lunarsite.lunarsite_plugin.setup import plan, tasks, words
from lunarsite.qgis_common import location

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.setup.check import Row
    from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter
    from lunarsite.lunarsite_plugin.setup.place import Place

_TORCH = (
    ("none", "None", "Only training networks needs torch; finding craters and rocks does not."),
    ("auto", "Automatic", "The GPU build if a new NVIDIA driver is here, else the processor's."),
    ("cpu", "For the processor", "The smaller build; works everywhere."),
    ("gpu", "For an NVIDIA GPU", "Needs an NVIDIA driver, 580 or newer, to use the GPU."),
)


class InstallPage(QWidget):
    """The choices for an installation."""

    installAsked = pyqtSignal()
    searchAsked = pyqtSignal()

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self.base = _elastic(QComboBox())
        self.base.addItem("Automatic: the first that fits", "")
        self.base.setToolTip("The Python that the engine's environment is made with.")
        self.base.setAccessibleName("Python to build on")
        self.search = QPushButton("Search")
        self.search.setToolTip("Look for Python 3.11 or newer on this computer.")
        self.search.clicked.connect(self._ask_search)
        self.torch = _elastic(QComboBox())
        for build, label, tip in _TORCH:
            self.torch.addItem(label, build)
            self.torch.setItemData(self.torch.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.torch.setToolTip("torch trains networks of craters and rocks, and runs them on a GPU.")
        self.torch.currentIndexChanged.connect(self._tell_size)
        self.wheels = QgsFileWidget()
        self.wheels.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.wheels.setDialogTitle("Folder of wheels")
        self.wheels.setToolTip(
            "A folder with all packages as wheels (.whl files), uv's included, to install "
            "without a network. Leave it empty to use the network."
        )
        self.note = _note()
        self.install = QPushButton()
        self.install.clicked.connect(self._ask_install)

        row = QHBoxLayout()
        row.addWidget(self.base, 1)
        row.addWidget(self.search)
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Python", row)
        form.addRow("torch", self.torch)
        form.addRow("Offline folder", self.wheels)
        _stack(self, form, self.note, self.install)
        self._take_choices()

    def wish(self) -> tasks.Wish:
        """Return what is chosen, without the way to the network."""
        folder = self.wheels.filePath().strip()
        return tasks.Wish(
            str(self.base.currentData() or ""),
            str(self.torch.currentData()),
            Path(folder) if folder else None,
        )

    def show_interpreters(self, found: list[Interpreter]) -> None:
        """Offer the interpreters that a search found."""
        while self.base.count() > 1:
            self.base.removeItem(1)
        for each in found:
            tried = "" if each.is_pinned_for else ", newer than what was tried"
            label = f"{each.version_text}{tried}: {words.shortened(each.python)}"
            self.base.addItem(label, str(each.python))

    def refresh(self) -> None:
        """Show the state as it is now."""
        self.install.setText(words.install_label(self._place))
        self._tell_size()

    def _take_choices(self) -> None:
        """Begin with the choices of the engine that is there, or was begun."""
        before = plan.state(self._place)
        self.torch.setCurrentIndex(max(0, self.torch.findData(before.torch)))
        self.wheels.setFilePath(before.wheels)

    def _ask_install(self) -> None:
        self.installAsked.emit()

    def _ask_search(self) -> None:
        self.searchAsked.emit()

    def _tell_size(self) -> None:
        build = str(self.torch.currentData())
        use = next(tip for name, _, tip in _TORCH if name == build)
        self.note.setText(f"{use} {words.size_note(self._place, build)}")


class OwnPage(QWidget):
    """An interpreter that the user brings."""

    useAsked = pyqtSignal(str)
    dropAsked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        text = _note(
            "Take a Python 3.11 or newer that holds the engine's libraries already. It is checked "
            "first and never changed."
        )
        self.python = QgsFileWidget()
        self.python.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.python.setDialogTitle("Python interpreter")
        self.python.setAccessibleName("Your own interpreter")
        self.python.setFilePath(location.own())
        self.use = QPushButton("Check and use")
        self.use.clicked.connect(self._ask_use)
        self.drop = QPushButton("Stop using it")
        self.drop.clicked.connect(self._ask_drop)
        row = QHBoxLayout()
        row.addWidget(self.use)
        row.addWidget(self.drop)
        _stack(self, text, self.python, row)

    def refresh(self) -> None:
        """Show the state as it is now."""
        self.drop.setEnabled(bool(location.own()))

    def _ask_use(self) -> None:
        self.useAsked.emit(self.python.filePath().strip())

    def _ask_drop(self) -> None:
        self.dropAsked.emit()


class CheckPage(QWidget):
    """What a check found."""

    checkAsked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.check = QPushButton("Check the engine")
        self.check.clicked.connect(self._ask_check)
        self.findings = QTextBrowser()
        self.findings.setAccessibleName("Findings of the check")
        self.findings.setPlaceholderText(
            "Versions, the device, and how long a small job takes: a check needs some seconds, the "
            "first one up to a minute."
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.check)
        layout.addWidget(self.findings, 1)

    def show_findings(self, rows: list[Row]) -> None:
        """Show what was found."""
        self.findings.setHtml(words.findings(rows))

    def _ask_check(self) -> None:
        self.checkAsked.emit()


class RemovePage(QWidget):
    """Takes the engine away."""

    removeAsked = pyqtSignal()

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self.note = _note()
        self.remove = QPushButton("Remove the engine…")
        self.remove.clicked.connect(self._ask_remove)
        _stack(self, self.note, self.remove)

    def refresh(self) -> None:
        """Show the state as it is now."""
        self.note.setText(words.remove_note(self._place))
        self.remove.setEnabled(self._place.marker.is_file())

    def _ask_remove(self) -> None:
        self.removeAsked.emit()


def _note(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label


def _elastic(box: QComboBox) -> QComboBox:
    """Return a box that long entries do not make the dialog wider than the screen for."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def _stack(page: QWidget, *parts: QWidget | QHBoxLayout | QFormLayout) -> None:
    layout = QVBoxLayout(page)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
    layout.addStretch(1)
