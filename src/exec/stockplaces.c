#include "exec/stockplaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/stock.h"

/* Devices are known by their address, so that processes that see others before them agree; several of one address by
 * their order. */
static uint64_t device_key(const xpm_topology *topology, size_t gpu)
{
        unsigned domain, bus, slot, function;
        const char *pci = topology->gpus[gpu].pci;
        if (!pci || sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
                return UINT64_C(1) << 63 | gpu;
        uint64_t same = 1;
        for (size_t i = 0; i < gpu; i++)
                same += topology->gpus[i].pci && strcmp(topology->gpus[i].pci, pci) == 0;
        return (uint64_t)domain << 24 | (bus & 0xff) << 16 | (slot & 0xff) << 8 | (function & 0xff) | same << 48;
}

/* The device's place, -1 when the directory is full, or ADD is false and it is not there. */
static int device_place(xpm_stock_table *table, uint64_t key, bool add)
{
        for (int i = 0; i < XPM_STOCK_DEVICES; i++) {
                uint64_t there = table->devices[i];
                if (there == 0 && add && atomic_compare_exchange_strong(&table->devices[i], &there, key))
                        there = key;
                if (there == key)
                        return XPM_PLACE_DEVICE + i;
        }
        return -1;
}

static void map_cores(const xpm_topology *topology, uint16_t *item, xpm_bits *all)
{
        for (size_t core = 0; core < topology->core_count && core < XPM_CORES; core++) {
                const uint32_t *pus = topology->pus + topology->cores[core].first_pu;
                size_t count = topology->cores[core].pu_count, known = 0;
                while (known < count && pus[known] < XPM_STOCK_PUS)
                        known++;
                if (known < count)
                        continue;
                xpm_bits_add(all, (unsigned)core);
                for (size_t i = 0; i < count; i++)
                        item[XPM_PLACE_PU + pus[i]] = (uint16_t)core;
        }
}

static void map_devices(const xpm_topology *topology, xpm_stock_table *table, bool add, uint16_t *item, xpm_bits *all)
{
        for (size_t gpu = 0; gpu < topology->gpu_count && gpu < XPM_DEVICES; gpu++) {
                int place = device_place(table, device_key(topology, gpu), add);
                if (place < 0)
                        continue;
                xpm_bits_add(all, (unsigned)gpu);
                item[place] = (uint16_t)gpu;
        }
}

void xpm_stockplaces_map(const xpm_topology *topology, xpm_stock_table *table, bool add, uint16_t item[XPM_PLACES],
                         xpm_bits *cores, xpm_bits *devices)
{
        memset(item, 0xff, XPM_PLACES * sizeof *item);
        map_cores(topology, item, cores);
        map_devices(topology, table, add, item, devices);
}

/* What is looked at for a list of holders. The last of `holders` is nobody. */
typedef struct view {
        xpm_stock_table *table;
        xpm_holder *holders;
        uint16_t item[XPM_PLACES];
        bool taken[XPM_PLACES], alive[XPM_STOCK_RECORDS];
        uint16_t holder_of[XPM_STOCK_RECORDS];
        size_t count;
} view;

static void name_holders(view *view_)
{
        for (size_t i = 0; i < XPM_STOCK_RECORDS; i++) {
                const xpm_stock_record *record = &view_->table->record[i];
                if (!view_->alive[i])
                        continue;
                xpm_holder *holder = &view_->holders[view_->count];
                holder->pid = record->pid;
                holder->waits = record->ticket != 0;
                memcpy(holder->label, record->label, sizeof holder->label - 1);
                view_->holder_of[i] = (uint16_t)view_->count++;
        }
}

static void give_places(view *view_, const xpm_topology *topology)
{
        bool orphans = false;
        for (size_t place = 0; place < XPM_PLACES; place++) {
                size_t owner = view_->table->owner[place];
                bool known = owner > 0 && owner <= XPM_STOCK_RECORDS && view_->alive[owner - 1];
                bool share = place >= XPM_PLACE_SHARE;
                if (!view_->taken[place] || (!share && view_->item[place] == XPM_NO_ITEM))
                        continue;
                xpm_portion *portion = &view_->holders[known ? view_->holder_of[owner - 1] : view_->count].portion;
                if (share)
                        portion->memory += view_->table->unit;
                else
                        xpm_bits_add(place >= XPM_PLACE_DEVICE ? &portion->gpus : &portion->cores, view_->item[place]);
                orphans |= !known;
        }
        view_->count += orphans;
        for (size_t i = 0; i < view_->count; i++)
                if (view_->holders[i].portion.memory > topology->memory)
                        view_->holders[i].portion.memory = topology->memory;
}

static int list(int fd, const xpm_topology *topology, view *view_, xpm_error *err)
{
        xpm_bits cores = {0}, devices = {0};
        view_->table = xpm_stockfile_map(fd, false);
        view_->holders = calloc(XPM_STOCK_RECORDS + 1, sizeof *view_->holders);
        if (!view_->table || !view_->holders)
                return xpm_fail_memory(err);
        xpm_stockplaces_map(topology, view_->table, false, view_->item, &cores, &devices);
        xpm_stockfile_scan(fd, 0, XPM_PLACES, view_->taken);
        xpm_stockfile_scan(fd, XPM_LOCK_RECORD, XPM_LOCK_END, view_->alive);
        name_holders(view_);
        give_places(view_, topology);
        return 0;
}

void xpm_stock_trouble(xpm_text *note)
{
        int fd = xpm_stockfile_look(note);
        if (fd >= 0)
                close(fd);
}

int xpm_stock_holders(const xpm_topology *topology, xpm_holder **out, size_t *count, xpm_error *err)
{
        int fd = xpm_stockfile_look(NULL);
        *out = NULL;
        *count = 0;
        if (fd < 0)
                return 0;
        view *view_ = calloc(1, sizeof *view_);
        int rc = view_ ? list(fd, topology, view_, err) : xpm_fail_memory(err);
        if (rc == 0) {
                *out = view_->holders;
                *count = view_->count;
        } else if (view_)
                free(view_->holders);
        if (view_)
                xpm_stockfile_unmap(view_->table);
        free(view_);
        close(fd);
        return rc;
}
