/* The fields are those of the reference implementation, whose readers take `failure_reason` for one of the names of its
 * own enumeration: so that is its nearest word, and `reason` beside it ours. What is not known is null, never absent.
 */
#include "workspace/status.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

enum { MICRO = 1000000, STATUS_LIMIT = 16 << 20 };

static void digits(char *at, int value, int count)
{
        while (count-- > 0) {
                at[count] = (char)('0' + value % 10);
                value /= 10;
        }
}

void xpm_iso_time(int64_t microseconds, char text[XPM_ISO_TIME_SIZE])
{
        time_t seconds = (time_t)(microseconds / MICRO);
        struct tm tm;
        localtime_r(&seconds, &tm);
        memcpy(text, "0000-00-00T00:00:00.000000", XPM_ISO_TIME_SIZE);
        digits(text, tm.tm_year + 1900, 4);
        digits(text + 5, tm.tm_mon + 1, 2);
        digits(text + 8, tm.tm_mday, 2);
        digits(text + 11, tm.tm_hour, 2);
        digits(text + 14, tm.tm_min, 2);
        digits(text + 17, tm.tm_sec, 2);
        digits(text + 20, (int)(microseconds % MICRO), 6);
}

int64_t xpm_time_now(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * MICRO + now.tv_nsec / 1000;
}

static char boot[XPM_BOOT_SIZE];

static void read_boot(void)
{
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? 0 : read(fd, boot, sizeof boot - 1);
        if (fd >= 0)
                close(fd);
        boot[length > 0 ? strcspn(boot, "\n") : 0] = '\0';
}

const char *xpm_boot_id(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, read_boot);
        return boot;
}

bool xpm_is_this_host(const char *host, const char *boot_id)
{
        char name[65] = "";
        return gethostname(name, sizeof name - 1) == 0 && strcmp(host, name) == 0 &&
               strcmp(boot_id, xpm_boot_id()) == 0;
}

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static void put_int(xpm_text *text, const char *key, int64_t value)
{
        xpm_json_key(text, key);
        xpm_json_int(text, value);
}

/* An int, or null for the value that says that there is none. */
static void put_maybe(xpm_text *text, const char *key, int64_t value, int64_t none)
{
        xpm_json_key(text, key);
        if (value == none)
                xpm_text_puts(text, "null");
        else
                xpm_json_int(text, value);
}

static void put_float(xpm_text *text, const char *key, double value)
{
        xpm_json_key(text, key);
        xpm_json_float(text, value);
}

static void put_time(xpm_text *text, const char *key, int64_t microseconds)
{
        char iso[XPM_ISO_TIME_SIZE];
        if (microseconds)
                xpm_iso_time(microseconds, iso);
        put_string(text, key, microseconds ? iso : NULL);
}

void xpm_job_process_json(const xpm_job_process *process, xpm_text *text)
{
        xpm_text_putc(text, '{');
        put_string(text, "type", "local");
        put_int(text, "pid", process->worker);
        put_string(text, "host", process->host);
        put_int(text, "start_time", (int64_t)process->start_time);
        put_int(text, "command_pid", process->command);
        put_int(text, "command_start", (int64_t)process->command_start);
        put_string(text, "boot_id", process->boot);
        if (process->heartbeat)
                put_string(text, "heartbeat", process->heartbeat);
        xpm_text_putc(text, '}');
}

void xpm_job_failed_json(enum xpm_failure failure, int code, const char *message, xpm_text *text)
{
        xpm_text_putc(text, '{');
        put_maybe(text, "code", code, -1);
        put_string(text, "reason", xpm_failure_word(failure));
        put_string(text, "failure_status", xpm_failure_status(failure));
        put_string(text, "message", message);
        xpm_text_putc(text, '}');
}

