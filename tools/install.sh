#!/bin/sh
# Installs Smart Sensor for running, not for working on it, into a virtual environment of its own:
#   tools/install.sh TARGET [requirements|project]
# The Dockerfile calls it, and so can you. Every file that is installed is checked against the
# hashes of requirements_runtime.lock; nothing is compiled; no tool of the build gets into TARGET.
# Without the second argument it does both parts: what we depend on, then the project itself.
# PYTHON=... chooses the interpreter.
set -eu
umask 022  # whoever runs it later can read it
if [ $# -lt 1 ]; then
    echo "usage: tools/install.sh TARGET [requirements|project]" >&2
    exit 2
fi
target=$1
case $target in /*) ;; *) target=$PWD/$target ;; esac
part=${2:-all}
cd "$(dirname "$0")/.."
tools=$PWD/.cache/install

install_requirements() {
    if [ -d "$target" ] && [ ! -e "$target/pyvenv.cfg" ] && [ -n "$(ls -A "$target")" ]; then
        echo "$target is no virtual environment and not empty: name another folder" >&2
        exit 2
    fi
    "${PYTHON:-python3}" -m venv --without-pip "$target"
    "${PYTHON:-python3}" -m venv --clear "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
        --only-binary=:all: --require-hashes -r requirements_build.lock
    "$tools/bin/uv" pip sync --quiet --python "$target/bin/python" --no-build --require-hashes \
        --compile-bytecode requirements_runtime.lock
}

install_project() {
    "$tools/bin/python" hatch_build.py  # a wheel can be built without the charts: here it must not
    rm -rf "$tools/dist"
    "$tools/bin/python" -m hatchling build --target wheel --directory "$tools/dist"
    "$tools/bin/uv" pip install --quiet --python "$target/bin/python" --no-deps --reinstall \
        --compile-bytecode "$tools"/dist/*.whl
}

case $part in
    requirements) install_requirements ;;
    project) install_project ;;
    all) install_requirements && install_project ;;
    *) echo "$part: not known; name requirements, project, or nothing for both" >&2; exit 2 ;;
esac
