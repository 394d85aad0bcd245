#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "place.h"

static void lock_excludes_until_it_is_released(void **state)
{
        struct place *place = *state;
        int fd = -1, other = -7;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 0);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 1);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &other, &err), XPM_ELOCKED);
        assert_string_equal(err.message, "'lock' is held by another process");
        assert_int_equal(other, -7);
        xpm_lock_release(fd);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 0);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, true, &fd, NULL), 0);
        xpm_lock_release(fd);
        xpm_lock_release(-1);
}

static void holder_is_named_by_its_signature(void **state)
{
        struct place *place = *state;
        static const char *const notes[] = {NULL, "attempt 2", "a longer note than before", ""};
        char pid[32], text[4096];
        snprintf(pid, sizeof pid, "held by process %ld of ", (long)getpid());
        int fd = -1, other;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
                xpm_error err = XPM_ERROR_NONE;
                xpm_lock_sign(fd, notes[i]);
                assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &other, &err), XPM_ELOCKED);
                assert_non_null(strstr(err.message, pid));
                assert_non_null(strstr(err.message, " since 2"));
                place_get(place, "lock", text);
                assert_int_equal(text[strlen(text) - 1], '\n');
                assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
                if (notes[i])
                        assert_non_null(strstr(text, notes[i]));
        }
        xpm_lock_release(fd);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        place_get(place, "lock", text);
        assert_int_not_equal(strlen(text), 0); /* taking it truncates nothing */
        xpm_lock_release(fd);
}

static void foreign_text_is_not_repeated(void **state)
{
        struct place *place = *state;
        static const char *const texts[] = {"", "{\"pid\": 3}", "host x user since", "\x1b[31mhost 1 user since\n"};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                int fd = -1, other;
                xpm_error err = XPM_ERROR_NONE;
                place_put(place, "lock", texts[i]);
                assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
                assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &other, &err), XPM_ELOCKED);
                assert_string_equal(err.message, "'lock' is held by another process");
                xpm_lock_release(fd);
        }
}

static void replaced_lock_file_is_another_lock(void **state)
{
        struct place *place = *state;
        int first = -1, second = -1;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &first, NULL), 0);
        assert_int_equal(unlinkat(place->dir, "lock", 0), 0);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 0);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &second, NULL), 0);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 1);
        xpm_lock_release(first);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 1);
        xpm_lock_release(second);
}

/* Is somebody waiting in flock() for the inode of FD? /proc tells a waiter by an arrow. */
static void several_share_what_one_cannot_have_alone(void **state)
{
        const struct place *place = *state;
        int first, second, alone;
        assert_int_equal(xpm_lock_share(place->dir, "l", 0600, &first, NULL), 0);
        assert_int_equal(xpm_lock_share(place->dir, "l", 0600, &second, NULL), 0);
        xpm_lock_release(first);
        assert_int_equal(xpm_lock_take(place->dir, "l", 0600, false, &alone, NULL), XPM_ELOCKED);
        xpm_lock_release(second);
        assert_int_equal(xpm_lock_take(place->dir, "l", 0600, false, &alone, NULL), 0);
        xpm_lock_release(alone);
}

static bool somebody_waits(int fd)
{
        struct stat status;
        char wanted[64], line[256];
        bool found = false;
        fstat(fd, &status);
        snprintf(wanted, sizeof wanted, ":%lu ", (unsigned long)status.st_ino);
        FILE *locks = fopen("/proc/locks", "re");
        while (locks && fgets(line, sizeof line, locks))
                found = found || (strstr(line, "->") && strstr(line, wanted));
        if (locks)
                fclose(locks);
        return found;
}

/* A child that waits for the lock and then exits with 0 if the name leads to what it got. */
static pid_t start_waiter(struct place *place)
{
        pid_t child = fork();
        if (child != 0)
                return child;
        int fd;
        struct stat got, named;
        if (xpm_lock_take(place->dir, "lock", 0600, true, &fd, NULL) != 0)
                _exit(2);
        fstat(fd, &got);
        _exit(fstatat(place->dir, "lock", &named, 0) == 0 && got.st_ino == named.st_ino ? 0 : 1);
}

