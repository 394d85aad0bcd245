#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/time.h>

#include <cmocka.h>

#include "base/lock.h"
#include "runs.h"

static const char *link_of(const struct place *place, const char *name, char buffer[128])
{
        ssize_t length = readlinkat(place->dir, name, buffer, 127);
        buffer[length > 0 ? length : 0] = '\0';
        return buffer;
}

static bool has(const struct place *place, const char *format, const char *name)
{
        char path[256];
        snprintf(path, sizeof path, format, name);
        return faccessat(place->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void run_is_made_whole_and_current(void **state)
{
        char target[128];
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        int year, month, day, hour, minute, second, used = 0;
        assert_int_equal(
                sscanf(xpm_run_name(run), "%4d%2d%2d_%2d%2d%2d%n", &year, &month, &day, &hour, &minute, &second, &used),
                6);
        assert_int_equal(used, strlen(xpm_run_name(run)));
        assert_string_equal(link_of(*state, "experiments/e/current", target), xpm_run_name(run));
        assert_true(has(*state, "experiments/e/%s/status.json", xpm_run_name(run)));
        assert_true(has(*state, "experiments/e/%s/environment.json", xpm_run_name(run)));
        assert_true(has(*state, "experiments/e/%s/results", xpm_run_name(run)));
        assert_int_equal(place_count(*state, ".tmp"), 0);
        assert_int_equal(place_count(*state, "experiments/e"), 3); /* the run, current, lock */
        snprintf(target, sizeof target, "%s/experiments/e/%s", workspace->path, xpm_run_name(run));
        assert_string_equal(xpm_run_path(run), target);
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        xpm_workspace_close(workspace);
}

static void name_that_is_taken_gets_a_number(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        char names[12][32], base[16];
        for (int i = 0; i < 12; i++) {
                xpm_run *run = runs_begin(workspace, "e");
                snprintf(names[i], sizeof names[i], "%s", xpm_run_name(run));
                for (int j = 0; j < i; j++)
                        assert_string_not_equal(names[i], names[j]);
                xpm_run_end(run, XPM_RUN_DONE, NULL);
        }
        /* All within a few seconds: some shared one. */
        snprintf(base, sizeof base, "%.15s", names[11]);
        bool numbered = false;
        for (int i = 0; i < 12; i++)
                numbered = numbered || (strlen(names[i]) > 15 && names[i][15] == '.');
        assert_true(numbered);
        xpm_workspace_close(workspace);
}

static void run_before_is_kept_in_sight_until_one_ends_well(void **state)
{
        char first[32], target[128];
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run = runs_begin(workspace, "e");
        snprintf(first, sizeof first, "%s", xpm_run_name(run));
        assert_false(has(*state, "experiments/e/%s/jobs.bak", xpm_run_name(run)));
        xpm_run_end(run, XPM_RUN_FAILED, NULL);
        run = runs_begin(workspace, "e");
        link_of(*state, "experiments/e/current/jobs.bak", target);
        assert_memory_equal(target, "../", 3);
        assert_memory_equal(target + 3, first, strlen(first));
        assert_string_equal(target + 3 + strlen(first), "/jobs");
        assert_true(has(*state, "experiments/e/current/%s/.", "jobs.bak")); /* it leads somewhere */
        xpm_run_end(run, XPM_RUN_FAILED, NULL);
        assert_true(has(*state, "experiments/e/current/%s", "jobs.bak"));
        run = runs_begin(workspace, "e");
        xpm_run_end(run, XPM_RUN_DONE, NULL);
        assert_false(has(*state, "experiments/e/current/%s", "jobs.bak"));
        xpm_workspace_close(workspace);
}

static void two_runs_at_once_are_refused(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *first = runs_begin(workspace, "e"), *other = runs_begin(workspace, "another"), *second;
        xpm_run_info info = {.experiment_id = "e"};
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_run_begin(workspace, &info, false, NULL, &second, &err), XPM_ELOCKED);
        assert_non_null(strstr(err.message, "is held by process"));
        assert_non_null(strstr(err.message, "experiments/e"));
        assert_int_equal(place_count(*state, "experiments/e"), 3);
        xpm_run_end(first, XPM_RUN_DONE, NULL);
        assert_int_equal(xpm_run_begin(workspace, &info, true, NULL, &second, NULL), 0);
        xpm_run_end(second, XPM_RUN_DONE, NULL);
        xpm_run_end(other, XPM_RUN_DONE, NULL);
        xpm_workspace_close(workspace);
}

static void on_signal(int number)
{
        (void)number;
}

static void collect(void *data, enum xpm_log_level level, const char *line)
{
        assert_int_equal(level, XPM_LOG_NOTE);
        snprintf(data, 256, "%s", line);
        setitimer(ITIMER_REAL, &(struct itimerval){{.tv_usec = 5000}, {.tv_usec = 5000}}, NULL);
}

static void drop(void *data, enum xpm_log_level level, const char *line)
{
        (void)data;
        (void)level;
        (void)line;
}

static void waiting_is_said_and_ends_with_a_signal(void **state)
{
        char note[256] = "";
        xpm_log log = {collect, note, XPM_LOG_NOTE};
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *first = runs_begin(workspace, "e"), *second;
        xpm_run_info info = {.experiment_id = "e"};
        xpm_error err = XPM_ERROR_NONE;
        struct sigaction old, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigaction(SIGALRM, &action, &old);
        assert_int_equal(xpm_run_begin(workspace, &info, true, &log, &second, &err), XPM_EINTERRUPTED);
        setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
        sigaction(SIGALRM, &old, NULL);
        assert_string_equal(err.message, "interrupted while waiting for another run of 'e'");
        assert_non_null(strstr(note, "waiting for another run of 'e': "));
        /* One that came when nobody was waiting yet. */
        static const volatile sig_atomic_t heard = 1;
        info.interrupts = &heard;
        log.write = drop;
        assert_int_equal(xpm_run_begin(workspace, &info, true, &log, &second, NULL), XPM_EINTERRUPTED);
        xpm_run_end(first, XPM_RUN_DONE, NULL);
        xpm_workspace_close(workspace);
}

static void what_stands_in_the_way_is_named(void **state)
{
        static const char *const names[] = {"experiments", "experiments/e", ".tmp"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                const struct place *place = *state;
                xpm_workspace *workspace = runs_workspace(place);
                xpm_run *run;
                xpm_run_info info = {.experiment_id = "e"};
                xpm_error err = XPM_ERROR_NONE;
                char path[256];
                if (strchr(names[i], '/'))
                        runs_mkdir(place, "experiments");
                place_put(place, names[i], "");
                assert_int_equal(xpm_run_begin(workspace, &info, false, NULL, &run, &err), XPM_EIO);
                snprintf(path, sizeof path, "%s/%s", place->path, names[i]);
                assert_non_null(strstr(err.message, path));
                unlinkat(place->dir, names[i], 0);
                xpm_workspace_close(workspace);
                unlinkat(place->dir, "experiments", AT_REMOVEDIR);
        }
}

static void current_that_is_a_directory_is_not_replaced(void **state)
{
        xpm_workspace *workspace = runs_workspace(*state);
        xpm_run *run;
        xpm_run_info info = {.experiment_id = "e"};
        xpm_error err = XPM_ERROR_NONE;
        runs_mkdir(*state, "experiments/e/current/x");
        assert_int_equal(xpm_run_begin(workspace, &info, false, NULL, &run, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "experiments/e/current"));
        assert_int_equal(place_count(*state, ".tmp"), 0);
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(run_is_made_whole_and_current),
                T(name_that_is_taken_gets_a_number),
                T(run_before_is_kept_in_sight_until_one_ends_well),
                T(two_runs_at_once_are_refused),
                T(waiting_is_said_and_ends_with_a_signal),
                T(what_stands_in_the_way_is_named),
                T(current_that_is_a_directory_is_not_replaced),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
