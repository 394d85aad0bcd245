#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/spawn.h"
#include "exec/cgroup.h"
#include "failing_malloc.h"
#include "place.h"

/* A hierarchy of plain files, mounted with its /top at GROUPS of the place. */
struct recorded {
        char self[128], mounts[128], line[512];
        xpm_cgroup_place place;
};

static void record(const struct place *place, struct recorded *recorded, const char *self, const char *mount)
{
        snprintf(recorded->self, sizeof recorded->self, "%s/self", place->path);
        snprintf(recorded->mounts, sizeof recorded->mounts, "%s/mounts", place->path);
        recorded->place = (xpm_cgroup_place){recorded->self, recorded->mounts, "memory"};
        place_put(place, "self", self);
        snprintf(recorded->line, sizeof recorded->line, mount, place->path);
        place_put(place, "mounts", recorded->line);
        mkdirat(place->dir, "a b", 0700);
        mkdirat(place->dir, "a b/mine", 0700);
        place_put(place, "a b/mine/cgroup.controllers", "cpuset memory pids\n");
        place_put(place, "a b/mine/cgroup.subtree_control", "memory\n");
}

#define SELF "9:name=systemd:/x\n4:memory:/y\n0::/top/mine\n"
#define MOUNT                                   \
        "22 1 0:5 / /sys rw - sysfs sysfs rw\n" \
        "30 22 0:26 /top %s/a\\040b rw,relatime shared:4 - cgroup2 cgroup2 rw\n"

static void group_is_found_by_self_and_mounts(void **state)
{
        const struct place *place = *state;
        struct recorded recorded;
        xpm_cgroup_job job = XPM_CGROUP_JOB_INIT;
        record(place, &recorded, SELF, MOUNT);
        xpm_cgroup *cgroup = xpm_cgroup_open(&recorded.place, NULL, 0);
        assert_non_null(cgroup);
        /* Plain files do not come with a directory: no limit can be set, and nothing stays. */
        assert_false(xpm_cgroup_begin(cgroup, 1 << 20, &job));
        assert_int_equal(job.dir, -1);
        assert_int_equal(place_count(place, "a b/mine"), 2);
        xpm_cgroup_close(cgroup);
        char text[4096];
        assert_string_equal(place_get(place, "a b/mine/cgroup.subtree_control", text), "memory\n");
}

static void what_is_missing_makes_it_not_available(void **state)
{
        static const char *const cases[][2] = {
                {"", MOUNT},
                {"4:memory:/top/mine\n", MOUNT},
                {"0::/other/mine\n", MOUNT},
                {"0::/topmost\n", MOUNT},
                {"0::/top/absent\n", MOUNT},
                {SELF, ""},
                {SELF, "30 22 0:26 /top %s/a\\040b rw,relatime shared:4 - cgroup cgroup rw\n31 - cgroup2 \n"},
                {SELF, "30 22 0:26 / %s rw,relatime shared:4 - cgroup2 cgroup2 rw"},
        };
        const struct place *place = *state;
        struct recorded recorded;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                record(place, &recorded, cases[i][0], cases[i][1]);
                assert_null(xpm_cgroup_open(&recorded.place, NULL, 0));
        }
        record(place, &recorded, SELF, MOUNT);
        recorded.place.controller = "mem";
        assert_null(xpm_cgroup_open(&recorded.place, NULL, 0));
        recorded.place.mounts = "/nonexistent";
        assert_null(xpm_cgroup_open(&recorded.place, NULL, 0));
        xpm_cgroup_close(NULL);
}

static void job_without_a_group_asks_nothing(void **state)
{
        const struct place *place = *state;
        struct recorded recorded;
        xpm_cgroup_job job = XPM_CGROUP_JOB_INIT;
        record(place, &recorded, SELF, MOUNT);
        xpm_cgroup *cgroup = xpm_cgroup_open(&recorded.place, NULL, 0);
        assert_false(xpm_cgroup_ran_out(&job));
        assert_false(xpm_cgroup_kill(&job));
        assert_false(xpm_cgroup_is_populated(&job));
        assert_int_equal(xpm_cgroup_peak(&job), 0);
        xpm_cgroup_end(cgroup, &job);
        xpm_cgroup_close(cgroup);
}

static void events_are_read_as_the_kernel_writes_them(void **state)
{
        const struct place *place = *state;
        xpm_cgroup_job job = {.dir = place->dir, .procs = -1};
        char text[4096];
        place_put(place, "memory.events", "low 0\nhigh 3\nmax 9\noom 2\noom_kill 0\noom_group_kill 0\n");
        place_put(place, "memory.peak", "73728\n");
        place_put(place, "cgroup.events", "populated 1\nfrozen 0\n");
        place_put(place, "cgroup.kill", "");
        assert_false(xpm_cgroup_ran_out(&job));
        assert_int_equal(xpm_cgroup_peak(&job), 73728);
        assert_true(xpm_cgroup_is_populated(&job));
        assert_true(xpm_cgroup_kill(&job));
        assert_string_equal(place_get(place, "cgroup.kill", text), "1");
        place_put(place, "memory.events", "low 0\nhigh 3\nmax 9\noom 2\noom_kill 1\n");
        assert_true(xpm_cgroup_ran_out(&job));
        place_put(place, "memory.events", "oom_kill 0\noom_group_kill 1\n");
        assert_true(xpm_cgroup_ran_out(&job));
}

