#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commanded.h"

static void a_dry_run_shows_each_job_and_writes_nothing(void **state)
{
        char workdir[128];
        struct commanded made = commanded(*state);
        snprintf(workdir, sizeof workdir, "%s/other", ((struct place *)*state)->path);
        struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--run-mode", "DRY_RUN", "--workdir",
                                workdir, made.file);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "will run"));
        assert_non_null(strstr(said->out, "e: 3 jobs: 3 will run; workspace "));
        assert_int_not_equal(access(workdir, F_OK), 0);
        said = SAY(xpm_command_run_experiment, "run-experiment", "--run-mode", "dry-run", "--json", "--workdir",
                   workdir, made.file);
        assert_int_equal(said->out[0], 123);
}

static void mistakes_are_told_before_anything_is_read(void **state)
{
        static const struct {
                const char *words[5], *said;
        } table[] = {
                {{"run-experiment", "--run-mode", "dry-rum", "x"}, "did you mean"},
                {{"run-experiment", "--rerun", "al", "x"}, "did you mean"},
                {{"run-experiment", "--port", "xx", "x"}, "a whole number from 0 to 65535"},
                {{"run-experiment", "--env", "1x", "v", "x"}, "'1x' is no name of a variable"},
                {{"run-experiment", "--workdir", "", "x"}, "is the variable set?"},
                {{"run-experiment", "--submit", "--show", "x"}, "leave out --run-mode and --show"},
                {{"run-experiment", "--sbatch-option", "--time=3", "x"}, "--sbatch-option is for --submit"},
                {{"run-experiment"}, "missing"},
                {{"run-experiment", "/no/such/file.yaml"}, "/no/such/file.yaml"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
                const char *words[6] = {0};
                memcpy(words, table[i].words, sizeof table[i].words);
                struct said *said = say(xpm_command_run_experiment, words);
                assert_int_equal(said->status, 2);
                if (!strstr(said->err, table[i].said))
                        fail_msg("%zu: %s", i, said->err);
        }
}

static void run_files_are_written_once(void **state)
{
        char workdir[128];
        struct commanded made = commanded(*state);
        snprintf(workdir, sizeof workdir, "%s/other", ((struct place *)*state)->path);
        for (int i = 0; i < 2; i++) {
                struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--run-mode", "generate",
                                        "--limit", "2", "--workdir", workdir, made.file);
                assert_int_equal(said->status, 0);
                assert_non_null(strstr(said->out, "e: 2 run files written below "));
                assert_int_equal(place_count(*state, "other/jobs/good"), 2);
        }
}

static void what_the_system_refuses_has_its_own_exit_status(void **state)
{
        char workdir[160];
        struct commanded made = commanded(*state);
        snprintf(workdir, sizeof workdir, "%s/below", made.file);
        struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--run-mode", "generate", "--workdir",
                                workdir, made.file);
        assert_int_equal(said->status, 3);
        assert_non_null(strstr(said->err, workdir));
}

static void the_merged_file_is_shown(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_run_experiment, "run-experiment", "--show", "-c", "title=Other", made.file);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "\"Other\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_dry_run_shows_each_job_and_writes_nothing), TEST(mistakes_are_told_before_anything_is_read),
                TEST(run_files_are_written_once), TEST(what_the_system_refuses_has_its_own_exit_status),
                TEST(the_merged_file_is_shown)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
