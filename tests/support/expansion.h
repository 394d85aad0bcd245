/* expansion.h: an experiment file, and the jobs that it makes, as text
 *
 *     expect_jobs(*state, "id: x\n…", "train lr=0.1 {lr=0.1}\n…");
 *     expect_error(*state, "id: x\n…", "e.yaml:3:5: …");
 *     expect_warning(*state, "id: x\n…", "e.yaml:3:5: …\n");
 *
 * A job is a line: its step, its parameters as declared (not the generated ones; a config is TYPE(…), a set is <…>,
 * another job #N, N being its line from 0), its tags in braces, and `after` the lines of its dependencies where they
 * are not all in the parameters. In messages the directory is left out.
 */
#ifndef XPM_TEST_EXPANSION_H
#define XPM_TEST_EXPANSION_H

#include <inttypes.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/number.h"
#include "base/text.h"
#include "place.h"
#include "plan/plan.h"

struct expansion {
        xpm_plan *plan;
        xpm_error err;
        int rc;
        xpm_text warnings; /* a line each */
};

static inline void expansion_log(void *data, enum xpm_log_level level, const char *line)
{
        if (level <= XPM_LOG_WARNING)
                xpm_text_printf(data, "%s\n", line);
}

/* Leave out the directory PATH and its slash wherever they stand in TEXT. */
static inline void expansion_shorten(char *text, const char *path)
{
        char prefix[128];
        snprintf(prefix, sizeof prefix, "%s/", path);
        size_t length = strlen(prefix);
        for (char *at = text; (at = strstr(at, prefix));)
                memmove(at, at + length, strlen(at + length) + 1);
}

/* Read TEXT as e.yaml with OPTIONS (whose `load` is set here). To be released, whatever came of it. */
static inline void expansion_read(const struct place *place, const char *text, xpm_plan_options options,
                                  struct expansion *out)
{
        *out = (struct expansion){0};
        const xpm_log log = {.write = expansion_log, .data = &out->warnings, .level = XPM_LOG_WARNING};
        const char *const *settings = options.load.settings, *const *post = options.load.post;
        options.load = (xpm_load_options){
                .file = "e.yaml", .cwd = place->path, .log = &log, .settings = settings, .post = post};
        place_put(place, "e.yaml", text);
        out->rc = xpm_plan_read(&options, &out->plan, &out->err);
        expansion_shorten(out->err.message, place->path);
        if (out->warnings.data)
                expansion_shorten(out->warnings.data, place->path);
}

static inline void expansion_release(struct expansion *expansion)
{
        xpm_plan_destroy(expansion->plan);
        xpm_text_release(&expansion->warnings);
}

static inline void expansion_put_value(const xpm_value *value, xpm_text *text);

static inline void expansion_put_config(const xpm_config *config, xpm_text *text, const char *between)
{
        const xpm_config_type *type = config->type;
        size_t put = 0;
        for (size_t i = 0; i < type->param_count; i++) {
                const size_t at = type->declared[i];
                if (type->params[at].generated)
                        continue;
                xpm_text_printf(text, "%s%s=", put++ ? between : "", type->params[at].name);
                expansion_put_value(&config->values[at], text);
        }
}