static void memory_that_runs_out_makes_it_not_available(void **state)
{
        if (!failing_malloc_works)
                skip();
        const struct place *place = *state;
        struct recorded recorded;
        record(place, &recorded, SELF, MOUNT);
        for (long n = 1;; n++) {
                failing_malloc_arm(n);
                xpm_cgroup *cgroup = xpm_cgroup_open(&recorded.place, NULL, 0);
                bool failed = failing_malloc_disarm();
                assert_true(cgroup || failed);
                xpm_cgroup_close(cgroup);
                if (!failed)
                        break;
        }
}

/* A group of the real hierarchy, in which a process of ours plays the worker. */
struct real {
        int parent, dir;
        char name[48];
        const char *controller;
        bool enabled; /* by us, in the parent */
};

static bool put(int dir, const char *name, const char *value)
{
        int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
        bool good = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
        if (fd >= 0)
                close(fd);
        return good;
}

static bool offers(int dir, const char *name, const char *controller)
{
        xpm_text text = XPM_TEXT_INIT;
        bool has = xpm_file_read(dir, name, 0, &text, NULL) == 0 && strstr(xpm_text_string(&text), controller);
        xpm_text_release(&text);
        return has;
}

static bool wait_until(bool (*condition)(const void *), const void *data)
{
        for (int i = 0; i < 30000; i++) {
                if (condition(data))
                        return true;
                nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        }
        return false;
}

