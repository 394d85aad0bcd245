#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "failing_malloc.h"
#include "runs.h"
#include "workspace/probe.h"

static const char recipe[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static xpm_probe probe(const struct place *place, const char *id)
{
        xpm_workspace *workspace = runs_workspace(place);
        xpm_probe found;
        assert_int_equal(xpm_probe_job(workspace, "demo.task", "task", id, true, &found, NULL), 0);
        xpm_workspace_close(workspace);
        return found;
}

static void nothing_is_known_of_a_job_that_never_ran(void **state)
{
        assert_int_equal(probe(*state, "absent").state, XPM_JOB_UNSCHEDULED);
        runs_job_file(*state, "made", "params.json", "{}");
        assert_int_equal(probe(*state, "made").state, XPM_JOB_UNSCHEDULED);
        assert_int_equal(probe(*state, "made").failure, XPM_FAILURE_NONE);
}

static void nothing_is_known_without_a_workspace(void **state)
{
        xpm_workspace *workspace;
        xpm_probe found = {.state = XPM_JOB_DONE};
        (void)state;
        assert_int_equal(xpm_workspace_open("/nonexistent/w", false, false, &workspace, NULL), 0);
        assert_int_equal(xpm_probe_job(workspace, "t", "t", "j", true, &found, NULL), 0);
        assert_int_equal(found.state, XPM_JOB_UNSCHEDULED);
        xpm_workspace_close(workspace);
}

static void files_decide(void **state)
{
        static const char done[] = "{\"state\": \"done\"}";
        static const struct {
                const char *done, *failed, *status, *pid; /* NULL: not there */
                enum xpm_job_state state;
                enum xpm_failure failure;
                int code;
                const char *message;
        } cases[] = {
                {"", NULL, NULL, NULL, XPM_JOB_DONE, XPM_FAILURE_NONE, -1, ""},
                {NULL,
                 "{\"code\": 3, \"reason\": \"memory\", \"failure_status\": \"MEMORY\", \"message\": \"too big\"}",
                 NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_MEMORY, 3, "too big"},
                {NULL, "{\"code\": null, \"reason\": \"timeout\"}", NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT, -1,
                 ""},
                {NULL, "{\"failure_status\": \"TIMEOUT\"}", NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT, -1, ""},
                {NULL, "{\"reason\": \"failed\", \"failure_status\": \"MEMORY\"}", NULL, NULL, XPM_JOB_ERROR,
                 XPM_FAILURE_MEMORY, -1, ""},
                {NULL, "{\"reason\": \"preempted\", \"failure_status\": \"CANCELLED\"}", NULL, NULL, XPM_JOB_ERROR,
                 XPM_FAILURE_PREEMPTED, -1, ""},
                {NULL, "{\"reason\": \"unheard of\"}", NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_FAILED, -1, ""},
                {NULL, "7\n", NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_FAILED, 7, ""},
                {NULL, "0\n", NULL, NULL, XPM_JOB_DONE, XPM_FAILURE_NONE, -1, ""},
                {NULL, "", NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_FAILED, -1, ""},
                {NULL, "{\"cut", NULL, NULL, XPM_JOB_ERROR, XPM_FAILURE_FAILED, -1, ""},
                /* a committed status without its marker, or against it */
                {NULL, NULL, done, NULL, XPM_JOB_DONE, XPM_FAILURE_NONE, -1, ""},
                {NULL, "{\"reason\": \"lost\"}", done, NULL, XPM_JOB_DONE, XPM_FAILURE_NONE, -1, ""},
                {"", "{\"reason\": \"failed\"}", "{\"state\": \"error\", \"reason\": \"output\", \"exit_code\": 0}",
                 NULL, XPM_JOB_ERROR, XPM_FAILURE_OUTPUT, 0, ""},
                {NULL, NULL, "{\"state\": \"error\", \"failure_reason\": \"TIMEOUT\", \"message\": \"late\"}", NULL,
                 XPM_JOB_ERROR, XPM_FAILURE_TIMEOUT, -1, "late"},
                {"", "{\"reason\": \"failed\"}", "{\"state\": \"running\"}", NULL, XPM_JOB_DONE, XPM_FAILURE_NONE, -1,
                 ""},
                {NULL, "{\"reason\": \"failed\"}", "{\"state\": \"running\"}", NULL, XPM_JOB_ERROR, XPM_FAILURE_FAILED,
                 -1, ""},
                {"", "{\"reason\": \"lost\"}", done, NULL, XPM_JOB_DONE, XPM_FAILURE_NONE, -1, ""},
                /* an attempt that has no end */
                {NULL, NULL, "{\"state\": \"running\"}", NULL, XPM_JOB_UNSCHEDULED, XPM_FAILURE_LOST, -1, ""},
                {NULL, NULL, "{\"state\": \"scheduled\"}", NULL, XPM_JOB_UNSCHEDULED, XPM_FAILURE_NONE, -1, ""},
                {NULL, NULL, "not JSON", NULL, XPM_JOB_UNSCHEDULED, XPM_FAILURE_NONE, -1, ""},
                {NULL, NULL, "{\"state\": 1}", NULL, XPM_JOB_UNSCHEDULED, XPM_FAILURE_NONE, -1, ""},
                {NULL, NULL, "{\"state\": \"running\"}", "{\"type\": \"local\", \"pid\": 1}", XPM_JOB_UNSCHEDULED,
                 XPM_FAILURE_LOST, -1, ""},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char id[16];
                snprintf(id, sizeof id, "job%zu", i);
                runs_job_file(*state, id, NULL, NULL);
                if (cases[i].done)
                        runs_job_file(*state, id, "task.done", cases[i].done);
                if (cases[i].failed)
                        runs_job_file(*state, id, "task.failed", cases[i].failed);
                if (cases[i].status)
                        runs_job_file(*state, id, ".experimaestro/status.json", cases[i].status);
                if (cases[i].pid)
                        runs_job_file(*state, id, "task.pid", cases[i].pid);
                xpm_probe found = probe(*state, id);
                assert_int_equal(found.state, cases[i].state);
                assert_int_equal(found.failure, cases[i].failure);
                assert_int_equal(found.code, cases[i].code);
                assert_string_equal(found.message, cases[i].message);
        }
}

static void lock_that_is_held_beats_what_others_wrote(void **state)
{
        static const char *const files[] = {"task.failed", "task.pid", "params.json"};
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                char id[16], path[64];
                int lock;
                snprintf(id, sizeof id, "job%zu", i);
                snprintf(path, sizeof path, "jobs/demo.task/%s/task.lock", id);
                runs_job_file(*state, id, files[i], "{\"reason\": \"lost\"}");
                assert_int_equal(xpm_lock_take(((struct place *)*state)->dir, path, 0600, false, &lock, NULL), 0);
                assert_int_equal(probe(*state, id).state, XPM_JOB_RUNNING);
                assert_int_equal(probe(*state, id).ended, 0);
                runs_job_file(*state, id, ".experimaestro/status.json", "{\"state\": \"error\", \"attempt\": 3}");
                assert_int_equal(probe(*state, id).ended, 3);
                assert_int_equal(probe(*state, id).state, XPM_JOB_RUNNING);
                xpm_lock_release(lock);
                assert_int_equal(probe(*state, id).state, XPM_JOB_ERROR);
                assert_int_equal(probe(*state, id).ended, 3);
        }
}

