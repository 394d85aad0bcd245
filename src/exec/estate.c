#include "exec/estate.h"

#include <stdlib.h>
#include <unistd.h>

struct xpm_estate {
        xpm_topology *topology;
        xpm_placement *placement;
        xpm_stock *stock;
        size_t cores, at_once;
        xpm_portion busy; /* of jobs */
        xpm_portion left; /* what there was for the last one that found no place in what we hold */
        uint8_t *sharers; /* for each core, of jobs that share it */
        size_t most;      /* that may share one; 1: nobody shares */
        xpm_lot lots;     /* a ring with a head that is no lot */
        size_t lot_count;
        xpm_tenant *tenants; /* room for all lots */
        bool waiting, told;  /* the stock knows that we wait */
};

int xpm_estate_open(const xpm_estate_options *options, xpm_estate **out, xpm_text *note, xpm_error *err)
{
        xpm_estate *estate = calloc(1, sizeof *estate);
        if (!estate) {
                if (options->stock >= 0)
                        close(options->stock);
                return xpm_fail_memory(err);
        }
        estate->lots.next = estate->lots.previous = &estate->lots;
        estate->at_once = options->at_once ? options->at_once : 1;
        int rc = xpm_topology_load(options->devices, &estate->topology, err);
        if (rc == 0)
                rc = xpm_placement_create(estate->topology, options->cores, options->memory, &estate->placement, err);
        if (rc == 0)
                rc = xpm_stock_open_file(options->stock, estate->topology, options->label ? options->label : "",
                                         &estate->stock, note, err);
        else if (options->stock >= 0)
                close(options->stock);
        if (rc == 0) {
                estate->cores = xpm_bits_count(&xpm_placement_all(estate->placement)->cores);
                estate->most = (estate->at_once + estate->cores - 1) / (estate->cores ? estate->cores : 1);
                estate->most = estate->most < 1 ? 1 : estate->most > UINT8_MAX ? UINT8_MAX : estate->most;
                estate->sharers = calloc(estate->topology->core_count + 1, sizeof *estate->sharers);
                estate->tenants = calloc(estate->at_once, sizeof *estate->tenants);
                if (!estate->sharers || !estate->tenants)
                        rc = xpm_fail_memory(err);
        }
        if (rc != 0)
                xpm_estate_close(estate);
        else
                *out = estate;
        return rc;
}

void xpm_estate_close(xpm_estate *estate)
{
        if (!estate)
                return;
        xpm_stock_close(estate->stock);
        xpm_placement_destroy(estate->placement);
        xpm_topology_destroy(estate->topology);
        free(estate->sharers);
        free(estate->tenants);
        free(estate);
}

static void add(xpm_portion *to, const xpm_portion *part)
{
        xpm_bits_add_all(&to->cores, &part->cores);
        xpm_bits_add_all(&to->gpus, &part->gpus);
        to->memory += part->memory;
}

static void subtract(xpm_portion *from, const xpm_portion *part)
{
        xpm_bits_remove_all(&from->cores, &part->cores);
        xpm_bits_remove_all(&from->gpus, &part->gpus);
        from->memory = from->memory > part->memory ? from->memory - part->memory : 0;
}

static xpm_amount count(const xpm_portion *portion)
{
        return (xpm_amount){xpm_bits_count(&portion->cores), xpm_bits_count(&portion->gpus), portion->memory};
}

/* Of FREE, in which our jobs have no part, what launchers.yaml lets us have beside them. */
static void keep_ours(const xpm_estate *estate, xpm_portion *free_)
{
        const xpm_portion *all = xpm_placement_all(estate->placement), *busy = &estate->busy;
        uint64_t memory = all->memory > busy->memory ? all->memory - busy->memory : 0;
        xpm_bits_keep_all(&free_->cores, &all->cores);
        xpm_bits_keep_all(&free_->gpus, &all->gpus);
        free_->memory = free_->memory < memory ? free_->memory : memory;
}

static xpm_portion idle(const xpm_estate *estate)
{
        xpm_portion portion = *xpm_stock_held(estate->stock);
        subtract(&portion, &estate->busy);
        return portion;
}

/* A place in what we hold, or in what nobody holds, which is claimed then. FIRST: we wait for what is missing. */
static bool find_place(xpm_estate *estate, const xpm_demand *demand, bool first, xpm_portion *out)
{
        xpm_portion free_ = idle(estate);
        keep_ours(estate, &free_);
        if (xpm_placement_choose(estate->placement, &free_, demand, out))
                return true;
        xpm_stock_look(estate->stock, &free_);
        subtract(&free_, &estate->busy);
        keep_ours(estate, &free_);
        estate->left = free_;
        bool by_others = xpm_placement_choose(estate->placement, &free_, demand, out);
        if (by_others) { /* unless somebody is faster */
                xpm_portion wanted = *out;
                wanted.memory += estate->busy.memory;
                if (xpm_stock_claim(estate->stock, &wanted))
                        return true;
        }
        const xpm_portion *all = xpm_placement_all(estate->placement);
        const xpm_amount ours = count(&estate->busy), left = count(&free_), total = count(all);
        by_others |= left.cores + ours.cores < total.cores || left.gpus + ours.gpus < total.gpus ||
                     left.memory + ours.memory < total.memory || estate->lots.next == &estate->lots;
        if (first && by_others) {
                const xpm_appetite need = {demand->cores, demand->gpu_count, demand->memory};
                const xpm_appetite has = {ours.cores, ours.gpus, ours.memory};
                xpm_stock_want(estate->stock, &need, &has);
                estate->waiting = estate->told = true;
        }
        return false;
}

