"""Generated tiles of terrain with known craters: training data of crater networks."""
