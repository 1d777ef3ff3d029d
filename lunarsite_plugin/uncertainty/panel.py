"""The MC Dropout uncertainty option: the image, the size of the window, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import Qgis, QgsMapLayer, QgsRasterLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lunarsite.lunarsite_plugin.site.parts import label
from lunarsite.lunarsite_plugin.uncertainty.window import rank

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDES_PX = (64, 4096)
DEFAULT_PX = 512

CLICK = "Click the image."
NO_IMAGE = (
    "The project has no image. Add one with a pixel size of at most 2 m, such as an LROC NAC "
    "image. To try this out, create one with Synthetic image from orbit in the toolbox."
)
NO_FILE = (
    "The layer {} is not a plain file: it is a subdataset, is in an archive or on a server, or has "
    "open options. Export it to GeoTIFF with Export, Save As."
)
_TIP = (
    "Run the rock network on a window around the click, and show its uncertainty as layers: "
    "predictive entropy, and mutual information, the part that passes of the network disagree about"
)
_ANSWER_TIP = (
    "Entropy, 0 to 1.39 nat: total uncertainty about the classes ground, small rocks, large rocks "
    "and sky. Mutual information: the part of it that passes of the network disagree about. Its "
    "mean over the window is compared with the median over the synthetic scenes of 320 × 320 px in "
    "the validation set, if the window has at least 256 × 256 px of data."
)


class ImagePanel(QWidget):
    """The *MC Dropout uncertainty* option, and its settings, which are hidden while it is off."""

    switched = pyqtSignal(bool)
    changed = pyqtSignal()
    """Another image or window size is selected."""
    goTo = pyqtSignal()
    cancelled = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen_id, self._no_image = "", NO_IMAGE
        self.switch = QCheckBox("MC Dropout uncertainty", self)
        self.switch.setToolTip(_TIP)
        self.images, self.go, self.side = self._image(), QToolButton(self), QSpinBox(self)
        self.go.setText("Zoom to Image")
        self.go.setToolTip("Zoom the map to the image")
        self.side.setRange(*SIDES_PX)
        self.side.setSingleStep(64)
        self.side.setValue(DEFAULT_PX)
        self.side.setSuffix(" px")
        self.side.setKeyboardTracking(False)
        self.side.setAccessibleName("Size of the window around the click, pixels")
        self.side.setToolTip(
            "Size of the square around the click. Larger windows take longer; windows below 256 px "
            "are not compared with the validation set."
        )
        self.bar, self.cancel = QProgressBar(self), QToolButton(self)
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.bar.setToolTip("Progress of the current window")
        self.cancel.setText("Cancel")
        self.cancel.setToolTip("Cancel the current window")
        self.text = label(CLICK, self)
        self.text.setToolTip(_ANSWER_TIP)
        self._arrange()
        self._connect()
        self.set_images([])
        self._expand(False)

    def image(self) -> QgsRasterLayer | None:
        """Return the selected image, or None."""
        layer = self.images.currentLayer()
        return layer if isinstance(layer, QgsRasterLayer) else None

    def set_images(self, excluded: list[QgsMapLayer], not_files: Sequence[str] = ()) -> None:
        """List the project's rasters except those that are excluded.

        Until the user chooses one, the lunar image with the highest resolution is selected.
        ``not_files`` are the names of images that cannot be used because they are not files.
        """
        former, self._no_image = (
            self._no_image,
            NO_FILE.format(not_files[0]) if not_files else NO_IMAGE,
        )
        self.images.setExceptedLayerList(excluded)
        listed = [self.images.layer(k) for k in range(self.images.count())]
        if self._chosen_id not in [layer.id() for layer in listed]:
            self._chosen_id = ""
            self.images.setLayer(min(listed, key=rank, default=None))
        usable = self.image() is not None
        for part in (self.images, self.go, self.side):
            part.setEnabled(usable)
        if not usable or self.text.text() == former:
            self.show_hint()

    def show_hint(self) -> None:
        """Show what to do next."""
        self.show_text(CLICK if self.image() is not None else self._no_image)

    def show_text(self, text: str) -> None:
        """Show an answer or a message, and end the busy state."""
        self.text.setText(text)
        self.text.setEnabled(True)
        self.text.show()
        self._busy(False)

    def show_busy(self) -> None:
        """Show that a request is in progress; the previous text stays, greyed out."""
        self.text.setEnabled(False)
        self.bar.setValue(0)
        self._busy(True)

    def progress(self, fraction: float) -> None:
        """Show the progress, 0 to 1."""
        self.bar.setValue(round(100 * fraction))

    def _image(self) -> QgsMapLayerComboBox:
        made = QgsMapLayerComboBox(self)
        made.setFilters(Qgis.LayerFilter.RasterLayer)
        made.setAccessibleName("Image")
        made.setToolTip("Orbital image with a pixel size of at most 2 m, in a file of its own")
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        made.setMinimumContentsLength(8)
        return made

    def _arrange(self) -> None:
        self.options = QWidget(self)
        grid = QGridLayout(self.options)
        grid.setContentsMargins(20, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Image", self), 0, 0)
        grid.addWidget(self.images, 0, 1)
        grid.addWidget(self.go, 0, 2)
        grid.addWidget(QLabel("Window", self), 1, 0)
        # Next to the window size, so that nothing below moves when it appears.
        row = QHBoxLayout()
        row.addWidget(self.side)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        row.addStretch(0)
        grid.addLayout(row, 1, 1, 1, 2)
        grid.addWidget(self.text, 2, 0, 1, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.switch)
        column.addWidget(self.options)

    def _connect(self) -> None:
        self.switch.toggled.connect(self._expand)
        self.switch.toggled.connect(self.switched)
        self.images.activated.connect(self._choose)
        self.images.layerChanged.connect(self._change)
        self.side.valueChanged.connect(self._change)
        self.go.clicked.connect(self.goTo)
        self.cancel.clicked.connect(self.cancelled)

    def _choose(self, _index: int) -> None:
        layer = self.image()
        self._chosen_id = layer.id() if layer is not None else ""

    def _change(self, _value: object) -> None:
        self.changed.emit()

    def _expand(self, on: bool) -> None:  # noqa: FBT001  a slot of Qt's toggled signal
        self.options.setVisible(on)
        self._busy(False)

    def _busy(self, on: bool) -> None:  # noqa: FBT001  private
        self.bar.setVisible(on)
        self.cancel.setVisible(on)
