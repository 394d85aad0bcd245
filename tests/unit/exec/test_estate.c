/* Jobs on a host of four cores, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/estate.h"
#include "stocks.h"

enum { CORES = 4, LOTS = 16 };

static int enter(void **state)
{
        int rc = stocks_enter(state);
        setenv("HWLOC_SYNTHETIC", "numa:1(memory=8GiB) core:4 pu:1", 1);
        return rc;
}

static int leave(void **state)
{
        unsetenv("HWLOC_SYNTHETIC");
        setenv("XPM_STOCK", "private", 1);
        return place_leave(state);
}

static xpm_estate *open_with(const xpm_estate_options *options)
{
        xpm_estate *estate;
        xpm_text note = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_estate_open(options, &estate, &note, &err) != 0)
                fail_msg("%s", err.message);
        assert_string_equal(xpm_text_string(&note), "");
        xpm_text_release(&note);
        return estate;
}

/* With nobody beside it. */
static xpm_estate *open_alone(size_t at_once)
{
        return open_with(&(xpm_estate_options){.at_once = at_once, .stock = -1});
}

static const xpm_need narrow = {.cores = 1}, two = {.cores = 2}, wide = {.cores = CORES},
                      nothing = {.cores = 1, .implied = true};

/* A pass for one job alone, that no other waits before. */
static bool take(xpm_estate *estate, const xpm_need *need, xpm_lot *lot)
{
        xpm_pass pass;
        size_t passed = 0;
        xpm_estate_begin(estate, &pass, 0);
        bool taken = xpm_estate_take(estate, &pass, need, &passed, lot);
        xpm_estate_end(estate);
        return taken;
}

/* A pass at NOW over FIRST, of which *PASSED is kept, which must find no place, and SECOND. */
static bool take_behind(xpm_estate *estate, int64_t now, const xpm_need *first, size_t *passed, const xpm_need *second,
                        xpm_lot *lot)
{
        xpm_pass pass;
        xpm_lot none;
        size_t others = 0;
        xpm_estate_begin(estate, &pass, now);
        assert_false(xpm_estate_take(estate, &pass, first, passed, &none));
        bool taken = xpm_estate_take(estate, &pass, second, &others, lot);
        xpm_estate_end(estate);
        return taken;
}

static size_t core_count(const xpm_lot *lot)
{
        return xpm_bits_count(&lot->portion.cores);
}

static void each_job_has_cores_of_its_own(void **state)
{
        (void)state;
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[3];
        assert_true(take(estate, &two, &lots[0]));
        assert_true(take(estate, &narrow, &lots[1]));
        assert_false(take(estate, &two, &lots[2]));
        assert_int_equal(core_count(&lots[0]), 2);
        assert_int_equal(core_count(&lots[1]), 1);
        assert_false(xpm_bits_meet(&lots[0].portion.cores, &lots[1].portion.cores));
        assert_false(xpm_estate_is_waiting(estate)); /* for no other worker */
        xpm_estate_give(estate, &lots[1]);
        assert_true(take(estate, &two, &lots[2]));
        assert_false(xpm_bits_meet(&lots[0].portion.cores, &lots[2].portion.cores));
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_give(estate, &lots[2]);
        xpm_estate_close(estate);
}

static void memory_that_is_taken_is_not_for_others(void **state)
{
        (void)state;
        const xpm_need most = {.cores = 1, .memory = 6 * GIB}, more = {.cores = 1, .memory = 3 * GIB},
                       rest = {.cores = 1, .memory = 2 * GIB};
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[3];
        assert_true(take(estate, &most, &lots[0]));
        assert_false(take(estate, &more, &lots[1]));
        assert_true(take(estate, &rest, &lots[1]));
        assert_true(take(estate, &narrow, &lots[2])); /* who asks for none is not counted */
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_give(estate, &lots[1]);
        xpm_estate_give(estate, &lots[2]);
        xpm_estate_close(estate);
}

static void wide_job_is_passed_by_so_many_and_no_more(void **state)
{
        (void)state;
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[CORES + 1];
        size_t passed = 0, count = 0;
        assert_true(take(estate, &narrow, &lots[CORES]));
        /* A core is free the whole time: for others as often as there are cores, then it is kept. */
        while (count <= CORES && take_behind(estate, 0, &wide, &passed, &narrow, &lots[0])) {
                xpm_estate_give(estate, &lots[0]);
                count++;
        }
        assert_int_equal(count, CORES);
        assert_int_equal(passed, CORES);
        xpm_estate_give(estate, &lots[CORES]);
        assert_true(take(estate, &wide, &lots[0]));
        assert_int_equal(core_count(&lots[0]), CORES);
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_close(estate);
}

