"""Networks: what their cards say of held-out ground, and evaluations on the user's own data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine.validation.checks import Check, Outcome, not_run

if TYPE_CHECKING:
    from collections.abc import Mapping

CRATERS = "crater-detection"
CRATERS_CLAIM = "Detected craters are craters, and catalogued craters are detected."
ROCKS = "rock-segmentation"
ROCKS_CLAIM = "What is predicted as rock is rock, and as often as the network is sure."
_TRUSTED_ECE = 0.05


def craters_of_card(card: Mapping[str, Any], file: str) -> Check:
    """Return what the card of a crater network says of real ground that was held back."""
    name = f"{CRATERS}-card"
    held = (card.get("metrics_on_real_ground") or {}).get("test")
    if not held:
        return not_run(
            name,
            CRATERS_CLAIM,
            f"{file} was never tested on real ground: train-craters --test-sector.",
        )
    source = (card.get("source") or {}).get("inputs") or []
    names = " with ".join(str(each["name"]) for each in source)
    return Check(
        name=name,
        claim=CRATERS_CLAIM,
        outcome=Outcome.MEASURED,
        finding=f"On the sector of {names} that was held back, {held['craters']} craters: recall "
        f"{held['recall']:.2f}, precision at least {held['precision']:.2f} by circle IoU, "
        f"calibration error {held['calibration_error']:.3f}.",
        null="A catalogue that lists all craters would make the precision exact",
        figures=dict(held),
        files=(file,),
    )


def rocks_of_card(card: Mapping[str, Any], file: str) -> Check:
    """Return what the card of a surface network says of held-out images."""
    name = f"{ROCKS}-card"
    held = card.get("held_out") or {}
    kinds = [kind for kind in ("renders", "photographs") if held.get(kind)]
    if not kinds:
        return not_run(name, ROCKS_CLAIM, f"{file} has no figures of held-out images.")
    of = f", {held['network']} alone" if "network" in held else ""
    parts = [
        f"{held[kind]['images']} {kind}{of}: {100 * held[kind]['precision_of_rocks']:.0f} % of "
        f"what is predicted as rock is rock, at {100 * held[kind]['confidence_of_rocks']:.0f} % "
        "confidence"
        for kind in kinds
    ]
    trusted = all(held[kind]["ece_predicted_rocks"] <= _TRUSTED_ECE for kind in kinds)
    return Check(
        name=name,
        claim=ROCKS_CLAIM,
        outcome=Outcome.HOLDS if trusted else Outcome.FAILS,
        finding="; ".join(parts) + ".",
        null=f"Confidence within {100 * _TRUSTED_ECE:g} points of the truth",
        figures={kind: dict(held[kind]) for kind in kinds},
        files=(file,),
    )


def craters_evaluated(report: Mapping[str, Any], files: tuple[str, ...]) -> Check:
    """Return an evaluation of detections against a catalogue, ``evaluate-craters``."""
    gates = report["gates"]
    iou = gates["iou"]
    random = iou["random_circles"]["recall"]["mean"]
    recall, precision = (_text(iou[name]["value"], 2) for name in ("recall", "precision"))
    return Check(
        name=CRATERS,
        claim=CRATERS_CLAIM,
        outcome=Outcome.HOLDS if _above(iou["recall"], random) else Outcome.NO_SKILL,
        finding=f"Of {report['catalogued']} catalogued craters of "
        f"{report['min_diameter_m']:,.0f} m and more, a share of {recall} is detected by "
        f"circle IoU (random circles {_text(random, 2)}), precision at least {precision}.",
        null="Random circles of the same diameters",
        figures={
            criterion: {key: gate[key] for key in ("recall", "precision", "f1")}
            for criterion, gate in gates.items()
        },
        files=files,
    )


def rocks_evaluated(evaluated: Mapping[str, Any], files: tuple[str, ...]) -> Check:
    """Return an evaluation of a segmentation network on images with masks."""
    calibration = evaluated["calibration"]
    error = calibration["ece_called_rocks"]
    rock = evaluated["any_rock"]
    if error is None:
        outcome = Outcome.MEASURED  # nothing is predicted as rock: neither right nor wrong
    else:
        outcome = Outcome.HOLDS if error <= _TRUSTED_ECE else Outcome.FAILS
    return Check(
        name=ROCKS,
        claim=ROCKS_CLAIM,
        outcome=outcome,
        finding=f"On {evaluated['images']} images: mIoU {_text(evaluated['miou'])}, any rock "
        f"{_text(rock)}; calibration error of what is predicted as rock {_text(error)}.",
        null=f"Confidence within {100 * _TRUSTED_ECE:g} points of the truth",
        figures={
            "miou": evaluated["miou"],
            "any_rock": rock,
            "iou": evaluated["iou"],
            "ece": calibration["ece"],
            "ece_predicted_rocks": error,
        },
        files=files,
    )


def _above(recall: Mapping[str, Any], random: float | None) -> bool:
    """Return whether the lower end of an interval of the recall exceeds that of random circles."""
    low = recall.get("low")
    return low is not None and random is not None and float(low) > random


def _text(value: float | None, digits: int = 3) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
