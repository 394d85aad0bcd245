/* Slurm's words. States and reasons: slurm.h and the manual page of squeue, "JOB STATE CODES" and "JOB REASON CODES" of
 * 22.05 to 24.11. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "slurm.h"

enum { MOST = 4000001 }; /* MaxArraySize at most */

long queue_elements(const char *id, element_visitor visit, void *data)
{
        char *end;
        long job = strtol(id, &end, 10);
        if (job <= 0)
                return 0;
        if (*end == '\0') {
                visit(data, -1);
                return job;
        }
        if (*end != '_')
                return 0;
        const char *at = end + 1 + (end[1] == '[');
        for (;;) {
                long first = strtol(at, &end, 10), last = first, step = 1;
                if (end == at)
                        return 0;
                if (*end == '-')
                        last = strtol(end + 1, &end, 10);
                if (*end == ':')
                        step = strtol(end + 1, &end, 10);
                /* No array is so large: what says so is no listing. */
                if (first < 0 || last > MOST || step <= 0)
                        return 0;
                for (long index = first; index <= last; index += step)
                        visit(data, index);
                if (*end != ',')
                        return job; /* the end, a bracket, or `%LIMIT` */
                at = end + 1;
        }
}

static bool is_one_of(const char *word, const char *const *words)
{
        for (; *words; words++)
                if (strcasecmp(*words, word) == 0)
                        return true;
        return false;
}

enum fate fate_of(const char *state, const char *reason, const char **word)
{
        static const char *const waiting[] = {"PENDING",       "REQUEUED",     "REQUEUE_FED", "REQUEUE_HOLD",
                                              "RESV_DEL_HOLD", "SPECIAL_EXIT", "CONFIGURING", NULL};
        static const char *const running[] = {"RUNNING",  "SUSPENDED", "STOPPED",   "COMPLETING",
                                              "RESIZING", "SIGNALING", "STAGE_OUT", NULL};
        /* Of what waits for these nothing comes, unless an administrator or the user acts. */
        static const char *const never[] = {"PartitionTimeLimit",
                                            "PartitionNodeLimit",
                                            "BadConstraints",
                                            "DependencyNeverSatisfied",
                                            "InvalidAccount",
                                            "InvalidQOS",
                                            "AssocMaxWallDurationPerJobLimit",
                                            "QOSMaxWallDurationPerJobLimit",
                                            "AssocMaxCpuPerJobLimit",
                                            "QOSMaxCpuPerJobLimit",
                                            "AssocMaxNodePerJobLimit",
                                            "QOSMaxNodePerJobLimit",
                                            "AssocMaxMemPerJob",
                                            "QOSMaxMemoryPerJob",
                                            "AccountNotAllowed",
                                            "QOSNotAllowed",
                                            "ReservationDeleted",
                                            "JobHeldAdmin",
                                            NULL};
        static const struct {
                const char *state, *word;
        } ends[] = {
                {"COMPLETED", NULL},     {"FAILED", "failed"},  {"TIMEOUT", "timeout"},     {"OUT_OF_MEMORY", "memory"},
                {"NODE_FAIL", "lost"},   {"BOOT_FAIL", "lost"}, {"CANCELLED", "cancelled"}, {"PREEMPTED", "preempted"},
                {"DEADLINE", "timeout"}, {"REVOKED", "lost"},   {"LAUNCH_FAILED", "lost"},  {"RECONFIG_FAIL", "lost"},
        };
        *word = NULL;
        if (is_one_of(state, waiting)) {
                if (!reason || !is_one_of(reason, never))
                        return FATE_WAITS;
                *word = reason;
                return FATE_NEVER;
        }
        if (is_one_of(state, running))
                return FATE_RUNS;
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
                if (strcasecmp(ends[i].state, state) == 0)
                        *word = ends[i].word;
        if (reason && strcmp(reason, "DependencyNeverSatisfied") == 0)
                *word = "dependency"; /* not by anybody */
        return FATE_ENDED;
}

bool refusal_passes(const char *message, bool *ambiguous)
{
        /* The errors of <slurm/slurm_errno.h> that pass, by words that their texts have had since 20.11, and what the
         * commands and the helper say. */
        static const char *const unsure[] = {"Socket timed out",
                                             "Zero Bytes were transmitted",
                                             "zero length message",
                                             "Transport endpoint",
                                             "Communication connection failure",
                                             "Message send failure",
                                             "Message receive failure",
                                             "Communication shutdown failure",
                                             "(send failure)",
                                             "(receive failure)",
                                             "(shutdown failure)",
                                             "Incomplete packet",
                                             "was killed",
                                             "no answer",
                                             NULL};
        static const char *const passing[] = {"Unable to contact slurm controller",
                                              "Connection refused",
                                              "Connection reset",
                                              "Protocol authentication error",
                                              "Slurm temporarily unable to accept job",
                                              "Resource temporarily unavailable",
                                              "job queue full",
                                              "temporarily disabled",
                                              "Invalid authentication credential",
                                              "job submit limit",
                                              "Job violates accounting/QOS policy",
                                              "QOSMaxSubmitJobPerUserLimit",
                                              "AssocMaxSubmitJobLimit",
                                              "MaxSubmitJob",
                                              "Job limit",
                                              "controller not responding",
                                              "Slurm backup controller",
                                              "Controller is in standby mode",
                                              "System submissions disabled",
                                              "configuration not available now",
                                              "Required partition not available",
                                              "Partition in DOWN state",
                                              "Requested nodes are busy",
                                              "Munge",
                                              "Too many open files",
                                              "cannot start",
                                              NULL};
        *ambiguous = false;
        for (const char *const *one = unsure; *one; one++)
                *ambiguous |= strcasestr(message, *one) != NULL;
        for (const char *const *one = passing; *one; one++)
                if (strcasestr(message, *one))
                        return true;
        return *ambiguous;
}