static void who_is_over_by_then_may_pass_a_wide_job(void **state)
{
        (void)state;
        const xpm_need running = {.cores = 3, .duration = 100}, brief = {.cores = 1, .duration = 60},
                       lengthy = {.cores = 1, .duration = 61};
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[2];
        size_t passed = 0;
        assert_true(take(estate, &running, &lots[0])); /* until 100 s */
        const int64_t now = 40000;
        assert_false(take_behind(estate, now, &wide, &passed, &lengthy, &lots[1]));
        assert_false(take_behind(estate, now, &wide, &passed, &narrow, &lots[1]));
        for (size_t i = 0; i < 2 * CORES; i++) { /* it does no harm, however often */
                assert_true(take_behind(estate, now, &wide, &passed, &brief, &lots[1]));
                assert_int_equal(lots[1].ends, 100000);
                xpm_estate_give(estate, &lots[1]);
        }
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_close(estate);
}

static void what_is_left_over_then_is_for_others(void **state)
{
        (void)state;
        const xpm_need running = {.cores = 2, .memory = 5 * GIB, .duration = 100},
                       first = {.cores = 3, .memory = 4 * GIB}, within = {.cores = 1, .memory = 3 * GIB},
                       beyond = {.cores = 2}, rest = {.cores = 1};
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[2];
        size_t passed = 0;
        assert_true(take(estate, &running, &lots[0]));
        assert_false(take_behind(estate, 0, &first, &passed, &beyond, &lots[1]));
        assert_true(take_behind(estate, 0, &first, &passed, &rest, &lots[1]));
        xpm_estate_give(estate, &lots[1]);
        assert_true(take_behind(estate, 0, &first, &passed, &within, &lots[1]));
        xpm_estate_give(estate, &lots[1]);
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_close(estate);
}

static void who_waits_for_memory_keeps_no_cores_from_others(void **state)
{
        (void)state;
        const xpm_need running = {.cores = 1, .memory = 6 * GIB}, first = {.cores = 1, .memory = 7 * GIB};
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[2];
        size_t passed = 0;
        assert_true(take(estate, &running, &lots[0]));
        for (size_t i = 0; i < 3 * CORES; i++) {
                assert_true(take_behind(estate, 0, &first, &passed, &two, &lots[1]));
                xpm_estate_give(estate, &lots[1]);
        }
        xpm_estate_give(estate, &lots[0]);
        assert_true(take(estate, &first, &lots[0]));
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_close(estate);
}

/* One after the other they would keep for ever what the first job waits for. */
static void passers_do_not_follow_each_other_into_what_the_first_job_waits_for(void **state)
{
        (void)state;
        const xpm_need running = {.cores = 1, .memory = 6 * GIB}, first = {.cores = 1, .memory = 7 * GIB},
                       little = {.cores = 1, .memory = GIB};
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[3];
        size_t passed = CORES; /* there is no patience left */
        assert_true(take(estate, &running, &lots[0]));
        assert_true(take_behind(estate, 0, &first, &passed, &little, &lots[1]));
        assert_false(take_behind(estate, 0, &first, &passed, &little, &lots[2]));
        assert_true(take_behind(estate, 0, &first, &passed, &narrow, &lots[2]));
        xpm_estate_give(estate, &lots[2]);
        xpm_estate_give(estate, &lots[0]);
        assert_true(take(estate, &first, &lots[0])); /* beside the one that passed */
        xpm_estate_give(estate, &lots[1]);
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_close(estate);
}

static void jobs_that_asked_for_nothing_share_where_more_are_wanted_than_there_are_cores(void **state)
{
        (void)state;
        xpm_estate *estate = open_alone(3 * CORES - 1);
        xpm_lot lots[LOTS];
        size_t count = 0, on[CORES] = {0};
        while (count < LOTS && take(estate, &nothing, &lots[count]))
                count++;
        assert_int_equal(count, 3 * CORES);
        for (size_t i = 0; i < count; i++) {
                assert_true(lots[i].shared);
                assert_int_equal(core_count(&lots[i]), 1);
                on[xpm_bits_next(&lots[i].portion.cores, -1)]++;
                if (i == CORES - 1) /* each has one of its own, as long as there are some */
                        assert_true(on[0] == 1 && on[1] == 1 && on[2] == 1 && on[3] == 1);
        }
        for (size_t i = 0; i < CORES; i++)
                assert_int_equal(on[i], 3);
        while (count > 0)
                xpm_estate_give(estate, &lots[--count]);
        xpm_estate_close(estate);
}

