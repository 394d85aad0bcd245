/* Counting happens under the ipc.lock of each token that is asked for, taken in order of name, so that two who ask for
 * several never wait for each other. These locks are held for less than a millisecond; whoever does not get them in
 * thirty tries again later, because an engine that stands still here serves nobody.
 *
 * Invariants: the counts of the holders that somebody stands behind never exceed the total (as it was when each was
 * taken); a job's holders are in all of its tokens, or it has none once its engine is gone; no lock is needed to remove
 * one's own holder, since that only makes room.
 *
 * Fairness: a job that waits may leave a ticket in each of its tokens, with one number, above all that are there. What
 * older tickets ask for is kept free. (number, name of the file) orders all tickets of a workspace in one way, so the
 * oldest of them waits for running jobs only, and gets its turn. Two engines that wait for one job share its ticket. */
#include "workspace/token.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "workspace/tokenfile.h"

enum { LOCK_TRIES = 20 /* of 1.5 ms each */, TOTAL_LIMIT = 4096 };

static const char total_name[] = "informations.json";

/* A token. */
struct counter {
        char *name, *path;
        int64_t declared; /* by this engine; -1: not */
        xpm_token_list holders, tickets;
};

struct xpm_tokens {
        const xpm_workspace *workspace;
        const char *experiment_id, *run_name;
        struct counter **counters;
        size_t count;
};

/* One token that a job needs, during one call. */
struct need {
        const char *name;
        int64_t wanted, total;
        struct counter *counter;
        xpm_token_place at;
        int lock;
};

struct taking {
        xpm_tokens *tokens;
        const xpm_token_request *request;
        xpm_token_file file;
        struct need *needs;
        size_t count;
        int64_t number; /* of the job's ticket, 0: none */
        xpm_token_answer *answer;
        xpm_error *err;
};

static void destroy_counter(struct counter *counter)
{
        if (!counter)
                return;
        xpm_token_list_release(&counter->holders);
        xpm_token_list_release(&counter->tickets);
        free(counter->name);
        free(counter->path);
        free(counter);
}

int xpm_tokens_open(const xpm_workspace *workspace, const char *experiment_id, const char *run_name, xpm_tokens **out,
                    xpm_error *err)
{
        xpm_tokens *tokens = calloc(1, sizeof *tokens);
        if (!tokens)
                return xpm_fail_memory(err);
        tokens->workspace = workspace;
        tokens->experiment_id = experiment_id;
        tokens->run_name = run_name;
        *out = tokens;
        return 0;
}

void xpm_tokens_close(xpm_tokens *tokens)
{
        if (!tokens)
                return;
        for (size_t i = 0; i < tokens->count; i++)
                destroy_counter(tokens->counters[i]);
        free(tokens->counters);
        free(tokens);
}

static struct counter *add_counter(xpm_tokens *tokens, const char *name)
{
        struct counter **counters = reallocarray(tokens->counters, tokens->count + 1, sizeof(struct counter *));
        if (!counters)
                return NULL;
        tokens->counters = counters;
        struct counter *counter = calloc(1, sizeof *counter);
        if (!counter)
                return NULL;
        counter->declared = -1;
        counter->holders.kind = XPM_TOKEN_HOLDERS;
        counter->tickets.kind = XPM_TOKEN_TICKETS;
        counter->name = strdup(name);
        if (asprintf(&counter->path, "%s/tokens/%s.counter", tokens->workspace->path, name) < 0)
                counter->path = NULL;
        if (!counter->name || !counter->path) {
                destroy_counter(counter);
                return NULL;
        }
        return counters[tokens->count++] = counter;
}

static struct counter *find_counter(xpm_tokens *tokens, const char *name)
{
        for (size_t i = 0; i < tokens->count; i++)
                if (strcmp(tokens->counters[i]->name, name) == 0)
                        return tokens->counters[i];
        return add_counter(tokens, name);
}

