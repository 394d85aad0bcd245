#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/lock.h"
#include "exec/attempt.h"
#include "jobs.h"

extern char **environ;

static void begin(struct job *job, xpm_attempt *attempt, xpm_site *site)
{
        const xpm_launch launch = job_launch(job);
        assert_int_equal(xpm_site_init(site, environ, NULL), 0);
        xpm_attempt_init(attempt, job_order(&launch));
}

static void wait_for(const xpm_site *site, xpm_attempt *attempt)
{
        struct rusage usage;
        int status;
        assert_int_equal(wait4(attempt->child.pid, &status, 0, &usage), attempt->child.pid);
        xpm_attempt_finish(site, attempt, status, &usage);
}

/* One attempt from its beginning to its end. */
static xpm_outcome run_as(const xpm_launch *launch)
{
        xpm_site site;
        xpm_attempt attempt;
        assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
        xpm_attempt_init(&attempt, job_order(launch));
        enum xpm_attempt_step step = xpm_attempt_start(&site, &attempt, false);
        assert_int_not_equal(step, XPM_ATTEMPT_HELD);
        if (step == XPM_ATTEMPT_RUNS)
                wait_for(&site, &attempt);
        xpm_outcome outcome = attempt.outcome;
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
        return outcome;
}

static xpm_outcome run(const struct job *job)
{
        const xpm_launch launch = job_launch(job);
        return run_as(&launch);
}

static json_t *status_of(const struct job *job)
{
        json_t *json = json_loads(job_read(job, ".experimaestro/status.json"), 0, NULL);
        assert_non_null(json);
        return json;
}

static void success_leaves_exactly_what_is_promised(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "echo out; echo err >&2", NULL};
        static const char *const there[] = {"params.json", "work.sh",   "work.out",      "work.err",
                                            "work.done",   "work.lock", ".experimaestro"};
        struct job job;
        job_init(&job, *state, argv);
        xpm_outcome outcome = run(&job);
        assert_true(outcome.done && outcome.code == 0 && !outcome.broken);
        assert_string_equal(job_read(&job, "work.out"), "out\n");
        assert_string_equal(job_read(&job, "work.err"), "err\n");
        assert_string_equal(job_read(&job, "work.done"), "");
        assert_string_equal(job_read(&job, "work.lock"), "");
        for (size_t i = 0; i < sizeof there / sizeof *there; i++)
                assert_true(job_has(&job, there[i]));
        char path[512];
        snprintf(path, sizeof path, "%s", job.path + strlen(((struct place *)*state)->path) + 1);
        assert_int_equal(place_count(*state, path), sizeof there / sizeof *there);
        json_t *status = status_of(&job);
        assert_string_equal(json_string_value(json_object_get(status, "state")), "done");
        assert_int_equal(json_integer_value(json_object_get(status, "exit_code")), 0);
        assert_int_equal(json_integer_value(json_object_get(status, "attempt")), 1);
        assert_true(json_integer_value(json_object_get(json_object_get(status, "usage"), "max_rss")) > 0);
        json_decref(status);
}

static void failure_is_told_by_code_signal_or_output(void **state)
{
        static const char *const outputs[] = {"result.txt"};
        static const struct {
                const char *script;
                enum xpm_failure failure;
                int code;
                const char *message;
        } rows[] = {
                {"exit 3", XPM_FAILURE_FAILED, 3, "exit status 3"},
                {"kill -9 $$", XPM_FAILURE_FAILED, -1, "killed by signal 9 (SIGKILL)"},
                {"true", XPM_FAILURE_OUTPUT, 0, "the command succeeded, but its output 'result.txt' is missing"},
        };
        struct job job;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const char *const argv[] = {"/bin/sh", "-c", rows[i].script, NULL};
                job_init(&job, *state, argv);
                job.spec.outputs = outputs;
                job.spec.output_count = 1;
                xpm_outcome outcome = run(&job);
                assert_false(outcome.done);
                assert_int_equal(outcome.failure, rows[i].failure);
                assert_int_equal(outcome.code, rows[i].code);
                assert_string_equal(outcome.message, rows[i].message);
                assert_false(job_has(&job, "work.done"));
                assert_non_null(strstr(job_read(&job, "work.failed"), xpm_failure_word(rows[i].failure)));
        }
        json_t *status = status_of(&job);
        assert_int_equal(json_integer_value(json_object_get(status, "attempt")), 3);
        assert_int_equal(json_array_size(json_object_get(status, "attempts")), 2);
        json_decref(status);
        assert_true(job_has(&job, "work.out.1") && job_has(&job, "work.out.2"));
}

