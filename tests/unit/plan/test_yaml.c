#include "failing_malloc.h"
#include "yaml_case.h"

#include "plan/yaml.h"

static void what_yaml_says_becomes_nodes(void **state)
{
        (void)state;
        static const struct {
                const char *text, *json;
        } cases[] = {
                {"", "{}"},
                {"---\n", "{}"},
                {"# only a comment\n", "{}"},
                {"---\na: 1\n...\n", "{\"a\": 1}"},
                {"%YAML 1.2\n---\na: 1\n", "{\"a\": 1}"},
                {"\xef\xbb\xbf"
                 "a: 1\n",
                 "{\"a\": 1}"},
                {"a: 1\r\nb: [2,\r\n 3]\r\n", "{\"a\": 1, \"b\": [2, 3]}"},
                {"on: yes\nno: off\n~: 1\n1: 2\n1e3: 3\n",
                 "{\"on\": \"yes\", \"no\": \"off\", \"~\": 1, \"1\": 2, \"1e3\": 3}"},
                {"\"\": 1\n' ': 2\n", "{\"\": 1, \" \": 2}"},
                {"? a\n: - b\n  - - c\n    - d\n", "{\"a\": [\"b\", [\"c\", \"d\"]]}"},
                {"{a: , b: {}, c: [], d}\n", "{\"a\": null, \"b\": {}, \"c\": [], \"d\": null}"},
                {"a: |\n  x\n   y\nb: >-\n  one\n  two\n\n  three\n",
                 "{\"a\": \"x\\n y\\n\", \"b\": \"one two\\nthree\"}"},
                {"a: 'it''s'\nb: \"\\x41\\u00e9\\n\"\n", "{\"a\": \"it's\", \"b\": \"A\xc3\xa9\\n\"}"},
                {"{\"a\":1,\"b\":[true,false,null,\"x\",-2.5e3],\"c\":{\"d\":{}}}",
                 "{\"a\": 1, \"b\": [true, false, null, \"x\", -2500.0], \"c\": {\"d\": {}}}"},
                {"{\n\t\"a\": [\n\t\t1,\n\t\t2\n\t]\n}\n", "{\"a\": [1, 2]}"},
                {"a:\t1\n", "{\"a\": 1}"},
                {"\"\\ud83d\\ude00\\uD83D\\uDe00\\u00e9\": \"\\\\ud83d\"\n",
                 "{\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xc3\xa9\": \"\\\\ud83d\"}"},
                {"a: '\\ud83d\\uDE00'\nb: \\ud83D\\ude00\nc: |\n  \\ud83d\\ude00\n",
                 "{\"a\": \"\\\\ud83d\\\\uDE00\", \"b\": \"\\\\ud83D\\\\ude00\", \"c\": \"\\\\ud83d\\\\ude00\\n\"}"},
                {"{\"a \xe2\x80\xa8 b\": \"c\xc2\x85 d\"}", "{\"a \xe2\x80\xa8 b\": \"c\xc2\x85 d\"}"},
                {"a: &x [1, {b: 2}]\nc: *x\nd: [*x]\n",
                 "{\"a\": [1, {\"b\": 2}], \"c\": [1, {\"b\": 2}], \"d\": [[1, {\"b\": 2}]]}"},
                {"a: &x 1\nb: &x 2\nc: *x\n*x : 3\n", "{\"a\": 1, \"b\": 2, \"c\": 2, \"2\": 3}"},
                {"m: &m {x: 1, y: 2}\nn: {<<: *m, y: 3, z: 4}\n",
                 "{\"m\": {\"x\": 1, \"y\": 2}, \"n\": {\"x\": 1, \"y\": 3, \"z\": 4}}"},
                {"m: &m {x: 1, y: {p: 1}}\nn: {z: 4, y: {q: 2}, <<: *m}\n",
                 "{\"m\": {\"x\": 1, \"y\": {\"p\": 1}}, \"n\": {\"x\": 1, \"z\": 4, \"y\": {\"q\": 2}}}"},
                {"m: &m {x: 1}\nn: {<<: [*m, {x: 2, y: 2}, {y: 3, w: 4}]}\n",
                 "{\"m\": {\"x\": 1}, \"n\": {\"x\": 1, \"y\": 2, \"w\": 4}}"},
                {"m: {\"<<\": 1}\n", "{\"m\": {\"<<\": 1}}"},
                {"a: !replace {b: 1}\nc: [!replace 2]\n", "{\"a\": {\"b\": 1}, \"c\": [2]}"},
                {"a: [f(x, y]\n", "{\"a\": [\"f(x\", \"y\"]}"},
                {"a: {b: echo (x) y}\n", "{\"a\": {\"b\": \"echo (x) y\"}}"},
                {"command: echo {{x}} ${y} [z]\n", "{\"command\": \"echo {{x}} ${y} [z]\"}"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                yaml_case_check(cases[i].text, yaml_case_parse(arena, cases[i].text, 1), cases[i].json);
                xpm_arena_destroy(arena);
        }
}

static int parse(const char *text, size_t length, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_node *node;
        *err = XPM_ERROR_NONE;
        int rc = xpm_yaml_parse(arena, &yaml_case_source, text, length, 0, &node, err);
        xpm_arena_destroy(arena);
        return rc;
}

static void what_is_wrong_is_said_with_its_position(void **state)
{
        (void)state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"a: 1\nb: 2\na: 3\n", "x.yaml:3:1: duplicate key 'a': it stands in line 1 already"},
                {"a: {b: 1, 'b': 2}\n", "x.yaml:1:11: duplicate key 'b': it stands in line 1 already"},
                {"a: {<<: {x: 1},\n  <<: {y: 2}}\n",
                 "x.yaml:2:3: duplicate key '<<': it stands in line 1 already (several "
                 "mappings are merged by '<<: [*a, *b]')"},
                {"a: {<<: 3}\n", "x.yaml:1:9: '<<' takes a mapping or a list of mappings"},
                {"a: {<<: [{}, 3]}\n", "x.yaml:1:14: '<<' takes a mapping or a list of mappings"},
                {"{[a]: b}\n", "x.yaml:1:2: a key must be a text, not a list or a mapping"},
                {"? {a: b}\n: c\n", "x.yaml:1:3: a key must be a text, not a list or a mapping"},
                {"a: &x [1]\n*x : 2\n", "x.yaml:1:4: a key must be a text, not a list or a mapping"},
                {"? \n: 1\n", "x.yaml:1:2: a key is missing before ':'"},
                {"!remove a: 1\n", "x.yaml:1:1: the tag '!remove' stands before a value, not before a key"},
                {"a: [!remove b]\n", "x.yaml:1:5: the tag '!remove' stands before the value of a key only"},
                {"!remove\n", "x.yaml:1:1: the tag '!remove' stands before the value of a key only"},
                {"a: !!str 1\n",
                 "x.yaml:1:4: unknown tag '!!str': only !replace and !remove have a meaning here; quote a value "
                 "that begins with '!', and quote what must be a text"},
                {"a: !x [1]\n",
                 "x.yaml:1:4: unknown tag '!x': only !replace and !remove have a meaning here; quote a value "
                 "that begins with '!', and quote what must be a text"},
                {"a: *b\n",
                 "x.yaml:1:4: '*b' is an alias, and no anchor '&b' stands before it: put quotes around a text that "
                 "begins with '*'"},
                {"a: &b [1, {c: *b}]\n", "x.yaml:1:15: the alias '*b' stands inside its own anchor"},
                {"a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document begins here: an experiment file has one"},
                {"a:\n\tb: 1\n", "x.yaml:2:1: a tab cannot indent: use spaces"},
                {"a: |\n\tb\n", "x.yaml:2:1: a tab cannot indent: use spaces"},
                {"a: |\n  \tb\n", "x.yaml:2:3: a text whose first line begins with a tab says how far it is indented: "
                                  "write '|2' for two "
                                  "spaces, or use spaces instead of the tab"},
                {"\ta: 1\n", "x.yaml:1:1: a tab cannot indent: use spaces"},
                {"\xef\xbb\xbf"
                 "a: [1\n",
                 "x.yaml:1:4: the list that begins here is never closed: ']' is missing"},
                {"\xef\xbb\xbf"
                 "a: @b\n",
                 "x.yaml:1:4: a value cannot begin with '@' without quotes: write \"@b\""},
                {"a: \"\xc3\xa9\" b\n",
                 "x.yaml:1:4: there is text after the closing quote in '\"\xc3\xa9\" b': write \"\xc3\xa9 b\""},
                {"a: 1\r\nb: caf\xe9\r\n", "x.yaml:2:7: the text is not UTF-8 (byte 0xE9): save it in that encoding"},
                {"\xff\xfe"
                 "a",
                 "x.yaml:1:1: the text is not UTF-8 (byte 0xFF): save it in that encoding"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err;
                int rc = parse(cases[i].text, strlen(cases[i].text), &err);
                yaml_case_check_error(cases[i].text, rc, XPM_EPLAN, &err, cases[i].message);
        }
}

