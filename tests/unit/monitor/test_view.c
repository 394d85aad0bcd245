#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "monitor/viewstate.h"
#include "views.h"

static void place_without_a_workspace_is_refused(void **state)
{
        const struct place *place = *state;
        char path[128];
        static const struct {
                const char *name;
                int code;
                const char *words;
        } cases[] = {
                {"absent", XPM_ENOTFOUND, "there is no workspace"},
                {"plain", XPM_ENOTFOUND, "is not a workspace: it has no '.__experimaestro__'"},
                {"file", XPM_EIO, "is not a directory"},
        };
        mkdirat(place->dir, "plain", 0700);
        place_put(place, "file", "");
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_view *view;
                xpm_error err = XPM_ERROR_NONE;
                snprintf(path, sizeof path, "%s/%s", place->path, cases[i].name);
                xpm_view_place where = {.config_dir = place->path, .workdir = path};
                assert_int_equal(xpm_view_open(&where, &view, &err), cases[i].code);
                assert_non_null(strstr(err.message, cases[i].words));
                assert_non_null(strstr(err.message, path));
                assert_int_equal(faccessat(place->dir, "plain/.__experimaestro__", F_OK, 0), -1);
        }
}

static void workspace_of_the_settings_is_found(void **state)
{
        const struct place *place = *state;
        char text[256], path[128];
        xpm_view *view;
        snprintf(path, sizeof path, "%s/w", place->path);
        snprintf(text, sizeof text, "workspaces: [{id: w, path: %s}]\n", path);
        place_put(place, "settings.yaml", text);
        mkdirat(place->dir, "w", 0700);
        place_put(place, "w/.__experimaestro__", "");
        assert_int_equal(xpm_view_open(&(xpm_view_place){.config_dir = place->path, .workspace = "w"}, &view, NULL), 0);
        assert_string_equal(xpm_view_path(view), path);
        xpm_view_close(view);
}

static void names_are_sorted_by_their_numbers(void **state)
{
        static const char *const made[] = {"20260101_000000.10", "20260101_000000.2", "20260101_000000",
                                           "20251231_235959", ".hidden"};
        static const char *const sorted[] = {"20251231_235959", "20260101_000000", "20260101_000000.2",
                                             "20260101_000000.10"};
        const char **names;
        size_t count;
        place_put(*state, ".__experimaestro__", "");
        for (size_t i = 0; i < sizeof made / sizeof *made; i++)
                runs_mkdir(*state, "d/%s", made[i]);
        place_put(*state, "d/file", "");
        assert_int_equal(symlinkat("20260101_000000", ((struct place *)*state)->dir, "d/link"), 0);
        xpm_view *view = views_open(*state);
        assert_int_equal(xpm_view_directories(view, "d", false, &names, &count, NULL), 0);
        assert_int_equal(count, 4);
        for (size_t i = 0; i < count; i++)
                assert_string_equal(names[i], sorted[i]);
        assert_int_equal(xpm_view_directories(view, "d", true, &names, &count, NULL), 0);
        assert_int_equal(count, 5);
        assert_int_equal(xpm_view_directories(view, "none", true, &names, &count, NULL), 0);
        assert_int_equal(count, 0);
        xpm_view_close(view);
}

static void script_is_the_last_part_of_the_task(void **state)
{
        (void)state;
        assert_string_equal(xpm_view_script("a.b.train"), "train");
        assert_string_equal(xpm_view_script("train"), "train");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(place_without_a_workspace_is_refused),
                T(workspace_of_the_settings_is_found),
                T(names_are_sorted_by_their_numbers),
                T(script_is_the_last_part_of_the_task),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
