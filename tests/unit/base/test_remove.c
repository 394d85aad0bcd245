#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "failing_malloc.h"
#include "place.h"

static void tree_goes_with_everything_in_it(void **state)
{
        struct place *place = *state;
        assert_int_equal(xpm_mkdir_p(place->dir, "t/a/b/c", 0700, NULL), 0);
        assert_int_equal(xpm_mkdir_p(place->dir, "t/empty", 0700, NULL), 0);
        place_put(place, "t/file", "x");
        place_put(place, "t/a/b/with space\nand newline", "x");
        mkfifoat(place->dir, "t/pipe", 0600);
        for (int i = 0; i < 3000; i++) {
                char name[64];
                snprintf(name, sizeof name, "t/a/%d", i);
                place_put(place, name, "");
        }
        place_put(place, "beside", "");
        assert_int_equal(xpm_remove_tree(place->dir, "t", NULL), 0);
        assert_int_equal(place_count(place, "."), 1);
}

static void file_link_and_nothing_are_trees_too(void **state)
{
        struct place *place = *state;
        place_put(place, "file", "");
        assert_int_equal(symlinkat("nowhere", place->dir, "dangling"), 0);
        static const char *const names[] = {"file", "dangling", "nothing", "no/thing", "nothing/"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                assert_int_equal(xpm_remove_tree(place->dir, names[i], NULL), 0);
        assert_int_equal(place_count(place, "."), 0);
}

static void links_are_removed_and_not_followed(void **state)
{
        struct place *place = *state;
        assert_int_equal(xpm_mkdir_p(place->dir, "outside", 0700, NULL), 0);
        place_put(place, "outside/file", "precious");
        assert_int_equal(xpm_mkdir_p(place->dir, "t/d", 0700, NULL), 0);
        assert_int_equal(symlinkat("../../outside", place->dir, "t/d/link"), 0);
        assert_int_equal(symlinkat("outside", place->dir, "link"), 0);
        assert_int_equal(xpm_remove_tree(place->dir, "t", NULL), 0);
        assert_int_equal(xpm_remove_tree(place->dir, "link/", NULL), 0);
        assert_int_equal(place_count(place, "."), 1);
        assert_int_equal(place_count(place, "outside"), 1);
}

static void what_is_no_name_is_refused(void **state)
{
        struct place *place = *state;
        static const char *const names[] = {"", ".", "..", "/", "//", "a/.", "a/..", "a/../"};
        mkdirat(place->dir, "a", 0700);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_remove_tree(place->dir, names[i], &err), XPM_EIO);
                assert_non_null(strstr(err.message, "not the name of something in a directory"));
        }
        assert_int_equal(place_count(place, "."), 1);
}

/* A tree of LEVELS directories, each with a file, and its deepest directory far beyond PATH_MAX. */
static void make_deep(struct place *place, int levels)
{
        assert_int_equal(mkdirat(place->dir, "deep", 0700), 0);
        int fd = openat(place->dir, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < levels; i++) {
                assert_int_equal(mkdirat(fd, "directory", 0700), 0);
                int file = openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                int next = openat(fd, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                close(file);
                close(fd);
                fd = next;
        }
        close(fd);
}

static void deep_tree_needs_few_descriptors(void **state)
{
        struct place *place = *state;
        make_deep(place, 2000);
        struct rlimit old, few;
        getrlimit(RLIMIT_NOFILE, &old);
        few = (struct rlimit){.rlim_cur = 64, .rlim_max = old.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        xpm_error err = XPM_ERROR_NONE;
        int rc = xpm_remove_tree(place->dir, "deep", &err);
        setrlimit(RLIMIT_NOFILE, &old);
        assert_string_equal(err.message, "");
        assert_int_equal(rc, 0);
        assert_int_equal(place_count(place, "."), 0);
}

/* A hundred directories have to move at once, while files and directories stand where they want to go. */
static void names_of_ours_in_the_tree_are_no_obstacle(void **state)
{
        struct place *place = *state;
        char name[256];
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof name, "tree/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/%d/x",
                         i);
                assert_int_equal(xpm_mkdir_p(place->dir, name, 0700, NULL), 0);
                snprintf(name, sizeof name, "tree/.remove.%ld.%d", (long)getpid(), i);
                if (i % 2 == 0)
                        place_put(place, name, "");
                else
                        assert_int_equal(xpm_mkdir_p(place->dir, strcat(name, "/x"), 0700, NULL), 0);
        }
        assert_int_equal(xpm_remove_tree(place->dir, "tree", NULL), 0);
        assert_int_equal(place_count(place, "."), 0);
}

