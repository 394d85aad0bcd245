#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/backfill.h"

static const xpm_amount eight = {8, 0, 0}, two = {2, 0, 0}, one = {1, 0, 0};

static void a_short_job_passes_and_a_long_one_does_not(void **state)
{
        (void)state;
        xpm_tenant tenants[] = {{{4, 0, 0}, 9000}, {{2, 0, 0}, 5000}};
        xpm_reservation reservation = xpm_reserve(&eight, &two, tenants, 2, 0, 8);
        assert_int_equal(reservation.at, 9000);
        assert_true(xpm_may_pass(&reservation, &one, 1000, 8000));
        assert_false(xpm_may_pass(&reservation, &one, 1000, 8001));
        assert_false(xpm_may_pass(&reservation, &one, 1000, 0));
}

static void what_is_left_over_may_be_used_for_long(void **state)
{
        (void)state;
        const xpm_amount six = {6, 0, 100}, free_ = {2, 0, 400};
        xpm_tenant tenants[] = {{{6, 0, 0}, 5000}};
        xpm_reservation reservation = xpm_reserve(&six, &free_, tenants, 1, 0, 8);
        assert_int_equal(reservation.at, 5000);
        assert_int_equal(reservation.spare.cores, 2);
        assert_int_equal(reservation.spare.memory, 300);
        assert_true(xpm_may_pass(&reservation, &two, 0, 0));
        const xpm_amount three = {3, 0, 0}, heavy = {1, 0, 301};
        assert_false(xpm_may_pass(&reservation, &three, 0, 0));
        assert_false(xpm_may_pass(&reservation, &heavy, 0, 0));
}

static void without_durations_a_host_full_may_pass(void **state)
{
        (void)state;
        xpm_tenant tenants[] = {{{6, 0, 0}, INT64_MAX}};
        xpm_reservation reservation = xpm_reserve(&eight, &two, tenants, 1, 7, 8);
        assert_int_equal(reservation.at, INT64_MAX);
        assert_true(xpm_may_pass(&reservation, &one, 0, 0));
        assert_false(xpm_may_pass(&reservation, &two, 0, 0));
        reservation = xpm_reserve(&eight, &two, tenants, 1, 9, 8);
        assert_false(xpm_may_pass(&reservation, &one, 0, 10));
}

static void enough_without_a_place_is_no_reservation(void **state)
{
        (void)state;
        /* Two devices are free, and of the wrong kind. */
        const xpm_amount need = {1, 1, 0}, free_ = {4, 2, 0};
        xpm_tenant tenants[] = {{{1, 1, 0}, 5000}};
        xpm_reservation reservation = xpm_reserve(&need, &free_, tenants, 1, 0, 4);
        assert_int_equal(reservation.at, INT64_MAX);
        assert_int_equal(reservation.patience, 4);
}

/* A host of 16 cores, a queue at random, jobs that end when they said or earlier: every job starts, the wide ones
 * included, although small ones never cease to come while they wait. */
static void no_job_waits_for_ever(void **state)
{
        (void)state;
        enum { CORES = 16, JOBS = 3000, WINDOW = 64 };
        for (unsigned seed = 1; seed <= 6; seed++) {
                struct job {
                        size_t cores;
                        int64_t duration, ends;
                        bool queued, runs;
                        size_t passed;
                } jobs[JOBS];
                unsigned random = seed;
                bool timed = seed % 2;
                for (int i = 0; i < JOBS; i++)
                        jobs[i] = (struct job){.cores = rand_r(&random) % 20 == 0 ? CORES
                                                                                  : 1 + (size_t)rand_r(&random) % 3,
                                               .duration = 1 + rand_r(&random) % 50,
                                               .queued = true};
                size_t used = 0, head = 0, waited = 0, longest = 0;
                for (int64_t now = 0; head < JOBS; now++) {
                        for (int i = 0; i < JOBS; i++)
                                if (jobs[i].runs && jobs[i].ends <= now) {
                                        jobs[i].runs = false;
                                        used -= jobs[i].cores;
                                }
                        for (size_t at = head; at < JOBS && at < head + WINDOW; at++) {
                                struct job *first = &jobs[head], *job = &jobs[at];
                                xpm_tenant tenants[CORES];
                                size_t count = 0;
                                if (!job->queued || used + job->cores > CORES)
                                        continue;
                                for (int i = 0; i < JOBS; i++)
                                        if (jobs[i].runs)
                                                tenants[count++] = (xpm_tenant){{jobs[i].cores, 0, 0},
                                                                                timed ? jobs[i].ends : INT64_MAX};
                                const xpm_amount need = {first->cores, 0, 0}, have = {CORES - used, 0, 0},
                                                 amount = {job->cores, 0, 0};
                                xpm_reservation reservation =
                                        xpm_reserve(&need, &have, tenants, count, first->passed, CORES);
                                if (at > head && !xpm_may_pass(&reservation, &amount, now, timed ? job->duration : 0))
                                        continue;
                                if (at > head)
                                        first->passed += job->cores;
                                job->queued = false;
                                job->runs = true;
                                job->ends = now + job->duration;
                                used += job->cores;
                                assert_true(used <= CORES);
                                waited = at == head ? 0 : waited;
                        }
                        size_t before = head;
                        while (head < JOBS && !jobs[head].queued)
                                head++;
                        waited = head == before ? waited + 1 : 0;
                        longest = waited > longest ? waited : longest;
                        assert_true(longest < 400);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_short_job_passes_and_a_long_one_does_not),
                cmocka_unit_test(what_is_left_over_may_be_used_for_long),
                cmocka_unit_test(without_durations_a_host_full_may_pass),
                cmocka_unit_test(enough_without_a_place_is_no_reservation),
                cmocka_unit_test(no_job_waits_for_ever),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
