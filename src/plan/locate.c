/* Where a byte of a scalar stands in its file. Nodes know where a scalar begins and what it says, not how it was
 * written; that is needed for messages alone, so the file is read again then. What is found there is compared with the
 * scalar's text, so a file that has changed, or a way of writing that is not understood, gives the beginning. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "plan/template.h"

enum { LARGEST = 64 * 1024 * 1024 };

/* The start of line NUMBER (from 1), or NULL. */
static const char *find_line(const char *text, uint32_t number)
{
        for (; text && number > 1; number--) {
                text = strchr(text, '\n');
                text = text ? text + 1 : NULL;
        }
        return text;
}

/* A literal block: each line of the text is a line of the file, further right. */
static void locate_block(const char *header, const xpm_node *node, size_t offset, xpm_pos *pos)
{
        const char *start = node->text, *newline;
        uint32_t line = pos->line + 1;
        while ((newline = memchr(start, '\n', (size_t)(node->text + offset - start)))) {
                start = newline + 1;
                line++;
        }
        size_t length = strcspn(start, "\n");
        const char *written = find_line(header, line - pos->line + 1);
        if (!written)
                return;
        size_t indent = strspn(written, " ");
        indent -= strspn(start, " ") < indent ? strspn(start, " ") : indent;
        if (strncmp(written + indent, start, length) != 0)
                return;
        pos->line = line;
        pos->column = (uint32_t)(indent + (size_t)(node->text + offset - start) + 1);
}

xpm_pos xpm_node_locate(const xpm_node *node, size_t offset)
{
        xpm_pos pos = node->pos;
        xpm_text text = XPM_TEXT_INIT;
        if (offset > node->length || !pos.source || !pos.source->path ||
            xpm_file_read(AT_FDCWD, pos.source->path, LARGEST, &text, NULL) != 0)
                goto out;
        const char *line = find_line(xpm_text_string(&text), pos.line);
        if (!line || strcspn(line, "\n") + 1 < pos.column)
                goto out;
        const char *written = line + pos.column - 1;
        if (*written == '|') {
                locate_block(line, node, offset, &pos);
                goto out;
        }
        size_t quote = *written == '"' || *written == '\'';
        if (strncmp(written + quote, node->text, offset) != 0)
                goto out;
        pos.column += (uint32_t)quote;
        for (size_t i = 0; i < offset; i++) {
                pos.line += node->text[i] == '\n';
                pos.column = node->text[i] == '\n' ? 1 : pos.column + 1;
        }
out:
        xpm_text_release(&text);
        return pos;
}
