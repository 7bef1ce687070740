#!/bin/sh
# Finds a Python that Repertory runs on and hands over to `python -m bootstrap`.
# PYTHON=/path/to/python names one by hand. Needs nothing but a POSIX shell.
cd "$(dirname "$0")/.." || exit 1
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
for candidate in ${PYTHON:-.venv/bin/python python3.11 python3.12 python3.13 python3}; do
    if "$candidate" -c "$fits" >/dev/null 2>&1; then
        exec "$candidate" -m bootstrap "$@"
    fi
done
found=$("${PYTHON:-python3}" --version 2>&1) || found="no usable ${PYTHON:-python3}"
echo "Repertory needs Python 3.11, 3.12 or 3.13 and found ${found}: install one (on Debian or Ubuntu:" \
    "apt install python3 python3-venv) or name it with 'make install PYTHON=/path/to/python'." >&2
exit 1
