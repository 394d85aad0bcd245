#include "base/sha256.h"
#include "faked.h"

static const char text[] = "id: told\n"
                           "launcher: fake\n"
                           "tasks:\n"
                           "  m.Leaf: {params: {n: int}, command: [\"true\"]}\n"
                           "  m.Task:\n"
                           "    params:\n"
                           "      x: m.Leaf\n"
                           "      rate: float\n"
                           "      name: {type: str, default: plain, ignore_default: true}\n"
                           "      maybe: {type: 'int?', default: null}\n"
                           "      threads: {type: int, meta: true, default: 4}\n"
                           "      out: {generated: result.bin}\n"
                           "    command: [\"true\"]\n"
                           "plan:\n"
                           "  a: {task: m.Leaf, params: {n: 1}}\n"
                           "  b: {task: m.Task, params: {x: {each: a}, rate: 0.5}}\n";

struct heard {
        xpm_text bytes, lines;
        size_t visits, stop_at; /* 0: never */
};

static int hear(void *data, const xpm_identity *field)
{
        struct heard *heard = data;
        if (++heard->visits == heard->stop_at)
                return 77;
        if (field->length > 0)
                xpm_text_append(&heard->bytes, field->bytes, field->length);
        xpm_text_printf(&heard->lines, "%s = %s%s%s%s%s\n", field->name ? field->name : "*", field->value,
                        field->skipped ? ": " : "", field->skipped ? field->skipped : "",
                        field->generated ? " as " : "", field->generated ? field->generated : "");
        return 0;
}

static void forget(struct heard *heard)
{
        xpm_text_release(&heard->bytes);
        xpm_text_release(&heard->lines);
        *heard = (struct heard){0};
}

static void bytes_that_are_told_are_those_that_were_hashed(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, text);
        for (size_t i = 0; i < xpm_experiment_job_count(scene->experiment); i++) {
                struct heard heard = {0};
                uint8_t digest[XPM_SHA256_SIZE];
                char hex[XPM_JOB_ID_SIZE], id[XPM_JOB_ID_SIZE];
                assert_int_equal(xpm_experiment_identity(scene->experiment, scene_job(scene, i), hear, &heard, NULL),
                                 0);
                assert_int_equal(xpm_sha256(heard.bytes.data, heard.bytes.length, digest, NULL), 0);
                xpm_hex(digest, sizeof digest, hex);
                xpm_job_identifier(scene_job(scene, i), id);
                assert_string_equal(hex, id);
                forget(&heard);
        }
}

static void every_parameter_is_told_with_its_value_or_why_it_does_not_count(void **state)
{
        struct scene *scene = *state;
        struct heard heard = {0};
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_identity(scene->experiment, scene_job(scene, 1), hear, &heard, NULL), 0);
        const char *told = xpm_text_string(&heard.lines);
        static const char *const lines[] = {
                "* = \"m.task\"\n",
                "\nrate = 0.5\n",
                "\nname = \"plain\": its default, with ignore_default\n",
                "\nmaybe = null: optional and null\n",
                "\nthreads = 4: meta\n",
                "\nout = \"result.bin\": generated as result.bin\n",
                "\nx = {",
        };
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
                if (!strstr(told, lines[i]))
                        fail_msg("%s\nis not told in\n%s", lines[i], told);
        assert_int_equal(heard.visits, 7);
        forget(&heard);
}

static void visitor_that_has_enough_ends_it_with_its_code(void **state)
{
        struct scene *scene = *state;
        scene_open(scene, text);
        for (size_t stop = 1; stop <= 3; stop++) {
                struct heard heard = {.stop_at = stop};
                assert_int_equal(xpm_experiment_identity(scene->experiment, scene_job(scene, 1), hear, &heard, NULL),
                                 77);
                assert_int_equal(heard.visits, stop);
                forget(&heard);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(bytes_that_are_told_are_those_that_were_hashed),
                T(every_parameter_is_told_with_its_value_or_why_it_does_not_count),
                T(visitor_that_has_enough_ends_it_with_its_code),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
