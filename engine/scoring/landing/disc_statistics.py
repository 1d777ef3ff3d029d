"""Statistics of the pixels on discs: around every pixel, and at some places."""

from __future__ import annotations

from lunarsite.engine.scoring.landing._disc_kernels import (
    disc_deviation,
    disc_greatest,
    disc_mean,
    statistics_at,
)

__all__ = ["disc_deviation", "disc_greatest", "disc_mean", "statistics_at"]
