#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "place.h"
#include "workspace/settings.h"

static xpm_settings *load(const struct place *place, const char *text)
{
        xpm_settings *settings;
        xpm_error err = XPM_ERROR_NONE;
        if (text)
                place_put(place, "settings.yaml", text);
        int rc = xpm_settings_load(place->path, &settings, &err);
        if (rc != 0)
                fprintf(stderr, "%s\n", err.message);
        assert_int_equal(rc, 0);
        return settings;
}

static xpm_workspace_choice choose(xpm_settings *settings, const char *workdir, const char *id, const char *experiment)
{
        xpm_workspace_choice choice;
        assert_int_equal(xpm_settings_choose(settings, workdir, id, experiment, &choice, NULL), 0);
        return choice;
}

static const char two[] = "env: {A: top, B: 1}\n"
                          "unknown: [1, {x: y}]\n"
                          "workspaces:\n"
                          "- {id: far, path: /far, ssh: {host: cluster}, triggers: ['*']}\n"
                          "- id: one\n"
                          "  path: /w/one\n"
                          "  odd: kept\n"
                          "  env: {B: two, C: '${env:XPM_TEST_HERE}/${oc.env.XPM_TEST_NOT}'}\n"
                          "- id: two\n"
                          "  path: ~/two\n"
                          "  sharing: group\n"
                          "  triggers: ['mnist-*', 'x']\n"
                          "  folders: [{path: /old, mode: use}, {path: ~/older}]\n";

static void without_a_file_it_is_the_directory_here(void **state)
{
        const struct place *place = *state;
        char expected[128], *before = getcwd(NULL, 0);
        assert_int_equal(chdir(place->path), 0);
        xpm_settings *settings = load(place, NULL);
        xpm_workspace_choice choice = choose(settings, NULL, NULL, "e");
        snprintf(expected, sizeof expected, "%s/experimaestro", place->path);
        assert_string_equal(choice.path, expected);
        assert_true(choice.by_default);
        assert_null(choice.id);
        assert_null(choice.env[0]);
        assert_null(choice.folders[0]);
        choice = choose(settings, "x", NULL, NULL);
        snprintf(expected, sizeof expected, "%s/x", place->path);
        assert_string_equal(choice.path, expected);
        assert_false(choice.by_default);
        xpm_settings_destroy(settings);
        assert_int_equal(chdir(before), 0);
        free(before);
}

static void workspace_is_chosen_in_order(void **state)
{
        static const struct {
                const char *workdir, *id, *experiment, *path, *chosen;
        } cases[] = {
                {"/d", NULL, "mnist-1", "/d", NULL},      {NULL, "two", NULL, "/home/me/two", "two"},
                {"/d", "two", NULL, "/d", "two"},         {NULL, NULL, "mnist-1", "/home/me/two", "two"},
                {NULL, NULL, "x", "/home/me/two", "two"}, {NULL, NULL, "mnist", "/w/one", "one"},
                {NULL, NULL, NULL, "/w/one", "one"},
        };
        setenv("HOME", "/home/me", 1);
        xpm_settings *settings = load(*state, two);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_workspace_choice choice = choose(settings, cases[i].workdir, cases[i].id, cases[i].experiment);
                assert_string_equal(choice.path, cases[i].path);
                if (cases[i].chosen)
                        assert_string_equal(choice.id, cases[i].chosen);
                else
                        assert_null(choice.id);
                assert_int_equal(choice.group_sharing, cases[i].chosen && strcmp(cases[i].chosen, "two") == 0);
                assert_false(choice.by_default);
        }
        xpm_settings_destroy(settings);
}

static void environment_of_the_workspace_comes_last(void **state)
{
        static const char *const expected[] = {"A", "top", "B", "1", "B", "two", "C", "here/${oc.env.XPM_TEST_NOT}",
                                               NULL};
        setenv("XPM_TEST_HERE", "here", 1);
        unsetenv("XPM_TEST_NOT");
        xpm_settings *settings = load(*state, two);
        xpm_workspace_choice choice = choose(settings, NULL, "one", NULL);
        for (size_t i = 0; expected[i] || choice.env[i]; i++)
                assert_string_equal(choice.env[i], expected[i]);
        choice = choose(settings, "/d", NULL, NULL);
        assert_string_equal(choice.env[2], "B");
        assert_null(choice.env[4]);
        xpm_settings_destroy(settings);
}

