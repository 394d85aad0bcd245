#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/spawn.h"
#include "exec/environ.h"
#include "failing_malloc.h"
#include "jobs.h"

static char *const outer[] = {"HOME=/home/u",
                              "EMPTY=",
                              "PATH=/bin",
                              "OMPI_COMM_WORLD_RANK=3",
                              "SLURM_JOB_ID=5",
                              "SLURM_STEP_ID=0",
                              "PMI_RANK=1",
                              "SLURM_CPU_BIND_TYPE=x",
                              "XPM_JOB_ID=old",
                              "XPM_WORKER=old",
                              "XPM_ENGINE=engine.sh",
                              "PWD=/somewhere",
                              "XPM_DATADIR=/kept",
                              "PMIX_X=",
                              "SLURM_NODELIST=n",
                              NULL};

static const char *look(const char *const *env, const char *name)
{
        const char *found = NULL;
        for (size_t i = 0; env[i]; i++)
                if (strncmp(env[i], name, strlen(name)) == 0 && env[i][strlen(name)] == '=') {
                        assert_null(found); /* once at most */
                        found = env[i] + strlen(name) + 1;
                }
        return found ? found : "(unset)";
}

static const xpm_environ_attempt own = {.nonce = "0123456789abcdef"};

static const char *const *make(struct job *job, xpm_arena *arena, bool by_run_file)
{
        xpm_environ environ_;
        const char *const *env = NULL;
        assert_int_equal(xpm_environ_init(&environ_, outer, NULL), 0);
        assert_int_equal(xpm_environ_make(&environ_, arena, &job->spec, by_run_file, &own, &env, NULL), 0);
        xpm_environ_release(&environ_);
        return env;
}

static void what_leaks_from_outside_is_scrubbed(void **state)
{
        struct job job;
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, NULL);
        const char *const *env = make(&job, arena, false);
        static const char *const gone[] = {"OMPI_COMM_WORLD_RANK", "SLURM_STEP_ID", "PMI_RANK",  "SLURM_CPU_BIND_TYPE",
                                           "XPM_WORKER",           "PMIX_X",        "XPM_ENGINE"};
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
                assert_string_equal(look(env, gone[i]), "(unset)");
        assert_string_equal(look(env, "SLURM_JOB_ID"), "5");
        assert_string_equal(look(env, "SLURM_NODELIST"), "n");
        assert_string_equal(look(env, "XPM_DATADIR"), "/kept");
        assert_string_equal(look(env, "EMPTY"), "");
        xpm_arena_destroy(arena);
}

static void run_file_finds_what_the_plan_gives_secrets(void **state)
{
        static const xpm_binding bindings[] = {{"A", "1"}, {"KEY", "$A-$EMPTY-x"}, {"B", "2"}};
        static const char *const secrets[] = {"KEY", "EMPTY", "NOT_SET"};
        struct job job;
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, NULL);
        job.spec.env = bindings;
        job.spec.env_count = 3;
        job.spec.secrets = secrets;
        job.spec.secret_count = 3;
        const char *const *env = make(&job, arena, true);
        assert_string_equal(look(env, "KEY"), "1--x");
        assert_string_equal(look(env, "EMPTY"), "");
        assert_string_equal(look(env, "NOT_SET"), "(unset)");
        assert_string_equal(look(env, "A"), "(unset)"); /* the run file sets it */
        xpm_arena_destroy(arena);
}

static void ranks_beside_other_jobs_know_of_no_allocation(void **state)
{
        static const xpm_environ_attempt guest = {.nonce = "0123456789abcdef", .guest = true};
        struct job job;
        xpm_environ environ_;
        const char *const *env = NULL;
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, NULL);
        assert_int_equal(xpm_environ_init(&environ_, outer, NULL), 0);
        assert_int_equal(xpm_environ_make(&environ_, arena, &job.spec, false, &guest, &env, NULL), 0);
        assert_string_equal(look(env, "SLURM_JOB_ID"), "5");
        job.spec.need.ranks = 2;
        assert_int_equal(xpm_environ_make(&environ_, arena, &job.spec, false, &guest, &env, NULL), 0);
        assert_string_equal(look(env, "SLURM_JOB_ID"), "(unset)");
        assert_string_equal(look(env, "SLURM_NODELIST"), "(unset)");
        assert_string_equal(look(env, "HOME"), "/home/u");
        /* Its own allocation is for its ranks. */
        assert_int_equal(xpm_environ_make(&environ_, arena, &job.spec, false, &own, &env, NULL), 0);
        assert_string_equal(look(env, "SLURM_NODELIST"), "n");
        xpm_environ_release(&environ_);
        xpm_arena_destroy(arena);
}

static void job_is_told_about_itself(void **state)
{
        struct job job;
        char params[400];
        const xpm_gpu_need gpus = {XPM_GPU_ANY, 0, 3};
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, NULL);
        job.spec.need.gpus = &gpus;
        job.spec.need.gpu_count = 1;
        snprintf(params, sizeof params, "%s/params.json", job.path);
        const struct {
                const char *name, *value;
        } rows[] = {{"XPM_JOB_DIR", job.path},
                    {"XPM_PARAMS", params},
                    {"XPM_JOB_ID", JOB_ID},
                    {"XPM_TASK_ID", "t.work"},
                    {"XPM_EXPERIMENT_ID", "exp"},
                    {"XPM_EXPERIMENT_DIR", ((struct place *)*state)->path},
                    {"XPM_RESULTS_DIR", "/results"},
                    {"XPM_WORKSPACE", job.workspace},
                    {"XPM_CORES", "2"},
                    {"XPM_GPUS", "3"},
                    {"PWD", job.path}};
        const char *const *env = make(&job, arena, false);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                assert_string_equal(look(env, rows[i].name), rows[i].value);
        xpm_arena_destroy(arena);
}

