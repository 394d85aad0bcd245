#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "task_case.h"

static const char *const message = "'{{y}}': task 'T' has no parameter 'y', and templates know no such name";

static void tag_is_found_however_the_text_is_written(void **state)
{
        static const struct {
                const char *task, *where;
        } samples[] = {
                {"    command: x {{y}}\n", "8:16"},
                {"    command: 'x {{y}}'\n", "8:17"},
                {"    command: \"x {{y}}\"\n", "8:17"},
                {"    command: |\n      {{y}}\n", "9:7"},
                {"    command: |\n      one\n\n      three {{y}}\n", "11:13"},
                {"    command: |\n      one\n        two {{y}}\n", "10:13"},
                {"    command: |\n\n\n      one {{y}}\n", "11:11"},
                {"    command: |-\n      one {{y}}\n", "9:11"},
                {"    command: |2\n        one {{y}}\n", "9:13"},
                {"    command: |\n      {{#x}}\n      {{y}}\n      {{/x}}\n", "10:7"},
                {"    command:\n      - one\n      - two {{y}}\n", "10:13"},
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                char expected[256];
                snprintf(expected, sizeof expected, "e.yaml:%s: %s", samples[i].where, message);
                const struct task_case one = {samples[i].task, expected};
                task_check(state, &one, 1);
        }
}

static void text_that_is_written_otherwise_is_found_where_it_begins(void **state)
{
        static const char *const samples[] = {
                "    command: >\n      one\n      two {{y}}\n",
                "    command: \"a\\tb {{y}}\"\n",
                "    command: 'it''s {{y}}'\n",
                "    command: one\n      two {{y}}\n",
        };
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                char expected[256];
                snprintf(expected, sizeof expected, "e.yaml:8:14: %s", message);
                const struct task_case one = {samples[i], expected};
                task_check(state, &one, 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(tag_is_found_however_the_text_is_written),
                T(text_that_is_written_otherwise_is_found_where_it_begins),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