static void waiter_takes_the_lock_that_the_name_leads_to(void **state)
{
        struct place *place = *state;
        int old = -1, new = -1, status;
        if (access("/proc/locks", R_OK) != 0)
                skip();
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &old, NULL), 0);
        pid_t child = start_waiter(place);
        while (!somebody_waits(old))
                sched_yield();
        assert_int_equal(unlinkat(place->dir, "lock", 0), 0);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &new, NULL), 0);
        xpm_lock_release(old);
        while (!somebody_waits(new))
                sched_yield();
        assert_int_equal(waitpid(child, &status, WNOHANG), 0);
        xpm_lock_release(new);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

static void lock_of_a_killed_process_is_free(void **state)
{
        struct place *place = *state;
        int ends[2], fd = -1;
        char byte;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
                if (xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL) == 0)
                        (void)!write(ends[1], "x", 1);
                pause();
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 1);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        xpm_lock_release(fd);
        close(ends[0]);
        close(ends[1]);
}

static void released_lock_is_free_though_a_child_inherited_it(void **state)
{
        struct place *place = *state;
        int fd = -1;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        pid_t child = fork();
        if (child == 0) {
                pause();
                _exit(0);
        }
        xpm_lock_release(fd);
        assert_int_equal(xpm_lock_is_held(place->dir, "lock", NULL), 0);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

/* The pause between two tries comes here: the time at which whoever only looked lets go. */
static int looker = -1, pauses;

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
        (void)wanted;
        (void)left;
        pauses++;
        if (looker >= 0)
                flock(looker, LOCK_UN);
        return 0;
}

static void instant_of_a_look_is_not_a_holder(void **state)
{
        struct place *place = *state;
        int fd = -1;
        place_put(place, "lock", "");
        looker = openat(place->dir, "lock", O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(looker, LOCK_SH), 0);
        pauses = 0;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        assert_int_equal(pauses, 1);
        xpm_lock_release(fd);
        close(looker);
        looker = -1;
}

static void holder_is_tried_again_a_few_times_only(void **state)
{
        struct place *place = *state;
        int fd = -1, other;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        pauses = 0;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &other, NULL), XPM_ELOCKED);
        assert_in_range(pauses, 1, 10);
        xpm_lock_release(fd);
}

static void do_nothing(int number)
{
        (void)number;
}

static void waiting_may_be_interrupted(void **state)
{
        struct place *place = *state;
        if (access("/proc/locks", R_OK) != 0)
                skip();
        int fd = -1, status;
        assert_int_equal(xpm_lock_take(place->dir, "lock", 0600, false, &fd, NULL), 0);
        pid_t child = fork();
        if (child == 0) {
                sigaction(SIGUSR1, &(struct sigaction){.sa_handler = do_nothing}, NULL);
                xpm_error err = XPM_ERROR_NONE;
                int other, rc = xpm_lock_take(place->dir, "lock", 0600, true, &other, &err);
                _exit(rc == XPM_EINTERRUPTED && strstr(err.message, "'lock'") ? 0 : 1);
        }
        while (!somebody_waits(fd))
                sched_yield();
        kill(child, SIGUSR1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        xpm_lock_release(fd);
}

static void what_cannot_be_a_lock_is_refused(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *name, *message;
        } table[] = {
                {"link", "cannot open the lock 'link': it is a symbolic link"},
                {"dir", "cannot open the lock 'dir': is a directory"},
                {"none/lock", "cannot open the lock 'none/lock': no such file or directory"},
        };
        place_put(place, "target", "");
        assert_int_equal(symlinkat("target", place->dir, "link"), 0);
        mkdirat(place->dir, "dir", 0700);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_error err = XPM_ERROR_NONE;
                int fd = -7;
                assert_int_equal(xpm_lock_take(place->dir, table[i].name, 0600, false, &fd, &err), XPM_EIO);
                assert_string_equal(err.message, table[i].message);
                assert_int_equal(fd, -7);
        }
        assert_int_equal(xpm_lock_is_held(place->dir, "link", NULL), XPM_EIO);
        assert_int_equal(xpm_lock_is_held(place->dir, "none/lock", NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(lock_excludes_until_it_is_released),
                T(holder_is_named_by_its_signature),
                T(foreign_text_is_not_repeated),
                T(replaced_lock_file_is_another_lock),
                T(several_share_what_one_cannot_have_alone),
                T(waiter_takes_the_lock_that_the_name_leads_to),
                T(lock_of_a_killed_process_is_free),
                T(released_lock_is_free_though_a_child_inherited_it),
                T(instant_of_a_look_is_not_a_holder),
                T(holder_is_tried_again_a_few_times_only),
                T(waiting_may_be_interrupted),
                T(what_cannot_be_a_lock_is_refused),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