static void job_that_asked_for_a_core_shares_with_nobody(void **state)
{
        (void)state;
        xpm_estate *estate = open_alone(2 * CORES);
        xpm_lot lots[LOTS], more;
        size_t count = 0;
        const xpm_need three = {.cores = 3};
        assert_true(take(estate, &three, &lots[count++]));
        assert_false(lots[0].shared);
        assert_true(take(estate, &nothing, &lots[count++]));
        assert_true(take(estate, &nothing, &lots[count++]));
        assert_memory_equal(&lots[1].portion.cores, &lots[2].portion.cores, sizeof lots[1].portion.cores);
        assert_false(xpm_bits_meet(&lots[0].portion.cores, &lots[1].portion.cores));
        assert_false(take(estate, &nothing, &more));
        assert_false(take(estate, &narrow, &more));
        /* A core is free when the last of those that share it has gone. */
        xpm_estate_give(estate, &lots[1]);
        assert_false(take(estate, &narrow, &more));
        xpm_estate_give(estate, &lots[2]);
        assert_true(take(estate, &narrow, &more));
        assert_false(more.shared);
        assert_false(take(estate, &nothing, &lots[1]));
        xpm_estate_give(estate, &more);
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_close(estate);
}

static void nobody_shares_where_there_are_cores_for_all(void **state)
{
        (void)state;
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lots[CORES + 1];
        for (size_t i = 0; i < CORES; i++) {
                assert_true(take(estate, &nothing, &lots[i]));
                assert_false(lots[i].shared);
        }
        assert_false(take(estate, &nothing, &lots[CORES]));
        for (size_t i = 0; i < CORES; i++)
                xpm_estate_give(estate, &lots[i]);
        xpm_estate_close(estate);
}

static void demand_beyond_the_host_gets_all_there_is(void **state)
{
        (void)state;
        static const xpm_gpu_need gpu = {.count = 1};
        const xpm_need cores = {.cores = 100}, memory = {.cores = 1, .memory = 100 * GIB},
                       device = {.cores = 2, .gpus = &gpu, .gpu_count = 1};
        xpm_estate *estate = open_alone(CORES);
        xpm_lot lot, other;
        assert_true(take(estate, &cores, &lot));
        assert_int_equal(core_count(&lot), CORES);
        assert_false(take(estate, &narrow, &other));
        xpm_estate_give(estate, &lot);
        assert_true(take(estate, &memory, &lot));
        assert_int_equal(lot.amount.memory, 8 * GIB);
        assert_int_equal(core_count(&lot), 1);
        xpm_estate_give(estate, &lot);
        assert_true(take(estate, &device, &lot));
        assert_int_equal(core_count(&lot), 2);
        assert_int_equal(lot.amount.gpus, 0);
        xpm_estate_give(estate, &lot);
        xpm_estate_close(estate);
}

static void no_more_is_used_than_it_may_have(void **state)
{
        (void)state;
        xpm_estate *estate = open_with(&(xpm_estate_options){.cores = 2, .memory = GIB, .at_once = CORES, .stock = -1});
        const xpm_need much = {.cores = 1, .memory = 2 * GIB}, some = {.cores = 1, .memory = GIB / 2};
        xpm_lot lots[2];
        assert_true(take(estate, &wide, &lots[0]));
        assert_cores(&lots[0].portion.cores, 0, 2);
        assert_false(take(estate, &narrow, &lots[1]));
        xpm_estate_give(estate, &lots[0]);
        assert_true(take(estate, &much, &lots[0]));
        assert_int_equal(lots[0].amount.memory, GIB);
        assert_false(take(estate, &some, &lots[1])); /* though the host has more */
        xpm_estate_give(estate, &lots[0]);
        assert_true(take(estate, &some, &lots[0]));
        assert_true(take(estate, &some, &lots[1]));
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_give(estate, &lots[1]);
        xpm_estate_close(estate);
}

