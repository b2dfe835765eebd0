#include "tests/bench/yardstick_answer.h"

#include <string.h>

#include "probes/base/mem.h"
#include "probes/base/text.h"

enum { CODE_RECIPIENT_TAKEN = 250, ANSWER_MAX = 2048, REPLY_SHOWN_MAX = 100 };

static const char *const flags[] = {
    "disposable", "disposable_mx", "alias_relay", "role",   "no_reply",
    "free",       "subaddress",    "gibberish",   "typo",   "catch_all",
    "idn_domain", "non_ascii",     "implicit_mx", "parked", "slow_server",
};

size_t yardstick_answer(uint32_t index, const char *email, int code, const char *reply)
{
    bool taken = code == CODE_RECIPIENT_TAKEN;
    struct text out;

    text_init(&out, ANSWER_MAX);
    json_open(&out, NULL, '{');
    json_integer(&out, "index", index);
    json_string(&out, "id", "y_0000000000000");
    json_string(&out, "email", email);
    json_string(&out, "normalized", email);
    json_string(&out, "status", taken ? "deliverable" : "undeliverable");
    json_string(&out, "reason", taken ? "mailbox_accepted" : "mailbox_not_found");
    json_number(&out, "confidence", taken ? 0.9 : 0.99);
    json_string(&out, "action", taken ? "accept" : "reject");
    json_integer(&out, "code", code);
    json_string_n(&out, "reply", reply, strnlen(reply, REPLY_SHOWN_MAX));
    json_null(&out, "suggestion");
    json_bool(&out, "complete", true);
    json_bool(&out, "retryable", false);
    json_null(&out, "retry_after_s");
    json_string(&out, "checked_at", "2026-01-01T00:00:00Z");
    json_string(&out, "expires_at", "2026-01-02T00:00:00Z");
    json_open(&out, "flags", '{');
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
        json_bool(&out, flags[i], false);
    json_close(&out, '}');
    json_close(&out, '}');
    text_char(&out, '\n');
    size_t octets = out.length;
    text_free(&out);
    return octets;
}
