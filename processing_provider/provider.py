"""The toolbox's provider: one algorithm a stage, and the batch models."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from lunarsite.engine import stages
from lunarsite.processing_provider.algorithm import StageAlgorithm

ROOT = Path(__file__).resolve().parents[1]
ID = "lunarsite"


class LunarSiteProvider(QgsProcessingProvider):
    """All stages of the engine as algorithms, and ``models/*.model3``."""

    def id(self) -> str:
        """Return the prefix of the algorithms' ids."""
        return ID

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "LunarSite"

    def longName(self) -> str:
        """Return the name where there is room for it."""
        return "LunarSite: landing sites at the Moon's south pole"

    def icon(self) -> QIcon:
        """Return the plugin's icon."""
        return QIcon(str(ROOT / "resources" / "icons" / "lunarsite.svg"))

    def svgIconPath(self) -> str:
        """Return the icon's file."""
        return str(ROOT / "resources" / "icons" / "lunarsite.svg")

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Return what the engine writes rasters as."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Return what the engine writes vectors as."""
        return ["gpkg"]

    def defaultVectorFileExtension(self, _has_geometry: bool = True) -> str:  # noqa: FBT001, FBT002
        """Return the ending of a file that the user left to QGIS."""
        return "gpkg"

    def defaultRasterFileExtension(self) -> str:
        """Return the ending of a raster that the user left to QGIS."""
        return "tif"

    def loadAlgorithms(self) -> None:
        """Make the algorithms from the declarations.

        A model is read by looking its steps up in the registry, so the models wait until this
        provider is in it: see `register`.
        """
        for stage in stages.load_all():
            self.addAlgorithm(StageAlgorithm(stage))
        if QgsApplication.processingRegistry().providerById(ID) is None:
            return
        for path in sorted((ROOT / "models").glob("*.model3")):
            model = QgsProcessingModelAlgorithm()
            if model.fromFile(str(path)):
                self.addAlgorithm(model)


def register() -> LunarSiteProvider:
    """Add the provider to QGIS and return it; the registry owns it."""
    provider = LunarSiteProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    provider.refreshAlgorithms()
    return provider
