/* SLURM_JOB_END_TIME is set from Slurm 23.02 on; before that squeue is asked. A program that asks each second must not
 * ask the controller each second, so the answer is kept for a while: not for ever, since a limit can be changed. That
 * there was none is kept, too. */
#include "engine/schedulertime.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"

/* Seconds for which an answer is believed. */
enum { FRESH = 300, MOST = 4096 };

static const char cache[] = ".experimaestro/slurm-end";

extern char **environ;

int64_t xpm_scheduler_seconds(const char *text)
{
        int64_t days = 0, seconds = 0;
        int colons = 0;
        const char *dash = strchr(text, '-');
        char *end;
        if (dash) {
                days = strtol(text, &end, 10);
                if (end != dash || !isdigit((unsigned char)*text))
                        return -1;
                text = dash + 1;
        }
        for (;; text++) {
                if (!isdigit((unsigned char)*text))
                        return -1;
                seconds = 60 * seconds + strtol(text, &end, 10);
                text = end;
                if (*text != ':')
                        break;
                colons++;
        }
        if (!strchr(" \n", *text) || colons == 0 || colons > 2 || (dash && colons != 2))
                return -1;
        return days * 86400 + seconds;
}

/* What users set for squeue would change what it prints. */
static const char **plain_environment(void)
{
        size_t count = 0, kept = 0;
        while (environ[count])
                count++;
        const char **env = calloc(count + 1, sizeof *env);
        for (size_t i = 0; env && i < count; i++)
                if (strncmp(environ[i], "SQUEUE_", 7) != 0)
                        env[kept++] = environ[i];
        return env;
}

static int64_t ask(const char *job, int64_t now)
{
        const char *const argv[] = {"squeue", "--noheader", "--jobs", job, "--format=%L", NULL};
        xpm_text output = XPM_TEXT_INIT, said = XPM_TEXT_INIT;
        xpm_spawn spawn = XPM_SPAWN_INIT;
        int64_t left = -1;
        int status = 0;
        spawn.argv = argv;
        spawn.env = plain_environment();
        if (spawn.env && xpm_spawn_capture(&spawn, NULL, 0, MOST, &output, &said, &status, NULL) == 0 && status == 0) {
                const char *text = xpm_text_string(&output);
                left = xpm_scheduler_seconds(text + strspn(text, " "));
        }
        free((void *)spawn.env);
        xpm_text_release(&output);
        xpm_text_release(&said);
        return left >= 0 ? now + left : 0;
}

/* JOB, when it was asked, its end. */
static bool recall(int dir, const char *job, int64_t now, int64_t *end)
{
        char own[64];
        int64_t asked;
        xpm_text text = XPM_TEXT_INIT;
        bool found = xpm_file_read(dir, cache, MOST, &text, NULL) == 0 &&
                     sscanf(xpm_text_string(&text), "%63s %" SCNd64 " %" SCNd64, own, &asked, end) == 3 &&
                     strcmp(own, job) == 0 && asked <= now && now - asked < FRESH;
        xpm_text_release(&text);
        return found;
}

static void keep(int dir, const char *job, int64_t now, int64_t end)
{
        char text[160];
        int length = snprintf(text, sizeof text, "%s %" PRId64 " %" PRId64 "\n", job, now, end);
        xpm_file_replace(dir, cache, text, (size_t)length, 0600, NULL);
}

int64_t xpm_scheduler_end(void)
{
        const char *job = getenv("SLURM_JOB_ID"), *told = getenv("SLURM_JOB_END_TIME"), *path = getenv("XPM_JOB_DIR");
        int64_t now = time(NULL), end;
        if (!job || !*job || strlen(job) > 20)
                return 0;
        if (told && atoll(told) > 0)
                return atoll(told);
        int dir = path && *path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (dir < 0)
                return ask(job, now);
        if (!recall(dir, job, now, &end)) {
                end = ask(job, now);
                keep(dir, job, now, end);
        }
        close(dir);
        return end;
}
