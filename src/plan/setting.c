/* One table: the key, and the function that checks its value. What may be a template is only seen to be a text; numbers
 * and names that are no templates are checked here, so that their errors come when the file is read and not for the
 * first job. */
#include "plan/setting.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/words.h"
#include "model/requirement.h"
#include "plan/declare.h"

enum { SHOWN = 60 };

bool xpm_is_template(const char *text)
{
        return strstr(text, "{{") != NULL;
}

static const char *found(const xpm_node *node)
{
        return node->kind == XPM_NODE_MAPPING    ? "a mapping"
               : node->kind == XPM_NODE_SEQUENCE ? "a list"
               : xpm_node_is_null(node)          ? "nothing"
                                                 : "a text";
}

static int refuse(const xpm_node *node, const char *what, const char *expected, xpm_error *err)
{
        if (node->kind == XPM_NODE_SCALAR && !xpm_node_is_null(node))
                return xpm_fail_at(err, node->pos, "'%s': expected %s, found '%.*s'", what, expected, SHOWN,
                                   node->text);
        return xpm_fail_at(err, node->pos, "'%s': expected %s, found %s", what, expected, found(node));
}

int xpm_check_text(const xpm_node *node, const char *what, xpm_error *err)
{
        if (node->kind != XPM_NODE_SCALAR || xpm_node_is_null(node))
                return refuse(node, what, "a text", err);
        return 0;
}

static int check_filled(const xpm_node *node, const char *what, xpm_error *err)
{
        int rc = xpm_check_text(node, what, err);
        if (rc == 0 && node->length == 0)
                rc = xpm_fail_at(err, node->pos, "'%s' is empty", what);
        if (rc == 0 && memchr(node->text, '\0', node->length))
                rc = xpm_fail_at(err, node->pos, "'%s' cannot hold a NUL", what);
        return rc;
}

int xpm_check_bool(const xpm_node *node, const char *what, bool *out, xpm_error *err)
{
        if (node->kind == XPM_NODE_SCALAR && !node->quoted) {
                if (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0) {
                        *out = node->text[0] == 't';
                        return 0;
                }
        }
        return refuse(node, what, "true or false", err);
}

/* An int of at least LEAST, or a template of one. */
static int check_count(const xpm_node *node, const char *what, int64_t least, xpm_error *err)
{
        int64_t value;
        if (node->kind != XPM_NODE_SCALAR || !xpm_int_parse(node->text, node->length, &value, NULL)) {
                if (node->kind == XPM_NODE_SCALAR && xpm_is_template(node->text))
                        return 0;
                return refuse(node, what, "an int", err);
        }
        if (node->quoted)
                return xpm_fail_at(err, node->pos, "'%s': expected an int, found the text '%s': remove the quotes",
                                   what, node->text);
        if (value < least)
                return xpm_fail_at(err, node->pos, "'%s' is at least %" PRId64 ", found %s", what, least, node->text);
        return 0;
}

static int check_mapping(const xpm_node *node, const char *what, xpm_error *err)
{
        return node->kind == XPM_NODE_MAPPING ? 0 : refuse(node, what, "a mapping", err);
}

/* A list of COUNT > 0 texts; one text becomes a list. */
static int as_list(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        if ((*node)->kind == XPM_NODE_SCALAR) {
                xpm_node *list = xpm_node_sequence(arena, (*node)->pos);
                if (!list || xpm_node_append(arena, list, (xpm_node *)*node) != 0)
                        return xpm_fail_memory(err);
                list->layer = (*node)->layer;
                *node = list;
        }
        if ((*node)->kind != XPM_NODE_SEQUENCE)
                return refuse(*node, key, "a list", err);
        int rc = 0;
        for (size_t i = 0; i < (*node)->item_count && rc == 0; i++)
                rc = check_filled((*node)->items[i], key, err);
        return rc;
}

/* Files in the job's directory. */