static void seat_tells_of_the_lot(void **state)
{
        (void)state;
        xpm_estate *estate = open_alone(2 * CORES);
        xpm_arena *arena = xpm_arena_create();
        xpm_lot lots[2];
        xpm_seat seat;
        assert_true(take(estate, &two, &lots[0]));
        assert_true(take(estate, &nothing, &lots[1]));
        assert_int_equal(xpm_estate_seat(estate, &lots[0], arena, &seat, NULL), 0);
        assert_int_equal(seat.cores, 2);
        assert_string_equal(seat.cpuset, "0-1");
        assert_false(seat.shared);
        assert_false(seat.this_system); /* a host that is described is not this one */
        assert_int_equal(xpm_estate_seat(estate, &lots[1], arena, &seat, NULL), 0);
        assert_string_equal(seat.cpuset, "2");
        assert_true(seat.shared);
        xpm_estate_give(estate, &lots[0]);
        xpm_estate_give(estate, &lots[1]);
        xpm_arena_destroy(arena);
        xpm_estate_close(estate);
}

/* Two workers of one user. */
static xpm_estate *open_shared(void)
{
        xpm_text note = XPM_TEXT_INIT;
        int stock = xpm_stock_file(&note);
        assert_string_equal(xpm_text_string(&note), "");
        assert_true(stock >= 0);
        return open_with(&(xpm_estate_options){.at_once = CORES, .stock = stock, .label = "one"});
}

static void what_another_worker_holds_is_waited_for_and_given_when_it_is_idle(void **state)
{
        (void)state;
        xpm_estate *ours = open_shared(), *theirs = open_shared();
        xpm_lot lots[2], their;
        assert_true(take(ours, &two, &lots[0]));
        assert_true(take(ours, &two, &lots[1]));
        assert_false(take(theirs, &two, &their));
        assert_true(xpm_estate_is_waiting(theirs));
        xpm_estate_give(ours, &lots[0]); /* two are beyond an even share, and wanted */
        assert_true(take(theirs, &two, &their));
        assert_false(xpm_estate_is_waiting(theirs));
        assert_false(xpm_bits_meet(&their.portion.cores, &lots[1].portion.cores));
        xpm_estate_give(ours, &lots[1]);
        xpm_estate_give(theirs, &their);
        xpm_estate_close(ours);
        xpm_estate_close(theirs);
}

static void who_rests_leaves_what_is_idle_to_others(void **state)
{
        (void)state;
        xpm_estate *ours = open_shared(), *theirs = open_shared();
        xpm_lot lots[2], their;
        assert_true(take(ours, &narrow, &lots[0]));
        assert_true(take(ours, &two, &lots[1]));
        xpm_estate_give(ours, &lots[1]); /* nobody waits, so it is kept for the next job */
        xpm_estate_rest(ours);
        const xpm_need three = {.cores = 3};
        assert_true(take(theirs, &three, &their));
        assert_false(take(ours, &narrow, &lots[1]));
        xpm_estate_give(theirs, &their);
        xpm_estate_rest(theirs);
        assert_true(take(ours, &three, &lots[1]));
        xpm_estate_give(ours, &lots[0]);
        xpm_estate_give(ours, &lots[1]);
        xpm_estate_close(ours);
        xpm_estate_close(theirs);
}

static void host_that_cannot_be_looked_at_is_an_error_and_leaves_no_stock_open(void **state)
{
        (void)state;
        xpm_estate *estate = NULL;
        xpm_text note = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        setenv("HWLOC_SYNTHETIC", "core:many", 1);
        const xpm_estate_options options = {.at_once = 1, .stock = xpm_stock_file(&note)};
        assert_true(options.stock >= 0);
        assert_int_equal(xpm_estate_open(&options, &estate, &note, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "'core:many'"));
        assert_null(estate);
        xpm_estate_close(NULL);
        xpm_text_release(&note);
}

/* On a described host with devices: jobs at random come in a queue, end when they said, earlier, or without having said
 * anything. No core and no device is two jobs', memory is never given twice, and every job is run in the end, the
 * widest ones included. */
