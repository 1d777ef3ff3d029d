"""Comparison of two elevation models where both are known.

A fine model is averaged over the pixels of a coarser one. Models of the same ground then agree to a
few metres, so that a flipped, shifted, doubled or mislabelled file, or one with another datum,
shows at once: the real 25 m model is 1.1 m above LOLA at 1.6 km, with a spread of 4.3 m.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]

_SAMPLES = 8
"""Pixels of the fine model per pixel of the coarse one, along each axis, that are averaged."""

_LEAST_CELLS = 16
"""With fewer common pixels only the offset is compared."""

_WARN_OFFSET_M = 50.0
_WARN_SLOPE = 0.1
_WARN_CORRELATION = 0.95
_WARN_SPREAD_M, _WARN_SPREAD = 60.0, 0.06
"""What may remain of a fit, metres and as a share of the relief: averages on other grids differ."""

_REFUSE_CORRELATION = 0.5
_REFUSE_SLOPE = 0.4
_NOISE_M, _LEVEL_M = 30.0, 60.0
"""Errors of models of the same ground, and relief below which those hide slope and correlation."""

_SHIFT_CELLS = 3
_EXPLAINED, _LEAST_SHIFT = 0.6, 0.1
"""A shift counts if it leaves less than this share of the spread, and is this many cells."""

_TURNED_CORRELATION = 0.9

_TURNS: dict[str, Callable[[Float], Float]] = {
    "north and south are exchanged": lambda a: a[::-1],
    "east and west are exchanged": lambda a: a[:, ::-1],
    "it is turned by 180°": lambda a: a[::-1, ::-1],
    "rows and columns are exchanged": lambda a: a.T,
    "it is turned by 90°": np.rot90,
    "it is turned by 270°": lambda a: np.rot90(a, 3),
}


class Agreement(NamedTuple):
    """How a model compares with another one.

    Parameters
    ----------
    cells : int
        Number of common pixels of the coarser model.
    offset_m : float
        Median difference, first minus second, metres.
    spread_m : float
        Standard deviation of what remains after offset and slope, metres.
    slope : float
        Change of the first per metre of the second; NaN for few common pixels.
    correlation : float
        Correlation coefficient; NaN for few common pixels.
    shift_m : tuple of float
        East and north shift of the first model that fits best, metres; 0 for few common pixels.
    relief_m : float
        Standard deviation of the second model where both are known, metres.
    turned : str
        How the first model would have to be turned to agree; empty if that does not help.
    """

    cells: int
    offset_m: float
    spread_m: float
    slope: float
    correlation: float
    shift_m: tuple[float, float]
    relief_m: float
    turned: str


def check(
    one: Dem,
    one_name: str,
    other: Dem,
    other_name: str,
    context: Context,
    *,
    remedy: str = "Correct the file, or leave it out",
    refuse: bool = True,
) -> None:
    """Warn if two models do not agree, and refuse them if they contradict each other.

    Parameters
    ----------
    one, other : Dem
        The models.
    one_name, other_name : str
        Their names in messages.
    context : Context
        Takes the warning.
    remedy : str, optional
        What to do about a contradiction.
    refuse : bool, optional
        Whether a contradiction is an error; otherwise it is a warning.

    Raises
    ------
    InputError
        If they cannot be of the same ground.
    """
    found = compare(one, other)
    if found is None:
        return
    figures = _figures(found)
    known = np.isfinite(found.correlation)
    # Level ground says little: what is left of a fit is then the errors of both models.
    plain = found.spread_m < _NOISE_M and abs(found.offset_m) < _WARN_OFFSET_M and known
    level = plain and found.relief_m < _LEVEL_M
    contradict = (
        known
        and not level
        and (found.correlation < _REFUSE_CORRELATION or abs(found.slope - 1.0) > _REFUSE_SLOPE)
    )
    if contradict:
        problem = (
            f"{one_name} and {other_name} contradict each other where both are known: "
            f"{figures}{_guess(found)}"
        )
        if refuse:
            raise InputError(problem, remedy)
        context.warn(f"{problem}. {remedy}.")
        return
    shifted = max(abs(value) for value in found.shift_m) > 0.0
    rough = found.spread_m > max(_WARN_SPREAD_M, _WARN_SPREAD * found.relief_m)
    doubtful = (known and not level) and (
        found.correlation < _WARN_CORRELATION
        or abs(found.slope - 1.0) > _WARN_SLOPE
        or rough
        or shifted
    )
    # The mean of few rough pixels is uncertain.
    limit = max(_WARN_OFFSET_M, 3.0 * found.spread_m / max(found.cells, 1) ** 0.5)
    if doubtful or abs(found.offset_m) > limit:
        context.warn(
            f"{one_name} and {other_name} do not agree where both are known: {figures}"
            f"{_guess(found)}. Horizons across the edge of {one_name[0].lower()}{one_name[1:]} "
            "are wrong by as much."
        )


def compare(one: Dem, other: Dem) -> Agreement | None:
    """Compare two models where both are known.

    Parameters
    ----------
    one, other : Dem
        The models, in any order of pixel size.

    Returns
    -------
    Agreement or None
        None if they have no pixel in common.

    Examples
    --------
    >>> import numpy as np
    >>> from lunarsite.engine.io.grid import Dem
    >>> hills = np.add.outer(np.sin(np.arange(60) / 5), np.cos(np.arange(60) / 7)) * 500
    >>> one = Dem.from_array(hills, pixel_m=100.0)
    >>> other = Dem.from_array(hills.reshape(12, 5, 12, 5).mean((1, 3)) - 80, pixel_m=500.0)
    >>> found = compare(one, other)
    >>> found.cells, round(found.offset_m), round(found.slope, 2)
    (144, 80, 1.0)
    """
    if one.grid.pixel_m <= other.grid.pixel_m:
        first, second = _mean_on(one, other), other.height_m.astype(np.float64)
        side_m = other.grid.pixel_m
    else:
        first, second = one.height_m.astype(np.float64), _mean_on(other, one)
        side_m = one.grid.pixel_m
    both = np.isfinite(first) & np.isfinite(second)
    cells = int(both.sum())
    if not cells:
        return None
    rows, columns = np.nonzero(both)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    first, second = first[box], second[box]
    offset = float(np.nanmedian(first - second))
    slope, correlation, spread = _fit(first, second)
    relief = float(np.nanstd(np.where(np.isfinite(first), second, np.nan)))
    if not np.isfinite(correlation):
        return Agreement(cells, offset, spread, np.nan, np.nan, (0.0, 0.0), relief, "")
    turned = _turned(first, second) if correlation < _WARN_CORRELATION else ""
    shift = _shift(first, second, spread) if correlation >= _REFUSE_CORRELATION else (0.0, 0.0)
    return Agreement(
        cells,
        offset,
        spread,
        slope,
        correlation,
        (shift[1] * side_m, -shift[0] * side_m),
        relief,
        turned,
    )


def _mean_on(fine: Dem, coarse: Dem) -> Float:
    """Return the mean of a fine model in every pixel of a coarser one that it covers whole."""
    ratio = coarse.grid.pixel_m / fine.grid.pixel_m
    step = max(1, int(ratio / _SAMPLES))
    start = step // 2
    out = np.full(coarse.height_m.shape, np.nan)
    x = fine.grid.column_x_m()[start::step]
    y = fine.grid.row_y_m()[start::step]
    column = np.floor((x - coarse.grid.x_min_m) / coarse.grid.pixel_m).astype(np.int64)
    row = np.floor((coarse.grid.y_max_m - y) / coarse.grid.pixel_m).astype(np.int64)
    inside_columns = (column >= 0) & (column < coarse.grid.width)
    inside_rows = (row >= 0) & (row < coarse.grid.height)
    if not inside_columns.any() or not inside_rows.any():
        return out
    left, right = column[inside_columns].min(), column[inside_columns].max()
    top, bottom = row[inside_rows].min(), row[inside_rows].max()
    width, height = int(right - left + 1), int(bottom - top + 1)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    picked = column[inside_columns] - left
    for k in np.nonzero(inside_rows)[0]:
        heights = fine.height_m[start + k * step, start::step][inside_columns].astype(np.float64)
        known = np.isfinite(heights)
        total[row[k] - top] += np.bincount(picked[known], heights[known], width)
        count[row[k] - top] += np.bincount(picked[known], minlength=width)
    # Pixels that are covered in part have other means.
    whole = np.outer(
        np.bincount(row[inside_rows] - top, minlength=height),
        np.bincount(picked, minlength=width),
    )
    least = max(1.0, (ratio / step - 1.0)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where((count >= least) & (count == whole), total / count, np.nan)
    out[top : bottom + 1, left : right + 1] = mean
    return out


def _fit(first: Float, second: Float) -> tuple[float, float, float]:
    """Return slope, correlation and spread of a linear fit where both are known."""
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if len(a) < _LEAST_CELLS or b.std() < 1e-9 or a.std() < 1e-9:
        return np.nan, np.nan, float((a - b).std()) if len(a) > 1 else 0.0
    correlation = float(np.corrcoef(a, b)[0, 1])
    slope = correlation * float(a.std() / b.std())
    return slope, correlation, float((a - a.mean() - slope * (b - b.mean())).std())


def _turned(first: Float, second: Float) -> str:
    """Return how the first model must be turned to agree with the second; empty if no way does."""
    best, found = _TURNED_CORRELATION, ""
    for name, turn in _TURNS.items():
        changed = turn(first)
        if changed.shape == second.shape:
            correlation = _fit(changed, second)[1]
            if np.isfinite(correlation) and correlation > best:
                best, found = correlation, name
    return found


def _shift(first: Float, second: Float, spread: float) -> tuple[float, float]:
    """Return rows and columns by which the first model is off, if that explains the spread.

    The best whole shift is refined by the gradient of the second model.
    """
    best, found = spread, (0, 0)
    height, width = first.shape
    for down in range(-_SHIFT_CELLS, _SHIFT_CELLS + 1):
        for across in range(-_SHIFT_CELLS, _SHIFT_CELLS + 1):
            if max(abs(down), abs(across)) >= min(height, width) // 2:
                continue
            value = _fit(*_moved(first, second, down, across))[2]
            if np.isfinite(value) and value < best:
                best, found = value, (down, across)
    moved, still = _moved(first, second, *found)
    if min(still.shape) < 3:
        return (0.0, 0.0)
    down_m, across_m = np.gradient(still, axis=0), np.gradient(still, axis=1)
    rest = moved - still
    rest -= np.nanmedian(rest)
    known = np.isfinite(rest) & np.isfinite(down_m) & np.isfinite(across_m)
    if known.sum() < _LEAST_CELLS:
        return (0.0, 0.0)
    slopes = np.column_stack([-down_m[known], -across_m[known]])
    part, *_ = np.linalg.lstsq(slopes, rest[known], rcond=None)
    left = float((rest[known] - slopes @ part).std())
    total = (found[0] + float(part[0]), found[1] + float(part[1]))
    explains = left < _EXPLAINED * spread and spread > _NOISE_M
    return total if explains and max(abs(value) for value in total) > _LEAST_SHIFT else (0.0, 0.0)


def _moved(first: Float, second: Float, down: int, across: int) -> tuple[Float, Float]:
    """Return the parts of two models that lie over each other when the first is moved back."""
    height, width = first.shape
    moved = first[max(0, down) : height + min(0, down)]
    moved = moved[:, max(0, across) : width + min(0, across)]
    still = second[max(0, -down) : height + min(0, -down)]
    return moved, still[:, max(0, -across) : width + min(0, -across)]


def _figures(found: Agreement) -> str:
    parts = [f"median offset {found.offset_m:+.0f} m over {found.cells} common cells"]
    if np.isfinite(found.correlation):
        parts.append(f"slope {found.slope:.2f}")
        parts.append(f"correlation {found.correlation:.2f}")
        east, north = found.shift_m
        parts.append(f"spread {found.spread_m:.0f} m")
        if east or north:
            parts.append(f"best fit {east:+,.0f} m east and {north:+,.0f} m north")
    return ", ".join(parts)


def _guess(found: Agreement) -> str:
    """Return what may be wrong, as the end of a sentence."""
    if found.turned:
        return f"; it looks as if {found.turned}"
    for factor, meaning in (
        (0.001, "the heights were kilometres"),
        (3.2808, "the heights were feet"),
        (2.0, "the numbers counted half metres"),
        (0.5, "the numbers were halved"),
        (-1.0, "up and down were exchanged"),
    ):
        good = abs(found.correlation) > _TURNED_CORRELATION
        if good and abs(found.slope / factor - 1.0) < 0.1:
            return f"; it looks as if {meaning}"
    return ""
