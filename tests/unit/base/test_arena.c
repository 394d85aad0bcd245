#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "failing_malloc.h"

static void memory_is_zero_aligned_and_apart(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        enum { COUNT = 3000 };
        unsigned char *blocks[COUNT];
        size_t sizes[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
                sizes[i] = i % 97 == 0 ? 50000 : i % 61;
                blocks[i] = xpm_arena_alloc(arena, sizes[i]);
                assert_non_null(blocks[i]);
                assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
                for (size_t j = 0; j < sizes[i]; j++)
                        assert_int_equal(blocks[i][j], 0);
                memset(blocks[i], (int)(i % 255) + 1, sizes[i]);
                /* Strings between them are not aligned, and must not disturb what follows. */
                assert_string_equal(xpm_arena_strdup(arena, "odd"), "odd");
        }
        for (size_t i = 0; i < COUNT; i++)
                for (size_t j = 0; j < sizes[i]; j++)
                        assert_int_equal(blocks[i][j], (int)(i % 255) + 1);
        xpm_arena_destroy(arena);
}

static void null_arena_may_be_destroyed(void **state)
{
        (void)state;
        xpm_arena_destroy(NULL);
}

static void large_block_does_not_waste_the_chunk(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        char *before = xpm_arena_alloc(arena, 16);
        assert_non_null(xpm_arena_alloc(arena, 10 << 20));
        char *after = xpm_arena_alloc(arena, 16);
        assert_ptr_equal(after, before + 16);
        assert_in_range(xpm_arena_size(arena), 10 << 20, (10 << 20) + (128 << 10));
        xpm_arena_destroy(arena);
}

static void size_grows_with_what_is_taken_by_at_most_a_chunk(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        size_t taken = 0;
        for (int i = 0; i < 100000; i++, taken += 48)
                assert_non_null(xpm_arena_alloc(arena, 48));
        assert_in_range(xpm_arena_size(arena), taken, taken + (2 << 20));
        xpm_arena_destroy(arena);
}

static void impossible_sizes_are_refused(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        volatile size_t huge = SIZE_MAX;
        assert_null(xpm_arena_alloc(arena, huge));
        assert_null(xpm_arena_alloc(arena, huge - 8));
        assert_null(xpm_arena_calloc(arena, huge / 2, 3));
        assert_null(xpm_arena_strndup(arena, "", huge));
        int *items = NULL;
        size_t capacity = 0;
        assert_int_equal(xpm_arena_reserve(arena, &items, &capacity, huge - 1, sizeof *items), -1);
        assert_int_equal(capacity, 0);
        assert_null(items);
        assert_non_null(xpm_arena_alloc(arena, 1));
        xpm_arena_destroy(arena);
}

static void copies_are_equal_and_terminated(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        char long_text[1000];
        memset(long_text, 'y', sizeof long_text);
        long_text[sizeof long_text - 1] = '\0';
        assert_string_equal(xpm_arena_strdup(arena, ""), "");
        assert_string_equal(xpm_arena_strndup(arena, "abcdef", 3), "abc");
        assert_memory_equal(xpm_arena_memdup(arena, "a\0b", 4), "a\0b", 4);
        assert_non_null(xpm_arena_memdup(arena, NULL, 0));
        assert_string_equal(xpm_arena_printf(arena, "%d-%s", 7, "z"), "7-z");
        assert_string_equal(xpm_arena_printf(arena, "%s", long_text), long_text);
        assert_int_equal(strlen(xpm_arena_printf(arena, "%*d", 200000, 1)), 200000);
        xpm_arena_destroy(arena);
}

static void reserved_array_keeps_its_elements(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        int *items = NULL;
        size_t capacity = 0;
        for (int i = 0; i < 10000; i++) {
                assert_int_equal(xpm_arena_reserve(arena, &items, &capacity, (size_t)i + 1, sizeof *items), 0);
                assert_true(capacity > (size_t)i);
                items[i] = i;
        }
        for (int i = 0; i < 10000; i++)
                assert_int_equal(items[i], i);
        int *before = items;
        assert_int_equal(xpm_arena_reserve(arena, &items, &capacity, 5, sizeof *items), 0);
        assert_ptr_equal(items, before);
        xpm_arena_destroy(arena);
}

static char order[8];

static void note(void *data)
{
        strcat(order, data);
}

static void deferred_functions_run_last_first(void **state)
{
        (void)state;
        order[0] = '\0';
        xpm_arena *arena = xpm_arena_create();
        assert_int_equal(xpm_arena_defer(arena, note, "a"), 0);
        assert_int_equal(xpm_arena_defer(arena, note, xpm_arena_strdup(arena, "b")), 0);
        assert_int_equal(xpm_arena_defer(arena, note, "c"), 0);
        assert_string_equal(order, "");
        xpm_arena_destroy(arena);
        assert_string_equal(order, "cba");
}

/* 0, or -1 when anything was refused. */
static int use(void)
{
        xpm_arena *arena = xpm_arena_create();
        if (!arena)
                return -1;
        int rc = 0;
        int *items = NULL;
        size_t capacity = 0;
        for (int i = 0; i < 100 && rc == 0; i++)
                rc = !xpm_arena_alloc(arena, 30000) || !xpm_arena_printf(arena, "%*d", 5000, i) ||
                                     xpm_arena_reserve(arena, &items, &capacity, (size_t)i * 1000, sizeof *items) != 0
                             ? -1
                             : 0;
        xpm_arena_destroy(arena);
        return rc;
}

static void every_allocation_may_fail(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                int rc = use();
                if (!failing_malloc_disarm()) {
                        assert_int_equal(rc, 0);
                        assert_true(n > 5);
                        break;
                }
                assert_int_equal(rc, -1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(memory_is_zero_aligned_and_apart),
                cmocka_unit_test(null_arena_may_be_destroyed),
                cmocka_unit_test(large_block_does_not_waste_the_chunk),
                cmocka_unit_test(size_grows_with_what_is_taken_by_at_most_a_chunk),
                cmocka_unit_test(impossible_sizes_are_refused),
                cmocka_unit_test(copies_are_equal_and_terminated),
                cmocka_unit_test(reserved_array_keeps_its_elements),
                cmocka_unit_test(deferred_functions_run_last_first),
                cmocka_unit_test(every_allocation_may_fail),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
