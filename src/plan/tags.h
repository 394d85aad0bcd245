/* tags.h: what tells the jobs of a step apart
 *
 * A step has a fixed list of tags: where each is found in a job. Values are looked up when they are asked for, so a
 * million jobs store none. A tag that leads nowhere in one job (a parameter that its subtype has not) is one that the
 * job lacks.
 */
#ifndef XPM_PLAN_TAGS_H
#define XPM_PLAN_TAGS_H

#include "plan/plan.h"
#include "plan/reference.h"
#include "plan/trail.h"

typedef struct xpm_tag {
        const char *name; /* full */
        size_t length;
        xpm_trail trail;   /* own: where its value is; count 0 for a literal */
        bool named;        /* own: some values are alternatives of a one_of: the name is the tag */
        xpm_value literal; /* own, from `tags: {name: value}` */
        const xpm_node *literal_node;
        const xpm_reference *reference; /* inherited: through this one; else NULL */
        const struct xpm_tag *rest;     /* inherited: the tag there, in the first step that has it */
} xpm_tag;

/* A job as one of its steps sees it; a job that is being made is looked into through ENSURE, which fills what stands at
 * a trail and in it. */
typedef struct xpm_job_view {
        const xpm_step *step;
        const xpm_config *config;
        uint64_t combination;
        xpm_pos pos; /* of what asks, for messages; no source: none */
        int (*ensure)(void *data, const xpm_trail *trail, xpm_error *err); /* NULL: the job is complete */
        void *data;
} xpm_job_view;

/* Make the list of STEP's tags; the steps that it refers to have theirs. XPM_EPLAN. */
int xpm_tags_define(xpm_plan *plan, xpm_step *step, xpm_error *err);

/* 1 and the value, or 0 when the job lacks it; negative: what ENSURE said. */
int xpm_tag_value(const xpm_job_view *view, const xpm_tag *tag, xpm_value *out, xpm_error *err);

/* The tag that NAME means: the exact full name, then own ones by suffix, then inherited ones. 1 found (*TAG may be
 * NULL), 0 lacking; XPM_EPLAN, without position, when it is ambiguous. */
int xpm_tag_find(const xpm_job_view *view, const char *name, const xpm_tag **tag, xpm_value *out, xpm_error *err);

/* The same for JOB as a reference to COUNT STEPS sees it: in the first of them that has it. */
int xpm_tag_find_in(xpm_step *const *steps, size_t count, const xpm_job *job, const char *name, xpm_pos pos,
                    xpm_value *out, xpm_error *err);

/* Has some of COUNT STEPS a tag that NAME could mean? If not, xpm_fail_unknown with these tags. */
bool xpm_tag_known(const xpm_step *step, const char *name);
int xpm_tag_check(xpm_step *const *steps, size_t count, const char *name, xpm_pos pos, xpm_error *err);
/* `: did you mean 'x'?`, `: its tags are …` or "", appended to TEXT. */
void xpm_tag_suggest(xpm_step *const *steps, size_t count, const char *name, xpm_text *text);

/* JOB as STEP sees it; false when STEP does not have it. */
bool xpm_job_view_in(const xpm_job *job, const xpm_step *step, xpm_job_view *out);

#endif
