"""Our styles, fitted to the values of a layer where they differ from run to run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import (
    QgsColorRampLegendNodeSettings,
    QgsColorRampShader,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from lunarsite.engine.text import LOWEST_TOP_SCORE, SCORE_TICKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qgis.core import QgsMapLayer

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "styles"

_NARROWEST = 1.15
"""Least ratio of neighbouring entries of a legend, of their odds or ranks."""

_OF_CELLS = frozenset({"score", "rank", "uncertainty", "rank_change"})
"""Styles that get the range of the layer."""

_SCORE_ALPHA = (70, 140, 180, 205, 215)
"""Opacity of the colours of scores, of 255: the ground shows, most below hopeless cells."""


def style_file(style: str) -> Path:
    """Return the QML file of a style."""
    return FOLDER / f"{style}.qml"


def apply(layer: QgsMapLayer, style: str) -> None:
    """Apply one of our styles to a layer, if it exists.

    Scores, ranks and changes of ranks get the range of the layer; all others have a fixed range, so
    that two areas can be compared.
    """
    if not style or not style_file(style).is_file():
        return
    layer.loadNamedStyle(str(style_file(style)))
    renderer = layer.renderer() if isinstance(layer, QgsRasterLayer) else None
    if isinstance(renderer, QgsSingleBandPseudoColorRenderer):
        _fit(layer, renderer, style)
    layer.triggerRepaint()


def _fit(layer: QgsRasterLayer, renderer: QgsSingleBandPseudoColorRenderer, style: str) -> None:
    function = renderer.shader().rasterShaderFunction()
    items = function.colorRampItemList()
    colours, unit = [QColor(item.color) for item in items], _unit(items)
    if style not in _OF_CELLS:
        settings = QgsColorRampLegendNodeSettings()
        settings.setSuffix(unit)
        function.setLegendSettings(settings)
        return
    statistics = layer.dataProvider().bandStatistics(1)
    low, high = statistics.minimumValue, statistics.maximumValue
    if not (math.isfinite(low) and math.isfinite(high)):
        return
    if style == "score":
        for colour, alpha in zip(colours, _SCORE_ALPHA, strict=True):
            colour.setAlpha(alpha)
        entries = score_entries(high)
        shares = _shares([_log_odds(value) for value, _ in entries])
    elif style in ("rank", "uncertainty"):
        entries = rank_entries(max(high, 2.0), unit, first=items[0].value)
        shares = _shares([math.log(value + 1.0) for value, _ in entries])
    else:
        most = max(abs(low), abs(high), 1.0)
        values = [-most, -most / 10, 0.0, most / 10, most]
        entries = [(value, f"{value:+,.0f}{unit}" if value else f"0{unit}") for value in values]
        shares = [0.0, 0.25, 0.5, 0.75, 1.0]
    function.setColorRampItemList(
        [
            QgsColorRampShader.ColorRampItem(value, _colour(colours, share), label)
            for (value, label), share in zip(entries, shares, strict=True)
        ]
    )
    first, last = entries[0][0], entries[-1][0]
    function.setMinimumValue(first)
    function.setMaximumValue(last)
    renderer.setClassificationMin(first)
    renderer.setClassificationMax(last)
    # A bar of colours would place its values linearly; the entries are read one by one.
    settings = QgsColorRampLegendNodeSettings()
    settings.setUseContinuousLegend(False)
    function.setLegendSettings(settings)


def score_entries(best: float) -> list[tuple[float, str]]:
    """Return scores and labels of a legend that ends at the best score of a run."""
    least, last = SCORE_TICKS[0], min(max(best, LOWEST_TOP_SCORE), SCORE_TICKS[-1])
    odds = _log_odds(last) - math.log(_NARROWEST)
    shown = [value for value in SCORE_TICKS[1:] if _log_odds(value) < odds]
    end = f"{best:.3g}, the best of the run" if least < best <= last else f"{last:g} or more"
    return [
        (least, f"{least:g} or less"),
        *((each, f"{each:g}") for each in shown),
        (last, end),
    ]


def rank_entries(highest: float, unit: str, first: float) -> list[tuple[float, str]]:
    """Return ranks and labels of a legend, by powers of ten, that ends at the highest rank."""
    powers = [10.0**power for power in range(1, 9) if 10.0**power * _NARROWEST < highest]
    values = [first, *(value for value in powers if value > first), highest]
    return [(value, f"{value:,.0f}{unit}") for value in values]


def _log_odds(share: float) -> float:
    bounded = min(max(share, 1e-6), 1.0 - 1e-6)
    return math.log(bounded / (1.0 - bounded))


def _shares(values: Sequence[float]) -> list[float]:
    """Return where values lie between the first and the last, 0 to 1."""
    return [(value - values[0]) / (values[-1] - values[0]) for value in values]


def _colour(colours: Sequence[QColor], share: float) -> QColor:
    """Return the colour at a share of a ramp of evenly spaced colours."""
    place = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    part = place - index
    pair = (colours[index].getRgb(), colours[index + 1].getRgb())
    return QColor(*(round(a + part * (b - a)) for a, b in zip(*pair, strict=True)))


def _unit(items: Sequence[QgsColorRampShader.ColorRampItem]) -> str:
    """Return the unit in the labels of a style, with its space."""
    label = items[-1].label if items else ""
    return label.lstrip("+-.0123456789e")
