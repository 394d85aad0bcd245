/* Running a program to its end and keeping what it says. All pipes are served by one poll(), so that neither side waits
 * for the other whatever the program reads and writes first. Its end is that of the process, not of its pipes:
 * something that it left running may hold them for ever. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 16 << 10 };

enum end { INPUT, OUTPUT, ERRORS, ENDED, ENDS };

struct capture {
        const char *name;
        struct pollfd ends[ENDS];
        const char *input;
        size_t input_left;
        size_t limit;
        xpm_text *texts[ENDS]; /* at OUTPUT and ERRORS */
        size_t starts[ENDS];   /* lengths of the texts before */
        int64_t until;         /* CLOCK_MONOTONIC milliseconds, 0: for ever */
        bool hangs;            /* it was not over by then */
        xpm_error *err;
};

static void close_end(struct capture *capture, enum end end)
{
        if (capture->ends[end].fd >= 0)
                close(capture->ends[end].fd);
        capture->ends[end].fd = -1;
}

/* A program that does not read its input is no error. */
static int feed(struct capture *capture)
{
        while (capture->input_left > 0) {
                ssize_t written = write(capture->ends[INPUT].fd, capture->input, capture->input_left);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0 && errno == EAGAIN)
                        return 0;
                if (written < 0 && errno == EPIPE)
                        break;
                if (written < 0)
                        return xpm_fail_errno(capture->err, "cannot write to '%s'", capture->name);
                capture->input += written;
                capture->input_left -= (size_t)written;
        }
        close_end(capture, INPUT);
        return 0;
}

static int drain(struct capture *capture, enum end end)
{
        xpm_text *text = capture->texts[end];
        for (;;) {
                xpm_text_reserve(text, BLOCK);
                if (text->failed)
                        return xpm_fail_memory(capture->err);
                ssize_t length = read(capture->ends[end].fd, text->data + text->length, BLOCK);
                if (length < 0 && errno == EINTR)
                        continue;
                if (length < 0 && errno == EAGAIN)
                        return 0;
                if (length < 0)
                        return xpm_fail_errno(capture->err, "cannot read from '%s'", capture->name);
                if (length == 0) {
                        close_end(capture, end);
                        return 0;
                }
                text->length += (size_t)length;
                text->data[text->length] = '\0';
                if (capture->limit > 0 && text->length - capture->starts[end] > capture->limit)
                        return xpm_fail(capture->err, XPM_ERANGE, "'%s' wrote more than %zu bytes to standard %s",
                                        capture->name, capture->limit, end == OUTPUT ? "output" : "error");
        }
}

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What poll() may wait: milliseconds, or -1. */
static int time_left(const struct capture *capture)
{
        int64_t left = capture->until - now_ms();
        return capture->until == 0 ? -1 : left > 0 ? (int)left : 0;
}

static int serve(struct capture *capture)
{
        for (;;) {
                int ready = poll(capture->ends, ENDS, time_left(capture));
                if (ready < 0 && errno == EINTR)
                        continue;
                if (ready < 0)
                        return xpm_fail_errno(capture->err, "cannot wait for '%s'", capture->name);
                if (ready == 0 && time_left(capture) == 0) {
                        capture->hangs = true;
                        return xpm_fail(capture->err, XPM_EIO, "'%s' hangs", capture->name);
                }
                int rc = 0;
                bool ended = capture->ends[ENDED].revents != 0;
                if (capture->ends[INPUT].fd >= 0 && capture->ends[INPUT].revents)
                        rc = feed(capture);
                for (enum end end = OUTPUT; end <= ERRORS && rc == 0; end++)
                        if (capture->ends[end].fd >= 0 && (ended || capture->ends[end].revents))
                                rc = drain(capture, end);
                if (rc != 0 || ended)
                        return rc;
        }
}