static void command_that_cannot_start_says_why_in_its_error_log(void **state)
{
        const struct place *place = *state;
        char text[128], interpreted[128], absent[128];
        snprintf(text, sizeof text, "%s/text", place->path);
        snprintf(interpreted, sizeof interpreted, "%s/interpreted", place->path);
        snprintf(absent, sizeof absent, "%s/absent", place->path);
        xpm_file_write(place->dir, "text", "x", 1, 0600, NULL);
        xpm_file_write(place->dir, "interpreted", "#!/no/such/program\n", 19, 0700, NULL);
        const struct {
                const char *command, *cwd, *words;
        } rows[] = {
                {"no-such-program", NULL,
                 "the command 'no-such-program' is missing (it is nowhere in PATH): no such file or directory"},
                {absent, NULL, "is missing: no such file or directory"},
                {text, NULL, "is not executable: permission denied"},
                {interpreted, NULL, "the interpreter that the first line of"},
                {"/bin/true", absent, "is gone: no such file or directory"},
                {"/bin/true", text, "cannot be entered: not a directory"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const char *const argv[] = {rows[i].command, NULL};
                struct job job;
                job_init(&job, place, argv);
                job.spec.cwd = rows[i].cwd;
                xpm_outcome outcome = run(&job);
                assert_false(outcome.done || outcome.broken);
                assert_int_equal(outcome.failure, XPM_FAILURE_LAUNCH);
                assert_int_equal(outcome.code, -1);
                assert_non_null(strstr(outcome.message, rows[i].words));
                assert_non_null(strstr(job_read(&job, "work.err"), rows[i].words));
                assert_non_null(strstr(job_read(&job, "work.failed"), "\"launch\""));
        }
}

static void command_that_is_missing_after_a_setup_is_told_by_the_run_file(void **state)
{
#define MISSING "the command 'no-such' is missing (it is nowhere in PATH): no such file or directory"
        static const char *const argv[] = {"no-such", NULL};
        static const struct {
                const char *script;
                enum xpm_failure failure;
                const char *message;
        } rows[] = {
                {"echo before >&2; echo \"xpm: " MISSING "\" >&2; exit 127", XPM_FAILURE_LAUNCH, MISSING},
                {"echo \"xpm: " MISSING "\" >&2; exit 1", XPM_FAILURE_FAILED, "exit status 1"},
                {"echo \"xpm: " MISSING "\" >&2; echo after >&2; exit 127", XPM_FAILURE_FAILED, "exit status 127"},
                {"exit 127", XPM_FAILURE_FAILED, "exit status 127"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct job job;
                job_init(&job, *state, argv);
                job.spec.setup = "true";
                xpm_launch launch = job_launch(&job);
                launch.script = rows[i].script;
                launch.script_length = strlen(launch.script);
                xpm_outcome outcome = run_as(&launch);
                assert_false(outcome.done || outcome.broken);
                assert_int_equal(outcome.failure, rows[i].failure);
                assert_string_equal(outcome.message, rows[i].message);
        }
}

static void string_command_runs_in_its_shell_by_the_run_file(void **state)
{
        struct job job;
        job_init(&job, *state, NULL);
        job.spec.text = "unused: what runs is the run file";
        xpm_launch launch = job_launch(&job);
        launch.script = "echo $XPM_WORKER; pwd; false; echo not reached\n";
        launch.script_length = strlen(launch.script);
        char expected[512];
        snprintf(expected, sizeof expected, JOB_ID "\n%s\n", job.path);
        xpm_outcome outcome = run_as(&launch);
        assert_int_equal(outcome.code, 1);
        assert_string_equal(job_read(&job, "work.out"), expected);
}

static void old_outputs_are_no_proof_unless_it_resumes(void **state)
{
        static const char *const outputs[] = {"result.txt"};
        static const char *const argv[] = {"/bin/true", NULL};
        struct job job;
        job_init(&job, *state, argv);
        job.spec.outputs = outputs;
        job.spec.output_count = 1;
        job_write(&job, "result.txt", "yesterday's");
        assert_int_equal(run(&job).failure, XPM_FAILURE_OUTPUT);
        job_write(&job, "result.txt", "half of it");
        job.spec.resumable = true;
        assert_true(run(&job).done);
        assert_false(job_has(&job, "work.failed"));
}

static void job_that_is_done_is_not_run_again_unless_told(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "echo again", NULL};
        struct job job;
        job_init(&job, *state, argv);
        job_write(&job, "work.done", "");
        assert_true(run(&job).done);
        assert_false(job_has(&job, "work.out"));
        xpm_launch launch = job_launch(&job);
        launch.again = true;
        assert_true(run_as(&launch).done);
        assert_string_equal(job_read(&job, "work.out"), "again\n");
}

static void job_that_another_process_runs_is_held_and_its_outcome_taken(void **state)
{
        static const char *const argv[] = {"/bin/false", NULL};
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        xpm_jobdir other = XPM_JOBDIR_INIT;
        const xpm_job_status done = {.state = XPM_JOB_DONE, .attempt = 1};
        job_init(&job, *state, argv);
        other.path = job.path;
        other.script = "work";
        other.directory_mode = 0700;
        other.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), 0);
        begin(&job, &attempt, &site);
        assert_int_equal(xpm_attempt_start(&site, &attempt, false), XPM_ATTEMPT_HELD);
        assert_non_null(strstr(attempt.outcome.message, job.path));
        assert_false(job_has(&job, "params.json"));
        assert_int_equal(xpm_jobdir_commit(&other, &done, false, NULL), 0);
        xpm_jobdir_release(&other);
        assert_int_equal(xpm_attempt_start(&site, &attempt, true), XPM_ATTEMPT_OVER);
        assert_true(attempt.outcome.done);
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
}

