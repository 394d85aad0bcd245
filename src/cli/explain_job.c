/* xpm explain: why a job will or will not run, what went into its identifier, and which job comes nearest to it.
 *
 * The first and the last are read from the workspace. What is hashed is known to the experiment file alone, which says
 * what is meta or has a default: given with the job, the identifier is computed once more and its bytes are shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "experimaestro/experiment.h"
#include "monitor/why.h"

enum { SHOWN = 24, LOOKED_AT = 10000, SHORT_ID = 12 };

struct request {
        xpm_view_place place;
        xpm_strings settings;
        const char *name, *file;
        bool json;
};

struct answer {
        xpm_experiment *experiment;
        const xpm_job *planned; /* of the experiment, or NULL */
        enum xpm_outlook outlook;
        char id[XPM_JOB_ID_SIZE];
        xpm_view *view; /* NULL when there is no workspace */
        xpm_why why;
        const char *params; /* as JSON, or NULL */
        xpm_why_nearest nearest;
        char verdict[512];
        xpm_text own_params, lines, items; /* of the identity: params of the plan; for people; as JSON */
};

/* --- the job --- */

/* A slash stands between task and identifier, both may be cut: nn.train/0a, train/0a, 0a. */
static bool is_meant(const char *name, const char *task, const char *script, const char *id)
{
        const char *slash = strrchr(name, '/');
        if (!slash)
                return strncmp(id, name, strlen(name)) == 0;
        size_t length = (size_t)(slash - name);
        return strncmp(id, slash + 1, strlen(slash + 1)) == 0 &&
               ((strlen(task) == length && strncmp(task, name, length) == 0) ||
                (strlen(script) == length && strncmp(script, name, length) == 0));
}

static int find_planned(const struct request *request, struct answer *answer, xpm_error *err)
{
        size_t found = 0, length = strlen(request->name);
        if (length == 0 || request->name[length - 1] == '/')
                return xpm_fail(err, XPM_EUSAGE,
                                "'%s' names no job: give the beginning of an identifier, or task/beginning",
                                request->name);
        for (size_t i = 0; i < xpm_experiment_job_count(answer->experiment); i++) {
                const xpm_job *job = xpm_experiment_job(answer->experiment, i);
                char id[XPM_JOB_ID_SIZE];
                xpm_job_identifier(job, id);
                if (!is_meant(request->name, xpm_job_task(job), xpm_job_script(job), id))
                        continue;
                answer->planned = job;
                memcpy(answer->id, id, sizeof id);
                found++;
        }
        if (found > 1)
                return xpm_fail(err, XPM_EUSAGE, "'%s' may be any of %zu jobs of '%s'", request->name, found,
                                request->file);
        return 0;
}

static void print_log(void *data, int level, const char *line)
{
        (void)data;
        if (level <= 1)
                fprintf(stderr, "xpm: %s\n", line);
}

static int read_experiment(const struct request *request, struct answer *answer, xpm_error *err)
{
        xpm_experiment_options options = {
                .file = request->file,
                .settings = request->settings.items,
                .config_dir = request->place.config_dir,
                .workdir = request->place.workdir,
                .workspace = request->place.workspace,
                .log = print_log,
                .log_level = 1,
        };
        int rc = xpm_experiment_open(&options, &answer->experiment, err);
        if (rc == 0)
                rc = find_planned(request, answer, err);
        if (rc == 0 && answer->planned)
                rc = xpm_experiment_look(answer->experiment, NULL, err);
        if (rc == 0 && answer->planned)
                answer->outlook = xpm_job_outlook(answer->experiment, answer->planned);
        return rc;
}

/* A job of the experiment need not have run, nor the workspace exist. */
static int find_job(const struct request *request, struct answer *answer, xpm_error *err)
{
        xpm_view_place place = request->place;
        xpm_error inner = XPM_ERROR_NONE;
        xpm_view_job job = {0};
        char name[512];
        if (answer->experiment)
                place.workdir = xpm_experiment_workspace(answer->experiment);
        int rc = xpm_view_open(&place, &answer->view, &inner);
        if (answer->planned)
                snprintf(name, sizeof name, "%s/%s", xpm_job_task(answer->planned), answer->id);
        if (rc == 0)
                rc = xpm_view_find(answer->view, answer->planned ? name : request->name, &job, &inner);
        if (rc == XPM_ENOTFOUND && answer->planned) {
                job = (xpm_view_job){.task_id = xpm_job_task(answer->planned), .job_id = answer->id};
                rc = 0;
        }
        if (rc != 0)
                return xpm_fail(err, rc, "%s", inner.message);
        answer->why = (xpm_why){.job = job};
        return answer->view ? xpm_view_why(answer->view, &job, &answer->why, err) : 0;
}

