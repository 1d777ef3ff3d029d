"""No input makes the engine open the network, or a file that nobody named."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon, read_catalogue, run
from lunarsite.engine.errors import InputError, LunarSiteError
from lunarsite.engine.io.access import network, references
from lunarsite.engine.io.raster import opened

SIZE = 'rasterXSize="40" rasterYSize="40"'
PLACE = "<SRS>{}</SRS><GeoTransform>0, 5, 0, 200, 0, -5</GeoTransform>"


@pytest.fixture
def dem(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    heights = np.random.default_rng(1).normal(0, 9, (40, 40)).astype(np.float32)
    made = {"driver": "GTiff", "width": 40, "height": 40, "count": 1, "dtype": "float32"}
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(0, 200, 5, 5)}
    with rasterio.open(folder / "dem.tif", "w", **made, **place) as target:
        target.write(heights, 1)
        target.units = ("m",)
    return folder / "dem.tif"


SERVER = (
    "import http.server, sys\n"
    "class Handler(http.server.SimpleHTTPRequestHandler):\n"
    "    def __init__(self, *args): super().__init__(*args, directory=sys.argv[1])\n"
    "    def log_message(self, *_): open(sys.argv[2], 'a').write(self.path + '\\n')\n"
    "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
    "print(server.server_port, flush=True)\n"
    "server.serve_forever()\n"
)


class Server:
    """What a server was asked for; in a process of its own, as GDAL may hold Python's lock."""

    def __init__(self, address, log):
        self.address, self._log = address, log
        self._log.write_text("")

    @property
    def asked(self):
        return self._log.read_text().split()

    def forget(self):
        self._log.write_text("")


@pytest.fixture
def server(dem, tmp_path):
    command = [sys.executable, "-c", SERVER, str(dem.parent), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        yield Server(f"http://127.0.0.1:{port}", tmp_path / "log")
        process.kill()


def virtual(source, *, kind="", relative=0, more=""):
    place = PLACE.format(moon.SOUTH_POLAR)
    return (
        f'<VRTDataset {SIZE}>{place}<VRTRasterBand dataType="Float32" band="1" {kind}>'
        f'<UnitType>m</UnitType>{more}<SimpleSource><SourceFilename relativeToVRT="{relative}">'
        f"{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )


def raw(source, relative=0):
    return (
        f'<VRTDataset {SIZE}><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativetoVRT="{relative}">{source}</SourceFilename>'
        "</VRTRasterBand></VRTDataset>"
    )


SERVICE = (
    "<GDAL_WMS><Service name='TMS'><ServerUrl>{}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>"
    "<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>200</UpperLeftY><LowerRightX>200</LowerRightX>"
    "<LowerRightY>0</LowerRightY><TileLevel>1</TileLevel></DataWindow><BandsCount>1</BandsCount>"
    "<BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY></GDAL_WMS>"
)


def hostile(address):
    """Yield files that reach a server when GDAL opens them, with the message."""
    yield "a.vrt", virtual(f"/vsicurl/{address}/dem.tif"), "reads from a server: /vsicurl/"
    yield "b.tif", virtual(f"/vsicurl/{address}/dem.tif"), "reads from a server"
    yield "c.vrt", virtual(f"/vsicurl_streaming/{address}/dem.tif"), "reads from a server"
    yield "d.vrt", virtual(f"{address}/dem.tif"), "reads from a server: http"
    yield "e.vrt", virtual(f"/vsizip/vsicurl/{address}/a.zip/dem.tif"), "reads from a server"
    yield "f.vrt", virtual("/vsis3/bucket/dem.tif"), "reads from a server: /vsis3"
    yield "g.vrt", virtual(f"vrt:///vsicurl/{address}/dem.tif?bands=1"), "reads from a server"
    yield "h.xml", SERVICE.format(address), "a service on the network"
    yield "i.tif", SERVICE.format(address), "a service on the network"
    inline = SERVICE.format(address).replace("<", "&lt;").replace("'", "&quot;")
    yield "j.vrt", virtual(inline), "holds the description of another raster"
    yield "k.vrt", "<!DOCTYPE a []>" + virtual("dem.tif"), "not a virtual raster"
    yield "l.vrt", virtual("dem.tif", more=f"<Extra>/vsicurl/{address}/x</Extra>"), "a server"
    mixed = virtual(f"/vsicurl/{address}/dem.tif").replace("SourceFilename", "sourceFILENAME")
    yield "m.vrt", mixed, "reads from a server"
    yield "n.vrt", virtual("dem.tif")[:-9], "not valid XML"


def test_no_file_reaches_a_server_unless_asked(server, dem, tmp_path):
    for name, text, message in hostile(server.address):
        path = dem.parent / name
        path.write_text(text)
        with pytest.raises(InputError, match=message), opened(path, "The DEM"):
            pass
        # Nor one that is named by another, or lies in an archive.
        (dem.parent / "outer.vrt").write_text(virtual(name, relative=1))
        with pytest.raises(InputError), opened(dem.parent / "outer.vrt", "The DEM") as source:
            source.read(1)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, name)
            archive.write(dem, "dem.tif")
        if message != "not a virtual raster" and name != "l.vrt":
            inside = f"/vsizip/{tmp_path / 'a.zip'}/{name}"
            with pytest.raises(InputError), opened(inside, "The DEM") as source:
                source.read(1)
    assert server.asked == []


def test_a_name_on_a_server_is_asked_for_and_so_is_the_option(server, dem, tmp_path):
    name = f"/vsicurl/{server.address}/dem.tif"
    with opened(name, "The DEM") as source:
        assert source.read(1).shape == (40, 40)
    assert server.asked
    assert not network.is_open()
    other = dem.parent / "a.vrt"
    other.write_text(virtual(name))
    out = str(tmp_path / "out")
    with pytest.raises(InputError, match="Add --allow-network"):
        run("terrain", dem=str(other), out=out)
    server.forget()
    command = [sys.executable, "-c", "from lunarsite.engine.frontends.cli import main; main()"]
    words = ["terrain", "--dem", str(other), "--out", out, "--json"]
    refused = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert "--allow-network" in json.loads(refused.stdout)["error"]["remedy"]
    assert server.asked == []
    words.append("--allow-network")
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert "outputs" in json.loads(done.stdout), done.stdout
    assert server.asked
    assert run("terrain", dem=name, out=out)["outputs"]


def test_bytes_of_another_folder_are_not_taken_for_pixels(dem, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1600))
    (dem.parent / "link").symlink_to(secret)
    for source, relative in ((secret, 0), ("../secret", 1), ("link", 1)):
        path = dem.parent / "a.vrt"
        path.write_text(raw(source, relative))
        with pytest.raises(InputError, match=r"takes the bytes of .* another folder"):
            opened(path, "The DEM").__enter__()
    (dem.parent / "own").write_bytes(bytes(1600))
    path.write_text(raw("own", 1))
    with opened(path, "The DEM") as source:
        assert not source.read(1).any()


