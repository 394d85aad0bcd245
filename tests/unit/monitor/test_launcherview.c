/* Launchers of a described host; where a launcher has to misbehave, a module is compiled that does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/spawn.h"
#include "described.h"
#include "failing_malloc.h"
#include "monitor/launcherview.h"
#include "place.h"

static const uint64_t G = UINT64_C(1) << 30;

static int enter(void **state)
{
        described_forget();
        setenv("HWLOC_XMLFILE", XPM_TEST_DATA "/topologies/node128.xml", 1);
        unsetenv("XPM_MODULEDIR");
        return place_enter(state);
}

static xpm_launcher_view *open_view(const struct place *place, const char *text)
{
        xpm_launcher_view *view = NULL;
        xpm_error err = XPM_ERROR_NONE;
        if (text)
                place_put(place, "launchers.yaml", text);
        if (xpm_launcher_view_open(place->path, &view, &err) != 0)
                fail_msg("%s", err.message);
        return view;
}

static xpm_launcher_offer offer_of(xpm_launcher_view *view, size_t rank)
{
        xpm_launcher_offer offer;
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_launcher_view_offer(view, rank, &offer, &err) != 0)
                fail_msg("%s", err.message);
        return offer;
}

static void rows_are_in_the_order_in_which_they_are_asked(void **state)
{
        const struct place *place = *state;
        char path[128];
        xpm_launcher_view *view = open_view(place, "launchers:\n"
                                                   "  a: {type: local}\n"
                                                   "  b: {type: slurm, priority: 5, tags: [x, y]}\n"
                                                   "  c: {type: local, priority: -1}\n"
                                                   "  d: {type: mpi, priority: 5}\n"
                                                   "  e: {type: local}\n");
        static const char *const names[] = {"b", "d", "a", "e", "c"}, *const types[] = {"slurm", "mpi", "local"};
        static const uint32_t lines[] = {3, 5, 2, 6, 4};
        snprintf(path, sizeof path, "%s/launchers.yaml", place->path);
        assert_string_equal(xpm_launcher_view_path(view), path);
        assert_true(xpm_launcher_view_has_file(view));
        assert_int_equal(xpm_launcher_view_count(view), 5);
        for (size_t i = 0; i < 5; i++) {
                xpm_launcher_row row = xpm_launcher_view_row(view, i);
                assert_string_equal(row.name, names[i]);
                assert_int_equal(row.line, lines[i]);
                assert_int_equal(xpm_launcher_view_rank(view, row.line - 2), i);
                if (i < 3)
                        assert_string_equal(row.type, types[i]);
        }
        assert_int_equal(xpm_launcher_view_row(view, 0).tag_count, 2);
        assert_string_equal(xpm_launcher_view_row(view, 0).tags[1], "y");
        assert_int_equal(xpm_launcher_view_row(view, 4).priority, -1);
        xpm_launcher_view_close(view);
}

static void without_entries_there_is_local(void **state)
{
        for (int i = 0; i < 2; i++) {
                xpm_launcher_view *view = open_view(*state, i ? "launchers: {}\n" : NULL);
                const char *trouble = "", *warnings = "x";
                assert_int_equal(xpm_launcher_view_has_file(view), i);
                assert_int_equal(xpm_launcher_view_count(view), 1);
                assert_string_equal(xpm_launcher_view_row(view, 0).name, "local");
                assert_string_equal(xpm_launcher_view_row(view, 0).type, "local");
                assert_int_equal(xpm_launcher_view_row(view, 0).line, 0);
                assert_int_equal(offer_of(view, 0).cores, 128);
                assert_int_equal(xpm_launcher_view_check(view, 0, &trouble, &warnings, NULL), 0);
                assert_null(trouble);
                assert_string_equal(warnings, "");
                xpm_launcher_view_close(view);
        }
}

static void this_host_offers_what_it_has_within_what_is_said(void **state)
{
        static const struct {
                const char *entry;
                int64_t cores, duration;
                uint64_t memory;
                size_t gpu_entries;
                int64_t gpus;
        } cases[] = {
                {"{type: local}", 128, 0, 512, 1, 8},
                {"{type: local, cores: 8, memory: 16G}", 8, 0, 16, 1, 8},
                {"{type: local, cores: 500, memory: 9T}", 128, 0, 512, 1, 8},
                {"{type: local, cores: 8, host: {cores: 4, memory: 1G}}", 4, 0, 1, 1, 8},
                {"{type: local, cores: 4, host: {cores: 8}}", 4, 0, 512, 1, 8},
                {"{type: local, host: {max_duration: 2h}}", 128, 7200, 512, 1, 8},
                {"{type: local, host: {gpus: {count: 3, type: cuda, memory: 40G}}}", 128, 0, 512, 1, 3},
                {"{type: local, host: {gpus: {count: 3, type: rocm}}}", 128, 0, 512, 0, 0},
                {"{type: local, host: {gpus: {count: 3, memory: 100G}}}", 128, 0, 512, 0, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[256];
                snprintf(text, sizeof text, "launchers: {x: %s}\n", cases[i].entry);
                xpm_launcher_view *view = open_view(*state, text);
                xpm_launcher_offer offer = offer_of(view, 0);
                assert_int_equal(offer.cores, cases[i].cores);
                assert_int_equal(offer.duration, cases[i].duration);
                assert_int_equal(offer.memory, cases[i].memory * G);
                assert_true(offer.gpus_known);
                assert_int_equal(offer.gpu_count, cases[i].gpu_entries);
                if (offer.gpu_count > 0) {
                        assert_int_equal(offer.gpus[0].kind, XPM_GPU_CUDA);
                        assert_int_equal(offer.gpus[0].memory, 80 * G);
                        assert_int_equal(offer.gpus[0].count, cases[i].gpus);
                }
                xpm_launcher_view_close(view);
        }
}

static void other_hosts_offer_what_is_said_of_them(void **state)
{
        xpm_launcher_view *view =
                open_view(*state, "launchers:\n"
                                  "  a: {type: slurm, host: {cores: 32, gpus: {count: 4, memory: 40G}}}\n"
                                  "  b: {type: slurm, host: {memory: 64G, max_duration: 4d}}\n"
                                  "  c: {type: mpi}\n");
        xpm_launcher_offer offer = offer_of(view, 0);
        assert_int_equal(offer.cores, 32);
        assert_int_equal(offer.memory, 0);
        assert_int_equal(offer.gpu_count, 1);
        assert_int_equal(offer.gpus[0].count, 4);
        offer = offer_of(view, 1);
        assert_int_equal(offer.cores, 0);
        assert_int_equal(offer.memory, 64 * G);
        assert_int_equal(offer.duration, 4 * 86400);
        assert_int_equal(offer.gpu_count, 0);
        assert_true(offer.gpus_known);
        offer = offer_of(view, 2);
        assert_int_equal(offer.cores, 0);
        assert_false(offer.gpus_known);
        xpm_launcher_view_close(view);
}

/* What check says of the entry: TROUBLE (`…` or NULL) and the warnings. */
static void assert_checked(const struct place *place, const char *entry, const char *trouble, const char *warnings)
{
        char text[512];
        const char *found, *said;
        xpm_error err = XPM_ERROR_NONE;
        snprintf(text, sizeof text, "launchers: {x: %s}\n", entry);
        xpm_launcher_view *view = open_view(place, text);
        if (xpm_launcher_view_check(view, 0, &found, &said, &err) != 0)
                fail_msg("%s", err.message);
        if (trouble)
                assert_non_null(found ? strstr(found, trouble) : NULL);
        else
                assert_null(found);
        assert_string_equal(said, warnings);
        xpm_launcher_view_close(view);
}