static void folders_are_absolute(void **state)
{
        setenv("HOME", "/home/me", 1);
        xpm_settings *settings = load(*state, two);
        xpm_workspace_choice choice = choose(settings, NULL, "two", NULL);
        assert_string_equal(choice.folders[0], "/old");
        assert_string_equal(choice.folders[1], "/home/me/older");
        assert_null(choice.folders[2]);
        xpm_settings_destroy(settings);
}

static void users_are_those_whose_folders_lead_there(void **state)
{
        const struct place *place = *state;
        const char *const *users;
        char text[1024];
        assert_int_equal(mkdirat(place->dir, "main", 0700), 0);
        assert_int_equal(symlinkat("main", place->dir, "alias"), 0);
        snprintf(text, sizeof text,
                 "workspaces:\n"
                 "- {id: main, path: %s/main, folders: [{path: %s/main}]}\n"
                 "- {id: none, path: /none, folders: [{path: /old}]}\n"
                 "- {id: one, path: /one, folders: [{path: /old}, {path: %s/alias, mode: use}]}\n"
                 "- {id: far, path: /far, ssh: {host: cluster}, folders: [{path: %s/main}]}\n",
                 place->path, place->path, place->path, place->path);
        xpm_settings *settings = load(place, text);
        snprintf(text, sizeof text, "%s/main", place->path);
        assert_int_equal(xpm_settings_users(settings, text, &users, NULL), 0);
        assert_string_equal(users[0], text);
        assert_string_equal(users[1], "/one");
        assert_null(users[2]);
        xpm_settings_destroy(settings);
}

static void unknown_id_gets_a_suggestion(void **state)
{
        static const struct {
                const char *id, *words;
        } cases[] = {
                {"tow", "did you mean 'two'?"},
                {"something else", "there is no workspace 'something else'"},
                {"far", "is on another host"},
        };
        xpm_settings *settings = load(*state, two);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_workspace_choice choice;
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_settings_choose(settings, NULL, cases[i].id, NULL, &choice, &err), XPM_ESETTINGS);
                assert_non_null(strstr(err.message, cases[i].words));
        }
        xpm_settings_destroy(settings);
}

static void history_of_the_workspace_counts_as_a_whole(void **state)
{
        static const struct {
                const char *text, *workdir;
                size_t max_done, max_failed;
        } cases[] = {
                {"{}", NULL, 5, 1},
                {"workspaces: [{id: a, path: /x}]", NULL, 5, 1},
                {"history: {max_done: 7}", NULL, 7, 1},
                {"history: {max_done: 7, max_failed: 0}\nworkspaces: [{id: a, path: /x}]", NULL, 7, 0},
                {"history: {max_done: 7}\nworkspaces: [{id: a, path: /x, history: {max_failed: 3}}]", NULL, 5, 3},
                {"history: {max_done: 7}\nworkspaces: [{id: a, path: /x, history: {max_done: 3}}]", "w", 7, 1},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_settings *settings;
                xpm_workspace_choice choice;
                place_put(*state, "settings.yaml", cases[i].text);
                assert_int_equal(xpm_settings_load(((struct place *)*state)->path, &settings, NULL), 0);
                assert_int_equal(xpm_settings_choose(settings, cases[i].workdir, NULL, NULL, &choice, NULL), 0);
                assert_int_equal(choice.max_done, cases[i].max_done);
                assert_int_equal(choice.max_failed, cases[i].max_failed);
                xpm_settings_destroy(settings);
        }
}

