"""The combo box that selects a run."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from lunarsite.qgis_common import plain_text

NO_RUNS = "No runs: click Browse"


class RunChooser(QWidget):
    """Selects the run that places are scored with."""

    chosen = pyqtSignal(object)
    """The folder, a Path."""
    browse = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = QComboBox(self)
        self.combo.setAccessibleName("Screening run")
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.combo.setMinimumContentsLength(8)
        self.button = QToolButton(self)
        self.button.setText("Browse…")
        self.button.setToolTip("Choose the output folder of Screen a region")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Run", self))
        row.addWidget(self.combo, 1)
        row.addWidget(self.button)
        self.combo.activated.connect(self._choose)
        self.button.clicked.connect(self.browse)
        self.set_runs([], None)

    def set_runs(self, folders: list[Path], current: Path | None) -> None:
        """Set the available runs, and which of them is selected."""
        self.combo.clear()
        self.combo.setEnabled(bool(folders))
        for folder in folders:
            self.combo.addItem(f"{folder.parent.name}/{folder.name}", str(folder))
            tip = plain_text.shown(str(folder))
            self.combo.setItemData(self.combo.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        if current in folders:
            self.combo.setCurrentIndex(folders.index(current))
        elif folders:
            self.combo.setCurrentIndex(-1)
        else:
            self.combo.addItem(NO_RUNS)
        self.combo.setToolTip(
            plain_text.shown(str(current))
            if current
            else "Places are scored with a finished run of Screen a region"
        )

    def folders(self) -> list[Path]:
        """Return the available runs."""
        texts = (self.combo.itemData(k) for k in range(self.combo.count()))
        return [Path(text) for text in texts if text]

    def _choose(self, index: int) -> None:
        text = self.combo.itemData(index)
        if text:
            self.chosen.emit(Path(text))
