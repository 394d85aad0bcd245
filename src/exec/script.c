/* The names are bound when a template is compiled, so that a mistake in a site's own template is found before the first
 * job, and rendering is a walk over a few dozen tags. */
#include "exec/script.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/words.h"
#include "exec/environ.h"
#include "exec/order.h"

enum name_kind {
        JOB,
        TASK,
        EXPERIMENT,
        SCRIPT,
        PATH,
        CWD,
        XPM,
        SHELL,
        WORDS,
        TEXT,
        SETUP,
        RANKS,
        MODULES,
        DIRECTIVES,
        ENV,     /* of the job */
        PROGRAM, /* that a list starts after the setup */
        MISSING, /* what is said when it is not there */
        NAME,
        VALUE, /* of an entry of env */
        KINDS
};

static const char *const names[KINDS] = {
        [JOB] = "job",
        [TASK] = "task",
        [EXPERIMENT] = "experiment",
        [SCRIPT] = "script",
        [PATH] = "path",
        [CWD] = "cwd",
        [XPM] = "xpm",
        [SHELL] = "shell",
        [WORDS] = "words",
        [TEXT] = "text",
        [SETUP] = "setup",
        [RANKS] = "ranks",
        [MODULES] = "modules",
        [ENV] = "env",
        [NAME] = "name",
        [VALUE] = "value",
        [DIRECTIVES] = "directives",
        [PROGRAM] = "program",
        [MISSING] = "missing",
};

typedef struct context {
        const xpm_jobspec *spec;
        const char *executable;
} context;

static const char prefix[] = "xpm: ";

/* An item is a name of the table; data[0] is the index of the entry of env that it belongs to. */
enum { ROOT = KINDS, ENTRY };

static bool is_secret(const xpm_jobspec *spec, const char *name)
{
        for (size_t i = 0; i < spec->secret_count; i++)
                if (strcmp(spec->secrets[i], name) == 0)
                        return true;
        return false;
}

static int find(void *data, const xpm_mustache_item *item, size_t depth, const xpm_mustache_tag *tag,
                xpm_mustache_item *out, xpm_error *err)
{
        (void)data;
        (void)err;
        size_t index = (size_t)((const char *const *)tag->binding - names);
        bool of_entry = index == NAME || index == VALUE;
        if (of_entry ? item->kind != ENTRY : depth != 0)
                return XPM_MUSTACHE_ELSEWHERE;
        *out = (xpm_mustache_item){.kind = (int)index, .data = {item->data[0]}};
        return XPM_MUSTACHE_FOUND;
}

static int missing(void *data, const xpm_mustache_tag *tag, xpm_error *err)
{
        (void)data;
        return xpm_fail(err, XPM_ELAUNCHER, "the template's '%s' stands outside of {{#env}}", tag->text);
}

/* What the shell becomes at the end of the run file; NULL: nothing, or no shell runs it. */
static const char *program_of(const xpm_jobspec *spec)
{
        if (spec->need.ranks > 0)
                return "mpirun";
        return spec->argv && !xpm_order_is_direct(spec) ? spec->argv[0] : NULL;
}

static bool truth(void *data, const xpm_mustache_item *item)
{
        const xpm_jobspec *spec = ((const context *)data)->spec;
        switch (item->kind) {
        case TEXT: return spec->text != NULL;
        case SETUP: return spec->setup && *spec->setup;
        case RANKS: return spec->need.ranks > 0;
        case MODULES: return spec->module_count > 0;
        case DIRECTIVES: return spec->directives && spec->directives[0];
        case PROGRAM:
        case MISSING: return program_of(spec) != NULL;
        default: return true;
        }
}

static long count(void *data, const xpm_mustache_item *item)
{
        return item->kind == ENV ? (long)((const context *)data)->spec->env_count : -1;
}

static void item_at(void *data, const xpm_mustache_item *list, size_t index, xpm_mustache_item *out)
{
        (void)data;
        (void)list;
        *out = (xpm_mustache_item){.kind = ENTRY, .data = {index}};
}

static void put(xpm_text *out, bool quoted, const char *string)
{
        size_t length = strlen(string);
        while (!quoted && length > 0 && string[length - 1] == '\n')
                length--;
        if (quoted)
                xpm_text_shell_quote(out, string, length);
        else
                xpm_text_append(out, string, length);
}

static void put_words(xpm_text *out, bool quoted, const char *const *words, size_t length)
{
        for (size_t i = 0; words && i < length && words[i]; i++) {
                if (i > 0)
                        xpm_text_putc(out, ' ');
                put(out, quoted, words[i]);
        }
}

/* One line each, without the last one's end. */
static void put_directives(xpm_text *out, const char *const *directives)
{
        for (size_t i = 0; directives && directives[i]; i++)
                xpm_text_printf(out, "%s#SBATCH %s", i > 0 ? "\n" : "", directives[i]);
}

int xpm_script_fail_missing(const char *command, xpm_error *err)
{
        return xpm_fail(err, XPM_EIO, "the command '%s' is missing%s: no such file or directory", command,
                        strchr(command, '/') ? "" : " (it is nowhere in PATH)");
}

