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
#include "targets.h"

extern char **environ;

/* MANY: targets of one scancel. */
enum { LIMIT = 256 << 20, WORDS = 4096, MANY = 100 };

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
        static const char *const dropped[] = {"SQUEUE_",      "SINFO_",       "SCANCEL_",     "SLURM_TIME_FORMAT=",
                                              "SLURM_JOB_",   "SLURM_JOBID=", "SLURM_ARRAY_", "SLURM_STEP",
                                              "SLURM_NTASKS", "SLURM_CPUS",   "SLURM_MEM",    "SLURM_NNODES=",
                                              "SLURM_NODE",   "SLURM_TASKS",  "XPM_ENGINE=",  "SLURM_BITSTR_LEN="};
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

/* What COMMAND (NULL-terminated) prints, as a list called KEY of what READ makes of each line. */
static json_t *collect(const char *const *command, const char *key, json_t *(*read)(char *line), int requests)
{
        words argv = {0};
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        json_t *answer, *list = json_array();
        for (size_t i = 0; command[i]; i++)
                add(&argv, command[i]);
        if (run(&argv, NULL, &out, &said)) {
                char *rest = out.data, *line;
                while (rest && (line = strsep(&rest, "\n")) && *line)
                        json_array_append_new(list, read(line + strspn(line, " ")));
                answer = json_pack("{s:O, s:i}", key, list, "requests", requests);
        } else
                answer = refuse(&said);
        json_decref(list);
        xpm_text_release(&out);
        xpm_text_release(&said);
        return answer;
}

/* LINE in fields between bars, the last one with the rest. */
static json_t *read_job(char *line)
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
        char user[32];
        (void)request;
        snprintf(user, sizeof user, "%ld", (long)getuid());
        /* Else squeue cuts the text of an array's elements at 64 characters. */
        const char *const squeue[] = {"env", "SLURM_BITSTR_LEN=0",   "squeue", "--noheader", "--states=all", "--user",
                                      user,  "--format=%i|%T|%r|%k", NULL};
        return collect(squeue, "jobs", read_job, 1);
}

