/* Mappings with known keys, and names: the checks that every mapping of the experiment file goes through. */
#include "plan/declare.h"

#include <string.h>

#include "base/words.h"

enum { NAME_LENGTH = 200, SHOWN = 60 };

static size_t length_of(const char *const *words)
{
        size_t count = 0;
        while (words[count])
                count++;
        return count;
}

int xpm_check_keys(const xpm_node *node, const char *what, const char *const *keys, xpm_error *err)
{
        if (node->kind != XPM_NODE_MAPPING)
                return xpm_fail_at(err, node->pos, "%s is a mapping: expected 'key: value'", what);
        size_t count = length_of(keys);
        for (size_t i = 0; i < node->pair_count; i++) {
                const xpm_pair *pair = &node->pairs[i];
                size_t known = 0;
                while (known < count && (strlen(keys[known]) != pair->key_length ||
                                         memcmp(keys[known], pair->key, pair->key_length) != 0))
                        known++;
                if (known < count)
                        continue;
                const char *near = xpm_words_nearest(pair->key, keys, count);
                if (near)
                        return xpm_fail_at(err, pair->key_pos, "unknown key '%.*s' in %s: did you mean '%s'?", SHOWN,
                                           pair->key, what, near);
                xpm_text list = XPM_TEXT_INIT;
                for (size_t j = 0; j < count; j++)
                        xpm_text_printf(&list, "%s%s", j ? ", " : "", keys[j]);
                int rc = xpm_fail_at(err, pair->key_pos, "unknown key '%.*s' in %s: expected one of %s", SHOWN,
                                     pair->key, what, xpm_text_string(&list));
                xpm_text_release(&list);
                return rc;
        }
        return 0;
}

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *name, bool dots)
{
        if (!is_letter(*name))
                return false;
        for (; is_letter(*name) || (*name >= '0' && *name <= '9'); name++)
                ;
        return *name == '\0' || (*name == '.' && dots && is_name(name + 1, true));
}

int xpm_check_name(const char *name, xpm_pos pos, bool dots, const char *what, xpm_error *err)
{
        if (strlen(name) > NAME_LENGTH)
                return xpm_fail_at(err, pos, "'%.*s…' is too long for the name of %s: at most %d bytes", SHOWN, name,
                                   what, NAME_LENGTH);
        if (!is_name(name, dots))
                return xpm_fail_at(err, pos,
                                   "'%s' cannot be the name of %s: expected letters, digits and _, no digit first%s",
                                   name, what, dots ? "; dots between such names" : "");
        return 0;
}
