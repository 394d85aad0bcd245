/* Two jobs of one worker, which take and let go by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/hold.h"
#include "jobs.h"
#include "tokens.h"

extern char **environ;

/* A job that is about to begin: its lock is held. */
struct holder {
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        char partials[2][256];
        const char *list[2];
        xpm_count tokens[2];
};

/* LAST is the last digit of its identifier. */
static void holder_init(struct holder *holder, const struct place *place, char last)
{
        static const char *const argv[] = {"/bin/true", NULL};
        *holder = (struct holder){0};
        job_init(&holder->job, place, argv);
        holder->job.path[strlen(holder->job.path) - 1] = last;
}

/* It wants the partials of these names; NULL ends. */
static void want_partials(struct holder *holder, const char *first, const char *second)
{
        const char *const names[] = {first, second};
        for (size_t i = 0; i < 2 && names[i]; i++) {
                snprintf(holder->partials[i], sizeof holder->partials[i], "%s/partials/t.work/p/%s",
                         holder->job.workspace, names[i]);
                holder->list[i] = holder->partials[i];
                holder->job.spec.partial_count = i + 1;
        }
        holder->job.spec.partials = holder->list;
}

/* It wants A of the token a, B of b, in the workspace of the engines: the place. As demo.task/JOB. */
static void want_tokens(struct holder *holder, const struct place *place, const char *job, int64_t a, int64_t b)
{
        snprintf(holder->job.workspace, sizeof holder->job.workspace, "%s", place->path);
        snprintf(holder->job.path, sizeof holder->job.path, "%s/jobs/demo.task/%s", place->path, job);
        holder->tokens[0] = (xpm_count){"a", a};
        holder->tokens[1] = (xpm_count){"b", b};
        holder->job.spec.task_id = "demo.task";
        holder->job.spec.job_id = job;
        holder->job.spec.script = "task";
        holder->job.spec.tokens = holder->tokens;
        holder->job.spec.token_count = 2;
}

static int take(struct holder *holder, bool by_hand, xpm_error *err)
{
        const xpm_launch launch = job_launch(&holder->job);
        xpm_attempt *attempt = &holder->attempt;
        assert_int_equal(xpm_site_init(&holder->site, environ, NULL), 0);
        xpm_site_share(&holder->site, 0700, 0600);
        xpm_attempt_init(attempt, job_order(&launch));
        attempt->order->by_hand = by_hand;
        attempt->dir.directory_mode = 0700;
        attempt->dir.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&attempt->dir, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&attempt->dir, NULL), 0);
        return xpm_hold_take(&holder->site, attempt, err);
}

static void leave(struct holder *holder)
{
        xpm_attempt_release(&holder->attempt);
        xpm_site_release(&holder->site);
}

