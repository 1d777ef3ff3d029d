"""Mutation testing of the engine: one-line edits, and whether the tests detect them.

    .venv/bin/python benchmarks/mutants.py         # all forty-six: half an hour
    .venv/bin/python benchmarks/mutants.py 3 17    # some of them

Each mutant is one edit of the kind of a slip: a sign, an off-by-one error, a dropped nodata check,
a wrong unit factor. It is applied in a copy of the checkout, the tests of the module are run there,
and it is killed if one fails. The table goes to docs/benchmarks.md.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 900
"""Time limit, seconds: a mutant with an endless loop is killed too."""


class Mutant(NamedTuple):
    """One edit: description, file, old and new text, and the tests to run."""

    slip: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant("axes of the map swapped", "moon.py",
           "return r * np.sin(lon), r * np.cos(lon)", "return r * np.cos(lon), r * np.sin(lon)",
           "test_moon.py"),
    Mutant("sign of the map's scale", "moon.py",
           "return 1.0 + (x * x + y * y) /", "return 1.0 - (x * x + y * y) /", "test_moon.py"),
    Mutant("azimuth mirrored", "moon.py",
           "np.asarray(azimuth_deg, np.float64) + np.asarray(lon_deg",
           "np.asarray(azimuth_deg, np.float64) - np.asarray(lon_deg", "test_moon.py"),
    Mutant("scale of a band dropped", "io/raster.py",
           "data.astype(np.float64) * scale + offset", "data.astype(np.float64) + offset", "io"),
    Mutant("nodata check dropped", "io/raster.py", "values[missing] = np.nan", "pass", "io"),
    Mutant("two known pixels needed for a mean", "io/averaging.py",
           "np.where(count > 0,", "np.where(count > 1,", "io"),
    Mutant("first column of the far field lost", "io/elevation/coarse.py",
           "left = int(np.floor((box[0] - grid.x_min_m) / grid.pixel_m + 1e-6))",
           "left = int(np.ceil((box[0] - grid.x_min_m) / grid.pixel_m + 1e-6)) + 1", "io"),
    Mutant("heights above the highest let through", "io/heights.py",
           "if low < LOWEST_M or high > HIGHEST_M:", "if low < LOWEST_M:", "io"),
    Mutant("window's rows counted upwards", "io/grid.py",
           "self.y_max_m - window.row_off * self.pixel_m",
           "self.y_max_m + window.row_off * self.pixel_m", "io"),
    Mutant("pixel one too far in the east", "io/grid.py",
           "column = int(np.floor((x_m - self.x_min_m) / self.pixel_m))",
           "column = int(np.ceil((x_m - self.x_min_m) / self.pixel_m))", "io illumination"),
    Mutant("map's scale left out of slopes", "terrain/_attribute_kernels.py",
           "step = pixel_m / (1.0 + (x * x + y * y) / (4.0 * _RADIUS_M * _RADIUS_M))",
           "step = pixel_m", "terrain"),
    Mutant("aspect uphill", "terrain/_attribute_kernels.py",
           "north, right = -(p * x + q * y), q * x - p * y",
           "north, right = p * x + q * y, p * y - q * x", "terrain"),
    Mutant("curvature per metre", "terrain/_attribute_kernels.py",
           "= -1000.0 * along /", "= -1.0 * along /", "terrain"),
    Mutant("pole's declination with the wrong sign", "illumination/ephemeris.py",
           "[1.5419, 0.0239, -0.0278,", "[-1.5419, 0.0239, -0.0278,",
           "illumination/test_ephemeris.py"),
    Mutant("disc of the Sun upside down", "illumination/ephemeris.py",
           "np.arccos(", "np.arcsin(",
           "illumination/test_ephemeris.py illumination/test_lighting.py"),
    Mutant("horizon of a line sample on the wrong line", "illumination/_horizon_kernels.py",
           "inside = min(max(row, 0.0), rows - 1.0)",
           "inside = min(max(row + 1.0, 0.0), rows - 1.0)",
           "illumination/test_horizon.py"),
    Mutant("curvature of the Moon left out of the dip", "illumination/_horizon_kernels.py",
           "math.tan(-math.atan(s) - _dip(eye)) / cosine", "math.tan(-math.atan(s)) / cosine",
           "illumination/test_horizon.py illumination/test_lighting.py"),
    Mutant("missing heights called permanent shadow", "illumination/lighting.py",
           "psr = (sunlit == 0.0) & ~missing", "psr = (sunlit == 0.0) | missing",
           "illumination/test_lighting.py"),
    Mutant("month one step short", "illumination/_series_kernels.py",
           "if t >= window - 1:", "if t >= window - 2:",
           "illumination/test_darkness.py illumination/test_places.py"),
    Mutant("darkness not reset by twilight", "illumination/_series_kernels.py",
           "math.acos(u) - u", "math.acos(-u) - u",
           "illumination/test_darkness.py illumination/test_places.py"),
    Mutant("diameter on the map for that on the ground", "craters/circles.py",
           "2.0 * self.radius_m / moon.map_scale", "2.0 * self.radius_m * moon.map_scale",
           "craters/evaluation craters/test_morphometry.py pipelines/test_evaluate_craters.py"),
    Mutant("peaks half a pixel off", "craters/detection/decoding.py",
           "(column + 0.5) * STRIDE - 0.5 + east", "column * STRIDE - 0.5 + east",
           "craters/detection/test_decoding.py"),
    Mutant("DeepMoon's gate by the larger radius", "craters/evaluation/matching.py",
           "np.minimum(detected, catalogued), np.abs(detected - catalogued)",
           "np.maximum(detected, catalogued), np.abs(detected - catalogued)",
           "craters/evaluation/test_matching.py"),
    Mutant("rim height taken from the floor", "craters/_morphometry_kernels.py",
           "np.quantile(inside[:floors], 0.1)", "np.quantile(inside[:floors], 0.9)",
           "craters/test_morphometry.py"),
    Mutant("errors widen no criterion", "scoring/suitability.py",
           "np.hypot(criterion.softness, error / _LOGISTIC)", "criterion.softness",
           "scoring/test_labels.py scoring/test_scorer.py"),
    Mutant("slope error per pixel, not of the mean", "scoring/error_model.py",
           "mask / mask.sum()", "mask / np.sqrt(mask.sum())",
           "scoring/test_labels.py"),
    Mutant("ranks from the worst", "scoring/ranking.py",
           'order = np.argsort(-score[known], kind="stable")\n    out[known[order]]',
           'order = np.argsort(score[known], kind="stable")\n    out[known[order]]',
           "scoring pipelines/test_scoring.py"),
    Mutant("distance to shadow in map metres", "scoring/features/shadow.py",
           "grid.pixel_m / moon.map_scale(x, y)", "grid.pixel_m + 0.0 * x",
           "scoring/features/test_shadow.py"),
    Mutant("entropy negative", "uncertainty/measures.py",
           "-(probability * np.log(", "(probability * np.log(", "uncertainty"),
    Mutant("weight of a tile that is blind", "segmentation/tiling.py",
           "- self.blind + 0.5) / max(across, 1)", "+ 0.5) / max(across, 1)", "segmentation"),
    Mutant("parallax of the Earth left out", "illumination/ephemeris.py",
           "sine - (RADIUS_M + height_m) / body.distance_m", "sine",
           "illumination/test_ephemeris.py"),
    Mutant("first month never looked at", "illumination/_series_kernels.py",
           "if t >= window - 1:", "if t >= window:", "illumination/test_darkness.py"),
    Mutant("sign of the mixed second derivative", "terrain/_attribute_kernels.py",
           "zxy = (c + g - a - i)", "zxy = (a + i - c - g)", "terrain"),
    Mutant("slope error by half", "scoring/error_model.py",
           "horn / (8.0 * footprint.pixel_m)", "horn / (16.0 * footprint.pixel_m)",
           "scoring/test_labels.py"),
    Mutant("interval of ranks one draw off", "scoring/ranking.py",
           "round((count - 1) * share / 100.0)", "round(count * share / 100.0) - 1",
           "scoring/test_ranking.py"),
    Mutant("sites at the least distance dropped", "scoring/ranking.py",
           "chord * (1.0 - 1e-9)", "chord * 1.001",
           "scoring/test_ranking.py"),
    Mutant("area of shadow in map metres", "scoring/features/shadow.py",
           "self._count * self._to_m**2 / 1e6", "self._count * self._grid.pixel_m**2 / 1e6",
           "scoring/features"),
    Mutant("disc of the Sun counted twice at its edge", "illumination/_series_kernels.py",
           "(math.acos(u) - u * math.sqrt(1.0 - u * u)) / math.pi",
           "math.acos(u) / math.pi",
           "illumination/test_darkness.py illumination/test_places.py"),
    Mutant("clearance to slopes at the limit", "scoring/features/cells.py",
           "if pixels[j, i] > limit:", "if pixels[j, i] >= limit:", "scoring/features"),
    Mutant("softness twice in the closed form", "scoring/suitability.py",
           "_LOGISTIC = 1.702", "_LOGISTIC = 0.851",
           "scoring/test_labels.py scoring/test_scorer.py"),
    Mutant("disc one pixel too wide", "scoring/landing/discs.py",
           "np.floor(np.sqrt(radius**2 - rows**2))", "np.floor(np.sqrt(radius**2 - rows**2)) + 1",
           "scoring/landing"),
    Mutant("criteria multiplied, not averaged", "scoring/suitability.py",
           "to_log_odds(total / len(memberships))", "to_log_odds(total)",
           "scoring/test_labels.py"),
    Mutant("light and Earth contact err apart", "scoring/error_model.py",
           '"earth_visibility_pct": HORIZONS', '"earth_visibility_pct": HEIGHTS',
           "scoring/test_labels.py"),
    Mutant("cells of the lattice shifted the other way", "scoring/landing/_cell_kernels.py",
           "c = (i + shift_column) // side", "c = (i - shift_column + side) // side",
           "scoring/landing"),
    Mutant("Shapley values of unequal weights", "scoring/_shapley_kernels.py",
           "weight[size[s]] *", "weight[0] *", "scoring/test_scorer.py"),
    Mutant("mutual information of one standard deviation", "segmentation/_dropout_kernels.py",
           "(np.float32(-2.0), np.float32(2.0))", "(np.float32(-1.0), np.float32(1.0))",
           "segmentation/test_onnx_runner.py"),
)  # fmt: skip


def main(chosen: list[int]) -> int:
    """Run the mutants; return how many survive."""
    survivors = 0
    sound: set[str] = set()
    print("| # | slip | file | killed? | seconds |", flush=True)
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "lunarsite"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(
            ".git", ".venv*", ".tools", ".cache", "demo", "dist", "docs", "__pycache__"
        ))  # fmt: skip
        shared = ROOT.parent / "shared"
        if shared.is_dir():
            (Path(folder) / "shared").symlink_to(shared)
        for number, mutant in enumerate(MUTANTS, 1):
            if chosen and number not in chosen:
                continue
            began = time.monotonic()
            killed = is_killed(copy, mutant, sound)
            survivors += not killed
            verdict = "yes" if killed else "**no**"
            print(
                f"| {number} | {mutant.slip} | `{mutant.file}` | {verdict} "
                f"| {time.monotonic() - began:.0f} |",
                flush=True,
            )
    print(f"\n{survivors} survived", flush=True)
    return survivors


def is_killed(copy: Path, mutant: Mutant, sound: set[str]) -> bool:
    """Return whether a test fails with the edit made; the copy is left as it was.

    ``sound`` collects the tests that are known to pass without an edit.
    """
    path = copy / "engine" / mutant.file
    before = path.read_text("utf-8")
    if mutant.old not in before:
        raise SystemExit(f"{mutant.file} holds no {mutant.old!r}: bring the mutant up to date")
    path.write_text(before.replace(mutant.old, mutant.new, 1), "utf-8")
    try:
        passed = pass_tests(copy, mutant.tests)
    finally:
        path.write_text(before, "utf-8")
    if not passed and mutant.tests not in sound:
        if not pass_tests(copy, mutant.tests):
            raise SystemExit(f"{mutant.tests}: fails without a mutant too")
        sound.add(mutant.tests)
    return not passed


def pass_tests(copy: Path, tests: str) -> bool:
    """Return whether tests pass in a copy of the checkout."""
    paths = [f"tests/engine/{name}" for name in tests.split()]
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _PYTEST, str(copy), *paths],
            cwd=copy,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if ended.returncode not in (0, 1, 2):
        raise SystemExit(ended.stdout.decode()[-2000:] + ended.stderr.decode()[-2000:])
    return ended.returncode == 0


_PYTEST = """
import importlib.util, sys
import pytest
root, *tests = sys.argv[1:]
spec = importlib.util.spec_from_file_location(
    "lunarsite", root + "/__init__.py", submodule_search_locations=[root]
)
sys.modules["lunarsite"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["lunarsite"])
sys.exit(pytest.main(["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *tests]))
"""
"""Runs pytest with the copy as the package, in the place of the checkout that is installed."""


if __name__ == "__main__":
    sys.exit(1 if main([int(word) for word in sys.argv[1:]]) > 2 else 0)
