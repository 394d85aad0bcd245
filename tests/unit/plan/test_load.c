#include "failing_malloc.h"
#include "place.h"
#include "yaml_case.h"

struct captured {
        char lines[1024];
        char input[1024];
        char started[512];
        const char *output; /* what the plan prints */
        int rc;
};

static void capture_log(void *data, enum xpm_log_level level, const char *line)
{
        struct captured *captured = data;
        assert_int_equal(level, XPM_LOG_WARNING);
        strncat(captured->lines, line, sizeof captured->lines - strlen(captured->lines) - 1);
}

static int run_program(void *data, const char *path, bool python, const char *dir, const xpm_text *input,
                       xpm_text *output, xpm_error *err)
{
        struct captured *captured = data;
        snprintf(captured->started, sizeof captured->started, "%s%s in %s", python ? "python3 " : "",
                 strrchr(path, '/') + 1, strrchr(dir, '/') + 1);
        snprintf(captured->input, sizeof captured->input, "%s", input->data);
        if (captured->rc != 0)
                return xpm_fail(err, captured->rc, "'%s' failed", strrchr(path, '/') + 1);
        xpm_text_puts(output, captured->output);
        return 0;
}

static const char *environment(void *data, const char *name)
{
        (void)data;
        return strcmp(name, "NAME") == 0 ? "value" : NULL;
}

enum { WORDS = 8 };

/* What is loaded, and what must come of it. */
struct load_case {
        const char *file, *pre[WORDS], *post[WORDS], *settings[WORDS], *code;
        const char *json;    /* or */
        const char *message; /* of the error; */
        int rc;              /* 0: XPM_EPLAN */
        const char *warning;
};

static int load(struct place *place, xpm_arena *arena, const struct load_case *c, struct captured *captured,
                xpm_document *document, xpm_error *err)
{
        const xpm_log log = {.write = capture_log, .data = captured, .level = XPM_LOG_WARNING};
        const xpm_load_options options = {
                .file = c->file ? c->file : "x.yaml",
                .cwd = place->path,
                .pre = c->pre,
                .post = c->post,
                .settings = c->settings,
                .code = c->code,
                .getenv = environment,
                .run = run_program,
                .run_data = captured,
                .log = &log,
        };
        return xpm_load(arena, &options, document, err);
}

static void check(struct place *place, const struct load_case *c, struct captured *captured)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_error err = XPM_ERROR_NONE;
        xpm_document document;
        const char *name = c->file ? c->file : "x.yaml";
        int rc = load(place, arena, c, captured, &document, &err);
        if (c->message)
                yaml_case_check_error(name, rc, c->rc ? c->rc : XPM_EPLAN, &err, c->message);
        else if (rc != 0)
                fail_msg("%s: %s", name, err.message);
        else
                yaml_case_check(name, document.root, c->json);
        assert_string_equal(captured->lines, c->warning ? c->warning : "");
        xpm_arena_destroy(arena);
}

static void check_all(struct place *place, const struct load_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct captured captured = {0};
                check(place, &cases[i], &captured);
        }
}

#define CHECK_ALL(place, cases) check_all(place, cases, sizeof(cases) / sizeof *(cases))

static void layers_come_in_their_order(void **state)
{
        struct place *place = *state;
        place_put(place, "grand.yaml", "{v: grand, grand: 1}");
        place_put(place, "base.yaml", "{parent: grand.yaml, v: base, base: 1}");
        place_put(place, "x.yaml", "{id: x, parent: base.yaml, v: x}");
        place_put(place, "one.yaml", "{v: one, one: 1}");
        place_put(place, "two.yaml", "{imports: [one.yaml], v: two, two: 1}");
        static const struct load_case cases[] = {
                {.json = "{\"v\": \"x\", \"grand\": 1, \"parent\": \"base.yaml\", \"base\": 1, \"id\": \"x\"}"},
                {.pre = {"one.yaml"},
                 .json = "{\"v\": \"x\", \"one\": 1, \"grand\": 1, \"parent\": \"base.yaml\", \"base\": 1, \"id\": "
                         "\"x\"}"},
                {.post = {"one.yaml"},
                 .json = "{\"v\": \"one\", \"grand\": 1, \"parent\": \"base.yaml\", \"base\": 1, \"id\": \"x\", "
                         "\"one\": 1}"},
                {.post = {"one.yaml", "two.yaml"},
                 .json = "{\"v\": \"two\", \"grand\": 1, \"parent\": \"base.yaml\", \"base\": 1, \"id\": \"x\", "
                         "\"one\": 1, "
                         "\"imports\": [\"one.yaml\"], \"two\": 1}"},
                {.post = {"two.yaml"},
                 .settings = {"v=c", "v=${two}", "n.m=[1]", "n.m.0=2"},
                 .json = "{\"v\": 1, \"grand\": 1, \"parent\": \"base.yaml\", \"base\": 1, \"id\": \"x\", \"one\": 1, "
                         "\"imports\": [\"one.yaml\"], \"two\": 1, \"n\": {\"m\": [2]}}"},
                {.file = "grand", .settings = {"id=y"}, .json = "{\"v\": \"grand\", \"grand\": 1, \"id\": \"y\"}"},
        };
        CHECK_ALL(place, cases);
}

