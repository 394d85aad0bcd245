/* What an attempt holds beyond its own lock, taken under that lock.
 *
 * A partial has a lock beside it, which names the lock of the job that took it last: so it stays taken while a leftover
 * of that job lives. Tokens were taken by the engine, on whose word they stand until the job's lock is held; for a run
 * file that a person runs they are taken here. */
#include "exec/hold.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "workspace/token.h"

/* The last one to hold the partial's lock wrote the path of his job's lock into it. */
static bool is_held_by_leftover(const xpm_attempt *attempt, int fd)
{
        char path[PATH_MAX];
        ssize_t length = pread(fd, path, sizeof path - 1, 0);
        /* The newline is at the end: there may be others in the path. */
        path[length > 0 ? length - 1 : 0] = '\0';
        size_t own = strlen(attempt->order->spec.path);
        bool ours = strncmp(path, attempt->order->spec.path, own) == 0 && path[own] == '/';
        return path[0] == '/' && !ours && xpm_lock_is_held(AT_FDCWD, path, NULL) == 1;
}

static int take_partial(const xpm_site *site, xpm_attempt *attempt, size_t i, xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        char *path = xpm_arena_printf(attempt->order->arena, "%s.lock", spec->partials[i]);
        char *text = xpm_arena_printf(attempt->order->arena, "%s/%s.lock\n", spec->path, spec->script);
        if (!path || !text)
                return xpm_fail_memory(err);
        int rc = xpm_mkdir_p(AT_FDCWD, spec->partials[i], site->directory_mode, err);
        if (rc == 0)
                rc = xpm_lock_take(AT_FDCWD, path, site->file_mode, false, &attempt->partials[i], err);
        if (rc != 0)
                return rc;
        if (is_held_by_leftover(attempt, attempt->partials[i]))
                return xpm_fail(err, XPM_ELOCKED, "'%s' is used by what another job left running", spec->partials[i]);
        size_t length = strlen(text);
        if (ftruncate(attempt->partials[i], 0) != 0 || pwrite(attempt->partials[i], text, length, 0) != (ssize_t)length)
                return xpm_fail_errno(err, "cannot write '%s'", path);
        return 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* XPM_ELOCKED when another job that shares one runs. In order of name, though nobody waits here. */
static int take_partials(const xpm_site *site, xpm_attempt *attempt, xpm_error *err)
{
        xpm_jobspec *spec = &attempt->order->spec;
        if (spec->partial_count == 0)
                return 0;
        attempt->partials = xpm_arena_calloc(attempt->order->arena, spec->partial_count, sizeof *attempt->partials);
        if (!attempt->partials)
                return xpm_fail_memory(err);
        for (size_t i = 0; i < spec->partial_count; i++)
                attempt->partials[i] = -1;
        const char **sorted =
                xpm_arena_memdup(attempt->order->arena, spec->partials, spec->partial_count * sizeof *sorted);
        if (!sorted)
                return xpm_fail_memory(err);
        qsort(sorted, spec->partial_count, sizeof *sorted, by_name);
        spec->partials = sorted;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < spec->partial_count; i++)
                rc = take_partial(site, attempt, i, err);
        return rc;
}

static xpm_token_request tokens_of(const xpm_jobspec *spec)
{
        return (xpm_token_request){spec->tokens, spec->token_count, spec->task_id, spec->job_id, spec->script};
}

/* Nobody took any for a run file: under the job's lock, which stands behind them. */
static int take_own_tokens(const xpm_site *site, const xpm_jobspec *spec, const xpm_token_request *request,
                           xpm_error *err)
{
        xpm_token_answer answer;
        xpm_tokens *store;
        xpm_workspace *workspace;
        int rc = xpm_workspace_open(spec->workspace, false, site->file_mode & 0070, &workspace, err);
        if (rc != 0)
                return rc;
        rc = xpm_tokens_open(workspace, spec->experiment_id, "", &store, err);
        if (rc == 0) {
                rc = xpm_tokens_take(store, request, false, &answer, err);
                xpm_tokens_close(store);
        }
        xpm_workspace_close(workspace);
        if (rc != 0 || answer.result == XPM_TOKENS_TAKEN || answer.result == XPM_TOKENS_BUSY)
                return rc;
        return xpm_fail(err, XPM_ELOCKED, "it needs %lld of the token '%s': %lld of %lld are in use",
                        (long long)answer.wanted, answer.name, (long long)answer.used, (long long)answer.total);
}

/* 1 when they are gone: the engine that took them died, and they were given to others. */
static int check_tokens(const xpm_jobspec *spec, const xpm_token_request *request, xpm_error *err)
{
        int workspace = open(spec->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (workspace < 0)
                return xpm_fail_errno(err, "cannot open '%s'", spec->workspace);
        int held = xpm_tokens_are_held(workspace, request, err);
        close(workspace);
        return held < 0 ? held : !held;
}

/* The job's tokens stay its own from here on; locks.json says which. */
static int claim_tokens(const xpm_site *site, const xpm_attempt *attempt, xpm_error *err)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        const xpm_token_request request = tokens_of(spec);
        if (request.count == 0)
                return 0;
        int rc = attempt->order->by_hand ? take_own_tokens(site, spec, &request, err)
                                         : check_tokens(spec, &request, err);
        if (rc != 0)
                return rc;
        xpm_text text = XPM_TEXT_INIT;
        xpm_tokens_json(&request, &text);
        rc = text.failed ? xpm_fail_memory(err)
                         : xpm_jobdir_content(&attempt->dir, "locks.json", text.data, text.length, err);
        xpm_text_release(&text);
        return rc;
}

int xpm_hold_take(const xpm_site *site, xpm_attempt *attempt, xpm_error *err)
{
        int rc = take_partials(site, attempt, err);
        return rc == 0 ? claim_tokens(site, attempt, err) : rc;
}

void xpm_hold_give_back(const xpm_attempt *attempt)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        if (spec->token_count == 0)
                return;
        if (attempt->dir.dir >= 0)
                unlinkat(attempt->dir.dir, "locks.json", 0);
        const xpm_token_request request = tokens_of(spec);
        int workspace = open(spec->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (workspace < 0)
                return; /* whoever needs them finds that nobody stands behind them */
        xpm_tokens_drop(workspace, &request, NULL);
        close(workspace);
}

void xpm_hold_release(xpm_attempt *attempt)
{
        for (size_t i = 0; attempt->partials && i < attempt->order->spec.partial_count; i++)
                xpm_lock_release(attempt->partials[i]);
        attempt->partials = NULL;
}
