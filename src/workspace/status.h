/* status.h: status.json of a job (docs/reference/workspace.md, "status.json")
 *
 * Written under SCRIPT.lock only, by rename. A final one (done or error) commits an attempt: the marker follows it, and
 * whoever finds one without its marker makes the marker.
 */
#ifndef XPM_WORKSPACE_STATUS_H
#define XPM_WORKSPACE_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "experimaestro/error.h"
#include "experimaestro/state.h"

enum { XPM_ISO_TIME_SIZE = 27 };

/* `2026-11-23T22:19:30.123456`: local time, of MICROSECONDS since the epoch. */
void xpm_iso_time(int64_t microseconds, char text[XPM_ISO_TIME_SIZE]);
/* CLOCK_REALTIME in microseconds. */
int64_t xpm_time_now(void);

enum { XPM_NONCE_SIZE = 17, XPM_BOOT_SIZE = 37, XPM_BEAT_PATH = 512, XPM_HANDLE_SIZE = 256 };

/* boot_id of this host; "" unknown. Never NULL; read once. */
const char *xpm_boot_id(void);
/* Whether HOST with boot id BOOT is this one, and has not been started anew since. */
bool xpm_is_this_host(const char *host, const char *boot);

typedef struct xpm_job_process {
        const char *host;
        const char *boot; /* of that host, /proc/sys/kernel/random/boot_id; NULL: unknown */
        pid_t worker, command;
        uint64_t start_time, command_start; /* of the two: clock ticks since boot, as in /proc/PID/stat */
        const char *heartbeat;              /* of the worker, relative to the workspace (heartbeat.h); NULL: none */
} xpm_job_process;

typedef struct xpm_job_usage {
        double user, system, wall; /* seconds */
        int64_t max_rss;           /* bytes */
} xpm_job_usage;

/* Strings are borrowed. NULL strings are written as null. */
typedef struct xpm_job_status {
        const char *job_id, *task_id, *path;
        enum xpm_job_state state;
        enum xpm_failure failure;          /* NONE: no failure */
        const char *message;               /* of a failure */
        int code;                          /* exit status, -1: none */
        int64_t submitted, started, ended; /* microseconds since the epoch, 0: not yet */
        uint32_t attempt;                  /* from 1 */
        const char *nonce;                 /* of the attempt, 16 hexadecimal digits, or NULL */
        bool resumable;
        const char *launcher, *handle; /* under what name a scheduler has it, or NULL */
        const char *recipe, *command, *host;
        int64_t cores, gpus;
        const char *cpuset;             /* hardware threads that it got, `0-3,8`, or NULL */
        const char *devices;            /* devices that it got, or NULL */
        const char *seen;               /* hardware threads that it runs on, when those are others; else NULL */
        uint64_t memory;                /* bytes, 0: no limit */
        const xpm_job_process *process; /* while it runs, else NULL */
        const xpm_job_usage *usage;     /* at the end, else NULL */
        const char *attempts;           /* the attempts before, as JSON objects with commas between, or NULL */
} xpm_job_status;

/* Append STATUS as JSON. */
void xpm_job_status_json(const xpm_job_status *status, xpm_text *text);

/* SCRIPT.pid */
void xpm_job_process_json(const xpm_job_process *process, xpm_text *text);

/* SCRIPT.failed */
void xpm_job_failed_json(enum xpm_failure failure, int code, const char *message, xpm_text *text);

/* What the attempts before left. */
typedef struct xpm_job_past {
        enum xpm_job_state state; /* UNSCHEDULED: nothing ran */
        enum xpm_failure failure;
        int code;
        uint32_t attempt; /* the last one's number; 0: none */
        char nonce[XPM_NONCE_SIZE];
        char message[256];
        char launcher[64], handle[XPM_HANDLE_SIZE]; /* of SCHEDULED: who has it, under what name; "": nobody */
        /* Where it runs or ran, as far as it was said. */
        char host[65], boot[XPM_BOOT_SIZE];
        pid_t command; /* its session, 0: unknown */
        uint64_t command_start;
        char heartbeat[XPM_BEAT_PATH]; /* of its worker, relative to the workspace; "": none */
        xpm_text attempts; /* for xpm_job_status.attempts of the next one; one that has no end is counted as lost */
} xpm_job_past;

#define XPM_JOB_PAST_INIT ((xpm_job_past){.state = XPM_JOB_UNSCHEDULED, .code = -1})

/* Read status.json in DIR (the job's directory). One that is missing, or is not a status (another program's, half
 * written), counts as none. XPM_EIO, XPM_ENOMEM. */
int xpm_job_past_read(int dir, xpm_job_past *past, xpm_error *err);
void xpm_job_past_release(xpm_job_past *past);

#endif
