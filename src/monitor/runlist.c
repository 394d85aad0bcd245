/* Experiments and their runs. One status.json is read for each run that is asked for; two more files are looked at only
 * when it says that the run goes on: the experiment's lock, which tells whether that is so, and environment.json, which
 * tells whether the engine left jobs behind on purpose; then these are looked at. */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/words.h"
#include "monitor/viewstate.h"
#include "workspace/detached.h"

const char *xpm_run_status_word(enum xpm_run_status status)
{
        static const char *const words[] = {
#define X(name, word) [XPM_RUN_IS_##name] = word,
                XPM_RUN_STATUSES(X)
#undef X
        };
        return (size_t)status < sizeof words / sizeof *words ? words[status] : words[XPM_RUN_IS_UNKNOWN];
}

bool xpm_view_parse_state(const char *word, enum xpm_job_state *state, enum xpm_failure *failure)
{
        static const char error[] = "error:";
        *failure = XPM_FAILURE_NONE;
        if (word && strncasecmp(word, error, sizeof error - 1) == 0) {
                int reason = xpm_failure_parse(word + sizeof error - 1);
                *state = XPM_JOB_ERROR;
                *failure = reason > XPM_FAILURE_NONE ? (enum xpm_failure)reason : XPM_FAILURE_FAILED;
                return true;
        }
        int parsed = word ? xpm_job_state_parse(word) : -1;
        if (parsed < 0)
                return false;
        *state = (enum xpm_job_state)parsed;
        if (*state == XPM_JOB_ERROR)
                *failure = XPM_FAILURE_FAILED;
        return true;
}

/* A running run whose lock is free is not. */
static int is_alive(xpm_view *view, const char *experiment, xpm_error *err)
{
        const char *path = xpm_arena_printf(view->arena, "experiments/%s/lock", experiment);
        xpm_error inner = XPM_ERROR_NONE;
        if (!path)
                return xpm_fail_memory(err);
        int held = xpm_lock_is_held(view->workspace->dir, path, &inner);
        return held < 0 ? xpm_fail(err, held, "%s (in '%s')", inner.message, view->workspace->path) : held;
}

