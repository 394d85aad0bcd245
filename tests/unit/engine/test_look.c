#include "faked.h"

#include <jansson.h>

#include "base/lock.h"

static const char one[] = "id: x\nlauncher: fake\n"
                          "tasks: {m.T: {params: {n: int}, command: [\"true\"]}}\n"
                          "plan: {s: {task: m.T, params: {n: 1}}}\n";

/* A file of the I-th job's directory. */
static void put(const struct scene *scene, size_t i, const char *name, const char *text)
{
        assert_int_equal(xpm_mkdir_p(scene->place->dir, scene_job_path(scene, i, ".experimaestro"), 0700, NULL), 0);
        place_put(scene->place, scene_job_path(scene, i, name), text);
}

static enum xpm_outlook outlook_of(const struct scene *scene, size_t i)
{
        return xpm_job_outlook(scene->experiment, scene_job(scene, i));
}

/* The workspace exists from here on. */
static void open_workspace(struct scene *scene, const char *text)
{
        scene_open(scene, text);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
}

static void look(struct scene *scene, size_t counts[XPM_OUTLOOK_COUNT])
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_experiment_look(scene->experiment, counts, &err) != 0)
                fail_msg("%s", err.message);
}

#define STATUS_DONE "{\"state\": \"done\"}\n"
#define STATUS_ERROR "{\"state\": \"error\", \"failure_reason\": \"FAILED\", \"exit_code\": 2}\n"
#define STATUS_BARRED "{\"state\": \"error\", \"failure_reason\": \"DEPENDENCY\"}\n"
#define STATUS_RUNNING "{\"state\": \"running\", \"host\": \"elsewhere\"}\n"
#define FAILED "{\"code\": 2, \"reason\": \"failed\", \"failure_status\": \"FAILED\"}\n"
#define BARRED "{\"code\": null, \"reason\": \"dependency\", \"failure_status\": \"DEPENDENCY\"}\n"

static void files_of_a_job_tell_what_a_run_would_do_with_it(void **state)
{
        static const struct {
                const char *status, *done, *failed;
                bool locked;
                enum xpm_outlook expected;
        } cases[] = {
                {NULL, NULL, NULL, false, XPM_OUTLOOK_RUN},
                {NULL, NULL, NULL, true, XPM_OUTLOOK_RUNNING},
                {NULL, "", NULL, false, XPM_OUTLOOK_DONE},
                {NULL, NULL, FAILED, false, XPM_OUTLOOK_FAILED},
                {NULL, NULL, "1\n", false, XPM_OUTLOOK_FAILED},
                {NULL, NULL, "what\n", false, XPM_OUTLOOK_FAILED},
                {NULL, NULL, BARRED, false, XPM_OUTLOOK_RUN},
                {STATUS_DONE, NULL, NULL, false, XPM_OUTLOOK_DONE},
                {STATUS_ERROR, NULL, NULL, false, XPM_OUTLOOK_FAILED},
                {STATUS_BARRED, NULL, NULL, false, XPM_OUTLOOK_RUN},
                {STATUS_RUNNING, NULL, NULL, false, XPM_OUTLOOK_RUN},
                {STATUS_RUNNING, NULL, NULL, true, XPM_OUTLOOK_RUNNING},
                /* A committed status decides between two markers, and is above one that contradicts it. */
                {STATUS_DONE, "", FAILED, false, XPM_OUTLOOK_DONE},
                {STATUS_ERROR, "", FAILED, false, XPM_OUTLOOK_FAILED},
                {STATUS_DONE, NULL, FAILED, false, XPM_OUTLOOK_DONE},
                /* A marker is above a status that says that it runs. */
                {STATUS_RUNNING, "", NULL, false, XPM_OUTLOOK_DONE},
                {STATUS_RUNNING, NULL, FAILED, false, XPM_OUTLOOK_FAILED},
                /* While the lock is held a failure is no word of its holder. */
                {STATUS_RUNNING, NULL, FAILED, true, XPM_OUTLOOK_RUNNING},
                {STATUS_ERROR, NULL, FAILED, true, XPM_OUTLOOK_RUNNING},
                {STATUS_DONE, "", NULL, true, XPM_OUTLOOK_DONE},
                {"{\"sta", NULL, NULL, false, XPM_OUTLOOK_RUN},
        };
        struct scene *scene = *state;
        open_workspace(scene, one);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                size_t counts[XPM_OUTLOOK_COUNT];
                int lock = -1;
                if (cases[i].status)
                        put(scene, 0, ".experimaestro/status.json", cases[i].status);
                if (cases[i].done)
                        put(scene, 0, "t.done", cases[i].done);
                if (cases[i].failed)
                        put(scene, 0, "t.failed", cases[i].failed);
                if (cases[i].locked) {
                        put(scene, 0, "t.lock", "");
                        assert_int_equal(xpm_lock_take(scene->place->dir, scene_job_path(scene, 0, "t.lock"), 0600,
                                                       false, &lock, NULL),
                                         0);
                }
                look(scene, counts);
                if (outlook_of(scene, 0) != cases[i].expected || counts[cases[i].expected] != 1)
                        fail_msg("%zu: %s", i, xpm_outlook_word(outlook_of(scene, 0)));
                if (lock >= 0)
                        xpm_lock_release(lock);
                static const char *const names[] = {".experimaestro/status.json", "t.done", "t.failed", "t.lock"};
                for (size_t k = 0; k < 4; k++)
                        unlinkat(scene->place->dir, scene_job_path(scene, 0, names[k]), 0);
        }
}

