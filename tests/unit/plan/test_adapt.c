#include "declared.h"
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

/* VALUE fitted to TYPE, as JSON; the message when it does not suit. */
static void check_fit(struct world *world, const char *type, bool whole_floats, xpm_value value, const char *expected)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        xpm_value before = value;
        int rc = xpm_value_fit(world->arena, world_parse(world, type), whole_floats, &value, &err);
        if (rc == 0)
                xpm_value_json(&value, NULL, &text);
        else
                assert_memory_equal(&value, &before, sizeof value);
        assert_string_equal(rc == 0 ? xpm_text_string(&text) : err.message, expected);
        xpm_text_release(&text);
}

static void scalar_suits_its_own_type(void **state)
{
        struct world *world = *state;
        xpm_enum_type *type = world_enum(world, "E", (const char *const[]){"A", NULL});
        world_enum(world, "F", (const char *const[]){"A", NULL});
        check_fit(world, "int", false, world_int(3), "3");
        check_fit(world, "str", false, world_str(world, "x"), "\"x\"");
        check_fit(world, "E", false, world_member(type, 0), "\"A\"");
        check_fit(world, "int?", false, world_null(), "null");
        check_fit(world, "F", false, world_member(type, 0), "expected F, found \"A\"");
        check_fit(world, "int", false, world_null(), "expected int, found null");
        check_fit(world, "int", false, world_bool(true), "expected int, found true");
        check_fit(world, "bool", false, world_int(1), "expected bool, found 1");
        check_fit(world, "path", false, world_str(world, "/x"), "expected path, found \"/x\"");
        check_fit(world, "str", false, world_int(1), "expected str, found 1");
}

static void int_becomes_a_float_and_only_a_whole_float_an_int(void **state)
{
        struct world *world = *state;
        check_fit(world, "float", false, world_int(3), "3.0");
        check_fit(world, "float?", false, world_int(3), "3.0");
        check_fit(world, "int", false, world_float(3), "expected int, found 3.0");
        check_fit(world, "int", true, world_float(3), "3");
        check_fit(world, "int", true, world_float(-0.0), "0");
        check_fit(world, "int", true, world_float(3.5), "expected int, found 3.5");
        check_fit(world, "int", true, world_float(0x1p63), "expected int, found 9.223372036854776e+18");
        check_fit(world, "int", true, world_float(-0x1p63), "-9223372036854775808");
        check_fit(world, "int", true, world_float(__builtin_inf()), "expected int, found \"inf\"");
        check_fit(world, "bool", true, world_float(1), "expected bool, found 1.0");
}

static void containers_are_made_anew_only_where_an_item_changes(void **state)
{
        struct world *world = *state;
        xpm_value ints = WORLD_ARRAY(world, XPM_LIST, world_int(1), world_int(2)), copy = ints;
        xpm_value key = world_int(1), dict = world_dict(world, &key, &ints, 1);
        assert_int_equal(xpm_value_fit(world->arena, world_parse(world, "list[int]"), false, &copy, NULL), 0);
        assert_ptr_equal(copy.array, ints.array);
        check_fit(world, "list[float]", false, ints, "[1.0, 2.0]");
        assert_int_equal(ints.array->items[0].kind, XPM_INT);
        check_fit(world, "dict[float, list[float]]", false, dict, "{\"1.0\": [1.0, 2.0]}");
        assert_int_equal(dict.dict->items[0].key.kind, XPM_INT);
        check_fit(world, "set[int]", false, ints, "expected set[int], found [1, 2]");
        check_fit(world, "list[str]", false, ints, "expected list[str], found [1, 2]");
        check_fit(world, "dict[str, list[int]]", false, dict, "expected dict[str, list[int]], found {\"1\": [1, 2]}");
}

static void ints_of_a_set_may_become_one_float(void **state)
{
        struct world *world = *state;
        int64_t large = (int64_t)1 << 53;
        check_fit(world, "set[float]", false, WORLD_ARRAY(world, XPM_SET, world_int(large), world_int(large + 1)),
                  "[9007199254740992.0]");
}

