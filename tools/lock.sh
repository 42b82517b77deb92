#!/usr/bin/env bash
# Write the hash-pinned requirements files for every supported Python and platform at once.
# No address of a registry is written: each installation uses the registry it is set up for.
#   tools/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

uv=.venv/bin/uv
compile() {
    "$uv" --quiet pip compile --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@" >/dev/null
}

# The developers' file decides the versions; the runtime file takes the same ones.
compile pyproject.toml --extra dev -o requirements-dev.txt "$@"
compile pyproject.toml -c requirements-dev.txt -o requirements.txt "$@"
compile tools/build.in -o tools/requirements-build.txt "$@"
compile tools/uv.in -o tools/requirements-uv.txt "$@"

if grep -nE 'https?://|^--(index|extra-index|find-links)' requirements*.txt tools/requirements-*.txt; then
    echo "An address got into a requirements file; see above." >&2
    exit 1
fi
