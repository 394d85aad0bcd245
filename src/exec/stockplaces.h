/* stockplaces.h: which place of a stock's file stands for which core and device of a topology
 */
#ifndef XPM_EXEC_STOCKPLACES_H
#define XPM_EXEC_STOCKPLACES_H

#include "exec/stockfile.h"
#include "exec/topology.h"

enum { XPM_NO_ITEM = UINT16_MAX };

/* ITEM[place] becomes the number of the core or device that has it, XPM_NO_ITEM elsewhere; CORES and DEVICES get the
 * numbers of those that have places. With ADD devices that are new are entered in the table. */
void xpm_stockplaces_map(const xpm_topology *topology, xpm_stock_table *table, bool add, uint16_t item[XPM_PLACES],
                         xpm_bits *cores, xpm_bits *devices);

#endif
