#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "types.h"

static int enter(void **state)
{
        struct world *world = calloc(1, sizeof *world);
        *state = world;
        return world && (world->arena = xpm_arena_create()) ? 0 : -1;
}

static int leave(void **state)
{
        world_release(*state);
        free(*state);
        return 0;
}

static void check_equal(xpm_value a, xpm_value b)
{
        assert_true(xpm_value_equal(&a, &b));
        assert_true(xpm_value_equal(&b, &a));
        assert_int_equal(xpm_value_hash(&a), xpm_value_hash(&b));
}

static void check_different(xpm_value a, xpm_value b)
{
        assert_false(xpm_value_equal(&a, &b));
        assert_false(xpm_value_equal(&b, &a));
}

static void numbers_are_equal_by_number_whatever_their_kind(void **state)
{
        (void)state;
        check_equal(world_int(1), world_float(1.0));
        check_equal(world_bool(true), world_int(1));
        check_equal(world_bool(false), world_float(0.0));
        check_equal(world_float(0.0), world_float(-0.0));
        check_equal(world_float(INFINITY), world_float(INFINITY));
        check_equal(world_int(INT64_MIN), world_float(-0x1p63));
        check_different(world_int(1), world_float(1.5));
        check_different(world_bool(true), world_int(2));
        check_different(world_float(INFINITY), world_int(INT64_MAX));
        check_different(world_float(0x1p63), world_int(INT64_MAX));
        /* Equal only after rounding to a double. */
        check_different(world_int(((int64_t)1 << 53) + 1), world_float(0x1p53));
}

static void texts_are_equal_byte_by_byte(void **state)
{
        struct world *world = *state;
        check_equal(world_str(world, "a"), world_str(world, "a"));
        check_different(world_str(world, "a"), world_str(world, "b"));
        check_different(world_text(world, XPM_STR, "a\0b", 3), world_text(world, XPM_STR, "a\0c", 3));
        check_different(world_text(world, XPM_STR, "a\0", 2), world_str(world, "a"));
        check_different(world_str(world, "/a"), world_text(world, XPM_PATH, "/a", 2));
        check_different(world_str(world, "1"), world_int(1));
}

static void file_is_equal_by_content(void **state)
{
        struct world *world = *state;
        check_equal(world_file(world, "/a", "sha256:11"), world_file(world, "/b", "sha256:11"));
        check_different(world_file(world, "/a", "sha256:11"), world_file(world, "/a", "sha256:12"));
}

static void list_has_an_order_and_set_and_dict_have_none(void **state)
{
        struct world *world = *state;
        xpm_value forth[] = {world_int(1), world_int(2), world_int(3)},
                  back[] = {world_int(3), world_int(1), world_float(2)};
        xpm_value keys[] = {world_str(world, "a"), world_str(world, "b"), world_str(world, "c")};
        xpm_value swapped[] = {keys[2], keys[0], keys[1]};
        check_equal(world_array(world, XPM_LIST, forth, 3), world_array(world, XPM_LIST, forth, 3));
        check_different(world_array(world, XPM_LIST, forth, 3), world_array(world, XPM_LIST, back, 3));
        check_different(world_array(world, XPM_LIST, forth, 3), world_array(world, XPM_LIST, forth, 2));
        check_different(world_array(world, XPM_LIST, forth, 3), world_array(world, XPM_SET, forth, 3));
        check_equal(world_array(world, XPM_SET, forth, 3), world_array(world, XPM_SET, back, 3));
        check_different(world_array(world, XPM_SET, forth, 2), world_array(world, XPM_SET, back, 2));
        check_equal(world_dict(world, keys, forth, 3), world_dict(world, swapped, back, 3));
        check_different(world_dict(world, keys, forth, 3), world_dict(world, keys, back, 3));
        check_different(world_dict(world, keys, forth, 3), world_dict(world, keys, forth, 2));
}

static void member_is_equal_to_itself_alone(void **state)
{
        struct world *world = *state;
        const char *const names[] = {"A", "B", NULL};
        xpm_enum_type *one = world_enum(world, "E", names), *other = world_enum(world, "F", names);
        check_equal(world_member(one, 0), world_member(one, 0));
        check_different(world_member(one, 0), world_member(one, 1));
        check_different(world_member(one, 0), world_member(other, 0));
        check_different(world_member(one, 0), world_str(world, "A"));
        check_equal(world_null(), world_null());
        check_different(world_null(), world_int(0));
}

