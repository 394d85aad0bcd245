/* Processes that take and give cores at random, wide jobs among them; now and then one is killed and replaced. A table
 * that they share says who uses which core: nobody may find another's mark there, and all must come to their end.
 *
 * XPM_TEST_SEED chooses another course, XPM_TEST_ROUNDS a longer one. */
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "stocks.h"

enum { CORES = 16, PLAYERS = 3, KILLS = 40, AT_ONCE = 6, PATIENCE_MS = 100 * 1000 };

/* What all see; it outlives whoever wrote it. */
struct common {
        _Atomic uint32_t user[CORES]; /* serial number of the process that uses the core, 0: none */
        _Atomic bool doomed[KILLS + PLAYERS + 1];
        _Atomic uint32_t rounds[PLAYERS], wide[PLAYERS], all_cores;
};

struct player {
        struct common *common;
        struct host host;
        xpm_stock *stock;
        uint32_t serial, random, goal;
        size_t index;
        struct {
                xpm_bits cores;
                uint32_t turns; /* that it still takes */
        } jobs[AT_ONCE];
        size_t count;
        size_t next; /* cores that the next job needs */
        xpm_bits used;
};

static uint32_t draw(struct player *player, uint32_t below)
{
        player->random ^= player->random << 13;
        player->random ^= player->random >> 17;
        player->random ^= player->random << 5;
        return player->random % below;
}