static void the_file_is_found_without_its_ending(void **state)
{
        struct place *place = *state;
        place_put(place, "heat.yaml", "{id: heat}");
        place_put(place, "plain", "{id: plain}");
        place_put(place, "plain.yaml", "{id: other}");
        place_put(place, "with space\n.yaml", "{id: space}");
        mkdirat(place->dir, "heat", 0777);
        static const struct load_case cases[] = {
                {.file = "heat.yaml", .json = "{\"id\": \"heat\"}"},
                {.file = "heat", .json = "{\"id\": \"heat\"}"},
                {.file = "./heat/../heat", .json = "{\"id\": \"heat\"}"},
                {.file = "plain", .json = "{\"id\": \"plain\"}"},
                {.file = "with space\n", .json = "{\"id\": \"space\"}"},
                {.file = "none", .rc = XPM_ENOTFOUND, .message = "cannot open 'none': no such file"},
                {.file = "heat/none.yaml",
                 .rc = XPM_ENOTFOUND,
                 .message = "cannot open 'heat/none.yaml': no such file"},
                {.file = "heat/", .message = "cannot open 'heat/': is a directory"},
                {.file = "heat",
                 .pre = {"no.yaml"},
                 .rc = XPM_ENOTFOUND,
                 .message = "cannot open 'no.yaml': no such file"},
        };
        CHECK_ALL(place, cases);
}

static void parents_are_relative_to_the_file_that_names_them(void **state)
{
        struct place *place = *state;
        mkdirat(place->dir, "sub", 0777);
        place_put(place, "x.yaml", "{id: x, imports: [sub/a.yaml, b.yaml]}");
        place_put(place, "sub/a.yaml", "{parent: c.yaml, v: a}");
        place_put(place, "sub/c.yaml", "{parent: ../d.yaml, v: c, c: 1}");
        place_put(place, "d.yaml", "{d: 1}");
        place_put(place, "b.yaml", "{v: b}");
        place_put(place, "wrong.yaml", "{parent: sub/w.yaml}");
        place_put(place, "sub/w.yaml", "a: [1\n");
        place_put(place, "missing.yaml", "id: x\nparent: d\n");
        place_put(place, "absent.yaml", "imports: [d.yaml, no.yaml]\n");
        place_put(place, "both.yaml", "parent: d.yaml\nimports: [b.yaml]\n");
        place_put(place, "list.yaml", "parent: [d.yaml]\n");
        place_put(place, "one.yaml", "imports: d.yaml\n");
        place_put(place, "items.yaml", "imports: [{a: b}]\n");
        place_put(place, "literal.yaml", "parent: ${d}\nd: d.yaml\n");
        static const struct load_case cases[] = {
                {.json = "{\"d\": 1, \"parent\": \"c.yaml\", \"v\": \"b\", \"c\": 1, \"id\": \"x\", \"imports\": "
                         "[\"sub/a.yaml\", \"b.yaml\"]}"},
                {.file = "wrong",
                 .message = "sub/w.yaml:1:4: the list that begins here is never closed: ']' is missing"},
                {.file = "missing",
                 .message = "missing.yaml:2:9: cannot open 'd': no such file: did you mean 'd.yaml'?"},
                {.file = "absent", .message = "absent.yaml:1:19: cannot open 'no.yaml': no such file"},
                {.file = "both",
                 .message = "both.yaml:2:1: 'parent' and 'imports' cannot stand together: put the parent first in "
                            "'imports'"},
                {.file = "list",
                 .message = "list.yaml:1:9: 'parent' takes the path of a file: several are named by 'imports'"},
                {.file = "one", .message = "one.yaml:1:10: 'imports' takes a list of paths: one is named by 'parent'"},
                {.file = "items", .message = "items.yaml:1:11: 'imports' takes the path of a file for each item"},
                {.file = "literal", .message = "literal.yaml:1:9: cannot open '${d}': no such file"},
        };
        CHECK_ALL(place, cases);
}