json_t *commands_cancel(const json_t *request)
{
        words argv = {0};
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        const json_t *jobs = json_object_get(request, "jobs");
        json_t *answer = NULL;
        int requests = 0;
        /* The workers pass SIGTERM on and record the end; Slurm itself makes sure of it later (KillWait). */
        for (size_t at = 0; at < json_array_size(jobs);) {
                char *targets[MANY];
                size_t count = 0;
                argv.count = 0;
                add(&argv, "scancel");
                for (; count < MANY && at < json_array_size(jobs); count++)
                        add(&argv, targets[count] = targets_next(jobs, &at));
                xpm_text_clear(&said);
                run(&argv, NULL, &out, &said);
                requests += (int)argv.count - 1; /* scancel makes one for each */
                if (said.length > 0) {
                        json_decref(answer);
                        answer = refuse(&said);
                }
                while (count > 0)
                        free(targets[--count]);
        }
        if (answer)
                json_object_set_new(answer, "requests", json_integer(requests));
        else
                answer = json_pack("{s:i}", "requests", requests);
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

/* What the controller says of itself: `KEY = VALUE` on lines. */
static void add_configuration(json_t *answer)
{
        static const struct {
                const char *key, *as;
                bool number;
        } wanted[] = {{"\nMaxArraySize", "array", true},
                      {"\nMaxJobCount", "jobs", true},
                      {"\nSLURM_VERSION", "version", false}};
        words argv = {0};
        xpm_text out = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        add(&argv, "scontrol");
        add(&argv, "show");
        add(&argv, "config");
        bool good = run(&argv, NULL, &out, &said);
        for (size_t i = 0; good && i < sizeof wanted / sizeof *wanted; i++) {
                const char *found = strstr(xpm_text_string(&out), wanted[i].key);
                found = found ? strchr(found, '=') : NULL;
                if (!found)
                        continue;
                found += 1 + strspn(found + 1, " ");
                json_object_set_new(answer, wanted[i].as,
                                    wanted[i].number ? json_integer(atoll(found))
                                                     : json_stringn(found, strcspn(found, " \n")));
        }
        xpm_text_release(&out);
        xpm_text_release(&said);
}

json_int_t commands_memory(const char *tres)
{
        static const char units[] = "MGTP";
        const char *at = tres ? strstr(tres, "mem=") : NULL;
        char *end;
        double size = at ? strtod(at + strlen("mem="), &end) : 0;
        if (!at)
                return 0;
        if (*end == 'K')
                return (json_int_t)(size / 1024);
        for (const char *unit = units; *unit && *end && *unit != *end; unit++)
                size *= 1024;
        return (json_int_t)size;
}

json_int_t commands_gpus(const char *gres)
{
        json_int_t count = 0;
        for (const char *at = gres; at && *at;) {
                size_t length = strcspn(at, ",("), last = length;
                while (last > 0 && at[last - 1] != ':')
                        last--;
                if (strncmp(at, "gpu", 3) == 0 && (at[3] == ':' || length == 3))
                        count += last > 0 && isdigit((unsigned char)at[last]) ? atoll(at + last) : 1;
                at += length;
                if (*at == '(')
                        at += strcspn(at, ")") + (strchr(at, ')') != NULL);
                at += *at == ',';
        }
        return count;
}

static json_t *read_nodes(char *line)
{
        const char *name = strsep(&line, "|"), *cpus = strsep(&line, "|"), *size = strsep(&line, "|");
        return json_pack("{s:s, s:I, s:I, s:I}", "partition", name, "cpus", (json_int_t)(cpus ? atoll(cpus) : 0),
                         "memory", (json_int_t)(size ? atoll(size) : 0), "gpus", commands_gpus(line));
}

json_t *commands_nodes(const json_t *request)
{
        static const char *const sinfo[] = {"sinfo", "--noheader", "--all", "--exact", "--format=%R|%c|%m|%G", NULL};
        (void)request;
        return collect(sinfo, "nodes", read_nodes, 2);
}

/* Is KEY of LINE WORD? */
static bool has_value(const char *line, const char *key, const char *word)
{
        char *value = value_of(line, key);
        bool same = value && strcmp(value, word) == 0;
        free(value);
        return same;
}

static json_int_t number_of(const char *line, const char *key)
{
        char *value = value_of(line, key);
        json_int_t number = value && isdigit((unsigned char)*value) ? atoll(value) : 0;
        free(value);
        return number;
}

static json_t *read_partition(char *line)
{
        char *name = value_of(line, "PartitionName"), *time = value_of(line, "MaxTime"), *tres = value_of(line, "TRES");
        json_int_t most = number_of(line, "MaxNodes"), total = number_of(line, "TotalNodes");
        bool open = has_value(line, "AllowGroups", "ALL") && has_value(line, "AllowAccounts", "ALL") &&
                    has_value(line, "AllowQos", "ALL") && has_value(line, "RootOnly", "NO") &&
                    has_value(line, "ReqResv", "NO");
        json_t *one = json_pack("{s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I}", "name", name ? name : "", "default",
                                has_value(line, "Default", "YES"), "up", has_value(line, "State", "UP"), "open", open,
                                "seconds", seconds_of(time), "nodes", most > 0 && most < total ? most : total, "total",
                                total, "cpus", number_of(line, "TotalCPUs"), "memory", commands_memory(tres));
        free(name);
        free(time);
        free(tres);
        return one;
}

json_t *commands_partitions(const json_t *request)
{
        static const char *const scontrol[] = {"scontrol", "--oneliner", "show", "partition", NULL};
        (void)request;
        json_t *answer = collect(scontrol, "partitions", read_partition, 2);
        if (json_object_get(answer, "partitions"))
                add_configuration(answer);
        return answer;
}
