"""Draws resources/help/*.png, the pictures in the algorithms' help, from the demo's run.

    make demo && .venv-qgis/bin/python tools/make_help.py

The maps are drawn by QGIS in the styles that the user gets, the charts by the dock's own code.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["GDAL_PAM_ENABLED"] = "NO"

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRectF, QSize
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter

from lunarsite.lunarsite_plugin import moon_crs
from lunarsite.lunarsite_plugin.charts import colors, contributions, horizon, site_model, sky_model
from lunarsite.processing_provider import layers

ROOT = Path(__file__).resolve().parents[1]
DEMO, PICTURES = ROOT / "demo", ROOT / "resources" / "help"
SIZE = QSize(232, 178)
"""As wide as the help beside a dialog; Qt would scale a larger picture badly."""
LUNARSITE = ROOT / ".venv" / "bin" / "lunarsite"


def raster(path: Path, style: str, opacity: float = 0.75) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(path), path.stem)
    layers.apply_style(layer, style)
    moon_crs.name_layer(layer)
    layer.setOpacity(opacity)
    return layer


def vector(path: Path, style: str) -> QgsVectorLayer:
    layer = QgsVectorLayer(str(path), path.stem)
    layers.apply_style(layer, style)
    moon_crs.name_layer(layer)
    return layer


def ground() -> QgsRasterLayer:
    layer = QgsRasterLayer(str(DEMO / "dem.tif"), "ground")
    moon_crs.name_layer(layer)
    layers.apply_style(layer, "hillshade")
    return layer


def drawn(shown: list, size: QSize = SIZE) -> QImage:
    settings = QgsMapSettings()
    settings.setDestinationCrs(moon_crs.crs())
    below = ground()  # the settings keep no layer alive
    settings.setLayers([*shown, below])
    settings.setOutputSize(size)
    settings.setOutputDpi(72)
    settings.setBackgroundColor(QColor("#101010"))
    area = below.extent()
    high, wide = 0.8 * area.height(), 0.8 * area.width()
    ratio = size.width() / size.height()
    middle = area.center()
    settings.setExtent(
        QgsRectangle.fromCenterAndSize(middle, min(wide, high * ratio), min(high, wide / ratio))
    )
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage()


def panels(images: list[QImage]) -> QImage:
    out = QImage(SIZE, QImage.Format.Format_RGB32)
    out.fill(QColor("#ffffff"))
    painter = QPainter(out)
    width = SIZE.width() // len(images)
    for number, image in enumerate(images):
        painter.drawImage(number * width, 0, image)
    painter.end()
    return out


def chart(module: object, data: object, height: int) -> QImage:
    out = QImage(QSize(SIZE.width(), height), QImage.Format.Format_RGB32)
    out.fill(QColor("#ffffff"))
    painter = QPainter(out)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    area = QRectF(4, 4, SIZE.width() - 8, height - 8)
    font = QFont("DejaVu Sans")
    font.setPixelSize(9)
    module.paint(painter, area, data, colors.on_paper(), font)
    painter.end()
    return out


def asked(*words: str) -> dict:
    done = subprocess.run(
        [str(LUNARSITE), *words, "--json"], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def save(image: QImage, name: str) -> None:
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    if not plain.save(str(PICTURES / f"{name}.png"), "PNG", 0):
        sys.exit(f"make_help: {name}.png could not be written")


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    PICTURES.mkdir(parents=True, exist_ok=True)
    run, work = DEMO / "run", Path(tempfile.mkdtemp())
    made = run / "layers"
    sites = vector(run / "sites.gpkg", "sites")
    sites.setSubsetString('"site" <= 20')
    best = next(sites.getFeatures())
    place = ["--lon", str(best["lon_deg"]), "--lat", str(best["lat_deg"])]

    save(drawn([]), "synthesize")
    save(drawn([raster(made / "slope_deg.tif", "slope_deg")]), "terrain")
    save(drawn([raster(made / "illumination_pct.tif", "illumination")]), "lighting")
    third = QSize(SIZE.width() // 3 - 2, SIZE.height())
    sources = {
        "slope_deg": "slope_deg",
        "illumination_pct": "illumination",
        "earth_visibility_pct": "earth",
    }
    several = [drawn([raster(made / f"{n}.tif", s)], third) for n, s in sources.items()]
    save(panels(several), "features")
    save(drawn([raster(run / "score.tif", "score")]), "score")
    save(drawn([raster(run / "probability.tif", "score", 0.9)]), "train-scorer")
    save(drawn([sites, raster(run / "score.tif", "score", 0.6)]), "screen")

    answer = asked("explain", "--run", str(run), *place)
    save(chart(contributions, site_model.waterfall(answer), 250), "explain")
    sky = asked("skyline", "--dem", str(DEMO / "dem.tif"), *place)
    save(chart(horizon, sky_model.skyline(sky), 130), "skyline")

    points = work / "points.csv"
    listed = [(f["lon_deg"], f["lat_deg"], f"P{f['site']}") for f in sites.getFeatures()][::3]
    points.write_text("lon_deg,lat_deg,name\n" + "".join(f"{a},{b},{n}\n" for a, b, n in listed))
    scored = work / "points.gpkg"
    asked("score-points", "--run", str(run), "--points", str(points), "--out", str(scored))
    save(
        drawn([vector(scored, "candidates"), raster(run / "score.tif", "score", 0.4)]),
        "score-points",
    )
    features = run / "features.parquet"
    asked("score", "--features", str(features), "--profile", "hls", "--out", str(work / "hls"))
    asked("compare", "--first", str(run), "--second", str(work / "hls"), "--out", str(work))
    change = raster(work / "rank_change.tif", "rank_change", 0.85)
    save(drawn([vector(work / "comparison.gpkg", "comparison"), change]), "compare")
    shutil.rmtree(work)


main()