static void a_circle_of_files_prints_its_chain(void **state)
{
        struct place *place = *state;
        place_put(place, "a.yaml", "parent: b.yaml\n");
        place_put(place, "b.yaml", "imports: [d.yaml, c.yaml]\n");
        place_put(place, "c.yaml", "x: 1\nparent: a.yaml\n");
        place_put(place, "d.yaml", "d: 1\n");
        place_put(place, "self.yaml", "parent: ./self.yaml\n");
        place_put(place, "link.yaml", "parent: here/link.yaml\n");
        assert_int_equal(symlinkat(".", place->dir, "here"), 0);
        place_put(place, "twice0.yaml", "{a: 1}");
        for (int i = 1; i < 30; i++) {
                char name[32], text[64];
                snprintf(name, sizeof name, "twice%d.yaml", i);
                snprintf(text, sizeof text, "imports: [twice%d.yaml, twice%d.yaml]\n", i - 1, i - 1);
                place_put(place, name, text);
        }
        static const struct load_case cases[] = {
                {.file = "a",
                 .message = "c.yaml:2:9: the files include each other in a circle: a.yaml \xe2\x86\x92 b.yaml "
                            "\xe2\x86\x92 c.yaml \xe2\x86\x92 a.yaml"},
                {.file = "d.yaml",
                 .post = {"b.yaml"},
                 .message = "a.yaml:1:9: the files include each other in a circle: b.yaml \xe2\x86\x92 c.yaml "
                            "\xe2\x86\x92 a.yaml "
                            "\xe2\x86\x92 b.yaml"},
                {.file = "self.yaml",
                 .message =
                         "self.yaml:1:9: the files include each other in a circle: self.yaml \xe2\x86\x92 self.yaml"},
                {.file = "link",
                 .message = "link.yaml:1:9: the files include each other in a circle: link.yaml \xe2\x86\x92 "
                            "here/link.yaml"},
                {.file = "twice3", .json = "{\"a\": 1, \"imports\": [\"twice2.yaml\", \"twice2.yaml\"]}"},
                {.file = "twice29",
                 .message = "twice1.yaml:1:11: more than 1,000 files, with those that are named again"},
        };
        CHECK_ALL(place, cases);
}

static void a_file_holds_a_mapping(void **state)
{
        struct place *place = *state;
        place_put(place, "empty.yaml", "");
        place_put(place, "null.yaml", "~\n");
        place_put(place, "list.yaml", "# x\n- 1\n");
        place_put(place, "text.yaml", "hello\n");
        place_put(place, "latin.yaml", "id: caf\xe9\n");
        place_put(place, "large.yaml", "");
        int fd = openat(place->dir, "large.yaml", O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, 100000000), 0); /* sparse */
        close(fd);
        static const struct load_case cases[] = {
                {.file = "empty", .json = "{}"},
                {.file = "null", .json = "{}"},
                {.file = "list",
                 .message = "list.yaml:2:1: the file holds a list, but a mapping of keys to values is expected"},
                {.file = "text",
                 .message = "text.yaml:1:1: the file holds a text, but a mapping of keys to values is expected"},
                {.file = "latin",
                 .message = "latin.yaml:1:8: the text is not UTF-8 (byte 0xE9): save it in that encoding"},
                {.file = "large",
                 .message = "large.yaml:1:1: 100 MB are too much for an experiment file (at most 64 MiB): keep data in "
                            "files of "
                            "its own and name them in parameters of type 'file'"},
        };
        CHECK_ALL(place, cases);
}

