#!/usr/bin/env bash
# Make an environment with the lowest versions that pyproject.toml allows: lowest_versions.sh FOLDER
set -euo pipefail
folder=$1
"${PYTHON:-python3.11}" -m venv "$folder"
"$folder/bin/python" -m pip install -q uv
"$folder/bin/uv" pip install --python "$folder/bin/python" --resolution lowest-direct -e '.[all,test]'
