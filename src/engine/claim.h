/* claim.h: what jobs hold exclusively while they run: tokens of the workspace, partials
 *
 * Jobs that want the same things are a class, first come, first served: the head of a class alone asks, so that a job
 * that needs many is not starved by small ones (across engines the tickets of workspace/token.h see to that). A class
 * whose head was refused is blocked until something that it wants is released, by us or, as a look now and then tells,
 * by somebody else.
 *
 *     xpm_claims_open → (queue … next → take → … release) → close
 */
#ifndef XPM_ENGINE_CLAIM_H
#define XPM_ENGINE_CLAIM_H

#include "base/map.h"
#include "engine/experiment.h"
#include "model/jobspec.h"
#include "workspace/token.h"

typedef struct xpm_claim_class {
        char *key;            /* `PORT\nNAME\nNAME…`: names of tokens, paths of partials */
        uint32_t first, last; /* jobs that wait, + 1; 0: none */
        bool blocked;
} xpm_claim_class;

/* What a job holds. */
typedef struct xpm_claim {
        struct xpm_claim *next;
        uint32_t job;
        xpm_arena *arena; /* of all below, and of this */
        xpm_token_request tokens;
        const char *const *partials;
        size_t partial_count;
} xpm_claim;

typedef struct xpm_claims {
        const xpm_experiment *experiment;
        xpm_tokens *store;
        xpm_map index; /* key → class + 1 */
        xpm_claim_class *classes;
        size_t class_count, class_capacity;
        size_t first;   /* no class before it has jobs */
        uint32_t *next; /* per job: the one behind it in its class, + 1 */
        xpm_claim *held;
        size_t waiting; /* jobs in all classes */
        bool warned;    /* of a need that cannot be met now */
} xpm_claims;

/* RUN is the name of the run. Nothing is opened, and no memory taken, for a plan without claims. Declares the tokens of
 * the plan. */
int xpm_claims_open(xpm_claims *claims, const xpm_experiment *experiment, const char *run, xpm_error *err);
/* What is still held is what runs on without us: it stays, the worker gives it back. */
void xpm_claims_close(xpm_claims *claims);

/* Whether JOB wants anything. */
bool xpm_claims_wanted(const xpm_job *job);

/* JOB, which is ready for PORT, waits behind the others of its class. XPM_ENOMEM. */
int xpm_claims_queue(xpm_claims *claims, const xpm_job *job, size_t port, xpm_error *err);
/* The head of a class of PORT that is not blocked, or -1. */
int64_t xpm_claims_next(const xpm_claims *claims, size_t port);
/* All that JOB, a head, wants, as SPEC says: *TAKEN, and it is out of its class; or its class is blocked. */
int xpm_claims_take(xpm_claims *claims, size_t job, const xpm_jobspec *spec, bool *taken, xpm_error *err);
/* JOB has ended. With DROP its tokens are given back, which else its worker has done. */
void xpm_claims_release(xpm_claims *claims, size_t job, bool drop);
/* Time to ask again what others may have released. */
void xpm_claims_unblock(xpm_claims *claims);

#endif
