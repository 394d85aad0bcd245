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
                for (; next < count && tenants[next].ends == at; next++) {
                        have.cores += tenants[next].amount.cores;
                        have.gpus += tenants[next].amount.gpus;
                        have.memory += tenants[next].amount.memory;
                }
        }
        /* Covered already, and still without a place: the kinds of devices are the matter, of which no numbers tell. */
        if (at == INT64_MIN || !covers(&have, need))
                return reservation;
        reservation.at = at;
        reservation.spare = (xpm_amount){have.cores - need->cores, have.gpus - need->gpus, have.memory - need->memory};
        return reservation;
}

bool xpm_may_pass(const xpm_reservation *reservation, const xpm_amount *amount, int64_t now, int64_t duration)
{
        if (reservation->at == INT64_MAX)
                return amount->cores <= reservation->patience;
        if (duration > 0 && duration <= INT64_MAX - now && now + duration <= reservation->at)
                return true;
        return covers(&reservation->spare, amount);
}