static void random_jobs_all_run_and_never_share(void **state)
{
        enum { JOBS = 1500, AT_ONCE = 32, WINDOW = 64 };
        struct job {
                xpm_need need;
                xpm_gpu_need gpu;
                xpm_lot lot;
                int64_t lasts, ends;
                size_t passed;
                bool queued, runs;
        } *jobs = calloc(JOBS, sizeof *jobs);
        (void)state;
        assert_non_null(jobs);
        unsetenv("HWLOC_SYNTHETIC");
        setenv("HWLOC_XMLFILE", XPM_TEST_DATA "/topologies/node128.xml", 1);
        xpm_estate *estate = open_with(&(xpm_estate_options){.at_once = AT_ONCE, .devices = true, .stock = -1});
        unsetenv("HWLOC_XMLFILE");
        unsigned seed = 7;
        for (size_t i = 0; i < JOBS; i++) {
                bool widest = rand_r(&seed) % 50 == 0, gpus = rand_r(&seed) % 5 == 0, told = rand_r(&seed) % 2;
                jobs[i].gpu = (xpm_gpu_need){XPM_GPU_ANY, 0, 1 + rand_r(&seed) % 8};
                jobs[i].lasts = 1 + rand_r(&seed) % 20;
                jobs[i].queued = true;
                jobs[i].need = (xpm_need){.cores = widest ? 128 : 1 + rand_r(&seed) % 24,
                                          .memory = (uint64_t)(rand_r(&seed) % 64) << 30,
                                          .duration = told ? 1 + rand_r(&seed) % 3 : 0,
                                          .gpus = gpus ? &jobs[i].gpu : NULL,
                                          .gpu_count = gpus};
        }
        size_t done = 0, running = 0, head = 0;
        for (int64_t now = 0; done < JOBS; now++) {
                assert_true(now < JOBS * 40);
                for (size_t i = 0; i < JOBS; i++)
                        if (jobs[i].runs && jobs[i].ends <= now) {
                                xpm_estate_give(estate, &jobs[i].lot);
                                jobs[i].runs = false;
                                running--;
                                done++;
                        }
                for (bool found = true; found && running < AT_ONCE;) {
                        xpm_pass pass;
                        found = false;
                        xpm_estate_begin(estate, &pass, now);
                        for (size_t i = head, looked = 0; i < JOBS && looked < WINDOW && !found; i++) {
                                if (!jobs[i].queued)
                                        continue;
                                looked++;
                                found = xpm_estate_take(estate, &pass, &jobs[i].need, &jobs[i].passed, &jobs[i].lot);
                                jobs[i].queued = !found;
                                jobs[i].runs = found;
                                jobs[i].ends = now + jobs[i].lasts;
                                running += found;
                        }
                        xpm_estate_end(estate);
                        while (head < JOBS && !jobs[head].queued)
                                head++;
                }
                xpm_portion used = {0};
                for (size_t i = 0; i < JOBS; i++) {
                        if (!jobs[i].runs)
                                continue;
                        assert_int_equal(core_count(&jobs[i].lot), jobs[i].need.cores);
                        assert_false(xpm_bits_meet(&used.cores, &jobs[i].lot.portion.cores));
                        assert_false(xpm_bits_meet(&used.gpus, &jobs[i].lot.portion.gpus));
                        xpm_bits_add_all(&used.cores, &jobs[i].lot.portion.cores);
                        xpm_bits_add_all(&used.gpus, &jobs[i].lot.portion.gpus);
                        used.memory += jobs[i].need.memory;
                }
                assert_true(used.memory <= UINT64_C(512) << 30);
        }
        xpm_estate_close(estate);
        free(jobs);
}

int main(void)
{
        /* The first look at a topology opens what stays. */
        setenv("HWLOC_SYNTHETIC", "core:1 pu:1", 1);
        xpm_estate_close(open_alone(1));
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
                T(random_jobs_all_run_and_never_share),
                T(each_job_has_cores_of_its_own),
                T(memory_that_is_taken_is_not_for_others),
                T(wide_job_is_passed_by_so_many_and_no_more),
                T(who_is_over_by_then_may_pass_a_wide_job),
                T(what_is_left_over_then_is_for_others),
                T(who_waits_for_memory_keeps_no_cores_from_others),
                T(passers_do_not_follow_each_other_into_what_the_first_job_waits_for),
                T(jobs_that_asked_for_nothing_share_where_more_are_wanted_than_there_are_cores),
                T(job_that_asked_for_a_core_shares_with_nobody),
                T(nobody_shares_where_there_are_cores_for_all),
                T(demand_beyond_the_host_gets_all_there_is),
                T(no_more_is_used_than_it_may_have),
                T(seat_tells_of_the_lot),
                T(what_another_worker_holds_is_waited_for_and_given_when_it_is_idle),
                T(who_rests_leaves_what_is_idle_to_others),
                T(host_that_cannot_be_looked_at_is_an_error_and_leaves_no_stock_open),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
