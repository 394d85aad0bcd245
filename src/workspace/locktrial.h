/* locktrial.h: do locks exclude between hosts?
 *
 * What a mount table does not tell is tried: the first worker on another host asks for the lock that the engine of its
 * run holds. When it gets it, either the engine has died, or locks of the filesystem hold on one host only. A living
 * engine tells which: the worker writes into its heartbeat that it got the lock, an engine that reads so ends its run,
 * and the worker sees that. Where nothing answers within one beat the engine is dead, and no other worker asks again.
 */
#ifndef XPM_WORKSPACE_LOCKTRIAL_H
#define XPM_WORKSPACE_LOCKTRIAL_H

#include "base/text.h"
#include "workspace/heartbeat.h"

/* By the worker, in whose run HEARTBEAT is: ask for the lock. Who should know that something is wrong, and why he
 * waits, finds it in *TOLD, which is empty when there is nothing to wait for. */
int xpm_locktrial_make(const char *workspace, const xpm_heartbeat *heartbeat, xpm_text *told, xpm_error *err);
/* Then wait for the engine's answer: 0 when it is dead, XPM_EIO, naming the mount, when it lives. */
int xpm_locktrial_wait(const char *workspace, const xpm_heartbeat *heartbeat, xpm_error *err);

/* By the engine, which has held the lock of its run since before RUN_DIR was made: XPM_EIO, naming the mount, when a
 * worker got it. */
int xpm_locktrial_judge(int run_dir, xpm_error *err);

#endif
