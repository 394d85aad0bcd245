/* planned.h: an experiment file, read for a test
 *
 *     struct planned planned;
 *     assert_int_equal(planned_read(place, "id: x\n…", &planned, &err), 0);
 *     …
 *     planned_release(&planned);
 */
#ifndef XPM_TEST_PLANNED_H
#define XPM_TEST_PLANNED_H

#include "base/log.h"
#include "base/text.h"
#include "place.h"
#include "plan/plan.h"
#include "plan/render.h"

struct planned {
        xpm_plan *plan;
        xpm_text warnings; /* a line each */
        xpm_render_context context;
};

static inline void planned_write(void *data, enum xpm_log_level level, const char *line)
{
        if (level == XPM_LOG_WARNING)
                xpm_text_printf(data, "%s\n", line);
}

/* One variable is set: HOME. */
static inline const char *planned_getenv(void *data, const char *name)
{
        (void)data;
        return strcmp(name, "HOME") == 0 ? "/home/me and you" : NULL;
}

/* Write TEXT to e.yaml in PLACE and read it. *PLANNED is to be released whatever is returned. */
static inline int planned_read(const struct place *place, const char *text, struct planned *planned, xpm_error *err)
{
        const xpm_log log = {.write = planned_write, .data = &planned->warnings, .level = XPM_LOG_WARNING};
        const xpm_plan_options options = {.load = {.file = "e.yaml", .cwd = place->path, .log = &log}};
        *planned = (struct planned){0};
        place_put(place, "e.yaml", text);
        int rc = xpm_plan_read(&options, &planned->plan, err);
        planned->context =
                (xpm_render_context){.plan = planned->plan, .workspace = "/ws", .getenv = planned_getenv, .run = NULL};
        return rc;
}

static inline void planned_release(struct planned *planned)
{
        xpm_plan_destroy(planned->plan);
        xpm_text_release(&planned->warnings);
}

/* The last job of the plan. */
static inline const xpm_job *planned_job(const struct planned *planned)
{
        return planned->plan->jobs[planned->plan->job_count - 1];
}

/* The id of JOB as text. */
static inline const char *planned_id(const xpm_job *job, char id[65])
{
        for (int i = 0; i < 32; i++)
                snprintf(id + 2 * i, 3, "%02x", job->config->id[i]);
        return id;
}

/* TEXT with each KEY replaced by VALUE; the caller frees. */
static inline char *planned_replace(char *text, const char *key, const char *value)
{
        xpm_text out = XPM_TEXT_INIT;
        for (char *at = text; *at;)
                if (strncmp(at, key, strlen(key)) == 0) {
                        xpm_text_puts(&out, value);
                        at += strlen(key);
                } else {
                        xpm_text_putc(&out, *at++);
                }
        free(text);
        text = strdup(xpm_text_string(&out));
        xpm_text_release(&out);
        return text;
}

#endif
