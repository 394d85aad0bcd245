#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"

static const struct {
        double value;
        const char *text;
} written[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1, "-1.0"},
        {10, "10.0"},
        {0.1, "0.1"},
        {0.5, "0.5"},
        {100.25, "100.25"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {0.000012345, "1.2345e-05"},
        {1e15, "1000000000000000.0"},
        {123456789012345.6, "123456789012345.6"},
        {1234567890123456.0, "1234567890123456.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1.5e16, "1.5e+16"},
        {1e100, "1e+100"},
        {1e-100, "1e-100"},
        {-1e-7, "-1e-07"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {4.35, "4.35"},
        {5e-324, "5e-324"},
        {2.5e-323, "2.5e-323"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_EPSILON, "2.220446049250313e-16"},
        {0x1p-44, "5.684341886080802e-14"}, /* the nearest of 16 digits ends in 1, and reads back as another */
        {0x1p-24, "5.960464477539063e-08"},
        {9007199254740993.0, "9007199254740992.0"},
        {2e-44, "2e-44"},
        {562949953421312.25, "562949953421312.2"}, /* two are as near: the even one */
        {562949953421312.75, "562949953421312.8"},
        {562949953421312.125, "562949953421312.1"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {-NAN, "nan"},
};

static void floats_are_written_as_python_writes_them(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
                char buffer[XPM_FLOAT_SIZE];
                size_t length = xpm_float_format(buffer, written[i].value);
                assert_string_equal(buffer, written[i].text);
                assert_int_equal(length, strlen(buffer));
        }
}

static uint64_t random_bits(uint64_t *seed)
{
        *seed += 0x9E3779B97F4A7C15;
        uint64_t z = (*seed ^ *seed >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
}

static double from_bits(uint64_t bits)
{
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
}

/* The double that is STEPS away from a positive one. */
static double neighbour(double value, int steps)
{
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        return from_bits(bits + (uint64_t)steps);
}

/* Significant digits of TEXT: none of leading zeros, nor of those at the end. */
static int count_digits(const char *text)
{
        int count = 0, zeros = 0;
        for (; *text && *text != 'e'; text++) {
                if (*text == '0')
                        zeros += count > 0;
                else if (*text >= '1' && *text <= '9') {
                        count += zeros + 1;
                        zeros = 0;
                }
        }
        return count;
}

/* Reads back the same, in as few digits as any %.Ng that does. */
static void check_shortest(double value)
{
        char buffer[XPM_FLOAT_SIZE], other[40];
        size_t length = xpm_float_format(buffer, value);
        double back = 0;
        assert_true(length < sizeof buffer);
        assert_true(strtod(buffer, NULL) == value);
        assert_true(xpm_float_parse(buffer, length, &back, NULL));
        assert_memory_equal(&back, &value, sizeof value);
        int digits = count_digits(buffer), shortest = 1;
        for (; shortest < 17; shortest++) {
                snprintf(other, sizeof other, "%.*e", shortest - 1, value);
                if (strtod(other, NULL) == value)
                        break;
        }
        assert_true(digits <= shortest);
        /* Of as many digits only the nearest will do. */
        if (digits == shortest && value != 0) {
                snprintf(other, sizeof other, "%.*e", digits - 1, value);
                assert_true(strtod(other, NULL) == strtod(buffer, NULL));
                assert_int_equal(count_digits(other), digits);
        }
}

static void any_double_reads_back_from_the_shortest_text(void **state)
{
        (void)state;
        uint64_t seed = 20240607;
        for (int i = 0; i < 30000; i++) {
                double any = from_bits(random_bits(&seed));
                if (isfinite(any))
                        check_shortest(any);
                double fraction = (double)(random_bits(&seed) >> 11) * 0x1p-53;
                check_shortest(ldexp(fraction, (int)(random_bits(&seed) % 100) - 45));
                check_shortest((double)(random_bits(&seed) % 1000000) / 1000);
                check_shortest((double)(random_bits(&seed) % 100000) * 0.001);
        }
}

static void doubles_beside_powers_read_back(void **state)
{
        (void)state;
        for (int exponent = -1074; exponent < 1024; exponent++) {
                double value = ldexp(1, exponent);
                check_shortest(value);
                check_shortest(neighbour(value, -1));
                check_shortest(neighbour(value, 1));
        }
        for (int exponent = -307; exponent < 308; exponent++) {
                char text[16];
                snprintf(text, sizeof text, "1e%d", exponent);
                double value = strtod(text, NULL);
                check_shortest(value);
                check_shortest(neighbour(value, -1));
                check_shortest(neighbour(value, 1));
        }
}

static void only_the_spellings_of_a_float_are_read(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                double value;
        } good[] = {
                {"1", 1},
                {"+1.5", 1.5},
                {"-.5", -0.5},
                {"1.", 1},
                {"010.0", 10},
                {"1e3", 1000},
                {"1E+3", 1000},
                {"1.5e-3", 0.0015},
                {"0e999999999999999999999", 0},
                {"1e-400", 0},
                {"1e-99999999999999999999", 0},
                {".inf", INFINITY},
                {"-.Inf", -INFINITY},
                {"+.INF", INFINITY},
                {"1.7976931348623158e308", DBL_MAX},
                {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
                {"9007199254740993", 9007199254740992},
                {"9007199254740993.0000000000000000000000000000001", 9007199254740994},
        };
        static const char *const bad[] = {
                "",      "+",  "-",  ".",   "e5",  "1e",  "1e+",   "1.5.2",    "0x10", "inf", "nan", "-.nan",
                "1_000", " 1", "1 ", "1,5", "--1", "+-1", "1e1.5", "infinity", ".iNf", ".",   "1f",  "1e5x",
        };
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                double value = -7;
                bool overflow = true;
                assert_true(xpm_float_parse(good[i].text, strlen(good[i].text), &value, &overflow));
                assert_true(value == good[i].value);
                assert_false(overflow);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                double value = -7;
                bool overflow = true;
                assert_false(xpm_float_parse(bad[i], strlen(bad[i]), &value, &overflow));
                assert_false(overflow);
                assert_true(value == -7);
        }
        double value = 0;
        assert_true(xpm_float_parse("-0.0", 4, &value, NULL) && signbit(value));
        static const char *const nans[] = {".nan", ".NaN", ".NAN"};
        for (size_t i = 0; i < 3; i++)
                assert_true(xpm_float_parse(nans[i], 4, &value, NULL) && isnan(value));
        assert_false(xpm_float_parse("1\0", 2, &value, NULL));
        assert_true(xpm_float_parse("12345", 2, &value, NULL) && value == 12);
}

static void float_beyond_the_largest_is_an_overflow(void **state)
{
        (void)state;
        static const char *const table[] = {"1e309", "-1e309", "1.7976931348623159e308", "1e99999999999999999999",
                                            "123456789e999"};
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                double value = -7;
                bool overflow = false;
                assert_false(xpm_float_parse(table[i], strlen(table[i]), &value, &overflow));
                assert_true(overflow);
                assert_false(xpm_float_parse(table[i], strlen(table[i]), &value, NULL));
        }
}

/* Halves between neighbours have up to 767 digits: one more, however far, decides. */
static void digits_without_end_are_rounded_once(void **state)
{
        (void)state;
        enum { ZEROS = 5000 };
        static char text[ZEROS + 64];
        for (int last = 0; last < 2; last++) {
                strcpy(text, "9007199254740993.");
                memset(text + 17, '0', ZEROS);
                strcpy(text + 17 + ZEROS, last ? "1" : "0");
                double value;
                assert_true(xpm_float_parse(text, strlen(text), &value, NULL));
                assert_true(value == (last ? 9007199254740994 : 9007199254740992));
                assert_true(value == strtod(text, NULL));
        }
        memset(text, '0', ZEROS);
        strcpy(text + ZEROS, ".00000000000000000000000000000123e30");
        double value;
        assert_true(xpm_float_parse(text, strlen(text), &value, NULL));
        assert_true(value == 1.23);
        memset(text, '7', ZEROS);
        strcpy(text + ZEROS, "e-4999");
        assert_true(xpm_float_parse(text, strlen(text), &value, NULL));
        assert_true(value == strtod(text, NULL));
}

static void parsing_agrees_with_the_c_library(void **state)
{
        (void)state;
        uint64_t seed = 77;
        for (int i = 0; i < 100000; i++) {
                char text[80];
                int exponent = (int)(random_bits(&seed) % 700) - 360;
                snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(random_bits(&seed) >> i % 64),
                         (unsigned long long)(random_bits(&seed) >> i % 61), i % 3 ? exponent / 20 : exponent);
                double expected = strtod(text, NULL), value = -1;
                assert_int_equal(xpm_float_parse(text, strlen(text), &value, NULL), isfinite(expected));
                if (isfinite(expected))
                        assert_true(value == expected);
        }
}