/* The reference implementation frees the lock while its job waits to be started. */
static void process_of_the_reference_counts_where_its_script_stands(void **state)
{
        static const struct {
                const char *pid;
                enum xpm_job_state state;
        } cases[] = {
                {"{\"type\": \"local\", \"pid\": 1}", XPM_JOB_RUNNING},
                {"{\"type\": \"slurm\", \"jobid\": \"17\"}", XPM_JOB_RUNNING},
                {"{\"type\": \"local\", \"pid\": 2147483646}", XPM_JOB_UNSCHEDULED},
                {"{\"type\": \"local\"}", XPM_JOB_UNSCHEDULED},
                {"17", XPM_JOB_UNSCHEDULED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char id[16];
                snprintf(id, sizeof id, "job%zu", i);
                runs_job_file(*state, id, "task.py", "");
                runs_job_file(*state, id, "task.pid", cases[i].pid);
                assert_int_equal(probe(*state, id).state, cases[i].state);
        }
}

/* Its number is another's, who began after that was written; or it has ended, and nobody has waited for it. */
static void process_of_the_reference_that_is_gone_does_not_count(void **state)
{
        const struct place *place = *state;
        char text[64];
        siginfo_t end;
        pid_t child = fork();
        if (child == 0)
                _exit(0);
        assert_int_equal(waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT), 0);
        for (int i = 0; i < 3; i++) {
                char id[16], path[512];
                snprintf(id, sizeof id, "job%d", i);
                snprintf(text, sizeof text, "{\"type\": \"local\", \"pid\": %d}", i == 2 ? child : getpid());
                runs_job_file(place, id, "task.py", "");
                runs_job_file(place, id, "task.pid", text);
                snprintf(path, sizeof path, "%s/jobs/demo.task/%s/task.pid", place->path, id);
                if (i == 1)
                        assert_int_equal(
                                utimensat(AT_FDCWD, path, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}, 0), 0);
                assert_int_equal(probe(place, id).state, i == 0 ? XPM_JOB_RUNNING : XPM_JOB_UNSCHEDULED);
        }
        waitpid(child, NULL, 0);
}

