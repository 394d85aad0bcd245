/* judge.h: what an attempt came to
 *
 * A success is an exit status of 0 of a job that nobody told to end, with the outputs that it declares, within its
 * memory.
 */
#ifndef XPM_EXEC_JUDGE_H
#define XPM_EXEC_JUDGE_H

#include "exec/attempt.h"

/* The outcome of ATTEMPT, whose command has ended with STATUS (of waitpid) and took MAX_RSS bytes at most. */
void xpm_judge(xpm_attempt *attempt, int status, int64_t max_rss);

/* FAILURE, whatever the command did; NONE: done. MESSAGE may be NULL, or the outcome's own. */
void xpm_judge_as(xpm_outcome *outcome, enum xpm_failure failure, const char *message);

#endif
