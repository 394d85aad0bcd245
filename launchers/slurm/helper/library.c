/* Only what <slurm/slurm.h> declares, and three functions that give Slurm's words, which the library exports in every
 * release, the second under one of two names. */
#include "library.h"

#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <slurm/slurm_errno.h>

#include "fields.h"
#include "jobenvironment.h"
#include "slurmcommands.h"
#include "targets.h"

extern char **environ;
extern const char *slurm_job_state_string(uint32_t state);
extern const char *slurm_job_reason_string(int reason) __attribute__((weak));       /* to 23.11 */
extern const char *slurm_job_state_reason_string(int reason) __attribute__((weak)); /* from 24.05 */

/* So many jobs of others in a listing that it is not asked for again: our own are fewer, though asked for each time. */
enum { CROWD = 2000 };

static struct {
        slurm_conf_t *conf;
        bool crowd;
} site;

void library_open(void)
{
        /* Else the library cuts the text of an array's elements at 64 characters. It looks once. */
        setenv("SLURM_BITSTR_LEN", "0", 1);
        slurm_init(NULL);
}

static json_t *refuse(const char *doing, int requests)
{
        char words[512];
        snprintf(words, sizeof words, "%s%s", doing, slurm_strerror(slurm_get_errno()));
        return json_pack("{s:s, s:i}", "error", words, "requests", requests);
}

/* The controller's configuration, asked for once. false: it does not answer. */
static bool know_site(int *requests)
{
        if (site.conf)
                return true;
        ++*requests;
        return slurm_load_ctl_conf(0, &site.conf) == SLURM_SUCCESS && site.conf;
}

/* Submissions. */

/* Plug-ins of sbatch's, which may ask for more, or forbid. */
static bool has_plugins(void)
{
        char *line = NULL;
        size_t capacity = 0;
        bool found = site.conf->cli_filter_plugins && *site.conf->cli_filter_plugins;
        FILE *stream = site.conf->plugstack ? fopen(site.conf->plugstack, "re") : NULL;
        while (stream && !found && getline(&line, &capacity, stream) > 0) {
                const char *at = line;
                while (isspace((unsigned char)*at))
                        at++;
                found = *at && *at != '#';
        }
        free(line);
        if (stream)
                fclose(stream);
        return found;
}

/* What users tell sbatch by environment. */
static bool has_wishes(void)
{
        static const char *const wishes[] = {"SBATCH_", "SLURM_CLUSTERS=", "SLURM_HINT=", "SLURM_HOSTFILE="};
        for (size_t i = 0; environ[i]; i++)
                for (size_t k = 0; k < sizeof wishes / sizeof *wishes; k++)
                        if (strncmp(environ[i], wishes[k], strlen(wishes[k])) == 0)
                                return true;
        return false;
}

static char *text_of(const json_t *request, const char *key)
{
        return (char *)json_string_value(json_object_get(request, key));
}

/* REQUEST as FIELDS; false: it is for sbatch. */
static bool describe(fields *fields_, const json_t *request, char array[32])
{
        size_t i;
        json_t *option;
        json_int_t count = json_integer_value(json_object_get(request, "array"));
        json_array_foreach(json_object_get(request, "options"), i, option)
        {
                if (!fields_set(fields_, json_string_value(option)))
                        return false;
        }
        job_desc_msg_t *desc = &fields_->desc;
        if (count > 0) {
                snprintf(array, 32, "0-%lld", (long long)count - 1);
                desc->array_inx = array;
        }
        char *output = text_of(request, "output");
        desc->comment = text_of(request, "comment");
        desc->script = text_of(request, "script");
        desc->std_out = output ? output : (char *)"/dev/null";
        return fields_finish(fields_) && desc->script && *desc->std_out == '/';
}

