/* pools.h: a pool whose events are kept, in a loop of its own
 *
 *     struct fixture *fixture = enter(SLOTS);
 *     add(fixture, place, TAG, argv);
 *     uv_run(&fixture->loop, UV_RUN_DEFAULT);
 *     leave(fixture);
 *
 * To be included after cmocka.h.
 */
#ifndef XPM_TEST_POOLS_H
#define XPM_TEST_POOLS_H

#include <stdlib.h>

#include "exec/pool.h"
#include "jobs.h"

extern char **environ;

enum { JOBS = 6, EVENTS = 32 };

struct fixture {
        uv_loop_t loop;
        xpm_site site;
        xpm_pool *pool;
        struct job jobs[JOBS];
        struct event {
                enum xpm_launch_event_kind kind;
                uint64_t tag;
                bool done;
                char reason[32], message[256];
        } events[EVENTS];
        size_t count;
        char note[1536];
        void (*react)(struct fixture *fixture, const struct event *event);
};

static inline void on_event(void *data, const xpm_launch_event *event, bool broken)
{
        struct fixture *fixture = data;
        assert_false(broken);
        assert_true(fixture->count < EVENTS);
        struct event *kept = &fixture->events[fixture->count++];
        *kept = (struct event){event->kind, event->tag, event->done, "", ""};
        snprintf(kept->reason, sizeof kept->reason, "%s", event->reason ? event->reason : "");
        snprintf(kept->message, sizeof kept->message, "%s", event->message ? event->message : "");
        if (fixture->react)
                fixture->react(fixture, kept);
}

static inline void on_note(void *data, const char *line)
{
        struct fixture *fixture = data;
        snprintf(fixture->note, sizeof fixture->note, "%s", line);
}

static inline void on_flush(void *data)
{
        (void)data;
}

/* OPTIONS but for the stock, which is nobody else's. */
static inline struct fixture *enter_with(xpm_pool_options options)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        assert_non_null(fixture);
        const xpm_pool_sink sink = {fixture, on_event, on_note, on_note, on_flush};
        options.stock = -1;
        assert_int_equal(uv_loop_init(&fixture->loop), 0);
        assert_int_equal(xpm_site_init(&fixture->site, environ, NULL), 0);
        assert_int_equal(xpm_pool_create(&fixture->loop, &fixture->site, &options, &sink, &fixture->pool, NULL), 0);
        return fixture;
}

static inline struct fixture *enter(int slots)
{
        return enter_with((xpm_pool_options){.slots = slots});
}

static inline void leave(struct fixture *fixture)
{
        assert_int_equal(xpm_pool_count(fixture->pool), 0);
        xpm_pool_close(fixture->pool);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        xpm_pool_free(fixture->pool);
        xpm_site_release(&fixture->site);
        assert_int_equal(uv_loop_close(&fixture->loop), 0);
        free(fixture);
}

/* Job number TAG, which will run ARGV. */
static inline struct job *make_job(struct fixture *fixture, const struct place *place, uint64_t tag,
                                   const char *const *argv)
{
        struct job *job = &fixture->jobs[tag];
        job_init(job, place, argv);
        strrchr(job->path, '/')[1] = (char)('0' + tag);
        return job;
}

static inline void add_job(struct fixture *fixture, uint64_t tag)
{
        struct job *job = &fixture->jobs[tag];
        xpm_launch launch = job_launch(job);
        launch.tag = tag;
        assert_int_equal(xpm_pool_add(fixture->pool, job_order(&launch), NULL), 0);
}

static inline void add(struct fixture *fixture, const struct place *place, uint64_t tag, const char *const *argv)
{
        make_job(fixture, place, tag, argv);
        add_job(fixture, tag);
}

static inline size_t count(const struct fixture *fixture, enum xpm_launch_event_kind kind)
{
        size_t found = 0;
        for (size_t i = 0; i < fixture->count; i++)
                found += fixture->events[i].kind == kind;
        return found;
}

#endif
