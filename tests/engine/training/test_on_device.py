"""Networks on an emulated GPU: precision, lack of memory, halves of tiles, and the CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunarsite.engine.context import Context
from lunarsite.engine.errors import CancelledError, ParameterError

torch = pytest.importorskip("torch", reason="networks need the ml group")

from support.emulated_cuda import ERRORS, emulated_cuda  # noqa: E402

from lunarsite.engine.training import on_device  # noqa: E402

HALO = 32


class Blur(torch.nn.Module):
    """A network with a receptive field of 2 pixels, and half the resolution of its input."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layer = torch.nn.Conv2d(2, 3, 4, 2, 1)

    def forward(self, x):
        return self.layer(x)


def runner(context, network=None, **more):
    return on_device.OnDevice(
        network or Blur(),
        lambda model, inputs: model(inputs),
        "cuda",
        context,
        unit="a tile of the image",
        halo_px=HALO,
        **more,
    )


def tile(rows=256, columns=320, seed=1):
    return np.random.default_rng(seed).standard_normal((2, rows, columns)).astype(np.float32)


def expected(channels):
    with torch.inference_mode():
        return Blur()(torch.from_numpy(channels[None]))[0].numpy()


@given(st.integers(1, 60), st.integers(0, 6))
def test_halves_own_every_pixel_once_and_see_their_halo(steps, halo_steps):
    side, halo = 32 * steps, 32 * halo_steps
    parts = on_device.halves(side, halo)
    if parts is None:
        return
    owned = []
    for whole, own in parts:
        first, last = whole.start + own.start, whole.start + own.stop
        owned += range(first, last)
        assert whole.stop - whole.start <= 0.8 * side
        assert whole.start % 32 == whole.stop % 32 == own.start % 32 == 0
        assert first - whole.start >= halo or first == 0
        assert whole.stop - last >= halo or last == side
    assert owned == list(range(side))


def test_a_tile_on_the_gpu_is_computed_in_full_precision():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    context = Context()
    with emulated_cuda() as gpu:
        found = runner(context)(tile())
    np.testing.assert_allclose(found, expected(tile()), atol=1e-6)
    assert gpu.settings == [(False, True)]
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic) == before
    assert (context.devices(), context.warnings) == ("cuda", [])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:40])
def test_a_tile_that_does_not_fit_is_halved_until_it_does(error):
    context = Context()
    with emulated_cuda(most_px=200 * 200, error=error) as gpu:
        run = runner(context)
        found = [run(tile(seed=seed)) for seed in range(3)]
    for seed in range(3):
        np.testing.assert_allclose(found[seed], expected(tile(seed=seed)), atol=1e-6)
    assert {shape[2:] for shape in gpu.tiles} == {(160, 192)}
    assert len(gpu.tiles) == 3 * 4
    # The first tile shows what fits: the others are not tried whole.
    assert gpu.refused == 2
    assert context.devices() == "cuda"
    assert len(context.warnings) == 1
    assert "GPU memory is too small for a tile of the image: it is cut in" in context.warnings[0]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:40])
def test_what_does_not_fit_in_halves_runs_on_the_cpu(error):
    context = Context()
    with emulated_cuda(most_px=64, error=error) as gpu:
        run = runner(context)
        for _ in range(2):
            np.testing.assert_allclose(run(tile()), expected(tile()), atol=1e-6)
    assert gpu.tiles == []
    assert context.devices() == "cpu"
    assert len(context.warnings) == 1
    assert "continuing on the CPU" in context.warnings[0]


def test_memory_that_runs_out_in_the_middle_leaves_no_seam():
    context = Context()
    with emulated_cuda() as gpu:
        run = runner(context)
        first = run(tile())
        gpu.most_px = 0
        second = run(tile())
    np.testing.assert_array_equal(first, second)
    assert context.devices() == "cuda, then cpu"


def test_a_network_that_does_not_fit_runs_on_the_cpu_by_its_graph():
    context = Context()

    def graph():
        return lambda channels: channels[:1] * 7.0

    with emulated_cuda(holds_networks=False):
        run = runner(context, on_cpu=graph)
        np.testing.assert_array_equal(run(tile()), tile()[:1] * 7.0)
    assert context.devices() == "cpu"
    assert "continuing on the CPU" in context.warnings[0]


def test_other_errors_of_a_gpu_are_not_taken_for_a_lack_of_memory():
    with emulated_cuda(most_px=0, error=RuntimeError("CUDA error: an illegal address")):
        run = runner(Context())
        with pytest.raises(RuntimeError, match="an illegal address"):
            run(tile())


def test_threads_take_turns_and_may_be_cancelled():
    context = Context()
    with emulated_cuda(most_px=200 * 200), ThreadPoolExecutor(4) as pool:
        run = runner(context)
        tiles = [tile(seed=seed) for seed in range(12)]
        for channels, found in zip(tiles, pool.map(run, tiles), strict=True):
            np.testing.assert_allclose(found, expected(channels), atol=1e-6)
        context.cancelled.set()
        with pytest.raises(CancelledError):
            run(tile())


def test_a_lack_of_memory_in_training_is_an_error_with_a_remedy():
    with (
        pytest.raises(ParameterError, match="GPU memory is too small for the network") as caught,
        on_device.needs_gpu_memory("the network", "Choose --device cpu"),
    ):
        raise ERRORS[3]
    assert caught.value.remedy == "Choose --device cpu"
    with pytest.raises(RuntimeError, match="another"), on_device.needs_gpu_memory("it", "that"):
        raise RuntimeError("another")
