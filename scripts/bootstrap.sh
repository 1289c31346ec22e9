#!/bin/sh
# Prepares the checkout, then gets out of the way. Safe to run again: when nothing has changed it does nothing.
#
#   scripts/bootstrap.sh run       what the product needs
#   scripts/bootstrap.sh dev       run, and the test and check tools
#   scripts/bootstrap.sh packages  (as root on Debian) the packages of scripts/debian-packages.txt
#   scripts/bootstrap.sh tpm       run, and the extra `tpm`, which is compiled
#   scripts/bootstrap.sh clients   the environments of foreign clients below .venvs, see requirements/clients
#   scripts/bootstrap.sh test      dev, packages, the extra `tpm`, and as root the clients
#
# Variables: PYTHON  interpreter to use, default the first suitable on the path
#            VENV    virtual environment, default .venv
#            CLIENTS  where the environments of foreign clients are, default .venvs
#            SCEPLAB_NO_APT=1  never call apt-get, also not as root
#            POLICY_RC_D  where Debian asks whether a service may start, default /usr/sbin/policy-rc.d
#
# Messages go to standard error. Exit code 1: the reason and the next step were printed.
set -eu

mode=${1:-run}
case $mode in
run | dev | packages | tpm | clients | test) ;;
*)
    echo "usage: scripts/bootstrap.sh [run|dev|packages|tpm|clients|test]" >&2
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
root=$(pwd -P)
venv=${VENV:-.venv}
clients=${CLIENTS:-.venvs}
packages_file=scripts/debian-packages.txt

say() { printf 'bootstrap: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

# --- Debian packages ------------------------------------------------------------------------------

is_root() { [ "$(id -u)" -eq 0 ]; }
may_install() { is_root && [ -z "${SCEPLAB_NO_APT:-}" ] && command -v apt-get >/dev/null 2>&1; }

listed_packages() { awk -v when="$1" '$1 !~ /^#/ && $2 == when { print $1 }' "$packages_file"; }

missing_packages() {
    listed_packages "$1" | while read -r package; do
        state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) || state=
        [ "$state" = "install ok installed" ] || printf '%s ' "$package"
    done
}

apt_line() { echo "apt-get install --no-install-recommends -y $*"; }

policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
saved_policy=$policy.sceplab-saved
policy_mark="# Written by the sceplab bootstrap for the length of one installation."

# Also puts right what an interrupted earlier run has left behind.
restore_policy() {
    if [ -e "$saved_policy" ] || [ -L "$saved_policy" ]; then
        mv -f "$saved_policy" "$policy"
    elif [ -f "$policy" ] && grep -qxF "$policy_mark" "$policy" 2>/dev/null; then
        rm -f "$policy"
    fi
}

refuse_service_starts() {
    restore_policy
    trap restore_policy EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$saved_policy"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
    chmod 755 "$policy"
}

allow_service_starts() {
    restore_policy
    trap - EXIT HUP INT TERM
}

