"""The four pages of the engine setup dialog."""

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

from lunarsite.lunarsite_plugin.setup import messages, plan, tasks
from lunarsite.qgis_common import location

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.setup.check import Row
    from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter
    from lunarsite.lunarsite_plugin.setup.paths import EnginePaths

_TORCH = (
    ("none", "None", "Torch is only needed to train networks, not to detect craters and rocks."),
    ("auto", "Automatic", "GPU build with a recent NVIDIA driver, otherwise CPU build."),
    ("cpu", "CPU build", "The smaller build, which works everywhere."),
    ("gpu", "GPU build", "To use the GPU, it needs an NVIDIA driver, version 580 or newer."),
)


class InstallPage(QWidget):
    """The options of an installation."""

    installRequested = pyqtSignal()
    searchRequested = pyqtSignal()

    def __init__(self, paths: EnginePaths) -> None:
        super().__init__()
        self._paths = paths
        self.base = _elastic(QComboBox())
        self.base.addItem("Automatic", "")
        self.base.setToolTip("The Python interpreter for the engine's environment.")
        self.base.setAccessibleName("Python Interpreter")
        self.search = QPushButton("Search")
        self.search.setToolTip("Search this computer for Python 3.11 or newer.")
        self.search.clicked.connect(self._ask_search)
        self.torch = _elastic(QComboBox())
        for build, label, tip in _TORCH:
            self.torch.addItem(label, build)
            self.torch.setItemData(self.torch.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.torch.setToolTip("PyTorch, to train crater and rock networks and to use a GPU.")
        self.torch.currentIndexChanged.connect(self._show_size)
        self.wheels = QgsFileWidget()
        self.wheels.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.wheels.setDialogTitle("Wheel Folder")
        self.wheels.setToolTip(
            "A folder with all packages, including uv, as wheels (.whl files), to install without "
            "a network connection. Leave this empty to download them."
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
        form.addRow("PyTorch", self.torch)
        form.addRow("Wheel folder", self.wheels)
        _stack(self, form, self.note, self.install)
        self._restore_choices()

    def request(self) -> tasks.InstallRequest:
        """Return the selected options, without the network settings."""
        folder = self.wheels.filePath().strip()
        return tasks.InstallRequest(
            str(self.base.currentData() or ""),
            str(self.torch.currentData()),
            Path(folder) if folder else None,
        )

    def show_interpreters(self, found: list[Interpreter]) -> None:
        """List the interpreters that a search found."""
        while self.base.count() > 1:
            self.base.removeItem(1)
        for each in found:
            note = "" if each.is_pinned_for else ", untested"
            label = f"{each.version_text}{note}: {messages.shortened(each.python)}"
            self.base.addItem(label, str(each.python))

    def refresh(self) -> None:
        """Update the page to the current state."""
        self.install.setText(messages.install_label(self._paths))
        self._show_size()

    def _restore_choices(self) -> None:
        """Start with the options of the current or unfinished installation."""
        before = plan.state(self._paths)
        self.torch.setCurrentIndex(max(0, self.torch.findData(before.torch)))
        self.wheels.setFilePath(before.wheels)

    def _ask_install(self) -> None:
        self.installRequested.emit()

    def _ask_search(self) -> None:
        self.searchRequested.emit()

    def _show_size(self) -> None:
        build = str(self.torch.currentData())
        tip = next(tip for name, _, tip in _TORCH if name == build)
        self.note.setText(f"{tip} {messages.size_note(self._paths, build)}")


class ExistingPage(QWidget):
    """Selects an existing Python interpreter."""

    useRequested = pyqtSignal(str)
    stopRequested = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        text = _note(
            "Select a Python interpreter, version 3.11 or newer, that already has the engine's "
            "libraries. It is checked first, and never modified."
        )
        self.python = QgsFileWidget()
        self.python.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.python.setDialogTitle("Python Interpreter")
        self.python.setAccessibleName("Existing Python interpreter")
        self.python.setFilePath(location.user_python())
        self.use = QPushButton("Check and Use")
        self.use.clicked.connect(self._ask_use)
        self.stop = QPushButton("Stop Using")
        self.stop.clicked.connect(self._ask_stop)
        row = QHBoxLayout()
        row.addWidget(self.use)
        row.addWidget(self.stop)
        _stack(self, text, self.python, row)

    def refresh(self) -> None:
        """Update the page to the current state."""
        self.stop.setEnabled(bool(location.user_python()))

    def _ask_use(self) -> None:
        self.useRequested.emit(self.python.filePath().strip())

    def _ask_stop(self) -> None:
        self.stopRequested.emit()


class CheckPage(QWidget):
    """Checks the engine and shows the results."""

    checkRequested = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.check = QPushButton("Check Engine")
        self.check.clicked.connect(self._ask_check)
        self.results = QTextBrowser()
        self.results.setAccessibleName("Results of the check")
        self.results.setPlaceholderText(
            "Shows the versions of the libraries, the device, and the time for a short test. This "
            "takes a few seconds, the first time up to a minute."
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.check)
        layout.addWidget(self.results, 1)

    def show_results(self, rows: list[Row]) -> None:
        """Show the results of a check."""
        self.results.setHtml(messages.check_table(rows))

    def _ask_check(self) -> None:
        self.checkRequested.emit()


class RemovePage(QWidget):
    """Removes the engine."""

    removeRequested = pyqtSignal()

    def __init__(self, paths: EnginePaths) -> None:
        super().__init__()
        self._paths = paths
        self.note = _note()
        self.remove = QPushButton("Remove Engine…")
        self.remove.clicked.connect(self._ask_remove)
        _stack(self, self.note, self.remove)

    def refresh(self) -> None:
        """Update the page to the current state."""
        self.note.setText(messages.remove_note(self._paths))
        self.remove.setEnabled(self._paths.marker.is_file())

    def _ask_remove(self) -> None:
        self.removeRequested.emit()


def _note(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def _elastic(box: QComboBox) -> QComboBox:
    """Keep long entries of a combo box from widening the dialog."""
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