static void what_is_wrong_is_shown_with_its_place(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                {"workspaces: 3\n", ":1:13: 'workspaces' must be a list"},
                {"workspaces: [3]\n", ":1:14: a workspace must be a mapping"},
                {"workspaces:\n- path: /x\n", ":2:3: this workspace has no 'id'"},
                {"workspaces:\n- id: a\n", ":2:3: the workspace 'a' has no 'path'"},
                {"workspaces:\n- {id: a, path: /x}\n- {id: a, path: /y}\n", ":3:3: a second workspace has the id 'a'"},
                {"workspaces:\n- {id: a, path: /x, sharing: all}\n", "it must be private or group"},
                {"workspaces:\n- {id: a, path: /x, durability: 1}\n", "it must be process or machine"},
                {"workspaces:\n- {id: a, path: /x, max_retries: -1}\n", "it must be a whole number"},
                {"workspaces:\n- {id: a, path: /x, triggers: x}\n", "'triggers' must be a list"},
                {"workspaces:\n- {id: a, path: /x, triggers: [[]]}\n", "each of 'triggers' must be a text"},
                {"workspaces:\n- {id: a, path: /x, folders: [/y]}\n", "a folder must be a mapping"},
                {"workspaces:\n- {id: a, path: /x, folders: [{mode: use}]}\n", "has no 'path'"},
                {"workspaces:\n- {id: a, path: /x, folders: [{path: /y, mode: copy}]}\n", "use, backup or move"},
                {"workspaces:\n- {id: a, path: ~nobody-here/x}\n", "there is no home directory '~nobody-here'"},
                {"history: {max_done: many}\n", ":1:21: 'max_done' is 'many'"},
                {"env: [A]\n", "'env' must be a mapping"},
                {"env: {A: [1]}\n", "the value of 'A' must be a text"},
                {"env: {'A=B': 1}\n", "no name of an environment variable"},
                {"- a\n", "the settings must be a mapping"},
                {"a: [\n", "settings.yaml:"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_settings *settings;
                xpm_error err = XPM_ERROR_NONE;
                place_put(*state, "settings.yaml", cases[i].text);
                assert_int_equal(xpm_settings_load(((struct place *)*state)->path, &settings, &err), XPM_ESETTINGS);
                assert_int_equal(err.code, XPM_ESETTINGS);
                assert_non_null(strstr(err.message, "settings.yaml:"));
                if (!strstr(err.message, cases[i].words))
                        fail_msg("'%s' is not in '%s'", cases[i].words, err.message);
        }
}

static void directory_comes_from_the_environment(void **state)
{
        static const struct {
                const char *dir, *config, *path;
        } cases[] = {
                {"/given", "/c", "/given/launchers.yaml"},
                {NULL, "/c", "/c/experimaestro/launchers.yaml"},
                {NULL, "", "/home/me/.config/experimaestro/launchers.yaml"},
                {NULL, NULL, "/home/me/.config/experimaestro/launchers.yaml"},
        };
        (void)state;
        setenv("HOME", "/home/me", 1);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                if (cases[i].config)
                        setenv("XDG_CONFIG_HOME", cases[i].config, 1);
                else
                        unsetenv("XDG_CONFIG_HOME");
                char *path = xpm_settings_path(cases[i].dir, "launchers.yaml");
                assert_string_equal(path, cases[i].path);
                free(path);
        }
}

static int work(const char *directory, char path[64])
{
        xpm_settings *settings;
        xpm_workspace_choice choice;
        int rc = xpm_settings_load(directory, &settings, NULL);
        if (rc != 0)
                return rc;
        rc = xpm_settings_choose(settings, NULL, "two", NULL, &choice, NULL);
        if (rc == 0)
                snprintf(path, 64, "%s %s", choice.path, choice.env[1]);
        xpm_settings_destroy(settings);
        return rc;
}

/* Not every allocation is needed: the C library's to make a block smaller is not. */
static void lack_of_memory_is_an_error_or_no_harm(void **state)
{
        if (!failing_malloc_works)
                skip();
        setenv("HOME", "/home/me", 1);
        place_put(*state, "settings.yaml", two);
        for (long n = 1;; n++) {
                char path[64] = "";
                failing_malloc_arm(n);
                int rc = work(((struct place *)*state)->path, path);
                bool failed = failing_malloc_disarm();
                assert_true(rc == 0 || (failed && rc == XPM_ENOMEM));
                if (rc == 0)
                        assert_string_equal(path, "/home/me/two top");
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(without_a_file_it_is_the_directory_here),    T(workspace_is_chosen_in_order),
                T(environment_of_the_workspace_comes_last),    T(folders_are_absolute),
                T(users_are_those_whose_folders_lead_there),   T(unknown_id_gets_a_suggestion),
                T(history_of_the_workspace_counts_as_a_whole), T(what_is_wrong_is_shown_with_its_place),
                T(directory_comes_from_the_environment),       T(lack_of_memory_is_an_error_or_no_harm),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
