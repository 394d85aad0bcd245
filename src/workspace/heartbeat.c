/* What is fresh is found without writing: the difference between the server's clock and ours is measured by touching a
 * file beside the heartbeat, and remembered for as long as one beat. Nobody is called silent by what was remembered.
 *
 * A directory is opened anew for every look, and so is the heartbeat: else NFS answers from memory. */
#include "workspace/heartbeat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

enum { LEASE = 90, LONGEST_LEASE = 1 << 20, TRIES = 16, SECOND = 1000, NANO_IN_MILLI = 1000000 };

static const char workers_name[] = "workers";

struct xpm_heartbeat {
        int workers;              /* RUN/workers, open */
        char path[XPM_BEAT_PATH]; /* relative to the workspace */
        const char *name;         /* its last component */
        mode_t file_mode;
        _Atomic int64_t touched; /* CLOCK_BOOTTIME milliseconds */
        _Atomic unsigned gaps;
};

int64_t xpm_lease(void)
{
        const char *text = getenv("XPM_LEASE");
        char *end;
        long seconds = text ? strtol(text, &end, 10) : -1;
        bool valid = text && *text && !*end && seconds > 0 && seconds < LONGEST_LEASE;
        return (valid ? (int64_t)seconds : LEASE) * SECOND;
}

int64_t xpm_beat(void)
{
        return xpm_lease() * 2 / 9;
}

/* A client renews its lease somewhat before that ends, and it counts from the last time. */
int64_t xpm_doubt(void)
{
        return xpm_lease() * 2 / 3;
}

/* Goes on while the host sleeps. */
static int64_t boottime(void)
{
        struct timespec now;
        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * SECOND + now.tv_nsec / NANO_IN_MILLI;
}

static int64_t milliseconds(struct timespec time)
{
        return (int64_t)time.tv_sec * SECOND + time.tv_nsec / NANO_IN_MILLI;
}

/* Without an explicit time the server takes its own. */
static int touch(int dir, const char *name, mode_t mode, struct stat *st)
{
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -1;
        int rc = futimens(fd, NULL);
        if (rc == 0 && st)
                rc = fstat(fd, st);
        close(fd);
        return rc;
}

/* The present run of EXPERIMENT_ID, relative to the workspace. */
static bool find_run(int workspace, const char *experiment_id, char *path, size_t size)
{
        char link[XPM_BEAT_PATH], target[NAME_MAX + 1];
        if (!experiment_id || !xpm_path_is_inside(experiment_id) ||
            (size_t)snprintf(link, sizeof link, "experiments/%s/current", experiment_id) >= sizeof link)
                return false;
        ssize_t length = readlinkat(workspace, link, target, sizeof target - 1);
        if (length <= 0)
                return false;
        target[length] = '\0';
        const char *slash = strrchr(target, '/');
        return (size_t)snprintf(path, size, "experiments/%s/%s", experiment_id, slash ? slash + 1 : target) < size;
}