static inline void expansion_put_value(const xpm_value *value, xpm_text *text)
{
        char number[XPM_FLOAT_SIZE];
        switch (value->kind) {
        case XPM_UNSET: xpm_text_puts(text, "UNSET"); break;
        case XPM_HOLE: xpm_text_puts(text, "HOLE"); break;
        case XPM_NULL: xpm_text_puts(text, "null"); break;
        case XPM_BOOL: xpm_text_puts(text, value->boolean ? "true" : "false"); break;
        case XPM_INT: xpm_text_printf(text, "%" PRId64, value->integer); break;
        case XPM_FLOAT: xpm_text_append(text, number, xpm_float_format(number, value->number)); break;
        case XPM_STR:
        case XPM_PATH: xpm_text_append(text, value->string->data, value->string->length); break;
        case XPM_FILE: xpm_text_puts(text, strrchr(value->file->path->data, '/') + 1); break;
        case XPM_ENUM: xpm_text_puts(text, value->member->name); break;
        case XPM_LIST:
        case XPM_SET:
                xpm_text_putc(text, value->kind == XPM_LIST ? '[' : '<');
                for (size_t i = 0; i < value->array->count; i++) {
                        xpm_text_puts(text, i ? " " : "");
                        expansion_put_value(&value->array->items[i], text);
                }
                xpm_text_putc(text, value->kind == XPM_LIST ? ']' : '>');
                break;
        case XPM_DICT:
                xpm_text_putc(text, '{');
                for (size_t i = 0; i < value->dict->count; i++) {
                        xpm_text_puts(text, i ? " " : "");
                        expansion_put_value(&value->dict->items[i].key, text);
                        xpm_text_putc(text, ':');
                        expansion_put_value(&value->dict->items[i].value, text);
                }
                xpm_text_putc(text, '}');
                break;
        case XPM_CONFIG:
                if (value->config->job) {
                        xpm_text_printf(text, "#%zu", value->config->job->index);
                        break;
                }
                xpm_text_printf(text, "%s(", value->config->type->name);
                expansion_put_config(value->config, text, " ");
                xpm_text_putc(text, ')');
        }
}

static inline int expansion_put_tag(void *data, const char *name, const xpm_value *value)
{
        xpm_text *text = data;
        xpm_text_printf(text, "%s%s=", text->length && text->data[text->length - 1] != '{' ? " " : "", name);
        expansion_put_value(value, text);
        return 0;
}

/* All jobs, a line each. */
static inline void expansion_print(const xpm_plan *plan, xpm_text *text)
{
        for (size_t i = 0; i < plan->job_count; i++) {
                const xpm_job *job = plan->jobs[i];
                xpm_text tags = XPM_TEXT_INIT;
                xpm_text_printf(text, "%s%s", job->step->name, job->config->type->param_count ? " " : "");
                expansion_put_config(job->config, text, " ");
                xpm_job_tags(plan, job, expansion_put_tag, &tags);
                if (tags.length)
                        xpm_text_printf(text, " {%s}", xpm_text_string(&tags));
                xpm_text_release(&tags);
                for (size_t k = 0; k < job->dependency_count; k++)
                        if (job->step->node && xpm_node_get(job->step->node, "after"))
                                xpm_text_printf(text, "%s%zu", k ? " " : " after ", job->dependencies[k]->index);
                xpm_text_putc(text, '\n');
        }
}

static inline void expect_jobs_with(void *place, const char *text, xpm_plan_options options, const char *expected)
{
        struct expansion e;
        xpm_text jobs = XPM_TEXT_INIT;
        expansion_read(place, text, options, &e);
        assert_string_equal(e.err.message, "");
        assert_int_equal(e.rc, 0);
        expansion_print(e.plan, &jobs);
        assert_string_equal(xpm_text_string(&jobs), expected);
        xpm_text_release(&jobs);
        expansion_release(&e);
}

static inline void expect_jobs(void *place, const char *text, const char *expected)
{
        expect_jobs_with(place, text, (xpm_plan_options){0}, expected);
}

static inline void expect_error_with(void *place, const char *text, xpm_plan_options options, int code,
                                     const char *message)
{
        struct expansion e;
        expansion_read(place, text, options, &e);
        assert_string_equal(e.err.message, message);
        assert_int_equal(e.rc, code);
        assert_null(e.plan);
        expansion_release(&e);
}

static inline void expect_error(void *place, const char *text, const char *message)
{
        expect_error_with(place, text, (xpm_plan_options){0}, XPM_EPLAN, message);
}

/* It is read, and these are the warnings. */
static inline void expect_warning(void *place, const char *text, const char *warnings)
{
        struct expansion e;
        expansion_read(place, text, (xpm_plan_options){0}, &e);
        assert_string_equal(e.err.message, "");
        assert_string_equal(xpm_text_string(&e.warnings), warnings);
        expansion_release(&e);
}

#endif
