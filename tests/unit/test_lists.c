/* test_lists.c - what the built-in lists say, what an operator changes about them, and the
 * operator's own lists of addresses. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probes/base/mem.h"
#include "probes/lists/list_text.h"
#include "probes/lists/lists.h"
#include "probes/lists/name_table.h"
#include "probes/lists/operator_list.h"
#include "probes/lists/snapshot.h"

enum { RELOADS = 6, READERS = 3 };

/* --- built in -------------------------------------------------------------------------------- */

static const struct kinds_case {
    const char *domain;
    unsigned has, has_not;
} kinds_cases[] = {
    {"gmail.com", LIST_FREE | LIST_POPULAR, LIST_DISPOSABLE},
    {"GMX.de", LIST_FREE | LIST_POPULAR, LIST_DISPOSABLE},
    {"comcast.net", LIST_FREE, LIST_DISPOSABLE},
    {"mailinator.com", LIST_DISPOSABLE, LIST_FREE},
    {"YOPmail.com", LIST_DISPOSABLE, LIST_FREE},
    {"anything.mailinator.com", LIST_DISPOSABLE, 0},
    {"a.b.mailinator.com", LIST_DISPOSABLE, 0},
    {"notmailinator.example.com", 0, ~0u},
    {"duck.com", LIST_ALIAS_RELAY, LIST_DISPOSABLE},
    {"jane.anonaddy.com", LIST_ALIAS_RELAY, LIST_DISPOSABLE},
    {"privaterelay.appleid.com", LIST_ALIAS_RELAY, LIST_DISPOSABLE},
    {"onmicrosoft.com", LIST_PROVIDER, LIST_DISPOSABLE},
    {"dedyn.io", 0, LIST_DISPOSABLE}, /* a public suffix: its tenants are anybody */
    {"com", 0, ~0u},
    {"", 0, ~0u},
    {".", 0, ~0u},
    {"..com", 0, ~0u},
};

