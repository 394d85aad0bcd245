#include <poll.h>

#include "base/lock.h"
#include "faked.h"

static const char text[] = "id: exp\n"
                           "title: A title\n"
                           "launcher: fake\n"
                           "tasks:\n"
                           "  m.Leaf: {params: {n: int}, command: [\"true\"]}\n"
                           "  m.Over: {params: {of: m.Leaf}, command: [\"true\"]}\n"
                           "plan:\n"
                           "  a: {task: m.Leaf, sweep: {n: [1, 2]}}\n"
                           "  b: {task: m.Over, params: {of: {each: a}}}\n";

static void opening_tells_of_all_jobs_and_writes_nothing(void **state)
{
        struct scene *scene = *state;
        char id[XPM_JOB_ID_SIZE];
        scene_open(scene, text);
        const xpm_experiment *experiment = scene->experiment;
        assert_string_equal(xpm_experiment_id(experiment), "exp");
        assert_string_equal(xpm_experiment_title(experiment), "A title");
        assert_string_equal(xpm_experiment_workspace(experiment), scene->work);
        assert_null(xpm_experiment_run_path(experiment));
        assert_int_equal(xpm_experiment_job_count(experiment), 4);
        assert_string_equal(xpm_job_task(scene_job(scene, 0)), "m.leaf");
        assert_string_equal(xpm_job_script(scene_job(scene, 0)), "leaf");
        assert_string_equal(xpm_job_step(scene_job(scene, 3)), "b");
        xpm_job_identifier(scene_job(scene, 3), id);
        assert_int_equal(strspn(id, "0123456789abcdef"), 64);
        assert_int_equal(xpm_file_exists(AT_FDCWD, scene->work, NULL), 0);
}

static void what_is_wrong_is_told_before_anything_is_written(void **state)
{
        static const struct {
                const char *text;
                int rc;
                const char *words;
        } cases[] = {
                {"id: [", XPM_EPLAN, "e.yaml:2:1: "},
                {"id: x\ntasks: {t: {params: {n: int}, command: [\"true\"]}}\nplan: {s: {task: u, params: {n: 1}}}\n",
                 XPM_EPLAN, "e.yaml:3:"},
                {"id: x\nlauncher: lcal\ntasks: {t: {params: {n: int}, command: [\"true\"]}}\n"
                 "plan: {s: {task: t, params: {n: 1}}}\n",
                 XPM_EPLAN, "e.yaml:2:11: there is no launcher 'lcal' in launchers.yaml: did you mean 'local'?"},
        };
        struct scene *scene = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(scene_try(scene, cases[i].text, &err), cases[i].rc);
                assert_null(scene->experiment);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s", err.message);
        }
        assert_int_equal(xpm_file_exists(AT_FDCWD, scene->work, NULL), 0);
}

static void file_that_is_not_there_is_named(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_experiment_open(&scene->options, &scene->experiment, &err), XPM_ENOTFOUND);
        assert_non_null(strstr(err.message, "e.yaml"));
}

static void words_after_the_file_are_for_a_program_alone(void **state)
{
        static const char *const args[] = {"--dry-run", NULL};
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene->options.args = args;
        assert_int_equal(scene_try(scene, text, &err), XPM_EUSAGE);
        assert_non_null(strstr(err.message, "'--dry-run' stands after the experiment file"));
}

static void value_that_fails_in_one_job_alone_is_told_when_opened(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(
                scene_try(scene,
                          "id: x\nlauncher: fake\n"
                          "tasks: {t: {params: {m: str}, command: [\"true\"], requirements: 'cpu(mem={{m}})'}}\n"
                          "plan: {s: {task: t, sweep: {m: [1G, 2G, much]}}}\n",
                          &err),
                XPM_EPLAN);
        assert_non_null(strstr(err.message, "much"));
}

static void file_is_shown_merged_and_interpolated(void **state)
{
        static const char *const settings[] = {"title=Another", NULL};
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        char *json = NULL;
        scene->options.settings = settings;
        place_put(scene->place, "e.yaml", "id: x\ntitle: A\nwhat: 'the ${title}'\ntasks: {}\n");
        if (xpm_experiment_show(&scene->options, &json, &err) != 0)
                fail_msg("%s", err.message);
        assert_non_null(strstr(json, "\"title\": \"Another\""));
        assert_non_null(strstr(json, "\"what\": \"the Another\""));
        free(json);
        place_put(scene->place, "e.yaml", "id: x\nwhat: '${nothing}'\n");
        assert_int_equal(xpm_experiment_show(&scene->options, &json, &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "e.yaml:2:7"));
}

static void run_announces_every_job_with_what_it_needs(void **state)
{
        struct scene *scene = *state;
        char content[4096], path[256], leaf[XPM_JOB_ID_SIZE], over[XPM_JOB_ID_SIZE], expected[128];
        scene_open(scene, text);
        scene_start(scene, NULL);
        assert_string_equal(xpm_experiment_run_path(scene->experiment), xpm_run_path(scene->runner.run));
        snprintf(path, sizeof path, "work/experiments/exp/%s/jobs.jsonl", xpm_run_name(scene->runner.run));
        place_get(scene->place, path, content);
        xpm_job_identifier(scene_job(scene, 0), leaf);
        xpm_job_identifier(scene_job(scene, 2), over);
        char *line = strstr(content, over);
        assert_non_null(line);
        *strchrnul(line, '\n') = '\0';
        snprintf(expected, sizeof expected, "\"m.leaf/%s\"", leaf);
        assert_non_null(strstr(line, expected));
        assert_non_null(strstr(line, "\"tags\": {\"of.n\": 1}"));
        scene_finish(scene);
}

