"""Write resources/styles/*.qml with the writer of QGIS, from the tables below.

Run it with the interpreter of QGIS after a change: /usr/bin/python3 tools/make_styles.py

Ramps are perceptually even and safe for the colour-blind (viridis, inferno, cividis and a
blue-orange one); ranges are fixed, so that two areas can be compared.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import tempfile
import uuid
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_HASH_SEED"] = "0"  # a reproducible order of attributes

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsColorRampShader,
    QgsGraduatedSymbolRenderer,
    QgsHillshadeRenderer,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsPalettedRasterRenderer,
    QgsPalLayerSettings,
    QgsProperty,
    QgsRasterLayer,
    QgsRasterShader,
    QgsRendererCategory,
    QgsRendererRange,
    QgsSimpleMarkerSymbolLayer,
    QgsSingleBandPseudoColorRenderer,
    QgsSingleSymbolRenderer,
    QgsSymbolLayer,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "styles"

VIRIDIS = "#440154 #3b528b #21918c #5ec962 #fde725"
INFERNO = "#000004 #57106e #bc3754 #f98e09 #fcffa4"
CIVIDIS = "#00224e #434e6c #7d7c78 #b9ac70 #fee838"
DIVERGING = "#b35806 #f1a340 #f7f7f7 #67a9cf #2166ac"
GREY = "#141414 #606060 #a0a0a0 #d0d0d0 #f8f8f8"
SAFE = "#1a9850 #a6d96a #fee08b #f46d43 #5e1a1a"
MAGMA = "#fcfdbf #fc8961 #b73779 #51127c #000004"
CLEAR = "#00fcfdbf #80fc8961 #d0b73779 #51127c"
GLASS = "#00fcfdbf #60fc8961 #c0b73779 #51127c #000004"
"""Magma that lets the ground show where there is little; opacity stands first."""

RAMPS = {
    "slope_deg": (CIVIDIS, (0, 5, 10, 20, 35), "°"),
    "aspect_deg": ("#3b528b #f1a340 #b35806 #67a9cf #3b528b", (0, 90, 180, 270, 360), "°"),
    "curvature_per_km": (DIVERGING, (-5, -1, 0, 1, 5), " /km"),
    "roughness_m": (CIVIDIS, (0, 1, 3, 8, 20), " m"),
    "relief_m": (CIVIDIS, (0, 20, 60, 150, 400), " m"),
    "position_index_m": (DIVERGING, (-100, -20, 0, 20, 100), " m"),
    "height_m": (GREY, (-4000, -2000, 0, 2000, 6000), " m"),
    "illumination": (INFERNO, (0, 15, 30, 50, 90), " %"),
    "sensitivity": (CIVIDIS, (0, 3, 6, 12, 25), " % per °"),
    "darkness": (MAGMA, (0, 10, 30, 100, 400), " days"),
    "earth": ("#08306b #2171b5 #6baed6 #c6dbef #fff7bc", (0, 25, 50, 75, 100), " %"),
    "coverage": (GREY, (0, 25, 50, 75, 100), " %"),
    "score": (VIRIDIS, (0, 0.05, 0.25, 0.5, 1), ""),
    "rank": ("#fde725 #5ec962 #21918c #3b528b #440154", (1, 100, 1000, 10000, 100000), ""),
    "uncertainty": (MAGMA, (0, 20, 100, 1000, 10000), " ranks"),
    "rim_probability": (GLASS, (0, 50, 100, 175, 250), " of 250"),
    "entropy": (CLEAR, (0, 0.15, 0.4, 1.0), " nat"),
    "mutual_information": (CLEAR, (0, 0.01, 0.05, 0.15), " nat"),
    "large_rock_probability": (CLEAR, (0, 0.1, 0.4, 1.0), ""),
    "orbital_image": ("#000000 #ffffff", (1, 255), ""),
    "rank_change": (DIVERGING, (-10000, -500, 0, 500, 10000), " ranks"),
}
BAND = {"large_rock_probability": 3}
"""Where it is not the first."""

OF_CELLS = ("score", "rank", "uncertainty", "rank_change")


_VERDICT = "if(\"passes\", 'passes', 'breaks a criterion')"
"""A text, because QGIS does not read a category's truth value back."""


def pseudocolor(name: str) -> QgsRasterLayer:
    colors, stops, unit = RAMPS[name]
    layer = QgsRasterLayer(str(sample()), name)
    function = QgsColorRampShader(stops[0], stops[-1], None, QgsColorRampShader.Type.Interpolated)
    function.setColorRampItemList(
        [
            QgsColorRampShader.ColorRampItem(stop, QColor(color), f"{stop:g}{unit}")
            for stop, color in zip(stops, colors.split(), strict=True)
        ]
    )
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(function)
    band = BAND.get(name, 1)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), band, shader)
    renderer.setClassificationMin(stops[0])
    renderer.setClassificationMax(stops[-1])
    # Maps of cells let the ground beneath them show.
    renderer.setOpacity(0.9 if name == "score" else 0.75 if name in OF_CELLS else 1.0)
    layer.setRenderer(renderer)
    return layer


