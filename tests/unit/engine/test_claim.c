/* What jobs of one engine want, beside another engine that shares the workspace: the place itself. */
#include "engine/launch.h"
#include "faked.h"
#include "tokens.h"

/* 0, 1: two a; 2: one b; 3: an a and a b; 4: nothing. */
static const char counted[] = "id: counted\n"
                              "launcher: fake\n"
                              "tokens: {a: 2, b: 1}\n"
                              "tasks:\n"
                              "  two: {params: {n: int}, command: [\"true\"], tokens: {a: 2}}\n"
                              "  one: {params: {n: int}, command: [\"true\"], tokens: {b: 1}}\n"
                              "  both: {params: {n: int}, command: [\"true\"], tokens: {a: 1, b: 1}}\n"
                              "  none: {params: {n: int}, command: [\"true\"]}\n"
                              "plan:\n"
                              "  s: {task: two, sweep: {n: [1, 2]}}\n"
                              "  t: {task: one, params: {n: 1}}\n"
                              "  u: {task: both, params: {n: 1}}\n"
                              "  v: {task: none, params: {n: 1}}\n";
enum { TWO, TWO_MORE, ONE, BOTH, NONE };

/* 0, 1 share a partial; 2, 3 another. */
static const char shared[] = "id: shared\n"
                             "launcher: fake\n"
                             "tasks:\n"
                             "  t:\n"
                             "    params: {k: int, n: {type: int, groups: [g]}}\n"
                             "    partials: {p: {exclude_groups: [g]}}\n"
                             "    command: [\"true\"]\n"
                             "plan:\n"
                             "  s: {task: t, sweep: {k: [1, 2], n: [1, 2]}}\n";

static xpm_claims *start(struct scene *scene, const char *text)
{
        snprintf(scene->work, sizeof scene->work, "%s", scene->place->path);
        scene_open(scene, text);
        scene_start(scene, NULL);
        /* What the survey has queued is of no use here. */
        xpm_claims *claims = &scene->runner.claims;
        xpm_claims_close(claims);
        assert_int_equal(xpm_claims_open(claims, scene->experiment, xpm_run_name(scene->runner.run), NULL), 0);
        return claims;
}

static void queue(struct scene *scene, size_t job, size_t port)
{
        assert_int_equal(xpm_claims_queue(&scene->runner.claims, scene_job(scene, job), port, NULL), 0);
}

static bool take(struct scene *scene, size_t job)
{
        xpm_rendered rendered;
        xpm_error err = XPM_ERROR_NONE;
        bool taken;
        assert_int_equal(xpm_rendered_init(&rendered, scene->experiment, scene_job(scene, job), "local.sh", NULL), 0);
        if (xpm_claims_take(&scene->runner.claims, job, &rendered.spec, &taken, &err) != 0)
                fail_msg("%s", err.message);
        xpm_rendered_release(&rendered);
        return taken;
}

/* Whether JOB holds the token NAME on disk. */
static bool holds(const struct scene *scene, size_t job, const char *name)
{
        char path[256], id[XPM_JOB_ID_SIZE];
        xpm_job_identifier(scene_job(scene, job), id);
        snprintf(path, sizeof path, "tokens/%s.counter/jobs/%s@%s.json", name, xpm_job_task(scene_job(scene, job)), id);
        return faccessat(scene->place->dir, path, F_OK, 0) == 0;
}

static void plan_without_claims_opens_nothing(void **state)
{
        static const char text[] = "id: plain\nlauncher: fake\ntasks: {t: {params: {n: int}, command: [\"true\"]}}\n"
                                   "plan: {s: {task: t, params: {n: 1}}}\n";
        struct scene *scene = *state;
        xpm_claims *claims = start(scene, text);
        assert_null(claims->store);
        assert_null(claims->next);
        assert_false(xpm_claims_wanted(scene_job(scene, 0)));
        assert_int_equal(xpm_claims_next(claims, 0), -1);
        assert_int_equal(place_count(scene->place, "tokens"), -1);
        scene_finish(scene);
}

static void job_wants_something_for_tokens_or_partials(void **state)
{
        struct scene *scene = *state;
        start(scene, counted);
        assert_true(xpm_claims_wanted(scene_job(scene, TWO)));
        assert_false(xpm_claims_wanted(scene_job(scene, NONE)));
        scene_finish(scene);
        scene_close(scene);
        start(scene, shared);
        assert_true(xpm_claims_wanted(scene_job(scene, 0)));
        scene_finish(scene);
}

