/* A pid alone says nothing: it may be another's by now. A process is one of the job's when its session is that of the
 * command, and the command itself, if it still exists, is the one that was recorded (while a session has members the
 * number is not given away); or when its environment names the job's directory and it began no earlier than the command
 * (a shell in which somebody looks into the job may have that variable, too, and xpm below it); or when it has the
 * job's lock open where commands inherit it. What has left its session, emptied its environment and closed its
 * descriptors is found by the guardian alone.
 *
 * Killing is repeated until a pass finds nothing, since a process may start others while we look. */
#include "exec/leftover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "exec/attempt.h"
#include "workspace/status.h"

/* Milliseconds that the end of one that was killed is waited for. */
enum { PASSES = 100, ENVIRONMENT_LIMIT = 8 << 20, PATIENCE = 1000 };

typedef struct process {
        pid_t group, session;
        uint64_t start;
        char state;
} process;

/* The second field of `stat` is in parentheses and may hold anything. */
static bool read_process(int proc, const char *pid, process *out)
{
        char name[300], text[1024] = "", state;
        int group, session;
        snprintf(name, sizeof name, "%s/stat", pid);
        int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        const char *at = length > 0 ? strrchr(text, ')') : NULL;
        if (!at || sscanf(at + 1, " %c %*d %d %d", &state, &group, &session) != 3)
                return false;
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        *out = (process){group, session, at ? strtoull(at, NULL, 10) : 0, state};
        return true;
}

uint64_t xpm_process_start_time(pid_t pid)
{
        char name[24];
        process found;
        int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        snprintf(name, sizeof name, "%d", (int)pid);
        bool known = proc >= 0 && read_process(proc, name, &found);
        if (proc >= 0)
                close(proc);
        return known ? found.start : 0;
}

uint64_t xpm_process_clock(void)
{
        struct timespec now;
        long ticks = sysconf(_SC_CLK_TCK);
        if (ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
                return 0;
        return (uint64_t)now.tv_sec * (uint64_t)ticks + (uint64_t)now.tv_nsec / (1000000000u / (uint64_t)ticks);
}

static bool is_member(int proc, const char *name, pid_t session, process *out)
{
        return isdigit((unsigned char)name[0]) && read_process(proc, name, out) && out->session == session &&
               out->state != 'Z' && out->state != 'X';
}

bool xpm_session_is_alive(pid_t session)
{
        bool alive = false;
        process found;
        DIR *entries = opendir("/proc");
        for (struct dirent *entry; entries && !alive && (entry = readdir(entries));)
                alive = is_member(dirfd(entries), entry->d_name, session, &found);
        if (entries)
                closedir(entries);
        return alive;
}

/* A descriptor of the process first, so that what is looked at is what is signalled. */
static void signal_leader(int proc, const char *name, pid_t session, int number)
{
        process found;
        pid_t pid = (pid_t)strtol(name, NULL, 10);
        int fd = pid > 1 && pid != session ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        if (fd < 0)
                return;
        if (is_member(proc, name, session, &found) && found.group == pid)
                syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
        close(fd);
}

void xpm_session_signal(pid_t session, int number)
{
        DIR *entries = opendir("/proc");
        kill(-session, number);
        for (struct dirent *entry; entries && (entry = readdir(entries));)
                if (isdigit((unsigned char)entry->d_name[0]))
                        signal_leader(dirfd(entries), entry->d_name, session, number);
        if (entries)
                closedir(entries);
}

/* Whether TEXT, an environment, has NAME (with its `=`) with VALUE. */
static bool has_variable(const xpm_text *text, const char *name, const char *value)
{
        const char *end = xpm_text_string(text) + text->length;
        size_t length = strlen(name);
        for (const char *at = xpm_text_string(text); at < end; at += strlen(at) + 1)
                if (strncmp(at, name, length) == 0 && strcmp(at + length, value) == 0)
                        return true;
        return false;
}

bool xpm_process_is_of_attempt(pid_t pid, const char *nonce)
{
        char path[32];
        xpm_text text = XPM_TEXT_INIT;
        snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
        bool found = xpm_file_read(AT_FDCWD, path, ENVIRONMENT_LIMIT, &text, NULL) == 0 &&
                     has_variable(&text, "XPM_JOB_NONCE=", nonce);
        xpm_text_release(&text);
        return found;
}

/* Whether PID's environment names the job's directory, and the attempt that is meant. */
static bool names_the_job(int proc, const char *pid, const xpm_leftover *leftover)
{
        char name[300];
        xpm_text text = XPM_TEXT_INIT;
        snprintf(name, sizeof name, "%s/environ", pid);
        bool found = xpm_file_read(proc, name, ENVIRONMENT_LIMIT, &text, NULL) == 0 &&
                     has_variable(&text, "XPM_JOB_DIR=", leftover->path) &&
                     (!leftover->nonce || has_variable(&text, "XPM_JOB_NONCE=", leftover->nonce));
        xpm_text_release(&text);
        return found;
}

static bool has_the_lock(int proc, const char *pid, const char *lock)
{
        char name[300];
        struct stat ours, theirs;
        snprintf(name, sizeof name, "%s/fd/%d", pid, XPM_LOCK_FD);
        return lock && stat(lock, &ours) == 0 && fstatat(proc, name, &theirs, 0) == 0 && ours.st_dev == theirs.st_dev &&
               ours.st_ino == theirs.st_ino;
}

/* Whether the environment of PROCESS says anything: ours may be that of a shell which has the variable, and then so
 * have the engine and whoever else was started there. */
static bool can_be_of(const xpm_leftover *leftover, const process *process_)
{
        const char *ours = getenv("XPM_JOB_DIR");
        if (leftover->start)
                return process_->start >= leftover->start;
        return !ours || strcmp(ours, leftover->path) != 0;
}

static bool belongs(int proc, const char *pid, const xpm_leftover *leftover, bool session_is_known)
{
        process found;
        struct stat st;
        if (fstatat(proc, pid, &st, 0) != 0 || st.st_uid != geteuid() || !read_process(proc, pid, &found) ||
            found.state == 'Z')
                return false;
        if (session_is_known && found.session == leftover->session)
                return true;
        return (can_be_of(leftover, &found) && names_the_job(proc, pid, leftover)) ||
               has_the_lock(proc, pid, leftover->lock);
}

/* The number of the command may be another process's by now, and then so is the session. */
static bool is_session_known(const xpm_leftover *leftover)
{
        if (leftover->session <= 1)
                return false;
        uint64_t start = xpm_process_start_time(leftover->session);
        return start == 0 || (leftover->start && start == leftover->start);
}

/* A descriptor of the process first: so what is looked at is what is killed, and its end can be waited for. */
static bool kill_if_left(int proc, const char *name, const xpm_leftover *leftover, bool session_is_known)
{
        long pid = strtol(name, NULL, 10);
        if (pid <= 1 || pid == getpid())
                return false;
        int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        if (fd < 0)
                return false;
        bool killed = belongs(proc, name, leftover, session_is_known) &&
                      syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
        if (killed)
                poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE);
        close(fd);
        return killed;
}

