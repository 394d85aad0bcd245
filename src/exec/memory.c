/* A table of all processes, made anew when it is older than a moment. What belongs to a command is found by marking:
 * the members of its session and its daemons, then, until nothing changes, whoever has a marked parent. The sum of
 * resident sizes is cheap and too high where pages are shared; the proportional sum reads a file per process that the
 * kernel takes long to make, so it is read only when the first one is over the limit. */
#include "exec/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "exec/leftover.h"

enum { FRESH_MS = 200 };

typedef struct process {
        pid_t pid, parent, session;
        uint64_t resident;
        bool marked;
} process;

static struct {
        pthread_mutex_t mutex;
        process *processes;
        size_t count, capacity;
        int64_t made; /* CLOCK_MONOTONIC milliseconds, 0: never */
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The fields behind the name, which may hold anything: state, parent, group, session … the 24th is the resident size in
 * pages. */
static bool read_process(int proc, const char *name, process *out)
{
        char path[32], text[1024] = "";
        snprintf(path, sizeof path, "%.20s/stat", name);
        int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
                close(fd);
        const char *at = length > 0 ? strrchr(text, ')') : NULL;
        int parent, session;
        long long pages;
        if (!at ||
            sscanf(at + 1, " %*c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %lld",
                   &parent, &session, &pages) != 3)
                return false;
        *out = (process){.pid = (pid_t)strtol(name, NULL, 10), .parent = parent, .session = session};
        out->resident = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
        return true;
}

static bool add(const process *one)
{
        if (table.count == table.capacity) {
                size_t capacity = table.capacity ? 2 * table.capacity : 256;
                process *grown = realloc(table.processes, capacity * sizeof *grown);
                if (!grown)
                        return false;
                table.processes = grown;
                table.capacity = capacity;
        }
        table.processes[table.count++] = *one;
        return true;
}

/* Under the mutex. */
static void refresh(void)
{
        int64_t now = now_ms();
        if (table.made > 0 && now - table.made < FRESH_MS)
                return;
        DIR *entries = opendir("/proc");
        table.count = 0;
        for (struct dirent *entry; entries && (entry = readdir(entries));) {
                process one;
                if (isdigit((unsigned char)entry->d_name[0]) && read_process(dirfd(entries), entry->d_name, &one) &&
                    !add(&one))
                        break;
        }
        if (entries)
                closedir(entries);
        table.made = now;
}

/* A daemon of a job is its guardian's child, as are daemons of others. */
static bool is_adopted(const process *one, const char *nonce)
{
        return nonce && one->parent == getppid() && one->pid != getpid() && xpm_process_is_of_attempt(one->pid, nonce);
}

/* Under the mutex: what belongs to COMMAND. */
static void mark(pid_t command, const char *nonce)
{
        bool changed = true;
        for (size_t i = 0; i < table.count; i++) {
                process *one = &table.processes[i];
                one->marked = one->session == command || one->pid == command || is_adopted(one, nonce);
        }
        while (changed) {
                changed = false;
                for (size_t i = 0; i < table.count; i++)
                        for (size_t j = 0; j < table.count && !table.processes[i].marked; j++)
                                if (table.processes[j].marked && table.processes[j].pid == table.processes[i].parent)
                                        table.processes[i].marked = changed = true;
        }
}

static uint64_t sum_resident(void)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < table.count; i++)
                sum += table.processes[i].marked ? table.processes[i].resident : 0;
        return sum;
}

/* `Pss: 123 kB`; the resident size of what cannot be asked. */
static uint64_t read_proportional(const process *one)
{
        char path[48], line[128];
        unsigned long long kilobytes = 0;
        bool found = false;
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)one->pid);
        FILE *file = fopen(path, "re");
        while (file && !found && fgets(line, sizeof line, file))
                found = sscanf(line, "Pss: %llu kB", &kilobytes) == 1;
        if (file)
                fclose(file);
        return found ? kilobytes << 10 : one->resident;
}

uint64_t xpm_memory_resident(pid_t command, const char *nonce)
{
        pthread_mutex_lock(&table.mutex);
        refresh();
        mark(command, nonce);
        uint64_t sum = sum_resident();
        pthread_mutex_unlock(&table.mutex);
        return sum;
}

bool xpm_memory_over(pid_t command, const char *nonce, uint64_t limit, uint64_t *used)
{
        pthread_mutex_lock(&table.mutex);
        refresh();
        mark(command, nonce);
        *used = sum_resident();
        if (*used > limit) {
                *used = 0;
                for (size_t i = 0; i < table.count; i++)
                        *used += table.processes[i].marked ? read_proportional(&table.processes[i]) : 0;
        }
        pthread_mutex_unlock(&table.mutex);
        return *used > limit;
}
