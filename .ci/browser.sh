#!/bin/sh
# Installs what the tests of the pages need, Chromium and npm, on Debian, and fetches LiteRT.js and what checks the
# scripts once; Ubuntu's archive has no Chromium but a snap, which is used where it is installed. Safe to run again;
# quick when all is there. Where something cannot be had it says so and ends well: those tests are then skipped. It
# fails where LiteRT.js is another.
set -u

here=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'browser: %s\n' "$*"; }
give_up() {
    say "$*; the tests in a browser will be skipped."
    exit 0
}

# In one line why LiteRT.js cannot be had: status 1, or 2 where npm brings something else.
fetch='
import sys
from bokeh_tf.errors import DependencyError
from bokeh_tf.web.runtime import WrongPackageError, runtime_files
try:
    runtime_files()
except DependencyError as error:
    print(f"browser: {error}", file=sys.stderr)
    sys.exit(2 if isinstance(error, WrongPackageError) else 1)
'

missing=""
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="$missing chromium"
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
# The versions and hashes of the lock file; nothing is asked of npm when they are there.
checks=$here/.ci/javascript
if ! cmp -s "$checks/package-lock.json" "$checks/node_modules/of"; then
    if npm ci --prefix "$checks" --no-audit --no-fund --ignore-scripts --loglevel=error; then
        cp "$checks/package-lock.json" "$checks/node_modules/of"
    else
        say "TypeScript and Biome could not be fetched; the scripts of the pages will not be checked."
    fi
fi
for python in "$here/.venv/bin/python" python3; do
    if PYTHONPATH=$here "$python" -c 'import bokeh_tf.web.runtime' 2>/dev/null; then
        PYTHONPATH=$here "$python" -c "$fetch"
        case $? in
            0) say "Chromium, npm and LiteRT.js are there." ;;
            2) exit 1 ;;
            *) give_up "LiteRT.js could not be fetched" ;;
        esac
        exit 0
    fi
done
say "Chromium and npm are there."
