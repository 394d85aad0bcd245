/* A command is looked at three times. For its values' places, every way through its sections is followed: a set of
 * lexer states, because a section may be rendered or not, or many times, and what it leaves open is open after it in
 * some of these. For its words and its expansions one way is enough, as if each section were rendered once. */
#include "plan/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "plan/names.h"
#include "plan/shellword.h"

/* --- places --- */

enum { STATES = 16, BUDGET = 10 * 1000 * 1000 };

typedef struct states {
        xpm_shell_state items[STATES];
        size_t count;
} states;

typedef struct places {
        const xpm_mustache *template;
        size_t budget; /* characters that may still be looked at */
        size_t *offset;
        xpm_error *err;
} places;

/* False when it is there already. More states than can be kept are as good as lost. */
static bool add_state(states *set, const xpm_shell_state *state)
{
        for (size_t i = 0; i < set->count; i++)
                if (memcmp(&set->items[i], state, sizeof *state) == 0)
                        return false;
        if (set->count == STATES) {
                xpm_shell_lose(&set->items[0]);
                return false;
        }
        set->items[set->count++] = *state;
        return true;
}

static void unite(states *set, const states *more, bool *grew)
{
        for (size_t i = 0; i < more->count; i++)
                *grew = add_state(set, &more->items[i]) || *grew;
}

static int follow_text(places *p, const xpm_mustache_tag *tag, states *set)
{
        states next = {.count = 0};
        for (size_t i = 0; i < set->count; i++) {
                xpm_shell_state state = set->items[i];
                if (p->budget < tag->length) {
                        *p->offset = tag->offset;
                        return xpm_fail(p->err, XPM_EPLAN,
                                        "the sections around this are nested too deeply for a shell text");
                }
                p->budget -= tag->length;
                for (size_t j = 0; j < tag->length; j++)
                        if (xpm_shell_step(&state, tag->text[j]) == XPM_SHELL_NUMBER) {
                                *p->offset = tag->offset;
                                return xpm_fail(p->err, XPM_EPLAN,
                                                "a value right before '%c' would be read as the number of a "
                                                "descriptor: put a blank between them",
                                                tag->text[j]);
                        }
                add_state(&next, &state);
        }
        *set = next;
        return 0;
}

static int fail_place(const places *p, const xpm_mustache_tag *tag, enum xpm_shell_place place)
{
        bool quotes = place == XPM_SHELL_SINGLE || place == XPM_SHELL_DOUBLE;
        *p->offset = tag->offset;
        return xpm_fail(
                p->err, XPM_EPLAN,
                "'{{%s}}' is %s, and it brings the quotes that it needs with it: %s, or use {{{%s}}} if the value "
                "can never hold anything that the shell understands",
                tag->text, xpm_shell_place_text(place), quotes ? "remove the quotes" : "put it elsewhere", tag->text);
}

static int follow_value(const places *p, const xpm_mustache_tag *tag, states *set)
{
        const xpm_name *name = tag->binding;
        states next = {.count = 0};
        for (size_t i = 0; i < set->count; i++) {
                xpm_shell_state state = set->items[i];
                enum xpm_shell_place place = xpm_shell_place(&state);
                if (tag->kind == XPM_MUSTACHE_VARIABLE && place != XPM_SHELL_PLAIN)
                        return fail_place(p, tag, place);
                /* A list may be empty, and unquoted text as well. */
                if (tag->kind == XPM_MUSTACHE_RAW || (name && name->list))
                        add_state(&next, &state);
                xpm_shell_value(&state);
                add_state(&next, &state);
        }
        *set = next;
        return 0;
}

static int follow(places *p, size_t from, size_t to, states *set)
{
        int rc = 0;
        for (size_t i = from; i < to && rc == 0;) {
                const xpm_mustache_tag *tag = &p->template->tags[i];
                if (tag->kind == XPM_MUSTACHE_TEXT) {
                        rc = follow_text(p, tag, set);
                        i++;
                } else if (tag->kind == XPM_MUSTACHE_VARIABLE || tag->kind == XPM_MUSTACHE_RAW) {
                        rc = follow_value(p, tag, set);
                        i++;
                } else {
                        bool grew = true;
                        while (rc == 0 && grew) {
                                states inside = *set;
                                grew = false;
                                rc = follow(p, i + 1, tag->end, &inside);
                                unite(set, &inside, &grew);
                        }
                        i = tag->end;
                }
        }
        return rc;
}

