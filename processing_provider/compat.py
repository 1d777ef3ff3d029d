"""Enumerations that QGIS 3.36 moved to ``Qgis``, with one name for QGIS 3.34 as well."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessing,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
)

if hasattr(Qgis, "ProcessingSourceType"):
    RASTER = Qgis.ProcessingSourceType.Raster
    VECTOR = Qgis.ProcessingSourceType.Vector
    FILES = Qgis.ProcessingSourceType.File
    POINTS = Qgis.ProcessingSourceType.VectorPoint
    POLYGONS = Qgis.ProcessingSourceType.VectorPolygon
    ADVANCED = Qgis.ProcessingParameterFlag.Advanced
    ANY_FILE = Qgis.ProcessingFileParameterBehavior.File
    ANY_FOLDER = Qgis.ProcessingFileParameterBehavior.Folder
    DATE = Qgis.ProcessingDateTimeParameterDataType.Date
    DOUBLE = Qgis.ProcessingNumberParameterType.Double
    INTEGER = Qgis.ProcessingNumberParameterType.Integer
else:
    RASTER = QgsProcessing.SourceType.TypeRaster
    VECTOR = QgsProcessing.SourceType.TypeVector
    FILES = QgsProcessing.SourceType.TypeFile
    POINTS = QgsProcessing.SourceType.TypeVectorPoint
    POLYGONS = QgsProcessing.SourceType.TypeVectorPolygon
    ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    ANY_FILE = QgsProcessingParameterFile.Behavior.File
    ANY_FOLDER = QgsProcessingParameterFile.Behavior.Folder
    DATE = QgsProcessingParameterDateTime.Type.Date
    DOUBLE = QgsProcessingParameterNumber.Type.Double
    INTEGER = QgsProcessingParameterNumber.Type.Integer
