"""Generated scenes: deterministic, and what their masks say is in their images."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.synthetic.scenes import _scene_kernels as scene_kernels
from lunarsite.engine.synthetic.scenes import (
    camera,
    light,
    masks,
    orbital,
    roughness,
    shadows,
    surface,
)
from lunarsite.engine.synthetic.scenes import ground as scene_ground
from lunarsite.engine.synthetic.scenes import rocks as scene_rocks
from lunarsite.engine.synthetic.scenes.ground import Ground

FLAT = Ground(np.zeros((2, 64, 64), np.float32), (0.5, 5.0))
PIXELS = np.array(FLAT.pixel_m)


@pytest.mark.parametrize("world", [surface, orbital])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(world):
    first, again, other = world.make(12), world.make(12), world.make(13)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, other.image)
    assert first.image.dtype == first.mask.dtype == np.uint8
    assert first.image.shape == (*first.mask.shape, 3)


SEEN = {
    surface: (5, (103.475, 2.23, 5.368, 21.839, 0.309)),
    orbital: (2, (121.155, 0.077, 0.035, 0.0, 0.053)),
}
"""Version of the worlds, and of 11 scenes the mean grey level and the shares of masks, percent."""


@pytest.mark.parametrize("world", [surface, orbital])
def test_scenes_of_a_version_stay_what_they_are(world):
    """Whoever changes scenes gives them another version: networks say what they learned from."""
    # In the last of these a hill's shadow hides rocks.
    made = [world.make(seed) for seed in (*range(10), 401)]
    kinds = np.stack([scene.mask for scene in made])
    named = (masks.SMALL, masks.LARGE, masks.SKY, masks.UNASKED)
    grey = float(np.mean([scene.image for scene in made]))
    found = (grey, *(100.0 * float((kinds == kind).mean()) for kind in named))
    version, expected = SEEN[world]
    assert version == world.VERSION
    assert found == pytest.approx(expected, abs=2e-3)


def test_a_scene_does_not_depend_on_the_one_before():
    after_its_neighbour = [surface.make(seed).mask for seed in (8, 9)][1]
    assert np.array_equal(surface.make(41).mask, surface.make(41).mask)
    assert np.array_equal(surface.make(9).mask, after_its_neighbour)


def test_masks_hold_the_classes_and_nothing_else_and_only_the_surface_has_a_sky():
    seen = np.unique(np.concatenate([surface.make(seed).mask.ravel() for seed in range(12)]))
    assert set(seen) == {
        masks.GROUND,
        masks.SMALL,
        masks.LARGE,
        masks.SKY,
        masks.UNASKED,
    }
    below = np.unique(np.concatenate([orbital.make(seed).mask.ravel() for seed in range(8)]))
    assert masks.SKY not in below
    assert {masks.GROUND, masks.SMALL, masks.LARGE} <= set(below)


def test_the_sky_is_dark_and_above_the_ground():
    for seed in range(12):
        made = surface.make(seed)
        sky = made.mask == masks.SKY
        if sky.mean() < 0.05:
            continue
        grey = made.image.mean(axis=2)
        assert np.median(grey[sky]) < np.median(grey[~sky])
        rows = np.arange(sky.shape[0])[:, None] * np.ones(sky.shape[1])
        assert rows[sky].mean() < rows[~sky].mean()


def test_flat_ground_is_met_where_geometry_says():
    rays = camera.rays(40, 60, 40.0, azimuth_deg=30.0, pitch_deg=-25.0, roll_deg=0.0)
    eye = np.array([1.0, -2.0, 1.5])
    azimuth = np.radians(np.linspace(-20.0, 80.0, 400))
    distance = np.geomspace(0.3, 150.0, 800)
    slope, highest = scene_kernels.profiles(FLAT.height_m, PIXELS, eye, azimuth, distance)
    depth = scene_kernels.hit_ground(
        rays, float(azimuth[0]), float(azimuth[1] - azimuth[0]), slope, highest, distance
    )
    expected = -eye[2] / rays[..., 2]
    assert np.all(rays[..., 2] < 0.0)
    np.testing.assert_allclose(depth, expected, rtol=2e-3)


def test_a_step_casts_a_shadow_as_long_as_the_sun_is_low():
    levels = np.zeros((1, 64, 64), np.float32)
    levels[0, :, 50:] = 3.0
    slope = float(np.tan(np.radians(20.0)))
    line = shadows.shadow(levels, np.array([0.5]), slope)
    dark = line[0, 30, :50] > levels[0, 30, :50]
    assert dark.sum() * 0.5 == pytest.approx(3.0 / slope, abs=0.5)
    assert dark[-1]
    assert not dark[0]


def lying(diameter_m, place):
    rng = np.random.default_rng(5)
    field = scene_rocks.Field(
        per_m2=0.0,
        exponent=2.0,
        sizes_m=(diameter_m, diameter_m * 1.0001),
        buried=(0.0, 0.0),
        roundness=1.0,
    )
    return scene_rocks.lay(rng, FLAT, field, np.array([place]))


def test_a_rock_is_seen_as_large_as_it_is_and_shades_the_ground_behind_it():
    rock = lying(1.0, (10.0, 0.0))
    eye = np.array([0.0, 0.0, 0.5])
    rays = camera.rays(200, 200, 20.0, azimuth_deg=0.0, pitch_deg=0.0, roll_deg=0.0)
    depth = np.full((200, 200), np.inf, np.float32)
    part = np.full((200, 200), -1, np.int32)
    normal = np.zeros((200, 200, 3), np.float32)
    boxes = camera.boxes(rays, eye, rock.place, rock.radius)
    scene_kernels.hit_rocks(
        rays, eye, boxes, rock.place, rock.axes, rock.faces, depth, part, normal
    )
    hit = part >= 0
    wide = np.ptp(np.flatnonzero(hit.any(axis=0))) / 200.0 * 2.0 * 10.0 * np.tan(np.radians(10.0))
    assert 0.6 < wide < 2.0
    assert depth[hit].min() > 10.0 - rock.radius.max()
    np.testing.assert_allclose(np.linalg.norm(normal[hit], axis=1), 1.0, rtol=1e-5)
    # The camera sees faces that look at it.
    assert np.all((normal[hit] * rays[hit]).sum(axis=1) < 1e-6)
    sun = np.array([np.cos(0.3), 0.0, np.sin(0.3)])
    cells = np.array([0.5, 5.0])
    first, which = shadows.shadow_bins(rock.place, rock.radius, eye, sun, cells)
    points = np.array([[9.0, 0.0, -0.5], [11.0, 0.0, -0.5], [9.0, 3.0, -0.5]], np.float32)
    own = np.full(3, -1, np.int32)
    dark = shadows.in_rock_shadow(
        points, own, eye, sun, cells, first, which, rock.place, rock.radius, rock.axes, rock.faces
    )
    assert dark.tolist() == [True, False, False]


def test_slopes_of_broken_faces_are_those_of_the_noise_and_fade_with_distance():
    rng = np.random.default_rng(8)
    step = 1e-4
    for x, y, z in rng.uniform(-5.0, 5.0, (20, 3)):
        _, *slopes = roughness._noise(x, y, z, 4)
        ahead = [roughness._noise(*(np.array([x, y, z]) + s), 4)[0] for s in np.eye(3) * step]
        back = [roughness._noise(*(np.array([x, y, z]) - s), 4)[0] for s in np.eye(3) * step]
        np.testing.assert_allclose(slopes, np.subtract(ahead, back) / (2.0 * step), atol=1e-5)
    place = rng.uniform(0.0, 9.0, (4000, 3)).astype(np.float32)
    longest = np.full(4000, 0.5, np.float32)
    rough = [
        roughness.roughen(place, longest, np.full(4000, f, np.float32), 0.8, 1)[0].std()
        for f in (0.002, 0.05, 0.3)
    ]
    assert rough[0] > rough[1] > rough[2] == 0.0


def test_rocks_that_fill_the_view_stand_alone_and_are_as_wide_as_drawn():
    field = scene_rocks.Field(
        per_m2=0.0, exponent=2.0, sizes_m=(0.05, 2.0), buried=(0.0, 0.0), roundness=0.5, near=2
    )
    eye = np.array([0.0, 0.0, 1.6])
    near = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rocks = scene_rocks.strew(rng, FLAT, field, eye, (0.0, 0.4), 1e-3)
        assert rocks.diameter_m.size in {1, 2}
        far = np.hypot(*rocks.place[: rocks.diameter_m.size, :2].T)
        assert np.all((far > 2.3) & (far < 8.1))
        near.append(2.0 * np.arctan(0.5 * rocks.diameter_m / far))
    wide = np.concatenate(near)
    assert wide.min() > 0.05
    assert wide.max() > 0.25


def test_rocks_behind_one_that_fills_the_view_make_room_for_it():
    rng = np.random.default_rng(0)
    field = scene_rocks.Field(
        per_m2=0.0,
        exponent=2.0,
        sizes_m=(0.05, 2.0),
        buried=(0.0, 0.0),
        roundness=0.5,
        near=1,
    )
    others = (np.full(4000, 0.3), rng.uniform(1.0, 12.0, 4000), rng.uniform(-0.5, 0.5, 4000))
    diameter, near, turn = scene_rocks._in_front(rng, field, (0.0, 0.4), others)
    assert diameter.size < 4001
    x, y = near * np.cos(turn), near * np.sin(turn)
    apart = np.hypot(x[:-1] - x[-1], y[:-1] - y[-1])
    assert np.all(apart > 0.6 * (0.3 + diameter[-1]))


def test_slabs_are_flat_and_piles_have_more_pieces():
    place = np.random.default_rng(1).uniform(-8.0, 8.0, (400, 2))

    def laid(**more):
        field = scene_rocks.Field(
            per_m2=0.0,
            exponent=2.0,
            sizes_m=(0.9999, 1.0),
            buried=(0.0, 0.0),
            roundness=0.5,
            **more,
        )
        return scene_rocks.lay(np.random.default_rng(3), FLAT, field, place)

    def heights(rocks):
        return 1.0 / np.linalg.norm(rocks.axes, axis=2).max(axis=1)

    assert np.median(heights(laid(flat=1.0))) < 0.7 * np.median(heights(laid(flat=0.0)))
    pieces = [laid(piled=share).rock.size for share in (0.0, 0.5, 1.0)]
    assert pieces[0] == 400
    assert pieces[0] < pieces[1] < pieces[2]


def test_cracks_darken_and_broken_faces_turn():
    rng = np.random.default_rng(6)
    rocks = lying(1.0, (0.0, 0.0))
    place = rng.uniform(-0.5, 0.5, (5000, 3)).astype(np.float32)
    own = np.zeros(5000, np.int32)
    own[:100] = -1
    facing = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (5000, 1))
    left = light._break(rng, facing, place, own, np.full(5000, 1e-3, np.float32), rocks)
    assert left.max() == 1.0
    assert 0.5 < left.min() < 0.99
    assert np.all(left[:100] == 1.0)
    assert np.array_equal(facing[:100], np.tile([0.0, 0.0, 1.0], (100, 1)))
    assert np.abs(facing[100:, :2]).mean() > 0.02


def test_rugged_ground_casts_more_shadow_than_plain_ground():
    dark = []
    for rugged in (False, True):
        ground = scene_ground.make(np.random.default_rng(2), 0.1, rugged=rugged)
        shade = shadows.shadow(ground.height_m, np.array(ground.pixel_m), np.tan(0.35))
        dark.append(float((shade[0] > ground.height_m[0]).mean()))
    assert dark[1] > dark[0] + 0.05


def test_sides_of_rocks_that_the_sun_does_not_reach_may_be_black(monkeypatch):
    lights, parts = [], []
    for chance in (1e-12, 1.0):

        def lit(*given, chance=chance, **more):
            lights.append(light.light(*given, **{**more, "black": chance}))
            parts.append(given[5])
            return lights[-1]

        monkeypatch.setattr(surface, "light", lit)
        surface.make(230000011)
    darker = lights[1] < lights[0]
    assert darker[parts[0] >= 0].mean() > 0.9
    assert np.array_equal(lights[0][~darker], lights[1][~darker])
    assert not darker[parts[0] < 0].any()
    assert (lights[1][darker] == 0.0).mean() > 0.1


def test_of_rocks_in_the_dark_nobody_is_asked():
    rocks = lying(1.0, (10.0, 0.0))
    part = np.full((40, 40), -1, np.int32)
    part[10:30, 10:30] = 0
    depth = np.ones((40, 40), np.float32)
    large = np.ones(1, np.bool_)
    image = np.zeros((20, 20, 3), np.uint8)
    for level, wanted in (
        (masks.DARK, masks.UNASKED),
        (masks.DARK + 1, masks.LARGE),
    ):
        image[8, 8] = level
        lit = masks.brightest(rocks, part, image) > masks.DARK
        mask = masks.mask_of(rocks, part, depth, large, surface.LEAST_PX, lit)
        assert mask[8, 8] == wanted
        assert mask[0, 0] == masks.GROUND


@pytest.mark.parametrize(("ground", "known"), [(masks.OUTLINED[0], False), (90, True)])
def test_a_dark_rock_before_bright_ground_is_seen_by_its_outline(ground, known):
    rocks = lying(1.0, (10.0, 0.0))
    part = np.full((40, 40), -1, np.int32)
    part[10:30, 10:30] = 0
    image = np.zeros((20, 20, 3), np.uint8)
    # One of the four sides is bright, and one is too short to tell.
    image[:5] = ground
    assert masks.outlined(rocks, part, image).tolist() == [False]
    image[:, :5] = ground
    assert masks.outlined(rocks, part, image).tolist() == [known]


def test_parts_of_a_lander_are_ground_and_hide_what_is_behind_them():
    image = np.full((60, 90, 3), 100, np.uint8)
    mask = np.full((60, 90), masks.LARGE, np.uint8)
    changed, named = camera.lander(np.random.default_rng(1), image, mask)
    other = (changed != image).any(axis=2)
    assert 0.01 < other.mean() < 0.9
    assert np.all(named[other] == masks.GROUND)
    assert np.all(named[~other & (named != masks.GROUND)] == masks.LARGE)


def test_finer_levels_of_the_ground_continue_the_coarser_ones():
    ground = scene_ground.make(np.random.default_rng(3), 0.5)
    pixels = np.array(ground.pixel_m)
    edge = 0.5 * (scene_ground.SIDE_PX - 1) * pixels[0]
    inside = scene_kernels.sample(ground.height_m, pixels, edge - 0.02, 3.0)
    outside = scene_kernels.sample(ground.height_m, pixels, edge + 0.02, 3.0)
    # A bilinear level meets a cubic one: they differ by less than its pixel's unevenness.
    assert inside == pytest.approx(outside, abs=0.1 * pixels[1])
    assert np.isfinite(ground.height_m).all()
    turned = ground.turned(1, mirrored=True)
    assert turned.height_m.shape == ground.height_m.shape
    assert np.isnan(scene_kernels.sample(ground.height_m, pixels, 1e5, 0.0))
