#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/table.h"
#include "experimaestro/error.h"

static char *printed(const xpm_table *table)
{
        char *text = NULL;
        size_t length;
        FILE *stream = open_memstream(&text, &length);
        assert_int_equal(xpm_table_print(table, stream), 0);
        fclose(stream);
        return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
        xpm_table table;
        (void)state;
        xpm_table_init(&table, (const char *const[]){"STATE", "N", "JOB", NULL});
        xpm_table_cell(&table, "é");
        xpm_table_number(&table, 12345);
        xpm_table_cell(&table, "a\tb\n");
        xpm_table_cell(&table, NULL);
        xpm_table_cell(&table, "x");
        xpm_table_cell(&table, "last");
        char *text = printed(&table);
        assert_string_equal(text, "STATE  N      JOB\n"
                                  "é      12345  a?b?\n"
                                  "       x      last\n");
        free(text);
        xpm_table_release(&table);
}

static void a_stream_that_fails_is_an_error(void **state)
{
        xpm_table table;
        (void)state;
        FILE *full = fopen("/dev/full", "w");
        assert_non_null(full);
        xpm_table_init(&table, (const char *const[]){"A", NULL});
        assert_int_equal(xpm_table_print(&table, full), XPM_EIO);
        fclose(full);
        xpm_table_release(&table);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
                cmocka_unit_test(a_stream_that_fails_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
