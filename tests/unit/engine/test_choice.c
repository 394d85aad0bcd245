/* Launchers that are asked and answer as a test says; what the file says of their hosts is the file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/choice.h"
#include "place.h"

static const char launchers[] = "launchers:\n"
                                "  near: {type: local, priority: 1, tags: [quick], host: {cores: 4, memory: 8G}}\n"
                                "  far:\n"
                                "    type: slurm\n"
                                "    priority: 5\n"
                                "    tags: [night, gpu]\n"
                                "    host: {cores: 64, memory: 16G, max_duration: 1h,\n"
                                "           gpus: {count: 2, memory: 40G, type: cuda}}\n"
                                "  long: {type: mpi, priority: 5, tags: [night], host: {cores: 64}}\n";

static struct asked {
        size_t opened, closed, checked;
        bool refuses;
} asked;

static int open_one(const xpm_core *core, const char *name, const char *config, void **instance, xpm_error *err)
{
        (void)core;
        (void)name;
        if (strstr(config, "slurm") && asked.refuses)
                return xpm_fail(err, XPM_ELAUNCHER, "the controller is down");
        asked.opened++;
        *instance = &asked;
        return 0;
}

static void close_one(void *instance)
{
        ((struct asked *)instance)->closed++;
}

static int check_one(void *instance, const xpm_shape *shape, xpm_error *err)
{
        ((struct asked *)instance)->checked++;
        return shape->nodes > 1 ? xpm_fail(err, XPM_ELAUNCHER, "one node is all it has") : 0;
}

static const xpm_launcher stub = {.open = open_one, .close = close_one, .check = check_one};

struct fixture {
        xpm_arena *arena;
        xpm_launcher_file *file;
        xpm_core core;
        xpm_candidates candidates;
};

static void enter(struct fixture *fixture, const struct place *place, const char *text)
{
        xpm_error err = XPM_ERROR_NONE;
        *fixture = (struct fixture){.arena = xpm_arena_create()};
        asked = (struct asked){0};
        if (text)
                place_put(place, "launchers.yaml", text);
        if (xpm_launcher_file_read(place->path, &fixture->file, &err) != 0 ||
            xpm_candidates_init(&fixture->candidates, fixture->file, &fixture->core, &err) != 0)
                fail_msg("%s", err.message);
        for (size_t i = 0; i < fixture->candidates.count; i++)
                fixture->candidates.list[i].ops = &stub;
}

static void leave(struct fixture *fixture)
{
        xpm_candidates_release(&fixture->candidates);
        assert_int_equal(asked.opened, asked.closed);
        xpm_launcher_file_destroy(fixture->file);
        xpm_arena_destroy(fixture->arena);
}

/* `NAME/ALTERNATIVE`, with `!` behind it when nobody is fit. NAMED and TAG may be NULL. */
static const char *choose(struct fixture *fixture, const char *named, const char *tag, const char *text, xpm_text *why)
{
        static char answer[64];
        xpm_error err = XPM_ERROR_NONE;
        xpm_requirement requirement;
        xpm_choice choice;
        size_t index = 0;
        if (xpm_requirement_parse(fixture->arena, text, &requirement, &err) != 0 ||
            (named && xpm_candidates_find(&fixture->candidates, named, &index, &err) != 0) ||
            xpm_candidates_choose(&fixture->candidates, named ? (int)index : -1, &tag, tag ? 1 : 0, &requirement,
                                  &choice, why, &err) != 0)
                fail_msg("%s: %s", text, err.message);
        snprintf(answer, sizeof answer, "%s/%d%s", fixture->candidates.list[choice.candidate].name, choice.alternative,
                 choice.unfit ? "!" : "");
        return answer;
}