/* These read `$'…'` as bash does; the others as a dollar and quotes. */
static bool is_posix(const char *shell)
{
        static const char *const others[] = {"bash", "ksh", "mksh", "zsh"};
        const char *slash = strrchr(shell, '/');
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                if (strcmp(slash ? slash + 1 : shell, others[i]) == 0)
                        return false;
        return true;
}

int xpm_command_check_places(const xpm_mustache *template, const char *shell, size_t *offset, xpm_error *err)
{
        places p = {.template = template, .budget = BUDGET + template->count, .offset = offset, .err = err};
        states set = {.items = {XPM_SHELL_START}, .count = 1};
        set.items[0].posix = is_posix(shell);
        return follow(&p, 0, template->count, &set);
}

/* --- words --- */

typedef struct reader {
        const xpm_plan *plan;
        bool shell;
        xpm_shell_state state;
        xpm_text word;
        size_t known;
        bool present, complete, written;
        xpm_word_visitor visit;
        void *data;
} reader;

static int end_word(reader *r)
{
        int rc = 0;
        if (r->present) {
                const xpm_word word = {.text = xpm_text_string(&r->word),
                                       .length = r->word.length,
                                       .known = r->complete ? r->word.length : r->known,
                                       .complete = r->complete,
                                       .written = r->written};
                rc = r->visit(r->data, &word);
                r->written = false;
        }
        xpm_text_clear(&r->word);
        r->present = false;
        r->complete = true;
        r->known = 0;
        return rc;
}

static void obscure(reader *r)
{
        if (r->complete)
                r->known = r->word.length;
        r->complete = false;
        r->present = true;
}

static void add_text(reader *r, const char *text, size_t length)
{
        xpm_text_append(&r->word, text, length);
        r->present = true;
}

static int read_text(reader *r, const char *text, size_t length)
{
        if (!r->shell) {
                add_text(r, text, length);
                return 0;
        }
        int rc = 0;
        for (size_t i = 0; i < length && rc == 0; i++)
                switch (xpm_shell_step(&r->state, text[i])) {
                case XPM_SHELL_LETTER: add_text(r, &text[i], 1); break;
                case XPM_SHELL_SYNTAX: r->present = true; break;
                case XPM_SHELL_OPAQUE: obscure(r); break;
                case XPM_SHELL_BREAK:
                case XPM_SHELL_NUMBER:
                        rc = end_word(r);
                        r->written |= text[i] == '>' && xpm_shell_place(&r->state) == XPM_SHELL_PLAIN;
                        break;
                }
        return rc;
}

/* What a tag says that is the same for all jobs of the plan, or NULL. */
static const char *constant(const reader *r, const xpm_mustache_tag *tag)
{
        const xpm_name *name = tag->binding;
        if (name && name->place == XPM_PLACE_LEAF && name->leaf == XPM_LEAF_EXPERIMENT_DIR)
                return r->plan->document.source->dir;
        if (name && name->place == XPM_PLACE_VALUE && name->value.kind == XPM_STR)
                return name->value.string->data;
        return NULL;
}

int xpm_command_words(const xpm_plan *plan, const xpm_template *template, xpm_word_visitor visit, void *data,
                      xpm_error *err)
{
        reader r = {.plan = plan,
                    .shell = template->shell,
                    .state = XPM_SHELL_START,
                    .complete = true,
                    .visit = visit,
                    .data = data};
        int rc = 0;
        for (size_t i = 0; i < template->code.count && rc == 0; i++) {
                const xpm_mustache_tag *tag = &template->code.tags[i];
                if (tag->kind == XPM_MUSTACHE_TEXT)
                        rc = read_text(&r, tag->text, tag->length);
                if (tag->kind != XPM_MUSTACHE_VARIABLE && tag->kind != XPM_MUSTACHE_RAW)
                        continue;
                const char *text = constant(&r, tag);
                if (text)
                        add_text(&r, text, strlen(text));
                else
                        obscure(&r);
                xpm_shell_value(&r.state);
        }
        if (rc == 0)
                rc = end_word(&r);
        if (rc == XPM_ENOMEM || r.word.failed)
                rc = xpm_fail_memory(err);
        xpm_text_release(&r.word);
        return rc;
}

/* --- paths --- */

