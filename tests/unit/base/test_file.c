#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "failing_malloc.h"
#include "place.h"

static void content_is_appended_to_the_text(void **state)
{
        struct place *place = *state;
        xpm_text text = XPM_TEXT_INIT;
        place_put(place, "a b\n", "hello");
        xpm_text_puts(&text, ">");
        assert_int_equal(xpm_file_read(place->dir, "a b\n", 0, &text, NULL), 0);
        assert_int_equal(xpm_file_read(place->dir, "a b\n", 5, &text, NULL), 0);
        assert_string_equal(text.data, ">hellohello");
        xpm_text_release(&text);
}

static void files_of_every_size_are_read_whole(void **state)
{
        struct place *place = *state;
        static char data[300000];
        for (size_t i = 0; i < sizeof data; i++)
                data[i] = (char)(i * 31);
        static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 65536, 262144, 300000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                xpm_text text = XPM_TEXT_INIT;
                assert_int_equal(xpm_file_write(place->dir, "f", data, sizes[i], 0600, NULL), 0);
                assert_int_equal(xpm_file_read(place->dir, "f", 0, &text, NULL), 0);
                assert_int_equal(text.length, sizes[i]);
                assert_memory_equal(xpm_text_string(&text), data, sizes[i]);
                xpm_text_release(&text);
        }
}

static void what_cannot_be_read_is_named_and_changes_nothing(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *name;
                size_t limit;
                int rc;
                const char *message;
        } table[] = {
                {"absent", 0, XPM_ENOTFOUND, "cannot open 'absent': no such file or directory"},
                {"file/x", 0, XPM_EIO, "cannot open 'file/x': not a directory"},
                {"file", 4, XPM_EIO, "'file' is longer than 4 bytes"},
                {"dir", 0, XPM_EIO, "cannot read 'dir': is a directory"},
                {"pipe", 0, XPM_EIO, "cannot read 'pipe': not a regular file"},
                {"loop", 0, XPM_EIO, "cannot open 'loop': too many levels of symbolic links"},
        };
        place_put(place, "file", "12345");
        mkdirat(place->dir, "dir", 0700);
        mkfifoat(place->dir, "pipe", 0600);
        assert_int_equal(symlinkat("loop", place->dir, "loop"), 0);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_text text = XPM_TEXT_INIT;
                xpm_error err = XPM_ERROR_NONE;
                xpm_text_puts(&text, "kept");
                assert_int_equal(xpm_file_read(place->dir, table[i].name, table[i].limit, &text, &err), table[i].rc);
                assert_int_equal(err.code, table[i].rc);
                assert_string_equal(err.message, table[i].message);
                assert_string_equal(text.data, "kept");
                xpm_text_release(&text);
        }
}

/* Files of /proc say that they are empty. */
static void file_that_hides_its_size_is_read_and_limited(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_file_read(AT_FDCWD, "/proc/self/status", 0, &text, &err), 0);
        assert_non_null(strstr(text.data, "Pid:"));
        size_t length = text.length;
        assert_int_equal(xpm_file_read(AT_FDCWD, "/proc/self/status", 10, &text, &err), XPM_EIO);
        assert_int_equal(text.length, length);
        assert_string_equal(err.message, "'/proc/self/status' is longer than 10 bytes");
        xpm_text_release(&text);
}

static void write_overwrites_in_place(void **state)
{
        struct place *place = *state;
        char buffer[4096];
        struct stat before, after;
        place_put(place, "f", "a longer text");
        fstatat(place->dir, "f", &before, 0);
        assert_int_equal(xpm_file_write(place->dir, "f", "short", 5, 0600, NULL), 0);
        fstatat(place->dir, "f", &after, 0);
        assert_string_equal(place_get(place, "f", buffer), "short");
        assert_int_equal(before.st_ino, after.st_ino);
}

static void replace_gives_a_new_file_with_the_mode(void **state)
{
        struct place *place = *state;
        char buffer[4096];
        struct stat before, after;
        umask(022);
        place_put(place, "f", "old");
        fstatat(place->dir, "f", &before, 0);
        int reader = openat(place->dir, "f", O_RDONLY | O_CLOEXEC);
        assert_int_equal(xpm_file_replace(place->dir, "f", "new", 3, 0640, NULL), 0);
        fstatat(place->dir, "f", &after, 0);
        assert_string_equal(place_get(place, "f", buffer), "new");
        assert_int_not_equal(before.st_ino, after.st_ino);
        assert_int_equal(after.st_mode & 0777, 0640);
        assert_int_equal(read(reader, buffer, 10), 3);
        assert_memory_equal(buffer, "old", 3);
        close(reader);
        assert_int_equal(place_count(place, "."), 1);
}

