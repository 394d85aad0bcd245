#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "exec/launcherfile.h"
#include "failing_malloc.h"
#include "place.h"

static const char everything[] = "launchers:\n"
                                 "  laptop: {type: local}\n"
                                 "  big:\n"
                                 "    type: slurm\n"
                                 "    cores: 8\n"
                                 "    memory: 16G\n"
                                 "    tags: [night, gpu]\n"
                                 "    priority: -3\n"
                                 "    host:\n"
                                 "      cores: 64\n"
                                 "      memory: 512G\n"
                                 "      max_duration: 2d\n"
                                 "      gpus: {count: 4, memory: 80G, type: cuda}\n"
                                 "    options: {partition: [a, b], qos: x}\n"
                                 "    setup: 'module load cuda'\n"
                                 "    limits: {submitted: 1000, submissions_per_minute: 60, array: 500}\n"
                                 "    starter: srun\n";

static xpm_launcher_file *read_text(const struct place *place, const char *text)
{
        xpm_launcher_file *file = NULL;
        xpm_error err = XPM_ERROR_NONE;
        place_put(place, "launchers.yaml", text);
        if (xpm_launcher_file_read(place->path, &file, &err) != 0)
                fail_msg("%s", err.message);
        return file;
}

static void every_key_is_read(void **state)
{
        const uint64_t gigabyte = UINT64_C(1) << 30;
        xpm_launcher_file *file = read_text(*state, everything);
        assert_int_equal(xpm_launcher_file_count(file), 2);
        const xpm_launcher_entry *entry = xpm_launcher_file_find(file, "big");
        assert_ptr_equal(entry, xpm_launcher_file_entry(file, 1));
        assert_string_equal(entry->name, "big");
        assert_int_equal(entry->line, 3);
        assert_true(xpm_launcher_file_is_there(file));
        assert_string_equal(entry->type, "slurm");
        assert_int_equal(entry->tag_count, 2);
        assert_string_equal(entry->tags[0], "night");
        assert_string_equal(entry->tags[1], "gpu");
        assert_int_equal(entry->priority, -3);
        /* What is said of the host goes over what is said of the whole. */
        assert_int_equal(entry->host.cores, 64);
        assert_int_equal(entry->host.memory, 512 * gigabyte);
        assert_int_equal(entry->max_duration, 2 * 24 * 3600);
        assert_int_equal(entry->host.gpu_count, 1);
        assert_int_equal(entry->host.gpus[0].kind, XPM_GPU_CUDA);
        assert_int_equal(entry->host.gpus[0].count, 4);
        assert_int_equal(entry->host.gpus[0].memory, 80 * gigabyte);
        xpm_launcher_file_destroy(file);
}

static void launcher_gets_its_whole_entry(void **state)
{
        xpm_launcher_file *file = read_text(*state, everything);
        json_t *config = json_loads(xpm_launcher_file_find(file, "big")->config, 0, NULL);
        assert_non_null(config);
        assert_int_equal(json_object_size(config), 10);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(config, "limits"), "array")), 500);
        assert_string_equal(
                json_string_value(json_array_get(json_object_get(json_object_get(config, "options"), "partition"), 1)),
                "b");
        json_decref(config);
        xpm_launcher_file_destroy(file);
}

static void what_is_not_said_is_nothing(void **state)
{
        xpm_launcher_file *file = read_text(*state, "launchers: {a: {type: local}, b: {type: mpi, cores: 2, memory: 1M,"
                                                    " host: {gpus: {}}}}\n");
        const xpm_launcher_entry *a = xpm_launcher_file_find(file, "a"), *b = xpm_launcher_file_find(file, "b");
        assert_int_equal(a->host.cores, 0);
        assert_int_equal(a->host.memory, 0);
        assert_int_equal(a->host.gpu_count, 0);
        assert_int_equal(a->max_duration, 0);
        assert_int_equal(a->tag_count, 0);
        assert_int_equal(a->priority, 0);
        assert_string_equal(a->config, "{\"type\": \"local\"}");
        assert_int_equal(b->host.cores, 2);
        assert_int_equal(b->host.memory, 1 << 20);
        assert_int_equal(b->host.gpus[0].kind, XPM_GPU_ANY);
        assert_int_equal(b->host.gpus[0].count, 1);
        assert_int_equal(b->host.gpus[0].memory, 0);
        assert_null(xpm_launcher_file_find(file, "c"));
        xpm_launcher_file_destroy(file);
}

