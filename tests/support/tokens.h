/* tokens.h: engines that share tokens, for tests
 */
#ifndef XPM_TEST_TOKENS_H
#define XPM_TEST_TOKENS_H

#include "base/file.h"
#include "base/lock.h"
#include "runs.h"
#include "workspace/token.h"

/* An experiment that runs, and its tokens. */
struct engine {
        xpm_workspace *workspace;
        xpm_run *run;
        xpm_tokens *tokens;
        char experiment[32], run_name[64];
};

__attribute__((unused)) static void engine_begin(struct engine *engine, const struct place *place,
                                                 const char *experiment)
{
        engine->workspace = runs_workspace(place);
        engine->run = runs_begin(engine->workspace, experiment);
        snprintf(engine->experiment, sizeof engine->experiment, "%s", experiment);
        snprintf(engine->run_name, sizeof engine->run_name, "%s", xpm_run_name(engine->run));
        if (xpm_tokens_open(engine->workspace, engine->experiment, engine->run_name, &engine->tokens, NULL) != 0)
                abort();
}

/* As if it had been killed: what it held stays. */
__attribute__((unused)) static void engine_end(struct engine *engine)
{
        xpm_tokens_close(engine->tokens);
        xpm_run_end(engine->run, XPM_RUN_DONE, NULL);
        xpm_workspace_close(engine->workspace);
        *engine = (struct engine){0};
}

__attribute__((unused)) static void engine_declare(struct engine *engine, const char *name, int64_t total)
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_tokens_declare(engine->tokens, name, total, &err) != 0) {
                fprintf(stderr, "%s\n", err.message);
                abort();
        }
}

/* The job JOB of demo.task asks for COUNT tokens a (0: none) and MORE tokens b. */
struct asking {
        xpm_count wanted[2];
        xpm_token_request request;
};

__attribute__((unused)) static const xpm_token_request *ask(struct asking *asking, const char *job, int64_t count,
                                                            int64_t more)
{
        asking->wanted[0] = (xpm_count){"b", more};
        asking->wanted[1] = (xpm_count){"a", count};
        asking->request = (xpm_token_request){asking->wanted, 2, "demo.task", job, "task"};
        return &asking->request;
}

/* The answer to it; aborts on an error. */
__attribute__((unused)) static enum xpm_token_result engine_take(struct engine *engine, const char *job, int64_t count,
                                                                 int64_t more, bool ticket)
{
        struct asking asking;
        xpm_token_answer answer;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_tokens_take(engine->tokens, ask(&asking, job, count, more), ticket, &answer, &err) != 0) {
                fprintf(stderr, "%s\n", err.message);
                abort();
        }
        return answer.result;
}

__attribute__((unused)) static void engine_give_back(struct engine *engine, const char *job)
{
        struct asking asking;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_tokens_give_back(engine->tokens, ask(&asking, job, 1, 1), &err) != 0) {
                fprintf(stderr, "%s\n", err.message);
                abort();
        }
}

/* The job runs: SCRIPT.lock, held. */
__attribute__((unused)) static int job_lock(const struct place *place, const char *job)
{
        char path[256];
        int fd;
        runs_mkdir(place, "jobs/demo.task/%s", job);
        snprintf(path, sizeof path, "jobs/demo.task/%s/task.lock", job);
        if (xpm_lock_take(place->dir, path, 0600, false, &fd, NULL) != 0)
                abort();
        return fd;
}

#endif
