/* Only this file prints while a run goes. The rate is that of this run's own jobs since its start; the time left
 * assumes that it stays so, and is not shown before a few jobs have ended. */
#include "cli/progress.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

enum { LIVE_INTERVAL = 200, FIRST_LINE = 5000, TAIL_BYTES = 4096, TAIL_LINES = 8, FULL_FAILURES = 20, SHORT_ID = 8 };

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void xpm_progress_init(xpm_progress *progress, const xpm_experiment *experiment, volatile int *interrupts)
{
        const char *term = getenv("TERM");
        *progress = (xpm_progress){
                .experiment = experiment,
                .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
                .began = now_ms(),
                .next_line = FIRST_LINE,
                .interrupts = interrupts,
        };
}

void xpm_progress_clear(xpm_progress *progress)
{
        if (progress->shown)
                fputs("\r\033[K", stderr);
        progress->shown = false;
}

static void print_time(char *buffer, size_t size, double seconds)
{
        long s = seconds < 1e8 ? (long)(seconds + 0.5) : 100000000;
        if (s >= 86400)
                snprintf(buffer, size, "%ldd%02ldh", s / 86400, s % 86400 / 3600);
        else if (s >= 3600)
                snprintf(buffer, size, "%ldh%02ldm", s / 3600, s % 3600 / 60);
        else
                snprintf(buffer, size, "%ld:%02ld", s / 60, s % 60);
}

static void describe(const xpm_counts *counts, int64_t elapsed, xpm_text *line)
{
        enum { ENOUGH = 3 };
        size_t ended = counts->done + counts->failed - counts->failed_dependency;
        size_t left = counts->running + counts->scheduled + counts->ready + counts->waiting;
        double seconds = (double)elapsed / 1000, rate = seconds > 0 ? (double)ended / seconds : 0;
        xpm_text_printf(line, "%zu of %zu done, %zu running, %zu waiting, %zu failed",
                        counts->done + counts->done_before, counts->total, counts->running,
                        counts->scheduled + counts->ready + counts->waiting, counts->failed + counts->kept_failed);
        if (ended < ENOUGH || rate <= 0)
                return;
        char time_left[32];
        print_time(time_left, sizeof time_left, (double)left / rate);
        xpm_text_printf(line, rate >= 1 ? ", %.1f/s" : ", %.1f/min", rate >= 1 ? rate : rate * 60);
        xpm_text_printf(line, ", %s left", time_left);
}

static void tell_stop(xpm_progress *progress, const xpm_counts *counts)
{
        int heard = *progress->interrupts;
        size_t running = counts->running;
        bool first = heard > 0 && progress->told == 0, second = heard > 1 && progress->told < 2;
        if (!first && !second)
                return;
        progress->told = second ? 2 : 1;
        xpm_progress_clear(progress);
        if (running && second)
                fprintf(stderr,
                        "xpm: interrupted again: ending %zu running job%s (Ctrl-C again kills what is left at once)\n",
                        running, running == 1 ? "" : "s");
        else if (running > counts->lasting)
                fprintf(stderr,
                        "xpm: interrupted: nothing new is started; waiting for %zu running job%s (Ctrl-C again kills "
                        "%s)\n",
                        running, running == 1 ? "" : "s", running == 1 ? "it" : "them");
        else if (counts->scheduled + running > 0) /* some may have begun a moment ago */
                fprintf(stderr, "xpm: interrupted%s\n",
                        second ? " again: ending what runs (Ctrl-C again kills what is left at once)"
                               : ": nothing new is started (Ctrl-C again kills what runs)");
}

/* What fits on a line of the terminal: a line that wraps cannot be written over. */
static int line_width(void)
{
        struct winsize size;
        return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : INT_MAX;
}

static void on_progress(void *data, const xpm_counts *counts)
{
        xpm_progress *progress = data;
        int64_t elapsed = now_ms() - progress->began;
        tell_stop(progress, counts);
        if (elapsed < progress->next_line && !progress->terminal)
                return;
        if (progress->terminal && elapsed < progress->next_line - FIRST_LINE + LIVE_INTERVAL)
                return;
        xpm_text line = XPM_TEXT_INIT;
        describe(counts, elapsed, &line);
        if (progress->terminal) {
                fprintf(stderr, "\r%.*s\033[K", line_width(), xpm_text_string(&line));
                progress->shown = true;
                progress->next_line = FIRST_LINE + elapsed;
        } else {
                fprintf(stderr, "%s\n", xpm_text_string(&line));
                progress->next_line = elapsed + (elapsed < 60000 ? FIRST_LINE : elapsed < 600000 ? 30000 : 300000);
        }
        fflush(stderr);
        xpm_text_release(&line);
}

/* Without what a progress bar wrote over, and without what would steer the terminal. */
static void print_log_line(const char *line, size_t length)
{
        while (length > 0 && line[length - 1] == '\r')
                length--;
        const char *end = line + length, *over = memrchr(line, '\r', length);
        fputs("    | ", stderr);
        for (const char *at = over ? over + 1 : line; at < end; at++)
                putc(*at != '\t' && ((unsigned char)*at < ' ' || *at == '\177') ? '?' : *at, stderr);
        putc('\n', stderr);
}

