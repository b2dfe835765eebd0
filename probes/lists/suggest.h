/* suggest.h - what was probably meant: "gmial.com" is "gmail.com".
 *
 * A suggestion is a question to the visitor, never a correction made for him. There is none for a
 * domain that any list knows, and none that would take more than one plausible slip of the hand. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* `domain` as typed (A-label or plain text). `domain_missing`: DNS said it does not exist, so
 * bigger slips count too. True: `out` holds a domain that differs from the one typed. `out` is
 * untouched on false. */
bool suggest_domain(const char *domain, bool domain_missing, char *out, size_t size);

/* A whole address for an input as received, whether or not it parses: "jane@gmail,com", "jane
 * gmail.com", "jane＠gmial.com". True: `out` holds an address that differs from the input. */
bool suggest_address(const char *input, size_t length, bool domain_missing, char *out, size_t size);