static void put_resources(xpm_text *text, const xpm_job_status *status)
{
        xpm_json_key(text, "resources");
        xpm_text_putc(text, '{');
        put_maybe(text, "cores", status->cores, 0); /* of what never reached a worker it is not known */
        put_string(text, "cpuset", status->cpuset);
        if (status->seen)
                put_string(text, "seen", status->seen);
        put_maybe(text, "memory", (int64_t)status->memory, 0);
        put_int(text, "gpus", status->gpus);
        if (status->devices && *status->devices)
                put_string(text, "devices", status->devices);
        xpm_text_putc(text, '}');
}

static void put_usage(xpm_text *text, const xpm_job_usage *usage)
{
        xpm_json_key(text, "usage");
        if (!usage) {
                xpm_text_puts(text, "null");
                return;
        }
        xpm_text_putc(text, '{');
        put_float(text, "user", usage->user);
        put_float(text, "system", usage->system);
        put_int(text, "max_rss", usage->max_rss);
        put_float(text, "wall", usage->wall);
        xpm_text_putc(text, '}');
}

static void put_outcome(xpm_text *text, const xpm_job_status *status)
{
        bool failed = status->failure != XPM_FAILURE_NONE;
        put_string(text, "state", xpm_job_state_word(status->state));
        put_string(text, "failure_reason", failed ? xpm_failure_status(status->failure) : NULL);
        put_string(text, "reason", failed ? xpm_failure_word(status->failure) : NULL);
        put_string(text, "message", status->message);
}

void xpm_job_status_json(const xpm_job_status *status, xpm_text *text)
{
        xpm_text_putc(text, '{');
        put_string(text, "job_id", status->job_id);
        put_string(text, "task_id", status->task_id);
        put_string(text, "path", status->path);
        put_outcome(text, status);
        put_string(text, "scheduler_state", NULL);
        put_string(text, "scheduler_failure_reason", NULL);
        put_time(text, "submitted_time", status->submitted);
        put_time(text, "started_time", status->started);
        put_time(text, "ended_time", status->ended);
        put_maybe(text, "exit_code", status->code, -1);
        put_int(text, "attempt", status->attempt);
        put_string(text, "nonce", status->nonce);
        put_int(text, "retry_count", status->attempt > 0 ? (int64_t)status->attempt - 1 : 0);
        xpm_json_key(text, "resumable");
        xpm_json_bool(text, status->resumable);
        xpm_json_key(text, "progress");
        xpm_text_puts(text, "[]");
        xpm_json_key(text, "process");
        if (status->process)
                xpm_job_process_json(status->process, text);
        else
                xpm_text_puts(text, "null");
        put_string(text, "run_group_id", NULL);
        if (status->handle) {
                put_string(text, "launcher", status->launcher);
                put_string(text, "handle", status->handle);
        }
        put_string(text, "recipe", status->recipe);
        put_string(text, "command", status->command);
        put_string(text, "host", status->host);
        put_resources(text, status);
        put_usage(text, status->usage);
        xpm_json_key(text, "attempts");
        xpm_text_putc(text, '[');
        if (status->attempts)
                xpm_text_puts(text, status->attempts);
        xpm_text_puts(text, "]}\n");
}

static const char *member(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

/* The last attempt as an entry of `attempts`. */
static void put_attempt(xpm_text *text, const json_t *status, const xpm_job_past *past)
{
        bool ended = past->state == XPM_JOB_DONE || past->state == XPM_JOB_ERROR;
        xpm_json_item(text);
        xpm_text_putc(text, '{');
        put_int(text, "attempt", past->attempt);
        put_string(text, "state", ended ? xpm_job_state_word(past->state) : "error");
        put_string(text, "reason", ended ? member(status, "reason") : xpm_failure_word(XPM_FAILURE_LOST));
        put_maybe(text, "exit_code", past->code, -1);
        put_string(text, "message", member(status, "message"));
        put_string(text, "host", member(status, "host"));
        put_string(text, "started_time", member(status, "started_time"));
        put_string(text, "ended_time", member(status, "ended_time"));
        xpm_text_putc(text, '}');
}

static int keep_attempts(const json_t *status, xpm_job_past *past)
{
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(status, "attempts"), i, entry)
        {
                char *dump = json_dumps(entry, JSON_COMPACT | JSON_ENCODE_ANY);
                if (!dump)
                        return -1;
                xpm_json_item(&past->attempts);
                xpm_text_puts(&past->attempts, dump);
                free(dump);
        }
        /* One that waits for its scheduler has not begun. */
        if (past->state != XPM_JOB_SCHEDULED)
                put_attempt(&past->attempts, status, past);
        return past->attempts.failed ? -1 : 0;
}