static int kill_once(DIR *entries, const xpm_leftover *leftover)
{
        int killed = 0;
        bool session_is_known = is_session_known(leftover);
        rewinddir(entries);
        for (struct dirent *entry; (entry = readdir(entries));)
                if (isdigit((unsigned char)entry->d_name[0]))
                        killed += kill_if_left(dirfd(entries), entry->d_name, leftover, session_is_known);
        return killed;
}

int xpm_sweep(const xpm_leftover *leftover)
{
        int total = 0, killed = 1;
        DIR *entries = opendir("/proc");
        if (!entries)
                return 0;
        for (int pass = 0; pass < PASSES && killed > 0; pass++) {
                killed = kill_once(entries, leftover);
                total += killed;
        }
        closedir(entries);
        return total;
}

/* The process that took the lock of INODE on DEVICE, 0: none on this host. `1: FLOCK  ADVISORY  WRITE 123 08:02:456 0
 * EOF`, with `->` before a waiting one. */
static long find_owner(dev_t device, ino_t inode)
{
        char line[256], kind[16];
        FILE *locks = fopen("/proc/locks", "re");
        long pid, owner = 0;
        unsigned int major_, minor_;
        uint64_t number;
        while (locks && owner == 0 && fgets(line, sizeof line, locks))
                if (sscanf(line, "%*s %15s %*s %*s %ld %x:%x:%" SCNu64, kind, &pid, &major_, &minor_, &number) == 5 &&
                    strcmp(kind, "FLOCK") == 0 && number == inode && makedev(major_, minor_) == device)
                        owner = pid;
        if (locks)
                fclose(locks);
        return owner;
}

bool xpm_sweep_is_orphaned(const char *lock)
{
        struct stat st;
        char name[32];
        if (stat(lock, &st) != 0)
                return false;
        long owner = find_owner(st.st_dev, st.st_ino);
        if (owner <= 0)
                return false;
        snprintf(name, sizeof name, "%ld", owner);
        int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        process found;
        /* One that has ended and is not waited for holds nothing any more. */
        bool dead = proc >= 0 && (!read_process(proc, name, &found) || found.state == 'Z' || found.state == 'X');
        if (proc >= 0)
                close(proc);
        return dead;
}

bool xpm_sweep_job(const char *path, const char *script)
{
        char lock[PATH_MAX];
        xpm_job_past past = XPM_JOB_PAST_INIT;
        if ((size_t)snprintf(lock, sizeof lock, "%s/%s.lock", path, script) >= sizeof lock ||
            !xpm_sweep_is_orphaned(lock))
                return false;
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool known = dir >= 0 && xpm_job_past_read(dir, &past, NULL) == 0 && xpm_is_this_host(past.host, past.boot);
        const xpm_leftover leftover = {path, lock, known ? past.command : 0, known ? past.command_start : 0, NULL};
        xpm_sweep(&leftover);
        xpm_job_past_release(&past);
        if (dir >= 0)
                close(dir);
        return true;
}
