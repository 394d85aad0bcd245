/* every_type.h: a task with a parameter of every type, for tests of templates
 */
#ifndef XPM_TEST_EVERY_TYPE_H
#define XPM_TEST_EVERY_TYPE_H

#include "base/json.h"
#include "planned.h"

static const char every_type[] = "id: exp\n"
                                 "solver: {tol: 1e-3, names: [a, 'b c'], on: true, off: false, none: null}\n"
                                 "a.b: {c.d: dotted}\n"
                                 "env: {TOP: '{{job.id}}'}\n"
                                 "enums: {Color: [RED, GREEN]}\n"
                                 "configs:\n"
                                 "  Model: {params: {hidden: int, name: {type: str, default: m}}}\n"
                                 "  net.Deep: {extends: Model, params: {layers: int, cache: {generated: cache.d}}}\n"
                                 "tasks:\n"
                                 "  Mesh:\n"
                                 "    params: {n: int, file: {generated: mesh.bin}}\n"
                                 "    command: [make, '{{n}}']\n"
                                 "  t.Use:\n"
                                 "    params:\n"
                                 "      i: int\n"
                                 "      f: float\n"
                                 "      tiny: {type: float, default: 0.00001}\n"
                                 "      b: {type: bool, default: true}\n"
                                 "      no: {type: bool, default: false}\n"
                                 "      zero: {type: int, default: 0}\n"
                                 "      s: str\n"
                                 "      plain: {type: str, default: abc-1.5}\n"
                                 "      empty: {type: str, default: ''}\n"
                                 "      color: Color\n"
                                 "      l: list[int]\n"
                                 "      ls: list[str]\n"
                                 "      el: {type: 'list[int]', default: []}\n"
                                 "      ll: {type: 'list[list[int]]', default: [[1, 2], [3]]}\n"
                                 "      maybe: {type: 'list[int?]', default: [1, null]}\n"
                                 "      set: {type: 'set[int]', default: [5]}\n"
                                 "      d: {type: 'dict[str, int]', default: {a: 1}}\n"
                                 "      di: {type: 'dict[int, str]', default: {'7': seven}}\n"
                                 "      ed: {type: 'dict[str, int]', default: {}}\n"
                                 "      none: int?\n"
                                 "      deep: Model\n"
                                 "      flat: Model\n"
                                 "      models: list[Model]\n"
                                 "      mesh: Mesh\n"
                                 "      meshes: list[Mesh]\n"
                                 "      nested: {type: 'Mesh?'}\n"
                                 "      where: {type: path, meta: true}\n"
                                 "      data: file\n"
                                 "      env: {type: str, default: mine}\n"
                                 "      ck: {generated: ck.bin}\n"
                                 "      shared: {generated: s.bin, partial: part}\n"
                                 "      seed: {type: int, default: 1, groups: [seeds]}\n"
                                 "    partials: {part: {exclude_groups: [seeds]}}\n"
                                 "    requirements: cpu(cores=4, mem=2G) & cuda(mem=1G)*2\n"
                                 "    files: {in.txt: {content: \"\"}}\n";

static const char every_type_plan[] = "plan:\n"
                                      "  mesh: {task: Mesh, sweep: {n: [10, 20]}}\n"
                                      "  use:\n"
                                      "    task: t.Use\n"
                                      "    params:\n"
                                      "      i: 3\n"
                                      "      f: 2\n"
                                      "      s: it's\n"
                                      "      color: RED\n"
                                      "      l: [1, 2]\n"
                                      "      ls: [a b, c]\n"
                                      "      deep: {type: net.Deep, hidden: 4, layers: 2}\n"
                                      "      flat: {hidden: 8}\n"
                                      "      models: [{hidden: 1}, {type: net.Deep, hidden: 2, layers: 9}]\n"
                                      "      mesh: {each: mesh, where: {n: 20}}\n"
                                      "      meshes: {all: mesh}\n"
                                      "      nested: {n: 5}\n"
                                      "      where: a dir\n"
                                      "      data: data.txt\n"
                                      "    sweep: {seed: [1]}\n";

/* The plan with COMMAND, YAML, as the task's. */
static inline int every_type_read(const struct place *place, const char *command, struct planned *planned,
                                  xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        place_put(place, "data.txt", "content");
        xpm_text_printf(&text, "%s    command: %s\n%s", every_type, command, every_type_plan);
        int rc = planned_read(place, xpm_text_string(&text), planned, err);
        xpm_text_release(&text);
        return rc;
}

static inline int every_type_read_quoted(const struct place *place, const char *command, struct planned *planned,
                                         xpm_error *err)
{
        xpm_text text = XPM_TEXT_INIT;
        xpm_json_cstring(&text, command);
        int rc = every_type_read(place, xpm_text_string(&text), planned, err);
        xpm_text_release(&text);
        return rc;
}

#endif
