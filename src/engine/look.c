/* What a run would do, without doing it: each job's directory is asked, then what failed is carried to those that wait
 * for it. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sha256.h"
#include "engine/experiment.h"
#include "engine/transient.h"
#include "plan/template.h"
#include "workspace/probe.h"

enum { FLUSH = 1 << 16, SHORT_ID = 8 };

const char *xpm_outlook_word(enum xpm_outlook outlook)
{
        static const char *const words[] = {
#define X(name, word) [XPM_OUTLOOK_##name] = word,
                XPM_OUTLOOKS(X)
#undef X
        };
        return outlook < XPM_OUTLOOK_COUNT ? words[outlook] : "?";
}

static int changed(const xpm_experiment *experiment, const xpm_job *job, const xpm_probe *probe, bool *out,
                   xpm_error *err)
{
        const char *recipe;
        *out = false;
        if (!probe->recipe[0])
                return 0;
        int rc = xpm_render_recipe(&experiment->render, job, &recipe, err);
        if (rc == 0)
                *out = strcmp(recipe, probe->recipe) != 0;
        return rc;
}

/* QUEUED: a scheduler has it, and it has not begun. */
static int look_at(const xpm_experiment *experiment, const xpm_job *job, uint8_t *outlook, bool *queued, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_probe probe;
        bool differs;
        xpm_job_identifier(job, id);
        int rc = xpm_probe_job(experiment->workspace, xpm_job_task(job), xpm_job_script(job), id, true, &probe, err);
        if (rc != 0)
                return rc;
        switch (probe.state) {
        case XPM_JOB_DONE:
                rc = changed(experiment, job, &probe, &differs, err);
                *outlook = differs ? XPM_OUTLOOK_CHANGED : XPM_OUTLOOK_DONE;
                if (experiment->options.rerun == XPM_RERUN_ALL ||
                    (experiment->options.rerun == XPM_RERUN_CHANGED && differs))
                        *outlook = XPM_OUTLOOK_RUN;
                return rc;
        case XPM_JOB_SCHEDULED: *queued = true; /* fall through */
        case XPM_JOB_RUNNING: *outlook = XPM_OUTLOOK_RUNNING; return 0;
        case XPM_JOB_ERROR:
                *outlook = probe.failure == XPM_FAILURE_DEPENDENCY ? XPM_OUTLOOK_RUN : XPM_OUTLOOK_FAILED;
                return 0;
        default: *outlook = XPM_OUTLOOK_RUN; return 0;
        }
}

/* Everything behind a failed job is blocked; a scheduler ends what was to follow it. */
static int carry(xpm_experiment *experiment, bool *queued, xpm_error *err)
{
        xpm_graph graph = {0};
        xpm_queue queue = {0};
        size_t count = experiment->plan->job_count;
        int rc = xpm_experiment_graph(experiment, &graph, err);
        if (rc == 0)
                rc = xpm_queue_init(&queue, count, err);
        for (size_t job = 0; rc == 0 && job < count; job++)
                if (experiment->outlooks[job] == XPM_OUTLOOK_FAILED || experiment->outlooks[job] == XPM_OUTLOOK_UNFIT)
                        xpm_queue_push(&queue, job);
        while (rc == 0 && xpm_queue_length(&queue) > 0) {
                size_t dependents;
                const uint32_t *list = xpm_graph_dependents(&graph, xpm_queue_pop(&queue), &dependents);
                for (size_t i = 0; i < dependents; i++)
                        if (experiment->outlooks[list[i]] == XPM_OUTLOOK_RUN || queued[list[i]]) {
                                queued[list[i]] = false;
                                experiment->outlooks[list[i]] = XPM_OUTLOOK_BLOCKED;
                                xpm_queue_push(&queue, list[i]);
                        }
        }
        xpm_queue_release(&queue);
        xpm_graph_release(&graph);
        return rc;
}

static bool would_run(const void *data, size_t job)
{
        const xpm_experiment *experiment = data;
        enum xpm_outlook outlook = (enum xpm_outlook)experiment->outlooks[job];
        return outlook == XPM_OUTLOOK_RUN || (outlook == XPM_OUTLOOK_FAILED && !experiment->options.keep_failed);
}

static int spare(xpm_experiment *experiment, xpm_error *err)
{
        const xpm_transient_source source = {experiment, would_run};
        bool *spared;
        int rc = xpm_transients_spare(experiment->plan, &source, &spared, err);
        for (size_t job = 0; rc == 0 && spared && job < experiment->plan->job_count; job++)
                if (spared[job])
                        experiment->outlooks[job] = XPM_OUTLOOK_SPARED;
        free(spared);
        return rc;
}

