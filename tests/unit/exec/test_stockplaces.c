#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exec/stockplaces.h"
#include "stocks.h"

struct map {
        uint16_t item[XPM_PLACES];
        xpm_bits cores, devices;
        size_t count; /* of places that are somebody's */
};

static struct map map_of(const struct host *host, xpm_stock_table *table, bool add)
{
        struct map map = {.count = 0};
        xpm_stockplaces_map(&host->topology, table, add, map.item, &map.cores, &map.devices);
        for (size_t i = 0; i < XPM_PLACES; i++)
                map.count += map.item[i] != XPM_NO_ITEM;
        return map;
}

/* The place of device GPU, -1: none. */
static int place_of(const struct map *map, uint16_t gpu)
{
        for (int i = XPM_PLACE_DEVICE; i < XPM_PLACE_SHARE; i++)
                if (map->item[i] == gpu)
                        return i;
        return -1;
}

static xpm_stock_table *new_table(void)
{
        xpm_stock_table *table = calloc(1, sizeof *table);
        assert_non_null(table);
        return table;
}

static void core_has_the_places_of_its_hardware_threads(void **state)
{
        (void)state;
        struct host host;
        xpm_stock_table *table = new_table();
        host_make(&host, 4, 2);
        host.pus[7] = 100; /* of core 3 */
        const struct map map = map_of(&host, table, true);
        assert_cores(&map.cores, 0, 4);
        assert_int_equal(map.count, 8);
        assert_int_equal(map.item[XPM_PLACE_PU + 0], 0);
        assert_int_equal(map.item[XPM_PLACE_PU + 4], 0);
        assert_int_equal(map.item[XPM_PLACE_PU + 3], 3);
        assert_int_equal(map.item[XPM_PLACE_PU + 100], 3);
        assert_int_equal(map.item[XPM_PLACE_PU + 7], XPM_NO_ITEM);
        free(table);
}

static void core_of_which_one_thread_has_no_place_has_none(void **state)
{
        (void)state;
        struct host host;
        xpm_stock_table *table = new_table();
        host_make(&host, 2, 2);
        host.pus[3] = XPM_STOCK_PUS; /* the second one of core 1 */
        const struct map map = map_of(&host, table, true);
        assert_cores(&map.cores, 0, 1);
        assert_int_equal(map.count, 2);
        free(table);
}

static void processes_that_see_other_devices_agree_about_their_places(void **state)
{
        (void)state;
        struct host all, some;
        xpm_stock_table *table = new_table();
        host_make(&all, 1, 1);
        host_make(&some, 1, 1);
        for (unsigned slot = 1; slot <= 3; slot++)
                host_add_gpu(&all, slot);
        host_add_gpu(&some, 3);
        host_add_gpu(&some, 1);
        host_add_gpu(&some, 9); /* which the others do not see */
        const struct map first = map_of(&all, table, true), second = map_of(&some, table, true);
        assert_int_equal(xpm_bits_count(&first.devices), 3);
        assert_true(place_of(&first, 0) >= 0 && place_of(&first, 1) >= 0);
        assert_int_equal(place_of(&second, 0), place_of(&first, 2));
        assert_int_equal(place_of(&second, 1), place_of(&first, 0));
        for (uint16_t gpu = 0; gpu < 3; gpu++)
                assert_int_not_equal(place_of(&second, 2), place_of(&first, gpu));
        free(table);
}

static void who_only_looks_enters_nothing(void **state)
{
        (void)state;
        struct host host;
        xpm_stock_table *table = new_table(), *empty = new_table();
        host_make(&host, 1, 1);
        host_add_gpu(&host, 1);
        struct map map = map_of(&host, table, false);
        assert_int_equal(place_of(&map, 0), -1);
        assert_true(xpm_bits_is_empty(&map.devices));
        assert_memory_equal(table, empty, sizeof *table);
        map_of(&host, table, true);
        map = map_of(&host, table, false);
        assert_int_equal(place_of(&map, 0), XPM_PLACE_DEVICE);
        free(table);
        free(empty);
}

static void parts_of_one_device_and_devices_without_address_are_apart(void **state)
{
        (void)state;
        struct host host;
        xpm_stock_table *table = new_table();
        host_make(&host, 1, 1);
        host_add_gpu(&host, 0);
        host_add_gpu(&host, 0);
        host_add_gpu(&host, 1);
        host_add_gpu(&host, 2);
        host.gpus[2].pci = "";
        host.gpus[3].pci = NULL;
        const struct map map = map_of(&host, table, true);
        assert_int_equal(xpm_bits_count(&map.devices), 4);
        assert_int_equal(map.count, 1 + 4);
        for (uint16_t gpu = 0; gpu < 4; gpu++)
                for (uint16_t other = 0; other < gpu; other++)
                        assert_int_not_equal(place_of(&map, gpu), place_of(&map, other));
        free(table);
}

static void device_for_which_there_is_no_room_has_no_place(void **state)
{
        (void)state;
        struct host host;
        xpm_stock_table *table = new_table();
        host_make(&host, 1, 1);
        host_add_gpu(&host, 1);
        host_add_gpu(&host, 2);
        for (size_t i = 0; i < XPM_STOCK_DEVICES - 1; i++)
                table->devices[i] = UINT64_C(1) << 62 | (i + 1); /* of others */
        const struct map map = map_of(&host, table, true);
        assert_int_equal(place_of(&map, 0), XPM_PLACE_SHARE - 1);
        assert_int_equal(place_of(&map, 1), -1);
        assert_int_equal(xpm_bits_count(&map.devices), 1);
        free(table);
}

static void where_there_is_no_stock_there_are_no_holders(void **state)
{
        (void)state;
        struct host host;
        xpm_holder *holders = (xpm_holder[]){{.pid = 1}};
        size_t count = 7;
        host_make(&host, 4, 1);
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_null(holders);
        assert_int_equal(count, 0);
        /* And when there is one, whoever holds nothing is told too. */
        xpm_stock *stock = open_stock(&host, "one");
        assert_int_equal(xpm_stock_holders(&host.topology, &holders, &count, NULL), 0);
        assert_int_equal(count, 1);
        assert_int_equal(holders[0].pid, getpid());
        assert_string_equal(holders[0].label, "one");
        assert_true(xpm_bits_is_empty(&holders[0].portion.cores));
        free(holders);
        xpm_stock_close(stock);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stocks_enter, place_leave)
                T(core_has_the_places_of_its_hardware_threads),
                T(core_of_which_one_thread_has_no_place_has_none),
                T(processes_that_see_other_devices_agree_about_their_places),
                T(who_only_looks_enters_nothing),
                T(parts_of_one_device_and_devices_without_address_are_apart),
                T(device_for_which_there_is_no_room_has_no_place),
                T(where_there_is_no_stock_there_are_no_holders),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
