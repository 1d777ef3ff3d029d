"""The network with the encoder of EfficientNet-Lite0, in torch and as a graph."""

from __future__ import annotations

import numpy as np
import pytest
from support.segmentation import random_weights, saved

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, MissingDependencyError
from lunarsite.engine.segmentation import onnx_runner, samples, weights
from lunarsite.engine.segmentation.architecture import DEFAULT_WIDTHS, Architecture
from lunarsite.engine.training.networks.unet import AddHeld, Block, Hold, Narrow

torch = pytest.importorskip("torch", reason="networks need the ml group")
timm = pytest.importorskip("timm", reason="of the ml group")

from lunarsite.engine.segmentation import network, torch_runner  # noqa: E402
from lunarsite.engine.training.networks import imagenet  # noqa: E402

NAME = "unet-efficientnet-lite0"
BUILT = Architecture(NAME, DEFAULT_WIDTHS[NAME])
SEEN = np.random.default_rng(3).standard_normal((3, 64, 96)).astype(np.float32)


def published():
    """Return the published encoder as timm builds it, from the same file of weights."""
    theirs = torch.load(imagenet._file(), weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", features_only=True)
    kept = [value for name, value in theirs.items() if not name.startswith(OMITTED)]
    names = list(model.state_dict())
    assert len(kept) == len(names)
    model.load_state_dict(dict(zip(names, kept, strict=True)))
    return model.eval()


OMITTED = ("_fc", "_conv_head", "_bn1.")


def encoded(state, image):
    """Return the features of our encoder at strides 2 to 32."""
    model = network.build(BUILT)
    model.load_state_dict(model.state_dict() | state)
    model.eval()
    found, x, held = [], image, []
    inside = False
    for step in BUILT.unet().steps():
        inside = inside or (isinstance(step, Block) and step.name == "encoder.stem")
        if not inside:
            continue
        if isinstance(step, Block) and step.name.startswith("encoder."):
            x = model.get_submodule(step.name)(x)
        elif isinstance(step, Hold):
            held.append(x)
        elif isinstance(step, AddHeld):
            x = x + held.pop()
        else:
            found.append(x)
            if isinstance(step, Narrow):
                return found
    raise AssertionError


def test_the_encoder_is_the_published_network():
    theirs = published()
    image = torch.from_numpy(SEEN)[None]
    state = imagenet.encoder_state(3, imagenet.GREY_MEAN, imagenet.GREY_SPREAD)
    with torch.inference_mode():
        wanted, found = theirs(image), encoded(state, image)
    assert [tuple(each.shape) for each in found] == [tuple(each.shape) for each in wanted]
    for ours, other in zip(found, wanted, strict=True):
        assert float(other.abs().max()) > 1.0
        np.testing.assert_allclose(ours, other, rtol=1e-3, atol=1e-3)


def test_our_grey_levels_are_normalised_as_the_encoder_expects_them():
    grey = np.random.default_rng(1).uniform(0.0, 255.0, (1, 3, 64, 64)).astype(np.float32)
    found = [
        encoded(
            imagenet.encoder_state(3, mean, spread),
            torch.from_numpy((grey - mean) / spread).float(),
        )[0]
        for mean, spread in (
            (samples.MEAN, samples.SPREAD),
            (imagenet.GREY_MEAN, imagenet.GREY_SPREAD),
        )
    ]
    # At the edges the padding is another grey.
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    with torch.inference_mode():
        np.testing.assert_allclose(found[0][inner], found[1][inner], rtol=1e-3, atol=2e-3)
        assert float((found[0] - found[1]).abs().max()) > 0.01


@pytest.mark.parametrize("mode", [{}, {"uncertain": True}])
def test_onnx_runtime_and_torch_agree(tmp_path, mode):
    state = random_weights(BUILT, 2)
    state["head.weight"] *= np.float32(0.1)
    loaded = weights.load(saved(tmp_path / "net.safetensors", BUILT, state=state))
    on_cpu = loaded.runner("cpu", **mode)
    assert isinstance(on_cpu, onnx_runner.OnnxRunner)
    model = network.build(BUILT)
    kept = {k: torch.from_numpy(v) for k, v in loaded.state.items()}
    model.load_state_dict(model.state_dict() | kept)
    other = torch_runner.TorchRunner(model.eval(), BUILT, "cpu", Context(), **mode)
    np.testing.assert_allclose(on_cpu(SEEN), other(SEEN), atol=1e-4)


def test_the_names_and_shapes_of_the_weights_are_those_of_the_module():
    built = {
        name: tuple(value.shape)
        for name, value in network.build(BUILT).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert built == BUILT.shapes()
    assert 3.3e6 < sum(int(np.prod(shape)) for shape in built.values()) < 3.6e6


def test_a_network_that_begins_with_imagenet_has_its_encoder_and_a_random_decoder():
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(network.build(BUILT, pretrained=True).state_dict())
    same = {name: bool((states[0][name] == states[1][name]).all()) for name in states[0]}
    assert all(kept for name, kept in same.items() if name.startswith("encoder."))
    assert not same["narrow.0.weight"]
    assert not same["finest.0.weight"]


def test_weights_that_are_missing_or_of_another_network_are_told(tmp_path, monkeypatch):
    package = tmp_path / "packed"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(imagenet, "PACKAGE", "packed")
    with pytest.raises(MissingDependencyError, match="are not installed") as missing:
        imagenet.encoder_state(3, 100.0, 60.0)
    assert "ml group" in missing.value.remedy
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="holds no weights"):
        imagenet.encoder_state(3, 100.0, 60.0)
    (package / "models" / "efficientnet-lite0-0.pth").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"efficientnet-lite0-0\.pth is damaged"):
        imagenet.encoder_state(3, 100.0, 60.0)
    (package / "models" / "efficientnet-lite0-0.pth").unlink()
    torch.save({"weight": torch.zeros(1)}, package / "models" / "efficientnet-lite0-1.pth")
    with pytest.raises(InputError, match=r"of another network: '_conv_stem\.weight' is missing"):
        imagenet.encoder_state(3, 100.0, 60.0)
