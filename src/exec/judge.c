#include "exec/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "exec/script.h"

void xpm_judge_as(xpm_outcome *outcome, enum xpm_failure failure, const char *message)
{
        outcome->done = failure == XPM_FAILURE_NONE;
        outcome->failure = failure;
        if (message != outcome->message)
                snprintf(outcome->message, sizeof outcome->message, "%s", message ? message : "");
}

static void judge_outputs(xpm_attempt *attempt)
{
        const xpm_jobspec *spec = &attempt->order->spec;
        for (size_t i = 0; i < spec->output_count; i++) {
                struct stat st;
                if (fstatat(attempt->dir.dir, spec->outputs[i], &st, 0) == 0)
                        continue;
                attempt->outcome.done = false;
                attempt->outcome.failure = XPM_FAILURE_OUTPUT;
                snprintf(attempt->outcome.message, sizeof attempt->outcome.message,
                         "the command succeeded, but its output '%s' is missing", spec->outputs[i]);
                return;
        }
}

static void judge_status(xpm_attempt *attempt, int status)
{
        xpm_outcome *outcome = &attempt->outcome;
        if (WIFEXITED(status)) {
                outcome->code = WEXITSTATUS(status);
                outcome->done = outcome->code == 0;
                if (!outcome->done)
                        snprintf(outcome->message, sizeof outcome->message, "exit status %d", outcome->code);
        } else {
                int number = WTERMSIG(status);
                const char *name = sigabbrev_np(number);
                snprintf(outcome->message, sizeof outcome->message, "killed by signal %d (SIG%s)", number,
                         name ? name : "?");
        }
        /* Who was told to end has not finished, whatever he says. */
        outcome->done = outcome->done && !attempt->asked;
        if (attempt->why[0] || attempt->asked == XPM_FAILURE_LOST)
                snprintf(outcome->message, sizeof outcome->message, "%s",
                         attempt->why[0] ? attempt->why : "the guardian of its worker was killed");
        if (outcome->done)
                judge_outputs(attempt);
        else
                outcome->failure = attempt->asked ? attempt->asked : XPM_FAILURE_FAILED;
        xpm_error words = XPM_ERROR_NONE;
        if (outcome->code == XPM_SCRIPT_MISSING && !attempt->asked &&
            xpm_script_says_missing(&attempt->order->spec, attempt->dir.dir, &words))
                xpm_judge_as(outcome, XPM_FAILURE_LAUNCH, words.message);
}

/* More memory than it asked for is never a success, whether or not somebody saw it in time. */
static void judge_memory(xpm_attempt *attempt, int64_t max_rss)
{
        xpm_outcome *outcome = &attempt->outcome;
        uint64_t limit = xpm_attempt_memory(attempt);
        bool stopped = xpm_cgroup_ran_out(&attempt->group);
        if (limit == 0 || ((uint64_t)max_rss <= limit && !stopped) || outcome->failure == XPM_FAILURE_MEMORY)
                return;
        outcome->done = false;
        outcome->failure = XPM_FAILURE_MEMORY;
        if (stopped)
                snprintf(outcome->message, sizeof outcome->message,
                         "the kernel stopped it: it wanted more than the %" PRIu64 " MiB of memory that it asked for",
                         limit >> 20);
        else
                snprintf(outcome->message, sizeof outcome->message,
                         "it used %" PRId64 " MiB of memory, and asked for %" PRIu64, max_rss >> 20, limit >> 20);
}

void xpm_judge(xpm_attempt *attempt, int status, int64_t max_rss)
{
        judge_status(attempt, status);
        judge_memory(attempt, max_rss);
}
