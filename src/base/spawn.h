/* spawn.h: the one way to start a program
 *
 * vfork with all signals blocked, so that starting costs the same from a small process and a big one; the child gets
 * default signal dispositions and an empty mask. A failed exec or chdir is reported with its errno through shared
 * memory (the child of a vfork runs in ours) before the call returns: there is never a child that did not become the
 * program. Only descriptors named here reach the child.
 */
#ifndef XPM_BASE_SPAWN_H
#define XPM_BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "experimaestro/error.h"

enum { XPM_SPAWN_KEPT = 2 };

typedef struct xpm_kept { /* a descriptor that the child inherits under the number AS; FD -1: none */
        int fd, as;
} xpm_kept;

typedef struct xpm_spawn {
        const char *const *argv; /* argv[0] is looked up in the PATH of `env` unless it has a slash */
        const char *const *env;  /* NULL: the caller's environment */
        const char *cwd;         /* NULL: the caller's; used only when cwd_fd is -1 */
        int cwd_fd;              /* directory to start in, or -1 */
        int stdio[3];            /* descriptors for 0, 1, 2; -1 is /dev/null */
        xpm_kept keep[XPM_SPAWN_KEPT];
        int cgroup_fd; /* cgroup.procs of the group that the child joins before it becomes the program; -1 none. One
                        * that does not take it is no error: a group only limits. */
        const uint64_t
                *cpus; /* a set of the operating system's numbers, of CPU_WORDS words, to be bound to; NULL: none. */
        size_t cpu_words;
        const uint64_t *nodes; /* NUMA nodes from which it gets memory when they have some, NODE_WORDS; NULL: any */
        size_t node_words;
        bool session;     /* setsid(): a session and process group of its own */
        int death_signal; /* PR_SET_PDEATHSIG in the child, 0 none */
        uint64_t signals; /* xpm_spawn_signals() of a process that has changed none since; 0: all are looked at */
        int patience;     /* milliseconds that xpm_spawn_capture gives it, 0: any time */
} xpm_spawn;

#define XPM_SPAWN_INIT ((xpm_spawn){.cwd_fd = -1, .stdio = {-1, -1, -1}, .keep = {{-1, 0}, {-1, 0}}, .cgroup_fd = -1})

typedef struct xpm_child {
        pid_t pid;
        int pidfd;    /* readable when the child has ended; yours to close (after removing it from epoll) */
        bool unbound; /* the operating system refused the cpus */
} xpm_child;

/* The signals that this process ignores or has handlers for: bit N - 1 is signal N; never 0. So that many children are
 * not asked for all of them one by one. */
uint64_t xpm_spawn_signals(void);

/* Which step failed, for a message of one's own. */
enum xpm_spawn_step { XPM_SPAWN_OK, XPM_SPAWN_CHDIR, XPM_SPAWN_EXEC, XPM_SPAWN_FORK };

/* 0, or XPM_EIO with errno kept, *STEP (may be NULL) saying where, and a message such as
 * `cannot run 'foo': no such file or directory`. A name without slash that is nowhere in PATH is ENOENT; a file there
 * that may not be executed EACCES. */
int xpm_spawn_start(const xpm_spawn *spawn, xpm_child *child, enum xpm_spawn_step *step, xpm_error *err);

/* Run to the end with INPUT on standard input (without input: as SPAWN says), appending standard output and error to
 * the two texts (NULL: as SPAWN says). Each may have LIMIT bytes (0: no limit); more is XPM_ERANGE, longer than its
 * `patience` XPM_EIO. The program gets a session of its own, which is killed on an error and with the caller; one
 * that not even that ends (a driver that hangs) is left behind. *STATUS is that of waitpid. For executable plans,
 * `git`, `module`, `nvidia-smi`. */
int xpm_spawn_capture(const xpm_spawn *spawn, const void *input, size_t input_length, size_t limit, xpm_text *output,
                      xpm_text *errors, int *status, xpm_error *err);

#endif
