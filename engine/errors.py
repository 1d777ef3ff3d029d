"""The one family of errors that users see. Standard library only."""

from __future__ import annotations


class LunarSiteError(Exception):
    """Something the user can mend.

    Parameters
    ----------
    problem : str
        What is wrong, with the value and the limit.
    remedy : str
        What to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem.rstrip(".")
        self.remedy = remedy.rstrip(".")
        super().__init__(problem, remedy)

    def __str__(self) -> str:
        return f"{self.problem}. {self.remedy}."

    def as_dict(self) -> dict[str, str]:
        """Return the error as it crosses the worker's pipe."""
        return {"type": type(self).__name__, "problem": self.problem, "remedy": self.remedy}


class ParameterError(LunarSiteError):
    """A parameter is missing, unknown, of the wrong kind or out of its range."""


class InputError(LunarSiteError):
    """An input file cannot be read or is not what it must be."""


class CrsError(InputError):
    """An input lies on another body, or in a coordinate system the stage cannot work in."""


class OutputError(LunarSiteError):
    """A result cannot be written."""


class BusyError(LunarSiteError):
    """Another run works in the same folder."""


class MissingDependencyError(LunarSiteError):
    """A part of the engine that this job needs is not installed."""


class CancelledError(LunarSiteError):
    """The user asked for the work to stop.

    Parameters
    ----------
    remedy : str
        What the same command does when it is given again, where it does not start anew.
    """

    def __init__(self, remedy: str = "") -> None:
        super().__init__(
            "The work was cancelled",
            remedy or "Nothing is half-written; the same command starts anew",
        )
