"""Evaluation and calibration of a network on images with masks, without torch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from support.segmentation import TINY, saved

from lunarsite.engine import moon, provenance, stages
from lunarsite.engine.context import Context
from lunarsite.engine.craters.model import weights as crater_weights
from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import classes, evaluation, paired_images
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.stages import calibrate, evaluate_segmentation
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.uncertainty.calibration import Temperatures

SIZE = (48, 64)


@pytest.fixture
def checkpoint(tmp_path):
    """Return a network of random weights that predicts all classes."""
    architecture = Architecture(widths=(6, 6, 8, 8, 8, 8), dropout=0.2)
    rng = np.random.default_rng(0)
    state = {
        name: rng.standard_normal(shape).astype(np.float32) * np.float32(0.3)
        for name, shape in architecture.shapes().items()
    }
    state = {name: abs(v) + 0.5 if name.endswith("var") else v for name, v in state.items()}
    state["head.weight"] *= 4.0
    path = tmp_path / "net.safetensors"
    card = {"architecture": architecture.as_dict(), "classes": list(classes.NAMES)}
    checkpoint_files.save(path, state, card)
    return path


def written(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    stack = values if values.ndim == 3 else values[None]
    sides = {"count": len(stack), "height": stack.shape[1], "width": stack.shape[2]}
    place = {"crs": moon.SOUTH_POLAR, "transform": Affine(1.0, 0.0, 9.0, 0.0, -1.0, 9.0)}
    with rasterio.open(path, "w", driver="GTiff", dtype="uint8", **sides, **place) as file:
        file.write(stack)


def seen(folder, images, masks, held=4):
    """Write images of noise and masks with a number of classes; return the stage parameters."""
    rng = np.random.default_rng(3)
    for name in images:
        written(folder / "seen" / f"{name}.tif", rng.integers(0, 256, (3, *SIZE)).astype(np.uint8))
    for name in masks:
        mask = rng.integers(0, held, SIZE) if held else np.full(SIZE, classes.NODATA)
        written(folder / "true" / f"{name}.tif", mask.astype(np.uint8))
    return {"images": str(folder / "seen" / "*.tif"), "masks": str(folder / "true" / "*.tif")}


def numbered(folder, count=4, held=4):
    names = [f"scene{number}" for number in range(count)]
    return seen(folder, names, names, held)


def evaluated(given, checkpoint, context=None, **more):
    given = {**given, "checkpoint": [str(checkpoint)], **more}
    return evaluate_segmentation.STAGE.run(given, context or Context(threads=1))


def paired(folder, images, masks):
    given = seen(folder, images, masks)
    found = paired_images.pairs_of(given["images"], given["masks"])
    return [(pair.image.stem, pair.mask.stem) for pair in found]


def test_masks_without_any_class_are_refused(tmp_path, checkpoint):
    given = numbered(tmp_path, held=0)
    with pytest.raises(InputError, match=r"masks of 4 images hold no class .*255.*Give masks"):
        evaluated(given, checkpoint)
    with pytest.raises(InputError, match="masks label only 0 pixels"):
        calibrate.STAGE.run(
            {**given, "checkpoint": str(checkpoint), "out": str(tmp_path / "w.safetensors")},
            Context(threads=1),
        )
    alone = numbered(tmp_path / "alone", 1, held=0)
    with pytest.raises(InputError, match="The mask holds no class"):
        evaluated(alone, checkpoint)


@pytest.mark.parametrize(
    ("how", "disagrees"),
    [
        ({"uncertainty": "none"}, False),
        ({"uncertainty": "none", "test_time": "flip"}, True),
        ({"uncertainty": "mc-dropout"}, True),
    ],
)
def test_a_single_pass_reports_no_mutual_information(tmp_path, checkpoint, how, disagrees):
    given = numbered(tmp_path)
    written(tmp_path / "other" / "black.tif", np.zeros((3, *SIZE), np.uint8))
    result = evaluated(given, checkpoint, outside=str(tmp_path / "other" / "*.tif"), **how)
    assert ("mutual_information" in result["out_of_distribution"]) == disagrees
    (line,) = [line for line in result["summary"] if "AUROC" in line]
    which = "mutual_information" if disagrees else "entropy"
    area = result["out_of_distribution"][which]["auroc"]
    named = "Mutual information" if disagrees else "Entropy"
    assert line == f"{named} separates 1 out-of-distribution image with an AUROC of {area:.3f}"


def test_the_summary_has_the_calibration_of_pixels_predicted_as_rock(tmp_path, checkpoint):
    result = evaluated(numbered(tmp_path), checkpoint)
    of_all, of_rocks = (result["calibration"][name] for name in ("ece", "ece_called_rocks"))
    assert of_all != of_rocks
    wanted = f"Calibration error {of_all:.4f}, of pixels predicted as rock {of_rocks:.4f}"
    assert wanted in result["summary"]


def test_the_figures_carry_the_checksums_of_all_inputs(tmp_path, checkpoint):
    given = numbered(tmp_path, 2)
    written(tmp_path / "other" / "black.tif", np.zeros((3, *SIZE), np.uint8))
    out = tmp_path / "figures.json"
    evaluated(given, checkpoint, out=str(out), outside=str(tmp_path / "other" / "*.tif"))
    inputs = json.loads(out.read_text())["provenance"]["inputs"]
    files = [checkpoint]
    for number in range(2):
        files += [tmp_path / folder / f"scene{number}.tif" for folder in ("seen", "true")]
    files.append(tmp_path / "other" / "black.tif")
    assert inputs == [{"name": f.name, "sha256": provenance.sha256(f)} for f in files]


def calibrated(folder, checkpoint):
    context = Context(threads=1)
    given = {**numbered(folder, 8), "checkpoint": str(checkpoint)}
    result = calibrate.STAGE.run(given | {"out": str(folder / "warm.safetensors")}, context)
    return result, context.warnings


def test_temperatures_that_worsen_the_calibration_are_warned_of(tmp_path, checkpoint, monkeypatch):
    result, warnings = calibrated(tmp_path, checkpoint)
    assert result["ece_after"] < result["ece_before"]
    assert not any("calibration error grew" in warning for warning in warnings)
    monkeypatch.setattr(evaluation, "fit_temperatures", lambda *_: Temperatures(0.3, 0.3))
    result, warnings = calibrated(tmp_path, checkpoint)
    assert result["ece_after"] > result["ece_before"]
    grew = f"of all pixels from {result['ece_before']:.4f} to {result['ece_after']:.4f}"
    assert any(grew in warning and "give more images" in warning for warning in warnings)


def marked(folder, values):
    """Write images of noise, and masks of the given values."""
    given = numbered(folder, 8)
    rng = np.random.default_rng(4)
    for number in range(8):
        chosen = rng.choice(values, SIZE)
        written(folder / "true" / f"scene{number}.tif", chosen.astype(np.uint8))
    return given


def test_masks_that_mark_rocks_by_255_are_not_taken_for_ground_alone(tmp_path, checkpoint):
    given = marked(tmp_path, [0, 255])
    context = Context(threads=1)
    evaluated(given, checkpoint, context)
    assert any("255 is nodata" in each and "write 1" in each for each in context.warnings)
    out = tmp_path / "warm.safetensors"
    calibrating = {**given, "checkpoint": str(checkpoint), "out": str(out)}
    with pytest.raises(InputError, match=r"no rock is labelled.*write 1 \(small\) or 2"):
        calibrate.STAGE.run(calibrating, Context(threads=1))
    assert not out.exists()
    more = {name: given[name] for name in ("images", "masks")}
    for number in range(8, 24):
        values = np.zeros((3, *SIZE), np.uint8)
        written(tmp_path / "seen" / f"scene{number}.tif", values)
        written(tmp_path / "true" / f"scene{number}.tif", 255 * (values[0] + 1))
    with pytest.raises(InputError, match="no rock is labelled"):
        paired_images.read(*more.values(), Context())
    context = Context(threads=1)
    evaluated(marked(tmp_path / "both", [0, 1, 255]), checkpoint, context)
    assert not any("255" in each for each in context.warnings)


def test_without_rocks_their_temperature_is_kept(tmp_path):
    context = Context(threads=1)
    warm = {"temperature": 1.0, "temperature_of_rocks": 2.0}
    net = saved(tmp_path / "warm.safetensors", TINY, calibration=warm)
    given = {**marked(tmp_path, [0, 3]), "checkpoint": str(net)}
    # Rocks in the images of the evaluation alone are none to fit to.
    rng = np.random.default_rng(4)
    for number in range(1, 8, 2):
        written(tmp_path / "true" / f"scene{number}.tif", rng.integers(0, 4, SIZE).astype(np.uint8))
    result = calibrate.STAGE.run(given | {"out": str(tmp_path / "w.safetensors")}, context)
    assert result["temperature_of_rocks"] == 2.0 != result["temperature"]
    assert any("stays 2" in each for each in context.warnings)


@pytest.mark.parametrize("value", [0, 1, 3])
def test_a_single_class_calibrates_nothing(tmp_path, checkpoint, value):
    given = {**marked(tmp_path, [value]), "checkpoint": str(checkpoint)}
    with pytest.raises(InputError, match=f"label {classes.NAMES[value]} alone"):
        calibrate.STAGE.run(given | {"out": str(tmp_path / "w.safetensors")}, Context(threads=1))


def test_a_handful_of_pixels_calibrates_nothing(tmp_path, checkpoint):
    given = numbered(tmp_path, 4)
    for number in range(4):
        written(tmp_path / "seen" / f"scene{number}.tif", np.zeros((3, 5, 5), np.uint8))
        written(tmp_path / "true" / f"scene{number}.tif", np.ones((5, 5), np.uint8))
    out = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match="label only 50 pixels"):
        calibrate.STAGE.run(
            {**given, "checkpoint": str(checkpoint), "out": str(out)}, Context(threads=1)
        )
    assert not out.exists()


def test_a_sky_is_no_image_from_orbit(tmp_path):
    given = numbered(tmp_path, 8)
    out = str(tmp_path / "warm.safetensors")
    for view in ("orbital", "surface"):
        net = str(saved(tmp_path / f"{view}.safetensors", TINY, recipe={"view": view}))
        contexts = Context(threads=1), Context(threads=1)
        evaluated(given, net, contexts[0])
        calibrate.STAGE.run({**given, "checkpoint": net, "out": out}, contexts[1])
        for context in contexts:
            about = any("The masks hold sky" in each for each in context.warnings)
            assert about == (view == "orbital")


def test_the_same_images_inside_and_outside_are_warned_of(tmp_path, checkpoint):
    given = numbered(tmp_path)
    context = Context(threads=1)
    evaluated(given, checkpoint, context, outside=given["images"])
    assert any("4 images of --outside are evaluated as well" in w for w in context.warnings)


@pytest.mark.parametrize(
    "run",
    [
        lambda given: evaluate_segmentation.STAGE.run(
            {**given, "checkpoint": ["craters"]}, Context()
        ),
        lambda given: calibrate.STAGE.run(
            {**given, "checkpoint": "craters", "out": "w.safetensors"}, Context()
        ),
    ],
)
def test_a_crater_network_is_named_as_such(tmp_path, run):
    with pytest.raises(InputError, match=r"craters\.safetensors is a network for craters; one for"):
        run(numbered(tmp_path))
    with pytest.raises(InputError, match=r"is a network for rocks; one for craters is needed"):
        crater_weights.load("segmenter-orbital")


def test_a_single_image_and_mask_are_a_pair_whatever_their_names(tmp_path):
    assert paired(tmp_path, ["photo12"], ["truth3"]) == [("photo12", "truth3")]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["apollo", "boulder"], ["aa_boulder", "bb_apollo"]),
        (["aa-boulder image", "bb-apollo image"], ["apollo_mask", "boulder_mask"]),
        (["north_a", "north_b", "south_a"], ["a_north", "a_south", "b_north"]),
    ],
)
def test_names_that_contradict_the_order_are_refused(tmp_path, images, masks):
    with pytest.raises(InputError, match=r"would be paired with .*Name the files so"):
        paired(tmp_path, images, masks)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["apollo_image", "boulder_image"], ["Apollo-mask", "Boulder-mask"]),
        (["clean0001", "clean0002"], ["render1", "render2"]),
        (["apollo", "boulder"], ["one", "two"]),
        (["crater_left", "crater_right"], ["left", "right"]),
    ],
)
def test_consistent_or_uninformative_names_are_paired_in_order(tmp_path, images, masks):
    assert paired(tmp_path, images, masks) == list(zip(images, masks, strict=True))


def test_counts_of_one_are_singular(tmp_path, checkpoint):
    given = numbered(tmp_path, 1)
    assert evaluated(given, checkpoint)["summary"][0].endswith("in the masks of 1 image")
    with pytest.raises(InputError, match="Only 1 image: too few"):
        calibrate.STAGE.run(
            {**given, "checkpoint": str(checkpoint), "out": str(tmp_path / "w.safetensors")},
            Context(threads=1),
        )
    with pytest.raises(InputError, match=r"1 image and 2 masks match"):
        paired(tmp_path / "seen", ["a"], ["a", "b"])


def test_help_of_glob_patterns_says_to_quote_them():
    patterns = [
        parameter
        for stage in stages.load_all()
        for parameter in stage.parameters
        if parameter.help.startswith("Glob pattern")
    ]
    assert len(patterns) == 9
    assert all("quoted on the command line" in parameter.help for parameter in patterns)
