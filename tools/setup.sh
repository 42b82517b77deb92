#!/usr/bin/env bash
# Make .venv hold what requirements*.txt pin, and Listener itself, editable.
#   tools/setup.sh        what the service needs
#   tools/setup.sh dev    and what tests and checks need
# A second call with nothing changed only compares a checksum.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

want=${1:-runtime}
venv=.venv
stamp=$venv/.listener-$want
inputs=(pyproject.toml requirements.txt requirements-dev.txt tools/requirements-*.txt
    hatch_build.py package.json tools/setup.sh)
[ "$want" = dev ] && lock=requirements-dev.txt || lock=requirements.txt

sum=$({ pwd -P; cat "${inputs[@]}"; } | sha256sum | cut -d' ' -f1)
is_done() { # LEVEL
    [ "$(cat "$venv/.listener-$1" 2>/dev/null)" = "$sum" ] &&
        [ -x $venv/bin/listener ] && [ -e api/dashboard/static/vendor/htmx.min.js ] &&
        $venv/bin/python -c '' 2>/dev/null
}
is_done "$want" && exit 0
[ "$want" = runtime ] && is_done dev && exit 0

if ! grep -qsF "$(pwd -P)/$venv" $venv/bin/activate || ! $venv/bin/python -m pip -V &>/dev/null; then
    python=$(find_python)
    rm -rf $venv # a half-made one, or one that was moved or lost its Python
    say "Creating .venv with $("$python" --version)"
    "$python" -m venv $venv
fi
$venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "The Python in .venv is too old. Remove .venv (make clean) and try again."

# pip only brings uv, which installs the rest many times faster; both check every hash.
$venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r tools/requirements-uv.txt ||
    fail "pip could not install uv; see above. Is the package registry within reach?"

use_network_settings_of_pip
uv() { VIRTUAL_ENV=$PWD/$venv $venv/bin/uv "$@"; }
say "Installing what $lock pins"
uv pip install --quiet --require-hashes --compile-bytecode -r $lock
say "Installing Listener and the dashboard's assets"
uv pip install --quiet --no-deps --reinstall-package brand-listener \
    --build-constraints tools/requirements-build.txt --editable .
uv pip check --quiet

echo "$sum" >"$stamp"
say "Ready: .venv/bin/listener"
