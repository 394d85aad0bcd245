/* What there is and who holds it, as it is now. */
#include "monitor/hostview.h"

#include <stdlib.h>

int xpm_host_describe(bool json, size_t width, xpm_text *text, xpm_text *note, xpm_error *err)
{
        xpm_topology *topology = NULL;
        xpm_holder *holders = NULL;
        size_t count = 0;
        int rc = xpm_topology_load(true, &topology, err);
        if (rc == 0)
                rc = xpm_stock_holders(topology, &holders, &count, err);
        xpm_stock_trouble(note);
        if (rc == 0 && json)
                xpm_host_write_json(topology, holders, count, text);
        else if (rc == 0)
                xpm_host_draw(topology, holders, count, width, text);
        if (rc == 0 && (text->failed || note->failed))
                rc = xpm_fail_memory(err);
        free(holders);
        xpm_topology_destroy(topology);
        return rc;
}
