/* The operator's lists are read again while others look into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/lists/lists.h"
#include "probes/smtp/reply_rules.h"
#include "service/operator.h"

enum { RELOADS = 600, SETTLED = 8, GROWTH_MAX = 64 * 1024 };

static char path[] = "/tmp/vrfyd-operator-XXXXXX";
static const struct config config = {
    .lists_dir = (char[]){""}, .reply_rules = (char[]){""}, .allow_list = path};

/* Each time another list, of a few thousand octets. */
static void write_list(unsigned turn)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "always.example\nturn%u.example\n", turn);
    for (unsigned i = 0; i < 100; i++)
        fprintf(file, "host%u-%u.example\n", i, turn);
    assert_int_equal(fclose(file), 0);
}

static struct address address_in(const char *domain)
{
    struct address address = {.valid = true};

    snprintf(address.local, sizeof(address.local), "jane");
    snprintf(address.domain_ascii, sizeof(address.domain_ascii), "%s", domain);
    return address;
}

static void load(unsigned turn)
{
    char error[256];

    write_list(turn);
    if (!operator_load(&config, error, sizeof(error)))
        fail_msg("%s", error);
}

static void *look_up(void *context)
{
    const atomic_bool *over = context;
    const struct address address = address_in("always.example");
    size_t missed = 0;

    while (!atomic_load(over))
        missed += !operator_allows(&address);
    return missed == 0 ? NULL : (void *)context;
}

/* With sanitizers, mallinfo2 knows nothing, but what is lost is found at the end. */
static void lists_that_were_replaced_are_freed(void **state)
{
    atomic_bool over = false;
    pthread_t reader;
    void *missed;
    size_t settled = 0;

    (void)state;
    load(0);
    assert_int_equal(pthread_create(&reader, NULL, look_up, &over), 0);
    for (unsigned turn = 1; turn <= RELOADS; turn++) {
        load(turn);
        if (turn == SETTLED)
            settled = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks <= settled + GROWTH_MAX);
    atomic_store(&over, true);
    pthread_join(reader, &missed);
    assert_null(missed);

    const struct address last = address_in("turn600.example"),
                         before = address_in("turn599.example");
    assert_true(operator_allows(&last));
    assert_false(operator_allows(&before));
    assert_false(operator_suppresses(&last));
    operator_unload();
    assert_false(operator_allows(&last));
}

static void a_list_with_a_mistake_changes_nothing(void **state)
{
    const struct address address = address_in("turn1.example");
    char error[256];

    (void)state;
    load(1);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("no such thing\n", file);
    fclose(file);
    assert_false(operator_load(&config, error, sizeof(error)));
    assert_true(operator_allows(&address));
    operator_unload();
}

static void write_file(const char *name, const char *words)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(words, file);
    assert_int_equal(fclose(file), 0);
}

/* All that is read comes into force together, or nothing of it. */
static void a_mistake_in_one_file_keeps_all_the_others_out(void **state)
{
    static const struct {
        const char *lists, *rules, *allowed;
        bool fine;
    } rows[] = {
        {"mine.example\n", "U1 rcpt - 450 - mailbox_full : mailbox busy\n", "not a name\n", false},
        {"mine.example\n", "U1 rcpt\n", "always.example\n", false},
        {"no name\n", "U1 rcpt - 450 - mailbox_full : mailbox busy\n", "always.example\n", false},
        {"mine.example\n", "U1 rcpt - 450 - mailbox_full : mailbox busy\n", "always.example\n",
         true}};
    const struct address always = address_in("always.example");
    const struct reply_rules *before = reply_rules_current();
    char folder[] = "/tmp/vrfyd-operator-XXXXXX", list[64], rules[64], error[256];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(list, sizeof(list), "%s/disposable.txt", folder);
    snprintf(rules, sizeof(rules), "%s/rules", folder);
    struct config all = config;
    all.lists_dir = folder;
    all.reply_rules = rules;
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        write_file(list, rows[row].lists);
        write_file(rules, rows[row].rules);
        write_file(path, rows[row].allowed);
        assert_int_equal(operator_load(&all, error, sizeof(error)), rows[row].fine);
        assert_int_equal(list_disposable("mine.example"), rows[row].fine);
        assert_int_equal(reply_rules_current() != before, rows[row].fine);
        assert_int_equal(operator_allows(&always), rows[row].fine);
    }
    operator_unload();
    assert_true(lists_reload(NULL, error, sizeof(error)));
    unlink(list);
    unlink(rules);
    rmdir(folder);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_that_were_replaced_are_freed),
        cmocka_unit_test(a_list_with_a_mistake_changes_nothing),
        cmocka_unit_test(a_mistake_in_one_file_keeps_all_the_others_out),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
