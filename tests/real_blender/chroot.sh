#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes a Debian chroot with a real Blender in it: trixie has Blender 4.3, sid the newest LTS (5.2 when this was written).
#
#   tests/real_blender/chroot.sh [SUITE]            make it, or return at once if it is there (default: trixie)
#   tests/real_blender/chroot.sh --path [SUITE]     print its folder
#   tests/real_blender/chroot.sh --remove [SUITE]   delete it
#
# SELFRECT_CHROOTS     the folder that holds the chroots (default /var/tmp/selfrect-chroots); about 1.5 GB each
# SELFRECT_DEBIAN_MIRROR   a mirror, if this machine's own apt names none for Debian
#
# Needs root and apt. Everything is mounted inside private mount namespaces (see in_chroot), so nothing stays mounted
# whatever happens, and a deletion can never reach through a mount into the host.
set -euo pipefail

PACKAGES=(blender python3-numpy python3-requests python3-zstandard python3-cattr
          xvfb xauth libgl1-mesa-dri libegl1 libgl1 xdotool x11-apps imagemagick fonts-dejavu-core)

say() { printf '%s\n' "chroot: $*" >&2; }
fail() { say "$*"; exit 1; }

# The mirror that this machine's apt uses for Debian itself (not for security updates or other vendors).
mirror() {
    if [[ -n ${SELFRECT_DEBIAN_MIRROR:-} ]]; then
        printf '%s\n' "$SELFRECT_DEBIAN_MIRROR"
        return
    fi
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' \
        | awk '$1 == "Debian" && !seen {print $2; seen = 1}'
}

prepare_host() {
    command -v apt-get >/dev/null || fail "this needs apt-get; use a Debian or Ubuntu machine."
    if ! command -v debootstrap >/dev/null; then
        say "installing debootstrap"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring
    fi
}

# Runs a command in the unfinished chroot, with the host's name resolution.
inside() { SELFRECT_CHROOT_DIR=$1 "$(dirname "$0")/in_chroot" "${@:2}"; }

build() {
    local suite=$1 dir=$2 uri
    prepare_host
    uri=$(mirror)
    if [[ -z $uri ]]; then
        apt-get update -qq
        uri=$(mirror)
    fi
    [[ -n $uri ]] || fail "apt knows no Debian mirror; set SELFRECT_DEBIAN_MIRROR to one."
    say "Debian $suite in $dir"
    unshare --mount --propagation private debootstrap --variant=minbase "$suite" "$dir" "$uri" >"$dir.log" 2>&1 \
        || fail "debootstrap failed; its log is $dir.log."
    ln -sf /proc/mounts "$dir/etc/mtab"
    {
        apt-config dump | grep -E '^Acquire::https?::Proxy' || true
        [[ $suite != sid ]] || printf 'Acquire::Check-Valid-Until "false";\n'
    } >"$dir/etc/apt/apt.conf.d/99selfrect"
    say "installing Blender and a display"
    inside "$dir" apt-get update -qq >>"$dir.log" 2>&1 || fail "apt-get update failed; the log is $dir.log."
    inside "$dir" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}" \
        >>"$dir.log" 2>&1 || fail "installing Blender failed; the log is $dir.log."
    inside "$dir" apt-get clean
}

remove() {
    local dir
    dir=$(realpath -m "$1")
    [[ -e $dir ]] || return 0
    if awk -v at="$dir/" 'index($5 "/", at) == 1 {found = 1} END {exit !found}' /proc/self/mountinfo; then
        fail "something is mounted in $dir; unmount it first (findmnt -R $dir)."
    fi
    rm -rf --one-file-system -- "$dir"
}

main() {
    local action=make
    case ${1:-} in --path|--remove) action=${1#--}; shift ;; esac
    local suite=${1:-trixie} chroots=${SELFRECT_CHROOTS:-/var/tmp/selfrect-chroots}
    [[ $suite =~ ^[a-z]+$ ]] || fail "a suite is a word such as trixie or sid, not '$suite'."
    local dir=$chroots/$suite
    case $action in
        path) printf '%s\n' "$dir"; return ;;
        remove) remove "$dir"; return ;;
    esac
    [[ $(id -u) == 0 ]] || fail "this needs root."
    mkdir -p "$chroots"
    exec 9>"$chroots/.$suite.lock"
    flock 9
    # The stamp holds the package list, so a longer list makes the chroot anew.
    if [[ -f $dir/.selfrect && $(<"$dir/.selfrect") == "${PACKAGES[*]}" ]]; then
        return
    fi
    remove "$dir.unfinished"
    build "$suite" "$dir.unfinished"
    printf '%s\n' "${PACKAGES[*]}" >"$dir.unfinished/.selfrect"
    remove "$dir"
    mv "$dir.unfinished" "$dir"
    rm -f "$dir.unfinished.log"
    say "$(inside "$dir" blender --version 2>/dev/null | head -n 1) is ready in $dir"
}

main "$@"
