/* Why nobody waits for ever, if jobs end, holders ask xpm_stock_due before they use again what became idle, and whoever
 * waits claims now and then:
 *
 * Take the one who has waited longest. What is free is his up to what he misses: others, who stand behind him, may take
 * only what is left beyond that. If his job is wide, all others owe him whatever becomes idle, those who gather for
 * wide jobs of their own included, and he owes nobody what he needs: so what he misses only shrinks, until he has it.
 * If not, he needs at most the even share S, and those above S owe him. While he is below S something is free or
 * somebody is above S: S is the level to which all can be filled with what there is. At S he misses at most what his
 * own jobs use, and these end. Then his ticket is void, and the next one is the longest waiting. Devices and memory are
 * as for wide jobs.
 *
 * Nobody ever blocks, so nothing can be locked in a circle; two who gather for wide jobs do not take from each other in
 * turns, since only the later one gives. Two who take what is left at the same instant may between them take what a
 * third was due; that was free when he could have had it, and he is given it when it is idle again.
 *
 * Without anybody who waits a claim is one call for each range, and giving too. Only when somebody does, claims and
 * dues look at all the locks. Words about owners are written under the lock of the place, records under that of the
 * record; a place or a record that is not locked has no owner, whatever its word says. Holdings (`file`) and record
 * (`self`) are locked by two descriptions, since a guardian keeps the one, while a worker that is dead waits for
 * nothing. */
#include "exec/stock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/stockfile.h"
#include "exec/stockplaces.h"

enum { FIRST_SHARES = 256 };

static const struct region {
        size_t from, end;
} regions[XPM_STOCK_KINDS] = {
        [XPM_STOCK_CORES] = {XPM_PLACE_PU, XPM_PLACE_DEVICE},
        [XPM_STOCK_GPUS] = {XPM_PLACE_DEVICE, XPM_PLACE_SHARE},
        [XPM_STOCK_MEMORY] = {XPM_PLACE_SHARE, XPM_PLACES},
};

struct xpm_stock {
        const xpm_topology *topology;
        xpm_stock_table *table;
        xpm_stock_record *record, unlisted; /* the latter when all records are taken: nobody hears of us */
        size_t number;                      /* of the record */
        int file, self;
        int memory_file; /* FILE, or -1 when memory is not shared */
        uint64_t unit;   /* bytes of a share; 0: the memory of this host is not known, and not counted */
        xpm_portion held;
        xpm_bits all[XPM_STOCK_KINDS];  /* what there is: numbers of cores, devices, shares */
        xpm_bits have[XPM_STOCK_KINDS]; /* what of it is ours */
        uint16_t item[XPM_PLACES];      /* whose place it is: the number of a core, device or share, or XPM_NO_ITEM */
        bool mine[XPM_PLACES];
};

static int file_of(const xpm_stock *stock, size_t kind)
{
        return kind == XPM_STOCK_MEMORY ? stock->memory_file : stock->file;
}

static size_t shares_for(uint64_t bytes, uint64_t unit)
{
        if (unit == 0)
                return 0;
        uint64_t count = bytes / unit + (bytes % unit != 0);
        return count < XPM_STOCK_SHARES ? (size_t)count : XPM_STOCK_SHARES;
}

static uint64_t bytes_of(const xpm_stock *stock, size_t shares)
{
        uint64_t bytes = shares * stock->unit;
        return bytes < stock->topology->memory ? bytes : stock->topology->memory;
}

static void keep_first(xpm_bits *bits, size_t count)
{
        for (int i = xpm_bits_next(bits, -1); i >= 0; i = xpm_bits_next(bits, i))
                if (count == 0)
                        xpm_bits_remove(bits, (unsigned)i);
                else
                        count--;
}

/* The last ones: so that what is kept are the first ones, side by side. */
static void keep_last(xpm_bits *bits, size_t count)
{
        xpm_bits first = *bits;
        size_t all = xpm_bits_count(bits);
        keep_first(&first, all > count ? all - count : 0);
        xpm_bits_remove_all(bits, &first);
}

/* ---- opening ---- */

