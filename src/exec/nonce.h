/* nonce.h: which attempt a directory waits for
 *
 * Each attempt has a number of its own, drawn at random. A scheduler that is given a job is given the number, and the
 * job's status names it (docs/reference/launchers.md); so a worker that starts twice, or too late, finds that the job
 * is not its own any more.
 */
#ifndef XPM_EXEC_NONCE_H
#define XPM_EXEC_NONCE_H

#include "exec/order.h"
#include "experimaestro/error.h"
#include "workspace/status.h"

/* 16 hexadecimal digits. XPM_EIO. */
int xpm_nonce_draw(char nonce[XPM_NONCE_SIZE], xpm_error *err);
/* Each start of what a scheduler was given is an attempt of its own: its nonce, counted on by RESTART. */
void xpm_nonce_number(const char *given, uint32_t restart, char nonce[XPM_NONCE_SIZE]);

/* Does the directory, of which PAST tells, wait for the attempt that ORDER's scheduler was given? */
bool xpm_nonce_is_named(const xpm_order *order, const xpm_job_past *past);
/* May the attempt NONCE of ORDER begin, whose lock is held? */
bool xpm_nonce_is_expected(const xpm_order *order, const char *nonce, const xpm_job_past *past);

#endif
