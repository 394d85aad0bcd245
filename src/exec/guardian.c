/* The guardian does nothing but wait. It is a subreaper: descendants whose parent has died become its children, those
 * that left their session or forked twice included. It waits for any child, which is right here alone: this process
 * starts nothing but the worker, and whom it adopts it cannot know beforehand.
 *
 * A worker that leaves by itself has ended its jobs; what they left running in the background is the user's affair.
 * Only the death of a worker by a signal is the death of what it orphans.
 *
 * The fork is not of base/spawn.c, since no program is started: the process is small, has one thread, and has just
 * begun. */
#include "exec/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t worker;
static pid_t guardian; /* in the worker; 0: there is none */

/* What a terminal sends reaches the worker too, and must not arrive twice. */
static void pass_on(int number, siginfo_t *info, void *context)
{
        int saved = errno;
        (void)context;
        if (info->si_code == SI_USER)
                kill((pid_t)worker, number);
        errno = saved;
}

static void pass_on_signals(void)
{
        static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
        struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                sigaction(numbers[i], &action, NULL);
}

/* SIGKILL to every child. The kernel lists them in a file, separated by blanks. */
static void kill_children(void)
{
        char buffer[4096];
        int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        long pid = 0;
        for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
                for (ssize_t i = 0; i < got; i++) {
                        if (buffer[i] >= '0' && buffer[i] <= '9') {
                                pid = pid * 10 + (buffer[i] - '0');
                                continue;
                        }
                        if (pid > 0)
                                kill((pid_t)pid, SIGKILL);
                        pid = 0;
                }
        close(fd);
}

/* Until the worker has ended. */
static int wait_for_worker(pid_t pid)
{
        int status = 0;
        for (pid_t ended; (ended = waitpid(-1, &status, 0)) != pid;)
                if (ended < 0 && errno != EINTR)
                        return 0;
        return status;
}

/* Each death may orphan others, which are children by the time that it is known. */
static void kill_orphans(void)
{
        do
                kill_children();
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

static int guard(pid_t pid, int fd)
{
        if (fd >= 0)
                close(fd);
        worker = pid;
        pass_on_signals();
        int status = wait_for_worker(pid);
        if (WIFSIGNALED(status))
                kill_orphans();
        return status;
}

int xpm_guardian_split(int fd, int *status, xpm_error *err)
{
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
                return xpm_fail_errno(err, "cannot adopt the processes of jobs");
        pid_t self = getpid(), pid = fork();
        if (pid < 0)
                return xpm_fail_errno(err, "cannot start a worker");
        if (pid > 0) {
                *status = guard(pid, fd);
                return 1;
        }
        /* Without a guardian its jobs are not safe: it ends them, and itself. */
        guardian = self;
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || xpm_guardian_is_gone())
                return xpm_fail(err, XPM_EIO, "the worker's guardian is gone");
        return 0;
}

bool xpm_guardian_is_gone(void)
{
        return guardian != 0 && getppid() != guardian;
}

int xpm_guardian_exit_status(int status)
{
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
        return 128 + WTERMSIG(status);
}
