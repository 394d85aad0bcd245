/* slurmed.h: the Slurm launcher with a helper that answers as a test says
 *
 *     cmocka_unit_test_setup_teardown(name, slurmed_enter, slurmed_leave)
 *
 * gives a test `struct slurmed *slurmed = *state`. Answers are given in order, whatever is asked; `die` ends the
 * helper.
 */
#ifndef XPM_TEST_SLURMED_H
#define XPM_TEST_SLURMED_H

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "exec/loader.h"
#include "place.h"

static const char slurmed_helper[] =
        "#!/usr/bin/env python3\n"
        "import json, os, sys\n"
        "path = os.environ['ANSWERS']\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    with open(path + '.log', 'a') as log:\n"
        "        log.write(request['do'] + '\\n')\n"
        "    with open(path) as file:\n"
        "        answers = file.read().splitlines()\n"
        "    with open(path, 'w') as file:\n"
        "        file.write('\\n'.join(answers[1:]))\n"
        "    if not answers or answers[0] == 'die':\n"
        "        sys.exit(1)\n"
        "    print(json.dumps({**json.loads(answers[0]), 'id': request['id']}), flush=True)\n";

struct slurmed {
        struct place *place;
        const xpm_launcher *launcher;
        void *instance;
        xpm_core core;
        char run[128], answers[128];
        size_t prepared, events, requests;
        size_t accepted;  /* beside the events */
        char handle[256]; /* of the last one that was */
        struct {
                enum xpm_launch_event_kind kind;
                uint64_t tag;
                char reason[32], message[256];
        } event[32];
        char notes[2048];
};

static inline void slurmed_on_event(const xpm_core *core, const xpm_launch_event *event)
{
        struct slurmed *slurmed = core->data;
        if (event->kind == XPM_LAUNCH_ACCEPTED) {
                slurmed->accepted++;
                snprintf(slurmed->handle, sizeof slurmed->handle, "%s", event->handle);
                return;
        }
        size_t i = slurmed->events++ % 32;
        slurmed->event[i].kind = event->kind;
        slurmed->event[i].tag = event->tag;
        snprintf(slurmed->event[i].reason, 32, "%s", event->reason ? event->reason : "");
        snprintf(slurmed->event[i].message, 256, "%s", event->message ? event->message : "");
}

static inline void slurmed_on_log(const xpm_core *core, int level, const char *line)
{
        struct slurmed *slurmed = core->data;
        size_t length = strlen(slurmed->notes);
        (void)level;
        snprintf(slurmed->notes + length, sizeof slurmed->notes - length, "%s\n", line);
}

static inline int slurmed_prepare(const xpm_core *core, const xpm_launch *launch, const char *launcher,
                                  const char *handle, char nonce[XPM_LAUNCH_NONCE], xpm_error *err)
{
        struct slurmed *slurmed = core->data;
        (void)launch;
        (void)launcher;
        (void)handle;
        (void)err;
        snprintf(nonce, XPM_LAUNCH_NONCE, "%016zx", ++slurmed->prepared);
        return 0;
}

static inline void slurmed_requested(const xpm_core *core, size_t count)
{
        ((struct slurmed *)core->data)->requests += count;
}

static inline int slurmed_enter(void **state)
{
        struct slurmed *slurmed = calloc(1, sizeof *slurmed);
        char path[128];
        void *inner = NULL;
        if (!slurmed || place_enter(&inner) != 0 || xpm_launcher_find("slurm", &slurmed->launcher, NULL) != 0)
                return -1;
        slurmed->place = inner;
        place_put(slurmed->place, "helper", slurmed_helper);
        snprintf(path, sizeof path, "%s/helper", slurmed->place->path);
        snprintf(slurmed->run, sizeof slurmed->run, "%s/run", slurmed->place->path);
        snprintf(slurmed->answers, sizeof slurmed->answers, "%s/answers", slurmed->place->path);
        if (chmod(path, 0700) != 0 || mkdir(slurmed->run, 0700) != 0)
                return -1;
        setenv("XPM_SLURM_HELPER", path, 1);
        setenv("ANSWERS", slurmed->answers, 1);
        slurmed->core = (xpm_core){.abi = XPM_LAUNCHER_ABI,
                                   .size = sizeof slurmed->core,
                                   .data = slurmed,
                                   .label = "e",
                                   .executable = "/xpm",
                                   .workspace = slurmed->place->path,
                                   .run = slurmed->run,
                                   .event = slurmed_on_event,
                                   .log = slurmed_on_log,
                                   .prepare = slurmed_prepare,
                                   .requested = slurmed_requested};
        *state = slurmed;
        return slurmed->launcher->open(&slurmed->core, "slurm", NULL, &slurmed->instance, NULL);
}

static inline int slurmed_leave(void **state)
{
        struct slurmed *slurmed = *state;
        void *inner = slurmed->place;
        slurmed->launcher->close(slurmed->instance);
        free(slurmed);
        return place_leave(&inner);
}

/* LINES, ended by newlines, are the next answers. */
static inline void slurmed_answer(struct slurmed *slurmed, const char *lines)
{
        place_put(slurmed->place, "answers", lines);
}

static inline void slurmed_submit(struct slurmed *slurmed, uint64_t tag, const char *directive)
{
        const char *const directives[] = {directive, NULL};
        const xpm_launch launch = {.tag = tag, .attempt = 1, .path = "/job", .directives = directives};
        const xpm_launch *const batch[] = {&launch};
        assert_int_equal(slurmed->launcher->submit(slurmed->instance, batch, 1, NULL), 0);
}

/* Until so many events have come. */
static inline void slurmed_serve(struct slurmed *slurmed, size_t events)
{
        const xpm_launcher *launcher = slurmed->launcher;
        while (slurmed->events < events) {
                struct timespec now;
                struct pollfd poll_ = {.fd = launcher->fd(slurmed->instance),
                                       .events = launcher->events(slurmed->instance)};
                int64_t deadline = launcher->deadline(slurmed->instance);
                clock_gettime(CLOCK_MONOTONIC, &now);
                int64_t left = deadline - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
                if (deadline < 0 && poll_.fd < 0)
                        fail_msg("nothing is going to happen");
                poll(&poll_, 1, deadline < 0 ? -1 : left > 0 ? (int)left : 0);
                assert_int_equal(launcher->dispatch(slurmed->instance, NULL), 0);
        }
}

#endif