/* A pipe whose end that we keep does not block; *THEIRS is the other. */
static int open_pipe(struct capture *capture, enum end end, int *theirs)
{
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
                return xpm_fail_errno(capture->err, "cannot make a pipe for '%s'", capture->name);
        int ours = ends[end == INPUT];
        fcntl(ours, F_SETFL, O_NONBLOCK);
        *theirs = ends[end != INPUT];
        capture->ends[end] = (struct pollfd){.fd = ours, .events = end == INPUT ? POLLOUT : POLLIN};
        return 0;
}

/* Waits a moment for what does not even end when it is killed. */
static bool is_gone(int pidfd)
{
        enum { MOMENT = 200 };
        struct pollfd end = {.fd = pidfd, .events = POLLIN};
        return poll(&end, 1, MOMENT) > 0;
}

static int wait_for(pid_t pid, int *status)
{
        pid_t waited;
        do
                waited = waitpid(pid, status, 0);
        while (waited < 0 && errno == EINTR);
        return waited < 0 ? -1 : 0;
}

/* Writing to a program that is gone raises SIGPIPE. It is blocked for this thread, and one that we caused is taken
 * away. */
struct pipe_signal {
        sigset_t old;
        bool was_pending;
};

static struct pipe_signal block_pipe_signal(void)
{
        struct pipe_signal state;
        sigset_t pipe_only, pending;
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        sigpending(&pending);
        state.was_pending = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_only, &state.old);
        return state;
}

static void restore_pipe_signal(const struct pipe_signal *state)
{
        sigset_t pipe_only;
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        if (!state->was_pending)
                sigtimedwait(&pipe_only, NULL, &(struct timespec){0});
        pthread_sigmask(SIG_SETMASK, &state->old, NULL);
}

int xpm_spawn_capture(const xpm_spawn *spawn, const void *input, size_t input_length, size_t limit, xpm_text *output,
                      xpm_text *errors, int *status, xpm_error *err)
{
        xpm_spawn ours = *spawn;
        xpm_child child = {.pid = -1, .pidfd = -1};
        int theirs[] = {-1, -1, -1}, rc = 0, ended;
        struct capture capture = {
                .name = spawn->argv[0],
                .ends = {{.fd = -1}, {.fd = -1}, {.fd = -1}, {.fd = -1}},
                .input = input,
                .input_left = input_length,
                .limit = limit,
                .texts = {[OUTPUT] = output, [ERRORS] = errors},
                .starts = {[OUTPUT] = output ? output->length : 0, [ERRORS] = errors ? errors->length : 0},
                .until = spawn->patience > 0 ? now_ms() + spawn->patience : 0,
                .err = err,
        };
        struct pipe_signal pipe_signal = block_pipe_signal();
        for (enum end end = INPUT; end <= ERRORS && rc == 0; end++)
                if (end == INPUT ? input_length > 0 : capture.texts[end] != NULL) {
                        rc = open_pipe(&capture, end, &theirs[end]);
                        ours.stdio[end] = theirs[end];
                }
        /* A group of its own, to be killed as one, and no longer than we live. */
        ours.session = true;
        if (ours.death_signal == 0)
                ours.death_signal = SIGKILL;
        if (rc == 0)
                rc = xpm_spawn_start(&ours, &child, NULL, err);
        for (enum end end = INPUT; end <= ERRORS; end++)
                if (theirs[end] >= 0)
                        close(theirs[end]);
        if (rc != 0)
                goto out;

        capture.ends[ENDED] = (struct pollfd){.fd = child.pidfd, .events = POLLIN};
        rc = serve(&capture);
        if (rc != 0)
                kill(-child.pid, SIGKILL);
        if (capture.hangs && !is_gone(child.pidfd))
                goto out;
        if (wait_for(child.pid, &ended) != 0)
                rc = xpm_fail_errno(err, "cannot wait for '%s'", capture.name);
        if (rc == 0)
                *status = ended;
out:
        for (enum end end = INPUT; end < ENDS; end++)
                close_end(&capture, end);
        restore_pipe_signal(&pipe_signal);
        return rc;
}
