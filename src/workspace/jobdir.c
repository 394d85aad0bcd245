/* Invariants: what stands in .experimaestro/status.json and in the markers is whole at every instant; a marker is only
 * made when a status that says the same has been committed; an attempt that begins first replaces the status of the one
 * before, so that at no instant a committed status of yesterday stands without its marker.
 *
 * Whoever takes a job over from a silent worker holds the lock of that worker's heartbeat meanwhile, which the worker
 * itself never takes, so that no dead host can keep it. Under it SCRIPT.lock is renamed to a name with the attempt's
 * nonce. That happens once for each attempt: a lock that stands in its place belongs to whoever came first.
 *
 * An empty file comes into being in one step, so SCRIPT.done is created where it stands; what has content is renamed to
 * its place. */
#include "workspace/jobdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "workspace/heartbeat.h"

enum { REMOVALS = 16 }; /* so often a directory may be removed before our eyes */

static const char status_name[] = ".experimaestro/status.json", kill_name[] = ".experimaestro/kill";

static int fail(const xpm_jobdir *job, const char *verb, const char *name, xpm_error *err)
{
        return xpm_fail_errno(err, "cannot %s '%s/%s'", verb, job->path, name);
}

/* Functions of base/ know names within the directory only. */
static int locate(const xpm_jobdir *job, int rc, const xpm_error *inner, xpm_error *err)
{
        return rc == 0 ? 0 : xpm_fail(err, rc, "%s (in '%s')", inner->message, job->path);
}

void xpm_jobdir_file(const xpm_jobdir *job, const char *suffix, xpm_jobdir_name name)
{
        size_t length = strlen(job->script), room = sizeof(xpm_jobdir_name) - 1;
        size_t tail = strlen(suffix);
        if (length + 1 + tail > room)
                length = tail + 1 < room ? room - tail - 1 : 0;
        memcpy(name, job->script, length);
        name[length] = '.';
        memcpy(name + length + 1, suffix, tail + 1);
}

static int make_directory(xpm_jobdir *job, xpm_error *err)
{
        job->fresh = mkdir(job->path, job->directory_mode) == 0;
        if (!job->fresh && errno == ENOENT) { /* the first of its task */
                char *task = strndup(job->path, (size_t)(strrchr(job->path, '/') - job->path));
                int rc = task ? xpm_mkdir_p(AT_FDCWD, task, job->directory_mode, err) : xpm_fail_memory(err);
                free(task);
                if (rc != 0)
                        return rc;
                job->fresh = mkdir(job->path, job->directory_mode) == 0;
        }
        return job->fresh || errno == EEXIST ? 0 : xpm_fail_errno(err, "cannot make '%s'", job->path);
}

/* The directory that we have open is the one that others find. */
static bool is_in_place(const xpm_jobdir *job)
{
        struct stat ours, there;
        return fstat(job->dir, &ours) == 0 && stat(job->path, &there) == 0 && ours.st_dev == there.st_dev &&
               ours.st_ino == there.st_ino;
}

static int open_directory(xpm_jobdir *job, xpm_error *err)
{
        struct stat st;
        int rc = job->create ? make_directory(job, err) : 0;
        if (rc != 0)
                return rc;
        job->dir = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (job->dir >= 0)
                return 0;
        if (errno != ENOENT)
                return xpm_fail_errno(err, "cannot open '%s'", job->path);
        if (lstat(job->path, &st) == 0 && S_ISLNK(st.st_mode))
                return xpm_fail(err, XPM_ENOTFOUND, "the job directory '%s' is a link that leads nowhere", job->path);
        return xpm_fail(err, XPM_ENOTFOUND, "there is no job directory '%s'", job->path);
}

