/* Stocks in a directory of their own, several at once in one process: each has its own descriptions of the file, so
 * they are to each other as those of several processes are. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "stocks.h"

static void what_one_holds_another_does_not_get(void **state)
{
        (void)state;
        struct host host;
        xpm_portion free;
        host_make(&host, 16, 2);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(claim(a, 4, 8));
        assert_true(claim(a, 2, 6)); /* some of them are ours already */
        assert_cores(&xpm_stock_held(a)->cores, 2, 8);
        assert_false(claim(b, 0, 16));
        assert_int_equal(xpm_bits_count(&xpm_stock_held(b)->cores), 10);
        assert_false(xpm_bits_meet(&xpm_stock_held(a)->cores, &xpm_stock_held(b)->cores));
        xpm_stock_look(a, &free);
        assert_cores(&free.cores, 2, 8);
        give(b, 0, 3);
        give(b, 4, 6); /* not his */
        xpm_stock_look(a, &free);
        assert_cores(&free.cores, 0, 8);
        assert_false(claim(b, 3, 5));
        assert_true(claim(a, 0, 2));
        xpm_stock_close(a);
        assert_true(claim(b, 0, 16));
        assert_false(claim(b, 15, 17)); /* there is no 17th */
        xpm_stock_close(b);
}

/* Calls that have to do with locks are counted. */
static int calls;

int fcntl(int fd, int command, ...)
{
        va_list arguments;
        va_start(arguments, command);
        void *argument = va_arg(arguments, void *);
        va_end(arguments);
        calls += command == F_OFD_SETLK || command == F_OFD_GETLK || command == F_OFD_SETLKW;
        return (int)syscall(SYS_fcntl, fd, command, argument);
}

static int calls_since(void)
{
        int count = calls;
        calls = 0;
        return count;
}

