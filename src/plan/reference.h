/* reference.h: what a step takes from other steps, and from its own job
 *
 * {each: STEP} and {all: STEP} give a step its jobs; {from: PATH} and {tag: NAME} look inside the job that is being
 * made. A reference is read where a value is converted (xpm_reference_read is xpm_converter's callback) and leaves a
 * HOLE with its number there; expand.c fills the holes for each job.
 */
#ifndef XPM_PLAN_REFERENCE_H
#define XPM_PLAN_REFERENCE_H

#include "plan/plan.h"
#include "plan/trail.h"

enum xpm_reference_kind { XPM_EACH, XPM_ALL, XPM_FROM, XPM_TAG };

typedef struct xpm_reference {
        enum xpm_reference_kind kind;
        const xpm_node *node;
        xpm_trail place; /* where it stands in the job */
        bool in_sweep;   /* in a value of a sweep, not in params */
        /* NULL until something was converted with it: what only looks like a reference stays so */
        const xpm_type *type;
        const xpm_param *param; /* the parameter that it is in, for bounds */

        const xpm_node *where; /* each, all */
        const char **by;
        size_t by_count;
        bool allow_empty;
        xpm_step **steps; /* each, all: named; from: those whose jobs it can give */
        size_t step_count;
        xpm_trail from;
        const char *tag;

        /* each: the jobs; all: the groups and, when there is `by`, what each is known by. Set by xpm_reference_prepare.
         */
        size_t count;
        xpm_job *const *jobs;
        xpm_array **groups;
        const char **keys; /* by_count for each group: canonical texts of its values (xpm_tag_key) */
} xpm_reference;

typedef struct xpm_references {
        xpm_reference **items; /* in order of writing */
        size_t count, capacity;
        size_t last; /* where the last one was found: conversions come in order */
} xpm_references;

/* Add what looks like a reference in NODE (may be NULL), which stands at PLACE, to LIST. */
int xpm_references_collect(xpm_arena *arena, const xpm_node *node, const xpm_trail *place, bool in_sweep,
                           xpm_references *list, xpm_error *err);

/* What a converter's reference_data is while a step is read or expanded. */
typedef struct xpm_reference_reader {
        xpm_plan *plan;
        xpm_step *step;
} xpm_reference_reader;

int xpm_reference_read(void *data, const xpm_node *node, const xpm_type *type, xpm_value *out, xpm_error *err);

/* Find the jobs of an each or all, whose steps have been expanded: filtered, grouped. XPM_EPLAN when nothing is found.
 */
int xpm_reference_prepare(xpm_plan *plan, xpm_reference *reference, xpm_error *err);

/* The steps whose jobs stand at TRAIL in jobs of STEP, into STEPS (room for MORE); their number, 0 when none or not
 * known. */
size_t xpm_reference_steps(const xpm_step *step, const xpm_trail *trail, xpm_step *const **steps);

/* The choices that go together: for each combination of them one number per choosing reference, in order of writing,
 * last fastest. */
typedef struct xpm_tuples {
        uint32_t *choices; /* count * width; malloc'ed */
        size_t count, capacity, width;
} xpm_tuples;

/* All combinations of the choosing REFERENCES of STEP (each and all), as `match` and shared names of `by` allow.
 * XPM_EPLAN when STEP would have too many jobs. */
int xpm_tuples_make(xpm_plan *plan, const xpm_step *step, xpm_reference *const *references, size_t count,
                    xpm_tuples *out, xpm_error *err);
void xpm_tuples_release(xpm_tuples *tuples);

#endif