static void replace_replaces_a_link_and_not_what_it_points_to(void **state)
{
        struct place *place = *state;
        char buffer[4096];
        place_put(place, "target", "target");
        assert_int_equal(symlinkat("target", place->dir, "link"), 0);
        assert_int_equal(xpm_file_replace(place->dir, "link", "new", 3, 0600, NULL), 0);
        assert_string_equal(place_get(place, "link", buffer), "new");
        assert_string_equal(place_get(place, "target", buffer), "target");
}

static void replace_works_in_directories_and_with_the_longest_name(void **state)
{
        struct place *place = *state;
        char buffer[4096], name[260] = "sub/";
        mkdirat(place->dir, "sub", 0700);
        memset(name + 4, 'n', 255);
        assert_int_equal(xpm_file_replace(place->dir, name, "x", 1, 0600, NULL), 0);
        assert_string_equal(place_get(place, name, buffer), "x");
        assert_int_equal(place_count(place, "sub"), 1);
}

static void leftover_temporary_of_a_dead_process_is_no_obstacle(void **state)
{
        struct place *place = *state;
        char buffer[4096], stale[64];
        snprintf(stale, sizeof stale, ".f.%ld.0.tmp", (long)getpid());
        place_put(place, stale, "stale");
        assert_int_equal(xpm_file_replace(place->dir, "f", "x", 1, 0600, NULL), 0);
        assert_string_equal(place_get(place, "f", buffer), "x");
        assert_string_equal(place_get(place, stale, buffer), "stale");
}

static void full_disk_leaves_the_old_file_and_no_temporary(void **state)
{
        struct place *place = *state;
        char buffer[4096];
        static const char data[10000];
        struct rlimit old, small = {.rlim_cur = 5000, .rlim_max = RLIM_INFINITY};
        xpm_error err = XPM_ERROR_NONE;
        place_put(place, "f", "old");
        getrlimit(RLIMIT_FSIZE, &old);
        small.rlim_max = old.rlim_max;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        int rc = xpm_file_replace(place->dir, "f", data, sizeof data, 0600, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        signal(SIGXFSZ, SIG_DFL);
        assert_int_equal(rc, XPM_EIO);
        assert_string_equal(err.message, "cannot write 'f': file too large");
        assert_string_equal(place_get(place, "f", buffer), "old");
        assert_int_equal(place_count(place, "."), 1);
}

static void device_without_space_is_an_error(void **state)
{
        (void)state;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_file_write(AT_FDCWD, "/dev/full", "x", 1, 0600, &err), XPM_EIO);
        assert_string_equal(err.message, "cannot write '/dev/full': no space left on device");
}

static void what_cannot_be_written_is_named(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *name, *written, *replaced;
        } table[] = {
                {"none/f", "cannot create 'none/f': no such file or directory",
                 "cannot create 'none/f': no such file or directory"},
                {"dir", "cannot create 'dir': is a directory", "cannot replace 'dir': is a directory"},
                {"file/f", "cannot create 'file/f': not a directory", "cannot create 'file/f': not a directory"},
        };
        mkdirat(place->dir, "dir", 0700);
        place_put(place, "file", "");
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_error written = XPM_ERROR_NONE, replaced = XPM_ERROR_NONE;
                assert_int_equal(xpm_file_write(place->dir, table[i].name, "x", 1, 0600, &written), XPM_EIO);
                assert_int_equal(xpm_file_replace(place->dir, table[i].name, "x", 1, 0600, &replaced), XPM_EIO);
                assert_string_equal(written.message, table[i].written);
                assert_string_equal(replaced.message, table[i].replaced);
        }
        assert_int_equal(place_count(place, "."), 2);
}

static void path_that_is_too_long_is_an_error(void **state)
{
        struct place *place = *state;
        static char name[5000];
        memset(name, 'x', sizeof name - 1);
        assert_int_equal(xpm_file_replace(place->dir, name, "x", 1, 0600, NULL), XPM_EIO);
        assert_int_equal(errno, ENAMETOOLONG);
        assert_int_equal(xpm_mkdir_p(place->dir, name, 0700, NULL), XPM_EIO);
        assert_int_equal(xpm_file_exists(place->dir, name, NULL), XPM_EIO);
}

