#include "base/lock.h"
#include "faked.h"

static const char chain[] = "id: look\n"
                            "launcher: fake\n"
                            "tasks:\n"
                            "  t: {params: {n: int}, command: [\"true\"]}\n"
                            "plan:\n"
                            "  a: {task: t, params: {n: 1}}\n"
                            "  b: {task: t, params: {n: 2}, after: [a]}\n";
enum { A, B };

#define STATUS ".experimaestro/status.json"

static void put(const struct scene *scene, const char *name, const char *content)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, A, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, A, name), content);
}

static void open_it(struct scene *scene)
{
        scene_open(scene, chain);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
}

static enum xpm_outlook look(struct scene *scene, size_t job)
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_experiment_look(scene->experiment, NULL, &err) != 0)
                fail_msg("%s", err.message);
        return xpm_job_outlook(scene->experiment, scene_job(scene, job));
}

static void workspace_that_is_not_there_is_not_made(void **state)
{
        struct scene *scene = *state;
        size_t counts[XPM_OUTLOOK_COUNT];
        scene_open(scene, chain);
        assert_int_equal(xpm_experiment_look(scene->experiment, counts, NULL), 0);
        assert_int_equal(counts[XPM_OUTLOOK_RUN], 2);
        assert_int_equal(place_count(scene->place, "work"), -1);
}

static void marker_alone_counts(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        put(scene, "t.done", "");
        assert_int_equal(look(scene, A), XPM_OUTLOOK_DONE);
        assert_int_equal(look(scene, B), XPM_OUTLOOK_RUN);
}

static void marker_outweighs_the_status(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        put(scene, STATUS, "{\"state\": \"running\", \"attempt\": 1}\n");
        put(scene, "t.done", "");
        assert_int_equal(look(scene, A), XPM_OUTLOOK_DONE);
}

static void failure_blocks_what_comes_after(void **state)
{
        struct scene *scene = *state;
        size_t counts[XPM_OUTLOOK_COUNT];
        open_it(scene);
        put(scene, "t.failed", "{\"code\": 3, \"reason\": \"failed\"}\n");
        assert_int_equal(look(scene, A), XPM_OUTLOOK_FAILED);
        assert_int_equal(look(scene, B), XPM_OUTLOOK_BLOCKED);
        assert_int_equal(xpm_experiment_look(scene->experiment, counts, NULL), 0);
        assert_int_equal(counts[XPM_OUTLOOK_FAILED], 1);
        assert_int_equal(counts[XPM_OUTLOOK_BLOCKED], 1);
        assert_int_equal(counts[XPM_OUTLOOK_RUN], 0);
}

static void failure_for_want_of_another_is_run(void **state)
{
        struct scene *scene = *state;
        open_it(scene);
        put(scene, "t.failed", "{\"code\": -1, \"reason\": \"dependency\"}\n");
        assert_int_equal(look(scene, A), XPM_OUTLOOK_RUN);
        assert_int_equal(look(scene, B), XPM_OUTLOOK_RUN);
}

static void lock_tells_a_running_job_from_a_lost_one(void **state)
{
        struct scene *scene = *state;
        int lock;
        open_it(scene);
        put(scene, STATUS, "{\"state\": \"running\", \"attempt\": 1}\n");
        assert_int_equal(xpm_lock_take(scene->place->dir, scene_job_path(scene, A, "t.lock"), 0600, false, &lock, NULL),
                         0);
        assert_int_equal(look(scene, A), XPM_OUTLOOK_RUNNING);
        assert_int_equal(look(scene, B), XPM_OUTLOOK_RUN);
        xpm_lock_release(lock);
        assert_int_equal(look(scene, A), XPM_OUTLOOK_RUN);
}

static void rerun_runs_what_is_done(void **state)
{
        struct scene *scene = *state;
        scene->options.rerun = XPM_RERUN_ALL;
        open_it(scene);
        put(scene, "t.done", "");
        assert_int_equal(look(scene, A), XPM_OUTLOOK_RUN);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(workspace_that_is_not_there_is_not_made),
                T(marker_alone_counts),
                T(marker_outweighs_the_status),
                T(failure_blocks_what_comes_after),
                T(failure_for_want_of_another_is_run),
                T(lock_tells_a_running_job_from_a_lost_one),
                T(rerun_runs_what_is_done),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
