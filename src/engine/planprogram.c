/* A plan in any language is a program: configuration in, declarations out. It is started by exec, never through a
 * shell. */
#include "engine/planprogram.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/spawn.h"
#include "experimaestro/experiment.h"

enum { OUTPUT_LIMIT = 64 << 20, SHOWN = 1000 };

static const char **make_argv(const char *path, bool python, const char *const *args)
{
        size_t count = 0;
        while (args && args[count])
                count++;
        const char **argv = calloc(count + 3, sizeof *argv);
        if (!argv)
                return NULL;
        size_t n = 0;
        if (python)
                argv[n++] = "python3";
        argv[n++] = path;
        for (size_t i = 0; i < count; i++)
                argv[n++] = args[i];
        return argv;
}

/* The end of what the program wrote to standard error. */
static const char *last_words(const xpm_text *errors)
{
        const char *text = xpm_text_string(errors);
        return errors->length > SHOWN ? text + errors->length - SHOWN : text;
}

static int judge(const char *path, int status, xpm_text *errors, xpm_error *err)
{
        while (errors->length && errors->data[errors->length - 1] == '\n')
                xpm_text_cut(errors, errors->length - 1);
        const char *colon = errors->length ? ":\n" : "";
        if (WIFSIGNALED(status))
                return xpm_fail(err, XPM_EPLAN, "the plan '%s' was ended by signal %d%s%s", path, WTERMSIG(status),
                                colon, last_words(errors));
        if (WEXITSTATUS(status) != 0)
                return xpm_fail(err, XPM_EPLAN, "the plan '%s' ended with status %d%s%s", path, WEXITSTATUS(status),
                                colon, last_words(errors));
        return 0;
}

static void log_lines(const xpm_experiment_options *options, char *text)
{
        char *rest = NULL;
        for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
                if (options->log)
                        options->log(options->log_data, 2, line);
}

int xpm_planprogram_run(void *data, const char *path, bool python, const char *dir, const xpm_text *input,
                        xpm_text *output, xpm_error *err)
{
        const xpm_experiment_options *options = data;
        const char **argv = make_argv(path, python, options->args);
        if (!argv)
                return xpm_fail_memory(err);
        xpm_spawn spawn = XPM_SPAWN_INIT;
        spawn.argv = argv;
        spawn.cwd = dir;
        spawn.session = false;

        int status = 0;
        xpm_text errors = XPM_TEXT_INIT;
        int rc = xpm_spawn_capture(&spawn, xpm_text_string(input), input->length, OUTPUT_LIMIT, output, &errors,
                                   &status, err);
        if (rc == 0)
                rc = judge(path, status, &errors, err);
        else if (rc == XPM_EIO) { /* a plan that cannot be started is a wrong plan, not a broken system */
                rc = XPM_EPLAN;
                if (err)
                        err->code = rc;
        }
        if (rc == 0)
                log_lines(options, errors.data);
        xpm_text_release(&errors);
        free(argv);
        return rc;
}
