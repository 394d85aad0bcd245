/* Where the file of a stock is, when it is refused, who has which, and when it is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "stocks.h"
#include "workspace/status.h"

static void nothing_is_left_when_all_have_gone(void **state)
{
        struct place *place = *state;
        struct host host;
        host_make(&host, 4, 1);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_int_equal(place_count(place, "."), 1);
        xpm_stock_close(a);
        assert_int_equal(place_count(place, "."), 1);
        a = open_stock(&host, "a");
        assert_true(claim(a, 0, 1));
        assert_false(claim(b, 0, 1));
        xpm_stock_close(b);
        xpm_stock_close(a);
        xpm_stock_close(NULL);
        assert_int_equal(place_count(place, "."), 0);
}

/* Just before the lock is taken, this file loses its name, as when the last who had it leaves. */
static const char *vanishing;

int fcntl(int fd, int command, ...)
{
        va_list arguments;
        va_start(arguments, command);
        void *argument = va_arg(arguments, void *);
        va_end(arguments);
        if (command == F_OFD_SETLKW && vanishing) {
                unlink(vanishing);
                vanishing = NULL;
        }
        return (int)syscall(SYS_fcntl, fd, command, argument);
}

static void a_file_that_was_removed_meanwhile_is_not_the_stock(void **state)
{
        struct place *place = *state;
        struct host host;
        char path[128];
        host_make(&host, 4, 1);
        snprintf(path, sizeof path, "%s/stock1-%s", place->path, xpm_boot_id());
        vanishing = path;
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_null(vanishing);
        assert_int_equal(access(path, F_OK), 0);
        assert_true(claim(a, 0, 4));
        assert_false(claim(b, 0, 4));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void a_stock_that_is_private_has_all(void **state)
{
        struct place *place = *state;
        struct host host;
        xpm_holder *holders;
        xpm_portion free, due;
        size_t count;
        host_make(&host, 16, 2);
        setenv("XPM_STOCK", "private", 1);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(claim(a, 0, 16));
        assert_true(claim(b, 0, 16));
        assert_true(xpm_stock_claim(a, &(xpm_portion){.memory = 64 * GIB}));
        want(b, 4);
        assert_false(xpm_stock_is_wanted(a));
        xpm_stock_due(a, xpm_stock_held(a), &due);
        assert_true(xpm_bits_is_empty(&due.cores));
        give(a, 0, 8);
        assert_cores(&xpm_stock_held(a)->cores, 8, 16);
        xpm_stock_look(a, &free);
        assert_cores(&free.cores, 0, 16);
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 0);
        assert_int_equal(place_count(place, "."), 0);
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void assert_refused(const char *path, const char *why)
{
        struct host host;
        xpm_stock *stock = NULL;
        xpm_text note = XPM_TEXT_INIT;
        host_make(&host, 4, 1);
        setenv("XPM_STOCK", path, 1);
        assert_int_equal(xpm_stock_open(&host.topology, "ours", &stock, &note, NULL), 0);
        if (!strstr(xpm_text_string(&note), why))
                fail_msg("'%s' is not in '%s'", why, xpm_text_string(&note));
        assert_true(claim(stock, 0, 4));
        xpm_stock_close(stock);
        xpm_text_release(&note);
}

static void a_directory_that_is_not_ours_alone_is_refused(void **state)
{
        struct place *place = *state;
        char path[128];
        snprintf(path, sizeof path, "%s/link", place->path);
        assert_int_equal(symlinkat(".", place->dir, "link"), 0);
        assert_refused(path, "cannot open");
        snprintf(path, sizeof path, "%s/open", place->path);
        assert_int_equal(mkdirat(place->dir, "open", 0700), 0);
        assert_int_equal(fchmodat(place->dir, "open", 0750, 0), 0);
        assert_refused(path, "its mode should be 0700");
        assert_int_equal(place_count(place, "open"), 0);
        snprintf(path, sizeof path, "%s/none/none", place->path);
        assert_refused(path, "cannot make");
        place_put(place, "file", "");
        snprintf(path, sizeof path, "%s/file", place->path);
        assert_refused(path, "cannot open");
        /* Of another user: for root any user's, for others root's. */
        snprintf(path, sizeof path, "%s/theirs", place->path);
        assert_int_equal(mkdirat(place->dir, "theirs", 0700), 0);
        bool root = geteuid() == 0 && fchownat(place->dir, "theirs", 12345, 12345, 0) == 0;
        assert_refused(root ? path : "/dev/shm", "belongs to another user");
}

static void a_file_that_is_a_link_or_no_file_is_refused(void **state)
{
        struct place *place = *state;
        char name[128];
        snprintf(name, sizeof name, "stock1-%s", xpm_boot_id());
        place_put(place, "target", "");
        assert_int_equal(symlinkat("target", place->dir, name), 0);
        assert_refused(place->path, "cannot make a file in");
        assert_int_equal(unlinkat(place->dir, name, 0), 0);
        assert_int_equal(mkfifoat(place->dir, name, 0600), 0);
        assert_refused(place->path, "cannot make a file in");
}

static void files_that_nobody_has_open_are_removed(void **state)
{
        struct place *place = *state;
        struct host host;
        char text[4096];
        host_make(&host, 4, 1);
        place_put(place, "stock1-another-boot", "old");
        place_put(place, "stock0-layout", "old");
        place_put(place, "else", "kept");
        setenv("XPM_JOB_DIR", "/jobs/a", 1);
        xpm_stock *in_job = open_stock(&host, "in a job");
        assert_int_equal(place_count(place, "."), 2);
        unsetenv("XPM_JOB_DIR");
        xpm_stock *stock = open_stock(&host, "ours");
        assert_int_equal(place_count(place, "."), 3);
        assert_string_equal(place_get(place, "else", text), "kept");
        assert_true(claim(in_job, 0, 4));
        assert_true(claim(stock, 0, 4));
        xpm_stock_close(in_job);
        xpm_stock_close(stock);
        assert_int_equal(place_count(place, "."), 1);
}

static void stocks_are_apart_by_job_allocation_and_described_host(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *name, *value;
                bool apart; /* from the stock of the line before; the first: from that of the host */
        } lines[] = {
                {"SLURM_JOB_ID", "17", true},
                {"SLURM_JOB_ID", "17", false},
                {"SLURM_JOB_ID", "18", true},
                {"SLURM_STEP_ID", "0", true},
                {"SLURM_STEP_ID", "1", true},
                {"XPM_JOB_DIR", "/w/jobs/t/1", true},
                {"XPM_JOB_DIR", "/w/jobs/t/2", true},
                {"HWLOC_SYNTHETIC", "pack:2 core:64 pu:2", true},
                {"HWLOC_SYNTHETIC", "pack:2 core:64 pu:1", true},
                {"HWLOC_SYNTHETIC", "", true},
                {"HWLOC_XMLFILE", "one.xml", true},
                {"HWLOC_XMLFILE", "same.xml", false},
                {"HWLOC_XMLFILE", "two.xml", true},
                {"XPM_UNKNOWN", "1", false},
        };
        struct host host;
        host_make(&host, 4, 1);
        place_put(place, "one.xml", "<topology/>");
        place_put(place, "same.xml", "<topology/>");
        place_put(place, "two.xml", "<topology> </topology>");
        xpm_stock *before = open_stock(&host, "host");
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
                char path[128];
                snprintf(path, sizeof path, "%s/%s", place->path, lines[i].value);
                setenv(lines[i].name, strcmp(lines[i].name, "HWLOC_XMLFILE") == 0 ? path : lines[i].value, 1);
                xpm_stock *stock = open_stock(&host, "next");
                assert_true(claim(before, 0, 1));
                if (claim(stock, 0, 1) != lines[i].apart)
                        fail_msg("%s=%s", lines[i].name, lines[i].value);
                xpm_stock_close(before);
                before = stock;
        }
        xpm_stock_close(before);
        unsetenv("XPM_UNKNOWN");
}

