#!/usr/bin/env bash
# Install what a napari window needs on Debian-like Linux, or print the exact line that does.
# Elsewhere Qt brings everything itself, and this does nothing.
set -euo pipefail

[ "$(uname -s)" = Linux ] || exit 0

libraries="libegl1 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0 \
libdbus-1-3 libfontconfig1 libglib2.0-0"
# A screen of its own, for the tests and for machines without one.
[ -n "${DISPLAY:-}" ] || libraries="xvfb xauth $libraries"

if ! command -v dpkg-query >/dev/null; then
  if ! ldconfig -p 2>/dev/null | grep -q libxcb-cursor; then
    echo "napari's window needs the libraries that Debian calls: $libraries" >&2
    echo "Install them with your system's package manager." >&2
  fi
  exit 0
fi

# A name may have become another (libglib2.0-0 is libglib2.0-0t64 in newer releases).
is_installed() {
  local states
  states=$(dpkg-query -W -f='${Status}\n' "$1" "$1t64" 2>/dev/null || true)
  grep -q '^install ok installed' <<<"$states"
}
missing=""
for library in $libraries; do
  is_installed "$library" || missing="$missing $library"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=""
elif sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  as_root=none
fi

install="apt-get install -y --no-install-recommends$missing"
if [ "$as_root" != none ]; then
  echo "Installing system libraries:$missing"
  $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive $install >/dev/null && exit 0
fi
echo "napari's window needs system libraries that are missing. Run this line once:" >&2
echo "    sudo apt-get update && sudo $install" >&2
