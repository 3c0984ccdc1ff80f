#!/bin/sh
# Installs a program that reads or checks workbooks, for the tests, if it is missing; prints the command that runs it.
#
#   sh tools/spreadsheet_programs.sh libreoffice     LibreOffice Calc without a screen
#   sh tools/spreadsheet_programs.sh ooxml           the checks of Microsoft's Open XML SDK, in Node (tools/ooxml)
#
# Packages come from Debian and need root. If the program cannot be installed, the reason is printed; exit status 1.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

say() { printf '%s\n' "spreadsheet programs: $*" >&2; }
die() { say "$*"; exit 1; }

# install PACKAGE…
install() {
    command -v apt-get >/dev/null 2>&1 || die "$* is missing, and there is no apt-get to install it with."
    [ "$(id -u)" -eq 0 ] || die "$* is missing. Install it and run this again: sudo apt-get install $*"
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "$@" >&2 </dev/null ||
        die "installing $* failed: the reason is above."
}

libreoffice() {
    command -v soffice >/dev/null 2>&1 || install libreoffice-calc-nogui
    command -v soffice || die "libreoffice-calc-nogui brought no soffice."
}

ooxml() {
    checker=$root/.bootstrap/ooxml/node_modules/@ooxml-tools/validate/dist/npm/bin/ooxml-validate.js
    command -v npm >/dev/null 2>&1 || install nodejs npm
    if ! cmp -s "$root/tools/ooxml/package-lock.json" "$root/.bootstrap/ooxml/package-lock.json" || [ ! -f "$checker" ]; then
        mkdir -p "$root/.bootstrap/ooxml"
        cp "$root/tools/ooxml/package.json" "$root/tools/ooxml/package-lock.json" "$root/.bootstrap/ooxml/"
        (cd "$root/.bootstrap/ooxml" && npm ci --ignore-scripts --no-audit --no-fund >&2) || {
            rm -f "$root/.bootstrap/ooxml/package-lock.json"
            die "npm ci failed: the reason is above."
        }
    fi
    printf '%s\n' "$checker"
}

case "${1:-}" in
    libreoffice | ooxml) "$1" ;;
    *) die "name one of: libreoffice, ooxml" ;;
esac
