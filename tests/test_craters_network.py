from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import inputs, recipe, runner
from lunarsite.engine.craters.architecture import HEADS, Architecture
from lunarsite.engine.errors import InputError

torch = pytest.importorskip("torch", reason="networks need the ml group")

from lunarsite.engine.craters import network, training  # noqa: E402
from lunarsite.engine.device import choose  # noqa: E402

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


def test_the_network_answers_at_half_the_resolution(model):
    out = model(torch.zeros(2, len(inputs.CHANNELS), 64, 96))
    assert out.shape == (2, HEADS, 32, 48)


def test_its_weights_are_named_and_shaped_as_the_architecture_says(model):
    held = {n: tuple(v.shape) for n, v in model.state_dict().items() if "num_batches" not in n}
    assert held == SMALL.shapes()


def test_without_torch_it_answers_the_same(model):
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    seen = np.random.default_rng(3).standard_normal((len(inputs.CHANNELS), 96, 64))
    seen = seen.astype(np.float32)
    by_torch = network.TorchRunner(model, "cpu")(seen)
    assert np.abs(by_torch).max() > 0.5
    np.testing.assert_allclose(runner.OnnxRunner(state, SMALL)(seen), by_torch, atol=2e-5)


def test_an_interrupted_training_ends_where_an_undisturbed_one_does(tmp_path):
    device = choose("cpu")

    def run(file, **changed):
        return training.train(
            replace(TINY, **changed), 3, device, tmp_path / file, Context(threads=1)
        )

    whole = run("whole")
    assert whole.progress.step == 4
    assert [entry["step"] for entry in whole.progress.history] == [2, 4]

    class EnoughError(Exception):
        pass

    def stop(fraction, _):
        if fraction >= 0.5:
            raise EnoughError

    with pytest.raises(EnoughError):
        training.train(TINY, 3, device, tmp_path / "half", Context(threads=1, report=stop))
    assert (tmp_path / "half").is_file()
    rest = run("half")
    assert rest.progress.history == whole.progress.history
    for name, value in whole.state.items():
        torch.testing.assert_close(rest.state[name], value, rtol=0, atol=0)
    with pytest.raises(InputError, match="another recipe or seed"):
        run("half", learning_rate=0.1)
    (tmp_path / "half").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        run("half")


def test_training_learns(tmp_path):
    trained = training.train(
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
    trained = training.train(small, 1, choose("cpu"), tmp_path / "state", Context(threads=1))
    assert np.isfinite(trained.progress.best)
    model = network.build(Architecture(own.architecture, own.widths))
    model.load_state_dict(trained.state)
    answer = model.eval()(torch.zeros(1, len(inputs.CHANNELS), 64, 64))
    assert answer.shape == (1, 1, 64, 64)


def test_training_ends_early_where_nothing_improves(tmp_path):
    context = Context(threads=1)
    trained = training.train(
        replace(TINY, steps=40, validate_every=1, patience=2, learning_rate=0.0, average=0.0),
        1,
        choose("cpu"),
        tmp_path / "state",
        context,
    )
    assert trained.progress.step < 40
    assert "no progress" in context.warnings[0]
