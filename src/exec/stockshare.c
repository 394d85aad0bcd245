#include "exec/stockshare.h"

#include <stdlib.h>

static int by_ticket(const void *a, const void *b)
{
        /* 0 becomes the greatest. */
        uint64_t left = ((const xpm_party *)a)->ticket - 1, right = ((const xpm_party *)b)->ticket - 1;
        return (left > right) - (left < right);
}

size_t xpm_parties_sort(xpm_party *parties, size_t count)
{
        size_t me = 0;
        qsort(parties, count, sizeof *parties, by_ticket);
        while (me + 1 < count && !parties[me].is_me)
                me++;
        return me;
}

static size_t least(size_t a, size_t b)
{
        return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
        return a > b ? a : b;
}

/* A minus B, not below 0. */
static size_t beyond(size_t a, size_t b)
{
        return a > b ? a - b : 0;
}

static size_t filled(const xpm_party *parties, size_t count, size_t level)
{
        size_t sum = 0;
        for (size_t i = 0; i < count; i++)
                sum += least(level, parties[i].ticket ? parties[i].usable : parties[i].held[XPM_STOCK_CORES]);
        return sum;
}

size_t xpm_parties_share(const xpm_party *parties, size_t count, size_t supply)
{
        size_t low = 0, high = supply;
        while (low < high) {
                size_t middle = high - (high - low) / 2;
                if (filled(parties, count, middle) <= supply)
                        low = middle;
                else
                        high = middle - 1;
        }
        return low;
}

static bool is_wide(const xpm_party *party, size_t share)
{
        return party->job_cores > share;
}

static size_t missing(const xpm_party *party, size_t share, size_t kind)
{
        if (!party->ticket)
                return 0;
        size_t misses = beyond(party->target[kind], party->held[kind]);
        if (kind == XPM_STOCK_CORES && !is_wide(party, share))
                return least(misses, beyond(share, party->held[kind]));
        return misses;
}

void xpm_parties_allow(const xpm_party *parties, size_t count, size_t me, size_t share,
                       const size_t free[XPM_STOCK_KINDS], size_t out[XPM_STOCK_KINDS])
{
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                size_t rest = free[kind], mine = 0;
                for (size_t i = 0; i < count; i++) {
                        size_t part = least(rest, missing(&parties[i], share, kind));
                        rest -= part;
                        if (i == me)
                                mine = part;
                }
                out[kind] = mine + rest;
        }
}

/* How much of a kind ME keeps although another one waits for it. */
static size_t kept(const xpm_party *me, const xpm_party *other, bool me_first, size_t share, size_t kind)
{
        if (kind != XPM_STOCK_CORES)
                return me_first ? me->target[kind] : 0;
        size_t wide = me_first && is_wide(me, share) ? me->target[kind] : 0;
        size_t even = me_first || !is_wide(other, share) ? share : 0;
        return most(wide, even);
}

static size_t due(const xpm_party *parties, size_t count, size_t me, size_t share, size_t kind, size_t rest,
                  size_t idle)
{
        const xpm_party *mine = &parties[me];
        bool waits = mine->ticket != 0;
        size_t given = 0;
        for (size_t i = 0; i < count; i++) {
                /* We do not wait for a kind that we have to give: what is free is for the others. */
                if (i == me)
                        continue;
                size_t misses = missing(&parties[i], share, kind), part = least(rest, misses);
                rest -= part;
                size_t keep = kept(mine, &parties[i], waits && me < i, share, kind);
                given += least(misses - part, least(idle - given, beyond(mine->held[kind] - given, keep)));
        }
        return given;
}

void xpm_parties_due(const xpm_party *parties, size_t count, size_t me, size_t share,
                     const size_t free[XPM_STOCK_KINDS], const size_t idle[XPM_STOCK_KINDS],
                     size_t out[XPM_STOCK_KINDS])
{
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                out[kind] = due(parties, count, me, share, kind, free[kind], least(idle[kind], parties[me].held[kind]));
}

bool xpm_parties_may_owe(const xpm_party *parties, size_t count, size_t me, size_t low, size_t high,
                         const size_t idle[XPM_STOCK_KINDS])
{
        for (size_t i = 0; i < count; i++) {
                const xpm_party *party = &parties[i];
                if (i == me || !party->ticket)
                        continue;
                for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                        bool misses = idle[kind] > 0 && party->held[kind] < party->target[kind];
                        bool owed = kind != XPM_STOCK_CORES || is_wide(party, low) ||
                                    (party->held[kind] < high && parties[me].held[kind] > low);
                        if (misses && owed)
                                return true;
                }
        }
        return false;
}
