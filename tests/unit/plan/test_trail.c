#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "plan/scalar.h"
#include "plan/trail.h"

struct tools {
        xpm_arena *arena;
        xpm_pos pos;
};

static int enter(void **state)
{
        static const xpm_source source = {.name = "e.yaml"};
        struct tools *tools = calloc(1, sizeof *tools);
        tools->arena = xpm_arena_create();
        tools->pos = (xpm_pos){.source = &source, .line = 3, .column = 4};
        *state = tools;
        return 0;
}

static int leave(void **state)
{
        struct tools *tools = *state;
        xpm_arena_destroy(tools->arena);
        free(tools);
        return 0;
}

static xpm_trail trail_of(struct tools *tools, const char *text)
{
        xpm_trail trail;
        assert_int_equal(xpm_trail_parse(tools->arena, text, "it", tools->pos, &trail, NULL), 0);
        return trail;
}

static void text_is_split_at_dots(void **state)
{
        const xpm_trail trail = trail_of(*state, "a.bb.0");
        assert_int_equal(trail.count, 3);
        assert_string_equal(trail.text, "a.bb.0");
        assert_string_equal(trail.parts[0], "a");
        assert_string_equal(trail.parts[1], "bb");
        assert_string_equal(trail.parts[2], "0");
}

static void empty_parts_are_refused(void **state)
{
        struct tools *tools = *state;
        static const char *const wrong[] = {"", ".", "a.", ".a", "a..b"};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                xpm_trail trail;
                xpm_error err = XPM_ERROR_NONE;
                char message[128];
                assert_int_equal(xpm_trail_parse(tools->arena, wrong[i], "a tag", tools->pos, &trail, &err), XPM_EPLAN);
                snprintf(message, sizeof message,
                         "e.yaml:3:4: a tag is a path of parameters such as 'model.hidden', found '%s'", wrong[i]);
                assert_string_equal(err.message, message);
        }
}

static void trail_grows_by_a_part(void **state)
{
        struct tools *tools = *state;
        xpm_trail root = {.text = ""}, one, two;
        assert_int_equal(xpm_trail_extend(tools->arena, &root, "abc", 2, &one), 0);
        assert_int_equal(xpm_trail_extend(tools->arena, &one, "c.d", 3, &two), 0);
        assert_string_equal(one.text, "ab");
        assert_string_equal(two.text, "ab.c.d");
        assert_int_equal(two.count, 2);
        assert_string_equal(two.parts[1], "c.d");
}

static void beginning_is_by_whole_parts(void **state)
{
        static const struct {
                const char *trail, *prefix;
                bool begins;
        } cases[] = {{"a.b", "a", true},
                     {"a.b", "a.b", true},
                     {"a", "a.b", false},
                     {"ab.c", "a", false},
                     {"a.b.c", "a.c", false}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const xpm_trail trail = trail_of(*state, cases[i].trail), prefix = trail_of(*state, cases[i].prefix);
                assert_int_equal(xpm_trail_begins(&trail, &prefix), cases[i].begins);
        }
}

static void children_are_found_by_name_index_and_key(void **state)
{
        struct tools *tools = *state;
        xpm_array *array = xpm_arena_alloc(tools->arena, sizeof *array + 12 * sizeof *array->items);
        xpm_dict *dict = xpm_arena_alloc(tools->arena, sizeof *dict + 4 * sizeof *dict->items);
        array->count = 12;
        for (int i = 0; i < 12; i++)
                array->items[i] = (xpm_value){.kind = XPM_INT, .integer = i};
        dict->count = 4;
        dict->items[0].key = (xpm_value){.kind = XPM_STR, .string = xpm_string_create(tools->arena, "k", 1)};
        dict->items[1].key = (xpm_value){.kind = XPM_INT, .integer = 7};
        dict->items[2].key = (xpm_value){.kind = XPM_BOOL, .boolean = true};
        dict->items[3].key = (xpm_value){.kind = XPM_FLOAT, .number = 0.5};
        const xpm_value list = {.kind = XPM_LIST, .array = array}, map = {.kind = XPM_DICT, .dict = dict},
                        set = {.kind = XPM_SET, .array = array};
        static const char *const no_index[] = {"12", "-1", "+1", "01", "1x", "", "99999999999", "1.0"};
        assert_int_equal(xpm_value_child(&list, "0", 1, NULL)->integer, 0);
        assert_int_equal(xpm_value_child(&list, "11", 2, NULL)->integer, 11);
        for (size_t i = 0; i < sizeof no_index / sizeof *no_index; i++)
                assert_null(xpm_value_child(&list, no_index[i], strlen(no_index[i]), NULL));
        assert_null(xpm_value_child(&set, "0", 1, NULL));
        assert_ptr_equal(xpm_value_child(&map, "k", 1, NULL), &dict->items[0].value);
        assert_ptr_equal(xpm_value_child(&map, "7", 1, NULL), &dict->items[1].value);
        assert_ptr_equal(xpm_value_child(&map, "true", 4, NULL), &dict->items[2].value);
        assert_ptr_equal(xpm_value_child(&map, "0.5", 3, NULL), &dict->items[3].value);
        assert_null(xpm_value_child(&map, "8", 1, NULL));
        assert_null(xpm_value_child(&map, "k\0", 2, NULL));
}

static const xpm_node *scalar(struct tools *tools, const char *text)
{
        return xpm_node_scalar(tools->arena, tools->pos, text, strlen(text), false);
}