static int look_at_all(xpm_experiment *experiment, bool *queued, xpm_error *err)
{
        size_t count = experiment->plan->job_count;
        bool failures = false;
        int rc = 0;
        memset(experiment->outlooks, XPM_OUTLOOK_RUN, count);
        if (experiment->workspace->dir >= 0 || experiment->choice.folders[0])
                for (size_t i = 0; rc == 0 && i < count; i++) {
                        rc = look_at(experiment, experiment->plan->jobs[i], &experiment->outlooks[i], &queued[i], err);
                        failures |= experiment->outlooks[i] == XPM_OUTLOOK_FAILED;
                }
        if (rc == 0)
                rc = spare(experiment, err);
        for (size_t i = 0; i < count; i++)
                if (experiment->choices[i].unfit && would_run(experiment, i)) {
                        experiment->outlooks[i] = XPM_OUTLOOK_UNFIT;
                        failures = true;
                }
        return rc == 0 && failures ? carry(experiment, queued, err) : rc;
}

int xpm_experiment_look(xpm_experiment *experiment, size_t *counts, xpm_error *err)
{
        size_t count = experiment->plan->job_count, totals[XPM_OUTLOOK_COUNT] = {0};
        if (!experiment->outlooks)
                experiment->outlooks = calloc(count + 1, 1);
        bool *queued = calloc(count + 1, sizeof *queued);
        int rc = experiment->outlooks && queued ? look_at_all(experiment, queued, err) : xpm_fail_memory(err);
        free(queued);
        for (size_t i = 0; rc == 0 && i < count; i++)
                totals[experiment->outlooks[i]]++;
        if (rc == 0 && counts)
                memcpy(counts, totals, sizeof totals);
        return rc;
}

int xpm_experiment_unfit(xpm_experiment *experiment, const xpm_job *job, char **why, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        int rc = xpm_experiment_explain_unfit(experiment, job, &text, err);
        *why = rc == 0 ? xpm_text_take(&text) : NULL;
        xpm_text_release(&text);
        return rc == 0 && !*why ? xpm_fail_memory(err) : rc;
}

enum xpm_outlook xpm_job_outlook(const xpm_experiment *experiment, const xpm_job *job)
{
        return (enum xpm_outlook)experiment->outlooks[job->index];
}

static bool needs(const xpm_job *job, const xpm_job *other)
{
        size_t i = 0;
        while (i < job->dependency_count && job->dependencies[i] != other)
                i++;
        return i < job->dependency_count;
}

const xpm_job *xpm_job_needed_by(const xpm_experiment *experiment, const xpm_job *job)
{
        const xpm_plan *plan = experiment->plan;
        if (job->step->templates->transient == XPM_TRANSIENT_NO)
                return NULL;
        for (size_t i = 0; i < plan->job_count; i++) {
                enum xpm_outlook outlook = (enum xpm_outlook)experiment->outlooks[i];
                bool runs =
                        outlook == XPM_OUTLOOK_RUN || outlook == XPM_OUTLOOK_FAILED || outlook == XPM_OUTLOOK_BLOCKED;
                if (runs && needs(plan->jobs[i], job))
                        return plan->jobs[i];
        }
        return NULL;
}

/* What would break the line or steer the terminal is not shown as it is. */
static void print_value(const xpm_value *value, xpm_text *text)
{
        size_t before = text->length;
        if (value->kind == XPM_STR)
                xpm_text_append(text, value->string->data, value->string->length);
        else
                xpm_value_json(value, NULL, text);
        for (size_t i = before; i < text->length; i++)
                if ((unsigned char)text->data[i] < ' ' || text->data[i] == '\177')
                        text->data[i] = '?';
}

static int print_tag(void *data, const char *name, const xpm_value *value)
{
        xpm_text *text = data;
        if (text->length)
                xpm_text_putc(text, ' ');
        xpm_text_printf(text, "%s=", name);
        print_value(value, text);
        return 0;
}

