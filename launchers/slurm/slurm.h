/* slurm.h: what the files of the Slurm launcher share
 *
 * Jobs whose directives are alike are collected into batches; a batch is one job array. Whatever blocks, Slurm's own
 * commands and library, happens in a helper process, to which requests go as lines of JSON and which answers so.
 *
 * Exactly-once is not this module's affair: a batch's manifest names the attempt that may begin for each of its jobs,
 * and a worker that Slurm starts twice, or too late, leaves (docs/reference/launchers.md). So when it is not known
 * whether a submission has arrived, sending it again is a waste and no harm.
 */
#ifndef XPM_LAUNCHERS_SLURM_H
#define XPM_LAUNCHERS_SLURM_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include <experimaestro/launcher.h>

/* The helper process. */
typedef struct helper {
        const xpm_core *core;
        pid_t pid; /* 0: not started */
        int fd;    /* -1 */
        char *in, *out;
        size_t in_length, in_capacity, out_length, out_capacity;
        int64_t next_id;
        size_t restarts; /* without an answer in between */
        bool answered;   /* since its start */
        bool library;    /* what runs is the one on libslurm */
        bool commands;   /* which is not tried any more */
} helper;

/* Send REQUEST, which is taken, with an `id` that is returned; 0 and ERR when the helper cannot be started. */
int64_t helper_send(helper *helper_, json_t *request, xpm_error *err);
/* The next answer that has arrived, or NULL. *DIED: it is gone, and what it had been asked has no answer. */
json_t *helper_receive(helper *helper_, bool *died);
/* Wait for the answer to ID, at most TIMEOUT milliseconds, dropping others; NULL. */
json_t *helper_wait(helper *helper_, int64_t id, int timeout);
bool helper_wants_write(const helper *helper_);
void helper_stop(helper *helper_);

enum job_state { JOB_COLLECTED, JOB_QUEUED, JOB_RUNNING, JOB_LEFT };

typedef struct slurm_job {
        uint64_t tag;
        uint32_t attempt;
        enum job_state state;
        bool ours;   /* of this run; false: an element of a batch that nobody asks for */
        bool seen;   /* in the last listing */
        bool runs;   /* says the last listing */
        bool met;    /* a listing of this run said that it waits or runs */
        bool missed; /* by the last listing; by two in a row: Slurm has forgotten it */
        bool told;   /* the engine, that it was accepted */
        bool doomed; /* it is to be cancelled */
        char nonce[XPM_LAUNCH_NONCE];
        char *path;
} slurm_job;

/* A job of Slurm's that has to end well first. */
typedef struct chain_need {
        long job, index; /* index in its array, -1: no array */
        size_t of;       /* how many elements that has */
} chain_need;

/* What the jobs of a batch come after. */
typedef struct chain {
        chain_need *needs; /* of the first job, in order */
        size_t count;
        enum { CHAIN_ONE, CHAIN_SAME, CHAIN_CORRESPONDS } how; /* one job; all the same; element by element at AT */
        size_t at;
} chain;

enum batch_state { BATCH_COLLECTS, BATCH_SENT, BATCH_WAITS, BATCH_LOST_TRACK, BATCH_QUEUED };

typedef struct batch {
        struct batch *next;
        char *name;     /* of its manifest, relative to the workspace: what handles begin with, and comments end with */
        char *manifest; /* absolute */
        json_t *directives;
        chain chain;
        enum batch_state state;
        slurm_job *jobs;
        size_t count, capacity, left; /* left: jobs that have left */
        int64_t due;      /* when to send it, or to give it up when it was found, CLOCK_MONOTONIC milliseconds */
        int backoff;      /* milliseconds, 0: none */
        int64_t request;  /* its submission's */
        long job_id;      /* Slurm's; 0: not known */
        int64_t accepted; /* when */
        bool found;       /* of an earlier engine: it cannot be sent again */
        json_t *ghosts; /* other numbers of Slurm's for the same: submissions without an answer that arrived late. NULL:
                           none */
} batch;

