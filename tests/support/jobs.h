/* jobs.h: jobs to be run by tests of exec/
 *
 * A job of the task `t.Work` in a workspace inside the test's place, whose names hold a blank and a newline.
 */
#ifndef XPM_TEST_JOBS_H
#define XPM_TEST_JOBS_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "exec/order.h"
#include "place.h"

#define JOB_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct job {
        char workspace[128], path[320];
        xpm_jobspec spec;
};

static const char *const job_shell[] = {"/bin/sh", "-e", NULL};

/* ARGV runs without a shell. */
__attribute__((unused)) static void job_init(struct job *job, const struct place *place, const char *const *argv)
{
        snprintf(job->workspace, sizeof job->workspace, "%s/a work\nspace", place->path);
        snprintf(job->path, sizeof job->path, "%s/jobs/t.work/" JOB_ID, job->workspace);
        job->spec = (xpm_jobspec){
                .job_id = JOB_ID,
                .task_id = "t.work",
                .script = "work",
                .path = job->path,
                .workspace = job->workspace,
                .experiment_id = "exp",
                .experiment_dir = place->path,
                .results = "/results",
                .argv = argv,
                .shell = job_shell,
                .need = {.cores = 2},
                .max_retries = -1,
                .retry = {.times = -1, .scale_memory = 1.0, .scale_duration = 1.0},
                .recipe = "recipe",
                .command = "the command",
        };
}

/* As it would be handed over. */
__attribute__((unused)) static xpm_launch job_launch(const struct job *job)
{
        return (xpm_launch){.tag = 7,
                            .attempt = 1,
                            .spec = &job->spec,
                            .path = job->path,
                            .params = "{}\n",
                            .params_length = 3,
                            .script = "#!/bin/sh\n",
                            .script_length = 10};
}

/* The order that a worker would get. */
__attribute__((unused)) static xpm_order *job_order(const xpm_launch *launch)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_frame frame;
        xpm_order *order = NULL;
        size_t offset = 0;
        xpm_order_put(&text, launch, 1000000);
        if (xpm_frame_take(text.data, text.length, &offset, &frame, NULL) == 1)
                xpm_order_take(&frame, &order, NULL);
        xpm_text_release(&text);
        return order;
}

/* The content of a file of the job's directory, "" when there is none; good until the next call. */
__attribute__((unused)) static const char *job_read(const struct job *job, const char *name)
{
        static char content[1 << 16];
        char path[512];
        snprintf(path, sizeof path, "%s/%s", job->path, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? 0 : read(fd, content, sizeof content - 1);
        content[length > 0 ? length : 0] = '\0';
        if (fd >= 0)
                close(fd);
        return content;
}

__attribute__((unused)) static bool job_has(const struct job *job, const char *name)
{
        char path[512];
        snprintf(path, sizeof path, "%s/%s", job->path, name);
        return access(path, F_OK) == 0;
}

__attribute__((unused)) static void job_write(const struct job *job, const char *name, const char *content)
{
        char path[512];
        snprintf(path, sizeof path, "%s/%s", job->path, name);
        xpm_mkdir_p(AT_FDCWD, job->path, 0700, NULL);
        xpm_file_write(AT_FDCWD, path, content, strlen(content), 0600, NULL);
}

#endif
