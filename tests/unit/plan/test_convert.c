#include "declared.h"
#include "failing_malloc.h"
#include "place.h"

/* The types that every test has. */
static const char types_text[] =
        "enums: {E: [SGD, ADAM], Big: [A1, A2, A3, A4, A5, A6, A7, A8, A9, B1, B2, B3, B4]}\n"
        "configs:\n"
        "  M: {params: {h: int, act: {type: str, default: relu}, o: int?, k: {constant: 3}, out: {generated: f}}}\n"
        "  D: {extends: M, params: {layers: int}}\n"
        "  N: {params: {m: {type: M, default: {h: 1}}, l: {type: \"list[M]\", default: [{h: 2}]}}}\n"
        "  Empty: {}\n";

static int enter(void **state)
{
        struct declared *declared = malloc(sizeof *declared);
        *state = declared;
        return declared ? declared_read(declared, types_text) : -1;
}

static int leave(void **state)
{
        declared_release(*state);
        free(*state);
        return 0;
}

/* `TYPE` and a value `v: …` in YAML: the JSON, or the message without the place when it is wrong. */
struct conversion {
        const char *type, *yaml, *expected;
};

static int convert_one(struct declared *declared, const xpm_param *param, const char *text, const char *yaml,
                       xpm_value *value)
{
        static const xpm_source source = {.name = "t.yaml", .path = "/dir/t.yaml", .dir = "/dir"};
        const xpm_type *type;
        xpm_node *root;
        char line[512];
        snprintf(line, sizeof line, "v: %s", yaml);
        declared->err = XPM_ERROR_NONE;
        if (xpm_type_parse(declared->arena, &declared->types, text, &type, &declared->err) != 0 ||
            xpm_yaml_parse(declared->arena, &source, line, strlen(line), 0, &root, &declared->err) != 0)
                fail_msg("%s: %s", line, declared->err.message);
        return xpm_convert(&declared->converter, xpm_node_get(root, "v"), type, param, value, &declared->err);
}

static void check(struct declared *declared, const struct conversion *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                xpm_value value = {.kind = XPM_HOLE};
                xpm_text text = XPM_TEXT_INIT;
                int rc = convert_one(declared, NULL, cases[i].type, cases[i].yaml, &value);
                if (rc == 0)
                        xpm_value_json(&value, NULL, &text);
                else
                        assert_int_equal(value.kind, XPM_HOLE);
                const char *found = rc == 0 ? xpm_text_string(&text) : declared->err.message;
                if (strcmp(found, cases[i].expected) != 0)
                        fail_msg("%s: %s\ngives    %s\nexpected %s", cases[i].type, cases[i].yaml, found,
                                 cases[i].expected);
                xpm_text_release(&text);
        }
}

#define CHECK(state, cases) check(state, cases, sizeof cases / sizeof *cases)

static void int_takes_spellings_of_ints_alone(void **state)
{
        static const struct conversion cases[] = {
                {"int", "12", "12"},
                {"int", "+12", "12"},
                {"int", "-0", "0"},
                {"int", "010", "10"},
                {"int", "0x1F", "31"},
                {"int", "0o17", "15"},
                {"int", "9223372036854775807", "9223372036854775807"},
                {"int", "-9223372036854775808", "-9223372036854775808"},
                {"int", "9223372036854775808",
                 "t.yaml:1:4: expected int, found '9223372036854775808': an int has 64 bits, from -9223372036854775808 "
                 "to 9223372036854775807"},
                {"int", "1e6", "t.yaml:1:4: expected int, found '1e6': write 1000000"},
                {"int", "2.0", "t.yaml:1:4: expected int, found '2.0': write 2"},
                {"int", "1_000", "t.yaml:1:4: expected int, found '1_000': write 1000"},
                {"int", "1,000", "t.yaml:1:4: expected int, found '1,000': write 1000"},
                {"int", "2.5", "t.yaml:1:4: expected int, found '2.5'"},
                {"int", "1e300", "t.yaml:1:4: expected int, found '1e300'"},
                {"int", "true", "t.yaml:1:4: expected int, found 'true'"},
                {"int", "three", "t.yaml:1:4: expected int, found 'three'"},
                {"int", "1:30", "t.yaml:1:4: expected int, found '1:30'"},
                {"int", "\"3\"", "t.yaml:1:4: expected int, found the text '3': remove the quotes"},
                {"int", "\"x\"", "t.yaml:1:4: expected int, found the text 'x'"},
                {"int", "[3]", "t.yaml:1:4: expected int, found a list"},
                {"int", "{a: 3}", "t.yaml:1:4: expected int, found a mapping"},
                {"int", "null", "t.yaml:1:4: expected int, found 'null': null may stand where the type ends in '?'"},
                {"int", "", "t.yaml:1:3: expected int, found nothing: null may stand where the type ends in '?'"},
                {"int?", "~", "null"},
                {"int?", "", "null"},
        };
        CHECK(*state, cases);
}

