"""The switch for MC Dropout: which image, how much of it, and what was found at the click."""

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
from lunarsite.lunarsite_plugin.uncertainty import window as image_window

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDES_PX = (64, 4096)
USUAL_PX = 512

CLICK = "Click a place on the image."
NO_IMAGE = (
    "The project has no image. Add one whose pixels are 2 m or finer, such as one of the camera "
    "LROC NAC. For a trial, make one with Synthetic image from orbit in the toolbox."
)
NO_FILE = (
    "The layer {} is no file of its own: it is a part of one, lies in an archive or on a server, "
    "or is opened with options. Save it as a GeoTIFF: Export, Save As."
)
_MEANING = (
    "Ask the network for rocks about the window around the click, and show as layers how unsure "
    "it is: predictive entropy, and mutual information, which is high where it has not seen the "
    "like"
)
_ANSWER = (
    "Entropy, 0 to 1.39 nat: how unsure the network is of the classes ground, small rocks, large "
    "rocks and sky. Mutual information: how much of that is because it has not seen the like. Its "
    "mean over the window is compared with those over the generated scenes of 320 × 320 px that "
    "the network was validated on, if the window has as much as 256 × 256 px with data."
)


class ImagePanel(QWidget):
    """What is unfolded beneath the switch *MC Dropout uncertainty*."""

    switched = pyqtSignal(bool)
    changed = pyqtSignal()
    """Another image or another window is chosen."""
    goTo = pyqtSignal()
    cancelled = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own, self._lack = "", NO_IMAGE
        self.switch = QCheckBox("MC Dropout uncertainty", self)
        self.switch.setToolTip(_MEANING)
        self.images, self.go, self.side = self._image(), QToolButton(self), QSpinBox(self)
        self.go.setText("Go to")
        self.go.setToolTip("Show on the map where the image lies")
        self.side.setRange(*SIDES_PX)
        self.side.setSingleStep(64)
        self.side.setValue(USUAL_PX)
        self.side.setSuffix(" px")
        self.side.setKeyboardTracking(False)
        self.side.setAccessibleName("Side of the window around the click, pixels")
        self.side.setToolTip(
            "Side of the square around the click; a larger one takes longer, and one under 256 px "
            "is not compared with validation"
        )
        self.bar, self.cancel = QProgressBar(self), QToolButton(self)
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.bar.setToolTip("How much of the window was looked at")
        self.cancel.setText("Cancel")
        self.cancel.setToolTip("Leave off the window that is being looked at")
        self.text = label(CLICK, self)
        self.text.setToolTip(_ANSWER)
        self._arrange()
        self._connect()
        self.set_images([])
        self._unfold(False)

    def image(self) -> QgsRasterLayer | None:
        """Return the image that is chosen, None where there is none."""
        layer = self.images.currentLayer()
        return layer if isinstance(layer, QgsRasterLayer) else None

    def set_images(self, others: list[QgsMapLayer], no_files: Sequence[str] = ()) -> None:
        """Offer the project's rasters, but for those that are no images.

        The finest on the Moon is taken until the user has chosen one. ``no_files`` are the names of
        those that would be images if they were files.
        """
        lacked, self._lack = self._lack, NO_FILE.format(no_files[0]) if no_files else NO_IMAGE
        self.images.setExceptedLayerList(others)
        offered = [self.images.layer(k) for k in range(self.images.count())]
        if self._own not in [layer.id() for layer in offered]:
            self._own = ""
            finest = min(offered, key=image_window.rank, default=None)
            self.images.setLayer(finest)
        there = self.image() is not None
        for part in (self.images, self.go, self.side):
            part.setEnabled(there)
        if not there or self.text.text() == lacked:
            self.rest()

    def rest(self) -> None:
        """Say what there is to do: nothing is known."""
        self.say(CLICK if self.image() is not None else self._lack)

    def say(self, text: str) -> None:
        """Say what is known, or why nothing is; nothing is waited for."""
        self.text.setText(text)
        self.text.setEnabled(True)
        self.text.show()
        self._busy(False)

    def wait(self) -> None:
        """Show that the image is looked at; what was said last stays, greyed."""
        self.text.setEnabled(False)
        self.bar.setValue(0)
        self._busy(True)

    def progress(self, fraction: float) -> None:
        """Show how far the work is, 0 to 1."""
        self.bar.setValue(round(100 * fraction))

    def _image(self) -> QgsMapLayerComboBox:
        made = QgsMapLayerComboBox(self)
        made.setFilters(Qgis.LayerFilter.RasterLayer)
        made.setAccessibleName("Image that is looked at")
        made.setToolTip("Image from orbit, with pixels of 2 m or finer, in a file of its own")
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
        # Beside the window's side, so that nothing below moves as it comes and goes.
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
        self.switch.toggled.connect(self._unfold)
        self.switch.toggled.connect(self.switched)
        self.images.activated.connect(self._choose)
        self.images.layerChanged.connect(self._change)
        self.side.valueChanged.connect(self._change)
        self.go.clicked.connect(self.goTo)
        self.cancel.clicked.connect(self.cancelled)

    def _choose(self, _index: int) -> None:
        layer = self.image()
        self._own = layer.id() if layer is not None else ""

    def _change(self, _value: object) -> None:
        self.changed.emit()

    def _unfold(self, on: bool) -> None:  # noqa: FBT001  Qt's signal passes it so
        self.options.setVisible(on)
        self._busy(False)

    def _busy(self, on: bool) -> None:  # noqa: FBT001  private
        self.bar.setVisible(on)
        self.cancel.setVisible(on)