batch *batch_create(const xpm_core *core, const char *const *directives);
void batch_free(batch *batch_);
bool batch_is_alike(const batch *batch_, const char *const *directives);
/* One more job. 0 or XPM_ENOMEM. */
int batch_add(batch *batch_, const xpm_launch *launch);
/* One less, which has left. */
void batch_drop_last(batch *batch_);
/* Make the manifest: before the submission. REQUEUE: its jobs may be started again. */
int batch_write(const batch *batch_, bool requeue, xpm_error *err);
/* Keep Slurm's number beside the manifest, and read it again. */
int batch_write_id(const batch *batch_, xpm_error *err);
long batch_read_id(const char *manifest);
/* The batch of an earlier engine, of which LENGTH bytes of NAME are the name: as many elements as its manifest has,
 * which are nobody's until they are claimed. NULL: no memory. */
batch *batch_recall(const xpm_core *core, const char *name, size_t length);
/* It may have been recalled before its manifest was there. XPM_ENOMEM. */
int batch_recount(batch *batch_);
/* The element INDEX of a batch that was recalled is TAG's. XPM_ENOMEM. */
int batch_claim(batch *batch_, size_t index, uint64_t tag);
/* No element is another engine's affair. */
bool batch_is_whole(const batch *batch_);
/* Nothing of it is to begin any more: workers find no manifest, and leave. */
void batch_void(const batch *batch_);
/* Slurm has it as job NUMBER too. false: that is known already (or there is no memory). */
bool batch_haunted(batch *batch_, long number);
/* What a request to cancel calls element INDEX (negative: all of them). 0 or XPM_ENOMEM. */
int batch_ids(const batch *batch_, long index, json_t *ids);
/* `NAME#INDEX` */
void batch_handle(const batch *batch_, size_t index, char handle[256]);

/* One line of a listing: `123`, `123_4`, `123_[4-9,12%2]`. VISIT is called with each element's index (-1: no array). */
typedef void (*element_visitor)(void *data, long index);
/* The number before the underscore; 0: not understood. */
long queue_elements(const char *id, element_visitor visit, void *data);

/* What a state of Slurm's means. */
enum fate { FATE_WAITS, FATE_RUNS, FATE_NEVER, FATE_ENDED };
/* REASON: of Slurm. *WORD is the reason in ours for FATE_ENDED (NULL: look at the directory), and why it never runs for
 * FATE_NEVER. */
enum fate fate_of(const char *state, const char *reason, const char **word);
/* A refusal that will pass: to be tried again later. *AMBIGUOUS: it may have been accepted all the same. */
bool refusal_passes(const char *message, bool *ambiguous);

/* Listings: at first as many as this at will, then one in so many milliseconds; 60 in ten minutes in all. */
enum { LIST_BUDGET = 10, LIST_REFILL = 12000 };

/* Milliseconds between listings, at least and at most. */
enum { LIST_OFTEN = 1000, LIST_SELDOM = 30000 };

enum { COMMENT = 900 };

/* How often may be submitted (`limits: submissions_per_minute`). Times are CLOCK_MONOTONIC milliseconds. */
typedef struct pace {
        int64_t *sent; /* the last submissions, a ring */
        size_t limit, count, oldest;
} pace;

/* LIMIT submissions in any minute; 0: as many as there are. 0 or XPM_ENOMEM. */
int pace_init(pace *pace_, size_t limit);
void pace_release(pace *pace_);
/* When the submission that is due AT may go: then, or later. */
int64_t pace_next(const pace *pace_, int64_t at);
void pace_sent(pace *pace_, int64_t now);

typedef struct slurm {
        const xpm_core *core;
        char *name;
        json_t *config;
        helper helper;
        batch *batches;
        size_t active; /* jobs with Slurm or on their way there */
        size_t array, submitted;
        size_t fitting; /* no larger batch is made, since Slurm had no room for one; grows with what it takes */
        pace pace;
        int64_t list_at, last_refill, listing; /* next listing; request number of the one that is under way, 0 */
        int64_t asked_at;                      /* when the oldest request was sent, 0: none is under way */
        int64_t since;                         /* stamp of the last listing, when nothing is unknown since; 0 */
        json_t *cancelling;                    /* a request to cancel that has no answer yet, and its number */
        int64_t cancel_request;
        bool withdrawn; /* nothing new is submitted */
        bool cancelled; /* all is to end: what is accepted later too */
        int interval, budget;
        int strange;                /* how often Slurm did not know what a batch comes after */
        json_t *partitions, *nodes; /* NULL: not known */
        bool asked_partitions, asked_nodes;
        char trouble[512]; /* why partitions are not known */
} slurm;

