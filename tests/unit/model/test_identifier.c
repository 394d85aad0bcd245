/* What is hashed is written out here byte by byte, so that each test shows what it is about; identifiers that the
 * reference computed are in tests/data, and stand here where a structure matters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "failing_malloc.h"
#include "model/identifier.h"
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

static void check_hex(const xpm_config *config, const char *expected)
{
        uint8_t id[32];
        char hex[65];
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_identifier(config, id, &err) != 0)
                fail_msg("%s", err.message);
        xpm_hex(id, sizeof id, hex);
        assert_string_equal(hex, expected);
}

static void check_bytes(const xpm_config *config, const void *bytes, size_t length)
{
        uint8_t digest[32];
        char hex[65];
        assert_int_equal(xpm_sha256(bytes, length, digest, NULL), 0);
        xpm_hex(digest, sizeof digest, hex);
        check_hex(config, hex);
}

/* The bytes of a literal without its NUL. */
#define CHECK(config, literal) check_bytes(config, literal, sizeof(literal) - 1)

/* A config `vec.t` whose parameter `x` has VALUE. */
static xpm_config *holding(struct world *world, const char *type, xpm_value value)
{
        xpm_config_type *holder = world_type(world, "Vec.T", NULL);
        world_param(world, holder, "x", type);
        xpm_config *config = world_config(world, holder);
        config->values[0] = value;
        return config;
}

#define X "\0vec.t\3x\5"
#define ONE "\077\360\0\0\0\0\0\0"
#define TWO "\100\0\0\0\0\0\0\0"
#define INT(n) "\1\0\0\0\0\0\0\0" n

static void scalar_is_a_type_byte_and_its_value(void **state)
{
        struct world *world = *state;
        CHECK(holding(world, "int?", (xpm_value){.kind = XPM_INT, .integer = 5}), X "\1\0\0\0\0\0\0\0\5");
        CHECK(holding(world, "int", world_int(-1)), X "\1\377\377\377\377\377\377\377\377");
        CHECK(holding(world, "int", world_int(INT64_MIN)), X "\1\200\0\0\0\0\0\0\0");
        CHECK(holding(world, "bool", world_bool(false)), X "\1\0\0\0\0\0\0\0\0");
        CHECK(holding(world, "bool", world_bool(true)), X "\1\0\0\0\0\0\0\0\1");
        CHECK(holding(world, "float", world_float(1.0)), X "\2\077\360\0\0\0\0\0\0");
        CHECK(holding(world, "float", world_float(-0.0)), X "\2\200\0\0\0\0\0\0\0");
        CHECK(holding(world, "float", world_float(INFINITY)), X "\2\177\360\0\0\0\0\0\0");
        CHECK(holding(world, "str", world_str(world, "")), X "\3");
        CHECK(holding(world, "str", world_str(world, "a\xc3\xa9")), X "\3a\xc3\xa9");
        CHECK(holding(world, "str", world_text(world, XPM_STR, "a\0b", 3)), X "\3a\0b");
        CHECK(holding(world, "file", world_file(world, "/data", "sha256:00ff")), X "\3sha256:00ff");
}

static void enum_is_its_full_name_with_case_kept(void **state)
{
        struct world *world = *state;
        xpm_enum_type *type = world_enum(world, "vec.types.Optim", (const char *const[]){"SGD", "ADAM", NULL});
        CHECK(holding(world, "vec.types.Optim", world_member(type, 1)), X "\12vec.types.Optim:ADAM");
        CHECK(holding(world, "list[vec.types.Optim]", WORLD_ARRAY(world, XPM_LIST, world_member(type, 0))),
              X "\7" ONE "\12vec.types.Optim:SGD");
}

