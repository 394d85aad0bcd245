/* faked.h: experiments on the launcher `fake`, whose jobs end as a test says
 *
 *     cmocka_unit_test_setup_teardown(name, faked_enter, faked_leave)
 *
 * gives a test `struct scene *scene = *state`, in a place of its own. Either a whole run (scene_run), or a runner that
 * has been started and goes no further than the test takes it (scene_start … scene_finish).
 */
#ifndef XPM_TEST_FAKED_H
#define XPM_TEST_FAKED_H

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../launchers/fake/fake.h"
#include "base/file.h"
#include "engine/runner.h"
#include "place.h"

struct scene {
        struct place *place;
        xpm_fake *fake;
        xpm_experiment *experiment;
        char file[128], work[128];
        xpm_experiment_options options;
        xpm_text log; /* a line each */
        xpm_counts counts;
        enum xpm_verdict verdict;
        size_t begun, ends;
        enum xpm_failure failures[16]; /* of jobs that ended, in order */
        const char *steps[64];
        char message[512]; /* of the last that had one */
        char path[512];    /* of the last that had one */
        xpm_observer observer;
        xpm_runner runner;
};

static inline void scene_on_job(void *data, const xpm_job *job, const xpm_job_end *end)
{
        struct scene *scene = data;
        scene->begun += !end;
        if (!end)
                return;
        if (scene->ends < 64)
                scene->steps[scene->ends] = xpm_job_step(job);
        if (scene->ends < 16)
                scene->failures[scene->ends] = end->failure;
        if (end->message)
                snprintf(scene->message, sizeof scene->message, "%s", end->message);
        if (end->path)
                snprintf(scene->path, sizeof scene->path, "%s", end->path);
        scene->ends++;
}

static inline void scene_on_log(void *data, int level, const char *line)
{
        (void)level;
        xpm_text_printf(&((struct scene *)data)->log, "%s\n", line);
}

static inline int faked_enter(void **state)
{
        char *dir = xpm_executable_dir(), modules[512], module[600];
        struct scene *scene = calloc(1, sizeof *scene);
        void *inner = NULL;
        if (!scene || !dir || place_enter(&inner) != 0)
                return -1;
        scene->place = inner;
        snprintf(modules, sizeof modules, "%s/launchers", dir);
        snprintf(module, sizeof module, "%s/fake.so", modules);
        free(dir);
        setenv("XPM_MODULEDIR", modules, 1);
        setenv("XDG_CACHE_HOME", scene->place->path, 1);
        void *handle = dlopen(module, RTLD_NOW);
        scene->fake = handle ? dlsym(handle, "xpm_fake_control") : NULL;
        if (!scene->fake) {
                fprintf(stderr, "%s\n", dlerror());
                return -1;
        }
        *scene->fake = (xpm_fake){.room = 2};
        snprintf(scene->file, sizeof scene->file, "%s/e.yaml", scene->place->path);
        snprintf(scene->work, sizeof scene->work, "%s/work", scene->place->path);
        scene->options = (xpm_experiment_options){.file = scene->file,
                                                  .workdir = scene->work,
                                                  .config_dir = scene->place->path,
                                                  .slots = 2,
                                                  .log = scene_on_log,
                                                  .log_data = scene,
                                                  .log_level = XPM_LOG_DEBUG};
        scene->observer = (xpm_observer){.data = scene, .job = scene_on_job};
        *state = scene;
        return 0;
}

static inline int faked_leave(void **state)
{
        struct scene *scene = *state;
        void *inner = scene->place;
        xpm_experiment_close(scene->experiment);
        xpm_text_release(&scene->log);
        free(scene);
        return place_leave(&inner);
}

static inline void scene_close(struct scene *scene)
{
        xpm_experiment_close(scene->experiment);
        scene->experiment = NULL;
}

/* What opening the experiment of this TEXT returns. */
static inline int scene_try(struct scene *scene, const char *text, xpm_error *err)
{
        place_put(scene->place, "e.yaml", text);
        return xpm_experiment_open(&scene->options, &scene->experiment, err);
}

