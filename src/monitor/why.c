/* A job waits for one of its dependencies, that one for one of its own, and so on: the way is followed to its end,
 * where the cause is. Who depends on whom stands in jobs.jsonl of the runs; a job that no current run has tells of
 * itself alone. */
#include "monitor/why.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/map.h"
#include "monitor/viewstate.h"
#include "workspace/probe.h"
#include "workspace/tokenfile.h"

enum { LOCK_LIMIT = 4096 };

static const char *path_of(xpm_view *view, const xpm_view_job *job, const char *file, const char *suffix)
{
        return xpm_arena_printf(view->arena, "jobs/%s/%s/%s%s", job->task_id, job->job_id, file, suffix);
}

static int file_exists(xpm_view *view, const xpm_view_job *job, const char *file, const char *suffix, xpm_error *err)
{
        struct stat st;
        const char *path = path_of(view, job, file, suffix);
        return path ? fstatat(view->workspace->dir, path, &st, 0) == 0 : xpm_fail_memory(err);
}

static int find_marker(xpm_view *view, xpm_why *why, xpm_error *err)
{
        static const char *const suffixes[] = {".done", ".failed"};
        const char *script = xpm_view_script(why->job.task_id);
        for (int i = 0; i < 2; i++) {
                if (why->job.state != (i ? XPM_JOB_ERROR : XPM_JOB_DONE))
                        continue;
                int rc = file_exists(view, &why->job, script, suffixes[i], err);
                if (rc > 0 && !(why->marker = xpm_arena_printf(view->arena, "%s%s", script, suffixes[i])))
                        rc = xpm_fail_memory(err);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

/* The lock's text is a courtesy, from whoever: what is no text is left out. */
static int find_holder(xpm_view *view, xpm_why *why, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        if (why->job.state != XPM_JOB_RUNNING)
                return 0;
        const char *path = path_of(view, &why->job, xpm_view_script(why->job.task_id), ".lock");
        if (!path)
                return xpm_fail_memory(err);
        int rc = xpm_file_read(view->workspace->dir, path, LOCK_LIMIT, &text, NULL);
        size_t length = rc == 0 ? strcspn(xpm_text_string(&text), "\n") : 0;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
                        length = 0;
        rc = rc == XPM_ENOMEM ? xpm_fail_memory(err) : 0;
        if (length > 0 && !(why->holder = xpm_arena_strndup(view->arena, xpm_text_string(&text), length)))
                rc = xpm_fail_memory(err);
        xpm_text_release(&text);
        return rc;
}

static int read_attempt(xpm_view *view, const json_t *json, xpm_why_attempt *out, xpm_error *err)
{
        const json_t *code = json_object_get(json, "exit_code");
        *out = (xpm_why_attempt){.code = json_is_integer(code) ? (int)json_integer_value(code) : -1};
        int rc = xpm_view_string(view, json, "host", &out->host, err);
        if (rc == 0)
                rc = xpm_view_string(view, json, "started_time", &out->started, err);
        if (rc == 0)
                rc = xpm_view_string(view, json, "ended_time", &out->ended, err);
        if (rc == 0)
                rc = xpm_view_string(view, json, "state", &out->state, err);
        return rc == 0 ? xpm_view_string(view, json, "reason", &out->reason, err) : rc;
}

static int read_status(xpm_view *view, xpm_why *why, xpm_error *err)
{
        json_t *status = NULL;
        const char *path = path_of(view, &why->job, ".experimaestro/status.json", "");
        int rc = path ? xpm_view_load(view, path, &status, err) : xpm_fail_memory(err);
        if (rc != 0 || !status)
                return rc;
        const json_t *before = json_object_get(status, "attempts");
        size_t count = json_array_size(before);
        xpm_why_attempt *attempts = xpm_arena_calloc(view->arena, count + 1, sizeof *attempts);
        if (!attempts)
                rc = xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = read_attempt(view, json_array_get(before, i), &attempts[i], err);
        if (rc == 0)
                rc = read_attempt(view, status, &attempts[count], err);
        /* A status may be of a job that was only submitted. */
        why->attempts = attempts;
        why->attempt_count = rc == 0 ? count + (attempts[count].started != NULL) : 0;
        json_decref(status);
        return rc;
}

static int read_message(xpm_view *view, xpm_why *why, xpm_error *err)
{
        xpm_probe found;
        const char *script = xpm_view_script(why->job.task_id);
        int rc = xpm_probe_job(view->workspace, why->job.task_id, script, why->job.job_id, false, &found, err);
        if (rc == 0 && found.message[0] && !(why->message = xpm_arena_strdup(view->arena, found.message)))
                rc = xpm_fail_memory(err);
        return rc;
}

/* The dependency of JOB that it waits for: one that failed, else one that is not done; NULL when all are done. A
 * dependency that no current run knows is asked at its directory. */
static int blocking(xpm_view *view, const xpm_map *known, const xpm_view_job *job, const xpm_view_job **out,
                    xpm_error *err)
{
        size_t i;
        json_t *name, *list = job->dependencies ? json_loads(job->dependencies, 0, NULL) : NULL;
        int rc = 0;
        *out = NULL;
        json_array_foreach(list, i, name)
        {
                const char *text = json_string_value(name), *slash = text ? strrchr(text, '/') : NULL;
                if (!slash || rc != 0)
                        continue;
                xpm_view_job *other = xpm_map_get(known, text);
                if (!other) {
                        other = xpm_arena_alloc(view->arena, sizeof *other);
                        if (!other)
                                rc = xpm_fail_memory(err);
                        else
                                *other = (xpm_view_job){
                                        .task_id = xpm_arena_strndup(view->arena, text, (size_t)(slash - text)),
                                        .job_id = xpm_arena_strdup(view->arena, slash + 1)};
                        if (rc == 0 && (!other->task_id || !other->job_id))
                                rc = xpm_fail_memory(err);
                        if (rc == 0)
                                rc = xpm_view_refresh(view, other, err);
                }
                if (rc == 0 && other->state != XPM_JOB_DONE && (!*out || other->state == XPM_JOB_ERROR))
                        if (!*out || (*out)->state != XPM_JOB_ERROR)
                                *out = other;
        }
        json_decref(list);
        return rc;
}

static int follow(xpm_view *view, const xpm_map *known, xpm_why *why, xpm_error *err)
{
        xpm_view_job *chain = NULL;
        size_t capacity = 0;
        const xpm_view_job *at = &why->job;
        /* No longer than there are jobs: what another program wrote may go round. */
        while (why->chain_count <= known->count) {
                int rc = blocking(view, known, at, &at, err);
                if (rc != 0 || !at)
                        return rc;
                if (xpm_arena_reserve(view->arena, &chain, &capacity, why->chain_count + 1, sizeof *chain) != 0)
                        return xpm_fail_memory(err);
                chain[why->chain_count++] = *at;
                why->chain = chain;
                if (at->state == XPM_JOB_RUNNING ||
                    (at->state == XPM_JOB_ERROR && at->failure != XPM_FAILURE_DEPENDENCY))
                        return 0;
        }
        return 0;
}

static int find_chain(xpm_view *view, xpm_why *why, xpm_error *err)
{
        xpm_view_jobs jobs = {0};
        xpm_map known = XPM_MAP_INIT;
        int rc = xpm_view_list_jobs(view, NULL, &jobs, err);
        for (size_t i = 0; rc == 0 && i < jobs.count; i++) {
                const char *key = xpm_arena_printf(view->arena, "%s/%s", jobs.items[i].task_id, jobs.items[i].job_id);
                if (!key || xpm_map_put(&known, key, &jobs.items[i]) != 0)
                        rc = xpm_fail_memory(err);
        }
        bool waits = why->job.state != XPM_JOB_DONE && why->job.state != XPM_JOB_RUNNING &&
                     (why->job.state != XPM_JOB_ERROR || why->job.failure == XPM_FAILURE_DEPENDENCY);
        if (rc == 0 && waits)
                rc = follow(view, &known, why, err);
        xpm_map_release(&known);
        return rc;
}

/* NAME, TASK@JOB.json, as `task/job`; NULL in *OUT when it is another file. */
static int read_holder(xpm_view *view, const char *name, const char **out, xpm_error *err)
{
        const char *at = strrchr(name, '@'), *end = at ? strstr(at, ".json") : NULL;
        *out = NULL;
        if (*name == '.' || !end || end[5])
                return 0;
        *out = xpm_arena_printf(view->arena, "%.*s/%.*s", (int)(at - name), name, (int)(end - at) - 1, at + 1);
        return *out ? 0 : xpm_fail_memory(err);
}

static int find_token_holders(xpm_view *view, const char *token, xpm_why *why, xpm_error *err)
{
        size_t capacity = 0;
        const char *path = xpm_arena_printf(view->arena, "tokens/%s/jobs", token);
        int rc = path ? 0 : xpm_fail_memory(err);
        int fd = path ? openat(view->workspace->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
        if (fd >= 0 && !entries)
                close(fd);
        for (struct dirent *entry; rc == 0 && entries && (entry = readdir(entries));) {
                const char *holder;
                rc = read_holder(view, entry->d_name, &holder, err);
                if (rc == 0 && holder &&
                    xpm_arena_reserve(view->arena, &why->token_holders, &capacity, why->token_holder_count + 1,
                                      sizeof *why->token_holders) != 0)
                        rc = xpm_fail_memory(err);
                else if (rc == 0 && holder)
                        why->token_holders[why->token_holder_count++] = holder;
        }
        if (entries)
                closedir(entries);
        return rc;
}

/* The first token in which it has a ticket. A job behind the oldest ones may have none yet. */
static int find_token(xpm_view *view, xpm_why *why, xpm_error *err)
{
        static const char suffix[] = ".counter";
        const char **names;
        size_t count;
        xpm_token_file ticket;
        xpm_token_file_name(why->job.task_id, why->job.job_id, ticket);
        int rc = xpm_view_directories(view, "tokens", false, &names, &count, err);
        for (size_t i = 0; rc == 0 && i < count && !why->token; i++) {
                struct stat st;
                size_t length = strlen(names[i]);
                const char *path = xpm_arena_printf(view->arena, "tokens/%s/tickets/%s", names[i], ticket);
                if (!path)
                        return xpm_fail_memory(err);
                if (length < sizeof suffix || strcmp(names[i] + length - sizeof suffix + 1, suffix) != 0 ||
                    fstatat(view->workspace->dir, path, &st, 0) != 0)
                        continue;
                if (!(why->token = xpm_arena_strndup(view->arena, names[i], length - sizeof suffix + 1)))
                        return xpm_fail_memory(err);
                rc = find_token_holders(view, names[i], why, err);
        }
        return rc;
}

/* What has no end and needs nothing that is not done waits for its turn, if its run goes on. */
static int find_turn(xpm_view *view, xpm_why *why, xpm_error *err)
{
        const xpm_view_job *job = &why->job;
        bool waits = job->state == XPM_JOB_UNSCHEDULED || job->state == XPM_JOB_WAITING || job->state == XPM_JOB_READY;
        if (!waits || !job->experiment || why->chain_count > 0)
                return 0;
        const char *path = xpm_arena_printf(view->arena, "experiments/%s/lock", job->experiment);
        if (!path)
                return xpm_fail_memory(err);
        if (xpm_lock_is_held(view->workspace->dir, path, NULL) != 1)
                return 0;
        why->underway = job->experiment;
        return find_token(view, why, err);
}

int xpm_view_why(xpm_view *view, const xpm_view_job *job, xpm_why *out, xpm_error *err)
{
        struct stat st;
        *out = (xpm_why){.job = *job};
        const char *path = path_of(view, job, ".", "");
        if (!path)
                return xpm_fail_memory(err);
        out->has_directory = fstatat(view->workspace->dir, path, &st, 0) == 0 && S_ISDIR(st.st_mode);
        int rc = find_marker(view, out, err);
        if (rc == 0)
                rc = find_holder(view, out, err);
        if (rc == 0 && out->has_directory)
                rc = read_status(view, out, err);
        if (rc == 0)
                rc = read_message(view, out, err);
        if (rc == 0)
                rc = find_chain(view, out, err);
        return rc == 0 ? find_turn(view, out, err) : rc;
}