static json_t *send_description(job_desc_msg_t *desc, int requests)
{
        submit_response_msg_t *response = NULL;
        if (slurm_submit_batch_job(desc, &response) != SLURM_SUCCESS || !response)
                return refuse("Batch job submission failed: ", requests);
                /* A job that is over a limit is accepted with a warning, and waits; the listing tells why. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(25, 11, 0)
        json_int_t job = response->step_id.job_id;
#else
        json_int_t job = response->job_id;
#endif
        slurm_free_submit_response_response_msg(response);
        return json_pack("{s:I, s:i}", "job", job, "requests", requests);
}

json_t *library_submit(const json_t *request)
{
        fields fields_;
        char array[32];
        int requests = 0;
        size_t count = 0;
        if (has_wishes())
                return commands_submit(request);
        if (!know_site(&requests))
                return refuse("Batch job submission failed: ", requests);
        fields_init(&fields_);
        if (has_plugins() || !describe(&fields_, request, array)) {
                fields_release(&fields_);
                return commands_submit(request);
        }
        job_desc_msg_t *desc = &fields_.desc;
        char *here = desc->work_dir ? NULL : getcwd(NULL, 0);
        if (here)
                desc->work_dir = here;
        desc->environment = environment_create(&fields_, &count);
        desc->env_size = (uint32_t)count;
        json_t *answer = desc->environment && desc->work_dir ? send_description(desc, requests + 1) : NULL;
        environment_free(desc->environment);
        free(here);
        fields_release(&fields_);
        return answer;
}

/* Listings. */

static const char *reason_of(const slurm_job_info_t *job)
{
        if (job->state_desc)
                return job->state_desc;
        if (slurm_job_state_reason_string)
                return slurm_job_state_reason_string((int)job->state_reason);
        return slurm_job_reason_string ? slurm_job_reason_string((int)job->state_reason) : "unknown";
}

/* As squeue names them: `123`, `123_4`, `123_[5-9]`. */
static json_t *id_of(const slurm_job_info_t *job)
{
        if (job->array_task_str)
                return json_sprintf("%u_[%s]", job->array_job_id, job->array_task_str);
        if (job->array_job_id && job->array_task_id != NO_VAL)
                return json_sprintf("%u_%u", job->array_job_id, job->array_task_id);
        return json_sprintf("%u", job->job_id);
}

static json_t *list_own(const job_info_msg_t *all)
{
        json_t *jobs = json_array();
        uint32_t others = 0;
        for (uint32_t i = 0; i < all->record_count; i++) {
                const slurm_job_info_t *job = &all->job_array[i];
                if (job->user_id != getuid()) {
                        others++;
                        continue;
                }
                /* Of a comment that is no UTF-8, thus not ours, the job itself remains. */
                json_t *comment = json_string(job->comment ? job->comment : "");
                json_array_append_new(jobs,
                                      json_pack("[o, s, s, o]", id_of(job), slurm_job_state_string(job->job_state),
                                                reason_of(job), comment ? comment : json_string("")));
        }
        site.crowd |= others > CROWD;
        return jobs;
}

json_t *library_list(const json_t *request)
{
        job_info_msg_t *all = NULL;
        time_t since = (time_t)json_integer_value(json_object_get(request, "since"));
        bool crowd = site.crowd;
        int rc = crowd ? slurm_load_job_user(&all, getuid(), SHOW_ALL) : slurm_load_jobs(since, &all, SHOW_ALL);
        if (rc != SLURM_SUCCESS && since && slurm_get_errno() == SLURM_NO_CHANGE_IN_DATA)
                return json_pack("{s:b, s:I, s:i}", "unchanged", 1, "stamp", (json_int_t)since, "requests", 1);
        if (rc != SLURM_SUCCESS || !all)
                return refuse("", 1);
        json_t *answer = json_pack("{s:o, s:I, s:i}", "jobs", list_own(all), "stamp",
                                   crowd ? (json_int_t)0 : (json_int_t)all->last_update, "requests", 1);
        slurm_free_job_info_msg(all);
        return answer;
}

/* Cancelling. */

json_t *library_cancel(const json_t *request)
{
        const json_t *jobs = json_object_get(request, "jobs");
        int requests = 0;
        json_t *answer = NULL;
        for (size_t at = 0; at < json_array_size(jobs);) {
                char *target = targets_next(jobs, &at);
                if (!target)
                        continue;
                /* SIGKILL ends the job: its processes, the batch script's too, get SIGTERM, and after KillWait SIGKILL.
                 * Any other signal would only be delivered, and not to what has not begun. */
                int rc = slurm_kill_job2(target, SIGKILL, 0, NULL), number = slurm_get_errno();
                requests++;
                free(target);
                if (rc != SLURM_SUCCESS && number != ESLURM_INVALID_JOB_ID && number != ESLURM_ALREADY_DONE) {
                        json_decref(answer);
                        answer = refuse("", requests);
                }
        }
        if (answer)
                json_object_set_new(answer, "requests", json_integer(requests));
        return answer ? answer : json_pack("{s:i}", "requests", requests);
}

/* Partitions. */

static json_t *describe_partition(const partition_info_t *one)
{
        json_int_t seconds = one->max_time == INFINITE || one->max_time == NO_VAL ? 0 : (json_int_t)one->max_time * 60;
        uint32_t nodes = one->max_nodes < one->total_nodes ? one->max_nodes : one->total_nodes;
        bool closed = one->allow_groups || one->allow_accounts || one->allow_qos ||
                      (one->flags & (PART_FLAG_ROOT_ONLY | PART_FLAG_REQ_RESV));
        return json_pack("{s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I}", "name", one->name ? one->name : "", "default",
                         (one->flags & PART_FLAG_DEFAULT) != 0, "up", one->state_up == PARTITION_UP, "open", !closed,
                         "seconds", seconds, "nodes", (json_int_t)nodes, "total", (json_int_t)one->total_nodes, "cpus",
                         (json_int_t)one->total_cpus, "memory", commands_memory(one->tres_fmt_str));
}

json_t *library_partitions(const json_t *request)
{
        partition_info_msg_t *all = NULL;
        int requests = 1;
        (void)request;
        if (slurm_load_partitions(0, &all, SHOW_ALL) != SLURM_SUCCESS || !all)
                return refuse("", requests);
        json_t *list = json_array();
        for (uint32_t i = 0; i < all->record_count; i++)
                json_array_append_new(list, describe_partition(&all->partition_array[i]));
        slurm_free_partition_info_msg(all);
        json_t *answer = know_site(&requests)
                                 ? json_pack("{s:I, s:I, s:s}", "array", (json_int_t)site.conf->max_array_sz, "jobs",
                                             (json_int_t)site.conf->max_job_cnt, "version",
                                             site.conf->version ? site.conf->version : "")
                                 : json_object();
        json_object_set_new(answer, "partitions", list);
        json_object_set_new(answer, "requests", json_integer(requests));
        return answer;
}

/* Takes KIND; of those that are alike one is enough. */
static void add_kind(json_t *kinds, json_t *kind)
{
        size_t i;
        json_t *one;
        json_array_foreach(kinds, i, one)
        {
                if (json_equal(one, kind)) {
                        json_decref(kind);
                        return;
                }
        }
        json_array_append_new(kinds, kind);
}

/* NODE in each partition that it is of. */
static void add_node(json_t *kinds, const node_info_t *node)
{
        for (const char *at = node->partitions; at && *at;) {
                size_t length = strcspn(at, ",");
                add_kind(kinds,
                         json_pack("{s:s%, s:I, s:I, s:I}", "partition", at, length, "cpus", (json_int_t)node->cpus,
                                   "memory", (json_int_t)node->real_memory, "gpus", commands_gpus(node->gres)));
                at += length + (at[length] == ',');
        }
}

json_t *library_nodes(const json_t *request)
{
        partition_info_msg_t *partitions = NULL;
        node_info_msg_t *all = NULL;
        (void)request;
        if (slurm_load_partitions(0, &partitions, SHOW_ALL) != SLURM_SUCCESS || !partitions)
                return refuse("", 1);
        if (slurm_load_node(0, &all, SHOW_ALL) != SLURM_SUCCESS || !all) {
                slurm_free_partition_info_msg(partitions);
                return refuse("", 2);
        }
        json_t *kinds = json_array();
        slurm_populate_node_partitions(all, partitions);
        for (uint32_t i = 0; i < all->record_count; i++)
                if (all->node_array[i].name)
                        add_node(kinds, &all->node_array[i]);
        slurm_free_node_info_msg(all);
        slurm_free_partition_info_msg(partitions);
        return json_pack("{s:o, s:i}", "nodes", kinds, "requests", 2);
}