/* Functions of base/ know names within the directory only. */
static int locate(int rc, const xpm_error *inner, const char *path, xpm_error *err)
{
        return rc == 0 ? 0 : xpm_fail(err, rc, "%s (in '%s')", inner->message, path);
}

/* -1 when it cannot be told. */
static int read_total(int token, int64_t *total, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        *total = -1;
        int rc = xpm_file_read(token, total_name, TOTAL_LIMIT, &text, err);
        if (rc == 0) {
                json_t *json;
                if (!xpm_token_json(&text, &json))
                        rc = xpm_fail_memory(err);
                const json_t *value = json_object_get(json, "total");
                if (json_is_integer(value) && json_integer_value(value) >= 0)
                        *total = (int64_t)json_integer_value(value);
                json_decref(json);
        }
        xpm_text_release(&text);
        return rc == 0 && *total < 0 ? xpm_fail(err, XPM_EFORMAT, "'%s' does not tell a total", total_name) : rc;
}

static int write_total(const xpm_workspace *workspace, int token, int64_t total, xpm_error *err)
{
        char text[48];
        int length = snprintf(text, sizeof text, "{\"total\": %lld}\n", (long long)total);
        return xpm_file_replace(token, total_name, text, (size_t)length, workspace->file_mode, err);
}

/* Open the token's directory, made where it is missing. */
static int open_token(const xpm_workspace *workspace, const char *name, bool make, int *token, xpm_error *err)
{
        xpm_token_file directory;
        int rc = xpm_token_directory(name, directory, err);
        if (rc == 0 && make)
                rc = xpm_mkdir_p(workspace->dir, directory, workspace->directory_mode, err);
        if (rc != 0)
                return rc;
        *token = openat(workspace->dir, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*token < 0 && errno == ENOENT)
                return xpm_fail(err, XPM_ENOTFOUND, "there is no token '%s'", name);
        return *token < 0 ? xpm_fail_errno(err, "cannot open '%s'", directory) : 0;
}

int xpm_tokens_declare(xpm_tokens *tokens, const char *name, int64_t total, xpm_error *err)
{
        int token = -1;
        int64_t old;
        xpm_error inner = XPM_ERROR_NONE;
        struct counter *counter = find_counter(tokens, name);
        if (!counter)
                return xpm_fail_memory(err);
        int rc = open_token(tokens->workspace, name, true, &token, &inner);
        if (rc != 0)
                return locate(rc, &inner, tokens->workspace->path, err);
        counter->declared = total;
        rc = read_total(token, &old, NULL);
        if (rc != XPM_ENOMEM)
                rc = old == total ? 0 : write_total(tokens->workspace, token, total, &inner);
        else
                rc = xpm_fail_memory(&inner);
        close(token);
        return locate(rc, &inner, counter->path, err);
}

static int compare_needs(const void *a, const void *b)
{
        return strcmp(((const struct need *)a)->name, ((const struct need *)b)->name);
}

