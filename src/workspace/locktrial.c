/* The worker follows `current` to its run before it asks for the lock, and an engine has the lock before it makes its
 * run. So whatever a worker writes into this run was found while this engine held the lock, or after its end, when it
 * reads nothing any more. A worker that got the lock of a dead engine writes into the run of the dead.
 *
 * An engine that ends says so in environment.json before it lets go of the lock. So whoever gets the lock looks once
 * more whether the run is over; if it is not, and is a moment later, its engine was alive when the lock was given away.
 *
 * Files of other hosts show up when their directory is opened anew. */
#include "workspace/locktrial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "workspace/mount.h"

enum { ENVIRONMENT_LIMIT = 16 << 20, WORDS_LIMIT = 1024, LOOK = 100 /* milliseconds */ };

/* That a worker found the engine of the run dead. No heartbeat begins with a dot. */
static const char gone_name[] = "workers/.engine-is-gone";

typedef struct trial {
        const char *heartbeat;
        char run[XPM_BEAT_PATH], lock[XPM_BEAT_PATH]; /* relative to the workspace */
        char host[128];                               /* the engine's */
        int workspace;
} trial;

/* The heartbeat is experiments/ID/RUN/workers/HOST-PID. */
static int open_trial(trial *trial_, const char *workspace, const xpm_heartbeat *heartbeat, xpm_error *err)
{
        *trial_ = (trial){.heartbeat = xpm_heartbeat_path(heartbeat)};
        const char *end = trial_->heartbeat + strlen(trial_->heartbeat);
        for (int i = 0; i < 2; i++)
                end = memrchr(trial_->heartbeat, '/', (size_t)(end - trial_->heartbeat));
        snprintf(trial_->run, sizeof trial_->run, "%.*s", (int)(end - trial_->heartbeat), trial_->heartbeat);
        end = memrchr(trial_->heartbeat, '/', (size_t)(end - trial_->heartbeat));
        snprintf(trial_->lock, sizeof trial_->lock, "%.*s/lock", (int)(end - trial_->heartbeat), trial_->heartbeat);
        trial_->workspace = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return trial_->workspace >= 0 ? 0 : xpm_fail_errno(err, "cannot open '%s'", workspace);
}

static int open_run(const trial *trial_)
{
        return openat(trial_->workspace, trial_->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const char *member(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));
        return text ? text : "";
}

/* The run goes on, as it says, and not on this host. */
static bool goes_elsewhere(trial *trial_, int run_dir)
{
        xpm_text text = XPM_TEXT_INIT;
        json_t *json = NULL;
        if (xpm_file_read(run_dir, "environment.json", ENVIRONMENT_LIMIT, &text, NULL) == 0)
                json = json_loadb(xpm_text_string(&text), text.length, 0, NULL);
        const json_t *run = json_object_get(json, "run");
        bool goes = json_is_null(json_object_get(run, "ended_at"));
        snprintf(trial_->host, sizeof trial_->host, "%s", member(run, "hostname"));
        bool elsewhere = goes && trial_->host[0] && !xpm_is_this_host(trial_->host, member(run, "boot_id"));
        json_decref(json);
        xpm_text_release(&text);
        return elsewhere;
}

static bool is_over(trial *trial_)
{
        int run = open_run(trial_);
        bool over = run < 0 || !goes_elsewhere(trial_, run);
        if (run >= 0)
                close(run);
        return over;
}

