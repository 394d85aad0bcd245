#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "types.h"

static void declare(struct world *world)
{
        world_type(world, "nn.Model", NULL);
        world_type(world, "nn.Deep", xpm_map_get(&world->types.configs, "nn.Model"));
        world_enum(world, "nn.Optimizer", (const char *const[]){"SGD", "ADAM", NULL});
}

static int enter(void **state)
{
        struct world *world = calloc(1, sizeof *world);
        if (!world || !(world->arena = xpm_arena_create()))
                return -1;
        declare(world);
        *state = world;
        return 0;
}

static int leave(void **state)
{
        world_release(*state);
        free(*state);
        return 0;
}

static void type_is_printed_as_a_user_would_write_it(void **state)
{
        static const char *const cases[][2] = {
                {"int", "int"},
                {"float?", "float?"},
                {" bool ", "bool"},
                {"str ?", "str?"},
                {"path", "path"},
                {"file?", "file?"},
                {"list[int]", "list[int]"},
                {"list [ int? ] ?", "list[int?]?"},
                {"set[nn.Model]", "set[nn.Model]"},
                {"dict[str,list[nn.Optimizer]]", "dict[str, list[nn.Optimizer]]"},
                {"dict[bool, float?]?", "dict[bool, float?]?"},
                {"nn.Deep?", "nn.Deep?"},
                {"list[list[\tlist[str]]]", "list[list[list[str]]]"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_text text = XPM_TEXT_INIT;
                xpm_type_print(world_parse(*state, cases[i][0]), &text);
                assert_string_equal(xpm_text_string(&text), cases[i][1]);
                xpm_text_release(&text);
        }
}

static void error_says_what_is_wrong_and_suggests(void **state)
{
        static const char *const cases[][2] = {
                {"", "'' is no type: a name is missing at character 1"},
                {"?", "'?' is no type: a name is missing at character 1"},
                {"nn.Modle", "unknown type 'nn.Modle': did you mean 'nn.Model'?"},
                {"nn.optimizer", "unknown type 'nn.optimizer': did you mean 'nn.Optimizer'?"},
                {"string", "unknown type 'string': did you mean 'str'?"},
                {"Double", "unknown type 'Double': did you mean 'float'?"},
                {"number[3]", "unknown type 'number': did you mean 'float'?"},
                {"quaternion",
                 "unknown type 'quaternion': expected int, float, bool, str, path, file, list[T], set[T], "
                 "dict[K, V], or the "
                 "name of an enum, config or task of this experiment"},
                {"Int", "unknown type 'Int': did you mean 'int'?"},
                {"list", "'list' is no type: '[' is missing after the list, at character 5"},
                {"list[int", "'list[int' is no type: ']' is missing after the items, at character 9"},
                {"list[]", "'list[]' is no type: a name is missing at character 6"},
                {"dict[str]", "'dict[str]' is no type: ',' is missing after the key of a dict, at character 9"},
                {"dict[str, int",
                 "'dict[str, int' is no type: ']' is missing after the values of a dict, at character 14"},
                {"dict[str?, int]", "'str?' cannot be the key of a dict: expected str, int, float or bool"},
                {"dict[nn.Optimizer, int]",
                 "'nn.Optimizer' cannot be the key of a dict: expected str, int, float or bool"},
                {"dict[path, int]", "'path' cannot be the key of a dict: expected str, int, float or bool"},
                {"int?"
                 "?",
                 "'int?"
                 "?' is no type: '?' is too much, at character 5"},
                {"int float", "'int float' is no type: 'float' is too much, at character 5"},
                {"nn.Modèle", "unknown type 'nn.Modèle': did you mean 'nn.Model'?"},
        };
        struct world *world = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const xpm_type *type = NULL;
                xpm_error err = XPM_ERROR_NONE;
                assert_int_equal(xpm_type_parse(world->arena, &world->types, cases[i][0], &type, &err), XPM_EPLAN);
                assert_string_equal(err.message, cases[i][1]);
                assert_null(type);
        }
}