static void float_takes_ints_too(void **state)
{
        static const struct conversion cases[] = {
                {"float", "1", "1.0"},
                {"float", "-7", "-7.0"},
                {"float", "1e-3", "0.001"},
                {"float", ".5", "0.5"},
                {"float", "5.", "5.0"},
                {"float", "-0.0", "-0.0"},
                {"float", "9007199254740993", "9007199254740992.0"},
                {"float", ".inf", "\"inf\""},
                {"float", "-.INF", "\"-inf\""},
                {"float", ".nan",
                 "t.yaml:1:4: expected float, found '.nan': a NaN equals nothing, not even itself, so it cannot "
                 "identify a job"},
                {"float", "nan",
                 "t.yaml:1:4: expected float, found 'nan': a NaN equals nothing, not even itself, so it cannot "
                 "identify a job"},
                {"float", "1e400",
                 "t.yaml:1:4: expected float, found '1e400': it does not fit a double; infinity is .inf"},
                {"float", "inf", "t.yaml:1:4: expected float, found 'inf': write .inf"},
                {"float", "-Infinity", "t.yaml:1:4: expected float, found '-Infinity': write -.inf"},
                {"float", "0x10", "t.yaml:1:4: expected float, found '0x10': write 16.0"},
                {"float", "\"0.1\"", "t.yaml:1:4: expected float, found the text '0.1': remove the quotes"},
                {"float", "0.1s", "t.yaml:1:4: expected float, found '0.1s'"},
                {"float", "true", "t.yaml:1:4: expected float, found 'true'"},
        };
        CHECK(*state, cases);
}

static void bool_is_true_or_false(void **state)
{
        static const struct conversion cases[] = {
                {"bool", "true", "true"},
                {"bool", "false", "false"},
                {"bool", "yes", "t.yaml:1:4: expected bool, found 'yes': write true"},
                {"bool", "True", "t.yaml:1:4: expected bool, found 'True': write true"},
                {"bool", "off", "t.yaml:1:4: expected bool, found 'off': write false"},
                {"bool", "0", "t.yaml:1:4: expected bool, found '0': write false"},
                {"bool", "\"true\"", "t.yaml:1:4: expected bool, found the text 'true': remove the quotes"},
                {"bool", "maybe", "t.yaml:1:4: expected bool, found 'maybe': write true or false"},
        };
        CHECK(*state, cases);
}