static void an_inherited_id_is_warned_of(void **state)
{
        struct place *place = *state;
        place_put(place, "base.yaml", "{v: 1, id: base}");
        place_put(place, "x.yaml", "{parent: base.yaml}");
        place_put(place, "own.yaml", "{parent: base.yaml, id: own}");
        place_put(place, "post.yaml", "{parent: base.yaml}");
        static const char warning[] =
                "x.yaml:1:1: the 'id' is that of a parent (base.yaml:1:12), so its runs are those of the "
                "parent: give this file an 'id' of its own";
        static const struct load_case cases[] = {
                {.json = "{\"v\": 1, \"id\": \"base\", \"parent\": \"base.yaml\"}", .warning = warning},
                {.file = "own", .json = "{\"v\": 1, \"id\": \"own\", \"parent\": \"base.yaml\"}"},
                {.settings = {"id=c"}, .json = "{\"v\": 1, \"id\": \"c\", \"parent\": \"base.yaml\"}"},
                {.file = "base",
                 .post = {"post.yaml"},
                 .json = "{\"v\": 1, \"id\": \"base\", \"parent\": \"base.yaml\"}"},
        };
        CHECK_ALL(place, cases);
}

static void settings_cannot_name_parents(void **state)
{
        struct place *place = *state;
        place_put(place, "x.yaml", "{id: x}");
        static const struct load_case cases[] = {
                {.settings = {"parent=y.yaml"},
                 .rc = XPM_EUSAGE,
                 .message = "-c 'parent=y.yaml' comes too late to name a file: use --pre-yaml"},
                {.settings = {"imports=[]"},
                 .rc = XPM_EUSAGE,
                 .message = "-c 'imports=[]' comes too late to name a file: use --pre-yaml"},
                {.settings = {"nonsense"},
                 .rc = XPM_EUSAGE,
                 .message = "-c 'nonsense' has no '=': write -c key.path=value"},
        };
        CHECK_ALL(place, cases);
}

static void sources_say_where_paths_are_relative_to(void **state)
{
        struct place *place = *state;
        mkdirat(place->dir, "sub", 0777);
        place_put(place, "sub/x.yaml", "{id: x, parent: ../base.yaml, a: data}");
        place_put(place, "base.yaml", "{b: data}");
        xpm_arena *arena = xpm_arena_create();
        struct captured captured = {0};
        struct load_case c = {.file = "sub/x", .settings = {"c=data"}};
        xpm_document document;
        assert_int_equal(load(place, arena, &c, &captured, &document, NULL), 0);
        char path[128];
        snprintf(path, sizeof path, "%s/sub", place->path);
        assert_string_equal(document.source->dir, path);
        assert_string_equal(xpm_node_get(document.root, "a")->pos.source->dir, path);
        snprintf(path, sizeof path, "%s/sub/x.yaml", place->path);
        assert_string_equal(document.source->path, path);
        assert_string_equal(document.source->name, "sub/x.yaml");
        assert_string_equal(xpm_node_get(document.root, "b")->pos.source->dir, place->path);
        assert_string_equal(xpm_node_get(document.root, "b")->pos.source->name, "base.yaml");
        assert_string_equal(xpm_node_get(document.root, "c")->pos.source->dir, place->path);
        assert_null(document.code);
        assert_true(xpm_node_get(document.root, "b")->layer < xpm_node_get(document.root, "a")->layer);
        assert_true(xpm_node_get(document.root, "a")->layer < xpm_node_get(document.root, "c")->layer);
        xpm_arena_destroy(arena);
}

static void a_plan_in_code_is_a_layer_of_its_own(void **state)
{
        struct place *place = *state;
        place_put(place, "x.yaml", "{id: x, file: plan, k: '${v}', v: 1, plan: {a: {task: t, params: {n: 1}}}}");
        place_put(place, "plan.py", "");
        place_put(place, "post.yaml", "{plan: {b: {task: post}}}");
        struct captured captured = {.output = "plan: {a: {params: {m: '${v}'}}, b: {task: code}}\n"};
        struct load_case c = {.post = {"post.yaml"},
                              .settings = {"v=2"},
                              .json = "{\"id\": \"x\", \"file\": \"plan\", \"k\": 2, \"v\": 2, \"plan\": {\"a\": "
                                      "{\"task\": \"t\", \"params\": "
                                      "{\"n\": 1, \"m\": 2}}, \"b\": {\"task\": \"post\"}}}"};
        check(place, &c, &captured);
        char started[128];
        snprintf(started, sizeof started, "python3 plan.py in %s", strrchr(place->path, '/') + 1);
        assert_string_equal(captured.started, started);
        /* It was given everything but its own output. */
        assert_string_equal(captured.input, "{\"id\": \"x\", \"file\": \"plan\", \"k\": 2, \"v\": 2, \"plan\": {\"a\": "
                                            "{\"task\": \"t\", \"params\": {\"n\": 1}}, \"b\": {\"task\": \"post\"}}}");

        captured.output = "";
        c = (struct load_case){
                .json = "{\"id\": \"x\", \"file\": \"plan\", \"k\": 1, \"v\": 1, \"plan\": {\"a\": {\"task\": "
                        "\"t\", \"params\": {\"n\": 1}}}}"};
        check(place, &c, &captured);

        captured.output = "plan: {a: @b}";
        c = (struct load_case){
                .message = "output of 'plan.py':1:11: a value cannot begin with '@' without quotes: write \"@b\""};
        check(place, &c, &captured);

        captured.rc = XPM_EPLAN;
        c = (struct load_case){.message = "x.yaml:1:15: 'plan.py' failed"};
        check(place, &c, &captured);
}