static void config_is_equal_by_all_parameters(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "T", NULL), *sub = world_type(world, "S", type);
        world_param(world, type, "x", "int");
        world_param(world, type, "threads", "int")->meta = true;
        world_param(world, sub, "x", "int");
        world_param(world, sub, "threads", "int");
        xpm_config *a = world_config(world, type), *b = world_config(world, type), *c = world_config(world, sub);
        *world_value(a, "x") = *world_value(b, "x") = *world_value(c, "x") = world_int(1);
        *world_value(a, "threads") = *world_value(b, "threads") = *world_value(c, "threads") = world_int(2);
        check_equal(world_nested(a), world_nested(b));
        check_different(world_nested(a), world_nested(c));
        *world_value(b, "threads") = world_int(3);
        check_different(world_nested(a), world_nested(b));
}

static void job_is_equal_by_its_identifier(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "T", NULL);
        world_param(world, type, "threads", "int")->meta = true;
        xpm_config *a = world_config(world, type), *b = world_config(world, type);
        *world_value(a, "threads") = world_int(1);
        *world_value(b, "threads") = world_int(2);
        a->job = b->job = (struct xpm_job *)world;
        a->has_id = b->has_id = true;
        check_equal(world_nested(a), world_nested(b));
        b->id[31] = 1;
        check_different(world_nested(a), world_nested(b));
}

static void check_json(xpm_value value, const char *workspace, const char *expected)
{
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(xpm_value_json(&value, workspace, &text), 0);
        assert_string_equal(xpm_text_string(&text), expected);
        xpm_text_release(&text);
}

static void scalars_are_shown_as_json(void **state)
{
        struct world *world = *state;
        xpm_enum_type *type = world_enum(world, "nn.E", (const char *const[]){"SGD", NULL});
        check_json(world_null(), NULL, "null");
        check_json(world_bool(true), NULL, "true");
        check_json(world_int(-7), NULL, "-7");
        check_json(world_float(1.0), NULL, "1.0");
        check_json(world_float(1e-5), NULL, "1e-05");
        check_json(world_float(INFINITY), NULL, "\"inf\"");
        check_json(world_float(-INFINITY), NULL, "\"-inf\"");
        check_json(world_str(world, "a\"é\n"), NULL, "\"a\\\"é\\n\"");
        check_json(world_text(world, XPM_STR, "a\0b", 3), NULL, "\"a\\u0000b\"");
        check_json(world_text(world, XPM_PATH, "/a/b", 4), NULL, "\"/a/b\"");
        check_json(world_file(world, "/data/x", "sha256:11"), NULL, "\"/data/x\"");
        check_json(world_member(type, 0), NULL, "\"SGD\"");
}

static void containers_are_shown_as_json(void **state)
{
        struct world *world = *state;
        xpm_value list = WORLD_ARRAY(world, XPM_LIST, world_int(3), world_int(1));
        xpm_value keys[] = {world_bool(true), world_int(-2), world_float(INFINITY),
                            world_text(world, XPM_STR, "a\0b", 3)};
        xpm_value values[] = {world_int(1), list, world_null(), world_int(4)};
        check_json(list, NULL, "[3, 1]");
        check_json(world_array(world, XPM_LIST, NULL, 0), NULL, "[]");
        check_json(world_dict(world, keys, values, 4), NULL,
                   "{\"true\": 1, \"-2\": [3, 1], \"inf\": null, \"a\\u0000b\": 4}");
        check_json(world_dict(world, NULL, NULL, 0), NULL, "{}");
}

/* By the SHA-256 of 01 and the number: 2 has 9f85…, 3 b4fd…, 1 f52f…; of 03 and the path: /a 7242…, /b a82e… */
static void set_is_shown_in_hash_order(void **state)
{
        struct world *world = *state;
        check_json(WORLD_ARRAY(world, XPM_SET, world_int(1), world_int(3), world_int(2)), NULL, "[2, 3, 1]");
        check_json(
                WORLD_ARRAY(world, XPM_SET, world_text(world, XPM_PATH, "/b", 2), world_text(world, XPM_PATH, "/a", 2)),
                NULL, "[\"/a\", \"/b\"]");
        /* One that has no order yet. */
        check_json(WORLD_ARRAY(world, XPM_SET, (xpm_value){.kind = XPM_HOLE}, world_int(3), world_int(2)), NULL,
                   "[null, 3, 2]");
}

