# Completes NAME in Bash: source <(NAME completion bash)
__NAME_complete() {
    local line=${COMP_LINE:0:COMP_POINT} candidate current directive=0
    local -a words candidates
    # Bash splits words at = and :, so split the line again
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    [[ $current == -*=* ]] && current=${current#*=}
    while IFS= read -r candidate; do
        case $candidate in
        :*) directive=${candidate#:} ;;
        *) candidates+=("${candidate%%$'\t'*}") ;;
        esac
    done < <(NAME __complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    case $directive in
    0) return ;;
    8)
        local ending
        for ending in "${candidates[@]}"; do
            while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -X "!*.$ending" -- "$current")
        done
        while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -d -- "$current")
        compopt -o filenames 2>/dev/null
        ;;
    16)
        while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -d -- "$current")
        compopt -o filenames 2>/dev/null
        ;;
    *)
        COMPREPLY=("${candidates[@]}")
        compopt +o default 2>/dev/null
        ;;
    esac
    ((directive & 2)) && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -F __NAME_complete NAME