/* --- what it is made from --- */

static void put_bytes(xpm_text *text, const void *bytes, size_t length)
{
        for (size_t i = 0; i < length; i++)
                xpm_text_printf(text, "%02x", ((const unsigned char *)bytes)[i]);
}

static void put_string(xpm_text *text, const char *key, const char *value)
{
        xpm_json_key(text, key);
        xpm_json_cstring(text, value);
}

static int tell(void *data, const xpm_identity *field)
{
        struct answer *answer = data;
        xpm_text *lines = &answer->lines, *items = &answer->items;
        bool cut = field->length > SHOWN;
        if (field->name) {
                xpm_json_key(&answer->own_params, field->name);
                if (field->generated) /* as in params.json, as far as a job of the same task may tell it from its own */
                        xpm_text_printf(&answer->own_params, "\"%s/%s\"", answer->id, field->generated);
                else
                        xpm_text_puts(&answer->own_params, field->value);
        }
        xpm_text_printf(lines, "  %s%s%s  ", field->name ? field->name : "", field->name ? " = " : "", field->value);
        if (field->skipped)
                xpm_text_printf(lines, "(no part of it: %s)", field->skipped);
        else
                put_bytes(lines, field->bytes, cut ? SHOWN : field->length);
        if (cut)
                xpm_text_printf(lines, "… (%zu bytes)", field->length);
        xpm_text_putc(lines, '\n');
        xpm_json_item(items);
        xpm_text_putc(items, '{');
        put_string(items, "name", field->name);
        xpm_json_key(items, "value");
        xpm_text_puts(items, field->value);
        put_string(items, "skipped", field->skipped);
        xpm_json_key(items, "bytes");
        xpm_text_putc(items, '"');
        put_bytes(items, field->bytes, field->length);
        xpm_text_puts(items, "\"}");
        return 0;
}

static int find_identity(struct answer *answer, xpm_error *err)
{
        const xpm_view_job *job = &answer->why.job;
        int rc = 0;
        if (answer->planned) {
                xpm_text_puts(&answer->own_params, "{");
                rc = xpm_experiment_identity(answer->experiment, answer->planned, tell, answer, err);
                xpm_text_puts(&answer->own_params, "}");
        }
        if (rc == 0 && (answer->own_params.failed || answer->lines.failed || answer->items.failed))
                rc = xpm_fail_memory(err);
        if (rc == 0 && answer->view)
                rc = xpm_view_params(answer->view, job->task_id, job->job_id, &answer->params, err);
        if (!answer->params && answer->planned)
                answer->params = xpm_text_string(&answer->own_params);
        if (rc == 0 && answer->view && answer->params)
                rc = xpm_view_find_nearest(answer->view, job->task_id, job->job_id, answer->params, LOOKED_AT,
                                           &answer->nearest, err);
        return rc;
}

/* --- for people --- */

static const char *state_of(const xpm_view_job *job, char text[64])
{
        bool failed = job->failure != XPM_FAILURE_NONE;
        snprintf(text, 64, "%s%s%s", xpm_job_state_word(job->state), failed ? ": " : "",
                 failed ? xpm_failure_word(job->failure) : "");
        return text;
}

/* Of a job that runs only for the sake of others; NULL for one that does not. */
static const char *transient_verdict(struct answer *answer)
{
        char id[XPM_JOB_ID_SIZE];
        const xpm_job *other = answer->planned ? xpm_job_needed_by(answer->experiment, answer->planned) : NULL;
        if (!answer->planned)
                return answer->why.job.state == XPM_JOB_TRANSIENT
                               ? "it will run only if a job that needs it does: it is transient, and in the last run "
                                 "none did"
                               : NULL;
        if (answer->outlook == XPM_OUTLOOK_SPARED)
                return "it will not run: it is transient, and no job that needs it is to run";
        if (!other || answer->why.chain_count > 0)
                return NULL;
        xpm_job_identifier(other, id);
        snprintf(answer->verdict, sizeof answer->verdict,
                 "it will run with the next run of its experiment: it is transient, and %s/%.*s, which is to run, "
                 "needs it",
                 xpm_job_task(other), SHORT_ID, id);
        return answer->verdict;
}

