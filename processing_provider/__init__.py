"""The QGIS toolbox: one provider, and one base algorithm made from a stage's declaration."""
