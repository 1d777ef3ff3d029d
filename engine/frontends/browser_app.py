"""The page of ``lunarsite app``, which Streamlit runs again on every click."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import shap
import streamlit as st
from streamlit_image_coordinates import streamlit_image_coordinates

from lunarsite.engine import stages
from lunarsite.engine.context import Context, QuietContext
from lunarsite.engine.errors import LunarSiteError
from lunarsite.engine.frontends import app_map
from lunarsite.engine.report import validation_page
from lunarsite.engine.scoring.features.columns import BY_NAME
from lunarsite.engine.scoring.finished_run import open_run
from lunarsite.engine.scoring.site_explanation import explain
from lunarsite.engine.text import counted
from lunarsite.engine.validation import self_audit

if TYPE_CHECKING:
    from lunarsite.engine.frontends.app_map import CellMap
    from lunarsite.engine.scoring.finished_run import Run

_SWARM_CELLS = 1_000
_SITES = 50

# Streamlit keeps results by those arguments whose names do not begin with an underscore: `version`
# is the time of a file, so that a run that was made again is not shown as it was.


def main() -> None:
    """Show the page."""
    st.set_page_config(page_title="LunarSite", layout="wide")
    settings = json.loads(os.environ["LUNARSITE_APP"])
    folder = Path(settings["run"])
    try:
        version = (folder / "manifest.json").stat().st_mtime_ns
        run = _run(str(folder), version)
    except LunarSiteError as error:
        st.error(str(error))
        return
    sites = _sites(run)
    st.title("LunarSite")
    if "lon" not in st.session_state:
        st.session_state.lon, st.session_state.lat = sites.iloc[0][["lon_deg", "lat_deg"]]
    left, right = st.columns([5, 4], gap="large")
    with left:
        _map(folder, run, version)
        _place()
    with right:
        _answer(str(folder))
    if run.warnings:
        with st.expander(f"{counted(len(run.warnings), 'warning')} of this run"):
            for warning in run.warnings:
                st.warning(warning)
    told = st.tabs(["Reasons", "Skyline", "Sites", "Checks"])
    with told[0]:
        _reasons(str(folder), run, version)
    with told[1]:
        _skyline(settings["dem"], run)
    with told[2]:
        _list(sites)
    with told[3]:
        _checks(folder, run, version)


@st.cache_resource(show_spinner="Opening the run")
def _run(folder: str, version: int) -> Run:  # noqa: ARG001
    return open_run(folder, _context())


@st.cache_resource
def _context() -> Context:
    """Return the context that keeps opened runs and elevation models."""
    return QuietContext()


@st.cache_resource
def _cell_map(folder: str, version: int, _run: Run) -> CellMap:  # noqa: ARG001
    return app_map.cell_map(Path(folder), _run)


def _sites(run: Run) -> pd.DataFrame:
    """Return the best cells, best first."""
    best = np.argsort(run.scores["rank"].to_numpy(np.float64))[:_SITES]
    shown = run.features.iloc[best][["lon_deg", "lat_deg"]].join(
        run.scores.iloc[best][["rank", "rank_low", "rank_high", "score", "probability", "passes"]]
    )
    return shown.reset_index(drop=True)


def _map(folder: Path, run: Run, version: int) -> None:
    """Show the map, and take the place of a click."""
    drawn = _cell_map(str(folder), version, run)
    # The click is in the state before the page is run again for it: the answer needs no second run.
    clicked = st.session_state.get("map")
    if clicked and clicked.get("unix_time") != st.session_state.get("clicked"):
        st.session_state.clicked = clicked.get("unix_time")
        place = drawn.place(clicked["x"], clicked["y"], clicked["width"], clicked["height"])
        st.session_state.lon, st.session_state.lat = place
    streamlit_image_coordinates(
        drawn.marked(st.session_state.lon, st.session_state.lat),
        key="map",
        use_column_width="always",
    )
    st.caption("Suitability over slopes, bright where it is high. Click a place.")


def _place() -> None:
    """Show the place, and take another."""
    with st.form("place"):
        one, other, button = st.columns([2, 2, 1], vertical_alignment="bottom")
        lon = one.number_input(
            "Longitude, ° east", -360.0, 360.0, float(st.session_state.lon), format="%.4f"
        )
        lat = other.number_input(
            "Latitude, °", -90.0, 0.0, float(st.session_state.lat), format="%.4f"
        )
        if button.form_submit_button("Show"):
            st.session_state.lon, st.session_state.lat = lon, lat
            st.rerun()


def _explained(folder: str) -> dict[str, Any]:
    """Return the explanation of the place that is shown."""
    return explain(folder, st.session_state.lon, st.session_state.lat, _context())


def _answer(folder: str) -> None:
    """Show score, intervals and margins of the place."""
    try:
        told = _explained(folder)
    except LunarSiteError as error:
        st.warning(str(error))
        return
    disc = told["disc"] or told["cell"]
    what = "Best landing disc" if told["disc"] else "Cell"
    st.subheader(f"{what} at {disc['lon_deg']:.4f}°, {disc['lat_deg']:.4f}°")
    if told["score"] is None:
        st.info("No score: a layer of a criterion is missing here. Unknown is not unsuitable.")
    else:
        low, high = told["interval"]
        one, two, three = st.columns(3)
        one.metric(
            f"Rank of {told['cells']:,}",
            f"{told['rank']:,}",
            f"5-95 %: {low:,} to {high:,}",
            delta_color="off",
        )
        two.metric("Suitability", f"{told['score']:.3f}")
        three.metric("Probability", f"{told['probability']:.3g}")
    st.table(pd.DataFrame([_margin(each) for each in told["margins"]]).set_index("Criterion"))
    for line in told["summary"][-2:]:
        st.caption(line)


def _margin(margin: dict[str, Any]) -> dict[str, str]:
    unit = "°" if margin["unit"] == "deg" else f" {margin['unit']}".rstrip()
    sign = "≤" if margin["sense"] == "at_most" else "≥"
    known = margin["value"] is not None
    return {
        "Criterion": f"{margin['title']} {sign} {margin['threshold']:g}{unit}",
        "Value": f"{margin['value']:.2f}{unit}" if known else "unknown",
        "Margin": f"{margin['margin']:+.2f}{unit}" if known else "",
        "": ("met" if margin["holds"] else "not met") if known else "",
    }


def _reasons(folder: str, run: Run, version: int) -> None:
    """Show the contributions of the place, and of many cells, by shap's own plots."""
    try:
        told = _explained(folder)
    except LunarSiteError as error:
        st.warning(str(error))
        return
    left, right = st.columns(2)
    with left:
        st.markdown("**This place**: contributions to the log-odds")
        if told["contributions"]:
            given = sorted(
                told["contributions"], key=lambda each: run.inputs.index(each["feature"])
            )
            st.pyplot(_waterfall(run.base_log_odds, given), clear_figure=True)
    with right:
        st.markdown(f"**{_SWARM_CELLS:,} cells** of the run")
        st.image(_beeswarm(folder, version, run))