static int64_t add(int64_t a, int64_t b)
{
        int64_t sum;
        return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* The needs in order of name, each name once. */
static int prepare(struct taking *taking)
{
        const xpm_token_request *request = taking->request;
        xpm_token_file_name(request->task_id, request->job_id, taking->file);
        taking->needs = calloc(request->count + 1, sizeof *taking->needs);
        if (!taking->needs)
                return xpm_fail_memory(taking->err);
        size_t count = 0;
        for (size_t i = 0; i < request->count; i++)
                if (request->wanted[i].count > 0)
                        taking->needs[count++] = (struct need){
                                .name = request->wanted[i].name, .wanted = request->wanted[i].count, .lock = -1};
        qsort(taking->needs, count, sizeof *taking->needs, compare_needs);
        for (size_t i = 0; i < count; i++) {
                struct need *last = taking->count > 0 ? &taking->needs[taking->count - 1] : NULL;
                if (last && strcmp(last->name, taking->needs[i].name) == 0)
                        last->wanted = add(last->wanted, taking->needs[i].wanted);
                else
                        taking->needs[taking->count++] = taking->needs[i];
        }
        for (size_t i = 0; i < taking->count; i++) {
                struct need *need = &taking->needs[i];
                need->counter = find_counter(taking->tokens, need->name);
                if (!need->counter)
                        return xpm_fail_memory(taking->err);
                need->at = (xpm_token_place){.workspace = taking->tokens->workspace,
                                             .experiment = taking->tokens->experiment_id,
                                             .run = taking->tokens->run_name,
                                             .token = -1,
                                             .path = need->counter->path};
        }
        return 0;
}

static void leave(struct taking *taking)
{
        for (size_t i = taking->count; i-- > 0;) {
                struct need *need = &taking->needs[i];
                xpm_lock_release(need->lock);
                if (need->counter && need->at.token >= 0)
                        close(need->at.token);
        }
        free(taking->needs);
}

/* XPM_ELOCKED without a message when somebody keeps it. */
static int lock_token(int token, mode_t mode, int *lock, xpm_error *err)
{
        int rc = XPM_ELOCKED;
        for (int i = 0; i < LOCK_TRIES && rc == XPM_ELOCKED; i++) {
                xpm_error inner = XPM_ERROR_NONE;
                rc = xpm_lock_take(token, xpm_token_lock_name, mode, false, lock, &inner);
                if (rc != 0 && rc != XPM_ELOCKED)
                        xpm_fail(err, rc, "%s", inner.message);
        }
        return rc;
}

static int enter_token(struct taking *taking, struct need *need, xpm_error *err)
{
        const xpm_workspace *workspace = taking->tokens->workspace;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = open_token(workspace, need->name, need->counter->declared >= 0, &need->at.token, err);
        if (rc == 0)
                rc = lock_token(need->at.token, workspace->file_mode, &need->lock, err);
        if (rc != 0)
                return rc;
        rc = read_total(need->at.token, &need->total, &inner);
        /* Somebody removed it, or it was cut off: we know what we said. */
        if ((rc == XPM_EFORMAT || rc == XPM_ENOTFOUND) && need->counter->declared >= 0) {
                need->total = need->counter->declared;
                return write_total(workspace, need->at.token, need->total, err);
        }
        return rc == 0 ? 0 : xpm_fail(err, rc, "%s", inner.message);
}

static void answer(struct taking *taking, enum xpm_token_result result, const struct need *need)
{
        *taking->answer = (xpm_token_answer){.result = result};
        if (need) {
                taking->answer->name = need->name;
                taking->answer->wanted = need->wanted;
                taking->answer->total = need->total;
        }
}

/* Under all locks, with all lists read; 1 with an answer when somebody keeps a lock. */
static int enter(struct taking *taking)
{
        for (size_t i = 0; i < taking->count; i++) {
                struct need *need = &taking->needs[i];
                xpm_error inner = XPM_ERROR_NONE;
                int rc = enter_token(taking, need, &inner);
                if (rc == XPM_ELOCKED) {
                        answer(taking, XPM_TOKENS_SHORT, need);
                        return 1;
                }
                if (rc != 0)
                        return locate(rc, &inner, need->counter->path, taking->err);
        }
        int rc = 0;
        for (size_t i = 0; i < taking->count && rc == 0; i++) {
                struct need *need = &taking->needs[i];
                rc = xpm_token_list_scan(&need->counter->holders, &need->at, taking->err);
                if (rc == 0)
                        rc = xpm_token_list_scan(&need->counter->tickets, &need->at, taking->err);
        }
        return rc;
}

/* What other jobs hold. */
static int64_t used(const struct taking *taking, const struct need *need)
{
        const xpm_token_list *list = &need->counter->holders;
        int64_t sum = 0;
        for (size_t i = 0; i < list->count; i++) {
                const xpm_token_entry *entry = &list->entries[i];
                if (!entry->dead && strcmp(entry->name, taking->file) != 0)
                        sum = add(sum, entry->count < 0 ? need->total : entry->count);
        }
        return sum;
}

static bool is_before(const struct taking *taking, const xpm_token_entry *ticket)
{
        if (taking->number == 0 || ticket->number != taking->number)
                return taking->number == 0 || ticket->number < taking->number;
        return strcmp(ticket->name, taking->file) < 0;
}

/* What is kept for those who wait for longer. A ticket that asks for more than there are will be refused: it keeps
 * nothing. */
static int64_t reserved(const struct taking *taking, const struct need *need)
{
        const xpm_token_list *list = &need->counter->tickets;
        int64_t sum = 0;
        for (size_t i = 0; i < list->count; i++) {
                const xpm_token_entry *entry = &list->entries[i];
                if (!entry->dead && entry->number > 0 && entry->count > 0 && entry->count <= need->total &&
                    strcmp(entry->name, taking->file) != 0 && is_before(taking, entry))
                        sum = add(sum, entry->count);
        }
        return sum;
}

static bool has_room(struct taking *taking, struct need *need)
{
        int64_t free_ones = need->total - used(taking, need);
        if (free_ones < need->wanted) {
                xpm_token_list_bury(&need->counter->holders, &need->at);
                free_ones = need->total - used(taking, need);
        }
        int64_t kept = free_ones < need->wanted ? 0 : reserved(taking, need);
        if (kept > free_ones - need->wanted) {
                xpm_token_list_bury(&need->counter->tickets, &need->at);
                kept = reserved(taking, need);
        }
        if (free_ones >= need->wanted && kept <= free_ones - need->wanted)
                return true;
        answer(taking, XPM_TOKENS_SHORT, need);
        taking->answer->used = need->total - free_ones;
        taking->answer->reserved = kept;
        return false;
}

static bool is_in_other_hands(const struct taking *taking, const struct need *need)
{
        const xpm_token_list *list = &need->counter->holders;
        const xpm_token_entry *entry = xpm_token_list_find(list, taking->file);
        return entry && !entry->ours && xpm_token_list_is_alive(list, entry, taking->tokens->workspace);
}

static void judge(struct taking *taking)
{
        for (size_t i = 0; i < taking->count; i++) {
                const struct need *need = &taking->needs[i];
                if (need->wanted > need->total)
                        return answer(taking, XPM_TOKENS_IMPOSSIBLE, need);
                if (is_in_other_hands(taking, need))
                        return answer(taking, XPM_TOKENS_BUSY, need);
                const xpm_token_entry *ticket = xpm_token_list_find(&need->counter->tickets, taking->file);
                if (ticket && ticket->number > taking->number)
                        taking->number = ticket->number;
        }
        for (size_t i = 0; i < taking->count; i++)
                if (!has_room(taking, &taking->needs[i]))
                        return;
        answer(taking, XPM_TOKENS_TAKEN, NULL);
}

static int64_t next_number(const struct taking *taking)
{
        int64_t highest = 0;
        for (size_t i = 0; i < taking->count; i++) {
                const xpm_token_list *list = &taking->needs[i].counter->tickets;
                for (size_t j = 0; j < list->count; j++)
                        if (list->entries[j].number > highest)
                                highest = list->entries[j].number;
        }
        return add(highest, 1);
}

static char *job_uri(const struct taking *taking)
{
        char *uri;
        const xpm_token_request *request = taking->request;
        int length = asprintf(&uri, "%s/jobs/%s/%s/%s", taking->tokens->workspace->path, request->task_id,
                              request->job_id, request->script);
        return length < 0 ? NULL : uri;
}

/* A ticket that cannot be written (a full disk) costs the job its place, not more. */
static void leave_tickets(struct taking *taking)
{
        char *uri = job_uri(taking);
        if (taking->number == 0)
                taking->number = next_number(taking);
        for (size_t i = 0; i < taking->count && uri; i++) {
                struct need *need = &taking->needs[i];
                xpm_token_list *list = &need->counter->tickets;
                const xpm_token_entry *old = xpm_token_list_find(list, taking->file);
                bool good = old && old->ours && old->number == taking->number && old->count == need->wanted;
                bool others = old && !old->ours && xpm_token_list_is_alive(list, old, taking->tokens->workspace);
                if (!good && !others)
                        xpm_token_list_put(list, &need->at, taking->file, uri, need->wanted, taking->number, NULL);
        }
        free(uri);
}

/* All are tried. */
static int take_back(struct taking *taking, bool holders, bool tickets, xpm_error *err)
{
        int rc = 0;
        for (size_t i = 0; i < taking->count; i++) {
                struct need *need = &taking->needs[i];
                const xpm_token_place *at = need->at.token >= 0 ? &need->at : NULL;
                int first = 0, second = 0;
                if (holders)
                        first = xpm_token_list_take_back(&need->counter->holders, at, taking->file, err);
                if (tickets)
                        second = xpm_token_list_take_back(&need->counter->tickets, at, taking->file, err);
                if (rc == 0)
                        rc = first ? first : second;
        }
        return rc;
}

static int put_holders(struct taking *taking)
{
        char *uri = job_uri(taking);
        int rc = uri ? 0 : xpm_fail_memory(taking->err);
        for (size_t i = 0; i < taking->count && rc == 0; i++) {
                struct need *need = &taking->needs[i];
                rc = xpm_token_list_put(&need->counter->holders, &need->at, taking->file, uri, need->wanted, 0,
                                        taking->err);
        }
        free(uri);
        if (rc != 0)
                take_back(taking, true, false, NULL);
        return rc;
}

int xpm_tokens_take(xpm_tokens *tokens, const xpm_token_request *request, bool ticket, xpm_token_answer *out,
                    xpm_error *err)
{
        struct taking taking = {.tokens = tokens, .request = request, .answer = out, .err = err};
        answer(&taking, XPM_TOKENS_TAKEN, NULL);
        int rc = prepare(&taking);
        if (rc == 0)
                rc = enter(&taking);
        if (rc == 0) {
                judge(&taking);
                if (out->result == XPM_TOKENS_TAKEN)
                        rc = put_holders(&taking);
                if (rc == 0 && out->result == XPM_TOKENS_SHORT && ticket)
                        leave_tickets(&taking);
                else if (rc == 0 && out->result != XPM_TOKENS_SHORT)
                        /* One that cannot be removed keeps its place until this run is over. */
                        take_back(&taking, false, true, NULL);
        }
        leave(&taking);
        return rc < 0 ? rc : 0;
}

static int remove_ours(xpm_tokens *tokens, const xpm_token_request *request, bool holders, xpm_error *err)
{
        struct taking taking = {.tokens = tokens, .request = request, .err = err};
        int rc = prepare(&taking);
        for (size_t i = 0; i < taking.count && rc == 0; i++) {
                struct need *need = &taking.needs[i];
                xpm_error inner = XPM_ERROR_NONE;
                rc = open_token(tokens->workspace, need->name, false, &need->at.token, &inner);
                rc = rc == XPM_ENOTFOUND ? 0 : locate(rc, &inner, need->counter->path, err);
        }
        if (rc == 0)
                rc = take_back(&taking, holders, true, err);
        leave(&taking);
        return rc;
}

int xpm_tokens_give_back(xpm_tokens *tokens, const xpm_token_request *request, xpm_error *err)
{
        return remove_ours(tokens, request, true, err);
}

int xpm_tokens_drop_ticket(xpm_tokens *tokens, const xpm_token_request *request, xpm_error *err)
{
        return remove_ours(tokens, request, false, err);
}
