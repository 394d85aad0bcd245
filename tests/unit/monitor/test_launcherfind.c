/* What is said of each launcher is compared with what is chosen for an experiment. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "described.h"
#include "exec/installed.h"
#include "failing_malloc.h"
#include "monitor/launcherstate.h"
#include "place.h"

/* A place for modules with none but `local`. */
static int have_only_local(const struct place *place)
{
        char *modules, target[PATH_MAX];
        int rc = 0;
        if (xpm_locate_modules(&modules, NULL) == 0) { /* else it is linked in */
                snprintf(target, sizeof target, "%s/local.so", modules);
                free(modules);
                rc = symlinkat(target, place->dir, "local.so");
        }
        setenv("XPM_MODULEDIR", place->path, 1);
        return rc;
}

/* 128 cores, 512G, 8 CUDA devices of 80G. */
static int enter(void **state)
{
        described_forget();
        setenv("HWLOC_XMLFILE", XPM_TEST_DATA "/topologies/node128.xml", 1);
        unsetenv("XPM_MODULEDIR");
        int rc = place_enter(state);
        return rc == 0 ? have_only_local(*state) : rc;
}

static const char several[] = "launchers:\n"
                              "  small: {type: local, cores: 4, tags: [day]}\n"
                              "  same: {type: local, cores: 4, tags: [day, night]}\n"
                              "  absent: {type: slurm, priority: 7}\n"
                              "  wide: {type: local, priority: -2, tags: [night], host: {max_duration: 1h}}\n";

static xpm_launcher_view *open_view(const struct place *place, const char *text)
{
        xpm_launcher_view *view = NULL;
        xpm_error err = XPM_ERROR_NONE;
        place_put(place, "launchers.yaml", text);
        if (xpm_launcher_view_open(place->path, &view, &err) != 0)
                fail_msg("%s", err.message);
        return view;
}

static xpm_launcher_answers find(xpm_launcher_view *view, const char *text, const char *const *tags)
{
        xpm_launcher_answers answers;
        xpm_error err = XPM_ERROR_NONE;
        size_t at, count = 0;
        while (tags && tags[count])
                count++;
        if (xpm_launcher_view_find(view, text, tags, count, &answers, &at, &err) != 0)
                fail_msg("%s", err.message);
        assert_int_equal(answers.count, xpm_launcher_view_count(view));
        return answers;
}

static const xpm_launcher_answer *answer_of(const xpm_launcher_view *view, const xpm_launcher_answers *answers,
                                            const char *name)
{
        for (size_t i = 0; i < answers->count; i++)
                if (strcmp(xpm_launcher_view_row(view, answers->items[i].rank).name, name) == 0)
                        return &answers->items[i];
        fail_msg("nothing is said of '%s'", name);
        return NULL;
}

static void first_is_the_one_that_an_experiment_would_get(void **state)
{
        static const struct {
                const char *text, *name, *alternative;
                const char *tags[3];
        } cases[] = {
                {"cpu(cores=2)", "small", "cpu(cores=2)", {NULL}},
                {"cpu(cores=2)", "same", "cpu(cores=2)", {"night"}},
                {"cpu(cores=2)", "same", "cpu(cores=2)", {"day", "night"}},
                {"cpu(cores=5)", "wide", "cpu(cores=5)", {NULL}},
                {" rocm()*2 | cuda(mem=8G)*9|cpu( cores=5 ) ", "wide", "cpu( cores=5 )", {NULL}},
                {"cpu(cores=5) | cpu(cores=2)", "wide", "cpu(cores=5)", {NULL}},
                {"duration=2h & cpu(cores=5) | cpu(cores=3)", "small", "cpu(cores=3)", {NULL}},
                {"cpu(cores=129)", NULL, NULL, {NULL}},
                {"cpu(cores=5)", NULL, NULL, {"day"}},
                {"cpu(cores=1)", NULL, NULL, {"evening"}},
                {"duration=61m & cpu(cores=64)", NULL, NULL, {NULL}},
        };
        xpm_launcher_view *view = open_view(*state, several);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_launcher_answers answers = find(view, cases[i].text, cases[i].tags);
                xpm_requirement requirement;
                xpm_choice choice;
                size_t tag_count = 0;
                while (cases[i].tags[tag_count])
                        tag_count++;
                assert_int_equal(xpm_requirement_parse(view->arena, cases[i].text, &requirement, NULL), 0);
                assert_int_equal(xpm_candidates_choose(&view->candidates, -1, cases[i].tags, tag_count, &requirement,
                                                       &choice, NULL, NULL),
                                 0);
                assert_int_equal(answers.found, cases[i].name != NULL);
                assert_int_equal(answers.found, !choice.unfit);
                for (size_t k = 0; k < answers.count; k++)
                        assert_int_equal(answers.items[k].why_not == NULL, k == 0 && answers.found);
                if (!cases[i].name)
                        continue;
                assert_string_equal(xpm_launcher_view_row(view, answers.items[0].rank).name, cases[i].name);
                assert_string_equal(view->candidates.list[choice.candidate].name, cases[i].name);
                assert_string_equal(answers.items[0].alternative, cases[i].alternative);
        }
        xpm_launcher_view_close(view);
}

