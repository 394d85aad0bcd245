/* Which one is chosen is asked of those who choose for experiments; why the others are not is found by asking each of
 * them for each alternative. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/launcherstate.h"

typedef struct question {
        xpm_launcher_view *view;
        xpm_requirement requirement;
        const char **alternatives; /* their text */
        const char *const *tags;
        size_t tag_count;
        xpm_choice choice;
        size_t *fits; /* for each rank: the first alternative that it can satisfy; requirement.count: none */
} question;

/* No production of the grammar has a `|` inside. */
static int split(question *of, const char *text)
{
        static const char blanks[] = " \t\r\n";
        xpm_arena *arena = of->view->arena;
        of->alternatives = xpm_arena_calloc(arena, of->requirement.count + 1, sizeof *of->alternatives);
        if (!of->alternatives)
                return XPM_ENOMEM;
        for (size_t i = 0; i < of->requirement.count; i++) {
                text += strspn(text, blanks);
                size_t length = strcspn(text, "|"), shown = length;
                while (shown > 0 && strchr(blanks, text[shown - 1]))
                        shown--;
                if (!(of->alternatives[i] = xpm_arena_strndup(arena, text, shown)))
                        return XPM_ENOMEM;
                text += length + (text[length] == '|');
        }
        return 0;
}

/* What it lacks for each alternative before the first that it can satisfy, appended to LACKS; said once when it is
 * always the same. */
static int ask(question *of, size_t rank, xpm_text *lacks, xpm_error *err)
{
        xpm_candidates *candidates = &of->view->candidates;
        const xpm_requirement *requirement = &of->requirement;
        char first[sizeof err->message] = "";
        bool same = true;
        size_t i = 0;
        for (; i < requirement->count; i++) {
                xpm_error lack = XPM_ERROR_NONE;
                int rc =
                        xpm_candidates_check(candidates, candidates->order[rank], &requirement->alternatives[i], &lack);
                if (rc == 0)
                        break;
                if (rc == XPM_ENOMEM)
                        return xpm_fail_memory(err);
                if (i == 0)
                        memcpy(first, lack.message, sizeof first);
                same = same && strcmp(first, lack.message) == 0;
                xpm_text_printf(lacks, "%s%s: %s", i ? "; " : "", of->alternatives[i], lack.message);
        }
        of->fits[rank] = i;
        if (same && i == requirement->count) {
                xpm_text_clear(lacks);
                xpm_text_puts(lacks, first);
        }
        return 0;
}

/* Why one that could satisfy an alternative was not chosen. */
static void compare(const question *of, size_t rank, xpm_text *why)
{
        const xpm_candidate *one = xpm_launcher_view_candidate(of->view, rank);
        const xpm_candidate *chosen = &of->view->candidates.list[of->choice.candidate];
        size_t fits = of->fits[rank];
        if (fits > of->choice.alternative)
                xpm_text_printf(why, "it could run '%s', but '%s', which stands before, has '%s'",
                                of->alternatives[fits], of->alternatives[of->choice.alternative], chosen->name);
        else if (one->entry->priority != chosen->entry->priority)
                xpm_text_printf(why, "it could run it, but has priority %" PRId64 ", and '%s' %" PRId64,
                                one->entry->priority, chosen->name, chosen->entry->priority);
        else
                xpm_text_printf(why, "it could run it, but '%s' stands before it in launchers.yaml", chosen->name);
}

static int answer(question *of, size_t rank, xpm_launcher_answer *out, xpm_error *err)
{
        const xpm_candidate *one = xpm_launcher_view_candidate(of->view, rank);
        bool chosen = !of->choice.unfit && of->view->candidates.order[rank] == of->choice.candidate;
        const char *tag = xpm_candidate_lacks_tag(one, of->tags, of->tag_count);
        xpm_text why = XPM_TEXT_INIT;
        int rc = 0;
        of->fits[rank] = of->requirement.count;
        if (tag)
                xpm_text_printf(&why, "it has no tag '%s'", tag);
        else
                rc = ask(of, rank, &why, err);
        bool fits = of->fits[rank] < of->requirement.count;
        if (rc == 0 && fits) {
                xpm_text_clear(&why);
                if (!chosen)
                        compare(of, rank, &why);
        }
        *out = (xpm_launcher_answer){.rank = rank, .alternative = fits ? of->alternatives[of->fits[rank]] : NULL};
        if (rc == 0 && !chosen && !(out->why_not = xpm_arena_strdup(of->view->arena, xpm_text_string(&why))))
                rc = xpm_fail_memory(err);
        if (rc == 0 && why.failed)
                rc = xpm_fail_memory(err);
        xpm_text_release(&why);
        return rc;
}

/* By what is found first, then by rank: the one that is chosen becomes the first. */
static void sort(const question *of, xpm_launcher_answer *answers, size_t count)
{
        for (size_t i = 1; i < count; i++) {
                xpm_launcher_answer one = answers[i];
                size_t at = i;
                for (; at > 0 && of->fits[answers[at - 1].rank] > of->fits[one.rank]; at--)
                        answers[at] = answers[at - 1];
                answers[at] = one;
        }
}

int xpm_launcher_view_find(xpm_launcher_view *view, const char *text, const char *const *tags, size_t tag_count,
                           xpm_launcher_answers *out, size_t *at, xpm_error *err)
{
        size_t count = xpm_launcher_view_count(view);
        question of = {.view = view, .tags = tags, .tag_count = tag_count};
        xpm_launcher_answer *answers = xpm_arena_calloc(view->arena, count + 1, sizeof *answers);
        of.fits = xpm_arena_calloc(view->arena, count + 1, sizeof *of.fits);
        if (!answers || !of.fits)
                return xpm_fail_memory(err);
        int rc = xpm_requirement_parse_at(view->arena, text, &of.requirement, at, err);
        if (rc == 0 && split(&of, text) != 0)
                rc = xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_candidates_choose(&view->candidates, -1, tags, tag_count, &of.requirement, &of.choice, NULL,
                                           err);
        for (size_t rank = 0; rc == 0 && rank < count; rank++)
                rc = answer(&of, rank, &answers[rank], err);
        if (rc != 0)
                return rc;
        sort(&of, answers, count);
        *out = (xpm_launcher_answers){.items = answers, .count = count, .found = !of.choice.unfit};
        return 0;
}
