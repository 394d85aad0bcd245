#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../launchers/slurm/pace.c"

static void without_a_limit_nothing_waits(void **state)
{
        pace pace_;
        (void)state;
        assert_int_equal(pace_init(&pace_, 0), 0);
        for (int64_t now = 0; now < 1000; now++) {
                assert_int_equal(pace_next(&pace_, now), now);
                pace_sent(&pace_, now);
        }
        pace_release(&pace_);
}

static void one_over_the_limit_waits_for_the_oldest_to_be_a_minute_ago(void **state)
{
        pace pace_;
        (void)state;
        assert_int_equal(pace_init(&pace_, 3), 0);
        for (int64_t now = 1000; now < 1300; now += 100) {
                assert_int_equal(pace_next(&pace_, now), now);
                pace_sent(&pace_, now);
        }
        assert_int_equal(pace_next(&pace_, 1300), 61000);
        assert_int_equal(pace_next(&pace_, 61000), 61000);
        pace_sent(&pace_, 61050);
        assert_int_equal(pace_next(&pace_, 61060), 61100);
        assert_int_equal(pace_next(&pace_, 70000), 70000);
        pace_release(&pace_);
}

static void no_minute_has_more_than_the_limit(void **state)
{
        enum { LIMIT = 7, MANY = 200 };
        int64_t sent[MANY], now = 0;
        pace pace_;
        (void)state;
        assert_int_equal(pace_init(&pace_, LIMIT), 0);
        for (size_t i = 0; i < MANY; i++) {
                /* Due at once, or after a pause. */
                now = pace_next(&pace_, now + (int64_t)(i * 7919 % 13 == 0 ? i * 300 : 0));
                pace_sent(&pace_, now);
                sent[i] = now;
                if (i >= LIMIT)
                        assert_true(sent[i] - sent[i - LIMIT] >= MINUTE);
        }
        /* And it takes no longer than it must: where all are due, a minute for LIMIT. */
        pace_release(&pace_);
        assert_int_equal(pace_init(&pace_, LIMIT), 0);
        for (size_t i = 0; i < 10 * LIMIT; i++)
                pace_sent(&pace_, now = pace_next(&pace_, 5));
        assert_int_equal(now, 5 + 9 * MINUTE);
        pace_release(&pace_);
}

static void a_limit_that_nobody_reaches_is_none(void **state)
{
        pace pace_;
        (void)state;
        assert_int_equal(pace_init(&pace_, SIZE_MAX), 0);
        pace_sent(&pace_, 1);
        assert_int_equal(pace_next(&pace_, 1), 1);
        pace_release(&pace_);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_limit_nothing_waits),
                cmocka_unit_test(one_over_the_limit_waits_for_the_oldest_to_be_a_minute_ago),
                cmocka_unit_test(no_minute_has_more_than_the_limit),
                cmocka_unit_test(a_limit_that_nobody_reaches_is_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