static void experiment_that_runs_already_is_refused_without_wait(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        int lock;
        scene->options.no_wait = true;
        scene_open(scene, text);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/experiments/exp", 0700, NULL), 0);
        place_put(scene->place, "work/.__experimaestro__", "");
        assert_int_equal(xpm_lock_take(scene->place->dir, "work/experiments/exp/lock", 0600, false, &lock, NULL), 0);
        assert_int_equal(xpm_experiment_run(scene->experiment, NULL, &scene->counts, &scene->verdict, &err),
                         XPM_ELOCKED);
        assert_int_equal(scene->fake->submitted, 0);
        assert_null(xpm_experiment_run_path(scene->experiment));
        xpm_lock_release(lock);
        scene_run(scene);
        assert_int_equal(scene->counts.done, 4);
}

/* Lets go of the lock when it is told that it is waited for. */
static void let_go(void *data, int level, const char *line)
{
        int *lock = data;
        (void)level;
        if (*lock >= 0 && strstr(line, "wait"))
                xpm_lock_release(*lock);
        if (strstr(line, "wait"))
                *lock = -1;
}

static void experiment_that_runs_already_is_waited_for(void **state)
{
        struct scene *scene = *state;
        int lock;
        scene->options.log = let_go;
        scene->options.log_data = &lock;
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/experiments/exp", 0700, NULL), 0);
        assert_int_equal(xpm_lock_take(scene->place->dir, "work/experiments/exp/lock", 0600, false, &lock, NULL), 0);
        scene_run(scene);
        assert_int_equal(lock, -1);
        assert_int_equal(scene->counts.done, 4);
}

static void survey_that_fails_ends_the_run(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        char content[4096];
        scene_open(scene, text);
        /* A directory that cannot be looked into. */
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/jobs", 0700, NULL), 0);
        place_put(scene->place, "work/.__experimaestro__", "");
        assert_int_equal(symlinkat("m.leaf", scene->place->dir, "work/jobs/m.leaf"), 0);
        assert_int_equal(xpm_experiment_run(scene->experiment, NULL, &scene->counts, &scene->verdict, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "m.leaf"));
        assert_int_equal(xpm_lock_is_held(scene->place->dir, "work/experiments/exp/lock", NULL), 0);
        assert_non_null(strstr(place_get(scene->place, "work/experiments/exp/current/status.json", content),
                               "\"status\": \"failed\""));
        assert_int_equal(scene->fake->submitted, 0);
}

static void workspace_nobody_chose_is_named_when_it_is_first_written(void **state)
{
        struct scene *scene = *state;
        char *before = getcwd(NULL, 0), expected[256];
        assert_non_null(before);
        assert_int_equal(fchdir(scene->place->dir), 0);
        scene->options.workdir = NULL;
        scene_open(scene, text);
        assert_int_equal(xpm_file_exists(scene->place->dir, "experimaestro", NULL), 0);
        assert_null(strstr(xpm_text_string(&scene->log), "no workspace is configured"));
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        snprintf(expected, sizeof expected, "no workspace is configured: using '%s/experimaestro'", scene->place->path);
        assert_non_null(strstr(xpm_text_string(&scene->log), expected));
        assert_int_equal(xpm_file_exists(scene->place->dir, "experimaestro/.__experimaestro__", NULL), 1);
        assert_int_equal(chdir(before), 0);
        free(before);
}

static void interrupts_are_counted_and_wake_whoever_waits(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, text);
        struct pollfd waiting = {.fd = scene->experiment->wake, .events = POLLIN};
        assert_int_equal(poll(&waiting, 1, 0), 0);
        errno = ERANGE;
        xpm_experiment_interrupt(scene->experiment);
        xpm_experiment_interrupt(scene->experiment);
        assert_int_equal(errno, ERANGE); /* a signal handler may call it */
        assert_int_equal(scene->experiment->interrupts, 2);
        assert_int_equal(poll(&waiting, 1, 0), 1);
        assert_int_equal(waiting.revents, POLLIN);
}

static void graph_has_the_edges_of_the_plan(void **state)
{
        struct scene *scene = *state;
        xpm_graph graph;
        size_t count;
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_graph(scene->experiment, &graph, NULL), 0);
        for (size_t leaf = 0; leaf < 2; leaf++) {
                const uint32_t *over = xpm_graph_dependents(&graph, leaf, &count);
                assert_int_equal(count, 1);
                assert_ptr_equal(scene_job(scene, over[0])->dependencies[0], scene_job(scene, leaf));
                assert_int_equal(graph.missing[over[0]], 1);
        }
        xpm_graph_release(&graph);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(opening_tells_of_all_jobs_and_writes_nothing),
                T(what_is_wrong_is_told_before_anything_is_written),
                T(file_that_is_not_there_is_named),
                T(words_after_the_file_are_for_a_program_alone),
                T(value_that_fails_in_one_job_alone_is_told_when_opened),
                T(file_is_shown_merged_and_interpolated),
                T(run_announces_every_job_with_what_it_needs),
                T(experiment_that_runs_already_is_refused_without_wait),
                T(experiment_that_runs_already_is_waited_for),
                T(survey_that_fails_ends_the_run),
                T(workspace_nobody_chose_is_named_when_it_is_first_written),
                T(interrupts_are_counted_and_wake_whoever_waits),
                T(graph_has_the_edges_of_the_plan),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
