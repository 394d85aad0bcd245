#!/bin/sh
# Job {{job}}
# Task {{task}} of experiment {{experiment}}; its parameters stand in params.json beside this file.
#
# Run it by hand from anywhere: sh {{script}}.sh
{{> body.sh}}