static void it_takes_one_call_for_each_range_and_none_to_keep_what_one_has(void **state)
{
        (void)state;
        struct host host;
        xpm_portion due, two = portion(0, 16);
        host_make(&host, 128, 1);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        for (unsigned core = 40; core < 60; core++)
                xpm_bits_add(&two.cores, core);
        calls_since();
        assert_true(xpm_stock_claim(a, &two));
        assert_int_equal(calls_since(), 2);
        assert_true(xpm_stock_claim(a, &two));
        assert_int_equal(calls_since(), 0);
        assert_false(claim(b, 0, 128)); /* refused, found, taken on both sides of what was found, and so on */
        assert_in_range(calls_since(), 1, 8);
        assert_int_equal(xpm_bits_count(&xpm_stock_held(b)->cores), 128 - 36);
        xpm_stock_give(a, &two);
        assert_int_equal(calls_since(), 2);
        assert_true(claim(a, 0, 16));
        calls_since();
        want(b, 1); /* which has more than its share, */
        xpm_stock_due(a, xpm_stock_held(a), &due);
        assert_int_equal(calls_since(), 0); /* so that nothing can be due */
        assert_true(xpm_bits_is_empty(&due.cores));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

/* A process may use a thread of each core only, another one all: the core is not for both. */
static void a_core_is_had_with_all_its_threads_or_not_at_all(void **state)
{
        (void)state;
        struct host whole, half, first;
        host_make(&whole, 8, 2);
        host_make(&half, 8, 1);
        host_make(&first, 8, 1);
        for (size_t i = 0; i < 8; i++)
                half.pus[i] = (uint32_t)(15 - i); /* numbers of its own, too */
        xpm_stock *a = open_stock(&whole, "whole"), *b = open_stock(&half, "half"), *c = open_stock(&first, "first");
        assert_true(claim(b, 0, 2)); /* threads 15 and 14, of cores 7 and 6 */
        assert_false(claim(a, 4, 8));
        assert_cores(&xpm_stock_held(a)->cores, 4, 6);
        assert_true(claim(c, 6, 8)); /* the other halves of what it did not get */
        give(c, 6, 8);
        give(b, 0, 2);
        assert_true(claim(a, 4, 8));
        assert_false(claim(b, 0, 8));
        assert_cores(&xpm_stock_held(b)->cores, 4, 8);
        xpm_stock_close(a);
        xpm_stock_close(b);
        xpm_stock_close(c);
}

static void devices_are_known_by_their_address(void **state)
{
        (void)state;
        struct host all, some;
        xpm_portion wanted = {.memory = 0}, free;
        host_make(&all, 4, 1);
        host_make(&some, 4, 1);
        for (unsigned slot = 1; slot <= 4; slot++)
                host_add_gpu(&all, slot);
        host_add_gpu(&some, 4);
        host_add_gpu(&some, 2);
        xpm_stock *a = open_stock(&all, "all"), *b = open_stock(&some, "some");
        xpm_bits_add(&wanted.gpus, 0);
        assert_true(xpm_stock_claim(b, &wanted));
        xpm_stock_look(a, &free);
        assert_int_equal(xpm_bits_count(&free.gpus), 3);
        assert_false(xpm_bits_has(&free.gpus, 3));
        xpm_bits_add(&wanted.gpus, 3);
        assert_false(xpm_stock_claim(a, &wanted));
        assert_int_equal(xpm_bits_count(&xpm_stock_held(a)->gpus), 1);
        xpm_bits_remove(&wanted.gpus, 0);
        xpm_stock_give(b, &(xpm_portion){.gpus = xpm_stock_held(b)->gpus});
        assert_true(xpm_stock_claim(a, &wanted));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void parts_of_one_device_are_apart(void **state)
{
        (void)state;
        struct host host;
        xpm_portion first = {.memory = 0}, second = {.memory = 0};
        host_make(&host, 4, 1);
        host_add_gpu(&host, 1);
        host_add_gpu(&host, 1);
        xpm_bits_add(&first.gpus, 0);
        xpm_bits_add(&second.gpus, 1);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(xpm_stock_claim(a, &first));
        assert_false(xpm_stock_claim(b, &first));
        assert_true(xpm_stock_claim(b, &second));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void memory_is_held_in_shares(void **state)
{
        (void)state;
        struct host host;
        host_make(&host, 4, 1); /* 64 GiB: a share is 256 MiB */
        const uint64_t share = GIB / 4;
        xpm_portion free;
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(xpm_stock_claim(a, &(xpm_portion){.memory = 10 * GIB + 1}));
        assert_int_equal(xpm_stock_held(a)->memory, 10 * GIB + share);
        assert_true(xpm_stock_claim(a, &(xpm_portion){.memory = GIB})); /* that much it has */
        assert_int_equal(xpm_stock_held(a)->memory, 10 * GIB + share);
        xpm_stock_look(b, &free);
        assert_int_equal(free.memory, 54 * GIB - share);
        assert_false(xpm_stock_claim(b, &(xpm_portion){.memory = 54 * GIB}));
        assert_int_equal(xpm_stock_held(b)->memory, 54 * GIB - share);
        xpm_stock_give(a, &(xpm_portion){.memory = 2 * GIB + share + 1}); /* a byte more than it holds shares for */
        assert_int_equal(xpm_stock_held(a)->memory, 8 * GIB);
        assert_true(xpm_stock_claim(b, &(xpm_portion){.memory = 56 * GIB}));
        xpm_stock_give(b, &(xpm_portion){.memory = 100 * GIB});
        assert_int_equal(xpm_stock_held(b)->memory, 0);
        assert_true(xpm_stock_claim(a, &(xpm_portion){.memory = 64 * GIB}));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void who_may_use_more_memory_than_the_first_counts_in_the_same_shares(void **state)
{
        (void)state;
        struct host small, big, huge;
        xpm_stock *a, *b, *c;
        xpm_text note = XPM_TEXT_INIT;
        host_make(&small, 4, 1);
        host_make(&big, 4, 1);
        host_make(&huge, 4, 1);
        small.topology.memory = 1000; /* 250 shares of 4 bytes */
        big.topology.memory = 3998;
        huge.topology.memory = 64 * GIB;
        a = open_stock(&small, "small");
        b = open_stock(&big, "big");
        assert_true(xpm_stock_claim(a, &(xpm_portion){.memory = 1000}));
        assert_false(xpm_stock_claim(b, &(xpm_portion){.memory = 3998}));
        assert_int_equal(xpm_stock_held(b)->memory, 3000);
        xpm_stock_give(a, &(xpm_portion){.memory = 1000});
        assert_true(xpm_stock_claim(b, &(xpm_portion){.memory = 3998}));
        assert_int_equal(xpm_stock_held(b)->memory, 3998);
        assert_int_equal(xpm_stock_open(&huge.topology, "huge", &c, &note, NULL), 0);
        assert_non_null(strstr(xpm_text_string(&note), "memory is not shared"));
        assert_true(xpm_stock_claim(c, &(xpm_portion){.memory = 64 * GIB}));
        assert_true(claim(c, 0, 2));
        assert_false(claim(a, 0, 2)); /* cores are shared all the same */
        xpm_text_release(&note);
        xpm_stock_close(a);
        xpm_stock_close(b);
        xpm_stock_close(c);
}

/* A child that opens FILE (-2: one of its own), claims the first four cores, waits for a wide job, says so and waits.
 */
static pid_t start_holder(const struct host *host, int file)
{
        int ends[2];
        char byte = 0;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
                xpm_stock *stock = NULL;
                if (xpm_stock_open_file(file == -2 ? xpm_stock_file(NULL) : file, &host->topology, "holder", &stock,
                                        NULL, NULL) == 0 &&
                    claim(stock, 0, 4)) {
                        want(stock, 16);
                        (void)!write(ends[1], "x", 1);
                }
                for (;;)
                        pause();
        }
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        close(ends[0]);
        return child;
}

static void end(pid_t child)
{
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_killed_process_gives_back_and_waits_no_more(void **state)
{
        struct place *place = *state;
        struct host host;
        xpm_portion due, idle = portion(4, 8);
        host_make(&host, 16, 1);
        xpm_stock *stock = open_stock(&host, "ours");
        pid_t child = start_holder(&host, -2);
        assert_false(claim(stock, 3, 8));
        assert_true(xpm_stock_is_wanted(stock));
        end(child);
        xpm_stock_due(stock, &idle, &due);
        assert_true(xpm_bits_is_empty(&due.cores));
        assert_false(xpm_stock_is_wanted(stock));
        assert_true(claim(stock, 0, 16));
        xpm_stock_close(stock);
        assert_int_equal(place_count(place, "."), 0);
}

static void what_a_dead_process_left_in_a_record_is_not_its_successors(void **state)
{
        (void)state;
        struct host host;
        xpm_holder *holders;
        size_t count;
        host_make(&host, 16, 1);
        pid_t child = start_holder(&host, -2);
        int keep = xpm_stock_file(NULL); /* or the next one would find a new file */
        end(child);
        xpm_stock *stock = open_stock(&host, "next"), *other = open_stock(&host, "other");
        assert_false(xpm_stock_is_wanted(other));
        assert_true(claim(other, 0, 1));
        assert_true(claim(stock, 8, 9));
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 2);
        for (size_t i = 0; i < count; i++) {
                bool next = strcmp(holders[i].label, "next") == 0;
                assert_cores(&holders[i].portion.cores, next ? 8 : 0, next ? 9 : 1);
        }
        free(holders);
        xpm_stock_close(stock);
        xpm_stock_close(other);
        xpm_stock_close(open_stock(&host, "last")); /* while KEEP is open the file stays */
        assert_int_equal(place_count(*state, "."), 1);
        close(keep);
}

/* The test is the guardian of the child, which is its worker. */
static void what_a_killed_worker_held_is_kept_while_its_guardian_lives(void **state)
{
        (void)state;
        struct host host;
        xpm_holder *holders;
        size_t count;
        host_make(&host, 16, 1);
        int file = xpm_stock_file(NULL);
        assert_int_equal(fcntl(file, F_GETFD), FD_CLOEXEC);
        pid_t child = start_holder(&host, file);
        xpm_stock *stock = open_stock(&host, "ours");
        assert_false(claim(stock, 0, 4));
        end(child);
        assert_false(claim(stock, 0, 4));
        xpm_stock *next = open_stock(&host, "next"); /* has the record that was the worker's */
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 3);
        assert_string_equal(holders[0].label, "next");
        assert_true(xpm_bits_is_empty(&holders[0].portion.cores));
        assert_string_equal(holders[1].label, "ours");
        assert_string_equal(holders[2].label, "");
        assert_int_equal(holders[2].pid, 0);
        assert_cores(&holders[2].portion.cores, 0, 4);
        free(holders);
        xpm_stock_close(next);
        /* Nobody works behind it, so nobody is due what it waited for. */
        xpm_portion due, idle = portion(4, 8);
        assert_true(claim(stock, 4, 8));
        xpm_stock_due(stock, &idle, &due);
        assert_true(xpm_bits_is_empty(&due.cores));
        close(file);
        assert_true(claim(stock, 0, 16));
        xpm_stock_close(stock);
}

/* As when a worker leaves in good order: what its guardian still has open keeps nothing and hinders nobody. */
static void what_is_closed_is_free_though_a_guardian_has_it_open(void **state)
{
        (void)state;
        struct host host;
        xpm_stock *worker = NULL;
        host_make(&host, 4, 1);
        int file = xpm_stock_file(NULL), guardian = dup(file);
        xpm_stock *other = open_stock(&host, "other"); /* for which the file stays */
        assert_int_equal(xpm_stock_open_file(file, &host.topology, "worker", &worker, NULL, NULL), 0);
        assert_true(claim(worker, 0, 4));
        xpm_stock_close(worker);
        assert_true(claim(other, 0, 4));
        xpm_stock_close(other);
        assert_int_equal(place_count(*state, "."), 0);
        close(guardian);
}

static void cores_are_due_to_who_waits_and_kept_from_who_comes_later(void **state)
{
        (void)state;
        struct host host;
        xpm_portion free, due, idle = portion(4, 16);
        host_make(&host, 16, 2);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b"), *c = open_stock(&host, "c");
        assert_true(claim(a, 0, 16));
        assert_false(claim(b, 0, 4));
        want(b, 4);
        assert_true(xpm_stock_is_wanted(a));
        assert_false(xpm_stock_is_wanted(b));
        xpm_stock_due(a, &idle, &due);
        assert_cores(&due.cores, 12, 16);
        xpm_stock_give(a, &due);
        xpm_stock_due(a, &idle, &due);
        assert_true(xpm_bits_is_empty(&due.cores)); /* it is free already */
        xpm_stock_look(c, &free);
        assert_true(xpm_bits_is_empty(&free.cores));
        assert_false(claim(c, 12, 13));
        want(c, 1);
        assert_false(claim(c, 12, 13));
        assert_false(claim(a, 12, 13));
        xpm_stock_look(b, &free);
        assert_cores(&free.cores, 12, 16);
        assert_true(claim(b, 12, 16));
        xpm_stock_want(b, NULL, NULL);
        idle = portion(4, 12);
        xpm_stock_due(a, &idle, &due);
        assert_cores(&due.cores, 11, 12); /* c's turn */
        xpm_stock_close(a);
        assert_true(claim(c, 0, 1));
        xpm_stock_close(b);
        xpm_stock_close(c);
}

static void of_two_that_gather_the_later_gives(void **state)
{
        (void)state;
        struct host host;
        xpm_portion due;
        host_make(&host, 16, 1);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(claim(a, 0, 8));
        assert_true(claim(b, 8, 16));
        want(b, 16);
        want(a, 16);
        want(b, 15); /* keeps its place */
        xpm_stock_due(b, xpm_stock_held(b), &due);
        assert_true(xpm_bits_is_empty(&due.cores));
        xpm_stock_due(a, xpm_stock_held(a), &due);
        assert_cores(&due.cores, 1, 8);
        xpm_stock_give(a, &due);
        assert_true(claim(b, 1, 16));
        xpm_stock_want(b, NULL, NULL);
        want(b, 16); /* and begins anew behind the other one */
        xpm_stock_due(b, xpm_stock_held(b), &due);
        assert_cores(&due.cores, 1, 16);
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void memory_is_due_in_whole_shares(void **state)
{
        (void)state;
        struct host host;
        xpm_portion due, idle = {.memory = 40 * GIB};
        host_make(&host, 4, 1);
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(xpm_stock_claim(a, &(xpm_portion){.memory = 64 * GIB}));
        const xpm_appetite need = {.memory = 30 * GIB + 1}, used = {0};
        xpm_stock_want(b, &need, &used);
        xpm_stock_due(a, &idle, &due);
        assert_int_equal(due.memory, 30 * GIB + GIB / 4);
        xpm_stock_give(a, &due);
        assert_false(xpm_stock_claim(a, &(xpm_portion){.memory = 64 * GIB}));
        assert_true(xpm_stock_claim(b, &(xpm_portion){.memory = need.memory}));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void the_last_share_may_be_a_part_of_one(void **state)
{
        (void)state;
        struct host host;
        xpm_portion due, idle = {.memory = 998};
        const xpm_appetite need = {.memory = 998}, used = {0};
        host_make(&host, 4, 1);
        host.topology.memory = 998; /* 250 shares of 4 bytes */
        xpm_stock *a = open_stock(&host, "a"), *b = open_stock(&host, "b");
        assert_true(xpm_stock_claim(a, &idle));
        assert_int_equal(xpm_stock_held(a)->memory, 998);
        xpm_stock_want(b, &need, &used);
        xpm_stock_due(a, &idle, &due);
        assert_int_equal(due.memory, 998);
        xpm_stock_give(a, &due);
        assert_int_equal(xpm_stock_held(a)->memory, 0);
        assert_true(xpm_stock_claim(b, &idle));
        xpm_stock_close(a);
        xpm_stock_close(b);
}

static void holders_are_told_with_what_they_hold(void **state)
{
        (void)state;
        struct host host;
        xpm_holder *holders;
        size_t count;
        host_make(&host, 8, 2);
        host_add_gpu(&host, 1);
        host_add_gpu(&host, 2);
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 0);
        assert_null(holders);
        xpm_stock *a = open_stock(&host, "an experiment whose name is longer than what there is room for in a record"),
                  *b = open_stock(&host, "b");
        xpm_portion wanted = portion(2, 4);
        wanted.memory = 2 * GIB;
        xpm_bits_add(&wanted.gpus, 1);
        assert_true(xpm_stock_claim(a, &wanted));
        want(b, 1);
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 2);
        assert_int_equal(holders[0].pid, getpid());
        assert_string_equal(holders[0].label, "an experiment whose name is longer than what there is room for ");
        assert_false(holders[0].waits);
        assert_memory_equal(&holders[0].portion, &wanted, sizeof wanted);
        assert_string_equal(holders[1].label, "b");
        assert_true(holders[1].waits);
        assert_true(xpm_bits_is_empty(&holders[1].portion.cores));
        free(holders);
        xpm_stock_close(a);
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 1);
        free(holders);
        xpm_stock_close(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stocks_enter, place_leave)
                T(what_one_holds_another_does_not_get),
                T(it_takes_one_call_for_each_range_and_none_to_keep_what_one_has),
                T(a_core_is_had_with_all_its_threads_or_not_at_all),
                T(devices_are_known_by_their_address),
                T(parts_of_one_device_are_apart),
                T(memory_is_held_in_shares),
                T(who_may_use_more_memory_than_the_first_counts_in_the_same_shares),
                T(a_killed_process_gives_back_and_waits_no_more),
                T(what_a_dead_process_left_in_a_record_is_not_its_successors),
                T(what_a_killed_worker_held_is_kept_while_its_guardian_lives),
                T(what_is_closed_is_free_though_a_guardian_has_it_open),
                T(cores_are_due_to_who_waits_and_kept_from_who_comes_later),
                T(of_two_that_gather_the_later_gives),
                T(memory_is_due_in_whole_shares),
                T(the_last_share_may_be_a_part_of_one),
                T(holders_are_told_with_what_they_hold),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
