/* The recipe says what a finished job was made with: a hash of the task's templates before any value is filled in, and
 * of the programs and files of the experiment that the command names. So another value of a meta parameter is no
 * change, and a rebuilt program is one. It is the same for all jobs of a step, and moving the experiment's directory
 * does not change it.
 *
 * What is hashed is a text of fields, each with its length before it, so that no two recipes are written alike; fields
 * that say nothing are left out, so that new fields can be added without changing old recipes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "plan/command.h"
#include "plan/names.h"

typedef struct writer {
        const xpm_render_context *context;
        const xpm_templates *templates;
        xpm_text cwd; /* where relative words are; "" unknown */
        xpm_text text;
        xpm_error *err;
        int rc;
} writer;

static void write_field(writer *w, const char *name, const char *text, size_t length)
{
        xpm_text_printf(&w->text, "%s %zu ", name, length);
        xpm_text_append(&w->text, text, length);
        xpm_text_putc(&w->text, '\n');
}

static void write_nodes(writer *w, const char *name, const xpm_template *templates, size_t count)
{
        for (size_t i = 0; templates && i < count; i++)
                write_field(w, name, templates[i].node->text, templates[i].node->length);
}

static int hash_file(const xpm_render_context *context, const char *path, char hex[XPM_SHA256_HEX], xpm_error *err)
{
        uint8_t digest[XPM_SHA256_SIZE];
        if (context->hash_file)
                return context->hash_file(context->hash_data, path, hex, err);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return xpm_fail_errno(err, "cannot open '%s'", path);
        int rc = xpm_sha256_fd(fd, path, digest, err);
        close(fd);
        xpm_hex(digest, sizeof digest, hex);
        return rc;
}

/* The file at PATH, when it is one and under the experiment's directory. One that cannot be read now is as good as
 * absent: the job will say so. */
static void write_file(writer *w, const char *path)
{
        const char *dir = w->context->plan->document.source->dir;
        size_t length = strlen(dir);
        char hex[XPM_SHA256_HEX];
        struct stat status;
        if (length > 1 && (strncmp(path, dir, length) != 0 || path[length] != '/'))
                return;
        if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || hash_file(w->context, path, hex, NULL) != 0)
                return;
        write_field(w, "file", path + length, strlen(path + length));
        write_field(w, "hash", hex, strlen(hex));
}

static int visit_word(void *data, const xpm_word *word)
{
        writer *w = data;
        const char *name = word->text, *value = memchr(word->text, '=', word->known);
        if (!word->complete || word->written || word->length == 0 || memchr(word->text, '\0', word->length))
                return 0;
        if (value && (name[0] == '-' || value[1] == '/'))
                name = value + 1; /* --data=FILE */
        if (name[0] != '/' && w->cwd.length == 0)
                return 0;
        char *path = xpm_path_join(xpm_text_string(&w->cwd), name);
        if (!path)
                return XPM_ENOMEM;
        write_file(w, path);
        free(path);
        return 0;
}

/* The directory that relative words of the command are in, when it is the same for all jobs. */
static int keep_directory(void *data, const xpm_word *word)
{
        writer *w = data;
        if (word->complete && word->text[0] == '/')
                xpm_text_puts(&w->cwd, word->text);
        return w->cwd.failed ? XPM_ENOMEM : 0;
}

static int write_files(writer *w)
{
        const xpm_templates *t = w->templates;
        const xpm_plan *plan = w->context->plan;
        int rc = t->cwd ? xpm_command_words(plan, t->cwd, keep_directory, w, w->err) : 0;
        for (size_t i = 0; i < t->command_count && rc == 0; i++)
                rc = xpm_command_words(plan, &t->command[i], visit_word, w, w->err);
        return rc;
}

static int write_recipe(writer *w)
{
        const xpm_templates *t = w->templates;
        write_nodes(w, t->list ? "argument" : "command", t->command, t->command_count);
        for (size_t i = 0; t->shell[i]; i++)
                write_field(w, "shell", t->shell[i], strlen(t->shell[i]));
        write_nodes(w, "setup", t->setup, 1);
        write_nodes(w, "module", t->modules, t->module_count);
        for (size_t i = 0; i < t->env_count; i++) {
                write_field(w, "env", t->env[i].name, strlen(t->env[i].name));
                write_nodes(w, "value", &t->env[i].value, 1);
        }
        for (size_t i = 0; i < t->file_count; i++) {
                write_nodes(w, "name", &t->files[i].name, 1);
                write_nodes(w, "content", &t->files[i].content, 1);
        }
        write_nodes(w, "cwd", t->cwd, 1);
        int rc = write_files(w);
        return rc == 0 && w->text.failed ? xpm_fail_memory(w->err) : rc;
}

int xpm_render_recipe(const xpm_render_context *context, const xpm_job *job, const char **hex, xpm_error *err)
{
        xpm_templates *templates = job->step->templates;
        uint8_t digest[XPM_SHA256_SIZE];
        *hex = templates->recipe;
        if (templates->recipe[0] != '\0')
                return 0;
        writer w = {.context = context, .templates = templates, .err = err};
        int rc = write_recipe(&w);
        if (rc == 0)
                rc = xpm_sha256(xpm_text_string(&w.text), w.text.length, digest, err);
        if (rc == 0)
                xpm_hex(digest, sizeof digest, templates->recipe);
        xpm_text_release(&w.cwd);
        xpm_text_release(&w.text);
        return rc;
}
