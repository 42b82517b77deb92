# What the set-up scripts share: messages, system packages, a Python, the network's settings.
# Sourced by bash; made for Debian and Ubuntu, of use elsewhere as far as no package is missing.

say() { printf '· %s\n' "$*"; }
fail() {
    printf '\n' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

# Install Debian packages, or print the line that would and fail.
install_packages() { # WHAT-FOR PACKAGE...
    local purpose=$1 sudo=() line log
    shift
    line="apt-get update && apt-get install -y --no-install-recommends $*"
    command -v apt-get >/dev/null ||
        fail "$purpose: install the equivalents of these Debian packages, then try again: $*"
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null ||
            fail "$purpose: missing system packages. Please type this line, then try again:" "" \
                "    sudo sh -c '$line'"
        sudo=(sudo -n)
    fi
    say "$purpose: installing $*"
    log=$(mktemp)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive sh -c "$line" >"$log" 2>&1 </dev/null || {
        tail -n 15 "$log" >&2
        rm -f "$log"
        fail "$purpose: this line failed:" "" "    sudo sh -c '$line'"
    }
    rm -f "$log"
}

# The newest Python from 3.11 on. A name on PATH may be a stub, so each is asked.
find_python() {
    local name version found='' without=''
    for name in python3.13 python3.12 python3.11 python3; do
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
        if "$name" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            found=$name
            break
        fi
        without=${without:-$name}
    done
    if [ -z "$found" ] && [ -n "$without" ]; then
        version=$("$without" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_packages "Python environments" "python$version-venv" >&2
        found=$without
    fi
    [ -n "$found" ] || fail "Listener needs Python 3.11 or newer, and there is none on PATH." \
        "On Debian 12 and later:  sudo apt-get install -y python3 python3-venv" \
        "On Ubuntu 22.04:         sudo apt-get install -y python3.11 python3.11-venv"
    command -v "$found"
}

# Registry and certificates that only pip was told of serve uv and npm as well.
use_network_settings_of_pip() {
    local index
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
        [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
    fi
    [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=1
    export NODE_USE_SYSTEM_CA=1
}
