#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "described.h"
#include "holders.h"
#include "monitor/hostview.h"

static const uint64_t G = UINT64_C(1) << 30;

static json_t *write_json(const char *name, const xpm_holder *holders, size_t count)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_topology *topology = described_recorded(name, true);
        assert_non_null(topology);
        xpm_host_write_json(topology, holders, count, &text);
        xpm_topology_destroy(topology);
        json_t *document = json_loads(xpm_text_string(&text), 0, NULL);
        assert_non_null(document);
        assert_int_equal(strcspn(xpm_text_string(&text), "\n"), text.length - 1); /* one line */
        xpm_text_release(&text);
        return document;
}

static const json_t *item(const json_t *document, const char *list, size_t index)
{
        const json_t *found = json_array_get(json_object_get(document, list), index);
        assert_non_null(found);
        return found;
}

static json_int_t number(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);
        assert_true(json_is_integer(value));
        return json_integer_value(value);
}

static void expect_numbers(const json_t *object, const char *key, size_t first, size_t count)
{
        const json_t *list = json_object_get(object, key);
        assert_int_equal(json_array_size(list), count);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(json_integer_value(json_array_get(list, i)), first + i);
}

static void all_that_is_there_is_told(void **state)
{
        (void)state;
        json_t *document = write_json("unequal", NULL, 0);
        assert_int_equal(json_array_size(json_object_get(document, "packages")), 2);
        assert_int_equal(json_array_size(json_object_get(document, "numa")), 8);
        assert_int_equal(json_array_size(json_object_get(document, "cores")), 128);
        assert_int_equal(json_array_size(json_object_get(document, "holders")), 0);
        expect_numbers(item(document, "packages", 1), "cores", 64, 64);
        expect_numbers(item(document, "numa", 5), "cores", 80, 16);
        assert_int_equal(number(item(document, "numa", 5), "package"), 1);
        assert_int_equal(number(item(document, "numa", 5), "os_index"), 5);
        assert_int_equal(number(item(document, "numa", 5), "memory"), 64 * G);
        const json_t *distances = json_object_get(item(document, "numa", 5), "distances");
        assert_int_equal(json_array_size(distances), 8);
        assert_int_equal(json_integer_value(json_array_get(distances, 1)), 28);
        const json_t *core = item(document, "cores", 90);
        assert_int_equal(number(core, "index"), 90);
        expect_numbers(core, "pus", 180, 2);
        assert_int_equal(number(core, "numa"), 5);
        assert_int_equal(number(core, "l3"), 11);
        assert_int_equal(number(core, "package"), 1);
        assert_int_equal(number(core, "kind"), 0);
        assert_true(json_is_null(json_object_get(core, "holder")));
        assert_int_equal(number(document, "memory"), 512 * G);
        assert_true(json_is_false(json_object_get(document, "this_system")));
        json_decref(document);
}

static void holders_are_named_by_their_place(void **state)
{
        (void)state;
        xpm_holder holders[] = {holders_one(12, "one", 0, 2, 0), holders_one(13, "t\"wo\n", 2, 3, 5 * G),
                                holders_one(0, "", 9, 1, 0)};
        holders[1].waits = true;
        xpm_bits_add(&holders[1].portion.gpus, 6);
        json_t *document = write_json("node128", holders, 3);
        static const int of_cores[] = {0, 0, 1, 1, 1, -1, -1, -1, -1, 2};
        for (size_t i = 0; i < 10; i++) {
                const json_t *holder = json_object_get(item(document, "cores", i), "holder");
                assert_int_equal(json_is_null(holder) ? -1 : json_integer_value(holder), of_cores[i]);
        }
        const json_t *holder = item(document, "holders", 1);
        assert_int_equal(number(holder, "pid"), 13);
        assert_string_equal(json_string_value(json_object_get(holder, "label")), "t\"wo\n");
        expect_numbers(holder, "cores", 2, 3);
        expect_numbers(holder, "gpus", 6, 1);
        assert_int_equal(number(holder, "memory"), 5 * G);
        assert_true(json_is_true(json_object_get(holder, "waits")));
        assert_true(json_is_null(json_object_get(item(document, "holders", 2), "pid")));
        const json_t *gpu = item(document, "gpus", 6);
        assert_int_equal(number(gpu, "holder"), 1);
        assert_int_equal(number(gpu, "numa"), 6);
        assert_int_equal(number(gpu, "memory"), 80 * G);
        assert_string_equal(json_string_value(json_object_get(gpu, "kind")), "cuda");
        assert_string_equal(json_string_value(json_object_get(gpu, "name")), "cuda6");
        assert_string_equal(json_string_value(json_object_get(gpu, "model")), "NVIDIA H100");
        assert_string_equal(json_string_value(json_object_get(gpu, "pci")), "0000:71:00.0");
        assert_string_equal(json_string_value(json_object_get(gpu, "visible")),
                            "GPU-00000006-0000-0000-0000-000000000000");
        assert_true(json_is_null(json_object_get(item(document, "gpus", 0), "holder")));
        json_decref(document);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_that_is_there_is_told),
                cmocka_unit_test(holders_are_named_by_their_place),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