static void first_alternative_wins_then_priority_then_the_order_of_the_file(void **state)
{
        static const struct {
                const char *named, *tag, *text, *expected;
        } cases[] = {
                {NULL, NULL, "cpu(cores=2)", "far/0"},
                {NULL, NULL, "cpu(cores=2) | cpu(cores=1)", "far/0"},
                {NULL, NULL, "cpu(cores=100) | cpu(cores=4)", "far/1"},
                {NULL, NULL, "cpu(mem=20G)", "long/0"},
                {NULL, NULL, "duration=2h", "long/0"},
                {NULL, "gpu", "duration=2h & cuda(mem=80G) | duration=1h & cuda(mem=40G)*2", "far/1"},
                {NULL, "quick", "cpu(cores=2)", "near/0"},
                {NULL, "quick", "cpu(cores=8) | cpu(cores=4)", "near/1"},
                {NULL, "gpu", "cpu(cores=2)", "far/0"},
                {NULL, "night", "duration=2h", "long/0"},
                {"near", NULL, "cpu(cores=8) | cpu(cores=4)", "near/1"},
                {"long", NULL, "cpu(cores=2)", "long/0"},
                {"near", NULL, "cpu(cores=8)", "near/0!"},
                {NULL, NULL, "cpu(cores=100)", "far/0!"},
                {NULL, "day", "cpu(cores=1)", "far/0!"},
        };
        struct fixture fixture;
        enter(&fixture, *state, launchers);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *got = choose(&fixture, cases[i].named, cases[i].tag, cases[i].text, NULL);
                if (strcmp(got, cases[i].expected) != 0)
                        fail_msg("%s for %s, with %s: %s", cases[i].text, cases[i].named ? cases[i].named : "anybody",
                                 cases[i].tag ? cases[i].tag : "no tag", got);
        }
        leave(&fixture);
}

static void what_each_one_lacks_is_told_in_order(void **state)
{
        static const struct {
                const char *tag, *text, *why;
        } cases[] = {
                {NULL, "cpu(cores=65, mem=9G)",
                 "far: it wants 65 cores, and its hosts have 64; long: it wants 65 cores, and its hosts have 64; "
                 "near: it wants 65 cores, and its hosts have 4"},
                {"gpu", "cpu(mem=20G) | duration=2h",
                 "far: it wants 20480 MiB of memory, and its hosts have 16384; long: it has no tag 'gpu'; "
                 "near: it has no tag 'gpu'; far: it wants 7200 s, and jobs may take 3600 s there"},
                {"gpu", "rocm()",
                 "far: it wants GPUs of another type than its hosts have; long: it has no tag 'gpu'; "
                 "near: it has no tag 'gpu'"},
                {"night", "gpu()*3",
                 "far: it wants 3 GPUs, and its hosts have 2; long: it wants 3 GPUs, and its hosts have none; "
                 "near: it has no tag 'night'"},
                {"gpu", "gpu(mem=41G)",
                 "far: it wants GPUs of 41984 MiB, and those of its hosts have 40960; long: it has no tag 'gpu'; "
                 "near: it has no tag 'gpu'"},
                {"quick", "nodes=2",
                 "far: it has no tag 'quick'; long: it has no tag 'quick'; near: one node is all it has"},
        };
        struct fixture fixture;
        enter(&fixture, *state, launchers);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_text why = XPM_TEXT_INIT;
                choose(&fixture, NULL, cases[i].tag, cases[i].text, &why);
                assert_string_equal(xpm_text_string(&why), cases[i].why);
                xpm_text_release(&why);
        }
        leave(&fixture);
}

static void launcher_is_opened_once_and_only_when_its_entry_allows_the_job(void **state)
{
        struct fixture fixture;
        enter(&fixture, *state, launchers);
        choose(&fixture, NULL, NULL, "cpu(cores=65)", NULL);
        assert_int_equal(asked.opened, 0);
        choose(&fixture, NULL, NULL, "cpu(cores=2)", NULL);
        choose(&fixture, NULL, NULL, "cpu(cores=3)", NULL);
        assert_int_equal(asked.opened, 1);
        assert_int_equal(asked.checked, 2);
        leave(&fixture);
}

static void job_that_asks_for_nothing_needs_no_look_at_a_local_host(void **state)
{
        struct fixture fixture;
        xpm_choice choice;
        const xpm_need nothing = {.cores = 1, .implied = true};
        const xpm_requirement requirement = {&nothing, 1};
        const char *tag = "quick";
        enter(&fixture, *state, launchers);
        assert_int_equal(xpm_candidates_choose(&fixture.candidates, -1, &tag, 1, &requirement, &choice, NULL, NULL), 0);
        assert_string_equal(fixture.candidates.list[choice.candidate].name, "near");
        assert_int_equal(asked.opened + asked.checked, 0);
        assert_int_equal(xpm_candidates_choose(&fixture.candidates, -1, NULL, 0, &requirement, &choice, NULL, NULL), 0);
        assert_string_equal(fixture.candidates.list[choice.candidate].name, "far");
        assert_int_equal(asked.checked, 1);
        leave(&fixture);
}

