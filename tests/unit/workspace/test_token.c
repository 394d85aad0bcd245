#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "tokens.h"

static bool has(const struct place *place, const char *name)
{
        return faccessat(place->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#define HOLDER(token, job) "tokens/" token ".counter/jobs/demo.task@" job ".json"
#define TICKET(token, job) "tokens/" token ".counter/tickets/demo.task@" job ".json"

static void no_more_are_taken_than_there_are(void **state)
{
        struct place *place = *state;
        struct engine e;
        struct asking asking;
        xpm_token_answer answer;
        char text[4096];
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 3);
        assert_string_equal(place_get(place, "tokens/a.counter/informations.json", text), "{\"total\": 3}\n");
        assert_int_equal(engine_take(&e, "j1", 2, 0, false), XPM_TOKENS_TAKEN);
        place_get(place, HOLDER("a", "j1"), text);
        assert_non_null(
                strstr(text, "/jobs/demo.task/j1/task\", \"information\": {\"count\": 2}, \"process\": {\"host\": "));
        assert_non_null(strstr(text, "\"experiment\": \"one\", \"run\": \"2"));
        assert_int_equal(xpm_tokens_take(e.tokens, ask(&asking, "j2", 2, 0), false, &answer, NULL), 0);
        assert_int_equal(answer.result, XPM_TOKENS_SHORT);
        assert_string_equal(answer.name, "a");
        assert_int_equal(answer.wanted, 2);
        assert_int_equal(answer.total, 3);
        assert_int_equal(answer.used, 2);
        assert_int_equal(answer.reserved, 0);
        assert_false(has(place, HOLDER("a", "j2")));
        assert_int_equal(engine_take(&e, "j3", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "j4", 1, 0, false), XPM_TOKENS_SHORT);
        engine_give_back(&e, "j1");
        assert_false(has(place, HOLDER("a", "j1")));
        assert_int_equal(engine_take(&e, "j2", 2, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "j5", 0, 0, false), XPM_TOKENS_TAKEN); /* it needs none */
        engine_end(&e);
}

static void several_are_taken_all_or_none(void **state)
{
        struct place *place = *state;
        struct engine e;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 2);
        engine_declare(&e, "b", 1);
        assert_int_equal(engine_take(&e, "j1", 1, 1, false), XPM_TOKENS_TAKEN);
        assert_true(has(place, HOLDER("a", "j1")) && has(place, HOLDER("b", "j1")));
        assert_int_equal(engine_take(&e, "j2", 1, 1, false), XPM_TOKENS_SHORT);
        assert_false(has(place, HOLDER("a", "j2")));
        assert_int_equal(engine_take(&e, "j3", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&e);
}

static void what_cannot_all_be_written_is_not_taken(void **state)
{
        struct place *place = *state;
        struct engine e;
        struct asking asking;
        xpm_token_answer answer;
        xpm_error err = XPM_ERROR_NONE;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 2);
        engine_declare(&e, "b", 2);
        runs_mkdir(place, HOLDER("b", "j1"));
        assert_int_equal(xpm_tokens_take(e.tokens, ask(&asking, "j1", 1, 1), false, &answer, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "demo.task@j1.json"));
        assert_non_null(strstr(err.message, "tokens/b.counter'"));
        assert_int_equal(place_count(place, "tokens/a.counter/jobs"), 0);
        assert_int_equal(place_count(place, "tokens/b.counter/jobs"), 1);
        engine_end(&e);
}

static void need_beyond_the_total_is_told_from_a_shortage(void **state)
{
        struct place *place = *state;
        struct engine e;
        struct asking asking;
        xpm_token_answer answer;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 4);
        assert_int_equal(engine_take(&e, "j0", 4, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "j1", 4, 0, true), XPM_TOKENS_SHORT);
        assert_true(has(place, TICKET("a", "j1")));
        engine_declare(&e, "a", 3);
        assert_int_equal(xpm_tokens_take(e.tokens, ask(&asking, "j1", 4, 0), true, &answer, NULL), 0);
        assert_int_equal(answer.result, XPM_TOKENS_IMPOSSIBLE);
        assert_int_equal(answer.total, 3);
        assert_false(has(place, TICKET("a", "j1")));
        engine_end(&e);
}