static void str_takes_the_text_as_written(void **state)
{
        static const struct conversion cases[] = {
                {"str", "no", "\"no\""},
                {"str", "010", "\"010\""},
                {"str", "1e6", "\"1e6\""},
                {"str", "2026-01-01", "\"2026-01-01\""},
                {"str", "null", "\"null\""},
                {"str", "~", "\"~\""},
                {"str", "\"\"", "\"\""},
                {"str", "\"a\\0b\"", "\"a\\u0000b\""},
                {"str", "|\n  a\n  b\n", "\"a\\nb\\n\""},
                {"str", "", "t.yaml:1:3: expected str, found nothing: an empty text is written \"\""},
                {"str?", "", "null"},
                {"str?", "null", "null"},
                {"str?", "Null", "\"Null\""},
                {"str", "NULL", "\"NULL\""},
                {"str?", "\"null\"", "\"null\""},
                {"str", "[a]", "t.yaml:1:4: expected str, found a list"},
        };
        CHECK(*state, cases);
}

static void long_text_is_shortened_in_an_error(void **state)
{
        static const struct conversion cases[] = {
                {"int", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
                 "t.yaml:1:4: expected int, found 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh' "
                 "(shortened)"},
        };
        CHECK(*state, cases);
}

static void path_is_made_absolute_lexically(void **state)
{
        static const struct conversion cases[] = {
                {"path", "a/b", "\"/dir/a/b\""},
                {"path", "../x", "\"/x\""},
                {"path", "./a/../b//c", "\"/dir/b/c\""},
                {"path", "/abs/./x", "\"/abs/x\""},
                {"path", "\"with space\"", "\"/dir/with space\""},
                {"path", "~/data",
                 "t.yaml:1:4: expected path, found '~/data': '~' is not expanded here: write ${oc.env:HOME}"},
                {"path", "\"\"", "t.yaml:1:4: expected path, found the text '': a path cannot be empty"},
                {"path", "\"a\\0\"", "t.yaml:1:4: expected path, found the text 'a': a path cannot hold a NUL"},
                {"path", "null", "t.yaml:1:4: expected path, found 'null': null may stand where the type ends in '?'"},
        };
        CHECK(*state, cases);
}

static void enum_is_a_member_by_its_bare_name(void **state)
{
        static const struct conversion cases[] = {
                {"E", "ADAM", "\"ADAM\""},
                {"E", "\"SGD\"", "\"SGD\""},
                {"E?", "null", "null"},
                {"E", "Adam", "t.yaml:1:4: expected E, found 'Adam': did you mean 'ADAM'?"},
                {"E", "rmsprop", "t.yaml:1:4: expected E, found 'rmsprop': its members are SGD, ADAM"},
                {"Big", "zzz",
                 "t.yaml:1:4: expected Big, found 'zzz': its members are A1, A2, A3, A4, A5, A6, A7, A8, A9, B1, B2, "
                 "B3, …"},
                {"E", "[SGD]", "t.yaml:1:4: expected E, found a list"},
        };
        CHECK(*state, cases);
}

static void lists_and_sets_hold_items_of_their_type(void **state)
{
        static const struct conversion cases[] = {
                {"list[float]", "[1, 2.5, .inf]", "[1.0, 2.5, \"inf\"]"},
                {"list[int?]", "[1, null, ]", "[1, null]"},
                {"list[list[int]]", "[[], [1]]", "[[], [1]]"},
                {"list[int]", "[]", "[]"},
                {"list[int]?", "null", "null"},
                {"list[int]", "null", "t.yaml:1:4: expected list[int], found 'null': none is written []"},
                {"list[int]", "3", "t.yaml:1:4: expected list[int], found '3': write the items in [ ]"},
                {"list[int]", "{a: 1}", "t.yaml:1:4: expected list[int], found a mapping"},
                {"list[int]", "{range: [0, 3]}",
                 "t.yaml:1:4: expected list[int], found a mapping: a range stands in a sweep"},
                {"list[int]", "[1, x]", "t.yaml:1:8: expected int, found 'x'"},
                /* In hash order; of equal elements the first is kept. */
                {"set[int]", "[3, 1, 2, 1, 3]", "[2, 3, 1]"},
                {"set[float]", "[-0.0, 0.0, 0]", "[-0.0]"},
                {"set[str]", "[]", "[]"},
                {"set[M]", "[{h: 1}, {h: 1, act: relu}]",
                 "[{\"type\": \"M\", \"h\": 1, \"act\": \"relu\", \"o\": null, \"k\": 3, \"out\": \"f\"}]"},
        };
        CHECK(*state, cases);
}

