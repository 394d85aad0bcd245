#include "exec/backfill.h"

#include <stdlib.h>

xpm_amount xpm_amount_of(const xpm_demand *demand)
{
        return (xpm_amount){demand->cores, demand->gpu_count, demand->memory};
}

static int by_end(const void *a, const void *b)
{
        const xpm_tenant *x = a, *y = b;
        return (x->ends > y->ends) - (x->ends < y->ends);
}

static bool covers(const xpm_amount *have, const xpm_amount *need)
{
        return have->cores >= need->cores && have->gpus >= need->gpus && have->memory >= need->memory;
}

static void add(xpm_amount *to, const xpm_amount *amount)
{
        to->cores += amount->cores;
        to->gpus += amount->gpus;
        to->memory += amount->memory;
}

static xpm_amount beyond(const xpm_amount *have, const xpm_amount *need)
{
        return (xpm_amount){have->cores - need->cores, have->gpus - need->gpus, have->memory - need->memory};
}

/* What is left over when those have ended who did not pass by; nothing when that is not enough. Jobs that share a core
 * have one each: together they do not have more than there are. */
static xpm_amount left_at_last(const xpm_amount *need, const xpm_amount *free, const xpm_tenant *tenants, size_t count,
                               size_t cores)
{
        xpm_amount have = *free;
        for (size_t i = 0; i < count; i++)
                if (!tenants[i].passer)
                        add(&have, &tenants[i].amount);
        have.cores = have.cores < cores ? have.cores : cores;
        return covers(&have, need) ? beyond(&have, need) : (xpm_amount){0};
}

xpm_reservation xpm_reserve(const xpm_amount *need, const xpm_amount *free, xpm_tenant *tenants, size_t count,
                            size_t passed, size_t cores)
{
        xpm_reservation reservation = {.at = INT64_MAX, .patience = passed < cores ? cores - passed : 0};
        xpm_amount have = *free;
        int64_t at = INT64_MIN;
        size_t next = 0;
        qsort(tenants, count, sizeof *tenants, by_end);
        while (!covers(&have, need) && next < count && tenants[next].ends < INT64_MAX) {
                at = tenants[next].ends;
                /* Those that end at one time end together. */
                for (; next < count && tenants[next].ends == at; next++)
                        add(&have, &tenants[next].amount);
        }
        if (!covers(&have, need)) {
                reservation.spare = left_at_last(need, free, tenants, count, cores);
        } else if (at > INT64_MIN) {
                reservation.at = at;
                reservation.spare = beyond(&have, need);
        } /* else the kinds of devices are the matter, of which no numbers tell */
        return reservation;
}

bool xpm_may_pass(const xpm_reservation *reservation, const xpm_amount *amount, int64_t now, int64_t duration)
{
        if (covers(&reservation->spare, amount))
                return true;
        if (reservation->at == INT64_MAX)
                return amount->cores <= reservation->patience;
        return duration > 0 && duration <= INT64_MAX - now && now + duration <= reservation->at;
}