/* Who ends removes the directory that he leaves empty. */
static int enter(xpm_heartbeat *heartbeat, int run, mode_t mode)
{
        for (int i = 0; i < TRIES; i++) {
                if (mkdirat(run, workers_name, mode) != 0 && errno != EEXIST)
                        return -1;
                int workers = openat(run, workers_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (workers >= 0 && touch(workers, heartbeat->name, heartbeat->file_mode, NULL) == 0) {
                        heartbeat->workers = workers;
                        return 0;
                }
                int reason = errno;
                if (workers >= 0)
                        close(workers);
                errno = reason;
                if (reason != ENOENT)
                        return -1;
        }
        return -1;
}

static int begin(xpm_heartbeat *heartbeat, int workspace, mode_t directory_mode, xpm_error *err)
{
        char host[65] = "localhost";
        gethostname(host, sizeof host - 1);
        size_t length = strlen(heartbeat->path), room = sizeof heartbeat->path - length;
        int run = openat(workspace, heartbeat->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (run < 0)
                return xpm_fail_errno(err, "cannot open '%s'", heartbeat->path);
        int rc = 0;
        if ((size_t)snprintf(heartbeat->path + length, room, "/%s/%s-%ld", workers_name, host, (long)getpid()) >= room)
                rc = xpm_fail(err, XPM_EIO, "the name '%s' is too long", heartbeat->path);
        heartbeat->name = strrchr(heartbeat->path, '/') + 1;
        if (rc == 0 && enter(heartbeat, run, directory_mode) != 0)
                rc = xpm_fail_errno(err, "cannot make '%s'", heartbeat->path);
        close(run);
        return rc;
}

int xpm_heartbeat_start(const char *workspace, const char *experiment_id, mode_t directory_mode, mode_t file_mode,
                        xpm_heartbeat **out, xpm_error *err)
{
        *out = NULL;
        int dir = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return xpm_fail_errno(err, "cannot open '%s'", workspace);
        xpm_heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
        int rc = heartbeat ? 0 : xpm_fail_memory(err);
        if (heartbeat)
                heartbeat->file_mode = file_mode;
        bool found = heartbeat && find_run(dir, experiment_id, heartbeat->path, sizeof heartbeat->path);
        if (found)
                rc = begin(heartbeat, dir, directory_mode, err);
        close(dir);
        if (found && rc == 0) {
                heartbeat->touched = boottime();
                *out = heartbeat;
        } else
                free(heartbeat);
        return rc;
}

const char *xpm_heartbeat_path(const xpm_heartbeat *heartbeat)
{
        return heartbeat ? heartbeat->path : NULL;
}

void xpm_heartbeat_touch(xpm_heartbeat *heartbeat)
{
        if (touch(heartbeat->workers, heartbeat->name, heartbeat->file_mode, NULL) != 0)
                return;
        int64_t now = boottime();
        if (now - heartbeat->touched > xpm_doubt())
                heartbeat->gaps++;
        heartbeat->touched = now;
}

unsigned xpm_heartbeat_gaps(const xpm_heartbeat *heartbeat)
{
        if (!heartbeat)
                return 0;
        return heartbeat->gaps + (boottime() - heartbeat->touched > xpm_doubt());
}

void xpm_heartbeat_stop(xpm_heartbeat *heartbeat)
{
        if (!heartbeat)
                return;
        unlinkat(heartbeat->workers, heartbeat->name, 0);
        int run = openat(heartbeat->workers, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(heartbeat->workers);
        if (run >= 0) {
                unlinkat(run, workers_name, AT_REMOVEDIR); /* unless there are others */
                close(run);
        }
        free(heartbeat);
}

/* The server's clock minus ours, as it was measured last. */
static _Thread_local struct {
        bool known;
        dev_t device;
        int64_t difference, measured;
} server;

static bool measure(int workers)
{
        struct stat st;
        char name[128], host[65] = "";
        gethostname(host, sizeof host - 1);
        snprintf(name, sizeof name, ".now-%s-%ld", host, (long)gettid());
        server.known = touch(workers, name, 0600, &st) == 0;
        unlinkat(workers, name, 0);
        if (server.known) {
                server.measured = boottime();
                server.device = st.st_dev;
                server.difference = milliseconds(st.st_mtim) - server.measured;
        }
        return server.known;
}

static bool is_silent(const struct stat *beat)
{
        return boottime() + server.difference - milliseconds(beat->st_mtim) > 2 * xpm_lease();
}

static enum xpm_life judge(int workers, const char *name)
{
        struct stat st;
        int fd = openat(workers, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return errno == ENOENT ? XPM_LIFE_UNKNOWN : XPM_LIFE_BEATS;
        bool seen = fstat(fd, &st) == 0;
        close(fd);
        if (!seen)
                return XPM_LIFE_BEATS;
        bool known = server.known && server.device == st.st_dev && boottime() - server.measured <= xpm_beat();
        if (known && !is_silent(&st))
                return XPM_LIFE_BEATS;
        return measure(workers) && is_silent(&st) ? XPM_LIFE_SILENT : XPM_LIFE_BEATS;
}

enum xpm_life xpm_heartbeat_judge(int workspace_dir, const char *path)
{
        const char *slash = strrchr(path, '/');
        char directory[XPM_BEAT_PATH];
        if (!slash || !xpm_path_is_inside(path) ||
            (size_t)snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path) >= sizeof directory)
                return XPM_LIFE_UNKNOWN;
        int workers = openat(workspace_dir, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (workers < 0)
                return errno == ENOENT || errno == ENOTDIR ? XPM_LIFE_UNKNOWN : XPM_LIFE_BEATS;
        enum xpm_life life = judge(workers, slash + 1);
        close(workers);
        return life;
}

enum xpm_life xpm_heartbeat_life(int workspace_dir, const xpm_job_past *past)
{
        static const size_t digits = XPM_NONCE_SIZE - 1;
        if (past->state != XPM_JOB_RUNNING || !past->heartbeat[0] || strspn(past->nonce, "0123456789abcdef") != digits)
                return XPM_LIFE_UNKNOWN;
        return xpm_heartbeat_judge(workspace_dir, past->heartbeat);
}

enum xpm_life xpm_heartbeat_of_job(int workspace_dir, int job_dir)
{
        xpm_job_past past = XPM_JOB_PAST_INIT;
        enum xpm_life life = XPM_LIFE_UNKNOWN;
        if (xpm_job_past_read(job_dir, &past, NULL) == 0 && !xpm_is_this_host(past.host, past.boot))
                life = xpm_heartbeat_life(workspace_dir, &past);
        xpm_job_past_release(&past);
        return life;
}

bool xpm_heartbeat_any(int run_dir)
{
        bool found = false;
        int workers = openat(run_dir, workers_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *stream = workers >= 0 ? fdopendir(workers) : NULL;
        if (!stream && workers >= 0)
                close(workers);
        for (const struct dirent *entry; stream && !found && (entry = readdir(stream));)
                found = entry->d_name[0] != '.' && judge(workers, entry->d_name) == XPM_LIFE_BEATS;
        if (stream)
                closedir(stream);
        return found;
}