static bool is_removed(const void *data)
{
        const struct real *real = data;
        return unlinkat(real->parent, real->name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static bool open_real(struct real *real)
{
        static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        /* Any controller will do for all but the limit itself. */
        static const char *const controllers[] = {"memory", "pids", "hugetlb", "cpu"};
        *real = (struct real){.parent = -1, .dir = -1};
        for (size_t i = 0; i < 2 && real->parent < 0; i++) {
                real->parent = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (real->parent >= 0 && faccessat(real->parent, "cgroup.controllers", F_OK, 0) != 0) {
                        close(real->parent);
                        real->parent = -1;
                }
        }
        for (size_t i = 0; i < 4 && !real->controller && real->parent >= 0; i++) {
                char word[32];
                snprintf(word, sizeof word, "+%s", controllers[i]);
                bool given = offers(real->parent, "cgroup.subtree_control", controllers[i]);
                if (!given && !offers(real->parent, "cgroup.controllers", controllers[i]))
                        continue;
                if (given || put(real->parent, "cgroup.subtree_control", word)) {
                        real->controller = controllers[i];
                        real->enabled = !given;
                }
        }
        snprintf(real->name, sizeof real->name, "test.xpm.%ld", (long)getpid());
        if (real->controller && mkdirat(real->parent, real->name, 0755) == 0)
                real->dir = openat(real->parent, real->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return real->dir >= 0;
}

static void close_real(struct real *real)
{
        char word[32];
        if (real->dir >= 0) {
                put(real->dir, "cgroup.kill", "1");
                close(real->dir);
                assert_true(wait_until(is_removed, real));
        }
        snprintf(word, sizeof word, "-%s", real->controller ? real->controller : "");
        if (real->enabled)
                put(real->parent, "cgroup.subtree_control", word);
        if (real->parent >= 0)
                close(real->parent);
}

/* In the worker, which has no test to fail. */
#define CHECK(condition)                                                                    \
        do                                                                                  \
                if (!(condition)) {                                                         \
                        fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition); \
                        _exit(1);                                                           \
                }                                                                           \
        while (0)

static int run(xpm_cgroup_job *job, const char *command, xpm_child *child)
{
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = (const char *const[]){"/bin/sh", "-c", command, NULL};
        spawn.cgroup_fd = job->procs;
        spawn.session = true;
        return xpm_spawn_start(&spawn, child, NULL, NULL);
}

static int wait_for(xpm_child *child)
{
        int status = -1;
        close(child->pidfd);
        return waitpid(child->pid, &status, 0) == child->pid ? status : -1;
}

static int count_lines(int dir, const char *name)
{
        xpm_text text = XPM_TEXT_INIT;
        int lines = 0;
        if (xpm_file_read(dir, name, 0, &text, NULL) != 0)
                lines = -1;
        for (const char *at = xpm_text_string(&text); lines >= 0 && (at = strchr(at, '\n')); at++)
                lines++;
        xpm_text_release(&text);
        return lines;
}

static bool has_two(const void *data)
{
        return count_lines(((const xpm_cgroup_job *)data)->dir, "cgroup.procs") == 2;
}

static bool is_empty(const void *data)
{
        return !xpm_cgroup_is_populated(data);
}

static void kill_a_job(const struct real *real, xpm_cgroup *cgroup)
{
        xpm_cgroup_job job = XPM_CGROUP_JOB_INIT;
        xpm_child child;
        char name[64];
        CHECK(xpm_cgroup_begin(cgroup, 0, &job));
        snprintf(name, sizeof name, "%s", job.name);
        CHECK(faccessat(real->dir, name, F_OK, 0) == 0);
        CHECK(run(&job, "setsid tail -f /dev/null & exec tail -f /dev/null", &child) == 0);
        CHECK(wait_until(has_two, &job));
        CHECK(xpm_cgroup_is_populated(&job));
        CHECK(xpm_cgroup_kill(&job));
        int status = wait_for(&child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK(wait_until(is_empty, &job));
        CHECK(!xpm_cgroup_ran_out(&job));
        CHECK(mkdirat(job.dir, "of the job", 0755) == 0);
        xpm_cgroup_end(cgroup, &job);
        CHECK(job.dir == -1 && faccessat(real->dir, name, F_OK, 0) != 0);
}

static void use_too_much(xpm_cgroup *cgroup)
{
        xpm_cgroup_job job = XPM_CGROUP_JOB_INIT;
        xpm_child child;
        CHECK(xpm_cgroup_begin(cgroup, 64 << 20, &job));
        CHECK(run(&job, "true", &child) == 0);
        CHECK(wait_for(&child) == 0);
        CHECK(!xpm_cgroup_ran_out(&job));
        xpm_cgroup_end(cgroup, &job);
        CHECK(xpm_cgroup_begin(cgroup, 64 << 20, &job));
        /* The shell that would go on is killed as well. */
        CHECK(run(&job, "tail /dev/zero; exit 0", &child) == 0);
        int status = wait_for(&child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK(xpm_cgroup_ran_out(&job));
        CHECK(faccessat(job.dir, "memory.peak", F_OK, 0) != 0 ||
              (xpm_cgroup_peak(&job) > 32 << 20 && xpm_cgroup_peak(&job) <= 64 << 20));
        CHECK(wait_until(is_empty, &job));
        xpm_cgroup_end(cgroup, &job);
}

static void be_the_worker(const struct real *real)
{
        const xpm_cgroup_place place = {"/proc/self/cgroup", "/proc/self/mountinfo", real->controller};
        char leaf[64], left[64];
        CHECK(put(real->dir, "cgroup.procs", "0"));
        pid_t other = fork();
        if (other == 0) {
                pause();
                _exit(0);
        }
        CHECK(xpm_cgroup_open(&place, NULL, 0) == NULL); /* a stranger is there */
        CHECK(count_lines(real->dir, "cgroup.procs") == 2);
        snprintf(leaf, sizeof leaf, "xpm-%ld", (long)getpid());
        CHECK(faccessat(real->dir, leaf, F_OK, 0) != 0);

        /* Of a worker that was killed; pids are smaller than that. */
        snprintf(left, sizeof left, "xpm-%d-3", 0x7ffffffe);
        CHECK(mkdirat(real->dir, left, 0755) == 0);
        xpm_cgroup *cgroup = xpm_cgroup_open(&place, &other, 1);
        CHECK(cgroup);
        CHECK(faccessat(real->dir, left, F_OK, 0) != 0);
        CHECK(count_lines(real->dir, "cgroup.procs") == 0);
        CHECK(offers(real->dir, "cgroup.subtree_control", real->controller));
        kill_a_job(real, cgroup);
        if (strcmp(real->controller, "memory") == 0)
                use_too_much(cgroup);
        xpm_cgroup_close(cgroup);
        CHECK(count_lines(real->dir, "cgroup.procs") == 2);
        CHECK(faccessat(real->dir, leaf, F_OK, 0) != 0);
        CHECK(!offers(real->dir, "cgroup.subtree_control", real->controller));
        kill(other, SIGKILL);
        CHECK(waitpid(other, NULL, 0) == other);
        _exit(0);
}

static void delegated_group_holds_jobs_to_their_limit(void **state)
{
        (void)state;
        struct real real;
        int status = -1;
        if (!open_real(&real)) {
                close_real(&real);
                print_message("no cgroup v2 that this user may divide: not tested\n");
                skip();
        }
        if (strcmp(real.controller, "memory") != 0)
                print_message("no memory controller in cgroup v2: limits are not tested\n");
        pid_t pid = fork();
        if (pid == 0)
                be_the_worker(&real);
        waitpid(pid, &status, 0);
        close_real(&real);
        assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(group_is_found_by_self_and_mounts),
                TEST(what_is_missing_makes_it_not_available),
                TEST(job_without_a_group_asks_nothing),
                TEST(events_are_read_as_the_kernel_writes_them),
                TEST(memory_that_runs_out_makes_it_not_available),
                TEST(delegated_group_holds_jobs_to_their_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