static void what_is_said_of_this_host_is_compared_with_it(void **state)
{
        const struct place *place = *state;
        assert_checked(place, "{type: local}", NULL, "");
        assert_checked(place,
                       "{type: local, cores: 128, memory: 512G, host: {gpus: {count: 8, memory: 80G, type: cuda}}}",
                       NULL, "");
        assert_checked(place, "{type: local, cores: 129}", NULL, "it says 129 cores, and this host has 128\n");
        assert_checked(place, "{type: local, cores: 4, host: {cores: 256}}", NULL,
                       "it says 256 cores, and this host has 128\n");
        assert_checked(place, "{type: local, memory: 1.5T}", NULL, "it says 1.5T of memory, and this host has 512G\n");
        assert_checked(place, "{type: local, host: {gpus: {count: 9}}}", NULL,
                       "it says 9 GPUs (gpu), and this host has 8\n");
        assert_checked(place, "{type: local, cores: 200, host: {gpus: {count: 2, memory: 81G, type: cuda}}}", NULL,
                       "it says 200 cores, and this host has 128\n"
                       "it says 2 GPUs (cuda, 81G), and this host has 0\n");
}

/* A module `slurm` that opens as BODY says. */
static void compile(const struct place *place, const char *body)
{
        char source[128], module[128];
        xpm_text text = XPM_TEXT_INIT, output = XPM_TEXT_INIT, errors = XPM_TEXT_INIT;
        int status = -1;
        snprintf(source, sizeof source, "%s/slurm.c", place->path);
        snprintf(module, sizeof module, "%s/slurm.so", place->path);
        xpm_text_printf(&text,
                        "#include <stdio.h>\n#include <experimaestro/launcher.h>\n"
                        "static int slurm_open(const xpm_core *core, const char *name, const char *config, void "
                        "**instance, xpm_error *err)\n{ *instance = (void *)core; %s }\n"
                        "static void slurm_close(void *instance) { (void)instance; }\n"
                        "const xpm_launcher xpm_launcher_slurm = {.abi = XPM_LAUNCHER_ABI, .size = "
                        "sizeof(xpm_launcher), .name = \"slurm\", .open = slurm_open, .close = slurm_close};\n",
                        body);
        assert_int_equal(xpm_file_write(AT_FDCWD, source, text.data, text.length, 0600, NULL), 0);
        const char *const argv[] = {"cc", "-shared", "-fPIC", "-I" XPM_TEST_DATA "/../../src/include",
                                    "-o", module,    source,  NULL};
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = argv;
        assert_int_equal(xpm_spawn_capture(&spawn, "", 0, 1 << 16, &output, &errors, &status, NULL), 0);
        assert_int_equal(status, 0);
        setenv("XPM_MODULEDIR", place->path, 1);
        xpm_text_release(&text);
        xpm_text_release(&output);
        xpm_text_release(&errors);
}

