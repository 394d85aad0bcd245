#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/configvalue.h"
#include "plan/load.h"

static const char text[] = "a: {b: {c: 1e-3}, b.c: both, d.e: [010, true, 'true', ~, '']}\n"
                           "a.x: {y: long}\n"
                           "l: [1, {k: v}]\n"
                           "huge: 99999999999999999999\n";

struct world {
        xpm_arena *arena;
        xpm_node *root;
};

static int enter(void **state)
{
        static const xpm_source source = {.name = "x.yaml"};
        static struct world world;
        world.arena = xpm_arena_create();
        *state = &world;
        return xpm_yaml_parse(world.arena, &source, text, strlen(text), 0, &world.root, NULL);
}

static int leave(void **state)
{
        xpm_arena_destroy(((struct world *)*state)->arena);
        return 0;
}

/* What stands at NAME, a scalar, prints as. */
static const char *print(const struct world *world, const char *name)
{
        const xpm_pair *first;
        xpm_value value;
        const xpm_node *node = xpm_config_node(world->root, name, &first);
        assert_non_null(node);
        assert_int_equal(xpm_config_value(world->arena, node, &value, NULL), 0);
        assert_int_equal(value.kind, XPM_STR);
        return value.string->data;
}

static void number_keeps_its_spelling(void **state)
{
        assert_string_equal(print(*state, "a.b.c"), "both");
        assert_string_equal(print(*state, "huge"), "99999999999999999999");
        const xpm_pair *first;
        const struct world *world = *state;
        assert_non_null(xpm_config_node(world->root, "a.b", &first));
        assert_string_equal(first->key, "a");
}

static void item_of_a_list_is_named_by_its_index(void **state)
{
        static const char *const wrong[] = {"a.d.e.5", "a.d.e.x", "a.d.e.-1", "a.d.e.0.0", "a.d.e."};
        const xpm_pair *first;
        const struct world *world = *state;
        assert_string_equal(print(world, "a.d.e.0"), "010");
        assert_string_equal(print(world, "a.d.e.2"), "true");
        assert_string_equal(print(world, "l.1.k"), "v");
        assert_non_null(xpm_config_node(world->root, "l.1.k", &first));
        assert_string_equal(first->key, "l");
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
                assert_null(xpm_config_node(world->root, wrong[i], &first));
}

static void longest_key_is_taken(void **state)
{
        const struct world *world = *state;
        const xpm_pair *first;
        assert_string_equal(print(world, "a.x.y"), "long");
        xpm_config_node(world->root, "a.x.y", &first);
        assert_string_equal(first->key, "a.x");
        assert_null(xpm_config_node(world->root, "a.x.z", &first));
        assert_null(xpm_config_node(world->root, "a.b.c.d", &first));
        assert_null(xpm_config_node(world->root, "", &first));
}

static void list_has_texts_bools_and_null(void **state)
{
        static const enum xpm_kind kinds[] = {XPM_STR, XPM_BOOL, XPM_STR, XPM_NULL, XPM_STR};
        const struct world *world = *state;
        const xpm_pair *first;
        xpm_value value;
        assert_int_equal(xpm_config_value(world->arena, xpm_config_node(world->root, "a.d.e", &first), &value, NULL),
                         0);
        assert_int_equal(value.kind, XPM_LIST);
        assert_int_equal(value.array->count, 5);
        for (size_t i = 0; i < 5; i++)
                assert_int_equal(value.array->items[i].kind, kinds[i]);
        assert_string_equal(value.array->items[0].string->data, "010");
}

static void mapping_is_a_dict_of_texts(void **state)
{
        const struct world *world = *state;
        xpm_value value;
        assert_int_equal(xpm_config_value(world->arena, world->root, &value, NULL), 0);
        assert_int_equal(value.kind, XPM_DICT);
        assert_int_equal(value.dict->count, 4);
        assert_string_equal(value.dict->items[1].key.string->data, "a.x");
        assert_int_equal(value.dict->items[1].value.kind, XPM_DICT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(number_keeps_its_spelling),     T(item_of_a_list_is_named_by_its_index), T(longest_key_is_taken),
                T(list_has_texts_bools_and_null), T(mapping_is_a_dict_of_texts),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
