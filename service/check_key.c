/* What a check is called: by callers who come back for it, and by equal requests. */
#include "probes/base/random.h"
#include "probes/base/text.h"
#include "service/check.h"

enum { KEY_FLAGS = 5 };

/* "v_" + home shard + 12 random base-32 digits: nobody guesses another caller's id. */
void check_make_id(const struct checks *checks, char id[ENGINE_ID_SIZE])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t random[12];

    random_bytes(random, sizeof(random));
    id[0] = 'v';
    id[1] = '_';
    id[2] = digits[checks->shard->index / 32];
    id[3] = digits[checks->shard->index % 32];
    for (size_t i = 0; i < sizeof(random); i++)
        id[4 + i] = digits[random[i] % 32];
    id[4 + sizeof(random)] = '\0';
}

/* What an identical request has in common. Binary octets cannot be in it: see address_wire(). */
char *check_make_key(const struct engine_ticket *ticket, const struct address *address)
{
    char wire[ADDRESS_TEXT_SIZE];
    struct text key;

    address_wire(address, wire);
    text_init(&key, sizeof(wire) + KEY_FLAGS);
    text_char(&key, ticket->kind == TICKET_DOMAIN ? 'd' : 'v');
    text_char(&key, ticket->smtp ? 's' : '-');
    text_char(&key, ticket->imap ? 'i' : '-');
    text_char(&key, ticket->explain == EXPLAIN_TRANSCRIPT ? 't' : '-');
    text_put(&key, wire);
    return text_take(&key);
}