static void list_has_its_count_as_a_double(void **state)
{
        struct world *world = *state;
        CHECK(holding(world, "list[int]", world_array(world, XPM_LIST, NULL, 0)), X "\7\0\0\0\0\0\0\0\0");
        CHECK(holding(world, "list[int]", WORLD_ARRAY(world, XPM_LIST, world_int(3), world_int(1))),
              X "\7" TWO INT("\3") INT("\1"));
        CHECK(holding(world, "list[int?]", WORLD_ARRAY(world, XPM_LIST, world_null())), X "\7" ONE "\6");
        CHECK(holding(world, "list[list[int]]",
                      WORLD_ARRAY(world, XPM_LIST, WORLD_ARRAY(world, XPM_LIST, world_int(1)))),
              X "\7" ONE "\7" ONE INT("\1"));
}

static void dict_is_ordered_by_key_and_has_no_count(void **state)
{
        struct world *world = *state;
        xpm_value values[] = {world_int(1), world_int(2), world_int(3)};
        xpm_value texts[] = {world_str(world, "b"), world_str(world, "Z"), world_str(world, "a\xc3\xa9")};
        xpm_value ints[] = {world_int(10), world_int(9), world_int(-1)};
        xpm_value floats[] = {world_float(2.0), world_float(-INFINITY), world_float(1.0)};
        xpm_value bools[] = {world_bool(true), world_bool(false)};
        xpm_value sorted[] = {world_str(world, "a"), world_str(world, "aa")};
        CHECK(holding(world, "dict[str, int]", world_dict(world, NULL, NULL, 0)), X "\11");
        CHECK(holding(world, "dict[str, int]", world_dict(world, texts, values, 3)),
              X "\11\3Z" INT("\2") "\3a\xc3\xa9" INT("\3") "\3b" INT("\1"));
        CHECK(holding(world, "dict[str, int]", world_dict(world, sorted, values, 2)),
              X "\11\3a" INT("\1") "\3aa" INT("\2"));
        CHECK(holding(world, "dict[int, int]", world_dict(world, ints, values, 3)),
              X "\11\1\377\377\377\377\377\377\377\377" INT("\3") INT("\11") INT("\2") INT("\12") INT("\1"));
        CHECK(holding(world, "dict[float, int]", world_dict(world, floats, values, 3)),
              X "\11\2\377\360\0\0\0\0\0\0" INT("\2") "\2" ONE INT("\3") "\2" TWO INT("\1"));
        CHECK(holding(world, "dict[bool, int]", world_dict(world, bools, values, 2)),
              X "\11" INT("\0") INT("\2") INT("\1") INT("\1"));
}

/* The digests of the encodings of 1, 2, 3 begin with f5, 9f, b4. */
static void set_is_ordered_by_the_hash_of_its_elements(void **state)
{
        struct world *world = *state;
        CHECK(holding(world, "set[int]", WORLD_ARRAY(world, XPM_SET, world_int(1), world_int(2), world_int(3))),
              X "\16\100\10\0\0\0\0\0\0" INT("\2") INT("\3") INT("\1"));
        CHECK(holding(world, "set[int]", WORLD_ARRAY(world, XPM_SET, world_int(3), world_int(2), world_int(1))),
              X "\16\100\10\0\0\0\0\0\0" INT("\2") INT("\3") INT("\1"));
}

static void nan_and_path_are_refused_with_the_parameter(void **state)
{
        struct world *world = *state;
        uint8_t id[32];
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_identifier(holding(world, "float", world_float(NAN)), id, &err), XPM_EPLAN);
        assert_string_equal(err.message, "parameter 'x' of 'Vec.T': a NaN cannot be part of an identifier");
        err = XPM_ERROR_NONE;
        assert_int_equal(xpm_identifier(holding(world, "path", world_text(world, XPM_PATH, "/a", 2)), id, &err),
                         XPM_EPLAN);
        assert_string_equal(
                err.message,
                "parameter 'x' of 'Vec.T': a path cannot be part of an identifier: make it meta, or a file");
        err = XPM_ERROR_NONE;
        assert_int_equal(xpm_identifier(holding(world, "int", (xpm_value){0}), id, &err), XPM_EPLAN);
        assert_string_equal(err.message, "parameter 'x' of 'Vec.T': it has no value");
}