def test_a_label_that_names_a_file_elsewhere_is_refused(dem, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(1600))
    label = dem.parent / "a.lbl"
    text = (
        "PDS_VERSION_ID = PDS3\r\nRECORD_TYPE = FIXED_LENGTH\r\nRECORD_BYTES = 40\r\n"
        'FILE_RECORDS = 40\r\n^IMAGE = ("{}")\r\nOBJECT = IMAGE\r\nLINES = 40\r\n'
        "LINE_SAMPLES = 40\r\nSAMPLE_TYPE = UNSIGNED_INTEGER\r\nSAMPLE_BITS = 8\r\n"
        "END_OBJECT = IMAGE\r\nEND\r\n"
    )
    label.write_text(text.format("../secret"))
    with pytest.raises(InputError, match="takes the bytes of"):
        opened(label, "The DEM").__enter__()
    (dem.parent / "own.img").write_bytes(bytes(1600))
    label.write_text(text.format("own.img"))
    with opened(label, "The DEM") as source:
        assert source.shape == (40, 40)


@pytest.mark.parametrize(
    "name", ["WMS:http://127.0.0.1:9/", "WCS:http://127.0.0.1:9/", "STACIT:a.json", "PG:dbname=a"]
)
def test_names_of_services_are_no_rasters(name):
    with pytest.raises(InputError, match=r"cannot be read|no file"), opened(name, "The DEM"):
        pass


def test_a_virtual_raster_of_local_files_is_read(dem):
    (dem.parent / "deep").mkdir()
    inner, outer = dem.parent / "a.vrt", dem.parent / "deep" / "b.vrt"
    inner.write_text(
        virtual("dem.tif", relative=1, more="<Metadata><MDI>http://a</MDI></Metadata>")
    )
    outer.write_text(virtual("../a.vrt", relative=1))
    with opened(outer, "The DEM") as source, opened(dem, "The DEM") as plain:
        np.testing.assert_array_equal(source.read(1), plain.read(1))


def test_a_virtual_raster_that_names_itself_ends(dem):
    path = dem.parent / "a.vrt"
    path.write_text(virtual("a.vrt", relative=1))
    references.check(path, "The DEM")


def test_no_driver_of_services_is_registered():
    with rasterio.Env() as env:
        registered = set(env.drivers())
    assert not registered & {"WMS", "WCS", "WMTS", "HTTP", "STACIT", "PLMOSAIC"}
    assert {"GTiff", "VRT", "netCDF", "HDF5"} <= registered


def test_vector_files_reach_no_server(server, tmp_path):
    text = (
        "<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>"
        f"/vsicurl/{server.address}/a.geojson</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )
    for name in ("a.vrt", "a.gpkg", "a.csv"):
        (tmp_path / name).write_text(text)
        with pytest.raises(LunarSiteError):
            read_catalogue(tmp_path / name)
    assert server.asked == []
