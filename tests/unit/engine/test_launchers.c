#include "faked.h"

/* Two tasks, the second of which names a launcher, as one step of it does; TOP is for the experiment. */
static void open_named(struct scene *scene, const char *top)
{
        char text[512];
        snprintf(text, sizeof text,
                 "id: x\n%s"
                 "tasks:\n"
                 "  any: {params: {n: int}, command: [\"true\"]}\n"
                 "  own: {params: {n: int}, command: [\"true\"], launcher: of-task}\n"
                 "plan:\n"
                 "  a: {task: any, params: {n: 1}}\n"
                 "  b: {task: own, params: {n: 1}}\n"
                 "  c: {task: own, params: {n: 2}, launcher: of-step}\n",
                 top);
        scene_open(scene, text);
}

static void put_launchers(const struct scene *scene)
{
        place_put(scene->place, "launchers.yaml",
                  "launchers:\n"
                  "  first: {type: local}\n"
                  "  of-file: {type: local}\n"
                  "  of-task: {type: local}\n"
                  "  of-step: {type: local}\n"
                  "  of-option: {type: local}\n");
}

static void assert_launchers(const struct scene *scene, const char *a, const char *b, const char *c)
{
        const char *const expected[] = {a, b, c};
        for (size_t i = 0; i < 3; i++)
                assert_string_equal(xpm_experiment_launcher(scene->experiment, scene_job(scene, i)), expected[i]);
}

static void who_is_nearest_to_the_job_names_its_launcher(void **state)
{
        struct scene *scene = *state;
        put_launchers(scene);
        open_named(scene, "");
        assert_launchers(scene, "first", "of-task", "of-step");
        scene_close(scene);
        open_named(scene, "launcher: of-file\n");
        assert_launchers(scene, "of-file", "of-task", "of-step");
        scene_close(scene);
        scene->options.launcher = "of-option";
        open_named(scene, "launcher: of-file\n");
        assert_launchers(scene, "of-option", "of-option", "of-option");
}

static void name_in_the_file_that_means_nothing_is_told_where_it_stands(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        put_launchers(scene);
        assert_int_equal(scene_try(scene,
                                   "id: x\ntasks:\n"
                                   "  t: {params: {n: int}, command: [\"true\"], launcher: of-tusk}\n"
                                   "plan: {s: {task: t, params: {n: 1}}}\n",
                                   &err),
                         XPM_EPLAN);
        assert_non_null(strstr(err.message, "e.yaml:3:"));
        assert_non_null(
                strstr(err.message, "there is no launcher 'of-tusk' in launchers.yaml: did you mean 'of-task'?"));
}

static void name_in_the_option_that_means_nothing_is_a_wrong_usage(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene->options.launcher = "lokal";
        assert_int_equal(scene_try(scene,
                                   "id: x\ntasks: {t: {params: {n: int}, command: [\"true\"]}}\n"
                                   "plan: {s: {task: t, params: {n: 1}}}\n",
                                   &err),
                         XPM_EUSAGE);
        assert_string_equal(err.message, "there is no launcher 'lokal' in launchers.yaml: did you mean 'local'?");
}

/* Jobs of one step that ask for different things. */
static const char each[] = "id: x\n"
                           "tasks: {t: {params: {n: int}, command: [\"true\"], requirements: 'cpu(cores={{n}})'}}\n"
                           "plan: {s: {task: t, sweep: {n: [1, 6, 2, 40]}}}\n";

static void open_hosts(struct scene *scene)
{
        setenv("HWLOC_SYNTHETIC", "core:8 pu:1", 1);
        unsetenv("XPM_MODULEDIR"); /* the real ones */
        place_put(scene->place, "launchers.yaml",
                  "launchers:\n"
                  "  small: {type: local, priority: 1, cores: 2}\n"
                  "  large: {type: local, cores: 8}\n");
        scene_open(scene, each);
}

static void each_job_gets_the_first_that_can_run_it(void **state)
{
        static const char *const expected[] = {"small", "large", "small", "small"};
        struct scene *scene = *state;
        open_hosts(scene);
        for (size_t i = 0; i < 4; i++) {
                assert_string_equal(xpm_experiment_launcher(scene->experiment, scene_job(scene, i)), expected[i]);
                assert_int_equal(scene->experiment->choices[i].unfit, i == 3);
        }
}

static void job_that_fits_nowhere_is_told_what_each_launcher_lacks(void **state)
{
        struct scene *scene = *state;
        xpm_text why = XPM_TEXT_INIT;
        open_hosts(scene);
        assert_int_equal(xpm_experiment_explain_unfit(scene->experiment, scene_job(scene, 3), &why, NULL), 0);
        assert_string_equal(xpm_text_string(&why), "small: it wants 40 cores, and its hosts have 2; "
                                                   "large: it wants 40 cores, and its hosts have 8");
        xpm_text_release(&why);
}

static void devices_are_looked_for_when_the_alternative_that_is_taken_has_some(void **state)
{
        static const char text[] = "id: x\nlauncher: fake\n"
                                   "tasks: {t: {params: {n: int}, command: [\"true\"], requirements: '%s'}}\n"
                                   "plan: {s: {task: t, params: {n: 1}}}\n";
        static const struct {
                const char *requirement;
                bool devices;
        } cases[] = {{"cpu(cores=1) | cuda()", false}, {"cuda() | cpu(cores=1)", true}};
        struct scene *scene = *state;
        char buffer[512];
        for (size_t i = 0; i < 2; i++) {
                snprintf(buffer, sizeof buffer, text, cases[i].requirement);
                scene_open(scene, buffer);
                assert_int_equal(scene->experiment->core.devices, cases[i].devices);
                scene_close(scene);
        }
}

static int leave(void **state)
{
        unsetenv("HWLOC_SYNTHETIC");
        return faked_leave(state);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, leave)
                T(who_is_nearest_to_the_job_names_its_launcher),
                T(name_in_the_file_that_means_nothing_is_told_where_it_stands),
                T(name_in_the_option_that_means_nothing_is_a_wrong_usage),
                T(each_job_gets_the_first_that_can_run_it),
                T(job_that_fits_nowhere_is_told_what_each_launcher_lacks),
                T(devices_are_looked_for_when_the_alternative_that_is_taken_has_some),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