static bool is_known_to_be_gone(const trial *trial_)
{
        int run = open_run(trial_);
        bool gone = run >= 0 && faccessat(run, gone_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        if (run >= 0)
                close(run);
        return gone;
}

static bool got_lock(const trial *trial_)
{
        return xpm_lock_is_held(trial_->workspace, trial_->lock, NULL) == 0;
}

static int tell(const trial *trial_, xpm_text *told, xpm_error *err)
{
        xpm_text mount = XPM_TEXT_INIT;
        xpm_mount_describe(trial_->workspace, &mount);
        int rc = mount.failed
                         ? xpm_fail_memory(err)
                         : xpm_file_write(trial_->workspace, trial_->heartbeat, mount.data, mount.length, 0600, err);
        xpm_text_printf(told,
                        "the lock '%s' is free, although a run on %s goes on, as it says: its engine is dead, or locks "
                        "on %s hold on one host only; waiting at most %lld s for its answer",
                        trial_->lock, trial_->host, xpm_text_string(&mount), (long long)(xpm_beat() + 999) / 1000);
        xpm_text_release(&mount);
        return rc == 0 && told->failed ? xpm_fail_memory(err) : rc;
}

int xpm_locktrial_make(const char *workspace, const xpm_heartbeat *heartbeat, xpm_text *told, xpm_error *err)
{
        trial trial_;
        int rc = open_trial(&trial_, workspace, heartbeat, err);
        if (rc != 0)
                return rc;
        if (!is_over(&trial_) && !is_known_to_be_gone(&trial_) && got_lock(&trial_) && !is_over(&trial_))
                rc = tell(&trial_, told, err);
        close(trial_.workspace);
        return rc;
}

static int64_t monotonic(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Best effort: who does not find it waits as well. */
static void remember_that_it_is_gone(const trial *trial_)
{
        int run = open_run(trial_), file = -1;
        if (run >= 0)
                file = openat(run, gone_name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file >= 0)
                close(file);
        if (run >= 0)
                close(run);
}

static int fail(const char *who, const char *mount, xpm_error *err)
{
        return xpm_fail(err, XPM_EIO,
                        "%s was given the lock of a run whose engine holds it: locks on %s exclude nobody on other "
                        "hosts, so one job could run twice at once; have it mounted with locks that hold on all hosts, "
                        "or use a workspace on another filesystem",
                        who, mount);
}

int xpm_locktrial_wait(const char *workspace, const xpm_heartbeat *heartbeat, xpm_error *err)
{
        trial trial_;
        int rc = open_trial(&trial_, workspace, heartbeat, err);
        if (rc != 0)
                return rc;
        bool over = false;
        for (int64_t end = monotonic() + xpm_beat(); !over && monotonic() < end; over = is_over(&trial_))
                poll(NULL, 0, LOOK);
        if (over) {
                xpm_text mount = XPM_TEXT_INIT;
                xpm_mount_describe(trial_.workspace, &mount);
                rc = fail("this worker", xpm_text_string(&mount), err);
                xpm_text_release(&mount);
        } else
                remember_that_it_is_gone(&trial_);
        close(trial_.workspace);
        return rc;
}

/* What a worker wrote; it is a stranger's text. */
static int read_words(int workers, const char *name, xpm_error *err)
{
        char who[300];
        xpm_text text = XPM_TEXT_INIT;
        int rc = 0;
        if (name[0] != '.' && xpm_file_read(workers, name, WORDS_LIMIT, &text, NULL) == 0 && text.length > 0) {
                for (size_t i = 0; i < text.length; i++)
                        if ((unsigned char)text.data[i] < ' ' || text.data[i] == '\177')
                                text.data[i] = '?';
                snprintf(who, sizeof who, "the worker '%s', on another host,", name);
                rc = fail(who, text.data, err);
        }
        xpm_text_release(&text);
        return rc;
}

int xpm_locktrial_judge(int run_dir, xpm_error *err)
{
        int run = openat(run_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int workers = run < 0 ? -1 : openat(run, "workers", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *stream = workers < 0 ? NULL : fdopendir(workers);
        int rc = 0;
        for (const struct dirent *entry; stream && rc == 0 && (entry = readdir(stream));)
                rc = read_words(workers, entry->d_name, err);
        if (stream)
                closedir(stream);
        else if (workers >= 0)
                close(workers);
        if (run >= 0)
                close(run);
        return rc;
}