typedef struct paths {
        const xpm_plan *plan;
        const xpm_templates *templates;
        const char *dir;           /* of the experiment file */
        bool first;                /* the command's own word is still to come */
        bool moves;                /* there is a `cd`: nobody knows where */
        xpm_text relative, beside; /* the command, and a file beside the experiment file; "" none */
} paths;

static bool is_assignment(const xpm_word *word)
{
        size_t length = 0;
        const char *text = word->text;
        while (length < word->known &&
               (text[length] == '_' || (text[length] >= '0' && text[length] <= '9') ||
                (text[length] >= 'A' && text[length] <= 'Z') || (text[length] >= 'a' && text[length] <= 'z')))
                length++;
        return length > 0 && length < word->known && text[length] == '=' && (text[0] < '0' || text[0] > '9');
}

/* 1, 0, or XPM_ENOMEM. */
static int is_file(const char *dir, const char *name)
{
        struct stat status;
        char *path = xpm_path_join(dir, name);
        int file = !path ? XPM_ENOMEM : stat(path, &status) == 0 && S_ISREG(status.st_mode);
        free(path);
        return file;
}

static int visit_path(void *data, const xpm_word *word)
{
        paths *p = data;
        int file = 0;
        bool absolute = word->known == 0 || strchr("/~-", word->text[0]) != NULL;
        if (!p->templates->list && p->first && is_assignment(word))
                return 0;
        if (p->first && !absolute && memchr(word->text, '/', word->known))
                xpm_text_append(&p->relative, word->text, word->known);
        else if (word->complete && (strcmp(word->text, "cd") == 0 || strcmp(word->text, "pushd") == 0))
                p->moves = true;
        else if (!p->first && !absolute && word->complete && p->beside.length == 0)
                file = is_file(p->dir, word->text);
        if (file > 0)
                xpm_text_append(&p->beside, word->text, word->length);
        p->first = false;
        return file < 0 ? file : 0;
}

/* The command as it should be written: the line with the path, and the directory before it. */
static int fail_relative(const paths *p, xpm_error *err)
{
        const xpm_template *command = &p->templates->command[0];
        const char *line = command->node->text, *path = xpm_text_string(&p->relative);
        const char *at = strstr(line, path);
        for (const char *start = at; at && start > line; start--)
                if (start[-1] == '\n')
                        line = start;
        size_t shown = at ? (size_t)(at - line) : 0, skip = strncmp(path, "./", 2) == 0 ? 2 : 0;
        int opening = shown > 0 && strchr("\"'", line[shown - 1]) != NULL; /* no template stands in quotes */
        size_t length = strcspn(line + shown + skip, "\n");
        bool more = p->templates->list ? p->templates->command_count > 1
                                       : line[shown + skip + length] == '\n' && line[shown + skip + length + 1] != '\0';
        bool twice = memchr(line, '"', shown + skip + length), once = memchr(line, '\'', shown + skip + length);
        const char *quote = !twice ? "\"" : once ? "" : "'"; /* with both it is to stand in a block */
        return xpm_fail_at(
                err, command->node->pos,
                "the command begins with the relative path '%s', and a job runs in its own directory: write %s%s%.*s"
                "{{experiment.dir}}/%.*s%.*s%s%s%s%s, or set 'cwd'",
                path, p->templates->list ? "[" : "", quote, (int)shown - opening, line, opening, line + shown - opening,
                (int)length, line + shown + skip, more && !p->templates->list ? " …" : "", quote,
                *quote ? "" : " below a '|'", p->templates->list ? more ? ", …]" : "]" : "");
}

static void warn_beside(const paths *p, const xpm_log *log)
{
        char where[512];
        const char *name = xpm_text_string(&p->beside);
        xpm_pos_print(p->templates->command[0].node->pos, where, sizeof where);
        xpm_warn(log,
                 "%s: '%s' is a file beside the experiment file, and a job runs in its own directory: write "
                 "{{experiment.dir}}/%s, or set 'cwd'",
                 where, name, strncmp(name, "./", 2) == 0 ? name + 2 : name);
}