static void dict_keys_are_read_as_their_type(void **state)
{
        static const struct conversion cases[] = {
                {"dict[str, int]", "{b: 1, a: 2}", "{\"b\": 1, \"a\": 2}"},
                {"dict[int, str]", "{010: x, \"-1\": y}", "{\"10\": \"x\", \"-1\": \"y\"}"},
                {"dict[float, int]", "{1: 1, .5: 2}", "{\"1.0\": 1, \"0.5\": 2}"},
                {"dict[bool, int]", "{true: 1, false: 0}", "{\"true\": 1, \"false\": 0}"},
                {"dict[str, int]", "{all: 1}", "{\"all\": 1}"},
                {"dict[str, int]", "{range: 1}", "{\"range\": 1}"},
                {"dict[str, int]", "{}", "{}"},
                {"dict[str, M]", "{a: {h: 1}}",
                 "{\"a\": {\"type\": \"M\", \"h\": 1, \"act\": \"relu\", \"o\": null, \"k\": 3, \"out\": \"f\"}}"},
                {"dict[int, int]", "{a: 1}", "t.yaml:1:5: expected int, found 'a'"},
                {"dict[bool, int]", "{yes: 1}", "t.yaml:1:5: expected bool, found 'yes': write true"},
                {"dict[int, int]", "{1: 1, 01: 2}", "t.yaml:1:11: the keys '1' and '01' are equal"},
                {"dict[float, int]", "{0.0: 1, 1: 3, -0.0: 2}", "t.yaml:1:19: the keys '0.0' and '-0.0' are equal"},
                {"dict[str, int]", "[1]", "t.yaml:1:4: expected dict[str, int], found a list"},
                {"dict[str, int]", "null",
                 "t.yaml:1:4: expected dict[str, int], found 'null': an empty one is written {}"},
        };
        CHECK(*state, cases);
}

static void config_is_a_mapping_of_its_parameters(void **state)
{
#define M(h, act, o) "{\"type\": \"M\", \"h\": " h ", \"act\": \"" act "\", \"o\": " o ", \"k\": 3, \"out\": \"f\"}"
        static const struct conversion cases[] = {
                {"M", "{h: 3}", M("3", "relu", "null")},
                {"M", "{o: 4, act: no, h: 3}", M("3", "no", "4")},
                {"M", "{type: M, h: 3}", M("3", "relu", "null")},
                {"M", "{type: D, h: 3, layers: 2}",
                 "{\"type\": \"D\", \"h\": 3, \"act\": \"relu\", \"o\": null, \"k\": 3, \"out\": \"f\", \"layers\": "
                 "2}"},
                {"M?", "null", "null"},
                {"N", "{}",
                 "{\"type\": \"N\", \"m\": " M("1", "relu", "null") ", \"l\": [" M("2", "relu", "null") "]}"},
                {"Empty", "{}", "{\"type\": \"Empty\"}"},
                {"M", "{}", "t.yaml:1:4: 'M' lacks 'h' (int)"},
                {"D", "{act: x}", "t.yaml:1:4: 'D' lacks 'h' (int), 'layers' (int)"},
                {"M", "{h: 1, hiden: 2, act: x}", "t.yaml:1:11: 'M' has no parameter 'hiden': it has 'h', 'act', 'o'"},
                {"D", "{h: 1, layer: 2}", "t.yaml:1:11: 'D' has no parameter 'layer': did you mean 'layers'?"},
                {"Empty", "{x: 1}", "t.yaml:1:5: 'Empty' has no parameter 'x': none can be set"},
                {"M", "{h: 1, k: 3}", "t.yaml:1:11: 'k' is a constant of 'M' and cannot be set"},
                {"M", "{h: 1, out: 3}", "t.yaml:1:11: 'out' of 'M' is generated: it cannot be set"},
                {"M", "{h: x}", "t.yaml:1:8: 'h': expected int, found 'x'"},
                {"M", "{type: N}", "t.yaml:1:11: 'N' is no 'M' and does not extend it: expected 'M', 'D'"},
                {"M", "{type: Mm}", "t.yaml:1:11: unknown type 'Mm': did you mean 'M'?"},
                {"M", "{type: Quux}", "t.yaml:1:11: unknown type 'Quux': expected 'M', 'D'"},
                {"M", "{type: [M]}", "t.yaml:1:11: 'type' is the name of a config type: expected a text"},
                {"M", "null", "t.yaml:1:4: expected M, found 'null': one with its defaults is written {}"},
                {"M", "x", "t.yaml:1:4: expected M, found 'x': write a mapping of its parameters"},
                {"M", "{each: s}",
                 "t.yaml:1:4: expected M, found a mapping: a reference to a step stands in a step's 'params' only"},
        };
#undef M
        CHECK(*state, cases);
}

