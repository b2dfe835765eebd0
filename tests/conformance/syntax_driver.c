/* syntax_driver.c - `vrfyd syntax` alone, for the conformance run when the whole program is not
 * built: NDJSON {email} on stdin, NDJSON answers on stdout. */
#include "service/syntax_stream.h"

int main(void)
{
    static const struct address_options options = {.allow_special_names = NULL, .check_tld = true};

    return syntax_stream(stdin, stdout, &options);
}
