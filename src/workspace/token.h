/* token.h: what several jobs share and only so many may have at once (tokens/NAME.counter of the workspace)
 *
 * An engine takes the tokens of a job just before it hands it to a launcher:
 *
 *     xpm_tokens_open → xpm_tokens_declare … → { take → hand the job over → give_back when it is over } … → close
 *
 * and the worker that runs the job drops them before it lets go of SCRIPT.lock, so that the next job need not wait for
 * the engine. A holder counts while somebody stands behind it: its engine (which holds the lock of its experiment, and
 * whose run is the current one) or, as soon as the job runs, whoever holds SCRIPT.lock.
 */
#ifndef XPM_WORKSPACE_TOKEN_H
#define XPM_WORKSPACE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "model/jobspec.h"
#include "workspace/workspace.h"

/* The tokens of a workspace as one engine knows them. For one thread. */
typedef struct xpm_tokens xpm_tokens;

/* WORKSPACE, EXPERIMENT_ID and RUN_NAME are borrowed until close. The experiment's lock must be held by then and
 * `current` lead to the run: it is what keeps our holders alive. Nothing is read or written. XPM_ENOMEM. */
int xpm_tokens_open(const xpm_workspace *workspace, const char *experiment_id, const char *run_name, xpm_tokens **out,
                    xpm_error *err);
/* Holders and tickets stay as they are: of jobs that run on, or of no account once the experiment's lock is free. */
void xpm_tokens_close(xpm_tokens *tokens);

/* There are TOTAL tokens NAME, for everybody and at once. Makes what is missing on disk. XPM_EIO, XPM_ENOMEM. */
int xpm_tokens_declare(xpm_tokens *tokens, const char *name, int64_t total, xpm_error *err);

/* A job and what it needs, borrowed for the call. Counts below 1 need nothing. */
typedef struct xpm_token_request {
        const xpm_count *wanted;
        size_t count;
        const char *task_id, *job_id, *script; /* as in xpm_jobspec */
} xpm_token_request;

enum xpm_token_result {
        XPM_TOKENS_TAKEN,
        XPM_TOKENS_SHORT,      /* not enough are free, or somebody else keeps the token's lock: try again later */
        XPM_TOKENS_BUSY,       /* another engine has this same job in hand, or it runs */
        XPM_TOKENS_IMPOSSIBLE, /* it needs more than there are in all */
};

typedef struct xpm_token_answer {
        enum xpm_token_result result;
        const char *name; /* the token that it failed for, of the request; NULL when taken */
        int64_t wanted;   /* of that token, by the job; … */
        int64_t total;    /* … in all, 0 when its lock was not to be had; … */
        int64_t used;     /* … held by other jobs; … */
        int64_t reserved; /* … kept for jobs that wait for longer */
} xpm_token_answer;

/* Take all that REQUEST asks for, or nothing. When that is not possible now and TICKET is set, a ticket is left (or
 * kept): others that come later leave alone what this job needs. So leave one for the job that has waited for longest,
 * or for few, and drop_ticket when it is not to run any more; a ticket is removed when its job gets its tokens, or
 * cannot get them. Holders and tickets that nobody stands behind are removed when it comes up short.
 *
 * Takes 30 ms at most for a lock that others keep. 0 with *ANSWER; or XPM_EIO, XPM_ENOMEM, XPM_EFORMAT or XPM_ENOTFOUND
 * (a token that nobody declared), with nothing taken. */
int xpm_tokens_take(xpm_tokens *tokens, const xpm_token_request *request, bool ticket, xpm_token_answer *answer,
                    xpm_error *err);

/* The engine's word that the job is over, was not begun or is lost: removes its holders and tickets, where they still
 * are those of this engine (the worker may have dropped them, and another engine taken them for the same job). All are
 * tried; the first error is returned. */
int xpm_tokens_give_back(xpm_tokens *tokens, const xpm_token_request *request, xpm_error *err);
int xpm_tokens_drop_ticket(xpm_tokens *tokens, const xpm_token_request *request, xpm_error *err);

/* For the worker, with the workspace's directory open as WORKSPACE_DIR.
 *
 * 1 when the job's holders are there, 0 when not all are. Asked under SCRIPT.lock, before the command is started: when
 * the engine died in between, others may have taken its holder for dead, and the job must not run without. Once they
 * are there, SCRIPT.lock keeps them. */
int xpm_tokens_are_held(int workspace_dir, const xpm_token_request *request, xpm_error *err);

/* Remove the job's holders, whosever they are: under SCRIPT.lock, and only for a job that came with tokens (a run file
 * that a person runs has none, and must not remove those of an engine that waits for it). No lock is needed, since
 * counts only fall. */
int xpm_tokens_drop(int workspace_dir, const xpm_token_request *request, xpm_error *err);

/* Append the content of locks.json: {NAME: count, …}. */
void xpm_tokens_json(const xpm_token_request *request, xpm_text *text);

#endif
