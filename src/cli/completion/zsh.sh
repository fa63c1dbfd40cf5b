#compdef NAME
# Completes NAME in Zsh: source <(NAME completion zsh), or as a file _NAME in a directory of fpath
__NAME_complete() {
    local line directive=0
    local -a described endings
    for line in "${(@f)$(NAME __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
        :*) directive=${line#:} ;;
        *$'\t'*) described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        ?*) described+=("${line//:/\\:}") endings+=("*.$line") ;;
        esac
    done
    # keep the text before the value of --flag=value
    compset -P '-*='
    case $directive in
    0) _files ;;
    8) _files -g "(${(j:|:)endings})" ;;
    16) _files -/ ;;
    *)
        if ((directive & 2)); then
            _describe -V 'NAME' described -S ''
        else
            _describe -V 'NAME' described
        fi
        ;;
    esac
}
if [[ $funcstack[1] == _NAME ]]; then
    __NAME_complete "$@"
else
    compdef __NAME_complete NAME
fi