static void no_file_and_an_empty_one_have_no_entries(void **state)
{
        const struct place *place = *state;
        xpm_launcher_file *file = NULL;
        assert_int_equal(xpm_launcher_file_read(place->path, &file, NULL), 0);
        assert_int_equal(xpm_launcher_file_count(file), 0);
        assert_false(xpm_launcher_file_is_there(file));
        assert_null(xpm_launcher_file_find(file, "local"));
        xpm_launcher_file_destroy(file);
        file = read_text(place, "launchers: {}\n");
        assert_int_equal(xpm_launcher_file_count(file), 0);
        xpm_launcher_file_destroy(file);
        file = read_text(place, "{}\n");
        assert_int_equal(xpm_launcher_file_count(file), 0);
        xpm_launcher_file_destroy(file);
        xpm_launcher_file_destroy(NULL);
}

/* What stands in the entry x, in one line behind `launchers: {x: `, and what is said of it, after `…launchers.yaml:`.
 */
static void what_is_wrong_is_told_with_its_place(void **state)
{
        static const struct {
                const char *entry, *message;
        } cases[] = {
                {"7", "1:16: a launcher is a mapping: expected 'key: value'"},
                {"{}", "1:16: launcher 'x' has no type: local, slurm or mpi"},
                {"{type: slrum}", "1:23: 'slrum' is no type of launcher: local, slurm or mpi"},
                {"{type: [local]}", "1:23: type is a text"},
                {"{type: local, core: 1}", "1:30: unknown key 'core' in a launcher: did you mean 'cores'?"},
                {"{type: local, zzzzzzzz: 1}", "1:30: unknown key 'zzzzzzzz' in a launcher: expected one of type, "
                                               "cores, memory, tags, priority, host,"
                                               " options, setup, limits, starter"},
                {"{type: local, cores: many}", "1:37: cores is a whole number"},
                {"{type: local, cores: 1.5}", "1:37: cores is a whole number"},
                {"{type: local, cores: [1]}", "1:37: cores is a whole number"},
                {"{type: local, cores: 0}", "1:37: cores is a whole number above 0"},
                {"{type: local, cores: -4}", "1:37: cores is a whole number above 0"},
                {"{type: local, memory: 32}", "1:38: 'cpu(mem=32)', character 9: a memory size needs a unit: 32G?"},
                {"{type: local, memory: 0G}", "1:38: 'cpu(mem=0G)', character 9: a memory size is more than 0"},
                {"{type: local, memory: lots}",
                 "1:38: 'cpu(mem=lots)', character 9: expected a memory size such as 32G"},
                {"{type: local, memory: {a: 1G}}", "1:38: one value is expected here"},
                {"{type: local, memory: '1G, cores=2'}", "1:38: one value is expected here"},
                {"{type: local, memory: '1G) | cpu(mem=2G'}", "1:38: one value is expected here"},
                {"{type: local, tags: night}", "1:36: tags is a list of names"},
                {"{type: local, tags: [a, [b]]}", "1:40: a tag is a text"},
                {"{type: local, priority: high}", "1:40: priority is a whole number"},
                {"{type: local, host: 4}", "1:36: host is a mapping: expected 'key: value'"},
                {"{type: local, host: {memry: 1G}}", "1:37: unknown key 'memry' in host: did you mean 'memory'?"},
                {"{type: local, host: {cores: -1}}", "1:44: cores is a whole number above 0"},
                {"{type: local, host: {max_duration: '1h & cpu(cores=2)'}}", "1:51: one value is expected here"},
                {"{type: local, host: {gpus: {type: nvidia}}}", "1:50: 'nvidia' is no type of GPU: cuda, rocm or gpu"},
                {"{type: local, host: {gpus: {number: 2}}}",
                 "1:44: unknown key 'number' in gpus: expected one of count, memory, type"},
                {"{type: local, host: {gpus: {count: 0}}}", "1:51: count is a whole number above 0"},
                {"{type: local, limits: {arrays: 2}}", "1:39: unknown key 'arrays' in limits: did you mean 'array'?"},
                {"{type: local, limits: {array: none}}", "1:46: array is a whole number"},
                {"{type: local, limits: {submitted: 0}}", "1:50: submitted is a whole number above 0"},
                {"{type: local, setup: [a]}", "1:37: setup is a text"},
                {"{type: local, starter: {}}", "1:39: starter is a text"},
        };
        const struct place *place = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[256], expected[512];
                xpm_error err = XPM_ERROR_NONE;
                xpm_launcher_file *file = NULL;
                snprintf(text, sizeof text, "launchers: {x: %s}\n", cases[i].entry);
                snprintf(expected, sizeof expected, "%s/launchers.yaml:%s", place->path, cases[i].message);
                place_put(place, "launchers.yaml", text);
                int rc = xpm_launcher_file_read(place->path, &file, &err);
                if (rc != XPM_ESETTINGS || err.code != rc || strcmp(err.message, expected) != 0)
                        fail_msg("%s\ngives    %d %s\nexpected %d %s", text, rc, err.message, XPM_ESETTINGS, expected);
                assert_null(file);
        }
}

