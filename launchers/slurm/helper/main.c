/* xpm-slurm: the Slurm launcher's helper
 *
 * Reads requests as lines of JSON from standard input, answers on standard output, and leaves when its input ends. It
 * may block, and may be killed at any time.
 *
 *     {"id": 1, "do": "submit", "options": ["--time=30", …], "script": "#!/bin/sh…", "array": 100, "comment": "…",
 * "output": "…"} → {"id": 1, "job": 123, "requests": 1} or {"id": 1, "error": "words", "requests": 1}
 *     {"id": 2, "do": "list"}   → {"id": 2, "jobs": [["123_[0-3]", "PENDING", "Priority", "comment"], …], "requests":
 * 1}
 *     {"id": 3, "do": "cancel", "jobs": ["123", "124_5"]}      → {"id": 3, "requests": 1}
 *     {"id": 4, "do": "partitions"}
 *         → {"id": 4, "partitions": [{"name": "debug", "default": true, "up": true, "seconds": 3600, "nodes": 4}],
 *            "array": 1001, "requests": 2}
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

static json_t *obey(const json_t *request)
{
        const char *what = json_string_value(json_object_get(request, "do"));
        if (!what)
                return json_pack("{s:s}", "error", "a request without 'do'");
        if (strcmp(what, "submit") == 0)
                return commands_submit(request);
        if (strcmp(what, "list") == 0)
                return commands_list();
        if (strcmp(what, "cancel") == 0)
                return commands_cancel(request);
        if (strcmp(what, "partitions") == 0)
                return commands_partitions();
        return json_pack("{s:s}", "error", "an unknown request");
}

static bool answer(const json_t *request)
{
        json_t *result = obey(request);
        if (!result)
                return false;
        json_object_set(result, "id", json_object_get(request, "id"));
        char *line = json_dumps(result, JSON_COMPACT);
        bool good = line && puts(line) != EOF && fflush(stdout) == 0;
        free(line);
        json_decref(result);
        return good;
}

int main(void)
{
        char *line = NULL;
        size_t capacity = 0;
        bool good = true;
        while (good && getline(&line, &capacity, stdin) > 0) {
                json_t *request = json_loads(line, 0, NULL);
                good = request && answer(request);
                json_decref(request);
        }
        free(line);
        return good ? 0 : 1;
}
