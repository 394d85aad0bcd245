/* What users set for these commands by environment (SQUEUE_…, SLURM_TIME_FORMAT) would change what they print, and what
 * an enclosing job left there what our jobs get, so those go; SBATCH_… stays, with which users say what their jobs
 * need. */
#include "slurmcommands.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"

extern char **environ;

enum { LIMIT = 256 << 20, WORDS = 4096 };

typedef struct words {
        const char *items[WORDS];
        size_t count;
} words;

static void add(words *words_, const char *word)
{
        if (word && words_->count + 1 < WORDS) {
                words_->items[words_->count++] = word;
                words_->items[words_->count] = NULL;
        }
}

bool commands_keep(const char *variable)
{
        static const char *const dropped[] = {"SQUEUE_",      "SCANCEL_",     "SLURM_TIME_FORMAT=", "SLURM_JOB_",
                                              "SLURM_JOBID=", "SLURM_ARRAY_", "SLURM_STEP",         "SLURM_NTASKS",
                                              "SLURM_CPUS",   "SLURM_MEM",    "SLURM_NNODES=",      "SLURM_NODE",
                                              "SLURM_TASKS",  "XPM_ENGINE=",  "SLURM_BITSTR_LEN="};
        /* In an allocation all else is of it, too, and there is more of it in each release. */
        if (getenv("SLURM_JOB_ID") && strncmp(variable, "SLURM", 5) == 0)
                return strncmp(variable, "SLURM_CONF=", 11) == 0;
        for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
                if (strncmp(variable, dropped[i], strlen(dropped[i])) == 0)
                        return false;
        return true;
}

