/* choice.h: which launcher runs a job
 *
 * A job's requirement has alternatives; the first one that some launcher can satisfy wins, among launchers the one of
 * the highest priority, then the first in launchers.yaml. A job that names a launcher gets that one, with the first
 * alternative that it can satisfy. Launchers are opened when they are first asked.
 */
#ifndef XPM_ENGINE_CHOICE_H
#define XPM_ENGINE_CHOICE_H

#include "base/text.h"
#include "exec/launcherfile.h"
#include "exec/placement.h"
#include "experimaestro/launcher.h"

enum { XPM_CANDIDATES = 32 };

typedef struct xpm_candidate {
        const char *name;                /* borrowed from the file, or from whoever named it */
        const xpm_launcher_entry *entry; /* NULL: the name of a module is all there is */
        const xpm_launcher *ops;         /* NULL: not looked for, or not to be had */
        void *instance;                  /* NULL until it is opened */
        xpm_error trouble;               /* why it cannot be had */
} xpm_candidate;

/* Of this host, for launchers that run jobs here; read when somebody asks. */
typedef struct xpm_host {
        xpm_topology *topology;
        xpm_placement *placement; /* within LIMITS */
        xpm_host_limits limits;
} xpm_host;

/* The cores that this process may use: those of the topology. */
int xpm_host_cores(xpm_host *host, bool devices, size_t *cores, xpm_error *err);
int xpm_host_check(xpm_host *host, const xpm_host_limits *limits, const xpm_need *need, xpm_error *err);
void xpm_host_release(xpm_host *host);

typedef struct xpm_candidates {
        const xpm_launcher_file *file;
        const xpm_core *core; /* lent to launchers: must stay */
        xpm_candidate list[XPM_CANDIDATES];
        size_t count;
        size_t order[XPM_CANDIDATES]; /* those that are chosen from when none is named, best first */
        size_t order_count;
} xpm_candidates;

typedef struct xpm_choice {
        uint8_t candidate, alternative;
        bool unfit; /* no launcher can ever run it: the candidate is the one that was named, or the best one */
} xpm_choice;

/* FILE and CORE must stay. XPM_ELAUNCHER when the file has too many. */
int xpm_candidates_init(xpm_candidates *candidates, const xpm_launcher_file *file, const xpm_core *core,
                        xpm_error *err);
/* Close those that are open. */
void xpm_candidates_release(xpm_candidates *candidates);

/* The one called NAME: an entry of the file, or a module (`local`). XPM_EUSAGE, with a suggestion. */
int xpm_candidates_find(xpm_candidates *candidates, const char *name, size_t *index, xpm_error *err);
/* Look for its module. XPM_ELAUNCHER when that cannot be had. */
int xpm_candidates_load(xpm_candidates *candidates, size_t index, xpm_error *err);
/* And open it. */
int xpm_candidates_open(xpm_candidates *candidates, size_t index, xpm_error *err);

/* What launchers are told of a job that needs NEED, which must stay. */
xpm_shape xpm_shape_of(const xpm_need *need);

/* 0 when the candidate can run a job that needs NEED, else XPM_ELAUNCHER and why not. */
int xpm_candidates_check(xpm_candidates *candidates, size_t index, const xpm_need *need, xpm_error *err);

/* The first of TAGS that the candidate has not, or NULL. */
const char *xpm_candidate_lacks_tag(const xpm_candidate *one, const char *const *tags, size_t tag_count);

/* NAMED: index of the one that the job names, -1: none. TAGS: those that it must have. WHY (may be NULL) gets what each
 * one that was passed over lacks, when no one is fit: `local: it wants 8 cores, and this host has 2`, joined by `; `.
 * XPM_ELAUNCHER when there is none at all. */
int xpm_candidates_choose(xpm_candidates *candidates, int named, const char *const *tags, size_t tag_count,
                          const xpm_requirement *requirement, xpm_choice *out, xpm_text *why, xpm_error *err);

#endif
