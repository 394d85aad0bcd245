/* What a job's directory says, for those who do not hold its lock. Nothing of it is written.
 *
 * Cheapest first: SCRIPT.done without SCRIPT.failed is believed by its name alone, so that a hundred thousand finished
 * jobs are soon looked through. Else the directory is opened, which on NFS makes new files in it visible, and looked
 * at: when somebody holds the lock, the job runs, whatever else stands there (a SCRIPT.failed of that time is not the
 * holder's word); else a committed status decides; else the markers. The status is read after the lock was seen free,
 * since it is committed before the lock is let go: a job that ends meanwhile is not missed.
 *
 * Where the lock is free, a worker on another host may still give signs of life: then the job runs, too.
 *
 * A job of the reference implementation may run while its lock is free; its SCRIPT.pid then says so. */
#include "workspace/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "workspace/folder.h"
#include "workspace/heartbeat.h"
#include "workspace/status.h"

enum { STATUS_LIMIT = 16 << 20, MARKER_LIMIT = 64 << 10, NAME_SIZE = NAME_MAX + 1, PATH_SIZE = 2 * NAME_SIZE + 8 };

typedef struct place {
        int workspace, dir; /* the job's directory, open */
        const char *task_id, *script, *job_id;
        xpm_probe *out;
        xpm_error *err;
} place;

static bool file_name(const place *at, const char *suffix, char name[NAME_SIZE])
{
        return snprintf(name, NAME_SIZE, "%s.%s", at->script, suffix) < NAME_SIZE;
}

static int fail(const place *at, const char *name)
{
        return xpm_fail_errno(at->err, "cannot look at 'jobs/%s/%s/%s'", at->task_id, at->job_id, name);
}

static int exists(const place *at, const char *suffix)
{
        char name[NAME_SIZE];
        if (!file_name(at, suffix, name))
                return 0;
        if (faccessat(at->dir, name, F_OK, 0) == 0)
                return 1;
        return errno == ENOENT ? 0 : fail(at, name);
}

static int is_locked(const place *at)
{
        char name[NAME_SIZE];
        if (!file_name(at, "lock", name))
                return 0;
        xpm_error inner = XPM_ERROR_NONE;
        int held = xpm_lock_is_held(at->dir, name, &inner);
        if (held < 0)
                return xpm_fail(at->err, held, "%s (in 'jobs/%s/%s')", inner.message, at->task_id, at->job_id);
        return held;
}

/* A JSON file of the directory, NULL where there is none that can be read as JSON. */
static json_t *load(const place *at, const char *name, size_t limit)
{
        xpm_text text = XPM_TEXT_INIT;
        json_t *json = NULL;
        if (xpm_file_read(at->dir, name, limit, &text, NULL) == 0)
                json = json_loadb(xpm_text_string(&text), text.length, JSON_DECODE_ANY, NULL);
        xpm_text_release(&text);
        return json;
}

static const char *member(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

static void set_error(const place *at, enum xpm_failure failure, int code, const char *message)
{
        at->out->state = XPM_JOB_ERROR;
        at->out->failure = failure;
        at->out->code = code;
        snprintf(at->out->message, sizeof at->out->message, "%s", message ? message : "");
}

/* Our word and the reference's are written together; where they disagree another program wrote the latter. */
static enum xpm_failure failure_of(const json_t *object, const char *status_key)
{
        const char *reason = member(object, "reason"), *status = member(object, status_key);
        int ours = reason ? xpm_failure_parse(reason) : -1, theirs = status ? xpm_failure_parse(status) : -1;
        bool agree =
                ours > XPM_FAILURE_NONE && (!status || strcmp(xpm_failure_status((enum xpm_failure)ours), status) == 0);
        if (theirs > XPM_FAILURE_NONE && !agree)
                return (enum xpm_failure)theirs;
        return ours > XPM_FAILURE_NONE ? (enum xpm_failure)ours : XPM_FAILURE_FAILED;
}

static int integer_of(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);
        return json_is_integer(value) ? (int)json_integer_value(value) : -1;
}

/* SCRIPT.failed: an object, or as older programs wrote it, a number. */
static void read_failed(const place *at)
{
        char name[NAME_SIZE];
        json_t *json = file_name(at, "failed", name) ? load(at, name, MARKER_LIMIT) : NULL;
        if (json_is_integer(json) && json_integer_value(json) == 0)
                at->out->state = XPM_JOB_DONE;
        else if (json_is_integer(json))
                set_error(at, XPM_FAILURE_FAILED, (int)json_integer_value(json), NULL);
        else
                set_error(at, failure_of(json, "failure_status"), integer_of(json, "code"), member(json, "message"));
        json_decref(json);
}

