#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "place.h"
#include "workspace/workspace.h"

static const char *in(const struct place *place, const char *name, char buffer[128])
{
        snprintf(buffer, 128, "%s/%s", place->path, name);
        return buffer;
}

static mode_t mode_of(const struct place *place, const char *name)
{
        struct stat st;
        assert_int_equal(fstatat(place->dir, name, &st, 0), 0);
        return st.st_mode & 07777;
}

static void what_is_missing_is_made(void **state)
{
        char path[128], text[4096];
        xpm_workspace *workspace;
        assert_int_equal(xpm_workspace_open(in(*state, "a/b", path), true, false, &workspace, NULL), 0);
        assert_string_equal(workspace->path, path);
        assert_string_equal(place_get(*state, "a/b/.__experimaestro__", text), "");
        assert_int_equal(mode_of(*state, "a/b"), 0700);
        assert_int_equal(mode_of(*state, "a/b/.__experimaestro__"), 0600);
        xpm_workspace_close(workspace);
}

static void looking_makes_nothing(void **state)
{
        char path[128];
        xpm_workspace *workspace;
        assert_int_equal(xpm_workspace_open(in(*state, "none", path), false, false, &workspace, NULL), 0);
        assert_int_equal(workspace->dir, -1);
        assert_string_equal(workspace->path, path);
        xpm_workspace_close(workspace);
        assert_int_equal(place_count(*state, "."), 0);
}

static void relative_path_is_made_absolute(void **state)
{
        const struct place *place = *state;
        char path[128], *before = getcwd(NULL, 0);
        xpm_workspace *workspace;
        assert_int_equal(chdir(place->path), 0);
        assert_int_equal(xpm_workspace_open("x/../w", true, false, &workspace, NULL), 0);
        assert_int_equal(chdir(before), 0);
        assert_string_equal(workspace->path, in(place, "w", path));
        xpm_workspace_close(workspace);
        free(before);
}

static void group_gets_its_permissions_whatever_the_umask(void **state)
{
        char path[128];
        xpm_workspace *workspace;
        mode_t before = umask(077);
        assert_int_equal(xpm_workspace_open(in(*state, "w", path), true, true, &workspace, NULL), 0);
        assert_int_equal(mode_of(*state, "w"), 02770);
        assert_int_equal(mode_of(*state, "w/.__experimaestro__"), 0660);
        assert_int_equal(mkdirat(workspace->dir, "below", workspace->directory_mode), 0);
        assert_int_equal(mode_of(*state, "w/below"), 02770);
        xpm_workspace_close(workspace);
        assert_int_equal(umask(before), 077);
}

static void file_in_the_way_is_named(void **state)
{
        static const char *const names[] = {"file", "file/below"};
        char path[128];
        place_put(*state, "file", "");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                for (int create = 0; create < 2; create++) {
                        xpm_error err = XPM_ERROR_NONE;
                        xpm_workspace *workspace;
                        assert_int_equal(
                                xpm_workspace_open(in(*state, names[i], path), create, false, &workspace, &err),
                                XPM_EIO);
                        assert_non_null(strstr(err.message, path));
                        assert_non_null(strstr(err.message, "not a directory"));
                }
}

static void place_that_may_not_be_written_is_named(void **state)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_workspace *workspace;
        (void)state;
        assert_int_equal(xpm_workspace_open("/proc/here", true, false, &workspace, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "'/proc/here'"));
}

static void lack_of_memory_is_an_error(void **state)
{
        char path[128];
        if (!failing_malloc_works)
                skip();
        in(*state, "w", path);
        for (long n = 1;; n++) {
                xpm_workspace *workspace = NULL;
                failing_malloc_arm(n);
                int rc = xpm_workspace_open(path, true, false, &workspace, NULL);
                bool failed = failing_malloc_disarm();
                assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                xpm_workspace_close(workspace);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(what_is_missing_is_made),        T(looking_makes_nothing),
                T(relative_path_is_made_absolute), T(group_gets_its_permissions_whatever_the_umask),
                T(file_in_the_way_is_named),       T(place_that_may_not_be_written_is_named),
                T(lack_of_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
