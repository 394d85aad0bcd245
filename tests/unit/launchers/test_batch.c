#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../launchers/slurm/batch.c"
#include "../../../launchers/slurm/chain.c"
#include "place.h"

static batch *make(const struct place *place, xpm_core *core, char run[128], size_t jobs)
{
        static const char *const directives[] = {"--time=5:00", "--mem=10M", NULL};
        snprintf(run, 128, "%s/experiments/e/run", place->path);
        mkdirat(place->dir, "experiments", 0700);
        mkdirat(place->dir, "experiments/e", 0700);
        mkdirat(place->dir, "experiments/e/run", 0700);
        *core = (xpm_core){.workspace = place->path, .run = run};
        batch *made = batch_create(core, directives);
        assert_non_null(made);
        for (size_t i = 0; i < jobs; i++) {
                const xpm_launch launch = {.tag = i, .attempt = 1, .path = i == 1 ? "/a path\nof two lines" : "/p"};
                assert_int_equal(batch_add(made, &launch), 0);
                memcpy(made->jobs[i].nonce, "0123456789abcdef", XPM_LAUNCH_NONCE);
        }
        return made;
}

static void the_manifest_has_a_line_for_each_job(void **state)
{
        xpm_core core;
        char run[128], line[256], handle[256];
        batch *made = make(*state, &core, run, 3);
        assert_int_equal(batch_write(made, false, NULL), 0);
        FILE *stream = fopen(made->manifest, "r");
        assert_non_null(stream);
        for (size_t i = 0; i < 3; i++) {
                assert_non_null(fgets(line, sizeof line, stream));
                json_t *entry = json_loads(line, 0, NULL);
                assert_string_equal(json_string_value(json_object_get(entry, "job")), made->jobs[i].path);
                assert_string_equal(json_string_value(json_object_get(entry, "nonce")), "0123456789abcdef");
                json_decref(entry);
        }
        assert_null(fgets(line, sizeof line, stream));
        fclose(stream);
        batch_handle(made, 2, handle);
        assert_int_equal(strncmp(handle, "experiments/e/run/batches/", 26), 0);
        assert_string_equal(strrchr(handle, '#'), "#2");
        batch_free(made);
}

static void the_number_is_kept_beside_it(void **state)
{
        xpm_core core;
        char run[128];
        batch *made = make(*state, &core, run, 1);
        assert_int_equal(batch_write(made, false, NULL), 0);
        assert_int_equal(batch_read_id(made->manifest), 0);
        made->job_id = 4711;
        assert_int_equal(batch_write_id(made, NULL), 0);
        assert_int_equal(batch_read_id(made->manifest), 4711);
        batch_free(made);
}

static void alike_is_who_asks_for_the_same(void **state)
{
        static const char *const same[] = {"--time=5:00", "--mem=10M", NULL}, *const less[] = {"--time=5:00", NULL},
                                 *const other[] = {"--time=6:00", "--mem=10M", NULL};
        xpm_core core;
        char run[128];
        batch *made = make(*state, &core, run, 1);
        assert_true(batch_is_alike(made, same));
        assert_false(batch_is_alike(made, less));
        assert_false(batch_is_alike(made, other));
        assert_false(batch_is_alike(made, NULL));
        batch_free(made);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
        xpm_core core;
        char run[128];
        xpm_error err = XPM_ERROR_NONE;
        batch *made = make(*state, &core, run, 1);
        snprintf(run, sizeof run, "%s/experiments/e/none/batches/b", ((struct place *)*state)->path);
        free(made->manifest);
        made->manifest = strdup(run);
        assert_int_equal(batch_write(made, false, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "experiments/e/none/batches"));
        batch_free(made);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

static void a_batch_of_an_earlier_engine_has_the_elements_that_were_written(void **state)
{
        xpm_core core;
        char run[128], handle[256];
        batch *made = make(*state, &core, run, 3);
        made->job_id = 12;
        assert_int_equal(batch_write(made, false, NULL), 0);
        assert_true(batch_is_whole(made));
        batch_handle(made, 1, handle);
        batch *again = batch_recall(&core, handle, (size_t)(strrchr(handle, '#') - handle));
        assert_non_null(again);
        assert_string_equal(again->name, made->name);
        assert_string_equal(again->manifest, made->manifest);
        assert_int_equal(again->count, 3);
        assert_int_equal(again->left, 3);
        assert_int_equal(again->state, BATCH_LOST_TRACK);
        batch_free(again);
        assert_int_equal(batch_write_id(made, NULL), 0);
        again = batch_recall(&core, made->name, strlen(made->name));
        assert_int_equal(again->state, BATCH_QUEUED);
        assert_int_equal(again->job_id, 12);
        for (size_t i = 0; i < 3; i++) {
                assert_false(batch_is_whole(again));
                assert_int_equal(batch_claim(again, i, 40 + i), 0);
                assert_int_equal(again->left, 2 - i);
                assert_int_equal(again->jobs[i].tag, 40 + i);
        }
        assert_true(batch_is_whole(again));
        batch_free(again);
        batch_free(made);
}

static void a_batch_whose_manifest_is_gone_has_what_is_claimed(void **state)
{
        const struct place *place = *state;
        const xpm_core core = {.workspace = place->path};
        batch *again = batch_recall(&core, "gone", 4);
        assert_int_equal(again->count, 0);
        assert_int_equal(batch_claim(again, 2, 7), 0);
        assert_int_equal(again->count, 3);
        assert_int_equal(again->left, 2);
        assert_false(batch_is_whole(again));
        batch_free(again);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_manifest_has_a_line_for_each_job),
                TEST(the_number_is_kept_beside_it),
                TEST(alike_is_who_asks_for_the_same),
                TEST(a_place_that_cannot_be_written_is_named),
                TEST(a_batch_of_an_earlier_engine_has_the_elements_that_were_written),
                TEST(a_batch_whose_manifest_is_gone_has_what_is_claimed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
