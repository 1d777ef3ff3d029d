"""The Processing provider, with the stages as algorithms and the batch models."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from lunarsite.engine import stages
from lunarsite.processing_provider.algorithm import StageAlgorithm

ROOT = Path(__file__).resolve().parents[1]
ID = "lunarsite"


class LunarSiteProvider(QgsProcessingProvider):
    """Provides all stages of the engine as algorithms, and the models in ``models``."""

    def id(self) -> str:
        """Return the id, which is the prefix of the algorithm ids."""
        return ID

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "LunarSite"

    def longName(self) -> str:
        """Return the long name."""
        return "LunarSite: landing sites at the lunar south pole"

    def icon(self) -> QIcon:
        """Return the plugin's icon."""
        return QIcon(str(ROOT / "resources" / "icons" / "lunarsite.svg"))

    def svgIconPath(self) -> str:
        """Return the path of the icon."""
        return str(ROOT / "resources" / "icons" / "lunarsite.svg")

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Return the raster formats that the engine writes."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Return the vector formats that the engine writes."""
        return ["gpkg"]

    def defaultVectorFileExtension(self, _has_geometry: bool = True) -> str:  # noqa: FBT001, FBT002
        """Return the extension of temporary vector files."""
        return "gpkg"

    def defaultRasterFileExtension(self) -> str:
        """Return the extension of temporary raster files."""
        return "tif"

    def loadAlgorithms(self) -> None:
        """Add the algorithms and the models.

        Reading a model looks up its steps in the registry, so models are only added once this
        provider is registered: see `register`.
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
    """Register the provider and return it; the registry owns it."""
    provider = LunarSiteProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    provider.refreshAlgorithms()
    return provider
