"""The sites of a run, as a table in the dock."""