static bool begins(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_own_file(const char *name, size_t length, const char *script)
{
        static const char *const own[] = {"params.json", "locks.json", ".experimaestro"};
        static const char *const suffixes[] = {".sh", ".out", ".err", ".pid", ".done", ".failed", ".lock"};
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
                if (strlen(own[i]) == length && begins(name, own[i]))
                        return true;
        size_t stem = script ? strlen(script) : 0;
        if (!script || length <= stem || !begins(name, script))
                return false;
        const char *rest = name + stem;
        length -= stem;
        for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
                if (strlen(suffixes[i]) == length && begins(rest, suffixes[i]))
                        return true;
        /* The logs of earlier tries: .out.1 */
        if (!begins(rest, ".out.") && !begins(rest, ".err."))
                return false;
        size_t digits = strspn(rest + strlen(".out."), "0123456789");
        return digits > 0 && strlen(".out.") + digits == length;
}

/* Does a part between slashes have more bytes than a filesystem takes? */
static bool has_long_part(const char *name)
{
        for (size_t length; *name; name += length + (name[length] == '/'))
                if ((length = strcspn(name, "/")) > NAME_MAX)
                        return true;
        return false;
}

int xpm_check_inside(const char *name, size_t length, const char *what, const char *script, xpm_pos pos, xpm_error *err)
{
        size_t first = strcspn(name, "/");
        bool dots = false; /* a component `.` would let `./params.json` pass */
        for (size_t i = 0; name[i]; i++)
                if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
                        return xpm_fail_at(err, pos,
                                           "the name of %s cannot hold the character U+%04X: choose a name without it",
                                           what, (unsigned)name[i]);
        for (const char *at = name; at; at = strchr(at, '/')) {
                at += *at == '/';
                dots |= at[0] == '.' && (at[1] == '/' || at[1] == '\0');
        }
        if (strlen(name) != length || length == 0 || dots || !xpm_path_is_inside(name))
                return xpm_fail_at(
                        err, pos,
                        "'%.*s' cannot be %s: expected a relative name inside the job's directory, without '.' or '..'",
                        SHOWN, name, what);
        if (!xpm_is_template(name) && has_long_part(name))
                return xpm_fail_at(err, pos, "'%.*s…' is too long for the name of %s: at most %d bytes between slashes",
                                   SHOWN, name, what, NAME_MAX);
        if (is_own_file(name, first, script))
                return xpm_fail_at(err, pos, "'%.*s' cannot be %s: the job keeps '%.*s' for itself", SHOWN, name, what,
                                   (int)first, name);
        return 0;
}

/* The keys. */

static int check_command(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        if ((*node)->kind == XPM_NODE_MAPPING)
                return refuse(*node, key, "a text, or a list of words", err);
        if ((*node)->kind == XPM_NODE_SCALAR) {
                int rc = check_filled(*node, key, err);
                if (rc == 0 && strspn((*node)->text, " \t\r\n") == (*node)->length)
                        rc = xpm_fail_at(err, (*node)->pos, "'%s' is empty", key);
                return rc;
        }
        if ((*node)->item_count == 0)
                return xpm_fail_at(err, (*node)->pos, "'%s' is empty", key);
        int rc = check_filled((*node)->items[0], key, err);
        /* Other words may be empty, and so may what looks like null: it is a text. */
        for (size_t i = 1; i < (*node)->item_count && rc == 0; i++) {
                const xpm_node *word = (*node)->items[i];
                if (word->kind != XPM_NODE_SCALAR || (word->length == 0 && !word->quoted))
                        rc = refuse(word, key, "words, in quotes where they are empty or have { } [ ] ,", err);
                else if (memchr(word->text, '\0', word->length))
                        rc = xpm_fail_at(err, word->pos, "'%s' cannot hold a NUL", key);
        }
        (void)arena;
        return rc;
}

/* The words of a shell that was written as one text. */
static int split_words(xpm_arena *arena, const xpm_node **node, xpm_error *err)
{
        const xpm_node *text = *node;
        xpm_node *list = xpm_node_sequence(arena, text->pos);
        if (!list)
                return xpm_fail_memory(err);
        list->layer = text->layer;
        for (const char *at = text->text + strspn(text->text, " \t"); *at; at += strspn(at, " \t")) {
                size_t length = strcspn(at, " \t");
                xpm_node *word = xpm_node_scalar(arena, text->pos, at, length, true);
                if (!word || xpm_node_append(arena, list, word) != 0)
                        return xpm_fail_memory(err);
                at += length;
        }
        *node = list;
        return 0;
}

static int check_shell(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        static const char *const shells[] = {"sh", "bash", "dash", "ksh", "mksh", "zsh", "busybox", "ash", "yash"};
        int rc = 0;
        if ((*node)->kind == XPM_NODE_SCALAR)
                rc = split_words(arena, node, err);
        if (rc == 0)
                rc = as_list(arena, key, node, err);
        if (rc != 0)
                return rc;
        if ((*node)->item_count == 0)
                return xpm_fail_at(err, (*node)->pos, "'%s' is empty", key);
        const xpm_node *first = (*node)->items[0];
        const char *slash = strrchr(first->text, '/');
        const char *name = slash ? slash + 1 : first->text;
        for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
                if (strcmp(name, shells[i]) == 0)
                        return 0;
        return xpm_fail_at(err, first->pos,
                           "'%.*s' is no shell for a run file: expected sh, bash, dash, ksh, mksh, zsh, ash, yash or "
                           "busybox; to run "
                           "another interpreter, make 'command' a list, or a shell command with a here-document",
                           SHOWN, first->text);
}

static int check_any_text(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        (void)arena;
        return check_filled(*node, key, err);
}

static int check_requirements(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        xpm_requirement requirement;
        xpm_error inner = XPM_ERROR_NONE;
        int rc = check_filled(*node, key, err);
        if (rc != 0 || xpm_is_template((*node)->text))
                return rc;
        rc = xpm_requirement_parse(arena, (*node)->text, &requirement, &inner);
        if (rc == XPM_ENOMEM)
                return xpm_fail_memory(err);
        return rc == 0 ? 0 : xpm_fail_at(err, (*node)->pos, "%s", inner.message);
}

static int check_outputs(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        int rc = as_list(arena, key, node, err);
        for (size_t i = 0; rc == 0 && i < (*node)->item_count; i++) {
                const xpm_node *item = (*node)->items[i];
                if (!xpm_is_template(item->text))
                        rc = xpm_check_inside(item->text, item->length, "an output", NULL, item->pos, err);
        }
        return rc;
}

static int check_variable(const xpm_pair *pair, xpm_error *err)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
        size_t length = strspn(pair->key, letters);
        if (length == 0 || length != pair->key_length || (pair->key[0] >= '0' && pair->key[0] <= '9'))
                return xpm_fail_at(err, pair->key_pos,
                                   "'%.*s' cannot be the name of a variable: expected letters, digits and _", SHOWN,
                                   pair->key);
        const xpm_node *value = pair->value;
        if (value->kind != XPM_NODE_SCALAR)
                return refuse(value, pair->key, "a text", err);
        if (memchr(value->text, '\0', value->length))
                return xpm_fail_at(err, value->pos, "variable '%s' cannot hold a NUL", pair->key);
        return 0;
}

