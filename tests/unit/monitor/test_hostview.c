/* A host that is described, with a stock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "monitor/hostview.h"
#include "stocks.h"

static int enter(void **state)
{
        int rc = stocks_enter(state);
        setenv("HWLOC_SYNTHETIC", "numa:1(memory=8GiB) core:4 pu:1", 1);
        return rc;
}

/* A worker that holds the first two cores. */
struct worker {
        xpm_topology *topology;
        xpm_stock *stock;
};

static void begin(struct worker *worker)
{
        assert_int_equal(xpm_topology_load(false, &worker->topology, NULL), 0);
        assert_int_equal(xpm_stock_open(worker->topology, "some sweep", &worker->stock, NULL, NULL), 0);
        assert_true(claim(worker->stock, 0, 2));
}

static void end(struct worker *worker)
{
        xpm_stock_close(worker->stock);
        xpm_topology_destroy(worker->topology);
}

static void picture_is_of_what_there_is_now(void **state)
{
        (void)state;
        struct worker worker;
        xpm_text text = XPM_TEXT_INIT, note = XPM_TEXT_INIT;
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, NULL), 0);
        assert_non_null(strstr(xpm_text_string(&text), "...."));
        assert_null(strstr(xpm_text_string(&text), "some sweep"));
        begin(&worker);
        xpm_text_clear(&text);
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, NULL), 0);
        assert_non_null(strstr(xpm_text_string(&text), "aa.."));
        assert_non_null(strstr(xpm_text_string(&text), "some sweep"));
        end(&worker);
        xpm_text_clear(&text);
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, NULL), 0);
        assert_non_null(strstr(xpm_text_string(&text), "...."));
        xpm_text_release(&text);
}

static void document_tells_the_same(void **state)
{
        (void)state;
        struct worker worker;
        xpm_text text = XPM_TEXT_INIT, note = XPM_TEXT_INIT;
        begin(&worker);
        assert_int_equal(xpm_host_describe(true, 80, &text, &note, NULL), 0);
        json_t *document = json_loads(xpm_text_string(&text), 0, NULL);
        const json_t *holders = json_object_get(document, "holders"), *one = json_array_get(holders, 0);
        assert_int_equal(json_array_size(json_object_get(document, "cores")), 4);
        assert_int_equal(json_array_size(holders), 1);
        assert_string_equal(json_string_value(json_object_get(one, "label")), "some sweep");
        assert_int_equal(json_integer_value(json_object_get(one, "pid")), getpid());
        json_decref(document);
        xpm_text_release(&text);
        end(&worker);
}

static void host_that_cannot_be_looked_at_is_an_error(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT, note = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        setenv("HWLOC_SYNTHETIC", "core:many", 1);
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "'core:many'"));
        assert_int_equal(text.length, 0);
        xpm_text_release(&text);
}

static void stock_that_cannot_be_looked_at_is_told(void **state)
{
        const struct place *place = *state;
        xpm_text text = XPM_TEXT_INIT, note = XPM_TEXT_INIT;
        char path[256];
        snprintf(path, sizeof path, "%s/open", place->path);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(chmod(path, 0775), 0);
        setenv("XPM_STOCK", path, 1);
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, NULL), 0);
        assert_non_null(strstr(xpm_text_string(&note), "its mode should be 0700"));
        /* Nobody has shared anything yet: that is no trouble. */
        xpm_text_clear(&note);
        snprintf(path, sizeof path, "%s/none", place->path);
        setenv("XPM_STOCK", path, 1);
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, NULL), 0);
        assert_int_equal(note.length, 0);
        xpm_text_release(&text);
        xpm_text_release(&note);
}

static void text_that_lacks_memory_is_an_error(void **state)
{
        (void)state;
        xpm_text text = XPM_TEXT_INIT, note = XPM_TEXT_INIT;
        text.failed = true;
        assert_int_equal(xpm_host_describe(false, 80, &text, &note, NULL), XPM_ENOMEM);
        assert_int_equal(xpm_host_describe(true, 80, &text, &note, NULL), XPM_ENOMEM);
        xpm_text_release(&text);
}

int main(void)
{
        /* The first look at devices opens what stays. */
        xpm_topology *topology;
        setenv("HWLOC_SYNTHETIC", "core:1 pu:1", 1);
        if (xpm_topology_load(true, &topology, NULL) == 0)
                xpm_topology_destroy(topology);
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(picture_is_of_what_there_is_now),           T(document_tells_the_same),
                T(host_that_cannot_be_looked_at_is_an_error), T(stock_that_cannot_be_looked_at_is_told),
                T(text_that_lacks_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