static void read_handle(const place *at, const json_t *status)
{
        const char *handle = member(status, "handle"), *launcher = member(status, "launcher");
        if (!handle || !launcher)
                return;
        at->out->attempt = (uint32_t)integer_of(status, "attempt");
        snprintf(at->out->handle, sizeof at->out->handle, "%s", handle);
        snprintf(at->out->launcher, sizeof at->out->launcher, "%s", launcher);
}

static void read_ended(const place *at, const json_t *status)
{
        int attempt = integer_of(status, "attempt");
        at->out->ended = attempt > 0 ? (uint32_t)attempt : 0;
}

/* What status.json says, when it is committed; else whether an attempt was begun goes to *BEGUN. */
static bool read_committed(const place *at, bool *begun)
{
        json_t *status = load(at, ".experimaestro/status.json", STATUS_LIMIT);
        const char *word = member(status, "state");
        int state = word ? xpm_job_state_parse(word) : -1;
        bool committed = state == XPM_JOB_DONE || state == XPM_JOB_ERROR;
        if (state == XPM_JOB_DONE)
                at->out->state = XPM_JOB_DONE;
        else if (state == XPM_JOB_ERROR)
                set_error(at, failure_of(status, "failure_reason"), integer_of(status, "exit_code"),
                          member(status, "message"));
        if (state == XPM_JOB_ERROR)
                read_ended(at, status);
        *begun = state == XPM_JOB_RUNNING;
        if (state == XPM_JOB_SCHEDULED || state == XPM_JOB_RUNNING)
                read_handle(at, status);
        if (state == XPM_JOB_SCHEDULED && at->out->handle[0])
                at->out->state = XPM_JOB_SCHEDULED;
        json_decref(status);
        return committed;
}

/* Looked for as text, since a hundred thousand statuses may be asked for: within a JSON string the quotes would be
 * escaped. */
static void read_recipe(const xpm_workspace *workspace, const char *directory, xpm_probe *out)
{
        static const char key[] = "\"recipe\": \"";
        char path[PATH_SIZE + sizeof "/.experimaestro/status.json"];
        xpm_text text = XPM_TEXT_INIT;
        snprintf(path, sizeof path, "%s/.experimaestro/status.json", directory);
        if (xpm_file_read(workspace->dir, path, STATUS_LIMIT, &text, NULL) == 0) {
                const char *found = strstr(xpm_text_string(&text), key);
                const char *recipe = found ? found + sizeof key - 1 : "";
                size_t length = strspn(recipe, "0123456789abcdef");
                if (length == sizeof out->recipe - 1 && recipe[length] == '"')
                        memcpy(out->recipe, recipe, length);
        }
        xpm_text_release(&text);
}

/* Whether PID runs, and may be the process that a file written at WRITTEN names: after a crash of the host the number
 * is soon another's, who began later. */
static bool is_process(json_int_t pid, time_t written)
{
        enum { DOUBT = 60 /* seconds between the clocks of two hosts */ };
        char name[32], text[1024] = "", state;
        unsigned long long start;
        struct timespec boot;
        if (pid <= 0 || pid > INT_MAX || (kill((pid_t)pid, 0) != 0 && errno != EPERM))
                return false;
        snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        const char *at = length > 0 ? strrchr(text, ')') : NULL;
        long ticks = sysconf(_SC_CLK_TCK);
        if (!at ||
            sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                   &start) != 2 ||
            ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
                return true;
        time_t age = boot.tv_sec - (time_t)(start / (unsigned long long)ticks);
        return state != 'Z' && state != 'X' && time(NULL) - age <= written + DOUBT;
}

/* The process of SCRIPT.pid is there: on this host, that is; one of a scheduler, or on a host that is named and not
 * this one, is taken at its word. */
static bool has_process(const place *at)
{
        char name[NAME_SIZE], host[256] = "";
        json_t *json = file_name(at, "pid", name) ? load(at, name, MARKER_LIMIT) : NULL;
        const char *type = member(json, "type"), *where = member(json, "host");
        json_int_t pid = json_integer_value(json_object_get(json, "pid"));
        gethostname(host, sizeof host - 1);
        struct stat st;
        bool alive = json_is_object(json) && fstatat(at->dir, name, &st, 0) == 0;
        if (alive && (!type || strcmp(type, "local") == 0) && (!where || strcmp(where, host) == 0))
                alive = is_process(pid, st.st_mtime);
        json_decref(json);
        return alive;
}

