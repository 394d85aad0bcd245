/* Partials are ours to keep apart within one engine; between engines the worker's locks do it, whose jobs then wait in
 * the worker. Tokens are counted on disk, for all engines of the workspace. */
#include "engine/claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/names.h"
#include "plan/template.h"

static int declare(xpm_claims *claims, xpm_error *err)
{
        const xpm_node *tokens = claims->experiment->plan->tokens;
        int rc = 0;
        for (size_t i = 0; rc == 0 && tokens && i < tokens->pair_count; i++) {
                int64_t total = strtoll(tokens->pairs[i].value->text, NULL, 10);
                rc = xpm_tokens_declare(claims->store, tokens->pairs[i].key, total, err);
        }
        return rc;
}

static bool has_claims(const xpm_plan *plan)
{
        bool found = plan->tokens && plan->tokens->pair_count > 0;
        for (size_t i = 0; i < plan->step_count && !found; i++)
                found = plan->steps[i].task->type->partial_count > 0;
        return found;
}

int xpm_claims_open(xpm_claims *claims, const xpm_experiment *experiment, const char *run, xpm_error *err)
{
        const xpm_plan *plan = experiment->plan;
        *claims = (xpm_claims){.experiment = experiment};
        if (!has_claims(plan))
                return 0;
        claims->next = calloc(plan->job_count + 1, sizeof *claims->next);
        if (!claims->next)
                return xpm_fail_memory(err);
        int rc = xpm_tokens_open(experiment->workspace, plan->id, run, &claims->store, err);
        return rc == 0 ? declare(claims, err) : rc;
}

void xpm_claims_close(xpm_claims *claims)
{
        while (claims->held) {
                xpm_claim *claim = claims->held;
                claims->held = claim->next;
                xpm_arena_destroy(claim->arena);
        }
        for (size_t i = 0; i < claims->class_count; i++)
                free(claims->classes[i].key);
        free(claims->classes);
        free(claims->next);
        xpm_map_release(&claims->index);
        xpm_tokens_close(claims->store);
        *claims = (xpm_claims){0};
}

bool xpm_claims_wanted(const xpm_job *job)
{
        return job->step->templates->token_count > 0 || job->config->type->partial_count > 0;
}

static int make_key(const xpm_claims *claims, const xpm_job *job, size_t port, xpm_text *key, xpm_error *err)
{
        const xpm_templates *templates = job->step->templates;
        const xpm_config_type *type = job->config->type;
        int rc = 0;
        xpm_text_printf(key, "%zu", port);
        for (size_t i = 0; i < templates->token_count; i++)
                xpm_text_printf(key, "\n%s", templates->tokens[i].name);
        for (size_t i = 0; rc == 0 && i < type->partial_count; i++) {
                xpm_text_putc(key, '\n');
                rc = xpm_partial_path(claims->experiment->workspace->path, job->config, &type->partials[i], key, err);
        }
        return rc == 0 && key->failed ? xpm_fail_memory(err) : rc;
}

static int add_class(xpm_claims *claims, const xpm_text *key, size_t *class, xpm_error *err)
{
        if (claims->class_count == claims->class_capacity) {
                size_t capacity = claims->class_capacity ? 2 * claims->class_capacity : 16;
                xpm_claim_class *grown = realloc(claims->classes, capacity * sizeof *grown);
                if (!grown)
                        return xpm_fail_memory(err);
                claims->classes = grown;
                claims->class_capacity = capacity;
        }
        char *copy = strdup(xpm_text_string(key));
        size_t number = claims->class_count + 1;
        if (!copy || xpm_map_put(&claims->index, copy, (void *)(uintptr_t)number) != 0) {
                free(copy);
                return xpm_fail_memory(err);
        }
        claims->classes[claims->class_count++] = (xpm_claim_class){.key = copy};
        *class = number - 1;
        return 0;
}

int xpm_claims_queue(xpm_claims *claims, const xpm_job *job, size_t port, xpm_error *err)
{
        xpm_text key = XPM_TEXT_INIT;
        size_t number = 0;
        int rc = make_key(claims, job, port, &key, err);
        if (rc == 0) {
                number = (size_t)(uintptr_t)xpm_map_get(&claims->index, xpm_text_string(&key));
                if (number > 0)
                        number--;
                else
                        rc = add_class(claims, &key, &number, err);
        }
        xpm_text_release(&key);
        if (rc != 0)
                return rc;
        xpm_claim_class *class = &claims->classes[number];
        uint32_t entry = (uint32_t)job->index + 1;
        claims->next[job->index] = 0;
        if (class->last)
                claims->next[class->last - 1] = entry;
        else
                class->first = entry;
        class->last = entry;
        claims->waiting++;
        if (number < claims->first)
                claims->first = number;
        return 0;
}

static bool is_of_port(const xpm_claim_class *class, size_t port)
{
        return strtoul(class->key, NULL, 10) == port;
}

int64_t xpm_claims_next(const xpm_claims *claims, size_t port)
{
        for (size_t i = claims->first; claims->waiting > 0 && i < claims->class_count; i++) {
                const xpm_claim_class *class = &claims->classes[i];
                if (class->first && !class->blocked && is_of_port(class, port))
                        return (int64_t) class->first - 1;
        }
        return -1;
}

static xpm_claim_class *class_of_head(xpm_claims *claims, size_t job)
{
        for (size_t i = claims->first; i < claims->class_count; i++)
                if (claims->classes[i].first == job + 1)
                        return &claims->classes[i];
        return NULL;
}