static const char *verdict(struct answer *answer)
{
        const xpm_why *why = &answer->why;
        if (why->job.state == XPM_JOB_DONE)
                return answer->planned && answer->outlook == XPM_OUTLOOK_CHANGED
                               ? "it will not run again: it is done; its command has changed since ('--rerun changed' "
                                 "runs it)"
                               : "it will not run again: it is done";
        if (why->job.state == XPM_JOB_RUNNING)
                return "it will not be started: it runs";
        const char *transient = transient_verdict(answer);
        if (transient)
                return transient;
        if (why->chain_count > 0)
                return why->chain[why->chain_count - 1].state == XPM_JOB_ERROR
                               ? "it will run when what it needs is done, which has failed"
                               : "it will run when what it needs is done";
        if (why->underway) {
                snprintf(answer->verdict, sizeof answer->verdict,
                         "it will run when its turn comes: it waits in a run of '%.200s', which goes on",
                         why->underway);
                return answer->verdict;
        }
        if (why->job.state == XPM_JOB_ERROR)
                return "it will run again with the next run of its experiment ('--keep-failed' leaves it): it has "
                       "failed";
        if (why->job.failure == XPM_FAILURE_LOST)
                return "it will run again with the next run of its experiment: its process disappeared";
        if (why->job.removed)
                return "it will run again when it is wanted again: it had ended, and its directory was removed";
        return why->attempt_count > 0 ? "it will run with the next run of its experiment: it has no end yet"
                                      : "it will run with the next run of its experiment: it has not run yet";
}

static void print_attempts(const xpm_why *why)
{
        for (size_t i = 0; i < why->attempt_count; i++) {
                const xpm_why_attempt *one = &why->attempts[i];
                printf("attempt %zu  %s  %s%s%s", i + 1, one->started ? one->started : "?",
                       one->state ? one->state : "?", one->reason ? ": " : "", one->reason ? one->reason : "");
                if (one->code >= 0)
                        printf(", exit status %d", one->code);
                printf("%s%s\n", one->host ? ", on " : "", one->host ? one->host : "");
        }
}

static void print_token(const xpm_why *why)
{
        enum { HOLDERS = 3 };
        if (!why->token)
                return;
        printf("it needs more of the token '%s' than are free", why->token);
        for (size_t i = 0; i < why->token_holder_count && i < HOLDERS; i++) {
                const char *slash = strchr(why->token_holders[i], '/');
                printf("%s%.*s%.*s", i ? ", " : ": held by ", (int)(slash - why->token_holders[i]),
                       why->token_holders[i], SHORT_ID + 1, slash);
        }
        printf("%s\n", why->token_holder_count > HOLDERS ? " …" : "");
}

static void print_why(struct answer *answer)
{
        const xpm_why *why = &answer->why;
        char state[64];
        printf("%s/%s\n%s", why->job.task_id, why->job.job_id, state_of(&why->job, state));
        if (why->marker)
                printf(" (%s)", why->marker);
        printf("\n%s\n", verdict(answer));
        if (why->holder)
                printf("its lock is held by %s\n", why->holder);
        print_token(why);
        if (why->message)
                printf("the message was: %s\n", why->message);
        for (size_t i = 0; i < why->chain_count; i++)
                printf("%*s%s %s/%.*s: %s\n", (int)i * 2, "", i ? "which needs" : "it needs", why->chain[i].task_id,
                       SHORT_ID, why->chain[i].job_id, state_of(&why->chain[i], state));
        print_attempts(why);
}

static void print_rest(const struct request *request, const struct answer *answer)
{
        const xpm_why_nearest *nearest = &answer->nearest;
        if (answer->planned)
                printf("\nits identifier is the SHA-256 of\n%s", xpm_text_string(&answer->lines));
        else if (answer->experiment)
                printf("\nit is no job of '%s' as it is now\n", request->file);
        else
                printf("\nits parameters: %s\n(what of them is part of the identifier the experiment file knows: give "
                       "it, too)\n",
                       answer->params ? answer->params : "not known");
        if (!nearest->job_id)
                return;
        printf("\nthe nearest job of its task is %s/%.*s%s\n", answer->why.job.task_id, SHORT_ID, nearest->job_id,
               nearest->count ? ", which differs in" : ", whose parameters are the same");
        for (size_t i = 0; i < nearest->count; i++)
                printf("  %s: %s here, %s there\n", nearest->items[i].name,
                       nearest->items[i].ours ? nearest->items[i].ours : "nothing",
                       nearest->items[i].theirs ? nearest->items[i].theirs : "nothing");
}

/* --- for programs --- */

static void put_job(xpm_text *text, const xpm_view_job *job)
{
        put_string(text, "task_id", job->task_id);
        put_string(text, "job_id", job->job_id);
        put_string(text, "state", xpm_job_state_word(job->state));
        put_string(text, "failure", job->failure == XPM_FAILURE_NONE ? NULL : xpm_failure_word(job->failure));
}

