#!/bin/sh
# Includes point down: api -> service -> probes -> probes/base. Prints each breach.
breaches=0
forbid() { # forbid FOLDER PATTERN REASON [EXCEPT]
    if grep -rnE "#include [<\"]($2)" $1 --include='*.[ch]' | grep -vE "${4:-^$}"; then
        echo "  ^ $1: $3"
        breaches=1
    fi
}
forbid probes '(service|api|tests)/' 'probes know neither the service nor the API'
forbid probes/base 'probes/(address|discover|imap|lists|mx|net|smtp)/' 'base stands alone'
forbid service '(api|tests)/' 'the service does not know the API' '^service/main.c:'
forbid api 'probes/(net|mx|smtp|imap|discover|lists)/' 'the API reaches probes through the service'
forbid 'probes service api' 'ev\.h>' 'libev is behind probes/base/loop.h' '^probes/base/loop.h:'
forbid 'probes service api' 'ares' 'c-ares is behind probes/net' '^probes/net/'
forbid 'probes service api' 'openssl/' 'OpenSSL is behind probes/net and probes/base/digest' '^probes/(net/|base/digest)'
# a conversation knows no transport
forbid 'probes/smtp/dialog.c probes/smtp/reply.c probes/smtp/classify.c probes/imap/dialog.c probes/imap/response.c' \
    'probes/net/|probes/base/loop|sys/socket' 'no input or output in a dialogue'
exit $breaches
