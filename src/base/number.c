/* Doubles as text and back, by hand, so that no locale matters.
 *
 * Writing: the shortest digits that read back the same, the nearest of them. For the magnitudes that people use a
 * double times a power of ten fits 128 bits, and all is exact: the value and the borders of the interval that reads
 * back as it are integers, of which 15, then 16, then 17 digits are tried. Beyond that, printf() finds digits and
 * strtod() tells whether they read back. Neither is asked for a decimal point, the one thing that depends on the
 * locale.
 *
 * Fifteen digits are never ambiguous (two decimals of 15 digits are two doubles, but for the denormal ones), so that
 * those, less their zeros at the end, are the shortest.
 *
 * Reading: digits and an exponent, with one exact operation where both are small; else strtod() on the digits as an
 * integer. No double or border between two has more than 767 digits: what follows can only break a tie. */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 wide;

enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1075, DECISIVE_DIGITS = 770, EXACT_POWER = 22 };

/* 0.DIGITS times ten to the POINT: as `digits` without zeros at the end. */
struct decimal {
        char digits[20];
        int count;
        int point;
};

static const uint64_t integer_powers[] = {
        1ULL,
        10ULL,
        100ULL,
        1000ULL,
        10000ULL,
        100000ULL,
        1000000ULL,
        10000000ULL,
        100000000ULL,
        1000000000ULL,
        10000000000ULL,
        100000000000ULL,
        1000000000000ULL,
        10000000000000ULL,
        100000000000000ULL,
        1000000000000000ULL,
        10000000000000000ULL,
        100000000000000000ULL,
};