/* The status of a job that is done, with what its recipe was; NULL: this one. */
static void put_done(const struct scene *scene, const char *recipe)
{
        char status[256];
        const char *own;
        assert_int_equal(xpm_render_recipe(&scene->experiment->render, scene_job(scene, 0), &own, NULL), 0);
        snprintf(status, sizeof status, "{\"state\": \"done\", \"recipe\": \"%s\"}\n", recipe ? recipe : own);
        put(scene, 0, ".experimaestro/status.json", status);
        put(scene, 0, "t.done", "");
}

static void job_that_is_done_otherwise_is_run_again_only_when_that_is_asked_for(void **state)
{
        static const char other[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        static const struct {
                const char *recipe;
                enum xpm_rerun rerun;
                enum xpm_outlook expected;
        } cases[] = {
                {NULL, XPM_RERUN_NO, XPM_OUTLOOK_DONE},      {NULL, XPM_RERUN_CHANGED, XPM_OUTLOOK_DONE},
                {NULL, XPM_RERUN_ALL, XPM_OUTLOOK_RUN},      {other, XPM_RERUN_NO, XPM_OUTLOOK_CHANGED},
                {other, XPM_RERUN_CHANGED, XPM_OUTLOOK_RUN}, {other, XPM_RERUN_ALL, XPM_OUTLOOK_RUN},
                {"", XPM_RERUN_CHANGED, XPM_OUTLOOK_DONE},
        };
        struct scene *scene = *state;
        open_workspace(scene, one);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                put_done(scene, cases[i].recipe);
                scene->experiment->options.rerun = cases[i].rerun;
                look(scene, NULL);
                if (outlook_of(scene, 0) != cases[i].expected)
                        fail_msg("%zu: %s", i, xpm_outlook_word(outlook_of(scene, 0)));
        }
}

/* 0: a; 1: b needs a; 2: c needs b; 3: d needs nothing. */
static const char chain[] = "id: x\nlauncher: fake\n"
                            "tasks:\n"
                            "  first: {params: {n: int}, command: [\"true\"]}\n"
                            "  second: {params: {of: first}, command: [\"true\"]}\n"
                            "  third: {params: {of: second}, command: [\"true\"]}\n"
                            "plan:\n"
                            "  a: {task: first, params: {n: 1}}\n"
                            "  b: {task: second, params: {of: {each: a}}}\n"
                            "  c: {task: third, params: {of: {each: b}}}\n"
                            "  d: {task: first, params: {n: 2}}\n";

static void failure_blocks_all_that_would_run_behind_it(void **state)
{
        struct scene *scene = *state;
        size_t counts[XPM_OUTLOOK_COUNT];
        open_workspace(scene, chain);
        put(scene, 0, "first.failed", FAILED);
        look(scene, counts);
        assert_int_equal(counts[XPM_OUTLOOK_FAILED], 1);
        assert_int_equal(counts[XPM_OUTLOOK_BLOCKED], 2);
        assert_int_equal(counts[XPM_OUTLOOK_RUN], 1);
        assert_int_equal(outlook_of(scene, 3), XPM_OUTLOOK_RUN);
        /* What is done already is not blocked, and what needs only that neither. */
        put(scene, 1, "second.done", "");
        look(scene, counts);
        assert_int_equal(outlook_of(scene, 1), XPM_OUTLOOK_DONE);
        assert_int_equal(outlook_of(scene, 2), XPM_OUTLOOK_RUN);
        assert_int_equal(counts[XPM_OUTLOOK_BLOCKED], 0);
}

