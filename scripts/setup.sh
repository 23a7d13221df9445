#!/usr/bin/env bash
# Brings a fresh checkout to where something can be done with it; `make` calls it.
#
#   scripts/setup.sh program   what PyAudio is built from, .venv, and the program in it
#   scripts/setup.sh dev       the tools of the dependency group `dev`
#   scripts/setup.sh servers   the programs that the tests talk to: sound servers, players, a terminal, systemd
#
# Packages of the system are installed on Debian and Ubuntu, as root or where sudo asks for no
# password. Elsewhere the line to type is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

python=

say() { printf 'setup: %s\n' "$*" >&2; }

# The packages that bring something, by package manager.
packages() { # MANAGER NEED
    case "$1 $2" in
        "apt-get compiler") echo gcc libc6-dev ;;
        "apt-get portaudio") echo libportaudio2 portaudio19-dev ;;
        "apt-get python") echo python3 python3-dev python3-venv ;;
        "apt-get paplay" | "dnf paplay") echo pulseaudio-utils ;;
        "apt-get alsa-pulse") echo libasound2-plugins ;;
        "apt-get jackd") echo jackd2 ;;
        "apt-get systemd-nspawn" | "dnf systemd-nspawn") echo systemd-container ;;
        "apt-get pam-systemd") echo libpam-systemd ;;
        "apt-get gst-rtsp") echo gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad ;;
        "apt-get mosquitto") echo mosquitto ;;
        "dnf gst-rtsp") echo gstreamer1-rtsp-server python3-gobject gstreamer1-plugins-base gstreamer1-plugins-good gstreamer1-plugins-bad-free ;;
        "pacman gst-rtsp") echo gst-rtsp-server python-gobject gst-plugins-base gst-plugins-good gst-plugins-bad ;;
        "dnf portaudio") echo portaudio-devel ;;
        "dnf python") echo python3-devel ;;
        "dnf alsa-pulse") echo alsa-plugins-pulseaudio ;;
        "dnf jackd") echo jack-audio-connection-kit ;;
        "dnf ffmpeg") echo ffmpeg-free ;;
        "pacman paplay") echo libpulse ;;
        "pacman alsa-pulse") echo alsa-plugins ;;
        "pacman jackd") echo jack2 ;;
        *" systemd-nspawn" | *" pam-systemd") echo systemd ;;
        *" compiler") echo gcc ;;
        *" arecord") echo alsa-utils ;;
        *) echo "$2" ;;
    esac
}

have() { # NEED
    local plugin=alsa-lib/libasound_module_pcm_pulse.so module=security/pam_systemd.so
    case "$1" in
        compiler) includes stdlib.h ;;
        portaudio) includes portaudio.h || pkg-config --exists portaudio-2.0 2>/dev/null ;;
        python) find_python ;;
        alsa-pulse) compgen -G "/usr/lib*/$plugin" >/dev/null || compgen -G "/usr/lib/*/$plugin" >/dev/null ;;
        procps) [ -x /bin/kill ] ;; # by which the unit reloads
        pam-systemd) compgen -G "/usr/lib*/$module" >/dev/null || compgen -G "/usr/lib/*/$module" >/dev/null ;;
        mosquitto) command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] ;;
        gst-rtsp) # under the system's own interpreter: its bindings come in no other way
            /usr/bin/python3 -c '
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GstRtspServer' 2>/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

includes() { echo "#include <$1>" | gcc -E - >/dev/null 2>&1; }

# Sets `python` to the newest interpreter that can make an environment and build an extension.
find_python() {
    local name
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 /usr/bin/python3}; do
        if "$name" - >/dev/null 2>&1 <<'END'; then
import ensurepip, os, sys, sysconfig, venv

header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 11) or not os.path.exists(header))
END
            python=$name
            return 0
        fi
    done
    return 1
}

# Sets `missing` to what is not there.
look_for() { # NEED...
    local need
    missing=()
    for need in "$@"; do
        have "$need" || missing+=("$need")
    done
}

need() { # NEED...
    local need missing manager names="" sudo=(sudo)
    look_for "$@"
    [ ${#missing[@]} -eq 0 ] && return

    for manager in apt-get dnf pacman brew ""; do
        command -v "$manager" >/dev/null && break
    done
    for need in "${missing[@]}"; do
        names+=" $(packages "$manager" "$need")"
    done
    [ "$(id -u)" -eq 0 ] && sudo=()
    if [ "$manager" = apt-get ] && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
        apt_install || say "apt-get failed"
        look_for "$@"
        [ ${#missing[@]} -eq 0 ] && return
    fi
    say "missing: ${missing[*]}"
    how_to_install
    exit 1
}

apt_install() {
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=400)
    say "installing$names"
    "${apt[@]}" update
    # shellcheck disable=SC2086  # one word for each package; nothing may have to go for it
    "${apt[@]}" install -y --no-install-recommends --no-remove $names
}

how_to_install() {
    local type="type: ${sudo[*]}"
    case "$manager" in
        apt-get) say "$type apt-get update && ${sudo[*]} apt-get install --no-install-recommends$names" ;;
        dnf) say "$type dnf install$names" ;;
        pacman) say "$type pacman -S$names" ;;
        brew) say "type: brew install$names" ;;
        *) say "install them with this system's package manager, then try again" ;;
    esac
    if ! find_python; then
        say "needed: Python 3.11 or newer with its headers; one that is not on PATH is named by PYTHON=/its/path"
    fi
}

pip_install() {
    .venv/bin/python -m pip install --constraint constraints.txt --build-constraint constraints.txt "$@"
}

program() {
    need compiler portaudio python
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        "$python" -m venv --clear .venv
    fi
    say "installing Python packages into .venv: a few minutes the first time"
    .venv/bin/python -m pip install --quiet --constraint constraints.txt pip # the one that knows --group
    pip_install --editable '.[all]'
}

dev() { pip_install --group dev; }

servers() { need pulseaudio paplay arecord alsa-pulse jackd ffmpeg tmux systemd-nspawn pam-systemd procps mosquitto gst-rtsp openssl; }

"$@"
