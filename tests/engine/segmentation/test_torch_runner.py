"""Segmentation networks in torch against ONNX Runtime, drawn passes, and device bookkeeping."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.segmentation import TINY, random_weights, saved

from lunarsite.engine.context import Context
from lunarsite.engine.segmentation import _dropout_kernels, onnx_runner, weights
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.head import Head
from lunarsite.engine.uncertainty import measures
from lunarsite.engine.uncertainty.calibration import Temperatures

torch = pytest.importorskip("torch", reason="networks need the ml group")

from support.emulated_cuda import emulated_cuda  # noqa: E402

from lunarsite.engine.segmentation import network, torch_runner  # noqa: E402
from lunarsite.engine.uncertainty.dropout import DropoutMasks  # noqa: E402

SEEN = np.random.default_rng(5).standard_normal((3, 64, 96)).astype(np.float32)
MODES = [{}, {"uncertain": True}, {"uncertain": True, "passes": 5, "seed": 3}]


@pytest.mark.parametrize("warmth", [Temperatures(), Temperatures(1.3, 2.5)])
@pytest.mark.parametrize("mode", MODES, ids=["single", "closed form", "drawn"])
def test_a_gpu_predicts_what_the_cpu_does(tmp_path, mode, warmth):
    state = random_weights(TINY, 2)
    state["head.weight"] *= np.float32(0.2)
    loaded = weights.load(saved(tmp_path / "net.safetensors", TINY, state=state))
    on_cpu = loaded.runner("cpu", temperatures=warmth, **mode)(SEEN)
    context = Context()
    with emulated_cuda() as gpu:
        on_gpu = loaded.runner("cuda", context, temperatures=warmth, **mode)(SEEN)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-5)
    np.testing.assert_array_equal(on_gpu[:4].argmax(axis=0), on_cpu[:4].argmax(axis=0))
    # The network is run once, however many passes there are.
    assert gpu.tiles == [(1, 3, 64, 96)]
    assert context.devices() == "cuda"


def test_rounding_moves_the_closed_form_no_more_than_it_moves_the_features():
    # Classes that vary together have a covariance that is nearly singular, and large logits make
    # its root's rounding large: on a GPU a ResNet was 5e-3 off the CPU before the root had 64 bits.
    rng = np.random.default_rng(1)
    features = rng.uniform(0.0, 50.0, (16, 24, 24)).astype(np.float32)
    common = rng.standard_normal((1, 16, 1, 1))
    weight = (0.1 * (common + 1e-3 * rng.standard_normal((4, 16, 1, 1)))).astype(np.float32)
    head = Head.of(weight, np.zeros(4, np.float32), Temperatures(), dropout=0.1)
    nudged = features * (1.0 + 1e-7 * rng.standard_normal(features.shape)).astype(np.float32)

    def in_torch(values):
        return torch_runner.head_prediction(torch.from_numpy(values)[None], head)[0].numpy()

    def compiled(values):
        return _dropout_kernels.closed_form(
            values, head.weight[:, :, 0, 0], head.bias, head.odds, head.on_rocks, head.information
        )

    for predict in (in_torch, compiled):
        assert np.abs(predict(features) - predict(nudged)).max() < 2e-5
    assert np.abs(in_torch(features) - compiled(features)).max() < 2e-5


def test_the_closed_form_is_the_limit_of_passes_for_a_head_of_several_pixels():
    rng = np.random.default_rng(1)
    features = torch.from_numpy(rng.uniform(0.0, 1.0, (1, 16, 24, 24)).astype(np.float32))
    weight = (0.05 * rng.standard_normal((4, 16, 3, 3))).astype(np.float32)
    bias = rng.standard_normal(4).astype(np.float32)

    def run(passes):
        head = Head.of(weight, bias, Temperatures(1.1, 1.7), dropout=0.1, passes=passes)
        return torch_runner.head_prediction(features, head)[0].numpy()

    closed, many, few = run(0), run(3000), run(20)
    assert np.abs(closed - many).mean() < 0.3 * np.abs(few - many).mean()
    shared = [measures.entropy(each[:4]) - each[4] for each in (closed, many)]
    assert shared[0].mean() == pytest.approx(shared[1].mean(), rel=0.1)


@pytest.mark.parametrize("everywhere", [0.0, 0.1])
def test_a_resnet_gives_the_same_on_both_devices_and_when_memory_runs_out(everywhere):
    pytest.importorskip("segmentation_models_pytorch", reason="of the ml group")
    # The head alone has dropout, or every ReLU.
    built = Architecture("unet-resnet34", (), 0.0 if everywhere else 0.2, everywhere)
    torch.manual_seed(1)
    model = network.build(built).eval()

    def run(device, **gpu):
        context = Context()
        with emulated_cuda(**gpu) as state:
            made = torch_runner.TorchRunner(
                model, built, device, context, uncertain=True, passes=3 * bool(everywhere), seed=4
            )
            found = [made(SEEN)]
            state.most_px = gpu.get("later_px", state.most_px)
            found.append(made(SEEN))
        return found, context

    (expected, _), _ = run("cpu")
    found, context = run("cuda")
    for each in found:
        np.testing.assert_allclose(each, expected, atol=1e-5)
    assert context.devices() == "cuda"
    assert (measures.entropy(expected[:4]) - expected[4]).max() > 1e-5


def test_a_resnet_is_not_cut_in_halves_whose_edges_it_would_see():
    pytest.importorskip("segmentation_models_pytorch", reason="of the ml group")
    built = Architecture("unet-resnet34", (), 0.2, 0.0)
    model = network.build(built).eval()
    seen = np.random.default_rng(1).standard_normal((3, 32, 2048)).astype(np.float32)
    context = Context()
    with emulated_cuda(most_px=32 * 1500) as gpu:
        torch_runner.TorchRunner(model, built, "cuda", context)(seen)
    assert gpu.tiles == []
    assert context.devices() == "cpu"


def test_masks_are_the_same_whatever_the_device_the_size_and_what_ran_before():
    model = network.build(replace(TINY, everywhere=0.3))
    masks, values = DropoutMasks(model, 7), torch.from_numpy(SEEN[None])

    def run(number, x):
        with masks.drawn(number), torch.inference_mode():
            return model(x).numpy()

    first, other = run(0, values), run(1, values)
    torch.manual_seed(99)
    np.testing.assert_array_equal(run(0, values), first)
    assert np.abs(other - first).max() > 1e-3
    flat = torch.zeros((1, 3, 416, 416))
    np.testing.assert_allclose(
        run(2, flat)[..., 192:200, 200:208],
        run(2, flat[:, :, :, :384])[..., 192:200, 180:188],
        atol=1e-5,
    )
    # Nothing is dropped outside of passes.
    with torch.inference_mode():
        torch.testing.assert_close(model(values), model(values))


@pytest.mark.parametrize("everywhere", [0.0, 0.2])
@pytest.mark.parametrize("passes", [0, 2])
def test_no_tensor_is_left_on_the_other_device(everywhere, passes):
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415

    built = replace(TINY, everywhere=everywhere)
    runner = torch_runner.TorchRunner(
        network.build(built), built, "cpu", Context(), uncertain=True, passes=passes
    )
    # Knows devices and shapes, not values, and raises where two devices meet.
    with FakeTensorMode():
        with torch.device("cuda"):
            model = network.build(built).eval()
        if everywhere:
            runner._masks = DropoutMasks(model, 1)
        inputs = torch.zeros((1, 3, 64, 64), device="cuda")
        found = runner._on_device._forward(model, inputs)
    assert found.device.type == "cuda"
    assert found.shape == (1, onnx_runner.BANDS, 64, 64)