static void parameters_are_ordered_by_code_point(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "Vec.Order", NULL);
        world_param(world, type, "b", "int");
        world_param(world, type, "_", "int");
        world_param(world, type, "a1", "int");
        world_param(world, type, "Z", "int");
        world_param(world, type, "a", "int");
        xpm_config *config = world_config(world, type);
        for (size_t i = 0; i < 5; i++)
                config->values[i] = world_int(0);
        CHECK(config,
              "\0vec.order\3Z\5" INT("\0") "\3_\5" INT("\0") "\3a\5" INT("\0") "\3a1\5" INT("\0") "\3b\5" INT("\0"));
}

static void meta_and_generated_are_left_out_and_a_constant_is_not(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "Vec.Meta", NULL);
        world_param(world, type, "a", "int");
        world_param(world, type, "threads", "int")->meta = true;
        world_param(world, type, "out", "path")->generated = "o.bin";
        xpm_param *constant = world_param(world, type, "v", "str");
        constant->constant = true;
        constant->fallback = world_str(world, "2.1");
        xpm_config *config = world_config(world, type);
        *world_value(config, "a") = world_int(1);
        *world_value(config, "threads") = world_int(8);
        *world_value(config, "out") = world_null();
        *world_value(config, "v") = world_str(world, "2.1");
        CHECK(config, "\0vec.meta\3a\5" INT("\1") "\3v\5\3"
                                                  "2.1");
        check_hex(config, "73d736d8be665eed1dc2add18a21d4f4263a43664d46ffef3bbfb7f73ce47ae8");
}

static void optional_null_is_left_out_when_its_default_is_null(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "Vec.T", NULL);
        world_param(world, type, "a", "int?");
        world_param(world, type, "b", "int?")->fallback = world_null();
        world_param(world, type, "c", "int?")->fallback = world_int(3);
        xpm_param *ignored = world_param(world, type, "d", "int?");
        ignored->fallback = world_int(3);
        ignored->ignore_default = true;
        xpm_config *config = world_config(world, type);
        for (size_t i = 0; i < 4; i++)
                config->values[i] = world_null();
        CHECK(config, "\0vec.t\3c\5\6\3d\5\6");
}

static void default_is_hashed_unless_it_is_ignored(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "Vec.T", NULL);
        world_param(world, type, "a", "int")->fallback = world_int(3);
        xpm_param *ignored = world_param(world, type, "b", "float");
        ignored->fallback = world_float(0.0);
        ignored->ignore_default = true;
        xpm_config *config = world_config(world, type);
        *world_value(config, "a") = world_int(3);
        *world_value(config, "b") = world_float(-0.0); /* equal, although another encoding */
        CHECK(config, "\0vec.t\3a\5" INT("\3"));
        *world_value(config, "b") = world_float(1.0);
        CHECK(config, "\0vec.t\3a\5" INT("\3") "\3b\5\2" ONE);
}

static void ignored_default_config_is_compared_with_its_meta_parameters(void **state)
{
        struct world *world = *state;
        xpm_config_type *inner = world_type(world, "Vec.In", NULL), *outer = world_type(world, "Vec.T", NULL);
        world_param(world, inner, "threads", "int")->meta = true;
        xpm_param *param = world_param(world, outer, "x", "Vec.In");
        xpm_config *given = world_config(world, inner), *standard = world_config(world, inner),
                   *config = world_config(world, outer);
        given->values[0] = standard->values[0] = world_int(1);
        param->fallback = world_nested(standard);
        param->ignore_default = true;
        config->values[0] = world_nested(given);
        CHECK(config, "\0vec.t");
        given->values[0] = world_int(2);
        uint8_t bytes[sizeof X + 32] = X
        "\0";
        assert_int_equal(xpm_sha256("\0vec.in", 7, bytes + sizeof X, NULL), 0);
        check_bytes(config, bytes, sizeof bytes);
}

