/* Every prefix of a file of the workspace, and every byte of it changed: whoever reads it must see an older state or
 * refuse it, and never take a job that failed for one that is done, or the other way round.
 *
 *   damage WORKSPACE CONFIG-DIR EXPECTED FILE…
 *
 * EXPECTED has a line for each job, `task script job state`: done, error, or lost, one that began and has no end. Each
 * FILE is written in all its damaged forms in place, read by all that reads workspaces, and put back. What is wrong is
 * printed, and the exit status 1; figures go to the end of standard output.
 *
 * Bytes within a value (an exit code, an identifier) can be changed to another value that nobody can tell from the
 * right one; only what follows for states is judged. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "monitor/view.h"
#include "workspace/probe.h"
#include "workspace/token.h"
#include "workspace/workspace.h"

enum { MOST_JOBS = 64, MOST_WRONG = 20 };

static struct expected {
        char task[128], script[128], job[72], state[16];
} expected[MOST_JOBS];

static size_t expected_count, wrong, refused, tried, bytes;
static const char *workspace_path, *config, *damaged; /* which file */
static char how[64];                                  /* and in which way */

static void complain(const struct expected *job, const char *who, const char *state)
{
        if (++wrong <= MOST_WRONG)
                printf("%s, %s: %s/%.8s is %s and was read as %s by %s\n", damaged, how, job->task, job->job,
                       job->state, state, who);
}

static void judge(const struct expected *job, const char *who, enum xpm_job_state state)
{
        bool failed = strcmp(job->state, "error") == 0, done = strcmp(job->state, "done") == 0;
        if ((state == XPM_JOB_DONE && !done) || (state == XPM_JOB_ERROR && done) || (state == XPM_JOB_RUNNING) ||
            (state == XPM_JOB_UNSCHEDULED && (done || failed) && strcmp(who, "probe") == 0))
                complain(job, who, xpm_job_state_word(state));
}

/* A refusal says what it refuses. */
static void judge_refusal(const xpm_error *err)
{
        const char *name = strrchr(damaged, '/') + 1;
        refused++;
        if (!strchr(err->message, '\'') && !strstr(err->message, name) && ++wrong <= MOST_WRONG)
                printf("%s, %s: refused without a name: %s\n", damaged, how, err->message);
}

static const struct expected *find(const xpm_view_job *job)
{
        for (size_t i = 0; i < expected_count; i++)
                if (strcmp(expected[i].task, job->task_id) == 0 && strcmp(expected[i].job, job->job_id) == 0)
                        return &expected[i];
        return NULL;
}

static void view_jobs(xpm_view *view)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_view_jobs jobs = {0};
        if (xpm_view_list_jobs(view, NULL, &jobs, &err) != 0)
                judge_refusal(&err);
        for (size_t i = 0; i < jobs.count; i++) {
                const struct expected *job = find(&jobs.items[i]);
                const xpm_view_level *levels;
                size_t count;
                if (job)
                        judge(job, "the list of jobs", jobs.items[i].state);
                if (xpm_view_refresh(view, &jobs.items[i], NULL) == 0 && job)
                        judge(job, "a look at the job", jobs.items[i].state);
                xpm_view_progress(view, &jobs.items[i], &levels, &count, NULL);
        }
}

static void view_all(void)
{
        const xpm_view_place place = {config, workspace_path, NULL};
        xpm_view *view = NULL;
        xpm_view_experiments experiments = {0};
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_view_open(&place, &view, &err) != 0) {
                judge_refusal(&err);
                return;
        }
        if (xpm_view_list(view, NULL, true, &experiments, &err) != 0)
                judge_refusal(&err);
        view_jobs(view);
        xpm_view_close(view);
}

static void probe_all(const xpm_workspace *workspace)
{
        for (size_t i = 0; i < expected_count; i++) {
                const struct expected *job = &expected[i];
                xpm_error err = XPM_ERROR_NONE;
                xpm_probe probe;
                if (xpm_probe_job(workspace, job->task, job->script, job->job, true, &probe, &err) != 0)
                        judge_refusal(&err);
                else
                        judge(job, "probe", probe.state);
        }
}

