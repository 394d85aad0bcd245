#include "place.h"
#include "yaml_case.h"

#include "plan/program.h"

static int find(const struct place *place, const char *name, const char *cwd, const char **path, xpm_arena *arena,
                xpm_error *err)
{
        static const xpm_pos pos = {.source = &yaml_case_source, .line = 2, .column = 7};
        return xpm_program_find(arena, name, place->path, cwd, pos, path, err);
}

static void put_program(const struct place *place, const char *name)
{
        place_put(place, name, "#!/bin/sh\n");
        assert_int_equal(fchmodat(place->dir, name, 0755, 0), 0);
}

static void a_name_means_one_file(void **state)
{
        struct place *place = *state;
        mkdirat(place->dir, "sub", 0777);
        mkdirat(place->dir, "folder", 0777);
        put_program(place, "bare");
        put_program(place, "shell.sh");
        place_put(place, "python.py", "");
        put_program(place, "two.sh");
        put_program(place, "two.py");
        put_program(place, "two");
        put_program(place, "sub/deep.sh");
        put_program(place, "a name\n.sh");
        put_program(place, "with.dot");
        place_put(place, "no_bit.sh", "");
        place_put(place, "no_bit2", "");
        place_put(place, "code.c", "");
        place_put(place, "object.so", "");
        put_program(place, ".hidden");
        put_program(place, "folder/none");
        static const struct {
                const char *name, *path; /* relative; NULL: an error that ends in */
                const char *message;
        } cases[] = {
                {"bare", "bare", NULL},
                {"shell", "shell.sh", NULL},
                {"python", "python.py", NULL},
                {"two.sh", "two.sh", NULL},
                {"sub/deep", "sub/deep.sh", NULL},
                {"sub/../sub/deep.sh", "sub/deep.sh", NULL},
                {"a name\n", "a name\n.sh", NULL},
                {"with.dot", "with.dot", NULL},
                {".hidden", ".hidden", NULL},
                {"two", NULL,
                 "several files could be the plan: 'two' and 'two.sh' and 'two.py': write the name with its "
                 "extension"},
                {"no_bit", NULL, "the plan 'no_bit.sh' is not executable: chmod +x '@/no_bit.sh'"},
                {"no_bit2", NULL, "the plan 'no_bit2' is not executable: chmod +x '@/no_bit2'"},
                {"code", NULL,
                 "the plan 'code.c' is C code, which cannot be run: a plan is an executable or a Python script that "
                 "prints YAML"},
                {"object.so", NULL,
                 "the plan 'object.so' is C code, which cannot be run: a plan is an executable or a Python "
                 "script that prints YAML"},
                {"folder", NULL,
                 "the plan 'folder' does not exist in '@': neither does any of 'folder.c', 'folder.so', "
                 "'folder.sh', 'folder.py'"},
                {"none.py", NULL, "the plan 'none.py' does not exist in '@'"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                const char *path = NULL;
                char expected[512] = "x.yaml:2:7: ";
                int rc = find(place, cases[i].name, NULL, &path, arena, &err);
                if (cases[i].path) {
                        snprintf(expected, sizeof expected, "%s/%s", place->path, cases[i].path);
                        if (rc != 0)
                                fail_msg("%s: %s", cases[i].name, err.message);
                        assert_string_equal(path, expected);
                } else {
                        const char *at = strchr(cases[i].message, '@');
                        size_t before = at ? (size_t)(at - cases[i].message) : strlen(cases[i].message);
                        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%.*s%s%s",
                                 (int)before, cases[i].message, at ? place->path : "", at ? at + 1 : "");
                        yaml_case_check_error(cases[i].name, rc, XPM_EPLAN, &err, expected);
                }
                xpm_arena_destroy(arena);
        }
}

