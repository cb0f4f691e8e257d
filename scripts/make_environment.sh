#!/usr/bin/env bash
# Make .venv with Python 3.11 or newer: make_environment.sh FOLDER. Set PYTHON to choose which.
set -euo pipefail

folder=$1
# An installation that was broken off leaves halves of packages behind, which pip cannot mend.
unfinished=$folder/.unfinished
[ -x "$folder/bin/python" ] && [ ! -e "$unfinished" ] && exit 0

is_usable() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
    if is_usable "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

if ! python=$(find_python); then
  install="apt-get install -y --no-install-recommends python3 python3-venv"
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && env DEBIAN_FRONTEND=noninteractive $install >/dev/null
  elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n apt-get update -qq && sudo -n env DEBIAN_FRONTEND=noninteractive $install >/dev/null
  fi
  if ! python=$(find_python); then
    echo "Python 3.11 or newer with venv is needed, and none was found." >&2
    command -v apt-get >/dev/null && echo "Run this line once:  sudo $install" >&2
    echo "Or name one:  make PYTHON=/path/to/python3.12" >&2
    exit 1
  fi
fi
echo "Making $folder with $("$python" --version)"
"$python" -m venv --clear "$folder"
touch "$unfinished"
