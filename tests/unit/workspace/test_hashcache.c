#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "place.h"
#include "workspace/hashcache.h"

static const char of_a[] = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
static const char of_b[] = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";

static int enter(void **state)
{
        int rc = place_enter(state);
        if (rc == 0)
                setenv("XDG_CACHE_HOME", ((struct place *)*state)->path, 1);
        return rc;
}

/* An age, in seconds, for a file. */
static void age(const struct place *place, const char *name, long seconds)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        now.tv_sec -= seconds;
        assert_int_equal(utimensat(place->dir, name, (struct timespec[]){now, now}, 0), 0);
}

static int hash(const struct place *place, const char *name, char hex[65], xpm_error *err)
{
        char path[128];
        xpm_hashcache *cache;
        snprintf(path, sizeof path, "%s/%s", place->path, name);
        assert_int_equal(xpm_hashcache_open(&cache, NULL), 0);
        int rc = xpm_hashcache_file(cache, path, hex, err);
        xpm_hashcache_close(cache);
        return rc;
}

static void content_is_hashed(void **state)
{
        char hex[65];
        place_put(*state, "a", "a");
        assert_int_equal(hash(*state, "a", hex, NULL), 0);
        assert_string_equal(hex, of_a);
}

/* Change the one line of the cache, so that it can be told whether it was used. */
static void corrupt(const struct place *place)
{
        char text[4096];
        place_get(place, "experimaestro/files", text);
        assert_memory_equal(text, of_a, 64);
        memset(text, 'f', 64);
        place_put(place, "experimaestro/files", text);
}

static void old_file_is_not_read_again(void **state)
{
        char hex[65], made_up[65];
        memset(made_up, 'f', 64);
        made_up[64] = '\0';
        place_put(*state, "a", "a");
        age(*state, "a", 100);
        hash(*state, "a", hex, NULL);
        corrupt(*state);
        hash(*state, "a", hex, NULL);
        assert_string_equal(hex, made_up);
        age(*state, "a", 50);
        hash(*state, "a", hex, NULL);
        assert_string_equal(hex, of_a);
}

static void young_file_is_not_kept(void **state)
{
        char hex[65], text[4096];
        place_put(*state, "a", "a");
        hash(*state, "a", hex, NULL);
        assert_string_equal(place_get(*state, "experimaestro/files", text), "(absent)");
}

static void change_of_size_or_inode_is_seen(void **state)
{
        const struct place *place = *state;
        char hex[65];
        struct stat st;
        place_put(place, "x", "a");
        age(place, "x", 100);
        hash(place, "x", hex, NULL);
        fstatat(place->dir, "x", &st, 0);
        place_put(place, "y", "b");
        utimensat(place->dir, "y", (struct timespec[]){st.st_mtim, st.st_mtim}, 0);
        assert_int_equal(renameat(place->dir, "y", place->dir, "x"), 0);
        hash(place, "x", hex, NULL);
        assert_string_equal(hex, of_b);
}

static void change_whose_time_was_set_back_is_seen(void **state)
{
        const struct place *place = *state;
        char hex[65];
        struct stat before, after;
        place_put(place, "x", "a");
        age(place, "x", 100);
        hash(place, "x", hex, NULL);
        fstatat(place->dir, "x", &before, 0);
        do { /* until the clock of the file system has ticked */
                place_put(place, "x", "b");
                utimensat(place->dir, "x", (struct timespec[]){before.st_mtim, before.st_mtim}, 0);
                fstatat(place->dir, "x", &after, 0);
        } while (memcmp(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim) == 0);
        assert_int_equal(before.st_ino, after.st_ino);
        hash(place, "x", hex, NULL);
        assert_string_equal(hex, of_b);
}

static void names_may_hold_anything(void **state)
{
        static const char *const names[] = {"with space", "with\nnewline", " ", "\xff\xfe"};
        char hex[65];
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                place_put(*state, names[i], "a");
                age(*state, names[i], 100);
                for (int again = 0; again < 2; again++) {
                        assert_int_equal(hash(*state, names[i], hex, NULL), 0);
                        assert_string_equal(hex, of_a);
                }
        }
}

