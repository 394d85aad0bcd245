/* The kernel's rule that shapes this room: a group whose children get a controller has no processes of its own (only
 * the root may). So whoever is in our group moves to a child of it, xpm-PID, beside the jobs' groups, xpm-PID-N, with
 * our pid. What a worker leaves that was killed is removed by a later one, as soon as there is no process of that pid.
 *
 * Files here come into being with the group and are written with one write() each. A file that is missing (memory.peak,
 * cgroup.kill and others are younger than cgroup v2) is a thing that cannot be had. */
#include "exec/cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "exec/cgroupmount.h"

enum { FILE_LIMIT = 1 << 20, DEEPEST = 16 };

static const char prefix[] = "xpm-";

struct xpm_cgroup {
        int dir; /* our group as it was when we came */
        bool enabled, moved;
        atomic_uint next; /* many threads begin jobs */
        char controller[32], leaf[32];
        pid_t *company; /* ourselves included */
        size_t count;
};

/* The file as a string; NULL when it cannot be read. */
static const char *get(int dir, const char *name, xpm_text *text)
{
        xpm_text_clear(text);
        return xpm_file_read(dir, name, FILE_LIMIT, text, NULL) == 0 ? xpm_text_string(text) : NULL;
}

/* 0 or -1 with errno. Nothing is created: the file is there, or cannot be had. */
static int put(int dir, const char *name, const char *value)
{
        int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        ssize_t written = write(fd, value, strlen(value));
        int saved = errno;
        close(fd);
        errno = saved;
        return written < 0 ? -1 : 0;
}

static bool has_word(const char *text, const char *word)
{
        size_t length = strlen(word);
        for (const char *at = text; at && (at = strstr(at, word)); at += length)
                if ((at == text || isspace((unsigned char)at[-1])) &&
                    (!at[length] || isspace((unsigned char)at[length])))
                        return true;
        return false;
}

/* Our group, open; -1 when it is not to be seen. */
static int open_group(const xpm_cgroup_place *place)
{
        char *path = xpm_cgroup_find(place->self, place->mounts, NULL, "cgroup.controllers", NULL);
        int dir = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        free(path);
        return dir;
}

static bool is_company(const xpm_cgroup *cgroup, long pid)
{
        for (size_t i = 0; i < cgroup->count; i++)
                if (cgroup->company[i] == pid)
                        return true;
        return false;
}

/* Every process of the group FROM to the group TO, a path below our group. With KNOWN, nothing is done when there is a
 * stranger (a process of another pid namespace is called 0). false when not all were moved. */
static bool move_all(const xpm_cgroup *cgroup, const char *from, const char *to, bool known)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *pids = get(cgroup->dir, from, &text);
        bool good = pids != NULL;
        char *end;
        for (int round = known ? 0 : 1; round < 2 && good; round++)
                for (const char *at = pids; good && *at; at = *end ? end + 1 : end) {
                        long pid = strtol(at, &end, 10);
                        char number[24];
                        snprintf(number, sizeof number, "%ld", pid);
                        if (round == 0)
                                good = is_company(cgroup, pid);
                        else /* it may have ended meanwhile */
                                good = put(cgroup->dir, to, number) == 0 || errno == ESRCH;
                }
        xpm_text_release(&text);
        return good;
}

static int switch_controller(const xpm_cgroup *cgroup, char sign)
{
        char word[sizeof cgroup->controller + 1];
        snprintf(word, sizeof word, "%c%s", sign, cgroup->controller);
        return put(cgroup->dir, "cgroup.subtree_control", word);
}

static void leave_leaf(xpm_cgroup *cgroup)
{
        char procs[64];
        snprintf(procs, sizeof procs, "%s/cgroup.procs", cgroup->leaf);
        move_all(cgroup, procs, "cgroup.procs", false);
        unlinkat(cgroup->dir, cgroup->leaf, AT_REMOVEDIR);
        cgroup->moved = false;
}

static bool enter_leaf(xpm_cgroup *cgroup)
{
        char procs[64];
        snprintf(cgroup->leaf, sizeof cgroup->leaf, "%s%ld", prefix, (long)getpid());
        snprintf(procs, sizeof procs, "%s/cgroup.procs", cgroup->leaf);
        if (mkdirat(cgroup->dir, cgroup->leaf, 0755) != 0 && errno != EEXIST)
                return false;
        cgroup->moved = true;
        if (move_all(cgroup, "cgroup.procs", procs, true))
                return true;
        leave_leaf(cgroup);
        return false;
}

static bool enable(xpm_cgroup *cgroup)
{
        xpm_text text = XPM_TEXT_INIT;
        bool offered = has_word(get(cgroup->dir, "cgroup.controllers", &text), cgroup->controller);
        bool given = offered && has_word(get(cgroup->dir, "cgroup.subtree_control", &text), cgroup->controller);
        xpm_text_release(&text);
        if (!offered || given)
                return given;
        cgroup->enabled = switch_controller(cgroup, '+') == 0;
        if (cgroup->enabled || errno != EBUSY || !enter_leaf(cgroup))
                return cgroup->enabled;
        cgroup->enabled = switch_controller(cgroup, '+') == 0;
        if (!cgroup->enabled)
                leave_leaf(cgroup);
        return cgroup->enabled;
}