/* Who comes first says how big a share is. Who may use more has more of them. */
static void map_memory(xpm_stock *stock, xpm_text *note)
{
        uint64_t memory = stock->topology->memory, unit = memory / FIRST_SHARES + (memory % FIRST_SHARES != 0),
                 said = 0;
        stock->memory_file = stock->file;
        stock->unit = unit;
        if (unit && !atomic_compare_exchange_strong(&stock->table->unit, &said, unit))
                stock->unit = said;
        if (unit && memory / stock->unit >= XPM_STOCK_SHARES) {
                stock->unit = unit;
                stock->memory_file = -1;
                if (note)
                        xpm_text_puts(note, "memory is not shared with other runs on this host: the first of them may "
                                            "use much less of it");
        }
        for (size_t i = 0; i < shares_for(memory, stock->unit); i++) {
                xpm_bits_add(&stock->all[XPM_STOCK_MEMORY], (unsigned)i);
                stock->item[XPM_PLACE_SHARE + i] = (uint16_t)i;
        }
}

/* What a dead process left in the table in our record's name. */
static void disown(xpm_stock *stock)
{
        for (size_t place = 0; place < XPM_PLACES; place++) {
                uint16_t us = (uint16_t)(stock->number + 1);
                atomic_compare_exchange_strong(&stock->table->owner[place], &us, 0);
        }
}

static void find_record(xpm_stock *stock)
{
        size_t i = 0;
        while (i < XPM_STOCK_RECORDS && !xpm_stockfile_lock(stock->self, XPM_LOCK_RECORD + i, XPM_LOCK_RECORD + i + 1))
                i++;
        stock->number = i;
        stock->record = i < XPM_STOCK_RECORDS ? &stock->table->record[i] : &stock->unlisted;
        if (i == XPM_STOCK_RECORDS)
                return;
        stock->record->ticket = 0;
        disown(stock);
        for (uint32_t known = stock->table->records; known <= i;)
                if (atomic_compare_exchange_weak(&stock->table->records, &known, (uint32_t)i + 1))
                        break;
}

static void sign(xpm_stock *stock, const char *label)
{
        xpm_stock_record *record = stock->record;
        size_t first = XPM_STOCK_PUS, last = 0;
        for (size_t place = 0; place < XPM_STOCK_PUS; place++)
                if (stock->item[place] != XPM_NO_ITEM) {
                        first = place < first ? place : first;
                        last = place;
                }
        record->pid = getpid();
        record->usable = (uint32_t)xpm_bits_count(&stock->all[XPM_STOCK_CORES]);
        record->first_pu = (uint32_t)first;
        record->last_pu = (uint32_t)last;
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                record->held[kind] = record->target[kind] = 0;
        memset(record->label, 0, sizeof record->label);
        strncpy(record->label, label, sizeof record->label - 1);
}

static void let_go(xpm_stock *stock)
{
        xpm_stockfile_unmap(stock->table);
        xpm_stockfile_leave(stock->file);
        if (stock->self >= 0)
                close(stock->self);
        free(stock);
}

int xpm_stock_file(xpm_text *note)
{
        return xpm_stockfile_open(note);
}

int xpm_stock_open_file(int file, const xpm_topology *topology, const char *label, xpm_stock **out, xpm_text *note,
                        xpm_error *err)
{
        xpm_stock *stock = calloc(1, sizeof *stock);
        if (!stock) {
                xpm_stockfile_leave(file);
                return xpm_fail_memory(err);
        }
        *stock = (xpm_stock){.topology = topology, .file = file, .self = xpm_stockfile_again(file)};
        if (file >= 0 && stock->self < 0) {
                if (note)
                        xpm_text_printf(note,
                                        "cores are not shared with other runs on this host: cannot open their "
                                        "file twice: %s",
                                        strerror(errno));
                xpm_stockfile_leave(file);
                stock->file = -1;
        }
        stock->table = xpm_stockfile_map(stock->file, true);
        if (!stock->table) {
                let_go(stock);
                return xpm_fail_memory(err);
        }
        xpm_stockplaces_map(topology, stock->table, true, stock->item, &stock->all[XPM_STOCK_CORES],
                            &stock->all[XPM_STOCK_GPUS]);
        map_memory(stock, note);
        find_record(stock);
        sign(stock, label);
        *out = stock;
        return 0;
}

int xpm_stock_open(const xpm_topology *topology, const char *label, xpm_stock **out, xpm_text *note, xpm_error *err)
{
        return xpm_stock_open_file(xpm_stock_file(note), topology, label, out, note, err);
}

void xpm_stock_close(xpm_stock *stock)
{
        if (!stock)
                return;
        xpm_stock_want(stock, NULL, NULL);
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                stock->record->held[kind] = 0;
        let_go(stock);
}

/* ---- taking and giving ---- */

