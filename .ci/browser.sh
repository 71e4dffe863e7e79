#!/bin/sh
# Installs what the tests in a browser need, Chromium and npm, on Debian or Ubuntu, and fetches LiteRT.js once. Safe to
# run again; quick when all is there. Where it cannot be had it says so and ends well: those tests are then skipped.
set -u

here=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'browser: %s\n' "$*"; }
give_up() {
    say "$*; the tests in a browser will be skipped."
    exit 0
}

missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v npm >/dev/null || missing="$missing npm"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || give_up "no apt-get here to install$missing"
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || give_up "needs root once to install$missing: sudo sh $here/.ci/browser.sh"
        as_root="sudo -n"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # -o waits for another apt that holds the lock, and tries a mirror that fails for a moment again.
    options="-o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -qq"
    say "installing$missing"
    # shellcheck disable=SC2086
    { $as_root apt-get $options update && $as_root apt-get $options install -y --no-install-recommends $missing; } \
        >/dev/null || give_up "apt-get could not install$missing"
fi
for python in "$here/.venv/bin/python" python3; do
    if PYTHONPATH=$here "$python" -c 'import bokeh_tf.web.runtime' 2>/dev/null; then
        PYTHONPATH=$here "$python" -c 'from bokeh_tf.web.runtime import runtime_files; runtime_files()' 2>/dev/null ||
            give_up "LiteRT.js could not be fetched by npm"
        say "Chromium, npm and LiteRT.js are there."
        exit 0
    fi
done
say "Chromium and npm are there."
