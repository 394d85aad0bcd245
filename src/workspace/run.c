/* One run of an experiment, as its engine writes it.
 *
 * What grows with the number of jobs is appended, in big pieces: jobs.jsonl when jobs are announced, the events when
 * the loop comes by. status.json alone is rewritten as a whole; the longer that takes the rarer it happens, so that it
 * never costs more than a fiftieth of the time. All of them are for readers: the truth about a job stands in its
 * directory, and a run that is cut off anywhere loses nothing. */
#include "workspace/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "workspace/discard.h"
#include "workspace/folder.h"
#include "workspace/heartbeat.h"
#include "workspace/history.h"
#include "workspace/locktrial.h"
#include "workspace/mount.h"
#include "workspace/runstate.h"
#include "workspace/status.h"

enum {
        LINES_FULL = 1 << 20,  /* bytes of jobs.jsonl that are written at once */
        EVENTS_FULL = 1 << 16, /* bytes of events that do not wait */
        EVENTS_LATE = 100,     /* milliseconds that an event waits */
        LINKS_AT_ONCE = 32,
        STATUS_EVERY = 1000, /* milliseconds, at least */
        STATUS_SHARE = 50,   /* one part in so many of the time */
        TRIALS = 4,          /* looks in each beat */
        MICRO = 1000000
};

static int64_t monotonic_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * MICRO + now.tv_nsec / 1000;
}

static void release(xpm_run *run)
{
        for (size_t i = 0; i < run->task_count; i++)
                if (run->tasks[i].dir >= 0)
                        close(run->tasks[i].dir);
        const int files[] = {run->lines_file, run->events_file, run->dir};
        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
                if (files[i] >= 0)
                        close(files[i]);
        xpm_lock_release(run->lock);
        xpm_environment_release(&run->environment);
        xpm_map_release(&run->task_index);
        xpm_text_release(&run->lines);
        xpm_text_release(&run->dependencies);
        xpm_text_release(&run->events);
        free(run->entries);
        free(run->tasks);
        free(run->links);
        xpm_arena_destroy(run->arena);
        free(run);
}

static int keep(xpm_run *run, const char **string)
{
        if (!*string)
                return 0;
        *string = xpm_arena_strdup(run->arena, *string);
        return *string ? 0 : XPM_ENOMEM;
}

/* What is needed after begin; the command line and the configuration stand in the environment. */
static int keep_info(xpm_run *run, const xpm_run_info *info, xpm_error *err)
{
        run->info = (xpm_run_info){
                .experiment_id = info->experiment_id,
                .title = info->title,
                .subtitle = info->subtitle,
                .description = info->description,
                .paper = info->paper,
                .experiment_dir = info->experiment_dir,
                .warn_dirty = info->warn_dirty,
                .interrupts = info->interrupts,
                .forget_old = info->forget_old,
                .max_done = info->max_done,
                .max_failed = info->max_failed,
        };
        const char **const strings[] = {&run->info.experiment_id, &run->info.title, &run->info.subtitle,
                                        &run->info.description,   &run->info.paper, &run->info.experiment_dir};
        for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
                if (keep(run, strings[i]) != 0)
                        return xpm_fail_memory(err);
        return 0;
}

static int write_environment(xpm_run *run, const char *status, int64_t ended, xpm_error *err)
{
        xpm_error inner = XPM_ERROR_NONE;
        xpm_text text = XPM_TEXT_INIT;
        xpm_environment_json(&run->environment, run->host, run->started, ended, status, &text);
        int rc = text.failed ? xpm_fail_memory(err)
                             : xpm_file_replace(run->dir, "environment.json", text.data, text.length,
                                                run->workspace->file_mode, &inner);
        if (inner.code)
                xpm_fail(err, inner.code, "%s (in '%s')", inner.message, run->path);
        xpm_text_release(&text);
        return rc;
}

