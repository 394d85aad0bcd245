#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "failing_malloc.h"

static void empty_map_has_nothing(void **state)
{
        (void)state;
        xpm_map map = XPM_MAP_INIT;
        assert_null(xpm_map_get(&map, "x"));
        assert_null(xpm_map_get_n(&map, "", 0));
        xpm_map_release(&map);
}

static void entries_are_found_and_keep_their_order(void **state)
{
        (void)state;
        enum { COUNT = 20000 };
        static char keys[COUNT][12];
        xpm_map map = XPM_MAP_INIT;
        for (int i = 0; i < COUNT; i++) {
                snprintf(keys[i], sizeof keys[i], "key%d", (i * 7919) % COUNT);
                assert_null(xpm_map_get(&map, keys[i]));
                assert_int_equal(xpm_map_put(&map, keys[i], keys[i]), 0);
        }
        assert_int_equal(map.count, COUNT);
        for (int i = 0; i < COUNT; i++) {
                assert_ptr_equal(xpm_map_get(&map, keys[i]), keys[i]);
                assert_ptr_equal(map.entries[i].key, keys[i]);
        }
        assert_null(xpm_map_get(&map, "key"));
        xpm_map_release(&map);
        assert_int_equal(map.count, 0);
}

static void replaced_entry_stays_in_its_place(void **state)
{
        (void)state;
        xpm_map map = XPM_MAP_INIT;
        xpm_map_put(&map, "a", "1");
        xpm_map_put(&map, "b", "2");
        xpm_map_put(&map, "a", "3");
        assert_int_equal(map.count, 2);
        assert_string_equal(map.entries[0].key, "a");
        assert_string_equal(xpm_map_get(&map, "a"), "3");
        xpm_map_release(&map);
}

static void keys_are_bytes_of_a_given_length(void **state)
{
        (void)state;
        static const struct {
                const char *key;
                size_t length;
        } keys[] = {{"", 0},     {"\0", 1},       {"\0\0", 2},      {"a", 1},          {"a\0b", 3},
                    {"a\0c", 3}, {"abcdefgh", 8}, {"abcdefghi", 9}, {"abcdefgh\0", 9}, {"A", 1}};
        enum { COUNT = sizeof keys / sizeof *keys };
        char values[COUNT];
        xpm_map map = XPM_MAP_INIT;
        for (size_t i = 0; i < COUNT; i++)
                assert_int_equal(xpm_map_put_n(&map, keys[i].key, keys[i].length, &values[i]), 0);
        assert_int_equal(map.count, COUNT);
        for (size_t i = 0; i < COUNT; i++)
                assert_ptr_equal(xpm_map_get_n(&map, keys[i].key, keys[i].length), &values[i]);
        xpm_map_release(&map);
}

/* Names that differ little must not share their places: numbered ones, and hexadecimal digests. */
static void hash_spreads_similar_keys(void **state)
{
        (void)state;
        enum { BUCKETS = 4096, COUNT = 4 * BUCKETS };
        static const char *const formats[] = {"%d", "job%08d", "%064x", "prefix-that-is-long/and-common/%d/suffix"};
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
                static unsigned low[BUCKETS], high[BUCKETS];
                memset(low, 0, sizeof low);
                memset(high, 0, sizeof high);
                for (int i = 0; i < COUNT; i++) {
                        char key[80];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                        int length = snprintf(key, sizeof key, formats[f], i);
#pragma GCC diagnostic pop
                        uint64_t hash = xpm_hash_bytes(key, (size_t)length);
                        low[hash % BUCKETS]++;
                        high[hash >> 52]++;
                }
                for (int i = 0; i < BUCKETS; i++) {
                        assert_in_range(low[i], 0, 20); /* 4 on average; 20 is one in ten million */
                        assert_in_range(high[i], 0, 20);
                }
        }
}

static void failed_put_leaves_the_map_as_it_was(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        static char keys[200][8];
        xpm_map map = XPM_MAP_INIT;
        for (size_t i = 0; i < 200; i++) {
                snprintf(keys[i], sizeof keys[i], "%zu", i);
                int rc = 0;
                long n = 1;
                do {
                        failing_malloc_arm(n++);
                        rc = xpm_map_put(&map, keys[i], keys[i]);
                        bool struck = failing_malloc_disarm();
                        assert_int_equal(rc, struck ? -1 : 0);
                        assert_int_equal(map.count, i + !struck);
                        for (size_t j = 0; j < map.count; j++)
                                assert_ptr_equal(xpm_map_get(&map, keys[j]), keys[j]);
                } while (rc != 0);
        }
        xpm_map_release(&map);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(empty_map_has_nothing),
                cmocka_unit_test(entries_are_found_and_keep_their_order),
                cmocka_unit_test(replaced_entry_stays_in_its_place),
                cmocka_unit_test(keys_are_bytes_of_a_given_length),
                cmocka_unit_test(hash_spreads_similar_keys),
                cmocka_unit_test(failed_put_leaves_the_map_as_it_was),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