static void code_may_be_named_anywhere(void **state)
{
        struct place *place = *state;
        mkdirat(place->dir, "sub", 0777);
        place_put(place, "sub/x.yaml", "{id: x, parent: ../base.yaml}");
        place_put(place, "base.yaml", "{file: plan.py}");
        place_put(place, "plan.py", "");
        place_put(place, "sub/other.py", "");
        place_put(place, "plain.yaml", "{id: x}");
        static const struct {
                struct load_case load;
                const char *path;
        } cases[] = {
                {{.file = "sub/x", .json = "{\"file\": \"plan.py\", \"id\": \"x\", \"parent\": \"../base.yaml\"}"},
                 "plan.py"},
                {{.file = "sub/x",
                  .code = "other",
                  .json = "{\"file\": \"plan.py\", \"id\": \"x\", \"parent\": \"../base.yaml\"}"},
                 "sub/other.py"},
                {{.file = "plain", .code = "sub/other.py", .json = "{\"id\": \"x\"}"}, "sub/other.py"},
                {{.file = "plain", .settings = {"file=sub/other"}, .json = "{\"id\": \"x\", \"file\": \"sub/other\"}"},
                 "sub/other.py"},
                {{.file = "sub/x",
                  .settings = {"file="},
                  .json = "{\"file\": null, \"id\": \"x\", \"parent\": \"../base.yaml\"}"},
                 NULL},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_arena *arena = xpm_arena_create();
                struct captured captured = {.output = ""};
                xpm_document document;
                char path[128];
                assert_int_equal(load(place, arena, &cases[i].load, &captured, &document, NULL), 0);
                yaml_case_check("code", document.root, cases[i].load.json);
                snprintf(path, sizeof path, "%s/%s", place->path, cases[i].path ? cases[i].path : "");
                if (cases[i].path)
                        assert_string_equal(document.code, path);
                else
                        assert_null(document.code);
                xpm_arena_destroy(arena);
        }
        struct captured captured = {0};
        const struct load_case wrong = {.file = "plain",
                                        .settings = {"file=[1]"},
                                        .message = "-c file:1:6: 'file' takes the name of the plan as code"};
        check(place, &wrong, &captured);
}