static void launcher_that_cannot_be_opened_is_passed_over_and_not_tried_again(void **state)
{
        struct fixture fixture;
        xpm_text why = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        enter(&fixture, *state, launchers);
        asked.refuses = true;
        assert_string_equal(choose(&fixture, NULL, NULL, "cpu(cores=2)", NULL), "long/0");
        asked.refuses = false;
        choose(&fixture, NULL, "gpu", "cpu(cores=2)", &why);
        assert_string_equal(xpm_text_string(&why), "far: the controller is down; long: it has no tag 'gpu'; "
                                                   "near: it has no tag 'gpu'");
        xpm_text_release(&why);
        assert_int_equal(xpm_candidates_open(&fixture.candidates, 1, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "the controller is down");
        leave(&fixture);
}

static void named_module_that_is_not_there_is_chosen_and_told_when_it_is_used(void **state)
{
        struct place *place = *state;
        struct fixture fixture;
        xpm_error err = XPM_ERROR_NONE;
        setenv("XPM_MODULEDIR", place->path, 1);
        enter(&fixture, place, launchers);
        fixture.candidates.list[1].ops = NULL;
        assert_string_equal(choose(&fixture, "far", NULL, "cpu(cores=1000)", NULL), "far/0");
        assert_string_equal(choose(&fixture, NULL, NULL, "cpu(cores=1)", NULL), "long/0");
        assert_int_equal(xpm_candidates_load(&fixture.candidates, 1, &err), XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "'slurm'"));
        leave(&fixture);
        unsetenv("XPM_MODULEDIR");
}

static void name_that_means_nothing_is_refused_with_a_suggestion(void **state)
{
        struct fixture fixture;
        xpm_error err = XPM_ERROR_NONE;
        size_t index;
        enter(&fixture, *state, launchers);
        assert_int_equal(xpm_candidates_find(&fixture.candidates, "lonk", &index, &err), XPM_EUSAGE);
        assert_string_equal(err.message, "there is no launcher 'lonk' in launchers.yaml: did you mean 'long'?");
        /* A type is a launcher itself. It is added once, and chosen by nobody who does not name it. */
        assert_int_equal(xpm_candidates_find(&fixture.candidates, "local", &index, NULL), 0);
        assert_int_equal(index, 3);
        assert_int_equal(xpm_candidates_find(&fixture.candidates, "local", &index, NULL), 0);
        assert_int_equal(index, 3);
        assert_int_equal(fixture.candidates.count, 4);
        assert_int_equal(fixture.candidates.order_count, 3);
        leave(&fixture);
}

static void on_a_login_node_the_cluster_is_meant(void **state)
{
        const struct place *place = *state;
        xpm_launcher_file *file;
        xpm_candidates candidates;
        xpm_core core = {0};
        char conf[128];
        size_t index;
        static const struct {
                bool conf, allocation, submitted;
                const char *name;
        } cases[] = {{false, false, false, "local"},
                     {true, false, false, "slurm"},
                     {true, true, false, "local"},
                     {true, true, true, "slurm"}};
        snprintf(conf, sizeof conf, "%s/slurm.conf", place->path);
        assert_int_equal(xpm_launcher_file_read(place->path, &file, NULL), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                if (cases[i].conf)
                        place_put(place, "slurm.conf", "");
                setenv("SLURM_CONF", conf, 1);
                if (cases[i].allocation)
                        setenv("SLURM_JOB_ID", "1", 1);
                if (cases[i].submitted)
                        setenv("XPM_ENGINE", "engine.sh", 1);
                assert_int_equal(xpm_candidates_init(&candidates, file, &core, NULL), 0);
                assert_int_equal(candidates.order_count, 1);
                assert_string_equal(candidates.list[candidates.order[0]].name, cases[i].name);
                /* By name each is there. */
                assert_int_equal(xpm_candidates_find(&candidates, "local", &index, NULL), 0);
                assert_int_equal(xpm_candidates_find(&candidates, "slurm", &index, NULL), 0);
                xpm_candidates_release(&candidates);
        }
        unsetenv("SLURM_CONF");
        unsetenv("SLURM_JOB_ID");
        unsetenv("XPM_ENGINE");
        xpm_launcher_file_destroy(file);
}

static void without_a_file_there_is_local(void **state)
{
        struct fixture fixture;
        enter(&fixture, *state, NULL);
        assert_int_equal(fixture.candidates.count, 1);
        assert_string_equal(fixture.candidates.list[0].name, "local");
        assert_null(fixture.candidates.list[0].entry);
        assert_int_equal(fixture.candidates.order_count, 1);
        leave(&fixture);
}