/* One more token than there is cannot be had, however the files of the holder look: his job's lock is held. */
static void take_token(const xpm_workspace *workspace)
{
        xpm_count wanted = {"seat", 1};
        const xpm_token_request request = {&wanted, 1, "other", "ff", "other"};
        xpm_token_answer answer = {.result = XPM_TOKENS_SHORT};
        xpm_tokens *tokens = NULL;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_tokens_open(workspace, "e", "none", &tokens, &err) != 0)
                abort();
        int rc = xpm_tokens_take(tokens, &request, false, &answer, &err);
        if (rc != 0)
                judge_refusal(&err);
        /* A changed digit of a count or a total is a count or a total. */
        if (rc == 0 && answer.result == XPM_TOKENS_TAKEN) {
                if (strstr(damaged, "/jobs/") && strncmp(how, "cut", 3) == 0 && ++wrong <= MOST_WRONG)
                        printf("%s, %s: a token too many\n", damaged, how);
                xpm_tokens_give_back(tokens, &request, NULL);
        }
        xpm_tokens_close(tokens);
}

static void read_all(const xpm_workspace *workspace)
{
        tried++;
        view_all();
        probe_all(workspace);
        if (strstr(damaged, "/tokens/"))
                take_token(workspace);
}

static void put(const void *data, size_t length)
{
        if (xpm_file_replace(AT_FDCWD, damaged, data, length, 0600, NULL) != 0)
                abort();
}

static void damage(const xpm_workspace *workspace, const char *path)
{
        static const unsigned char changes[] = {0x01, 0x80};
        xpm_text whole = XPM_TEXT_INIT;
        damaged = path;
        if (xpm_file_read(AT_FDCWD, path, 0, &whole, NULL) != 0)
                abort();
        char *text = malloc(whole.length + 1);
        if (!text)
                abort();
        bytes += whole.length;
        const char *every = getenv("XPM_FAULT_STRIDE");
        size_t stride = every && atol(every) > 1 ? (size_t)atol(every) : 1;
        for (size_t length = 0; length < whole.length; length += stride) {
                snprintf(how, sizeof how, "cut to %zu bytes", length);
                put(whole.data, length);
                read_all(workspace);
        }
        for (size_t at = 0; at < whole.length; at += stride)
                for (size_t i = 0; i < sizeof changes; i++) {
                        snprintf(how, sizeof how, "byte %zu changed by 0x%02x", at, changes[i]);
                        memcpy(text, whole.data, whole.length);
                        text[at] = (char)(text[at] ^ changes[i]);
                        put(text, whole.length);
                        read_all(workspace);
                }
        put(whole.data, whole.length);
        free(text);
        xpm_text_release(&whole);
}

static void read_expected(const char *path)
{
        FILE *file = fopen(path, "re");
        struct expected *job = expected;
        while (file && job < expected + MOST_JOBS &&
               fscanf(file, "%127s %127s %71s %15s", job->task, job->script, job->job, job->state) == 4)
                job++;
        expected_count = (size_t)(job - expected);
        if (!file || fclose(file) != 0 || expected_count == 0)
                abort();
}

int main(int argc, char **argv)
{
        xpm_workspace *workspace = NULL;
        if (argc < 5)
                return 2;
        workspace_path = argv[1];
        config = argv[2];
        read_expected(argv[3]);
        if (xpm_workspace_open(workspace_path, false, false, &workspace, NULL) != 0)
                return 2;
        for (int i = 4; i < argc; i++)
                damage(workspace, argv[i]);
        xpm_workspace_close(workspace);
        if (wrong > MOST_WRONG)
                printf("… and %zu more\n", wrong - MOST_WRONG);
        printf("%d files, %zu bytes: %zu damaged forms, %zu refusals by name\n", argc - 4, bytes, tried, refused);
        return wrong > 0;
}
