#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/ioctl.h>

#include "cli/progress.h"
#include "commanded.h"

enum { SECOND = 1000 };

static volatile int interrupts;
static char text[4096];

static xpm_experiment *open_experiment(const struct place *place)
{
        struct commanded made = commanded(place);
        const xpm_experiment_options options = {.file = made.file, .workdir = made.workdir};
        xpm_experiment *experiment;
        assert_int_equal(xpm_experiment_open(&options, &experiment, NULL), 0);
        interrupts = 0;
        return experiment;
}

/* As elsewhere than on a terminal, SECONDS after the start. */
static xpm_progress begun(const xpm_experiment *experiment, int seconds)
{
        xpm_progress progress;
        xpm_progress_init(&progress, experiment, &interrupts);
        progress.terminal = false;
        progress.began -= (int64_t)seconds * SECOND;
        return progress;
}

/* What is said of COUNTS on standard error. */
static const char *said_of(xpm_progress *progress, const xpm_counts *counts)
{
        int saved, file = said_begin(STDERR_FILENO, stderr, &saved);
        xpm_observer observer = xpm_progress_observer(progress);
        observer.progress(observer.data, counts);
        said_end(STDERR_FILENO, stderr, saved, file, text, sizeof text);
        return text;
}

static void plain_lines_are_rare_and_whole(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const xpm_counts counts = {.total = 10, .done_before = 2, .done = 1, .failed = 1, .running = 3, .waiting = 3};
        xpm_progress progress = begun(experiment, 0);
        assert_string_equal(said_of(&progress, &counts), "");
        progress.began -= 6 * SECOND;
        assert_string_equal(said_of(&progress, &counts), "3 of 10 done, 3 running, 3 waiting, 1 failed\n");
        assert_string_equal(said_of(&progress, &counts), "");
        xpm_experiment_close(experiment);
}

static void rate_and_rest_are_told_when_some_have_ended(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        xpm_progress fast = begun(experiment, 1000), slow = begun(experiment, 1000);
        const xpm_counts many = {.total = 6000, .done = 2000, .ready = 4000};
        const xpm_counts few = {.total = 20, .done = 9, .failed = 9, .failed_dependency = 8, .waiting = 2};
        said_of(&fast, &many);
        if (!strstr(text, "2000 of 6000 done, 0 running, 4000 waiting, 0 failed, 2.0/s, 33:"))
                fail_msg("%s", text);
        said_of(&slow, &few); /* what failed for want of another took no time */
        if (!strstr(text, "9 failed, 0.6/min, 3:"))
                fail_msg("%s", text);
        xpm_experiment_close(experiment);
}

static void interrupt_is_answered_once(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const xpm_counts counts = {.total = 3, .running = 2, .ready = 1};
        xpm_progress progress = begun(experiment, 0);
        interrupts = 1;
        assert_non_null(strstr(said_of(&progress, &counts), "waiting for 2 running jobs (Ctrl-C again kills them)"));
        assert_string_equal(said_of(&progress, &counts), "");
        interrupts = 2;
        assert_non_null(strstr(said_of(&progress, &counts), "interrupted again: ending 2 running jobs"));
        xpm_experiment_close(experiment);
}

static void interrupt_is_answered_though_nothing_is_known_to_run(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const xpm_counts counts = {.total = 3, .scheduled = 2, .ready = 1};
        xpm_progress progress = begun(experiment, 0);
        interrupts = 1;
        assert_non_null(strstr(said_of(&progress, &counts), "interrupted: nothing new is started (Ctrl-C again"));
        interrupts = 2;
        assert_non_null(strstr(said_of(&progress, &counts), "interrupted again: ending what runs"));
        xpm_experiment_close(experiment);
}

static void what_goes_on_without_us_is_not_said_to_be_waited_for(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const xpm_counts counts = {.total = 3, .running = 2, .scheduled = 1, .lasting = 3};
        xpm_progress progress = begun(experiment, 0);
        interrupts = 1;
        assert_non_null(strstr(said_of(&progress, &counts), "interrupted: nothing new is started (Ctrl-C again"));
        interrupts = 2;
        assert_non_null(strstr(said_of(&progress, &counts), "interrupted again: ending 2 running jobs"));
        xpm_experiment_close(experiment);
}

/* Standard error is a terminal of COLUMNS; the other end of it. */
static int open_terminal(unsigned short columns, int *saved)
{
        struct winsize size = {.ws_row = 5, .ws_col = columns};
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_return_code(master, errno);
        assert_return_code(grantpt(master) == 0 ? unlockpt(master) : -1, errno);
        int end = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_return_code(ioctl(end, TIOCSWINSZ, &size), errno);
        fflush(stderr);
        *saved = dup(STDERR_FILENO);
        dup2(end, STDERR_FILENO);
        close(end);
        return master;
}

