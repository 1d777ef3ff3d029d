"""Places saved for comparison: the table, and export to CSV and GeoPackage."""