static void recipe_comes_from_the_status(void **state)
{
        char text[256];
        static const char *const formats[] = {"{\"message\": \"\\\"recipe\\\": \\\"f\", \"recipe\": \"%s\"}",
                                              "{\"recipe\": \"%.63s\"}", "{\"recipe\": null}", "{\"x\": \"%s\"}", ""};
        for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
                char id[16];
                snprintf(id, sizeof id, "job%zu", i);
                runs_job_file(*state, id, "task.done", "");
                snprintf(text, sizeof text, formats[i], recipe);
                runs_job_file(*state, id, ".experimaestro/status.json", text);
                assert_string_equal(probe(*state, id).recipe, i == 0 ? recipe : "");
        }
}

static void linked_directory_is_followed(void **state)
{
        const struct place *place = *state;
        runs_job_file(place, "there", "task.done", "");
        assert_int_equal(symlinkat("there", place->dir, "jobs/demo.task/here"), 0);
        assert_int_equal(probe(place, "here").state, XPM_JOB_DONE);
}

static void lack_of_memory_is_an_error_or_no_harm(void **state)
{
        if (!failing_malloc_works)
                skip();
        xpm_workspace *workspace = runs_workspace(*state);
        runs_job_file(*state, "job", "task.failed", "{\"reason\": \"memory\"}");
        for (long n = 1;; n++) {
                xpm_probe found;
                failing_malloc_arm(n);
                int rc = xpm_probe_job(workspace, "demo.task", "task", "job", true, &found, NULL);
                bool failed = failing_malloc_disarm();
                if (rc == 0)
                        assert_int_equal(found.state, XPM_JOB_ERROR);
                else
                        assert_int_equal(rc, XPM_ENOMEM);
                if (!failed)
                        break;
        }
        xpm_workspace_close(workspace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(nothing_is_known_of_a_job_that_never_ran),
                T(nothing_is_known_without_a_workspace),
                T(files_decide),
                T(lock_that_is_held_beats_what_others_wrote),
                T(process_of_the_reference_counts_where_its_script_stands),
                T(process_of_the_reference_that_is_gone_does_not_count),
                T(recipe_comes_from_the_status),
                T(linked_directory_is_followed),
                T(lack_of_memory_is_an_error_or_no_harm),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
