#!/bin/sh
# Makes .venv from the hashed requirements and puts the project into it (editable).
# The lock names every package, so pip needs to look for no others (`--no-deps`): an extra of a
# pinned package would otherwise count as one without a hash.
# `make` calls it when .venv/.ready is missing or older than one of its inputs.
# PYTHON=... chooses the interpreter. An interrupted run leaves .venv/.incomplete, and the
# next one starts from nothing.
set -eu
cd "$(dirname "$0")/.."
venv=.venv

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" && "$PYTHON" -c 'import sys; print(sys.executable)'
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if usable "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

has_uv() {
    uv --version >/dev/null 2>&1
}

new_environment() {
    if ! python=$(find_python); then
        found=$("${PYTHON:-python3}" --version 2>/dev/null || echo "no ${PYTHON:-python3}")
        echo "Smart Sensor needs Python 3.11 or newer, and found $found:" \
            "install one, or name it with PYTHON=/path/to/python make ..." >&2
        exit 1
    fi
    rm -rf "$venv"
    if has_uv; then
        uv venv --quiet --python "$python" "$venv"
    elif ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        exit 1
    fi
}

install_with_uv() {
    # Compiled now, so that no start has to do it (pip always does).
    uv pip sync --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes requirements.lock
    uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
}

install_with_pip() {
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
    "$venv/bin/python" -m pip install --quiet --require-hashes --no-deps -r requirements.lock
    "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation -e .
}

rm -f "$venv/.ready"
if [ -e "$venv/.incomplete" ] || ! usable "$venv/bin/python"; then
    new_environment
elif ! has_uv && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    new_environment  # made by a uv that is gone
fi
: >"$venv/.incomplete"
if has_uv; then
    echo "Setting up .venv with uv ..."
    install_with_uv
else
    echo "Setting up .venv with pip: this takes a minute or two, once ..."
    install_with_pip
fi
# The installers show no warnings of a build that succeeds: say it here.
"$venv/bin/python" hatch_build.py >/dev/null || true
rm -f "$venv/.incomplete"
: >"$venv/.ready"