int64_t slurm_now(void); /* CLOCK_MONOTONIC milliseconds */
int slurm_fail(xpm_error *err, int code, const char *words);
void slurm_note(const slurm *self, const char *words);
/* JOB is Slurm's no more. */
void slurm_leave(slurm *self, batch *batch_, slurm_job *job, enum xpm_launch_event_kind kind, const char *reason,
                 const char *message);
void slurm_leave_all(slurm *self, batch *batch_, enum xpm_launch_event_kind kind, const char *reason,
                     const char *message);
void slurm_tell(const slurm *self, const slurm_job *job, enum xpm_launch_event_kind kind, const char *reason,
                const char *message);
/* The engine hears under which name Slurm has JOB. */
void slurm_tell_accepted(const slurm *self, const batch *batch_, slurm_job *job);

/* submission.c: a batch on its way to Slurm. */
int submission_send(slurm *self, batch *batch_, xpm_error *err);
int submission_take(slurm *self, batch *batch_, const json_t *answer, xpm_error *err);
/* It will be sent, or looked for, again: later and later. */
void submission_put_off(batch *batch_, enum batch_state state);
/* BATCH is job JOB of Slurm's. */
int submission_accepted(slurm *self, batch *batch_, long job, xpm_error *err);
/* Submissions have comments, by which they are found when their answers are lost: this, and the name of their batch. */
void submission_prefix(const slurm *self, char prefix[COMMENT]);
/* One request for all that is to be cancelled. */
int slurm_cancel_all(slurm *self, xpm_error *err);

/* What a job wants of each node. */
typedef struct slurm_share {
        int64_t ranks, nodes; /* in all; nodes 0: not said */
        int64_t cores, gpus;
        uint64_t memory; /* MiB */
} slurm_share;

/* chain.c: dependencies as Slurm's. */
/* What a job comes after, by the handles AFTER (NULL accepted). 0 or XPM_ENOMEM. */
int chain_find(const slurm *self, const char *const *after, chain *out);
void chain_release(chain *chain_);
/* May a job that comes after ADDED be element INDEX of an array whose others come after CHAIN? */
bool chain_takes(const chain *chain_, const chain *added, size_t index);
/* It is. ADDED is taken. */
void chain_add(chain *chain_, chain *added, size_t index);
/* `--dependency=…`, with what the user says of dependencies, OWN (or NULL); NULL: none, or no memory. The caller frees.
 */
char *chain_option(const chain *chain_, const char *own);

/* share.c */
slurm_share slurm_share_of(const xpm_shape *shape);

/* directives.c: requirements as options of sbatch. */
int slurm_directives(void *instance, const xpm_shape *shape, int (*add)(void *data, const char *directive), void *data,
                     xpm_error *err);

/* partitions.c: what the controller has and allows. */
/* Where none is named and the default one does not take the job: one that does. NULL: leave it to Slurm. */
const char *slurm_partition(slurm *self, const xpm_shape *shape);
int slurm_check(void *instance, const xpm_shape *shape, xpm_error *err);
/* What the controller allows, once: waits for the answer a little. */
void slurm_ask_limits(slurm *self);

/* listing.c: what becomes of jobs. */
void listing_soon(slurm *self, int in); /* milliseconds */
/* A batch has lost track: the next listing has to be whole. */
void listing_find_out(slurm *self, int in);
void listing_ask(slurm *self);
/* What is to be cancelled is kept until there is an answer: else jobs would run that nobody waits for. */
int listing_cancel(slurm *self, xpm_error *err);
int listing_take(slurm *self, const json_t *answer, int64_t asked, xpm_error *err);

#endif