/* Ours is what could be locked of FROM … END, with as few calls as there are ranges. */
static void take_range(xpm_stock *stock, int fd, size_t from, size_t end)
{
        while (from < end) {
                size_t first, stop;
                if (xpm_stockfile_lock(fd, from, end)) {
                        memset(stock->mine + from, true, end - from);
                        for (size_t place = from; place < end; place++)
                                stock->table->owner[place] = (uint16_t)(stock->number + 1);
                        return;
                }
                /* What was locked may be free a moment later; it is not worth another try. */
                if (!xpm_stockfile_find(fd, from, end, &first, &stop))
                        return;
                take_range(stock, fd, from, first);
                from = stop;
        }
}

static void give_range(xpm_stock *stock, int fd, size_t from, size_t end)
{
        memset(stock->mine + from, false, end - from);
        xpm_stockfile_unlock(fd, from, end);
}

/* Apply ACT to each range of places that are those of BITS and ours or not, as MINE says. */
static void for_ranges(xpm_stock *stock, size_t kind, const xpm_bits *bits, bool mine,
                       void (*act)(xpm_stock *stock, int fd, size_t from, size_t end))
{
        size_t from = regions[kind].from, end = regions[kind].end, start = end;
        for (size_t place = from; place <= end; place++) {
                bool in = place < end && stock->item[place] != XPM_NO_ITEM && xpm_bits_has(bits, stock->item[place]) &&
                          stock->mine[place] == mine;
                if (in && start == end)
                        start = place;
                if (!in && start < place) {
                        act(stock, file_of(stock, kind), start, place);
                        start = end;
                }
        }
}

static void release(xpm_stock *stock, size_t kind, const xpm_bits *bits)
{
        for_ranges(stock, kind, bits, true, give_range);
        xpm_bits_remove_all(&stock->have[kind], bits);
}

/* A core of which another process, which may use a part of it alone, has that part is not taken. */
static void take(xpm_stock *stock, size_t kind, const xpm_bits *bits)
{
        xpm_bits got = *bits, lost = *bits;
        if (xpm_bits_is_empty(bits))
                return;
        for_ranges(stock, kind, bits, false, take_range);
        for (size_t place = regions[kind].from; place < regions[kind].end; place++)
                if (stock->item[place] != XPM_NO_ITEM && !stock->mine[place])
                        xpm_bits_remove(&got, stock->item[place]);
        xpm_bits_remove_all(&lost, &got);
        release(stock, kind, &lost);
        xpm_bits_add_all(&stock->have[kind], &got);
}

static void publish(xpm_stock *stock)
{
        stock->held.cores = stock->have[XPM_STOCK_CORES];
        stock->held.gpus = stock->have[XPM_STOCK_GPUS];
        stock->held.memory = bytes_of(stock, xpm_bits_count(&stock->have[XPM_STOCK_MEMORY]));
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                stock->record->held[kind] =
                        file_of(stock, kind) >= 0 ? (uint32_t)xpm_bits_count(&stock->have[kind]) : 0;
}

int xpm_stock_descriptor(const xpm_stock *stock)
{
        return stock->file;
}

const xpm_portion *xpm_stock_held(const xpm_stock *stock)
{
        return &stock->held;
}

/* What nobody has. */
static void find_free(const xpm_stock *stock, size_t kind, xpm_bits *free)
{
        bool taken[XPM_PLACES];
        size_t from = regions[kind].from, end = regions[kind].end;
        memset(taken + from, false, end - from);
        xpm_stockfile_scan(file_of(stock, kind), from, end, taken + from);
        *free = stock->all[kind];
        for (size_t place = from; place < end; place++)
                if (stock->item[place] != XPM_NO_ITEM && (taken[place] || stock->mine[place]))
                        xpm_bits_remove(free, stock->item[place]);
}

/* ---- others ---- */

/* Whether what the holder of RECORD could use is ours to take or to give. By the ends alone: where sets of cores are
 * interleaved it is true too often, and somebody is shown consideration in vain. */
static bool concerns(const xpm_stock *stock, const xpm_stock_record *record)
{
        return record->first_pu <= stock->record->last_pu && record->last_pu >= stock->record->first_pu;
}

bool xpm_stock_is_wanted(const xpm_stock *stock)
{
        size_t count = stock->table->records;
        for (size_t i = 0; i < count; i++) {
                const xpm_stock_record *record = &stock->table->record[i];
                if (i != stock->number && record->ticket != 0 && concerns(stock, record))
                        return true;
        }
        return false;
}