int xpm_command_check_paths(const xpm_plan *plan, const xpm_templates *templates, const xpm_log *log, xpm_error *err)
{
        paths p = {.plan = plan, .templates = templates, .dir = plan->document.source->dir, .first = true};
        int rc = 0;
        for (size_t i = 0; !templates->cwd && i < templates->command_count && rc == 0; i++)
                rc = xpm_command_words(plan, &templates->command[i], visit_path, &p, err);
        if (rc == 0 && (p.relative.failed || p.beside.failed))
                rc = xpm_fail_memory(err);
        if (rc == 0 && p.relative.length > 0)
                rc = fail_relative(&p, err);
        else if (rc == 0 && p.beside.length > 0 && !p.moves)
                warn_beside(&p, log);
        xpm_text_release(&p.relative);
        xpm_text_release(&p.beside);
        return rc;
}

/* --- expansions --- */

typedef struct expansion {
        const char *name;
        size_t length;
} expansion;

/* A word that gives the variable a value, or may: `x=1`, `x+=1`, `x[0]=1`, `read x`, `for x in`. */
static int visit_assignment(void *data, const xpm_word *word)
{
        const expansion *e = data;
        if (word->known < e->length || memcmp(word->text, e->name, e->length) != 0)
                return 0;
        char next = word->text[e->length];
        return word->known == e->length ? word->complete : next == '=' || next == '+' || next == '[';
}

/* An argument may be a script for a shell that the command starts. */
static bool may_be_set_in(const xpm_template *argument, const expansion *e)
{
        for (const char *at = argument->node->text; *at; at++)
                if (strncmp(at, e->name, e->length) == 0 && at[e->length] == '=')
                        return true;
        return false;
}

static int is_set(const xpm_plan *plan, const xpm_templates *templates, const expansion *e, xpm_error *err)
{
        for (size_t i = 0; i < templates->env_count; i++)
                if (strlen(templates->env[i].name) == e->length &&
                    memcmp(templates->env[i].name, e->name, e->length) == 0)
                        return 1;
        int rc = 0;
        if (templates->setup)
                rc = xpm_command_words(plan, templates->setup, visit_assignment, (void *)e, err);
        for (size_t i = 0; i < templates->command_count && rc == 0; i++)
                rc = templates->list
                             ? may_be_set_in(&templates->command[i], e)
                             : xpm_command_words(plan, &templates->command[i], visit_assignment, (void *)e, err);
        return rc;
}

/* `${name}` at the start of TEXT: the length of the name, or 0. */
static size_t expansion_length(const char *text)
{
        if (text[0] != '$' || text[1] != '{')
                return 0;
        size_t length = strspn(text + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
        return text[2 + length] == '}' ? length : 0;
}

static int check_expansion(const xpm_plan *plan, const xpm_templates *templates, const xpm_template *template,
                           size_t offset, const expansion *e, xpm_error *err)
{
        if (!xpm_config_value_exists(&plan->document, e->name, e->length))
                return 0;
        int set = is_set(plan, templates, e, err);
        if (set != 0)
                return set < 0 ? set : 0;
        return xpm_fail_at(err, xpm_node_locate(template->node, offset),
                           "'${%.*s}' belongs to the shell, which knows no such variable: for the configuration value "
                           "write {{config.%.*s}}",
                           (int)e->length, e->name, (int)e->length, e->name);
}

static int check_expansions(const xpm_plan *plan, const xpm_templates *templates, const xpm_template *template,
                            xpm_error *err)
{
        xpm_shell_state state = XPM_SHELL_START;
        int rc = 0;
        for (size_t i = 0; i < template->code.count && rc == 0; i++) {
                const xpm_mustache_tag *tag = &template->code.tags[i];
                if (tag->kind != XPM_MUSTACHE_TEXT) {
                        xpm_shell_value(&state);
                        continue;
                }
                for (size_t j = 0; j < tag->length && rc == 0; j++) {
                        const expansion e = {tag->text + j + 2, expansion_length(tag->text + j)};
                        if (e.length > 0 && (!template->shell || xpm_shell_expands(&state)))
                                rc = check_expansion(plan, templates, template, tag->offset + j, &e, err);
                        xpm_shell_step(&state, tag->text[j]);
                }
        }
        return rc;
}

int xpm_command_check_expansions(const xpm_plan *plan, const xpm_templates *templates, xpm_error *err)
{
        int rc = templates->setup ? check_expansions(plan, templates, templates->setup, err) : 0;
        for (size_t i = 0; i < templates->command_count && rc == 0; i++)
                rc = check_expansions(plan, templates, &templates->command[i], err);
        return rc;
}