static void config_without_a_node_has_its_defaults(void **state)
{
        struct declared *declared = *state;
        xpm_config *config;
        static const xpm_source source = {.name = "t.yaml"};
        xpm_pos pos = {.source = &source, .line = 7, .column = 2};
        const xpm_config_type *n = xpm_map_get(&declared->types.configs, "N"),
                              *m = xpm_map_get(&declared->types.configs, "M");
        assert_int_equal(xpm_convert_config(&declared->converter, NULL, pos, n, &config, NULL), 0);
        assert_ptr_equal(config->type, n);
        assert_int_equal(xpm_convert_config(&declared->converter, NULL, pos, m, &config, &declared->err), XPM_EPLAN);
        assert_string_equal(declared->err.message, "t.yaml:7:2: 'M' lacks 'h' (int)");
}

static void default_is_a_new_object_each_time(void **state)
{
        struct declared *declared = *state;
        xpm_config *one, *other;
        const xpm_config_type *type = xpm_map_get(&declared->types.configs, "N");
        xpm_pos pos = {0};
        assert_int_equal(xpm_convert_config(&declared->converter, NULL, pos, type, &one, NULL), 0);
        assert_int_equal(xpm_convert_config(&declared->converter, NULL, pos, type, &other, NULL), 0);
        const xpm_value *a = &one->values[xpm_param_find(type, "m", 1)],
                        *b = &other->values[xpm_param_find(type, "m", 1)];
        assert_true(xpm_value_equal(a, b));
        assert_ptr_not_equal(a->config, b->config);
        a = &one->values[xpm_param_find(type, "l", 1)];
        b = &other->values[xpm_param_find(type, "l", 1)];
        assert_ptr_not_equal(a->array->items[0].config, b->array->items[0].config);
}

static void missing_parameters_may_be_left_to_a_sweep(void **state)
{
        struct declared *declared = *state;
        xpm_value value;
        declared->converter.allow_missing = true;
        assert_int_equal(convert_one(declared, NULL, "D", "{act: x}", &value), 0);
        assert_int_equal(value.config->values[xpm_param_find(value.config->type, "layers", 6)].kind, XPM_UNSET);
        assert_int_equal(value.config->values[xpm_param_find(value.config->type, "o", 1)].kind, XPM_NULL);
        assert_int_equal(value.config->values[xpm_param_find(value.config->type, "k", 1)].kind, XPM_INT);
}

static int give_hole(void *data, const xpm_node *node, const xpm_type *type, xpm_value *out, xpm_error *err)
{
        size_t *count = data;
        (void)type;
        if (xpm_node_get(node, "tag"))
                return xpm_fail_at(err, node->pos, "no tags here");
        *out = (xpm_value){.kind = XPM_HOLE, .hole = (*count)++};
        return 0;
}

