#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "exec/loader.h"

static int add(void *data, const char *directive)
{
        xpm_text_printf(data, "%s\n", directive);
        return 0;
}

static void check(const char *config, const xpm_shape *shape, const char *expected)
{
        const xpm_launcher *slurm;
        const xpm_core core = {.abi = XPM_LAUNCHER_ABI, .size = sizeof core, .label = "e", .workspace = "/w"};
        xpm_text text = XPM_TEXT_INIT;
        void *instance;
        assert_int_equal(xpm_launcher_find("slurm", &slurm, NULL), 0);
        assert_int_equal(slurm->open(&core, "slurm", config, &instance, NULL), 0);
        assert_int_equal(slurm->directives(instance, shape, add, &text, NULL), 0);
        assert_string_equal(xpm_text_string(&text), expected);
        slurm->close(instance);
        xpm_text_release(&text);
}

static void requirements_become_options(void **state)
{
        (void)state;
        check(NULL, &(xpm_shape){.cores = 1}, "--job-name=e\n--nodes=1\n--ntasks=1\n--cpus-per-task=1\n");
        check(NULL, &(xpm_shape){.cores = 4, .memory = (UINT64_C(3) << 20) - 1, .gpus = 2, .duration = 7200},
              "--job-name=e\n--nodes=1\n--ntasks=1\n--cpus-per-task=4\n--mem=3M\n--gres=gpu:2\n--signal=B:TERM@30\n--"
              "time=120:00\n");
        check(NULL, &(xpm_shape){.cores = 16, .ranks = 8, .nodes = 2, .memory = UINT64_C(8) << 30},
              "--job-name=e\n--nodes=2\n--ntasks=8\n--cpus-per-task=2\n--mem=4096M\n");
        check(NULL, &(xpm_shape){.cores = 6, .ranks = 6, .per_node = 4, .memory = UINT64_C(6) << 30, .gpus = 3},
              "--job-name=e\n--nodes=2\n--ntasks=6\n--ntasks-per-node=4\n--cpus-per-task=1\n--mem=4096M\n"
              "--gres=gpu:2\n");
        /* Where Slurm is free to spread ranks, so is their memory. */
        check(NULL, &(xpm_shape){.cores = 8, .ranks = 4, .memory = UINT64_C(12) << 30},
              "--job-name=e\n--ntasks=4\n--cpus-per-task=2\n--mem-per-cpu=1536M\n");
}

static void options_of_the_launcher_win(void **state)
{
        (void)state;
        check("{\"options\": {\"partition\": \"gpu\", \"mem\": \"1G\", \"exclusive\": true, \"nice\": 5, \"hold\": "
              "false}}",
              &(xpm_shape){.cores = 1, .memory = 1 << 20},
              "--partition=gpu\n--mem=1G\n--exclusive\n--nice=5\n--job-name=e\n--nodes=1\n--ntasks=1\n--cpus-per-task="
              "1\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requirements_become_options),
                cmocka_unit_test(options_of_the_launcher_win),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