static int check_env(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        int rc = check_mapping(*node, key, err);
        for (size_t i = 0; rc == 0 && i < (*node)->pair_count; i++)
                rc = check_variable(&(*node)->pairs[i], err);
        (void)arena;
        return rc;
}

static int check_input_file(const xpm_pair *pair, xpm_error *err)
{
        static const char *const keys[] = {"template", "content", NULL};
        int rc = xpm_check_inside(pair->key, pair->key_length, "an input file", NULL, pair->key_pos, err);
        if (rc == 0)
                rc = check_mapping(pair->value, "files", err);
        if (rc == 0)
                rc = xpm_check_keys(pair->value, "an input file", keys, err);
        if (rc == 0 && pair->value->pair_count != 1)
                rc = xpm_fail_at(err, pair->value->pos,
                                 "input file '%s' needs either 'template: PATH' or 'content: TEXT'", pair->key);
        if (rc != 0)
                return rc;
        const xpm_node *value = pair->value->pairs[0].value;
        if (strcmp(pair->value->pairs[0].key, "template") == 0)
                return check_filled(value, "template", err);
        return value->kind == XPM_NODE_SCALAR ? 0 : refuse(value, "content", "a text", err);
}

/* A file cannot be the directory of another. */
static int check_apart(const xpm_node *files, size_t index, xpm_error *err)
{
        const xpm_pair *pair = &files->pairs[index];
        for (size_t i = 0; i < files->pair_count; i++) {
                const xpm_pair *other = &files->pairs[i];
                if (other->key_length < pair->key_length && pair->key[other->key_length] == '/' &&
                    memcmp(other->key, pair->key, other->key_length) == 0)
                        return xpm_fail_at(err, pair->key_pos,
                                           "input file '%s' needs a directory '%s', which is an input file itself",
                                           pair->key, other->key);
        }
        return 0;
}

static int check_files(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        int rc = check_mapping(*node, key, err);
        for (size_t i = 0; rc == 0 && i < (*node)->pair_count; i++) {
                rc = check_input_file(&(*node)->pairs[i], err);
                if (rc == 0)
                        rc = check_apart(*node, i, err);
        }
        (void)arena;
        return rc;
}

static int check_mpi(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        static const char *const keys[] = {"ranks", "per_node", NULL};
        int rc = check_mapping(*node, key, err);
        if (rc == 0)
                rc = xpm_check_keys(*node, "'mpi'", keys, err);
        if (rc == 0 && !xpm_node_get(*node, "ranks"))
                rc = xpm_fail_at(err, (*node)->pos, "'mpi' lacks 'ranks'");
        for (size_t i = 0; rc == 0 && i < (*node)->pair_count; i++)
                rc = check_count((*node)->pairs[i].value, (*node)->pairs[i].key, 1, err);
        (void)arena;
        return rc;
}

