/* tokenfile.h: the files of a token: who holds it, and who waits for it
 *
 * tokens/NAME.counter/jobs and …/tickets hold one file each for a job, TASK@JOB.json. A list is what one of these
 * directories says, as it was when it was last scanned; only what changed since is read again. Part of token.c: all of
 * this happens under the token's ipc.lock.
 */
#ifndef XPM_WORKSPACE_TOKENFILE_H
#define XPM_WORKSPACE_TOKENFILE_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/text.h"
#include "workspace/workspace.h"

typedef char xpm_token_file[NAME_MAX + 1];

extern const char xpm_token_lock_name[];

/* tokens/NAME.counter. XPM_EIO when there can be no such token. */
int xpm_token_directory(const char *name, xpm_token_file directory, xpm_error *err);

/* TEXT as JSON; *JSON is NULL when it is none. false when out of memory, which must not look like a bad file. */
bool xpm_token_json(const xpm_text *text, json_t **json);

/* Where a list is, and for whom it is read. */
typedef struct xpm_token_place {
        const xpm_workspace *workspace;
        const char *experiment, *run; /* whose engine we are */
        int token;                    /* tokens/NAME.counter, open */
        const char *path;             /* of that, for messages */
} xpm_token_place;

typedef struct xpm_token_entry {
        char *name;             /* TASK@JOB.json */
        char *lock;             /* SCRIPT.lock of the job, relative to the workspace */
        char *experiment, *run; /* whose engine wrote it; NULL when the file does not tell */
        bool ours;              /* of the place's experiment and run */
        bool dead;              /* nobody stands behind it: removed, or of no account */
        int64_t count;          /* -1: the file cannot be read as one of ours */
        int64_t number;         /* a ticket's, from 1; 0: none */
        ino_t inode;            /* of the file that was read: any other is read again */
        off_t size;
        struct timespec changed;
} xpm_token_entry;

enum xpm_token_kind { XPM_TOKEN_HOLDERS, XPM_TOKEN_TICKETS };

/* Entries by name. Starts as {.kind = …}. */
typedef struct xpm_token_list {
        enum xpm_token_kind kind;
        xpm_token_entry *entries;
        size_t count, capacity;
} xpm_token_list;

/* TASK@JOB.json; a task's name is cut where a filesystem would refuse the whole. */
void xpm_token_file_name(const char *task_id, const char *job_id, xpm_token_file name);

/* Read what changed. Temporaries of engines that died are removed. A directory that is not there is empty. XPM_EIO,
 * XPM_ENOMEM, with the list empty. */
int xpm_token_list_scan(xpm_token_list *list, const xpm_token_place *at, xpm_error *err);
void xpm_token_list_release(xpm_token_list *list);

/* NULL when there is none. */
xpm_token_entry *xpm_token_list_find(const xpm_token_list *list, const char *name);

/* Write an entry of ours (NUMBER is a ticket's) and remember it, so that it need not be read. */
int xpm_token_list_put(xpm_token_list *list, const xpm_token_place *at, const char *name, const char *job_uri,
                       int64_t count, int64_t number, xpm_error *err);

/* Remove the file NAME if it is ours; with AT NULL only forget it. */
int xpm_token_list_take_back(xpm_token_list *list, const xpm_token_place *at, const char *name, xpm_error *err);

/* Does anybody stand behind it: somebody holds the lock of the experiment whose current run is the entry's, or, if it
 * is a holder, the job's. When that cannot be found out, somebody does. */
bool xpm_token_list_is_alive(const xpm_token_list *list, const xpm_token_entry *entry, const xpm_workspace *workspace);

/* Look behind all entries that are not ours; those that are dead are marked and their files removed. */
void xpm_token_list_bury(xpm_token_list *list, const xpm_token_place *at);

#endif