/* The last lines of a log, or nothing. Returns whether there was something. */
static bool print_tail(const char *dir, const char *script, const char *ending)
{
        char *path = NULL, buffer[TAIL_BYTES];
        if (asprintf(&path, "%s/%s.%s", dir, script, ending) < 0)
                return false;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        free(path);
        if (fd < 0)
                return false;
        off_t size = lseek(fd, 0, SEEK_END);
        ssize_t length = pread(fd, buffer, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
        close(fd);
        while (length > 0 && buffer[length - 1] == '\n')
                length--;
        if (length <= 0)
                return false;
        const char *start = buffer + length, *end = start;
        for (int lines = 0; start > buffer; start--)
                if (start[-1] == '\n' && ++lines == TAIL_LINES)
                        break;
        while (start < end) {
                const char *newline = memchr(start, '\n', (size_t)(end - start)), *stop = newline ? newline : end;
                print_log_line(start, (size_t)(stop - start));
                start = newline ? newline + 1 : end;
        }
        return true;
}

static void print_failure(const xpm_experiment *experiment, const xpm_job *job, const xpm_job_end *end)
{
        char id[XPM_JOB_ID_SIZE], *tags = NULL, *dependencies = NULL;
        const char *launcher;
        xpm_job_identifier(job, id);
        if (xpm_experiment_describe(experiment, job, &tags, &dependencies, &launcher, NULL) != 0)
                tags = dependencies = NULL;
        fprintf(stderr, "failed: %s/%.*s%s%s: %s\n", xpm_job_task(job), SHORT_ID, id, tags && *tags ? " " : "",
                tags ? tags : "", end->message ? end->message : xpm_failure_word(end->failure));
        if (end->path && !print_tail(end->path, xpm_job_script(job), "err"))
                print_tail(end->path, xpm_job_script(job), "out");
        if (end->path)
                fprintf(stderr, "    in %s\n", end->path);
        free(tags);
        free(dependencies);
}

static void on_job(void *data, const xpm_job *job, const xpm_job_end *end)
{
        xpm_progress *progress = data;
        if (!end || end->failure == XPM_FAILURE_NONE || end->failure == XPM_FAILURE_DEPENDENCY)
                return;
        if (progress->failures++ >= FULL_FAILURES)
                return;
        xpm_progress_clear(progress);
        print_failure(progress->experiment, job, end);
        if (progress->failures == FULL_FAILURES)
                fprintf(stderr, "(further failures are counted only; 'xpm jobs list' shows them)\n");
}

xpm_observer xpm_progress_observer(xpm_progress *progress)
{
        return (xpm_observer){.data = progress,
                              .job = on_job,
                              .progress = on_progress,
                              .interval = progress->terminal ? LIVE_INTERVAL : 1000};
}

/* The options that name the workspace again, so that what is printed can be typed. */
static void print_next(const xpm_experiment *experiment, const char *command, const char *more)
{
        xpm_text text = XPM_TEXT_INIT;
        const char *path = xpm_experiment_workspace(experiment);
        xpm_text_shell_quote(&text, path, strlen(path));
        printf("  xpm %s --workdir %s%s\n", command, xpm_text_string(&text), more);
        xpm_text_release(&text);
}

void xpm_progress_end(xpm_progress *progress, const xpm_counts *counts, enum xpm_verdict verdict)
{
        const char *id = xpm_experiment_id(progress->experiment);
        char elapsed[32], more[256];
        size_t left = counts->ready + counts->waiting;
        xpm_progress_clear(progress);
        print_time(elapsed, sizeof elapsed, (double)(now_ms() - progress->began) / 1000);
        printf("%s: %zu job%s: %zu done", id, counts->total, counts->total == 1 ? "" : "s",
               counts->done + counts->done_before);
        if (counts->done_before)
                printf(" (%zu before)", counts->done_before);
        printf(", %zu failed", counts->failed + counts->kept_failed);
        if (counts->failed_dependency)
                printf(" (%zu for want of a dependency)", counts->failed_dependency);
        if (counts->submitted)
                printf(", %zu submitted", counts->submitted);
        if (left)
                printf(", %zu not started", left);
        printf(", in %s\n", elapsed);
        if (counts->requests)
                printf("%zu request%s to the scheduler\n", counts->requests, counts->requests == 1 ? "" : "s");
        if (counts->mismatched)
                printf("%zu warning%s above: jobs that have not got what they asked for\n", counts->mismatched,
                       counts->mismatched == 1 ? "" : "s");
        snprintf(more, sizeof more, " %s", id);
        if (verdict == XPM_VERDICT_LEFT)
                return;
        if (verdict == XPM_VERDICT_DONE || verdict == XPM_VERDICT_SUBMITTED) {
                print_next(progress->experiment, "jobs list", more);
                return;
        }
        if (verdict == XPM_VERDICT_FAILED || verdict == XPM_VERDICT_STOPPED) {
                printf("what failed:\n");
                snprintf(more, sizeof more, " --filter '@state = \"ERROR\"' %s", id);
                print_next(progress->experiment, "jobs list", more);
        }
        if (left == 0 && counts->failed == 0 && counts->kept_failed > 0)
                printf("the same command without --keep-failed runs them again\n");
        else
                printf("the same command again continues\n");
}