static void a_configuration_value_is_known(void **state)
{
        struct place *place = *state;
        place_put(place, "x.yaml", "{id: x, lr: 1, model: {hidden: [1, 2]}, a.b: 1, tasks: {t: {}}, env: {HOME: y}}");
        static const struct {
                const char *name;
                bool exists;
        } cases[] = {{"lr", true},        {"model.hidden.1", true},
                     {"model", true},     {"a.b", true},
                     {"LR", false},       {"a", false},
                     {"model.x", false},  {"model.hidden.2", false},
                     {"id", false},       {"tasks.t", false},
                     {"env.HOME", false}, {"", false}};
        xpm_arena *arena = xpm_arena_create();
        struct captured captured = {0};
        const struct load_case c = {0};
        xpm_document document;
        assert_int_equal(load(place, arena, &c, &captured, &document, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (xpm_config_value_exists(&document, cases[i].name, strlen(cases[i].name)) != cases[i].exists)
                        fail_msg("%s", cases[i].name);
        xpm_arena_destroy(arena);
}

static void memory_may_run_out_at_any_time(void **state)
{
        struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        place_put(place, "base.yaml", "id: base\nmodel: {type: A, hidden: 64}\nlist: [1, 2, \"\\ud83d\\ude00\"]\n");
        place_put(place, "x.yaml",
                  "parent: base.yaml\nfile: plan\nlr: ${oc.env:NAME}\n"
                  "enums: {nn.Optimizer: [SGD, ADAM]}\n"
                  "configs: {nn.Model: {help: It is trained., params: {hidden: int, activation: {type: str, default: "
                  "relu}}}}\n"
                  "tasks:\n  nn.Train:\n    params: &params {model: nn.Model, lr: float, data: {type: file}}\n"
                  "    command: |\n      {{experiment.dir}}/train --lr {{lr}} ${HOME}\n    outputs: [metrics.json]\n"
                  "  nn.Test:\n    params: {<<: *params, all: 'list[nn.Train]'}\n"
                  "plan:\n  train:\n    task: nn.Train\n    params: {model: '${model}', data: 'data/${lr}.bin'}\n"
                  "    sweep: {lr: [0.1, 0.01, 0.001], model.hidden: [64, 128], seed: {range: [0, 5]}}\n");
        place_put(place, "plan.py", "");
        const struct load_case c = {.post = {"base.yaml"},
                                    .settings = {"plan.train.params.x.y=3", "list.0=!replace {a: b}"}};
        bool struck = true;
        long n = 1;
        for (; struck; n++) {
                xpm_arena *arena = xpm_arena_create();
                struct captured captured = {.output = "plan: {b: {task: nn.Test}}\n"};
                xpm_error err = XPM_ERROR_NONE;
                xpm_document document;
                failing_malloc_arm(n);
                int rc = load(place, arena, &c, &captured, &document, &err);
                struck = failing_malloc_disarm();
                /* A warning that finds no memory is lost, and nothing else. */
                if (rc != 0 && (!struck || rc != XPM_ENOMEM))
                        fail_msg("allocation %ld: %d %s", n, rc, err.message);
                xpm_arena_destroy(arena);
        }
        if (n <= 100)
                fail_msg("only %ld allocations: not all of them are seen", n);
}

static void only_a_key_of_a_dict_holds_a_nul(void **state)
{
        struct place *place = *state;
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"{id: x, v: {\"a\\0\": 1}}", NULL},
                {"{id: x, plan: {s: {params: {d: {\"a\\0\": 1}}, exclude: [{d: {\"a\\0\": 1}}]}}}", NULL},
                {"{id: x, plan: {s: {sweep: [{d: [{\"a\\0\": 1}]}]}}}", NULL},
                {"{id: x, tasks: {t: {params: {d: {default: {\"a\\0\": 1}}}}}}", NULL},
                {"{id: x, \"v\\0\": 1}", "x.yaml:1:9: only a key of a dict can hold the character U+0000"},
                {"{id: x, plan: {\"s\\0\": {}}}", "x.yaml:1:16: only a key of a dict can hold the character U+0000"},
                {"{id: x, plan: {s: {params: {\"d\\0\": {}}}}}",
                 "x.yaml:1:29: only a key of a dict can hold the character U+0000"},
                {"{id: x, plan: {s: {sweep: [{\"d\\0\": [1]}]}}}",
                 "x.yaml:1:29: only a key of a dict can hold the character U+0000"},
                {"{id: x, tasks: {t: {params: {d: {\"type\\0\": int}}}}}",
                 "x.yaml:1:34: only a key of a dict can hold the character U+0000"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct captured captured = {0};
                xpm_arena *arena = xpm_arena_create();
                xpm_error err = XPM_ERROR_NONE;
                xpm_document document;
                place_put(place, "x.yaml", cases[i].text);
                int rc = load(place, arena, &(struct load_case){0}, &captured, &document, &err);
                assert_string_equal(err.message, cases[i].message ? cases[i].message : "");
                assert_int_equal(rc, cases[i].message ? XPM_EPLAN : 0);
                xpm_arena_destroy(arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(layers_come_in_their_order),
                T(the_file_is_found_without_its_ending),
                T(parents_are_relative_to_the_file_that_names_them),
                T(a_circle_of_files_prints_its_chain),
                T(a_file_holds_a_mapping),
                T(an_inherited_id_is_warned_of),
                T(settings_cannot_name_parents),
                T(sources_say_where_paths_are_relative_to),
                T(a_plan_in_code_is_a_layer_of_its_own),
                T(code_may_be_named_anywhere),
                T(a_configuration_value_is_known),
                T(only_a_key_of_a_dict_holds_a_nul),
                T(memory_may_run_out_at_any_time),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
