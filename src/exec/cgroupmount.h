/* cgroupmount.h: where the control group of this process is to be seen
 */
#ifndef XPM_EXEC_CGROUPMOUNT_H
#define XPM_EXEC_CGROUPMOUNT_H

#include <stddef.h>

/* The directory of our group in the hierarchy of CONTROLLER of cgroup v1 (NULL: in that of cgroup v2), which has a file
 * called FILE. SELF and MOUNTS are /proc/self/cgroup and /proc/self/mountinfo. The first *TOP bytes (TOP may be NULL)
 * are the topmost group that is visible. The caller frees; NULL when it is not to be seen, or out of memory. */
char *xpm_cgroup_find(const char *self, const char *mounts, const char *controller, const char *file, size_t *top);

#endif
