from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import inputs, pyramid, recipe, tiles
from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.engine.raster import Grid
from lunarsite.engine.scratch import Scratch

torch = pytest.importorskip("torch", reason="networks need the ml group")

from lunarsite.engine.craters import calibration, detect, network, training, weights  # noqa: E402
from lunarsite.engine.device import choose  # noqa: E402

TINY = recipe.Recipe(
    name="tiny",
    widths=(8, 8, 8, 8, 8),
    tiles=4,
    tile_px=64,
    crop_px=64,
    validation_tiles=2,
    steps=4,
    batch=2,
    validate_every=2,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    fresh = network.build(network.Architecture(widths=TINY.widths))
    # Without training all heat is low: lift it, so that there are peaks to compare.
    torch.nn.init.constant_(fresh.centers.bias, -1.0)
    torch.nn.init.normal_(fresh.shapes.weight, std=0.2)
    return detect.ready(fresh, "cpu")


@pytest.fixture
def levels(tmp_path):
    made = tiles.make(5, 500)
    grid = Grid(1000.0, 9000.0, made.pixel_m, 500, 470)
    return pyramid.of(grid, made.height_m[:470].copy(), Scratch(tmp_path, 10**9))


def test_the_network_answers_at_half_the_resolution(model):
    out = model(torch.zeros(2, len(inputs.CHANNELS), 64, 96))
    assert out.shape == (2, network.HEADS, 32, 48)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(InputError, match="no crater network 'other'"):
        network.build(network.Architecture("other"))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_circle(model, levels, threads):
    found = detect.find(levels, detect.Runner(model, "cpu"), Context(threads=threads))
    one = detect.find(levels, detect.Runner(model, "cpu"), Context(threads=2))
    assert found.x.size > 20
    for name in ("x", "y", "radius", "best", "total", "scales"):
        np.testing.assert_array_equal(getattr(found, name), getattr(one, name))


def test_circles_lie_in_the_frame_and_none_where_nothing_is_known(model, levels):
    found = detect.find(levels, detect.Runner(model, "cpu"), Context(threads=2))
    west, south, east, north = levels[0].grid.bounds
    assert ((found.x >= west) & (found.x <= east)).all()
    assert ((found.y >= south) & (found.y <= north)).all()
    for level in levels:
        level.height_m[:] = np.nan
    empty = detect.find(levels, detect.Runner(model, "cpu"), Context(threads=2))
    assert empty.x.size == 0


def test_rims_are_given_for_every_core_as_far_as_the_level_goes(model, levels):
    seen = {}

    def keep(level, block, chance):
        seen[level.number, block.row, block.column] = chance

    detect.find(levels, detect.Runner(model, "cpu"), Context(threads=2), keep)
    assert seen[0, 0, 0].shape == (192, 192)
    assert seen[0, 384, 384].shape == (43, 58)
    assert seen[1, 0, 0].shape == (118, 125)
    assert all(((part > 0.0) & (part < 1.0)).all() for part in seen.values())


def test_a_cancelled_search_stops(model, levels):
    context = Context(threads=1)
    context.cancelled.set()
    with pytest.raises(CancelledError):
        detect.find(levels, detect.Runner(model, "cpu"), context)


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
    assert history[-1]["validation"] < 0.7 * history[0]["validation"]
    assert trained.progress.best == min(entry["validation"] for entry in history)


def test_the_original_network_trains_on_the_same_tiles(tmp_path):
    pytest.importorskip("segmentation_models_pytorch", reason="of the ml group")
    own = recipe.read("rims-resnet34")
    assert own.tiles == recipe.read("heat-maps").tiles
    assert own.steps == recipe.read("heat-maps").steps
    small = replace(TINY, architecture=own.architecture, widths=own.widths, steps=2)
    trained = training.train(small, 1, choose("cpu"), tmp_path / "state", Context(threads=1))
    assert np.isfinite(trained.progress.best)
    model = network.build(network.Architecture(own.architecture, own.widths))
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


@pytest.fixture
def checkpoint(model, tmp_path):
    path = tmp_path / "net.safetensors"
    card = {"architecture": network.Architecture(widths=TINY.widths).as_dict(), "seed": 1}
    weights.save(path, model.state_dict(), card)
    return path


def test_a_checkpoint_gives_the_network_back_in_16_bits(model, checkpoint):
    loaded = weights.load(checkpoint)
    assert loaded.card["seed"] == 1
    for name, value in model.state_dict().items():
        kept = value.half().float() if value.is_floating_point() else value
        torch.testing.assert_close(loaded.network.state_dict()[name], kept, rtol=0, atol=0)
    assert not loaded.network.training


def test_the_same_weights_are_the_same_bytes(model, checkpoint, tmp_path):
    again = tmp_path / "again.safetensors"
    weights.save(again, model.state_dict(), weights.read_card(checkpoint))
    assert again.read_bytes() == checkpoint.read_bytes()


def test_a_changed_checkpoint_is_refused(checkpoint):
    whole = checkpoint.read_bytes()
    for changed in (whole[:-100], whole[:-1] + bytes([whole[-1] ^ 1])):
        checkpoint.write_bytes(changed)
        with pytest.raises(InputError, match="checksum differs"):
            weights.load(checkpoint)
    checkpoint.unlink()
    with pytest.raises(InputError, match="no file"):
        weights.load(checkpoint)


def test_a_card_or_a_list_that_is_absent_is_asked_for(checkpoint):
    checkpoint.with_suffix(".sha256").unlink()
    with pytest.raises(InputError, match="no list of checksums"):
        weights.load(checkpoint)
    checkpoint.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not JSON"):
        weights.load(checkpoint)


def test_a_checkpoint_of_another_architecture_is_refused(model, checkpoint):
    for card, words in (
        ({"architecture": {"name": "heat-maps", "widths": [4] * 5}}, "another architecture"),
        ({"architecture": {"name": "unheard-of", "widths": [4] * 5}}, "no crater network"),
        ({}, "does not say what network"),
    ):
        weights.save(checkpoint, model.state_dict(), card)
        with pytest.raises(InputError, match=words):
            weights.load(checkpoint)


def judged(chances, outcomes, wanted):
    logit = np.log(chances / (1.0 - chances))
    nothing = np.zeros_like(logit)
    features = np.column_stack([nothing + 1.0, 2.0 * logit + 1.0, nothing, nothing])
    return calibration.Judged(features, logit, outcomes, np.full(logit.size, 9.0), wanted)


def test_calibration_finds_the_probability_behind_an_overconfident_score():
    rng = np.random.default_rng(0)
    chances = rng.uniform(0.02, 0.98, 20_000)
    outcomes = (rng.random(chances.size) < chances).astype(np.int64)
    fitted = calibration.fit(judged(chances, outcomes, 12_000))
    assert fitted.best == pytest.approx(0.5, abs=0.03)
    assert fitted.constant == pytest.approx(-0.5, abs=0.06)
    reached = calibration.measure(judged(chances, outcomes, 12_000), fitted)
    assert reached["calibration_error"] < 0.02
    f1 = []
    for threshold in np.linspace(0.05, 0.95, 19):
        taken = chances >= threshold
        f1.append(2.0 * outcomes[taken].sum() / (taken.sum() + 12_000))
    assert reached["f1"] >= max(f1) - 0.01


def test_a_network_that_finds_nothing_can_be_calibrated():
    nothing = judged(np.empty(0), np.empty(0, np.int64), 10)
    fitted = calibration.fit(nothing)
    assert np.isfinite(fitted.weights()).all()
    assert calibration.measure(nothing, fitted)["f1"] == 0.0


def test_doubtful_and_small_craters_count_neither_way():
    circles = np.array(
        [[100.0, 100.0, 10.0, 1.0], [200.0, 200.0, 10.0, 0.0], [300.0, 300.0, 4.2, 1.0]]
    )
    x = np.array([101.0, 200.0, 300.0, 400.0, 500.0, 102.0])
    radius = np.array([10.5, 10.0, 4.2, 12.0, 4.5, 11.0])
    outcome, wanted = calibration._outcomes(x, x.copy(), radius, circles)
    assert wanted == 1
    assert list(outcome) == [1, -1, -1, 0, -1, 0]
