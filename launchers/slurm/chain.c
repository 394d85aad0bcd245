/* Slurm can hold a job back until others have ended well (`afterok`), and each element of an array until the element of
 * the same index of another array has (`aftercorr`). So jobs that come after the same ones go as one array, and so do
 * those that come after one element each, like the steps of a sweep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slurm.h"

/* What HANDLE names; false: nothing that Slurm is known to have. */
static bool find_need(const slurm *self, const char *handle, chain_need *out)
{
        const char *hash = strrchr(handle, '#');
        for (const batch *batch_ = self->batches; hash && batch_; batch_ = batch_->next)
                if (batch_->job_id && strlen(batch_->name) == (size_t)(hash - handle) &&
                    strncmp(batch_->name, handle, (size_t)(hash - handle)) == 0) {
                        *out = (chain_need){batch_->job_id, batch_->count > 1 ? atol(hash + 1) : -1, batch_->count};
                        return true;
                }
        return false;
}

static int compare(const void *a, const void *b)
{
        const chain_need *x = a, *y = b;
        if (x->job != y->job)
                return x->job < y->job ? -1 : 1;
        return x->index < y->index ? -1 : x->index > y->index;
}

int chain_find(const slurm *self, const char *const *after, chain *out)
{
        size_t count = 0;
        *out = (chain){0};
        while (after && after[count])
                count++;
        if (count == 0)
                return 0;
        out->needs = calloc(count, sizeof *out->needs);
        if (!out->needs)
                return XPM_ENOMEM;
        for (size_t i = 0; i < count; i++)
                out->count += find_need(self, after[i], &out->needs[out->count]);
        qsort(out->needs, out->count, sizeof *out->needs, compare);
        return 0;
}

void chain_release(chain *chain_)
{
        free(chain_->needs);
        *chain_ = (chain){0};
}

/* Where the two differ when they do at one place alone, COUNT when nowhere, -1 otherwise. */
static long find_difference(const chain *chain_, const chain *added)
{
        long at = (long)chain_->count;
        if (chain_->count != added->count)
                return -1;
        for (size_t i = 0; i < chain_->count; i++)
                if (compare(&chain_->needs[i], &added->needs[i]) != 0) {
                        if (at != (long)chain_->count)
                                return -1;
                        at = (long)i;
                }
        return at;
}

bool chain_takes(const chain *chain_, const chain *added, size_t index)
{
        long at = find_difference(chain_, added);
        if (index == 0)
                return true;
        if (at < 0)
                return false;
        if (at == (long)chain_->count)
                return chain_->how != CHAIN_CORRESPONDS;
        const chain_need *first = &chain_->needs[at], *next = &added->needs[at];
        return chain_->how != CHAIN_SAME && (chain_->how == CHAIN_ONE || chain_->at == (size_t)at) &&
               first->job == next->job && first->index == 0 && next->index == (long)index;
}

void chain_add(chain *chain_, chain *added, size_t index)
{
        if (index == 0) {
                *chain_ = *added;
                *added = (chain){0};
                return;
        }
        long at = find_difference(chain_, added);
        chain_->how = at == (long)chain_->count ? CHAIN_SAME : CHAIN_CORRESPONDS;
        chain_->at = (size_t)at;
        chain_release(added);
}

/* All elements of one array, from AT on: how many there are; 0: not all. */
static size_t count_whole(const chain *chain_, size_t at)
{
        const chain_need *first = &chain_->needs[at];
        size_t count = 0;
        if (first->index != 0)
                return 0;
        while (at + count < chain_->count && chain_->needs[at + count].job == first->job)
                count++;
        return count == first->of ? count : 0;
}

char *chain_option(const chain *chain_)
{
        char *text = NULL;
        size_t length = 0;
        const char *before = "afterok:";
        FILE *stream = chain_->count > 0 ? open_memstream(&text, &length) : NULL;
        if (!stream)
                return NULL;
        fputs("--dependency=", stream);
        if (chain_->how == CHAIN_CORRESPONDS) {
                fprintf(stream, "aftercorr:%ld", chain_->needs[chain_->at].job);
                before = ",afterok:";
        }
        for (size_t i = 0, whole; i<chain_->count; i += whole> 0 ? whole : 1) {
                const chain_need *need = &chain_->needs[i];
                whole = chain_->how == CHAIN_CORRESPONDS ? 0 : count_whole(chain_, i);
                if (chain_->how == CHAIN_CORRESPONDS && i == chain_->at)
                        continue;
                fprintf(stream, whole > 0 || need->index < 0 ? "%s%ld" : "%s%ld_%ld", before, need->job, need->index);
                before = ":";
        }
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
