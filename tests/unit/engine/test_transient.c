#include "faked.h"

#include "base/lock.h"
#include "engine/transient.h"

/* 0: a; 1: b needs a; 2: c needs b; 3: d, which nothing needs. a, b and d are transient as %s says. */
static const char chain[] = "id: x\nlauncher: fake\n"
                            "tasks:\n"
                            "  first: {params: {n: int}, command: [\"true\"], transient: %s}\n"
                            "  second: {params: {of: first}, command: [\"true\"], transient: %s}\n"
                            "  third: {params: {of: second}, command: [\"true\"]}\n"
                            "plan:\n"
                            "  a: {task: first, params: {n: 1}}\n"
                            "  b: {task: second, params: {of: {each: a}}}\n"
                            "  c: {task: third, params: {of: {each: b}}}\n"
                            "  d: {task: first, params: {n: 2}}\n";
enum { A, B, C, D, JOBS };

static void open_chain(struct scene *scene, const char *kind)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_printf(&text, chain, kind, kind);
        scene_open(scene, xpm_text_string(&text));
        xpm_text_release(&text);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
}

static void put(const struct scene *scene, size_t job, const char *name)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, job, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, job, name), "");
}

static bool is_in(const void *data, size_t job)
{
        return strchr(data, (int)('a' + job)) != NULL;
}

/* The letters of the jobs that are spared when those of WOULD_RUN were to run. */
static const char *spared(const struct scene *scene, const char *would_run, char letters[JOBS + 1])
{
        const xpm_transient_source source = {would_run, is_in};
        bool *flags;
        size_t count = 0;
        assert_int_equal(xpm_transients_spare(scene->experiment->plan, &source, &flags, NULL), 0);
        assert_non_null(flags);
        for (size_t job = 0; job < JOBS; job++)
                if (flags[job])
                        letters[count++] = (char)('a' + job);
        letters[count] = '\0';
        free(flags);
        return letters;
}

static void transient_job_is_spared_unless_something_that_runs_needs_it(void **state)
{
        static const struct {
                const char *would_run, *spared;
        } cases[] = {
                {"abcd", "d"},               /* b needs a for the sake of c … */
                {"abd", "abd"}, {"ac", "a"}, /* … and not when b is done */
                {"bcd", "d"},   {"a", "a"},  {"c", ""}, {"", ""},
        };
        struct scene *scene = *state;
        char letters[JOBS + 1];
        static const char *const kinds[] = {"true", "remove"};
        for (size_t k = 0; k < 2; k++) {
                open_chain(scene, kinds[k]);
                for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                        if (strcmp(spared(scene, cases[i].would_run, letters), cases[i].spared) != 0)
                                fail_msg("%s: %s", cases[i].would_run, letters);
                scene_close(scene);
        }
}

static void plan_without_transient_jobs_spares_none(void **state)
{
        struct scene *scene = *state;
        const xpm_transient_source source = {"abcd", is_in};
        bool *flags = (bool[]){true};
        open_chain(scene, "false");
        assert_int_equal(xpm_transients_spare(scene->experiment->plan, &source, &flags, NULL), 0);
        assert_null(flags);
}

static void run_does_without_what_nobody_needs(void **state)
{
        struct scene *scene = *state;
        open_chain(scene, "true");
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_int_equal(scene->fake->submitted, 3);
        assert_int_equal(scene->counts.done, 3);
        scene_close(scene);
        /* What needed them is done by now. */
        open_chain(scene, "true");
        put(scene, C, "third.done");
        scene->fake->submitted = 0;
        scene_run(scene);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_int_equal(scene->fake->submitted, 0);
        assert_int_equal(scene->counts.done_before, 1);
}

/* Leaves what a job that ran leaves; but `c` fails when it is to. */
struct making {
        struct scene *scene;
        bool fails;
};

static bool make(void *data, const char *path, xpm_launch_event *event)
{
        const struct making *making = data;
        static const char *const done[] = {"first.done", "second.done", "third.done", "first.done"};
        if (strstr(path, "/third/") && making->fails) {
                event->done = false;
                event->reason = "failed";
                return true;
        }
        put(making->scene, event->tag, done[event->tag]);
        return true;
}

static void run(struct scene *scene, bool fails)
{
        struct making making = {scene, fails};
        scene->fake->outcome = make;
        scene->fake->data = &making;
        scene_run(scene);
}

static void directories_go_when_all_that_needed_them_is_done(void **state)
{
        struct scene *scene = *state;
        open_chain(scene, "remove");
        run(scene, false);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_false(scene_job_has(scene, A, "."));
        assert_false(scene_job_has(scene, B, "."));
        assert_true(scene_job_has(scene, C, "third.done"));
}

static void directories_go_when_what_needed_them_is_spared(void **state)
{
        struct scene *scene = *state;
        open_chain(scene, "remove");
        put(scene, A, "first.done");
        put(scene, C, "third.done");
        run(scene, false);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_false(scene_job_has(scene, B, "second.done"));
        assert_false(scene_job_has(scene, A, "."));
}

static void directories_stay_while_something_needs_them_yet(void **state)
{
        struct scene *scene = *state;
        open_chain(scene, "remove");
        run(scene, true);
        assert_int_equal(scene->verdict, XPM_VERDICT_FAILED);
        assert_false(scene_job_has(scene, A, ".")); /* b, which needed it, is done */
        assert_true(scene_job_has(scene, B, "second.done"));
        scene_close(scene);
        /* The next run makes do with what is there. */
        open_chain(scene, "remove");
        scene->fake->submitted = 0;
        run(scene, false);
        assert_int_equal(scene->fake->submitted, 1);
        assert_false(scene_job_has(scene, B, "."));
}

static void directories_are_kept_where_that_was_not_asked_for(void **state)
{
        struct scene *scene = *state;
        open_chain(scene, "true");
        run(scene, false);
        assert_true(scene_job_has(scene, A, "first.done"));
        assert_true(scene_job_has(scene, B, "second.done"));
}

static void directory_that_somebody_holds_stays(void **state)
{
        struct scene *scene = *state;
        int lock;
        open_chain(scene, "remove");
        put(scene, B, "second.lock");
        assert_int_equal(
                xpm_lock_take(scene->place->dir, scene_job_path(scene, B, "second.lock"), 0600, false, &lock, NULL), 0);
        put(scene, A, "first.done");
        put(scene, B, "second.done");
        run(scene, false);
        assert_int_equal(scene->verdict, XPM_VERDICT_DONE);
        assert_true(scene_job_has(scene, B, "second.done"));
        assert_false(scene_job_has(scene, A, "."));
        xpm_lock_release(lock);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(transient_job_is_spared_unless_something_that_runs_needs_it),
                T(plan_without_transient_jobs_spares_none),
                T(run_does_without_what_nobody_needs),
                T(directories_go_when_all_that_needed_them_is_done),
                T(directories_go_when_what_needed_them_is_spared),
                T(directories_stay_while_something_needs_them_yet),
                T(directories_are_kept_where_that_was_not_asked_for),
                T(directory_that_somebody_holds_stays),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