static void deep_nesting_is_refused_not_followed(void **state)
{
        struct world *world = *state;
        xpm_text text = XPM_TEXT_INIT;
        const xpm_type *type;
        xpm_error err = XPM_ERROR_NONE;
        for (int i = 0; i < 100000; i++)
                xpm_text_puts(&text, "list[");
        assert_int_equal(xpm_type_parse(world->arena, &world->types, text.data, &type, &err), XPM_EPLAN);
        assert_non_null(strstr(err.message, "nested more than 64 deep"));
        xpm_text_release(&text);
}

static void parameter_is_found_by_its_whole_name(void **state)
{
        xpm_config_type *type = world_type(*state, "T", NULL);
        static const char *const names[] = {"lr", "a", "Z", "lr2", "l", "_x"};
        for (size_t i = 0; i < 6; i++)
                world_param(*state, type, names[i], "int");
        for (size_t i = 0; i < 6; i++) {
                long index = xpm_param_find(type, names[i], strlen(names[i]));
                assert_true(index >= 0);
                assert_string_equal(type->params[index].name, names[i]);
        }
        assert_int_equal(xpm_param_find(type, "lr3", 3), -1);
        assert_int_equal(xpm_param_find(type, "lr2", 1), xpm_param_find(type, "l", 1));
        assert_int_equal(xpm_param_find(type, "", 0), -1);
        assert_int_equal(xpm_param_find(type, "a\0b", 3), -1);
}

static void subtype_is_its_ancestor_and_not_the_other_way(void **state)
{
        struct world *world = *state;
        const xpm_config_type *model = xpm_map_get(&world->types.configs, "nn.Model");
        const xpm_config_type *deep = xpm_map_get(&world->types.configs, "nn.Deep");
        assert_true(xpm_config_type_is(deep, model));
        assert_true(xpm_config_type_is(deep, deep));
        assert_false(xpm_config_type_is(model, deep));
}

static void names_of_the_language_are_reserved(void **state)
{
        static const char *const names[] = {"int", "float", "bool", "str", "path", "file", "list", "set", "dict"};
        (void)state;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                assert_true(xpm_type_is_reserved(names[i]));
        assert_false(xpm_type_is_reserved("ints"));
        assert_false(xpm_type_is_reserved("nn.Model"));
        assert_int_equal(xpm_type_basic(XPM_FLOAT)->kind, XPM_FLOAT);
        assert_false(xpm_type_basic(XPM_FLOAT)->optional);
        assert_null(xpm_type_basic(XPM_LIST));
}

static void copy_has_the_values_and_nothing_of_the_job(void **state)
{
        xpm_config_type *type = world_type(*state, "T", NULL);
        world_param(*state, type, "x", "int");
        xpm_config *config = world_config(*state, type);
        assert_int_equal(config->values[0].kind, XPM_UNSET);
        *world_value(config, "x") = world_int(3);
        config->has_id = true;
        config->job = (struct xpm_job *)config;
        xpm_config *copy = xpm_config_copy(((struct world *)*state)->arena, config);
        assert_ptr_not_equal(copy, config);
        assert_int_equal(copy->values[0].integer, 3);
        assert_false(copy->has_id);
        assert_null(copy->job);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        (void)state;
        if (!failing_malloc_works)
                skip();
        for (long n = 1;; n++) {
                xpm_types types = {0};
                const xpm_type *type;
                failing_malloc_arm(n);
                xpm_arena *arena = xpm_arena_create();
                int rc = arena ? xpm_type_parse(arena, &types, "dict[str, list[set[int?]]]", &type, NULL) : XPM_ENOMEM;
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
                T(type_is_printed_as_a_user_would_write_it),      T(error_says_what_is_wrong_and_suggests),
                T(deep_nesting_is_refused_not_followed),          T(parameter_is_found_by_its_whole_name),
                T(subtype_is_its_ancestor_and_not_the_other_way), T(names_of_the_language_are_reserved),
                T(copy_has_the_values_and_nothing_of_the_job),    T(memory_that_runs_out_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