static inline void scene_open(struct scene *scene, const char *text)
{
        xpm_error err = XPM_ERROR_NONE;
        if (scene_try(scene, text, &err) != 0)
                fail_msg("%s", err.message);
}

static inline void scene_run(struct scene *scene)
{
        xpm_error err = XPM_ERROR_NONE;
        if (xpm_experiment_run(scene->experiment, &scene->observer, &scene->counts, &scene->verdict, &err) != 0)
                fail_msg("%s", err.message);
}

/* The I-th job. */
static inline const xpm_job *scene_job(const struct scene *scene, size_t i)
{
        return xpm_experiment_job(scene->experiment, i);
}

/* The file NAME of its directory, relative to the place; good until the next call. */
static inline const char *scene_job_path(const struct scene *scene, size_t i, const char *name)
{
        static char path[512];
        char id[XPM_JOB_ID_SIZE];
        xpm_job_identifier(scene_job(scene, i), id);
        snprintf(path, sizeof path, "work/jobs/%s/%s/%s", xpm_job_task(scene_job(scene, i)), id, name);
        return path;
}

static inline const char *scene_job_file(const struct scene *scene, size_t i, const char *name, char text[4096])
{
        return place_get(scene->place, scene_job_path(scene, i, name), text);
}

static inline bool scene_job_has(const struct scene *scene, size_t i, const char *name)
{
        return faccessat(scene->place->dir, scene_job_path(scene, i, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline enum xpm_job_state scene_state(const void *data, size_t job)
{
        return (enum xpm_job_state)((const xpm_runner *)data)->jobs[job].state;
}

static inline int scene_survey(void *data, xpm_error *err)
{
        (void)err; /* the runner's own */
        return xpm_runner_survey(data);
}

/* Up to where the loop would begin: ready jobs wait for their launcher. Errors of the run go to ERR, which may be NULL.
 */
static inline void scene_start(struct scene *scene, xpm_error *err)
{
        xpm_runner *runner = &scene->runner;
        *runner = (xpm_runner){.experiment = scene->experiment,
                               .plan = scene->experiment->plan,
                               .observer = &scene->observer,
                               .err = err};
        const xpm_survey survey = {runner, scene_survey, scene_state};
        size_t count = runner->plan->job_count;
        runner->jobs = calloc(count, sizeof *runner->jobs);
        runner->slots = calloc(count, sizeof *runner->slots);
        assert_true(runner->jobs && runner->slots);
        assert_int_equal(xpm_experiment_prepare(scene->experiment, NULL), 0);
        assert_int_equal(xpm_queue_init(&runner->elsewhere, count, NULL), 0);
        assert_int_equal(xpm_experiment_graph(scene->experiment, &runner->graph, NULL), 0);
        assert_int_equal(xpm_runner_open_ports(runner), 0);
        assert_int_equal(xpm_experiment_begin(scene->experiment, &survey, runner->slots, &runner->run, NULL), 0);
        assert_int_equal(xpm_claims_open(&runner->claims, scene->experiment, xpm_run_name(runner->run), NULL), 0);
        xpm_runner_release_jobs(runner);
}

static inline void scene_finish(struct scene *scene)
{
        xpm_runner *runner = &scene->runner;
        xpm_runner_close_ports(runner);
        xpm_claims_close(&runner->claims);
        assert_int_equal(xpm_run_end(runner->run, XPM_RUN_DONE, NULL), 0);
        xpm_graph_release(&runner->graph);
        xpm_queue_release(&runner->elsewhere);
        xpm_runner_close_attached(runner);
        free(runner->jobs);
        free(runner->slots);
}

/* EVENT happens to JOB; ENDED how, for DONE and FAILED. */
static inline void scene_advance(struct scene *scene, size_t job, enum xpm_job_event event, enum xpm_failure failure)
{
        const xpm_job_end end = {.failure = failure, .code = failure ? 3 : 0, .message = failure ? "so it is" : NULL};
        xpm_runner_advance(&scene->runner, job, event, &end);
}

#endif