static void ints_are_read_in_three_bases(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t value;
        } good[] = {
                {"0", 0},
                {"-0", 0},
                {"+7", 7},
                {"010", 10},
                {"0x1F", 31},
                {"0xff", 255},
                {"-0x10", -16},
                {"+0o17", 15},
                {"-0o7", -7},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"0x7fffffffffffffff", INT64_MAX},
                {"-0x8000000000000000", INT64_MIN},
                {"000000000000000000000000000001", 1},
        };
        static const char *const bad[] = {"",    "+",  "-",  "0x",  "0o",  "-0x", "0b1",  "1.0",  "1e6",
                                          "1_0", " 1", "1 ", "0o8", "12a", "--1", "0x1g", "0X1F", "0O7"};
        static const char *const beyond[] = {"9223372036854775808",
                                             "-9223372036854775809",
                                             "0x8000000000000000",
                                             "18446744073709551616",
                                             "99999999999999999999999999999999",
                                             "0o7777777777777777777777"};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                int64_t value = 99;
                bool overflow = true;
                assert_true(xpm_int_parse(good[i].text, strlen(good[i].text), &value, &overflow));
                assert_true(value == good[i].value);
                assert_false(overflow);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                int64_t value = 99;
                bool overflow = true;
                assert_false(xpm_int_parse(bad[i], strlen(bad[i]), &value, &overflow));
                assert_false(overflow);
                assert_true(value == 99);
        }
        for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
                int64_t value = 99;
                bool overflow = false;
                assert_false(xpm_int_parse(beyond[i], strlen(beyond[i]), &value, &overflow));
                assert_true(overflow);
                assert_false(xpm_int_parse(beyond[i], strlen(beyond[i]), &value, NULL));
        }
}

