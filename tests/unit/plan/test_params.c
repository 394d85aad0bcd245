#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "planned.h"

static const char experiment[] = "id: e\n"
                                 "enums: {opt.Kind: [SGD, ADAM], Plain: [A]}\n"
                                 "configs:\n"
                                 "  net.Model: {params: {hidden: int, cache: {generated: cache.d}}}\n"
                                 "tasks:\n"
                                 "  mesh.Make:\n"
                                 "    params: {n: int, model: net.Model, file: {generated: mesh.bin}}\n"
                                 "    command: make\n"
                                 "  nn.Train:\n"
                                 "    params:\n"
                                 "      mesh: mesh.Make\n"
                                 "      again: mesh.Make\n"
                                 "      model: net.Model\n"
                                 "      models: list[net.Model]\n"
                                 "      lr: float\n"
                                 "      kind: opt.Kind\n"
                                 "      plain: Plain\n"
                                 "      names: set[str]\n"
                                 "      table: dict[int, bool]\n"
                                 "      none: int?\n"
                                 "      where: {type: path, meta: true}\n"
                                 "      inside: {type: path, meta: true}\n"
                                 "      data: file\n"
                                 "      one: {constant: 1}\n"
                                 "      out: {generated: sub/out.bin}\n"
                                 "      shared: {generated: s, partial: p}\n"
                                 "    partials: {p: {exclude_groups: []}}\n"
                                 "    command: train\n"
                                 "plan:\n"
                                 "  mesh: {task: mesh.Make, params: {n: 1, model: {hidden: 3}}}\n"
                                 "  train:\n"
                                 "    task: nn.Train\n"
                                 "    params:\n"
                                 "      mesh: {each: mesh}\n"
                                 "      again: {from: mesh}\n"
                                 "      model: {from: mesh.model}\n"
                                 "      models: [{hidden: 1}, {hidden: 2}]\n"
                                 "      lr: 1e-3\n"
                                 "      kind: ADAM\n"
                                 "      plain: A\n"
                                 "      names: [b]\n"
                                 "      table: {'2': true}\n"
                                 "      where: /elsewhere/x\n"
                                 "      inside: /ws/data/y\n"
                                 "      data: data.txt\n";

struct parts {
        struct planned planned;
        json_t *objects, *params;
        char job[65], mesh[65];
};

static void make(const struct place *place, struct parts *parts)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        place_put(place, "data.txt", "content");
        if (planned_read(place, experiment, &parts->planned, &err) != 0)
                fail_msg("%s", err.message);
        const xpm_job *job = planned_job(&parts->planned);
        planned_id(job, parts->job);
        planned_id(parts->planned.plan->jobs[0], parts->mesh);
        assert_int_equal(xpm_render_objects(&parts->planned.context, job, &text, &err), 0);
        parts->objects = json_loads(xpm_text_string(&text), JSON_REJECT_DUPLICATES, NULL);
        if (!parts->objects)
                fail_msg("%s", xpm_text_string(&text));
        xpm_text_clear(&text);
        assert_int_equal(xpm_render_params(&parts->planned.context, job, &text, &err), 0);
        parts->params = json_loads(xpm_text_string(&text), JSON_REJECT_DUPLICATES, NULL);
        if (!parts->params)
                fail_msg("%s", xpm_text_string(&text));
        xpm_text_release(&text);
}

static void release(struct parts *parts)
{
        json_decref(parts->objects);
        json_decref(parts->params);
        planned_release(&parts->planned);
}

/* Is VALUE the JSON TEXT, with $J and $M the identifiers of the job and of its mesh, $D the place? */
static void check(const struct place *place, const struct parts *parts, const json_t *value, const char *text)
{
        char *expected = planned_replace(strdup(text), "$J", parts->job);
        expected = planned_replace(planned_replace(expected, "$M", parts->mesh), "$D", place->path);
        json_t *other = json_loads(expected, JSON_DECODE_ANY, NULL);
        assert_non_null(other);
        if (!json_equal(value, other)) {
                char *found = json_dumps(value, JSON_ENCODE_ANY);
                fail_msg("%s, not %s", found, expected);
        }
        json_decref(other);
        free(expected);
}

static void objects_come_after_what_they_refer_to(void **state)
{
        static const char *const names[] = {"net.Model", "mesh.Make", "net.Model", "net.Model", "nn.Train"};
        struct parts parts;
        size_t i;
        json_t *object;
        make(*state, &parts);
        assert_int_equal(json_array_size(parts.objects), 5);
        json_array_foreach(parts.objects, i, object)
        {
                assert_int_equal(json_integer_value(json_object_get(object, "id")), i + 1);
                assert_string_equal(json_string_value(json_object_get(object, "typename")), names[i]);
                assert_int_equal(strlen(json_string_value(json_object_get(object, "identifier"))), 64);
        }
        const json_t *job = json_array_get(parts.objects, 4);
        assert_string_equal(json_string_value(json_object_get(job, "identifier")), parts.job);
        assert_string_equal(json_string_value(json_object_get(job, "module")), "nn");
        assert_string_equal(json_string_value(json_object_get(job, "type")), "Train");
        assert_int_equal(json_integer_value(json_object_get(job, "task")), 5);
        assert_null(json_object_get(json_array_get(parts.objects, 0), "task"));
        release(&parts);
}

