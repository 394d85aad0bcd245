#include "base/lock.h"
#include "engine/transient.h"
#include "faked.h"

/* DATA are letters, a job each: `r` would run. */
static bool would_run(const void *data, size_t job)
{
        return ((const char *)data)[job] == 'r';
}

/* a <- b <- c, of which a and b are transient. */
#define CHAIN(kind)                                                               \
        "id: transient\nlauncher: fake\n"                                         \
        "tasks:\n"                                                                \
        "  spare: {params: {n: int}, command: [\"true\"], transient: " kind "}\n" \
        "  kept: {params: {n: int}, command: [\"true\"]}\n"                       \
        "plan:\n"                                                                 \
        "  a: {task: spare, params: {n: 1}}\n"                                    \
        "  b: {task: spare, params: {n: 2}, after: [a]}\n"                        \
        "  c: {task: kept, params: {n: 3}, after: [b]}\n"
enum { A, B, C };

static void assert_spared(struct scene *scene, const char *would, bool a, bool b)
{
        const xpm_transient_source source = {would, would_run};
        bool *spared;
        assert_int_equal(xpm_transients_spare(scene->experiment->plan, &source, &spared, NULL), 0);
        assert_non_null(spared);
        assert_int_equal(spared[A], a);
        assert_int_equal(spared[B], b);
        assert_false(spared[C]);
        free(spared);
}

static void only_what_somebody_needs_is_run(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, CHAIN("true"));
        assert_spared(scene, "rrr", false, false);
        assert_spared(scene, "rr-", true, true);
        assert_spared(scene, "r-r", true, false); /* b is done, so nobody needs a */
        assert_spared(scene, "---", false, false);
}

static void plan_without_transient_jobs_has_no_flags(void **state)
{
        struct scene *scene = *state;
        const xpm_transient_source source = {"rrr", would_run};
        bool mark, *spared = &mark;
        scene_open(scene, CHAIN("false"));
        assert_int_equal(xpm_transients_spare(scene->experiment->plan, &source, &spared, NULL), 0);
        assert_null(spared);
}

static void make_done(struct scene *scene, size_t job)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, job, "."), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, job, job == C ? "kept.done" : "spare.done"), "");
}

static void what_is_needed_no_more_is_removed_unless_held(void **state)
{
        struct scene *scene = *state;
        int lock;
        scene_open(scene, CHAIN("remove"));
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        make_done(scene, A);
        make_done(scene, B);
        scene_start(scene, NULL);
        /* a is held; c is to come, and b stays for it. */
        assert_int_equal(
                xpm_lock_take(scene->place->dir, scene_job_path(scene, A, "spare.lock"), 0600, false, &lock, NULL), 0);
        assert_int_equal(xpm_runner_remove_transients(&scene->runner), 0);
        assert_true(scene_job_has(scene, A, "spare.done"));
        assert_true(scene_job_has(scene, B, "spare.done"));
        xpm_lock_release(lock);
        assert_int_equal(xpm_runner_remove_transients(&scene->runner), 0);
        assert_false(scene_job_has(scene, A, "."));
        assert_true(scene_job_has(scene, B, "spare.done"));
        scene->runner.jobs[C].state = XPM_JOB_DONE;
        assert_int_equal(xpm_runner_remove_transients(&scene->runner), 0);
        assert_false(scene_job_has(scene, B, "."));
        scene_finish(scene);
}

static void run_does_not_submit_what_nobody_needs(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, CHAIN("true"));
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        make_done(scene, C);
        scene_run(scene);
        assert_int_equal(scene->fake->submitted, 0);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_int_equal(scene->counts.done_before, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(only_what_somebody_needs_is_run),
                T(plan_without_transient_jobs_has_no_flags),
                T(what_is_needed_no_more_is_removed_unless_held),
                T(run_does_not_submit_what_nobody_needs),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
