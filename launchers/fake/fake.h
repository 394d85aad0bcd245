/* fake.h: a launcher whose jobs end as a test says
 *
 * A peer of the real ones, for the engine's tests: nothing is started and nothing is written. The test loads the
 * module, finds `xpm_fake` in it and sets what becomes of each job.
 */
#ifndef XPM_LAUNCHERS_FAKE_H
#define XPM_LAUNCHERS_FAKE_H

#include <experimaestro/launcher.h>

typedef struct xpm_fake {
        /* What becomes of a job that was handed over, decided one dispatch later: fills EVENT, whose tag and attempt
         * are set. Returns false to let the job run on; it is asked about again at the next dispatch. NULL: all
         * succeed. */
        bool (*outcome)(void *data, const char *path, xpm_launch_event *event);
        void *data;
        size_t room;      /* jobs at once */
        size_t submitted; /* how often a job was handed over */
        size_t most;      /* how many were with the launcher at once, at most */
        size_t cancelled; /* how many jobs were cancelled */
        bool accepts;     /* jobs are told of as accepted at the next dispatch, by their paths, and run on */
        size_t after[32]; /* how many others each one comes after, as they were handed over */
} xpm_fake;

extern xpm_fake xpm_fake_control;

#endif