static void fields_are_what_the_reference_reads(void **state)
{
        static const struct {
                const char *field, *value;
        } fields[] = {
                {"mesh", "{\"type\": \"python\", \"value\": 2}"},
                {"again", "{\"type\": \"python\", \"value\": 2}"},
                {"model", "{\"type\": \"python\", \"value\": 1}"},
                {"lr", "0.001"},
                {"kind", "{\"type\": \"enum\", \"module\": \"opt\", \"enum\": \"Kind\", \"value\": \"ADAM\"}"},
                {"plain", "{\"type\": \"enum\", \"module\": \"__main__\", \"enum\": \"Plain\", \"value\": \"A\"}"},
                {"names", "{\"type\": \"set\", \"items\": [\"b\"]}"},
                {"table", "{\"2\": true}"},
                {"none", "null"},
                {"where", "{\"type\": \"path\", \"value\": \"/elsewhere/x\"}"},
                {"inside", "{\"type\": \"path\", \"value\": \"data/y\", \"base\": \"workspace\"}"},
                {"data", "{\"type\": \"path\", \"value\": \"$D/data.txt\"}"},
                {"one", "1"},
                {"out", "{\"type\": \"path\", \"value\": \"sub/out.bin\", \"base\": \"job\"}"},
        };
        struct parts parts;
        make(*state, &parts);
        const json_t *job = json_object_get(json_array_get(parts.objects, 4), "fields");
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                check(*state, &parts, json_object_get(job, fields[i].field), fields[i].value);
        assert_int_equal(json_object_size(job), 16);
        check(*state, &parts, json_object_get(json_array_get(parts.objects, 1), "fields"),
              "{\"n\": 1, \"model\": {\"type\": \"python\", \"value\": 1}, \"file\": {\"type\": \"path\", \"value\": "
              "\"jobs/mesh.make/$M/mesh.bin\", \"base\": \"workspace\"}}");
        release(&parts);
}

static void params_are_the_plain_tree(void **state)
{
        struct parts parts;
        make(*state, &parts);
        json_object_del(parts.params, "shared");
        check(*state, &parts, parts.params,
              "{\"mesh\": {\"type\": \"mesh.Make\", \"n\": 1, \"model\": {\"type\": \"net.Model\", \"hidden\": 3, "
              "\"cache\": "
              "\"/ws/jobs/mesh.make/$M/cache.d\"}, \"file\": \"/ws/jobs/mesh.make/$M/mesh.bin\", \"job\": {\"id\": "
              "\"$M\", "
              "\"path\": \"/ws/jobs/mesh.make/$M\"}},"
              "\"again\": {\"type\": \"mesh.Make\", \"n\": 1, \"model\": {\"type\": \"net.Model\", \"hidden\": 3, "
              "\"cache\": "
              "\"/ws/jobs/mesh.make/$M/cache.d\"}, \"file\": \"/ws/jobs/mesh.make/$M/mesh.bin\", \"job\": {\"id\": "
              "\"$M\", "
              "\"path\": \"/ws/jobs/mesh.make/$M\"}},"
              "\"model\": {\"type\": \"net.Model\", \"hidden\": 3, \"cache\": \"/ws/jobs/nn.train/$J/cache.d\"},"
              "\"models\": [{\"type\": \"net.Model\", \"hidden\": 1, \"cache\": \"/ws/jobs/nn.train/$J/cache.d\"},"
              "{\"type\": \"net.Model\", \"hidden\": 2, \"cache\": \"/ws/jobs/nn.train/$J/cache.d\"}],"
              "\"lr\": 0.001, \"kind\": \"ADAM\", \"plain\": \"A\", \"names\": [\"b\"], \"table\": {\"2\": true}, "
              "\"none\": null, \"where\": \"/elsewhere/x\", \"inside\": \"/ws/data/y\", \"data\": \"$D/data.txt\", "
              "\"one\": 1, \"out\": \"/ws/jobs/nn.train/$J/sub/out.bin\"}");
        release(&parts);
}

static void many_objects_are_told_apart(void **state)
{
        struct planned planned;
        xpm_text text = XPM_TEXT_INIT;
        assert_int_equal(planned_read(*state,
                                      "id: e\ntasks:\n  a: {params: {n: int}, command: a}\n"
                                      "  b: {params: {runs: 'list[a]'}, command: b}\n"
                                      "plan:\n  a: {task: a, sweep: {n: {range: [0, 1000]}}}\n"
                                      "  b: {task: b, params: {runs: {all: a}}}\n",
                                      &planned, NULL),
                         0);
        assert_int_equal(xpm_render_objects(&planned.context, planned_job(&planned), &text, NULL), 0);
        json_t *objects = json_loads(xpm_text_string(&text), 0, NULL);
        assert_int_equal(json_array_size(objects), 1001);
        const json_t *runs = json_object_get(json_object_get(json_array_get(objects, 1000), "fields"), "runs");
        for (size_t i = 0; i < 1000; i++) {
                assert_int_equal(json_integer_value(json_object_get(json_array_get(runs, i), "value")), i + 1);
                assert_int_equal(
                        json_integer_value(json_object_get(json_object_get(json_array_get(objects, i), "fields"), "n")),
                        i);
        }
        json_decref(objects);
        xpm_text_release(&text);
        planned_release(&planned);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(objects_come_after_what_they_refer_to),
                T(fields_are_what_the_reference_reads),
                T(params_are_the_plain_tree),
                T(many_objects_are_told_apart),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
