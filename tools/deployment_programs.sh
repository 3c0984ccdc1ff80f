#!/bin/sh
# Installs a proxy or a service manager for the tests, if it is missing; prints the command that runs it.
#
#   sh tools/deployment_programs.sh nginx | caddy | systemd-analyze
#
# Packages come from Debian and need root. If the program cannot be installed, the reason is printed; exit status 1.
set -eu

say() { printf '%s\n' "deployment programs: $*" >&2; }
die() { say "$*"; exit 1; }

# have COMMAND PACKAGE
have() {
    PATH=$PATH:/usr/sbin:/sbin
    command -v "$1" && return
    command -v apt-get >/dev/null 2>&1 || die "$1 is missing, and there is no apt-get to install it with."
    [ "$(id -u)" -eq 0 ] || die "$1 is missing. Install it and run this again: sudo apt-get install $2"
    say "installing $2"
    # The packages would start their services; RUNLEVEL=1 keeps Debian from it.
    apt-get update -qq >&2 &&
        DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$2" >&2 </dev/null ||
        die "installing $2 failed: the reason is above."
    command -v "$1" || die "$2 brought no $1."
}

case "${1:-}" in
    nginx | caddy) have "$1" "$1" ;;
    systemd-analyze) have systemd-analyze systemd ;;
    *) die "name one of: nginx, caddy, systemd-analyze" ;;
esac