static void without_an_arena_only_scalars_change(void **state)
{
        struct world *world = *state;
        xpm_value value = world_int(1), list = WORLD_ARRAY(world, XPM_LIST, value);
        assert_true(xpm_value_adapt(world_parse(world, "float"), false, &value));
        assert_int_equal(value.kind, XPM_FLOAT);
        assert_true(xpm_value_adapt(world_parse(world, "list[int]"), false, &list));
        assert_false(xpm_value_adapt(world_parse(world, "list[float]"), false, &list));
}

static void config_suits_its_ancestors(void **state)
{
        struct world *world = *state;
        xpm_config_type *base = world_type(world, "Base", NULL), *sub = world_type(world, "Sub", base);
        xpm_value value = world_nested(world_config(world, sub)), other = world_nested(world_config(world, base));
        assert_true(xpm_value_adapt(world_parse(world, "Base"), false, &value));
        assert_true(xpm_value_adapt(world_parse(world, "Sub?"), false, &value));
        assert_false(xpm_value_adapt(world_parse(world, "Sub"), false, &other));
}

static void what_is_not_known_yet_suits_everything(void **state)
{
        xpm_value hole = {.kind = XPM_HOLE}, unset = {0};
        assert_true(xpm_value_adapt(world_parse(*state, "int"), false, &hole));
        assert_true(xpm_value_adapt(world_parse(*state, "list[int]"), false, &unset));
}

static void renewed_value_shares_no_config_but_jobs(void **state)
{
        struct world *world = *state;
        xpm_config_type *type = world_type(world, "T", NULL);
        world_param(world, type, "x", "T?");
        xpm_config *inner = world_config(world, type), *job = world_config(world, type),
                   *outer = world_config(world, type);
        job->job = (struct xpm_job *)world;
        outer->values[0] = world_nested(inner);
        xpm_value key = world_int(1), list = WORLD_ARRAY(world, XPM_LIST, world_nested(outer), world_nested(job));
        xpm_value value = world_dict(world, &key, &list, 1), anew = value;
        assert_int_equal(xpm_value_renew(world->arena, &anew, NULL), 0);
        const xpm_value *items = anew.dict->items[0].value.array->items;
        assert_ptr_not_equal(items[0].config, outer);
        assert_ptr_not_equal(items[0].config->values[0].config, inner);
        assert_ptr_equal(items[1].config, job);
        assert_true(xpm_value_equal(&value, &anew));
        assert_ptr_equal(list.array->items[0].config, outer);
}

static void first_of_equal_elements_stays(void **state)
{
        struct world *world = *state;
        xpm_value value = WORLD_ARRAY(world, XPM_LIST, world_float(-0.0), world_int(2), world_float(0.0), world_int(2),
                                      world_int(0), world_int(7));
        xpm_array *array = (xpm_array *)value.array;
        assert_int_equal(xpm_array_unique(array, NULL), 0);
        assert_int_equal(array->count, 3);
        check_fit(world, "list[float]", false, value, "[-0.0, 2.0, 7.0]");
}

static void many_elements_are_told_apart(void **state)
{
        enum { COUNT = 20000 };
        struct world *world = *state;
        xpm_array *array = xpm_arena_alloc(world->arena, sizeof *array + COUNT * sizeof *array->items);
        assert_non_null(array);
        array->count = COUNT;
        for (int i = 0; i < COUNT; i++)
                array->items[i] = world_int(i % (COUNT / 2));
        assert_int_equal(xpm_array_unique(array, NULL), 0);
        assert_int_equal(array->count, COUNT / 2);
        for (int i = 0; i < COUNT / 2; i++)
                assert_int_equal(array->items[i].integer, i);
}

