#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "views.h"

#define LINE(task, id, tags, step)                                                                                    \
        "{\"job_id\": \"" id "\", \"task_id\": \"" task "\", \"tags\": " tags ", \"timestamp\": 1, \"step\": \"" step \
        "\"}\n"

/* The identifiers that are kept, one letter each, sorted. */
static void select_jobs(const struct place *place, const char *filter, char kept[16])
{
        xpm_view_jobs jobs;
        xpm_error err = XPM_ERROR_NONE;
        xpm_view *view = views_open(place);
        bool found[128] = {false};
        assert_int_equal(xpm_view_list_jobs(view, NULL, &jobs, NULL), 0);
        if (xpm_view_select(view, filter, &jobs, &err) != 0)
                fail_msg("%s: %s", filter, err.message);
        for (size_t i = 0; i < jobs.count; i++)
                found[(int)jobs.items[i].job_id[0]] = true;
        for (int c = 0; c < 128; c++)
                if (found[c])
                        *kept++ = (char)c;
        *kept = '\0';
        xpm_view_close(view);
}

static void put_jobs(const struct place *place)
{
        views_put_run(place, "e", "20260101_000000",
                      "{\"status\": \"failed\", \"job_states\": {\"a\": \"done\", \"b\": \"error:TIMEOUT\", \"c\": "
                      "\"done\", \"d\": \"error\"}}",
                      LINE("demo.train", "a", "{\"model\": \"a\", \"lr\": 0.1}", "one")
                              LINE("demo.train", "b", "{\"model\": \"b\", \"lr\": 0.1}", "one")
                                      LINE("demo.train", "c", "{\"model\": \"c\", \"lr\": 1}", "one")
                                              LINE("demo.eval", "d", "{}", "two"));
        for (const char *job = "abc"; *job; job++)
                runs_mkdir(place, "jobs/demo.train/%c", *job);
        runs_mkdir(place, "jobs/demo.eval/d");
}

static void put_inherited(const struct place *place)
{
        views_put_run(place, "e", "20260101_000000", "{\"status\": \"done\"}",
                      LINE("demo.train", "a", "{\"lr\": 0.1, \"net.h\": 1}", "one")
                              LINE("demo.eval", "b", "{\"model.lr\": 0.1, \"model.net.h\": 2, \"x.y\": 1, \"z.y\": 1}",
                                   "two") LINE("demo.eval", "c", "{\"lr\": 1, \"model.lr\": 0.1, \"clr\": 5}", "two"));
}

static void end_of_a_tags_name_means_the_tag(void **state)
{
        static const struct {
                const char *filter, *kept;
        } cases[] = {
                {"lr = 0.1", "ab"}, /* of c, the tag of exactly this name */
                {"model.lr = 0.1", "bc"}, {"h in [1, 2]", "ab"},
                {"net.h = 2", "b"},       {"r = 5", ""}, /* an end, but not of whole words */
                {"x.y = 1", "b"},
        };
        xpm_error err = XPM_ERROR_NONE;
        xpm_view_jobs jobs;
        put_inherited(*state);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char kept[16];
                select_jobs(*state, cases[i].filter, kept);
                assert_string_equal(kept, cases[i].kept);
        }
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_list_jobs(view, NULL, &jobs, NULL), 0);
        assert_int_equal(xpm_view_select(view, "y = 1", &jobs, &err), XPM_EUSAGE);
        assert_string_equal(
                err.message,
                "'y' may be the tag 'x.y' or 'z.y' of the job 'demo.eval/b': write one of them, or leave such jobs "
                "out before, as in @task = \"…\" and y = …");
        xpm_view_close(view);
}

static void tags_and_properties_are_compared(void **state)
{
        static const struct {
                const char *filter, *kept;
        } cases[] = {
                {"@state = \"DONE\"", "ac"},
                {"@state = \"done\"", "ac"},
                {"@state != \"Done\"", "bd"},
                {"@state in [\"ERROR\", \"running\"]", "bd"},
                {"@state = \"DONE\" and model in [\"a\", \"b\"]", "a"},
                {"model not in [\"a\"] and lr = 0.1", "b"},
                {"lr = 1 or @name = \"demo.eval\"", "cd"},
                {"lr = \"0.1\"", "ab"},
                {"@failure = \"timeout\"", "b"},
                {"@failure = null", "ac"},
                {"@step = \"two\"", "d"},
                {"@experiment = \"e\" and @id ~ \"[ab]\"", "ab"},
                {"@task ~ \"demo[.]t\"", "abc"},
                {"nothing = \"x\"", ""},
        };
        put_jobs(*state);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char kept[16];
                select_jobs(*state, cases[i].filter, kept);
                assert_string_equal(kept, cases[i].kept);
        }
}

static void what_is_wrong_is_said(void **state)
{
        static const struct {
                const char *filter, *words;
        } cases[] = {
                {"@sate = \"DONE\"", "a job has no '@sate': did you mean '@state'?"},
                {"@colour = 1", "a job has no '@colour', only @state"},
                {"model =", "column"},
        };
        put_jobs(*state);
        xpm_view *view = views_open(*state);
        xpm_view_jobs jobs;
        assert_int_equal(xpm_view_list_jobs(view, NULL, &jobs, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_view_select(view, cases[i].filter, &jobs, &err), XPM_EUSAGE);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("'%s' is not in '%s'", cases[i].words, err.message);
        }
        xpm_view_close(view);
}

static void tag_that_no_job_has_is_doubted(void **state)
{
        static const struct {
                const char *filter, *doubt;
        } cases[] = {
                {"lr = 0.1 and @state = \"done\" and h = 1", NULL},
                {"modle.lr = 1", "no job has the tag 'modle.lr': did you mean 'model.lr'?"},
                {"lr = 0.1 or clrr != 1", "no job has the tag 'clrr': did you mean 'clr'?"},
                {"LR = 1", "no job has the tag 'LR': did you mean 'lr'?"},
                {"lr = large", "no job has the tag 'large'; tags are 'lr', 'model.lr', 'clr', 'model.net.h', "
                               "'x.y', 'z.y', 'net.h'"},
        };
        xpm_view_jobs jobs;
        const char *doubt;
        put_inherited(*state);
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_list_jobs(view, NULL, &jobs, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                assert_int_equal(xpm_view_doubt(view, cases[i].filter, &jobs, &doubt, NULL), 0);
                if (cases[i].doubt && doubt)
                        assert_string_equal(doubt, cases[i].doubt);
                else
                        assert_ptr_equal(doubt, cases[i].doubt);
        }
        assert_int_equal(xpm_view_doubt(view, "none = 1", &(xpm_view_jobs){0}, &doubt, NULL), 0);
        assert_null(doubt);
        views_put_run(*state, "f", "20260101_000000", "{}", LINE("demo.train", "a", "{}", "one"));
        assert_int_equal(xpm_view_list_jobs(view, (const char *const[]){"f", NULL}, &jobs, NULL), 0);
        assert_int_equal(xpm_view_doubt(view, "none = 1", &jobs, &doubt, NULL), 0);
        assert_string_equal(doubt, "no job has the tag 'none', nor any other");
        xpm_view_close(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(tags_and_properties_are_compared),
                T(end_of_a_tags_name_means_the_tag),
                T(what_is_wrong_is_said),
                T(tag_that_no_job_has_is_doubted),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
