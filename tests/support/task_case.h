/* task_case.h: what is wrong with a task, said for one task after the other
 */
#ifndef XPM_TEST_TASK_CASE_H
#define XPM_TEST_TASK_CASE_H

#include "planned.h"

/* A task T with parameters x (str), n (int), xs (list[str]), and TASK, the rest of it, at four blanks. */
static inline void task_text(const char *task, xpm_text *text)
{
        xpm_text_printf(text,
                        "id: e\n"
                        "lr: 0.5\n"
                        "net: {depth: 3}\n"
                        "tokens: {licence: 2}\n"
                        "tasks:\n"
                        "  T:\n"
                        "    params: {x: {type: str, default: a}, n: {type: int, default: 1}, xs: {type: 'list[str]', "
                        "default: []}}\n"
                        "%s"
                        "plan:\n"
                        "  s: {task: T, sweep: {n: [1]}}\n"
                        "  t: {task: T, sweep: {x: [b]}}\n",
                        task);
}

static inline int task_read(const struct place *place, const char *task, struct planned *planned, xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        task_text(task, &text);
        int rc = planned_read(place, xpm_text_string(&text), planned, err);
        xpm_text_release(&text);
        return rc;
}

struct task_case {
        const char *task, *message; /* NULL: nothing is wrong */
};

static inline void task_check(void **state, const struct task_case *samples, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct planned planned;
                xpm_error err = XPM_ERROR_NONE;
                int rc = task_read(*state, samples[i].task, &planned, &err);
                if (strcmp(err.message, samples[i].message ? samples[i].message : "") != 0)
                        fail_msg("«%s»: %s", samples[i].task, err.message);
                assert_int_equal(rc, samples[i].message ? XPM_EPLAN : 0);
                planned_release(&planned);
        }
}
#define TASK_CHECK(samples) task_check(state, samples, sizeof(samples) / sizeof *(samples))

#endif