static void limits_are_those_of_the_parameter(void **state)
{
        static const char text[] = "enums: {E: [A, B]}\n"
                                   "configs:\n"
                                   "  T:\n"
                                   "    params:\n"
                                   "      n: {type: int, min: -1, max: 9223372036854775807}\n"
                                   "      x: {type: \"list[float?]\", min: 0.5}\n"
                                   "      s: {type: str, pattern: \"a+b?\"}\n"
                                   "      e: {type: E?, choices: [B]}\n"
                                   "      slow: {type: str, pattern: \"(a|aa)+\"}\n"
                                   "      free: int\n";
        struct world *world = *state;
        struct declared declared;
        assert_int_equal(declared_read(&declared, text), 0);
        const xpm_enum_type *type = xpm_map_get(&declared.types.enums, "E");
        static const xpm_source source = {.name = "f"};
        xpm_pos pos = {&source, 1, 2};
        const struct {
                const char *param;
                xpm_value value;
                const char *message;
        } cases[] = {
                {"n", world_int(-1), ""},
                {"n", world_int(INT64_MAX), ""},
                {"n", world_int(-2), "f:1:2: 'n': -2 is less than its minimum -1"},
                {"x", WORLD_ARRAY(world, XPM_LIST, world_float(0.5), world_null()), ""},
                {"x", WORLD_ARRAY(world, XPM_LIST, world_float(1), world_float(0.25)),
                 "f:1:2: 'x': 0.25 is less than its minimum 0.5"},
                {"s", world_str(world, "aab"), ""},
                {"s", world_str(world, "aabc"), "f:1:2: 's': \"aabc\" does not match its pattern 'a+b?'"},
                {"s", world_str(world, "caab"), "f:1:2: 's': \"caab\" does not match its pattern 'a+b?'"},
                {"s", world_str(world, "aab\n"), "f:1:2: 's': \"aab\\n\" does not match its pattern 'a+b?'"},
                {"e", world_member(type, 1), ""},
                {"e", world_null(), ""},
                {"e", world_member(type, 0), "f:1:2: 'e': \"A\" is none of its choices [\"B\"]"},
                {"slow", world_str(world, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
                 "f:1:2: 'slow': \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" is too hard for its pattern "
                 "'(a|aa)+'"},
                {"n", {.kind = XPM_HOLE}, ""},
                {"free", world_int(-5), ""},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                int rc = xpm_check_value(&declared.converter, declared_param(&declared, "T", cases[i].param),
                                         &cases[i].value, pos, &err);
                assert_string_equal(err.message, cases[i].message);
                assert_int_equal(rc, *cases[i].message ? XPM_EPLAN : 0);
        }
        declared_release(&declared);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        struct world *world = *state;
        xpm_value key = world_int(1), set = WORLD_ARRAY(world, XPM_SET, world_int(1), world_int(2));
        const xpm_value dict = world_dict(world, &key, &set, 1);
        const xpm_type *type = world_parse(world, "dict[float, set[float]]");
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                xpm_value value = dict;
                failing_malloc_arm(n);
                xpm_arena *arena = xpm_arena_create();
                int rc = arena ? xpm_value_fit(arena, type, false, &value, NULL) : XPM_ENOMEM;
                if (rc == 0)
                        rc = xpm_value_renew(arena, &value, NULL);
                bool failed = failing_malloc_disarm();
                xpm_arena_destroy(arena);
                assert_int_equal(rc, failed ? XPM_ENOMEM : 0);
                if (!failed)
                        break;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(scalar_suits_its_own_type),
                T(int_becomes_a_float_and_only_a_whole_float_an_int),
                T(containers_are_made_anew_only_where_an_item_changes),
                T(ints_of_a_set_may_become_one_float),
                T(without_an_arena_only_scalars_change),
                T(config_suits_its_ancestors),
                T(what_is_not_known_yet_suits_everything),
                T(renewed_value_shares_no_config_but_jobs),
                T(first_of_equal_elements_stays),
                T(many_elements_are_told_apart),
                T(limits_are_those_of_the_parameter),
                T(memory_that_runs_out_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