/* rmdir -r: the files of a group go with it, and groups of which all processes have ended can be removed. */
static void remove_group(int dir, const char *name, int depth)
{
        if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno != EBUSY || depth > DEEPEST)
                return;
        int group = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *stream = group < 0 ? NULL : fdopendir(group);
        const struct dirent *entry;
        while (stream && (entry = readdir(stream)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        remove_group(group, entry->d_name, depth + 1);
        if (stream)
                closedir(stream);
        else if (group >= 0)
                close(group);
        unlinkat(dir, name, AT_REMOVEDIR);
}

/* How many groups there are beside those of workers that are gone, which are removed; -1 when that cannot be found. */
static int sweep(const xpm_cgroup *cgroup)
{
        int fd = openat(cgroup->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
        DIR *stream = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        while (stream && (entry = readdir(stream))) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                bool ours = strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
                long pid = ours ? atol(entry->d_name + strlen(prefix)) : 0;
                if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
                        remove_group(cgroup->dir, entry->d_name, 0);
                if (faccessat(cgroup->dir, entry->d_name, F_OK, 0) == 0)
                        count++;
        }
        if (stream)
                closedir(stream);
        else if (fd >= 0)
                close(fd);
        return stream ? count : -1;
}

static void destroy(xpm_cgroup *cgroup)
{
        if (cgroup->dir >= 0)
                close(cgroup->dir);
        free(cgroup->company);
        free(cgroup);
}

xpm_cgroup *xpm_cgroup_open(const xpm_cgroup_place *place, const pid_t *company, size_t count)
{
        xpm_cgroup *cgroup = calloc(1, sizeof *cgroup);
        if (!cgroup)
                return NULL;
        cgroup->dir = open_group(place);
        cgroup->company = calloc(count + 1, sizeof *company);
        snprintf(cgroup->controller, sizeof cgroup->controller, "%s", place->controller);
        if (cgroup->dir < 0 || !cgroup->company) {
                destroy(cgroup);
                return NULL;
        }
        if (count > 0)
                memcpy(cgroup->company, company, count * sizeof *company);
        cgroup->company[count] = getpid();
        cgroup->count = count + 1;
        sweep(cgroup);
        if (enable(cgroup))
                return cgroup;
        destroy(cgroup);
        return NULL;
}

void xpm_cgroup_close(xpm_cgroup *cgroup)
{
        if (!cgroup)
                return;
        /* Another engine that came after us found the controller given, and relies on it. */
        if (cgroup->enabled && sweep(cgroup) == (cgroup->moved ? 1 : 0) && switch_controller(cgroup, '-') == 0 &&
            cgroup->moved)
                leave_leaf(cgroup);
        destroy(cgroup);
}

static bool set_limit(int dir, uint64_t limit)
{
        char bytes[24];
        snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)limit);
        if (put(dir, "memory.max", bytes) != 0 || put(dir, "memory.oom.group", "1") != 0)
                return false;
        /* Else a job that uses too much is slow for hours before it is killed. A kernel without swap has no such file.
         */
        put(dir, "memory.swap.max", "0");
        return true;
}

bool xpm_cgroup_begin(xpm_cgroup *cgroup, uint64_t limit, xpm_cgroup_job *job)
{
        xpm_cgroup_job made = XPM_CGROUP_JOB_INIT;
        snprintf(made.name, sizeof made.name, "%s%ld-%u", prefix, (long)getpid(), atomic_fetch_add(&cgroup->next, 1));
        if (mkdirat(cgroup->dir, made.name, 0755) != 0)
                return false;
        made.dir = openat(cgroup->dir, made.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (made.dir >= 0 && (limit == 0 || set_limit(made.dir, limit)))
                made.procs = openat(made.dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (made.procs < 0) {
                xpm_cgroup_end(cgroup, &made);
                return false;
        }
        *job = made;
        return true;
}

/* The number that stands behind KEY in a file of lines `key number`; 0 when there is none. */
static uint64_t get_number(int dir, const char *name, const char *key)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *line = dir < 0 ? NULL : get(dir, name, &text);
        size_t length = strlen(key);
        uint64_t number = 0;
        while (line && number == 0) {
                if (strncmp(line, key, length) == 0 && (length == 0 || line[length] == ' '))
                        number = strtoull(line + length, NULL, 10);
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
        xpm_text_release(&text);
        return number;
}

bool xpm_cgroup_ran_out(const xpm_cgroup_job *job)
{
        return get_number(job->dir, "memory.events", "oom_kill") > 0 ||
               get_number(job->dir, "memory.events", "oom_group_kill") > 0;
}

uint64_t xpm_cgroup_peak(const xpm_cgroup_job *job)
{
        return get_number(job->dir, "memory.peak", "");
}

bool xpm_cgroup_kill(const xpm_cgroup_job *job)
{
        return job->dir >= 0 && put(job->dir, "cgroup.kill", "1") == 0;
}

bool xpm_cgroup_is_populated(const xpm_cgroup_job *job)
{
        return get_number(job->dir, "cgroup.events", "populated") > 0;
}

void xpm_cgroup_end(xpm_cgroup *cgroup, xpm_cgroup_job *job)
{
        if (job->procs >= 0)
                close(job->procs);
        if (job->dir >= 0)
                close(job->dir);
        if (job->name[0])
                remove_group(cgroup->dir, job->name, 0);
        *job = XPM_CGROUP_JOB_INIT;
}
