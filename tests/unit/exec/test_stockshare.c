/* A party is written as {ticket, held, target, job's cores, usable} of cores, "me" first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exec/stockshare.h"

enum { PARTIES = 4, ALL = 16 };

struct line {
        const char *what;
        struct {
                uint64_t ticket;
                size_t held, target, job;
        } parties[PARTIES];
        size_t count, free, idle;   /* idle: of me */
        size_t share, allowed, due; /* expected */
};

static size_t arrange(const struct line *line, enum xpm_stock_kind kind, xpm_party *parties)
{
        for (size_t i = 0; i < line->count; i++) {
                parties[i] = (xpm_party){.ticket = line->parties[i].ticket,
                                         .job_cores = line->parties[i].job,
                                         .usable = ALL,
                                         .is_me = i == 0};
                parties[i].held[kind] = line->parties[i].held;
                parties[i].target[kind] = line->parties[i].target;
        }
        return xpm_parties_sort(parties, line->count);
}

static void check(const struct line *line, enum xpm_stock_kind kind)
{
        xpm_party parties[PARTIES];
        size_t free[XPM_STOCK_KINDS] = {0}, idle[XPM_STOCK_KINDS] = {0}, allowed[XPM_STOCK_KINDS], due[XPM_STOCK_KINDS];
        size_t me = arrange(line, kind, parties);
        size_t share = kind == XPM_STOCK_CORES ? xpm_parties_share(parties, line->count, ALL) : 0;
        free[kind] = line->free;
        idle[kind] = line->idle;
        xpm_parties_allow(parties, line->count, me, share, free, allowed);
        xpm_parties_due(parties, line->count, me, share, free, idle, due);
        bool may_owe = xpm_parties_may_owe(parties, line->count, me, share, share, idle);
        if (share != line->share || allowed[kind] != line->allowed || due[kind] != line->due)
                fail_msg("%s: share %zu, allowed %zu, due %zu", line->what, share, allowed[kind], due[kind]);
        if (due[kind] > 0 && !may_owe)
                fail_msg("%s: something is due that could not be", line->what);
}

static void cores_go_by_even_shares_and_wide_jobs_by_tickets(void **state)
{
        (void)state;
        static const struct line lines[] = {
                {"alone", {{1, 4, 8, 4}}, 1, 12, 4, 16, 12, 0},
                {"nobody waits", {{0, 10, 0, 0}, {0, 2, 0, 0}}, 2, 4, 10, 16, 4, 0},
                {"beyond the share", {{0, 16, 0, 0}, {1, 0, 1, 1}}, 2, 0, 10, 8, 0, 1},
                {"beyond the share, both wait", {{1, 16, 17, 1}, {2, 0, 6, 6}}, 2, 0, 10, 8, 0, 6},
                {"no more than is idle", {{1, 16, 17, 1}, {2, 0, 6, 6}}, 2, 0, 3, 8, 0, 3},
                {"no more than what is beyond", {{1, 10, 11, 1}, {2, 5, 13, 8}}, 2, 1, 10, 8, 0, 2},
                {"the share itself is kept", {{2, 8, 9, 1}, {1, 8, 9, 1}}, 2, 0, 8, 8, 0, 0},
                {"who does not wait is content", {{1, 12, 13, 1}, {2, 2, 3, 1}, {0, 2, 0, 0}}, 3, 0, 12, 7, 0, 1},
                {"what is free comes first", {{2, 12, 13, 1}, {1, 2, 4, 2}}, 2, 2, 12, 8, 0, 0},
                {"what is left when others have theirs", {{2, 9, 12, 1}, {1, 2, 4, 2}}, 2, 5, 0, 8, 3, 0},
                {"a wide job gets everything idle", {{0, 4, 0, 0}, {1, 2, 14, 14}}, 2, 1, 4, 12, 0, 4},
                {"but no more than it misses", {{0, 6, 0, 0}, {1, 10, 14, 14}}, 2, 0, 6, 10, 0, 4},
                {"also of who waits after it", {{2, 4, 5, 1}, {1, 6, 16, 16}}, 2, 0, 4, 8, 0, 4},
                {"of who waits before it what is beyond the share", {{1, 9, 10, 1}, {2, 6, 16, 16}}, 2, 1, 9, 8, 0, 1},
                {"gatherers: the later gives", {{2, 8, 16, 16}, {1, 8, 16, 16}}, 2, 0, 8, 8, 0, 8},
                {"gatherers: the earlier keeps", {{1, 8, 16, 16}, {2, 8, 16, 16}}, 2, 0, 8, 8, 0, 0},
                {"gatherers: the earlier takes", {{1, 6, 16, 16}, {2, 6, 16, 16}}, 2, 4, 6, 8, 4, 0},
                {"gatherers: the later does not", {{2, 6, 16, 16}, {1, 6, 16, 16}}, 2, 4, 0, 8, 0, 0},
                {"gatherers: what is not needed", {{1, 12, 10, 10}, {2, 4, 16, 16}}, 2, 0, 12, 8, 0, 2},
                {"in order: a narrow one first", {{3, 10, 11, 1}, {1, 2, 3, 1}, {2, 4, 12, 12}}, 3, 0, 6, 5, 0, 6},
                {"in order: after both", {{3, 0, 1, 1}, {1, 2, 3, 1}, {2, 4, 12, 12}}, 3, 9, 0, 5, 0, 0},
                {"in order: something left", {{3, 0, 1, 1}, {1, 2, 3, 1}, {2, 4, 12, 12}}, 3, 10, 0, 5, 1, 0},
        };
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
                check(&lines[i], XPM_STOCK_CORES);
}

