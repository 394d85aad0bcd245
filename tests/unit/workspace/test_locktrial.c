#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/lock.h"
#include "runs.h"
#include "workspace/locktrial.h"

/* A run of the engine on HOST, ended at ENDED (JSON), and a worker's heartbeat in it. */
static xpm_heartbeat *enter(const struct place *place, const char *host, const char *ended)
{
        char text[256];
        xpm_heartbeat *heartbeat;
        runs_mkdir(place, "experiments/e/RUN");
        assert_int_equal(symlinkat("RUN", place->dir, "experiments/e/current"), 0);
        snprintf(text, sizeof text, "{\"run\": {\"hostname\": \"%s\", \"boot_id\": \"%s\", \"ended_at\": %s}}", host,
                 xpm_boot_id(), ended);
        place_put(place, "experiments/e/RUN/environment.json", text);
        place_put(place, "experiments/e/lock", "");
        assert_int_equal(xpm_heartbeat_start(place->path, "e", 0700, 0600, &heartbeat, NULL), 0);
        return heartbeat;
}

static size_t told_by(const struct place *place, const xpm_heartbeat *heartbeat)
{
        xpm_text told = XPM_TEXT_INIT;
        assert_int_equal(xpm_locktrial_make(place->path, heartbeat, &told, NULL), 0);
        size_t length = told.length;
        xpm_text_release(&told);
        return length;
}

static int judge(const struct place *place, xpm_error *err)
{
        int run = openat(place->dir, "experiments/e/RUN", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int rc = xpm_locktrial_judge(run, err);
        close(run);
        return rc;
}

static void lock_that_is_held_is_as_it_should_be(void **state)
{
        const struct place *place = *state;
        int lock;
        xpm_heartbeat *heartbeat = enter(place, "far", "null");
        assert_int_equal(xpm_lock_take(place->dir, "experiments/e/lock", 0600, false, &lock, NULL), 0);
        assert_int_equal(told_by(place, heartbeat), 0);
        assert_int_equal(judge(place, NULL), 0);
        xpm_lock_release(lock);
        xpm_heartbeat_stop(heartbeat);
}

static void engine_that_holds_a_lock_which_a_worker_got_is_told(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        xpm_heartbeat *heartbeat = enter(place, "far", "null");
        assert_int_equal(judge(place, NULL), 0);
        assert_true(told_by(place, heartbeat) > 0);
        assert_int_equal(judge(place, &err), XPM_EIO);
        assert_non_null(strstr(err.message, strrchr(xpm_heartbeat_path(heartbeat), '/') + 1));
        assert_non_null(strstr(err.message, "locks on '/"));
        xpm_heartbeat_stop(heartbeat);
        assert_int_equal(judge(place, NULL), 0);
}

static void run_that_is_over_or_here_has_no_trial(void **state)
{
        const struct place *place = *state;
        char host[65] = "";
        gethostname(host, sizeof host - 1);
        xpm_heartbeat *heartbeat = enter(place, host, "null");
        assert_int_equal(told_by(place, heartbeat), 0);
        place_put(place, "experiments/e/RUN/environment.json",
                  "{\"run\": {\"hostname\": \"far\", \"ended_at\": \"x\"}}");
        assert_int_equal(told_by(place, heartbeat), 0);
        place_put(place, "experiments/e/RUN/environment.json", "no JSON");
        assert_int_equal(told_by(place, heartbeat), 0);
        place_put(place, "experiments/e/RUN/environment.json",
                  "{\"run\": {\"hostname\": \"far\", \"ended_at\": null}}");
        assert_true(told_by(place, heartbeat) > 0);
        xpm_heartbeat_stop(heartbeat);
}

static void end_of_the_run_is_the_answer_of_a_living_engine(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        xpm_heartbeat *heartbeat = enter(place, "far", "\"2026-01-01T00:00:00.000000\"");
        assert_int_equal(xpm_locktrial_wait(place->path, heartbeat, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "exclude nobody on other hosts"));
        xpm_heartbeat_stop(heartbeat);
}

static void engine_that_does_not_answer_is_asked_once(void **state)
{
        const struct place *place = *state;
        setenv("XPM_LEASE", "1", 1);
        xpm_heartbeat *heartbeat = enter(place, "far", "null");
        assert_true(told_by(place, heartbeat) > 0);
        assert_int_equal(xpm_locktrial_wait(place->path, heartbeat, NULL), 0);
        assert_int_equal(told_by(place, heartbeat), 0);
        xpm_heartbeat_stop(heartbeat);
        unsetenv("XPM_LEASE");
}

static void words_of_a_stranger_do_not_steer_the_terminal(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        xpm_heartbeat *heartbeat = enter(place, "far", "null");
        place_put(place, "experiments/e/RUN/workers/far-1", "\033[2Jx\n");
        assert_int_equal(judge(place, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "?[2Jx?"));
        xpm_heartbeat_stop(heartbeat);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(lock_that_is_held_is_as_it_should_be),      T(engine_that_holds_a_lock_which_a_worker_got_is_told),
                T(run_that_is_over_or_here_has_no_trial),     T(end_of_the_run_is_the_answer_of_a_living_engine),
                T(engine_that_does_not_answer_is_asked_once), T(words_of_a_stranger_do_not_steer_the_terminal),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