bool xpm_script_says_missing(const xpm_jobspec *spec, int dir, xpm_error *words)
{
        char name[NAME_MAX + 1], line[sizeof words->message + sizeof prefix], end[sizeof line];
        const char *program = program_of(spec);
        if (!program)
                return false;
        snprintf(name, sizeof name, "%s.err", spec->script);
        int log = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (log < 0)
                return false;
        xpm_script_fail_missing(program, words);
        ssize_t length = snprintf(line, sizeof line, "%s%s\n", prefix, words->message);
        off_t size = lseek(log, 0, SEEK_END);
        bool said = size >= length && pread(log, end, (size_t)length, size - length) == length &&
                    memcmp(end, line, (size_t)length) == 0;
        close(log);
        return said;
}

static void put_missing(xpm_text *out, bool quoted, const char *program)
{
        xpm_error words = XPM_ERROR_NONE;
        char line[sizeof words.message + sizeof prefix];
        xpm_script_fail_missing(program, &words);
        snprintf(line, sizeof line, "%s%s", prefix, words.message);
        put(out, quoted, line);
}

/* A secret is not written: the variable keeps the value that it has where the run file is started. */
static void put_value(xpm_text *out, const xpm_jobspec *spec, const xpm_binding *binding)
{
        if (is_secret(spec, binding->name))
                xpm_text_printf(out, "\"$%s\"", binding->name);
        else
                xpm_environ_quote(out, binding->value);
}

static int print(void *data, const xpm_mustache_tag *tag, const xpm_mustache_item *item, xpm_text *out, xpm_error *err)
{
        const context *context_ = data;
        const xpm_jobspec *spec = context_->spec;
        const char *program = program_of(spec);
        bool quoted = tag->kind == XPM_MUSTACHE_VARIABLE;
        (void)err;
        switch (item->kind) {
        case JOB: put(out, quoted, spec->job_id); break;
        case TASK: put(out, quoted, spec->task_id); break;
        case EXPERIMENT: put(out, quoted, spec->experiment_id); break;
        case SCRIPT: put(out, quoted, spec->script); break;
        case PATH: put(out, quoted, spec->path); break;
        case CWD: put(out, quoted, spec->cwd ? spec->cwd : spec->path); break;
        case XPM: put(out, quoted, context_->executable); break;
        case SHELL: put_words(out, quoted, spec->shell, SIZE_MAX); break;
        case WORDS: put_words(out, quoted, spec->argv, SIZE_MAX); break;
        case TEXT: put(out, quoted, spec->text ? spec->text : ""); break;
        case SETUP: put(out, quoted, spec->setup ? spec->setup : ""); break;
        case RANKS: xpm_text_printf(out, "%" PRId64, spec->need.ranks); break;
        case MODULES: put_words(out, quoted, spec->modules, spec->module_count); break;
        case DIRECTIVES: put_directives(out, spec->directives); break;
        case PROGRAM: put(out, quoted, program ? program : ""); break;
        case MISSING: put_missing(out, quoted, program ? program : ""); break;
        case NAME: put(out, quoted, spec->env[item->data[0]].name); break;
        case VALUE: put_value(out, spec, &spec->env[item->data[0]]); break;
        default: break;
        }
        return 0;
}

/* Where something is wrong: NAME, or the partial beside it, and the line. */
__attribute__((format(printf, 5, 6))) static int fail(xpm_error *err, const char *name, const char *partial, int line,
                                                      const char *format, ...)
{
        char message[sizeof err->message];
        const char *slash = strrchr(name, '/');
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        if (partial)
                return xpm_fail(err, XPM_ELAUNCHER, "%.*s%s:%d: %s", slash ? (int)(slash - name + 1) : 0, name, partial,
                                line, message);
        return xpm_fail(err, XPM_ELAUNCHER, "%s:%d: %s", name, line, message);
}

static int bind(const char *name, xpm_mustache_tag *tag, xpm_error *err)
{
        for (size_t i = 0; i < KINDS; i++)
                if (strcmp(names[i], tag->text) == 0) {
                        tag->binding = &names[i];
                        return 0;
                }
        const char *near = xpm_words_nearest(tag->text, names, KINDS);
        return fail(err, name, tag->partial, tag->line, "the template names '%s', which there is not%s%s%s", tag->text,
                    near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int xpm_script_compile(xpm_arena *arena, const char *name, const char *text, size_t length,
                       const xpm_mustache_partials *partials, xpm_mustache *out, xpm_error *err)
{
        xpm_mustache_place place = {0};
        xpm_error inner = XPM_ERROR_NONE;
        int rc = xpm_mustache_compile_with(arena, text, length, partials, out, &place, &inner);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(err);
        if (rc != 0)
                return fail(err, name, place.partial, place.line, "%s", inner.message);
        for (size_t i = 0; rc == 0 && i < out->count; i++)
                if (out->tags[i].kind != XPM_MUSTACHE_TEXT)
                        rc = bind(name, &out->tags[i], err);
        return rc;
}

int xpm_script_render(const xpm_mustache *script, const xpm_jobspec *spec, const char *executable, xpm_text *text,
                      xpm_error *err)
{
        static const xpm_mustache_view view = {find, missing, truth, count, item_at, print};
        context context_ = {spec, executable};
        const xpm_mustache_item root = {.kind = ROOT};
        int rc = xpm_mustache_render(script, &view, &context_, &root, text, err);
        return rc == 0 && text->failed ? xpm_fail_memory(err) : rc;
}
