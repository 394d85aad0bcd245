/* runner.h: a run while it goes
 *
 * Shared by runner.c (the loop), advance.c (what happens to jobs), survey.c (what directories say) and ports.c (the
 * launchers).
 */
#ifndef XPM_ENGINE_RUNNER_H
#define XPM_ENGINE_RUNNER_H

#include <poll.h>

#include "engine/claim.h"
#include "engine/experiment.h"
#include "engine/graph.h"
#include "engine/states.h"
#include "exec/attempt.h"
#include "experimaestro/launcher.h"
#include "workspace/probe.h"

enum { XPM_PORTS = 8 };

/* A launcher in use, with the ready jobs that wait for it. */
typedef struct xpm_port {
        size_t candidate; /* of the experiment's */
        const xpm_launcher *ops;
        void *instance;
        xpm_queue ready;
        size_t handed_over; /* SCHEDULED or RUNNING with it */
} xpm_port;

typedef struct xpm_tracked { /* one job of this run */
        uint8_t state;       /* enum xpm_job_state */
        uint8_t failure;     /* enum xpm_failure, in XPM_JOB_ERROR */
        uint8_t port;
        bool again;                     /* --rerun: run although it is done */
        bool seen;                      /* somebody else ran it when this run began */
        bool elsewhere;                 /* RUNNING by somebody else */
        bool adopted;                   /* what a scheduler has of it is another engine's submission */
        bool spared;                    /* and is not cancelled, since that one goes on */
        bool accepted, freed;           /* `submit_all`: a scheduler has it; so what depends on it may follow */
        uint8_t restarts, times;        /* in this run: all, those that `times` of its `retry` counts */
        uint8_t over_memory, over_time; /* how often it had too little of it */
        uint8_t verdict; /* enum xpm_failure: why a scheduler ended the attempt whose end is awaited; NONE */
        uint32_t attempt;
        uint32_t ended_attempt; /* that had ended when somebody else was seen to run it: no outcome of his; 0: none */
        uint32_t lost_attempt;  /* number in its directory of the last one that was lost */
        char *handle;           /* under which a scheduler had it from another engine, when it was found so; or NULL */
} xpm_tracked;

typedef struct xpm_runner {
        xpm_experiment *experiment;
        const xpm_plan *plan;
        const xpm_observer *observer; /* or NULL */
        xpm_run *run;
        xpm_graph graph;
        xpm_tracked *jobs;
        size_t *slots; /* of the run, per job */
        xpm_port ports[XPM_PORTS];
        size_t port_count;
        xpm_site site; /* this engine, as the status of a job that it gives to a scheduler tells of it */
        xpm_claims claims;
        int64_t ask_again;    /* for tokens, CLOCK_MONOTONIC milliseconds */
        xpm_queue elsewhere;  /* jobs that somebody else runs, looked at now and then */
        int64_t look_again;   /* when, CLOCK_MONOTONIC milliseconds */
        int64_t listen_again; /* for the heartbeats of their workers, the same */
        bool listens;         /* this time */
        size_t by_state[XPM_JOB_TRANSIENT + 1];
        size_t done_before, failed_dependency, kept_failed;
        size_t mismatched;  /* warnings of launchers: jobs that have not got what they asked for */
        size_t handed_over; /* SCHEDULED or RUNNING with a launcher of ours */
        size_t accepted;    /* of those, with a scheduler that has said so: `submit_all` */
        char **handles;     /* per job, under which name: `submit_all` */
        size_t *attached;   /* jobs that were found with a scheduler, which has not been asked for them */
        size_t attached_count, attached_capacity;
        int64_t leave_at; /* what lasts is left alone, CLOCK_MONOTONIC milliseconds; 0: not yet */
        bool stopping;
        bool leaving;     /* for another engine, which continues: what does not last was told to end */
        size_t fruitless; /* jobs that came back from dead workers unbegun, since one ended */
        int kills;        /* how often what runs was told to end */
        size_t spared;    /* of those with a launcher */
        int rc;           /* the first error that ends the run; its words are in err */
        xpm_error *err;
} xpm_runner;

/* ports.c: open the launchers that the jobs name, each once, and note which is whose. */
int xpm_runner_open_ports(xpm_runner *runner);
void xpm_runner_close_ports(xpm_runner *runner);
/* The port of a candidate, opened if need be. */
int xpm_runner_open_port(xpm_runner *runner, size_t candidate, uint8_t *port);
/* attach.c: a scheduler has JOB, as its status says. false when that scheduler is none of ours. */
bool xpm_runner_attach(xpm_runner *runner, size_t job, const xpm_probe *found);
/* `submit_all`: what a scheduler has of jobs that follow one which is to be submitted now is ended by it, since they
 * follow an attempt that has failed: they are submitted anew. */
