#include "yaml_case.h"

#include "plan/override.h"

static const char configuration[] = "lr: 0.1\n"
                                    "model: {type: A, hidden: 3}\n"
                                    "list: [{b: 1}, [2, 3]]\n"
                                    "tasks: {nn.Train: {command: old}, nn: {x: 1}}\n"
                                    "ref: {each: s}\n"
                                    "plan: {all: {params: {tag: 1}}}\n"
                                    "empty: []\n";

static int apply(xpm_arena *arena, xpm_node **root, const char *setting, xpm_error *err)
{
        *root = yaml_case_parse(arena, configuration, 1);
        return xpm_override(arena, root, setting, "/here", 5, err);
}

static void a_setting_reaches_its_address(void **state)
{
        (void)state;
        static const struct {
                const char *setting, *key, *json; /* of the top-level KEY afterwards; NULL: gone */
        } cases[] = {
                {"lr=0.2", "lr", "0.2"},
                {"lr=a=b", "lr", "\"a=b\""},
                {"lr=", "lr", "null"},
                {"lr=# nothing", "lr", "null"},
                {"lr='0.2'", "lr", "\"0.2\""},
                {"lr=[1, {a: b}]", "lr", "[1, {\"a\": \"b\"}]"},
                {"lr={\"a\": \"\\ud83d\\ude00\"}", "lr", "{\"a\": \"\xf0\x9f\x98\x80\"}"},
                {"lr=|\n  a\n  b", "lr", "\"a\\nb\""},
                {"lr=!remove", "lr", NULL},
                {"none=!remove", "none", NULL},
                {"none.deep=!remove", "none", NULL},
                {"new=1", "new", "1"},
                {"a.b.c=1", "a", "{\"b\": {\"c\": 1}}"},
                {"model.hidden=4", "model", "{\"type\": \"A\", \"hidden\": 4}"},
                {"model.type=B", "model", "{\"type\": \"B\", \"hidden\": 3}"},
                {"model={type: B}", "model", "{\"type\": \"B\"}"},
                {"model={x: 1}", "model", "{\"type\": \"A\", \"hidden\": 3, \"x\": 1}"},
                {"model=!replace {x: 1}", "model", "{\"x\": 1}"},
                {"model.hidden=!remove", "model", "{\"type\": \"A\"}"},
                {"model.hidden.deep=1", "model", "{\"type\": \"A\", \"hidden\": {\"deep\": 1}}"},
                {"list.0.b=2", "list", "[{\"b\": 2}, [2, 3]]"},
                {"list.0.c.d=2", "list", "[{\"b\": 1, \"c\": {\"d\": 2}}, [2, 3]]"},
                {"list.1.0=9", "list", "[{\"b\": 1}, [9, 3]]"},
                {"list.1=9", "list", "[{\"b\": 1}, 9]"},
                {"list=9", "list", "9"},
                {"tasks.nn.Train.command=new", "tasks", "{\"nn.Train\": {\"command\": \"new\"}, \"nn\": {\"x\": 1}}"},
                {"tasks.nn.Test.command=new", "tasks",
                 "{\"nn.Train\": {\"command\": \"old\"}, \"nn\": {\"x\": 1, \"Test\": {\"command\": \"new\"}}}"},
                {"ref.where={a: 1}", "ref", "{\"each\": \"s\", \"where\": {\"a\": 1}}"},
                {"ref={b: 1}", "ref", "{\"b\": 1}"},
                {"plan.all.params={from: 2}", "plan", "{\"all\": {\"params\": {\"tag\": 1, \"from\": 2}}}"},
                {"plan.b.task=t", "plan", "{\"all\": {\"params\": {\"tag\": 1}}, \"b\": {\"task\": \"t\"}}"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_node *root;
                if (apply(arena, &root, cases[i].setting, &err) != 0)
                        fail_msg("%s: %s", cases[i].setting, err.message);
                const xpm_node *node = xpm_node_get(root, cases[i].key);
                if (!node != !cases[i].json)
                        fail_msg("%s: '%s' is %s", cases[i].setting, cases[i].key, node ? "still there" : "not there");
                if (node)
                        yaml_case_check(cases[i].setting, node, cases[i].json);
                xpm_arena_destroy(arena);
        }
}

static void a_wrong_setting_is_an_error_with_its_column(void **state)
{
        (void)state;
        static const struct {
                const char *setting;
                int rc;
                const char *message;
        } cases[] = {
                {"lr", XPM_EUSAGE, "-c 'lr' has no '=': write -c key.path=value"},
                {"=1", XPM_EPLAN, "-c:1:1: a key is missing here"},
                {".a=1", XPM_EPLAN, "-c .a:1:1: a key is missing here"},
                {"a.=1", XPM_EPLAN, "-c a.:1:3: a key is missing here"},
                {"\xc3\xa9..b=1", XPM_EPLAN, "-c \xc3\xa9..b:1:3: a key is missing here"},
                {"list.2.b=1", XPM_EPLAN, "-c list.2.b:1:6: '2' is no item of the list 'list': its items are 0 to 1"},
                {"list.x=1", XPM_EPLAN, "-c list.x:1:6: 'x' is no item of the list 'list': its items are 0 to 1"},
                {"list.1.-1=1", XPM_EPLAN,
                 "-c list.1.-1:1:8: '-1' is no item of the list 'list.1': its items are 0 to 1"},
                {"empty.0=1", XPM_EPLAN, "-c empty.0:1:7: the list 'empty' is empty"},
                {"list.0=!remove", XPM_EPLAN, "-c list.0:1:8: the tag '!remove' deletes keys, not items of a list"},
                {"lr=[1, {{x}}]", XPM_EPLAN, "-c lr:1:8: YAML takes '{{x}}' for a mapping: write \"{{x}}\""},
                {"\xc3\xa9=@x", XPM_EPLAN,
                 "-c \xc3\xa9:1:3: a value cannot begin with '@' without quotes: write \"@x\""},
                {"a=[1,\n2", XPM_EPLAN, "-c a:1:3: the list that begins here is never closed: ']' is missing"},
                {"a=[1,\n2}", XPM_EPLAN,
                 "-c a:2:2: ',' or ']' is expected here, inside the list that begins at line 1"},
                {"a\xff=1", XPM_EPLAN, "-c a\xff:1:2: the text is not UTF-8 (byte 0xFF): save it in that encoding"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_node *root;
                int rc = apply(arena, &root, cases[i].setting, &err);
                yaml_case_check_error(cases[i].setting, rc, cases[i].rc, &err, cases[i].message);
                xpm_arena_destroy(arena);
        }
}

static void an_address_has_a_limit(void **state)
{
        (void)state;
        static const struct {
                size_t components;
                const char *message;
        } cases[] = {{999, NULL},
                     {1000, NULL},
                     {1001, "nested deeper than 1,000 levels"},
                     {1200, "nested deeper than 1,000 levels"},
                     {3000, "the address is longer than 4,096 bytes"}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_node *root;
                xpm_text text = XPM_TEXT_INIT;
                for (size_t j = 0; j < cases[i].components; j++)
                        xpm_text_puts(&text, j ? ".a" : "a");
                xpm_text_puts(&text, "=1");
                int rc = apply(arena, &root, text.data, &err);
                assert_int_equal(rc, cases[i].message ? XPM_EPLAN : 0);
                if (cases[i].message)
                        assert_non_null(strstr(err.message, cases[i].message));
                xpm_text_release(&text);
                xpm_arena_destroy(arena);
        }
}

static void what_was_set_knows_its_layer_and_directory(void **state)
{
        (void)state;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *root;
        assert_int_equal(apply(arena, &root, "model.data=x/y", NULL), 0);
        const xpm_node *model = xpm_node_get(root, "model"), *data = xpm_node_get(model, "data");
        assert_int_equal(data->layer, 5);
        assert_int_equal(model->layer, 1);
        assert_string_equal(data->pos.source->dir, "/here");
        assert_string_equal(data->pos.source->name, "-c model.data");
        assert_null(data->pos.source->path);
        assert_int_equal(data->pos.column, 12);
        assert_int_equal(xpm_node_find(model, "data")->key_pos.column, 7);
        xpm_arena_destroy(arena);
}

static void a_step_takes_the_longest_key(void **state)
{
        (void)state;
        static const struct {
                const char *address;
                size_t taken; /* 0: none */
        } cases[] = {{"a.b.c", 5}, {"a.b.c.d", 6}, {"a.b.x", 4}, {"a.x", 2}, {"a", 1}, {"ab", 0}, {"x.a", 0}};
        xpm_arena *arena = xpm_arena_create();
        const xpm_node *node = yaml_case_parse(arena, "{a: 1, a.b: 2, a.b.c: 3}", 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                size_t taken = 0;
                xpm_node **slot = xpm_address_step(node, cases[i].address, strlen(cases[i].address), &taken);
                if (!slot != !cases[i].taken || (slot && taken != cases[i].taken))
                        fail_msg("%s: %zu", cases[i].address, taken);
        }
        xpm_arena_destroy(arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_setting_reaches_its_address),
                cmocka_unit_test(a_wrong_setting_is_an_error_with_its_column),
                cmocka_unit_test(an_address_has_a_limit),
                cmocka_unit_test(what_was_set_knows_its_layer_and_directory),
                cmocka_unit_test(a_step_takes_the_longest_key),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
