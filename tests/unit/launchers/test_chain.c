#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../launchers/slurm/chain.c"

/* Two arrays and a single job that Slurm has, and one that it has not yet. */
static batch batches[] = {
        {.next = &batches[1], .name = (char *)"r/a", .job_id = 10, .count = 3},
        {.next = &batches[2], .name = (char *)"r/b", .job_id = 20, .count = 3},
        {.next = &batches[3], .name = (char *)"r/one", .job_id = 30, .count = 1},
        {.next = NULL, .name = (char *)"r/later", .job_id = 0, .count = 3},
};

#define AFTER(...) ((const char *const[]){__VA_ARGS__, NULL})

/* An array whose elements come after these; how many of them it took. */
static size_t collect(chain *out, size_t count, const char *const *const *after)
{
        const slurm self = {.batches = batches};
        *out = (chain){0};
        for (size_t i = 0; i < count; i++) {
                chain added;
                assert_int_equal(chain_find(&self, after[i], &added), 0);
                if (!chain_takes(out, &added, i)) {
                        chain_release(&added);
                        return i;
                }
                chain_add(out, &added, i);
        }
        return count;
}

static void expect(chain *chain_, const char *words)
{
        char *option = chain_option(chain_);
        if (words)
                assert_string_equal(option, words);
        else
                assert_null(option);
        free(option);
        chain_release(chain_);
}

#define COLLECT(out, ...)                                                                           \
        collect(out, sizeof(const char *const *const[]){__VA_ARGS__} / sizeof(const char *const *), \
                (const char *const *const[]){__VA_ARGS__})

static void who_comes_after_nobody_waits_for_nobody(void **state)
{
        chain chain_;
        (void)state;
        assert_int_equal(COLLECT(&chain_, NULL, NULL), 2);
        expect(&chain_, NULL);
}

static void those_after_the_same_jobs_go_together(void **state)
{
        chain chain_;
        (void)state;
        assert_int_equal(COLLECT(&chain_, AFTER("r/one#0", "r/a#2"), AFTER("r/a#2", "r/one#0")), 2);
        expect(&chain_, "--dependency=afterok:10_2:30");
}

static void those_after_one_element_each_go_element_by_element(void **state)
{
        chain chain_;
        (void)state;
        assert_int_equal(
                COLLECT(&chain_, AFTER("r/a#0", "r/one#0"), AFTER("r/a#1", "r/one#0"), AFTER("r/a#2", "r/one#0")), 3);
        expect(&chain_, "--dependency=aftercorr:10,afterok:30");
}

static void others_go_alone(void **state)
{
        chain chain_;
        (void)state;
        /* Another index than its own. */
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#0"), AFTER("r/a#2")), 1);
        expect(&chain_, "--dependency=afterok:10_0");
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#1"), AFTER("r/a#2")), 1);
        expect(&chain_, "--dependency=afterok:10_1");
        /* Another array; two arrays at once; more of them. */
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#0"), AFTER("r/b#1")), 1);
        expect(&chain_, "--dependency=afterok:10_0");
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#0", "r/b#0"), AFTER("r/a#1", "r/b#1")), 1);
        expect(&chain_, "--dependency=afterok:10_0:20_0");
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#0"), AFTER("r/a#0", "r/a#1")), 1);
        expect(&chain_, "--dependency=afterok:10_0");
        /* Who has begun in one way does not go on in the other. */
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#0"), AFTER("r/a#0"), AFTER("r/a#2")), 2);
        expect(&chain_, "--dependency=afterok:10_0");
        assert_int_equal(COLLECT(&chain_, AFTER("r/a#0"), AFTER("r/a#1"), AFTER("r/a#1")), 2);
        expect(&chain_, "--dependency=aftercorr:10");
}

static void all_elements_of_an_array_are_one_word(void **state)
{
        chain chain_;
        (void)state;
        assert_int_equal(COLLECT(&chain_, AFTER("r/b#1", "r/a#1", "r/one#0", "r/a#0", "r/a#2", "r/b#0")), 1);
        expect(&chain_, "--dependency=afterok:10:20_0:20_1:30");
}

static void what_slurm_is_not_known_to_have_is_left_to_the_worker(void **state)
{
        chain chain_;
        (void)state;
        assert_int_equal(COLLECT(&chain_, AFTER("r/later#1", "gone#0", "r/one#0")), 1);
        expect(&chain_, "--dependency=afterok:30");
        assert_int_equal(COLLECT(&chain_, AFTER("nonsense")), 1);
        expect(&chain_, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_comes_after_nobody_waits_for_nobody),
                cmocka_unit_test(those_after_the_same_jobs_go_together),
                cmocka_unit_test(those_after_one_element_each_go_element_by_element),
                cmocka_unit_test(others_go_alone),
                cmocka_unit_test(all_elements_of_an_array_are_one_word),
                cmocka_unit_test(what_slurm_is_not_known_to_have_is_left_to_the_worker),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
