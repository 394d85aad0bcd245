/* Called by programs of others, in the middle of their work: nothing is kept between calls, no descriptor stays open. A
 * line is one write() to a file opened for appending, so that the processes of a job on one host may all speak. */
#include "experimaestro/task.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/number.h"
#include "engine/schedulertime.h"

static double now(void)
{
        struct timespec time;
        clock_gettime(CLOCK_REALTIME, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The fields of the reference implementation's JobProgressEvent. DIRECTORY is …/TASK/JOB. */
static void put_event(xpm_text *line, const char *directory, double fraction, const char *description, int level)
{
        const char *id = getenv("XPM_JOB_ID"), *task = getenv("XPM_TASK_ID"), *slash = strrchr(directory, '/');
        xpm_text_puts(line, "{\"event_type\": \"JobProgressEvent\"");
        xpm_json_key(line, "timestamp");
        xpm_json_float(line, now());
        xpm_json_key(line, "job_id");
        xpm_json_cstring(line, id ? id : slash ? slash + 1 : directory);
        xpm_json_key(line, "task_id");
        xpm_json_cstring(line, task ? task : "");
        xpm_json_key(line, "level");
        xpm_json_int(line, level);
        xpm_json_key(line, "progress");
        xpm_json_float(line, fraction);
        xpm_json_key(line, "desc");
        xpm_json_cstring(line, description);
        xpm_text_puts(line, "}\n");
}

static int append(int dir, const char *directory, const xpm_text *line, xpm_error *err)
{
        static const char file[] = ".experimaestro/events/event-0.jsonl";
        struct stat st;
        xpm_error inner = XPM_ERROR_NONE;
        /* As open to others as the directory itself is. */
        mode_t mode = fstat(dir, &st) == 0 ? st.st_mode & 0777 : 0700;
        int rc = xpm_mkdir_p(dir, ".experimaestro/events", mode, &inner);
        if (rc != 0)
                return xpm_fail(err, rc, "%s (in '%s')", inner.message, directory);
        int fd = openat(dir, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, mode & 0666);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot open '%s/%s'", directory, file);
        if (xpm_write_all(fd, line->data, line->length) != 0)
                rc = xpm_fail_errno(err, "cannot write '%s/%s'", directory, file);
        close(fd);
        return rc;
}

int xpm_task_progress(double fraction, const char *description, int level, xpm_error *err)
{
        const char *directory = getenv("XPM_JOB_DIR");
        if (!(fraction >= 0 && fraction <= 1))
                return xpm_fail(err, XPM_ERANGE, "a progress of %g: it must be between 0 and 1", fraction);
        if (level < 0 || level >= XPM_TASK_LEVELS)
                return xpm_fail(err, XPM_ERANGE, "a progress at level %d: it must be from 0 to %d", level,
                                XPM_TASK_LEVELS - 1);
        if (!directory || !*directory)
                return xpm_fail(err, XPM_EUSAGE, "this is no job: XPM_JOB_DIR is not set");
        int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return xpm_fail_errno(err, "cannot open the job's directory '%s'", directory);
        xpm_text line = XPM_TEXT_INIT;
        put_event(&line, directory, fraction, description, level);
        int rc = line.failed ? xpm_fail_memory(err) : append(dir, directory, &line, err);
        xpm_text_release(&line);
        close(dir);
        return rc;
}

int xpm_task_remaining(double *seconds, xpm_error *err)
{
        const char *deadline = getenv("XPM_DEADLINE");
        int64_t when, scheduler;
        *seconds = INFINITY;
        if (deadline && *deadline) {
                if (!xpm_int_parse(deadline, strlen(deadline), &when, NULL))
                        return xpm_fail(err, XPM_EFORMAT, "XPM_DEADLINE is '%s', which is no time", deadline);
                *seconds = fmax(0, (double)when - now());
        }
        scheduler = xpm_scheduler_end();
        if (scheduler > 0)
                *seconds = fmin(*seconds, fmax(0, (double)scheduler - now()));
        return 0;
}