int xpm_run_begin(xpm_workspace *workspace, const xpm_run_info *info, bool wait, const xpm_log *log, xpm_run **out,
                  xpm_error *err)
{
        xpm_run *run = calloc(1, sizeof *run);
        if (!run)
                return xpm_fail_memory(err);
        run->workspace = workspace;
        run->log = log;
        run->lock = run->dir = run->lines_file = run->events_file = -1;
        run->environment = XPM_ENVIRONMENT_INIT;
        run->arena = xpm_arena_create();
        int rc = run->arena ? keep_info(run, info, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_environment_begin(&run->environment, info, err);
        if (rc == 0)
                rc = xpm_mount_check(workspace->dir, err);
        run->started = xpm_time_now();
        gethostname(run->host, sizeof run->host - 1);
        if (rc == 0)
                rc = xpm_run_make(run, wait, log, err);
        if (rc == 0)
                rc = write_environment(run, NULL, 0, err);
        if (rc != 0)
                release(run);
        else
                *out = run;
        return rc;
}

const char *xpm_run_path(const xpm_run *run)
{
        return run->path;
}

const char *xpm_run_name(const xpm_run *run)
{
        return run->name;
}

static int find_task(xpm_run *run, const char *id, uint32_t *index, xpm_error *err)
{
        size_t found = (size_t)(uintptr_t)xpm_map_get(&run->task_index, id);
        if (found == 0) {
                if (run->task_count == run->task_capacity) {
                        size_t capacity = run->task_capacity ? run->task_capacity * 2 : 8;
                        xpm_run_task *tasks = realloc(run->tasks, capacity * sizeof *tasks);
                        if (!tasks)
                                return xpm_fail_memory(err);
                        run->tasks = tasks;
                        run->task_capacity = capacity;
                }
                const char *kept = xpm_arena_strdup(run->arena, id);
                found = run->task_count + 1;
                if (!kept || xpm_map_put(&run->task_index, kept, (void *)(uintptr_t)found) != 0)
                        return xpm_fail_memory(err);
                run->tasks[run->task_count++] = (xpm_run_task){.id = kept, .dir = -1};
        }
        *index = (uint32_t)found - 1;
        return 0;
}

static int grow_entries(xpm_run *run, xpm_error *err)
{
        if (run->count < run->capacity)
                return 0;
        size_t capacity = run->capacity ? run->capacity * 2 : 64;
        xpm_run_entry *entries = realloc(run->entries, capacity * sizeof *entries);
        if (!entries)
                return xpm_fail_memory(err);
        run->entries = entries;
        run->capacity = capacity;
        return 0;
}

/* Seconds with six digits, as a JSON number. */
static void put_timestamp(xpm_text *text, int64_t microseconds)
{
        char fraction[] = ".000000";
        int64_t rest = microseconds % MICRO;
        for (int i = 6; i > 0; i--, rest /= 10)
                fraction[i] = (char)('0' + rest % 10);
        xpm_json_key(text, "timestamp");
        xpm_json_int(text, microseconds / MICRO);
        xpm_text_append(text, fraction, 7);
}

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_names(xpm_text *text, const char *const *names, size_t count, bool job_alone)
{
        xpm_text_putc(text, '[');
        for (size_t i = 0; i < count; i++) {
                const char *slash = job_alone ? strrchr(names[i], '/') : NULL;
                xpm_json_item(text);
                xpm_json_cstring(text, slash ? slash + 1 : names[i]);
        }
        xpm_text_putc(text, ']');
}

static const char *script_of(const char *task_id)
{
        const char *dot = strrchr(task_id, '.');
        return dot ? dot + 1 : task_id;
}

int xpm_run_add_job(xpm_run *run, const char *task_id, const char *job_id, const char *tags, const char *step,
                    const char *const *dependencies, size_t dependency_count, enum xpm_job_state state, size_t *slot,
                    xpm_error *err)
{
        xpm_run_entry entry = {.state = (uint8_t)state, .job_id = xpm_arena_strdup(run->arena, job_id)};
        int rc = entry.job_id ? grow_entries(run, err) : xpm_fail_memory(err);
        if (rc == 0)
                rc = find_task(run, task_id, &entry.task, err);
        if (rc != 0)
                return rc;
        xpm_text *line = &run->lines;
        xpm_text_puts(line, "{\"job_id\": ");
        xpm_json_cstring(line, job_id);
        put_string(line, "task_id", task_id);
        xpm_json_key(line, "tags");
        xpm_text_puts(line, tags && *tags ? tags : "{}");
        put_timestamp(line, xpm_time_now());
        put_string(line, "step", step);
        xpm_json_key(line, "depends_on");
        put_names(line, dependencies, dependency_count, false);
        xpm_text_puts(line, "}\n");
        if (dependency_count > 0) {
                xpm_json_key(&run->dependencies, job_id);
                put_names(&run->dependencies, dependencies, dependency_count, true);
        }
        if (line->failed || run->dependencies.failed)
                return xpm_fail_memory(err);
        run->entries[run->count] = entry;
        run->counts[state]++;
        run->changed = true;
        *slot = run->count++;
        rc = line->length >= LINES_FULL ? xpm_run_flush(run, err) : 0;
        return rc == 0 ? xpm_run_found(run, *slot, state, err) : rc;
}

int xpm_run_found(xpm_run *run, size_t slot, enum xpm_job_state state, xpm_error *err)
{
        xpm_run_entry *entry = &run->entries[slot];
        const char *task = run->tasks[entry->task].id;
        run->counts[entry->state]--;
        run->counts[state]++;
        entry->state = (uint8_t)state;
        return state == XPM_JOB_DONE ? xpm_folder_adopt(run->workspace, task, script_of(task), entry->job_id, err) : 0;
}

/* Append TEXT to the file NAME of the run, which is made when it is first needed. */
static int append(xpm_run *run, const char *name, int *file, xpm_text *text, xpm_error *err)
{
        if (text->length == 0)
                return 0;
        if (*file < 0)
                *file = openat(run->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                               run->workspace->file_mode);
        if (*file < 0)
                return xpm_fail_errno(err, "cannot create '%s/%s'", run->path, name);
        if (xpm_write_all(*file, text->data, text->length) != 0)
                return xpm_fail_errno(err, "cannot write '%s/%s'", run->path, name);
        xpm_text_clear(text);
        return 0;
}

int xpm_run_flush(xpm_run *run, xpm_error *err)
{
        return append(run, "jobs.jsonl", &run->lines_file, &run->lines, err);
}

static int write_events(xpm_run *run, xpm_error *err)
{
        if (run->events.length > 0 && run->events_file < 0 &&
            mkdirat(run->dir, "events", run->workspace->directory_mode) != 0 && errno != EEXIST)
                return xpm_fail_errno(err, "cannot make '%s/events'", run->path);
        run->events_due = 0;
        return append(run, "events/event-0.jsonl", &run->events_file, &run->events, err);
}

static void put_event(xpm_run *run, const xpm_run_entry *entry)
{
        xpm_text *line = &run->events;
        bool failed = entry->state == XPM_JOB_ERROR;
        xpm_text_putc(line, '{');
        put_timestamp(line, xpm_time_now());
        put_string(line, "event_type", "ExperimentJobStateEvent");
        put_string(line, "experiment_id", run->info.experiment_id);
        put_string(line, "run_id", run->name);
        put_string(line, "task_id", run->tasks[entry->task].id);
        put_string(line, "job_id", entry->job_id);
        put_string(line, "scheduler_state", xpm_job_state_word((enum xpm_job_state)entry->state));
        put_string(line, "failure_reason", failed ? xpm_failure_status((enum xpm_failure)entry->failure) : NULL);
        if (failed)
                put_string(line, "reason", xpm_failure_word((enum xpm_failure)entry->failure));
        xpm_text_puts(line, "}\n");
}

int xpm_run_set_state(xpm_run *run, size_t slot, enum xpm_job_state state, enum xpm_failure failure, xpm_error *err)
{
        xpm_run_entry *entry = &run->entries[slot];
        if (entry->state == state && entry->failure == failure)
                return 0;
        run->counts[entry->state]--;
        run->counts[state]++;
        entry->state = (uint8_t)state;
        entry->failure = (uint8_t)failure;
        run->changed = true;
        put_event(run, entry);
        if (run->events.failed)
                return xpm_fail_memory(err);
        /* From here on its directory exists, or will in a moment. */
        bool begun = state == XPM_JOB_SCHEDULED || state == XPM_JOB_RUNNING || state == XPM_JOB_DONE ||
                     state == XPM_JOB_ERROR;
        return begun ? xpm_run_want_link(run, slot, err) : 0;
}

/* No reason to write a status: they are many while nothing else changes. */
void xpm_run_set_requests(xpm_run *run, size_t requests)
{
        run->requests = requests;
}

static int tick_events(xpm_run *run, int64_t now, xpm_error *err)
{
        if (run->events.length == 0)
                return 0;
        if (run->events_due == 0)
                run->events_due = now + EVENTS_LATE;
        return run->events.length >= EVENTS_FULL || now >= run->events_due ? write_events(run, err) : 0;
}

static int tick_status(xpm_run *run, int64_t now, xpm_error *err)
{
        if (run->status_due == 0)
                run->status_due = now + STATUS_EVERY;
        if (!run->changed || now < run->status_due)
                return 0;
        int64_t before = monotonic_us();
        int rc = xpm_run_write_status(run, "running", false, 0, err);
        int64_t rest = (monotonic_us() - before) * STATUS_SHARE / 1000;
        run->status_due = now + (rest > STATUS_EVERY ? rest : STATUS_EVERY);
        return rc;
}

/* Some times in each beat, since a second copy of a job may begin meanwhile. */
static int tick_trial(xpm_run *run, int64_t now, xpm_error *err)
{
        if (now < run->trial_due)
                return 0;
        run->trial_due = now + xpm_beat() / TRIALS;
        return xpm_locktrial_judge(run->dir, err);
}

static void sooner(int64_t *next, int64_t when)
{
        if (*next < 0 || when < *next)
                *next = when;
}

static void tell_dirty(xpm_run *run)
{
        if (run->info.warn_dirty && run->environment.git.state == XPM_GIT_DIRTY) {
                xpm_warn(run->log,
                         "the repository of '%s' has uncommitted changes, so its commit does not say what was run "
                         "('dirty_git: ignore' silences this)",
                         run->info.experiment_dir);
                run->info.warn_dirty = false;
        }
}

int xpm_run_tick(xpm_run *run, int64_t now, int64_t *next, xpm_error *err)
{
        xpm_git_ask(&run->environment.git);
        tell_dirty(run);
        int rc = tick_events(run, now, err);
        if (rc == 0)
                rc = xpm_run_make_links(run, LINKS_AT_ONCE, err);
        if (rc == 0)
                rc = tick_status(run, now, err);
        if (rc == 0)
                rc = tick_trial(run, now, err);
        *next = run->trial_due;
        if (run->events.length > 0)
                sooner(next, run->events_due);
        if (run->changed)
                sooner(next, run->status_due);
        if (run->link_done < run->link_count)
                sooner(next, now);
        return rc;
}

/* While the experiment is still ours. What cannot be removed is no failure of the run. */
static void forget_old_runs(const xpm_run *run)
{
        xpm_error inner = XPM_ERROR_NONE;
        if (!run->info.forget_old)
                return;
        if (xpm_history_clean(run->workspace, run->info.experiment_id, run->name, run->info.max_done,
                              run->info.max_failed, &inner) < 0)
                xpm_warn(run->log, "%s", inner.message);
        inner = XPM_ERROR_NONE;
        if (xpm_discard_sweep(run->workspace, false, &inner) < 0)
                xpm_warn(run->log, "%s", inner.message);
}

/* The first error wins, and everything is tried: what can still be written is worth having. */
static void also(int *rc, int other)
{
        if (*rc == 0)
                *rc = other;
}

int xpm_run_end(xpm_run *run, enum xpm_run_outcome outcome, xpm_error *err)
{
        static const struct {
                const char *status, *environment;
        } words[] = {
                [XPM_RUN_DONE] = {"done", "completed"},
                [XPM_RUN_FAILED] = {"failed", "failed"},
                [XPM_RUN_CANCELLED] = {"failed", "failed"},
                [XPM_RUN_DETACHED] = {"running", "detached"},
        };
        int rc = xpm_run_flush(run, err);
        also(&rc, write_events(run, err));
        also(&rc, xpm_run_want_all_links(run, err));
        also(&rc, xpm_run_make_links(run, SIZE_MAX, err));
        if (outcome == XPM_RUN_DONE)
                also(&rc, xpm_run_forget_previous(run, err));
        int64_t now = xpm_time_now(), ended = outcome == XPM_RUN_DETACHED ? 0 : now;
        also(&rc, xpm_run_write_status(run, words[outcome].status, outcome == XPM_RUN_CANCELLED, ended, err));
        xpm_environment_settle(&run->environment);
        tell_dirty(run);
        also(&rc, write_environment(run, words[outcome].environment, now, err));
        if (outcome != XPM_RUN_DETACHED)
                forget_old_runs(run);
        release(run);
        return rc;
}