/* The core that fewest share and that has room for another one; -1. */
static int find_shared(const xpm_estate *estate)
{
        int best = -1;
        for (int core = -1; (core = xpm_bits_next(&estate->busy.cores, core)) >= 0;)
                if (estate->sharers[core] > 0 && estate->sharers[core] < estate->most &&
                    (best < 0 || estate->sharers[core] < estate->sharers[best]))
                        best = core;
        return best;
}

static bool find_lot(xpm_estate *estate, const xpm_need *need, const xpm_demand *demand, bool first, xpm_lot *lot)
{
        bool may_share = need->implied && estate->most > 1;
        lot->shared = false;
        if (find_place(estate, demand, first, &lot->portion)) {
                lot->shared = may_share;
        } else {
                int core = may_share ? find_shared(estate) : -1;
                if (core < 0)
                        return false;
                lot->portion = (xpm_portion){0};
                xpm_bits_add(&lot->portion.cores, (unsigned)core);
                lot->shared = true;
        }
        return true;
}

/* What there is at most, for a demand that is more. */
static void curb(const xpm_estate *estate, xpm_demand *demand)
{
        const xpm_portion *all = xpm_placement_all(estate->placement);
        if (xpm_placement_check(estate->placement, demand, NULL) == 0)
                return;
        demand->cores = demand->cores < estate->cores ? demand->cores : estate->cores;
        demand->memory = demand->memory < all->memory ? demand->memory : all->memory;
        if (xpm_placement_check(estate->placement, demand, NULL) != 0)
                demand->gpu_count = demand->gpu_entries = 0;
}

/* Not of what we hold alone: of what nobody has, too. */
static void reserve(xpm_estate *estate, xpm_pass *pass, const xpm_amount *need)
{
        size_t tenants = 0;
        for (const xpm_lot *lot = estate->lots.next; lot != &estate->lots && tenants < estate->at_once; lot = lot->next)
                estate->tenants[tenants++] = (xpm_tenant){lot->amount, lot->ends, lot->passed_by == pass->passed};
        const xpm_amount amount = count(&estate->left);
        pass->reservation = xpm_reserve(need, &amount, estate->tenants, tenants, *pass->passed, estate->cores);
}

void xpm_estate_begin(xpm_estate *estate, xpm_pass *pass, int64_t now)
{
        *pass = (xpm_pass){.now = now};
        estate->waiting = false;
}

void xpm_estate_end(xpm_estate *estate)
{
        if (estate->told && !estate->waiting)
                xpm_stock_want(estate->stock, NULL, NULL);
        estate->told = estate->waiting;
}

bool xpm_estate_take(xpm_estate *estate, xpm_pass *pass, const xpm_need *need, size_t *passed, xpm_lot *lot)
{
        xpm_demand demand = xpm_demand_of(need);
        curb(estate, &demand);
        const xpm_amount amount = xpm_amount_of(&demand);
        int64_t duration = need->duration > 0 && need->duration < INT64_MAX / 1000 ? need->duration * 1000 : 0;
        if (pass->blocked && !xpm_may_pass(&pass->reservation, &amount, pass->now, duration))
                return false;
        if (!find_lot(estate, need, &demand, !pass->blocked, lot)) {
                if (!pass->blocked) {
                        pass->blocked = true;
                        pass->passed = passed;
                        reserve(estate, pass, &amount);
                }
                return false;
        }
        lot->passed_by = pass->blocked ? pass->passed : NULL;
        if (pass->blocked)
                *pass->passed += amount.cores;
        lot->amount = amount;
        lot->ends = duration && duration < INT64_MAX - pass->now ? pass->now + duration : INT64_MAX;
        lot->next = &estate->lots;
        lot->previous = estate->lots.previous;
        lot->previous->next = lot->next->previous = lot;
        if (lot->shared)
                estate->sharers[xpm_bits_next(&lot->portion.cores, -1)]++;
        add(&estate->busy, &lot->portion);
        return true;
}

/* What is idle and others are due. */
static void yield(xpm_estate *estate)
{
        if (!xpm_stock_is_wanted(estate->stock))
                return;
        xpm_portion spare = idle(estate), due;
        xpm_stock_due(estate->stock, &spare, &due);
        xpm_stock_give(estate->stock, &due);
}

void xpm_estate_give(xpm_estate *estate, xpm_lot *lot)
{
        lot->previous->next = lot->next;
        lot->next->previous = lot->previous;
        int core = xpm_bits_next(&lot->portion.cores, -1);
        if (lot->shared && --estate->sharers[core] > 0)
                xpm_bits_remove(&lot->portion.cores, (unsigned)core);
        subtract(&estate->busy, &lot->portion);
        yield(estate);
}

void xpm_estate_rest(xpm_estate *estate)
{
        xpm_portion spare = idle(estate);
        xpm_stock_give(estate->stock, &spare);
        xpm_estate_end(estate);
}

bool xpm_estate_is_waiting(const xpm_estate *estate)
{
        return estate->waiting;
}

int xpm_estate_seat(const xpm_estate *estate, const xpm_lot *lot, xpm_arena *arena, xpm_seat *seat, xpm_error *err)
{
        int rc = xpm_seat_describe(seat, estate->topology, estate->placement, &lot->portion, arena, err);
        seat->shared = lot->shared;
        seat->stock = xpm_stock_descriptor(estate->stock);
        return rc;
}
