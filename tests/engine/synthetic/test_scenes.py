"""Generated scenes: determinism, agreement of images and masks, and the laws of their parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lunarsite.engine.synthetic.scenes import (
    _roughness_kernels,
    _scene_kernels,
    _shadow_kernels,
    camera,
    distractors,
    light,
    masks,
    orbital,
    surface,
)
from lunarsite.engine.synthetic.scenes.ground import SIDE_PX, Ground, generate_ground
from lunarsite.engine.synthetic.scenes.rocks import (
    RockField,
    _add_foreground,
    place_rocks,
    scatter_rocks,
)

FLAT = Ground(np.zeros((2, 64, 64), np.float32), (0.5, 5.0))
PIXELS = np.array(FLAT.pixel_m)


@pytest.mark.parametrize("scenes", [surface, orbital])
def test_scenes_are_determined_by_their_seed(scenes):
    first, again, other = scenes.make(12), scenes.make(12), scenes.make(13)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, other.image)
    assert first.image.dtype == first.mask.dtype == np.uint8
    assert first.image.shape == (*first.mask.shape, 3)


EXPECTED = {
    surface: (6, (134.88, 1.251, 6.692, 8.246, 0.174)),
    orbital: (2, (121.155, 0.077, 0.035, 0.0, 0.053)),
}
"""Version, and of 11 scenes the mean grey level and the class fractions of the masks, percent."""


@pytest.mark.parametrize("scenes", [surface, orbital])
def test_scenes_change_only_with_their_version(scenes):
    """Cards of networks name the version of their training scenes."""
    # In the last of these, rocks lie in the shadow of a hill.
    generated = [scenes.make(seed) for seed in (*range(10), 401)]
    labels = np.stack([scene.mask for scene in generated])
    classes = (masks.SMALL, masks.LARGE, masks.SKY, masks.IGNORE)
    grey = float(np.mean([scene.image for scene in generated]))
    found = (grey, *(100.0 * float((labels == label).mean()) for label in classes))
    version, expected = EXPECTED[scenes]
    assert version == scenes.VERSION
    assert found == pytest.approx(expected, abs=2e-3)


def test_patches_brighten_some_of_the_ground_and_tracks_only_what_lies_below_the_wheels():
    rng = np.random.default_rng(2)
    point = np.column_stack([*rng.uniform(-12.0, 12.0, (2, 40_000)), np.zeros(40_000)])
    point = point.astype(np.float32)
    shares = []
    for seed in range(12):
        factor = distractors.patches(np.random.default_rng(seed), point, 1.0)
        assert factor.min() >= 1.0
        assert factor.max() <= 2.4
        shares.append(float((factor > 1.1).mean()))
    assert 0.05 < np.mean(shares) < 0.95
    for seed in range(12):
        tilt, factor = distractors.wheel_tracks(
            np.random.default_rng(seed), point, np.full(len(point), 0.01), np.zeros(3), 0.7, 1.0
        )
        touched = np.abs(tilt).max(axis=1) > 0.02
        # Two wheels of at most 0.4 m, and what they throw up, on 24 m of ground.
        assert 0.0 < touched.mean() < 0.16
        assert 0.6 <= factor.min() <= factor.max() <= 1.05
        assert (factor != 1.0).mean() < 0.12
        assert np.abs(tilt[:, 2]).max() == 0.0
    far, _ = distractors.wheel_tracks(
        np.random.default_rng(0), point, np.full(len(point), 9.0), np.zeros(3), 0.7, 1.0
    )
    near, _ = distractors.wheel_tracks(
        np.random.default_rng(0), point, np.full(len(point), 0.01), np.zeros(3), 0.7, 1.0
    )
    # Lugs finer than a pixel are not seen.
    assert np.abs(far).mean() < 0.8 * np.abs(near).mean()


def test_scenes_do_not_depend_on_the_previous_one():
    after_neighbour = [surface.make(seed).mask for seed in (8, 9)][1]
    assert np.array_equal(surface.make(41).mask, surface.make(41).mask)
    assert np.array_equal(surface.make(9).mask, after_neighbour)


def test_masks_hold_only_classes_and_only_surface_masks_hold_sky():
    on_surface = np.unique(np.concatenate([surface.make(seed).mask.ravel() for seed in range(12)]))
    assert set(on_surface) == {
        masks.GROUND,
        masks.SMALL,
        masks.LARGE,
        masks.SKY,
        masks.IGNORE,
    }
    from_orbit = np.unique(np.concatenate([orbital.make(seed).mask.ravel() for seed in range(8)]))
    assert masks.SKY not in from_orbit
    assert {masks.GROUND, masks.SMALL, masks.LARGE} <= set(from_orbit)


def test_the_sky_is_dark_and_above_the_ground():
    for seed in range(12):
        scene = surface.make(seed)
        sky = scene.mask == masks.SKY
        if sky.mean() < 0.05:
            continue
        grey = scene.image.mean(axis=2)
        assert np.median(grey[sky]) < np.median(grey[~sky])
        rows = np.arange(sky.shape[0])[:, None] * np.ones(sky.shape[1])
        assert rows[sky].mean() < rows[~sky].mean()


def test_rays_hit_flat_ground_at_the_geometric_distance():
    rays = camera.rays(40, 60, 40.0, azimuth_deg=30.0, pitch_deg=-25.0, roll_deg=0.0)
    eye = np.array([1.0, -2.0, 1.5])
    azimuth = np.radians(np.linspace(-20.0, 80.0, 400))
    distance = np.geomspace(0.3, 150.0, 800)
    slope, highest = _scene_kernels.profiles(FLAT.height_m, PIXELS, eye, azimuth, distance)
    depth = _scene_kernels.hit_ground(
        rays, float(azimuth[0]), float(azimuth[1] - azimuth[0]), slope, highest, distance
    )
    expected = -eye[2] / rays[..., 2]
    assert np.all(rays[..., 2] < 0.0)
    np.testing.assert_allclose(depth, expected, rtol=2e-3)


def test_the_shadow_of_a_step_has_the_length_of_its_height_over_the_solar_slope():
    levels = np.zeros((1, 64, 64), np.float32)
    levels[0, :, 50:] = 3.0
    slope = float(np.tan(np.radians(20.0)))
    line = _shadow_kernels.shadow_height(levels, np.array([0.5]), slope)
    dark = line[0, 30, :50] > levels[0, 30, :50]
    assert dark.sum() * 0.5 == pytest.approx(3.0 / slope, abs=0.5)
    assert dark[-1]
    assert not dark[0]


def rock_at(diameter_m, position):
    rng = np.random.default_rng(5)
    field = RockField(
        density_per_m2=0.0,
        exponent=2.0,
        diameter_range_m=(diameter_m, diameter_m * 1.0001),
        burial=(0.0, 0.0),
        roundness=1.0,
    )
    return place_rocks(rng, FLAT, field, np.array([position]))


def test_a_rock_has_its_size_in_the_image_and_casts_a_shadow():
    rock = rock_at(1.0, (10.0, 0.0))
    eye = np.array([0.0, 0.0, 0.5])
    rays = camera.rays(200, 200, 20.0, azimuth_deg=0.0, pitch_deg=0.0, roll_deg=0.0)
    depth = np.full((200, 200), np.inf, np.float32)
    part = np.full((200, 200), -1, np.int32)
    normal = np.zeros((200, 200, 3), np.float32)
    boxes = camera.boxes(rays, eye, rock.centre, rock.radius)
    _scene_kernels.hit_rocks(
        rays, eye, boxes, rock.centre, rock.axes, rock.faces, depth, part, normal
    )
    hit = part >= 0
    wide = np.ptp(np.flatnonzero(hit.any(axis=0))) / 200.0 * 2.0 * 10.0 * np.tan(np.radians(10.0))
    assert 0.6 < wide < 2.0
    assert depth[hit].min() > 10.0 - rock.radius.max()
    np.testing.assert_allclose(np.linalg.norm(normal[hit], axis=1), 1.0, rtol=1e-5)
    # Only faces turned towards the camera are visible.
    assert np.all((normal[hit] * rays[hit]).sum(axis=1) < 1e-6)
    sun = np.array([np.cos(0.3), 0.0, np.sin(0.3)])
    cells = np.array([0.5, 5.0])
    first, which = _shadow_kernels.shadow_bins(rock.centre, rock.radius, eye, sun, cells)
    points = np.array([[9.0, 0.0, -0.5], [11.0, 0.0, -0.5], [9.0, 3.0, -0.5]], np.float32)
    own = np.full(3, -1, np.int32)
    dark = _shadow_kernels.in_rock_shadow(
        points, own, eye, sun, cells, first, which, rock.centre, rock.radius, rock.axes, rock.faces
    )
    assert dark.tolist() == [True, False, False]


def test_noise_slopes_are_its_gradient_and_fade_with_the_footprint():
    rng = np.random.default_rng(8)
    step = 1e-4
    for x, y, z in rng.uniform(-5.0, 5.0, (20, 3)):
        _, *slopes = _roughness_kernels._noise(x, y, z, 4)
        ahead = [
            _roughness_kernels._noise(*(np.array([x, y, z]) + s), 4)[0] for s in np.eye(3) * step
        ]
        back = [
            _roughness_kernels._noise(*(np.array([x, y, z]) - s), 4)[0] for s in np.eye(3) * step
        ]
        np.testing.assert_allclose(slopes, np.subtract(ahead, back) / (2.0 * step), atol=1e-5)
    place = rng.uniform(0.0, 9.0, (4000, 3)).astype(np.float32)
    longest = np.full(4000, 0.5, np.float32)
    rough = [
        _roughness_kernels.roughen(place, longest, np.full(4000, f, np.float32), 0.8, 1)[0].std()
        for f in (0.002, 0.05, 0.3)
    ]
    assert rough[0] > rough[1] > rough[2] == 0.0


def test_foreground_rocks_have_their_distance_and_width():
    field = RockField(
        density_per_m2=0.0,
        exponent=2.0,
        diameter_range_m=(0.05, 2.0),
        burial=(0.0, 0.0),
        roundness=0.5,
        foreground=2,
    )
    eye = np.array([0.0, 0.0, 1.6])
    near = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rocks = scatter_rocks(rng, FLAT, field, eye, (0.0, 0.4), 1e-3)
        assert rocks.diameter_m.size in {1, 2}
        far = np.hypot(*rocks.centre[: rocks.diameter_m.size, :2].T)
        assert np.all((far > 2.3) & (far < 8.1))
        near.append(2.0 * np.arctan(0.5 * rocks.diameter_m / far))
    wide = np.concatenate(near)
    assert wide.min() > 0.05
    assert wide.max() > 0.25


def test_foreground_rocks_displace_overlapping_ones():
    rng = np.random.default_rng(0)
    field = RockField(
        density_per_m2=0.0,
        exponent=2.0,
        diameter_range_m=(0.05, 2.0),
        burial=(0.0, 0.0),
        roundness=0.5,
        foreground=1,
    )
    others = (np.full(4000, 0.3), rng.uniform(1.0, 12.0, 4000), rng.uniform(-0.5, 0.5, 4000))
    diameter, distance, azimuth = _add_foreground(rng, field, (0.0, 0.4), others)
    assert diameter.size < 4001
    x, y = distance * np.cos(azimuth), distance * np.sin(azimuth)
    apart = np.hypot(x[:-1] - x[-1], y[:-1] - y[-1])
    assert np.all(apart > 0.6 * (0.3 + diameter[-1]))


def test_slabs_are_flat_and_piles_have_more_pieces():
    place = np.random.default_rng(1).uniform(-8.0, 8.0, (400, 2))

    def laid(**more):
        field = RockField(
            density_per_m2=0.0,
            exponent=2.0,
            diameter_range_m=(0.9999, 1.0),
            burial=(0.0, 0.0),
            roundness=0.5,
            **more,
        )
        return place_rocks(np.random.default_rng(3), FLAT, field, place)

    def heights(rocks):
        return 1.0 / np.linalg.norm(rocks.axes, axis=2).max(axis=1)

    assert np.median(heights(laid(slab_share=1.0))) < 0.7 * np.median(heights(laid(slab_share=0.0)))
    pieces = [laid(pile_probability=share).rock.size for share in (0.0, 0.5, 1.0)]
    assert pieces[0] == 400
    assert pieces[0] < pieces[1] < pieces[2]


def test_cracks_darken_rocks_and_roughness_tilts_their_normals():
    rng = np.random.default_rng(6)
    rocks = rock_at(1.0, (0.0, 0.0))
    place = rng.uniform(-0.5, 0.5, (5000, 3)).astype(np.float32)
    own = np.zeros(5000, np.int32)
    own[:100] = -1
    facing = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (5000, 1))
    factor = light._roughen_rocks(rng, facing, place, own, np.full(5000, 1e-3, np.float32), rocks)
    assert factor.max() == 1.0
    assert 0.5 < factor.min() < 0.99
    assert np.all(factor[:100] == 1.0)
    assert np.array_equal(facing[:100], np.tile([0.0, 0.0, 1.0], (100, 1)))
    assert np.abs(facing[100:, :2]).mean() > 0.02


def test_rugged_terrain_casts_more_shadow():
    dark = []
    for rugged in (False, True):
        ground = generate_ground(np.random.default_rng(2), 0.1, rugged=rugged)
        shade = _shadow_kernels.shadow_height(
            ground.height_m, np.array(ground.pixel_m), np.tan(0.35)
        )
        dark.append(float((shade[0] > ground.height_m[0]).mean()))
    assert dark[1] > dark[0] + 0.05


def test_unlit_sides_of_rocks_may_be_black(monkeypatch):
    lights, parts = [], []
    for probability in (1e-12, 1.0):

        def lit(*args, probability=probability, **options):
            options["look"] = replace(options["look"], black_probability=probability, most_fill=0.0)
            lights.append(light.light(*args, **options))
            parts.append(args[5])
            return lights[-1]

        monkeypatch.setattr(surface, "light", lit)
        surface.make(230000012)
    darker = lights[1] < lights[0]
    assert darker[parts[0] >= 0].mean() > 0.9
    assert np.array_equal(lights[0][~darker], lights[1][~darker])
    assert not darker[parts[0] < 0].any()
    assert (lights[1][darker] == 0.0).mean() > 0.1


def test_rocks_in_the_dark_are_ignored():
    rocks = rock_at(1.0, (10.0, 0.0))
    part = np.full((40, 40), -1, np.int32)
    part[10:30, 10:30] = 0
    depth = np.ones((40, 40), np.float32)
    large = np.ones(1, np.bool_)
    image = np.zeros((20, 20, 3), np.uint8)
    for level, expected in (
        (masks.DARK, masks.IGNORE),
        (masks.DARK + 1, masks.LARGE),
    ):
        image[8, 8] = level
        lit = masks.brightest(rocks, part, image) > masks.DARK
        mask = masks.class_mask(rocks, part, depth, large, surface.MIN_AREA_PX, lit)
        assert mask[8, 8] == expected
        assert mask[0, 0] == masks.GROUND


@pytest.mark.parametrize(("background", "visible"), [(masks.SILHOUETTE[0], False), (90, True)])
def test_dark_rocks_are_visible_against_bright_ground(background, visible):
    rocks = rock_at(1.0, (10.0, 0.0))
    part = np.full((40, 40), -1, np.int32)
    part[10:30, 10:30] = 0
    image = np.zeros((20, 20, 3), np.uint8)
    # One bright side of four is too little of the outline.
    image[:5] = background
    assert masks.silhouettes(rocks, part, image).tolist() == [False]
    image[:, :5] = background
    assert masks.silhouettes(rocks, part, image).tolist() == [visible]


def test_parts_of_a_lander_are_labelled_as_ground():
    image = np.full((60, 90, 3), 100, np.uint8)
    mask = np.full((60, 90), masks.LARGE, np.uint8)
    changed, labels = camera.add_lander(np.random.default_rng(1), image, mask)
    other = (changed != image).any(axis=2)
    assert 0.01 < other.mean() < 0.9
    assert np.all(labels[other] == masks.GROUND)
    assert np.all(labels[~other & (labels != masks.GROUND)] == masks.LARGE)


def test_levels_of_the_terrain_join_without_a_seam():
    ground = generate_ground(np.random.default_rng(3), 0.5)
    pixels = np.array(ground.pixel_m)
    edge = 0.5 * (SIDE_PX - 1) * pixels[0]
    inside = _scene_kernels.sample(ground.height_m, pixels, edge - 0.02, 3.0)
    outside = _scene_kernels.sample(ground.height_m, pixels, edge + 0.02, 3.0)
    # A bilinear level joins a cubic one: they differ by less than the relief within a pixel.
    assert inside == pytest.approx(outside, abs=0.1 * pixels[1])
    assert np.isfinite(ground.height_m).all()
    rotated = ground.rotated(1, mirrored=True)
    assert rotated.height_m.shape == ground.height_m.shape
    assert np.isnan(_scene_kernels.sample(ground.height_m, pixels, 1e5, 0.0))