static xpm_party party_of(const xpm_stock_record *record)
{
        xpm_party party = {.ticket = record->ticket, .job_cores = record->job_cores, .usable = record->usable};
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                party.held[kind] = record->held[kind];
                party.target[kind] = record->target[kind];
        }
        return party;
}

/* The words of a dead process are wiped out under the lock of its record, so that they are not those of a new one. */
static void bury(const xpm_stock *stock, size_t i)
{
        xpm_stock_record *record = &stock->table->record[i];
        if (!xpm_stockfile_lock(stock->self, XPM_LOCK_RECORD + i, XPM_LOCK_RECORD + i + 1))
                return;
        record->ticket = 0;
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                record->held[kind] = 0;
        xpm_stockfile_unlock(stock->self, XPM_LOCK_RECORD + i, XPM_LOCK_RECORD + i + 1);
}

typedef struct company {
        xpm_party parties[XPM_STOCK_RECORDS + 1];
        size_t count, me, cores; /* which is how many they hold */
} company;

/* All that have work, with us. LIVING: those whom the words show are looked for among the living. */
static void meet(const xpm_stock *stock, bool living, company *company_)
{
        bool alive[XPM_STOCK_RECORDS] = {0};
        size_t count = stock->table->records;
        company_->count = 1;
        company_->parties[0] = party_of(stock->record);
        company_->parties[0].is_me = true;
        company_->cores = company_->parties[0].held[XPM_STOCK_CORES];
        if (living)
                xpm_stockfile_scan(stock->self, XPM_LOCK_RECORD, XPM_LOCK_RECORD + count, alive);
        for (size_t i = 0; i < count; i++) {
                xpm_party party = party_of(&stock->table->record[i]);
                bool busy = party.ticket || party.held[0] || party.held[1] || party.held[2];
                if (i == stock->number || !busy)
                        continue;
                if (living && !alive[i])
                        bury(stock, i);
                else if (concerns(stock, &stock->table->record[i])) {
                        company_->parties[company_->count++] = party;
                        company_->cores += party.held[XPM_STOCK_CORES];
                }
        }
        company_->me = xpm_parties_sort(company_->parties, company_->count);
}

static size_t share_of(const xpm_stock *stock, const company *company_, size_t free)
{
        size_t all = xpm_bits_count(&stock->all[XPM_STOCK_CORES]), supply = company_->cores + free;
        return xpm_parties_share(company_->parties, company_->count, supply < all ? supply : all);
}

/* How many of FREE we may take. */
static void find_room(const xpm_stock *stock, const xpm_bits free[XPM_STOCK_KINDS], size_t room[XPM_STOCK_KINDS])
{
        company company_;
        size_t counts[XPM_STOCK_KINDS];
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                counts[kind] = xpm_bits_count(&free[kind]);
        meet(stock, true, &company_);
        xpm_parties_allow(company_.parties, company_.count, company_.me,
                          share_of(stock, &company_, counts[XPM_STOCK_CORES]), counts, room);
        if (stock->memory_file < 0)
                room[XPM_STOCK_MEMORY] = counts[XPM_STOCK_MEMORY];
}

void xpm_stock_look(const xpm_stock *stock, xpm_portion *free)
{
        xpm_bits found[XPM_STOCK_KINDS];
        size_t room[XPM_STOCK_KINDS];
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                find_free(stock, kind, &found[kind]);
        if (xpm_stock_is_wanted(stock)) {
                find_room(stock, found, room);
                for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                        keep_first(&found[kind], room[kind]);
        }
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                xpm_bits_add_all(&found[kind], &stock->have[kind]);
        free->cores = found[XPM_STOCK_CORES];
        free->gpus = found[XPM_STOCK_GPUS];
        free->memory = bytes_of(stock, xpm_bits_count(&found[XPM_STOCK_MEMORY]));
}

/* Of what we miss, what the others leave us. */
static void limit(const xpm_stock *stock, xpm_bits misses[XPM_STOCK_KINDS])
{
        xpm_bits free[XPM_STOCK_KINDS];
        size_t room[XPM_STOCK_KINDS];
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                find_free(stock, kind, &free[kind]);
        find_room(stock, free, room);
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                xpm_bits_keep_all(&misses[kind], &free[kind]);
                keep_first(&misses[kind], room[kind]);
        }
}

