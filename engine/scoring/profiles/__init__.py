"""Criteria profiles: named sets of limits for landing sites."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.contract import unknown_name
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.io import yaml_file
from lunarsite.engine.scoring.features.columns import BY_NAME, SHARES, coverage_column

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

_HERE = Path(__file__).parent
NAMES = ("cassa", "hls")

_WITH_UNIT = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(\S+)")
_SIGNED = (
    *(f"elevation_{statistic}_m" for statistic in ("mean", "min", "max")),
    "position_index_mean_m",
    "crater_rim_distance_m",
)
"""Features that may be negative."""

_STEEPEST_DEG = 90.0
LEAST_COVERAGE_PCT = 50.0
"""Share of a cell that a layer must cover for the cell to be evaluated by it, percent."""

_LIKE_CASSA = (
    "Write it like engine/scoring/profiles/cassa.yaml: a list of criteria, each with a feature, "
    "at_most or at_least, and a softness"
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One limit on one feature.

    Parameters
    ----------
    feature : str
        A name of `columns.FEATURES`.
    sense : str
        ``at_most`` or ``at_least``.
    threshold : float
        The limit, in the feature's unit.
    softness : float
        Scale of the logistic curve of the probability around the limit, in the same unit;
        positive.
    """

    feature: str
    sense: str
    threshold: float
    softness: float

    @property
    def direction(self) -> int:
        """+1 if larger values are better, -1 if they are worse."""
        return 1 if self.sense == "at_least" else -1

    @property
    def unit(self) -> str:
        """Unit of the feature."""
        return BY_NAME[self.feature].unit

    @property
    def title(self) -> str:
        """The criterion in words."""
        words = self.sense.replace("_", " ")
        return f"{BY_NAME[self.feature].title} {words} {self.threshold:g} {self.unit}".rstrip()

    def margin(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the margin of values to the limit; negative where it is violated."""
        return self.direction * (np.asarray(values, np.float64) - self.threshold)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of criteria, all of which must be met."""

    name: str
    title: str
    source: str
    criteria: tuple[Criterion, ...]

    def passes(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return whether every criterion is met; False if it is not `known`."""
        holds = [c.margin(table[c.feature].to_numpy()) >= 0.0 for c in self.criteria]
        return np.asarray(np.logical_and.reduce(holds)) & self.known(table)

    def known(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return whether the features of all criteria are available.

        They are not if less than half of a cell is covered by the layer of one.
        """
        available = [np.isfinite(table[c.feature].to_numpy()) for c in self.criteria]
        sources = dict.fromkeys(BY_NAME[c.feature].source for c in self.criteria)
        available += [
            table[coverage_column(source)].to_numpy() >= LEAST_COVERAGE_PCT
            for source in sources
            if coverage_column(source) in table
        ]
        return np.asarray(np.logical_and.reduce(available))

    def with_criteria(self, criteria: tuple[Criterion, ...]) -> Profile:
        """Return the profile with other criteria."""
        return replace(self, criteria=criteria)

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as JSON."""
        return asdict(self) | {"criteria": [asdict(criterion) for criterion in self.criteria]}

    def fingerprint(self) -> str:
        """Return the criteria as text, equal for equal criteria under any name."""
        return json.dumps([asdict(criterion) for criterion in self.criteria], sort_keys=True)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Profile:
        """Return a profile from the form of `as_dict`."""
        return cls(
            data["name"],
            data["title"],
            data["source"],
            tuple(Criterion(**criterion) for criterion in data["criteria"]),
        )


def load(name_or_path: str) -> Profile:
    """Return a bundled profile, or one from a YAML file.

    Raises
    ------
    ParameterError
        If there is no such profile, or a criterion names an unknown feature.
    InputError
        If the file is not a valid profile: also if a key stands twice, a percentage looks like a
        fraction, or limits contradict each other.
    """
    if name_or_path in NAMES:
        path = _HERE / f"{name_or_path}.yaml"
    else:
        path = Path(name_or_path)
        if not path.is_file():
            names = " or ".join(repr(name) for name in sorted(NAMES))
            raise ParameterError(
                f"There is no criteria profile {name_or_path[:80]!r}",
                f"Choose {names}, or give the path of a YAML file with limits of your own",
            )
    data = _read(path)
    if not isinstance(data, dict) or not isinstance(data.get("criteria"), list):
        raise _bad(path, "has no list of criteria")
    unknown = set(data) - {"name", "title", "source", "criteria"}
    if unknown:
        raise _bad(path, f"has unknown keys: {', '.join(sorted(map(str, unknown)))}")
    name = data.get("name", path.stem)
    if not (isinstance(name, str | int) and re.fullmatch(r"(?=.*\S)[^\n]+", str(name))):
        raise _bad(path, f"has {name!r} as its name", "Give a name of one line, or leave it out")
    if not data["criteria"]:
        raise _bad(path, "has an empty list of criteria")
    criteria = tuple(_criterion(path, entry) for entry in data["criteria"])
    _check_together(path, criteria)
    return Profile(
        name=str(name),
        title=str(data.get("title") or path.stem),
        source=str(data.get("source") or "").strip(),
        criteria=criteria,
    )


def _read(path: Path) -> Any:
    """Return the content of a YAML file."""
    try:
        return yaml_file.read(path)
    except yaml_file.ContentError as error:
        raise _bad(path, str(error), error.remedy) from error
    except UnicodeDecodeError as error:
        raise _bad(path, "is not text in UTF-8", "Save it as UTF-8") from error
    except yaml_file.YAMLError as error:
        raise _bad(path, f"is not YAML: {str(error).splitlines()[0]}") from error


def _criterion(path: Path, entry: Any) -> Criterion:
    if not isinstance(entry, dict) or "feature" not in entry:
        raise _bad(path, f"has a criterion without a feature: {entry!r}")
    feature = str(entry["feature"])
    if feature not in BY_NAME:
        raise unknown_name("feature for a criterion", feature, list(BY_NAME))
    unknown = set(entry) - {"feature", "at_most", "at_least", "softness"}
    if unknown:
        raise _bad(path, f"has unknown keys in the criterion on {feature}: {sorted(unknown)}")
    senses = [sense for sense in ("at_most", "at_least") if sense in entry]
    if len(senses) != 1:
        if senses:
            least, most = (
                _number(path, feature, key, entry[key]) for key in ("at_least", "at_most")
            )
            _check_order(path, feature, least, most)
        raise _bad(
            path,
            f"needs one of at_most and at_least for {feature}, not both",
            "Write two criteria on it, one for each limit",
        )
    limit = _number(path, feature, senses[0], entry.get(senses[0]))
    softness = _number(path, feature, "softness", entry.get("softness"))
    if not (np.isfinite([limit, softness]).all() and softness > 0.0):
        raise _bad(path, f"needs a finite limit and a positive softness for {feature}")
    _check_share(path, feature, senses[0], limit, written=entry[senses[0]])
    _check_possible(path, feature, senses[0], limit)
    known = BY_NAME[feature].direction
    criterion = Criterion(feature, senses[0], limit, softness)
    if known and known != criterion.direction:
        other = "at_least" if known > 0 else "at_most"
        raise _bad(path, f"limits {feature} in the wrong direction: it can only be {other}")
    return criterion


def _number(path: Path, feature: str, key: str, value: Any) -> float:
    """Return a number in the unit of its feature; the unit may stand after it: ``33 %``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    unit = BY_NAME[feature].unit
    match = _WITH_UNIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _bad(path, f"needs a number as {key} of {feature}, not {value!r}")
    try:
        number = float(match[1])
    except ValueError:
        raise _bad(path, f"needs a number as {key} of {feature}, not {value!r}") from None
    written = {"°": "deg", "km2": "km²"}.get(match[2], match[2])
    if written == "%" and feature in SHARES:
        return number / 100.0
    if written != unit:
        raise _bad(
            path,
            f"has {value!r} as {key} of {feature}, which is in {unit or 'no unit'}",
            f"Write the number in {unit}" if unit else "Write the number without a unit",
        )
    return number


def _check_share(path: Path, feature: str, sense: str, limit: float, written: Any) -> None:
    """Raise if a percentage looks like a fraction or a fraction like a percentage."""
    percent = BY_NAME[feature].unit == "%"
    if not percent and feature not in SHARES:
        return
    most, unit = (100.0, " %") if percent else (1.0, "")
    if percent and 0.0 < limit < 1.0 and not isinstance(written, str):
        raise _bad(
            path,
            f"has {limit:g} as {sense} of {feature}, which is in percent: did you mean "
            f"{limit * 100.0:g} %",
            f"Write {sense}: {limit * 100.0:g}, or {sense}: {limit:g} % if that is meant",
        )
    if 0.0 <= limit <= most:
        return
    if percent:
        raise _bad(
            path,
            f"has {limit:g} as {sense} of {feature}, which lies between 0 and 100 %",
            "Give a percentage",
        )
    raise _bad(
        path,
        f"has {limit:g} as {sense} of {feature}, which is a share between 0 and 1{unit}: did you "
        f"mean {limit / 100.0:g}",
        f"Write {sense}: {limit / 100.0:g}, or {sense}: {limit:g} %",
    )


def _check_possible(path: Path, feature: str, sense: str, limit: float) -> None:
    """Raise if all values or none of a feature are within a limit."""
    if limit < 0.0 and feature not in _SIGNED:
        raise _bad(
            path,
            f"has {limit:g} as {sense} of {feature}, which is never negative",
            "Write the limit without a minus sign",
        )
    if BY_NAME[feature].unit == "deg" and limit > _STEEPEST_DEG:
        raise _bad(
            path,
            f"has {limit:g} as {sense} of {feature}, which is at most {_STEEPEST_DEG:g} deg",
            "Write the limit in degrees",
        )


def _check_together(path: Path, criteria: tuple[Criterion, ...]) -> None:
    """Raise if two criteria on one feature contradict or repeat each other."""
    seen: dict[tuple[str, str], float] = {}
    for each in criteria:
        key = (each.feature, each.sense)
        if key in seen:
            raise _bad(
                path,
                f"has two criteria on {each.feature} {each.sense}: {seen[key]:g} and "
                f"{each.threshold:g}",
                "Keep one of them",
            )
        seen[key] = each.threshold
    for (feature, sense), least in seen.items():
        most = seen.get((feature, "at_most"))
        if sense == "at_least" and most is not None:
            _check_order(path, feature, least, most)


def _check_order(path: Path, feature: str, least: float, most: float) -> None:
    """Raise if no value is within two limits."""
    if least > most:
        raise _bad(
            path,
            f"contradicts itself: {feature} at least {least:g} and at most {most:g}",
            "Exchange the limits, or leave one out",
        )


def _bad(path: Path, problem: str, remedy: str = _LIKE_CASSA) -> InputError:
    return InputError(f"The criteria profile {path.name} {problem}", remedy)