static void launcher_without_a_module_cannot_be_used(void **state)
{
        const struct place *place = *state;
        setenv("XPM_MODULEDIR", place->path, 1); /* nothing is there */
        assert_checked(place, "{type: mpi}", "there is no launcher 'mpi'", "");
        unsetenv("XPM_MODULEDIR");
}

static void launcher_that_cannot_be_opened_says_why(void **state)
{
        compile(*state, "err->code = XPM_ELAUNCHER; snprintf(err->message, sizeof err->message, \"no controller\");"
                        "return XPM_ELAUNCHER;");
        assert_checked(*state, "{type: slurm}", "no controller", "");
        unsetenv("XPM_MODULEDIR");
}

static void what_a_launcher_warns_of_is_told_apart_from_what_it_found(void **state)
{
        const char *trouble, *warnings;
        xpm_error err = XPM_ERROR_NONE;
        compile(*state, "core->log(core, 1, config); core->log(core, 2, \"a note\"); core->log(core, 3, \"more\");"
                        "return 0;");
        assert_checked(*state, "{type: slurm}", NULL, "{\"type\": \"slurm\"}\n");
        xpm_launcher_view *view = open_view(*state, "launchers:\n  a: {type: slurm}\n  b: {type: local}\n");
        assert_int_equal(xpm_launcher_view_check(view, 0, &trouble, &warnings, &err), 0);
        assert_string_equal(xpm_launcher_view_told(view), "a note\nmore\n");
        assert_int_equal(xpm_launcher_view_check(view, 1, &trouble, &warnings, &err), 0);
        assert_string_equal(xpm_launcher_view_told(view), "");
        xpm_launcher_view_close(view);
        unsetenv("XPM_MODULEDIR");
}

static void wrong_file_is_told_with_its_place(void **state)
{
        const struct place *place = *state;
        xpm_launcher_view *view = NULL;
        xpm_error err = XPM_ERROR_NONE;
        place_put(place, "launchers.yaml", "launchers:\n  a: {type: local, cores: x}\n");
        assert_int_equal(xpm_launcher_view_open(place->path, &view, &err), XPM_ESETTINGS);
        assert_non_null(strstr(err.message, "/launchers.yaml:2:27: cores is a whole number"));
        assert_null(view);
}

static void host_that_cannot_be_looked_at_is_an_error(void **state)
{
        const struct place *place = *state;
        char path[128];
        const char *trouble, *warnings;
        xpm_launcher_offer offer;
        xpm_error err = XPM_ERROR_NONE;
        snprintf(path, sizeof path, "%s/broken.xml", place->path);
        place_put(place, "broken.xml", "<topology");
        setenv("HWLOC_XMLFILE", path, 1);
        xpm_launcher_view *view = open_view(place, "launchers: {a: {type: local}}\n");
        assert_int_equal(xpm_launcher_view_offer(view, 0, &offer, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "broken.xml"));
        assert_int_equal(xpm_launcher_view_check(view, 0, &trouble, &warnings, NULL), XPM_EIO);
        xpm_launcher_view_close(view);
}

static void memory_that_runs_out_is_told_as_such(void **state)
{
        const struct place *place = *state;
        if (!failing_malloc_works)
                skip();
        place_put(place, "launchers.yaml", "launchers: {a: {type: local, tags: [x]}, b: {type: mpi}}\n");
        for (long n = 1;; n++) {
                xpm_launcher_view *view = NULL;
                failing_malloc_arm(n);
                int rc = xpm_launcher_view_open(place->path, &view, NULL);
                bool failed = failing_malloc_disarm();
                assert_int_equal(rc == 0, view != NULL);
                xpm_launcher_view_close(view);
                if (!failed)
                        break;
                if (rc != 0)
                        assert_int_equal(rc, XPM_ENOMEM);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, enter, place_leave)
                T(rows_are_in_the_order_in_which_they_are_asked),
                T(without_entries_there_is_local),
                T(this_host_offers_what_it_has_within_what_is_said),
                T(other_hosts_offer_what_is_said_of_them),
                T(what_is_said_of_this_host_is_compared_with_it),
                T(launcher_without_a_module_cannot_be_used),
                T(launcher_that_cannot_be_opened_says_why),
                T(what_a_launcher_warns_of_is_told_apart_from_what_it_found),
                T(wrong_file_is_told_with_its_place),
                T(host_that_cannot_be_looked_at_is_an_error),
                T(memory_that_runs_out_is_told_as_such),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