/* Run ARGV with INPUT: its output, and what it said when it failed in *WORDS. false when it failed. */
static bool run(const words *argv, const char *input, xpm_text *output, xpm_text *said)
{
        size_t count = 0, kept = 0;
        int status = 0;
        xpm_error err = XPM_ERROR_NONE;
        while (environ[count])
                count++;
        const char **env = calloc(count + 1, sizeof *env);
        if (!env)
                return false;
        for (size_t i = 0; i < count; i++)
                if (commands_keep(environ[i]))
                        env[kept++] = environ[i];
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = argv->items;
        spawn.env = env;
        int rc = xpm_spawn_capture(&spawn, input, input ? strlen(input) : 0, LIMIT, output, said, &status, &err);
        free(env);
        if (rc != 0)
                xpm_text_printf(said, "%s", err.message);
        else if (status != 0 && said->length == 0)
                xpm_text_printf(said,
                                WIFSIGNALED(status) ? "'%s' was killed by signal %d" : "'%s' failed with status %d",
                                argv->items[0], WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return rc == 0 && status == 0;
}

/* Of all that a command said, the line that tells most: `sbatch: error: Batch job submission failed: WORDS`. */
static json_t *refuse(const xpm_text *said)
{
        const char *text = said->length > 0 ? said->data : "no answer", *last = text;
        for (const char *at = text; (at = strstr(at, "error: ")); at++)
                last = at + strlen("error: ");
        size_t length = strcspn(last, "\n");
        return json_pack("{s:s%, s:i}", "error", last, length, "requests", 1);
}

json_t *commands_submit(const json_t *request)
{
        words argv = {0};
        char array[64], comment[1024], output[4352];
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        size_t i;
        json_t *option;
        const char *file = json_string_value(json_object_get(request, "output"));
        json_int_t count = json_integer_value(json_object_get(request, "array"));
        add(&argv, "sbatch");
        add(&argv, "--parsable");
        add(&argv, "--no-requeue");
        json_array_foreach(json_object_get(request, "options"), i, option)
        {
                add(&argv, json_string_value(option));
        }
        if (count > 0) {
                snprintf(array, sizeof array, "--array=0-%lld", (long long)count - 1);
                add(&argv, array);
        }
        snprintf(comment, sizeof comment, "--comment=%s", json_string_value(json_object_get(request, "comment")));
        add(&argv, comment);
        snprintf(output, sizeof output, "--output=%s", file ? file : "/dev/null");
        add(&argv, output);
        bool good = run(&argv, json_string_value(json_object_get(request, "script")), &out, &said);
        long job = good ? atol(xpm_text_string(&out)) : 0;
        json_t *answer = job > 0 ? json_pack("{s:I, s:i}", "job", (json_int_t)job, "requests", 1) : refuse(&said);
        xpm_text_release(&out);
        xpm_text_release(&said);
        return answer;
}

/* LINE in fields between bars, the last one with the rest. */
static json_t *split(char *line)
{
        json_t *fields = json_array();
        for (int i = 0; i < 4 && line; i++) {
                char *bar = i < 3 ? strchr(line, '|') : NULL;
                if (bar)
                        *bar = '\0';
                json_array_append_new(fields, json_string(line));
                line = bar ? bar + 1 : NULL;
        }
        return fields;
}

json_t *commands_list(const json_t *request)
{
        words argv = {0};
        char user[32];
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        json_t *answer, *jobs = json_array();
        (void)request;
        snprintf(user, sizeof user, "%ld", (long)getuid());
        /* Else squeue cuts the text of an array's elements at 64 characters. */
        const char *const all[] = {"env", "SLURM_BITSTR_LEN=0",  "squeue", "--noheader", "--states=all", "--user",
                                   user,  "--format=%i|%T|%r|%k"};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
                add(&argv, all[i]);
        if (run(&argv, NULL, &out, &said)) {
                for (char *line = out.data; line && *line;) {
                        char *end = strchr(line, '\n');
                        if (end)
                                *end = '\0';
                        while (isspace((unsigned char)*line))
                                line++;
                        json_array_append_new(jobs, split(line));
                        line = end ? end + 1 : NULL;
                }
                answer = json_pack("{s:O, s:i}", "jobs", jobs, "requests", 1);
        } else
                answer = refuse(&said);
        json_decref(jobs);
        xpm_text_release(&out);
        xpm_text_release(&said);
        return answer;
}

json_t *commands_cancel(const json_t *request)
{
        words argv = {0};
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        size_t i;
        json_t *job;
        /* The workers pass SIGTERM on and record the end; Slurm itself makes sure of it later (KillWait). */
        add(&argv, "scancel");
        json_array_foreach(json_object_get(request, "jobs"), i, job)
        {
                add(&argv, json_string_value(job));
        }
        run(&argv, NULL, &out, &said);
        json_t *answer = said.length > 0 ? refuse(&said) : json_pack("{s:i}", "requests", 1);
        xpm_text_release(&out);
        xpm_text_release(&said);
        return answer;
}

/* The value of KEY in a line of `KEY=VALUE KEY=VALUE …`; the caller frees. */
static char *value_of(const char *line, const char *key)
{
        size_t length = strlen(key);
        for (const char *at = line; (at = strstr(at, key)); at += length)
                if ((at == line || at[-1] == ' ') && at[length] == '=')
                        return strndup(at + length + 1, strcspn(at + length + 1, " \n"));
        return NULL;
}

/* `[D-]HH:MM:SS`, `UNLIMITED`: seconds, 0 without a limit. */
static json_int_t seconds_of(const char *text)
{
        long days = 0, hours = 0, minutes = 0, seconds = 0;
        if (!text || !isdigit((unsigned char)*text))
                return 0;
        const char *dash = strchr(text, '-');
        if (dash)
                days = atol(text);
        sscanf(dash ? dash + 1 : text, "%ld:%ld:%ld", &hours, &minutes, &seconds);
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}

/* MaxArraySize of the controller: arrays have so many elements at most; 0 unknown. */
static json_int_t largest_array(void)
{
        words argv = {0};
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        add(&argv, "scontrol");
        add(&argv, "show");
        add(&argv, "config");
        const char *found = run(&argv, NULL, &out, &said) ? strstr(xpm_text_string(&out), "MaxArraySize") : NULL;
        found = found ? strchr(found, '=') : NULL;
        json_int_t largest = found ? atoll(found + 1) : 0;
        xpm_text_release(&out);
        xpm_text_release(&said);
        return largest;
}

json_t *commands_partitions(const json_t *request)
{
        words argv = {0};
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        json_t *answer, *list = json_array();
        (void)request;
        add(&argv, "scontrol");
        add(&argv, "--oneliner");
        add(&argv, "show");
        add(&argv, "partition");
        if (run(&argv, NULL, &out, &said)) {
                char *rest = out.data, *line;
                while (rest && (line = strsep(&rest, "\n")) && *line) {
                        char *name = value_of(line, "PartitionName"), *time = value_of(line, "MaxTime");
                        char *nodes = value_of(line, "MaxNodes"), *state = value_of(line, "State");
                        char *standard = value_of(line, "Default"), *total = value_of(line, "TotalNodes");
                        json_int_t most = nodes && isdigit((unsigned char)*nodes) ? atoll(nodes) : 0;
                        json_int_t there = total ? atoll(total) : 0;
                        json_array_append_new(list,
                                              json_pack("{s:s, s:b, s:b, s:I, s:I}", "name", name ? name : "",
                                                        "default", standard && strcmp(standard, "YES") == 0, "up",
                                                        !state || strcmp(state, "UP") == 0, "seconds", seconds_of(time),
                                                        "nodes", most > 0 && most < there ? most : there));
                        free(name);
                        free(time);
                        free(nodes);
                        free(state);
                        free(standard);
                        free(total);
                }
                answer = json_pack("{s:O, s:I, s:i}", "partitions", list, "array", largest_array(), "requests", 2);
        } else
                answer = refuse(&said);
        json_decref(list);
        xpm_text_release(&out);
        xpm_text_release(&said);
        return answer;
}
