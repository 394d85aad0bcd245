#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "jobs.h"

static const char *const argv[] = {"/bin/echo", "a b", "", NULL};
static const char *const outputs[] = {"x", "y/z"};
static const char *const partials[] = {"/p/1"};
static const char *const modules[] = {"gcc/12", "mpi"};
static const xpm_binding env[] = {{"A", "1"}, {"B", "$A"}};
static const char *const secrets[] = {"B"};
static const xpm_input_file files[] = {{"in.txt", "a\0b", 3}};
static const struct xpm_paths_file paths_files[] = {{"paths.txt", "/j\n", 3}};
static const xpm_gpu_need gpus[] = {{XPM_GPU_CUDA, 1, 2}, {XPM_GPU_ANY, 0, 3}};

/* A job with something everywhere. */
static void fill(struct job *job, const struct place *place)
{
        job_init(job, place, argv);
        job->spec.setup = "set -x";
        job->spec.cwd = "/tmp";
        job->spec.modules = modules;
        job->spec.module_count = 2;
        job->spec.env = env;
        job->spec.env_count = 2;
        job->spec.secrets = secrets;
        job->spec.secret_count = 1;
        job->spec.outputs = outputs;
        job->spec.output_count = 2;
        job->spec.partials = partials;
        job->spec.partial_count = 1;
        job->spec.files = files;
        job->spec.file_count = 1;
        job->spec.paths_files = paths_files;
        job->spec.paths_file_count = 1;
        job->spec.need = (xpm_need){.cores = 4, .memory = 5, .ranks = 6, .gpus = gpus, .gpu_count = 2};
        job->spec.resumable = true;
}

static void everything_a_worker_needs_arrives(void **state)
{
        struct job job;
        fill(&job, *state);
        const xpm_launch launch = job_launch(&job);
        xpm_order *order = job_order(&launch);
        assert_non_null(order);
        const xpm_jobspec *spec = &order->spec;
        assert_int_equal(order->tag, 7);
        assert_int_equal(order->attempt, 1);
        assert_int_equal(order->submitted, 1000000);
        assert_string_equal(spec->path, job.path);
        assert_string_equal(spec->argv[1], "a b");
        assert_string_equal(spec->argv[2], "");
        assert_null(spec->argv[3]);
        assert_null(spec->text);
        assert_string_equal(spec->shell[1], "-e");
        assert_string_equal(spec->setup, "set -x");
        assert_string_equal(spec->modules[1], "mpi");
        assert_string_equal(spec->cwd, "/tmp");
        assert_string_equal(spec->env[1].value, "$A");
        assert_int_equal(spec->secret_count, 1);
        assert_string_equal(spec->secrets[0], "B");
        assert_string_equal(spec->outputs[1], "y/z");
        assert_string_equal(spec->partials[0], "/p/1");
        assert_int_equal(spec->file_count, 2);
        assert_memory_equal(spec->files[0].content, "a\0b", 3);
        assert_string_equal(spec->files[1].name, "paths.txt");
        assert_true(spec->need.cores == 4 && spec->need.memory == 5 && spec->need.ranks == 6);
        assert_int_equal(spec->need.gpu_count, 2);
        assert_true(spec->need.gpus[0].count == 2 && spec->need.gpus[0].kind == XPM_GPU_CUDA);
        assert_true(spec->need.gpus[1].count == 3 && spec->need.gpus[1].memory == 0);
        assert_true(spec->resumable);
        assert_string_equal(order->params, "{}\n");
        assert_int_equal(order->script_length, 10);
        xpm_order_destroy(order);
}

static void string_command_has_no_argv(void **state)
{
        struct job job;
        job_init(&job, *state, NULL);
        job.spec.text = "echo";
        const xpm_launch launch = job_launch(&job);
        xpm_order *order = job_order(&launch);
        assert_null(order->spec.argv);
        assert_string_equal(order->spec.text, "echo");
        xpm_order_destroy(order);
}

static void only_a_list_with_nothing_before_it_is_direct(void **state)
{
        struct job job;
        job_init(&job, *state, argv);
        assert_true(xpm_order_is_direct(&job.spec));
        job.spec.setup = "x";
        assert_false(xpm_order_is_direct(&job.spec));
        job.spec.setup = NULL;
        job.spec.module_count = 1;
        assert_false(xpm_order_is_direct(&job.spec));
        job.spec.module_count = 0;
        job.spec.need.ranks = 1;
        assert_false(xpm_order_is_direct(&job.spec));
        job.spec.need.ranks = 0;
        job.spec.argv = NULL;
        assert_false(xpm_order_is_direct(&job.spec));
}

static void order_that_is_cut_or_changed_is_refused_or_whole(void **state)
{
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        size_t offset = 0;
        fill(&job, *state);
        const xpm_launch launch = job_launch(&job);
        xpm_order_put(&text, &launch, 0);
        assert_int_equal(xpm_frame_take(text.data, text.length, &offset, &frame, NULL), 1);
        for (size_t length = 0; length < frame.length; length++) {
                xpm_order *order = NULL;
                const xpm_frame cut = {frame.kind, frame.body, length};
                assert_int_equal(xpm_order_take(&cut, &order, NULL), XPM_EFORMAT);
        }
        /* A false byte may give another order, and never more than that. */
        for (size_t i = 0; i < frame.length; i++) {
                xpm_order *order = NULL;
                char *byte = text.data + (frame.body - text.data) + i, old = *byte;
                *byte = (char)~old;
                if (xpm_order_take(&frame, &order, NULL) == 0)
                        xpm_order_destroy(order);
                *byte = old;
        }
        xpm_text_release(&text);
}

static void taking_without_memory_is_an_error(void **state)
{
        struct job job;
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        size_t offset = 0;
        if (!failing_malloc_works)
                skip();
        fill(&job, *state);
        const xpm_launch launch = job_launch(&job);
        xpm_order_put(&text, &launch, 0);
        assert_int_equal(xpm_frame_take(text.data, text.length, &offset, &frame, NULL), 1);
        for (long n = 1;; n++) {
                xpm_order *order = NULL;
                failing_malloc_arm(n);
                int rc = xpm_order_take(&frame, &order, NULL);
                if (!failing_malloc_disarm()) {
                        assert_int_equal(rc, 0);
                        xpm_order_destroy(order);
                        break;
                }
                assert_true(rc < 0);
                assert_null(order);
        }
        xpm_text_release(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(everything_a_worker_needs_arrives),
                T(string_command_has_no_argv),
                T(only_a_list_with_nothing_before_it_is_direct),
                T(order_that_is_cut_or_changed_is_refused_or_whole),
                T(taking_without_memory_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