def _waterfall(base: float, given: list[dict[str, Any]]) -> Any:
    values = [each["value"] if each["value"] is not None else np.nan for each in given]
    shap.plots.waterfall(
        shap.Explanation(
            values=np.array([each["log_odds"] for each in given]),
            base_values=base,
            data=np.round(np.array(values, np.float64), 2),
            feature_names=[each["title"] for each in given],
        ),
        show=False,
    )
    return plt.gcf()


@st.cache_data(show_spinner="Drawing")
def _beeswarm(folder: str, version: int, _run: Run) -> bytes:  # noqa: ARG001
    rng = np.random.default_rng(7)
    known = np.flatnonzero(np.isfinite(_run.scores["score"].to_numpy(np.float64)))
    chosen = np.sort(rng.choice(known, min(_SWARM_CELLS, known.size), replace=False))
    plt.close("all")
    shap.plots.beeswarm(
        shap.Explanation(
            values=_run.shap[chosen].astype(np.float64),
            base_values=np.full(chosen.size, _run.base_log_odds),
            data=_run.features.iloc[chosen][list(_run.inputs)].to_numpy(np.float64),
            feature_names=[BY_NAME[name].title for name in _run.inputs],
        ),
        show=False,
    )
    with tempfile.TemporaryDirectory() as made:
        picture = Path(made) / "beeswarm.png"
        plt.gcf().savefig(picture, dpi=120, bbox_inches="tight")
        plt.close("all")
        return picture.read_bytes()


def _skyline(dem: str | None, run: Run) -> None:
    """Show the horizon of the place, with the Sun and the Earth over a year."""
    if not dem:
        st.info("Skylines need the elevation model of the run: lunarsite app RUN --dem FILE")
        return
    if not st.toggle("Draw the skyline of this place", value=False):
        return
    try:
        at = st.session_state.lon, st.session_state.lat
        st.image(_drawn(dem, Path(dem).stat().st_mtime_ns, *at, run.mast_height_m or 2.0))
    except OSError as error:
        st.warning(f"The elevation model cannot be read: {error.strerror}")
    except LunarSiteError as error:
        st.warning(str(error))


@st.cache_data(show_spinner="Looking around")
def _drawn(dem: str, version: int, lon: float, lat: float, mast_height_m: float) -> bytes:  # noqa: ARG001
    with tempfile.TemporaryDirectory() as made:
        picture = Path(made) / "skyline.png"
        given = {
            "dem": dem,
            "lon": lon,
            "lat": lat,
            "mast_height_m": mast_height_m,
            "picture": str(picture),
        }
        stages.load("skyline").run(given, _context())
        return picture.read_bytes()


def _list(sites: pd.DataFrame) -> None:
    """Show the best cells; a chosen row is shown on the map."""
    chosen = st.dataframe(
        sites, hide_index=True, on_select="rerun", selection_mode="single-row", key="sites"
    )
    rows = chosen["selection"]["rows"]
    if rows and rows[0] != st.session_state.get("row"):
        st.session_state.row = rows[0]
        st.session_state.lon, st.session_state.lat = sites.iloc[rows[0]][["lon_deg", "lat_deg"]]
        st.rerun()


def _checks(folder: Path, run: Run, version: int) -> None:
    """Show what the run claims, beside what it is compared with."""
    written = folder / "validation" / "validation.json"
    if written.is_file():
        checks = json.loads(written.read_text(encoding="utf-8"))["checks"]
    elif st.toggle("Run the checks that need nothing but the run", value=False):
        checks = _audited(str(folder), version, run)
    else:
        st.info(f"lunarsite validate --run {folder} --out {written.parent} checks more.")
        return
    shown = ("claim", "outcome", "finding", "null")
    st.dataframe(
        pd.DataFrame([{name: each[name] for name in shown} for each in checks]), hide_index=True
    )


@st.cache_data(show_spinner="Checking")
def _audited(folder: str, version: int, _run: Run) -> list[dict[str, Any]]:  # noqa: ARG001
    manifest = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
    checks = self_audit.of_run(_run, manifest, QuietContext())
    return validation_page.rows(checks)


if __name__ == "__main__":
    main()
