#!/bin/sh
# A file has one job and a reader's patience: 700 lines at the most (data tables excepted by name; tests 900).
git ls-files 'tests/unit/*.c' | xargs wc -l |
    awk '$2 != "total" && $1 > 900 { print $2 ": " $1 " lines"; bad = 1 } END { exit bad }' || exit 1
git ls-files '*.c' '*.h' ':!tests/unit/*' | grep -vE '_table\.c$' | xargs wc -l |
    awk '$2 != "total" && $1 > 700 { print $2 ": " $1 " lines"; bad = 1 } END { exit bad }'
