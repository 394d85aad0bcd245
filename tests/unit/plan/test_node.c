#include "yaml_case.h"

enum { MANY = 20000 };

static const xpm_pos somewhere = {.source = &yaml_case_source, .line = 3, .column = 7};

static xpm_node *numbered(xpm_arena *arena, size_t count)
{
        xpm_node *mapping = xpm_node_mapping(arena, somewhere);
        for (size_t i = 0; i < count; i++) {
                char key[32];
                int length = snprintf(key, sizeof key, "k%zu", i);
                xpm_node *value = xpm_node_scalar(arena, somewhere, key, (size_t)length, false);
                assert_int_equal(xpm_node_put(arena, mapping, key, (size_t)length, somewhere, value), 0);
        }
        return mapping;
}

static const char *value_of(const xpm_node *mapping, size_t number)
{
        char key[32];
        snprintf(key, sizeof key, "k%zu", number);
        const xpm_node *value = xpm_node_get(mapping, key);
        return value ? value->text : NULL;
}

static void a_key_is_found_in_small_and_large_mappings(void **state)
{
        (void)state;
        static const size_t sizes[] = {1, 15, 16, 17, MANY};
        xpm_arena *arena = xpm_arena_create();
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                const xpm_node *mapping = numbered(arena, sizes[i]);
                assert_string_equal(value_of(mapping, 0), "k0");
                assert_non_null(value_of(mapping, sizes[i] - 1));
                assert_null(value_of(mapping, sizes[i]));
        }
        xpm_arena_destroy(arena);
}

static void a_key_that_is_put_again_keeps_its_place(void **state)
{
        (void)state;
        static const size_t sizes[] = {3, 40};
        xpm_arena *arena = xpm_arena_create();
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                xpm_node *mapping = numbered(arena, sizes[i]);
                xpm_node *other = xpm_node_scalar(arena, somewhere, "new", 3, true);
                assert_int_equal(xpm_node_put(arena, mapping, "k1", 2, somewhere, other), 0);
                assert_int_equal(mapping->pair_count, sizes[i]);
                assert_string_equal(mapping->pairs[1].key, "k1");
                assert_string_equal(mapping->pairs[1].value->text, "new");
        }
        xpm_arena_destroy(arena);
}

static void keys_are_found_after_a_deletion(void **state)
{
        (void)state;
        static const size_t sizes[] = {3, 17, 40};
        xpm_arena *arena = xpm_arena_create();
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                xpm_node *mapping = numbered(arena, sizes[i]);
                xpm_node_delete(mapping, 1);
                assert_null(value_of(mapping, 1));
                assert_string_equal(value_of(mapping, 0), "k0");
                assert_non_null(value_of(mapping, sizes[i] - 1));
                assert_int_equal(xpm_node_put(arena, mapping, "k1", 2, somewhere, mapping->pairs[0].value), 0);
                assert_string_equal(mapping->pairs[sizes[i] - 1].key, "k1");
                assert_string_equal(value_of(mapping, 1), "k0");
        }
        xpm_arena_destroy(arena);
}

static void sweeping_drops_all_pairs_without_value(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *mapping = numbered(arena, MANY);
        for (size_t i = 0; i < MANY; i += 2)
                mapping->pairs[i].value = NULL;
        xpm_node_sweep(mapping);
        assert_int_equal(mapping->pair_count, MANY / 2);
        assert_null(value_of(mapping, 0));
        assert_string_equal(value_of(mapping, MANY - 1), "k19999");
        xpm_arena_destroy(arena);
}

static void a_key_with_another_length_or_nul_is_another_key(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *mapping = numbered(arena, 3);
        assert_null(xpm_node_find_n(mapping, "k1\0", 3));
        assert_null(xpm_node_find_n(mapping, "k", 1));
        assert_non_null(xpm_node_find_n(mapping, "k12", 2));
        assert_null(xpm_node_get(NULL, "k1"));
        assert_null(xpm_node_get(mapping->pairs[0].value, "k1"));
        xpm_arena_destroy(arena);
}

static void null_is_a_plain_word_or_nothing(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool null;
        } cases[] = {{"a:", true},      {"a: null", true},  {"a: Null", true}, {"a: NULL", true},
                     {"a: ~", true},    {"a: nULL", false}, {"a: ''", false},  {"a: 'null'", false},
                     {"a: nul", false}, {"a: 0", false},    {"a: []", false},  {"a: {}", false}};
        xpm_arena *arena = xpm_arena_create();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (xpm_node_is_null(xpm_node_get(yaml_case_parse(arena, cases[i].text, 0), "a")) != cases[i].null)
                        fail_msg("%s", cases[i].text);
        xpm_arena_destroy(arena);
}

