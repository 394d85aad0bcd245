/* tokens: what it costs to hand a token from one job to the next
 *
 * usage: tokens DIRECTORY [HOLDERS [ROUNDS]]
 *
 * One engine with HOLDERS jobs (100) that have all the tokens there are: the worker drops those of one, the engine
 * gives them back and takes them for the next. Beside it the bare calls that this cannot do without: a file written by
 * rename and removed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "workspace/run.h"
#include "workspace/token.h"

static void check(int rc, const xpm_error *err)
{
        if (rc == 0)
                return;
        fprintf(stderr, "tokens: %s\n", err->message);
        exit(1);
}

static double microseconds(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void take(xpm_tokens *tokens, const xpm_token_request *request)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_token_answer answer;
        check(xpm_tokens_take(tokens, request, false, &answer, &err), &err);
        if (answer.result == XPM_TOKENS_TAKEN)
                return;
        fprintf(stderr, "tokens: not taken\n");
        exit(1);
}

static double hand_over(const xpm_workspace *workspace, xpm_tokens *tokens, long holders, long rounds)
{
        xpm_error err = XPM_ERROR_NONE;
        const xpm_count one = {"bench", 1};
        char last[32], next[32];
        xpm_token_request from = {&one, 1, "demo.task", last, "task"}, to = {&one, 1, "demo.task", next, "task"};
        for (long i = 0; i < holders; i++) {
                snprintf(next, sizeof next, "%ld", i);
                take(tokens, &to);
        }
        double start = microseconds();
        for (long i = 0; i < rounds; i++) {
                snprintf(last, sizeof last, "%ld", i);
                snprintf(next, sizeof next, "%ld", i + holders);
                check(xpm_tokens_drop(workspace->dir, &from, &err), &err);
                check(xpm_tokens_give_back(tokens, &from, &err), &err);
                take(tokens, &to);
        }
        double each = (microseconds() - start) / (double)rounds;
        for (long i = rounds; i < rounds + holders; i++) {
                snprintf(last, sizeof last, "%ld", i);
                check(xpm_tokens_give_back(tokens, &from, &err), &err);
        }
        return each;
}

static double bare(const xpm_workspace *workspace, long rounds)
{
        xpm_error err = XPM_ERROR_NONE;
        char text[200] = "";
        double start = microseconds();
        for (long i = 0; i < rounds; i++) {
                check(xpm_file_replace(workspace->dir, "bare", text, sizeof text, 0600, &err), &err);
                unlinkat(workspace->dir, "bare", 0);
        }
        return (microseconds() - start) / (double)rounds;
}

int main(int argc, char **argv)
{
        if (argc < 2)
                return 2;
        long holders = argc > 2 ? atol(argv[2]) : 100, rounds = argc > 3 ? atol(argv[3]) : 2000;
        xpm_error err = XPM_ERROR_NONE;
        xpm_workspace *workspace;
        xpm_run *run;
        xpm_tokens *tokens;
        check(xpm_workspace_open(argv[1], true, false, &workspace, &err), &err);
        check(xpm_run_begin(workspace, &(xpm_run_info){.experiment_id = "bench"}, false, NULL, &run, &err), &err);
        check(xpm_tokens_open(workspace, "bench", xpm_run_name(run), &tokens, &err), &err);
        check(xpm_tokens_declare(tokens, "bench", holders, &err), &err);
        double cost = hand_over(workspace, tokens, holders, rounds), least = bare(workspace, rounds);
        printf("tokens: a hand-over among %ld holders takes %.0f us, %.1f times a file written and removed (%.0f us)\n",
               holders, cost, cost / least, least);
        xpm_tokens_close(tokens);
        check(xpm_run_end(run, XPM_RUN_DONE, &err), &err);
        check(xpm_remove_tree(workspace->dir, "tokens", &err), &err);
        check(xpm_remove_tree(workspace->dir, "experiments", &err), &err);
        xpm_workspace_close(workspace);
        return 0;
}