static void reference_is_the_callers(void **state)
{
        struct declared *declared = *state;
        size_t count = 0;
        xpm_value value;
        declared->converter.reference = give_hole;
        declared->converter.reference_data = &count;
        assert_int_equal(convert_one(declared, NULL, "list[M]", "[{each: s}, {h: 1}, {from: m}]", &value), 0);
        assert_int_equal(value.array->items[0].kind, XPM_HOLE);
        assert_int_equal(value.array->items[1].kind, XPM_CONFIG);
        assert_int_equal(value.array->items[2].hole, 1);
        assert_int_equal(convert_one(declared, NULL, "set[M]", "{all: s}", &value), 0);
        assert_int_equal(value.kind, XPM_HOLE);
        assert_int_equal(convert_one(declared, NULL, "M", "{h: {tag: x}}", &value), XPM_EPLAN);
        assert_string_equal(declared->err.message, "t.yaml:1:8: no tags here");
        /* A dict is a literal, always. */
        assert_int_equal(convert_one(declared, NULL, "dict[str, int]", "{from: 3}", &value), 0);
        assert_int_equal(value.kind, XPM_DICT);
        assert_int_equal(count, 3);
}

static void limits_hold_for_every_leaf(void **state)
{
        struct declared *declared = *state;
        xpm_param param = {
                .name = "lr", .min = {.kind = XPM_FLOAT, .number = 0}, .max = {.kind = XPM_FLOAT, .number = 1}};
        xpm_value value;
        assert_int_equal(convert_one(declared, &param, "list[list[float]]", "[[0, 1], [0.5]]", &value), 0);
        assert_int_equal(convert_one(declared, &param, "list[list[float]]", "[[0, 1], [1.5]]", &value), XPM_EPLAN);
        assert_string_equal(declared->err.message, "t.yaml:1:14: 'lr': 1.5 is more than its maximum 1.0");
        assert_int_equal(convert_one(declared, &param, "dict[float, float]", "{7: 0.5}", &value), 0);
        assert_int_equal(convert_one(declared, &param, "dict[float, float]", "{7: -1}", &value), XPM_EPLAN);
        assert_string_equal(declared->err.message, "t.yaml:1:8: 'lr': -1.0 is less than its minimum 0.0");
}

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static int hash_by_name(void *data, const char *path, char hex[65], xpm_error *err)
{
        if (strcmp(path, "/dir/there") != 0)
                return xpm_fail(err, XPM_EIO, "cannot open '%s': no such file or directory", path);
        strcpy(hex, data);
        return 0;
}

static void file_is_hashed_by_the_callers_function(void **state)
{
        struct declared *declared = *state;
        xpm_value value;
        declared->converter.hash_file = hash_by_name;
        declared->converter.hash_data = EMPTY_HASH;
        assert_int_equal(convert_one(declared, NULL, "file", "there", &value), 0);
        assert_string_equal(value.file->path->data, "/dir/there");
        assert_string_equal(value.file->hash, "sha256:" EMPTY_HASH);
        assert_int_equal(convert_one(declared, NULL, "file", "away", &value), XPM_EPLAN);
        assert_string_equal(declared->err.message,
                            "t.yaml:1:4: cannot open '/dir/away': no such file or directory; a file is part of the "
                            "identifier by its content");
}

static void file_is_hashed_here_without_one(void **state)
{
        struct declared *declared = *state;
        xpm_value value;
        char text[256], *place = NULL;
        void *there;
        assert_int_equal(place_enter(&there), 0);
        place = ((struct place *)there)->path;
        place_put(there, "x", "");
        snprintf(text, sizeof text, "%s/x", place);
        assert_int_equal(convert_one(declared, NULL, "list[file]", text, &value), XPM_EPLAN);
        assert_int_equal(convert_one(declared, NULL, "file", text, &value), 0);
        assert_string_equal(value.file->hash, "sha256:" EMPTY_HASH);
        assert_int_equal(convert_one(declared, NULL, "file", place, &value), XPM_EPLAN);
        assert_non_null(strstr(declared->err.message, "is not a regular file; a file is part of the identifier"));
        snprintf(text, sizeof text, "%s/y", place);
        assert_int_equal(convert_one(declared, NULL, "file", text, &value), XPM_EPLAN);
        assert_non_null(strstr(declared->err.message, "/y': no such file or directory; a file"));
        assert_int_equal(place_leave(&there), 0);
}

