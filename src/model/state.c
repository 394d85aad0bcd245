/* The words of the tables in experimaestro/state.h: what files and lists show, and the way back from what people type.
 */
#include "experimaestro/state.h"

#include <stdbool.h>
#include <stddef.h>

static const char *const states[] = {
#define X(name, word) word,
        XPM_JOB_STATES(X)
#undef X
};

static const struct {
        const char *word, *status;
} failures[] = {
#define X(name, word, status) {word, status},
        XPM_FAILURES(X)
#undef X
};

enum {
        STATES = sizeof states / sizeof *states,
        FAILURES = sizeof failures / sizeof *failures,
};

/* ASCII alone, so that a Turkish locale reads them too. */
static int lower(char c)
{
        return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool same(const char *a, const char *b)
{
        while (*a && lower(*a) == lower(*b)) {
                a++;
                b++;
        }
        return lower(*a) == lower(*b);
}

const char *xpm_job_state_word(enum xpm_job_state state)
{
        return (size_t)state < STATES ? states[state] : "unknown";
}

const char *xpm_failure_word(enum xpm_failure failure)
{
        return (size_t)failure < FAILURES ? failures[failure].word : "unknown";
}

const char *xpm_failure_status(enum xpm_failure failure)
{
        return (size_t)failure < FAILURES ? failures[failure].status : "UNKNOWN";
}

int xpm_job_state_parse(const char *word)
{
        for (int i = 0; i < STATES; i++)
                if (same(states[i], word))
                        return i;
        return -1;
}

int xpm_failure_parse(const char *word)
{
        /* Reasons first: several of them share a status, whose own name is the right one of these. */
        for (int i = 0; i < FAILURES; i++)
                if (same(failures[i].word, word))
                        return i;
        for (int i = 0; i < FAILURES; i++)
                if (same(failures[i].status, word))
                        return i;
        return -1;
}
