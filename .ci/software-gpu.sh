#!/bin/sh
# Installs a software Vulkan adapter with real half precision (Mesa >= 24 lavapipe) on Debian or Ubuntu, for the
# check on the real GPU delegate. Safe to run again; quick when it is there already. Called by `make software-gpu`.
set -eu

needed_major=24
package=mesa-vulkan-drivers
backports_list=/etc/apt/sources.list.d/bokeh-tf-backports.list
here=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'software-gpu: %s\n' "$*"; }
fail() {
    printf 'software-gpu: %s\n' "$*" >&2
    exit 1
}

major_of() { # "25.0.7-2~bpo12+1" -> 25, with or without an epoch; nothing for "(none)"
    printf '%s\n' "$1" | sed -n 's/^\([0-9]*:\)\{0,1\}\([0-9][0-9]*\)\..*/\2/p'
}
installed_major() { major_of "$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || true)"; }
candidate_major() { major_of "$(apt-cache policy "$package" | sed -n 's/^ *Candidate: *//p')"; }
is_new_enough() { [ -n "$1" ] && [ "$1" -ge "$needed_major" ]; }

is_ready() {
    is_new_enough "$(installed_major)" || return 1
    dpkg-query -W libvulkan1 >/dev/null 2>&1 || return 1
    for driver in /usr/share/vulkan/icd.d/lvp_icd*.json; do
        [ -e "$driver" ] && return 0
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# -o waits for another apt that holds the lock; the loop also gets over a mirror that fails for a moment.
apt() {
    attempt=1
    until as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -qq "$@" \
        >/dev/null; do
        [ "$attempt" -lt 3 ] || fail "apt-get $* failed three times; its messages are above."
        say "apt-get $1 failed, trying again in 10 s"
        sleep 10
        attempt=$((attempt + 1))
    done
}

# Prints "URI|options" of the mirror that this machine takes the suite $1 from, out of one-line and deb822 sources.
mirror_of() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v suite="$1" '
        $1 == "deb" {
            options = ""
            line = $0
            if (match(line, /\[[^]]*\]/)) {
                options = substr(line, RSTART, RLENGTH)
                line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
            }
            split(line, field, " ")
            if (field[3] == suite) { print field[2] "|" options; exit }
        }'
    cat_sources | awk -v suite="$1" '
        function finish() {
            if (!found && enabled && (" " suites " ") ~ (" " suite " ") && types ~ /deb( |$)/ && uri != "") {
                print uri "|" (key == "" ? "" : "[signed-by=" key "]")
                found = 1
            }
            uri = suites = types = key = ""
            enabled = 1
        }
        BEGIN { enabled = 1 }
        /^[[:space:]]*$/ { finish(); next }
        /^[Uu][Rr][Ii][Ss]:/ { uri = $2 }
        /^[Ss]uites:/ { $1 = ""; suites = $0 }
        /^[Tt]ypes:/ { $1 = ""; types = $0 }
        /^[Ss]igned-[Bb]y:/ { if ($2 ~ /^\//) key = $2 }
        /^[Ee]nabled:[[:space:]]*no/ { enabled = 0 }
        END { finish() }'
}
cat_sources() {
    for source in /etc/apt/sources.list.d/*.sources; do
        [ -e "$source" ] || continue
        cat "$source"
        echo
    done
}

add_backports() { # the mirror this machine already uses, so that nothing new has to be reachable
    mirror=$(mirror_of "$1" | head -n 1)
    [ -n "$mirror" ] || fail "no source for the suite $1 found in /etc/apt; add $1-backports by hand and run this again."
    options=${mirror#*|}
    say "adding the suite $1-backports of ${mirror%%|*}"
    printf 'deb %s%s %s-backports main\n' "${options:+$options }" "${mirror%%|*}" "$1" | as_root tee "$backports_list" >/dev/null
    apt update
}

install_drivers() {
    [ -r /etc/os-release ] || fail "this is not Debian or Ubuntu; install Mesa >= $needed_major with lavapipe and libvulkan yourself."
    # shellcheck disable=SC1091
    . /etc/os-release
    command -v apt-get >/dev/null || fail "no apt-get here; install Mesa >= $needed_major with lavapipe and libvulkan yourself."
    if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
        fail "needs root once; run: sudo sh $here/.ci/software-gpu.sh"
    fi
    apt update
    target=""
    if ! is_new_enough "$(candidate_major)"; then
        case "${ID:-}-${VERSION_ID:-}" in
        debian-12)
            [ -e "$backports_list" ] || add_backports "$VERSION_CODENAME"
            target="$VERSION_CODENAME-backports"
            ;;
        *) fail "${PRETTY_NAME:-this system} offers no Mesa >= $needed_major; use Debian 12+, Ubuntu 24.04+ or a real GPU driver." ;;
        esac
    fi
    say "installing $package and libvulkan1${target:+ from $target}"
    apt install -y --no-install-recommends ${target:+-t "$target"} "$package" libvulkan1
    is_ready || fail "$package $(installed_major) is installed but has no lavapipe of Mesa >= $needed_major."
}

verify() {
    for python in "$here/.venv/bin/python" python3; do
        if PYTHONPATH=$here "$python" -c 'import bokeh_tf.tflite.running.gpu_adapter' 2>/dev/null; then
            say "adapters:"
            (cd "$here" && "$python" -m bokeh_tf.tflite.running.gpu_adapter) || fail "no Vulkan adapter with half precision was found."
            return
        fi
    done
    say "the driver is installed; the adapter itself is looked at once bokeh-tf is."
}

is_ready || install_drivers
verify
