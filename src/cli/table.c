/* Cells are kept until all are known, since the widest decides; the last column is not padded. */
#include "cli/table.h"

#include <string.h>

#include "experimaestro/error.h"

enum { GAP = 2 };

/* Characters, each taken for one column wide. */
static size_t width_of(const char *text)
{
        size_t width = 0;
        for (; *text; text++)
                width += ((unsigned char)*text & 0xc0) != 0x80;
        return width;
}

void xpm_table_init(xpm_table *table, const char *const *headings)
{
        *table = (xpm_table){.cells = XPM_TEXT_INIT};
        while (headings[table->columns] && table->columns < XPM_TABLE_COLUMNS)
                table->columns++;
        for (size_t i = 0; i < table->columns; i++)
                xpm_table_cell(table, headings[i]);
}

void xpm_table_cell(xpm_table *table, const char *text)
{
        size_t start = table->cells.length, column = table->next++ % table->columns;
        for (const char *at = text ? text : ""; *at; at++)
                xpm_text_putc(&table->cells, (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at);
        xpm_text_putc(&table->cells, '\0');
        if (table->cells.failed)
                return;
        size_t width = width_of(table->cells.data + start);
        if (width > table->widths[column])
                table->widths[column] = width;
}

void xpm_table_number(xpm_table *table, size_t number)
{
        char text[24];
        snprintf(text, sizeof text, "%zu", number);
        xpm_table_cell(table, text);
}

int xpm_table_print(const xpm_table *table, FILE *out)
{
        if (table->cells.failed)
                return XPM_ENOMEM;
        const char *cell = table->cells.data;
        for (size_t i = 0; i < table->next; i++, cell += strlen(cell) + 1) {
                size_t column = i % table->columns;
                fputs(cell, out);
                if (column + 1 == table->columns)
                        putc('\n', out);
                else
                        fprintf(out, "%*s", (int)(table->widths[column] - width_of(cell) + GAP), "");
        }
        return fflush(out) == 0 && !ferror(out) ? 0 : XPM_EIO;
}

void xpm_table_release(xpm_table *table)
{
        xpm_text_release(&table->cells);
}
