"""Inference of a segmentation network with torch: on a GPU, or with dropout after every ReLU.

Imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import conv2d

from lunarsite.engine.segmentation import classes, network, tiling
from lunarsite.engine.segmentation.head import Head
from lunarsite.engine.segmentation.onnx_runner import UNIT_TEMPERATURES
from lunarsite.engine.training.on_device import OnDevice
from lunarsite.engine.uncertainty.dropout import PASSES, DropoutMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.segmentation.architecture import Architecture
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.uncertainty.calibration import Temperatures

    Float32 = NDArray[np.float32]


class TorchRunner:
    """A network on its device; an `onnx_runner.Runner`.

    The features are computed once, and dropout before the head has the closed form of
    `onnx_runner.OnnxRunner`. For dropout after every ReLU there is none: passes are drawn.

    Parameters
    ----------
    model : torch.nn.Module
        Network with its weights.
    architecture : Architecture
        Architecture of the network.
    device, context, on_cpu : str, Context, callable or None
        As in `OnDevice`.
    uncertain, passes, seed, temperatures, information, side_px
        As in `onnx_runner.OnnxRunner`.
    """

    thread_safe = True

    def __init__(
        self,
        model: torch.nn.Module,
        architecture: Architecture,
        device: str,
        context: Context,
        *,
        uncertain: bool = False,
        passes: int = 0,
        seed: int = 0,
        temperatures: Temperatures = UNIT_TEMPERATURES,
        information: float = 1.0,
        side_px: int | None = None,
        on_cpu: Callable[[], Runner] | None = None,
    ) -> None:
        self.side_px = side_px
        convolution = network.head(model)
        self._head = Head.of(
            convolution.weight.detach().numpy(),
            convolution.bias.detach().numpy(),
            temperatures,
            dropout=architecture.dropout if uncertain else 0.0,
            passes=passes,
            seed=seed,
            information=information,
        )
        forward = self._forward
        if uncertain and architecture.everywhere:
            self._masks, self._passes = DropoutMasks(model, seed), passes or PASSES
            self._temperature = temperatures.common
            forward = self._drawn
        self._on_device = OnDevice(
            model,
            forward,
            device,
            context,
            unit="a tile of the image",
            # The receptive field of the larger networks is as wide as a tile.
            halo_px=tiling.BLIND_PX if architecture.name == "unet-light" else None,
            on_cpu=on_cpu,
        )

    def __call__(self, channels: Float32) -> Float32:
        """Return the prediction for a tile, as `onnx_runner.Runner`."""
        return self._on_device(channels)

    def _forward(self, model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        return head_prediction(network.features(model, inputs), self._head)

    def _drawn(self, model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        def logits(number: int) -> torch.Tensor:
            with self._masks.drawn(number):
                return model(inputs) / self._temperature

        each = map(logits, range(self._passes))
        return _mean_of_passes(each, self._head.on_rocks, self._passes)


def head_prediction(features: torch.Tensor, head: Head) -> torch.Tensor:
    """Return the prediction from the features before the head, as `_dropout_kernels` does.

    Parameters
    ----------
    features : Tensor of float32, shape (1, channels, rows, columns)
        On any device.
    head : Head
        Weights, temperatures and dropout.

    Returns
    -------
    Tensor of float32, shape (1, 5, rows, columns)
        Probability of each class, then the mean entropy of the passes, nats.
    """
    bias = torch.from_numpy(head.bias).to(features.device)
    pad = head.weight.shape[2] // 2
    if head.passes is not None:
        weights = torch.from_numpy(head.passes).to(features.device)
        each = (conv2d(features, weight, bias, padding=pad) for weight in weights)
        return _mean_of_passes(each, head.on_rocks, len(weights))
    weight = torch.from_numpy(head.weight).to(features.device)
    logits = conv2d(features, weight, bias, padding=pad)
    if not head.odds:
        return _softmax(logits, head.on_rocks)
    gain = _gain(logits, head.on_rocks)
    points = _cubature(features, weight, logits, head.odds)
    mean = sum((_entropies(point * gain) for point in points), start=torch.zeros(())) / 8.0
    share = mean[:, :4]
    entropy = -(share * share.clamp(min=1e-30).log()).sum(1, keepdim=True)
    shared = (head.information * (entropy - mean[:, 4:])).clamp(min=0.0)
    return torch.cat([share, entropy - torch.minimum(shared, entropy)], 1)


def _cubature(
    features: torch.Tensor, weight: torch.Tensor, logits: torch.Tensor, odds: float
) -> Iterable[torch.Tensor]:
    """Yield the logits at the eight points of `_dropout_kernels.closed_form`."""
    pad = weight.shape[2] // 2
    count = logits.shape[1]
    # In 64 bits: where two classes vary together, the root is of a small difference, and rounding
    # to 32 bits would move probabilities by some thousandths between devices.
    zero = torch.zeros_like(logits[:, :1], dtype=torch.float64)
    spread = [[zero.clone() for _ in range(k + 1)] for k in range(count)]
    for channel in range(features.shape[1]):
        # What one channel adds to each logit: dropping it takes that away.
        one = slice(channel, channel + 1)
        added = conv2d(features[:, one], weight[:, one], padding=pad).double()
        for k in range(count):
            for m in range(k + 1):
                spread[k][m] += odds * added[:, k : k + 1] * added[:, m : m + 1]
    for column in _root(spread):
        for sign in (-2.0, 2.0):
            yield logits + (sign * column).float()


def _root(spread: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    """Return the columns of the lower Cholesky factor of a covariance at every pixel."""
    zero = torch.zeros_like(spread[0][0])
    root: list[list[torch.Tensor]] = []
    for k, row in enumerate(spread):
        own: list[torch.Tensor] = []
        for m, total in enumerate(row):
            other = own if m == k else root[m]
            left = total - sum((own[q] * other[q] for q in range(m)), start=zero)
            if m < k:
                length = root[m][m]
                safe = torch.where(length > 1e-12, length, torch.ones_like(length))
                own.append(torch.where(length > 1e-12, left / safe, zero))
            else:
                # A direction in which nothing varies has no length, whatever rounding makes of it.
                own.append(left.clamp(min=0.0).sqrt())
        root.append(own)
    return [
        torch.cat([root[k][m] if m <= k else zero for k in range(len(root))], 1)
        for m in range(len(root))
    ]


def _mean_of_passes(each: Iterable[torch.Tensor], on_rocks: float, count: int) -> torch.Tensor:
    """Return mean probabilities and mean entropy of passes, from the logits of each."""
    total = sum(_softmax(logits, on_rocks) for logits in each)
    return total / count


def _softmax(logits: torch.Tensor, on_rocks: float) -> torch.Tensor:
    """Return the probabilities of a pass, then their entropy, nats."""
    return _entropies(logits * _gain(logits, on_rocks))


def _entropies(scaled: torch.Tensor) -> torch.Tensor:
    """Return the softmax of logits, then its entropy, nats."""
    share, log_share = torch.softmax(scaled, 1), torch.log_softmax(scaled, 1)
    return torch.cat([share, -(share * log_share).sum(1, keepdim=True).clamp(max=0.0)], 1)


def _gain(logits: torch.Tensor, on_rocks: float) -> torch.Tensor:
    """Return the factor on the logits of each pixel: ``on_rocks`` where a rock class is highest."""
    rocks = torch.maximum(logits[:, classes.SMALL], logits[:, classes.LARGE])
    others = torch.maximum(logits[:, classes.GROUND], logits[:, classes.SKY])
    return torch.where(rocks > others, on_rocks, 1.0).to(logits.dtype)[:, None]
