"""The stage ``synthesize``: synthetic polar terrain with its craters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.io.grid import Grid
from lunarsite.engine.stages.synthesize import PRESETS

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.contract import Values


def run(values: Values, context: Context) -> Values:
    """Generate an elevation model, and write it with its crater catalogue."""
    from lunarsite.engine import atomic, provenance  # noqa: PLC0415
    from lunarsite.engine.io import cog  # noqa: PLC0415
    from lunarsite.engine.synthetic import terrain  # noqa: PLC0415

    chosen = {
        name: fallback if values[name] is None else values[name]
        for name, fallback in PRESETS[values["preset"]].items()
    }
    side, pixel_m = int(chosen["size_px"]), float(chosen["pixel_m"])
    grid = Grid(
        values["center_x_m"] - 0.5 * side * pixel_m,
        values["center_y_m"] + 0.5 * side * pixel_m,
        pixel_m,
        side,
        side,
    )
    shaping = {
        "min_diameter_m": values["min_diameter_m"],
        "max_diameter_m": values["max_diameter_m"],
        "density": values["density"],
    }
    path = Path(values["out"])
    atomic.make_folder(path.parent)
    height_m, catalogue = terrain.generate(
        grid, int(chosen["seed"]), **shaping, context=context.part(0.0, 0.9)
    )
    record = {**shaping, **chosen}
    record |= {name: values[name] for name in ("center_x_m", "center_y_m")}
    tags = provenance.as_tags(provenance.describe("synthesize", record, []))
    table = path.with_suffix(".craters.csv")
    with atomic.whole_file(table) as partial:
        catalogue.round(terrain.CATALOGUE_DECIMALS).to_csv(partial, index=False)
    context.progress(0.9, "Writing the elevation model")
    cog.write_raster(
        path,
        height_m,
        grid,
        description="Height above the sphere",
        unit="m",
        tags=tags,
        context=context,
    )
    context.progress(1.0, "Written")
    return {
        "outputs": {"dem": str(path), "craters": str(table)},
        "craters": len(catalogue),
        "height_min_m": float(height_m.min()),
        "height_max_m": float(height_m.max()),
    }