static void more_launchers_than_can_be_told_apart_are_refused(void **state)
{
        struct place *place = *state;
        struct fixture fixture;
        xpm_text text = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        size_t index;
        xpm_text_puts(&text, "launchers:\n");
        for (int i = 0; i < XPM_CANDIDATES; i++)
                xpm_text_printf(&text, "  l%d: {type: local}\n", i);
        enter(&fixture, place, xpm_text_string(&text));
        assert_int_equal(xpm_candidates_find(&fixture.candidates, "local", &index, &err), XPM_ELAUNCHER);
        assert_non_null(strstr(err.message, "more than 32 launchers"));
        leave(&fixture);
        xpm_text_puts(&text, "  more: {type: local}\n");
        place_put(place, "launchers.yaml", xpm_text_string(&text));
        xpm_text_release(&text);
        assert_int_equal(xpm_launcher_file_read(place->path, &fixture.file, NULL), 0);
        assert_int_equal(xpm_candidates_init(&fixture.candidates, fixture.file, &fixture.core, NULL), XPM_ELAUNCHER);
        xpm_candidates_release(&fixture.candidates);
        xpm_launcher_file_destroy(fixture.file);
}

static void host_is_measured_against_the_limits_that_are_asked_about(void **state)
{
        (void)state;
        xpm_host host = {0};
        xpm_error err = XPM_ERROR_NONE;
        size_t cores = 0;
        const xpm_host_limits all = {0}, few = {.cores = 4}, little = {.memory = 1 << 20};
        const xpm_need wide = {.cores = 8}, big = {.cores = 1, .memory = 2 << 20};
        setenv("HWLOC_SYNTHETIC", "core:16 pu:1", 1);
        assert_int_equal(xpm_host_cores(&host, false, &cores, NULL), 0);
        assert_int_equal(cores, 16);
        assert_int_equal(xpm_host_check(&host, &all, &wide, NULL), 0);
        assert_int_equal(xpm_host_check(&host, &few, &wide, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "it wants 8 cores, and this host has 4");
        assert_int_equal(xpm_host_check(&host, &all, &wide, NULL), 0);
        err = XPM_ERROR_NONE;
        assert_int_equal(xpm_host_check(&host, &little, &big, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "it wants 2 MiB of memory, and this host has 1");
        assert_int_equal(xpm_host_check(&host, &all, &big, NULL), 0);
        xpm_host_release(&host);
        unsetenv("HWLOC_SYNTHETIC");
}

static void devices_are_looked_for_when_a_job_wants_one(void **state)
{
        (void)state;
        static const xpm_gpu_need gpu = {.count = 1};
        const xpm_need with = {.cores = 1, .gpus = &gpu, .gpu_count = 1};
        const xpm_host_limits all = {0};
        xpm_host host = {0};
        xpm_error err = XPM_ERROR_NONE;
        size_t cores;
        setenv("HWLOC_SYNTHETIC", "core:2 pu:1", 1);
        assert_int_equal(xpm_host_cores(&host, false, &cores, NULL), 0);
        assert_false(host.topology->with_gpus);
        assert_int_equal(xpm_host_check(&host, &all, &with, &err), XPM_ELAUNCHER);
        assert_string_equal(err.message, "it wants 1 GPU, and this host has 0");
        assert_true(host.topology->with_gpus);
        xpm_host_release(&host);
        unsetenv("HWLOC_SYNTHETIC");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(first_alternative_wins_then_priority_then_the_order_of_the_file),
                T(what_each_one_lacks_is_told_in_order),
                T(launcher_is_opened_once_and_only_when_its_entry_allows_the_job),
                T(job_that_asks_for_nothing_needs_no_look_at_a_local_host),
                T(launcher_that_cannot_be_opened_is_passed_over_and_not_tried_again),
                T(named_module_that_is_not_there_is_chosen_and_told_when_it_is_used),
                T(name_that_means_nothing_is_refused_with_a_suggestion),
                T(on_a_login_node_the_cluster_is_meant),
                T(without_a_file_there_is_local),
                T(more_launchers_than_can_be_told_apart_are_refused),
                T(host_is_measured_against_the_limits_that_are_asked_about),
                T(devices_are_looked_for_when_a_job_wants_one),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