static void jobs_of_a_class_go_in_order_and_do_not_hold_up_others(void **state)
{
        struct scene *scene = *state;
        xpm_claims *claims = start(scene, counted);
        queue(scene, TWO_MORE, 0);
        queue(scene, TWO, 0);
        queue(scene, ONE, 0);
        assert_int_equal(xpm_claims_next(claims, 0), TWO_MORE);
        assert_true(take(scene, TWO_MORE));
        assert_true(holds(scene, TWO_MORE, "a"));
        assert_int_equal(xpm_claims_next(claims, 0), TWO);
        assert_false(take(scene, TWO));
        assert_int_equal(xpm_claims_next(claims, 0), ONE);
        assert_true(take(scene, ONE));
        assert_int_equal(xpm_claims_next(claims, 0), -1);
        assert_int_equal(claims->waiting, 1);
        /* What the other class gives back is of no use to this one. */
        xpm_claims_release(claims, ONE, true);
        assert_false(holds(scene, ONE, "b"));
        assert_int_equal(xpm_claims_next(claims, 0), -1);
        xpm_claims_release(claims, TWO_MORE, true);
        assert_int_equal(xpm_claims_next(claims, 0), TWO);
        assert_true(take(scene, TWO));
        assert_int_equal(claims->waiting, 0);
        xpm_claims_release(claims, TWO, true);
        scene_finish(scene);
}

static void launchers_have_jobs_of_their_own(void **state)
{
        struct scene *scene = *state;
        xpm_claims *claims = start(scene, counted);
        queue(scene, TWO, 0);
        queue(scene, TWO_MORE, 1);
        queue(scene, ONE, 1);
        assert_int_equal(xpm_claims_next(claims, 2), -1);
        assert_int_equal(xpm_claims_next(claims, 1), TWO_MORE);
        assert_int_equal(xpm_claims_next(claims, 0), TWO);
        assert_true(take(scene, TWO));
        assert_false(take(scene, TWO_MORE));
        assert_int_equal(xpm_claims_next(claims, 1), ONE);
        xpm_claims_release(claims, TWO, true);
        assert_int_equal(xpm_claims_next(claims, 1), TWO_MORE);
        scene_finish(scene);
}

static void tokens_are_taken_all_or_none(void **state)
{
        struct scene *scene = *state;
        struct engine other;
        xpm_claims *claims = start(scene, counted);
        engine_begin(&other, scene->place, "other");
        assert_int_equal(engine_take(&other, "j", 0, 1, false), XPM_TOKENS_TAKEN);
        queue(scene, BOTH, 0);
        assert_false(take(scene, BOTH));
        assert_false(holds(scene, BOTH, "a"));
        assert_int_equal(xpm_claims_next(claims, 0), -1);
        /* Nobody tells us what others give back: it is asked for again. */
        engine_give_back(&other, "j");
        xpm_claims_unblock(claims);
        assert_int_equal(xpm_claims_next(claims, 0), BOTH);
        assert_true(take(scene, BOTH));
        assert_true(holds(scene, BOTH, "a") && holds(scene, BOTH, "b"));
        xpm_claims_release(claims, BOTH, true);
        assert_false(holds(scene, BOTH, "a") || holds(scene, BOTH, "b"));
        engine_end(&other);
        scene_finish(scene);
}

static void job_that_another_engine_has_in_hand_waits(void **state)
{
        struct scene *scene = *state;
        struct engine other;
        char id[XPM_JOB_ID_SIZE];
        xpm_token_answer answer;
        xpm_claims *claims = start(scene, counted);
        xpm_job_identifier(scene_job(scene, ONE), id);
        const xpm_count wanted[] = {{"a", 1}, {"b", 1}};
        const xpm_token_request same = {wanted, 2, "one", id, "one"};
        engine_begin(&other, scene->place, "other");
        assert_int_equal(xpm_tokens_take(other.tokens, &same, false, &answer, NULL), 0);
        assert_int_equal(answer.result, XPM_TOKENS_TAKEN);
        queue(scene, ONE, 0);
        assert_false(take(scene, ONE));
        /* A job that we were refused is not ours to give back. */
        xpm_claims_release(claims, ONE, true);
        assert_true(holds(scene, ONE, "b"));
        assert_int_equal(xpm_tokens_give_back(other.tokens, &same, NULL), 0);
        xpm_claims_unblock(claims);
        assert_true(take(scene, ONE));
        engine_end(&other);
        scene_finish(scene);
}

