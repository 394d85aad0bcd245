/* The configuration that a run is saved with: the merged experiment file, with what came from the environment hidden,
 * since that is where secrets are passed. */
#include <string.h>

#include "engine/experiment.h"
#include "plan/scalar.h"

static const char hidden[] = "<from environment>";

static void mask(xpm_node *node, const xpm_map *from_environment, xpm_text *path)
{
        size_t length = path->length, count = 0;
        if (node->kind == XPM_NODE_SCALAR && xpm_map_get_n(from_environment, xpm_text_string(path), path->length)) {
                node->text = hidden;
                node->length = sizeof hidden - 1;
                node->quoted = true;
        }
        if (node->kind == XPM_NODE_MAPPING)
                count = node->pair_count;
        else if (node->kind == XPM_NODE_SEQUENCE)
                count = node->item_count;
        for (size_t i = 0; i < count; i++) {
                const char *dot = length ? "." : "";
                if (node->kind == XPM_NODE_MAPPING) {
                        xpm_text_puts(path, dot);
                        xpm_text_append(path, node->pairs[i].key, node->pairs[i].key_length);
                        mask(node->pairs[i].value, from_environment, path);
                } else {
                        xpm_text_printf(path, "%s%zu", dot, i);
                        mask(node->items[i], from_environment, path);
                }
                xpm_text_cut(path, length);
        }
}

int xpm_experiment_configuration(const xpm_experiment *experiment, xpm_text *json, xpm_error *err)
{
        const xpm_document *document = &experiment->plan->document;
        xpm_text path = XPM_TEXT_INIT;
        xpm_arena *arena = xpm_arena_create();
        xpm_node *copy = arena ? xpm_node_copy(arena, document->root) : NULL;
        int rc = copy ? 0 : xpm_fail_memory(err);
        if (rc == 0)
                mask(copy, &document->env_values, &path);
        if (path.failed)
                rc = xpm_fail_memory(err);
        if (rc == 0)
                rc = xpm_node_json(copy, json, err);
        xpm_text_release(&path);
        xpm_arena_destroy(arena);
        return rc;
}
