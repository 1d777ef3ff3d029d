"""Parts of the training loop that no training of a stage shows."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="networks need the ml group")

from lunarsite.engine.device import Device  # noqa: E402
from lunarsite.engine.segmentation import network  # noqa: E402
from lunarsite.engine.segmentation.architecture import DEFAULT_WIDTHS, Architecture  # noqa: E402
from lunarsite.engine.segmentation.training import recipe, task  # noqa: E402
from lunarsite.engine.training import trainer  # noqa: E402
from lunarsite.engine.uncertainty import dropout  # noqa: E402

NAME = "unet-efficientnet-lite0"
BUILT = Architecture(NAME, DEFAULT_WIDTHS[NAME])


@pytest.mark.parametrize(("rate", "groups"), [(1.0, {1.0}), (0.25, {1.0, 0.25}), (0.0, {1.0, 0.0})])
def test_an_encoder_has_a_learning_rate_of_its_own(rate, groups):
    chosen = recipe.Recipe(name="r", steps=4, learning_rate=0.1, weight_decay=0.0)
    cpu = Device("cpu", "test", "for the test", 1, torch.__version__, None)
    data = task.Data("d", None, 1, None, 1)
    model = network.build(BUILT)
    before = {name: value.clone() for name, value in model.named_parameters()}
    made = trainer.Trainer(
        chosen, 1, cpu, model, task.Segmentation(chosen, 1, data), encoder_rate=rate
    )
    assert {group["relative_rate"] for group in made.optimizer.param_groups} == groups
    rates = {
        id(parameter): group["relative_rate"]
        for group in made.optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == (rate if name.startswith("encoder.") else 1.0)
        parameter.grad = torch.ones_like(parameter)
    for group in made.optimizer.param_groups:
        group["lr"] = chosen.learning_rate * group["relative_rate"]
    made.optimizer.step()
    for name, parameter in model.named_parameters():
        # The first step of Adam is the learning rate, whatever the gradient.
        step = 0.1 * (rate if name.startswith("encoder.") else 1.0)
        torch.testing.assert_close(
            before[name] - parameter.detach(), torch.full_like(parameter, step), atol=1e-4, rtol=0
        )


def test_every_relu6_gets_its_dropout_and_still_has_its_limit():
    model = network.build(BUILT).eval()
    names = set(model.state_dict())
    activations = [m for m in model.modules() if isinstance(m, torch.nn.ReLU | torch.nn.ReLU6)]
    assert dropout.add_mc_dropout(model, 0.1) == len(activations) > 30
    assert set(model.state_dict()) == names
    model.eval()
    image = 100.0 * torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        stem = model.get_submodule("encoder.stem")(image)
    assert 0.0 <= float(stem.min()) <= float(stem.max()) <= 6.0
    # And that before the head.
    assert len(dropout.DropoutMasks(model, 1).layers) == len(activations) + 1