static void devices_and_memory_go_by_tickets(void **state)
{
        (void)state;
        static const struct line lines[] = {
                {"nobody waits", {{0, 3, 0, 0}, {0, 2, 0, 0}}, 2, 3, 2, 0, 3, 0},
                {"all that is idle", {{0, 3, 0, 0}, {1, 0, 2, 0}}, 2, 0, 3, 0, 0, 2},
                {"the earlier keeps what it needs", {{1, 3, 2, 0}, {2, 0, 2, 0}}, 2, 0, 3, 0, 0, 1},
                {"the later keeps nothing", {{2, 3, 4, 0}, {1, 0, 4, 0}}, 2, 1, 3, 0, 0, 3},
                {"and takes what is left", {{2, 0, 4, 0}, {1, 1, 2, 0}}, 2, 3, 0, 0, 2, 0},
        };
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
                check(&lines[i], XPM_STOCK_GPUS);
                check(&lines[i], XPM_STOCK_MEMORY);
        }
}

/* Whoever waits longest has, after some rounds in which all give what is due and take what is allowed, what he needs.
 * All others hold what they like, and all that they hold becomes idle in turn. */
static void who_waits_longest_gets_it_from_every_start(void **state)
{
        (void)state;
        for (size_t a = 0; a <= ALL; a++)
                for (size_t b = 0; a + b <= ALL; b++)
                        for (size_t need = 1; need <= ALL; need++)
                                for (size_t wide = 1; wide <= ALL; wide += 5) {
                                        const size_t none[XPM_STOCK_KINDS] = {0};
                                        xpm_party parties[3] = {
                                                {.ticket = 1, .target = {need}, .job_cores = need, .usable = ALL},
                                                {.ticket = 2,
                                                 .held = {a},
                                                 .target = {a + wide},
                                                 .job_cores = wide,
                                                 .usable = ALL},
                                                {.held = {b}, .usable = ALL},
                                        };
                                        size_t free[XPM_STOCK_KINDS] = {ALL - a - b}, out[XPM_STOCK_KINDS], rounds = 0;
                                        while (parties[0].held[0] < need && rounds++ < 3)
                                                for (size_t me = 3; me-- > 0;) {
                                                        size_t share = xpm_parties_share(parties, 3, ALL);
                                                        xpm_parties_due(parties, 3, me, share, free,
                                                                        me ? parties[me].held : none, out);
                                                        parties[me].held[0] -= out[0];
                                                        free[0] += out[0];
                                                        xpm_parties_allow(parties, 3, me, share, free, out);
                                                        parties[me].held[0] += out[0];
                                                        free[0] -= out[0];
                                                }
                                        if (parties[0].held[0] < need)
                                                fail_msg("%zu of %zu while others had %zu and %zu", parties[0].held[0],
                                                         need, a, b);
                                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cores_go_by_even_shares_and_wide_jobs_by_tickets),
                cmocka_unit_test(devices_and_memory_go_by_tickets),
                cmocka_unit_test(who_waits_longest_gets_it_from_every_start),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
