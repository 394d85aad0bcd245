/* xpm-slurm, xpm-slurm-library: the Slurm launcher's helper, by Slurm's commands and by libslurm
 *
 * Reads requests as lines of JSON from standard input, answers on standard output, and leaves when its input ends. It
 * may block, and may be killed at any time.
 *
 *     {"id": 1, "do": "submit", "options": ["--time=30", …], "script": "#!/bin/sh…", "array": 100, "comment": "…",
 *      "output": "…"}
 *         → {"id": 1, "job": 123, "requests": 1} or {"id": 1, "error": "words", "requests": 1}
 *     {"id": 2, "do": "list", "since": 1700000000}
 *         → {"id": 2, "jobs": [["123_[0-3]", "PENDING", "Priority", "comment"], …], "stamp": 1700000001, "requests": 1}
 *           or {"id": 2, "unchanged": true, "stamp": …} when nothing has changed since the answer with the stamp
 * `since` (0 or none: tell all)
 *     {"id": 3, "do": "cancel", "jobs": ["123", "124_5"]}
 *         → {"id": 3, "requests": 1}
 *     {"id": 4, "do": "partitions"}
 *         → {"id": 4, "partitions": [{"name": "debug", "default": true, "up": true, "open": true,
 *            "seconds": 3600, "nodes": 4, "total": 4, "cpus": 32, "memory": 128000}], "array": 1001, "jobs": 10000,
 *            "version": "22.05.8", "requests": 2}
 * `open`: to everybody; `nodes`: of one job at most; of all nodes: `total`, `cpus`, `memory` (MiB)
 *     {"id": 5, "do": "nodes"}
 *         → {"id": 5, "nodes": [{"partition": "debug", "cpus": 8, "memory": 32000, "gpus": 2}, …], "requests": 2}
 * each kind of node in each partition
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef XPM_LIBSLURM
#include "library.h"
#define BY(request) library_##request
#else
#include "slurmcommands.h"
#define BY(request) commands_##request
#endif

static json_t *obey(const json_t *request)
{
        static const struct {
                const char *what;
                json_t *(*obey)(const json_t *request);
        } known[] = {{"submit", BY(submit)},
                     {"list", BY(list)},
                     {"cancel", BY(cancel)},
                     {"partitions", BY(partitions)},
                     {"nodes", BY(nodes)}};
        const char *what = json_string_value(json_object_get(request, "do"));
        for (size_t i = 0; what && i < sizeof known / sizeof *known; i++)
                if (strcmp(what, known[i].what) == 0)
                        return known[i].obey(request);
        return json_pack("{s:s}", "error", "an unknown request");
}

static bool answer(const json_t *request, FILE *out)
{
        json_t *result = obey(request);
        if (!result)
                return false;
        json_object_set(result, "id", json_object_get(request, "id"));
        char *line = json_dumps(result, JSON_COMPACT);
        bool good = line && fprintf(out, "%s\n", line) > 0 && fflush(out) == 0;
        free(line);
        json_decref(result);
        return good;
}

/* Where answers go, which is nobody's standard output any more: what the library prints shall not stand among them, nor
 * on the engine's standard error. */
static FILE *keep_apart(void)
{
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        FILE *stream = out >= 0 ? fdopen(out, "w") : NULL;
        if (nowhere >= 0)
                dup2(nowhere, STDOUT_FILENO);
#ifdef XPM_LIBSLURM
        if (nowhere >= 0)
                dup2(nowhere, STDERR_FILENO);
#endif
        return nowhere >= 0 ? stream : NULL;
}

int main(void)
{
        char *line = NULL;
        size_t capacity = 0;
        FILE *out = keep_apart();
        bool good = out != NULL;
#ifdef XPM_LIBSLURM
        library_open();
#endif
        while (good && getline(&line, &capacity, stdin) > 0) {
                json_t *request = json_loads(line, 0, NULL);
                good = request && answer(request, out);
                json_decref(request);
        }
        free(line);
        return good ? 0 : 1;
}
