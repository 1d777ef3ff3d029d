"""The report of a screening run and its figures."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.skyline import Skyline, tracks
from lunarsite.engine.io import cog, raster
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.report import (
    charts,
    drawing,
    embedding,
    facts,
    graticule,
    maps,
    page,
    write_report,
)
from lunarsite.engine.report.labels import Labels
from lunarsite.engine.report.place_names import Name
from lunarsite.engine.report.skyline import _revolutions, draw_skyline

HOSTILE = "<script>alert('x')</script> & $\\frac{"
SECTIONS = (
    "findings",
    "map",
    "sites",
    "skylines",
    "regions",
    "reasons",
    "layers",
    "gaps",
    "reading",
    "audit",
    "provenance",
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects the identifiers, links and text of a page, and checks that its tags are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.sources, self.words, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.add(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.sources += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(text):
    found = Page()
    found.feed(text)
    found.close()
    assert found.open == []
    return found


def cone(side=60, pixel_m=200.0):
    """Return a hill near the pole with a pit on its flank and nodata in a corner."""
    grid = Grid(2_000.0, 14_000.0, pixel_m, side, side)
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
    middle = (x.mean(), y.mean())
    distance = np.hypot(x - middle[0], y - middle[1])
    pit = np.hypot(x - middle[0] - 3_000.0, y - middle[1])
    height = 900.0 - 0.09 * distance - np.where(pit < 1_200.0, 0.5 * (1_200.0 - pit), 0.0)
    height[:4, :7] = np.nan
    return grid, height.astype(np.float32)


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    grid, height = cone()
    dem = folder / "cone.tif"
    cog.write_raster(dem, height, grid, description="Height", unit="m")
    west, south, east, north = grid.bounds
    middle = (west + east) / 2
    regions = folder / "regions.gpkg"
    gpd.GeoDataFrame(
        {"name": [HOSTILE, "elsewhere"]},
        geometry=[
            shapely.box(west, south, middle, north),
            shapely.box(east + 1e4, south, east + 2e4, north),
        ],
        crs=moon.SOUTH_POLAR,
    ).to_file(regions)
    given = {
        "builtin_far_field": False,
        "dem": str(dem),
        "regions": str(regions),
        "out": str(folder / "run"),
        "train": True,
        "cell_m": 400.0,
        "stop": "2027-03-01",
        "min_distance_m": 1000.0,
        "draws": 20,
    }
    stage = stages.load("screen")
    stage.run(given, Context(threads=2))
    return folder / "run", stage.resolve(given)


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def text(screened):
    return (screened[0] / "report.html").read_text(encoding="utf-8")


def test_page_is_self_contained(text):
    found = parsed(text)
    assert found.sources
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in found.sources)
    assert not re.search(r"https?://|url\(|@import", text)


def test_only_its_own_script_may_run(text):
    allowed = re.findall(r"script-src 'sha256-([^']+)'", text)
    run = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(run) == len(
        re.findall(r"<script(?! type=\"(?:application/json|text/plain)\")", text)
    )
    assert allowed == [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in run
    ]


def test_the_self_audit_names_its_files_with_their_dates(text):
    section = text[text.index('id="audit"') : text.index('id="provenance"')]
    assert re.search(r"<code>regions\.gpkg</code> \d{4}-\d\d-\d\d", section)


def test_page_has_all_sections(text):
    found = parsed(text)
    assert [name for name in SECTIONS if name not in found.ids] == []
    links = [source[1:] for source in found.sources if source.startswith("#")]
    assert set(links) <= set(found.ids)


def test_names_are_escaped(text):
    assert "<script>alert" not in text
    assert any(HOSTILE in words for words in parsed(text).words)


def test_page_names_sites_inputs_warnings_and_missing_layers(screened, text):
    folder, values = screened
    words = " ".join(" ".join(parsed(text).words).split())
    content = manifest(folder)
    sites = gpd.read_file(folder / "sites.gpkg", layer="sites")
    assert f"{abs(sites['lat_deg'][0]):.3f}° S" in words
    for entry in content["inputs"]:
        assert entry["sha256"] in words
    for warning in content["warnings"]:
        assert warning in words
    absent = "elevation error, crater catalogue, rock segmentation, shadow fraction in an image"
    assert f"Missing everywhere: {absent}." in words
    assert f"{values['cell_m']:g} m" in words
    assert content["profile"]["source"] in words


def test_figures_have_no_date(text):
    pictures = [
        base64.b64decode(source.partition(",")[2])
        for source in parsed(text).sources
        if source.startswith("data:")
    ]
    assert len(pictures) >= 12
    for picture in pictures:
        assert picture.startswith(b"\x89PNG")
        assert b"Software" not in picture
        assert b"tIME" not in picture


def test_page_is_reproducible(screened, text):
    folder, values = screened
    write_report(folder, values, manifest(folder), Context(threads=1))
    assert (folder / "report.html").read_text(encoding="utf-8") == text


def test_absent_layers_are_reported(screened, text, monkeypatch):
    monkeypatch.setattr(page, "_SKYLINES", 1)
    folder, values = screened
    layer = folder / "layers" / "disc_longest_darkness_days.tif"
    away = layer.with_suffix(".away")
    layer.rename(away)
    try:
        write_report(folder, values, manifest(folder), Context(threads=1))
        found = (folder / "report.html").read_text(encoding="utf-8")
    finally:
        away.rename(layer)
        (folder / "report.html").write_text(text, encoding="utf-8")
    assert "Not available: this layer" in found
    assert text.count("At the centre of the best landing disc of each cell") == 2
    assert found.count("At the centre of the best landing disc of each cell") == 1
    assert "Not available: this layer" not in text


def test_external_layers_are_warped_to_the_frame(screened, tmp_path):
    folder, values = screened
    with rasterio.open(folder / "layers" / "illumination_pct.tif") as source:
        grid = raster.grid_of(source, "layer")
    larger = Grid(grid.x_min_m - 5e3, grid.y_max_m + 5e3, 500.0, 44, 44)
    path = tmp_path / "light.tif"
    cog.write_raster(path, np.full(larger.shape, 40.0, np.float32), larger, description="Light")
    sites = gpd.read_file(folder / "sites.gpkg", layer="sites")
    with drawing.style():
        frame = maps.map_frame(values["dem"], sites, {})
        picture = maps.layer_map(frame, path, maps.LayerStyle("inferno"), "Light, %", own=False)
        shown = picture.axes[0].images[0]
    np.testing.assert_allclose(np.asarray(shown.get_array()), 40.0)
    assert tuple(shown.get_extent()) == pytest.approx(frame.extent)


def test_large_rasters_are_downsampled_on_reading(tmp_path):
    grid = Grid(-13_000.0, 13_000.0, 10.0, 2600, 2600)
    x = np.broadcast_to(grid.column_x_m(), grid.shape).astype(np.float32)
    path = tmp_path / "plane.tif"
    cog.write_raster(path, 0.1 * x, grid, description="Height", unit="m")
    heights, small = maps.read_overview(path, "The DEM", 500)
    assert max(heights.shape) <= 500
    assert small.bounds == pytest.approx(grid.bounds)
    np.testing.assert_allclose(heights[3], 0.1 * small.column_x_m(), atol=0.1 * small.pixel_m)


def test_hillshade_is_lit_from_the_upper_left():
    grid = Grid(0.0, 0.0, 10.0, 50, 50)
    row, column = np.indices(grid.shape)
    toward = maps.hillshade((row + column).astype(np.float32), grid)
    away = maps.hillshade(-(row + column).astype(np.float32), grid)
    assert toward.mean() > 0.8
    assert away.mean() < 0.5
    with_gap = np.zeros(grid.shape, np.float32)
    with_gap[10, 10] = np.nan
    assert np.isnan(maps.hillshade(with_gap, grid)[10, 10])


def test_area_is_that_on_the_ground():
    lon, lat = np.meshgrid(np.arange(0.0, 360.0, 1.0), np.arange(-89.95, -80.0, 0.1))
    x, y = moon.lonlat_to_xy(lon.ravel(), lat.ravel())
    ring = np.radians(1.0) * np.radians(0.1) * np.cos(np.radians(lat.ravel())) * moon.RADIUS_M**2
    cap = 2.0 * np.pi * moon.RADIUS_M**2 * (1.0 - np.sin(np.radians(80.0)))
    side = moon.map_scale(x, y) * np.sqrt(ring)
    total = sum(
        moon.area_km2(x[k : k + 1], y[k : k + 1], float(side[k]), np.ones(1))
        for k in range(0, len(x), 360)
    )
    assert total * 360 * 1e6 == pytest.approx(cap, rel=1e-3)


@pytest.mark.parametrize(
    "extent",
    [
        (-30_000.0, 21_000.0, -36_000.0, 15_000.0),
        (100_000.0, 130_000.0, 80_000.0, 110_000.0),
        (-20_000.0, 20_000.0, -150_000.0, -110_000.0),
        (-300_000.0, 300_000.0, -300_000.0, 300_000.0),
        (5_000.0, 5_400.0, 90_000.0, 90_400.0),
    ],
)
def test_every_frame_has_a_labelled_graticule_and_a_scale_bar(extent):
    west, east, south, north = extent
    with drawing.style():
        picture = drawing.figure(5.0, 5.0)
        axes = picture.subplots()
        axes.set_xlim(west, east)
        axes.set_ylim(south, north)
        graticule.draw(axes, extent)
        labels = Labels(axes)
        graticule.scale_bar(axes, extent, avoid=np.zeros((0, 2)), labels=labels)
        graticule.write(axes, extent, labels)
        words = [text.get_text() for text in axes.texts]
        drawing.as_png(picture)
    assert axes.get_xlim() == (west, east)
    assert sum(word.endswith(("E", "W")) or word in ("0°", "180°") for word in words) >= 2
    assert any(word.endswith("°S") for word in words)
    assert any(word.endswith((" km", " m")) for word in words)


def test_labels_cover_neither_sites_nor_each_other():
    random = np.random.default_rng(3)
    count = 20
    x, y = np.concatenate(
        [random.uniform(0.0, 5e4, (2, 12)), random.uniform(2e4, 2.15e4, (2, 8))], 1
    )
    sites = gpd.GeoDataFrame(
        {"site": np.arange(1, count + 1), "passes": x > 2e4, "x_m": x, "y_m": y},
        geometry=gpd.points_from_xy(x, y),
    )
    grid = Grid(0.0, 5e4, 100.0, 500, 500)
    frame = maps.MapFrame(grid, (0.0, 5e4, 0.0, 5e4), np.full((5, 5), 0.5, np.float32), sites)
    named = [Name(f"crater {k}", *random.uniform(2e3, 4.8e4, 2), 3e3) for k in range(150)]
    named += [Name(f"mountain {k}", *random.uniform(2e3, 4.8e4, 2), 0.0) for k in range(5)]
    with drawing.style():
        regions = {
            "North": shapely.box(2e4, 4e4, 3e4, 6e4),
            "Next": shapely.box(2.5e4, 3e4, 4e4, 4e4),
        }
        regions["Away"] = shapely.box(9e4, 0.0, 1e5, 1e4)
        picture = maps.site_map(replace(frame, names=named, regions=regions))
        picture.set_dpi(drawing.DPI)
        picture.canvas.draw()
        axes = picture.axes[0]
        inside = [t for t in axes.texts if not t.get_text().endswith(("°E", "°W", "0°"))]
        texts = [t.get_text() for t in inside]
        # Without the line that leads from a number to its site.
        boxes = [Text.get_window_extent(t) for t in inside]
        at = axes.transData.transform(np.column_stack([x, y]))
    assert sum(text.isdigit() for text in texts) == count
    assert {"North", "Next"} < set(texts)
    assert "Away" not in texts
    assert 5 < sum("crater" in text for text in texts) < 150
    assert not [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)]
    symbol = 3.0 * picture.dpi / 72.0
    squares = [Bbox([place - symbol, place + symbol]) for place in at]
    assert not [box for box in boxes if any(box.overlaps(each) for each in squares)]
    far = [t for t in inside if t.get_text().isdigit() and np.hypot(*t.xyann) > 16.0]
    assert far
    assert all(t.arrow_patch is not None for t in far)


def test_the_pole_is_kept_free():
    angle = np.radians(np.arange(0.0, 360.0, 45.0))
    x, y = 8e3 * np.sin(angle), 8e3 * np.cos(angle)
    sites = gpd.GeoDataFrame(
        {"site": np.arange(8) + 1, "passes": True, "x_m": x, "y_m": y},
        geometry=gpd.points_from_xy(x, y),
    )
    grid = Grid(-2.5e4, 2.5e4, 100.0, 500, 500)
    shade = np.full((5, 5), 0.5, np.float32)
    frame = maps.MapFrame(grid, (-2.5e4, 2.5e4, -2.5e4, 2.5e4), shade, sites)
    named = [Name("Shackleton", 0.0, 0.0, 2.1e4)]
    with drawing.style():
        picture = maps.site_map(replace(frame, names=named))
        picture.canvas.draw()
        axes = picture.axes[0]
        pole = axes.transData.transform((0.0, 0.0))
        boxes = [Text.get_window_extent(t) for t in axes.texts]
    cross = Bbox([pole - 4.0 * picture.dpi / 72.0, pole + 4.0 * picture.dpi / 72.0])
    assert not [box for box in boxes if box.overlaps(cross)]


def test_sample_is_bounded_and_reproducible():
    few, many = np.arange(50), np.arange(charts.SAMPLE + 5_000)
    np.testing.assert_array_equal(charts.sample(few), few)
    chosen = charts.sample(many)
    assert len(np.unique(chosen)) == charts.SAMPLE
    np.testing.assert_array_equal(chosen, charts.sample(many))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "0.500"), (0.99999, "over 0.9995"), (0.00012, "1.2·10⁻⁴"), (0.0, "0")],
)
def test_scores_keep_significant_digits(value, words):
    assert embedding._score(value) == words


def test_percentages_and_points_are_not_rounded_to_their_limits():
    assert embedding._share(100.0).startswith("100")
    assert embedding._share(99.999).startswith("99.9")
    assert embedding._share(0.001).startswith("0.1")
    assert embedding._points(0.0521) == "+5.2"
    assert embedding._points(-0.0001) == "under −0.1"
    assert (
        facts.criterion_title("slope_mean_deg", "at_most", 5.0)
        == "Slope, mean ≤\N{NO-BREAK SPACE}5°"
    )


@pytest.fixture(scope="module")
def over_a_ridge():
    azimuth = np.arange(0.0, 360.0, 1.0)
    line = Skyline(12.0, -89.2, 1_500.0, azimuth, 2.0 * np.sin(np.radians(azimuth)), azimuth * 0)
    sky = ephemeris("2027-01-01", "2027-03-15", step_hours=3)
    return line, sky, *tracks(line, sky)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml")])
def test_skyline_is_drawn_reproducibly(over_a_ridge, tmp_path, name, start):
    first, second = tmp_path / name, tmp_path / "again" / name
    draw_skyline(first, *over_a_ridge)
    draw_skyline(second, *over_a_ridge)
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in first.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] in ([name, "again"], ["again", name])


def test_other_picture_formats_are_rejected(over_a_ridge, tmp_path):
    with pytest.raises(ParameterError, match=r"neither in \.png nor in \.svg"):
        draw_skyline(tmp_path / "a.txt", *over_a_ridge)
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_settings_are_neither_used_nor_changed(over_a_ridge, tmp_path):
    import matplotlib as mpl  # noqa: PLC0415  the settings under test

    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30.0}):
        draw_skyline(tmp_path / "large.png", *over_a_ridge)
    draw_skyline(tmp_path / "small.png", *over_a_ridge)
    assert (tmp_path / "large.png").read_bytes() == (tmp_path / "small.png").read_bytes()
    assert dict(mpl.rcParams) == before


def test_revolutions_cover_the_track():
    azimuth = np.mod(350.0 - np.arange(0.0, 900.0, 7.0), 360.0)
    revolutions = _revolutions(azimuth)
    assert len(revolutions) == 3
    assert set(np.concatenate([which for _, which in revolutions])) == set(range(len(azimuth)))
    for part, which in revolutions:
        assert np.all(np.abs(np.diff(part)) < 10.0)
        np.testing.assert_allclose(np.mod(part, 360.0), azimuth[which], atol=1e-9)


def test_regions_outside_the_dem_are_rejected_before_the_run(screened, tmp_path):
    _, values = screened
    away = tmp_path / "away.gpkg"
    gpd.GeoDataFrame(
        {"name": ["away"]}, geometry=[shapely.box(9e4, 9e4, 9.5e4, 9.5e4)], crs=moon.SOUTH_POLAR
    ).to_file(away)
    out = tmp_path / "run"
    given = {"dem": values["dem"], "regions": str(away), "out": str(out)}
    with pytest.raises(InputError, match=r"No region of away\.gpkg overlaps the DEM"):
        stages.load("screen").run(given, Context(threads=1))
    assert not out.exists()