static void copy(char *out, size_t size, const char *text)
{
        snprintf(out, size, "%s", text ? text : "");
}

static void read_process(const json_t *process, xpm_job_past *past)
{
        json_int_t pid = json_integer_value(json_object_get(process, "command_pid"));
        copy(past->host, sizeof past->host, member(process, "host"));
        copy(past->boot, sizeof past->boot, member(process, "boot_id"));
        copy(past->heartbeat, sizeof past->heartbeat, member(process, "heartbeat"));
        past->command = pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
        past->command_start = (uint64_t)json_integer_value(json_object_get(process, "command_start"));
}

static int read_members(const json_t *status, xpm_job_past *past)
{
        const char *word = member(status, "state");
        int state = word ? xpm_job_state_parse(word) : -1;
        if (state < 0)
                return 0;
        past->state = (enum xpm_job_state)state;
        const char *reason = member(status, "reason");
        if (!reason)
                reason = member(status, "failure_reason");
        int failure = reason ? xpm_failure_parse(reason) : -1;
        if (past->state == XPM_JOB_ERROR)
                past->failure = failure > 0 ? (enum xpm_failure)failure : XPM_FAILURE_FAILED;
        const json_t *code = json_object_get(status, "exit_code");
        past->code = json_is_integer(code) ? (int)json_integer_value(code) : -1;
        json_int_t attempt = json_integer_value(json_object_get(status, "attempt"));
        json_int_t retries = json_integer_value(json_object_get(status, "retry_count"));
        past->attempt = (uint32_t)(attempt > 0 ? attempt : retries + 1);
        copy(past->message, sizeof past->message, member(status, "message"));
        copy(past->nonce, sizeof past->nonce, member(status, "nonce"));
        copy(past->launcher, sizeof past->launcher, member(status, "launcher"));
        copy(past->handle, sizeof past->handle, member(status, "handle"));
        read_process(json_object_get(status, "process"), past);
        return keep_attempts(status, past);
}

/* NULL for what is no JSON. Without memory jansson says so, or nothing, or calls the text wrong: so a wrong text is
 * read twice. */
static json_t *parse(const xpm_text *text, int *rc, xpm_error *err)
{
        json_error_t error;
        json_t *json = json_loadb(xpm_text_string(text), text->length, 0, &error);
        if (!json && *error.text)
                json = json_loadb(xpm_text_string(text), text->length, 0, &error);
        if (!json && (!*error.text || json_error_code(&error) == json_error_out_of_memory))
                *rc = xpm_fail_memory(err);
        return json;
}

int xpm_job_past_read(int dir, xpm_job_past *past, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        int rc = xpm_file_read(dir, ".experimaestro/status.json", STATUS_LIMIT, &text, err);
        if (rc == XPM_ENOTFOUND) {
                if (err)
                        *err = XPM_ERROR_NONE;
                rc = 0;
        } else if (rc == 0) {
                json_t *status = parse(&text, &rc, err);
                if (json_is_object(status) && read_members(status, past) != 0)
                        rc = xpm_fail_memory(err);
                json_decref(status);
        }
        xpm_text_release(&text);
        return rc;
}

void xpm_job_past_release(xpm_job_past *past)
{
        xpm_text_release(&past->attempts);
        *past = XPM_JOB_PAST_INIT;
}