static void damaged_cache_is_passed_over(void **state)
{
        static const char *const texts[] = {"", "\n\n", "garbage\n", "ca97 1 2 3.4 /x\n", "no end of line", "\x01\x02"};
        char hex[65], text[4096];
        place_put(*state, "a", "a");
        age(*state, "a", 100);
        mkdirat(((struct place *)*state)->dir, "experimaestro", 0700);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                place_put(*state, "experimaestro/files", texts[i]);
                for (int again = 0; again < 2; again++) {
                        assert_int_equal(hash(*state, "a", hex, NULL), 0);
                        assert_string_equal(hex, of_a);
                }
                const char *kept = place_get(*state, "experimaestro/files", text);
                assert_non_null(strstr(kept, of_a)); /* once, on a line of its own */
                assert_null(strstr(strstr(kept, of_a) + 1, of_a));
        }
}

static void cache_that_cannot_be_written_is_no_error(void **state)
{
        char hex[65];
        setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
        place_put(*state, "a", "a");
        age(*state, "a", 100);
        assert_int_equal(hash(*state, "a", hex, NULL), 0);
        assert_string_equal(hex, of_a);
}

static void what_is_no_file_is_named(void **state)
{
        static const struct {
                const char *name;
                int code;
                const char *words;
        } cases[] = {
                {"absent", XPM_ENOTFOUND, "there is no file '"},
                {"a/below", XPM_ENOTFOUND, "there is no file '"},
                {"directory", XPM_EIO, "it is a directory"},
                {"fifo", XPM_EIO, "not a regular file"},
        };
        const struct place *place = *state;
        place_put(place, "a", "");
        mkdirat(place->dir, "directory", 0700);
        assert_int_equal(mkfifoat(place->dir, "fifo", 0600), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                char hex[65];
                assert_int_equal(hash(place, cases[i].name, hex, &err), cases[i].code);
                assert_non_null(strstr(err.message, cases[i].words));
                assert_non_null(strstr(err.message, cases[i].name));
        }
}

static void one_process_sees_one_content(void **state)
{
        const struct place *place = *state;
        char path[128], first[65], second[65];
        xpm_hashcache *cache;
        snprintf(path, sizeof path, "%s/a", place->path);
        place_put(place, "a", "a");
        assert_int_equal(xpm_hashcache_open(&cache, NULL), 0);
        xpm_hashcache_file(cache, path, first, NULL);
        xpm_hashcache_file(cache, path, second, NULL);
        assert_string_equal(first, second);
        xpm_hashcache_close(cache);
}

static int work(const char *path)
{
        char hex[65];
        xpm_hashcache *cache;
        int rc = xpm_hashcache_open(&cache, NULL);
        if (rc != 0)
                return rc;
        rc = xpm_hashcache_file(cache, path, hex, NULL);
        xpm_hashcache_close(cache);
        return rc;
}

static void lack_of_memory_is_an_error_or_no_harm(void **state)
{
        char path[128];
        if (!failing_malloc_works)
                skip();
        snprintf(path, sizeof path, "%s/a", ((struct place *)*state)->path);
        place_put(*state, "a", "a");
        age(*state, "a", 100);
        work(path);
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                int rc = work(path);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 0 || (failed && rc == XPM_ENOMEM));
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(content_is_hashed),
                T(old_file_is_not_read_again),
                T(young_file_is_not_kept),
                T(change_of_size_or_inode_is_seen),
                T(change_whose_time_was_set_back_is_seen),
                T(names_may_hold_anything),
                T(damaged_cache_is_passed_over),
                T(cache_that_cannot_be_written_is_no_error),
                T(what_is_no_file_is_named),
                T(one_process_sees_one_content),
                T(lack_of_memory_is_an_error_or_no_harm),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
