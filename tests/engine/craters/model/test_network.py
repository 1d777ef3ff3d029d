"""Crater networks in torch: inference, the training loop and its interruption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters.model import inputs, onnx_runner
from lunarsite.engine.craters.model.architecture import HEADS, Architecture
from lunarsite.engine.craters.training import batches, recipe
from lunarsite.engine.errors import InputError, ParameterError

torch = pytest.importorskip("torch", reason="networks need the ml group")

from lunarsite.engine.craters.model import network  # noqa: E402
from lunarsite.engine.craters.training import task  # noqa: E402
from lunarsite.engine.device import choose  # noqa: E402
from lunarsite.engine.training import trainer  # noqa: E402

SMALL = Architecture(widths=(8, 8, 8, 8, 8))
TINY = recipe.Recipe(
    name="tiny",
    widths=SMALL.widths,
    tiles=4,
    tile_px=64,
    crop_px=64,
    validation_tiles=2,
    steps=4,
    batch=2,
    validate_every=2,
)


@pytest.fixture
def model(hot_weights):
    made = network.build(SMALL)
    state = hot_weights(SMALL)
    made.load_state_dict({n: torch.from_numpy(v) for n, v in state.items()}, strict=False)
    return made.eval()


def test_the_network_predicts_at_half_the_resolution(model):
    out = model(torch.zeros(2, len(inputs.CHANNELS), 64, 96))
    assert out.shape == (2, HEADS, 32, 48)


def test_weights_have_the_names_and_shapes_of_the_architecture(model):
    held = {n: tuple(v.shape) for n, v in model.state_dict().items() if "num_batches" not in n}
    assert held == SMALL.shapes()


def test_onnx_runtime_computes_the_same_as_torch(model):
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    seen = np.random.default_rng(3).standard_normal((len(inputs.CHANNELS), 96, 64))
    seen = seen.astype(np.float32)
    by_torch = network.TorchRunner(model, "cpu", Context())(seen)
    assert np.abs(by_torch).max() > 0.5
    np.testing.assert_allclose(onnx_runner.OnnxRunner(state, SMALL)(seen), by_torch, atol=2e-5)


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    device = choose("cpu")

    def run(file, **changed):
        return task.train(replace(TINY, **changed), 3, device, tmp_path / file, Context(threads=1))

    whole = run("whole")
    assert whole.progress.step == 4
    assert [entry["step"] for entry in whole.progress.history] == [2, 4]

    class EnoughError(Exception):
        pass

    def stop(fraction, _):
        if fraction >= 0.5:
            raise EnoughError

    with pytest.raises(EnoughError):
        task.train(TINY, 3, device, tmp_path / "half", Context(threads=1, report=stop))
    assert (tmp_path / "half").is_file()
    rest = run("half")
    assert rest.progress.history == whole.progress.history
    for name, value in whole.state.items():
        np.testing.assert_array_equal(rest.state[name], value)
    with pytest.raises(InputError, match="another training: its recipe differs"):
        run("half", learning_rate=0.1)
    (tmp_path / "half").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        run("half")


def test_training_lowers_the_loss(tmp_path):
    trained = task.train(
        replace(
            TINY, tiles=1, batch=4, steps=60, validate_every=20, average=0.5, learning_rate=0.01
        ),
        1,
        choose("cpu"),
        tmp_path / "state",
        Context(threads=2),
    )
    history = trained.progress.history
    assert history[-1]["training"] < 0.7 * history[0]["training"]
    assert trained.progress.best == min(entry["validation"] for entry in history)


def test_the_original_network_trains_on_the_same_tiles(tmp_path):
    pytest.importorskip("segmentation_models_pytorch", reason="of the ml group")
    own = recipe.read("rims-resnet34")
    assert own.tiles == recipe.read("heat-maps").tiles
    assert own.steps == recipe.read("heat-maps").steps
    small = replace(TINY, architecture=own.architecture, widths=own.widths, steps=2)
    trained = task.train(small, 1, choose("cpu"), tmp_path / "state", Context(threads=1))
    assert np.isfinite(trained.progress.best)
    model = network.build(Architecture(own.architecture, own.widths))
    model.load_state_dict(trainer.as_tensors(trained.state))
    answer = model.eval()(torch.zeros(1, len(inputs.CHANNELS), 64, 64))
    assert answer.shape == (1, 1, 64, 64)


def test_training_stops_early_without_improvement(tmp_path):
    context = Context(threads=1)
    trained = task.train(
        replace(TINY, steps=40, validate_every=1, patience=2, learning_rate=0.0, average=0.0),
        1,
        choose("cpu"),
        tmp_path / "state",
        context,
    )
    assert trained.progress.step < 40
    assert "no longer improves" in context.warnings[0]
    # A training that was interrupted after its end, in the calibration, is not continued.
    again = task.train(
        replace(TINY, steps=40, validate_every=1, patience=2, learning_rate=0.0, average=0.0),
        1,
        choose("cpu"),
        tmp_path / "state",
        context,
    )
    assert again.progress.history == trained.progress.history
    for name, value in trained.state.items():
        np.testing.assert_array_equal(again.state[name], value)


def test_a_state_belongs_to_its_initial_weights(tmp_path):
    def initial(seed):
        torch.manual_seed(seed)
        return {n: v.numpy() for n, v in network.build(SMALL).state_dict().items()}

    place = (TINY, 3, choose("cpu"), tmp_path / "state", Context(threads=1))
    task.train(*place, start=initial(1))
    assert task.train(*place, start=initial(1)).progress.step == 4
    with pytest.raises(InputError, match="its start differs"):
        task.train(*place, start=initial(2))
    with pytest.raises(InputError, match="its start differs"):
        task.train(*place)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_uses_bfloat16_only_if_the_recipe_asks(precision):
    kinds = []

    class Watched(Narrow):
        def forward(self, x):
            out = super().forward(x)
            kinds.append(out.dtype)
            return out

    made = trainer.Trainer(
        replace(TINY, precision=precision), 3, choose("cpu"), Watched(8), task_of(TINY)
    )
    made.step(made.task.draw(0), Context(threads=1))
    made.validate()
    assert kinds[0] == getattr(torch, precision)
    assert set(kinds[1:]) == {torch.float32}


class Narrow(torch.nn.Module):
    """A network without batch norms, on a GPU whose memory holds ``most`` tiles."""

    def __init__(self, most):
        super().__init__()
        torch.manual_seed(2)
        self.most = most
        self.heads = torch.nn.Conv2d(len(inputs.CHANNELS), HEADS, 3, 2, 1)
        self.passes = []

    def forward(self, x):
        if x.shape[0] > self.most:
            raise torch.cuda.OutOfMemoryError
        self.passes.append(x.shape[0])
        return self.heads(x)


def task_of(chosen):
    source = batches.generated_tiles(5, 64, None, 10**9)
    return task.Craters(chosen, 3, task.Data("tiles", source, 4, source, 1))


def stepped(most, **changed):
    """Return a network after a step, the warnings, and the loss."""
    chosen = replace(TINY, **changed)
    model, context = Narrow(most), Context(threads=1)
    made = trainer.Trainer(chosen, 3, choose("cpu"), model, task_of(chosen))
    made.step(made.task.draw(0), context)
    return model, context.warnings, float(made.losses[-1])


def test_a_step_of_several_passes_is_the_mean_of_them():
    whole, _, loss = stepped(8, batch=4, accumulate=2)
    assert whole.passes == [4, 4]
    crater_task = task_of(replace(TINY, batch=4, accumulate=2))
    parts = trainer.Trainer(TINY, 3, choose("cpu"), Narrow(8), crater_task)
    drawn = crater_task.draw(0)
    with torch.inference_mode():
        each = [float(parts._loss(drawn, slice(first, first + 4))) for first in (0, 4)]
    assert loss == pytest.approx(np.mean(each), rel=1e-5)


def test_without_gpu_memory_forward_passes_are_smaller_with_a_warning():
    small, warned, loss = stepped(2, batch=8)
    assert small.passes == [2, 2, 2, 2]
    assert len(warned) == 2
    assert "2 samples per forward pass" in warned[-1]
    # The step is the same as with that many passes in the recipe.
    same, silent, its = stepped(8, batch=2, accumulate=4)
    assert silent == []
    assert loss == its
    torch.testing.assert_close(small.heads.weight, same.heads.weight, rtol=0, atol=0)
    with pytest.raises(ParameterError, match="too small for a single sample of 64 × 64") as caught:
        stepped(0, batch=8)
    assert "--device cpu" in caught.value.remedy


def test_other_errors_of_a_training_step_are_not_taken_for_a_lack_of_memory():
    class Faulty(Narrow):
        def forward(self, x):
            raise RuntimeError(f"CUDA error: an illegal address for {len(x)} tiles")

    made = trainer.Trainer(TINY, 3, choose("cpu"), Faulty(8), task_of(TINY))
    context = Context(threads=1)
    with pytest.raises(RuntimeError, match="an illegal address for 2 tiles"):
        made.step(made.task.draw(0), context)
    assert context.warnings == []
