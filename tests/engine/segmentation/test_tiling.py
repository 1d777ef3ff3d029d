from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window
from support.segmentation import (
    SMALL,
    TINY,
    noise,
    picture,
    predicted,
    random_weights,
    shallow_weights,
)

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.segmentation import (
    onnx_runner,
    tiling,
)


@pytest.mark.parametrize("length", [1, 31, 256, 257, 300, 512, 700, 1111])
@pytest.mark.parametrize("cut", [SMALL, tiling.Tiling()])
def test_the_weights_of_tiles_add_up_to_one_at_every_pixel(length, cut):
    starts = cut.starts(length)
    total = np.zeros(length + cut.side)
    for start in starts:
        ramp = cut.ramp(first=start == 0, last=start == starts[-1])
        side = cut.length(start, length)
        assert side % tiling.STEP == 0
        total[start : start + side] += ramp[:side]
    np.testing.assert_allclose(total[:length], 1.0, atol=1e-6)
    assert all(start % tiling.STEP == 0 for start in starts)


def test_tiled_equals_whole_for_any_side_and_any_threads(tmp_path):
    path = picture(tmp_path / "a.tif", noise(530, 610))
    shallow, state = TINY, shallow_weights()
    runner = onnx_runner.OnnxRunner(state, shallow, uncertain=True)
    whole, known = predicted(path, runner, tiling.Tiling(side=1024))
    assert known.all()
    assert whole.shape == (onnx_runner.BANDS, 530, 610)
    for cut, threads in (
        (SMALL, 1),
        (SMALL, 2),
        (tiling.Tiling(side=320, overlap=160, blind=32), 2),
    ):
        parts, _ = predicted(path, runner, cut, threads)
        assert np.abs(parts - whole).max() < 1e-5


def test_the_default_blind_margin_covers_the_receptive_field(tmp_path):
    path = picture(tmp_path / "a.tif", noise(1400, 96))
    runner = onnx_runner.OnnxRunner(random_weights(TINY), TINY)
    whole, _ = predicted(path, runner, tiling.Tiling(side=2048))
    parts, _ = predicted(path, runner, tiling.Tiling())
    assert np.abs(parts - whole).max() < 1e-5
    less, _ = predicted(path, runner, tiling.Tiling(blind=tiling.BLIND_PX - 64))
    assert np.abs(less - whole).max() > 1e-4


def test_a_pass_drops_the_same_channels_in_all_tiles(tmp_path):
    path = picture(tmp_path / "a.tif", np.full((3, 600, 600), 130, np.uint8))
    runner = onnx_runner.OnnxRunner(shallow_weights(), TINY, uncertain=True, passes=5, seed=3)
    found, _ = predicted(path, runner, SMALL, threads=2)
    # Uniform ground has a uniform prediction: there are no seams.
    places = [found[:, at : at + 32, at : at + 32] for at in (224, 256, 288, 320)]
    for place in places[1:]:
        np.testing.assert_allclose(place, places[0], atol=1e-4)


@pytest.mark.parametrize("cut", [{"side": 500}, {"overlap": 192}, {"side": 256}])
def test_tilings_that_do_not_fit_are_refused(cut):
    with pytest.raises(ParameterError, match="cannot overlap by"):
        tiling.Tiling(**cut)


def test_an_image_whose_row_of_tiles_does_not_fit_in_memory_is_refused():
    wide = Window(0, 0, 300_000, 700)
    context = Context(memory_limit_bytes=2**30)
    with pytest.raises(
        InputError, match=r"300000 pixels wide: .* takes 7\.\d GiB, .*of 1 GiB"
    ) as caught:
        tiling.run(None, wide, None, None, context, tiling.Tiling())
    assert "Raise the memory limit to 8 GiB" in caught.value.remedy
