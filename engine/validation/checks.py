"""What a check of a claim finds: figures, the null model they are compared with, its files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(Enum):
    """What a check says about its claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    NO_SKILL = "no skill shown"
    MEASURED = "measured"
    BY_CONSTRUCTION = "holds by construction"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim, and what became of it.

    Parameters
    ----------
    name : str
        Identifier in the JSON.
    claim : str
        What is claimed, one sentence.
    outcome : Outcome
        What the check says.
    finding : str
        The figures, one or two sentences; of a check that was not run, what it lacks and how to get
        it.
    null : str
        What the figures are compared with; empty if there is nothing.
    figures : dict
        All figures, as JSON.
    files : tuple of str
        Names of the files that it read.
    """

    name: str
    claim: str
    outcome: Outcome
    finding: str
    null: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the check as JSON."""
        return asdict(self) | {"outcome": self.outcome.value, "files": list(self.files)}


def not_run(name: str, claim: str, lacks: str) -> Check:
    """Return a check that was not run, with what it lacks."""
    return Check(name=name, claim=claim, outcome=Outcome.NOT_RUN, finding=lacks)


def rounded(values: Iterable[float]) -> list[float | None]:
    """Return numbers as JSON: to four decimals, None for NaN and infinities."""
    return [round(float(value), 4) if isfinite(value) else None for value in values]


def shown(p: float) -> str:
    """Return a p-value as text."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