def hillshade() -> QgsRasterLayer:
    layer = QgsRasterLayer(str(sample()), "hillshade")
    renderer = QgsHillshadeRenderer(layer.dataProvider(), 1, 315, 30)
    layer.setRenderer(renderer)
    # Resampled before it is shaded: else slopes of single pixels make stripes.
    provider = layer.dataProvider()
    provider.enableProviderResampling(True)
    provider.setZoomedInResamplingMethod(provider.ResamplingMethod.Bilinear)
    provider.setZoomedOutResamplingMethod(provider.ResamplingMethod.Bilinear)
    provider.setMaxOversampling(4)
    layer.setResamplingStage(Qgis.RasterResamplingStage.Provider)
    return layer


def shadow() -> QgsRasterLayer:
    blue = QColor(40, 90, 200, 150)
    return two_classes("psr", "lit at some time", "permanently shadowed", blue)


def method() -> QgsRasterLayer:
    return two_classes("method", "swept", "marched exactly", QColor(224, 138, 30, 150))


def two_classes(name: str, without: str, label: str, color: QColor) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(sample()), name)
    classes = [
        QgsPalettedRasterRenderer.Class(0, QColor(0, 0, 0, 0), without),
        QgsPalettedRasterRenderer.Class(1, color, label),
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    return layer


def terrain_classes() -> QgsRasterLayer:
    """Return classes in colours that are safe for colour-blind readers."""
    layer = QgsRasterLayer(str(sample()), "classes")
    classes = [
        QgsPalettedRasterRenderer.Class(0, QColor(0, 0, 0, 0), "ground"),
        QgsPalettedRasterRenderer.Class(1, QColor(253, 174, 63, 190), "small rocks"),
        QgsPalettedRasterRenderer.Class(2, QColor(200, 30, 90, 210), "large rocks"),
        QgsPalettedRasterRenderer.Class(3, QColor(40, 90, 200, 150), "sky"),
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    return layer


def points(fields: str) -> QgsVectorLayer:
    return QgsVectorLayer(f"Point?{fields}", "points", "memory")


def marker(color: str, size: str = "3.6") -> QgsMarkerSymbol:
    return QgsMarkerSymbol.createSimple(
        {"name": "circle", "color": color, "size": size, "outline_color": "#ffffff"}
        | {"outline_width": "0.4"}
    )


def ring(color: str) -> QgsMarkerSymbol:
    """Return a ring, which shows the cell inside it; that of the best site is larger."""
    symbol = QgsMarkerSymbol()
    symbol.deleteSymbolLayer(0)
    for line, width in (("#ffffff", "1.5"), (color, "0.8")):
        shape = QgsSimpleMarkerSymbolLayer.create(
            {"name": "circle", "color": "0,0,0,0", "size": "4", "outline_color": line}
            | {"outline_width": width}
        )
        shape.setDataDefinedProperty(
            QgsSymbolLayer.Property.PropertySize,
            QgsProperty.fromExpression('if("site" = 1, 6, 4)'),
        )
        symbol.appendSymbolLayer(shape)
    return symbol


def labelled(layer: QgsVectorLayer, expression: str) -> QgsVectorLayer:
    buffer = QgsTextBufferSettings()
    buffer.setEnabled(True)
    buffer.setSize(0.8)
    buffer.setColor(QColor("#ffffff"))
    form = QgsTextFormat()
    form.setSize(10)
    form.setForcedBold(True)
    form.setColor(QColor("#1b1b1b"))
    form.setBuffer(buffer)
    settings = QgsPalLayerSettings()
    settings.fieldName = expression
    settings.isExpression = True
    settings.setFormat(form)
    settings.dist = 2.0
    layer.setLabeling(QgsVectorLayerSimpleLabeling(settings))
    layer.setLabelsEnabled(True)
    return layer


def sites() -> QgsVectorLayer:
    layer = points("field=site:integer&field=rank:integer&field=passes:bool")
    kinds = [("#f28e2b", "passes"), ("#3b4046", "breaks a criterion")]
    classes = [QgsRendererCategory(text, ring(color), text) for color, text in kinds]
    layer.setRenderer(QgsCategorizedSymbolRenderer(_VERDICT, classes))
    # The number in the report, the table and the dock.
    return labelled(layer, '"site"')


def candidates() -> QgsVectorLayer:
    layer = points("field=name:string&field=state:string&field=passes:bool&field=rank:integer")
    symbol = marker("#f28e2b", "4")
    symbol.symbolLayer(0).setDataDefinedProperty(
        QgsSymbolLayer.Property.PropertyFillColor,
        QgsProperty.fromExpression(
            "case when \"passes\" then '#f28e2b' when \"state\" = 'scored' then '#8a9099' "
            "else '#ffffff' end"
        ),
    )
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    return labelled(layer, '"name" || coalesce(\'\\nrank \' || "rank", \'\\n\' || "state")')


def detected_craters() -> QgsVectorLayer:
    """Return circles of the size of the crater, darker for higher confidence.

    Without hues: those are the scores' below.
    """
    layer = points("field=diameter_m:double&field=confidence:double")
    classes = []
    edges = (0.0, 0.4, 0.6, 0.8, 1.0)
    colors = ("#b0b5bb", "#858b92", "#50565d", "#16191d")
    for (low, high), color in zip(itertools.pairwise(edges), colors, strict=True):
        text = f"confidence {low:g} to {high:g}"
        classes.append(QgsRendererRange(low, high, rim(color), text))
    layer.setRenderer(QgsGraduatedSymbolRenderer("confidence", classes))
    return layer


def compared_craters() -> QgsVectorLayer:
    """Return detected, missed and new craters as circles, in colour-blind safe colours."""
    layer = points("field=kind:string&field=diameter_m:double")
    kinds = [
        ("hit", "#56b4e9", "found"),
        ("miss", "#d55e00", "missed"),
        ("new", "#f0e442", "new candidate"),
    ]
    classes = [QgsRendererCategory(kind, rim(color), text) for kind, color, text in kinds]
    layer.setRenderer(QgsCategorizedSymbolRenderer("kind", classes))
    return layer


def rim(color: str) -> QgsMarkerSymbol:
    """Return a circle as wide on the map as the crater: a line on a bright one, nothing inside.

    The bright line is there for dark ground. Lines of small craters are thinner, and circles of
    less than 2.5 mm on the map are not drawn: many of them would hide it.
    """
    symbol = QgsMarkerSymbol()
    symbol.deleteSymbolLayer(0)
    for line, least, most in (("255,255,255,140", 0.4, 0.9), (color, 0.15, 0.4)):
        shape = QgsSimpleMarkerSymbolLayer.create(
            {"name": "circle", "color": "0,0,0,0", "outline_color": line, "size_unit": "MapUnit"}
        )
        shape.setDataDefinedProperty(
            QgsSymbolLayer.Property.PropertyLayerEnabled,
            QgsProperty.fromExpression('"diameter_m" >= 0.0025 * coalesce(@map_scale, 0)'),
        )
        shape.setDataDefinedProperty(
            QgsSymbolLayer.Property.PropertyStrokeWidth,
            QgsProperty.fromExpression(f'scale_linear("diameter_m", 500, 20000, {least}, {most})'),
        )
        shape.setDataDefinedProperty(
            QgsSymbolLayer.Property.PropertySize, QgsProperty.fromField("diameter_m")
        )
        symbol.appendSymbolLayer(shape)
    return symbol


def comparison() -> QgsVectorLayer:
    layer = points("field=best_of:string")
    kinds = [
        ("both", "#1b1b1b", "among the best of both"),
        ("first", "#2166ac", "only of the first"),
        ("second", "#f28e2b", "only of the second"),
    ]
    classes = [QgsRendererCategory(kind, marker(color, "3"), text) for kind, color, text in kinds]
    layer.setRenderer(QgsCategorizedSymbolRenderer("best_of", classes))
    return layer


def sample() -> Path:
    """Return a raster of one pixel, which is needed to create a renderer."""
    path = Path(tempfile.gettempdir()) / "lunarsite-style.asc"
    path.write_text("ncols 1\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1\n")
    return path


def save(layer: QgsMapLayer, name: str) -> None:
    path = FOLDER / f"{name}.qml"
    categories = (
        QgsMapLayer.StyleCategory.Symbology | QgsMapLayer.StyleCategory.Labeling
        if isinstance(layer, QgsVectorLayer)
        else QgsMapLayer.StyleCategory.Symbology
    )
    said, good = layer.saveNamedStyle(str(path), categories)
    if not good:
        sys.exit(f"make_styles: {said}")
    # Identifiers are drawn at random; here they are counted.
    text = path.read_text(encoding="utf-8")
    counter = itertools.count(1)
    named: dict[str, str] = {}

    def counted(found: re.Match[str]) -> str:
        if found[0] not in named:
            named[found[0]] = f"{{{uuid.UUID(int=next(counter))}}}"
        return named[found[0]]

    # A font that a machine lacks is complained of: QGIS's own default is everywhere.
    text = re.sub(r' (fontFamily|namedStyle)="[^"]*"', "", text)
    path.write_text(re.sub(r"\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", counted, text))


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in RAMPS:
        save(pseudocolor(name), name)
    for make, name in (
        (shadow, "psr"),
        (method, "method"),
        (terrain_classes, "terrain_classes"),
        (hillshade, "hillshade"),
        (sites, "sites"),
        (candidates, "candidates"),
        (comparison, "comparison"),
        (detected_craters, "detected_craters"),
        (compared_craters, "compared_craters"),
    ):
        save(make(), name)


main()
