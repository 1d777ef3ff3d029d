"""What images of the ground show: clear ground, small rocks, large rocks, sky; and how surely."""