static void put_nearest(xpm_text *text, const xpm_why_nearest *nearest)
{
        xpm_json_key(text, "nearest");
        if (!nearest->job_id) {
                xpm_text_puts(text, "null");
                return;
        }
        xpm_text_putc(text, '{');
        put_string(text, "job_id", nearest->job_id);
        xpm_json_key(text, "differences");
        xpm_text_putc(text, '{');
        for (size_t i = 0; i < nearest->count; i++) {
                const xpm_why_difference *one = &nearest->items[i];
                xpm_json_key(text, one->name);
                xpm_text_printf(text, "[%s, %s]", one->ours ? one->ours : "null", one->theirs ? one->theirs : "null");
        }
        xpm_text_puts(text, "}}");
}

static int print_json(struct answer *answer)
{
        xpm_text text = XPM_TEXT_INIT;
        const xpm_why *why = &answer->why;
        xpm_text_putc(&text, '{');
        put_job(&text, &why->job);
        put_string(&text, "verdict", verdict(answer));
        put_string(&text, "marker", why->marker);
        put_string(&text, "holder", why->holder);
        put_string(&text, "message", why->message);
        xpm_json_key(&text, "needs");
        xpm_text_putc(&text, '[');
        for (size_t i = 0; i < why->chain_count; i++) {
                xpm_json_item(&text);
                xpm_text_putc(&text, '{');
                put_job(&text, &why->chain[i]);
                xpm_text_putc(&text, '}');
        }
        xpm_text_putc(&text, ']');
        xpm_json_key(&text, "attempts");
        xpm_json_int(&text, (int64_t)why->attempt_count);
        xpm_json_key(&text, "params");
        xpm_text_puts(&text, answer->params ? answer->params : "null");
        xpm_json_key(&text, "identity");
        if (answer->planned)
                xpm_text_printf(&text, "[%s]", xpm_text_string(&answer->items));
        else
                xpm_text_puts(&text, "null");
        put_nearest(&text, &answer->nearest);
        xpm_text_puts(&text, "}\n");
        int rc = text.failed ? XPM_ENOMEM : 0;
        if (rc == 0)
                fputs(xpm_text_string(&text), stdout);
        xpm_text_release(&text);
        return rc;
}

static int explain(const struct request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        struct answer answer = {.own_params = XPM_TEXT_INIT};
        int rc = request->file ? read_experiment(request, &answer, &err) : 0;
        if (rc == 0)
                rc = find_job(request, &answer, &err);
        if (rc == 0)
                rc = find_identity(&answer, &err);
        if (rc == 0 && request->json)
                rc = print_json(&answer);
        else if (rc == 0) {
                print_why(&answer);
                print_rest(request, &answer);
        }
        if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
                rc = xpm_fail(&err, XPM_EIO, "cannot write the explanation");
        if (rc != 0)
                xpm_fail(&err, rc, "%s", xpm_strerror(rc));
        xpm_text_release(&answer.own_params);
        xpm_text_release(&answer.lines);
        xpm_text_release(&answer.items);
        xpm_view_close(answer.view);
        xpm_experiment_close(answer.experiment);
        return rc == 0 ? 0 : xpm_report(&err);
}

int xpm_command_explain(int argc, char **argv)
{
        struct request request = {0};
        xpm_strings words = {0};
        const xpm_option options[] = {
                XPM_PLACE_OPTIONS(request.place),
                {"--conf", "-c", XPM_OPTION_LIST, &request.settings, "KEY.PATH=VALUE",
                 "set a value of the experiment file (may be repeated)"},
                {"--json", NULL, XPM_OPTION_FLAG, &request.json, NULL, "one JSON object"},
                {0},
        };
        const xpm_usage usage = {
                .command = "explain",
                .synopsis = "[OPTIONS] JOB [EXPERIMENT.yaml]",
                .summary =
                        "Say why a job will or will not run, and which job of its task comes nearest to it; with the "
                        "experiment\nfile also from which bytes its identifier was made. 'xpm why' is the same. JOB "
                        "is any beginning of its\nidentifier that no other has, or task/beginning.",
                .options = options,
                .min_words = 1,
                .max_words = 2,
        };
        int status = xpm_options_parse(&usage, argc, argv, &words);
        if (status == XPM_OPTIONS_GO) {
                request.name = words.items[0];
                request.file = words.count > 1 ? words.items[1] : NULL;
                status = explain(&request);
        }
        xpm_strings_release(&request.settings);
        xpm_strings_release(&words);
        return status;
}
