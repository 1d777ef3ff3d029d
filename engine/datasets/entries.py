"""What is known of a published data set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class Content(StrEnum):
    """What the files of a data set hold, and so what is checked on them."""

    HEIGHTS = "heights"
    LAYER = "layer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the publisher's server.

    Parameters
    ----------
    url : str
        Its address.
    size_bytes : int or None
        Its size when it was listed here; None where that is not known.
    saved_as : str
        Its name on this computer, where that is not the last part of the address.
    member : str
        Of an archive the one file that is unpacked; empty for none.
    """

    url: str
    size_bytes: int | None = None
    saved_as: str = ""
    member: str = ""

    @property
    def name(self) -> str:
        """Name of the file on this computer and on a mirror."""
        return self.saved_as or urlsplit(self.url).path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A published data set.

    Parameters
    ----------
    name : str
        What it is fetched by.
    title : str
        What it is.
    use : str
        What LunarSite uses it for, with the option that takes it.
    page : str
        The publisher's page.
    licence, citation : str
        Its terms, and the publication to cite.
    content : Content
        What its files hold.
    files : tuple of RemoteFile
        Its files; none where no direct address is known and a person must download it.
    by_hand : str
        What that person does.
    traps : tuple of str
        What others have fallen into.
    pixel_m : float or None
        Pixel size of a raster.
    windows : bool
        Whether it is a cloud-optimised GeoTIFF, of which a part can be read.
    far_field : bool
        Whether it may surround other elevation models.
    """

    name: str
    title: str
    use: str
    page: str
    licence: str
    citation: str
    content: Content = Content.OTHER
    files: tuple[RemoteFile, ...] = ()
    by_hand: str = ""
    traps: tuple[str, ...] = ()
    pixel_m: float | None = None
    windows: bool = False
    far_field: bool = False

    @property
    def size_bytes(self) -> int | None:
        """Size of all files, None where that of one is not known."""
        sizes = [file.size_bytes for file in self.files]
        return sum(size for size in sizes if size) if sizes and all(sizes) else None