int xpm_experiment_describe(const xpm_experiment *experiment, const xpm_job *job, char **tags, char **dependencies,
                            const char **launcher, xpm_error *err)
{
        enum { NAMED = 3 };
        xpm_text names = XPM_TEXT_INIT, ids = XPM_TEXT_INIT;
        int rc = xpm_job_tags(experiment->plan, job, print_tag, &names);
        for (size_t i = 0; i < job->dependency_count && i < NAMED; i++) {
                char id[XPM_JOB_ID_SIZE];
                xpm_job_identifier(job->dependencies[i], id);
                xpm_text_printf(&ids, "%s%.*s", i ? " " : "", SHORT_ID, id);
        }
        if (job->dependency_count > NAMED)
                xpm_text_printf(&ids, " +%zu", job->dependency_count - NAMED);
        *launcher = xpm_experiment_launcher(experiment, job);
        *tags = xpm_text_take(&names);
        *dependencies = xpm_text_take(&ids);
        if (rc == 0 && *tags && *dependencies)
                return 0;
        free(*tags);
        free(*dependencies);
        return xpm_fail_memory(err);
}

/* What the table shows of its launcher, and the lines below it of a job that fits nowhere. */
static int append_launcher(xpm_experiment *experiment, const xpm_job *job, xpm_text *text, xpm_error *err)
{
        char *why = NULL;
        int rc = xpm_job_outlook(experiment, job) == XPM_OUTLOOK_UNFIT
                         ? xpm_experiment_unfit(experiment, job, &why, err)
                         : 0;
        xpm_text_puts(text, ", \"launcher\": ");
        xpm_json_cstring(text, xpm_experiment_launcher(experiment, job));
        xpm_text_puts(text, ", \"why_not\": ");
        if (why)
                xpm_json_cstring(text, why);
        else
                xpm_text_puts(text, "null");
        free(why);
        return rc;
}

static int append_job(xpm_experiment *experiment, const xpm_job *job, xpm_text *text, xpm_text *command, xpm_error *err)
{
        char id[XPM_JOB_ID_SIZE];
        xpm_render_context context = experiment->render;
        context.alternative = experiment->choices[job->index].alternative;
        xpm_job_identifier(job, id);
        xpm_text_clear(command);
        int rc = xpm_render_command(&context, job, command, err);
        xpm_text_puts(text, "{\"task_id\": ");
        xpm_json_cstring(text, xpm_job_task(job));
        xpm_text_puts(text, ", \"job_id\": ");
        xpm_json_cstring(text, id);
        xpm_text_puts(text, ", \"step\": ");
        xpm_json_cstring(text, job->step->name);
        xpm_text_puts(text, ", \"state\": ");
        xpm_json_cstring(text, xpm_outlook_word(xpm_job_outlook(experiment, job)));
        if (rc == 0)
                rc = append_launcher(experiment, job, text, err);
        xpm_text_puts(text, ", \"params\": ");
        if (rc == 0)
                rc = xpm_render_params(&context, job, text, err);
        xpm_text_puts(text, ", \"partials\": ");
        if (rc == 0)
                rc = xpm_render_partials(&context, job, text, err);
        xpm_text_puts(text, ", \"tags\": ");
        if (rc == 0)
                rc = xpm_job_tags_json(experiment->plan, job, text);
        xpm_text_puts(text, ", \"dependencies\": [");
        for (size_t i = 0; i < job->dependency_count; i++) {
                char dependency[XPM_JOB_ID_SIZE];
                xpm_job_identifier(job->dependencies[i], dependency);
                xpm_text_printf(text, "%s\"%s/%s\"", i ? ", " : "", xpm_job_task(job->dependencies[i]), dependency);
        }
        xpm_text_puts(text, "], \"command\": ");
        xpm_json_string(text, xpm_text_string(command), command->length);
        xpm_text_puts(text, ", \"path\": ");
        size_t before = command->length;
        xpm_text_printf(command, "%s/jobs/%s/%s", experiment->workspace->path, xpm_job_task(job), id);
        xpm_json_string(text, xpm_text_string(command) + before, command->length - before);
        xpm_text_puts(text, "}\n");
        return rc;
}

int xpm_experiment_write_json(xpm_experiment *experiment, FILE *stream, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT, command = XPM_TEXT_INIT;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < experiment->plan->job_count; i++) {
                rc = append_job(experiment, experiment->plan->jobs[i], &text, &command, err);
                if (rc == 0 && (text.failed || command.failed))
                        rc = xpm_fail_memory(err);
                bool full = text.length >= FLUSH || i + 1 == experiment->plan->job_count;
                if (rc == 0 && full && fwrite(text.data, 1, text.length, stream) != text.length)
                        rc = xpm_fail_errno(err, "cannot write the list of jobs");
                if (full)
                        xpm_text_clear(&text);
        }
        if (rc == 0 && fflush(stream) != 0)
                rc = xpm_fail_errno(err, "cannot write the list of jobs");
        xpm_text_release(&text);
        xpm_text_release(&command);
        return rc;
}