static void path_without_a_directory_must_be_absolute(void **state)
{
        struct declared *declared = *state;
        static const xpm_source source = {.name = "output"};
        const xpm_type *type = xpm_type_basic(XPM_PATH);
        xpm_value value;
        xpm_node node = {.kind = XPM_NODE_SCALAR, .pos = {&source, 1, 2}, .text = "a", .length = 1};
        assert_int_equal(xpm_convert(&declared->converter, &node, type, NULL, &value, &declared->err), XPM_EPLAN);
        assert_string_equal(declared->err.message,
                            "output:1:2: expected path, found 'a': only an absolute path has a meaning here");
        node.text = "/a";
        node.length = 2;
        assert_int_equal(xpm_convert(&declared->converter, &node, type, NULL, &value, NULL), 0);
}

static void memory_that_runs_out_is_an_error(void **state)
{
        static const char *const cases[][2] = {
                {"N", "{m: {type: D, h: 1, layers: 2}}"},
                {"dict[int, set[M]]", "{1: [{h: 1}, {h: 2}], 2: []}"},
                {"list[path]", "[a, /b]"},
                {"E", "Adam"},
                {"D", "{layer: 1}"},
                {"M", "{type: Mm}"},
        };
        struct declared *declared = *state;
        static const xpm_source source = {.name = "t.yaml", .dir = "/dir"};
        if (!failing_malloc_works)
                skip();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const xpm_type *type;
                xpm_node *root;
                char text[128];
                snprintf(text, sizeof text, "v: %s", cases[i][1]);
                assert_int_equal(xpm_type_parse(declared->arena, &declared->types, cases[i][0], &type, NULL), 0);
                assert_int_equal(xpm_yaml_parse(declared->arena, &source, text, strlen(text), 0, &root, NULL), 0);
                const xpm_node *node = xpm_node_get(root, "v");
                for (long n = 1;; n++) {
                        xpm_value value;
                        failing_malloc_arm(n);
                        xpm_converter converter = {.arena = xpm_arena_create(), .types = &declared->types};
                        int rc = converter.arena ? xpm_convert(&converter, node, type, NULL, &value, NULL) : XPM_ENOMEM;
                        bool failed = failing_malloc_disarm();
                        xpm_arena_destroy(converter.arena);
                        /* A message that found no memory is cut, the error stays. */
                        assert_true(failed ? rc == XPM_ENOMEM || rc == XPM_EPLAN : rc != XPM_ENOMEM);
                        if (!failed)
                                break;
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(int_takes_spellings_of_ints_alone),
                T(float_takes_ints_too),
                T(bool_is_true_or_false),
                T(str_takes_the_text_as_written),
                T(long_text_is_shortened_in_an_error),
                T(path_is_made_absolute_lexically),
                T(enum_is_a_member_by_its_bare_name),
                T(lists_and_sets_hold_items_of_their_type),
                T(dict_keys_are_read_as_their_type),
                T(config_is_a_mapping_of_its_parameters),
                T(config_without_a_node_has_its_defaults),
                T(default_is_a_new_object_each_time),
                T(missing_parameters_may_be_left_to_a_sweep),
                T(reference_is_the_callers),
                T(limits_hold_for_every_leaf),
                T(file_is_hashed_by_the_callers_function),
                T(file_is_hashed_here_without_one),
                T(path_without_a_directory_must_be_absolute),
                T(memory_that_runs_out_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
