#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/leaf.h"
#include "planned.h"

static void field_is_found_by_name_alone(void **state)
{
        (void)state;
        assert_null(xpm_space_find("jobs"));
        assert_null(xpm_space_find(""));
        assert_null(xpm_field_find(xpm_space_find("job"), "cores"));
        assert_null(xpm_field_find(xpm_space_find("workspace"), ""));
        assert_int_equal(xpm_field_find(xpm_space_find("job"), "stdout")->leaf, XPM_LEAF_JOB_STDOUT);
        assert_int_equal(xpm_field_find(xpm_space_find("resources"), "ranks")->leaf, XPM_LEAF_RESOURCES_RANKS);
}

static void leaf_prints_what_the_job_and_its_need_say(void **state)
{
        static const xpm_gpu_need gpus[] = {{.count = 2}, {.count = 1}};
        static const xpm_need need = {.cores = 4, .memory = 1024, .ranks = 8, .gpus = gpus, .gpu_count = 2};
        static const struct {
                enum xpm_leaf leaf;
                const xpm_need *need;
                const char *run, *text; /* NULL: an error */
        } samples[] = {
                {XPM_LEAF_JOB_PATH, NULL, NULL, "/ws/jobs/nn.t/$I"},
                {XPM_LEAF_JOB_ID, NULL, NULL, "$I"},
                {XPM_LEAF_JOB_TASK, NULL, NULL, "nn.t"},
                {XPM_LEAF_JOB_STDOUT, NULL, NULL, "/ws/jobs/nn.t/$I/t.out"},
                {XPM_LEAF_EXPERIMENT_ID, NULL, NULL, "e"},
                {XPM_LEAF_EXPERIMENT_RESULTS, NULL, NULL, "/ws/experiments/e/current/results"},
                {XPM_LEAF_EXPERIMENT_RESULTS, NULL, "/run", "/run/results"},
                {XPM_LEAF_WORKSPACE_PATH, NULL, NULL, "/ws"},
                {XPM_LEAF_RESOURCES_CORES, NULL, NULL, "1"},
                {XPM_LEAF_RESOURCES_CORES, &need, NULL, "4"},
                {XPM_LEAF_RESOURCES_MEMORY, NULL, NULL, NULL},
                {XPM_LEAF_RESOURCES_MEMORY, &need, NULL, "1024"},
                {XPM_LEAF_RESOURCES_GPUS, NULL, NULL, "0"},
                {XPM_LEAF_RESOURCES_GPUS, &need, NULL, "3"},
                {XPM_LEAF_RESOURCES_RANKS, NULL, NULL, "1"},
                {XPM_LEAF_RESOURCES_RANKS, &need, NULL, "8"},
        };
        struct planned planned;
        char id[65];
        assert_int_equal(
                planned_read(*state, "id: e\ntasks: {nn.T: {command: x}}\nplan: {p: {task: nn.T}}\n", &planned, NULL),
                0);
        planned_id(planned_job(&planned), id);
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                xpm_text text = XPM_TEXT_INIT;
                xpm_error err = XPM_ERROR_NONE;
                planned.context.run = samples[i].run;
                int rc = xpm_leaf_print(&planned.context, samples[i].leaf, planned_job(&planned), samples[i].need,
                                        &text, &err);
                assert_int_equal(rc, samples[i].text ? 0 : XPM_EPLAN);
                char *expected = planned_replace(strdup(samples[i].text ? samples[i].text : ""), "$I", id);
                assert_string_equal(xpm_text_string(&text), expected);
                free(expected);
                xpm_text_release(&text);
        }
        planned_release(&planned);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(field_is_found_by_name_alone),
                cmocka_unit_test_setup_teardown(leaf_prints_what_the_job_and_its_need_say, place_enter, place_leave),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
