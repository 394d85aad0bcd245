/* yardstick: the least that running jobs can cost
 *
 * usage: yardstick DIRECTORY JOBS SLOTS COMMAND…
 *
 * A bare loop that makes a directory for each job with four small files and runs COMMAND in it, SLOTS at once: what xpm
 * is measured against (run.py). No lock, no status, no marker by rename, no environment, no log of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static void put(int dir, const char *name)
{
        static const char text[] =
                "{\"a\": 1, \"b\": \"a small file of about a hundred bytes, as a job has several of them\"}\n";
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)sizeof text - 1 || close(fd) != 0)
                die(name);
}

static int make(int root, long job)
{
        static const char *const names[] = {"params.json", "job.sh", "job.out", "job.err"};
        char name[32];
        snprintf(name, sizeof name, "%ld", job);
        if (mkdirat(root, name, 0777) != 0)
                die(name);
        int dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                die(name);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                put(dir, names[i]);
        return dir;
}

static void start(int dir, char **argv)
{
        pid_t pid = vfork();
        if (pid < 0)
                die("vfork");
        if (pid == 0) {
                if (fchdir(dir) == 0)
                        execve(argv[0], argv, environ);
                _exit(127);
        }
        close(dir);
}

static void reap(void)
{
        int status;
        if (wait(&status) < 0 || status != 0) {
                fprintf(stderr, "a job failed\n");
                exit(1);
        }
}

int main(int argc, char **argv)
{
        if (argc < 5) {
                fprintf(stderr, "usage: yardstick DIRECTORY JOBS SLOTS COMMAND...\n");
                return 2;
        }
        long jobs = atol(argv[2]), slots = atol(argv[3]), running = 0;
        int root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                die(argv[1]);
        for (long job = 0; job < jobs; job++) {
                int dir = make(root, job);
                if (running == slots)
                        reap();
                else
                        running++;
                start(dir, argv + 4);
        }
        while (running-- > 0)
                reap();
        return 0;
}