/* What has become of the jobs that an engine left stands nowhere but with them. */
static int correct_detached(xpm_view *view, const char *directory, xpm_view_run *out, xpm_error *err)
{
        xpm_detached left;
        int dir = openat(view->workspace->dir, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int detached = dir >= 0 ? xpm_detached_look(dir, &left, err) : 0;
        if (dir >= 0)
                close(dir);
        if (detached <= 0)
                return detached;
        out->counts[XPM_JOB_SCHEDULED] = left.scheduled;
        out->counts[XPM_JOB_RUNNING] = left.running;
        out->counts[XPM_JOB_DONE] += left.done;
        out->counts[XPM_JOB_ERROR] += left.failed;
        out->counts[XPM_JOB_UNSCHEDULED] += left.gone;
        if (xpm_detached_goes_on(&left))
                out->status = XPM_RUN_IS_DETACHED;
        else
                out->status = out->counts[XPM_JOB_DONE] == out->total ? XPM_RUN_IS_DONE : XPM_RUN_IS_FAILED;
        return 0;
}

static int find_status(xpm_view *view, const char *experiment, const json_t *status, xpm_view_run *out, xpm_error *err)
{
        static const struct {
                const char *word;
                enum xpm_run_status status;
        } words[] = {
                {"done", XPM_RUN_IS_DONE},       {"completed", XPM_RUN_IS_DONE}, {"failed", XPM_RUN_IS_FAILED},
                {"running", XPM_RUN_IS_RUNNING}, {"active", XPM_RUN_IS_RUNNING},
        };
        const char *word = json_string_value(json_object_get(status, "status"));
        for (size_t i = 0; word && i < sizeof words / sizeof *words; i++)
                if (strcmp(word, words[i].word) == 0)
                        out->status = words[i].status;
        if (out->status == XPM_RUN_IS_FAILED && json_is_true(json_object_get(status, "cancelled")))
                out->status = XPM_RUN_IS_CANCELLED;
        if (out->status != XPM_RUN_IS_RUNNING)
                return 0;
        int alive = out->current ? is_alive(view, experiment, err) : 0;
        if (alive != 0)
                return alive < 0 ? alive : 0;
        out->status = XPM_RUN_IS_INTERRUPTED;
        return 0;
}

static size_t count_of(const json_t *status, const char *key)
{
        json_int_t count = json_integer_value(json_object_get(status, key));
        return count > 0 ? (size_t)count : 0;
}

static void count_jobs(const json_t *status, xpm_view_run *out)
{
        const char *job;
        json_t *word;
        json_t *states = json_object_get(status, "job_states");
        json_object_foreach(states, job, word)
        {
                enum xpm_job_state state;
                enum xpm_failure failure;
                if (!xpm_view_parse_state(json_string_value(word), &state, &failure))
                        state = XPM_JOB_UNSCHEDULED;
                out->counts[state]++;
                out->total++;
        }
        if (out->total > 0)
                return;
        out->counts[XPM_JOB_DONE] = count_of(status, "finished_jobs");
        out->counts[XPM_JOB_ERROR] = count_of(status, "failed_jobs");
        out->total = count_of(status, "total_jobs");
}

/* The jobs are announced before the first status that knows of them; the reference implementation writes a status when
 * a run begins and when it ends, so that of a run under way knows few of them. */
static int count_lines(xpm_view *view, const char *directory, xpm_view_run *out, xpm_error *err)
{
        const char *path = xpm_arena_printf(view->arena, "%s/jobs.jsonl", directory);
        xpm_text text = XPM_TEXT_INIT;
        if (!path)
                return xpm_fail_memory(err);
        int rc = xpm_file_read(view->workspace->dir, path, 0, &text, NULL);
        size_t lines = 0;
        for (size_t i = 0; i < text.length; i++)
                lines += text.data[i] == '\n';
        if (lines > out->total)
                out->total = lines;
        xpm_text_release(&text);
        return rc == XPM_ENOMEM ? xpm_fail_memory(err) : 0;
}

static bool is_over(enum xpm_run_status status)
{
        return status == XPM_RUN_IS_DONE || status == XPM_RUN_IS_FAILED || status == XPM_RUN_IS_CANCELLED;
}

int xpm_view_read_run(xpm_view *view, const char *experiment, const char *name, bool current, xpm_view_run *out,
                      json_t **kept, xpm_error *err)
{
        json_t *status = NULL;
        const char *directory = xpm_arena_printf(view->arena, "experiments/%s/%s", experiment, name);
        const char *path = directory ? xpm_arena_printf(view->arena, "%s/status.json", directory) : NULL;
        *out = (xpm_view_run){.name = name, .current = current};
        int rc = path ? xpm_view_load(view, path, &status, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = find_status(view, experiment, status, out, err);
        count_jobs(status, out);
        if (rc == 0 && out->status == XPM_RUN_IS_INTERRUPTED)
                rc = correct_detached(view, directory, out, err);
        out->requests = count_of(status, "requests");
        if (rc == 0 && (out->total == 0 || (!is_over(out->status) && !json_object_get(status, "counts"))))
                rc = count_lines(view, directory, out, err);
        if (rc == 0)
                rc = xpm_view_string(view, status, "hostname", &out->host, err);
        if (rc == 0)
                rc = xpm_view_string(view, status, "started_at", &out->started, err);
        if (rc == 0)
                rc = xpm_view_string(view, status, "ended_at", &out->ended, err);
        if (rc == 0)
                rc = xpm_view_string(view, status, "title", &out->title, err);
        if (rc == 0 && kept)
                *kept = json_incref(status);
        json_decref(status);
        return rc;
}

/* The run that `current` names, else the latest of RUNS; NULL when there is none. */
static const char *find_current(xpm_view *view, const char *experiment, const char **runs, size_t count)
{
        char target[512];
        const char *path = xpm_arena_printf(view->arena, "experiments/%s/current", experiment);
        ssize_t length = path ? readlinkat(view->workspace->dir, path, target, sizeof target - 1) : -1;
        if (length > 0) {
                target[length] = '\0';
                const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
                for (size_t i = 0; i < count; i++)
                        if (strcmp(runs[i], name) == 0)
                                return runs[i];
        }
        return count > 0 ? runs[count - 1] : NULL;
}

int xpm_view_run_names(xpm_view *view, const char *experiment, const char ***names, size_t *count, const char **current,
                       xpm_error *err)
{
        const char *path = xpm_arena_printf(view->arena, "experiments/%s", experiment);
        int rc = path ? xpm_view_directories(view, path, false, names, count, err) : xpm_fail_memory(err);
        if (rc == 0)
                *current = find_current(view, experiment, *names, *count);
        return rc;
}

static int read_experiment(xpm_view *view, const char *id, bool all_runs, xpm_view_experiment *out, xpm_error *err)
{
        const char **names, *current;
        size_t count;
        int rc = xpm_view_run_names(view, id, &names, &count, &current, err);
        if (rc != 0)
                return rc;
        xpm_view_run *runs = xpm_arena_calloc(view->arena, count + 1, sizeof *runs);
        *out = (xpm_view_experiment){.id = id, .runs = runs};
        if (!runs)
                return xpm_fail_memory(err);
        for (size_t i = count; rc == 0 && i-- > 0;) {
                bool is_current = names[i] == current;
                if (!all_runs && !is_current)
                        continue;
                if (is_current)
                        out->current = &runs[out->run_count];
                rc = xpm_view_read_run(view, id, names[i], is_current, &runs[out->run_count++], NULL, err);
        }
        return rc;
}

/* Each of ONLY must be among the COUNT IDS. */
static int check_names(const char *const *only, const char **ids, size_t count, xpm_error *err)
{
        for (; only && *only; only++) {
                bool found = false;
                for (size_t i = 0; !found && i < count; i++)
                        found = strcmp(ids[i], *only) == 0;
                if (found)
                        continue;
                const char *near = xpm_words_nearest(*only, ids, count);
                if (near)
                        return xpm_fail(err, XPM_ENOTFOUND, "there is no experiment '%s': did you mean '%s'?", *only,
                                        near);
                return xpm_fail(err, XPM_ENOTFOUND, "there is no experiment '%s'", *only);
        }
        return 0;
}

static bool wanted(const char *const *only, const char *id)
{
        if (!only || !*only)
                return true;
        for (; *only; only++)
                if (strcmp(*only, id) == 0)
                        return true;
        return false;
}

int xpm_view_ids(xpm_view *view, const char *const *only, const char ***ids, size_t *count, xpm_error *err)
{
        size_t kept = 0;
        int rc = xpm_view_directories(view, "experiments", true, ids, count, err);
        if (rc == 0)
                rc = check_names(only, *ids, *count, err);
        for (size_t i = 0; rc == 0 && i < *count; i++)
                if (wanted(only, (*ids)[i]))
                        (*ids)[kept++] = (*ids)[i];
        *count = kept;
        return rc;
}

int xpm_view_list(xpm_view *view, const char *const *only, bool all_runs, xpm_view_experiments *out, xpm_error *err)
{
        const char **ids;
        size_t count;
        int rc = xpm_view_ids(view, only, &ids, &count, err);
        if (rc != 0)
                return rc;
        xpm_view_experiment *items = xpm_arena_calloc(view->arena, count + 1, sizeof *items);
        if (!items)
                return xpm_fail_memory(err);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = read_experiment(view, ids[i], all_runs, &items[i], err);
        if (rc == 0)
                *out = (xpm_view_experiments){.items = items, .count = count};
        return rc;
}