/* Either it fails, or it shares, or it says that it does not. */
static void without_memory_nothing_is_shared_in_silence(void **state)
{
        struct place *place = *state;
        struct host host;
        char path[128];
        if (!failing_malloc_works)
                skip();
        host_make(&host, 4, 1);
        place_put(place, "host.xml", "<topology/>");
        snprintf(path, sizeof path, "%s/host.xml", place->path);
        setenv("HWLOC_XMLFILE", path, 1);
        xpm_stock *other = open_stock(&host, "other");
        assert_true(claim(other, 0, 4));
        for (long n = 1;; n++) {
                xpm_stock *stock = NULL;
                xpm_text note = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                int rc = xpm_stock_open(&host.topology, "ours", &stock, &note, NULL);
                bool struck = failing_malloc_disarm();
                if (rc == 0 && claim(stock, 0, 4))
                        assert_true(struck && note.length > 0);
                if (rc != 0)
                        assert_int_equal(rc, XPM_ENOMEM);
                assert_true((rc == 0) == (stock != NULL));
                xpm_stock_close(stock);
                xpm_text_release(&note);
                if (!struck)
                        break;
        }
        for (long n = 1;; n++) {
                xpm_holder *holders = NULL;
                size_t count;
                failing_malloc_arm(n);
                int rc = xpm_stock_holders(&host.topology, &holders, &count, NULL);
                bool struck = failing_malloc_disarm();
                assert_true(rc == 0 || (struck && rc == XPM_ENOMEM && !holders));
                free(holders);
                if (!struck)
                        break;
        }
        xpm_stock_close(other);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stocks_enter, place_leave)
                T(nothing_is_left_when_all_have_gone),
                T(a_file_that_was_removed_meanwhile_is_not_the_stock),
                T(a_stock_that_is_private_has_all),
                T(a_directory_that_is_not_ours_alone_is_refused),
                T(a_file_that_is_a_link_or_no_file_is_refused),
                T(files_that_nobody_has_open_are_removed),
                T(stocks_are_apart_by_job_allocation_and_described_host),
                T(without_memory_nothing_is_shared_in_silence),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