static void the_current_directory_comes_second(void **state)
{
        struct place *place = *state;
        mkdirat(place->dir, "here", 0777);
        put_program(place, "both.sh");
        put_program(place, "here/both.sh");
        put_program(place, "here/only.sh");
        xpm_arena *arena = xpm_arena_create();
        char here[128], expected[160];
        const char *path;
        snprintf(here, sizeof here, "%s/here", place->path);
        assert_int_equal(find(place, "both", here, &path, arena, NULL), 0);
        snprintf(expected, sizeof expected, "%s/both.sh", place->path);
        assert_string_equal(path, expected);
        assert_int_equal(find(place, "only", here, &path, arena, NULL), 0);
        snprintf(expected, sizeof expected, "%s/only.sh", here);
        assert_string_equal(path, expected);
        assert_int_equal(find(place, "only", NULL, &path, arena, NULL), XPM_EPLAN);
        xpm_arena_destroy(arena);
}

static int print(void *data, const char *path, bool python, const char *dir, const xpm_text *input, xpm_text *output,
                 xpm_error *err)
{
        assert_string_equal(dir, "/experiment");
        assert_string_equal(input->data, "{\"a\": [1, 2.5, \"x\", null]}");
        assert_int_equal(python, strstr(path, ".py") != NULL);
        (void)err;
        xpm_text_puts(output, data);
        return 0;
}

static void the_output_is_a_mapping_of_known_keys(void **state)
{
        (void)state;
        static const struct {
                const char *output, *json, *message;
        } cases[] = {
                {"", "{}", NULL},
                {"{enums: {}, configs: {}, tasks: {}, plan: {}, results: {}}",
                 "{\"enums\": {}, \"configs\": {}, \"tasks\": {}, \"plan\": {}, \"results\": {}}", NULL},
                {"plan: {a: {task: \"\\ud83d\\ude00\"}}", "{\"plan\": {\"a\": {\"task\": \"\xf0\x9f\x98\x80\"}}}",
                 NULL},
                {"plan: {}\nid: x\n", NULL,
                 "output of 'p.py':2:1: a plan may print enums, configs, tasks, plan and results, not "
                 "'id'"},
                {"plna: {}\n", NULL,
                 "output of 'p.py':1:1: a plan may print enums, configs, tasks, plan and results, not 'plna': "
                 "did you mean 'plan'?"},
                {"- 1\n", NULL,
                 "output of 'p.py':1:1: a mapping with any of enums, configs, tasks, plan, results is expected"},
                {"plan: [1\n", NULL, "output of 'p.py':1:7: the list that begins here is never closed: ']' is missing"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                const xpm_load_options options = {.run = print, .run_data = (void *)(uintptr_t)cases[i].output};
                xpm_node *out = NULL;
                int rc = xpm_program_run(arena, &options, "/experiment/p.py", "/experiment",
                                         yaml_case_parse(arena, "{a: [1, 2.5, x, ~]}", 0), 3, &out, &err);
                if (cases[i].message) {
                        yaml_case_check_error(cases[i].output, rc, XPM_EPLAN, &err, cases[i].message);
                } else {
                        assert_int_equal(rc, 0);
                        yaml_case_check(cases[i].output, out, cases[i].json);
                        assert_int_equal(out->layer, 3);
                }
                xpm_arena_destroy(arena);
        }
}

static void without_a_way_to_run_it_a_program_is_refused(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_error err = XPM_ERROR_NONE;
        const xpm_load_options options = {0};
        xpm_node *out;
        assert_int_equal(
                xpm_program_run(arena, &options, "/x/p.py", "/x", yaml_case_parse(arena, "", 0), 1, &out, &err),
                XPM_EPLAN);
        assert_string_equal(err.message, "the plan '/x/p.py' is a program, and programs are not run here");
        xpm_arena_destroy(arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(a_name_means_one_file),
                T(the_current_directory_comes_second),
#undef T
                cmocka_unit_test(the_output_is_a_mapping_of_known_keys),
                cmocka_unit_test(without_a_way_to_run_it_a_program_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