/* A scheduler may have it; and its holder may not have begun. */
static void read_running(const place *at)
{
        json_t *status = load(at, ".experimaestro/status.json", STATUS_LIMIT);
        const char *word = member(status, "state");
        int state = word ? xpm_job_state_parse(word) : -1;
        if (state == XPM_JOB_DONE || state == XPM_JOB_ERROR)
                read_ended(at, status);
        read_handle(at, status);
        json_decref(status);
}

/* No marker, or SCRIPT.failed. */
static int look_closer(const place *at, int done, int failed)
{
        int locked = is_locked(at);
        if (locked < 0)
                return locked;
        bool begun;
        if (locked) {
                read_running(at);
                at->out->state = XPM_JOB_RUNNING;
        } else if (read_committed(at, &begun))
                at->out->unmarked = at->out->state == XPM_JOB_DONE && !done;
        else if (done)
                at->out->state = XPM_JOB_DONE;
        else if (begun && xpm_heartbeat_of_job(at->workspace, at->dir) == XPM_LIFE_BEATS)
                at->out->state = XPM_JOB_RUNNING;
        else if (failed)
                read_failed(at);
        else if (exists(at, "py") > 0 && has_process(at))
                at->out->state = XPM_JOB_RUNNING;
        else if (begun)
                at->out->failure = XPM_FAILURE_LOST;
        return 0;
}

static int look(const place *at)
{
        int done = exists(at, "done");
        int failed = done < 0 ? done : exists(at, "failed");
        if (failed < 0)
                return failed;
        if (!done || failed)
                return look_closer(at, done, failed);
        at->out->state = XPM_JOB_DONE;
        return 0;
}

/* DIRECTORY has SCRIPT.done and no SCRIPT.failed. */
static bool is_plainly_done(const xpm_workspace *workspace, const char *directory, const char *script)
{
        char done[PATH_SIZE + NAME_SIZE], failed[PATH_SIZE + NAME_SIZE];
        snprintf(done, sizeof done, "%s/%s.done", directory, script);
        snprintf(failed, sizeof failed, "%s/%s.failed", directory, script);
        return faccessat(workspace->dir, done, F_OK, 0) == 0 && faccessat(workspace->dir, failed, F_OK, 0) != 0;
}

static int look_elsewhere(const xpm_workspace *workspace, const char *task_id, const char *script, const char *job_id,
                          xpm_probe *out)
{
        if (xpm_folder_find(workspace, task_id, script, job_id))
                out->state = XPM_JOB_DONE;
        return 0;
}

int xpm_probe_job(const xpm_workspace *workspace, const char *task_id, const char *script, const char *job_id,
                  bool want_recipe, xpm_probe *out, xpm_error *err)
{
        char path[PATH_SIZE];
        *out = (xpm_probe){.state = XPM_JOB_UNSCHEDULED, .code = -1};
        if (workspace->dir < 0)
                return look_elsewhere(workspace, task_id, script, job_id, out);
        if (snprintf(path, sizeof path, "jobs/%s/%s", task_id, job_id) >= PATH_SIZE)
                return xpm_fail(err, XPM_EIO, "cannot look at 'jobs/%s/%s': the name is too long", task_id, job_id);
        int rc = 0;
        if (is_plainly_done(workspace, path, script)) {
                out->state = XPM_JOB_DONE;
        } else {
                place at = {.workspace = workspace->dir,
                            .task_id = task_id,
                            .script = script,
                            .job_id = job_id,
                            .out = out,
                            .err = err};
                at.dir = openat(workspace->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (at.dir < 0 && errno == ENOENT)
                        return look_elsewhere(workspace, task_id, script, job_id, out);
                if (at.dir < 0)
                        return xpm_fail_errno(err, "cannot open '%s/%s'", workspace->path, path);
                rc = look(&at);
                close(at.dir);
        }
        if (want_recipe && out->state == XPM_JOB_DONE)
                read_recipe(workspace, path, out);
        return rc;
}

bool xpm_probe_is_silent(const xpm_workspace *workspace, const char *task_id, const char *job_id)
{
        char path[PATH_SIZE];
        if (snprintf(path, sizeof path, "jobs/%s/%s", task_id, job_id) >= PATH_SIZE)
                return false;
        int dir = openat(workspace->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return false;
        bool silent = xpm_heartbeat_of_job(workspace->dir, dir) == XPM_LIFE_SILENT;
        close(dir);
        return silent;
}
