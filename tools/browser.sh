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
    # What `playwright install chromium` left
    for name in "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium-*/chrome-linux*/chrome; do
        if works "$name"; then
            echo "$name"
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
if [ -z "$chromium" ]; then
    if grep -qE '^ID=.?ubuntu' /etc/os-release 2>/dev/null; then
        # Ubuntu has no Chromium package, only a pointer to the snap.
        [ ${#packages[@]} = 0 ] || install_packages "Browser tests" "${packages[@]}"
        fail "Browser tests: no Chromium found, and Ubuntu packages it as a snap only." \
            "Please type one of these lines, then try again:" "" \
            "    sudo snap install chromium" \
            "    sudo .venv/bin/playwright install-deps chromium && .venv/bin/playwright install chromium" "" \
            "Or name a Chromium or Chrome that you have: LISTENER_CHROMIUM=/path/to/chrome make test"
    fi
    packages+=(chromium)
fi
[ ${#packages[@]} = 0 ] || install_packages "Browser tests" "${packages[@]}"
[ -n "$chromium" ] || [ -n "$(find_chromium)" ] || fail "Chromium was installed but does not start."