static uint32_t parameter(const char *name, uint32_t otherwise)
{
        const char *text = getenv(name);
        return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static _Noreturn void lose(const struct player *player, const char *what, int core)
{
        fprintf(stderr, "process %u: core %d %s\n", player->serial, core, what);
        _exit(1);
}

static void use(struct player *player, const xpm_bits *cores)
{
        for (int i = xpm_bits_next(cores, -1); i >= 0; i = xpm_bits_next(cores, i)) {
                uint32_t before = atomic_exchange(&player->common->user[i], player->serial);
                if (before != 0 && !player->common->doomed[before])
                        lose(player, "is used by another", i);
        }
        xpm_bits_add_all(&player->used, cores);
}

static void leave(struct player *player, const xpm_bits *cores)
{
        for (int i = xpm_bits_next(cores, -1); i >= 0; i = xpm_bits_next(cores, i))
                if (atomic_exchange(&player->common->user[i], 0) != player->serial)
                        lose(player, "was taken from its holder", i);
        xpm_bits_remove_all(&player->used, cores);
}

static void end_jobs(struct player *player, bool all)
{
        for (size_t i = player->count; i-- > 0;) {
                if (!all && player->jobs[i].turns-- > 0)
                        continue;
                leave(player, &player->jobs[i].cores);
                player->jobs[i] = player->jobs[--player->count];
        }
}

static xpm_portion idle_of(const struct player *player)
{
        xpm_portion idle = {.cores = xpm_stock_held(player->stock)->cores};
        xpm_bits_remove_all(&idle.cores, &player->used);
        return idle;
}

/* COUNT of BITS, from somewhere on. */
static xpm_bits some_of(struct player *player, const xpm_bits *bits, size_t count)
{
        xpm_bits out = {0};
        int start = (int)draw(player, CORES);
        for (int i = 0; i < CORES && count > 0; i++) {
                unsigned core = (unsigned)(start + i) % CORES;
                if (!xpm_bits_has(bits, core))
                        continue;
                xpm_bits_add(&out, core);
                count--;
        }
        return out;
}

static void reopen(struct player *player)
{
        xpm_stock_close(player->stock);
        if (xpm_stock_open(&player->host.topology, "player", &player->stock, NULL, NULL) != 0)
                _exit(2);
}

static void give_what_is_due(struct player *player)
{
        xpm_portion due, idle = idle_of(player);
        if (xpm_stock_is_wanted(player->stock)) {
                xpm_stock_due(player->stock, &idle, &due);
                if (!xpm_bits_include(&idle.cores, &due.cores))
                        lose(player, "or others are due though they are used", -1);
                xpm_stock_give(player->stock, &due);
        } else if (draw(player, 16) == 0)
                xpm_stock_give(player->stock, &(xpm_portion){.cores = some_of(player, &idle.cores, 2)});
}

static bool start_job(struct player *player)
{
        xpm_portion idle = idle_of(player);
        if (player->count == AT_ONCE || xpm_bits_count(&idle.cores) < player->next)
                return false;
        player->jobs[player->count].cores = some_of(player, &idle.cores, player->next);
        player->jobs[player->count].turns = draw(player, 8);
        use(player, &player->jobs[player->count++].cores);
        xpm_stock_want(player->stock, NULL, NULL);
        return true;
}

static void gather(struct player *player)
{
        xpm_portion wanted, idle = idle_of(player);
        size_t have = xpm_bits_count(&idle.cores);
        if (player->count == AT_ONCE)
                return;
        xpm_stock_look(player->stock, &wanted);
        xpm_bits_remove_all(&wanted.cores, &xpm_stock_held(player->stock)->cores);
        wanted.cores = some_of(player, &wanted.cores, player->next - have);
        xpm_bits_add_all(&wanted.cores, &xpm_stock_held(player->stock)->cores);
        xpm_stock_claim(player->stock, &wanted);
        idle = idle_of(player);
        if (xpm_bits_count(&idle.cores) < player->next) {
                const xpm_appetite need = {.cores = player->next}, used = {.cores = xpm_bits_count(&player->used)};
                xpm_stock_want(player->stock, &need, &used);
        }
}

static void draw_next(struct player *player)
{
        player->next = draw(player, 8) == 0 ? CORES / 2 + 1 + draw(player, CORES / 2) : 1 + draw(player, 4);
}

static _Noreturn void play(struct player *player, int news)
{
        struct common *common = player->common;
        if (xpm_stock_open(&player->host.topology, "player", &player->stock, NULL, NULL) != 0)
                _exit(2);
        draw_next(player);
        while (common->rounds[player->index] < player->goal) {
                end_jobs(player, false);
                give_what_is_due(player);
                if (start_job(player)) {
                        uint32_t rounds = ++common->rounds[player->index];
                        common->wide[player->index] += player->next > CORES / 2;
                        common->all_cores += player->next == CORES;
                        draw_next(player);
                        if (rounds == player->goal || rounds % (player->goal * PLAYERS / (2 * KILLS) + 1) == 0)
                                (void)!write(news, "x", 1);
                } else
                        gather(player);
                if (player->count == 0 && draw(player, 32) == 0)
                        reopen(player);
                sched_yield();
        }
        end_jobs(player, true);
        xpm_stock_close(player->stock);
        _exit(0);
}

struct seat {
        pid_t pid;
        uint32_t serial;
};

static void start(struct player *player, struct seat *seat, size_t index, int news[2])
{
        player->serial++;
        player->index = index;
        player->random = draw(player, UINT32_MAX) | 1;
        *seat = (struct seat){fork(), player->serial};
        if (seat->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
                close(news[0]);
                play(player, news[1]);
        }
        assert_true(seat->pid > 0);
}

/* One that was to be killed may have come to its end before. */
static void end(const struct seat *seat, int expected)
{
        int status = 0;
        assert_int_equal(waitpid(seat->pid, &status, 0), seat->pid);
        if (status != expected && status != 0)
                fail_msg("process %u ended with status %x", seat->serial, (unsigned)status);
}

static void replace_one(struct player *player, struct seat seats[PLAYERS], int news[2])
{
        size_t victim = draw(player, PLAYERS);
        player->common->doomed[seats[victim].serial] = true;
        kill(seats[victim].pid, SIGKILL);
        end(&seats[victim], SIGKILL);
        start(player, &seats[victim], victim, news);
}

static bool all_have_ended(const struct player *player)
{
        bool all = true;
        for (size_t i = 0; i < PLAYERS; i++)
                all = all && player->common->rounds[i] >= player->goal;
        return all;
}

/* Replace one whenever there is news, KILLS times at most. false: there is none any more. */
static bool referee(struct player *player, struct seat seats[PLAYERS], int news[2])
{
        struct pollfd poll_ = {.fd = news[0], .events = POLLIN};
        char byte;
        for (int kills = 0; !all_have_ended(player); kills++) {
                if (poll(&poll_, 1, PATIENCE_MS) != 1 || read(news[0], &byte, 1) != 1)
                        return false;
                if (kills < KILLS)
                        replace_one(player, seats, news);
        }
        return true;
}

static void no_core_is_used_twice_and_all_come_to_their_end(void **state)
{
        struct place *place = *state;
        struct common *common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct player *player = calloc(1, sizeof *player);
        struct seat seats[PLAYERS];
        int news[2];
        assert_true(common != MAP_FAILED && player && pipe2(news, O_CLOEXEC) == 0);
        *player = (struct player){.common = common,
                                  .random = parameter("XPM_TEST_SEED", 20) | 1,
                                  .goal = parameter("XPM_TEST_ROUNDS", 3000)};
        host_make(&player->host, CORES, 2);
        for (size_t i = 0; i < PLAYERS; i++)
                start(player, &seats[i], i, news);
        bool ended = referee(player, seats, news);
        for (size_t i = 0; i < PLAYERS; i++) {
                if (!ended)
                        kill(seats[i].pid, SIGKILL);
                end(&seats[i], ended ? 0 : SIGKILL);
        }
        assert_true(ended);
        for (size_t i = 0; i < PLAYERS; i++) {
                assert_in_range(common->rounds[i], player->goal, player->goal + 1);
                assert_in_range(common->wide[i], player->goal / 20, player->goal);
        }
        assert_true(common->all_cores > 0);
        assert_int_equal(place_count(place, "."), 0);
        close(news[0]);
        close(news[1]);
        munmap(common, sizeof *common);
        free(player);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(no_core_is_used_twice_and_all_come_to_their_end, stocks_enter,
                                                place_leave),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
