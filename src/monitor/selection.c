/* Which of the jobs a filter holds for. */
#include <string.h>

#include "base/words.h"
#include "monitor/viewstate.h"

#define PROPERTIES(X)                \
        X("@state", STATE)           \
        X("@name", NAME)             \
        X("@task", TASK)             \
        X("@id", ID)                 \
        X("@step", STEP)             \
        X("@experiment", EXPERIMENT) \
        X("@failure", FAILURE)

enum property {
#define X(name, value) VALUE_##value,
        PROPERTIES(X)
#undef X
                PROPERTY_COUNT
};

static const char *const names[] = {
#define X(name, value) name,
        PROPERTIES(X)
#undef X
};

static int find_property(const char *name)
{
        for (int i = 0; i < PROPERTY_COUNT; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -1;
}

/* A name that no job can have is a slip, not a filter that holds for nothing. */
static int check_names(const xpm_filter *filter, xpm_error *err)
{
        const char *name;
        for (size_t i = 0; (name = xpm_filter_name(filter, i)); i++) {
                if (name[0] != '@' || find_property(name) >= 0)
                        continue;
                const char *near = xpm_words_nearest(name, names, PROPERTY_COUNT);
                if (near)
                        return xpm_fail(err, XPM_EUSAGE, "a job has no '%s': did you mean '%s'?", name, near);
                return xpm_fail(err, XPM_EUSAGE,
                                "a job has no '%s', only @state, @name, @task, @id, @step, @experiment and @failure",
                                name);
        }
        return 0;
}

static const char *property(const xpm_view_job *job, enum property which)
{
        switch (which) {
        case VALUE_STATE: return xpm_job_state_word(job->state);
        case VALUE_NAME:
        case VALUE_TASK: return job->task_id;
        case VALUE_ID: return job->job_id;
        case VALUE_STEP: return job->step;
        case VALUE_EXPERIMENT: return job->experiment;
        default: return job->failure == XPM_FAILURE_NONE ? NULL : xpm_failure_word(job->failure);
        }
}

/* `model.lr` ends with `lr`. */
static bool ends_with(const char *tag, const char *name)
{
        size_t whole = strlen(tag), length = strlen(name);
        return whole > length && tag[whole - length - 1] == '.' && strcmp(tag + whole - length, name) == 0;
}

/* The tag that NAME means: the full name, or else the only one that ends so. */
static int find_tag(const xpm_view_job *job, const char *name, xpm_filter_value *out, xpm_error *err)
{
        const xpm_view_tag *found = NULL, *other = NULL;
        for (size_t i = 0; i < job->tag_count; i++) {
                const xpm_view_tag *tag = &job->tags[i];
                if (strcmp(tag->name, name) == 0) {
                        *out = tag->value;
                        return 0;
                }
                if (!ends_with(tag->name, name))
                        continue;
                other = found;
                found = tag;
        }
        if (other)
                return xpm_fail(err, XPM_EUSAGE, "'%s' may be the tag '%s' or '%s' of the job '%s/%.8s'", name,
                                other->name, found->name, job->task_id, job->job_id);
        if (found)
                *out = found->value;
        return 0;
}

static int lookup(void *data, const char *name, xpm_filter_value *out, xpm_error *err)
{
        const xpm_view_job *job = data;
        int which = name[0] == '@' ? find_property(name) : -1;
        if (which >= 0) {
                const char *text = property(job, (enum property)which);
                if (text)
                        *out = (xpm_filter_value){.kind = XPM_STR, .string = text};
                out->length = text ? strlen(text) : 0;
                out->any_case = true;
                return 0;
        }
        return find_tag(job, name, out, err);
}

int xpm_view_select(xpm_view *view, const char *text, xpm_view_jobs *jobs, xpm_error *err)
{
        xpm_filter *filter;
        size_t kept = 0;
        int rc = xpm_filter_parse(view->arena, text, &filter, err);
        if (rc == 0)
                rc = check_names(filter, err);
        if (rc != 0)
                return rc;
        for (size_t i = 0; i < jobs->count; i++) {
                rc = xpm_filter_eval(filter, lookup, &jobs->items[i], err);
                if (rc < 0)
                        return rc;
                if (rc > 0)
                        jobs->items[kept++] = jobs->items[i];
        }
        jobs->count = kept;
        return 0;
}
