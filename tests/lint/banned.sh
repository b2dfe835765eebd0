#!/bin/sh
# Functions with no place here: unbounded copies, hidden state, blocking look-ups, silent conversions.
found=0
ban() { # ban PATTERN REASON [EXCEPT]
    if git grep -nE "(^|[^A-Za-z0-9_\"*])($1) *\(" -- 'probes/*.[ch]' 'service/*.[ch]' 'api/*.[ch]' |
        grep -vE "^[^:]*:[0-9]+: *(/\*|\*)|${3:-^$}"; then
        echo "  ^ $2"
        found=1
    fi
}
ban 'strcpy|strcat|sprintf|vsprintf|gets|alloca|strncpy|strncat' 'no bound, or one that lies'
ban 'strtok|localtime|gmtime|asctime|ctime' 'hidden state: not safe in threads'
ban 'atoi|atol|atoll|atof|sscanf' 'errors pass in silence'
ban 'getaddrinfo|gethostbyname|gethostbyaddr|getnameinfo' 'blocks the loop' '^service/main.c|^api/cli_'
ban 'sleep|usleep|nanosleep' 'a loop never sleeps'
ban 'system|popen|execl|execlp|execv|execvp' 'nothing is started'
ban 'rand|srand|random|srandom' 'predictable'
if git grep -nE 'SSL_VERIFY_NONE' -- '*.[ch]' | grep -vE '^(probes/net/tls|tests/)'; then
    echo '  ^ certificates are judged in one place'
    found=1
fi
exit $found