static void nested_config_is_its_identifier_and_caches_it(void **state)
{
        struct world *world = *state;
        xpm_config_type *inner = world_type(world, "Vec.In", NULL);
        world_param(world, inner, "h", "int");
        xpm_config *nested = world_config(world, inner), *config = holding(world, "Vec.In", world_nested(nested));
        nested->values[0] = world_int(3);
        uint8_t bytes[sizeof X + 32] = X
        "\0";
        assert_int_equal(xpm_sha256("\0vec.in\3h\5" INT("\3"), 19, bytes + sizeof X, NULL), 0);
        check_bytes(config, bytes, sizeof bytes);
        assert_true(nested->has_id);
        assert_memory_equal(nested->id, bytes + sizeof X, 32);
        check_bytes(config, bytes, sizeof bytes);
}

static void nested_job_is_the_identifier_it_has(void **state)
{
        struct world *world = *state;
        xpm_config_type *task = world_type(world, "Vec.Job", NULL);
        xpm_config *job = world_config(world, task);
        job->job = (struct xpm_job *)world;
        job->has_id = true;
        memset(job->id, 'j', sizeof job->id);
        CHECK(holding(world, "Vec.Job", world_nested(job)), X "\0jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj");
}

static void partial_leaves_out_its_groups_in_the_outermost_config_alone(void **state)
{
        struct world *world = *state;
        static const char *const iter[] = {"iter"}, *const both[] = {"other", "iter"}, *const other[] = {"other"};
        xpm_config_type *inner = world_type(world, "Vec.In", NULL), *outer = world_type(world, "Vec.T", NULL);
        xpm_param *param = world_param(world, inner, "n", "int");
        param->groups = iter;
        param->group_count = 1;
        world_param(world, outer, "x", "Vec.In");
        param = world_param(world, outer, "n", "int");
        param->groups = both;
        param->group_count = 2;
        param = world_param(world, outer, "v", "int");
        param->groups = iter;
        param->group_count = 1;
        param->constant = true;
        param = world_param(world, outer, "k", "int");
        param->groups = other;
        param->group_count = 1;
        xpm_config *nested = world_config(world, inner), *config = world_config(world, outer);
        nested->values[0] = *world_value(config, "n") = *world_value(config, "v") = *world_value(config, "k") =
                world_int(1);
        *world_value(config, "x") = world_nested(nested);

        uint8_t id[32], expected[32], bytes[64] = "\0vec.t\3k\5" INT("\1") "\3x\5\0";
        assert_int_equal(xpm_sha256("\0vec.in\3n\5" INT("\1"), 19, bytes + 22, NULL), 0);
        assert_int_equal(xpm_sha256(bytes, 54, expected, NULL), 0);
        xpm_partial partial = {.name = "p", .exclude_groups = iter, .group_count = 1};
        assert_int_equal(xpm_identifier_partial(config, &partial, id, NULL), 0);
        assert_memory_equal(id, expected, 32);
}

/* Vec.Ens(a, b: Vec.Sub), Vec.Sub an instance type with h = 1. */
static xpm_config *ensemble(struct world *world, bool shared)
{
        xpm_config_type *sub = world_type(world, "Vec.Sub", NULL), *ens = world_type(world, "Vec.Ens", NULL);
        sub->instance = true;
        ens->reaches_instance = true;
        world_param(world, sub, "h", "int");
        world_param(world, ens, "a", "Vec.Sub");
        world_param(world, ens, "b", "Vec.Sub");
        xpm_config *one = world_config(world, sub), *other = world_config(world, sub),
                   *config = world_config(world, ens);
        one->values[0] = other->values[0] = world_int(1);
        config->values[0] = world_nested(one);
        config->values[1] = world_nested(shared ? one : other);
        return config;
}

static void instances_that_are_shared_differ_from_separate_ones(void **state)
{
        check_hex(ensemble(*state, true), "4306d6ee23dd04c25afa15f0ff707e28dec2a5c73972463c066f7b140d7f268a");
        check_hex(ensemble(*state, false), "a6ad61e7e583aa244bdc2944da90bfe0f0b6b32c5d91ee623b6c6b54f42b7fab");
}

