#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>

#include "commanded.h"

static void a_job_is_explained(void **state)
{
        char path[512], word[16], marker[600];
        struct commanded made = commanded(*state);
        snprintf(word, sizeof word, "%.10s", commanded_job(&made, path));
        struct said *said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, word);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, word));
        assert_non_null(strstr(said->out, "\nit will run with the next run of its experiment: it has not run yet\n"));
        assert_non_null(strstr(said->out, "\nits parameters: {\"n\": "));
        assert_non_null(strstr(said->out, ", which differs in\n  n: "));
        snprintf(marker, sizeof marker, "%s/good.done", path);
        close(open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, word);
        assert_non_null(strstr(said->out, "\nit will not run again: it is done\n"));
}

static void what_is_hashed_is_shown_with_the_file(void **state)
{
        char id[65];
        struct commanded made = commanded(*state);
        struct said *said =
                SAY(xpm_command_jobs, "jobs", "list", "--workdir", made.workdir, "--json", "--filter", "n = 3");
        snprintf(id, sizeof id, "%s", strstr(said->out, "\"job_id\": \"") + strlen("\"job_id\": \""));
        said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, id, made.file);
        assert_int_equal(said->status, 0);
        assert_non_null(strstr(said->out, "\nits identifier is the SHA-256 of\n  \"good\"  00676f6f64\n  n = 3  "));
        said = SAY(xpm_command_explain, "explain", "--json", "--workdir", made.workdir, id, made.file);
        assert_int_equal(said->status, 0);
        json_t *json = json_loads(said->out, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "job_id")), id);
        assert_int_equal(json_array_size(json_object_get(json, "identity")), 2);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "params"), "n")), 3);
        json_decref(json);
}

static void what_is_no_job_is_told_so(void **state)
{
        struct commanded made = commanded(*state);
        struct said *said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, "zzzz");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "there is no job 'zzzz'"));
        said = SAY(xpm_command_explain, "explain", "--workdir", made.workdir, "good/");
        assert_int_equal(said->status, 2);
        assert_non_null(strstr(said->err, "'good/' names no job"));
        assert_int_equal(SAY(xpm_command_explain, "explain")->status, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {TEST(a_job_is_explained), TEST(what_is_hashed_is_shown_with_the_file),
                                           TEST(what_is_no_job_is_told_so)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
