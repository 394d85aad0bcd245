/* The helper is the program `xpm-slurm` beside this module. It is started with the first request, and again when it has
 * died; what it had been asked then has no answer, and whoever asked decides what to do about that. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "slurm.h"

extern char **environ;

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(xpm_error *err, const char *what, int number)
{
        if (err && !err->code) {
                err->code = XPM_ELAUNCHER;
                snprintf(err->message, sizeof err->message, "cannot %s: %s", what, strerror(number));
        }
        return XPM_ELAUNCHER;
}

/* The caller frees. */
static char *find_program(void)
{
        Dl_info info;
        char *path = NULL;
        const char *given = getenv("XPM_SLURM_HELPER"); /* a site's, or a test's */
        if (given && *given)
                return strdup(given);
        const char *slash = dladdr((void *)find_program, &info) && info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
        if (!slash || asprintf(&path, "%.*s/xpm-slurm", (int)(slash - info.dli_fname), info.dli_fname) < 0)
                return NULL;
        return path;
}

/* Neither Ctrl-C of the terminal nor our death by it shall end a request half way: it has a session of its own, and
 * leaves when its input closes. */
static int start(helper *helper_, xpm_error *err)
{
        int pair[2], rc;
        sigset_t none;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_t actions;
        char *program = find_program();
        if (!program)
                return XPM_ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
                free(program);
                return fail(err, "make a socket pair", errno);
        }
        char *const argv[] = {program, NULL};
        sigemptyset(&none);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, pair[1], STDOUT_FILENO);
        rc = posix_spawn(&helper_->pid, program, &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        free(program);
        close(pair[1]);
        if (rc != 0) {
                close(pair[0]);
                helper_->pid = 0;
                return fail(err, "start xpm-slurm, which talks to Slurm", rc);
        }
        helper_->fd = pair[0];
        fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK);
        helper_->in_length = helper_->out_length = 0;
        return 0;
}

static void reap(helper *helper_)
{
        if (helper_->fd >= 0)
                close(helper_->fd);
        helper_->fd = -1;
        if (helper_->pid > 0) {
                kill(helper_->pid, SIGKILL);
                while (waitpid(helper_->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        helper_->pid = 0;
}

static bool append(char **buffer, size_t *length, size_t *capacity, const char *data, size_t size)
{
        if (*length + size + 1 > *capacity) {
                size_t larger = 2 * (*length + size) + 256;
                char *grown = realloc(*buffer, larger);
                if (!grown)
                        return false;
                *buffer = grown;
                *capacity = larger;
        }
        memcpy(*buffer + *length, data, size);
        *length += size;
        (*buffer)[*length] = '\0';
        return true;
}

/* What cannot be sent since the other end is gone is noticed by whoever reads. */
static void flush(helper *helper_)
{
        size_t sent = 0;
        while (helper_->fd >= 0 && sent < helper_->out_length) {
                ssize_t wrote = send(helper_->fd, helper_->out + sent, helper_->out_length - sent, MSG_NOSIGNAL);
                if (wrote < 0 && errno == EINTR)
                        continue;
                if (wrote < 0)
                        break;
                sent += (size_t)wrote;
        }
        memmove(helper_->out, helper_->out + sent, helper_->out_length - sent);
        helper_->out_length -= sent;
}

int64_t helper_send(helper *helper_, json_t *request, xpm_error *err)
{
        int64_t id = ++helper_->next_id;
        json_object_set_new(request, "id", json_integer(id));
        char *line = json_dumps(request, JSON_COMPACT);
        json_decref(request);
        bool good = line && (helper_->fd >= 0 || start(helper_, err) == 0);
        good = good && append(&helper_->out, &helper_->out_length, &helper_->out_capacity, line, strlen(line)) &&
               append(&helper_->out, &helper_->out_length, &helper_->out_capacity, "\n", 1);
        free(line);
        if (!good) {
                fail(err, "ask Slurm", ENOMEM);
                return 0;
        }
        flush(helper_);
        return id;
}

bool helper_wants_write(const helper *helper_)
{
        return helper_->fd >= 0 && helper_->out_length > 0;
}

static void read_more(helper *helper_, bool *closed)
{
        char buffer[65536];
        for (;;) {
                ssize_t got = recv(helper_->fd, buffer, sizeof buffer, 0);
                if (got > 0 && append(&helper_->in, &helper_->in_length, &helper_->in_capacity, buffer, (size_t)got))
                        continue;
                if (got < 0 && errno == EINTR)
                        continue;
                *closed = got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
                return;
        }
}

/* The next whole line, as JSON. */
static json_t *take_line(helper *helper_)
{
        char *end = helper_->in_length > 0 ? memchr(helper_->in, '\n', helper_->in_length) : NULL;
        if (!end)
                return NULL;
        size_t length = (size_t)(end - helper_->in) + 1;
        json_t *answer = json_loadb(helper_->in, length - 1, 0, NULL);
        memmove(helper_->in, end + 1, helper_->in_length - length);
        helper_->in_length -= length;
        return answer ? answer : json_object();
}

json_t *helper_receive(helper *helper_, bool *died)
{
        bool closed = false;
        *died = false;
        json_t *answer = take_line(helper_);
        if (answer || helper_->fd < 0)
                return answer;
        flush(helper_);
        read_more(helper_, &closed);
        answer = take_line(helper_);
        if (answer)
                helper_->restarts = 0;
        else if (closed) {
                reap(helper_);
                helper_->restarts++;
                *died = true;
        }
        return answer;
}

json_t *helper_wait(helper *helper_, int64_t id, int timeout)
{
        int64_t until = now_ms() + timeout;
        for (;;) {
                bool died;
                json_t *answer = helper_receive(helper_, &died);
                if (answer && json_integer_value(json_object_get(answer, "id")) == id)
                        return answer;
                int64_t left = until - now_ms();
                if (answer) {
                        json_decref(answer);
                        continue;
                }
                if (died || left <= 0 || helper_->fd < 0)
                        return NULL;
                struct pollfd poll_ = {.fd = helper_->fd,
                                       .events = POLLIN | (helper_wants_write(helper_) ? POLLOUT : 0)};
                poll(&poll_, 1, (int)left);
        }
}

void helper_stop(helper *helper_)
{
        /* What was sent is carried out; nobody waits for the answer. */
        if (helper_->fd >= 0)
                shutdown(helper_->fd, SHUT_WR);
        struct pollfd poll_ = {.fd = helper_->fd, .events = POLLIN};
        for (int64_t until = now_ms() + 2000; helper_->fd >= 0 && now_ms() < until;) {
                char buffer[4096];
                if (poll(&poll_, 1, 200) > 0 && recv(helper_->fd, buffer, sizeof buffer, 0) <= 0)
                        break;
        }
        reap(helper_);
        free(helper_->in);
        free(helper_->out);
        *helper_ = (helper){.fd = -1};
}