static void each_other_one_is_told_why(void **state)
{
        static const char absent[] = "there is no launcher 'slurm'";
        static const struct {
                const char *text, *name, *why, *tags[2];
        } cases[] = {
                {"cpu(cores=2)", "same", "it could run it, but 'small' stands before it in launchers.yaml", {NULL}},
                {"cpu(cores=2)", "wide", "it could run it, but has priority -2, and 'small' 0", {NULL}},
                {"cpu(cores=2)", "absent", absent, {NULL}},
                {"cpu(cores=2) | gpu", "absent", absent, {NULL}},
                {"cpu(cores=5)", "small", "it wants 5 cores, and its hosts have 4", {NULL}},
                {"cpu(cores=2)", "small", "it has no tag 'night'", {"night"}},
                {"cpu(cores=5) | cpu(cores=2)",
                 "small",
                 "it could run 'cpu(cores=2)', but 'cpu(cores=5)', which stands before, has 'wide'",
                 {NULL}},
                {"cpu(cores=200) | rocm",
                 "wide",
                 "cpu(cores=200): it wants 200 cores, and this host has 128; rocm: it wants 1 ROCm GPU, and this host "
                 "has 0",
                 {NULL}},
                {"cpu(cores=200) | cpu(cores=200) & nodes=1",
                 "wide",
                 "it wants 200 cores, and this host has 128",
                 {NULL}},
                {"duration=2h", "wide", "it wants 7200 s, and jobs may take 3600 s there", {NULL}},
        };
        xpm_launcher_view *view = open_view(*state, several);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_launcher_answers answers = find(view, cases[i].text, cases[i].tags);
                const char *why = answer_of(view, &answers, cases[i].name)->why_not;
                if (!why || strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
                        fail_msg("'%s' to '%s': %s", cases[i].name, cases[i].text, why ? why : "(chosen)");
        }
        xpm_launcher_view_close(view);
}

static void best_come_first(void **state)
{
        xpm_launcher_view *view = open_view(*state, several);
        static const char *const names[][4] = {{"small", "same", "wide", "absent"},
                                               {"wide", "small", "same", "absent"}};
        static const char *const texts[] = {"cpu(cores=2)", "cpu(cores=5) | cpu(cores=2)"};
        for (size_t i = 0; i < 2; i++) {
                xpm_launcher_answers answers = find(view, texts[i], NULL);
                for (size_t k = 0; k < 4; k++)
                        assert_string_equal(xpm_launcher_view_row(view, answers.items[k].rank).name, names[i][k]);
        }
        xpm_launcher_view_close(view);
}

static void wrong_requirement_is_told_with_its_place(void **state)
{
        xpm_launcher_view *view = open_view(*state, several);
        xpm_launcher_answers answers = {.count = 77};
        xpm_error err = XPM_ERROR_NONE;
        size_t at = 0;
        assert_int_equal(xpm_launcher_view_find(view, "gpu | cpu(mem=32)", NULL, 0, &answers, &at, &err), XPM_EPLAN);
        assert_string_equal(err.message, "'gpu | cpu(mem=32)', character 15: a memory size needs a unit: 32G?");
        assert_int_equal(at, 14);
        assert_int_equal(answers.count, 77);
        xpm_launcher_view_close(view);
}

static void memory_that_runs_out_is_told_as_such(void **state)
{
        if (!failing_malloc_works)
                skip();
        xpm_launcher_view *view = open_view(*state, several);
        find(view, "cuda(mem=8G)*2", NULL); /* modules and the host are there now */
        for (long n = 1;; n++) {
                xpm_launcher_answers answers = {.count = 77};
                size_t at;
                failing_malloc_arm(n);
                int rc = xpm_launcher_view_find(view, "cpu(cores=200) | rocm | cpu(cores=2)", (const char *[]){"day"},
                                                1, &answers, &at, NULL);
                if (!failing_malloc_disarm()) {
                        assert_int_equal(rc, 0);
                        break;
                }
                assert_int_equal(rc, XPM_ENOMEM);
                assert_int_equal(answers.count, 77);
        }
        xpm_launcher_view_close(view);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(first_is_the_one_that_an_experiment_would_get),
                T(each_other_one_is_told_why),
                T(best_come_first),
                T(wrong_requirement_is_told_with_its_place),
                T(memory_that_runs_out_is_told_as_such),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
