#!/bin/sh
# check.sh BUILD - README.md has today's settings; last line "N passed, N failed".
if tests/support/readme.sh "$1" check; then
    echo "1 passed, 0 failed"
else
    echo "FAIL  README.md is behind the settings"
    echo "0 passed, 1 failed"
fi