/* A socket takes what fits and then says EAGAIN; the other end is read by a child. */
static void write_all_waits_for_a_slow_reader(void **state)
{
        (void)state;
        enum { SIZE = 4 << 20 };
        static char data[SIZE];
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        pid_t child = fork();
        if (child == 0) {
                size_t total = 0;
                ssize_t length;
                close(ends[0]);
                fcntl(ends[1], F_SETFL, 0);
                while ((length = read(ends[1], data, sizeof data)) > 0)
                        total += (size_t)length;
                _exit(total == SIZE ? 0 : 1);
        }
        close(ends[1]);
        assert_int_equal(xpm_write_all(ends[0], data, SIZE), 0);
        close(ends[0]);
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

static void write_all_tells_errno(void **state)
{
        (void)state;
        assert_int_equal(xpm_write_all(-1, "x", 1), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(xpm_write_all(-1, NULL, 0), 0);
}

static void directories_are_made_with_their_parents(void **state)
{
        struct place *place = *state;
        char absolute[128];
        snprintf(absolute, sizeof absolute, "%s/abs/x", place->path);
        static const char *const paths[] = {"a", "a", "a/b/c", "a/b/c/", "d//e/./f", "a/../g/h", "link/i"};
        assert_int_equal(mkdirat(place->dir, "real", 0700), 0);
        assert_int_equal(symlinkat("real", place->dir, "link"), 0);
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
                assert_int_equal(xpm_mkdir_p(place->dir, paths[i], 0700, NULL), 0);
                assert_true(place_count(place, paths[i]) >= 0);
        }
        assert_int_equal(xpm_mkdir_p(place->dir, absolute, 0700, NULL), 0);
        assert_true(place_count(place, "abs/x") == 0);
        assert_int_equal(xpm_mkdir_p(place->dir, "link", 0700, NULL), 0);
}

static void failing_component_is_named(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *path, *message;
        } table[] = {
                {"file", "cannot create the directory 'file': not a directory"},
                {"a/file/x/y", "cannot create the directory 'a/file': not a directory"},
                {"dangling", "cannot create the directory 'dangling': not a directory"},
                {"", "cannot create the directory '': no such file or directory"},
                {"/proc/none/x", "cannot create the directory '/proc/none': no such file or directory"},
        };
        place_put(place, "file", "");
        mkdirat(place->dir, "a", 0700);
        place_put(place, "a/file", "");
        assert_int_equal(symlinkat("nowhere", place->dir, "dangling"), 0);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_mkdir_p(place->dir, table[i].path, 0700, &err), XPM_EIO);
                assert_string_equal(err.message, table[i].message);
        }
}

static void existence_is_that_of_the_name(void **state)
{
        struct place *place = *state;
        place_put(place, "file", "");
        assert_int_equal(symlinkat("nowhere", place->dir, "dangling"), 0);
        assert_int_equal(xpm_file_exists(place->dir, "file", NULL), 1);
        assert_int_equal(xpm_file_exists(place->dir, "dangling", NULL), 1);
        assert_int_equal(xpm_file_exists(place->dir, ".", NULL), 1);
        assert_int_equal(xpm_file_exists(place->dir, "none", NULL), 0);
        assert_int_equal(xpm_file_exists(place->dir, "none/x", NULL), 0);
        assert_int_equal(xpm_file_exists(place->dir, "file/x", NULL), 0);
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_file_exists(-1, "x", &err), XPM_EIO);
        assert_string_equal(err.message, "cannot look at 'x': bad file descriptor");
}

static void reading_without_memory_is_told_so(void **state)
{
        struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        place_put(place, "f", "content");
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm(n);
                int rc = xpm_file_read(place->dir, "f", 0, &text, NULL);
                if (rc == 0)
                        rc = xpm_mkdir_p(place->dir, "x/y", 0700, NULL);
                bool struck = failing_malloc_disarm();
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                xpm_text_release(&text);
                if (!struck)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(content_is_appended_to_the_text),
                T(files_of_every_size_are_read_whole),
                T(what_cannot_be_read_is_named_and_changes_nothing),
                T(file_that_hides_its_size_is_read_and_limited),
                T(write_overwrites_in_place),
                T(replace_gives_a_new_file_with_the_mode),
                T(replace_replaces_a_link_and_not_what_it_points_to),
                T(replace_works_in_directories_and_with_the_longest_name),
                T(leftover_temporary_of_a_dead_process_is_no_obstacle),
                T(full_disk_leaves_the_old_file_and_no_temporary),
                T(device_without_space_is_an_error),
                T(what_cannot_be_written_is_named),
                T(path_that_is_too_long_is_an_error),
                T(write_all_waits_for_a_slow_reader),
                T(write_all_tells_errno),
                T(directories_are_made_with_their_parents),
                T(failing_component_is_named),
                T(existence_is_that_of_the_name),
                T(reading_without_memory_is_told_so),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
