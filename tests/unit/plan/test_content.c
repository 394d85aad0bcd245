#include "declared.h"
#include "model/identifier.h"
#include "place.h"
#include "plan/content.h"
#include "types.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static xpm_file *file_at(struct world *world, const struct place *place, const char *name)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", place->path, name);
        return (xpm_file *)world_file(world, path, "").file;
}

static void hash_is_that_of_the_content(void **state)
{
        struct world world = {.arena = xpm_arena_create()};
        xpm_converter converter = {0};
        xpm_file *file = file_at(&world, *state, "x");
        place_put(*state, "x", "");
        assert_int_equal(xpm_content_hash(&converter, file, NULL), 0);
        assert_string_equal(file->hash, EMPTY);
        place_put(*state, "x", "abc");
        assert_int_equal(xpm_content_hash(&converter, file, NULL), 0);
        assert_string_equal(file->hash, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        world_release(&world);
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
        static const struct {
                const char *name, *message;
        } cases[] = {
                {"away",
                 "cannot open '%s/away': no such file or directory; a file is part of the identifier by its content"},
                {".", "'%s/.' is not a regular file; a file is part of the identifier by its content"},
                {"fifo", "'%s/fifo' is not a regular file; a file is part of the identifier by its content"}};
        struct world world = {.arena = xpm_arena_create()};
        const struct place *place = *state;
        xpm_converter converter = {0};
        assert_int_equal(mkfifoat(place->dir, "fifo", 0666), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                xpm_error err = XPM_ERROR_NONE;
                char expected[256];
                xpm_file *file = file_at(&world, place, cases[i].name);
                snprintf(expected, sizeof expected, cases[i].message, place->path);
                assert_int_equal(xpm_content_hash(&converter, file, &err), XPM_EPLAN);
                assert_string_equal(err.message, expected);
                assert_string_equal(file->hash, "");
        }
        world_release(&world);
}

static void files_are_found_at_any_depth(void **state)
{
        struct world world = {.arena = xpm_arena_create()};
        xpm_converter converter = {0};
        xpm_file *files[3];
        xpm_value values[3], key = world_int(1);
        place_put(*state, "x", "");
        for (size_t i = 0; i < 3; i++) {
                files[i] = file_at(&world, *state, "x");
                values[i] = (xpm_value){.kind = XPM_FILE, .file = files[i]};
        }
        xpm_config_type *type = world_type(&world, "T", NULL);
        world_param(&world, type, "f", "file");
        xpm_config *config = world_config(&world, type);
        config->values[0] = values[0];
        xpm_value dict = world_dict(&world, &key, &values[1], 1);
        xpm_value all = WORLD_ARRAY(&world, XPM_LIST, world_nested(config), dict, values[2]);
        assert_int_equal(xpm_content_hash_all(&converter, &all, NULL), 0);
        for (size_t i = 0; i < 3; i++)
                assert_string_equal(files[i]->hash, EMPTY);
        world_release(&world);
}

/* A task whose parameter `f` is DECLARATION, and the config that PARAMS make. */
static int make(struct declared *declared, const struct place *place, const char *declaration, const char *params,
                bool sweep, xpm_config **out)
{
        char text[512];
        snprintf(text, sizeof text, "configs: {T: {params: {f: %s}}}\np: %s\n", declaration, params);
        for (char *at; (at = strstr(text, "DIR"));) {
                char rest[512];
                snprintf(rest, sizeof rest, "%s", at + 3);
                snprintf(at, sizeof text - (size_t)(at - text), "%s%s", place->path, rest);
        }
        int rc = declared_read(declared, text);
        declared->converter.allow_missing = sweep;
        xpm_pos pos = {0};
        if (rc == 0)
                rc = xpm_convert_config(&declared->converter, xpm_node_get(declared->root, "p"), pos,
                                        xpm_map_get(&declared->types.configs, "T"), out, &declared->err);
        return rc;
}

static void default_that_is_not_there_matters_when_it_is_used(void **state)
{
        struct declared declared;
        xpm_config *config;
        uint8_t id[32];
        place_put(*state, "x", "");
        assert_int_equal(make(&declared, *state, "{type: file, default: DIR/away}", "{f: DIR/x}", false, &config), 0);
        assert_string_equal(config->values[0].file->hash, EMPTY);
        declared_release(&declared);

        assert_int_equal(make(&declared, *state, "{type: file, default: DIR/away}", "{}", false, &config), XPM_EPLAN);
        assert_non_null(strstr(declared.err.message, "t.yaml:2:4: the default of 'f' of 'T': cannot open '"));
        declared_release(&declared);

        /* A sweep may give another; if it does not, there is no identifier. */
        assert_int_equal(make(&declared, *state, "{type: \"list[file]\", default: [DIR/away]}", "{}", true, &config),
                         0);
        declared.err = XPM_ERROR_NONE;
        assert_int_equal(xpm_identifier(config, id, &declared.err), XPM_EPLAN);
        assert_string_equal(declared.err.message, "parameter 'f' of 'T': the file that is its default cannot be read");
        declared_release(&declared);
}

static void default_that_is_used_is_hashed(void **state)
{
        struct declared declared;
        xpm_config *config;
        place_put(*state, "x", "");
        assert_int_equal(make(&declared, *state, "{type: file, default: DIR/x}", "{}", false, &config), 0);
        assert_string_equal(config->values[0].file->hash, EMPTY);
        declared_release(&declared);
        assert_int_equal(make(&declared, *state, "{type: file, constant: DIR/x}", "{}", false, &config), 0);
        assert_string_equal(config->values[0].file->hash, EMPTY);
        declared_release(&declared);
}

static void ignored_default_is_compared_by_content(void **state)
{
        static const char *const given[] = {"{}", "{f: DIR/same}", "{f: DIR/other}"};
        uint8_t ids[3][32];
        place_put(*state, "x", "");
        place_put(*state, "same", "");
        place_put(*state, "other", "o");
        for (size_t i = 0; i < 3; i++) {
                struct declared declared;
                xpm_config *config;
                assert_int_equal(make(&declared, *state, "{type: file, default: DIR/x, ignore_default: true}", given[i],
                                      false, &config),
                                 0);
                assert_int_equal(xpm_identifier(config, ids[i], NULL), 0);
                declared_release(&declared);
        }
        assert_memory_equal(ids[0], ids[1], 32);
        assert_memory_not_equal(ids[0], ids[2], 32);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, place_enter, place_leave)
                T(hash_is_that_of_the_content),    T(what_is_no_file_is_refused_without_waiting),
                T(files_are_found_at_any_depth),   T(default_that_is_not_there_matters_when_it_is_used),
                T(default_that_is_used_is_hashed), T(ignored_default_is_compared_by_content),
#undef T
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
