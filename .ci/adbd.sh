#!/bin/sh
# Prints the path of Debian's adbd, for the nightly; nothing where it cannot be had. The packages are unpacked, not
# installed: an installed adbd is a service that listens on every network. Called by `make nightly`.
set -eu

packages="adbd android-libbase android-libcutils android-liblog android-libboringssl libprotobuf32"
here=$(cd "$(dirname "$0")/.." && pwd)
folder=$here/.adbd
daemon=$folder/usr/lib/android-sdk/platform-tools/adbd
starter=$folder/start

if [ ! -x "$starter" ]; then
    mkdir -p "$folder/packages"
    if ! (cd "$folder/packages" && apt-get download -qq -t bookworm-backports $packages) >&2; then
        echo "adbd: not available here (bookworm-backports); its tests are skipped" >&2
        exit 0
    fi
    for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$folder"; done
    libraries=$(find "$folder/usr/lib" -name '*.so*' -exec dirname {} + | sort -u | paste -sd:)
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$daemon" >"$starter"
    chmod +x "$starter"
fi
echo "$starter"
