"""Circles from rim masks by ring templates."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import decoding
from lunarsite.engine.craters.model import inputs, rings
from lunarsite.engine.craters.model.architecture import HEADS
from lunarsite.engine.craters.training import _target_kernels, targets


def masked(circles, side):
    """Return the logits of a network that predicts rims without error."""
    rim, doubt = np.zeros((2, side, side), np.float32)
    _target_kernels.draw_rims(np.asarray(circles, np.float64), 1, rim, doubt)
    return np.where(rim > 0, 6.0, -6.0).astype(np.float32)


@pytest.mark.parametrize("radius", [5.0, 9.3, 17.0, 31.0, 55.0])
def test_the_circle_of_a_drawn_rim_is_recovered(radius):
    side = 320
    found = decoding.peaks(rings.heads(masked([[150.4, 161.7, radius, 1.0]], side)), 0)
    best = found.kept(np.argsort(-found.logit)[:1])
    assert best.logit[0] > 0.0
    assert np.hypot(best.x[0] - 150.4, best.y[0] - 161.7) < 0.8
    assert best.radius[0] == pytest.approx(radius, rel=0.07)


def test_rims_that_cross_one_another_are_found():
    side = 320
    rng = np.random.default_rng(5)
    radius = np.exp(rng.uniform(np.log(5.0), np.log(40.0), 25))
    x, y = rng.uniform(10, side - 10, (2, 25))
    found = decoding.peaks(rings.heads(masked(np.column_stack([x, y, radius, radius]), side)), 0)
    found = found.kept(found.logit > np.log(0.4 / 0.6))
    near = np.hypot(found.x[:, None] - x, found.y[:, None] - y) / radius
    matched = (near < 0.5) & (np.abs(found.radius[:, None] / radius - 1.0) < 0.25)
    assert matched.any(axis=0).mean() > 0.9


@pytest.mark.parametrize("level", [-9.0, 9.0])
def test_no_rim_and_nothing_but_rim_yield_no_circle(level):
    side = 320
    heads = rings.heads(np.full((side, side), level, np.float32))
    assert heads.shape == (HEADS, side // 2, side // 2)
    assert np.isfinite(heads).all()
    assert (heads[targets.OCTAVES] == level).all()
    found = decoding.peaks(heads, 0)
    # The edge of the mask acts as a rim; detection drops peaks within HALO_PX of it.
    middle = np.maximum(np.abs(found.x - 159.5), np.abs(found.y - 159.5))
    assert not (middle < 160 - pyramid.HALO_PX).any()


def test_a_rim_network_has_the_outputs_of_a_heat_map_network():
    class Rims:
        thread_safe = True

        def __call__(self, channels):
            assert channels.shape == (len(inputs.CHANNELS), 96, 96)
            return masked([[47.0, 47.0, 12.0, 1.0]], 96)[None]

    runner = rings.RingRunner(Rims())
    assert runner.thread_safe
    found = decoding.peaks(runner(np.zeros((len(inputs.CHANNELS), 96, 96), np.float32)), 2)
    best = np.argmax(found.logit)
    assert found.radius[best] == pytest.approx(12.0, rel=0.07)
    assert found.level[best] == 2