static void what_a_scheduler_was_to_start_behind_a_failure_is_blocked(void **state)
{
        struct scene *scene = *state;
        size_t counts[XPM_OUTLOOK_COUNT];
        static const char queued[] =
                "{\"state\": \"scheduled\", \"launcher\": \"s\", \"handle\": \"b#0\", \"attempt\": 1}";
        open_workspace(scene, chain);
        for (size_t job = 1; job < 4; job++) {
                assert_int_equal(
                        xpm_mkdir_p(scene->place->dir, scene_job_path(scene, job, ".experimaestro"), 0700, NULL), 0);
                place_put(scene->place, scene_job_path(scene, job, ".experimaestro/status.json"), queued);
        }
        look(scene, counts);
        assert_int_equal(counts[XPM_OUTLOOK_RUNNING], 3);
        put(scene, 0, "first.failed", FAILED);
        look(scene, counts);
        assert_int_equal(counts[XPM_OUTLOOK_BLOCKED], 2);
        assert_int_equal(outlook_of(scene, 3), XPM_OUTLOOK_RUNNING);
}

static void job_that_fits_nowhere_blocks_likewise_and_says_why(void **state)
{
        struct scene *scene = *state;
        char *why = NULL;
        place_put(scene->place, "launchers.yaml", "launchers: {tiny: {type: slurm, host: {cores: 2}}}\n");
        open_workspace(scene, "id: x\n"
                              "tasks:\n"
                              "  t: {params: {n: int}, command: [\"true\"], requirements: 'cpu(cores=3)'}\n"
                              "  u: {params: {of: t}, command: [\"true\"], launcher: fake}\n"
                              "plan:\n"
                              "  a: {task: t, params: {n: 1}}\n"
                              "  b: {task: u, params: {of: {each: a}}}\n");
        look(scene, NULL);
        assert_int_equal(outlook_of(scene, 0), XPM_OUTLOOK_UNFIT);
        assert_int_equal(outlook_of(scene, 1), XPM_OUTLOOK_BLOCKED);
        assert_int_equal(xpm_experiment_unfit(scene->experiment, scene_job(scene, 0), &why, NULL), 0);
        assert_string_equal(why, "tiny: it wants 3 cores, and its hosts have 2");
        free(why);
        put(scene, 0, "t.done", "");
        look(scene, NULL);
        assert_int_equal(outlook_of(scene, 0), XPM_OUTLOOK_DONE);
        assert_int_equal(outlook_of(scene, 1), XPM_OUTLOOK_RUN);
}

static void looking_writes_nothing(void **state)
{
        struct scene *scene = *state;
        size_t counts[XPM_OUTLOOK_COUNT];
        scene_open(scene, chain);
        look(scene, counts);
        assert_int_equal(counts[XPM_OUTLOOK_RUN], 4);
        assert_int_equal(xpm_file_exists(AT_FDCWD, scene->work, NULL), 0);
}

static void directory_that_cannot_be_looked_into_is_an_error(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        open_workspace(scene, one);
        assert_int_equal(xpm_mkdir_p(scene->place->dir, "work/jobs", 0700, NULL), 0);
        assert_int_equal(symlinkat("m.t", scene->place->dir, "work/jobs/m.t"), 0);
        assert_int_equal(xpm_experiment_look(scene->experiment, NULL, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "work/jobs/m.t"));
}

