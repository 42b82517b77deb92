#!/usr/bin/env bash
# See to it that the browser tests find a Chromium and a Korean font.
#   tools/browser.sh         install what is missing if that may be done, else say how
#   tools/browser.sh --path  print the Chromium to use, or nothing
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

# Ubuntu's chromium-browser may be a stub that only points at the snap, so each is asked.
works() { timeout 20 "$1" --version 2>/dev/null | grep -qE 'Chrom(e|ium)'; }

find_chromium() {
    local name
    if [ -n "${LISTENER_CHROMIUM:-}" ]; then
        works "$LISTENER_CHROMIUM" || fail "LISTENER_CHROMIUM=$LISTENER_CHROMIUM does not start."
        echo "$LISTENER_CHROMIUM"
        return
    fi
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if works "$name"; then
            command -v "$name"
            return
        fi
    done
    # The one from npm (see below), or what `playwright install chromium` left
    for name in .venv/chromium/chrome \
        "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium-*/chrome-linux*/chrome; do
        if works "$name"; then
            realpath "$name"
            return
        fi
    done
}

has_korean_font() {
    if command -v fc-list >/dev/null; then
        [ -n "$(fc-list :lang=ko family 2>/dev/null)" ]
    else
        ls /usr/share/fonts/truetype/nanum/*.ttf >/dev/null 2>&1
    fi
}

if [ "${1:-}" = --path ]; then
    find_chromium
    exit
fi

packages=()
chromium=$(find_chromium)
has_korean_font || packages+=(fonts-nanum fontconfig)
if [ -z "$chromium" ] && grep -qE '^ID=.?ubuntu' /etc/os-release 2>/dev/null; then
    # Ubuntu packages it as a snap only, which cannot be had everywhere.
    [ "$(uname -m)" = x86_64 ] ||
        fail "Browser tests: no Chromium found. Please type this line, then try again:" "" \
            "    sudo snap install chromium" "" \
            "Or name one that you have: LISTENER_CHROMIUM=/path/to/chrome make test"
    say "Browser tests: Ubuntu has no Chromium package, so one comes from npm"
    use_network_settings_of_pip
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    .venv/bin/uv pip install --quiet --require-hashes --target "$build" \
        --python .venv/bin/python -r tools/requirements-build.txt
    PYTHONPATH=$build .venv/bin/python -m tools.npm_chromium .venv/chromium
elif [ -z "$chromium" ]; then
    packages+=(chromium)
fi
[ ${#packages[@]} = 0 ] || install_packages "Browser tests" "${packages[@]}"
[ -n "$(find_chromium)" ] ||
    fail "Browser tests: the Chromium just installed does not start." \
        "Name one that does: LISTENER_CHROMIUM=/path/to/chrome make test"
