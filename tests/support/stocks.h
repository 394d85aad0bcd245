/* stocks.h: stocks in a directory of their own
 *
 *     cmocka_unit_test_setup_teardown(name, stocks_enter, place_leave)
 *
 * To be included after cmocka.h.
 */
#ifndef XPM_TEST_STOCKS_H
#define XPM_TEST_STOCKS_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/stock.h"
#include "hosts.h"
#include "place.h"

static const uint64_t GIB = (uint64_t)1 << 30;

static const char *const variables[] = {"XPM_STOCK",   "SLURM_JOB_ID",    "SLURM_STEP_ID",
                                        "XPM_JOB_DIR", "HWLOC_SYNTHETIC", "HWLOC_XMLFILE"};

static inline int stocks_enter(void **state)
{
        int rc = place_enter(state);
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
                unsetenv(variables[i]);
        setenv("XPM_STOCK", ((struct place *)*state)->path, 1);
        return rc != 0 || chmod(((struct place *)*state)->path, 0700) != 0;
}

static inline xpm_stock *open_stock(const struct host *host, const char *label)
{
        xpm_stock *stock = NULL;
        xpm_text note = XPM_TEXT_INIT;
        xpm_error err = XPM_ERROR_NONE;
        assert_int_equal(xpm_stock_open(&host->topology, label, &stock, &note, &err), 0);
        assert_string_equal(xpm_text_string(&note), "");
        xpm_text_release(&note);
        return stock;
}

static inline xpm_portion portion(int first, int end)
{
        xpm_portion out = {.memory = 0};
        for (int i = first; i < end; i++)
                xpm_bits_add(&out.cores, (unsigned)i);
        return out;
}

static inline bool claim(xpm_stock *stock, int first, int end)
{
        const xpm_portion wanted = portion(first, end);
        return xpm_stock_claim(stock, &wanted);
}

static inline void give(xpm_stock *stock, int first, int end)
{
        const xpm_portion part = portion(first, end);
        xpm_stock_give(stock, &part);
}

static inline void assert_cores(const xpm_bits *cores, int first, int end)
{
        const xpm_portion expected = portion(first, end);
        assert_memory_equal(cores, &expected.cores, sizeof *cores);
}

static inline void want(xpm_stock *stock, size_t cores)
{
        const xpm_appetite need = {.cores = cores}, used = {0};
        xpm_stock_want(stock, &need, &used);
}

#endif
