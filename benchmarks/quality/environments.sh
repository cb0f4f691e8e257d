#!/bin/bash
# bash environments.sh DIR [stardist|cellpose|nnunet ...]: an environment for each peer in DIR,
# since what they need contradicts each other. PYTHON says which one they are made of (3.11).
set -euo pipefail
place=${1:?usage: environments.sh DIR [NAME ...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
for name in "${@:-stardist cellpose nnunet}"; do
  for one in $name; do
    [ -x "$place/$one/bin/python" ] || "${PYTHON:-python3.11}" -m venv "$place/$one"
    "$place/$one/bin/python" -m pip install -q --prefer-binary -r "$here/requirements-$one.txt"
  done
done