int xpm_runner_detach_followers(xpm_runner *runner);
/* JOB was to be submitted, and another engine has given it to a scheduler meanwhile: that is waited for, once. false:
 * it is to be submitted. */
bool xpm_runner_adopt(xpm_runner *runner, size_t job);
/* Ask the schedulers for what they have of ours. */
int xpm_runner_reattach(xpm_runner *runner);
/* They have been asked, or are not going to be. */
void xpm_runner_forget_attached(xpm_runner *runner);
void xpm_runner_close_attached(xpm_runner *runner);
/* A scheduler has JOB no more. */
void xpm_runner_left(xpm_runner *runner, size_t job, const xpm_job_end *end, bool began);
/* How JOB's attempt failed, which its directory says, and its scheduler may know better: then it says that. */
enum xpm_failure xpm_runner_judge(xpm_runner *runner, size_t job, enum xpm_failure recorded);
/* Jobs that go on without us. */
size_t xpm_runner_lasting(const xpm_runner *runner);
/* Is JOB, which a scheduler has, the affair of another experiment's engine, which waits for it, too? EXPERIMENT is the
 * last one that was asked for, and *GOES_ON what was found of it; begin with "". */
bool xpm_runner_is_anothers(const xpm_runner *runner, size_t job, char experiment[256], bool *goes_on);

/* unattended.c, for `submit_all`: jobs follow as soon as what they depend on is with a scheduler, which keeps the
 * order.
 */
int xpm_runner_open_unattended(xpm_runner *runner);
void xpm_runner_close_unattended(xpm_runner *runner);
/* Can all that is to run do without an engine? XPM_EUSAGE, naming what cannot; nothing is written. */
int xpm_unattended_check(xpm_experiment *experiment, xpm_error *err);
/* A scheduler has JOB under the name HANDLE. */
void xpm_runner_accepted(xpm_runner *runner, size_t job, const char *handle);
/* The handles of what JOB depends on and is not done, NULL-terminated, in ARENA; NULL: none, or no memory. */
const char *const *xpm_runner_after(const xpm_runner *runner, size_t job, xpm_arena *arena);

/* advance.c: EVENT happens to JOB; the table decides, counts and files follow, dependents are freed or barred. END (may
 * be NULL) is for DONE and FAILED. */
void xpm_runner_advance(xpm_runner *runner, size_t job, enum xpm_job_event event, const xpm_job_end *end);
/* JOB is done, or as good as done: what depends on it may follow, once. */
void xpm_runner_free_dependents(xpm_runner *runner, size_t job);
/* All that depends on FAILED, directly or not, fails for want of it. */
void xpm_runner_bar_dependents(xpm_runner *runner, size_t failed);
/* How many jobs stand where, now. */
xpm_counts xpm_runner_counts(const xpm_runner *runner);
/* retry.c: JOB ended without success. Whether it has another try, which is then counted. */
bool xpm_runner_retries(xpm_runner *runner, size_t job, const xpm_job_end *end);
/* How much more than asked for JOB gets at its next try. */
double xpm_runner_memory_scale(const xpm_runner *runner, size_t job);
double xpm_runner_duration_scale(const xpm_runner *runner, size_t job);
/* Where each job stands before anything is started, from what its directory says. */
int xpm_runner_survey(xpm_runner *runner);
/* JOB's worker is gone: what its directory says counts, else it is run again, or has failed. */
void xpm_runner_lost(xpm_runner *runner, size_t job, const xpm_job_end *end);
/* Look at a job that somebody else ran or runs. */
void xpm_runner_look(xpm_runner *runner, size_t job);
/* The files of a job that failed before it could reach a launcher, or was lost for good: barred.c. */
int xpm_runner_record_barred(xpm_runner *runner, size_t index, enum xpm_failure failure, const char *message,
                             xpm_error *err);
/* The same for one that a scheduler had under the name HANDLE, if its directory still says so: it ended before it
 * began. */
int xpm_runner_record_unbegun(xpm_runner *runner, size_t index, const char *handle, const xpm_job_end *end,
                              xpm_error *err);
/* A job that failed, as was recorded, failed for the reason FAILURE. Left to whoever holds it now. */
int xpm_runner_record_verdict(xpm_runner *runner, size_t index, enum xpm_failure failure, xpm_error *err);
/* JOB can never run: it fails, and what depends on it. */
void xpm_runner_refuse(xpm_runner *runner, size_t job);
/* Free and bar the dependents of jobs that the survey found done or kept failed; queue what is ready. */
void xpm_runner_release_jobs(xpm_runner *runner);

#endif
