# bash completion for trainguard
_trainguard() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands
    case $before in
        -s) mapfile -t COMPREPLY < <(compgen -W 'stop quit reload reopen' -- "$word") && return ;;
        -c) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
        -p) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    esac
    if [[ $word = -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-c -p -t --online -T -s -v -V --version --reference -h --help' -- "$word")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        # the commands are those of the program that is there
        commands=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _trainguard trainguard