static void job_is_described_by_tags_some_dependencies_and_its_launcher(void **state)
{
        static const char text[] = "id: x\nlauncher: fake\n"
                                   "tasks:\n"
                                   "  t: {params: {n: int, word: str}, command: [\"true\"]}\n"
                                   "  all: {params: {of: 'list[t]'}, command: [\"true\"]}\n"
                                   "plan:\n"
                                   "  a: {task: t, sweep: {n: {range: [1, 5]}, word: [\"two\\nlines\\e\"]}}\n"
                                   "  b: {task: all, params: {of: {all: a}}}\n";
        struct scene *scene = *state;
        char *tags, *dependencies, first[XPM_JOB_ID_SIZE];
        const char *launcher;
        scene_open(scene, text);
        assert_int_equal(
                xpm_experiment_describe(scene->experiment, scene_job(scene, 1), &tags, &dependencies, &launcher, NULL),
                0);
        assert_string_equal(tags, "n=2 word=two?lines?");
        assert_string_equal(dependencies, "");
        assert_string_equal(launcher, "fake");
        free(tags);
        free(dependencies);
        const xpm_job *all = scene_job(scene, xpm_experiment_job_count(scene->experiment) - 1);
        size_t count = all->dependency_count;
        assert_true(count > 3);
        assert_int_equal(xpm_experiment_describe(scene->experiment, all, &tags, &dependencies, &launcher, NULL), 0);
        xpm_job_identifier(all->dependencies[0], first);
        char rest[16];
        snprintf(rest, sizeof rest, " +%zu", count - 3);
        assert_int_equal(strncmp(dependencies, first, 8), 0);
        assert_int_equal(strlen(dependencies), 3 * 8 + 2 + strlen(rest));
        assert_string_equal(dependencies + 3 * 8 + 2, rest);
        free(tags);
        free(dependencies);
}

static void list_has_an_object_for_each_job_with_what_it_would_be_given(void **state)
{
        struct scene *scene = *state;
        char *list = NULL, id[XPM_JOB_ID_SIZE], expected[256];
        size_t length = 0, i = 0;
        open_workspace(scene, chain);
        put(scene, 0, "first.done", "");
        look(scene, NULL);
        FILE *stream = open_memstream(&list, &length);
        assert_non_null(stream);
        assert_int_equal(xpm_experiment_write_json(scene->experiment, stream, NULL), 0);
        fclose(stream);
        for (char *line = list, *end; (end = strchr(line, '\n')); line = end + 1, i++) {
                json_t *job = json_loadb(line, (size_t)(end - line), 0, NULL);
                assert_non_null(job);
                xpm_job_identifier(scene_job(scene, i), id);
                assert_string_equal(json_string_value(json_object_get(job, "job_id")), id);
                assert_string_equal(json_string_value(json_object_get(job, "step")), xpm_job_step(scene_job(scene, i)));
                assert_string_equal(json_string_value(json_object_get(job, "state")), i == 0 ? "done" : "will run");
                snprintf(expected, sizeof expected, "%s/jobs/%s/%s", scene->work, xpm_job_task(scene_job(scene, i)),
                         id);
                assert_string_equal(json_string_value(json_object_get(job, "path")), expected);
                const json_t *needs = json_object_get(job, "dependencies");
                assert_int_equal(json_array_size(needs), i == 1 || i == 2);
                if (i == 1) {
                        xpm_job_identifier(scene_job(scene, 0), id);
                        snprintf(expected, sizeof expected, "first/%s", id);
                        assert_string_equal(json_string_value(json_array_get(needs, 0)), expected);
                }
                json_decref(job);
        }
        assert_int_equal(i, 4);
        free(list);
}

static void list_that_cannot_be_written_is_an_error(void **state)
{
        struct scene *scene = *state;
        xpm_error err = XPM_ERROR_NONE;
        scene_open(scene, chain);
        look(scene, NULL);
        FILE *stream = fopen("/dev/full", "we");
        assert_non_null(stream);
        assert_int_equal(xpm_experiment_write_json(scene->experiment, stream, &err), XPM_EIO);
        assert_non_null(strstr(err.message, "cannot write the list of jobs"));
        fclose(stream);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
                T(files_of_a_job_tell_what_a_run_would_do_with_it),
                T(job_that_is_done_otherwise_is_run_again_only_when_that_is_asked_for),
                T(failure_blocks_all_that_would_run_behind_it),
                T(what_a_scheduler_was_to_start_behind_a_failure_is_blocked),
                T(job_that_fits_nowhere_blocks_likewise_and_says_why),
                T(looking_writes_nothing),
                T(directory_that_cannot_be_looked_into_is_an_error),
                T(job_is_described_by_tags_some_dependencies_and_its_launcher),
                T(list_has_an_object_for_each_job_with_what_it_would_be_given),
                T(list_that_cannot_be_written_is_an_error),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