bool xpm_stock_claim(xpm_stock *stock, const xpm_portion *wanted)
{
        xpm_bits misses[XPM_STOCK_KINDS] = {wanted->cores, wanted->gpus};
        size_t held = xpm_bits_count(&stock->have[XPM_STOCK_MEMORY]), shares = shares_for(wanted->memory, stock->unit);
        for (size_t kind = 0; kind < XPM_STOCK_MEMORY; kind++) {
                xpm_bits_keep_all(&misses[kind], &stock->all[kind]);
                xpm_bits_remove_all(&misses[kind], &stock->have[kind]);
        }
        if (shares > held) {
                find_free(stock, XPM_STOCK_MEMORY, &misses[XPM_STOCK_MEMORY]);
                keep_first(&misses[XPM_STOCK_MEMORY], shares - held);
        }
        if (xpm_stock_is_wanted(stock))
                limit(stock, misses);
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++)
                take(stock, kind, &misses[kind]);
        publish(stock);
        return xpm_bits_include(&stock->held.cores, &wanted->cores) &&
               xpm_bits_include(&stock->held.gpus, &wanted->gpus) &&
               (stock->unit == 0 || stock->held.memory >= wanted->memory);
}

void xpm_stock_give(xpm_stock *stock, const xpm_portion *part)
{
        xpm_bits given[XPM_STOCK_KINDS] = {part->cores, part->gpus, stock->have[XPM_STOCK_MEMORY]};
        uint64_t kept = stock->held.memory > part->memory ? stock->held.memory - part->memory : 0;
        size_t held = xpm_bits_count(&given[XPM_STOCK_MEMORY]);
        keep_last(&given[XPM_STOCK_MEMORY], held - shares_for(kept, stock->unit));
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                xpm_bits_keep_all(&given[kind], &stock->have[kind]);
                if (!xpm_bits_is_empty(&given[kind]))
                        release(stock, kind, &given[kind]);
        }
        publish(stock);
}

void xpm_stock_want(xpm_stock *stock, const xpm_appetite *need, const xpm_appetite *used)
{
        xpm_stock_record *record = stock->record;
        if (!need) {
                record->ticket = 0;
                return;
        }
        const size_t target[XPM_STOCK_KINDS] = {
                need->cores + used->cores,
                need->gpus + used->gpus,
                stock->memory_file < 0 ? 0 : shares_for(need->memory + used->memory, stock->unit),
        };
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                size_t all = xpm_bits_count(&stock->all[kind]);
                record->target[kind] = (uint32_t)(target[kind] < all ? target[kind] : all);
        }
        record->job_cores = (uint32_t)need->cores;
        if (record->ticket == 0)
                record->ticket = atomic_fetch_add(&stock->table->tickets, 1) + 1;
}

static size_t idle_shares(const xpm_stock *stock, uint64_t idle)
{
        uint64_t used = stock->held.memory > idle ? stock->held.memory - idle : 0;
        size_t held = stock->record->held[XPM_STOCK_MEMORY], kept = shares_for(used, stock->unit);
        return held > kept ? held - kept : 0;
}

void xpm_stock_due(xpm_stock *stock, const xpm_portion *idle, xpm_portion *due)
{
        company company_;
        xpm_bits free[XPM_STOCK_KINDS];
        size_t out[XPM_STOCK_KINDS], free_counts[XPM_STOCK_KINDS];
        const size_t idle_counts[XPM_STOCK_KINDS] = {xpm_bits_count(&idle->cores), xpm_bits_count(&idle->gpus),
                                                     idle_shares(stock, idle->memory)};
        *due = (xpm_portion){.memory = 0};
        if (!xpm_stock_is_wanted(stock))
                return;
        meet(stock, false, &company_);
        if (!xpm_parties_may_owe(company_.parties, company_.count, company_.me, share_of(stock, &company_, 0),
                                 share_of(stock, &company_, XPM_CORES), idle_counts))
                return;
        for (size_t kind = 0; kind < XPM_STOCK_KINDS; kind++) {
                find_free(stock, kind, &free[kind]);
                free_counts[kind] = xpm_bits_count(&free[kind]);
        }
        meet(stock, true, &company_);
        xpm_parties_due(company_.parties, company_.count, company_.me,
                        share_of(stock, &company_, free_counts[XPM_STOCK_CORES]), free_counts, idle_counts, out);
        due->cores = idle->cores;
        due->gpus = idle->gpus;
        keep_last(&due->cores, out[XPM_STOCK_CORES]);
        keep_last(&due->gpus, out[XPM_STOCK_GPUS]);
        due->memory = out[XPM_STOCK_MEMORY] * stock->unit;
        if (due->memory > idle->memory)
                due->memory = idle->memory;
}
