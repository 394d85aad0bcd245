# The next line hands over to xpm, which takes the job's lock, starts what stands below it, and leaves logs and outcome here.
[ "$XPM_WORKER" = {{job}} ] || exec {{xpm}} worker --job {{path}}

cd {{cwd}}
{{#env}}
export {{{name}}}={{{value}}}
{{/env}}
{{#modules}}

if ! command -v module >/dev/null 2>&1; then
        for xpm_init in "$MODULESHOME/init/bash" "$LMOD_PKG/init/bash" /usr/share/lmod/lmod/init/bash \
                        /usr/share/modules/init/bash /usr/share/Modules/init/bash \
                        /etc/profile.d/lmod.sh /etc/profile.d/modules.sh; do
                if [ -r "$xpm_init" ] && . "$xpm_init"; then
                        break
                fi
        done
fi
module load {{modules}}
{{/modules}}
{{#setup}}

{{{setup}}}
{{/setup}}

{{#program}}
if ! command -v {{program}} >/dev/null 2>&1 && ! [ -e {{program}} ]; then
        printf '%s\n' {{missing}} >&2
        exit 127
fi
{{/program}}
{{#text}}
{{#ranks}}
exec mpirun -n {{ranks}} {{shell}} -c {{text}}
{{/ranks}}
{{^ranks}}
{{{text}}}
{{/ranks}}
{{/text}}
{{^text}}
exec {{#ranks}}mpirun -n {{ranks}} {{/ranks}}{{words}}
{{/text}}
