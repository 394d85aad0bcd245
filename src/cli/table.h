/* table.h: rows with columns, as wide as they need to be
 *
 *     xpm_table table;
 *     xpm_table_init(&table, (const char *const[]){"STATE", "JOB", NULL});
 *     xpm_table_cell(&table, "done");
 *     xpm_table_cell(&table, "train/0a1b2c");
 *     rc = xpm_table_print(&table, stdout);
 *     xpm_table_release(&table);
 */
#ifndef XPM_CLI_TABLE_H
#define XPM_CLI_TABLE_H

#include <stdio.h>

#include "base/text.h"

enum { XPM_TABLE_COLUMNS = 16 };

typedef struct xpm_table {
        xpm_text cells; /* each ended by NUL, row after row */
        size_t columns, next, widths[XPM_TABLE_COLUMNS];
} xpm_table;

/* HEADINGS end with NULL. */
void xpm_table_init(xpm_table *table, const char *const *headings);
/* The next cell, NULL for an empty one; a row is full when every column has one. Control characters become `?`. */
void xpm_table_cell(xpm_table *table, const char *text);
void xpm_table_number(xpm_table *table, size_t number);
/* 0, XPM_ENOMEM, or XPM_EIO when the stream fails. */
int xpm_table_print(const xpm_table *table, FILE *out);
void xpm_table_release(xpm_table *table);

#endif