static void decimal_comma_of_the_locale_does_not_matter(void **state)
{
        static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",       "fr_FR.UTF-8", "fr_FR.utf8",
                                              "fr_FR",       "es_ES.UTF-8", "it_IT.UTF-8", "pt_BR.UTF-8"};
        bool found = false;
        for (size_t i = 0; i < sizeof locales / sizeof *locales && !found; i++)
                found = setlocale(LC_ALL, locales[i]) && strcmp(localeconv()->decimal_point, ",") == 0;
        if (!found) {
                setlocale(LC_ALL, "C");
                skip();
        }
        char buffer[XPM_FLOAT_SIZE];
        double values[] = {1e300 / 7, 1.0 / 3e-20, 1.25e-310, 0.1}, back;
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                size_t length = xpm_float_format(buffer, values[i]);
                assert_null(strchr(buffer, ','));
                assert_true(xpm_float_parse(buffer, length, &back, NULL));
                assert_true(back == values[i]);
        }
        floats_are_written_as_python_writes_them(state);
        only_the_spellings_of_a_float_are_read(state);
        setlocale(LC_ALL, "C");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(floats_are_written_as_python_writes_them),
                cmocka_unit_test(any_double_reads_back_from_the_shortest_text),
                cmocka_unit_test(doubles_beside_powers_read_back),
                cmocka_unit_test(only_the_spellings_of_a_float_are_read),
                cmocka_unit_test(float_beyond_the_largest_is_an_overflow),
                cmocka_unit_test(digits_without_end_are_rounded_once),
                cmocka_unit_test(parsing_agrees_with_the_c_library),
                cmocka_unit_test(ints_are_read_in_three_bases),
                cmocka_unit_test(decimal_comma_of_the_locale_does_not_matter),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