static void instances_are_numbered_through_nested_configs(void **state)
{
        struct world *world = *state;
        xpm_config *first = ensemble(world, true), *second = ensemble(world, true);
        second->values[0].config->type = first->values[0].config->type;
        second->type = first->type;
        xpm_config *config =
                holding(world, "list[Vec.Ens]",
                        WORLD_ARRAY(world, XPM_LIST, world_nested(first), world_nested(second), world_nested(first)));
        uint8_t sub[32], a[128] = "\0vec.ens\3a\5\0", b[128] = "\0vec.ens\3a\5\0", whole[256] = X
        "\7\100\10\0\0\0\0\0\0\0";
        assert_int_equal(xpm_sha256("\0vec.sub\3h\5" INT("\1"), 20, sub, NULL), 0);
        memcpy(a + 12, sub, 32);
        memcpy(a + 44, "\3b\5\0", 4);
        memcpy(a + 48, sub, 32);
        memcpy(b + 12, sub, 32);
        memcpy(b + 44, "\15\0\0\0\0\0\0\0\1\3b\5\0", 13);
        memcpy(b + 57, sub, 32);
        memcpy(b + 89, "\15\0\0\0\0\0\0\0\1", 9);
        assert_int_equal(xpm_sha256(a, 80, whole + 19, NULL), 0);
        whole[51] = 0;
        assert_int_equal(xpm_sha256(b, 98, whole + 52, NULL), 0);
        whole[84] = 0;
        assert_int_equal(xpm_sha256(a, 80, whole + 85, NULL), 0);
        check_bytes(config, whole, 117);
        assert_false(first->has_id);
}

static void config_above_is_its_distance(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "Vec.Loop", NULL);
        world_param(world, type, "next", "Vec.Loop?");
        xpm_config *a = world_config(world, type), *b = world_config(world, type);
        a->values[0] = world_nested(a);
        CHECK(a, "\0vec.loop\3next\5\0\13\0\0\0\0\0\0\0\1");
        a->values[0] = world_nested(b);
        b->values[0] = world_nested(a);
        uint8_t bytes[48] = "\0vec.loop\3next\5\0";
        assert_int_equal(xpm_sha256("\0vec.loop\3next\5\0\13\0\0\0\0\0\0\0\2", 25, bytes + 16, NULL), 0);
        check_bytes(a, bytes, 48);
        assert_false(b->has_id); /* it is another one elsewhere */
}

static void nesting_without_end_is_refused(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "Vec.Loop", NULL);
        world_param(world, type, "next", "Vec.Loop?");
        xpm_config *last = world_config(world, type);
        last->values[0] = world_null();
        for (int i = 0; i < 3000; i++) {
                xpm_config *config = world_config(world, type);
                config->values[0] = world_nested(last);
                last = config;
        }
        uint8_t id[32];
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_identifier(last, id, &err), XPM_EPLAN);
        assert_string_equal(err.message, "'Vec.Loop' is nested more than 2000 deep");
}

static void long_values_are_hashed_whole(void **state)
{
        struct world *world = *state;
        static char bytes[100000] = X
        "\3";
        memset(bytes + sizeof X, 'y', sizeof bytes - sizeof X);
        check_bytes(holding(world, "str", world_text(world, XPM_STR, bytes + sizeof X, sizeof bytes - sizeof X)), bytes,
                    sizeof bytes);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        struct world *world = *state;
        static char text[2000];
        xpm_value keys[] = {world_int(2), world_int(1)},
                  values[] = {world_int(2), world_text(world, XPM_STR, text, sizeof text)};
        xpm_config *instances = ensemble(world, false);
        xpm_value items[] = {world_dict(world, keys, values, 2), WORLD_ARRAY(world, XPM_SET, keys[0], values[1]),
                             world_nested(instances)};
        xpm_config *config = holding(world, "list[Vec.Ens]", world_array(world, XPM_LIST, items, 3));
        uint8_t id[32], expected[32];
        assert_int_equal(xpm_identifier(config, expected, NULL), 0);
        for (long n = 1; failing_malloc_works; n++) {
                for (size_t i = 0; i < 2; i++)
                        instances->values[i].config->has_id = false;
                failing_malloc_arm(n);
                int rc = xpm_identifier(config, id, NULL);
                if (!failing_malloc_disarm()) {
                        assert_int_equal(rc, 0);
                        assert_memory_equal(id, expected, sizeof id);
                        break;
                }
                assert_int_equal(rc, XPM_ENOMEM);
        }
}