# A service that was not there before shall not appear at the next boot either.
disable_services_of() {
    for package in "$@"; do
        for path in $(dpkg-query -L "$package" | grep -E '/init\.d/.|/systemd/system/[^@]*\.service$'); do
            name=$(basename "$path" .service)
            if [ -e "/etc/init.d/$name" ]; then
                update-rc.d "$name" disable >/dev/null 2>&1 || say "could not disable service $name"
            elif command -v systemctl >/dev/null 2>&1; then
                systemctl disable "$name" >/dev/null 2>&1 || say "could not disable service $name"
            fi
        done
    done
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y -q \
        -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# Package lists are only fetched when the ones at hand do not do.
apt_install_with_update() {
    if apt-get install -s -qq --no-install-recommends "$@" >/dev/null 2>&1 && apt_install "$@"; then
        return 0
    fi
    apt-get update -q </dev/null && apt_install "$@"
}

install_packages() {
    say "installing with apt-get: $*"
    log=$(mktemp)
    refuse_service_starts
    if apt_install_with_update "$@" >"$log" 2>&1; then installed=yes; else installed=; fi
    allow_service_starts
    if [ -z "$installed" ]; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install: $* (its last messages are above)." \
            "To go on without them: SCEPLAB_NO_APT=1; the tests that need them then skip."
    fi
    rm -f "$log"
    disable_services_of "$@"
}

# --- Python ---------------------------------------------------------------------------------------

# Prints what identifies an interpreter; fails when it is not Python 3.11 or newer.
identify_python() {
    "$1" -c 'import sys
if sys.version_info < (3, 11):
    sys.exit(1)
print(sys.implementation.name, sys.version.split()[0], sys.base_prefix)' 2>/dev/null
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

search_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        identify_python "$candidate" >/dev/null || continue
        can_make_venv "$candidate" || continue
        echo "$candidate"
        return 0
    done
    return 1
}

explain_no_python() {
    if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is not a Python 3.11 or newer that can make virtual environments."
    else
        say "no Python 3.11 or newer that can make virtual environments was found."
    fi
    found=$(command -v "${PYTHON:-python3}" 2>/dev/null) || found=
    if [ -n "$found" ]; then
        say "$found says \"$("$found" -V 2>&1 | head -n 1)\": too old, or its venv module is incomplete."
    fi
    say "On Debian or Ubuntu, as root:  $(apt_line python3 python3-venv)"
    fail "Elsewhere: install Python 3.11 or newer, then say  make ... PYTHON=/path/to/python3"
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        identify_python "$PYTHON" >/dev/null && can_make_venv "$PYTHON" || explain_no_python
        python=$PYTHON
        return
    fi
    if [ -x "$venv/bin/python" ] && identify_python "$venv/bin/python" >/dev/null; then
        python=$venv/bin/python
        return
    fi
    python=$(search_python) && return
    may_install || explain_no_python
    missing=$(missing_packages run)
    [ -n "$missing" ] || explain_no_python
    # shellcheck disable=SC2086 # a list of words
    install_packages $missing
    python=$(search_python) || explain_no_python
}

# --- virtual environment --------------------------------------------------------------------------

requirement_files() {
    echo requirements/base.txt
    [ "$1" = run ] || printf '%s\n' requirements/test.txt requirements/check.txt
}

installed_key() {
    # shellcheck disable=SC2046 # a list of words
    cat pyproject.toml $(requirement_files "$1") | cksum
}

make_venv() {
    identity="$root|$(identify_python "$python")"
    if [ "$(cat "$venv/sceplab-made-for" 2>/dev/null)" = "$identity" ] && [ -x "$venv/bin/python" ]; then
        return
    fi
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
        fail "$venv exists and is not a virtual environment; move it away or choose another with VENV=."
    fi
    # The environment's own interpreter cannot rebuild the environment it lives in.
    if [ "$python" = "$venv/bin/python" ]; then
        python=$(search_python) || explain_no_python
        identity="$root|$(identify_python "$python")"
    fi
    say "making $venv with $("$python" -V) ($(command -v "$python"))"
    "$python" -m venv --clear "$venv" >&2 || fail "python -m venv failed. On Debian or Ubuntu, as root:" \
        "$(apt_line python3-venv)"
    echo "$identity" >"$venv/sceplab-made-for"
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check -qq --no-input "$@" >&2
}

is_installed() {
    stamp=$venv/sceplab-installed-$1
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(installed_key "$1")" ]
}

# Argument: run, or dev, which includes it.
install_requirements() {
    if is_installed dev || is_installed "$1"; then
        return
    fi
    say "installing the pinned requirements into $venv"
    arguments=
    for file in $(requirement_files "$1"); do arguments="$arguments -r $file"; done
    # shellcheck disable=SC2086 # a list of words
    pip install --require-hashes --no-deps $arguments ||
        fail "pip could not install the requirements (see its message above); the package index must be reachable."
    pip install --no-deps --no-build-isolation --editable . || fail "pip could not install the project itself."
    installed_key "$1" >"$venv/sceplab-installed-$1"
    say "ready"
}

install_test_packages() {
    command -v dpkg-query >/dev/null 2>&1 || {
        say "not a Debian system: tests that need programs of others skip unless they are on the path."
        return
    }
    missing=$(missing_packages test)
    if may_install; then
        restore_policy
        [ -n "$missing" ] || return 0
        # shellcheck disable=SC2086 # a list of words
        install_packages $missing
    elif [ -n "$missing" ]; then
        # shellcheck disable=SC2086 # a list of words
        say "some tests skip until these packages are there; as root:  $(apt_line $missing)"
    fi
}

# --- extra: tpm -----------------------------------------------------------------------------------

tpm_key() { cat requirements/tpm-build.txt requirements/tpm.txt | cksum; }

# Somebody may have uninstalled it since.
has_binding() { "$venv/bin/python" -c 'import tpm2_pytss' 2>/dev/null; }

# Debian packages of what the compilation lacks; asks for the things, not for the packages.
lacking_for_tpm() {
    command -v cc >/dev/null 2>&1 || printf 'gcc libc6-dev '
    "$venv/bin/python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        printf 'python3-dev '
    command -v pkg-config >/dev/null 2>&1 || {
        printf 'pkg-config libtss2-dev '
        return
    }
    pkg-config --exists tss2-esys tss2-fapi tss2-mu tss2-rc tss2-tctildr || printf 'libtss2-dev '
}

# The tests that need the extra skip with this line.
no_tpm() {
    say "$@"
    echo "$*" >"$venv/sceplab-no-tpm"
}

install_tpm_extra() {
    stamp=$venv/sceplab-installed-tpm
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(tpm_key)" ] && has_binding; then
        return
    fi
    lacking=$(lacking_for_tpm)
    if [ -n "$lacking" ]; then
        # shellcheck disable=SC2086 # a list of words
        no_tpm "the extra \`tpm\` is not there, its tests skip; as root:  $(apt_line ${lacking% })" \
            "  then:  scripts/bootstrap.sh test"
        return
    fi
    say "compiling the extra tpm (half a minute)"
    if pip install --require-hashes --no-deps -r requirements/tpm-build.txt &&
        pip install --require-hashes --no-deps --no-build-isolation -r requirements/tpm.txt; then
        rm -f "$venv/sceplab-no-tpm"
        tpm_key >"$stamp"
    else
        no_tpm "the extra \`tpm\` could not be compiled, its tests skip; see why:  scripts/bootstrap.sh test"
    fi
}

# --- environments of foreign clients -----------------------------------------------------------------

# One environment for each lock: these clients want other versions of what we and each other use.
install_clients() {
    for lock in requirements/clients/*.txt; do
        name=$(basename "$lock" .txt)
        home=$clients/$name
        key="$(identify_python "$python")|$(cksum <"$lock")"
        [ "$(cat "$home/sceplab-made-for" 2>/dev/null)" != "$key" ] || continue
        if [ -e "$home" ] && [ ! -f "$home/pyvenv.cfg" ]; then
            fail "$home exists and is not a virtual environment; move it away."
        fi
        say "making $home ($(grep -c == "$lock") packages)"
        "$python" -m venv --clear "$home" >&2 || fail "python -m venv failed."
        "$home/bin/python" -m pip --disable-pip-version-check -qq --no-input install --require-hashes \
            --no-deps -r "$lock" >&2 || fail "pip could not install $lock (see its message above)."
        echo "$key" >"$home/sceplab-made-for"
    done
}

prepare_python() {
    find_python
    make_venv
    install_requirements "$1"
}

case $mode in
run | dev) prepare_python "$mode" ;;
packages) install_test_packages ;;
clients)
    find_python
    install_clients
    ;;
tpm)
    prepare_python run
    install_tpm_extra
    ;;
test)
    prepare_python dev
    install_test_packages
    install_tpm_extra
    if is_root; then
        install_clients
    else
        say "tests with foreign clients skip until they are there:  make clients"
    fi
    ;;
esac