static void domain_kinds(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds_cases); i++) {
        const struct kinds_case *one = &kinds_cases[i];
        unsigned kinds = list_domain_kinds(one->domain);

        if ((kinds & one->has) != one->has || (kinds & one->has_not) != 0) {
            print_error("%s: %x\n", one->domain, kinds);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    assert_true(list_disposable("mailinator.com"));
    assert_true(list_free_provider("web.de"));
    assert_true(list_alias_relay("mozmail.com"));
}

static const struct local_case {
    const char *local;
    bool role, no_reply;
} local_cases[] = {
    {"info", true, false},
    {"Postmaster", true, false},
    {"customer.service", true, false},
    {"customer-service", true, false},
    {"sales2", true, false},
    {"support+ticket17", true, false},
    {"system.administrator", true, false},
    {"hr", true, false},
    {"no-reply", true, true},
    {"NoReply", true, true},
    {"do_not_reply", true, true},
    {"news-noreply", true, true},
    {"noreply-dmarc", true, true},
    {"noreply42", true, true},
    {"jane.doe", false, false},
    {"h.r", false, false}, /* initials */
    {"j.info", false, false},
    {"infanta", false, false},
    {"salesman", false, false},
    {"support.smith", false, false},
    {"sales2000", false, false},
    {"sydney", false, false}, /* taken off the public list */
    {"2024", false, false},
    {"", false, false},
    {"...", false, false},
    {"+tag", false, false},
    {"0123456789012345678901234567890123456789012345678901234567890123456789", false, false},
};

static void local_parts(void **state)
{
    int bad = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(local_cases); i++) {
        const struct local_case *one = &local_cases[i];

        if (list_role(one->local) != one->role || list_no_reply(one->local) != one->no_reply) {
            print_error("%s: role %d, no reply %d\n", one->local, list_role(one->local),
                        list_no_reply(one->local));
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void mail_exchangers(void **state)
{
    (void)state;
    assert_true(list_disposable_mx("mail2.mailinator.com"));
    assert_true(list_disposable_mx("MX.Mailinator.com."));
    assert_true(list_disposable_mx("in.mail.tm"));
    assert_false(list_disposable_mx("aspmx.l.google.com"));
    assert_false(list_disposable_mx("mx.example.net"));
    assert_false(list_disposable_mx(""));
    assert_true(list_parking_mx("park-mx.above.com"));
    assert_true(list_parking_mx("mail.h-email.net"));
    assert_false(list_parking_mx("h-email.net.example.com"));
    assert_false(list_parking_mx("."));
}

static void top_level(void **state)
{
    (void)state;
    assert_true(list_tld_known("com", 3));
    assert_true(list_tld_known("DE", 2));
    assert_true(list_tld_known("xn--p1ai", 8));
    assert_true(list_tld_known("museum.", 6));
    assert_false(list_tld_known("con", 3));
    assert_false(list_tld_known("test", 4));
    assert_false(list_tld_known("", 0));
}

/* --- the operator's files -------------------------------------------------------------------- */

struct folder {
    char path[64];
    char *files[8]; /* owned */
    int count;
};

static struct folder folder_new(void)
{
    struct folder folder = {.path = "/tmp/vrfyd-lists-XXXXXX"};

    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static void folder_put(struct folder *folder, const char *name, const char *text)
{
    char *path = NULL;
    FILE *file;

    assert_true(asprintf(&path, "%s/%s", folder->path, name) > 0);
    folder->files[folder->count++] = path;
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void folder_remove(struct folder *folder)
{
    for (int i = 0; i < folder->count; i++) {
        unlink(folder->files[i]);
        free(folder->files[i]);
    }
    rmdir(folder->path);
}

static void operator_overrides(void **state)
{
    struct folder folder = folder_new();
    char error[256] = "", version[64];

    (void)state;
    snprintf(version, sizeof(version), "%s+4.", lists_version());
    folder_put(&folder, "disposable.txt", "# ours\r\n\r\n Burner.Example.net \n-yopmail.com\n");
    folder_put(&folder, "role.txt", "front-of-house\n-info\n");
    folder_put(&folder, "popular.txt", "vdrwidgets.com household\n");
    folder_put(&folder, "provider.txt", "mailnesia.com\n");
    assert_true(lists_reload(folder.path, error, sizeof(error)));
    assert_true(list_disposable("burner.example.net"));
    assert_true(list_disposable("x.burner.example.net"));
    assert_false(list_disposable("yopmail.com"));
    assert_true(list_disposable("mailinator.com"));
    assert_false(list_disposable("mailnesia.com"));
    assert_true(list_role("FrontOfHouse"));
    assert_false(list_role("info"));
    assert_true((list_domain_kinds("vdrwidgets.com") & LIST_POPULAR) != 0);
    assert_memory_equal(lists_version(), version, strlen(version));
    assert_int_equal(strlen(lists_version()), strlen(version) + 8);
    snprintf(version, sizeof(version), "%s", lists_version());
    assert_true(lists_reload(folder.path, error, sizeof(error)));
    assert_string_equal(lists_version(), version);
    folder_put(&folder, "provider.txt", "mailnesia.org\n");
    assert_true(lists_reload(folder.path, error, sizeof(error)));
    assert_string_not_equal(lists_version(), version);
    assert_true(lists_reload(NULL, error, sizeof(error)));
    assert_false(list_disposable("burner.example.net"));
    assert_true(list_disposable("yopmail.com"));
    assert_true(list_disposable("mailnesia.com"));
    assert_null(strchr(lists_version(), '+'));
    folder_remove(&folder);
}

static const struct refused_file {
    const char *label, *name, *text, *says;
} refused_files[] = {
    {"no such list", "disposible.txt", "a.com\n", "no list of this name"},
    {"an address among domains", "disposable.txt", "a.com\njane@b.com\n", "line 2"},
    {"one label", "free.txt", "localhost\n", "line 1"},
    {"space in a local part", "role.txt", "# x\nno body\n\"\n", "line 3"},
    {"label too long", "disposable.txt",
     "0123456789012345678901234567890123456789012345678901234567890123.com\n", "line 1"},
};

static void operator_files_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(refused_files); i++) {
        struct folder folder = folder_new();
        char error[256] = "";
        bool taken;

        folder_put(&folder, "provider.txt", "vdr-widgets.de\n");
        folder_put(&folder, refused_files[i].name, refused_files[i].text);
        taken = lists_reload(folder.path, error, sizeof(error));
        folder_remove(&folder);
        if (taken || strstr(error, refused_files[i].says) == NULL)
            fail_msg("%s: %s", refused_files[i].label, error);
        assert_int_equal(list_domain_kinds("vdr-widgets.de"), 0); /* all files or none */
    }
}

static void operator_folder_missing(void **state)
{
    char error[256] = "";

    (void)state;
    assert_false(lists_reload("/nonexistent/lists", error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent/lists"));
    assert_true(list_disposable("mailinator.com"));
}

/* Readers on other threads see the lists of before or after, whole, while they are replaced. */
static atomic_bool stop_reading;

static void *read_on(void *wrong)
{
    while (!atomic_load(&stop_reading)) {
        if (!list_disposable("mailinator.com") || list_disposable("gmail.com") ||
            lists_version()[0] != '2')
            atomic_fetch_add((atomic_int *)wrong, 1);
    }
    return NULL;
}

static void reload_under_readers(void **state)
{
    struct folder folder = folder_new();
    pthread_t readers[READERS];
    atomic_int wrong = 0;
    char error[256];

    (void)state;
    folder_put(&folder, "disposable.txt", "burner.example.net\n");
    atomic_store(&stop_reading, false);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &wrong), 0);
    for (int i = 0; i < RELOADS; i++) {
        assert_true(lists_reload(i % 2 == 0 ? folder.path : NULL, error, sizeof(error)));
        assert_int_equal(list_disposable("burner.example.net"), i % 2 == 0);
    }
    atomic_store(&stop_reading, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    folder_remove(&folder);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* --- allow and suppress lists ---------------------------------------------------------------- */

static const char operator_text[] = "# allow\n"
                                    "jane@example.com\n"
                                    "  Example.ORG  # all of it\r\n"
                                    "*.example.net\n"
                                    "\n"
                                    "-dash@example.com\n"
                                    "*.museum";

static const struct member {
    const char *local, *domain;
    bool in;
} members[] = {
    {"jane", "example.com", true},
    {"JANE", "Example.Com", true},
    {"joe", "example.com", false},
    {"joe", "example.org", true},
    {"joe", "a.example.org", false},
    {"joe", "a.example.net", true},
    {"joe", "a.b.example.net", true},
    {"joe", "example.net", false},
    {"-dash", "example.com", true},
    {"joe", "art.museum", true},
    {"joe", "museum", false},
    {"", "example.org", true},
    {"joe", "", false},
    {"jane@example.com", "", false},
};

static void operator_list_members(void **state)
{
    char error[128] = "";
    struct operator_list *list =
        operator_list_parse(operator_text, strlen(operator_text), error, sizeof(error));
    int bad = 0;

    (void)state;
    assert_non_null(list);
    assert_int_equal(operator_list_count(list), 5);
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        if (operator_list_has(list, members[i].local, members[i].domain) != members[i].in) {
            print_error("%s@%s\n", members[i].local, members[i].domain);
            bad++;
        }
    operator_list_free(&list);
    assert_null(list);
    operator_list_free(&list);
    assert_false(operator_list_has(NULL, "jane", "example.com"));
    assert_int_equal(operator_list_count(NULL), 0);
    assert_int_equal(bad, 0);
}

static const struct refused_line {
    const char *label, *text, *says;
} refused_lines[] = {
    {"a word", "jane", "line 1"},
    {"two entries in a line", "# x\njane@example.com joe@example.com", "line 2"},
    {"a U-label", "b\xC3\xBC\x63her.de", "xn--"},
    {"wildcard in the middle", "a.com\n\na.*.com", "line 3"},
    {"only a star", "*", "line 1"},
    {"star and dot", "*.", "line 1"},
    {"no local part", "@example.com", "line 1"},
    {"no domain", "jane@", "line 1"},
    {"hyphen at an edge", "a-.com", "line 1"},
};

static void operator_lists_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(refused_lines); i++) {
        char error[128] = "";
        struct operator_list *list = operator_list_parse(
            refused_lines[i].text, strlen(refused_lines[i].text), error, sizeof(error));

        if (list != NULL || strstr(error, refused_lines[i].says) == NULL)
            fail_msg("%s: %s", refused_lines[i].label, error);
    }
}

static void operator_list_files(void **state)
{
    struct folder folder = folder_new();
    char error[256] = "";
    struct operator_list *list;

    (void)state;
    folder_put(&folder, "allow", "jane@example.com\n");
    folder_put(&folder, "bad", "\n?\n");
    list = operator_list_load(folder.files[0], error, sizeof(error));
    assert_true(operator_list_has(list, "jane", "example.com"));
    operator_list_free(&list);
    assert_null(operator_list_load(folder.files[1], error, sizeof(error)));
    assert_non_null(strstr(error, "bad: line 2"));
    assert_null(operator_list_load("/nonexistent/allow", error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent/allow"));
    folder_remove(&folder);
}

/* --- the table ------------------------------------------------------------------------------- */

static void table_grows(void **state)
{
    static char names[3000][8];
    struct name_table table;

    (void)state;
    name_table_init(&table, 0);
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(names[i], sizeof(names[i]), "n%u", i);
        name_table_add(&table, names[i], strlen(names[i]), 1 + i % 2);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
        assert_int_equal(name_table_find(&table, names[i], strlen(names[i])), 1 + i % 2);
    assert_int_equal(name_table_find(&table, "N17", 3), 2);
    name_table_add(&table, "N17", 3, 1);
    assert_int_equal(name_table_find(&table, "n17", 3), 3);
    name_table_remove(&table, "n17", 3, 2);
    assert_int_equal(name_table_find(&table, "n17", 3), 1);
    name_table_remove(&table, "absent", 6, 1);
    assert_int_equal(name_table_find(&table, "absent", 6), 0);
    assert_int_equal(table.used, ARRAY_LENGTH(names));
    name_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domain_kinds),
        cmocka_unit_test(local_parts),
        cmocka_unit_test(mail_exchangers),
        cmocka_unit_test(top_level),
        cmocka_unit_test(operator_overrides),
        cmocka_unit_test(operator_files_refused),
        cmocka_unit_test(operator_folder_missing),
        cmocka_unit_test(reload_under_readers),
        cmocka_unit_test(operator_list_members),
        cmocka_unit_test(operator_lists_refused),
        cmocka_unit_test(operator_list_files),
        cmocka_unit_test(table_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