int xpm_jobdir_open(xpm_jobdir *job, bool create, xpm_error *err)
{
        job->create = create;
        for (int i = 0; i < REMOVALS; i++) {
                int rc = open_directory(job, err);
                if (rc != 0)
                        return rc;
                if (mkdirat(job->dir, ".experimaestro", job->directory_mode) == 0 || errno == EEXIST)
                        return 0;
                if (errno != ENOENT)
                        break;
                close(job->dir);
                job->dir = -1;
        }
        return fail(job, "make", ".experimaestro", err);
}

void xpm_jobdir_release(xpm_jobdir *job)
{
        xpm_lock_release(job->lock);
        if (job->dir >= 0)
                close(job->dir);
        job->dir = job->lock = -1;
        job->fresh = false;
        job->buried[0] = '\0';
}

static int take_lock(xpm_jobdir *job, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_jobdir_name name;
        xpm_jobdir_file(job, "lock", name);
        for (int i = 0; i < REMOVALS; i++) {
                inner = XPM_ERROR_NONE;
                int rc = xpm_lock_take(job->dir, name, job->file_mode, false, &job->lock, &inner);
                if (rc == XPM_ELOCKED || is_in_place(job))
                        return locate(job, rc, &inner, err);
                xpm_jobdir_release(job);
                rc = xpm_jobdir_open(job, job->create, err);
                if (rc != 0)
                        return rc;
        }
        return xpm_fail(err, XPM_EIO, "cannot lock '%s': somebody removes it all the time", job->path);
}

static void let_go(xpm_jobdir *job)
{
        xpm_lock_release(job->lock);
        job->lock = -1;
}

/* Three components above the directory, by name: the directory itself may be a link. */
static int open_workspace(const xpm_jobdir *job)
{
        const char *end = job->path + strlen(job->path);
        for (int i = 0; i < 3 && end; i++)
                end = memrchr(job->path, '/', (size_t)(end - job->path));
        char *path = end && end > job->path ? strndup(job->path, (size_t)(end - job->path)) : NULL;
        int dir = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        free(path);
        return dir;
}

/* Where the lock of the attempt NONCE goes. */
static void name_aside(const xpm_jobdir *job, const char *nonce, xpm_jobdir_name name)
{
        char suffix[sizeof "lock." + XPM_NONCE_SIZE];
        snprintf(suffix, sizeof suffix, "lock.%s", nonce);
        xpm_jobdir_file(job, suffix, name);
}

