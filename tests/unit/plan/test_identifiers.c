/* The golden identifiers, through the whole of the plan: each vector is written as an experiment file and read. A
 * released identifier never changes, so neither does what stands in tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/sha256.h"
#include "model/identifier.h"
#include "place.h"
#include "plan/plan.h"
#include "plan/scalar.h"

struct vectors {
        xpm_arena *arena;
        const xpm_node *list;
};

/* The vectors of tests/data/NAME; JSON is YAML. */
static struct vectors load(const char *name)
{
        static const xpm_source source = {.name = "vectors"};
        struct vectors vectors = {.arena = xpm_arena_create()};
        char path[4096];
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        xpm_node *root = NULL;
        snprintf(path, sizeof path, "%s/%s", XPM_TEST_DATA, name);
        if (xpm_file_read(AT_FDCWD, path, 0, &text, &err) != 0 ||
            xpm_yaml_parse(vectors.arena, &source, text.data, text.length, 0, &root, &err) != 0)
                fail_msg("%s", err.message);
        vectors.list = xpm_node_get(root, "vectors");
        xpm_text_release(&text);
        return vectors;
}

/* The experiment of a vector: `yaml`, or `experiment` with an id. */
static void put_experiment(const struct place *place, xpm_arena *arena, const xpm_node *vector)
{
        const xpm_node *yaml = xpm_node_get(vector, "yaml");
        xpm_node *experiment = xpm_node_get(vector, "experiment");
        xpm_text text = XPM_TEXT_INIT;
        if (yaml) {
                place_put(place, "e.yaml", yaml->text);
                return;
        }
        assert_int_equal(xpm_node_put(arena, experiment, "id", 2, experiment->pos,
                                      xpm_node_scalar(arena, experiment->pos, "x", 1, true)),
                         0);
        assert_int_equal(xpm_node_json(experiment, &text, NULL), 0);
        place_put(place, "e.yaml", text.data);
        xpm_text_release(&text);
}

static xpm_plan *read_plan(const struct place *place, const char *name)
{
        const xpm_plan_options options = {.load = {.file = "e.yaml", .cwd = place->path}};
        xpm_error err = XPM_ERROR_NONE;
        xpm_plan *plan;
        if (xpm_plan_read(&options, &plan, &err) != 0)
                fail_msg("%s: %s", name, err.message);
        return plan;
}

static void check_id(const char *name, const uint8_t id[32], const char *expected)
{
        char hex[XPM_SHA256_HEX];
        xpm_hex(id, XPM_SHA256_SIZE, hex);
        if (strcmp(hex, expected) != 0)
                fail_msg("%s\ngives    %s\nexpected %s", name, hex, expected);
}

/* Those of one task, in the order of the plan's jobs. */
static void check_task(const char *name, const xpm_plan *plan, const char *task, const xpm_node *expected)
{
        size_t found = 0;
        for (size_t i = 0; i < plan->job_count; i++) {
                const xpm_config *config = plan->jobs[i]->config;
                if (strcmp(config->type->name, task) != 0)
                        continue;
                assert_true(found < expected->item_count);
                check_id(name, config->id, expected->items[found++]->text);
        }
        assert_int_equal(found, expected->item_count);
}

static void check_partials(const char *name, const xpm_config *config, const xpm_node *expected)
{
        for (size_t i = 0; i < expected->pair_count; i++) {
                const xpm_partial *partial = config->type->partials;
                while (strcmp(partial->name, expected->pairs[i].key) != 0)
                        partial++;
                uint8_t id[32];
                assert_int_equal(xpm_identifier_partial(config, partial, id, NULL), 0);
                check_id(name, id, expected->pairs[i].value->text);
        }
}

static void check_vector(const struct place *place, xpm_arena *arena, const xpm_node *vector)
{
        const char *name = xpm_node_get(vector, "name")->text;
        const xpm_node *one = xpm_node_get(vector, "identifier"), *many = xpm_node_get(vector, "identifiers");
        const xpm_node *partials = xpm_node_get(vector, "partials");
        put_experiment(place, arena, vector);
        xpm_plan *plan = read_plan(place, name);
        if (one) {
                assert_int_equal(plan->job_count, 1);
                check_id(name, plan->jobs[0]->config->id, one->text);
        }
        for (size_t i = 0; many && i < many->pair_count; i++)
                check_task(name, plan, many->pairs[i].key, many->pairs[i].value);
        if (partials)
                check_partials(name, plan->jobs[0]->config, partials);
        xpm_plan_destroy(plan);
}

static void check_file(const struct place *place, const char *file, size_t least)
{
        struct vectors vectors = load(file);
        size_t checked = 0;
        for (size_t i = 0; i < vectors.list->item_count; i++) {
                const xpm_node *vector = vectors.list->items[i];
                if (!xpm_node_get(vector, "experiment") && !xpm_node_get(vector, "yaml"))
                        continue;
                check_vector(place, vectors.arena, vector);
                checked++;
        }
        assert_true(checked >= least);
        xpm_arena_destroy(vectors.arena);
}

static void vectors_of_the_reference_are_reached(void **state)
{
        check_file(*state, "identifiers.json", 29);
}

static void vectors_of_every_kind_of_parameter_are_reached(void **state)
{
        check_file(*state, "identifiers-more.json", 100);
}

static void instances_are_shared_by_from_alone(void **state)
{
#define HEAD                                                       \
        "id: x\n"                                                  \
        "configs: {Vec.Sub: {instance: true, params: {h: int}}}\n" \
        "tasks: {Vec.Ens: {params: {a: Vec.Sub, b: Vec.Sub}, command: [\"true\"]}}\n"
        static const char *const plans[] = {
                HEAD "plan: {s: {task: Vec.Ens, params: {a: {h: 1}, b: {from: a}}}}\n",
                HEAD "plan: {s: {task: Vec.Ens, params: {a: {h: 1}, b: {h: 1}}}}\n",
                HEAD "plan: {s: {task: Vec.Ens, params: {a: &x {h: 1}, b: *x}}}\n", /* an alias is a copy */
        };
        static const char *const keys[] = {"shared", "separate", "separate"};
        struct vectors vectors = load("identifiers.json");
        const xpm_node *vector = vectors.list->items[vectors.list->item_count - 1];
        for (size_t i = 0; i < 3; i++) {
                place_put(*state, "e.yaml", plans[i]);
                xpm_plan *plan = read_plan(*state, keys[i]);
                check_id(keys[i], plan->jobs[0]->config->id, xpm_node_get(vector, keys[i])->text);
                xpm_plan_destroy(plan);
        }
        xpm_arena_destroy(vectors.arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(vectors_of_the_reference_are_reached),
                T(vectors_of_every_kind_of_parameter_are_reached),
                T(instances_are_shared_by_from_alone),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