static void changed_total_counts_at_once(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 1);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "j2", 1, 0, false), XPM_TOKENS_SHORT);
        engine_begin(&other, place, "two");
        engine_declare(&other, "a", 3);
        assert_int_equal(engine_take(&e, "j2", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_declare(&other, "a", 2);
        assert_int_equal(engine_take(&e, "j3", 1, 0, false), XPM_TOKENS_SHORT);
        engine_end(&other);
        engine_end(&e);
}

static void holder_lives_while_its_engine_or_its_job_does(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 2);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "j2", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_begin(&other, place, "two");
        engine_declare(&other, "a", 2);
        assert_int_equal(engine_take(&other, "j3", 1, 0, false), XPM_TOKENS_SHORT);
        int lock = job_lock(place, "j1");
        engine_end(&e); /* j1 runs on, j2 was never begun */
        assert_int_equal(engine_take(&other, "j3", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_false(has(place, HOLDER("a", "j2")));
        assert_true(has(place, HOLDER("a", "j1")));
        assert_int_equal(engine_take(&other, "j4", 1, 0, false), XPM_TOKENS_SHORT);
        engine_begin(&e, place, "one"); /* another run of the same experiment does not bring it back */
        assert_int_equal(engine_take(&other, "j4", 1, 0, false), XPM_TOKENS_SHORT);
        xpm_lock_release(lock);
        assert_int_equal(engine_take(&other, "j4", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_false(has(place, HOLDER("a", "j1")));
        engine_end(&e);
        engine_end(&other);
}

static void job_in_other_hands_is_left_alone(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 9);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "j1", 2, 0, false), XPM_TOKENS_TAKEN); /* another attempt */
        engine_begin(&other, place, "two");
        engine_declare(&other, "a", 9);
        assert_int_equal(engine_take(&other, "j1", 1, 0, false), XPM_TOKENS_BUSY);
        int lock = job_lock(place, "j1");
        engine_end(&e);
        assert_int_equal(engine_take(&other, "j1", 1, 0, false), XPM_TOKENS_BUSY);
        xpm_lock_release(lock);
        assert_int_equal(engine_take(&other, "j1", 8, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&other, "j2", 2, 0, false), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&other, "j2", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&other);
}

static void holder_of_another_engine_is_not_given_back(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        struct asking asking;
        char before[4096], after[4096];
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 1);
        engine_declare(&other, "a", 1);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        /* The worker drops it, the other engine is quicker than the first one's loop. */
        assert_int_equal(xpm_tokens_drop(e.workspace->dir, ask(&asking, "j1", 1, 0), NULL), 0);
        assert_int_equal(engine_take(&other, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        place_get(place, HOLDER("a", "j1"), before);
        engine_give_back(&e, "j1");
        assert_string_equal(place_get(place, HOLDER("a", "j1"), after), before);
        assert_int_equal(engine_take(&e, "j2", 1, 0, false), XPM_TOKENS_SHORT);
        engine_give_back(&other, "j1");
        assert_false(has(place, HOLDER("a", "j1")));
        assert_int_equal(engine_take(&e, "j2", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&e);
        engine_end(&other);
}

static void job_that_needs_many_is_not_starved(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        struct asking asking;
        xpm_token_answer answer;
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 4);
        engine_declare(&other, "a", 4);
        assert_int_equal(engine_take(&e, "s1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&other, "s2", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "big", 4, 0, true), XPM_TOKENS_SHORT);
        assert_int_equal(xpm_tokens_take(other.tokens, ask(&asking, "s3", 1, 0), true, &answer, NULL), 0);
        assert_int_equal(answer.result, XPM_TOKENS_SHORT);
        assert_int_equal(answer.used, 2);
        assert_int_equal(answer.reserved, 4);
        engine_give_back(&e, "s1");
        assert_int_equal(engine_take(&e, "big", 4, 0, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&e, "s4", 1, 0, false), XPM_TOKENS_SHORT);
        engine_give_back(&other, "s2");
        assert_int_equal(engine_take(&other, "s3", 1, 0, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&e, "big", 4, 0, true), XPM_TOKENS_TAKEN);
        assert_false(has(place, TICKET("a", "big")));
        engine_give_back(&e, "big");
        assert_int_equal(engine_take(&e, "s4", 3, 0, false), XPM_TOKENS_TAKEN); /* and leaves one to the ticket of s3 */
        assert_int_equal(engine_take(&e, "s5", 1, 0, false), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&other, "s3", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&e);
        engine_end(&other);
}

static void ticket_goes_with_its_engine_or_when_it_is_dropped(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        struct asking asking;
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 2);
        engine_declare(&other, "a", 2);
        assert_int_equal(engine_take(&other, "s1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "big", 2, 0, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&other, "s2", 1, 0, false), XPM_TOKENS_SHORT);
        assert_int_equal(xpm_tokens_drop_ticket(e.tokens, ask(&asking, "big", 2, 0), NULL), 0);
        assert_int_equal(place_count(place, "tokens/a.counter/tickets"), 0);
        assert_int_equal(engine_take(&other, "s2", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_give_back(&other, "s2");
        assert_int_equal(engine_take(&e, "big", 2, 0, true), XPM_TOKENS_SHORT);
        int lock = job_lock(place, "big"); /* whoever runs it needs no place in the queue */
        engine_end(&e);
        assert_int_equal(engine_take(&other, "s2", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(place_count(place, "tokens/a.counter/tickets"), 0);
        xpm_lock_release(lock);
        engine_end(&other);
}

static void two_who_need_the_same_two_do_not_block_each_other(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        char text[4096];
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 2);
        engine_declare(&e, "b", 2);
        engine_declare(&other, "a", 2);
        engine_declare(&other, "b", 2);
        assert_int_equal(engine_take(&e, "s1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "x0", 0, 1, true), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "x1", 0, 2, true), XPM_TOKENS_SHORT); /* 1 in b */
        assert_int_equal(engine_take(&e, "x2", 2, 2, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&other, "x3", 2, 1, true), XPM_TOKENS_SHORT);
        assert_non_null(strstr(place_get(place, TICKET("b", "x1"), text), "\"number\": 1,"));
        assert_non_null(strstr(place_get(place, TICKET("a", "x2"), text), "\"number\": 2,"));
        assert_non_null(strstr(place_get(place, TICKET("b", "x2"), text), "\"number\": 2,"));
        assert_non_null(strstr(place_get(place, TICKET("a", "x3"), text), "\"number\": 3,"));
        assert_non_null(strstr(place_get(place, TICKET("b", "x3"), text), "\"number\": 3,"));
        engine_give_back(&e, "s1");
        engine_give_back(&e, "x0");
        assert_int_equal(engine_take(&other, "x3", 2, 1, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&e, "x2", 2, 2, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&e, "x1", 0, 2, true), XPM_TOKENS_TAKEN);
        engine_give_back(&e, "x1");
        assert_int_equal(engine_take(&other, "x3", 2, 1, true), XPM_TOKENS_SHORT);
        assert_int_equal(engine_take(&e, "x2", 2, 2, true), XPM_TOKENS_TAKEN);
        engine_give_back(&e, "x2");
        assert_int_equal(engine_take(&other, "x3", 2, 1, true), XPM_TOKENS_TAKEN);
        engine_end(&e);
        engine_end(&other);
}

static void two_who_wait_for_one_job_share_its_ticket(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        char before[4096], after[4096];
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 2);
        engine_declare(&other, "a", 2);
        assert_int_equal(engine_take(&e, "s1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "big", 2, 0, true), XPM_TOKENS_SHORT);
        place_get(place, TICKET("a", "big"), before);
        assert_int_equal(engine_take(&other, "big", 2, 0, true), XPM_TOKENS_SHORT);
        assert_string_equal(place_get(place, TICKET("a", "big"), after), before);
        engine_give_back(&e, "s1");
        assert_int_equal(engine_take(&other, "big", 2, 0, true), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "big", 2, 0, true), XPM_TOKENS_BUSY);
        assert_int_equal(place_count(place, "tokens/a.counter/tickets"), 0);
        engine_end(&e);
        engine_end(&other);
}

static void ticket_that_asks_for_too_much_keeps_nothing(void **state)
{
        struct place *place = *state;
        struct engine e;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 4);
        assert_int_equal(engine_take(&e, "s1", 1, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(engine_take(&e, "big", 4, 0, true), XPM_TOKENS_SHORT);
        engine_declare(&e, "a", 3);
        assert_int_equal(engine_take(&e, "s2", 2, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&e);
}

static void foreign_files_neither_count_nor_stay(void **state)
{
        static const char *const texts[] = {
                "",
                "{",
                "[]",
                "{\"information\": {\"count\": -3}}",
                "12",
                "{\"information\": {\"count\": \"1\"}, \"job_uri\": 5, \"experiment\": []}",
                "{\"information\": {\"count\": 9223372036854775807}}",
                "{\"information\": {\"count\": 1}, \"experiment\": \"../..\", \"run\": \"\"}",
                "{\"number\": 9223372036854775807, \"information\": {\"count\": 1}}"};
        struct place *place = *state;
        struct engine e;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 2);
        runs_mkdir(place, "tokens/a.counter/jobs");
        runs_mkdir(place, "tokens/a.counter/tickets");
        place_put(place, "tokens/a.counter/jobs/notes.txt", "not ours");
        place_put(place, "tokens/a.counter/jobs/.t@j.json.1.0.tmp", "half");
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                place_put(place, HOLDER("a", "x"), texts[i]);
                place_put(place, HOLDER("a", "y"), texts[i]);
                place_put(place, TICKET("a", "x"), texts[i]);
                assert_int_equal(engine_take(&e, "j1", 2, 0, true), XPM_TOKENS_TAKEN);
                engine_give_back(&e, "j1");
        }
        assert_true(has(place, "tokens/a.counter/jobs/notes.txt"));
        assert_int_equal(place_count(place, "tokens/a.counter/jobs"), 1);
        /* Of a job that runs, it may stand for all. */
        place_put(place, HOLDER("a", "x"), "{\"infor");
        int lock = job_lock(place, "x");
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_SHORT);
        xpm_lock_release(lock);
        assert_int_equal(engine_take(&e, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&e);
}

static void names_may_be_long_and_odd(void **state)
{
        static const char odd[] = "t \n\"'\\.x";
        char text[4096], name[300], longest[201];
        struct place *place = *state;
        struct engine e, other;
        xpm_token_answer answer;
        memset(longest, 't', 200);
        longest[200] = '\0';
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        engine_declare(&e, "a", 2);
        engine_declare(&other, "a", 2);
        runs_id(name, "5");
        const xpm_count one = {"a", 1};
        xpm_token_request requests[] = {{&one, 1, odd, name, "x"}, {&one, 1, longest, name, longest}};
        for (int i = 0; i < 2; i++) {
                assert_int_equal(xpm_tokens_take(e.tokens, &requests[i], false, &answer, NULL), 0);
                assert_int_equal(answer.result, XPM_TOKENS_TAKEN);
        }
        assert_int_equal(engine_take(&other, "j", 1, 0, false), XPM_TOKENS_SHORT);
        /* Their locks are found, too. */
        int locks[2];
        for (int i = 0; i < 2; i++) {
                runs_mkdir(place, "jobs/%s/%s", requests[i].task_id, name);
                snprintf(text, sizeof text, "jobs/%s/%s/%s.lock", requests[i].task_id, name, requests[i].script);
                assert_int_equal(xpm_lock_take(place->dir, text, 0600, false, &locks[i], NULL), 0);
        }
        engine_end(&e);
        assert_int_equal(engine_take(&other, "j", 1, 0, false), XPM_TOKENS_SHORT);
        assert_int_equal(xpm_tokens_drop(other.workspace->dir, &requests[0], NULL), 0);
        assert_int_equal(engine_take(&other, "j", 1, 0, false), XPM_TOKENS_TAKEN);
        xpm_lock_release(locks[0]);
        assert_int_equal(engine_take(&other, "k", 1, 0, false), XPM_TOKENS_SHORT);
        xpm_lock_release(locks[1]);
        assert_int_equal(engine_take(&other, "k", 1, 0, false), XPM_TOKENS_TAKEN);
        engine_end(&other);
}

static void what_was_removed_or_cut_off_is_made_again_by_whoever_declared_it(void **state)
{
        struct place *place = *state;
        struct engine e, other;
        struct asking asking;
        xpm_token_answer answer;
        char text[4096];
        xpm_error err = XPM_ERROR_NONE;
        engine_begin(&e, place, "one");
        engine_begin(&other, place, "two");
        assert_int_equal(xpm_tokens_take(other.tokens, ask(&asking, "j1", 1, 0), false, &answer, &err), XPM_ENOTFOUND);
        assert_non_null(strstr(err.message, "there is no token 'a'"));
        engine_declare(&e, "a", 2);
        assert_int_equal(engine_take(&other, "j1", 1, 0, false), XPM_TOKENS_TAKEN);
        for (const char *const *content =
                     (const char *const[]){"", "{\"total\"", "{\"total\": -1}", "{\"total\": 2.5}", NULL};
             *content; content++) {
                place_put(place, "tokens/a.counter/informations.json", *content);
                err = XPM_ERROR_NONE;
                assert_int_equal(xpm_tokens_take(other.tokens, ask(&asking, "j2", 1, 0), false, &answer, &err),
                                 XPM_EFORMAT);
                assert_non_null(strstr(err.message, "'informations.json' does not tell a total (in '"));
                assert_int_equal(engine_take(&e, "j3", 1, 0, false), XPM_TOKENS_TAKEN);
                assert_string_equal(place_get(place, "tokens/a.counter/informations.json", text), "{\"total\": 2}\n");
        }
        assert_int_equal(xpm_remove_tree(place->dir, "tokens", NULL), 0);
        engine_give_back(&e, "j3");
        assert_int_equal(engine_take(&e, "j3", 2, 0, false), XPM_TOKENS_TAKEN);
        assert_int_equal(xpm_tokens_declare(e.tokens, "../x", 1, &err), XPM_EIO);
        engine_end(&e);
        engine_end(&other);
}

static void lock_that_others_keep_is_not_waited_for(void **state)
{
        struct place *place = *state;
        struct engine e;
        int lock;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 2);
        assert_int_equal(xpm_lock_take(place->dir, "tokens/a.counter/ipc.lock", 0600, false, &lock, NULL), 0);
        assert_int_equal(engine_take(&e, "j1", 1, 0, true), XPM_TOKENS_SHORT);
        xpm_lock_release(lock);
        assert_int_equal(engine_take(&e, "j1", 1, 0, true), XPM_TOKENS_TAKEN);
        engine_end(&e);
}

enum { ENGINES = 3, ROUNDS = 60, LIMIT = 4 };

/* What really is held, as those who hold it know it. */
struct shared {
        _Atomic int held[2], most[2];
};

static void count(struct shared *shared, int which, int64_t change)
{
        int now = atomic_fetch_add(&shared->held[which], (int)change) + (int)change;
        int most = atomic_load(&shared->most[which]);
        while (now > most && !atomic_compare_exchange_weak(&shared->most[which], &most, now))
                ;
}

static void compete(const struct place *place, int number, struct shared *shared)
{
        struct engine e;
        char name[32];
        unsigned seed = (unsigned)number;
        snprintf(name, sizeof name, "e%d", number);
        engine_begin(&e, place, name);
        engine_declare(&e, "a", LIMIT);
        engine_declare(&e, "b", LIMIT);
        for (int round = 0; round < ROUNDS; round++) {
                int64_t a = rand_r(&seed) % (LIMIT + 1), b = rand_r(&seed) % (LIMIT + 1);
                snprintf(name, sizeof name, "e%d.%d", number, round % 3);
                while (engine_take(&e, name, a, b, true) != XPM_TOKENS_TAKEN)
                        sched_yield();
                count(shared, 0, a);
                count(shared, 1, b);
                sched_yield();
                count(shared, 0, -a);
                count(shared, 1, -b);
                engine_give_back(&e, name);
        }
        engine_end(&e);
        _exit(0);
}

static void engines_that_compete_all_get_their_turn_and_never_too_much(void **state)
{
        struct place *place = *state;
        struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(shared != MAP_FAILED);
        pid_t pids[ENGINES];
        for (int i = 0; i < ENGINES; i++)
                if ((pids[i] = fork()) == 0)
                        compete(place, i + 1, shared);
        for (int i = 0; i < ENGINES; i++) {
                int status;
                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_int_equal(status, 0);
        }
        assert_in_range(shared->most[0], 1, LIMIT);
        assert_in_range(shared->most[1], 1, LIMIT);
        assert_int_equal(place_count(place, "tokens/a.counter/tickets"), 0);
        munmap(shared, sizeof *shared);
}

static void memory_that_runs_out_takes_nothing(void **state)
{
        if (!failing_malloc_works)
                skip();
        struct place *place = *state;
        struct engine e;
        struct asking asking;
        xpm_token_answer answer;
        engine_begin(&e, place, "one");
        engine_declare(&e, "a", 4);
        engine_declare(&e, "b", 4);
        assert_int_equal(engine_take(&e, "j0", 1, 0, false), XPM_TOKENS_TAKEN);
        runs_mkdir(place, "tokens/b.counter/jobs");
        ask(&asking, "j1", 4, 4);
        for (int round = 0; round < 2; round++)
                for (long n = 1;; n++) {
                        xpm_tokens *tokens;
                        failing_malloc_arm(n);
                        int rc = xpm_tokens_open(e.workspace, e.experiment, e.run_name, &tokens, NULL);
                        if (rc == 0) {
                                rc = xpm_tokens_declare(tokens, "a", 4 + round, NULL);
                                if (rc == 0)
                                        rc = xpm_tokens_take(tokens, &asking.request, true, &answer, NULL);
                                if (rc == 0 && answer.result == XPM_TOKENS_TAKEN)
                                        rc = xpm_tokens_give_back(tokens, &asking.request, NULL);
                                xpm_tokens_close(tokens);
                        }
                        bool failed = failing_malloc_disarm();
                        if (rc != 0) {
                                assert_true(failed);
                                assert_int_equal(rc, XPM_ENOMEM);
                        } else
                                assert_int_equal(answer.result, round ? XPM_TOKENS_TAKEN : XPM_TOKENS_SHORT);
                        engine_give_back(&e, "j1");
                        engine_give_back(&e, "j1");
                        assert_int_equal(place_count(place, "tokens/a.counter/jobs"), 1);
                        assert_int_equal(place_count(place, "tokens/b.counter/jobs"), 0);
                        if (!failed)
                                break;
                }
        engine_end(&e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(no_more_are_taken_than_there_are),
                TEST(several_are_taken_all_or_none),
                TEST(what_cannot_all_be_written_is_not_taken),
                TEST(need_beyond_the_total_is_told_from_a_shortage),
                TEST(changed_total_counts_at_once),
                TEST(holder_lives_while_its_engine_or_its_job_does),
                TEST(job_in_other_hands_is_left_alone),
                TEST(holder_of_another_engine_is_not_given_back),
                TEST(job_that_needs_many_is_not_starved),
                TEST(ticket_goes_with_its_engine_or_when_it_is_dropped),
                TEST(two_who_need_the_same_two_do_not_block_each_other),
                TEST(two_who_wait_for_one_job_share_its_ticket),
                TEST(ticket_that_asks_for_too_much_keeps_nothing),
                TEST(foreign_files_neither_count_nor_stay),
                TEST(names_may_be_long_and_odd),
                TEST(what_was_removed_or_cut_off_is_made_again_by_whoever_declared_it),
                TEST(lock_that_others_keep_is_not_waited_for),
                TEST(engines_that_compete_all_get_their_turn_and_never_too_much),
                TEST(memory_that_runs_out_takes_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