static void line_of_a_terminal_is_cut_and_written_over(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const xpm_counts counts = {.total = 10, .done = 1, .running = 3, .waiting = 6};
        xpm_progress progress;
        int saved, master = open_terminal(20, &saved);
        setenv("TERM", "xterm", 1);
        xpm_progress_init(&progress, experiment, &interrupts);
        bool terminal = progress.terminal;
        progress.began -= SECOND;
        xpm_observer observer = xpm_progress_observer(&progress);
        observer.progress(observer.data, &counts);
        observer.progress(observer.data, &counts); /* not yet again */
        xpm_progress_clear(&progress);
        xpm_progress_clear(&progress); /* it is gone */
        fflush(stderr);
        ssize_t length = read(master, text, sizeof text - 1);
        setenv("TERM", "dumb", 1);
        xpm_progress_init(&progress, experiment, &interrupts);
        dup2(saved, STDERR_FILENO);
        close(saved);
        close(master);
        text[length > 0 ? length : 0] = '\0';
        assert_true(terminal);
        assert_string_equal(text, "\r1 of 10 done, 3 run\033[K\r\033[K");
        assert_false(progress.terminal);
        xpm_experiment_close(experiment);
}

static void failure_is_told_with_the_end_of_its_log(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const struct place *place = *state;
        char expected[512], id[XPM_JOB_ID_SIZE];
        const xpm_job *job = xpm_experiment_job(experiment, 0);
        const xpm_job_end end = {.failure = XPM_FAILURE_FAILED, .message = "exit status 3", .path = place->path};
        xpm_progress progress = begun(experiment, 0);
        xpm_observer observer = xpm_progress_observer(&progress);
        place_put(place, "good.out", "not this\n");
        place_put(place, "good.err", "0\n1\n2\n3\n4\n5\n6\n10%\r90%\r\nred \033[31m\n");
        xpm_job_identifier(job, id);
        int saved, file = said_begin(STDERR_FILENO, stderr, &saved);
        observer.job(observer.data, job, NULL);
        observer.job(observer.data, job, &(xpm_job_end){.failure = XPM_FAILURE_NONE});
        observer.job(observer.data, job, &(xpm_job_end){.failure = XPM_FAILURE_DEPENDENCY});
        observer.job(observer.data, job, &end);
        said_end(STDERR_FILENO, stderr, saved, file, text, sizeof text);
        snprintf(expected, sizeof expected,
                 "failed: good/%.8s n=1: exit status 3\n    | 1\n    | 2\n    | 3\n    | 4\n    | 5\n    | 6\n"
                 "    | 90%%\n    | red ?[31m\n    in %s\n",
                 id, place->path);
        assert_string_equal(text, expected);
        xpm_experiment_close(experiment);
}

static const char *end_of(xpm_progress *progress, const xpm_counts *counts, enum xpm_verdict verdict)
{
        int saved, file = said_begin(STDOUT_FILENO, stdout, &saved);
        xpm_progress_end(progress, counts, verdict);
        said_end(STDOUT_FILENO, stdout, saved, file, text, sizeof text);
        return text;
}

static void the_end_says_what_was_done_and_what_to_type_next(void **state)
{
        xpm_experiment *experiment = open_experiment(*state);
        const xpm_counts failed = {.total = 3, .done_before = 1, .done = 1, .failed = 1, .mismatched = 2};
        xpm_progress progress = begun(experiment, 3700);
        end_of(&progress, &failed, XPM_VERDICT_FAILED);
        assert_non_null(strstr(text, "e: 3 jobs: 2 done (1 before), 1 failed, in 1h01m\n"));
        assert_non_null(strstr(text, "2 warnings above"));
        assert_non_null(strstr(text, "xpm jobs list --workdir"));
        assert_non_null(strstr(text, "the same command again continues"));
        const xpm_counts kept = {.total = 3, .done_before = 2, .kept_failed = 1};
        end_of(&progress, &kept, XPM_VERDICT_FAILED);
        assert_non_null(strstr(text, "the same command without --keep-failed runs them again\n"));
        assert_null(strstr(text, "the same command again"));
        end_of(&progress, &(xpm_counts){.total = 1, .done = 1}, XPM_VERDICT_DONE);
        assert_non_null(strstr(text, "e: 1 job: 1 done, 0 failed, in "));
        assert_null(strstr(text, "again"));
        xpm_experiment_close(experiment);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(plain_lines_are_rare_and_whole),
                                           TEST(rate_and_rest_are_told_when_some_have_ended),
                                           TEST(interrupt_is_answered_once),
                                           TEST(interrupt_is_answered_though_nothing_is_known_to_run),
                                           TEST(what_goes_on_without_us_is_not_said_to_be_waited_for),
                                           TEST(line_of_a_terminal_is_cut_and_written_over),
                                           TEST(failure_is_told_with_the_end_of_its_log),
                                           TEST(the_end_says_what_was_done_and_what_to_type_next)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