static void file_that_is_no_mapping_of_launchers_is_refused(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"launcher: {}\n", "1:1: unknown key 'launcher' in launchers.yaml: did you mean 'launchers'?"},
                {"launchers: [a]\n", "1:12: launchers is a mapping from names to launchers"},
                {"- a\n", "1:1: launchers.yaml is a mapping: expected 'key: value'"},
        };
        const struct place *place = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char expected[512];
                xpm_error err = XPM_ERROR_NONE;
                xpm_launcher_file *file = NULL;
                snprintf(expected, sizeof expected, "%s/launchers.yaml:%s", place->path, cases[i].message);
                place_put(place, "launchers.yaml", cases[i].text);
                assert_int_equal(xpm_launcher_file_read(place->path, &file, &err), XPM_ESETTINGS);
                assert_string_equal(err.message, expected);
        }
}

static void file_that_cannot_be_read_is_no_missing_one(void **state)
{
        const struct place *place = *state;
        xpm_error err = XPM_ERROR_NONE;
        xpm_launcher_file *file = NULL;
        assert_int_equal(mkdirat(place->dir, "launchers.yaml", 0700), 0);
        assert_int_equal(xpm_launcher_file_read(place->path, &file, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "launchers.yaml"));
}

static void memory_that_runs_out_is_told_as_such(void **state)
{
        const struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        place_put(place, "launchers.yaml", everything);
        for (long n = 1;; n++) {
                xpm_error err = XPM_ERROR_NONE;
                xpm_launcher_file *file = NULL;
                failing_malloc_arm(n);
                int rc = xpm_launcher_file_read(place->path, &file, &err);
                if (!failing_malloc_disarm()) {
                        assert_int_equal(rc, 0);
                        xpm_launcher_file_destroy(file);
                        break;
                }
                assert_int_equal(rc, XPM_ENOMEM);
                assert_null(file);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(every_key_is_read),
                T(launcher_gets_its_whole_entry),
                T(what_is_not_said_is_nothing),
                T(no_file_and_an_empty_one_have_no_entries),
                T(what_is_wrong_is_told_with_its_place),
                T(file_that_is_no_mapping_of_launchers_is_refused),
                T(file_that_cannot_be_read_is_no_missing_one),
                T(memory_that_runs_out_is_told_as_such),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
