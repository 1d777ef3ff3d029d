"""The head of a segmentation network: its last convolution, with temperatures and MC Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.uncertainty.calibration import Temperatures

    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What follows the features of a network, the same for every device.

    Parameters
    ----------
    weight, bias : ndarray of float32, shapes (4, channels, side, side) and (4,)
        Of the last convolution, divided by the common temperature.
    on_rocks : float
        Factor on the logits at pixels predicted as rock, which have a temperature of their own.
    odds : float
        p / (1 - p) with the dropout probability p before the head; 0 without MC Dropout.
    information : float
        Factor on the mutual information of the closed form. With few channels the logits of the
        passes are less normal than it takes them for, and it finds a part of their spread.
    passes : ndarray of float32, shape (passes, 4, channels, side, side), or None
        Weight of each MC Dropout pass, zero for the channels that it drops; None for the closed
        form, the limit of infinitely many.
    """

    weight: Float32
    bias: Float32
    on_rocks: float
    odds: float
    information: float
    passes: Float32 | None

    @classmethod
    def of(
        cls,
        weight: Float32,
        bias: Float32,
        temperatures: Temperatures,
        *,
        dropout: float = 0.0,
        passes: int = 0,
        seed: int = 0,
        information: float = 1.0,
    ) -> Head:
        """Return the head of a network.

        Parameters
        ----------
        weight, bias : ndarray of float32
            Of the network's last convolution.
        temperatures : Temperatures
            Temperature scaling of the logits.
        dropout : float
            Dropout probability of the passes; 0 for a single pass without dropout.
        passes, seed : int
            Number of passes drawn, 0 for the closed form; seed of their masks. A pass drops the
            same channels in all tiles, so that no seams appear.
        information : float
            Factor on the mutual information of the closed form, measured on validation images.
        """
        scaled = (weight / temperatures.common).astype(np.float32)
        drawn = None
        if dropout and passes:
            kept = np.random.default_rng(seed).random((passes, 1, weight.shape[1])) >= dropout
            drawn = (scaled * kept[..., None, None] / (1.0 - dropout)).astype(np.float32)
        return cls(
            scaled,
            (bias / temperatures.common).astype(np.float32),
            temperatures.common / temperatures.rare,
            dropout / (1.0 - dropout),
            information,
            drawn,
        )


def no_dropout_error() -> InputError:
    """Return the error for MC Dropout with a network that has no dropout."""
    return InputError(
        "The network has no dropout, so that all passes of MC Dropout would be the same",
        "Use a checkpoint that was trained with dropout, or --uncertainty none",
    )