/* What xpm_remove_tree("t") says to somebody who is not root; the place is his. */
static int remove_as_nobody(const struct place *place, xpm_error *err)
{
        enum { NOBODY = 12345 };
        int said[2], status;
        if (geteuid() != 0)
                return xpm_remove_tree(place->dir, "t", err);
        assert_return_code(pipe(said), errno);
        assert_return_code(fchownat(place->dir, ".", NOBODY, NOBODY, 0), errno);
        pid_t child = fork();
        if (child == 0) {
                int rc = setresuid(NOBODY, NOBODY, NOBODY) == 0 ? xpm_remove_tree(place->dir, "t", err) : 1;
                _exit(write(said[1], err, sizeof *err) == sizeof *err ? -rc : 1);
        }
        assert_int_equal(read(said[0], err, sizeof *err), sizeof *err);
        assert_int_equal(waitpid(child, &status, 0), child);
        close(said[0]);
        close(said[1]);
        return -WEXITSTATUS(status);
}

static void belongs_to_nobody(const struct place *place, const char *name, mode_t mode)
{
        if (geteuid() == 0)
                assert_return_code(fchownat(place->dir, name, 12345, 12345, 0), errno);
        assert_return_code(fchmodat(place->dir, name, mode, 0), errno);
}

static void mode_of_a_directory_of_ours_is_no_obstacle(void **state)
{
        static const mode_t modes[] = {0500, 0000, 0300, 0400};
        struct place *place = *state;
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_mkdir_p(place->dir, "t/locked/inner", 0700, NULL), 0);
                place_put(place, "t/locked/file", "");
                belongs_to_nobody(place, "t/locked/inner", modes[i]);
                belongs_to_nobody(place, "t/locked", modes[i]);
                belongs_to_nobody(place, "t", modes[i]);
                assert_int_equal(remove_as_nobody(place, &err), 0);
                assert_int_equal(place_count(place, "."), 0);
        }
}

static void what_stays_is_named(void **state)
{
        struct place *place = *state;
        if (geteuid() != 0)
                skip(); /* nobody else's directory could be made */
        assert_int_equal(xpm_mkdir_p(place->dir, "t/locked", 0755, NULL), 0);
        place_put(place, "t/locked/file", "");
        belongs_to_nobody(place, "t", 0700);
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(remove_as_nobody(place, &err), XPM_EIO);
        assert_string_equal(err.message, "cannot remove 'file' below 't': permission denied");
}

static void every_allocation_may_fail(void **state)
{
        struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                assert_int_equal(xpm_mkdir_p(place->dir, "t/a/b", 0700, NULL), 0);
                place_put(place, "t/a/b/file", "");
                failing_malloc_arm(n);
                int rc = xpm_remove_tree(place->dir, "t", NULL);
                bool struck = failing_malloc_disarm();
                assert_int_equal(rc != 0, struck);
                if (!struck)
                        break;
        }
        assert_int_equal(place_count(place, "."), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(tree_goes_with_everything_in_it),
                T(file_link_and_nothing_are_trees_too),
                T(links_are_removed_and_not_followed),
                T(what_is_no_name_is_refused),
                T(deep_tree_needs_few_descriptors),
                T(names_of_ours_in_the_tree_are_no_obstacle),
                T(mode_of_a_directory_of_ours_is_no_obstacle),
                T(what_stays_is_named),
                T(every_allocation_may_fail),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
