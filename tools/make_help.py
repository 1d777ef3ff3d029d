"""Draw resources/help/*.png, the pictures in the help of the algorithms, from a generated region.

    make region && .venv-qgis/bin/python tools/make_help.py

Maps are rendered by QGIS with the styles of the plugin, charts by the code of the dock.
"""

from __future__ import annotations

import csv
import itertools
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
    QgsFeature,
    QgsGeometry,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter

from lunarsite.lunarsite_plugin.charts import colors, contributions, horizon, site_model, sky_model
from lunarsite.qgis_common import moon_crs, styles

ROOT = Path(__file__).resolve().parents[1]
DEMO, PICTURES = ROOT / ".cache" / "region", ROOT / "resources" / "help"
SIZE = QSize(232, 178)
"""As wide as the help beside a dialog; Qt would scale a larger picture badly."""
LUNARSITE = ROOT / ".venv" / "bin" / "lunarsite"


def raster(path: Path, style: str, opacity: float = 0.75) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(path), path.stem)
    styles.apply(layer, style)
    moon_crs.name_layer(layer)
    layer.setOpacity(opacity)
    return layer


def vector(path: Path, style: str) -> QgsVectorLayer:
    layer = QgsVectorLayer(str(path), path.stem)
    styles.apply(layer, style)
    moon_crs.name_layer(layer)
    return layer


def known_craters(dem: Path) -> QgsVectorLayer:
    """Return the true craters of synthetic terrain, with full confidence."""
    layer = QgsVectorLayer(
        f"Point?crs={moon_crs.SOUTH_POLAR}&field=diameter_m:double&field=confidence:double",
        "known",
        "memory",
    )
    fields, pixels = layer.fields(), 10 * QgsRasterLayer(str(dem), "d").rasterUnitsPerPixelX()
    with dem.with_suffix(".craters.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if float(row["diameter_m"]) >= pixels:
                feature = QgsFeature(fields)
                feature.setAttributes([float(row["diameter_m"]), 1.0])
                place = QgsPointXY(float(row["x_m"]), float(row["y_m"]))
                feature.setGeometry(QgsGeometry.fromPointXY(place))
                layer.dataProvider().addFeature(feature)
    styles.apply(layer, "detected_craters")
    return layer


def ground(dem: Path = DEMO / "dem.tif") -> QgsRasterLayer:
    layer = QgsRasterLayer(str(dem), "ground")
    moon_crs.name_layer(layer)
    styles.apply(layer, "hillshade")
    return layer


def drawn(shown: list, size: QSize = SIZE, dem: Path = DEMO / "dem.tif") -> QImage:
    settings = QgsMapSettings()
    settings.setDestinationCrs(moon_crs.crs())
    below = ground(dem)  # the settings keep no layer alive
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


def panels(images: list[QImage], columns: int) -> QImage:
    out = QImage(SIZE, QImage.Format.Format_RGB32)
    out.fill(QColor("#ffffff"))
    painter = QPainter(out)
    width, height = SIZE.width() // columns, SIZE.height() // (len(images) // columns)
    for number, image in enumerate(images):
        painter.drawImage(number % columns * width, number // columns * height, image)
    painter.end()
    return out


def grid(table: Path) -> QImage:
    """Return the recall by preprocessing and threshold, in the colours of cividis."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [(r["preparation"], float(r["recall"])) for r in csv.DictReader(file)]
    grouped = {name: [v for _, v in own] for name, own in itertools.groupby(rows, lambda r: r[0])}
    out = QImage(QSize(SIZE.width(), 106), QImage.Format.Format_RGB32)
    out.fill(QColor("#ffffff"))
    painter = QPainter(out)
    font = QFont("DejaVu Sans")
    font.setPixelSize(9)
    painter.setFont(font)
    low, high = (pick(value for _, value in rows) for pick in (min, max))
    first, last = QColor("#00224e"), QColor("#fee838")
    left, top, wide, tall = 80, 18, 16, 18
    centred = Qt.AlignmentFlag.AlignVCenter
    painter.drawText(QRectF(left, 0, 150, top), centred, "recall by least confidence")
    for number, (name, values) in enumerate(grouped.items()):
        y = top + number * tall
        painter.drawText(QRectF(4, y, left - 8, tall), centred, name)
        for place, value in enumerate(values):
            share = (value - low) / (high - low)
            mixed = [
                round(a + (b - a) * share)
                for a, b in zip(first.getRgb()[:3], last.getRgb()[:3], strict=True)
            ]
            painter.fillRect(QRectF(left + place * wide, y, wide - 1, tall - 1), QColor(*mixed))
    for place, limit in ((0, "0.1"), (4, "0.5"), (8, "0.9")):
        area = QRectF(left + place * wide, top + 4 * tall, wide, 14)
        painter.drawText(area, centred | Qt.AlignmentFlag.AlignHCenter, limit)
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
    save(drawn([raster(made / "landing_probability.tif", "score")]), "landing")
    save(drawn([raster(made / "disc_longest_darkness_days.tif", "darkness")]), "disc-light")
    third = QSize(SIZE.width() // 3 - 2, SIZE.height())
    sources = {
        "slope_deg": "slope_deg",
        "illumination_pct": "illumination",
        "earth_visibility_pct": "earth",
    }
    several = [drawn([raster(made / f"{n}.tif", s)], third) for n, s in sources.items()]
    save(panels(several, 3), "features")
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
    craters(work)
    shutil.rmtree(work)


def craters(work: Path) -> None:
    """Draw the pictures of the crater stages."""
    found, known = DEMO / "craters.gpkg", str(DEMO / "dem.craters.csv")
    save(drawn([vector(found, "detected_craters")]), "detect-craters")
    compared = work / "compared.gpkg"
    words = ["--detections", str(found), "--catalogue", known, "--out", str(compared)]
    asked("evaluate-craters", *words)
    save(drawn([vector(compared, "compared_craters")]), "evaluate-craters")
    dem = str(DEMO / "dem.tif")
    words = ["--dem", dem, "--catalogue", known, "--min-diameter-m", "1000", "--out", str(work)]
    asked("diagnose-craters", *words)
    save(grid(work / "diagnosis.csv"), "diagnose-craters")
    tiles = []
    for seed in range(6):
        tile = work / f"tile{seed}.tif"
        asked("synthesize", "--seed", str(seed), "--size-px", "128", "--out", str(tile))
        size = QSize(SIZE.width() // 3 - 2, SIZE.height() // 2 - 2)
        tiles.append(drawn([known_craters(tile)], size, tile))
    save(panels(tiles, 3), "train-craters")


main()