static void nodes_know_where_they_stand(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        const xpm_node *root = yaml_case_parse(
                arena, "a: 1\n\xc3\xa9\xc3\xa9: {\"\\ud83d\\ude00\": [x, 'y']}\nb: &n\n  c: d\ne: *n\n", 7);
        static const struct {
                const char *key;
                unsigned key_line, key_column, line, column;
        } cases[] = {{"a", 1, 1, 1, 4}, {"\xc3\xa9\xc3\xa9", 2, 1, 2, 5}, {"b", 3, 1, 3, 4}, {"e", 5, 1, 3, 4}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const xpm_pair *pair = xpm_node_find(root, cases[i].key);
                assert_int_equal(pair->key_pos.line, cases[i].key_line);
                assert_int_equal(pair->key_pos.column, cases[i].key_column);
                assert_int_equal(pair->value->pos.line, cases[i].line);
                assert_int_equal(pair->value->pos.column, cases[i].column);
                assert_ptr_equal(pair->value->pos.source, &yaml_case_source);
                assert_int_equal(pair->value->layer, 7);
        }
        /* Columns count characters as written, also after a pair of escapes. */
        const xpm_node *list = root->pairs[1].value->pairs[0].value;
        assert_int_equal(list->pos.column, 22);
        assert_int_equal(list->items[1]->pos.column, 26);
        assert_true(list->items[1]->quoted);
        assert_false(list->items[0]->quoted);
        xpm_arena_destroy(arena);
}

