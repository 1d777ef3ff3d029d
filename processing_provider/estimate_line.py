"""The line of an algorithm's dialog that says what a run will take, before it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProject
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper, QgsProcessingGui
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from lunarsite.engine.errors import LunarSiteError
from lunarsite.qgis_common.session import EngineSession

if TYPE_CHECKING:
    from qgis.core import QgsProcessingParameterDefinition
    from qgis.PyQt.QtWidgets import QDialog

PAUSE_MS = 700
"""The estimate follows the parameters when none has changed for so long."""


class EstimateLine(QgsAbstractProcessingParameterWidgetWrapper):
    """The box for a dry run, and below it the estimate for the parameters as they are.

    QGIS makes it from the metadata of the parameter, in the dialog of a single run. The engine
    validates the inputs for the estimate, so that an invalid one is explained here too.

    Parameters
    ----------
    parameter : QgsProcessingParameterDefinition
        The dry run.
    dialog : QDialog
        The dialog of the algorithm.
    """

    def __init__(
        self,
        parameter: QgsProcessingParameterDefinition,
        dialog: QDialog,
        _row: int = 0,
        _column: int = 0,
    ) -> None:
        super().__init__(parameter, QgsProcessingGui.WidgetType.Standard)
        self._dialog = dialog
        self._others: list[QgsAbstractProcessingParameterWidgetWrapper] = []
        self._asked = 0
        self._box = QCheckBox(parameter.description())
        self._line = QLabel()
        self._line.setTextFormat(Qt.TextFormat.PlainText)
        self._line.setWordWrap(True)
        self._line.hide()
        self._session: EngineSession | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._ask)

    @property
    def text(self) -> str:
        """The line below the box."""
        return str(self._line.text())

    def createWidget(self) -> QWidget:
        """Return the box with the line below."""
        made = QWidget()
        column = QVBoxLayout(made)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._box)
        column.addWidget(self._line)
        made.destroyed.connect(self._end)
        return made

    def createLabel(self) -> None:
        """Return no label: the box has one."""
        return

    def setWidgetValue(self, value: Any, _context: QgsProcessingContext) -> None:
        """Check the box or clear it."""
        self._box.setChecked(value in (True, 1, "true", "True", "1"))

    def widgetValue(self) -> bool:
        """Return whether the box is checked."""
        return bool(self._box.isChecked())

    def postInitialize(self, wrappers: list[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        """Follow the other parameters of the dialog."""
        self._others = [each for each in wrappers if each is not self]
        for each in self._others:
            each.widgetValueHasChanged.connect(self._timer.start)
        self._timer.start()

    def _ask(self) -> None:
        """Ask the engine for the estimate, if it can be had without exporting a layer."""
        algorithm = getattr(self._dialog, "algorithm", lambda: None)()
        if algorithm is None or not hasattr(algorithm, "values"):
            return
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        feedback = QgsProcessingFeedback(False)
        feedback.cancel()  # an export ends before it begins
        parameters = {
            each.parameterDefinition().name(): each.parameterValue() for each in self._others
        }
        try:
            asked = algorithm.values_now(parameters, context, feedback)
        except LunarSiteError:
            asked = None
        if asked is None:
            self._show("")
            return
        if self._session is None:
            self._session = EngineSession()
            self._session.answered.connect(self._take)
            self._session.failed.connect(self._take)
        self._asked = self._session.ask(algorithm.name(), {**asked, "dry_run": True})

    def _take(self, request: int, answer: dict[str, Any] | LunarSiteError) -> None:
        if request != self._asked:
            return
        if isinstance(answer, LunarSiteError):
            self._show(self._dialog.algorithm().with_titles(str(answer)))
            return
        self._show(" ".join([*answer["summary"], *answer["warnings"]]))

    def _show(self, text: str) -> None:
        self._line.setText(text)
        self._line.setVisible(bool(text))

    def _end(self) -> None:
        self._timer.stop()
        if self._session is not None:
            self._session.shut_down()
