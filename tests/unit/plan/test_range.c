#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expansion.h"

static void expect_range(void *place, const char *type, const char *range, const char *numbers)
{
        char text[512];
        snprintf(text, sizeof text,
                 "id: x\ntasks:\n  t: {params: {v: %s}, command: 'true'}\nplan:\n  s: {task: t, sweep: {v: %s}}\n",
                 type, range);
        struct expansion e;
        xpm_text found = XPM_TEXT_INIT;
        expansion_read(place, text, (xpm_plan_options){0}, &e);
        if (e.rc != 0)
                xpm_text_puts(&found, e.err.message);
        for (size_t i = 0; e.plan && i < e.plan->job_count; i++) {
                xpm_text_puts(&found, i ? " " : "");
                expansion_put_value(&e.plan->jobs[i]->config->values[0], &found);
        }
        assert_string_equal(xpm_text_string(&found), numbers);
        xpm_text_release(&found);
        expansion_release(&e);
}

static void range_stops_before_its_stop(void **state)
{
        expect_range(*state, "int", "{range: [0, 5]}", "0 1 2 3 4");
        expect_range(*state, "int", "{range: [1, 10, 3]}", "1 4 7");
        expect_range(*state, "int", "{range: [1, 11, 3]}", "1 4 7 10");
        expect_range(*state, "int", "{range: [5, 0, -2]}", "5 3 1");
        expect_range(*state, "int", "{range: [-9223372036854775808, 9223372036854775807, 9223372036854775807]}",
                     "-9223372036854775808 -1 9223372036854775806");
}

static void range_of_floats_has_no_number_that_is_its_stop_but_for_rounding(void **state)
{
        expect_range(*state, "float", "{range: [0, 0.3, 0.1]}", "0.0 0.1 0.2");
        expect_range(*state, "float", "{range: [0.0, 1, 0.25]}", "0.0 0.25 0.5 0.75");
        expect_range(*state, "float", "{range: [1, 0, -0.5]}", "1.0 0.5");
        expect_range(*state, "float", "{range: [0, 0.35, 0.1]}", "0.0 0.1 0.2 0.30000000000000004");
        /* ceil((0.7 - 0.1) / 0.1) is 6, and the last of six would be 0.6 by name. */
        expect_range(*state, "float", "{range: [0.1, 0.7, 0.1]}", "0.1 0.2 0.30000000000000004 0.4 0.5 0.6");
}

static void ints_are_floats_for_a_float(void **state)
{
        expect_range(*state, "float", "{range: [0, 3]}", "0.0 1.0 2.0");
}

static void linspace_ends_exactly_at_its_last(void **state)
{
        expect_range(*state, "float", "{linspace: [0, 1, 5]}", "0.0 0.25 0.5 0.75 1.0");
        expect_range(*state, "float", "{linspace: [0.1, 0.7, 4]}", "0.1 0.3 0.5 0.7");
        expect_range(*state, "float", "{linspace: [3, 8, 1]}", "3.0");
        expect_range(*state, "float", "{linspace: [1, 0, 3]}", "1.0 0.5 0.0");
}

static void logspace_is_ten_to_the_power(void **state)
{
        expect_range(*state, "float", "{logspace: [-3, 0, 4]}", "0.001 0.01 0.1 1.0");
        expect_range(*state, "float", "{logspace: [2, 5, 1]}", "100.0");
}

static void range_mult_multiplies(void **state)
{
        expect_range(*state, "int", "{range_mult: [1, 5, 2]}", "1 2 4 8 16");
        expect_range(*state, "float", "{range_mult: [1.0, 3, 0.5]}", "1.0 0.5 0.25");
        expect_range(
                *state, "int", "{range_mult: [3, 40, 2]}", /* the last that fits is computed, no further one */
                "3 6 12 24 48 96 192 384 768 1536 3072 6144 12288 24576 49152 98304 196608 393216 786432 1572864 "
                "3145728 "
                "6291456 12582912 25165824 50331648 100663296 201326592 402653184 805306368 1610612736 3221225472 "
                "6442450944 12884901888 25769803776 51539607552 103079215104 206158430208 412316860416 824633720832 "
                "1649267441664");
}

static void whole_float_suits_an_int(void **state)
{
        expect_range(*state, "int", "{linspace: [0, 4, 3]}", "0 2 4");
        expect_range(*state, "int?", "{logspace: [0, 2, 3]}", "1 10 100");
}

static void ranges_that_are_wrong(void **state)
{
        static const struct {
                const char *type, *range, *message;
        } cases[] = {
                {"int", "{range: [0, 0]}", "e.yaml:5:27: this 'range' is empty"},
                {"int", "{range: [0, 5, -1]}", "e.yaml:5:27: this 'range' is empty"},
                {"int", "{linspace: [0, 1, 0]}", "e.yaml:5:27: this 'linspace' is empty"},
                {"int", "{range_mult: [0, -2, 2]}", "e.yaml:5:27: this 'range_mult' is empty"},
                {"int", "{range: [0, 5, 0]}", "e.yaml:5:27: the step of a 'range' cannot be 0"},
                {"int", "{range: 5}", "e.yaml:5:35: 'range' takes [start, stop] or [start, stop, step]"},
                {"int", "{range: [5]}", "e.yaml:5:35: 'range' takes [start, stop] or [start, stop, step]"},
                {"int", "{linspace: [1, 2]}", "e.yaml:5:38: 'linspace' takes [first, last, how many]"},
                {"int", "{range: [a, 5]}",
                 "e.yaml:5:36: 'range' takes [start, stop] or [start, stop, step], all of them finite numbers"},
                {"int", "{range: [0, .inf]}",
                 "e.yaml:5:39: 'range' takes [start, stop] or [start, stop, step], all of them finite numbers"},
                {"float", "{linspace: [0, 1, 2.5]}", "e.yaml:5:27: how many numbers a 'linspace' has must be an int"},
                {"int", "{range: [0, 1000000000000]}",
                 "e.yaml:5:27: this 'range' has 1000000000000 numbers, and a step has at most 10000000 combinations"},
                {"float", "{range: [0, 1, 1e-300]}",
                 "e.yaml:5:27: this 'range' has 1e+300 numbers, and a step has at most 10000000 combinations"},
                {"int", "{range_mult: [3, 70, 2]}",
                 "e.yaml:5:27: number 63 of this 'range_mult' is too big for an int"},
                {"float", "{logspace: [0, 400, 2]}", "e.yaml:5:27: number 2 of this 'logspace' is too big for a float"},
                {"int", "{linspace: [0, 1, 3]}", "e.yaml:5:24: 'v': expected int, found the number 0.5 of a range"},
                {"str", "{range: [0, 2]}", "e.yaml:5:24: 'v': expected str, found the number 0 of a range"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                expect_range(*state, cases[i].type, cases[i].range, cases[i].message);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(range_stops_before_its_stop),  T(range_of_floats_has_no_number_that_is_its_stop_but_for_rounding),
                T(ints_are_floats_for_a_float),  T(linspace_ends_exactly_at_its_last),
                T(logspace_is_ten_to_the_power), T(range_mult_multiplies),
                T(whole_float_suits_an_int),     T(ranges_that_are_wrong),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