#define ZEROS "00000000000000000000000000000000000000000000000000000000000000"

static void config_is_shown_with_its_type_first_and_a_job_with_its_path(void **state)
{
        struct world *world = *state;
        xpm_config_type *inner = world_type(world, "nn.Inner", NULL), *outer = world_type(world, "nn.Task", NULL);
        world_param(world, inner, "z", "int");
        world_param(world, inner, "log", "path")->generated = "logs/inner.txt";
        world_param(world, outer, "inner", "nn.Inner");
        world_param(world, outer, "a", "int");
        xpm_config *nested = world_config(world, inner), *job = world_config(world, outer);
        *world_value(nested, "z") = world_int(1);
        *world_value(nested, "log") = world_null();
        *world_value(job, "inner") = world_nested(nested);
        *world_value(job, "a") = world_int(2);

        check_json(world_nested(job), NULL,
                   "{\"type\": \"nn.Task\", \"inner\": {\"type\": \"nn.Inner\", \"z\": 1, \"log\": "
                   "\"logs/inner.txt\"}, \"a\": 2}");
        job->job = (struct xpm_job *)world;
        job->has_id = true;
        job->id[31] = 0xab;
        check_json(world_nested(job), "/w",
                   "{\"type\": \"nn.Task\", \"inner\": {\"type\": \"nn.Inner\", \"z\": 1, \"log\": "
                   "\"/w/jobs/nn.task/" ZEROS "ab/logs/inner.txt\"}, \"a\": 2, \"job\": {\"id\": \"" ZEROS
                   "ab\", \"path\": \"/w/jobs/nn.task/" ZEROS "ab\"}}");
}

static void generated_file_of_a_partial_is_in_its_directory(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "nn.Task", NULL);
        xpm_param *param = world_param(world, type, "log", "path");
        const xpm_partial partials[] = {{.name = "other"}, {.name = "shared"}};
        param->generated = "x.bin";
        param->partial = "shared";
        type->partials = partials;
        type->partial_count = 2;
        xpm_config *config = world_config(world, type);
        config->values[0] = world_null();
        /* sha256 of 00 and "nn.task" */
        check_json(world_nested(config), "/w",
                   "{\"type\": \"nn.Task\", \"log\": "
                   "\"/w/partials/nn.task/shared/7d95f42b20fa3a63caf1ec48f8c8912edd3b58bae27fc6a218cecde0ba4df46c/"
                   "x.bin\"}");
}

static void memory_that_runs_out_is_told(void **state)
{
        struct world *world = *state;
        xpm_value set = WORLD_ARRAY(world, XPM_SET, world_int(1), world_int(2));
        xpm_value key = world_int(1);
        xpm_value value = world_dict(world, &key, &set, 1);
        if (!failing_malloc_works)
                skip();
        check_json(value, NULL, "{\"1\": [2, 1]}");
        for (long n = 1;; n++) {
                xpm_text text = XPM_TEXT_INIT;
                failing_malloc_arm_from(n);
                int rc = xpm_value_json(&value, NULL, &text);
                bool failed = failing_malloc_disarm();
                xpm_text_release(&text);
                assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(numbers_are_equal_by_number_whatever_their_kind),
                T(texts_are_equal_byte_by_byte),
                T(file_is_equal_by_content),
                T(list_has_an_order_and_set_and_dict_have_none),
                T(member_is_equal_to_itself_alone),
                T(config_is_equal_by_all_parameters),
                T(job_is_equal_by_its_identifier),
                T(scalars_are_shown_as_json),
                T(containers_are_shown_as_json),
                T(set_is_shown_in_hash_order),
                T(config_is_shown_with_its_type_first_and_a_job_with_its_path),
                T(generated_file_of_a_partial_is_in_its_directory),
                T(memory_that_runs_out_is_told),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
