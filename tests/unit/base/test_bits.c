#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"

static void members_are_found_in_order(void **state)
{
        (void)state;
        static const unsigned numbers[] = {0, 1, 63, 64, 127, 1000, XPM_BITS - 1};
        enum { COUNT = sizeof numbers / sizeof *numbers };
        xpm_bits bits = {0};
        assert_true(xpm_bits_is_empty(&bits));
        assert_int_equal(xpm_bits_next(&bits, -1), -1);
        for (size_t i = COUNT; i-- > 0;)
                xpm_bits_add(&bits, numbers[i]);
        assert_int_equal(xpm_bits_count(&bits), COUNT);
        int at = -1;
        for (size_t i = 0; i < COUNT; i++) {
                at = xpm_bits_next(&bits, at);
                assert_int_equal(at, numbers[i]);
        }
        assert_int_equal(xpm_bits_next(&bits, at), -1);
        xpm_bits_remove(&bits, 64);
        assert_false(xpm_bits_has(&bits, 64));
        assert_true(xpm_bits_has(&bits, 63));
        assert_int_equal(xpm_bits_next(&bits, 63), 127);
}

static void sets_are_joined_and_parted(void **state)
{
        (void)state;
        xpm_bits a = {0}, b = {0};
        xpm_bits_add(&a, 3);
        xpm_bits_add(&a, 300);
        xpm_bits_add(&b, 300);
        assert_true(xpm_bits_meet(&a, &b));
        assert_true(xpm_bits_include(&a, &b));
        assert_false(xpm_bits_include(&b, &a));
        xpm_bits_remove_all(&a, &b);
        assert_false(xpm_bits_meet(&a, &b));
        assert_int_equal(xpm_bits_count(&a), 1);
        xpm_bits_add_all(&a, &b);
        assert_int_equal(xpm_bits_count(&a), 2);
        xpm_bits_keep_all(&a, &b);
        assert_int_equal(xpm_bits_next(&a, -1), 300);
        assert_int_equal(xpm_bits_count(&a), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(members_are_found_in_order),
                cmocka_unit_test(sets_are_joined_and_parted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