static bool is_partial_free(const xpm_claims *claims, const char *path)
{
        for (const xpm_claim *claim = claims->held; claim; claim = claim->next)
                for (size_t i = 0; i < claim->partial_count; i++)
                        if (strcmp(claim->partials[i], path) == 0)
                                return false;
        return true;
}

static bool are_partials_free(const xpm_claims *claims, const xpm_jobspec *spec)
{
        for (size_t i = 0; i < spec->partial_count; i++)
                if (!is_partial_free(claims, spec->partials[i]))
                        return false;
        return true;
}

static xpm_token_request request_of(const xpm_jobspec *spec)
{
        return (xpm_token_request){spec->tokens, spec->token_count, spec->task_id, spec->job_id, spec->script};
}

static int copy_request(xpm_arena *arena, xpm_token_request *request)
{
        const char **const strings[] = {&request->task_id, &request->job_id, &request->script};
        xpm_count *wanted = xpm_arena_calloc(arena, request->count + 1, sizeof *wanted);
        if (!wanted)
                return -1;
        for (size_t i = 0; i < request->count; i++) {
                wanted[i] = request->wanted[i];
                if (!(wanted[i].name = xpm_arena_strdup(arena, wanted[i].name)))
                        return -1;
        }
        request->wanted = wanted;
        for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
                if (!(*strings[i] = xpm_arena_strdup(arena, *strings[i])))
                        return -1;
        return 0;
}

/* SPEC lives shorter than the claim. */
static int remember(xpm_claims *claims, size_t job, const xpm_jobspec *spec, xpm_error *err)
{
        xpm_arena *arena = xpm_arena_create();
        xpm_claim *claim = arena ? xpm_arena_alloc(arena, sizeof *claim) : NULL;
        const char **partials = claim ? xpm_arena_calloc(arena, spec->partial_count + 1, sizeof *partials) : NULL;
        if (!partials)
                goto failed;
        for (size_t i = 0; i < spec->partial_count; i++)
                if (!(partials[i] = xpm_arena_strdup(arena, spec->partials[i])))
                        goto failed;
        *claim = (xpm_claim){.next = claims->held,
                             .job = (uint32_t)job,
                             .arena = arena,
                             .tokens = request_of(spec),
                             .partials = partials,
                             .partial_count = spec->partial_count};
        if (copy_request(arena, &claim->tokens) != 0)
                goto failed;
        claims->held = claim;
        return 0;
failed:
        xpm_arena_destroy(arena);
        return xpm_fail_memory(err);
}

static void warn(xpm_claims *claims, const xpm_jobspec *spec, const xpm_token_answer *answer)
{
        if (!claims->warned)
                xpm_warn(
                        &claims->experiment->log,
                        "job '%s/%.8s' needs %lld of the token '%s', and somebody has lowered their number to %lld: it "
                        "waits until there are more",
                        spec->task_id, spec->job_id, (long long)answer->wanted, answer->name, (long long)answer->total);
        claims->warned = true;
}

int xpm_claims_take(xpm_claims *claims, size_t job, const xpm_jobspec *spec, bool *taken, xpm_error *err)
{
        xpm_claim_class *class = class_of_head(claims, job);
        int rc = 0;
        *taken = are_partials_free(claims, spec);
        if (*taken && spec->token_count > 0) {
                xpm_token_request request = request_of(spec);
                xpm_token_answer answer;
                rc = xpm_tokens_take(claims->store, &request, true, &answer, err);
                *taken = rc == 0 && answer.result == XPM_TOKENS_TAKEN;
                if (rc == 0 && answer.result == XPM_TOKENS_IMPOSSIBLE)
                        warn(claims, spec, &answer);
        }
        if (!*taken) {
                class->blocked = true;
                return rc;
        }
        class->first = claims->next[job];
        if (!class->first)
                class->last = 0;
        claims->waiting--;
        while (claims->first < claims->class_count && !claims->classes[claims->first].first)
                claims->first++;
        return remember(claims, job, spec, err);
}

/* Whether KEY, a line for each name, has NAME. */
static bool has_name(const char *key, const char *name)
{
        size_t length = strlen(name);
        for (const char *at = strchr(key, '\n'); at; at = strchr(at + 1, '\n'))
                if (strncmp(at + 1, name, length) == 0 && (at[1 + length] == '\n' || at[1 + length] == '\0'))
                        return true;
        return false;
}

static void unblock_for(xpm_claims *claims, const xpm_claim *claim)
{
        for (size_t i = 0; i < claims->class_count; i++) {
                xpm_claim_class *class = &claims->classes[i];
                for (size_t j = 0; class->blocked && j < claim->tokens.count; j++)
                        class->blocked = !has_name(class->key, claim->tokens.wanted[j].name);
                for (size_t j = 0; class->blocked && j < claim->partial_count; j++)
                        class->blocked = !has_name(class->key, claim->partials[j]);
        }
}

void xpm_claims_release(xpm_claims *claims, size_t job, bool drop)
{
        xpm_claim **at = &claims->held;
        while (*at && (*at)->job != job)
                at = &(*at)->next;
        xpm_claim *claim = *at;
        if (!claim)
                return;
        *at = claim->next;
        /* What cannot be removed is found dead by whoever needs it, once the job's lock and our run are over. */
        if (claim->tokens.count > 0 && drop)
                xpm_tokens_give_back(claims->store, &claim->tokens, NULL);
        unblock_for(claims, claim);
        xpm_arena_destroy(claim->arena);
}

void xpm_claims_unblock(xpm_claims *claims)
{
        for (size_t i = 0; i < claims->class_count; i++)
                claims->classes[i].blocked = false;
}
