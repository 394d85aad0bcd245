#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../launchers/slurm/helper/targets.c"

/* The targets of JOBS, a JSON list, with blanks between. */
static const char *targets_of(const char *jobs, char text[256])
{
        json_t *list = json_loads(jobs, 0, NULL);
        char *end = text;
        assert_non_null(list);
        *text = '\0';
        for (size_t at = 0; at < json_array_size(list);) {
                char *target = targets_next(list, &at);
                assert_non_null(target);
                end += snprintf(end, 64, "%s%s", end == text ? "" : " ", target);
                free(target);
        }
        json_decref(list);
        return text;
}

static void whole_jobs_stay_as_they_are(void **state)
{
        char text[256];
        (void)state;
        assert_string_equal(targets_of("[\"12\", \"13\", \"14_[1-3]\"]", text), "12 13 14_[1-3]");
        assert_string_equal(targets_of("[]", text), "");
}

static void elements_of_one_array_are_one_target(void **state)
{
        char text[256];
        (void)state;
        assert_string_equal(targets_of("[\"7_0\"]", text), "7_[0]");
        assert_string_equal(targets_of("[\"7_0\", \"7_1\", \"7_2\", \"7_5\", \"7_8\", \"7_9\"]", text),
                            "7_[0-2,5,8-9]");
        assert_string_equal(targets_of("[\"7_3\", \"7_1\"]", text), "7_[3,1]");
}

static void arrays_are_told_apart(void **state)
{
        char text[256];
        (void)state;
        assert_string_equal(targets_of("[\"7_1\", \"77_2\", \"77_3\", \"7\", \"7_4\"]", text),
                            "7_[1] 77_[2-3] 7 7_[4]");
}

static void what_is_no_id_is_passed_over(void **state)
{
        json_t *list = json_loads("[7, \"8_1\", {}]", 0, NULL);
        size_t at = 0;
        (void)state;
        assert_null(targets_next(list, &at));
        char *target = targets_next(list, &at);
        assert_string_equal(target, "8_[1]");
        assert_int_equal(at, 2);
        free(target);
        json_decref(list);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_jobs_stay_as_they_are),
                cmocka_unit_test(elements_of_one_array_are_one_target),
                cmocka_unit_test(arrays_are_told_apart),
                cmocka_unit_test(what_is_no_id_is_passed_over),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
