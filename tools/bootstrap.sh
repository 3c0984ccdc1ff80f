#!/bin/sh
# Creates .venv from uv.lock on a machine with only Python >= 3.11. A second run finds it up to date and ends at once.
#
#   PYTHON=/path/to/python sh tools/bootstrap.sh     picks the interpreter
#
# uv is installed into a private environment, .bootstrap, and nothing into the machine's own.
set -eu

uv_version=0.13.8
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
stamp=$root/.venv/.bootstrapped
state="uv $uv_version, python ${PYTHON:-any}"
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

say() { printf '%s\n' "bootstrap: $*" >&2; }
die() { say "$*"; exit 1; }

up_to_date() {
    [ -x "$root/.venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] &&
        [ -z "$(find "$root/pyproject.toml" "$root/clients/python/pyproject.toml" "$root/uv.lock" -newer "$stamp")" ] &&
        "$root/.venv/bin/python" -c '' 2>/dev/null
}

# Prints the interpreter behind the command $1, if it is new enough; the base one, should it belong to an environment.
new_enough() {
    "$1" -c 'import sys
if sys.version_info < (3, 11): sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer that runs."
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        new_enough "$candidate" && return
    done
    die "No Python 3.11 or newer found (tried python3 and python3.14 to python3.11). Install one, or name it: make PYTHON=/path/to/python …"
}

# The file that holds the system's certificates, if the machine has one; else pip and uv use the lists they bring along.
system_certificates() {
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [ -n "$file" ] && [ -f "$file" ]; then
            printf '%s\n' "$file"
            return
        fi
    done
}

# Debian ships Python without the parts that `python -m venv` needs, in a package of its own.
install_venv_module() {
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    command -v apt-get >/dev/null 2>&1 ||
        die "$python cannot create environments (no venv or ensurepip module). Install the package that brings them for Python $version."
    [ "$(id -u)" -eq 0 ] ||
        die "$python cannot create environments. Install the package and run this again: sudo apt-get install python3-venv (or python$version-venv)."
    say "$python cannot create environments; installing the package python3-venv."
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -qq >&2 && apt-get install -y -qq python3-venv >&2 </dev/null ||
        die "Installing python3-venv failed. Install it by hand and run this again."
}

make_private_venv() {
    rm -rf "$root/.bootstrap"
    "$python" -m venv "$root/.bootstrap" >"$log" 2>&1
}

install_uv() {
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! make_private_venv; then
        install_venv_module
        make_private_venv || { cat "$log" >&2; die "$python still cannot create an environment."; }
    fi
    say "installing uv $uv_version into .bootstrap"
    "$root/.bootstrap/bin/python" -m pip install \
        --quiet --disable-pip-version-check --no-input "uv==$uv_version" >&2 ||
        die "pip could not install uv==$uv_version: the reason is above."
}

sync_environment() {
    export UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=true UV_PROJECT_ENVIRONMENT="$root/.venv"
    # An environment that works is kept; only an explicit PYTHON replaces its interpreter.
    if [ -n "${PYTHON:-}" ] || ! new_enough "$root/.venv/bin/python" >/dev/null; then export UV_PYTHON="$python"; fi
    "$root/.bootstrap/bin/uv" sync --locked --all-extras --project "$root" >&2 ||
        die "uv sync --locked failed: the reason is above. If it says that the lock is stale, run: .bootstrap/bin/uv lock"
}

if up_to_date; then exit 0; fi
[ -f "$root/uv.lock" ] || die "uv.lock is missing: this is not a whole checkout."
python=$(find_python)
certificates=$(system_certificates)
if [ -n "$certificates" ]; then export PIP_CERT="${PIP_CERT:-$certificates}" UV_SYSTEM_CERTS=true; fi
[ "$("$root/.bootstrap/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" = "$uv_version" ] || install_uv
sync_environment
printf '%s\n' "$state" >"$stamp"