/* Under the lock of the heartbeat, so what is seen now stays. */
static int put_aside(xpm_jobdir *job, int workspace, const char *nonce, xpm_error *err)
{
        xpm_jobdir_name name, aside;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        bool silent = xpm_job_past_read(job->dir, &past, NULL) == 0 && strcmp(past.nonce, nonce) == 0 &&
                      xpm_heartbeat_life(workspace, &past) == XPM_LIFE_SILENT;
        xpm_job_past_release(&past);
        if (!silent)
                return xpm_fail(err, XPM_ELOCKED, "'%s' has just been taken over by another process", job->path);
        xpm_jobdir_file(job, "lock", name);
        name_aside(job, nonce, aside);
        snprintf(job->buried, sizeof job->buried, "%s", nonce);
        if (faccessat(job->dir, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        return renameat(job->dir, name, job->dir, aside) == 0 ? 0 : fail(job, "rename", name, err);
}

/* The worker of the attempt that PAST tells about is silent. */
static int bury(xpm_jobdir *job, int workspace, const xpm_job_past *past, xpm_error *err)
{
        int heartbeat = -1;
        let_go(job);
        *err = XPM_ERROR_NONE;
        int rc = xpm_lock_take(workspace, past->heartbeat, job->file_mode, false, &heartbeat, err);
        if (rc == 0)
                rc = put_aside(job, workspace, past->nonce, err);
        if (rc == 0)
                rc = take_lock(job, err);
        xpm_lock_release(heartbeat);
        return rc;
}

static int heed_heartbeat(xpm_jobdir *job, const xpm_job_past *past, int rc, xpm_error *err)
{
        int workspace = past->heartbeat[0] ? open_workspace(job) : -1;
        if (workspace < 0)
                return rc;
        enum xpm_life life = xpm_heartbeat_life(workspace, past);
        /* What is held on this host is held by somebody who lives, if only in part. What is free here may be taken over
         * from elsewhere at this moment. */
        bool here = xpm_is_this_host(past->host, past->boot);
        if (life == XPM_LIFE_SILENT && (rc == 0 || !here))
                rc = bury(job, workspace, past, err);
        else if (life == XPM_LIFE_BEATS && rc == 0 && !here) {
                let_go(job);
                rc = xpm_fail(err, XPM_ELOCKED, "'%s' is run by a worker on %s, which gives signs of life ('%s')",
                              job->path, past->host, past->heartbeat);
        }
        close(workspace);
        return rc;
}

int xpm_jobdir_lock(xpm_jobdir *job, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = take_lock(job, &inner);
        if (job->fresh || (rc != 0 && rc != XPM_ELOCKED))
                return rc == 0 ? 0 : xpm_fail(err, rc, "%s", inner.message);
        xpm_error unread = XPM_ERROR_NONE;
        int read = xpm_job_past_read(job->dir, &past, &unread);
        if (read == 0)
                rc = heed_heartbeat(job, &past, rc, &inner);
        else if (rc == 0) {
                let_go(job);
                rc = locate(job, read, &unread, &inner);
        }
        xpm_job_past_release(&past);
        return rc == 0 ? 0 : xpm_fail(err, rc, "%s", inner.message);
}

/* Make the directories of NAME. */
static int make_parents(const xpm_jobdir *job, const char *name, xpm_error *err)
{
        const char *slash = strrchr(name, '/');
        if (!slash)
                return 0;
        char *parents = strndup(name, (size_t)(slash - name));
        if (!parents)
                return xpm_fail_memory(err);
        int rc = xpm_mkdir_p(job->dir, parents, job->directory_mode, err);
        free(parents);
        return rc;
}

/* An attempt may have left a file where NAME needs a directory, or a directory in the place of NAME. */
static bool clear_way(const xpm_jobdir *job, const char *name)
{
        struct stat st;
        char *part = strdup(name);
        bool cleared = false;
        for (char *at = part; at && (at = strchr(at, '/')) && !cleared; *at++ = '/') {
                *at = '\0';
                bool directory = fstatat(job->dir, part, &st, 0) == 0 && S_ISDIR(st.st_mode);
                cleared = !directory && unlinkat(job->dir, part, 0) == 0;
        }
        free(part);
        if (!cleared && fstatat(job->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
                cleared = xpm_remove_tree(job->dir, name, NULL) == 0;
        return cleared;
}

static bool is_the_same(const xpm_jobdir *job, const char *name, const void *data, size_t length)
{
        struct stat st;
        xpm_text old = XPM_TEXT_INIT;
        /* A file of another user could change after this. */
        bool same = fstatat(job->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                    st.st_uid == geteuid() && (size_t)st.st_size == length &&
                    xpm_file_read(job->dir, name, length, &old, NULL) == 0 && old.length == length &&
                    memcmp(xpm_text_string(&old), data, length) == 0;
        xpm_text_release(&old);
        return same;
}

static int write_content(const xpm_jobdir *job, const char *name, const void *data, size_t length, xpm_error *err)
{
        int rc = make_parents(job, name, err);
        if (rc == 0 && job->fresh)
                return xpm_file_write(job->dir, name, data, length, job->file_mode, err);
        if (rc == 0 && !is_the_same(job, name, data, length))
                rc = xpm_file_replace(job->dir, name, data, length, job->file_mode, err);
        return rc;
}

int xpm_jobdir_content(const xpm_jobdir *job, const char *name, const void *data, size_t length, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE, again = XPM_ERROR_NONE;
        int rc = write_content(job, name, data, length, &inner);
        if (rc == 0 || job->fresh || !clear_way(job, name))
                return locate(job, rc, &inner, err);
        return locate(job, write_content(job, name, data, length, &again), &again, err);
}

static int exists(const xpm_jobdir *job, const char *suffix, xpm_error *err)
{
        xpm_jobdir_name name;
        xpm_jobdir_file(job, suffix, name);
        if (faccessat(job->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return errno == ENOENT ? 0 : fail(job, "look for", name, err);
}

static int unlink_file(const xpm_jobdir *job, const char *suffix, xpm_error *err)
{
        xpm_jobdir_name name;
        xpm_jobdir_file(job, suffix, name);
        if (unlinkat(job->dir, name, 0) != 0 && errno != ENOENT)
                return fail(job, "remove", name, err);
        return 0;
}

static int make_done(const xpm_jobdir *job, xpm_error *err)
{
        xpm_jobdir_name name;
        xpm_jobdir_file(job, "done", name);
        int fd = openat(job->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, job->file_mode);
        if (fd < 0)
                return fail(job, "create", name, err);
        close(fd);
        return 0;
}

static int replace(const xpm_jobdir *job, const char *name, const xpm_text *text, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        if (text->failed)
                return xpm_fail_memory(err);
        return locate(job, xpm_file_replace(job->dir, name, text->data, text->length, job->file_mode, &inner), &inner,
                      err);
}

static int make_failed(const xpm_jobdir *job, enum xpm_failure failure, int code, const char *message, xpm_error *err)
{
        xpm_jobdir_name name;
        xpm_text text = XPM_TEXT_INIT;
        xpm_jobdir_file(job, "failed", name);
        xpm_job_failed_json(failure, code, message, &text);
        int rc = replace(job, name, &text, err);
        xpm_text_release(&text);
        return rc;
}

static int put_status(const xpm_jobdir *job, const xpm_job_status *status, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text_reserve(&text, 2048);
        xpm_job_status_json(status, &text);
        int rc = replace(job, status_name, &text, &inner);
        /* The command may have removed all that it found. */
        if (rc != 0 && mkdirat(job->dir, ".experimaestro", job->directory_mode) == 0)
                rc = replace(job, status_name, &text, err);
        else if (rc != 0)
                rc = xpm_fail(err, rc, "%s", inner.message);
        xpm_text_release(&text);
        return rc;
}

int xpm_jobdir_past(const xpm_jobdir *job, xpm_job_past *past, xpm_error *err)
{
        int done = exists(job, "done", err);
        if (done < 0)
                return done;
        if (job->fresh && !done && faccessat(job->dir, status_name, F_OK, 0) != 0)
                return 0;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = locate(job, xpm_job_past_read(job->dir, past, &inner), &inner, err);
        int failed = rc == 0 ? exists(job, "failed", err) : rc;
        if (failed < 0)
                return failed;
        if (past->state == XPM_JOB_DONE && !done)
                return make_done(job, err);
        if (past->state == XPM_JOB_ERROR && !failed && !done)
                return make_failed(job, past->failure, past->code, past->message, err);
        /* Of two markers the committed status decides; a marker beats a status that is no end. */
        if (done && !(failed && past->state == XPM_JOB_ERROR))
                past->state = XPM_JOB_DONE;
        else if (failed && past->state != XPM_JOB_ERROR) {
                past->state = XPM_JOB_ERROR;
                past->failure = XPM_FAILURE_FAILED;
        }
        return 0;
}

bool xpm_jobdir_has_begun(const xpm_jobdir *job)
{
        xpm_jobdir_name name;
        xpm_jobdir_file(job, "out", name);
        return faccessat(job->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_committed_done(const xpm_jobdir *job)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        bool done = xpm_job_past_read(job->dir, &past, NULL) == 0 && past.state == XPM_JOB_DONE;
        xpm_job_past_release(&past);
        return done;
}

/* Either marker alone is believed by its name, both send whoever looks to the lock; and when nobody has that,
 * SCRIPT.done wins, unless a failure was committed. People clean when a disk is full: a second name for a file needs
 * the least room, and where there is not even that, the marker goes of which the status tells. */
int xpm_jobdir_doubt(const xpm_jobdir *job, xpm_error *err)
{
        xpm_jobdir_name done, failed;
        xpm_jobdir_file(job, "done", done);
        xpm_jobdir_file(job, "failed", failed);
        if (linkat(job->dir, done, job->dir, failed, 0) == 0 || errno == EEXIST || errno == ENOENT)
                return 0;
        int fd = openat(job->dir, failed, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, job->file_mode);
        if (fd < 0 && is_committed_done(job))
                return unlink_file(job, "done", err);
        if (fd < 0)
                return fail(job, "create", failed, err);
        close(fd);
        return 0;
}

int xpm_jobdir_trust(const xpm_jobdir *job, xpm_error *err)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        int rc = xpm_jobdir_past(job, &past, err);
        if (rc == 0 && past.state == XPM_JOB_DONE)
                rc = unlink_file(job, "failed", err);
        xpm_job_past_release(&past);
        return rc;
}

static int remove_outputs(const xpm_jobdir *job, const char *const *outputs, size_t count, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = xpm_remove_tree(job->dir, outputs[i], &inner);
        return locate(job, rc, &inner, err);
}

/* The status of another attempt stands: nobody looks for this name any more. */
static int remove_buried(const xpm_jobdir *job, xpm_error *err)
{
        xpm_jobdir_name name;
        name_aside(job, job->buried, name);
        return unlinkat(job->dir, name, 0) == 0 || errno == ENOENT ? 0 : fail(job, "remove", name, err);
}

int xpm_jobdir_begin(const xpm_jobdir *job, const xpm_job_status *status, const char *const *outputs,
                     size_t output_count, xpm_error *err)
{
        int rc = 0;
        if (faccessat(job->dir, status_name, F_OK, 0) == 0 || xpm_jobdir_has_begun(job))
                rc = put_status(job, status, err);
        if (rc == 0 && job->buried[0])
                rc = remove_buried(job, err);
        if (rc == 0)
                rc = unlink_file(job, "failed", err);
        if (rc == 0)
                rc = unlink_file(job, "done", err);
        if (rc == 0)
                rc = unlink_file(job, "pid", err); /* of one that was lost */
        if (rc == 0 && unlinkat(job->dir, kill_name, 0) != 0 && errno != ENOENT)
                rc = fail(job, "remove", kill_name, err);
        if (rc == 0)
                rc = remove_outputs(job, outputs, output_count, err);
        return rc;
}

int xpm_jobdir_schedule(const xpm_jobdir *job, const xpm_job_status *status, xpm_error *err)
{
        return put_status(job, status, err);
}

uint32_t xpm_jobdir_lost_attempt(xpm_jobdir *job)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        uint32_t last = 0;
        bool known = xpm_jobdir_open(job, false, NULL) == 0 && xpm_job_past_read(job->dir, &past, NULL) == 0;
        bool ended = past.state == XPM_JOB_DONE || past.state == XPM_JOB_SCHEDULED ||
                     (past.state == XPM_JOB_ERROR && past.failure != XPM_FAILURE_LOST);
        if (known && !ended)
                last = past.attempt ? past.attempt : xpm_jobdir_has_begun(job);
        xpm_job_past_release(&past);
        xpm_jobdir_release(job);
        return last;
}

bool xpm_jobdir_is_to_be_killed(const xpm_jobdir *job)
{
        return faccessat(job->dir, kill_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool xpm_jobdir_is_gone(const xpm_jobdir *job)
{
        struct stat st;
        return job->dir >= 0 && fstat(job->dir, &st) == 0 && st.st_nlink == 0;
}

bool xpm_jobdir_is_ours(const xpm_jobdir *job, const char *nonce)
{
        xpm_jobdir_name name;
        struct stat held, there;
        xpm_job_past past = XPM_JOB_PAST_INIT;
        xpm_jobdir_file(job, "lock", name);
        bool same = fstat(job->lock, &held) == 0 && fstatat(job->dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                    held.st_dev == there.st_dev && held.st_ino == there.st_ino;
        if (same && xpm_job_past_read(job->dir, &past, NULL) == 0)
                same = !past.nonce[0] || strcmp(past.nonce, nonce) == 0;
        xpm_job_past_release(&past);
        return same;
}

/* Room in a name for the number of an earlier log. */
static void numbered(const char *name, uint32_t number, xpm_jobdir_name out)
{
        snprintf(out, sizeof(xpm_jobdir_name), "%.*s.%u", (int)sizeof(xpm_jobdir_name) - 12, name, number);
}

static int rotate(const xpm_jobdir *job, const xpm_jobdir_name names[2], uint32_t number, xpm_error *err)
{
        xpm_jobdir_name out, errors;
        if (number == 0)
                number = 1;
        do {
                numbered(names[0], number, out);
                numbered(names[1], number, errors);
                number++;
        } while (faccessat(job->dir, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
                 faccessat(job->dir, errors, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
        if (renameat(job->dir, names[0], job->dir, out) != 0 && errno != ENOENT)
                return fail(job, "rename", names[0], err);
        if (renameat(job->dir, names[1], job->dir, errors) != 0 && errno != ENOENT)
                return fail(job, "rename", names[1], err);
        return 0;
}

int xpm_jobdir_logs(const xpm_jobdir *job, uint32_t last, int logs[2], xpm_error *err)
{
        xpm_jobdir_name names[2];
        xpm_jobdir_file(job, "out", names[0]);
        xpm_jobdir_file(job, "err", names[1]);
        if (!job->fresh && (faccessat(job->dir, names[0], F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
                            faccessat(job->dir, names[1], F_OK, AT_SYMLINK_NOFOLLOW) == 0)) {
                int rc = rotate(job, (const xpm_jobdir_name *)names, last, err);
                if (rc != 0)
                        return rc;
        }
        /* Appending keeps the lines of processes that open the log again behind those that are there. */
        for (int i = 0; i < 2; i++) {
                logs[i] = openat(job->dir, names[i], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                                 job->file_mode);
                if (logs[i] < 0) {
                        int rc = fail(job, "create", names[i], err);
                        if (i == 1)
                                close(logs[0]);
                        logs[0] = logs[1] = -1;
                        return rc;
                }
        }
        return 0;
}

int xpm_jobdir_announce(const xpm_jobdir *job, const xpm_job_status *status, xpm_error *err)
{
        xpm_jobdir_name name;
        xpm_text text = XPM_TEXT_INIT;
        int rc = put_status(job, status, err);
        xpm_jobdir_file(job, "pid", name);
        xpm_job_process_json(status->process, &text);
        if (rc == 0)
                rc = replace(job, name, &text, err);
        xpm_text_clear(&text);
        xpm_text_printf(&text, "attempt %u", status->attempt);
        xpm_lock_sign(job->lock, xpm_text_string(&text));
        xpm_text_release(&text);
        return rc;
}

int xpm_jobdir_commit(const xpm_jobdir *job, const xpm_job_status *status, bool announced, xpm_error *err)
{
        int rc = put_status(job, status, err);
        if (rc != 0)
                return rc;
        if (status->state == XPM_JOB_DONE)
                rc = make_done(job, err);
        else
                rc = make_failed(job, status->failure, status->code, status->message, err);
        if (rc == 0 && announced)
                rc = unlink_file(job, "pid", err);
        /* One that lasts may have been taken for dead by a list of the reference. */
        if (rc == 0 && announced && status->state == XPM_JOB_DONE)
                rc = unlink_file(job, "failed", err);
        return rc;
}
