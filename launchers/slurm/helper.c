/* The helper is a program beside this module: `xpm-slurm-library`, by libslurm, or where that is not there or does not
 * live, `xpm-slurm`, by Slurm's commands. It is started with the first request, and again when it has died; what it had
 * been asked then has no answer, and whoever asked decides what to do about that.
 *
 * XPM_SLURM=library and =commands leave no choice; XPM_SLURM_HELPER=PATH is a program in place of both, for tests and
 * for sites that have another way to their scheduler. */
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

static bool is_chosen(const char *how)
{
        const char *chosen = getenv("XPM_SLURM");
        return chosen && strcmp(chosen, how) == 0;
}

/* libslurm will not do: say so, once. */
static void give_up_library(helper *helper_, const char *why)
{
        enum { NOTE = 2 };
        char words[160];
        snprintf(words, sizeof words, "libslurm %s: Slurm is asked by its commands", why);
        helper_->core->log(helper_->core, NOTE, words);
        helper_->commands = true;
}

static char *beside_module(const char *name)
{
        Dl_info info;
        char *path = NULL;
        const char *slash =
                dladdr((void *)beside_module, &info) && info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
        if (!slash || asprintf(&path, "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname, name) < 0)
                return NULL;
        return path;
}

/* The caller frees. */
static char *find_program(helper *helper_)
{
        enum { DEBUG = 3 };
        const char *own = getenv("XPM_SLURM_HELPER");
        helper_->library = false;
        if (own && *own)
                return strdup(own);
        if (!helper_->commands && !is_chosen("commands")) {
                char *path = beside_module("xpm-slurm-library");
                helper_->library = true;
                if (!path || is_chosen("library") || access(path, X_OK) == 0)
                        return path;
                free(path);
                helper_->library = false;
                helper_->commands = true;
                helper_->core->log(helper_->core, DEBUG, "built without libslurm: Slurm is asked by its commands");
        }
        return beside_module("xpm-slurm");
}

/* Neither Ctrl-C of the terminal nor our death by it shall end a request half way: it has a session of its own, and
 * leaves when its input closes. */
static int start(helper *helper_, xpm_error *err)
{
        int pair[2], rc;
        sigset_t none;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_t actions;
        char *program = find_program(helper_);
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
        close(pair[1]);
        if (rc != 0) {
                char what[512];
                snprintf(what, sizeof what, "start '%.400s', which talks to Slurm", program);
                free(program);
                close(pair[0]);
                helper_->pid = 0;
                return fail(err, what, rc);
        }
        free(program);
        helper_->fd = pair[0];
        fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK);
        helper_->in_length = helper_->out_length = 0;
        helper_->answered = false;
        return 0;
}

/* Its status, as waitpid has it. */
static int reap(helper *helper_)
{
        int status = 0;
        if (helper_->fd >= 0)
                close(helper_->fd);
        helper_->fd = -1;
        if (helper_->pid > 0) {
                kill(helper_->pid, SIGKILL);
                while (waitpid(helper_->pid, &status, 0) < 0 && errno == EINTR)
                        ;
        }
        helper_->pid = 0;
        return status;
}

/* The library ends the process on a configuration that it does not like, and the loader does on another release than
 * it was built with: that will not be better next time. A helper that was killed may be, though not for ever. */
static void died_silent(helper *helper_, int status)
{
        enum { TRIES = 3 };
        char why[64];
        if (!helper_->library || is_chosen("library"))
                return;
        if (WIFEXITED(status))
                snprintf(why, sizeof why, "ends with status %d", WEXITSTATUS(status));
        else
                snprintf(why, sizeof why, "is ended by signal %d", WTERMSIG(status));
        if (WIFEXITED(status) || helper_->restarts >= TRIES)
                give_up_library(helper_, why);
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

/* The next answer, of which there is a whole line; lines that are none are passed over. */
static json_t *take_line(helper *helper_)
{
        char *end;
        while (helper_->in_length > 0 && (end = memchr(helper_->in, '\n', helper_->in_length))) {
                size_t length = (size_t)(end - helper_->in) + 1;
                json_t *answer = json_loadb(helper_->in, length - 1, 0, NULL);
                memmove(helper_->in, end + 1, helper_->in_length - length);
                helper_->in_length -= length;
                if (json_is_integer(json_object_get(answer, "id")))
                        return answer;
                json_decref(answer);
        }
        return NULL;
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
        if (answer) {
                helper_->restarts = 0;
                helper_->answered = true;
        } else if (closed) {
                int status = reap(helper_);
                helper_->restarts++;
                if (!helper_->answered)
                        died_silent(helper_, status);
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
        *helper_ =
                (helper){.core = helper_->core, .fd = -1, .next_id = helper_->next_id, .commands = helper_->commands};
}