/* Values of `env`, and what becomes of them here and in a shell. */
static const struct {
        const char *value, *expanded;
} expansions[] = {
        {"plain", "plain"},
        {"", ""},
        {"$HOME", "/home/u"},
        {"${HOME}/bin:$PATH", "/home/u/bin:/bin"},
        {"$HOMER", ""},
        {"a${EMPTY}b$NOT_THERE", "ab"},
        {"$", "$"},
        {"$$", "$$"},
        {"$1", "$1"},
        {"${", "${"},
        {"${HOME", "${HOME"},
        {"${HOME:-x}", "${HOME:-x}"},
        {"$(touch x) `touch y`", "$(touch x) `touch y`"},
        {"$HOME \"quoted\" 'both' \\ back", "/home/u \"quoted\" 'both' \\ back"},
        {"two\nlines $HOME", "two\nlines /home/u"},
        {"$XPM_CORES cores", "2 cores"},
        {"\\$HOME", "\\/home/u"},
};
enum { EXPANSIONS = sizeof expansions / sizeof *expansions };

static void values_name_variables(void **state)
{
        for (size_t i = 0; i < EXPANSIONS; i++) {
                struct job job;
                const xpm_binding binding = {"V", expansions[i].value};
                xpm_arena *arena = xpm_arena_create();
                job_init(&job, *state, NULL);
                job.spec.env = &binding;
                job.spec.env_count = 1;
                assert_string_equal(look(make(&job, arena, false), "V"), expansions[i].expanded);
                xpm_arena_destroy(arena);
        }
}

static void shell_makes_the_same_of_a_quoted_value(void **state)
{
        (void)state;
        static const char *const shells[] = {"/bin/sh", "/bin/bash"};
        static const char *const env[] = {"HOME=/home/u", "EMPTY=", "PATH=/bin", "XPM_CORES=2", NULL};
        for (size_t i = 0; i < 2 * EXPANSIONS; i++) {
                xpm_text script = XPM_TEXT_INIT, output = XPM_TEXT_INIT, errors = XPM_TEXT_INIT;
                int status = -1;
                xpm_text_puts(&script, "export V=");
                xpm_environ_quote(&script, expansions[i / 2].value);
                xpm_text_puts(&script, "; printf %s \"$V\"");
                const char *const argv[] = {shells[i % 2], "-ec", xpm_text_string(&script), NULL};
                xpm_spawn spawn = XPM_SPAWN_INIT;
                spawn.argv = argv;
                spawn.env = env;
                assert_int_equal(xpm_spawn_capture(&spawn, "", 0, 4096, &output, &errors, &status, NULL), 0);
                assert_int_equal(status, 0);
                assert_string_equal(xpm_text_string(&output), expansions[i / 2].expanded);
                xpm_text_release(&script);
                xpm_text_release(&output);
                xpm_text_release(&errors);
        }
}

static void later_binding_wins_and_sees_the_earlier(void **state)
{
        static const xpm_binding env[] = {{"PATH", "/first:$PATH"}, {"XPM_CORES", "9"}, {"PATH", "/second:$PATH"}};
        struct job job;
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, NULL);
        job.spec.env = env;
        job.spec.env_count = 3;
        const char *const *made = make(&job, arena, false);
        assert_string_equal(look(made, "PATH"), "/second:/first:/bin");
        assert_string_equal(look(made, "XPM_CORES"), "9");
        xpm_arena_destroy(arena);
}

static void run_file_sets_the_plans_env_itself(void **state)
{
        static const xpm_binding env[] = {{"PATH", "/first:$PATH"}};
        struct job job;
        xpm_arena *arena = xpm_arena_create();
        job_init(&job, *state, NULL);
        job.spec.env = env;
        job.spec.env_count = 1;
        const char *const *made = make(&job, arena, true);
        assert_string_equal(look(made, "PATH"), "/bin");
        assert_string_equal(look(made, "XPM_WORKER"), JOB_ID);
        xpm_arena_destroy(arena);
}

static void making_without_memory_is_an_error(void **state)
{
        static const xpm_binding env[] = {{"A", "$PATH$PATH$PATH"}};
        struct job job;
        xpm_environ environ_;
        if (!failing_malloc_works)
                skip();
        job_init(&job, *state, NULL);
        job.spec.env = env;
        job.spec.env_count = 1;
        assert_int_equal(xpm_environ_init(&environ_, outer, NULL), 0);
        for (long n = 1;; n++) {
                const char *const *made = NULL;
                xpm_arena *arena = xpm_arena_create();
                failing_malloc_arm(n);
                int rc = xpm_environ_make(&environ_, arena, &job.spec, false, &own, &made, NULL);
                bool struck = failing_malloc_disarm();
                xpm_arena_destroy(arena);
                assert_int_equal(rc, struck ? XPM_ENOMEM : 0);
                if (!struck)
                        break;
        }
        xpm_environ_release(&environ_);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(what_leaks_from_outside_is_scrubbed),
                T(run_file_finds_what_the_plan_gives_secrets),
                T(ranks_beside_other_jobs_know_of_no_allocation),
                T(job_is_told_about_itself),
                T(values_name_variables),
                T(shell_makes_the_same_of_a_quoted_value),
                T(later_binding_wins_and_sees_the_earlier),
                T(run_file_sets_the_plans_env_itself),
                T(making_without_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
