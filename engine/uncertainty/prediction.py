"""MC Dropout as a public function, which says what is missing where torch is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunarsite.engine import device
from lunarsite.engine.errors import MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from lunarsite.engine.uncertainty.ensembles import EnsemblePrediction


def mc_predict(
    network: torch.nn.Module, channels: NDArray[np.float32], *, passes: int = 20, seed: int = 0
) -> EnsemblePrediction:
    """Return the prediction of MC Dropout for an image. Needs torch.

    Parameters
    ----------
    network : torch.nn.Module
        With dropout; returns logits of shape (batch, classes, rows, columns).
    channels : ndarray of float32, shape (channels, rows, columns)
        The whole image: each pass drops the same channels everywhere.
    passes : int
        Number of stochastic forward passes.
    seed : int
        Seed of the dropout masks.

    Returns
    -------
    EnsemblePrediction
        Mean over the passes, predictive entropy and mutual information.

    Raises
    ------
    MissingDependencyError
        If torch is not installed, or cannot be imported.
    InputError
        If the network has no dropout.
    ParameterError
        If an argument is of the wrong type or shape.

    References
    ----------
    Gal & Ghahramani (2016), arXiv:1506.02142.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from lunarsite.engine.uncertainty.dropout import add_mc_dropout
    >>> layers = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    >>> add_mc_dropout(layers, 0.5)
    1
    >>> found = mc_predict(layers, np.ones((3, 8, 8), np.float32), passes=10)
    >>> found.probability.shape, bool(found.mutual_information.max() > 0.0)
    ((4, 8, 8), True)
    """
    problem = device.torch_problem()
    if problem is not None:
        raise MissingDependencyError(
            f"MC Dropout of a torch network needs torch: {problem}", device.TORCH_REMEDY
        )
    from lunarsite.engine.uncertainty import dropout  # noqa: PLC0415  imports torch

    return dropout.mc_predict(network, channels, passes=passes, seed=seed)
