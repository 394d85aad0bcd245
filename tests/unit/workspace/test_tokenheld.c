#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tokens.h"

static void worker_sees_whether_all_holders_are_there(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        struct asking asking;
        engine_begin(&e, place, "one");
        assert_int_equal(xpm_tokens_are_held(place->dir, ask(&asking, "j1", 1, 1), NULL), 0);
        assert_int_equal(xpm_tokens_are_held(place->dir, ask(&asking, "j1", 0, 0), NULL), 1);
        engine_declare(&e, "a", 1);
        engine_declare(&e, "b", 1);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(xpm_tokens_are_held(place->dir, ask(&asking, "j1", 1, 0), NULL), 1);
        assert_int_equal(xpm_tokens_are_held(place->dir, ask(&asking, "j1", 1, 1), NULL), 0);
        assert_int_equal(xpm_tokens_are_held(place->dir, ask(&asking, "j2", 1, 0), NULL), 0);
        /* The engine dies before the job begins, and another one buries what it held. */
        engine_end(&e);
        engine_begin(&other, place, "two");
        assert_int_equal(engine_take(&other, "j2", 1, 0, false), XPM_TOKENS_TAKEN);
        int lock = job_lock(place, "j1");
        assert_int_equal(xpm_tokens_are_held(place->dir, ask(&asking, "j1", 1, 0), NULL), 0);
        xpm_lock_release(lock);
        engine_end(&other);
}

static void what_was_dropped_is_free_for_others(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        struct asking asking;
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 1);
        engine_declare(&e, "b", 1);
        assert_int_equal(engine_take(&e, "j1", 1, 1, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&other, "j2", 1, 1, false), XPM_TOKENS_SHORT);
        assert_int_equal(xpm_tokens_drop(place->dir, ask(&asking, "j1", 1, 1), NULL), 0);
        assert_int_equal(xpm_tokens_drop(place->dir, ask(&asking, "j1", 1, 1), NULL), 0);
        assert_int_equal(place_count(place, "tokens/a.counter/jobs"), 0);
        assert_int_equal(place_count(place, "tokens/b.counter/jobs"), 0);
        assert_int_equal(engine_take(&other, "j2", 1, 1, false), XPM_TOKENS_TAKEN);
        engine_end(&e);
        engine_end(&other);
}

static void what_cannot_be_dropped_is_named_and_the_rest_is(void **state)
{
        struct place *place = *state;
        struct engine e;
        struct asking asking;
        xpm_error err = XPM_ERROR_NONE;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 1);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        runs_mkdir(place, "tokens/b.counter/jobs/demo.task@j1.json");
        assert_int_equal(xpm_tokens_drop(place->dir, ask(&asking, "j1", 1, 1), &err), XPM_EIO);
        assert_non_null(strstr(err.message, "cannot remove 'tokens/b.counter/jobs/demo.task@j1.json': "));
        assert_int_equal(place_count(place, "tokens/a.counter/jobs"), 0);
        engine_end(&e);
}

static void what_a_job_holds_is_an_object(void **state)
{
        (void)state;
        struct asking asking;
        xpm_text text = XPM_TEXT_INIT;
        xpm_tokens_json(ask(&asking, "j1", 1, 12), &text);
        assert_string_equal(text.data, "{\"b\": 12, \"a\": 1}");
        xpm_text_release(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(worker_sees_whether_all_holders_are_there),
                TEST(what_was_dropped_is_free_for_others),
                TEST(what_cannot_be_dropped_is_named_and_the_rest_is),
                cmocka_unit_test(what_a_job_holds_is_an_object),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
