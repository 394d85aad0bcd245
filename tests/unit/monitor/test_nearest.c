#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "monitor/why.h"
#include "views.h"

static char ids[4][65];

/* Job N, at an hour of its own. */
static void put(const struct place *place, int n, const char *params)
{
        char path[256], text[512];
        runs_id(ids[n], (const char[]){(char)('a' + n), '\0'});
        snprintf(text, sizeof text, "{\"version\": 3, \"params\": %s}", params);
        runs_job_file(place, ids[n], "params.json", text);
        snprintf(path, sizeof path, "jobs/demo.task/%s", ids[n]);
        struct timespec times[2] = {{.tv_sec = 3600 * n}, {.tv_sec = 3600 * n}};
        assert_int_equal(utimensat(place->dir, path, times, 0), 0);
}

static int enter(void **state)
{
        int rc = place_enter(state);
        place_put(*state, ".__experimaestro__", "");
        return rc;
}

/* `b: lr 0.1>0.2`, with what differs. */
static const char *nearest(const struct place *place, int n, size_t limit, char text[256])
{
        const char *params;
        xpm_why_nearest found;
        xpm_view *view = views_open(place);
        assert_int_equal(xpm_view_params(view, "demo.task", ids[n], &params, NULL), 0);
        assert_int_equal(xpm_view_find_nearest(view, "demo.task", ids[n], params, limit, &found, NULL), 0);
        snprintf(text, 256, "%c:", found.job_id ? found.job_id[0] : '-');
        for (size_t i = 0; i < found.count; i++) {
                const xpm_why_difference *one = &found.items[i];
                snprintf(text + strlen(text), 256 - strlen(text), " %s %s>%s", one->name, one->ours ? one->ours : "-",
                         one->theirs ? one->theirs : "-");
        }
        xpm_view_close(view);
        return text;
}

static void fewest_differences_win_and_then_the_newest(void **state)
{
        char text[256];
        put(*state, 0, "{\"lr\": 0.1, \"n\": 1, \"model\": {\"type\": \"m\", \"layers\": 2}}");
        assert_string_equal(nearest(*state, 0, 100, text), "-:");
        put(*state, 1, "{\"lr\": 0.2, \"n\": 1, \"model\": {\"type\": \"m\", \"layers\": 2}}");
        put(*state, 2, "{\"lr\": 0.1, \"n\": 1, \"model\": {\"type\": \"m\", \"layers\": 3}}");
        put(*state, 3, "{\"lr\": 0.3, \"n\": 2, \"model\": {\"type\": \"m\", \"layers\": 3}}");
        assert_string_equal(nearest(*state, 0, 100, text), "c: model.layers 2>3");
        assert_string_equal(nearest(*state, 0, 1, text), "d: lr 0.1>0.3 n 1>2 model.layers 2>3");
}

static void a_parameter_may_be_on_one_side_alone(void **state)
{
        char text[256];
        put(*state, 0, "{\"a\": 1, \"b\": [1, 2]}");
        put(*state, 1, "{\"b\": [1, 3], \"c\": null}");
        assert_string_equal(nearest(*state, 0, 100, text), "b: a 1>- b [1, 2]>[1, 3] c ->null");
}

static void own_paths_and_identifiers_of_jobs_are_no_difference(void **state)
{
        char text[256], one[400], two[400];
        const char *format = "{\"of\": {\"n\": %d, \"job\": {\"id\": \"%s\"}}, \"out\": \"/ws/jobs/demo.task/%s/out\"}";
        runs_id(ids[0], "a");
        runs_id(ids[1], "b");
        snprintf(one, sizeof one, format, 1, "x", ids[0]);
        snprintf(two, sizeof two, format, 2, "y", ids[1]);
        put(*state, 0, one);
        put(*state, 1, two);
        assert_string_equal(nearest(*state, 0, 100, text), "b: of.n 1>2");
}

static void a_job_without_parameters_is_passed_over(void **state)
{
        char text[256];
        put(*state, 0, "{\"a\": 1}");
        put(*state, 1, "{\"a\": 2}");
        put(*state, 2, "[]");
        runs_id(ids[3], "d");
        runs_job_file(*state, ids[3], "params.json", "rubbish");
        assert_string_equal(nearest(*state, 0, 100, text), "b: a 1>2");
}

static void lack_of_memory_is_an_error(void **state)
{
        if (!failing_malloc_works)
                skip();
        put(*state, 0, "{\"a\": 1}");
        put(*state, 1, "{\"a\": 2}");
        for (long n = 1;; n++) {
                xpm_why_nearest found = {0};
                xpm_view *view = views_open(*state);
                failing_malloc_arm(n);
                int rc = xpm_view_find_nearest(view, "demo.task", ids[0], "{\"a\": 1}", 10, &found, NULL);
                bool failed = failing_malloc_disarm();
                assert_true((rc == 0 && (failed || found.count == 1)) ||
                            (failed && (rc == XPM_ENOMEM || rc == XPM_EIO)));
                xpm_view_close(view);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(fewest_differences_win_and_then_the_newest),
                T(a_parameter_may_be_on_one_side_alone),
                T(own_paths_and_identifiers_of_jobs_are_no_difference),
                T(a_job_without_parameters_is_passed_over),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