/* What a trace tells, as text: `name:length`, and why it is skipped. */
struct told {
        uint8_t bytes[256];
        size_t length;
        char text[256];
        int stop_at;
};

static int note(void *data, const xpm_identifier_field *field)
{
        struct told *told = data;
        char one[64];
        if (told->stop_at-- == 0)
                return -77;
        memcpy(told->bytes + told->length, field->bytes, field->length);
        told->length += field->length;
        snprintf(one, sizeof one, "%s:%zu/%d ", field->param ? field->param->name : "", field->length,
                 (int)field->skip);
        strcat(told->text, one);
        return 0;
}

static void trace_tells_what_is_hashed_and_what_is_not(void **state)
{
        struct world *world = *state;
        struct told told = {.stop_at = -1};
        uint8_t id[32], digest[32], plain[32];
        xpm_config_type *inner = world_type(world, "Vec.Inner", NULL), *type = world_type(world, "Vec.T", NULL);
        world_param(world, inner, "n", "int");
        world_param(world, type, "a", "int");
        world_param(world, type, "b", "str?");
        world_param(world, type, "c", "Vec.Inner");
        world_param(world, type, "d", "int")->meta = true;
        world_param(world, type, "e", "path")->generated = "out";
        xpm_param *ignored = world_param(world, type, "f", "int");
        ignored->fallback = world_int(3);
        ignored->ignore_default = true;
        xpm_config *config = world_config(world, type), *nested = world_config(world, inner);
        nested->values[0] = world_int(9);
        config->values[0] = world_int(1);
        config->values[1] = (xpm_value){.kind = XPM_NULL};
        config->values[2] = (xpm_value){.kind = XPM_CONFIG, .config = nested};
        config->values[3] = world_int(2);
        config->values[4] = (xpm_value){.kind = XPM_NULL};
        config->values[5] = world_int(3);
        assert_int_equal(xpm_identifier_trace(config, note, &told, id, NULL), 0);
        assert_string_equal(told.text, ":6/0 a:12/0 b:0/4 c:36/0 d:0/3 e:0/2 f:0/5 ");
        assert_int_equal(xpm_sha256(told.bytes, told.length, digest, NULL), 0);
        assert_memory_equal(id, digest, 32);
        assert_int_equal(xpm_identifier(config, plain, NULL), 0);
        assert_memory_equal(id, plain, 32);
        told = (struct told){.stop_at = 1};
        assert_int_equal(xpm_identifier_trace(config, note, &told, id, NULL), -77);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(trace_tells_what_is_hashed_and_what_is_not),
                T(scalar_is_a_type_byte_and_its_value),
                T(enum_is_its_full_name_with_case_kept),
                T(list_has_its_count_as_a_double),
                T(dict_is_ordered_by_key_and_has_no_count),
                T(set_is_ordered_by_the_hash_of_its_elements),
                T(nan_and_path_are_refused_with_the_parameter),
                T(parameters_are_ordered_by_code_point),
                T(meta_and_generated_are_left_out_and_a_constant_is_not),
                T(optional_null_is_left_out_when_its_default_is_null),
                T(default_is_hashed_unless_it_is_ignored),
                T(ignored_default_config_is_compared_with_its_meta_parameters),
                T(nested_config_is_its_identifier_and_caches_it),
                T(nested_job_is_the_identifier_it_has),
                T(partial_leaves_out_its_groups_in_the_outermost_config_alone),
                T(instances_that_are_shared_differ_from_separate_ones),
                T(instances_are_numbered_through_nested_configs),
                T(config_above_is_its_distance),
                T(nesting_without_end_is_refused),
                T(long_values_are_hashed_whole),
                T(memory_that_runs_out_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