static void references_and_ranges_are_known_by_their_keys(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool reference, range;
        } cases[] = {
                {"{each: train}", true, false},
                {"{each: [a, b], where: {x: 1}, allow_empty: true}", true, false},
                {"{all: evaluate, by: [lr, hidden]}", true, false},
                {"{from: model.data}", true, false},
                {"{tag: lr}", true, false},
                {"{tag: lr, allow_empty: true}", true, false},
                {"{tag: lr, by: [x]}", false, false},
                {"{from: a, tag: b}", false, false},
                {"{each: a, all: b}", false, false},
                {"{each: a, type: b}", false, false},
                {"{by: [x]}", false, false},
                {"{}", false, false},
                {"[each]", false, false},
                {"{range: [0, 5]}", false, true},
                {"{linspace: [0, 1, 5]}", false, true},
                {"{logspace: [0, 1, 5]}", false, true},
                {"{range_mult: [1, 4, 2]}", false, true},
                {"{range: [0, 5], x: 1}", false, false},
                {"{one_of: {a: 1}}", false, false},
        };
        xpm_arena *arena = xpm_arena_create();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const xpm_node *node = yaml_case_parse(arena, cases[i].text, 0);
                if (xpm_node_is_reference(node) != cases[i].reference || xpm_node_is_range(node) != cases[i].range)
                        fail_msg("%s", cases[i].text);
        }
        assert_false(xpm_node_is_reference(NULL));
        assert_false(xpm_node_is_range(NULL));
        xpm_arena_destroy(arena);
}

static void a_copy_is_equal_and_its_own(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *node = yaml_case_parse(arena, "{a: [1, {b: 'x'}], c: {}, d: [], e: ~}", 9);
        xpm_node *copy = xpm_node_copy(arena, node);
        yaml_case_check("copy", copy, "{\"a\": [1, {\"b\": \"x\"}], \"c\": {}, \"d\": [], \"e\": null}");
        assert_int_equal(copy->pairs[0].value->items[1]->layer, 9);
        assert_int_equal(xpm_node_append(arena, xpm_node_get(node, "d"), node->pairs[0].value), 0);
        xpm_node_delete(node, 1);
        node->pairs[0].value->items[0] = node->pairs[0].value->items[1];
        yaml_case_check("copy", copy, "{\"a\": [1, {\"b\": \"x\"}], \"c\": {}, \"d\": [], \"e\": null}");

        const xpm_node *large = xpm_node_copy(arena, numbered(arena, 100));
        assert_string_equal(value_of(large, 99), "k99");
        xpm_arena_destroy(arena);
}

static void cost_counts_texts_and_levels_and_stops_at_its_limit(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        size_t levels;
        size_t scalar = xpm_node_cost(yaml_case_parse(arena, "abc", 0), SIZE_MAX / 2, &levels);
        assert_int_equal(levels, 1);
        assert_int_equal(scalar, sizeof(xpm_node) + 3);
        const xpm_node *node = yaml_case_parse(arena, "{a: [abc, [abc]], b: abc}", 0);
        assert_int_equal(xpm_node_cost(node, SIZE_MAX / 2, &levels), 6 * sizeof(xpm_node) + 3 * 3 + 2);
        assert_int_equal(levels, 4);
        size_t cut = xpm_node_cost(node, 2 * sizeof(xpm_node), &levels);
        assert_true(cut > 2 * sizeof(xpm_node) && cut < 4 * sizeof(xpm_node));
        xpm_arena_destroy(arena);
}

static void a_slip_in_the_key_of_a_reference_or_a_range_is_known(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *mapping = numbered(arena, 2);
        assert_null(xpm_node_slip(mapping));
        assert_int_equal(xpm_node_put(arena, mapping, "eahc", 4, somewhere, mapping->pairs[0].value), 0);
        assert_string_equal(xpm_node_slip(mapping), "each");
        assert_null(xpm_node_slip(mapping->pairs[0].value));
        assert_string_equal(xpm_key_slip("oneof"), "one_of");
        assert_string_equal(xpm_key_slip("lispace"), "linspace");
        assert_null(xpm_key_slip("each"));
        assert_null(xpm_key_slip("other"));
        xpm_arena_destroy(arena);
}

static void errors_have_the_position_in_front(void **state)
{
        (void)state;
        xpm_error err = XPM_ERROR_NONE;
        char buffer[64];
        assert_int_equal(xpm_fail_at(&err, somewhere, "'%s' is wrong", "a"), XPM_EPLAN);
        assert_string_equal(err.message, "x.yaml:3:7: 'a' is wrong");
        assert_int_equal(xpm_fail_at(&err, somewhere, "later"), XPM_EPLAN);
        assert_string_equal(err.message, "x.yaml:3:7: 'a' is wrong");
        err = XPM_ERROR_NONE;
        assert_int_equal(xpm_fail_at(&err, (xpm_pos){0}, "nowhere"), XPM_EPLAN);
        assert_string_equal(err.message, "nowhere");
        assert_int_equal(xpm_fail_at(NULL, somewhere, "nobody listens"), XPM_EPLAN);
        xpm_pos_print(somewhere, buffer, sizeof buffer);
        assert_string_equal(buffer, "x.yaml:3:7");
        xpm_pos_print((xpm_pos){0}, buffer, sizeof buffer);
        assert_string_equal(buffer, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_is_found_in_small_and_large_mappings),
                cmocka_unit_test(a_key_that_is_put_again_keeps_its_place),
                cmocka_unit_test(keys_are_found_after_a_deletion),
                cmocka_unit_test(sweeping_drops_all_pairs_without_value),
                cmocka_unit_test(a_key_with_another_length_or_nul_is_another_key),
                cmocka_unit_test(null_is_a_plain_word_or_nothing),
                cmocka_unit_test(references_and_ranges_are_known_by_their_keys),
                cmocka_unit_test(a_copy_is_equal_and_its_own),
                cmocka_unit_test(cost_counts_texts_and_levels_and_stops_at_its_limit),
                cmocka_unit_test(a_slip_in_the_key_of_a_reference_or_a_range_is_known),
                cmocka_unit_test(errors_have_the_position_in_front),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
