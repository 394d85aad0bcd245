/* The table. What is done on a transition is one action per event, in engine/runner.c. */
#include "engine/states.h"

#include <stddef.h>

typedef struct transition {
        enum xpm_job_state state;
        enum xpm_job_event event;
        enum xpm_job_state next;
} transition;

static const transition transitions[] = {
        {XPM_JOB_WAITING, XPM_EVENT_FREED, XPM_JOB_READY},
        {XPM_JOB_WAITING, XPM_EVENT_BARRED, XPM_JOB_ERROR},
        {XPM_JOB_READY, XPM_EVENT_SUBMITTED, XPM_JOB_SCHEDULED},
        {XPM_JOB_READY, XPM_EVENT_ELSEWHERE, XPM_JOB_RUNNING},
        {XPM_JOB_READY, XPM_EVENT_FAILED, XPM_JOB_ERROR},
        {XPM_JOB_SCHEDULED, XPM_EVENT_RETURNED, XPM_JOB_READY},
        {XPM_JOB_SCHEDULED, XPM_EVENT_WITHHELD, XPM_JOB_WAITING},
        {XPM_JOB_SCHEDULED, XPM_EVENT_STARTED, XPM_JOB_RUNNING},
        {XPM_JOB_SCHEDULED, XPM_EVENT_DONE, XPM_JOB_DONE},
        {XPM_JOB_SCHEDULED, XPM_EVENT_FAILED, XPM_JOB_ERROR},
        /* The scheduler began it, and its worker found that it was given to somebody else, who has ended since. */
        {XPM_JOB_RUNNING, XPM_EVENT_RETURNED, XPM_JOB_READY},
        {XPM_JOB_RUNNING, XPM_EVENT_WITHHELD, XPM_JOB_WAITING},
        {XPM_JOB_RUNNING, XPM_EVENT_RELEASED, XPM_JOB_READY},
        {XPM_JOB_SCHEDULED, XPM_EVENT_ELSEWHERE, XPM_JOB_RUNNING},
        {XPM_JOB_RUNNING, XPM_EVENT_ELSEWHERE, XPM_JOB_RUNNING},
        {XPM_JOB_SCHEDULED, XPM_EVENT_RETRIED, XPM_JOB_READY},
        {XPM_JOB_RUNNING, XPM_EVENT_RETRIED, XPM_JOB_READY},
        {XPM_JOB_RUNNING, XPM_EVENT_DONE, XPM_JOB_DONE},
        {XPM_JOB_RUNNING, XPM_EVENT_FAILED, XPM_JOB_ERROR},
};

int xpm_state_after(enum xpm_job_state state, enum xpm_job_event event)
{
        for (size_t i = 0; i < sizeof transitions / sizeof *transitions; i++)
                if (transitions[i].state == state && transitions[i].event == event)
                        return (int)transitions[i].next;
        return -1;
}

const char *xpm_job_event_word(enum xpm_job_event event)
{
        static const char *const words[XPM_EVENT_COUNT] = {
                [XPM_EVENT_FREED] = "freed",         [XPM_EVENT_BARRED] = "barred",
                [XPM_EVENT_SUBMITTED] = "submitted", [XPM_EVENT_RETURNED] = "returned",
                [XPM_EVENT_STARTED] = "started",     [XPM_EVENT_ELSEWHERE] = "elsewhere",
                [XPM_EVENT_RELEASED] = "released",   [XPM_EVENT_DONE] = "done",
                [XPM_EVENT_FAILED] = "failed",       [XPM_EVENT_RETRIED] = "retried",
                [XPM_EVENT_WITHHELD] = "withheld",
        };
        return event < XPM_EVENT_COUNT ? words[event] : "?";
}