/* {a: {b: 1, l: [x, {y: 2}]}, n: null, s: text, r: {each: q}} */
static xpm_node *sample(struct tools *tools)
{
        const xpm_pos p = tools->pos;
        xpm_arena *arena = tools->arena;
        xpm_node *root = xpm_node_mapping(arena, p), *a = xpm_node_mapping(arena, p), *l = xpm_node_sequence(arena, p),
                 *y = xpm_node_mapping(arena, p), *r = xpm_node_mapping(arena, p);
        xpm_node_put(arena, root, "a", 1, p, a);
        xpm_node_put(arena, a, "b", 1, p, (xpm_node *)scalar(tools, "1"));
        xpm_node_put(arena, a, "l", 1, p, l);
        xpm_node_append(arena, l, (xpm_node *)scalar(tools, "x"));
        xpm_node_append(arena, l, y);
        xpm_node_put(arena, y, "y", 1, p, (xpm_node *)scalar(tools, "2"));
        xpm_node_put(arena, root, "n", 1, p, (xpm_node *)scalar(tools, "null"));
        xpm_node_put(arena, root, "s", 1, p, (xpm_node *)scalar(tools, "text"));
        xpm_node_put(arena, root, "r", 1, p, r);
        xpm_node_put(arena, r, "each", 4, p, (xpm_node *)scalar(tools, "q"));
        return root;
}

static void nodes_are_followed(void **state)
{
        struct tools *tools = *state;
        const xpm_node *root = sample(tools);
        const xpm_trail y = trail_of(tools, "a.l.1.y"), no = trail_of(tools, "a.l.2.y");
        assert_string_equal(xpm_node_follow(root, &y, 4)->text, "2");
        assert_int_equal(xpm_node_follow(root, &y, 2)->kind, XPM_NODE_SEQUENCE);
        assert_ptr_equal(xpm_node_follow(root, &y, 0), root);
        assert_null(xpm_node_follow(root, &no, 4));
        assert_null(xpm_node_follow(NULL, &y, 4));
}

static void expect_edit(struct tools *tools, const char *path, const char *value, const char *expected)
{
        const xpm_node *root = sample(tools);
        const xpm_trail trail = trail_of(tools, path);
        xpm_node *out = NULL;
        xpm_text text = XPM_TEXT_INIT, before = XPM_TEXT_INIT, after = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        xpm_node_json(root, &before, NULL);
        int rc = xpm_node_edit(tools->arena, root, &trail, 0, value ? (xpm_node *)scalar(tools, value) : NULL,
                               tools->pos, &out, &err);
        if (rc == 0)
                assert_int_equal(xpm_node_json(out, &text, NULL), 0);
        assert_string_equal(rc == 0 ? xpm_text_string(&text) : err.message, expected);
        xpm_node_json(root, &after, NULL);
        assert_string_equal(xpm_text_string(&before), xpm_text_string(&after));
        xpm_text_release(&text);
        xpm_text_release(&before);
        xpm_text_release(&after);
}

static void edit_makes_another_tree(void **state)
{
#define REST ", \"n\": null, \"s\": \"text\", \"r\": {\"each\": \"q\"}}"
        static const struct {
                const char *path, *value, *expected;
        } cases[] = {
                {"a.b", "5", "{\"a\": {\"b\": 5, \"l\": [\"x\", {\"y\": 2}]}" REST},
                {"a.b", NULL, "{\"a\": {\"l\": [\"x\", {\"y\": 2}]}" REST},
                {"a.c.d", "5", "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 2}], \"c\": {\"d\": 5}}" REST},
                {"a.c.d", NULL, "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 2}], \"c\": {}}" REST},
                {"a.l.1.y", "5", "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 5}]}" REST},
                {"a.l.0", "5", "{\"a\": {\"b\": 1, \"l\": [5, {\"y\": 2}]}" REST},
                {"a.l.0", NULL, "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 2}]}" REST},
                {"n.x", "5",
                 "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 2}]}, \"n\": {\"x\": 5}, \"s\": \"text\", \"r\": "
                 "{\"each\": \"q\"}}"},
                {"r", "5", "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 2}]}, \"n\": null, \"s\": \"text\", \"r\": 5}"},
                {"r", NULL, "{\"a\": {\"b\": 1, \"l\": [\"x\", {\"y\": 2}]}, \"n\": null, \"s\": \"text\"}"},
                {"s.x", "5", "e.yaml:3:4: 's.x' leads into 's', which is 'text' and no config"},
                {"a.l.2", "5", "e.yaml:3:4: 'a.l.2': 'a.l' is a list of 2 items and has no '2'"},
                {"r.x", "5",
                 "e.yaml:3:4: 'r.x' leads into the reference 'r', and what another step decided cannot be changed "
                 "here: "
                 "sweep it in that step"},
        };
#undef REST
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                expect_edit(*state, cases[i].path, cases[i].value, cases[i].expected);
}

static void edit_of_nothing_makes_mappings(void **state)
{
        struct tools *tools = *state;
        const xpm_trail trail = trail_of(tools, "a.b");
        xpm_node *out = NULL;
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(
                xpm_node_edit(tools->arena, NULL, &trail, 0, (xpm_node *)scalar(tools, "1"), tools->pos, &out, NULL),
                0);
        assert_int_equal(xpm_node_json(out, &text, NULL), 0);
        assert_string_equal(xpm_text_string(&text), "{\"a\": {\"b\": 1}}");
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(text_is_split_at_dots),
                T(empty_parts_are_refused),
                T(trail_grows_by_a_part),
                T(beginning_is_by_whole_parts),
                T(children_are_found_by_name_index_and_key),
                T(nodes_are_followed),
                T(edit_makes_another_tree),
                T(edit_of_nothing_makes_mappings),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
