"""Criteria profiles: named sets of limits for landing sites."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from lunarsite.engine.contract import unknown_name
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.scoring.features.columns import BY_NAME

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

_HERE = Path(__file__).parent
NAMES = ("cassa", "hls")


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
        """Return whether every criterion is met; False if a feature is missing."""
        holds = [c.margin(table[c.feature].to_numpy()) >= 0.0 for c in self.criteria]
        return np.asarray(np.logical_and.reduce(holds))

    def known(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return whether the features of all criteria are available."""
        available = [np.isfinite(table[c.feature].to_numpy()) for c in self.criteria]
        return np.asarray(np.logical_and.reduce(available))

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as JSON."""
        return asdict(self) | {"criteria": [asdict(criterion) for criterion in self.criteria]}

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
        If the file is not a valid profile.
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
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _bad(path, f"is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict) or not isinstance(data.get("criteria"), list):
        raise _bad(path, "has no list of criteria")
    if not data["criteria"]:
        raise _bad(path, "has an empty list of criteria")
    return Profile(
        name=str(data.get("name", path.stem)),
        title=str(data.get("title", path.stem)),
        source=str(data.get("source", "")).strip(),
        criteria=tuple(_criterion(path, entry) for entry in data["criteria"]),
    )


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
        raise _bad(path, f"needs one of at_most and at_least for {feature}, not both")
    numbers = {}
    for key in (senses[0], "softness"):
        value = entry.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _bad(path, f"needs a number as {key} of {feature}, not {value!r}")
        numbers[key] = float(value)
    if not (np.isfinite(list(numbers.values())).all() and numbers["softness"] > 0.0):
        raise _bad(path, f"needs a finite limit and a positive softness for {feature}")
    known = BY_NAME[feature].direction
    criterion = Criterion(feature, senses[0], numbers[senses[0]], numbers["softness"])
    if known and known != criterion.direction:
        other = "at_least" if known > 0 else "at_most"
        raise _bad(path, f"limits {feature} in the wrong direction: it can only be {other}")
    return criterion


def _bad(path: Path, problem: str) -> InputError:
    return InputError(
        f"The criteria profile {path.name} {problem}",
        "Write it like engine/scoring/profiles/cassa.yaml: a list of criteria, each with a "
        "feature, at_most or at_least, and a softness",
    )