static void who_held_the_lock_before_is_no_part_of_the_outcome(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        xpm_jobdir other = XPM_JOBDIR_INIT;
        job_init(&job, *state, argv);
        other.path = job.path;
        other.script = "work";
        other.directory_mode = 0700;
        other.file_mode = 0600;
        assert_int_equal(xpm_jobdir_open(&other, true, NULL), 0);
        assert_int_equal(xpm_jobdir_lock(&other, NULL), 0);
        begin(&job, &attempt, &site);
        assert_int_equal(xpm_attempt_start(&site, &attempt, false), XPM_ATTEMPT_HELD);
        xpm_jobdir_release(&other);
        assert_int_equal(xpm_attempt_start(&site, &attempt, true), XPM_ATTEMPT_RUNS);
        wait_for(&site, &attempt);
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
        json_t *status = status_of(&job);
        assert_string_equal(json_string_value(json_object_get(status, "state")), "done");
        assert_true(json_is_null(json_object_get(status, "message")));
        json_decref(status);
}

static void lock_is_held_while_it_runs_and_a_leftover_cannot_keep_it(void **state)
{
        /* The leftover has the descriptor of the lock, and lives until the test lets it go. */
        static const char *const argv[] = {"/bin/sh", "-c", "(read x < fifo) & exit 0", NULL};
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        char path[512];
        job_init(&job, *state, argv);
        begin(&job, &attempt, &site);
        snprintf(path, sizeof path, "%s/fifo", job.path);
        xpm_mkdir_p(AT_FDCWD, job.path, 0700, NULL);
        assert_int_equal(mkfifo(path, 0600), 0);
        int fifo = open(path, O_RDWR | O_CLOEXEC);
        int dir = open(job.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(xpm_attempt_start(&site, &attempt, false), XPM_ATTEMPT_RUNS);
        pid_t group = attempt.child.pid;
        assert_int_equal(xpm_lock_is_held(dir, "work.lock", NULL), 1);
        wait_for(&site, &attempt);
        assert_int_equal(xpm_lock_is_held(dir, "work.lock", NULL), 1);
        xpm_attempt_release(&attempt);
        assert_int_equal(xpm_lock_is_held(dir, "work.lock", NULL), 0);
        assert_int_equal(kill(-group, 0), 0);
        kill(-group, SIGKILL);
        close(fifo);
        close(dir);
        xpm_site_release(&site);
}

/* Armed: as soon as the directory PATH is made, another attempt begins there, and its worker dies. */
static struct {
        const char *path;
        pid_t leftover;
} rival;

int mkdir(const char *path, mode_t mode)
{
        int rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
        if (rc != 0 || !rival.path || strcmp(path, rival.path) != 0)
                return rc;
        char name[600], variable[600];
        snprintf(name, sizeof name, "%s/work.out", path);
        snprintf(variable, sizeof variable, "XPM_JOB_DIR=%s", path);
        int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        char *const argv[] = {"sleep", "1000", NULL}, *const env[] = {variable, NULL};
        assert_int_equal(posix_spawnp(&rival.leftover, "sleep", NULL, NULL, argv, env), 0);
        return rc;
}

static void who_comes_between_the_making_of_the_directory_and_its_lock_is_not_left_beside(void **state)
{
        static const char *const argv[] = {"true", NULL};
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        int status = 0;
        job_init(&job, *state, argv);
        begin(&job, &attempt, &site);
        rival.path = job.path;
        assert_int_equal(xpm_attempt_start(&site, &attempt, false), XPM_ATTEMPT_RUNS);
        rival.path = NULL;
        assert_true(rival.leftover > 0);
        pid_t ended = waitpid(rival.leftover, &status, WNOHANG);
        if (ended == 0 && kill(rival.leftover, SIGTERM) == 0)
                waitpid(rival.leftover, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        wait_for(&site, &attempt);
        assert_true(attempt.outcome.done);
        assert_int_equal(attempt.number, 2);
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
}

static void reason_of_a_signal_is_the_one_that_was_asked_for(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "sleep 1000 & wait", NULL};
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        job_init(&job, *state, argv);
        begin(&job, &attempt, &site);
        assert_int_equal(xpm_attempt_start(&site, &attempt, false), XPM_ATTEMPT_RUNS);
        xpm_attempt_announce(&site, &attempt);
        assert_true(job_has(&job, "work.pid"));
        json_t *status = status_of(&job);
        assert_string_equal(json_string_value(json_object_get(status, "state")), "running");
        json_decref(status);
        assert_int_equal(kill(-attempt.child.pid, SIGTERM), 0);
        attempt.asked = XPM_FAILURE_CANCELLED;
        wait_for(&site, &attempt);
        assert_int_equal(attempt.outcome.failure, XPM_FAILURE_CANCELLED);
        assert_false(job_has(&job, "work.pid"));
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
}

static void workspace_that_cannot_be_written_is_never_a_success(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        char path[512];
        job_init(&job, *state, argv);
        /* Before: something stands where the directory should be. */
        job_write(&job, "x", "");
        snprintf(path, sizeof path, "%s/x", job.path);
        job.spec.path = path;
        xpm_outcome outcome = run(&job);
        assert_true(outcome.broken && !outcome.done);
        assert_non_null(strstr(outcome.message, path));
        /* After: the status cannot be replaced. */
        job.spec.path = job.path;
        begin(&job, &attempt, &site);
        assert_int_equal(xpm_attempt_start(&site, &attempt, false), XPM_ATTEMPT_RUNS);
        snprintf(path, sizeof path, "%s/.experimaestro", job.path);
        assert_int_equal(rmdir(path), 0);
        job_write(&job, ".experimaestro", "in the way");
        wait_for(&site, &attempt);
        assert_true(attempt.outcome.broken && !attempt.outcome.done);
        assert_non_null(strstr(attempt.outcome.message, "status.json"));
        assert_false(job_has(&job, "work.done"));
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
}

static void site_knows_when_it_was_started(void **state)
{
        (void)state;
        xpm_site site;
        assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
        assert_true(site.start_time > 0);
        assert_true(*site.host);
        mode_t mask = umask(077);
        xpm_site_share(&site, 02770, 0660);
        assert_int_equal(umask(mask), 007);
        xpm_site_release(&site);
}

/* As a scheduler was given it; NONCE is the attempt that may begin. */
static void schedule(const struct job *job, char nonce[XPM_NONCE_SIZE])
{
        xpm_site site;
        xpm_attempt attempt;
        const xpm_launch launch = job_launch(job);
        assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
        xpm_attempt_init(&attempt, job_order(&launch));
        assert_int_equal(xpm_attempt_schedule(&site, &attempt, "slurm", "b#0", NULL), 0);
        memcpy(nonce, attempt.nonce, XPM_NONCE_SIZE);
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
}

/* It is started, for the RESTART-th time again, and told to end because of ASKED; its outcome. */
static xpm_outcome start_requeue(const struct job *job, const char *nonce, uint32_t restart, enum xpm_failure asked)
{
        xpm_site site;
        xpm_attempt attempt;
        const xpm_launch launch = job_launch(job);
        xpm_order *order = job_order(&launch);
        order->nonce = nonce;
        order->requeue = true;
        order->restart = restart;
        assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
        xpm_attempt_init(&attempt, order);
        attempt.asked = asked;
        if (xpm_attempt_start(&site, &attempt, false) == XPM_ATTEMPT_RUNS)
                wait_for(&site, &attempt);
        xpm_outcome outcome = attempt.outcome;
        xpm_attempt_release(&attempt);
        xpm_site_release(&site);
        return outcome;
}

static void expect_state(const struct job *job, const char *state, long attempt)
{
        json_t *status = status_of(job);
        assert_string_equal(json_string_value(json_object_get(status, "state")), state);
        assert_int_equal(json_integer_value(json_object_get(status, "attempt")), attempt);
        json_decref(status);
}

static void what_was_preempted_may_be_started_again_and_only_that(void **state)
{
        static const char *const argv[] = {"true", NULL};
        char nonce[XPM_NONCE_SIZE];
        struct job job;
        job_init(&job, *state, argv);
        schedule(&job, nonce);
        start_requeue(&job, nonce, 0, XPM_FAILURE_PREEMPTED);
        expect_state(&job, "scheduled", 2);
        assert_false(job_has(&job, "work.failed"));
        assert_true(start_requeue(&job, nonce, 1, XPM_FAILURE_NONE).done);
        expect_state(&job, "done", 2);
        /* A time limit is an end. */
        job.spec.recipe = "other";
        assert_int_equal(xpm_remove_tree(AT_FDCWD, job.path, NULL), 0);
        schedule(&job, nonce);
        start_requeue(&job, nonce, 0, XPM_FAILURE_TIMEOUT);
        expect_state(&job, "error", 1);
        assert_int_equal(start_requeue(&job, nonce, 1, XPM_FAILURE_NONE).failure, XPM_FAILURE_LOST);
}

static void a_start_whose_node_was_lost_is_followed_by_the_next_alone(void **state)
{
        static const char *const argv[] = {"true", NULL};
        char nonce[XPM_NONCE_SIZE], text[512];
        struct job job;
        job_init(&job, *state, argv);
        schedule(&job, nonce);
        snprintf(text, sizeof text, "{\"state\": \"running\", \"nonce\": \"%s\", \"attempt\": 1}", nonce);
        char path[512];
        snprintf(path, sizeof path, "%s/.experimaestro/status.json", job.path);
        FILE *stream = fopen(path, "we");
        assert_true(stream && fputs(text, stream) >= 0 && fclose(stream) == 0);
        /* The same start, a second time: a submission that arrived twice. */
        assert_int_equal(start_requeue(&job, nonce, 0, XPM_FAILURE_NONE).failure, XPM_FAILURE_LOST);
        assert_true(start_requeue(&job, nonce, 1, XPM_FAILURE_NONE).done);
}

/* Others follow each of two attempts by its end. */
static void what_others_follow_is_run_by_whoever_comes_first(void **state)
{
        static const char *const argv[] = {"true", NULL};
        char earlier[XPM_NONCE_SIZE], later[XPM_NONCE_SIZE];
        struct job job;
        job_init(&job, *state, argv);
        schedule(&job, earlier);
        schedule(&job, later);
        assert_true(start_requeue(&job, earlier, 0, XPM_FAILURE_NONE).done);
        expect_state(&job, "done", 1);
        assert_true(start_requeue(&job, later, 0, XPM_FAILURE_NONE).done);
        expect_state(&job, "done", 1);
}

static void a_job_whose_precedent_is_not_done_fails_for_want_of_it(void **state)
{
        static const char *const argv[] = {"true", NULL};
        char nonce[XPM_NONCE_SIZE];
        struct job job;
        xpm_site site;
        xpm_attempt attempt;
        job_init(&job, *state, argv);
        schedule(&job, nonce);
        const xpm_launch launch = job_launch(&job);
        for (int i = 0; i < 2; i++) {
                xpm_order *order = job_order(&launch);
                order->nonce = i == 0 ? "0000000000000000" : nonce;
                assert_int_equal(xpm_site_init(&site, environ, NULL), 0);
                xpm_attempt_init(&attempt, order);
                assert_int_equal(xpm_attempt_bar(&site, &attempt, "it needs something", NULL), 0);
                /* Not one that was given to somebody else. */
                expect_state(&job, i == 0 ? "scheduled" : "error", 1);
                xpm_attempt_release(&attempt);
                xpm_site_release(&site);
        }
        json_t *failed = json_loads(job_read(&job, "work.failed"), 0, NULL);
        assert_string_equal(json_string_value(json_object_get(failed, "reason")), "dependency");
        json_decref(failed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(success_leaves_exactly_what_is_promised),
                T(failure_is_told_by_code_signal_or_output),
                T(command_that_cannot_start_says_why_in_its_error_log),
                T(command_that_is_missing_after_a_setup_is_told_by_the_run_file),
                T(string_command_runs_in_its_shell_by_the_run_file),
                T(old_outputs_are_no_proof_unless_it_resumes),
                T(job_that_is_done_is_not_run_again_unless_told),
                T(job_that_another_process_runs_is_held_and_its_outcome_taken),
                T(who_held_the_lock_before_is_no_part_of_the_outcome),
                T(lock_is_held_while_it_runs_and_a_leftover_cannot_keep_it),
                T(who_comes_between_the_making_of_the_directory_and_its_lock_is_not_left_beside),
                T(reason_of_a_signal_is_the_one_that_was_asked_for),
                T(workspace_that_cannot_be_written_is_never_a_success),
                T(site_knows_when_it_was_started),
                T(what_was_preempted_may_be_started_again_and_only_that),
                T(a_start_whose_node_was_lost_is_followed_by_the_next_alone),
                T(what_others_follow_is_run_by_whoever_comes_first),
                T(a_job_whose_precedent_is_not_done_fails_for_want_of_it),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
