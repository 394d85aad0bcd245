/* The worker's end of the channel, spoken to frame by frame. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/spawn.h"
#include "exec/worker.h"
#include "jobs.h"

struct fixture {
        int fd;
        xpm_child worker;
        xpm_text in, out;
        size_t offset; /* of what was read in IN */
};

static struct fixture enter(void)
{
        struct fixture fixture = {.fd = -1};
        int pair[2];
        static const char *const argv[] = {"/proc/self/exe", "worker", "--fd", "3", "--slots", "1", NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        spawn.argv = argv;
        spawn.keep[0] = (xpm_kept){pair[1], 3};
        assert_int_equal(xpm_spawn_start(&spawn, &fixture.worker, NULL, NULL), 0);
        close(pair[1]);
        fixture.fd = pair[0];
        return fixture;
}

/* The worker's exit status. */
static int leave(struct fixture *fixture)
{
        int status = -1;
        close(fixture->fd);
        assert_int_equal(waitpid(fixture->worker.pid, &status, 0), fixture->worker.pid);
        close(fixture->worker.pidfd);
        xpm_text_release(&fixture->in);
        xpm_text_release(&fixture->out);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void send_out(struct fixture *fixture)
{
        bool closed = false;
        while (fixture->out.length > 0 && !closed)
                assert_true(xpm_frame_send(fixture->fd, &fixture->out, &closed, NULL) >= 0);
}

static void put_hello(struct fixture *fixture, uint32_t protocol)
{
        size_t begin = xpm_frame_begin(&fixture->out, XPM_FRAME_HELLO);
        xpm_frame_put_u32(&fixture->out, protocol);
        xpm_frame_put_u32(&fixture->out, 0700);
        xpm_frame_put_u32(&fixture->out, 0600);
        xpm_frame_put_u32(&fixture->out, 0);
        xpm_frame_put_u64(&fixture->out, 0);
        xpm_frame_put_u64(&fixture->out, 0);
        xpm_frame_put_u32(&fixture->out, 0);
        xpm_frame_put_string(&fixture->out, "test");
        xpm_frame_end(&fixture->out, begin);
}

static void put_job(struct fixture *fixture, struct job *job, const struct place *place, const char *const *argv)
{
        job_init(job, place, argv);
        const xpm_launch launch = job_launch(job);
        xpm_order_put(&fixture->out, &launch, 0);
}

/* The next event; false when the worker has closed its end. */
static bool next(struct fixture *fixture, xpm_launch_event *event)
{
        xpm_frame frame;
        bool closed = false, broken;
        for (;;) {
                int rc = fixture->in.data
                                 ? xpm_frame_take(fixture->in.data, fixture->in.length, &fixture->offset, &frame, NULL)
                                 : 0;
                if (rc == 1) {
                        assert_int_equal(frame.kind, XPM_FRAME_EVENT);
                        assert_int_equal(xpm_frame_event(&frame, event, &broken, NULL), 0);
                        return true;
                }
                struct pollfd poll_ = {.fd = fixture->fd, .events = POLLIN};
                poll(&poll_, 1, -1);
                assert_true(xpm_frame_receive(fixture->fd, &fixture->in, &closed, NULL) >= 0);
                if (closed)
                        return false;
        }
}

static void job_arrives_in_pieces_and_is_run(void **state)
{
        static const char *const argv[] = {"/bin/true", NULL};
        struct fixture fixture = enter();
        struct job job;
        xpm_launch_event event;
        put_hello(&fixture, XPM_FRAME_PROTOCOL);
        put_job(&fixture, &job, *state, argv);
        for (size_t i = 0; i < fixture.out.length; i++)
                assert_int_equal(send(fixture.fd, fixture.out.data + i, 1, MSG_NOSIGNAL), 1);
        assert_true(next(&fixture, &event));
        assert_int_equal(event.kind, XPM_LAUNCH_ENDED);
        assert_int_equal(event.tag, 7);
        assert_true(event.done && event.wall > 0);
        assert_int_equal(leave(&fixture), 0);
}

static void engine_of_another_version_is_refused(void **state)
{
        (void)state;
        struct fixture fixture = enter();
        xpm_launch_event event;
        put_hello(&fixture, XPM_FRAME_PROTOCOL + 1);
        send_out(&fixture);
        assert_false(next(&fixture, &event));
        assert_int_equal(leave(&fixture), 3);
}

static void nonsense_ends_the_worker_not_the_jobs(void **state)
{
        static const char *const argv[] = {"/bin/sh", "-c", "read x < fifo", NULL};
        struct fixture fixture = enter();
        struct job job;
        xpm_launch_event event;
        char path[512];
        put_hello(&fixture, XPM_FRAME_PROTOCOL);
        put_job(&fixture, &job, *state, argv);
        snprintf(path, sizeof path, "%s/fifo", job.path);
        xpm_mkdir_p(AT_FDCWD, job.path, 0700, NULL);
        assert_int_equal(mkfifo(path, 0600), 0);
        send_out(&fixture);
        assert_true(next(&fixture, &event));
        assert_int_equal(event.kind, XPM_LAUNCH_STARTED);
        assert_int_equal(send(fixture.fd, "\xff\xff\xff\xff\xff", 5, MSG_NOSIGNAL), 5);
        int fifo = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fifo, "x\n", 2), 2);
        close(fifo);
        assert_int_equal(leave(&fixture), 3);
        assert_true(job_has(&job, "work.done"));
}

static void termination_is_passed_to_the_jobs(void **state)
{
        static const char *const argv[] = {"/bin/sleep", "1000", NULL};
        struct fixture fixture = enter();
        struct job job;
        xpm_launch_event event;
        put_hello(&fixture, XPM_FRAME_PROTOCOL);
        put_job(&fixture, &job, *state, argv);
        send_out(&fixture);
        assert_true(next(&fixture, &event));
        kill(fixture.worker.pid, SIGINT); /* the engine's business */
        kill(fixture.worker.pid, SIGHUP);
        kill(fixture.worker.pid, SIGTERM);
        assert_true(next(&fixture, &event));
        assert_int_equal(event.kind, XPM_LAUNCH_ENDED);
        assert_string_equal(event.reason, "cancelled");
        assert_non_null(strstr(job_read(&job, "work.failed"), "\"cancelled\""));
        assert_int_equal(leave(&fixture), 0);
}

static void worker_without_a_socket_says_so(void **state)
{
        (void)state;
        xpm_error err = XPM_ERROR_NONE;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(xpm_worker_serve(fd, 1, -1, NULL, &err), 3);
        assert_non_null(strstr(err.message, "--fd"));
        signal(SIGINT, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
}

static void worker_without_descriptors_says_so_and_keeps_nothing(void **state)
{
        (void)state;
        struct rlimit before, none;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){0, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        int status = xpm_worker_serve(-1, 1, -1, NULL, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(status, 3);
        assert_non_null(strstr(err.message, "too many open files"));
}

int main(int argc, char **argv)
{
        if (argc == 6 && strcmp(argv[1], "worker") == 0)
                return xpm_worker_serve(atoi(argv[3]), atoi(argv[5]), -1, NULL, NULL);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(job_arrives_in_pieces_and_is_run),      T(engine_of_another_version_is_refused),
                T(nonsense_ends_the_worker_not_the_jobs), T(termination_is_passed_to_the_jobs),
                T(worker_without_a_socket_says_so),       T(worker_without_descriptors_says_so_and_keeps_nothing),
#undef T
        };
        /* The first loop of a process opens what stays. */
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        xpm_worker_serve(fd, 1, -1, NULL, NULL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