static bool has(const struct place *place, const char *name)
{
        return faccessat(place->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#define HELD(token, job) "tokens/" token ".counter/jobs/demo.task@" job ".json"

static void partial_is_made_and_names_who_has_it(void **state)
{
        struct holder one;
        char path[320], expected[512], text[4096];
        holder_init(&one, *state, '1');
        want_partials(&one, "x", NULL);
        snprintf(path, sizeof path, "%s.lock", one.partials[0]);
        memset(text, '-', sizeof text); /* by whoever had it before */
        assert_int_equal(xpm_mkdir_p(AT_FDCWD, one.partials[0], 0700, NULL), 0);
        assert_int_equal(xpm_file_write(AT_FDCWD, path, text, sizeof text, 0600, NULL), 0);
        assert_int_equal(rmdir(one.partials[0]), 0);
        assert_int_equal(take(&one, false, NULL), 0);
        assert_int_equal(xpm_file_exists(AT_FDCWD, one.partials[0], NULL), 1);
        assert_int_equal(xpm_lock_is_held(AT_FDCWD, path, NULL), 1);
        snprintf(expected, sizeof expected, "%s/work.lock\n", one.job.path);
        assert_string_equal(place_get(*state, path + strlen(((struct place *)*state)->path) + 1, text), expected);
        assert_false(job_has(&one.job, "locks.json")); /* which is for tokens */
        xpm_hold_release(&one.attempt);
        assert_int_equal(xpm_lock_is_held(AT_FDCWD, path, NULL), 0);
        xpm_hold_release(&one.attempt);
        leave(&one);
}

static void partial_excludes_others_until_it_is_let_go(void **state)
{
        struct holder one, two, three;
        xpm_error err = XPM_ERROR_NONE;
        holder_init(&one, *state, '1');
        holder_init(&two, *state, '2');
        holder_init(&three, *state, '3');
        want_partials(&one, "x", NULL);
        want_partials(&two, "y", "x");
        want_partials(&three, "y", NULL);
        assert_int_equal(take(&one, false, NULL), 0);
        assert_int_equal(take(&two, false, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "/partials/t.work/p/x.lock"));
        leave(&two);
        /* It does not keep the one of two that it had got. */
        assert_int_equal(take(&three, false, NULL), 0);
        leave(&three);
        leave(&one);
        assert_int_equal(take(&two, false, NULL), 0);
        leave(&two);
}

static void partial_stays_with_what_its_last_job_left_running(void **state)
{
        struct holder one, two;
        xpm_error err = XPM_ERROR_NONE;
        holder_init(&one, *state, '1');
        holder_init(&two, *state, '2');
        want_partials(&one, "x", NULL);
        want_partials(&two, "x", NULL);
        assert_int_equal(take(&one, false, NULL), 0);
        xpm_hold_release(&one.attempt); /* its worker died; the job's lock is still held, by a child of the job */
        assert_int_equal(take(&two, false, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "/partials/t.work/p/x' is used by what another job left running"));
        leave(&two);
        /* The job itself may come back to it. */
        xpm_jobdir_release(&one.attempt.dir);
        leave(&one);
        assert_int_equal(take(&one, false, NULL), 0);
        leave(&one);
        assert_int_equal(take(&two, false, NULL), 0);
        leave(&two);
}

static void partial_that_cannot_be_made_is_an_error(void **state)
{
        struct holder one;
        char path[256];
        xpm_error err = XPM_ERROR_NONE;
        holder_init(&one, *state, '1');
        want_partials(&one, "x", NULL);
        snprintf(path, sizeof path, "%s/partials", one.job.workspace);
        assert_int_equal(xpm_mkdir_p(AT_FDCWD, one.job.workspace, 0700, NULL), 0);
        assert_int_equal(xpm_file_write(AT_FDCWD, path, "", 0, 0600, NULL), 0);
        assert_int_equal(take(&one, false, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "/partials"));
        leave(&one);
}

static void tokens_of_the_engine_become_the_job_s_own(void **state)
{
        struct engine engine;
        struct holder one;
        engine_begin(&engine, *state, "one");
        engine_declare(&engine, "a", 3);
        engine_declare(&engine, "b", 1);
        assert_int_equal(engine_take(&engine, "j1", 2, 1, false), XPM_TOKENS_TAKEN);
        holder_init(&one, *state, '1');
        want_tokens(&one, *state, "j1", 2, 1);
        assert_int_equal(take(&one, false, NULL), 0);
        assert_string_equal(job_read(&one.job, "locks.json"), "{\"a\": 2, \"b\": 1}");
        engine_end(&engine); /* it dies, and the job keeps them */
        engine_begin(&engine, *state, "two");
        engine_declare(&engine, "a", 3);
        engine_declare(&engine, "b", 1);
        assert_int_equal(engine_take(&engine, "j2", 2, 0, false), XPM_TOKENS_SHORT);
        xpm_hold_give_back(&one.attempt);
        assert_false(job_has(&one.job, "locks.json"));
        assert_false(has(*state, HELD("a", "j1")) || has(*state, HELD("b", "j1")));
        assert_int_equal(engine_take(&engine, "j2", 2, 0, false), XPM_TOKENS_TAKEN);
        leave(&one);
        engine_end(&engine);
}

static void job_whose_tokens_are_gone_does_not_begin(void **state)
{
        struct engine engine;
        struct holder one;
        engine_begin(&engine, *state, "one");
        engine_declare(&engine, "a", 3);
        engine_declare(&engine, "b", 1);
        assert_int_equal(engine_take(&engine, "j1", 2, 0, false), XPM_TOKENS_TAKEN); /* one of two */
        holder_init(&one, *state, '1');
        want_tokens(&one, *state, "j1", 2, 1);
        assert_int_equal(take(&one, false, NULL), 1);
        assert_false(job_has(&one.job, "locks.json"));
        leave(&one);
        engine_end(&engine);
}

static void run_file_takes_its_tokens_itself_or_says_what_is_missing(void **state)
{
        struct engine engine;
        struct holder one;
        xpm_error err = XPM_ERROR_NONE;
        engine_begin(&engine, *state, "one");
        engine_declare(&engine, "a", 3);
        engine_declare(&engine, "b", 1);
        assert_int_equal(engine_take(&engine, "j2", 2, 0, false), XPM_TOKENS_TAKEN);
        holder_init(&one, *state, '1');
        want_tokens(&one, *state, "j1", 2, 1);
        assert_int_equal(take(&one, true, &err), XPM_ELOCKED);
        assert_string_equal(err.message, "it needs 2 of the token 'a': 2 of 3 are in use");
        assert_false(has(*state, HELD("b", "j1")));
        assert_false(job_has(&one.job, "locks.json"));
        leave(&one);
        engine_give_back(&engine, "j2");
        assert_int_equal(take(&one, true, NULL), 0);
        assert_true(has(*state, HELD("a", "j1")) && has(*state, HELD("b", "j1")));
        assert_true(job_has(&one.job, "locks.json"));
        assert_int_equal(engine_take(&engine, "j2", 2, 0, false), XPM_TOKENS_SHORT);
        xpm_hold_give_back(&one.attempt);
        leave(&one);
        assert_int_equal(engine_take(&engine, "j2", 2, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&engine);
}

static void token_that_nobody_declared_is_an_error_for_a_run_file(void **state)
{
        struct engine engine;
        struct holder one;
        xpm_error err = XPM_ERROR_NONE;
        engine_begin(&engine, *state, "one");
        engine_declare(&engine, "a", 3);
        holder_init(&one, *state, '1');
        want_tokens(&one, *state, "j1", 1, 1);
        assert_int_equal(take(&one, true, &err), XPM_ENOTFOUND);
        assert_non_null(strstr(err.message, "'b'"));
        assert_false(has(*state, HELD("a", "j1")));
        leave(&one);
        engine_end(&engine);
}

static void job_without_tokens_gives_none_back(void **state)
{
        struct engine engine;
        struct holder one;
        engine_begin(&engine, *state, "one");
        engine_declare(&engine, "a", 1);
        assert_int_equal(engine_take(&engine, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        holder_init(&one, *state, '1');
        want_tokens(&one, *state, "j1", 0, 0);
        one.job.spec.token_count = 0;
        assert_int_equal(take(&one, false, NULL), 0);
        xpm_hold_give_back(&one.attempt);
        assert_true(has(*state, HELD("a", "j1")));
        leave(&one);
        engine_end(&engine);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(partial_is_made_and_names_who_has_it),
                T(partial_excludes_others_until_it_is_let_go),
                T(partial_stays_with_what_its_last_job_left_running),
                T(partial_that_cannot_be_made_is_an_error),
                T(tokens_of_the_engine_become_the_job_s_own),
                T(job_whose_tokens_are_gone_does_not_begin),
                T(run_file_takes_its_tokens_itself_or_says_what_is_missing),
                T(token_that_nobody_declared_is_an_error_for_a_run_file),
                T(job_without_tokens_gives_none_back),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
