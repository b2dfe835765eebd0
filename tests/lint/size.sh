#!/bin/sh
# A file has one job and a reader's patience: 700 lines at the most (data tables excepted by name).
git ls-files '*.c' '*.h' | grep -vE '_table\.c$' | xargs wc -l |
    awk '$2 != "total" && $1 > 700 { print $2 ": " $1 " lines"; bad = 1 } END { exit bad }'
