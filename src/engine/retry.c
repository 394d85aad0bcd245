/* Who gets another try. A job that was lost did nothing wrong, nor did a resumable one that was stopped, or that asks
 * to be called again (EX_TEMPFAIL); for the rest `retry` says it. All tries of one run are bounded by max_retries: a
 * job that kills its worker each time must not go on for ever. */
#include <math.h>
#include <sysexits.h>

#include "base/sha256.h"
#include "engine/runner.h"
#include "plan/template.h"

enum { MAX_RETRIES = 3 };

static int64_t limit_of(const xpm_runner *runner, const xpm_templates *templates)
{
        int64_t limit = templates->max_retries >= 0 ? templates->max_retries : runner->experiment->choice.max_retries;
        return limit >= 0 ? limit : MAX_RETRIES;
}

static bool is_excused(const xpm_templates *templates, const xpm_job_end *end)
{
        switch (end->failure) {
        case XPM_FAILURE_LOST:
        case XPM_FAILURE_PREEMPTED: return true;
        case XPM_FAILURE_TIMEOUT: return templates->resumable;
        case XPM_FAILURE_FAILED: return templates->resumable && end->code == EX_TEMPFAIL;
        default: return false;
        }
}

static bool is_listed(const xpm_retry *retry, enum xpm_failure failure)
{
        switch (failure) {
        case XPM_FAILURE_TIMEOUT: return retry->on_timeout;
        case XPM_FAILURE_MEMORY: return retry->on_memory;
        case XPM_FAILURE_LOST: return retry->on_lost;
        case XPM_FAILURE_FAILED:
        case XPM_FAILURE_OUTPUT: return retry->on_failed;
        default: return false;
        }
}

/* How often JOB is run again at most, should it go on to fail as it did. */
static int64_t most_of(const xpm_tracked *tracked, const xpm_templates *templates, const xpm_job_end *end,
                       int64_t limit)
{
        if (templates->retry.times < 0 || is_excused(templates, end))
                return limit;
        int64_t most = tracked->restarts + templates->retry.times - tracked->times;
        return most < limit ? most : limit;
}

bool xpm_runner_retries(xpm_runner *runner, size_t job, const xpm_job_end *end)
{
        xpm_tracked *tracked = &runner->jobs[job];
        const xpm_job *one = runner->plan->jobs[job];
        const xpm_templates *templates = one->step->templates;
        int64_t limit = limit_of(runner, templates);
        if (runner->handles || runner->stopping || runner->experiment->interrupts > 0 || tracked->restarts >= limit ||
            tracked->restarts == UINT8_MAX)
                return false;
        bool listed = is_listed(&templates->retry, end->failure) &&
                      (templates->retry.times < 0 || tracked->times < templates->retry.times);
        if (!listed && !is_excused(templates, end))
                return false;
        tracked->times += listed;
        tracked->restarts++;
        tracked->over_memory += end->failure == XPM_FAILURE_MEMORY;
        tracked->over_time += end->failure == XPM_FAILURE_TIMEOUT;
        char id[XPM_JOB_ID_SIZE];
        xpm_job_identifier(one, id);
        xpm_note(&runner->experiment->log, "%s/%.8s: %s%s%s; it is run again (%d of at most %lld times)",
                 xpm_job_task(one), id, xpm_failure_word(end->failure), end->message ? ": " : "",
                 end->message ? end->message : "", tracked->restarts,
                 (long long)most_of(tracked, templates, end, limit));
        return true;
}

double xpm_runner_memory_scale(const xpm_runner *runner, size_t job)
{
        return pow(runner->plan->jobs[job]->step->templates->retry.scale_memory, runner->jobs[job].over_memory);
}

double xpm_runner_duration_scale(const xpm_runner *runner, size_t job)
{
        return pow(runner->plan->jobs[job]->step->templates->retry.scale_duration, runner->jobs[job].over_time);
}
