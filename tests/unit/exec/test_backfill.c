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
        xpm_tenant tenants[] = {{{4, 0, 0}, 9000, false}, {{2, 0, 0}, 5000, false}};
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
        xpm_tenant tenants[] = {{{6, 0, 0}, 5000, false}};
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
        xpm_tenant tenants[] = {{{6, 0, 0}, INT64_MAX, false}};
        xpm_reservation reservation = xpm_reserve(&eight, &two, tenants, 1, 7, 8);
        assert_int_equal(reservation.at, INT64_MAX);
        assert_true(xpm_may_pass(&reservation, &one, 0, 0));
        assert_false(xpm_may_pass(&reservation, &two, 0, 0));
        reservation = xpm_reserve(&eight, &two, tenants, 1, 9, 8);
        assert_false(xpm_may_pass(&reservation, &one, 0, 10));
}

static void who_waits_for_memory_does_not_keep_cores_idle(void **state)
{
        (void)state;
        const xpm_amount big = {1, 0, 60}, free_ = {6, 0, 50}, six = {6, 0, 40}, greedy = {1, 0, 41};
        xpm_tenant tenants[] = {{{1, 0, 50}, INT64_MAX, false}, {{1, 0, 0}, INT64_MAX, false}};
        xpm_reservation reservation = xpm_reserve(&big, &free_, tenants, 2, 1000, 8);
        assert_int_equal(reservation.at, INT64_MAX);
        assert_true(xpm_may_pass(&reservation, &six, 0, 0));
        assert_false(xpm_may_pass(&reservation, &greedy, 0, 0));
        assert_false(xpm_may_pass(&reservation, &eight, 0, 0));
}

/* Else passers could follow each other for ever: each would be told that the one before it will end. */
static void what_passers_hold_is_not_left_over(void **state)
{
        (void)state;
        const xpm_amount big = {1, 0, 60}, free_ = {6, 0, 0}, some = {1, 0, 1};
        xpm_tenant tenants[] = {{{1, 0, 50}, INT64_MAX, false}, {{1, 0, 50}, INT64_MAX, true}};
        xpm_reservation reservation = xpm_reserve(&big, &free_, tenants, 2, 1000, 8);
        assert_int_equal(reservation.at, INT64_MAX);
        assert_false(xpm_may_pass(&reservation, &one, 0, 0));
        tenants[1].passer = tenants[0].passer;
        reservation = xpm_reserve(&big, &free_, tenants, 2, 1000, 8);
        assert_true(xpm_may_pass(&reservation, &one, 0, 0));
        assert_true(xpm_may_pass(&reservation, &some, 0, 0));
}

static void jobs_that_share_cores_leave_no_more_than_there_are(void **state)
{
        (void)state;
        const xpm_amount none = {0};
        xpm_tenant tenants[8];
        for (size_t i = 0; i < 8; i++)
                tenants[i] = (xpm_tenant){{1, 0, 0}, INT64_MAX, false};
        xpm_reservation reservation = xpm_reserve(&two, &none, tenants, 8, 2, 2);
        assert_false(xpm_may_pass(&reservation, &one, 0, 0));
}

static void enough_without_a_place_is_no_reservation(void **state)
{
        (void)state;
        /* Two devices are free, and of the wrong kind. */
        const xpm_amount need = {1, 1, 0}, free_ = {4, 2, 0};
        xpm_tenant tenants[] = {{{1, 1, 0}, 5000, false}};
        xpm_reservation reservation = xpm_reserve(&need, &free_, tenants, 1, 0, 4);
        assert_int_equal(reservation.at, INT64_MAX);
        assert_int_equal(reservation.patience, 4);
}

/* A host of 16 cores, a queue at random, jobs that end when they said or earlier: every job starts, the wide ones and
 * those with much memory included, although small ones never cease to come while they wait. Of half of the queues all
 * durations are known, of the others those of some jobs. */
static void no_job_waits_for_ever(void **state)
{
        (void)state;
        enum { CORES = 16, MEMORY = 100, JOBS = 3000, WINDOW = 64 };
        for (unsigned seed = 1; seed <= 6; seed++) {
                struct job {
                        xpm_amount amount;
                        int64_t duration, ends;
                        bool queued, runs, timed;
                        size_t passed;
                        const struct job *passed_by;
                } jobs[JOBS];
                unsigned random = seed;
                for (int i = 0; i < JOBS; i++) {
                        bool wide = rand_r(&random) % 20 == 0, heavy = rand_r(&random) % 20 == 0;
                        jobs[i] = (struct job){.amount = {wide ? CORES : 1 + (size_t)rand_r(&random) % 3, 0,
                                                          heavy ? MEMORY - 10 : (uint64_t)rand_r(&random) % 20},
                                               .duration = 1 + rand_r(&random) % 50,
                                               .timed = seed % 2 || rand_r(&random) % 3 == 0,
                                               .queued = true};
                }
                xpm_amount have = {CORES, 0, MEMORY};
                size_t head = 0, waited = 0, longest = 0;
                for (int64_t now = 0; head < JOBS; now++) {
                        for (int i = 0; i < JOBS; i++)
                                if (jobs[i].runs && jobs[i].ends <= now) {
                                        jobs[i].runs = false;
                                        have.cores += jobs[i].amount.cores;
                                        have.memory += jobs[i].amount.memory;
                                }
                        for (size_t at = head; at < JOBS && at < head + WINDOW; at++) {
                                struct job *first = &jobs[head], *job = &jobs[at];
                                xpm_tenant tenants[CORES];
                                size_t count = 0;
                                if (!job->queued || job->amount.cores > have.cores || job->amount.memory > have.memory)
                                        continue;
                                for (int i = 0; i < JOBS; i++)
                                        if (jobs[i].runs)
                                                tenants[count++] = (xpm_tenant){
                                                        jobs[i].amount, jobs[i].timed ? jobs[i].ends : INT64_MAX,
                                                        jobs[i].passed_by == first};
                                xpm_reservation reservation =
                                        xpm_reserve(&first->amount, &have, tenants, count, first->passed, CORES);
                                if (at > head &&
                                    !xpm_may_pass(&reservation, &job->amount, now, job->timed ? job->duration : 0))
                                        continue;
                                job->passed_by = at > head ? first : NULL;
                                if (at > head)
                                        first->passed += job->amount.cores;
                                job->queued = false;
                                job->runs = true;
                                job->ends = now + job->duration;
                                have.cores -= job->amount.cores;
                                have.memory -= job->amount.memory;
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
                cmocka_unit_test(who_waits_for_memory_does_not_keep_cores_idle),
                cmocka_unit_test(what_passers_hold_is_not_left_over),
                cmocka_unit_test(jobs_that_share_cores_leave_no_more_than_there_are),
                cmocka_unit_test(enough_without_a_place_is_no_reservation),
                cmocka_unit_test(no_job_waits_for_ever),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