static int check_tokens(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        int rc = check_mapping(*node, key, err);
        for (size_t i = 0; rc == 0 && i < (*node)->pair_count; i++)
                rc = check_count((*node)->pairs[i].value, (*node)->pairs[i].key, 1, err);
        (void)arena;
        return rc;
}

static int check_resumable(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        bool value;
        (void)arena;
        return xpm_check_bool(*node, key, &value, err);
}

static int check_max_retries(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        (void)arena;
        if ((*node)->kind == XPM_NODE_SCALAR && xpm_is_template((*node)->text))
                return refuse(*node, key, "an int", err);
        return check_count(*node, key, 0, err);
}

static int check_transient(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        static const char *const words[] = {"true", "false", "remove"};
        (void)arena;
        for (size_t i = 0; (*node)->kind == XPM_NODE_SCALAR && i < sizeof words / sizeof *words; i++)
                if (strcmp((*node)->text, words[i]) == 0)
                        return 0;
        return refuse(*node, key, "true, false or remove", err);
}

static int check_reasons(const xpm_node *node, xpm_error *err)
{
        static const char *const reasons[] = {"timeout", "memory", "lost", "failed"};
        enum { COUNT = sizeof reasons / sizeof *reasons };
        if (node->kind != XPM_NODE_SEQUENCE)
                return refuse(node, "on", "a list of timeout, memory, lost, failed", err);
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < node->item_count; i++) {
                const xpm_node *item = node->items[i];
                bool known = false;
                rc = check_filled(item, "on", err);
                if (rc != 0)
                        break;
                for (size_t j = 0; j < COUNT; j++)
                        known |= strcmp(item->text, reasons[j]) == 0;
                if (known)
                        continue;
                const char *near = xpm_words_nearest(item->text, reasons, COUNT);
                rc = near ? xpm_fail_at(err, item->pos, "unknown reason '%.*s': did you mean '%s'?", SHOWN, item->text,
                                        near)
                          : refuse(item, "on", "timeout, memory, lost or failed", err);
        }
        return rc;
}

static int check_scale(const xpm_node *node, xpm_error *err)
{
        static const char *const keys[] = {"mem", "duration", NULL};
        int rc = check_mapping(node, "scale", err);
        if (rc == 0)
                rc = xpm_check_keys(node, "'scale'", keys, err);
        for (size_t i = 0; rc == 0 && i < node->pair_count; i++) {
                const xpm_node *value = node->pairs[i].value;
                double factor;
                if (value->kind != XPM_NODE_SCALAR || value->quoted ||
                    !xpm_float_parse(value->text, value->length, &factor, NULL) || !(factor > 0 && factor < 1e9))
                        rc = refuse(value, node->pairs[i].key, "a factor above 0, such as 2.0", err);
        }
        return rc;
}

static int check_retry(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        static const char *const keys[] = {"on", "times", "scale", NULL};
        const xpm_node *times = xpm_node_get(*node, "times"), *on = xpm_node_get(*node, "on"),
                       *scale = xpm_node_get(*node, "scale");
        int rc = check_mapping(*node, key, err);
        if (rc == 0)
                rc = xpm_check_keys(*node, "'retry'", keys, err);
        if (rc == 0 && !on)
                rc = xpm_fail_at(err, (*node)->pos,
                                 "'retry' lacks 'on': the reasons to try again, of timeout, memory, lost, failed");
        if (rc == 0)
                rc = check_reasons(on, err);
        if (rc == 0 && times)
                rc = check_max_retries(arena, "times", &times, err);
        if (rc == 0 && scale)
                rc = check_scale(scale, err);
        return rc;
}

int xpm_check_setting(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err)
{
        static const struct {
                const char *key;
                int (*check)(xpm_arena *arena, const char *key, const xpm_node **node, xpm_error *err);
        } settings[] = {
                {"command", check_command},     {"shell", check_shell},       {"setup", check_any_text},
                {"modules", as_list},           {"env", check_env},           {"files", check_files},
                {"cwd", check_any_text},        {"mpi", check_mpi},           {"requirements", check_requirements},
                {"tokens", check_tokens},       {"outputs", check_outputs},   {"resumable", check_resumable},
                {"retry", check_retry},         {"launcher", check_any_text}, {"max_retries", check_max_retries},
                {"transient", check_transient},
        };
        if (xpm_node_is_null(*node)) {
                *node = NULL;
                return 0;
        }
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
                if (strcmp(settings[i].key, key) == 0)
                        return settings[i].check(arena, key, node, err);
        return xpm_fail_at(err, (*node)->pos, "unknown setting '%s'", key);
}
