#include "faked.h"

#include <jansson.h>

#include "engine/launch.h"

static const char text[] = "id: made\n"
                           "launcher: fake\n"
                           "env: {A: of the file, B: of the file}\n"
                           "tasks:\n"
                           "  m.Leaf:\n"
                           "    params: {n: int}\n"
                           "    command: \"echo {{n}}\"\n"
                           "    requirements: 'duration=10s & cpu(cores=64, mem=8G) | duration=1m & cpu(mem=1G)'\n"
                           "plan: {s: {task: m.Leaf, sweep: {n: [1, 2]}}}\n";

static void open_with_settings(struct scene *scene, const char *env)
{
        char settings[512];
        snprintf(settings, sizeof settings,
                 "env: {A: of the settings, C: of the settings}\nworkspaces:\n"
                 "- {id: w, path: %s%s}\n",
                 scene->work, env);
        place_put(scene->place, "settings.yaml", settings);
        scene->options.workdir = NULL;
        scene->options.workspace = "w";
        scene_open(scene, text);
}

static void render(const struct scene *scene, size_t job, xpm_rendered *rendered)
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_rendered_init(rendered, scene->experiment, scene_job(scene, job), "local.sh", &err) != 0)
                fail_msg("%s", err.message);
}

/* What NAME is in the end: later bindings win. */
static const char *value_of(const xpm_rendered *rendered, const char *name)
{
        const char *value = NULL;
        for (size_t i = 0; i < rendered->spec.env_count; i++)
                if (strcmp(rendered->spec.env[i].name, name) == 0)
                        value = rendered->spec.env[i].value;
        return value;
}

static void file_and_parameters_are_of_this_job(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        char id[XPM_JOB_ID_SIZE];
        scene_open(scene, text);
        for (size_t i = 0; i < 2; i++) {
                render(scene, i, &rendered);
                xpm_job_identifier(scene_job(scene, i), id);
                assert_string_equal(rendered.spec.job_id, id);
                json_t *params = json_loads(xpm_text_string(&rendered.params), 0, NULL);
                const json_t *tree = json_object_get(params, "params");
                assert_int_equal(json_integer_value(json_object_get(tree, "n")), i + 1);
                json_decref(params);
                assert_non_null(strstr(xpm_text_string(&rendered.script), i == 0 ? "\necho 1" : "\necho 2"));
                xpm_rendered_release(&rendered);
        }
}

static void alternative_that_was_chosen_is_scaled(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        scene_open(scene, text);
        render(scene, 0, &rendered);
        assert_int_equal(rendered.spec.need.cores, 64);
        assert_int_equal(rendered.spec.need.memory, (uint64_t)8 << 30);
        xpm_rendered_release(&rendered);
        scene->experiment->choices[0].alternative = 1;
        assert_int_equal(
                xpm_rendered_init_scaled(&rendered, scene->experiment, scene_job(scene, 0), "local.sh", 2, 3, NULL), 0);
        assert_int_equal(rendered.spec.need.cores, 1);
        assert_int_equal(rendered.spec.need.memory, (uint64_t)2 << 30);
        assert_int_equal(rendered.spec.need.duration, 180);
        xpm_rendered_release(&rendered);
}

static void environment_of_the_settings_gives_way_to_that_of_the_file(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        open_with_settings(scene, ", env: {C: of the workspace, D: of the workspace}");
        render(scene, 0, &rendered);
        assert_string_equal(value_of(&rendered, "A"), "of the file");
        assert_string_equal(value_of(&rendered, "B"), "of the file");
        assert_string_equal(value_of(&rendered, "C"), "of the workspace");
        assert_string_equal(value_of(&rendered, "D"), "of the workspace");
        /* The run file says the same when it is run by hand. */
        const char *script = xpm_text_string(&rendered.script), *settings = strstr(script, "of the settings");
        const char *file = strstr(script, "of the file");
        assert_true(settings && file && settings < file);
        xpm_rendered_release(&rendered);
}

static void launch_is_what_was_rendered(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        char path[512];
        scene_open(scene, text);
        render(scene, 1, &rendered);
        const xpm_launch launch = xpm_rendered_launch(&rendered, 17, 3, true);
        snprintf(path, sizeof path, "%s/%s", scene->place->path, scene_job_path(scene, 1, ""));
        path[strlen(path) - 1] = '\0';
        assert_string_equal(launch.path, path);
        assert_int_equal(launch.tag, 17);
        assert_int_equal(launch.attempt, 3);
        assert_true(launch.again);
        assert_ptr_equal(launch.spec, &rendered.spec);
        assert_int_equal(launch.params_length, strlen(launch.params));
        assert_int_equal(launch.script_length, strlen(launch.script));
        assert_true(launch.params_length > 0 && launch.script_length > 0);
        xpm_rendered_release(&rendered);
}

static void template_that_is_not_there_is_an_error_and_leaves_nothing(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        xpm_error err = XPM_ERROR_NONE;
        scene_open(scene, text);
        assert_true(xpm_rendered_init(&rendered, scene->experiment, scene_job(scene, 0), "no-such.sh", &err) < 0);
        assert_non_null(strstr(err.message, "no-such.sh"));
        assert_null(rendered.arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(file_and_parameters_are_of_this_job),
                T(alternative_that_was_chosen_is_scaled),
                T(environment_of_the_settings_gives_way_to_that_of_the_file),
                T(launch_is_what_was_rendered),
                T(template_that_is_not_there_is_an_error_and_leaves_nothing),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
