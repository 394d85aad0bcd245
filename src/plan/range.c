/* Ranges are formulas, not sums: the i-th number does not depend on rounding in those before it, and never on a count
 * of steps that a float cannot hold. How many there are is estimated first and then settled by the formula itself. */
#include "plan/range.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "plan/scalar.h"

typedef struct numbers {
        const char *form;
        xpm_pos pos;
        xpm_value items[3];
        size_t count;
        bool ints; /* all of them */
} numbers;

static double as_double(const xpm_value *value)
{
        return value->kind == XPM_INT ? (double)value->integer : value->number;
}

static int read_numbers(xpm_arena *arena, const xpm_node *node, size_t least, size_t most, const char *expected,
                        numbers *out, xpm_error *err)
{
        const xpm_node *list = node->pairs[0].value;
        *out = (numbers){.form = node->pairs[0].key, .pos = node->pos, .ints = true};
        if (list->kind != XPM_NODE_SEQUENCE || list->item_count < least || list->item_count > most)
                return xpm_fail_at(err, list->pos, "'%s' takes %s", out->form, expected);
        for (size_t i = 0; i < list->item_count; i++) {
                const xpm_node *item = list->items[i];
                xpm_value *value = &out->items[i];
                int rc = item->kind == XPM_NODE_SCALAR ? xpm_scalar_resolve(arena, item, value, err) : 0;
                if (rc != 0)
                        return rc;
                if (value->kind == XPM_FLOAT && !isfinite(value->number))
                        value->kind = XPM_UNSET;
                if (value->kind != XPM_INT && value->kind != XPM_FLOAT)
                        return xpm_fail_at(err, item->pos, "'%s' takes %s, all of them finite numbers", out->form,
                                           expected);
                out->ints = out->ints && value->kind == XPM_INT;
        }
        out->count = list->item_count;
        return 0;
}

static int make(xpm_arena *arena, const numbers *n, double count, size_t limit, xpm_value **values, size_t *out,
                xpm_error *err)
{
        if (!(count > 0))
                return xpm_fail_at(err, n->pos, "this '%s' is empty", n->form);
        if (count > (double)limit)
                return xpm_fail_at(err, n->pos, "this '%s' has %.15g numbers, and a step has at most %zu combinations",
                                   n->form, count, limit);
        *out = (size_t)count;
        *values = xpm_arena_calloc(arena, *out, sizeof **values);
        return *values ? 0 : xpm_fail_memory(err);
}

/* Is START + i * STEP before STOP, and not only by a rounding. */
static bool is_before(double start, double stop, double step, double i)
{
        double left = step > 0 ? stop - (start + i * step) : start + i * step - stop;
        return left > fabs(step) / 1e9;
}

static double count_floats(double start, double stop, double step, double limit)
{
        double count = ceil((stop - start) / step);
        if (!(count < 2 * limit))
                return count;
        if (count < 0)
                count = 0;
        while (count > 0 && !is_before(start, stop, step, count - 1))
                count--;
        while (is_before(start, stop, step, count))
                count++;
        return count;
}

static double count_ints(int64_t start, int64_t stop, int64_t step)
{
        __int128 distance = (__int128)stop - start, by = step;
        if (by < 0) {
                distance = -distance;
                by = -by;
        }
        return distance <= 0 ? 0 : (double)((distance + by - 1) / by);
}

/* Unsigned, for i * step alone may leave 64 bits where the sum does not. */
static xpm_value nth_int(const numbers *n, size_t i)
{
        uint64_t sum = (uint64_t)n->items[0].integer + i * (uint64_t)n->items[2].integer;
        return (xpm_value){.kind = XPM_INT, .integer = (int64_t)sum};
}

