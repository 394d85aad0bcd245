# Completion of xpm for bash: source it, or copy it to /usr/share/bash-completion/completions/xpm
_xpm()
{
        local current=${COMP_WORDS[COMP_CWORD]} previous='' command='' action='' word i
        [ "$COMP_CWORD" -gt 0 ] && previous=${COMP_WORDS[COMP_CWORD - 1]}
        for ((i = 1; i < COMP_CWORD; i++)); do
                word=${COMP_WORDS[i]}
                case $word in
                run-experiment | experiments | jobs | explain | why | orphans | find-launchers | launchers | resources | progress | remaining-time) [ -z "$command" ] && command=$word ;;
                list | log | path | kill | clean | check) [ -n "$command" ] && [ -z "$action" ] && action=$word ;;
                esac
        done

        case $previous in
        --run-mode) _xpm_words 'normal generate dry-run'; return ;;
        --rerun) _xpm_words 'changed all'; return ;;
        --workdir | --xpm-config-dir) _xpm_files -d; return ;;
        --file | --pre-yaml | --post-yaml) _xpm_files -f; return ;;
        --workspace | --launcher | --host | --port | --env | --sbatch-option | -c | --conf | -j | --jobs | --only | --where | --limit | --max-fails | \
                --filter | --experiment | --count | --level | --timeout) return ;;
        esac

        case $command:$action in
        :*) _xpm_words 'run-experiment experiments jobs explain why orphans find-launchers launchers resources progress remaining-time --help --version' ;;
        run-experiment:*)
                case $current in
                -*) _xpm_words '--run-mode --file --host --port --xpm-config-dir --workdir --workspace --env -c --conf --pre-yaml
                        --post-yaml --launcher -j --jobs --only --where --limit --fail-fast --max-fails --rerun --keep-failed --submit-all --no-wait --submit
                        --sbatch-option --show --json --debug --help' ;;
                *) _xpm_files -f ;;
                esac
                ;;
        experiments:) _xpm_words 'list --help' ;;
        experiments:*) _xpm_words '--workdir --workspace --xpm-config-dir --runs --json --help' ;;
        jobs:) _xpm_words 'list log path kill clean --help' ;;
        jobs:list) _xpm_words '--workdir --workspace --xpm-config-dir --experiment --filter --tags --fullpath -c --count --json --help' ;;
        jobs:log) _xpm_words '--workdir --workspace --xpm-config-dir -f --follow --std --help' ;;
        jobs:kill) _xpm_words '--workdir --workspace --xpm-config-dir --experiment --filter --all --perform --timeout --help' ;;
        jobs:clean) _xpm_words '--workdir --workspace --xpm-config-dir --experiment --filter --all --perform --help' ;;
        explain:* | why:*)
                case $current in
                -*) _xpm_words '--workdir --workspace --xpm-config-dir -c --conf --json --help' ;;
                *) _xpm_files -f ;;
                esac
                ;;
        orphans:*) _xpm_words '--workdir --workspace --xpm-config-dir --size --clean --help' ;;
        find-launchers:*) [ "$previous" = --tags ] || _xpm_words '--tags --xpm-config-dir --json --help' ;;
        launchers:) _xpm_words 'list check --help' ;;
        launchers:*) _xpm_words '--xpm-config-dir --json --help' ;;
        resources:*) _xpm_words '--json --help' ;;
        progress:*) _xpm_words '--level --help' ;;
        remaining-time:*) _xpm_words '--help' ;;
        jobs:path) _xpm_words '--workdir --workspace --xpm-config-dir --help' ;;
        esac
}

_xpm_words()
{
        mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_xpm_files()
{
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

complete -F _xpm xpm
