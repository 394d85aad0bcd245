/* Which of the jobs a filter holds for. */
#include <string.h>

#include "base/map.h"
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
                return xpm_fail(
                        err, XPM_EUSAGE,
                        "'%s' may be the tag '%s' or '%s' of the job '%s/%.8s': write one of them, or leave such jobs "
                        "out before, as in @task = \"…\" and %s = …",
                        name, other->name, found->name, job->task_id, job->job_id, name);
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

static bool has_tag(const xpm_view_jobs *jobs, const char *name)
{
        for (size_t i = 0; i < jobs->count; i++)
                for (size_t j = 0; j < jobs->items[i].tag_count; j++) {
                        const char *tag = jobs->items[i].tags[j].name;
                        if (strcmp(tag, name) == 0 || ends_with(tag, name))
                                return true;
                }
        return false;
}

/* The names of all tags, each once, as keys. */
static int collect_tags(const xpm_view_jobs *jobs, xpm_map *tags)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < jobs->count; i++)
                for (size_t j = 0; rc == 0 && j < jobs->items[i].tag_count; j++) {
                        const char *name = jobs->items[i].tags[j].name;
                        if (!xpm_map_get(tags, name))
                                rc = xpm_map_put(tags, name, (void *)name);
                }
        return rc;
}

/* NAME may be meant for a tag or for its last component. */
static const char *nearest_tag(const xpm_map *tags, const char *name)
{
        const char *best = NULL;
        for (size_t i = 0; i < tags->count; i++) {
                const char *tag = tags->entries[i].key, *dot = strrchr(tag, '.');
                best = xpm_words_nearest(name, (const char *const[]){best, tag, dot ? dot + 1 : NULL}, 3);
        }
        return best;
}

static const char *render_doubt(xpm_arena *arena, const xpm_map *tags, const char *name)
{
        enum { SHOWN = 8 };
        const char *near = nearest_tag(tags, name);
        if (near)
                return xpm_arena_printf(arena, "no job has the tag '%s': did you mean '%s'?", name, near);
        if (tags->count == 0)
                return xpm_arena_printf(arena, "no job has the tag '%s', nor any other", name);
        const char *text = xpm_arena_printf(arena, "no job has the tag '%s'; tags are", name);
        for (size_t i = 0; text && i < tags->count && i < SHOWN; i++)
                text = xpm_arena_printf(arena, "%s%s '%s'", text, i ? "," : "", tags->entries[i].key);
        return text && tags->count > SHOWN ? xpm_arena_printf(arena, "%s, …", text) : text;
}

int xpm_view_doubt(xpm_view *view, const char *text, const xpm_view_jobs *jobs, const char **out, xpm_error *err)
{
        xpm_filter *filter;
        xpm_map tags = XPM_MAP_INIT;
        const char *name;
        size_t i = 0;
        *out = NULL;
        int rc = xpm_filter_parse(view->arena, text, &filter, err);
        if (rc != 0)
                return rc;
        while ((name = xpm_filter_name(filter, i)) && (name[0] == '@' || has_tag(jobs, name)))
                i++;
        if (!name || jobs->count == 0)
                return 0;
        if (collect_tags(jobs, &tags) == 0)
                *out = render_doubt(view->arena, &tags, name);
        xpm_map_release(&tags);
        return *out ? 0 : xpm_fail_memory(err);
}