static void a_first_column_moves_the_first_line_only(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *node;
        assert_int_equal(xpm_yaml_read(arena, &yaml_case_source, "[a,\nb]", 6, 10, 0, &node, NULL), 0);
        assert_int_equal(node->pos.column, 11);
        assert_int_equal(node->items[0]->pos.column, 12);
        assert_int_equal(node->items[1]->pos.column, 1);
        assert_int_equal(xpm_yaml_read(arena, &yaml_case_source, " # nothing", 10, 10, 0, &node, NULL), 0);
        assert_null(node);
        xpm_arena_destroy(arena);
}

/* PREFIX, PIECE times COUNT, SUFFIX times COUNT: the caller frees. */
static char *repeat(const char *prefix, const char *piece, const char *suffix, size_t count)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, prefix);
        for (size_t i = 0; i < count; i++)
                xpm_text_puts(&text, piece);
        for (size_t i = 0; i < count; i++)
                xpm_text_puts(&text, suffix);
        return xpm_text_take(&text);
}

static void nesting_has_a_limit(void **state)
{
        (void)state;
        static const struct {
                const char *prefix, *piece, *suffix;
                size_t count;
                const char *message; /* NULL: fine */
        } cases[] = {
                {"", "[", "]", 1000, NULL},
                {"", "[", "]", 1001, "x.yaml:1:1001: nested deeper than 1,000 levels"},
                {"a: ", "[", "]", 10000, "x.yaml:1:1003: nested deeper than 1,000 levels"},
                {"", "{a: ", "}", 10000, "x.yaml:1:4001: nested deeper than 1,000 levels"},
                {"", "- ", "", 10000, "x.yaml:1:2001: nested deeper than 1,000 levels"},
                {"", "[", "", 1000000, "x.yaml:1:1001: nested deeper than 1,000 levels"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err;
                char *text = repeat(cases[i].prefix, cases[i].piece, cases[i].suffix, cases[i].count);
                int rc = parse(text, strlen(text), &err);
                yaml_case_check_error(cases[i].piece, rc, cases[i].message ? XPM_EPLAN : 0, &err,
                                      cases[i].message ? cases[i].message : "");
                free(text);
        }
}

static void aliases_have_a_budget(void **state)
{
        (void)state;
        xpm_text bomb = XPM_TEXT_INIT, tower = XPM_TEXT_INIT;
        xpm_text_puts(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        xpm_text_puts(&tower, "a0: &a0 [x]\n");
        for (int i = 1; i < 1200; i++) {
                if (i < 12) {
                        xpm_text_printf(&bomb, "a%d: &a%d [", i, i);
                        for (int j = 0; j < 10; j++)
                                xpm_text_printf(&bomb, "*a%d,", i - 1);
                        xpm_text_puts(&bomb, "]\n");
                }
                xpm_text_printf(&tower, "a%d: &a%d [*a%d]\n", i, i, i - 1);
        }
        xpm_error err;
        int rc = parse(bomb.data, bomb.length, &err);
        yaml_case_check_error("bomb", rc, XPM_EPLAN, &err,
                              "x.yaml:6:42: the aliases up to '*a4' expand to more than 64 MiB");
        rc = parse(tower.data, tower.length, &err);
        yaml_case_check_error("tower", rc, XPM_EPLAN, &err,
                              "x.yaml:1000:14: nested deeper than 1,000 levels, with the alias '*a998'");
        xpm_text_release(&bomb);
        xpm_text_release(&tower);
}

static void a_large_file_is_refused_before_it_is_parsed(void **state)
{
        (void)state;
        xpm_error err;
        /* Nothing behind the length: it would be read at once otherwise. */
        int rc = parse("[[[[", 100000000, &err);
        yaml_case_check_error(
                "100 MB", rc, XPM_EPLAN, &err,
                "x.yaml:1:1: 100 MB are too much for an experiment file (at most 64 MiB): keep data in files of "
                "its own and name them in parameters of type 'file'");
}

static void a_key_over_1024_characters_has_its_own_error(void **state)
{
        (void)state;
        static const struct {
                const char *prefix, *suffix;
                size_t count;
                const char *message;
        } cases[] = {
                {"{\"", "\": 1}", 1000, NULL},
                {"{\"", "\": 1}", 1100, "x.yaml:1:2: a key of 1102 characters is too long: YAML takes at most 1,024"},
                {"{a: {b: 1, \"", "\":1}}", 2000,
                 "x.yaml:1:12: a key of 2002 characters is too long: YAML takes at most 1,024"},
                {"a: 1\n", ": 1\n", 1100, "x.yaml:2:1: a key of 1100 characters is too long: YAML takes at most 1,024"},
                {"\"", "\": 1\n", 1100, "x.yaml:1:1: a key of 1102 characters is too long: YAML takes at most 1,024"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err;
                xpm_text text = XPM_TEXT_INIT;
                xpm_text_puts(&text, cases[i].prefix);
                for (size_t j = 0; j < cases[i].count; j++)
                        xpm_text_puts(&text, "\xc3\xa9");
                xpm_text_puts(&text, cases[i].suffix);
                int rc = parse(text.data, text.length, &err);
                yaml_case_check_error(cases[i].prefix, rc, cases[i].message ? XPM_EPLAN : 0, &err,
                                      cases[i].message ? cases[i].message : "");
                xpm_text_release(&text);
        }
}

static void duplicates_are_found_among_many(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT;
        for (int i = 0; i < 100000; i++)
                xpm_text_printf(&text, "k%d: %d\n", i, i);
        xpm_text_puts(&text, "k77: 1\n");
        xpm_error err;
        int rc = parse(text.data, text.length, &err);
        yaml_case_check_error("many", rc, XPM_EPLAN, &err,
                              "x.yaml:100001:1: duplicate key 'k77': it stands in line 78 already");
        xpm_text_release(&text);
}

static void open_parentheses_are_looked_at_in_linear_time(void **state)
{
        (void)state;
        enum { MANY = 20000 }; /* a quadratic reader would run into the test's time limit */
        xpm_text text = XPM_TEXT_INIT;
        xpm_text_puts(&text, "[");
        for (int i = 0; i < MANY; i++)
                xpm_text_puts(&text, "f(x,");
        xpm_text_puts(&text, "]");
        xpm_arena *arena = xpm_arena_create();
        assert_int_equal(yaml_case_parse(arena, text.data, 0)->item_count, MANY);
        xpm_arena_destroy(arena);
        xpm_text_release(&text);
}

static void memory_may_run_out_at_any_time(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "a: &x [1, \"\\ud83d\\ude00\", {b: c}]\nm: {<<: [{p: 1}], q: *x}\nn: !replace |\n  t\n",
                "a: {type: list[int]}\n",
                "a: {{x}}\n",
                "{a: cpu(b, c)}\n",
                "a: 'it's'\n",
                "{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 1, k: 2, l: 3, m: 4, n: 5, o: 6, p: 7, q: "
                "8}",
        };
        if (!failing_malloc_works)
                skip();
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                bool struck = true;
                for (long n = 1; struck; n++) {
                        xpm_arena *arena = xpm_arena_create();
                        xpm_error err = XPM_ERROR_NONE;
                        xpm_node *node = NULL;
                        failing_malloc_arm(n);
                        int rc = xpm_yaml_parse(arena, &yaml_case_source, texts[i], strlen(texts[i]), 0, &node, &err);
                        struck = failing_malloc_disarm();
                        if (struck && rc != XPM_ENOMEM)
                                fail_msg("%s: allocation %ld: %d %s", texts[i], n, rc, err.message);
                        xpm_arena_destroy(arena);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_yaml_says_becomes_nodes),
                cmocka_unit_test(what_is_wrong_is_said_with_its_position),
                cmocka_unit_test(nodes_know_where_they_stand),
                cmocka_unit_test(a_first_column_moves_the_first_line_only),
                cmocka_unit_test(nesting_has_a_limit),
                cmocka_unit_test(aliases_have_a_budget),
                cmocka_unit_test(a_large_file_is_refused_before_it_is_parsed),
                cmocka_unit_test(a_key_over_1024_characters_has_its_own_error),
                cmocka_unit_test(duplicates_are_found_among_many),
                cmocka_unit_test(open_parentheses_are_looked_at_in_linear_time),
                cmocka_unit_test(memory_may_run_out_at_any_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
