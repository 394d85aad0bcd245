/* How a job came by its identifier, in words: it is computed once more, by the code that computed it, which tells what
 * it hashes. */
#include "base/json.h"
#include "engine/experiment.h"
#include "model/identifier.h"

typedef struct telling {
        const xpm_experiment *experiment;
        const xpm_job *job;
        int (*visit)(void *data, const xpm_identity *field);
        void *data;
        xpm_error *err;
} telling;

static const char *why(const xpm_identifier_field *field)
{
        switch (field->skip) {
        case XPM_SKIP_EXCLUDED: return "excluded by its group";
        case XPM_SKIP_GENERATED: return "generated";
        case XPM_SKIP_META: return "meta";
        case XPM_SKIP_NULL: return "optional and null";
        case XPM_SKIP_DEFAULT: return "its default, with ignore_default";
        case XPM_SKIP_NOT: break;
        }
        return NULL;
}

static int pass_on(void *data, const xpm_identifier_field *field)
{
        telling *to = data;
        xpm_text value = XPM_TEXT_INIT;
        int rc = 0;
        if (!field->param)
                xpm_json_cstring(&value, xpm_job_task(to->job));
        else if (field->param->generated)
                xpm_json_cstring(&value, field->param->generated);
        else
                rc = xpm_value_json(field->value, to->experiment->workspace->path, &value);
        if (rc != 0 || value.failed)
                rc = xpm_fail_memory(to->err);
        else
                rc = to->visit(to->data, &(xpm_identity){.name = field->param ? field->param->name : NULL,
                                                         .value = xpm_text_string(&value),
                                                         .skipped = why(field),
                                                         .generated = field->param ? field->param->generated : NULL,
                                                         .bytes = field->bytes,
                                                         .length = field->length});
        xpm_text_release(&value);
        return rc;
}

int xpm_experiment_identity(const xpm_experiment *experiment, const xpm_job *job,
                            int (*visit)(void *data, const xpm_identity *field), void *data, xpm_error *err)
{
        uint8_t id[sizeof job->config->id];
        telling to = {experiment, job, visit, data, err};
        return xpm_identifier_trace(job->config, pass_on, &to, id, err);
}
