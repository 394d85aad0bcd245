/* The way of any text through the front end: parsed, merged with itself, set by -c, interpolated, printed. Nothing may
 * crash, leak or read out of bounds; and what is printed is JSON that reads back the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/interpolate.h"
#include "plan/merge.h"
#include "plan/override.h"
#include "plan/scalar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_environment(void *data, const char *name)
{
        (void)data;
        return name[0] == 'H' ? "home" : NULL;
}

static void require(bool condition, const char *what)
{
        if (!condition) {
                fprintf(stderr, "fuzz_yaml: %s\n", what);
                abort();
        }
}

/* An error has its code, and a position when it is one of the text. */
static void check_error(int rc, const xpm_error *err)
{
        require(rc == err->code, "the code is that of the message");
        require(rc != XPM_EPLAN || strstr(err->message, ":"), "an error has a position");
}

static void check_printed(xpm_arena *arena, const xpm_source *source, const xpm_node *root)
{
        xpm_error err = XPM_ERROR_NONE;
        xpm_text once = XPM_TEXT_INIT, twice = XPM_TEXT_INIT;
        xpm_node *again;
        int rc = xpm_node_json(root, &once, &err);
        check_error(rc, &err);
        if (rc == 0 && xpm_yaml_parse(arena, source, xpm_text_string(&once), once.length, 0, &again, NULL) == 0 &&
            xpm_node_json(again, &twice, NULL) == 0)
                require(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
                        "the JSON reads back the same");
        xpm_text_release(&once);
        xpm_text_release(&twice);
}

static void check_setting(xpm_arena *arena, xpm_node **root, const uint8_t *data, size_t size)
{
        xpm_error err = XPM_ERROR_NONE;
        char *setting = malloc(size + 8);
        if (!setting)
                return;
        int length = snprintf(setting, size + 8, "%s", memchr(data, '=', size) ? "" : "a.0.b=");
        memcpy(setting + length, data, size);
        setting[(size_t)length + size] = '\0';
        int rc = xpm_override(arena, root, setting, "/", 3, &err);
        check_error(rc, &err);
        free(setting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const xpm_source source = {.name = "fuzz", .path = "/fuzz", .dir = "/"};
        xpm_error err = XPM_ERROR_NONE;
        xpm_document document = {.source = &source};
        xpm_arena *arena = xpm_arena_create();
        xpm_node *root = NULL;
        if (!arena)
                return 0;
        int rc = xpm_yaml_parse(arena, &source, (const char *)data, size, 1, &root, &err);
        check_error(rc, &err);
        if (rc != 0)
                goto out;
        check_printed(arena, &source, root);
        if (root->kind != XPM_NODE_MAPPING)
                goto out;

        xpm_node *copy = xpm_node_copy(arena, root);
        if (!copy || xpm_merge_root(arena, &document.root, copy, 1) != 0 ||
            xpm_merge_root(arena, &document.root, root, 2) != 0)
                goto out;
        check_setting(arena, &document.root, data, size);
        rc = xpm_interpolate(arena, &document, no_environment, NULL, &err);
        check_error(rc, &err);
        if (rc == 0)
                check_printed(arena, &source, document.root);
out:
        xpm_map_release(&document.env_values);
        xpm_map_release(&document.keys_read);
        xpm_arena_destroy(arena);
        return 0;
}
