#!/bin/sh
# Job {{job}}
# Task {{task}} of experiment {{experiment}}; its parameters stand in params.json beside this file.
{{#directives}}
#
{{{directives}}}
{{/directives}}
#
# Submit it by hand from anywhere, sbatch {{script}}.sh, or run it here: sh {{script}}.sh
{{> body.sh}}
