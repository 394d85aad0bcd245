/* RUN/jobs/TASK/JOB are for people who look around: relative links, made a few at a time while nothing else waits, and
 * none at all in runs so big that nobody would list them. A link that is there already is as it should be. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workspace/runstate.h"

enum { MOST = 10000 };

int xpm_run_want_link(xpm_run *run, size_t slot, xpm_error *err)
{
        xpm_run_entry *entry = &run->entries[slot];
        if (entry->listed || run->count > MOST)
                return 0;
        if (run->link_count == run->link_capacity) {
                size_t capacity = run->link_capacity ? run->link_capacity * 2 : 256;
                uint32_t *links = realloc(run->links, capacity * sizeof *links);
                if (!links)
                        return xpm_fail_memory(err);
                run->links = links;
                run->link_capacity = capacity;
        }
        run->links[run->link_count++] = (uint32_t)slot;
        entry->listed = true;
        return 0;
}

static int open_task(xpm_run *run, xpm_run_task *task, xpm_error *err)
{
        const char *name = xpm_arena_printf(run->arena, "jobs/%s", task->id);
        if (!name)
                return xpm_fail_memory(err);
        if (mkdirat(run->dir, name, run->workspace->directory_mode) != 0 && errno != EEXIST)
                return xpm_fail_errno(err, "cannot make '%s/%s'", run->path, name);
        task->dir = openat(run->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return task->dir >= 0 ? 0 : xpm_fail_errno(err, "cannot open '%s/%s'", run->path, name);
}

static int make_link(xpm_run *run, const xpm_run_entry *entry, xpm_text *target, xpm_error *err)
{
        xpm_run_task *task = &run->tasks[entry->task];
        if (entry->removed)
                return 0;
        int rc = task->dir >= 0 ? 0 : open_task(run, task, err);
        if (rc != 0)
                return rc;
        xpm_text_clear(target);
        xpm_text_puts(target, "../../../../../jobs/");
        xpm_text_puts(target, task->id);
        xpm_text_putc(target, '/');
        xpm_text_puts(target, entry->job_id);
        if (target->failed)
                return xpm_fail_memory(err);
        if (symlinkat(target->data, task->dir, entry->job_id) != 0 && errno != EEXIST)
                return xpm_fail_errno(err, "cannot make the link '%s/jobs/%s/%s'", run->path, task->id, entry->job_id);
        return 0;
}

int xpm_run_make_links(xpm_run *run, size_t limit, xpm_error *err)
{
        xpm_text target = XPM_TEXT_INIT;
        int rc = 0;
        for (; rc == 0 && limit > 0 && run->count <= MOST && run->link_done < run->link_count; limit--)
                rc = make_link(run, &run->entries[run->links[run->link_done++]], &target, err);
        xpm_text_release(&target);
        return rc;
}

int xpm_run_want_all_links(xpm_run *run, xpm_error *err)
{
        struct stat st;
        int rc = 0;
        xpm_text path = XPM_TEXT_INIT;
        for (size_t i = 0; rc == 0 && i < run->count && run->count <= MOST; i++) {
                const xpm_run_entry *entry = &run->entries[i];
                if (entry->listed)
                        continue;
                xpm_text_clear(&path);
                xpm_text_printf(&path, "jobs/%s/%s", run->tasks[entry->task].id, entry->job_id);
                if (path.failed)
                        rc = xpm_fail_memory(err);
                else if (fstatat(run->workspace->dir, path.data, &st, 0) == 0)
                        rc = xpm_run_want_link(run, i, err);
        }
        xpm_text_release(&path);
        return rc;
}

int xpm_run_forget_link(xpm_run *run, size_t slot, xpm_error *err)
{
        xpm_run_entry *entry = &run->entries[slot];
        const xpm_run_task *task = &run->tasks[entry->task];
        entry->removed = true;
        if (task->dir >= 0 && unlinkat(task->dir, entry->job_id, 0) != 0 && errno != ENOENT)
                return xpm_fail_errno(err, "cannot remove the link '%s/jobs/%s/%s'", run->path, task->id,
                                      entry->job_id);
        return 0;
}