static void tokens_that_the_worker_gives_back_are_left_to_it(void **state)
{
        struct scene *scene = *state;
        xpm_claims *claims = start(scene, counted);
        queue(scene, TWO, 0);
        queue(scene, TWO_MORE, 0);
        assert_true(take(scene, TWO));
        assert_false(take(scene, TWO_MORE));
        xpm_claims_release(claims, TWO, false);
        assert_true(holds(scene, TWO, "a"));
        assert_int_equal(xpm_claims_next(claims, 0), TWO_MORE);
        xpm_claims_close(claims); /* jobs that run on keep theirs */
        assert_true(holds(scene, TWO, "a"));
        scene_finish(scene);
}

static void need_that_cannot_be_met_any_more_is_told_once(void **state)
{
        struct scene *scene = *state;
        struct engine other;
        xpm_claims *claims = start(scene, counted);
        engine_begin(&other, scene->place, "other");
        engine_declare(&other, "a", 1);
        queue(scene, TWO, 0);
        assert_false(take(scene, TWO));
        const char *told = strstr(xpm_text_string(&scene->log), "needs 2 of the token 'a', and somebody has lowered");
        assert_non_null(told);
        xpm_claims_unblock(claims);
        assert_false(take(scene, TWO));
        told = strstr(xpm_text_string(&scene->log), "needs 2 of the token 'a'");
        assert_null(strstr(told + 1, "needs 2 of the token 'a'"));
        engine_declare(&other, "a", 2);
        assert_true(take(scene, TWO));
        engine_end(&other);
        scene_finish(scene);
}

static void partial_belongs_to_one_job_at_a_time(void **state)
{
        struct scene *scene = *state;
        xpm_claims *claims = start(scene, shared);
        for (size_t job = 0; job < 4; job++)
                queue(scene, job, 0);
        assert_true(take(scene, 0));
        assert_int_equal(xpm_claims_next(claims, 0), 1);
        assert_false(take(scene, 1));
        assert_int_equal(xpm_claims_next(claims, 0), 2);
        assert_true(take(scene, 2));
        assert_false(take(scene, 3));
        assert_int_equal(xpm_claims_next(claims, 0), -1);
        xpm_claims_release(claims, 2, true);
        assert_int_equal(xpm_claims_next(claims, 0), 3);
        xpm_claims_release(claims, 2, true); /* it holds nothing any more */
        assert_true(take(scene, 3));
        xpm_claims_release(claims, 0, true);
        assert_true(take(scene, 1));
        scene_finish(scene);
}

static void token_that_cannot_be_counted_is_an_error_and_nothing_is_taken(void **state)
{
        struct scene *scene = *state;
        xpm_rendered rendered;
        xpm_error err = XPM_ERROR_NONE;
        bool taken = true;
        xpm_claims *claims = start(scene, counted);
        assert_int_equal(xpm_remove_tree(scene->place->dir, "tokens/b.counter", NULL), 0);
        place_put(scene->place, "tokens/b.counter", "in the way");
        queue(scene, BOTH, 0);
        assert_int_equal(xpm_rendered_init(&rendered, scene->experiment, scene_job(scene, BOTH), "local.sh", NULL), 0);
        assert_int_equal(xpm_claims_take(claims, BOTH, &rendered.spec, &taken, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "b.counter"));
        assert_false(taken);
        assert_false(holds(scene, BOTH, "a"));
        xpm_rendered_release(&rendered);
        scene_finish(scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(plan_without_claims_opens_nothing),
                T(job_wants_something_for_tokens_or_partials),
                T(jobs_of_a_class_go_in_order_and_do_not_hold_up_others),
                T(launchers_have_jobs_of_their_own),
                T(tokens_are_taken_all_or_none),
                T(job_that_another_engine_has_in_hand_waits),
                T(tokens_that_the_worker_gives_back_are_left_to_it),
                T(need_that_cannot_be_met_any_more_is_told_once),
                T(partial_belongs_to_one_job_at_a_time),
                T(token_that_cannot_be_counted_is_an_error_and_nothing_is_taken),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