static const double exact_powers[EXACT_POWER + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* DIGITS (at most 17 figures) times ten to the SCALE. */
static void decimal_set(struct decimal *decimal, uint64_t digits, int scale)
{
        char reversed[20];
        int count = 0;
        while (digits % 10 == 0)
                digits /= 10, scale++;
        for (; digits; digits /= 10)
                reversed[count++] = (char)('0' + digits % 10);
        for (int i = 0; i < count; i++)
                decimal->digits[i] = reversed[count - 1 - i];
        decimal->count = count;
        decimal->point = count + scale;
}

static uint64_t power_of_five(int exponent)
{
        uint64_t power = 1;
        for (; exponent > 0; exponent--)
                power *= 5;
        return power;
}

/* The multiple of STEP that is nearest to VALUE, of those between LOW and HIGH, as a count of steps; 0 when there is
 * none. A tie goes to the even one. */
static uint64_t nearest_multiple(wide value, wide low, wide high, wide step)
{
        uint64_t below = (uint64_t)(value / step);
        wide lower = below * step, upper = lower + step;
        bool lower_fits = lower > low, upper_fits = upper < high;
        if (!lower_fits || !upper_fits)
                return lower_fits ? below : upper_fits ? below + 1 : 0;
        wide down = value - lower, up = upper - value;
        return down < up || (down == up && below % 2 == 0) ? below : below + 1;
}

/* For VALUE in [1e-10, 1e15): there the borders of the interval have more than 16 digits, so that it does not matter
 * whether they belong to it. */
static void shortest_exact(struct decimal *decimal, double value)
{
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        uint64_t fraction = bits & ((1ULL << MANTISSA_BITS) - 1);
        uint64_t mantissa = fraction | 1ULL << MANTISSA_BITS;
        int exponent = (int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS;

        /* Ten to the SCALE leaves 17 digits before the point. The power of two tells their number, or one too few. At
         * most 5^27 is 63 bits. Quarters make the borders integers: below a power of two doubles lie closer. */
        int scale = 16 - ((exponent + MANTISSA_BITS) * 1233 >> 12);
        uint64_t five = power_of_five(scale);
        if ((wide)(4 * mantissa) * five >> (2 - exponent - scale) >= integer_powers[17])
                five = power_of_five(--scale);
        wide scaled = (wide)(4 * mantissa) * five;
        wide low = (wide)(4 * mantissa - (fraction ? 2 : 1)) * five;
        wide high = (wide)(4 * mantissa + 2) * five;
        wide unit = (wide)1 << (2 - exponent - scale);

        for (int dropped = 2;; dropped--) {
                wide step = unit * integer_powers[dropped];
                uint64_t digits = nearest_multiple(scaled, low, high, step);
                if (digits || dropped == 0) {
                        decimal_set(decimal, digits, dropped - scale);
                        return;
                }
        }
}

/* COUNT correctly rounded digits of VALUE. */
static void round_to_digits(struct decimal *decimal, double value, int count)
{
        char text[40];
        snprintf(text, sizeof text, "%.*e", count - 1, value);
        uint64_t digits = 0;
        char *c = text;
        for (; *c != 'e'; c++)
                if (*c >= '0' && *c <= '9')
                        digits = digits * 10 + (uint64_t)(*c - '0');
        decimal_set(decimal, digits, atoi(c + 1) - (count - 1));
}

static double decimal_value(const struct decimal *decimal)
{
        char text[40];
        snprintf(text, sizeof text, "%.*se%d", decimal->count, decimal->digits, decimal->point - decimal->count);
        return strtod(text, NULL);
}

/* One more in the last of COUNT digits. */
static void decimal_step(struct decimal *decimal, int count)
{
        uint64_t digits = 0;
        for (int i = 0; i < count; i++)
                digits = digits * 10 + (uint64_t)(i < decimal->count ? decimal->digits[i] - '0' : 0);
        decimal_set(decimal, digits + 1, decimal->point - count);
}

static void shortest_by_trial(struct decimal *decimal, double value)
{
        for (int count = fpclassify(value) == FP_SUBNORMAL ? 1 : 15; count < 17; count++) {
                round_to_digits(decimal, value, count);
                if (decimal_value(decimal) == value)
                        return;
                /* Above a power of two doubles lie wider: the next decimal may read back where the nearest does not. */
                decimal_step(decimal, count);
                if (decimal_value(decimal) == value)
                        return;
        }
        round_to_digits(decimal, value, 17);
}

static size_t format_fixed(char *out, const struct decimal *decimal)
{
        char *start = out;
        if (decimal->point <= 0) {
                *out++ = '0';
                *out++ = '.';
                for (int i = decimal->point; i < 0; i++)
                        *out++ = '0';
        }
        for (int i = 0; i < decimal->count || i < decimal->point; i++) {
                if (i == decimal->point && i > 0)
                        *out++ = '.';
                *out++ = i < decimal->count ? decimal->digits[i] : '0';
        }
        if (decimal->count <= decimal->point) {
                *out++ = '.';
                *out++ = '0';
        }
        *out = '\0';
        return (size_t)(out - start);
}

static size_t format_exponent(char *out, size_t size, const struct decimal *decimal)
{
        int exponent = decimal->point - 1;
        return (size_t)snprintf(out, size, "%c%s%.*se%c%02d", decimal->digits[0], decimal->count > 1 ? "." : "",
                                decimal->count - 1, decimal->digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
}

size_t xpm_float_format(char buffer[XPM_FLOAT_SIZE], double value)
{
        if (isnan(value))
                return (size_t)snprintf(buffer, XPM_FLOAT_SIZE, "nan");
        size_t sign = 0;
        if (signbit(value)) {
                buffer[sign++] = '-';
                value = -value;
        }
        char *out = buffer + sign;
        size_t room = XPM_FLOAT_SIZE - sign;
        if (isinf(value))
                return sign + (size_t)snprintf(out, room, "inf");
        if (value == 0)
                return sign + (size_t)snprintf(out, room, "0.0");

        struct decimal decimal;
        if (value >= 1e-10 && value < 1e15)
                shortest_exact(&decimal, value);
        else
                shortest_by_trial(&decimal, value);
        if (decimal.point > -4 && decimal.point <= 16)
                return sign + format_fixed(out, &decimal);
        return sign + format_exponent(out, room, &decimal);
}

static int digit_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static void set(bool *flag, bool value)
{
        if (flag)
                *flag = value;
}

bool xpm_int_parse(const char *text, size_t length, int64_t *value, bool *overflow)
{
        set(overflow, false);
        const char *end = text + length;
        bool negative = length > 0 && *text == '-';
        if (length > 0 && (*text == '-' || *text == '+'))
                text++;
        uint64_t base = 10;
        if (end - text > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
                base = text[1] == 'x' ? 16 : 8;
                text += 2;
        }
        if (text == end)
                return false;
        uint64_t number = 0;
        bool beyond = false;
        for (; text < end; text++) {
                uint64_t digit = (uint64_t)digit_value(*text);
                if (digit >= base)
                        return false;
                beyond = beyond || __builtin_mul_overflow(number, base, &number) ||
                         __builtin_add_overflow(number, digit, &number);
        }
        if (beyond || number > (uint64_t)INT64_MAX + negative) {
                set(overflow, true);
                return false;
        }
        *value = negative ? (int64_t)(0 - number) : (int64_t)number;
        return true;
}

/* A float's spelling, taken apart: DIGITS times ten to the EXPONENT. */
struct spelling {
        char digits[DECISIVE_DIGITS + 2]; /* leading zeros dropped; a last 1 stands for what was left out */
        size_t count;
        int64_t exponent;
};

static void spelling_add(struct spelling *spelling, char digit, bool after_point)
{
        if (spelling->count == 0 && digit == '0') {
                spelling->exponent -= after_point;
                return;
        }
        if (spelling->count < DECISIVE_DIGITS) {
                spelling->digits[spelling->count++] = digit;
                spelling->exponent -= after_point;
                return;
        }
        spelling->exponent += !after_point;
        if (digit != '0' && spelling->count == DECISIVE_DIGITS) {
                spelling->digits[spelling->count++] = '1';
                spelling->exponent--;
        }
}

/* [eE][-+]?\d+ up to END; the exponent stops growing where no digit string in memory could make up for it. */
static bool read_exponent(const char *text, const char *end, int64_t *exponent)
{
        text++;
        bool negative = text < end && *text == '-';
        if (text < end && (*text == '-' || *text == '+'))
                text++;
        if (text == end)
                return false;
        int64_t number = 0;
        for (; text < end; text++) {
                if (!is_digit(*text))
                        return false;
                if (number < INT64_MAX / 100)
                        number = number * 10 + (*text - '0');
        }
        *exponent = negative ? -number : number;
        return true;
}

static bool spelling_read(struct spelling *spelling, const char *text, const char *end)
{
        spelling->count = 0;
        spelling->exponent = 0;
        bool digits = false, point = false;
        for (; text < end; text++) {
                if (*text == '.' && !point)
                        point = true;
                else if (is_digit(*text)) {
                        spelling_add(spelling, *text, point);
                        digits = true;
                } else
                        break;
        }
        int64_t exponent = 0;
        if (!digits || (text < end && ((*text | 0x20) != 'e' || !read_exponent(text, end, &exponent))))
                return false;
        spelling->exponent += exponent;
        return true;
}

static double spelling_value(const struct spelling *spelling)
{
        if (spelling->count == 0)
                return 0;
        int64_t exponent = spelling->exponent;
        if (spelling->count <= 15 && exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
                uint64_t digits = 0;
                for (size_t i = 0; i < spelling->count; i++)
                        digits = digits * 10 + (uint64_t)(spelling->digits[i] - '0');
                return exponent < 0 ? (double)digits / exact_powers[-exponent]
                                    : (double)digits * exact_powers[exponent];
        }
        if (exponent > 400)
                return INFINITY;
        if (exponent < -2000)
                return 0;
        char text[sizeof spelling->digits + 16];
        memcpy(text, spelling->digits, spelling->count);
        snprintf(text + spelling->count, sizeof text - spelling->count, "e%d", (int)exponent);
        return strtod(text, NULL);
}

static bool is_one_of(const char *text, size_t length, const char *const words[3])
{
        for (int i = 0; i < 3; i++)
                if (length == strlen(words[i]) && memcmp(text, words[i], length) == 0)
                        return true;
        return false;
}

bool xpm_float_parse(const char *text, size_t length, double *value, bool *overflow)
{
        static const char *const infinities[] = {".inf", ".Inf", ".INF"}, *const nans[] = {".nan", ".NaN", ".NAN"};
        set(overflow, false);
        if (is_one_of(text, length, nans)) {
                *value = NAN;
                return true;
        }
        const char *end = text + length;
        bool negative = length > 0 && *text == '-';
        if (length > 0 && (*text == '-' || *text == '+'))
                text++;
        double number = INFINITY;
        if (!is_one_of(text, (size_t)(end - text), infinities)) {
                struct spelling spelling;
                if (!spelling_read(&spelling, text, end))
                        return false;
                number = spelling_value(&spelling);
                if (isinf(number)) {
                        set(overflow, true);
                        return false;
                }
        }
        *value = negative ? -number : number;
        return true;
}