static int read_range(xpm_arena *arena, const xpm_node *node, size_t limit, xpm_value **values, size_t *count,
                      xpm_error *err)
{
        numbers n;
        int rc = read_numbers(arena, node, 2, 3, "[start, stop] or [start, stop, step]", &n, err);
        if (rc != 0)
                return rc;
        if (n.count == 2)
                n.items[2] = (xpm_value){.kind = XPM_INT, .integer = 1};
        double start = as_double(&n.items[0]), step = as_double(&n.items[2]);
        if (step == 0)
                return xpm_fail_at(err, n.pos, "the step of a 'range' cannot be 0");
        double many = n.ints ? count_ints(n.items[0].integer, n.items[1].integer, n.items[2].integer)
                             : count_floats(start, as_double(&n.items[1]), step, (double)limit);
        rc = make(arena, &n, many, limit, values, count, err);
        for (size_t i = 0; rc == 0 && i < *count; i++)
                (*values)[i] =
                        n.ints ? nth_int(&n, i) : (xpm_value){.kind = XPM_FLOAT, .number = start + (double)i * step};
        return rc;
}

static int read_space(xpm_arena *arena, const xpm_node *node, bool logarithmic, size_t limit, xpm_value **values,
                      size_t *count, xpm_error *err)
{
        numbers n;
        int rc = read_numbers(arena, node, 3, 3, "[first, last, how many]", &n, err);
        if (rc != 0)
                return rc;
        if (n.items[2].kind != XPM_INT)
                return xpm_fail_at(err, n.pos, "how many numbers a '%s' has must be an int", n.form);
        double a = as_double(&n.items[0]), b = as_double(&n.items[1]);
        rc = make(arena, &n, (double)n.items[2].integer, limit, values, count, err);
        for (size_t i = 0; rc == 0 && i < *count; i++) {
                double x = i == 0 ? a : a + (double)i * ((b - a) / (double)(*count - 1));
                if (i > 0 && i + 1 == *count)
                        x = b;
                x = logarithmic ? pow(10, x) : x;
                (*values)[i] = (xpm_value){.kind = XPM_FLOAT, .number = x};
                if (!isfinite(x))
                        rc = xpm_fail_at(err, n.pos, "number %zu of this '%s' is too big for a float", i + 1, n.form);
        }
        return rc;
}

static int read_mult(xpm_arena *arena, const xpm_node *node, size_t limit, xpm_value **values, size_t *count,
                     xpm_error *err)
{
        numbers n;
        int rc = read_numbers(arena, node, 3, 3, "[start, how many, factor]", &n, err);
        if (rc != 0)
                return rc;
        if (n.items[1].kind != XPM_INT)
                return xpm_fail_at(err, n.pos, "how many numbers a '%s' has must be an int", n.form);
        double start = as_double(&n.items[0]), factor = as_double(&n.items[2]);
        int64_t integer = n.items[0].integer;
        bool overflow = false;
        rc = make(arena, &n, (double)n.items[1].integer, limit, values, count, err);
        for (size_t i = 0; rc == 0 && i < *count; i++) {
                double x = start * pow(factor, (double)i);
                (*values)[i] = n.ints ? (xpm_value){.kind = XPM_INT, .integer = integer}
                                      : (xpm_value){.kind = XPM_FLOAT, .number = x};
                if (n.ints ? overflow : !isfinite(x))
                        rc = xpm_fail_at(err, n.pos, "number %zu of this '%s' is too big for %s", i + 1, n.form,
                                         n.ints ? "an int" : "a float");
                overflow = n.ints && (overflow || __builtin_mul_overflow(integer, n.items[2].integer, &integer));
        }
        return rc;
}

int xpm_range_read(xpm_arena *arena, const xpm_node *node, size_t limit, xpm_value **values, size_t *count,
                   xpm_error *err)
{
        const char *form = node->pairs[0].key;
        if (strcmp(form, "range") == 0)
                return read_range(arena, node, limit, values, count, err);
        if (strcmp(form, "range_mult") == 0)
                return read_mult(arena, node, limit, values, count, err);
        return read_space(arena, node, strcmp(form, "logspace") == 0, limit, values, count, err);
}
